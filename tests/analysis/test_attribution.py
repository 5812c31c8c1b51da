"""Sums over any grouping are the totals; each step stands where the docstring says."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import slaeval
from slaeval.analysis import (
    Attribution,
    attribute,
    binned,
    frequency_class,
    group,
)
from slaeval.analysis.attribution import FREQUENCIES, GROUPINGS
from slaeval.analysis.training_vocabulary import training_counts
from slaeval.errors import UsageError
from slaeval.loaders import Corpus, Sample
from slaeval.scoring import intervals
from slaeval.scoring.protocols import protocols
from slaeval.scoring.score import Score

WORDS = ["REGEN", "regen", "SÜD", "今天", "لون_احمر", "loc-NORD", "A", "B", "[EMPTY]", "@"]
KINDS = ("substitutions", "deletions", "insertions")
TRAINING = {"REGEN": 2, "regen": 9, "A": 40, "今天": 1, "loc-NORD": 4000}

word = st.sampled_from(WORDS)
plain = st.lists(word, max_size=9)
braces = st.lists(
    st.one_of(
        word.map(lambda one: [one]),
        st.tuples(word, word).map(lambda two: ["{", two[0], "/", two[1], "}"]),
        word.map(lambda one: ["{", one, "/", "@", "}"]),
    ),
    max_size=6,
).map(lambda parts: [token for part in parts for token in part])
pairs = st.lists(st.tuples(st.one_of(plain, braces), plain), min_size=1, max_size=12)


def scored(pairs: list[tuple[list[str], list[str]]], protocol: str = "official") -> Score:
    names = [f"s{number}" for number in range(len(pairs))]
    return slaeval.score(
        {name: left for name, (left, _) in zip(names, pairs, strict=True)},
        {name: right for name, (_, right) in zip(names, pairs, strict=True)},
        protocol,
        signers={name: f"Signer{int(name[1:]) % 3}" for name in names[1:]},
    )


def counts(score: Score) -> dict[str, int]:
    return {
        "C": score.correct,
        "S": score.substitutions,
        "D": score.deletions,
        "I": score.insertions,
    }


def assert_adds_up(score: Score) -> None:
    steps = attribute(score, TRAINING)
    assert Counter(step.op for step in steps) == Counter(counts(score))
    for by in GROUPINGS:
        for parts in (1, 2, 3, 5) if by == "position" else (3,):
            groups = group(score, by, TRAINING, parts=parts)
            assert len({mine.name for mine in groups}) == len(groups), by
            assert counts(score) == {
                "C": sum(mine.correct for mine in groups),
                "S": sum(mine.substitutions for mine in groups),
                "D": sum(mine.deletions for mine in groups),
                "I": sum(mine.insertions for mine in groups),
            }, by
            assert sum(mine.reference_words for mine in groups) == score.reference_words
            assert sum(mine.hypothesis_words for mine in groups) == score.hypothesis_words
            for mine in groups:
                assert mine.segment_errors <= mine.segments <= score.total.segments
    for by in ("length", "frequency"):
        for bins in (1, 3, 8):
            points = binned(score, by, TRAINING, bins=bins)  # type: ignore[arg-type]
            assert [mean for mean, _ in points] == sorted(mean for mean, _ in points)
            assert len(points) <= bins + 1 or by == "frequency"
            for op, name in zip("CSDI", ("correct", *KINDS), strict=True):
                assert sum(getattr(mine, name) for _, mine in points) == counts(score)[op]
    for by in ("signer", "length"):
        groups = group(score, by)
        assert sum(mine.segments for mine in groups) == score.total.segments
        assert sum(mine.segment_errors for mine in groups) == score.segment_errors
        assert [mine.to_dict() | {"wer_ci": None} for mine in groups] == [
            mine.to_dict() | {"wer_ci": None} for mine in score.by(by)
        ]


@given(pairs, st.sampled_from([rules.name for rules in protocols()]))
def test_every_grouping_adds_up(pairs: list[tuple[list[str], list[str]]], protocol: str) -> None:
    assert_adds_up(scored(pairs, protocol))


@given(pairs)
def test_words_and_places_are_those_of_the_segments(
    pairs: list[tuple[list[str], list[str]]],
) -> None:
    score = scored(pairs)
    steps = attribute(score)
    for segment in score.segments:
        mine = [step for step in steps if step.segment == segment.id]
        assert [step.reference for step in mine if step.op != "I"] == segment.reference
        assert [step.hypothesis for step in mine if step.op != "D"] == segment.hypothesis
        n = len(segment.reference)
        assert [step.place for step in mine if step.op != "I"] == list(range(n))
        places = [step.place for step in mine]
        assert places == sorted(places)
        assert all(step.part(1) == (0 if n else None) for step in mine)


def test_a_file_adds_up(tmp_path) -> None:  # type: ignore[no-untyped-def]
    rng = random.Random(5)
    ctm, stm = [], []
    for number in range(300):
        words = rng.choices(["REGEN", "SONNE", "WIND", "NEBEL"], k=rng.randint(1, 9))
        stm.append(f"s{number} 1 S{number % 4} 0.0 1.79769e+308 {' '.join(words)}\n")
        said = [word for word in words if rng.random() < 0.8] or ["IX"]
        ctm += [f"s{number} 1 0.{place:02d} 0.01 {word}\n" for place, word in enumerate(said)]
    (tmp_path / "hyp.ctm").write_text("".join(ctm))
    (tmp_path / "ref.stm").write_text("".join(stm))
    from slaeval.evaluation.request import Request
    from slaeval.evaluation.score import score_file

    score = score_file(tmp_path / "hyp.ctm", Request(ref=tmp_path / "ref.stm"))
    assert_adds_up(score)


def test_where_insertions_belong() -> None:
    score = slaeval.score(
        {"one": "A B C D", "none": ""},
        {"one": "X A Y B C D Z", "none": "V"},
        "sclite",
    )
    inserted = [(step.hypothesis, step.place) for step in attribute(score) if step.op == "I"]
    assert inserted == [("X", 0), ("Y", 1), ("Z", 3), ("V", -1)]
    by_place = {mine.name: mine.insertions for mine in group(score, "position", parts=2)}
    assert by_place == {"0–50 %": 2, "50–100 %": 1, "no reference": 1}
    by_gloss = {mine.name: mine for mine in group(score, "gloss")}
    assert (by_gloss["X"].insertions, by_gloss["A"].insertions) == (1, 0)
    assert by_gloss["X"].wer != by_gloss["X"].wer  # never signed: no rate
    assert by_gloss["X"].to_dict()["wer"] is None


@pytest.mark.parametrize(
    ("words", "parts", "expected"),
    [
        (1, 3, [1]),
        (2, 3, [0, 2]),
        (3, 3, [0, 1, 2]),
        (4, 3, [0, 1, 1, 2]),
        (5, 5, [0, 1, 2, 3, 4]),
        (7, 5, [0, 1, 1, 2, 3, 3, 4]),
    ],
)
def test_parts_of_a_sentence_are_symmetric(words: int, parts: int, expected: list[int]) -> None:
    found = [Attribution("s", "", "C", "A", "A", i, words).part(parts) for i in range(words)]
    assert found == expected
    assert [parts - 1 - part for part in found[::-1] if part is not None] == expected


def test_the_empty_hypothesis_of_the_official_scripts_is_a_word_like_any_other() -> None:
    score = slaeval.score({"one": "A B", "two": "A"}, {"one": "", "two": "A"})
    steps = [step for step in attribute(score, TRAINING) if step.segment == "one"]
    assert sorted((step.op, step.hypothesis) for step in steps) == [("D", ""), ("S", "[EMPTY]")]
    assert [step.frequency for step in steps] == [40, 0]


def test_frequency_and_gloss_follow_the_letter_case_of_the_protocol() -> None:
    score = slaeval.score({"one": "REGEN regen"}, {"one": "regen regen"}, "sclite")
    assert [step.frequency for step in attribute(score, TRAINING)] == [11, 11]
    assert [(mine.name, mine.correct) for mine in group(score, "gloss")] == [("REGEN", 2)]
    strict = next(rules.name for rules in protocols() if not rules.fold)
    score = slaeval.score({"one": "ROT rot"}, {"one": "rot rot"}, strict)
    assert len(group(score, "gloss")) == 2
    assert [step.frequency for step in attribute(score, {"ROT": 3})] == [3, 0]


def test_frequency_classes_leave_no_gap() -> None:
    names = [name for _, name in FREQUENCIES]
    seen = [frequency_class(count) for count in range(1200)]
    assert sorted(seen, key=names.index) == seen
    assert set(seen) == set(names)
    assert frequency_class(0) == "unseen"
    assert frequency_class(2) == "1–2 times"
    assert frequency_class(201) == "201–1,000 times"
    assert frequency_class(1001) == "over 1,000 times"


def test_the_interval_of_a_group_is_that_over_its_segments() -> None:
    score = scored([(["A"], ["B"]), (["A", "B"], ["A", "B"]), (["B", "B"], ["B", "A", "B"])])
    mine = next(mine for mine in group(score, "gloss") if mine.name == "A")
    assert mine.interval == intervals.linearised([1, 0, 1], [1, 1, 0])
    whole = group(score, "position", parts=1)
    assert whole[0].interval == score.wer_ci


def test_training_counts_are_cleaned_as_the_references() -> None:
    rows = [("a", "__ON__ loc-NORD REGEN REGEN"), ("b", "NORD REGEN")]
    train = Corpus(
        "phoenix2014t",
        "multisigner",
        "train",
        "",
        tuple(
            Sample(name, "phoenix2014t", "multisigner", "train", None, text, tuple(text.split()))
            for name, text in rows
        ),
    )
    assert training_counts(train) == Counter(
        gloss for sample in train for gloss in sample.glosses
    )  # official leaves references alone
    assert training_counts(train, "slt-2014t") == {"NORD": 2, "REGEN": 2}
    for name in ("official", "slt-2014t"):
        score = slaeval.score(train, train, name)
        signed = Counter(step.reference for step in attribute(score))
        assert signed == training_counts(train, score.protocol)


@pytest.mark.parametrize(
    ("by", "arguments", "message"),
    [
        ("signers", {}, "did you mean 'signer'"),
        ("frequency", {}, "training_counts"),
        ("position", {"parts": 0}, "one part or more"),
    ],
)
def test_what_cannot_be_grouped(by: str, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        group(scored([(["A"], ["A"])]), by, **arguments)  # type: ignore[arg-type]
