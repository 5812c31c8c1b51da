"""Comparing a corpus's folder with what was published about it.

Every deviation states its effect on a score, because that is what a user needs to know: a
missing frame spoils a run, a missing reference changes everyone's WER.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Literal, NamedTuple

from slaeval.errors import InputError
from slaeval.formats.words import split_words
from slaeval.loaders.folders import find
from slaeval.loaders.layout import Layout
from slaeval.loaders.reading import read_split
from slaeval.loaders.records import Sample
from slaeval.loaders.registry import layout
from slaeval.loaders.video import frame_ending, frame_files

__all__ = ["Issue", "verify"]


class Issue(NamedTuple):
    """Something in a folder that is not as published, or worth knowing.

    Attributes
    ----------
    severity : {"error", "warning", "note"}
        ``"error"``: changes a score; ``"warning"``: may spoil training or a run; ``"note"``:
        known and harmless.
    what : str
        What was checked, with its split.
    expected, found : str
        What was published, and what was found.
    effect : str
        Its effect on a score.
    """

    severity: Literal["error", "warning", "note"]
    what: str
    expected: str
    found: str
    effect: str


def verify(
    name: str, root: str | os.PathLike[str] | None = None, setup: str | None = None
) -> list[Issue]:
    """Compare a folder with the published facts of its corpus.

    Parameters
    ----------
    name : str
        The corpus.
    root : path-like, optional
        Its folder; see :func:`slaeval.loaders.folders.find`.
    setup : str, optional
        Which setup; the default one if not given.

    Returns
    -------
    list of Issue
        Errors first; empty if everything is as published.

    Raises
    ------
    InputError
        There is no such folder, or no split of the corpus in it.
    """
    described = layout(name)
    chosen = described.setup_of(setup)
    folder = find(described.name, root)
    deviations: list[Issue] = []
    splits: dict[str, list[Sample]] = {}
    base = folder
    failures = []
    for split in described.splits:
        try:
            _, base = described.locate(folder, chosen, split)
            splits[split] = read_split(described, folder, chosen, split)
        except InputError as error:
            failures.append(error)
            deviations.append(
                Issue(
                    "error",
                    f"{split}: annotation",
                    "readable",
                    str(error).split("\n")[0],
                    "nothing can be scored on this split",
                )
            )
    if not splits:
        raise failures[0]
    for split, samples in splits.items():
        deviations += _counts(described, chosen, split, samples)
        deviations += _annotations(split, samples)
        deviations += _broken(described, split, samples)
    deviations += _shared_ids(splits)
    if len(splits) == len(described.splits):
        deviations += _vocabulary(described, splits)
    deviations += _media(described, base, splits)
    deviations += _outside(described, base)
    order = {"error": 0, "warning": 1, "note": 2}
    return sorted(deviations, key=lambda row: order[row.severity])


def _counts(described: Layout, setup: str, split: str, samples: list[Sample]) -> list[Issue]:
    facts = described.facts.get((setup, split), ())
    if not facts:
        return []
    fitting = [edition for edition in facts if edition.samples in (None, len(samples))]
    if not fitting:
        known = " or ".join(f"{edition.samples} ({edition.edition})" for edition in facts)
        return [
            Issue(
                "error",
                f"{split}: samples",
                known,
                str(len(samples)),
                "the WER is over a different set from everyone else's: not comparable",
            )
        ]
    edition = fitting[0]
    found = []
    if edition is not facts[0]:
        found.append(
            Issue(
                "note",
                f"{split}: edition",
                f"{facts[0].samples} samples ({facts[0].edition})",
                f"{len(samples)} samples: the {edition.edition}",
                "compare only with results on the same edition",
            )
        )
    tokens = sum(len(sample.glosses) for sample in samples)
    if edition.glosses is not None and tokens != edition.glosses:
        found.append(
            Issue(
                "error",
                f"{split}: gloss tokens",
                str(edition.glosses),
                str(tokens),
                "the WER is over different references from everyone else's: not comparable",
            )
        )
    signers = len({sample.signer for sample in samples if sample.signer})
    if edition.signers is not None and signers != edition.signers:
        found.append(
            Issue(
                "warning",
                f"{split}: signers",
                str(edition.signers),
                str(signers),
                "tables by signer differ; the WER does not",
            )
        )
    return found


def _annotations(split: str, samples: list[Sample]) -> list[Issue]:
    found = []
    withheld = [sample.id for sample in samples if sample.glosses_raw is None]
    if withheld:
        found.append(
            Issue(
                "note",
                f"{split}: references",
                "glosses",
                f"withheld by the owners for {len(withheld)} samples",
                "this split cannot be scored here",
            )
        )
    empty = [s.id for s in samples if s.glosses_raw is not None and not s.glosses]
    if empty:
        found.append(
            Issue(
                "error",
                f"{split}: empty annotations",
                "none",
                f"{len(empty)}: {', '.join(empty[:3])}",
                "every recognised word there is an insertion",
            )
        )
    return found


def _broken(described: Layout, split: str, samples: list[Sample]) -> list[Issue]:
    return [
        Issue(
            "note",
            f"{split}: known broken sample",
            described.broken[sample.id],
            sample.id,
            "none on dev and test; leave it out of training (exclude_broken)",
        )
        for sample in samples
        if sample.id in described.broken
    ]


def _shared_ids(splits: dict[str, list[Sample]]) -> list[Issue]:
    homes: dict[str, list[str]] = {}
    for split, samples in splits.items():
        for sample in samples:
            homes.setdefault(sample.id, []).append(split)
    shared = {id: found_in for id, found_in in homes.items() if len(found_in) > 1}
    if not shared:
        return []
    example = next(iter(shared))
    return [
        Issue(
            "error",
            "splits that share samples",
            "none",
            f"{len(shared)}, such as {example} in {' and '.join(shared[example])}",
            "a model is tested on what it was trained on",
        )
    ]


def _vocabulary(described: Layout, splits: dict[str, list[Sample]]) -> list[Issue]:
    if described.vocabulary is None or any(
        sample.glosses_raw is None for samples in splits.values() for sample in samples
    ):
        return []
    glosses = Counter(
        gloss
        for samples in splits.values()
        for sample in samples
        for gloss in split_words(sample.glosses_raw or "")
    )
    if len(glosses) == described.vocabulary:
        return []
    return [
        Issue(
            "warning",
            "vocabulary over all splits",
            str(described.vocabulary),
            str(len(glosses)),
            "checkpoints with the published number of classes do not fit",
        )
    ]


def _media(described: Layout, base: str, splits: dict[str, list[Sample]]) -> list[Issue]:
    """Look for every sample's pictures, if their folder exists at all."""
    found = []
    absent: dict[str, list[str]] = {}
    for split, samples in splits.items():
        places = [(s, *place) for s in samples if (place := described.media(base, s))]
        if not places:
            continue
        top = places[0][1]
        if not os.path.isdir(os.path.join(base, top)):
            absent.setdefault(top, []).append(split)
            continue
        missing = [path for _, _, path in places if not _holds(os.path.join(base, path))]
        if missing:
            found.append(
                Issue(
                    "error",
                    f"{split}: samples without pictures",
                    "none",
                    f"{len(missing)} of {len(places)}, such as {missing[0]}",
                    "a run has no hypothesis for them: each word counts as deleted",
                )
            )
        found += _frame_counts(split, [(s, os.path.join(base, path)) for s, _, path in places])
    if absent:
        found.append(
            Issue(
                "note",
                f"{', '.join(split for names in absent.values() for split in names)}: pictures",
                ", ".join(absent),
                "no such folder: annotations only",
                "hypothesis files can be scored, models cannot be run",
            )
        )
    return found


