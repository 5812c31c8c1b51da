"""Large files as arrays give what the ordinary way gives, to the last byte of the report."""

from __future__ import annotations

import random

import pytest

from slaeval.evaluation import score as evaluation
from slaeval.evaluation.request import Request
from slaeval.scoring import bulk
from slaeval.scoring.protocols import protocol

WORDS = [*"ABCDE", "regen", "REGEN", "loc-NORD", "NORD", "__PU__", "ZEIGEN", "süden", "他", "[x"]


def _files(rng: random.Random, segments: int) -> tuple[str, str]:
    stm, ctm = [], []
    for number in range(segments):
        name = f"seg-{number:03d}"
        words = [rng.choice(WORDS) for _ in range(rng.randint(0, 9))]
        stm.append(f"{name} 1 Signer{number % 3} 0.0 1.79769e+308 {' '.join(words)}".rstrip(" "))
        if rng.random() < 0.9:
            said = [word if rng.random() < 0.8 else rng.choice(WORDS) for word in words]
            ctm += [f"{name} 1 {k / 100:.2f} 0.01 {word}" for k, word in enumerate(said)]
    rng.shuffle(stm)
    return "\n".join(ctm) + "\n", "\n".join(stm) + "\n"


@pytest.mark.parametrize("rules", ["official", "sclite", "none"])
@pytest.mark.parametrize("seed", range(4))
def test_same_report(tmp_path, monkeypatch: pytest.MonkeyPatch, rules: str, seed: int) -> None:
    ctm, stm = _files(random.Random(seed), 60)
    (tmp_path / "h.ctm").write_text(ctm + "unknown 1 0.00 0.01 A\n")
    (tmp_path / "r.stm").write_text(stm)
    request = Request(ref=tmp_path / "r.stm", protocol=rules)
    plain = evaluation.score_file(tmp_path / "h.ctm", request)
    monkeypatch.setattr(evaluation, "_LARGE", 1)
    arrays = evaluation.score_file(tmp_path / "h.ctm", request)
    assert isinstance(arrays.segments, bulk.BulkSegments)
    assert list(arrays.segments) == plain.segments
    assert arrays.segments[3:6] == plain.segments[3:6]
    assert arrays.segments[-1] == plain.segments[-1]
    out = plain.to_dict()
    out.pop("floor")
    assert arrays.to_dict() == out
    assert arrays.confusions() == plain.confusions()
    assert arrays.deleted() == plain.deleted()
    assert arrays.inserted() == plain.inserted()
    for grouping in ("signer", "length", "sentence"):
        assert arrays.by(grouping) == plain.by(grouping)


TIDY_CTM = "a 1 0.00 0.01 X\na 1 0.01 0.01 Y\nb 1 0.00 0.01 Z\n"
TIDY_STM = "a 1 s 0.0 1.79769e+308 X Y\nb 1 s 0.0 1.79769e+308 Z\n"


@pytest.mark.parametrize(
    "ctm",
    [
        "a 1 0.00 0.01 X\n",
        "a 1 0.00 0.01 [EMPTY]\nb 1 0.00 0.01 Z\n",
        "a 1 0.00 0.01 <ALT_BEGIN>\nz 1 0.00 0.01 Z\n",
        "a 2 0.00 0.01 X\nb 1 0.00 0.01 Z\n",
        "a 1 0.00 0.01 17\na 1 0.01 0.01 4\n",
        "a 1 0.00 0.01 x;y\na 1 0.01 0.01 Y*\n",
        f"a 1 0.00 0.01 {'X' * 501}\n",
    ],
)
def test_warnings_do_not_depend_on_the_size(
    tmp_path, monkeypatch: pytest.MonkeyPatch, ctm: str
) -> None:
    (tmp_path / "h.ctm").write_text(ctm)
    (tmp_path / "r.stm").write_text(TIDY_STM)
    plain = evaluation.score_file(tmp_path / "h.ctm", Request(ref=tmp_path / "r.stm"))
    monkeypatch.setattr(evaluation, "_LARGE", 1)
    large = evaluation.score_file(tmp_path / "h.ctm", Request(ref=tmp_path / "r.stm"))
    assert large.warnings == plain.warnings
    assert large.warnings


