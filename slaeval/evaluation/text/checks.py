"""Checks of translations: what a careful colleague would point out before believing a score."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from slaeval.errors import counted
from slaeval.evaluation.checks import coverage, few
from slaeval.evaluation.references import ReferenceSet
from slaeval.formats.hypotheses import Hypotheses
from slaeval.scoring.text.protocols import script_of
from slaeval.scoring.text.score import TextScore

__all__ = ["observations", "readings_notices", "stop_on_one_side"]

_FINAL = re.compile(r"[.!?…。！？]\s*$")
_JOINED = re.compile(r"[^\s\d.][.!?]$")
_WIDE = re.compile(r"[，。？！；：、（）]")
_NARROW = re.compile(r"[,?!;:.]")
_SPECIAL = re.compile(r"</?s>|<pad>|<unk>|<eos>|<bos>|\[(?:PAD|UNK|CLS|SEP)\]|@@(?:\s|$)|▁|##\w")
#: Least share of sentences for "most", and greatest for "hardly any".
_MOST, _FEW = 0.8, 0.2


def observations(references: ReferenceSet, hypotheses: Hypotheses) -> tuple[str, ...]:
    """Return what a reader should know under any protocol.

    Returns
    -------
    tuple of str
        One sentence per finding.
    """
    rows = references.references
    sentences = {name: words[0] if words else "" for name, words in hypotheses.words.items()}
    ids = [row.id for row in rows]
    empty = [name for name in ids if name in sentences and not sentences[name].strip()]
    notes = [*hypotheses.notes, *coverage(ids, sentences, unknown_costs="")]
    if empty:
        notes.append(f"{counted(len(empty), 'segment')} with an empty hypothesis{few(empty)}")
    missing = [row.id for row in rows if not row.words[0].strip()]
    if missing:
        notes.append(f"{counted(len(missing), 'segment')} with an empty reference{few(missing)}")
    heard = {name: sentences[name] for name in ids if sentences.get(name, "").strip()}
    special = [name for name, text in heard.items() if _SPECIAL.search(text)]
    if special:
        notes.append(
            f"marks of a tokeniser in {counted(len(special), 'sentence')}{few(special)}, such as "
            f"{_SPECIAL.search(heard[special[0]])[0]!r}: decode them first"  # type: ignore[index]
        )
    capitals = [name for name, text in heard.items() if text.isupper()]
    if len(capitals) > _MOST * len(heard):
        notes.append(
            f"{len(capitals)} of {counted(len(heard), 'hypothesis', 'hypotheses')} in capitals "
            "throughout: these look like glosses, not translations"
        )
    if heard and script_of(heard.values()) != script_of(row.words[0] for row in rows):
        notes.append("references and hypotheses are not in the same script: check --dataset")
    return tuple(notes)


def readings_notices(score: TextScore, common: Callable[[], TextScore]) -> tuple[str, ...]:
    """Say how the two sides differ in writing after the protocol's cleanup.

    Parameters
    ----------
    score : TextScore
        Under the requested protocol.
    common : callable
        Returns the score without punctuation on either side.
    """
    pairs = [(one.reference, one.hypothesis) for one in score.segments if one.hypothesis.strip()]
    if not pairs:
        return ()
    left, right = [reference for reference, _ in pairs], [hypothesis for _, hypothesis in pairs]
    notes = [*_final_punctuation(left, right, common), *_segmentation(score, left, right)]
    both = {"references": left, "hypotheses": right}
    wide = _one_sided(both, lambda text: bool(_WIDE.search(text)))
    if wide and any(_NARROW.search(text) for text in both[wide[1]]):
        notes.append(
            f"the {wide[0]} have full-width punctuation (，。？), the {wide[1]} have ASCII's "
            "(,.?): BLEU counts them as different"
        )
    cased = _one_sided(both, lambda text: text != text.lower())
    if cased:
        notes.append(
            f"the {cased[0]} have capitals and the {cased[1]} hardly any: BLEU counts case under "
            f"the protocol {score.protocol}"
        )
    return tuple(notes)


def stop_on_one_side(score: TextScore) -> bool:
    """Say whether most sentences of one side end in punctuation and hardly any of the other."""
    pairs = [(one.reference, one.hypothesis) for one in score.segments if one.hypothesis.strip()]
    sides = {"references": [one for one, _ in pairs], "hypotheses": [two for _, two in pairs]}
    return bool(pairs) and _one_sided(sides, _ends) is not None


def _ends(text: str) -> bool:
    return _FINAL.search(text) is not None


def _one_sided(
    sides: Mapping[str, Sequence[str]], has: Callable[[str], bool]
) -> tuple[str, str] | None:
    """Return the side where most sentences have something and the one where hardly any do."""
    share = {side: sum(map(has, texts)) / len(texts) for side, texts in sides.items()}
    low, high = sorted(share, key=share.__getitem__)
    return (high, low) if share[high] >= _MOST and share[low] <= _FEW else None


def _final_punctuation(
    left: Sequence[str], right: Sequence[str], common: Callable[[], TextScore]
) -> list[str]:
    notes = []
    ends = [sum(map(_ends, side)) for side in (left, right)]
    sides = {"references": left, "hypotheses": right}
    one_sided = _one_sided(sides, _ends)
    if one_sided:
        notes.append(
            f"{ends[0]} of {len(left)} references and {ends[1]} of {len(right)} hypotheses end in "
            f"punctuation: only the {one_sided[0]} do, which lowers every figure; without "
            f"punctuation on either side BLEU-4 is {common().bleu(4):.2f} (protocol unpunctuated)"
        )
    joined = _one_sided(sides, lambda text: bool(_JOINED.search(text)))
    if joined and not one_sided:
        notes.append(
            f"the final punctuation of the {joined[0]} is joined to the last word ('regen.'), "
            f"that of the {joined[1]} is not ('regen .')"
        )
    return notes


def _segmentation(score: TextScore, left: Sequence[str], right: Sequence[str]) -> list[str]:
    notes = []
    if score.form.unit == "words" and script_of(right) == "chinese":
        longest = max(max(map(len, text.split()), default=0) for text in (*left, *right))
        if longest > 4:
            notes.append(
                f"Chinese without blanks under {score.protocol}, which counts what is "
                "between blanks: whole clauses are its words, and BLEU-4 is meaningless; use "
                "twostream or plain"
            )
    if score.form.unit == "characters":
        blanks = [sum(" " in text.strip() for text in side) for side in (left, right)]
        if max(blanks) > _FEW * len(left):
            notes.append(
                f"{blanks[0]} references and {blanks[1]} hypotheses of Chinese contain blanks"
                + (": ROUGE-L counts each as two units" if score.script == "chinese" else "")
            )
    return notes