def _frame_counts(split: str, places: list[tuple[Sample, str]]) -> list[Issue]:
    """Count the frames in folders, if the annotation gives their number."""
    counted = {
        sample: len(frame_files(path, frame_ending(sample)))
        for sample, path in places
        if sample.num_frames is not None and os.path.isdir(path)
    }
    differing = [
        f"{sample.id} has {count} for {sample.num_frames}"
        for sample, count in counted.items()
        if count not in (0, sample.num_frames)  # 0 is reported above
    ]
    if not differing:
        return []
    return [
        Issue(
            "warning",
            f"{split}: frames of a sample",
            "as many as annotated",
            f"{len(differing)} of {len(counted)} samples differ: {', '.join(differing[:3])}"
            + (", …" if len(differing) > 3 else ""),
            "a model sees different pictures from everyone else's: check which are missing",
        )
    ]


def _holds(path: str) -> bool:
    if os.path.isdir(path):
        with os.scandir(path) as entries:
            return any(True for _ in entries)
    return os.path.isfile(path) and os.path.getsize(path) > 0


def _outside(described: Layout, base: str) -> list[Issue]:
    """Name samples that are annotated but in no split."""
    return [
        Issue(
            "note",
            "sample in no split",
            "every sample in a split",
            id,
            "none; some add it to their training set",
        )
        for id in described.outside(base)
    ]
