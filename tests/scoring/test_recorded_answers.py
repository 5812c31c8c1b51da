"""What sclite answered for invented sentences, recorded here for those without a corpus or sclite.

``recorded_sclite/pairs.jsonl`` holds reference, hypothesis and path of 2,000 pairs, in
both letter cases and around the widths where numbers of 64 bits end, ``alternatives.jsonl`` 500
references with braces; ``report.pra`` and ``report.dtl`` are what sclite wrote about the first 40
pairs. Recorded with NIST sclite 2.10, ``-h hyp.ctm ctm -r ref.stm stm -f 0 -o sgml pra
dtl``, case folded as by default. To record them anew::

    SLAEVAL_SCLITE=…/sctk/bin/sclite python tests/scoring/test_recorded_answers.py
"""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path

import pytest

from slaeval.formats.hypotheses import Hypotheses
from slaeval.scoring import sclite_reports
from slaeval.scoring.alignment import align, count
from slaeval.scoring.alternatives import align_alternatives
from slaeval.scoring.scorer import score_segments
from slaeval.scoring.segments import AlignedSegment, Reference

RECORDED = Path(__file__).parent / "recorded_sclite"
#: Pairs of the reports.
SHOWN = 40


def _recorded(name: str) -> list[dict[str, str]]:
    text = (RECORDED / f"{name}.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def _sides(rows: list[dict[str, str]]) -> tuple[list[list[str]], list[list[str]]]:
    return [row["ref"].split() for row in rows], [row["hyp"].split() for row in rows]


@pytest.mark.parametrize("engine", ["python", "numpy", "numba"])
def test_paths(engine) -> None:
    rows = _recorded("pairs")
    assert len(rows) == 2000
    answers = [row["ops"] for row in rows]
    assert align(*_sides(rows), engine=engine) == answers
    found = count(*_sides(rows), engine=engine)
    assert [list(column) for column in found[:3]] == [
        [answer.count(op) for answer in answers] for op in "SDI"
    ]


def test_totals() -> None:
    rows = _recorded("pairs")
    references, hypotheses = _sides(rows)
    score = score_segments(
        [Reference(str(n), "", words) for n, words in enumerate(references)],
        Hypotheses({str(n): words for n, words in enumerate(hypotheses)}),
        "sclite",
    )
    path = "".join(row["ops"] for row in rows)
    assert (score.correct, score.substitutions, score.deletions, score.insertions) == tuple(
        path.count(op) for op in "CSDI"
    )
    assert score.segment_errors == sum(set(row["ops"]) - {"C"} != set() for row in rows)


def test_alternatives() -> None:
    rows = _recorded("alternatives")
    assert len(rows) == 500
    for row in rows:
        words, ops = align_alternatives(row["ref"].split(), row["hyp"].split())
        assert (ops, [_lower(word) for word in words]) == (row["ops"], row["chosen"].split()), row


def test_reports() -> None:
    rows = _recorded("pairs")[:SHOWN]
    segments = [
        AlignedSegment(f"id_{n:05d}", f"s{n % 7}", *sides, row["ops"])
        for n, (row, sides) in enumerate(zip(rows, zip(*_sides(rows), strict=True), strict=True))
    ]
    pra = "".join(sclite_reports.pra(segments, title="slaeval"))
    assert pra == (RECORDED / "report.pra").read_text("utf-8")
    dtl = sclite_reports.dtl(segments, title="slaeval")
    assert dtl == (RECORDED / "report.dtl").read_text("utf-8")


def _lower(word: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in word)


def record() -> None:
    """Ask sclite for all answers."""
    from test_against_sclite import (
        Segment,
        alternatives,
        pairs_of_all_lengths,
        plain_segments,
        run_sclite,
    )

    RECORDED.mkdir(exist_ok=True)
    rng = random.Random(2014)
    plain = plain_segments(rng, 1000) + pairs_of_all_lengths(rng, 1000)
    plain = [row._replace(id=f"id_{n:05d}", signer=f"s{n % 7}") for n, row in enumerate(plain)]
    offered = []
    for n in range(500):
        words = alternatives(rng, "abAcäÄ"[: rng.randint(1, 6)], rng.choice((0.0, 0.05, 0.3)))
        said = [word for word in words if word not in ("{", "/", "}", "@")]
        heard = [word for word in said if rng.random() < 0.8] + rng.choices("ax", k=n % 3)
        offered.append(Segment(f"id_{n:05d}", "s", words, heard or ["x"]))
    with tempfile.TemporaryDirectory() as folder:
        for name, rows in (("pairs", plain), ("alternatives", offered)):
            paths, _ = run_sclite(Path(folder), rows)
            lines = []
            for row in rows:
                answer = paths[row.id]
                line = {"ref": " ".join(row.reference), "hyp": " ".join(row.hypothesis)}
                line["ops"] = answer.ops
                if name == "alternatives":
                    line["chosen"] = " ".join(answer.reference)
                lines.append(json.dumps(line, ensure_ascii=False) + "\n")
            (RECORDED / f"{name}.jsonl").write_text("".join(lines), "utf-8")
        _, reports = run_sclite(Path(folder), plain[:SHOWN])
        for kind in ("pra", "dtl"):
            (RECORDED / f"report.{kind}").write_text(reports[kind], "utf-8")


if __name__ == "__main__":
    record()
