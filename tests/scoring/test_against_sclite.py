"""Random references and hypotheses through NIST sclite: the same paths, the same reports.

Runs where ``SLAEVAL_SCLITE`` names an sclite binary (https://github.com/usnistgov/SCTK), as in::

    SLAEVAL_SCLITE=…/sctk/src/sclite/sclite pytest tests/scoring/test_against_sclite.py
"""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from reference_alignment import reference_path

from slaeval.evaluation.request import Request
from slaeval.evaluation.score import score_file
from slaeval.formats.hypotheses import Hypotheses
from slaeval.scoring import sclite_reports
from slaeval.scoring.alignment import align
from slaeval.scoring.alternatives import align_alternatives, as_sclite_reads, unusual
from slaeval.scoring.scorer import is_ignored, score_segments
from slaeval.scoring.segments import AlignedSegment, Reference

SCLITE = os.environ.get("SLAEVAL_SCLITE", "")

pytestmark = pytest.mark.skipif(not SCLITE, reason="SLAEVAL_SCLITE names no sclite binary")

#: Segments a batch: sclite starts once for all of them.
BATCH = 1000


class Segment(NamedTuple):
    """One line of an STM and the lines of a CTM."""

    id: str
    signer: str
    reference: list[str]
    hypothesis: list[str]


class Answer(NamedTuple):
    """What sclite made of one segment."""

    ops: str
    reference: list[str]
    hypothesis: list[str]


_PATH = re.compile(r'<PATH [^\n]*?file="([^"\n]*)"[^\n]*>\n(.*)\n</PATH>')
_STEP = re.compile(r'([CSDI]),(?:"(.*?)")?,(?:"(.*?)")?,[^:,"]*(?::|$)')


def run_sclite(
    folder: Path, segments: Sequence[Segment], *options: str, title: str = "slaeval"
) -> tuple[dict[str, Answer], dict[str, str]]:
    """Score with sclite in STM and CTM mode.

    Parameters
    ----------
    folder : Path
        Where to write.
    segments : sequence of Segment
        The words may not hold blanks, double quotes, ``,`` and ``:`` together.
    *options : str
        More options for sclite.
    title : str
        Name of the system.

    Returns
    -------
    paths : dict
        From the id, in lower case unless ``-s`` is given, to the path in sclite's SGML.
    reports : dict
        From ``"pra"``, ``"dtl"``, ``"sys"``, ``"raw"``, ``"spk.SPEAKER"`` to what it wrote.
    """
    for old in folder.glob("out.*"):
        old.unlink()
    (folder / "ref.stm").write_text(
        "".join(
            f"{row.id} 1 {row.signer} 0.0 1.79769e+308 {' '.join(row.reference)}\n"
            for row in segments
        ),
        encoding="utf-8",
    )
    (folder / "hyp.ctm").write_text(
        "".join(
            f"{row.id} 1 {place * 0.01:.2f} 0.01 {word}\n"
            for row in segments
            for place, word in enumerate(row.hypothesis)
        ),
        encoding="utf-8",
    )
    command = [
        SCLITE,
        "-h",
        "hyp.ctm",
        "ctm",
        title,
        "-r",
        "ref.stm",
        "stm",
        "-f",
        "0",
        "-n",
        "out",
    ]
    outputs = ["-o", "sgml", "pra", "dtl", "sum", "rsum", "spk"]
    subprocess.run([*command, *outputs, *options], cwd=folder, check=True, capture_output=True)
    reports = {
        path.name.removeprefix("out."): path.read_text(encoding="utf-8")
        for path in folder.glob("out.*")
    }
    paths = {}
    for name, line in _PATH.findall(reports.pop("sgml")):
        steps = _STEP.findall(line)
        paths[name] = Answer(
            "".join(op for op, _, _ in steps),
            [reference for op, reference, _ in steps if op != "I"],
            [hypothesis for op, _, hypothesis in steps if op != "D"],
        )
    return paths, reports


def ascii_lower(words: Sequence[str]) -> list[str]:
    return ["".join(c.lower() if c.isascii() else c for c in word) for word in words]


