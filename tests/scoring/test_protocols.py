"""Protocols: every rule by its example, every script by its traps."""

from __future__ import annotations

import pytest

from slaeval.errors import UsageError
from slaeval.formats.ctm import parse_ctm
from slaeval.formats.gloss_rules import (
    PHOENIX2014,
    PHOENIX2014T_HYPOTHESIS,
    PHOENIX2014T_REFERENCE,
    Rule,
)
from slaeval.formats.hypotheses import Hypotheses
from slaeval.scoring.protocols import Cleanup, Protocol, protocol, protocols, register

ALL_RULES = [
    *PHOENIX2014,
    *PHOENIX2014T_REFERENCE,
    *PHOENIX2014T_HYPOTHESIS,
    *(
        rule
        for mine in protocols()
        for side in (mine.reference, mine.hypothesis)
        for rule in side.rules
    ),
]


@pytest.mark.parametrize("rule", dict.fromkeys(ALL_RULES), ids=lambda rule: rule.name)
def test_rule_does_what_its_example_says(rule: Rule) -> None:
    before, after = rule.example
    assert rule.apply(before)[0] == after
    assert before != after


# Word on a CTM line: what is left of it under rwth-2014 and rwth-2014t.
WORDS = [
    ("REGEN", "REGEN", "REGEN"),
    ("loc-NORD", "NORD", "NORD"),
    ("NORDloc-", "NORD", "NORDloc-"),
    ("cl-loc-NORD", "NORD", "loc-NORD"),
    ("loc-cl-NORD", "NORD", "NORD"),
    ("qu-WAS", "WAS", "qu-WAS"),
    ("poss-EUCH", "EUCH", "poss-EUCH"),
    ("lh-WOLKE", "WOLKE", "lh-WOLKE"),
    ("S0NNE", "SONNE", "S0NNE"),
    ("HABEN2", "HABEN", "HABEN2"),
    ("__EMOTION__", "", ""),
    ("__PU__", "", ""),
    ("__LEFTHAND__", "", ""),
    ("__EPENTHESIS__", "", ""),
    ("X__EPENTHESIS__", "", ""),
    ("X__EMOTION__", "X", ""),
    ("__ON__", "__ON__", ""),
    ("__OFF__", "__OFF__", ""),
    ("A__ON__", "A__ON__", "A__ON__"),
    ("ZEIGEN", "ZEIGEN-BILDSCHIRM", "ZEIGEN"),
    ("ANZEIGEN", "ANZEIGEN-BILDSCHIRM", "ANZEIGEN"),
    ("ZEIGEN-BILDSCHIRM", "ZEIGEN-BILDSCHIRM", "ZEIGEN-BILDSCHIRM"),
    ("NORDRAUM", "NORD", "NORD"),
    ("ALPENRAUMX", "ALPENX", "ALPENRAUMX"),
    ("TRAUM", "TRAUM", "T"),
    ("RAUM", "RAUM", "RAUM"),
    ("REGEN-PLUSPLUS", "REGEN", "REGEN"),
    ("REGEN-PLUSPLUSX", "REGENX", "REGEN-PLUSPLUSX"),
    ("loc-REGEN-PLUSPLUS", "REGEN", "REGEN"),
    ("WIE-AUSSEHEN", "WIE-AUSSEHEN", "WIE-AUSSEHEN"),
    ("__LEFT__PU__HAND__", "", "__LEFT__PU__HAND__"),
    ("他", "他", "他"),
]


@pytest.mark.parametrize(("word", "official", "release"), WORDS)
def test_a_word_on_a_line(word: str, official: str, release: str) -> None:
    for name, expected in (("official", official), ("rwth-2014t", release)):
        cleaned = protocol(name).hypothesis.hypotheses(Hypotheses({"a": [word, "X"]}))
        assert cleaned["a"] == [*filter(None, [expected]), "X"], name


def test_rules_over_several_words_never_fire_on_lines() -> None:
    words = ["WIE", "AUSSEHEN", "S", "C", "H", "REGEN", "REGEN"]
    official = protocol("official").hypothesis.hypotheses(Hypotheses({"a": words}))
    assert official["a"] == words
    whole = protocol("slt-2014").hypothesis.hypotheses(Hypotheses({"a": words}))
    assert whole["a"] == ["WIE-AUSSEHEN", "S+C+H", "REGEN"]


