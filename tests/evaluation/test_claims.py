"""Which reading of a file is the number that was printed."""

from __future__ import annotations

import json
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import slaeval
from slaeval.errors import UsageError
from slaeval.evaluation.claims import WAYS, check_claim, parse_claim

ROUNDINGS = dict(zip(WAYS, (ROUND_HALF_UP, ROUND_HALF_EVEN, ROUND_DOWN), strict=True))


@given(words=st.integers(1, 200), errors=st.integers(0, 250), decimals=st.integers(0, 3))
def test_every_rounding(words: int, errors: int, decimals: int) -> None:
    wrong = min(errors, words)
    hypothesis = ["X"] * wrong + ["A"] * (words - wrong) + ["I"] * (errors - wrong)
    found = slaeval.audit({"a": ["A"] * words}, {"a": hypothesis}, ["none"])
    text = "1." + "0" * decimals if decimals else "1"
    by_name = {claim.protocol: claim for claim in check_claim([found], text)}
    total = next(row.score.total for row in found.rows if row.protocol.name == "none")
    # Far more digits than a tie of 200 words needs.
    exact = Decimal(100 * total.errors) / Decimal(total.reference_words)
    for way, rounding in ROUNDINGS.items():
        wanted = exact.quantize(Decimal(1).scaleb(-decimals), rounding)
        assert by_name["none"].printed[way] == f"{wanted:f}"


@pytest.fixture(name="slaeval")
def here(slaeval_here):  # type: ignore[no-untyped-def]
    """Call the command in this process; other files start it as one of its own."""
    return slaeval_here


def test_ties_are_told_apart() -> None:
    """1 error in 16 words is 6.25 %: 6.3 as sclite prints it, 6.2 as Python does."""
    found = slaeval.audit({"a": ["A"] * 16}, {"a": ["X"] + ["A"] * 15}, ["none"])
    claims = {text: check_claim([found], text)[0].matches for text in ("6.3", "6.2", "6.25", "6.4")}
    assert claims == {"6.3": ("half up",), "6.2": WAYS[1:], "6.25": WAYS, "6.4": ()}


def test_the_protocol_is_found() -> None:
    references = {"a": "ABEND poss-EUCH", "b": "WIND", "c": "REGEN SONNE"}
    found = slaeval.audit(references, {"a": "ABEND poss-EUCH", "b": "WIND", "c": "REGEN SONNE"})
    giving = [claim.protocol for claim in check_claim([found], "20.0%") if claim.matches]
    assert giving == ["rwth-2014", "vac-python", "mslr", "mslr-swapped"] or "rwth-2014" in giving
    assert "none" not in giving
    assert check_claim([found], "20.0")[0].matches
    none = check_claim([found], "7.0")
    assert not any(claim.matches for claim in none)
    assert none[0].wer == 0


@pytest.mark.parametrize("text", ["", "24,3", "-1", "nan", "24.", "twenty", "1e3"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(UsageError, match="as it was printed"):
        parse_claim(text)


def test_an_undefined_reading_is_said_so(slaeval, tmp_path) -> None:
    (tmp_path / "ref.tsv").write_text("a\tX Y\nb\tZ\n")
    (tmp_path / "hyp.jsonl").write_text('{"id": "a", "words": []}\n{"id": "b", "words": []}\n')
    given = ("audit", "hyp.jsonl", "--ref", "ref.tsv")
    done = slaeval(*given)
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith("  mslr-swapped"))
    assert row.split()[1:3] == ["undefined", "undefined"]
    for form in ("table", "markdown", "csv", "latex", "json"):
        assert "nan" not in slaeval(*given, "--format", form).stdout
    claimed = slaeval(*given, "--claimed", "100.0")
    assert claimed.returncode == 0
    assert "undefined" in claimed.stdout
    assert "nan" not in claimed.stdout


def test_a_moved_segment_shows_both_readings(slaeval, tmp_path) -> None:
    (tmp_path / "ref.tsv").write_text("a\tABEND poss-EUCH WIND\nb\tZ\n")
    (tmp_path / "hyp.tsv").write_text("a\tABEND poss-EUCH\nb\tZ\n")
    found = json.loads(slaeval("audit", "hyp.tsv", "--ref", "ref.tsv", "--json").stdout)
    [moved] = found["protocols"]["none"]["moved"]
    assert (moved["official"], moved["errors"]) == (2, 1)
    assert moved["official_hypothesis"] == "ABEND EUCH"
    assert moved["hypothesis"] == "ABEND poss-EUCH"
    assert (moved["official_ops"], moved["ops"]) == ("CDS", "CCD")
    shown = slaeval("audit", "hyp.tsv", "--ref", "ref.tsv", "--protocol", "none").stdout
    assert "official REF ABEND poss-EUCH WIND\n               HYP ABEND EUCH\n" in shown
    assert "here     REF ABEND poss-EUCH WIND\n               HYP ABEND poss-EUCH\n" in shown


def test_the_reference_stays_the_reference_where_the_two_are_exchanged() -> None:
    found = slaeval.audit({"a": "loc-WIND REGEN"}, {"a": "WIND"}, ["mslr-swapped"])
    [moved] = found.rows[1].moved
    assert (moved.official, moved.errors) == (2, 1)
    assert (moved.reference, moved.hypothesis, moved.ops) == ("WIND REGEN", "WIND", "CD")
    assert moved.official_reference == "loc-WIND REGEN"


def test_both_splits_are_held_to_a_claim(slaeval, tmp_path) -> None:
    slaeval("corpus", "sample", "phoenix2014t", "c")
    dev = slaeval_dev(tmp_path)
    corpus = ("--dataset", "phoenix2014t", "--root", "c", "--dev", dev)
    done = slaeval("audit", "c/hyp.ctm", *corpus, "--claimed", "21.5")
    assert done.returncode == 0, done.stderr
    assert "> rwth-2014 on test" in done.stdout
    assert "rwth-2014 on dev" in done.stdout
    assert "21.5 matches rwth-2014 on test (half up, half to even)" in done.stdout
    out = json.loads(slaeval("audit", "c/hyp.ctm", *corpus, "--claimed", "21.5", "--json").stdout)
    assert {claim["split"] for claim in out["claimed"]} == {"dev", "test"}
    assert out["claimed"][0]["matches"] == ["half up", "half to even"]
    fraction = slaeval("audit", "c/hyp.ctm", *corpus, "--claimed", "0.2146")
    assert "if 0.2146 is a fraction, claim 21.46." in " ".join(fraction.stdout.split())
    refused = slaeval("audit", "c/hyp.ctm", *corpus, "--claimed", "21.5", "--format", "csv")
    assert refused.returncode == 2


def slaeval_dev(folder) -> str:
    corpus = slaeval.load_corpus("phoenix2014t", folder / "c", "dev")
    rows = (f"{name}\t{' '.join(words[1:])}\n" for name, words in corpus.references().items())
    (folder / "dev.tsv").write_text("".join(rows))
    return "dev.tsv"
