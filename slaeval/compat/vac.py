"""The evaluation of VAC_CSLR and its descendants, without shell, sclite or working directory.

Instead of ``from evaluation.slr_eval.wer_calculation import evaluate`` write::

    from slaeval.compat.vac import evaluate

========================  ==========================================================
here                      replaces
========================  ==========================================================
:func:`evaluate`          ``evaluation.slr_eval.wer_calculation.evaluate`` of VAC_CSLR, SEN_CSLR,
                          CorrNet, AdaptSign and SlowFastSign, with either ``evaluate_tool``
:func:`wer_calculation`   ``evaluation.slr_eval.python_wer_evaluation.wer_calculation`` of the same
:func:`get_phoenix_wer`   ``evaluation_relaxation.phoenix_eval.get_phoenix_wer`` of DilatedSLR,
                          C2SLR and others
:func:`wer_list`          ``utils.metrics.wer_list`` of SignGraph, TwoStreamNetwork and slt
========================  ==========================================================

Same parameters, same value, byte-identical files. The difference: a missing hypothesis or
reference file, a malformed CTM line, or a segment not in the references is an error here. The
originals continue without the file, and their callers print 100 % for any error
(``except: … lstm_ret = 100.0``). Such a clause would swallow our errors too, so each is written to
stderr before it is raised.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any, NamedTuple, ParamSpec, TypeVar

from slaeval.compat.sclite import Settings, align_files
from slaeval.errors import InputError, SlaevalError, UsageError
from slaeval.files import read_bytes, write_whole
from slaeval.formats.gloss_rules import PHOENIX2014, rewrite
from slaeval.scoring import sclite_paths, sclite_reports
from slaeval.scoring.alignment import align
from slaeval.scoring.protocols import EMPTY, protocol

__all__ = ["evaluate", "get_phoenix_wer", "wer_calculation", "wer_list"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

_DROPPED = ("__LEFTHAND__", "__EPENTHESIS__", "__EMOTION__")


def _reported_to_stderr(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Write errors to stderr before raising them: callers swallow exceptions."""

    @functools.wraps(function)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except SlaevalError as error:
            print(f"slaeval: no WER: {error}", file=sys.stderr)
            raise

    return wrapped


@_reported_to_stderr
def evaluate(
    prefix: str = "./",
    mode: str = "dev",
    evaluate_dir: str | None = None,
    evaluate_prefix: str | None = None,
    output_file: str | None = None,
    output_dir: str | None = None,
    python_evaluate: bool = False,
    triplet: bool = False,
) -> float:
    """Score a hypothesis file as ``evaluate`` of VAC_CSLR does.

    Parameters
    ----------
    prefix : str
        Put in front of every file name; a folder ends with ``/``.
    mode : str
        The split, the last part of the references' file name.
    evaluate_dir, evaluate_prefix : str
        The references are ``{evaluate_dir}/{evaluate_prefix}-{mode}.stm``.
    output_file : str
        The hypotheses are ``{prefix}{output_file}``, in CTM.
    output_dir : str, optional
        Folder for sclite's reports, after `prefix`; beside the hypotheses by default.
    python_evaluate : bool
        Use the Python evaluator instead of sclite.
    triplet : bool
        Also print the Python evaluator's results for ``{output_file}`` beside ``-conv.ctm``; only
        used with `python_evaluate`.

    Returns
    -------
    float
        The WER in percent: one decimal as sclite prints it, or unrounded with `python_evaluate`.

    Notes
    -----
    Writes ``{prefix}tmp.stm`` (the references, sorted), ``{prefix}tmp2.ctm`` and
    ``{prefix}out.{output_file}`` (the hypotheses after the script's cleanup) and, without
    `python_evaluate`, the reports ``out.{output_file}.sys``, ``.raw``, ``.pra`` and ``.sgml``.

    Raises
    ------
    InputError
        A missing or malformed file, or a segment not in the references.
    UsageError
        `evaluate_dir`, `evaluate_prefix` or `output_file` is not given.
    """
    if evaluate_dir is None or evaluate_prefix is None or output_file is None:
        raise UsageError("evaluate() needs evaluate_dir, evaluate_prefix and output_file")
    original = f"{evaluate_dir}/{evaluate_prefix}-{mode}.stm"
    hypotheses = prefix + output_file
    references = sorted(
        _lines(original, "an STM reference file"), key=lambda line: (line.split(" ")[0], line)
    )
    cleaned = _cleaned(_lines(hypotheses, "a CTM hypothesis file", empty=True), hypotheses)
    merged = _merged(cleaned, [line.split()[0] for line in references], hypotheses, original)
    stm, out = f"{prefix}tmp.stm", f"{prefix}out.{output_file}"
    _write(stm, references)
    _write(f"{prefix}tmp2.ctm", merged)
    _write(out, merged)
    if python_evaluate:
        wer = wer_calculation(original, out)
        if triplet:
            wer_calculation(original, out, out.replace(".ctm", "-conv.ctm"))
        return wer
    if output_dir is not None:
        os.makedirs(prefix + output_dir, exist_ok=True)
    return _sclite(out, stm, None if output_dir is None else prefix + output_dir)


