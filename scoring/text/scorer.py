"""From reference and hypothesis sentences to a score under a text protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from slaeval._version import __version__
from slaeval.scoring.scorer import lines_hash
from slaeval.scoring.text.figures import RESAMPLES
from slaeval.scoring.text.protocols import DEFAULT, TextProtocol, script_of, text_protocol
from slaeval.scoring.text.score import TextScore, TextSegment

__all__ = ["TextReference", "score_texts"]


class TextReference(NamedTuple):
    """What was signed in one segment, as a spoken-language sentence.

    Attributes
    ----------
    id : str
        Name of the segment.
    signer : str
        Who signs, ``""`` where unknown.
    text : str
        The sentence as annotated.
    """

    id: str
    signer: str
    text: str


def score_texts(
    references: Sequence[TextReference],
    hypotheses: Mapping[str, str],
    rules: str | TextProtocol = DEFAULT,
    *,
    dataset: str | None = None,
    split: str | None = None,
    source: str = "",
    warnings: tuple[str, ...] = (),
    bootstrap: int = RESAMPLES,
) -> TextScore:
    """Score sentences against sentences.

    Parameters
    ----------
    references : sequence of TextReference
        Every segment to score, each id once.
    hypotheses : mapping
        From segments to recognised sentences. A reference without a hypothesis is scored against
        an empty one; a hypothesis without a reference is left out.
    rules : str or TextProtocol
        The protocol; ``"official"`` is ``"plain"`` here, where no corpus is known.
    dataset, split, source : str, optional
        What the references are, and where they came from.
    warnings : tuple of str
        Passed on to the score.
    bootstrap : int
        Resamples for the intervals; 0 for none.

    Returns
    -------
    TextScore
        With one segment per reference, in their order. Figures are computed on access.

    Raises
    ------
    UsageError
        Unknown protocol, or one that is not defined for this kind of text.
    """
    rules = text_protocol(rules)
    script = script_of(reference.text for reference in references)
    form = rules.form(script)
    segments = [
        TextSegment(
            reference.id,
            reference.signer,
            form.reference.apply(reference.text),
            form.hypothesis.apply(hypotheses.get(reference.id, "")),
        )
        for reference in references
    ]
    hashed = lines_hash(f"{name}\t{text}\n" for name, _, text in references)
    base = (
        f"dataset:{dataset or 'own'}|split:{split or 'own'}|level:text|"
        f"protocol:{rules.identifier}|segments:{len(segments)}|references:{hashed}|"
        f"slaeval:{__version__}"
    )
    return TextScore(
        segments, rules, script, dataset, split, source, base, tuple(warnings), bootstrap
    )