def test_prefix_and_word_become_a_repeat_that_stays() -> None:
    cleaned = protocol("official").hypothesis.hypotheses(Hypotheses({"a": ["loc-NORD", "NORD"]}))
    assert cleaned["a"] == ["NORD", "NORD"]


def test_an_empty_hypothesis_is_a_word_under_the_scripts() -> None:
    empty = Hypotheses({"a": [], "b": ["__PU__"], "c": ["X"]})
    for name in ("official", "rwth-2014t", "vac-python"):
        cleaned = protocol(name).hypothesis.hypotheses(empty)
        assert cleaned["a"] == ["[EMPTY]"], name
    assert protocol("official").hypothesis.hypotheses(empty)["b"] == ["[EMPTY]"]
    assert protocol("none").hypothesis.hypotheses(empty)["a"] == []


def test_times_sort_as_text_under_official_only() -> None:
    late = parse_ctm("a 1 8.00 1.00 EINS\na 1 9.00 1.00 ZWEI\na 1 10.00 1.00 DREI\n")
    assert protocol("official").hypothesis.hypotheses(late)["a"] == ["DREI", "EINS", "ZWEI"]
    assert protocol("rwth-2014t").hypothesis.hypotheses(late)["a"] == ["EINS", "ZWEI", "DREI"]
    assert protocol("none").hypothesis.hypotheses(late)["a"] == ["EINS", "ZWEI", "DREI"]


def test_equal_times_sort_by_word() -> None:
    same = parse_ctm("a 1 0.00 0.01 ZWEI\na 1 0.00 0.01 EINS\n")
    assert protocol("official").hypothesis.hypotheses(same)["a"] == ["EINS", "ZWEI"]


def test_a_segment_in_two_pieces_gets_the_empty_word_of_its_first() -> None:
    pieces = parse_ctm("a 1 0.00 0.01 __PU__\nb 1 0.00 0.01 X\na 1 0.02 0.01 Y\n")
    assert protocol("official").hypothesis.hypotheses(pieces)["a"] == ["[EMPTY]", "Y"]


def test_a_confidence_column_is_seen_by_the_rules() -> None:
    line = parse_ctm("a 1 0.00 0.01 ZEIGEN 0.98\na 1 0.01 0.01 __PU__ 0.50\n")
    cleaned = protocol("official").hypothesis.hypotheses(line)
    # The deleted word leaves its confidence in the word's place, as in the script.
    assert cleaned["a"] == ["ZEIGEN-BILDSCHIRM", "0.50"]
    assert protocol("none").hypothesis.hypotheses(line)["a"] == ["ZEIGEN", "__PU__"]


def test_the_release_script_merges_repeats_as_awk_compares() -> None:
    words = ["4", "4.0", "04", "X", "X", "x", "1e1", "10"]
    cleaned = protocol("rwth-2014t").hypothesis.hypotheses(Hypotheses({"a": words}))
    assert cleaned["a"] == ["4", "X", "x", "1e1"]


def test_the_release_script_cleans_references() -> None:
    [cleaned] = protocol("rwth-2014t").reference.references(
        [["__ON__", "loc-NORD", "C", "M", "X", "REGEN", "REGEN", "4", "4", "TRAUM"]]
    )
    assert cleaned == ["NORD", "C+M+X", "REGEN", "4", "4", "T"]
    # A deleted first word takes the blank before it along, and what follows is lost with it.
    [lost] = protocol("rwth-2014t").reference.references([["__EPENTHESIS__X", "REGEN"]])
    assert lost == ["REGEN"]


def test_cleanup_leaves_its_input_alone() -> None:
    words = {"a": ["loc-NORD", "NORD"], "b": []}
    hypotheses = Hypotheses(words)
    for mine in protocols():
        mine.hypothesis.hypotheses(hypotheses)
        mine.reference.references(list(words.values()))
    assert words == {"a": ["loc-NORD", "NORD"], "b": []}


def test_unknown_protocol_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'rwth-2014'"):
        protocol("rwth2014")
    assert protocol("Official").name == "rwth-2014"


def test_a_new_protocol_is_one_record() -> None:
    mine = Protocol("test-lower", "a test", "nobody", hypothesis=Cleanup(collapse="adjacent"))
    assert register(mine) is protocol("test-lower")
    assert register(mine) == mine  # the same again is fine
    with pytest.raises(UsageError, match="exists"):
        register(Protocol("test-lower", "another", "nobody"))
    cleaned = mine.hypothesis.hypotheses(Hypotheses({"a": ["X", "X"]}))
    assert cleaned == {"a": ["X"]}
