"""Many systems on the same references, ranked: the final table of a challenge.

Every submission is read and scored independently. One that cannot be read is listed with the
reason and does not stop the others. Ranks follow the errors; systems with equally many share one.
Each system is tested against the leader, with p-values adjusted (Holm) over these tests alone;
one that differs from the leader in neither test is marked as tied with it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from slaeval.errors import InputError, SlaevalError, UsageError, counted
from slaeval.evaluation.compare import Pair, compare
from slaeval.evaluation.request import Request
from slaeval.evaluation.score import Evaluation
from slaeval.scoring.score import Score, finite

__all__ = [
    "Entry",
    "Leaderboard",
    "Unreadable",
    "leaderboard",
    "not_scored",
    "open_each",
    "submissions",
]

#: Significance level of the tests against the leader.
_LEVEL = 0.05

#: Names of files beside submissions that are not submissions.
_NO_SUBMISSION = re.compile(r"\..*|(readme|licen[cs]e)(\..*)?|.*\.md", re.IGNORECASE)


class Unreadable(NamedTuple):
    """A submission that could not be scored.

    Attributes
    ----------
    name : str
        Name of the file or folder.
    reason : str
        What is wrong with it.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Entry:
    """One system of a leaderboard.

    Attributes
    ----------
    rank : int
        From 1; systems with the same number of errors share one.
    name : str
        Name of the submission.
    score : Score
        Its score.
    pair : Pair or None
        The leader (first) against the system (second); None for the leader itself.
    """

    rank: int
    name: str
    score: Score
    pair: Pair | None

    @property
    def tied(self) -> bool:
        """Whether it does not differ from the leader at 5 % in either test."""
        return self.pair is not None and (
            min(self.pair.matched_pairs_p, self.pair.permutation_p) >= _LEVEL
        )

    @property
    def behind(self) -> tuple[float, float | None, float | None] | None:
        """Points behind the leader, with the interval; None for the leader."""
        if self.pair is None:
            return None
        return self.pair.difference, *(self.pair.interval or (None, None))

    def to_row(self) -> dict[str, Any]:
        """Return the row of ``--format csv``: figures, tests, and the WER of each signer."""
        low, high = self.score.wer_ci or (None, None)
        counts = self.score.total.to_dict()
        pair = self.pair
        behind = self.behind
        return {
            "rank": self.rank,
            "system": self.name,
            "tied": "yes" if self.tied else "no",
            "wer": counts.pop("wer"),
            "wer_low": low,
            "wer_high": high,
            **counts,
            "difference": behind and finite(behind[0]),
            "difference_low": behind and behind[1],
            "difference_high": behind and behind[2],
            "mapsswe_p": pair and pair.matched_pairs_p,
            "permutation_p": pair and pair.permutation_p,
            **{f"wer_{group.name}": finite(group.wer) for group in self.score.by_signer},
            "signature": self.score.signature,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as ``--json`` prints it."""
        row = {key: value for key, value in self.to_row().items() if not _of_a_signer(key)}
        by_signer = {group.name: group.to_dict() for group in self.score.by_signer}
        warnings = list(self.score.warnings)
        return {**row, "tied": self.tied, "by_signer": by_signer, "warnings": warnings}


def _of_a_signer(key: str) -> bool:
    return key.startswith("wer_") and key not in ("wer_low", "wer_high")


@dataclass(frozen=True)
class Leaderboard:
    """Systems ordered by rank.

    Attributes
    ----------
    entries : list of Entry
        The leader first.
    unreadable : list of Unreadable
        What could not be scored.
    """

    entries: list[Entry]
    unreadable: list[Unreadable]

    @property
    def signers(self) -> list[str]:
        """The signers of the references."""
        return [group.name for group in self.entries[0].score.by_signer] if self.entries else []

    def to_dict(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {
            "systems": [entry.to_dict() for entry in self.entries],
            "unreadable": [one._asdict() for one in self.unreadable],
        }


def submissions(folder: str | os.PathLike[str]) -> list[str]:
    """Return the submissions in a folder: its files and run folders, sorted.

    Other folders are searched. Hidden files, ``README``, ``LICENSE`` and Markdown files are not
    submissions.

    Raises
    ------
    InputError
        The folder does not exist, or has no submission.
    """
    folder = os.fspath(folder)
    if not os.path.isdir(folder):
        what = "this is a file" if os.path.exists(folder) else "no such folder"
        raise InputError(f"{what}; expected a folder with one hypothesis file per system", folder)
    found = list(_submitted(folder))
    if not found:
        raise InputError("no file in this folder; expected one hypothesis file per system", folder)
    return found


def _submitted(folder: str) -> Iterable[str]:
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if _NO_SUBMISSION.fullmatch(name):
            continue
        if not os.path.isdir(path) or os.path.exists(os.path.join(path, "run.json")):
            yield path
        elif not os.path.islink(path):
            yield from _submitted(path)


def open_each(
    sources: Sequence[str], request: Request, *, strict: bool = False
) -> tuple[list[Evaluation], list[Unreadable]]:
    """Score systems on the same references, each independently.

    Parameters
    ----------
    sources : sequence of str
        Files and run folders.
    request : Request
        The references and the protocol; by default the references of the first run.
    strict : bool
        Refuse a submission that lacks segments or has segments that are not in the references.

    Returns
    -------
    tuple of list
        The systems that were scored, in order, and those that could not be.

    Raises
    ------
    InputError, UsageError
        The references cannot be read, or the protocol is unknown: nothing can be scored.
    """
    Evaluation(request=request).rules()  # an error in the request is not a submission's fault
    opened: list[Evaluation] = []
    failed: dict[str, str] = {}
    for source in sources:
        try:
            opened.append(Evaluation.open(source, request))
        except SlaevalError as error:
            failed[source] = _reason(error, source)
    scored = []
    if request.names_references or not opened:
        references = request.load_references()
    else:
        references = next((one for one in opened if one.run is not None), opened[0]).references
    for one in opened:
        one.references = references
        try:
            if strict:
                _check_ids(one)
            one.score()
        except UsageError:
            raise
        except (SlaevalError, MemoryError, RecursionError) as error:
            failed[one.source] = _reason(error, one.source)
        else:
            scored.append(one)
    return scored, [Unreadable(source, failed[source]) for source in sources if source in failed]


def _reason(error: BaseException, source: str) -> str:
    """Return the message of an error, without the name of its submission."""
    text = str(error) or type(error).__name__
    if not text.startswith(f"{source}:"):
        return text
    text = text.removeprefix(f"{source}:").lstrip()
    line = getattr(error, "line", None)
    return text if line is None else f"line {text}"


def _check_ids(evaluation: Evaluation) -> None:
    known = [reference.id for reference in evaluation.references.references]
    there = evaluation.hypotheses.words
    missing = [name for name in known if name not in there]
    unknown = sorted(there.keys() - set(known))
    for names, one, many in (
        (missing, "segment has no hypothesis", "segments have no hypothesis"),
        (unknown, "segment is not in the references", "segments are not in the references"),
    ):
        if names:
            raise InputError(
                f"{counted(len(names), one, many)} ({', '.join(names[:3])}"
                f"{', …' if len(names) > 3 else ''})",
                evaluation.source,
            )


def not_scored(unreadable: Sequence[Unreadable], systems: int) -> SlaevalError:
    """Return the final error of a command that scored `systems` systems but not all."""
    names = ", ".join(one.name for one in unreadable[:3]) + (", …" if len(unreadable) > 3 else "")
    return SlaevalError(
        f"{len(unreadable)} of {len(unreadable) + systems} submissions could not be scored: {names}"
    )


def leaderboard(
    folder: str | os.PathLike[str],
    request: Request,
    *,
    strict: bool = False,
    resamples: int = 10_000,
    seed: int = 0,
) -> Leaderboard:
    """Rank the submissions of a folder.

    Parameters
    ----------
    folder : path-like
        Holds one hypothesis file or run folder per system.
    request : Request
        The references, and the protocol.
    strict : bool
        Refuse a submission that lacks segments or has segments that are not in the references.
    resamples, seed : int
        Settings of the paired bootstrap against the leader.

    Raises
    ------
    InputError, UsageError
        As for :func:`submissions` and :func:`open_each`.
    """
    scored, unreadable = open_each(submissions(folder), request, strict=strict)
    unreadable = [Unreadable(_name(one.name, folder), one.reason) for one in unreadable]
    names = {_name(one.source, folder): one.score() for one in scored}
    order = sorted(names, key=lambda name: (names[name].errors, name))
    ranks: dict[str, int] = {}
    for place, name in enumerate(order, 1):
        before = order[place - 2] if place > 1 else name
        same = place > 1 and names[name].errors == names[before].errors
        ranks[name] = ranks[before] if same else place
    pairs: dict[str, Pair] = {}
    if len(order) > 1:
        held = compare(
            *(names[name] for name in order),
            names=order,
            resamples=resamples,
            seed=seed,
            against_first=True,
        )
        pairs = {pair.second: pair for pair in held.pairs}
    return Leaderboard(
        [Entry(ranks[name], name, names[name], pairs.get(name)) for name in order], unreadable
    )


def _name(path: str, folder: str | os.PathLike[str]) -> str:
    """Name a submission by its path in the folder, which is unique."""
    return os.path.relpath(path, folder)
