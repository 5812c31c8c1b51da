"""Scoring from what people have: files, corpora, mappings, data frames.

This module joins the loaders and the scorer, and looks at the input as a careful colleague
would: are these the right segments, are some missing, does the file have a trap in it?
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from slaeval.errors import InputError, UsageError
from slaeval.files import read_bytes
from slaeval.scoring.hypotheses import Hypotheses, read_hypotheses
from slaeval.scoring.protocols import OFFICIAL, Protocol
from slaeval.scoring.score import Score
from slaeval.scoring.scorer import floor, score_segments
from slaeval.scoring.segments import Reference

if TYPE_CHECKING:
    import pandas as pd

    from slaeval.loaders import Corpus

    Words = str | Sequence[str]
    Source = Mapping[str, Words] | Corpus | pd.DataFrame | str | os.PathLike[str]

__all__ = [
    "Task",
    "corpus_task",
    "load_corpus",
    "load_task",
    "match_ids",
    "matched",
    "observations",
    "score",
    "score_file",
    "score_task",
]

#: Up to so many segments the floor of the protocol is worth its time in every score.
_FLOOR_UP_TO = 5000

#: From so many bytes of a hypothesis file on, compiled loops earn their loading time.
_LARGE = 4_000_000


class Task(NamedTuple):
    """References and what is known about them.

    Attributes
    ----------
    references : list of Reference
        Every segment to be recognised.
    dataset : str or None
        Corpus, with its setup where it has several: ``"isharah500/US"``.
    split : str or None
        Which part of it.
    source : str
        Where the references came from, for people.
    clipped : bool
        They came from an STM file that does not end with a newline.
    corpus : tuple or None
        Name, root and setup to ask the loaders with for the other splits.
    """

    references: list[Reference]
    dataset: str | None = None
    split: str | None = None
    source: str = ""
    clipped: bool = False
    corpus: tuple[str, str | None, str | None] | None = None


def load_corpus(
    name: str,
    root: str | os.PathLike[str] | None = None,
    split: str | None = None,
    setup: str | None = None,
) -> Corpus:
    """Load the annotation of a corpus.

    Parameters
    ----------
    name : str
        ``phoenix2014``, ``phoenix2014-si5``, ``phoenix2014t``, ``csl-daily``, ``isharah500``,
        ``isharah1000`` or ``isharah2000``; common other spellings are understood.
    root : path-like, optional
        Its folder. Without it: the folder registered with ``slaeval corpus add``, then
        the environment variable ``SLAEVAL_DATA``.
    split : {"train", "dev", "test"}, optional
        One split; all of them without it.
    setup : str, optional
        ``"SI"`` or ``"US"`` for Isharah.

    Raises
    ------
    UsageError
        Unknown corpus, split or setup.
    InputError
        Nothing there, or not in the corpus's layout.
    """
    from slaeval import loaders

    return loaders.load_corpus(name, root=root, split=split, setup=setup)


def load_task(
    dataset: str | None = None,
    split: str | None = None,
    *,
    root: str | os.PathLike[str] | None = None,
    ref: str | os.PathLike[str] | None = None,
    setup: str | None = None,
) -> Task:
    """Load the references to score against.

    Parameters
    ----------
    dataset : str, optional
        Corpus name; needed unless `ref` is given.
    split : str, optional
        Part of the corpus, ``"test"`` without it; of a file, only what its signature says.
    root : path-like, optional
        Folder of the corpus.
    ref : path-like, optional
        A file with references, in any format the loaders read; goes before `root`.
    setup : str, optional
        ``"SI"`` or ``"US"`` for Isharah.

    Raises
    ------
    UsageError
        Neither `dataset` nor `ref`, both `ref` and `root`, or unknown names.
    InputError
        The references cannot be read.
    """
    from slaeval import loaders

    if ref is not None and root is not None:
        raise UsageError("--ref and --root exclude each other: name a file or a folder")
    name = None if dataset is None else loaders.resolve(dataset)
    label = None if name is None else _label(name, setup)
    if ref is not None:
        path = os.fspath(ref)
        samples = loaders.read_references_file(path, name, split or "test")
        return Task(
            [Reference(sample.id, sample.signer or "", list(sample.glosses)) for sample in samples],
            label,
            split,
            path,
            _lacks_newline(path),
        )
    if name is None:
        raise UsageError(
            "say what to score against: --dataset NAME (with --root DIR or a registered "
            "folder), or --ref FILE"
        )
    split = split or "test"
    rows = loaders.load_references(name, root, split, setup)
    return Task(
        [Reference(*row) for row in rows],
        label,
        split,
        f"{name} {split}",
        corpus=(name, None if root is None else os.fspath(root), setup),
    )


def _label(name: str, setup: str | None) -> str:
    """Name a corpus for a signature: with its setup where it has several."""
    from slaeval.loaders.registry import layout

    described = layout(name)
    chosen = described.setup_of(setup)
    return f"{name}/{chosen}" if len(described.setups) > 1 else name


def _lacks_newline(path: str) -> bool:
    with open(path, "rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) != b"\n"


def score_file(
    pred: str | os.PathLike[str],
    dataset: str | None = None,
    split: str | None = None,
    *,
    root: str | os.PathLike[str] | None = None,
    ref: str | os.PathLike[str] | None = None,
    setup: str | None = None,
    protocol: str | Protocol = OFFICIAL,
    format: str = "auto",
    fix_ids: bool = False,
) -> Score:
    """Score a hypothesis file; see :func:`load_task` and :func:`score`.

    Raises
    ------
    InputError
        Either file cannot be read, or they have no segment in common.
    UsageError
        Unknown names.
    """
    if ref is not None and root is None and format in ("auto", "ctm"):
        quick = _score_large(os.fspath(pred), os.fspath(ref), dataset, protocol)
        if quick is not None:
            return quick
    task = load_task(dataset, split, root=root, ref=ref, setup=setup)
    hypotheses = match_ids(read_hypotheses(os.fspath(pred), format), task, fix_ids)
    return score_task(task, hypotheses, protocol)


def _score_large(
    pred: str, ref: str, dataset: str | None, protocol: str | Protocol
) -> Score | None:
    """Score a large CTM against an STM as arrays; None where the ordinary way is needed."""
    if dataset is not None or not (os.path.isfile(pred) and os.path.isfile(ref)):
        return None
    if os.path.getsize(pred) < _LARGE:
        return None
    from slaeval.scoring import bulk
    from slaeval.scoring.protocols import protocol as named
    from slaeval.scoring.scorer import lines_hash, signature

    rules = named(protocol)
    if not bulk.fits(rules):
        return None
    read = bulk.read_pair(
        read_bytes(pred, "a hypothesis file", lines=True),
        read_bytes(ref, "a file with references", lines=True),
    )
    if read is None or set(read.ids).isdisjoint(read.names):
        return None
    segments = bulk.align_read(read, rules)
    if segments is None:
        return None
    return Score(
        segments,
        protocol=rules.name,
        signature=signature(rules, None, None, len(segments), lines_hash(read.texts)),
        warnings=tuple(_coverage(read.ids, read.names) + _special(read.spoken())),
    )


def score_task(task: Task, hypotheses: Hypotheses, protocol: str | Protocol = OFFICIAL) -> Score:
    """Score hypotheses whose ids match; give the other reading where there are two."""
    result = score_segments(
        task.references,
        hypotheses,
        protocol,
        dataset=task.dataset,
        split=task.split,
        clipped=task.clipped,
        warnings=observations(task.references, hypotheses),
    )
    if len(task.references) <= _FLOOR_UP_TO:
        result = replace(result, floor=floor(task.references, protocol).total)
    if result.protocol == OFFICIAL and (task.dataset or "").startswith("phoenix2014t"):
        release = score_segments(
            task.references, hypotheses, "rwth-2014t", dataset=task.dataset, split=task.split
        )
        result = replace(result, other_readings=(release,))
    return result


def score(
    references: Source,
    hypotheses: Source,
    protocol: str | Protocol = OFFICIAL,
    *,
    dataset: str | None = None,
    split: str | None = None,
    signers: Mapping[str, str] | None = None,
    bootstrap: int = 0,
    bleu: bool = False,
) -> Score:
    """Score hypotheses against references.

    Parameters
    ----------
    references, hypotheses : mapping, Corpus, DataFrame or path
        A mapping from segment id to its words (a list, or a string with blanks between the
        words; an empty list is an empty hypothesis), a :class:`slaeval.loaders.Corpus`, a
        DataFrame with a column ``id`` and one of ``glosses``, ``reference``, ``hypothesis``,
        ``words``, or the path of a file (STM and others; CTM, TRN, TSV, JSON lines).
    protocol : str or Protocol
        What exactly is compared; ``"official"`` is ``"rwth-2014"``.
    dataset, split : str, optional
        For the signature; taken from a Corpus.
    signers : mapping, optional
        Segment id to signer.
    bootstrap : int
        Resamples for the interval; 0 for the linearised estimator.
    bleu : bool
        Also BLEU and chrF over glosses, by sacrebleu.

    Returns
    -------
    Score
        Counts, rates, alignments, signature.

    Raises
    ------
    InputError
        No segment in common, or values that are no words.
    UsageError
        Unknown protocol, or a source of another type.
    """
    task, read = matched(references, hypotheses, dataset, split, signers)
    result = score_task(task, read, protocol)
    if bootstrap:
        result = result.with_bootstrap(bootstrap)
    if bleu:
        from slaeval.overlap import with_bleu

        result = with_bleu(result)
    return result


def matched(
    references: Source,
    hypotheses: Source,
    dataset: str | None = None,
    split: str | None = None,
    signers: Mapping[str, str] | None = None,
) -> tuple[Task, Hypotheses]:
    """Return what :func:`score` takes as references and hypotheses of the same segments."""
    task = _task(references, dataset, split, signers)
    if isinstance(hypotheses, (str, os.PathLike)):
        read = read_hypotheses(os.fspath(hypotheses))
    else:
        read = Hypotheses(_mapping(hypotheses, "hypotheses"))
    return task, match_ids(read, task)


def corpus_task(corpus: Corpus) -> Task:
    """Return the references of a corpus that is loaded."""
    rows = [Reference(sample.id, sample.signer or "", list(sample.glosses)) for sample in corpus]
    return Task(rows, _label(corpus.name, corpus.setup), corpus.split, corpus.name)


def _task(
    references: Source,
    dataset: str | None,
    split: str | None,
    signers: Mapping[str, str] | None,
) -> Task:
    known = signers or {}
    if isinstance(references, (str, os.PathLike)):
        return load_task(dataset, split, ref=references)
    if hasattr(references, "references") and hasattr(references, "setup"):
        corpus: Any = references
        task = corpus_task(corpus)
        return task._replace(dataset=dataset or task.dataset, split=split or task.split)
    rows = [
        Reference(name, known.get(name, ""), words)
        for name, words in _mapping(references, "references").items()
    ]
    return Task(rows, dataset, split, "the references given")


def _mapping(source: Any, what: str) -> dict[str, list[str]]:
    if isinstance(source, Mapping):
        items: Iterable[tuple[Any, Any]] = source.items()
    elif hasattr(source, "references") and hasattr(source, "setup"):
        items = source.references().items()
    elif hasattr(source, "columns"):
        columns = [str(column) for column in source.columns]
        own = what.removesuffix("s").replace("hypothese", "hypothesis")
        names = ("glosses", own, "words", "gloss")
        wanted = next((name for name in names if name in columns), None)
        if "id" not in columns or wanted is None:
            raise UsageError(
                f"the {what} DataFrame needs the columns 'id' and 'glosses', found "
                + ", ".join(map(repr, columns))
            )
        if source["id"].duplicated().any():
            twice = source["id"][source["id"].duplicated()].iloc[0]
            raise InputError(f"{what}: segment {twice!r} stands twice")
        items = zip(source["id"], source[wanted], strict=True)
    else:
        raise UsageError(
            f"{what} must be a mapping from id to words, a Corpus, a DataFrame or a path, not "
            f"{type(source).__name__}"
        )
    words: dict[str, list[str]] = {}
    for name, value in items:
        if isinstance(value, str):
            words[name] = value.split()
            continue
        if value is None or isinstance(value, float):  # a hole in a DataFrame
            words[name] = []
            continue
        mine = list(value)
        for word in mine:
            if not isinstance(word, str) or len(word.split()) != 1:
                raise InputError(
                    f"{what}: segment {name!r} holds {word!r}; a word is a string without blanks"
                )
        words[name] = mine
    return words


def match_ids(hypotheses: Hypotheses, task: Task, fix: bool = False) -> Hypotheses:
    """Make sure that hypotheses and references speak of the same segments.

    Parameters
    ----------
    hypotheses : Hypotheses
        As read.
    task : Task
        As loaded.
    fix : bool
        Take ids that are recognisably written another way for the ids of the references.

    Raises
    ------
    InputError
        No segment in common; the message says what the ids look like.
    """
    ids = {reference.id for reference in task.references}
    if not ids.isdisjoint(hypotheses.words):
        return hypotheses
    if not hypotheses.words or not ids:
        raise InputError(f"nothing to score: {'no reference' if not ids else 'no hypothesis'}")
    theirs = next(iter(hypotheses.words))
    found = _rewritten_ids(hypotheses.words, ids)
    if found is not None:
        how, new = found
        if fix:
            words = {new[name]: mine for name, mine in hypotheses.words.items() if name in new}
            notes = (*hypotheses.notes, f"ids are written {how}; read as the references' ids")
            return Hypotheses(
                words,
                hypotheses.format,
                hypotheses.path,
                _renamed(hypotheses.lines, new),
                notes=notes,
            )
        raise InputError(
            f"no id in common with {task.source}, but the ids are recognisably written {how}: "
            f"{theirs!r} for {new.get(theirs, next(iter(new.values())))!r}; write the "
            "references' ids, or add --fix-ids",
            hypotheses.path,
        )
    message = (
        f"none of its {len(hypotheses.words)} segments is among the {len(ids)} of "
        f"{task.source}: here {theirs!r}, there {task.references[0].id!r}"
    )
    raise InputError(message + _other_split(hypotheses, task), hypotheses.path)


#: What the ids of a corpus look like, and the corpora they may belong to.
_LOOKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"S\d{6}_P\d{4}_T\d\d", ("csl-daily",)),
    (r".*_(heute|tagesschau)_default-\d+", ("phoenix2014", "phoenix2014-si5")),
    (r".*_(heute|tagesschau)-\d+", ("phoenix2014t",)),
    (r"\d\d_\d{4}", ("isharah500", "isharah1000", "isharah2000")),
)


def _other_split(hypotheses: Hypotheses, task: Task) -> str:
    """Say which split or corpus the ids belong to, where that can be seen."""
    if task.corpus is None:
        return "; check --split and --dataset"
    from slaeval import loaders

    name, root, setup = task.corpus
    theirs = set(hypotheses.words)
    for split, ids in loaders.split_ids(name, root, setup).items():
        if split != task.split and not theirs.isdisjoint(ids):
            share = "all" if theirs <= ids else f"{len(theirs & ids)} of them"
            return f"; {share} are segments of the split {split!r}: add --split {split}"
    example = next(iter(theirs))
    look = next((known for pattern, known in _LOOKS if re.fullmatch(pattern, example)), ())
    if look and name not in look:
        return f"; they look like segments of {' or '.join(look)}: check --dataset"
    return "; check --split and --dataset"


def _rewritten_ids(written: Iterable[str], ids: set[str]) -> tuple[str, dict[str, str]] | None:
    """Recognise ids with a path around them, in another letter case, or both."""
    folded = {name.lower(): name for name in ids}

    def component(name: str) -> str | None:
        parts = re.split(r"[/\\]", name)
        return next((part for part in parts if part in ids), None)

    def stem(name: str) -> str | None:
        part = re.split(r"[/\\]", name)[-1].rsplit(".", 1)[0]
        return part if part in ids else None

    def folded_component(name: str) -> str | None:
        parts = re.split(r"[/\\]", name.lower())
        return next((folded[part] for part in parts if part in folded), None)

    names = list(written)
    for how, reading in (
        ("with a path around them", component),
        ("as file names", stem),
        ("in another letter case", lambda name: folded.get(name.lower())),
        ("with a path around them and in another letter case", folded_component),
    ):
        new = {name: match for name in names if (match := reading(name)) is not None}
        if new and len(new) >= 0.5 * len(names) and len(set(new.values())) == len(new):
            return how, new
    return None


def _renamed(lines: list[str] | None, new: dict[str, str]) -> list[str] | None:
    if lines is None:
        return None
    renamed = []
    for line in lines:
        name = line.split(None, 1)[0]
        if name in new:
            renamed.append(line.replace(name, new[name], 1))
    return renamed


def observations(references: Sequence[Reference], hypotheses: Hypotheses) -> tuple[str, ...]:
    """Say what a reader of the score should know about this hypothesis.

    Returns
    -------
    tuple of str
        One sentence a finding, none where there is nothing to say.
    """
    notes = list(hypotheses.notes)
    words = hypotheses.words
    notes += _coverage([reference.id for reference in references], words)
    empty = [name for name, mine in words.items() if not mine or mine == ["[EMPTY]"]]
    if empty:
        notes.append(
            f"{len(empty)} segments have an empty hypothesis{_few(empty)}; under the RWTH "
            "scripts each holds the word [EMPTY]"
        )
    if hypotheses.lines is not None:
        notes.extend(_line_order(hypotheses.lines))
    vocabulary = hypotheses.vocabulary
    if vocabulary is None:
        vocabulary = set().union(*words.values())
    return (*notes, *_special(vocabulary))


def _coverage(ids: Sequence[str], named: Iterable[str]) -> list[str]:
    """Hold the segments of a hypothesis against those of the references."""
    known, there = set(ids), dict.fromkeys(named)
    notes = []
    missing = [name for name in ids if name not in there]
    if missing:
        notes.append(
            f"{len(missing)} of {len(ids)} segments have no hypothesis and count as empty"
            f"{_few(missing)}"
        )
    unknown = [name for name in there if name not in known]
    if unknown:
        notes.append(
            f"{len(unknown)} segments of the hypothesis are not in the references and are left "
            f"out{_few(unknown)}; the official script would give no score"
        )
    return notes


def _special(vocabulary: Collection[str]) -> list[str]:
    """Name words that sclite does not take for ordinary words."""
    text = "".join(vocabulary)
    # Past 125 characters a word may be longer than the 500 bytes sclite reads.
    if (
        not any(mark in text for mark in "*;\\@{}/<")
        and max(map(len, vocabulary), default=0) <= 125
    ):
        return []
    from slaeval.scoring.alternatives import unusual

    return [
        f"the word {word!r} is scored as written; sclite {reason}"
        for word in sorted(vocabulary)
        if (reason := unusual(word))
    ]


def _few(names: Sequence[str]) -> str:
    return f" ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"


def _line_order(lines: Sequence[str]) -> list[str]:
    """Look at the times of a CTM that was not in plain order."""
    starts: dict[str, list[str]] = {}
    previous, apart = "", set()
    more_columns = 0
    for line in lines:
        name, _, start, *rest = line.split()
        if name != previous and name in starts:
            apart.add(name)
        previous = name
        starts.setdefault(name, []).append(start)
        more_columns += len(rest) > 2
    notes = []
    if apart:
        notes.append(
            f"the lines of {len(apart)} segments do not stand together{_few(sorted(apart))}; "
            "they were put together"
        )
    as_text = [
        name
        for name, mine in starts.items()
        if mine == sorted(mine) and mine != sorted(mine, key=float)
    ]
    if as_text:
        notes.append(
            f"in {len(as_text)} segments the lines are sorted by time as text (10.00 before "
            f"9.00){_few(as_text)}: the words are likely in the wrong order"
        )
    moved = [
        name
        for name, mine in starts.items()
        if mine == sorted(mine, key=float) and mine != sorted(mine)
    ]
    if moved:
        notes.append(
            f"{len(moved)} segments have times from 10 s on{_few(moved)}: the official script "
            "sorts times as text and reorders their words; write times below 10 s (0.01 s a "
            "word, as the field does) to avoid this"
        )
    jumbled = [name for name, mine in starts.items() if mine != sorted(mine, key=float)]
    jumbled = [name for name in jumbled if name not in set(as_text)]
    if jumbled:
        notes.append(
            f"in {len(jumbled)} segments the lines are not in the order of time"
            f"{_few(jumbled)}; the official script sorts them, others take the file's order"
        )
    if more_columns:
        notes.append(
            f"{more_columns} lines have more than five columns; the fifth is the word, and the "
            "scripts' rules see the others"
        )
    return notes