def _sclite(hypotheses: str, references: str, folder: str | None) -> float:
    """Write sclite's reports and return the WER of its ``dtl``."""
    system = align_files(references, hypotheses, ("stm", "ctm"), hypotheses, Settings())
    speakers = {
        name: [one.segment for one in utterances]
        for name, utterances in system.by_speaker().items()
    }
    root = hypotheses if folder is None else f"{folder}/{os.path.basename(hypotheses)}"
    for suffix, text in (
        ("sys", sclite_reports.summary(speakers, title=hypotheses, fold=False)),
        ("raw", sclite_reports.summary(speakers, title=hypotheses, fold=False, raw=True)),
        ("pra", "".join(sclite_paths.pra(system))),
        ("sgml", "".join(sclite_paths.sgml(system))),
    ):
        write_whole(f"{root}.{suffix}", text.encode("utf-8", "surrogateescape"))
    paths = "".join(one.segment.ops for one in system.utterances)
    words = len(paths) - paths.count("I")
    if not words:
        raise InputError("no words to score against", references)
    return sclite_paths.half_up(100.0 * ((len(paths) - paths.count("C")) / words))


# The shell script around sclite.


def _lines(path: str, what: str, *, empty: bool = False) -> list[str]:
    data = read_bytes(path, what, lines=True)
    if not data.strip() and not empty:
        raise InputError(f"the file is empty; expected {what}", path)
    text = data.decode("utf-8", "surrogateescape")
    return [line for line in text.split("\n") if line.strip()]


def _write(path: str, lines: Iterable[str]) -> None:
    text = "".join(line + "\n" for line in lines)
    write_whole(path, text.encode("utf-8", "surrogateescape"))


def _cleaned(lines: Iterable[str], path: str) -> list[str]:
    """Return the lines of a CTM after ``preprocess.sh``, sorted."""
    kept: list[str] = []
    words: dict[str, int] = {}
    last_id, last_line = "", ""
    for number, raw in enumerate(lines, 1):
        if len(raw.split()) < 4:  # without a word it is an empty hypothesis
            raise InputError(
                f"a CTM line has 'name channel start duration word', this one: {raw!r:.80}",
                path,
                number,
            )
        line = rewrite(raw, PHOENIX2014)
        if any(token in line for token in _DROPPED):
            continue
        line = line.rstrip()
        columns = line.split()
        if last_line and columns[0] != last_id and not words.get(last_id):
            kept.append(f"{last_line} {EMPTY}")
        if len(columns) >= 5:
            words[columns[0]] = words.get(columns[0], 0) + 1
            kept.append(line)
        last_id, last_line = columns[0], line
    return sorted(kept, key=_sort_key)


def _sort_key(line: str) -> tuple[str, str, str]:
    """Return what ``sort -k1,1 -k3,3`` compares, byte by byte."""
    match = re.match(r"([ \t]*[^ \t]*)[ \t]*[^ \t]*([ \t]*[^ \t]*)", line)
    return (match[1], match[2], line) if match else ("", "", line)


def _merged(lines: list[str], ids: list[str], path: str, references: str) -> list[str]:
    """Insert ``[EMPTY]`` for missing segments, as ``mergectmstm.py`` does."""
    runs = {
        name: [" ".join(line.split()) for line in run]
        for name, run in groupby(lines, lambda line: line.split()[0])
    }
    unknown = runs.keys() - set(ids)
    if unknown:
        raise InputError(
            f"segment {min(unknown)!r} and {len(unknown) - 1} more are not in {references}; "
            "the script gives no score then",
            path,
        )
    return [line for name in ids for line in runs.get(name, [f"{name} 1 0.000 0.030 {EMPTY}"])]