WORDS = (
    *(
        "WOLKE",
        "wolke",
        "Regen",
        "REGEN",
        "SÜDEN",
        "süden",
        "sÜDEN",
        "ÄÖ",
        "é",
        "É",
        "IX",
        "a",
        "b",
    ),
    *("中", "年龄", "今天", "انا", "رغبه", "__ON__", "loc-NORD", "S+H", "[EMPTY]", "x/y", "(AEH)"),
    *("REG-", "%HES", "<unk>", "4", "a,b", "A:B", "à", "Å"),
)


def plain_segments(rng: random.Random, count: int) -> list[Segment]:
    rows = []
    for number in range(count):
        words = rng.sample(WORDS, rng.randint(2, len(WORDS)))
        reference = rng.choices(words, k=rng.choice((0, 1, 2, 5, 8, 8, 12, 40)))
        if rng.random() < 0.5:
            hypothesis = rng.choices(words, k=rng.randint(0, 10))
        else:
            hypothesis = [
                rng.choice(words) if rng.random() < 0.2 else word
                for word in reference
                if rng.random() < 0.8
            ]
        if reference and reference[0].startswith("<"):
            reference[0] = "A"  # sclite takes it for the label field
        signer = rng.choice(("Signer01", "Signer02", "signer02", "süd", "S"))
        rows.append(Segment(f"Id_{number:05d}", signer, reference, hypothesis))
    rows[-1] = rows[-1]._replace(hypothesis=["IX"])
    return rows


def alternatives(rng: random.Random, letters: str, nothing: float, depth: int = 0) -> list[str]:
    """Draw a reference with braces; `nothing` is how often ``@`` is offered."""
    words: list[str] = []
    for _ in range(rng.randint(0 if depth == 0 else 1, 8 if depth == 0 else 3)):
        draw = rng.random()
        if draw < 0.35 and depth < 3:
            words.append("{")
            for branch in range(rng.randint(1, 4)):
                words += ["/"] if branch else []
                if rng.random() < nothing:
                    words += ["@"] * rng.randint(1, 3)
                elif not branch or rng.random() < 0.9:
                    words += alternatives(rng, letters, nothing, depth + 1)
            words.append("}")
        elif draw < 0.4:
            words.append("@")
        elif draw < 0.44:
            words.append(rng.choice(("a/b", "/c", "c/") if depth else ("a/b", "/", "}")))
        else:
            words.append(rng.choice(letters))
    return words


@pytest.mark.parametrize("seed", range(4))
def test_plain_paths(seed: int, tmp_path: Path) -> None:
    segments = plain_segments(random.Random(seed), BATCH)
    paths, _ = run_sclite(tmp_path, segments)
    ops = align([row.reference for row in segments], [row.hypothesis for row in segments])
    assert [paths[row.id.lower()].ops for row in segments] == ops
    paths, _ = run_sclite(tmp_path, segments, "-s")
    ops = align(
        [row.reference for row in segments], [row.hypothesis for row in segments], fold=False
    )
    assert [paths[row.id].ops for row in segments] == ops


#: Around one and two numbers of 64 bits.
BORDERS = (0, 1, 62, 63, 64, 65, 66, 127, 128, 129)


def pairs_of_all_lengths(rng: random.Random, count: int) -> list[Segment]:
    """Draw short pairs, one in fifty around the borders; alike, repeated, all different."""
    rows = []
    for number in range(count):
        lengths = BORDERS if rng.random() < 0.02 else range(15)
        vocabulary = [f"w{n}" for n in range(rng.choice((1, 2, 3, 5, 20, 300)))]
        reference = rng.choices(vocabulary, k=rng.choice(lengths))
        draw = rng.random()
        if draw < 0.45:
            hypothesis = rng.choices(vocabulary, k=rng.choice(lengths))
        elif draw < 0.5:
            hypothesis = [f"x{n}" for n in range(rng.choice(lengths))]
        else:
            changed = [w if rng.random() < 0.8 else rng.choice(vocabulary) for w in reference]
            hypothesis = [word for word in changed if rng.random() < 0.9]
        rows.append(Segment(f"id_{number:05d}", f"s{number % 7}", reference, hypothesis))
    rows[-1] = rows[-1]._replace(hypothesis=["w0"])
    return rows