def test_tidy_files_are_read() -> None:
    read = bulk.read_pair(TIDY_CTM.encode(), TIDY_STM.rstrip().encode())
    assert read is not None
    assert read.ids == read.names == ["a", "b"]
    assert bulk.align_read(read, protocol("rwth-2014t")) is None


def test_blanks_of_other_alphabets_are_letters() -> None:
    ctm = "a\u00a0b 1 0.00 0.01 X\u3000Y\na\u00a0b 1 0.01 0.01 Z\u2028\n"
    read = bulk.read_pair(ctm.encode(), TIDY_STM.encode())
    assert read is not None
    assert read.names == ["a\u00a0b"]
    assert read.spoken() == ["X\u3000Y", "Z\u2028"]


@pytest.mark.parametrize(
    "ctm",
    [
        "a 1 0.00 0.01 X 0.9\n",
        "a  1 0.00 0.01 X\n",
        "a\t1 0.00 0.01 X\n",
        "a 1 0.00 0.01 X \n",
        "a 1 0.00 0.01\n",
        "a 1 10.00 0.01 X\n",
        "a 1 zero 0.01 X\n",
        "a 1 0.0.0 0.01 X\n",
        "a 1 0.00 0.01 X\na 1 0.00 0.01 Y\n",
        "a 1 0.01 0.01 X\na 1 0.00 0.01 Y\n",
        "a 1 0.01 0.01 X\nb 1 0.00 0.01 Y\na 1 0.02 0.01 Z\n",
        ";; comment\na 1 0.00 0.01 X\n",
        "\na 1 0.00 0.01 X\n",
        "a 1 0.00 0.01 X\r\n",
        "a 1 0.00 0.01 X\fY\n",
        "a\v1 0.00 0.01 X\n",
        "a 2 0.00 0.01 X\n",
        "a A 0.00 0.01 X\n",
        "a 1 0.00 0.01 X;y\n",
        "a 1 0.00 0.01 X*\n",
        "a 1 0.00 0.01 @\n",
    ],
)
def test_untidy_hypotheses_take_the_ordinary_way(ctm: str) -> None:
    assert bulk.read_pair(ctm.encode(), TIDY_STM.encode()) is None


@pytest.mark.parametrize(
    "stm",
    [
        "a 1 s 0.0 1.79769e+308 X  Y\n",
        "a 1 s 0.0 1.79769e+308 X \n",
        "a 1 s 0.0 2.00 X\n",
        "a 1 s 0.0 1.79769e+308X\n",
        "a 1 s 0.0 1.79769e+308 <o,f0> X\n",
        "a 1 s 0.0 1.79769e+308 { X / Y }\n",
        ";; comment\na 1 s 0.0 1.79769e+308 X\n",
        "a 1 s 0.0\n",
        "\n",
        "a 1 s 0.0 1.79769e+308 IGNORE_TIME_SEGMENT_IN_SCORING\n",
        "a 1 s 0.0 1.79769e+308 X\na 1 s 0.0 1.79769e+308 Y\n",
        "a 1 s 0.0 1.79769e+308 X\tY\n",
        "a 2 s 0.0 1.79769e+308 X\n",
        "a 1 s 0.0 1.79769e+308 X\\Y\n",
    ],
)
def test_untidy_references_take_the_ordinary_way(stm: str) -> None:
    assert bulk.read_pair(TIDY_CTM.encode(), stm.encode()) is None
    assert bulk.read_pair(TIDY_CTM.encode(), stm.encode("utf-16")) is None


def test_bytes_that_are_no_text_are_left_to_the_reader_with_messages() -> None:
    assert bulk.read_pair(b"a 1 0.00 0.01 \xff\n", TIDY_STM.encode()) is None