# The Python evaluator.


class _Counts(NamedTuple):
    """The totals of the Python evaluator."""

    words: int
    primary: int
    auxiliary: int
    only_primary_right: int
    only_auxiliary_right: int


@_reported_to_stderr
def wer_calculation(gt_path: str, primary_pred: str, auxiliary_pred: str | None = None) -> float:
    """Score CTM files as VAC's Python evaluator does, and print its four lines.

    Parameters
    ----------
    gt_path : str
        References, STM; the last letter of a file without a final newline is lost.
    primary_pred : str
        Hypotheses, CTM after the script's cleanup. Adjacent equal words are merged.
    auxiliary_pred : str, optional
        Hypotheses of the other head.

    Returns
    -------
    float
        WER of the primary hypotheses in percent, unrounded.

    Raises
    ------
    InputError
        A missing or malformed file, or a segment without a hypothesis.
    """
    references = _groundtruth(gt_path)
    primary = _predictions(primary_pred, references)
    auxiliary = None if auxiliary_pred is None else _predictions(auxiliary_pred, references)
    paths = align(list(references.values()), primary, fold=False, ties="deletion")
    errors = sum(len(path) - path.count("C") for path in paths)
    words = sum(map(len, references.values()))
    if not words:
        raise InputError("no words to score against", gt_path)
    counts = _Counts(words, errors, 0, 0, 0)
    if auxiliary is not None:
        counts = _both(list(references.values()), primary, auxiliary)
    print(
        f"WER_primary: {counts.primary / counts.words: 2.2%}\n"
        f"WER_auxiliary: {counts.auxiliary / counts.words: 2.2%}\n"
        f"WAR: {counts.only_primary_right / counts.words: 2.2%}\n"
        f"WDR: {counts.only_auxiliary_right / counts.words: 2.2%}"
    )
    return counts.primary / counts.words * 100


def _groundtruth(path: str) -> dict[str, list[str]]:
    text = read_bytes(path, "an STM reference file", lines=True).decode("utf-8", "surrogateescape")
    references = {}
    for line in text.splitlines(keepends=True):
        if line.strip() and not line.startswith(";;"):
            columns = line[:-1].split(" ")
            references[columns[0]] = [word for word in columns[5:] if word]
    if not references:
        raise InputError("no segment in this STM file", path)
    return references


def _predictions(path: str, references: Iterable[str]) -> list[list[str]]:
    """Return the words of each segment, adjacent equal ones merged."""
    words: dict[str, list[str]] = {}
    for number, line in enumerate(_lines(path, "a CTM hypothesis file"), 1):
        columns = line.split()
        if len(columns) != 5:
            raise InputError(
                f"expected 'name channel start duration word': {line!r:.80}", path, number
            )
        words.setdefault(columns[0], []).append(columns[4])
    missing = [name for name in references if name not in words]
    if missing:
        raise InputError(f"no hypothesis for segment {missing[0]!r}", path)
    return [_repeats_merged(words[name]) for name in references]


def _repeats_merged(words: Iterable[str]) -> list[str]:
    return [word for word, _ in groupby(words)]


def _both(
    references: Sequence[list[str]], primary: Sequence[list[str]], auxiliary: Sequence[list[str]]
) -> _Counts:
    """Count over the words of two hypotheses, aligned with the reference and each other.

    The reference is padded at the insertions of either; then words at the same place are compared,
    even if the alignment of a hypothesis with the padded reference has a different length.
    """
    sums = [0] * len(_Counts._fields)
    for reference, one, other in zip(references, primary, auxiliary, strict=True):
        spread_one, _ = _aligned(reference, one)
        spread_other, _ = _aligned(reference, other)
        spread, _ = _aligned(spread_other, _repeats_merged(spread_one))
        words_one = _aligned(spread, one)[1]
        words_other = _aligned(spread, other)[1]
        for word, first, second in zip(spread, words_one, words_other, strict=False):
            right, other_right = word == first, word == second
            sums[0] += "*" not in word
            sums[1] += not right
            sums[2] += not other_right
            sums[3] += right and not other_right
            sums[4] += other_right and not right
    return _Counts(*sums)


