"""Text protocols against the published code they describe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slaeval.errors import UsageError
from slaeval.scoring.text.protocols import (
    TextProtocol,
    register,
    script_of,
    text_protocol,
    text_protocols,
)
from slaeval.scoring.text.scorer import TextReference, score_texts

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text("utf-8"))

ANSWERS = [(name, language) for name, answers in GOLDEN["answers"].items() for language in answers]

RULES = [
    rule
    for mine in text_protocols()
    for form in (mine.words, mine.chinese)
    if form is not None
    for side in (form.reference, form.hypothesis)
    for rule in side.rules
]


@pytest.mark.parametrize(("name", "language"), ANSWERS)
def test_figures_are_those_of_the_original_code(name: str, language: str) -> None:
    sentences = GOLDEN["sentences"][language]
    references = [TextReference(str(n), "", text) for n, (text, _) in enumerate(sentences)]
    said = {str(n): text for n, (_, text) in enumerate(sentences)}
    figures = score_texts(references, said, name, bootstrap=0).figures
    for key, expected in GOLDEN["answers"][name][language].items():
        # nlg-eval adds 1e-9 to a count.
        assert figures[key].value == pytest.approx(expected, abs=1e-6), key


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_does_what_its_example_says(rule: object) -> None:
    before, after = rule.example  # type: ignore[attr-defined]
    assert rule.apply(before)[0] == after  # type: ignore[attr-defined]


def test_the_release_and_slts_pickles_give_the_same_figures_under_signjoey() -> None:
    said = {"a": "am tag regen .", "b": "nachts schnee ."}
    release = [TextReference("a", "", "am tag regen"), TextReference("b", "", "nachts sonne")]
    pickle = [reference._replace(text=f"{reference.text} .") for reference in release]
    one, other = (score_texts(mine, said, "signjoey", bootstrap=0) for mine in (release, pickle))
    assert [figure.value for figure in one.figures.values()] == [
        figure.value for figure in other.figures.values()
    ]
    assert one.signature != other.signature  # which references were used stays visible


def test_a_protocol_without_a_form_for_chinese_refuses_it() -> None:
    references = [TextReference("a", "", "今天下雨。")]
    with pytest.raises(UsageError, match="not defined for Chinese; defined: twostream"):
        score_texts(references, {"a": "今天下雨。"}, "signjoey")


def test_unknown_and_taken_names() -> None:
    with pytest.raises(UsageError, match="did you mean 'signjoey'"):
        text_protocol("signjoy")
    with pytest.raises(UsageError, match="exists already"):
        register(TextProtocol("plain", "another one", "", ""))


def test_chinese_is_told_by_most_letters() -> None:
    assert script_of(["今天下雨。", "ICU 在哪里？"]) == "chinese"
    assert script_of(["am tag regen", "鱼"]) == "words"
    assert script_of(["اليوم مطر"]) == "words"
    assert script_of([""]) == "words"