@pytest.mark.parametrize("seed", range(int(os.environ.get("SLAEVAL_FUZZ", "3"))))
def test_whole_files(seed: int, tmp_path: Path) -> None:
    """As many files as ``SLAEVAL_FUZZ`` says: paths by sclite, by every engine and of a file."""
    segments = pairs_of_all_lengths(random.Random(f"files {seed}"), BATCH)
    paths, _ = run_sclite(tmp_path, segments)
    answers = [paths[row.id].ops for row in segments]
    sides = [row.reference for row in segments], [row.hypothesis for row in segments]
    for engine in ("python", "numpy", "numba"):
        assert align(*sides, engine=engine) == answers
    request = Request(ref=tmp_path / "ref.stm", protocol="sclite")
    score = score_file(tmp_path / "hyp.ctm", request)
    assert {segment.id: segment.ops for segment in score.segments} == {
        row.id: ops for row, ops in zip(segments, answers, strict=True)
    }
    others = [align(*sides, ties="deletion", engine=name) for name in ("python", "numpy", "numba")]
    assert others[0] == others[1] == others[2]
    for row, ops in zip(segments[:100], others[0], strict=False):
        if len(row.reference) < 15 and len(row.hypothesis) < 15:
            assert ops == reference_path(row.reference, row.hypothesis, True, False)