def _aligned(reference: list[str], hypothesis: list[str]) -> tuple[list[str], list[str]]:
    """Return both sides, as long as their path, with stars where a side has no word.

    A hypothesis word is padded with blanks to the length of its reference word.
    """
    [path] = align([reference], [hypothesis], fold=False, ties="deletion")
    left, right = iter(reference), iter(hypothesis)
    rows: tuple[list[str], list[str]] = ([], [])
    for op in path:
        word = next(left) if op != "I" else ""
        other = next(right) if op != "D" else ""
        rows[0].append(word or "*" * len(other))
        rows[1].append(other.ljust(len(word)) if other else "*" * len(word))
    return rows


# Relatives.

#: From get_phoenix_wer's name of a data set to the prefix of its references' name and protocol.
_RELAXED = {
    "2014": ("phoenix2014-groundtruth", protocol("rwth-2014")),
    "2014T": ("PHOENIX-2014-T-groundtruth", protocol("rwth-2014t")),
    "2014SI": ("phoenix2014-SI-groundtruth", protocol("rwth-2014")),
}


@_reported_to_stderr
def get_phoenix_wer(
    hyp: str,
    phase: str,
    tmp_prefix: str,
    shell_dir: str = "evaluation_relaxation",
    dataset: str = "2014",
) -> list[float]:
    """Score a hypothesis file as ``get_phoenix_wer`` does.

    Parameters
    ----------
    hyp : str
        The file, in `shell_dir`; removed afterwards, as the original does.
    phase : str
        The split.
    tmp_prefix : str
        Name of the original's temporary files; none are made here.
    shell_dir : str
        Where the references are, under the original's names.
    dataset : {"2014", "2014T", "2014SI"}
        Which references and which script: 2014 T has its own.

    Returns
    -------
    list of float
        WER, substitutions, insertions and deletions in percent, one decimal.

    Raises
    ------
    UsageError
        Another data set, for which the original returns zeros.
    InputError
        A file that cannot be read, or a segment missing from the references.
    """
    from slaeval.evaluation.request import Request
    from slaeval.evaluation.score import score_file
    from slaeval.formats.hypotheses import read_hypotheses

    if dataset not in _RELAXED:
        raise UsageError(f"no script for the data set {dataset!r}; known: {', '.join(_RELAXED)}")
    name, rules = _RELAXED[dataset]
    # These scripts sort the lines by time as text, that of the 2014 T release does not.
    sorting = dataclasses.replace(rules, hypothesis=rules.hypothesis._replace(sort=True))
    path = os.path.join(shell_dir, hyp)
    references = os.path.join(shell_dir, f"{name}-{phase}.stm")
    score = score_file(path, Request(ref=references, protocol=sorting, format="ctm"))
    unknown = read_hypotheses(path, "ctm").words.keys() - {one.id for one in score.segments}
    if unknown:
        raise InputError(f"segment {min(unknown)!r} is not in {references}", path)
    total = score.total
    os.unlink(path)
    return [
        sclite_paths.half_up(total.rate(count))
        for count in (total.errors, total.substitutions, total.insertions, total.deletions)
    ]


def wer_list(references: Sequence[str], hypotheses: Sequence[str]) -> dict[str, Any]:
    """Score sentences as ``wer_list`` of SignGraph, TwoStreamNetwork and slt does.

    Parameters
    ----------
    references, hypotheses : sequence of str
        Sentences, their words separated by blanks.

    Returns
    -------
    dict
        ``wer``, ``del``, ``ins`` and ``sub`` in percent of the reference words, unrounded.

    Raises
    ------
    UsageError
        References and hypotheses differ in number; the original drops the surplus.
    InputError
        No reference words.
    """
    if len(references) != len(hypotheses):
        raise UsageError(f"{len(references)} references, {len(hypotheses)} hypotheses")
    left = [sentence.split() for sentence in references]
    path = "".join(align(left, [sentence.split() for sentence in hypotheses], fold=False))
    words = sum(map(len, left))
    if not words:
        raise InputError("no words to score against")
    counts = {op: path.count(op) for op in "DIS"}
    rates = {
        "wer": sum(counts.values()),
        "del": counts["D"],
        "ins": counts["I"],
        "sub": counts["S"],
    }
    return {name: count / words * 100 for name, count in rates.items()}
