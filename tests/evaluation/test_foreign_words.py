"""What a user is told of words that are no glosses, of marks, channels and ignored segments."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

import slaeval

REFERENCES = {"a": "REGEN SÜDEN WIND", "b": "NORD 中 سوال"}


def warnings(hypotheses: dict[str, str], protocol: str = "official", **references: str) -> str:
    return "\n".join(slaeval.score({**REFERENCES, **references}, hypotheses, protocol).warnings)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "12 7 99",
            "100.0 % of the words recognised (3 of 3) occur in no reference: '12', '7', '99'",
        ),
        ("12 7 -100", "3 ('12') look like numbers, such as token ids"),
        ("REGEN [blank] <pad> </s> <unk> [UNK] WIND", "5 ('[blank]') look like special tokens"),
        ("['REGEN', 'SÜDEN']", "2 (\"['REGEN',\") look like glosses in quotes, brackets"),
        ('["REGEN","SÜDEN"]', "something other than an ASCII blank between them"),
        ("REGEN, SÜDEN.", "quotes, brackets or commas"),
        (
            unicodedata.normalize("NFD", "SÜDEN"),
            r"'SU\u0308DEN') looks like glosses in another U",
        ),
        ("süden regen", "1 ('süden') looks like glosses in another letter case"),
        ("REGEN,SÜDEN", "something other than an ASCII blank between them"),
        ("REGEN\u3000SÜDEN", r"('REGEN\u3000SÜDEN') looks like glosses with something other"),
        ("WIND\u200f", r"('WIND\u200f') looks like glosses with invisible characters"),
        ("SÃœDEN", "UTF-8 that was read as Latin-1"),
        ("nan", "empty cells of a table"),
        ("▁REG EN@@ ##EN", "3 ('▁REG') look like word pieces"),
        ("ANDERE WORTE HIER", "100.0 % of the words recognised (3 of 3) occur in no reference"),
    ],
)
def test_what_is_no_gloss_is_explained(said: str, told: str) -> None:
    assert told in warnings({"a": said, "b": ""})


def test_a_gloss_of_another_split_is_nothing_to_tell() -> None:
    assert warnings({"a": "REGEN SÜDEN WIND NORD REGEN", "b": "NORD 中 NEU"}) == ""


def test_letter_case_is_told_where_it_counts() -> None:
    assert warnings({"a": "regen", "b": "nord"}) == ""
    assert "another letter case" in warnings({"a": "regen", "b": "nord"}, "none")


def test_numbers_may_be_glosses() -> None:
    assert "token ids" not in warnings({"a": "REGEN 8", "b": "NORD 中 سوال", "c": "4"}, c="4")


def test_parts_of_a_reference() -> None:
    told = warnings({"a": "REGEN", "b": "NORD", "c": "EINS ZWEI"}, c="EINS\u3000ZWEI")
    assert "2 ('EINS') look like parts of a reference" in told
    told = warnings({"a": "REGEN", "b": "NORD", "c": "EINS ZWEI"}, c="['EINS', 'ZWEI']")
    assert "2 ('EINS') look like parts of a reference" in told


def test_a_protocol_that_strips_a_prefix_leaves_nothing_to_tell() -> None:
    assert warnings({"a": "loc-REGEN SÜDEN lh-WIND", "b": "NORD 中 سوال"}) == ""


def test_the_other_splits_of_a_corpus_are_known(rendered: Path) -> None:
    test = slaeval.load_corpus("phoenix2014t", rendered, "test")
    corpus = replace(test, samples=test.samples[:1])
    every = slaeval.load_corpus("phoenix2014t", rendered)
    other = sorted(set(every.vocabulary) - set(corpus.vocabulary))
    assert other
    said = {sample.id: " ".join(other) for sample in corpus}
    assert not any("in no reference" in note for note in slaeval.score(corpus, said).warnings)
    mapping = slaeval.score(corpus.references(), said)
    assert any("in no reference" in note for note in mapping.warnings)


def test_the_audit_tells_too() -> None:
    told = slaeval.audit(REFERENCES, {"a": "17 4", "b": "3"}).warnings
    assert any("token ids" in note for note in told)


def test_marks_of_sclite_are_told_and_read() -> None:
    score = slaeval.score(
        {"a": "REGEN;x WIND* B", "b": r"A\B"}, {"a": "REGEN WIND;y @ B", "b": "AB"}
    )
    assert (score.correct, score.errors) == (4, 0)
    [note] = score.warnings
    assert "2 words of the hypothesis with sclite's marks" in note
    assert "'WIND;y' as 'WIND'" in note
    assert "'@' as no word" in note
    assert slaeval.score({"a": "REGEN*"}, {"a": "REGEN"}, "none").errors == 1


def test_alternatives_in_a_mapping_are_read_as_in_a_file() -> None:
    assert slaeval.score({"a": "{ A / B } C"}, {"a": "B C"}).errors == 0
    assert slaeval.score({"a": ["{", "A", "/", "@", "}", "C"]}, {"a": "C"}).reference_words == 1
    for broken in ("{A / B} C", "{ A / B C", "A } B"):
        with pytest.raises(
            slaeval.errors.InputError, match=r"segment 'a': (the brace|'[{}]' without)"
        ):
            slaeval.score({"a": broken}, {"a": "B C"})


@pytest.mark.parametrize(
    "spelling", ["IGNORE_TIME_SEGMENT_IN_SCORING", "ignoretimesegmentinscoring"]
)
def test_ignored_segments_do_not_count_as_empty(spelling: str) -> None:
    score = slaeval.score({"a": "A", "b": spelling, "c": spelling}, {"a": "A", "c": "X"})
    assert (score.total.segments, score.reference_words) == (1, 1)
    [note] = score.warnings
    assert note.startswith("2 segments are left out of the score (b, c)")


@pytest.mark.parametrize(
    ("channels", "told"),
    [
        (("1", "1", "1", "1"), ""),
        (("1", "A", "1", "a"), ""),
        (
            ("1", "1", "2", "2"),
            "2 segments are on a different channel from the reference (here '2'",
        ),
        (("1", "2", "1", "1"), "1 segment is on a different channel from the reference (here '1'"),
    ],
)
def test_a_channel_mismatch_is_named(tmp_path: Path, channels: tuple[str, ...], told: str) -> None:
    one, two, three, four = channels
    (tmp_path / "r.stm").write_text(f"a {one} s 0.0 1.5 A\nb {two} s 0.0 1.5 B\n")
    (tmp_path / "h.ctm").write_text(f"a {three} 0.0 0.1 A\nb {four} 0.0 0.1 B\n")
    score = slaeval.score(tmp_path / "r.stm", tmp_path / "h.ctm")
    assert score.errors == 0
    assert "\n".join(score.warnings).startswith(told)
    assert bool(score.warnings) is bool(told)


def test_the_channel_of_a_corpus_is_that_of_its_stm(rendered: Path, tmp_path: Path) -> None:
    corpus = slaeval.load_corpus("phoenix2014t", rendered, "test")
    lines = [f"{sample.id} A 0.00 0.01 {sample.glosses[0]}\n" for sample in corpus]
    (tmp_path / "h.ctm").write_text("".join(lines))
    told = "\n".join(slaeval.score(corpus, tmp_path / "h.ctm").warnings)
    assert "(here 'A', there '1')" in told
