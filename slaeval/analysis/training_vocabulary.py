"""How often each gloss occurs in training."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from slaeval.errors import InputError
from slaeval.scoring.protocols import OFFICIAL
from slaeval.scoring.protocols import protocol as named_protocol

if TYPE_CHECKING:
    from slaeval.evaluation.score import Evaluation
    from slaeval.loaders import Corpus
    from slaeval.scoring.protocols import Protocol

__all__ = ["training_counts", "training_of"]


def training_counts(corpus: Corpus, rules: str | Protocol = OFFICIAL) -> Counter[str]:
    """Count the glosses of a training split as a protocol sees them.

    Parameters
    ----------
    corpus : Corpus
        The training split: ``slaeval.load_corpus(name, root, "train")``.
    rules : str or Protocol
        The protocol of the score to be explained: ``score.protocol``.

    Returns
    -------
    Counter
        Counts of the glosses, cleaned as references are under that protocol.

    Raises
    ------
    UsageError
        Unknown protocol.
    """
    cleanup = named_protocol(rules).reference
    cleaned = cleanup.references([list(sample.glosses) for sample in corpus])
    counts: Counter[str] = Counter()
    for words in cleaned:
        counts.update(words)
    return counts


def training_of(
    evaluation: Evaluation,
    train: str | os.PathLike[str] | None = None,
    protocol: str | Protocol | None = None,
) -> tuple[Mapping[str, int] | None, str]:
    """Count the training glosses, and say where they come from or why there are none.

    Parameters
    ----------
    evaluation : Evaluation
        Gives the corpus of the references.
    train : path-like, optional
        A file with the references of the training split; by default the corpus's.
    protocol : str, optional
        The protocol of the score to be explained; by default that of the request.
    """
    from slaeval import loaders

    request = evaluation.request
    rules = evaluation.rules(protocol)
    if train is not None:
        samples = loaders.read_references_file(os.fspath(train), None, "train")
        corpus = loaders.Corpus("own", "own", "train", "", tuple(samples))
        return training_counts(corpus, rules), os.path.basename(train)
    where = evaluation.references.corpus
    if where is None and request.dataset is not None:
        where = (request.dataset, request.root, request.setup)
    elif evaluation.run is not None and not request.names_references:
        settings = evaluation.run.settings
        where = (
            settings["dataset"],
            request.root or settings.get("root"),
            settings.get("setup"),
        )
    if where is None:
        return None, (
            "the references come from a file, so the training annotation is unknown: name it "
            "with --train FILE"
        )
    name, folder, setup = where
    try:
        corpus = loaders.load_corpus(name, folder, "train", setup)
    except InputError as error:
        # A report is useful without this section; the page says what is missing.
        if error.path is not None and os.path.isfile(error.path):
            # Without the folder, since the page may be sent to others.
            why = os.path.basename(error.path) + str(error).removeprefix(error.path)
            return None, (
                f"the training annotation of {name} cannot be used ({why}): name another file "
                "with --train FILE"
            )
        return None, (
            f"the training annotation of {name} was not found: name the corpus folder with "
            "--root DIR, or a file with --train FILE"
        )
    return training_counts(corpus, rules), f"{name} train, {len(corpus)} sentences"