@pytest.mark.parametrize("nothing", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("seed", range(4))
def test_alternatives(seed: int, nothing: float, tmp_path: Path) -> None:
    rng = random.Random(f"{seed} {nothing}")
    segments = []
    for number in range(BATCH):
        letters = "abAcäÄ"[: rng.randint(1, 6)]
        reference = alternatives(rng, letters, nothing)
        if rng.random() < 0.5:
            hypothesis = rng.choices(letters + "x", k=rng.randint(0, 9))
        else:
            said = [word for word in reference if word not in ("{", "/", "}", "@")]
            hypothesis = [word for word in said if rng.random() < 0.7]
        segments.append(Segment(f"id_{number}", "s", reference, hypothesis))
    segments[-1] = segments[-1]._replace(hypothesis=["x"])
    paths, _ = run_sclite(tmp_path, segments)
    for row in segments:
        words, ops = align_alternatives(row.reference, row.hypothesis)
        answer = paths[row.id]
        assert (ops, ascii_lower(words)) == (answer.ops, answer.reference), row


@pytest.mark.parametrize("seed", range(30))
def test_reports(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    fold = seed % 3 > 0
    rows = plain_segments(rng, rng.choice((1, 3, 30, 200)))
    if seed % 5 == 0:  # long enough for lines to break
        rows[0] = rows[0]._replace(reference=rng.choices(WORDS[:20], k=400))
    title = "t" * rng.choice((1, 20, 80, 120))
    _, expected = run_sclite(tmp_path, rows, *([] if fold else ["-s"]), title=title)
    paths = align([row.reference for row in rows], [row.hypothesis for row in rows], fold=fold)
    segments = [AlignedSegment(*row, ops) for row, ops in zip(rows, paths, strict=True)]
    ours = {
        "pra": "".join(sclite_reports.pra(segments, title=title, fold=fold)),
        "dtl": sclite_reports.dtl(segments, title=title, fold=fold),
        "sys": sclite_reports.summary(segments, title=title, fold=fold),
        "raw": sclite_reports.summary(segments, title=title, fold=fold, raw=True),
    }
    for speaker, report in sclite_reports.spk(segments, title=title, fold=fold).items():
        ours[f"spk.{speaker}"] = report
    assert ours == expected


# Reference, hypothesis, sclite's path: what makes a word unusual, shown on the oracle itself.
@pytest.mark.parametrize(
    ("reference", "hypothesis", "path"),
    [
        ("REGEN* A", "regen A*", "CC"),
        ("A;x B", "a B;y;z", "CC"),
        (r"A\B", "AB", "C"),
        ("A @ B", "A @ B", "CC"),
        ("A B", "A <ALT_BEGIN> X <ALT> B <ALT_END>", "CC"),
        ("A B", "A <ALTERUNG B", "CD"),
        ("X" * 501, "X" * 501, "S"),
    ],
)
def test_unusual_words(reference: str, hypothesis: str, path: str, tmp_path: Path) -> None:
    segment = Segment("x", "s", reference.split(), hypothesis.split())
    paths, _ = run_sclite(tmp_path, [segment])
    assert paths["x"].ops == path
    if any(map(unusual, segment.reference + segment.hypothesis)):
        return  # named in a warning, not imitated
    assert _scored([segment]) == {"x": path}


def _scored(segments: Sequence[Segment]) -> dict[str, str]:
    """Return our paths under the protocol that is sclite without any script around it."""
    score = score_segments(
        [Reference(row.id, row.signer, row.reference) for row in segments],
        Hypotheses({row.id: row.hypothesis for row in segments}),
        "sclite",
    )
    return {segment.id: segment.ops for segment in score.segments}


@pytest.mark.parametrize("seed", range(8))
def test_marks_and_blanks(seed: int, tmp_path: Path) -> None:
    rng = random.Random(f"marks {seed}")
    letters = ["A", "B", "a", "@", *";*\\", "\u3000", "\xa0", "\u2028", "\x85", "\x1c", "/"]

    def sentence(longest: int) -> list[str]:
        words = ("".join(rng.choices(letters, k=rng.randint(1, 4))) for _ in range(longest))
        return [word for word in words if not word.startswith((";;", "\\;"))]

    rows = []
    for number in range(BATCH):
        reference = sentence(rng.randint(0, 6))
        if rng.random() < 0.3:
            reference = ["{", *reference, "/", "A", "}", *sentence(2)]
        said = [word for word in reference if rng.random() < 0.8] + sentence(rng.randint(0, 2))
        said = [word for word in said if word not in "{/}"]
        if "{" in reference or "@" in map(as_sclite_reads, reference):
            # The thousandth that a spoken @ costs breaks ties there.
            said = [word for word in said if as_sclite_reads(word) != "@"]
        rows.append(Segment(f"id_{number}", "s", reference, said))
    rows[-1] = rows[-1]._replace(hypothesis=["x"])
    paths, _ = run_sclite(tmp_path, rows)
    ours = _scored(rows)
    for row in rows:
        assert ours[row.id] == paths[row.id].ops, row


def test_ordinary_words_are_ordinary(tmp_path: Path) -> None:
    words = [
        "{",
        "/",
        "}",
        "*",
        "*A",
        "A@",
        "%HES",
        "(AEH)",
        "REG-",
        "<UNK>",
        "A}",
        "X" * 500,
        *WORDS,
    ]
    segment = Segment("x", "s", ["A", *words[1:]], ["A", *words])
    paths, _ = run_sclite(tmp_path, [segment])
    assert paths["x"].ops == "CI" + "C" * (len(words) - 1)
    assert not any(map(unusual, words))


def test_an_ignored_reference_is_left_out(tmp_path: Path) -> None:
    rows = [
        Segment("a", "s", ["vor_Ignore_Time_Segment_In_Scoring_nach"], ["A"]),
        Segment("b", "s", ["B"], ["B"]),
    ]
    paths, _ = run_sclite(tmp_path, rows)
    assert list(paths) == ["b"]
    assert is_ignored(rows[0].reference)
    assert list(_scored(rows)) == ["b"]


def test_a_segment_without_hypothesis_counts_deletions(tmp_path: Path) -> None:
    rows = [
        Segment("a", "s", ["A", "B"], []),
        Segment("b", "s", ["B"], ["B"]),
        Segment("c", "s", ["C"], []),
    ]
    paths, _ = run_sclite(tmp_path, rows)
    assert {name: path.ops for name, path in paths.items()} == {"a": "DD", "b": "C", "c": "D"}
