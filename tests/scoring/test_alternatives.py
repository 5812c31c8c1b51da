"""Alternatives in references against answers recorded from sclite 2.10, and the odd words."""

from __future__ import annotations

import pytest

from slaeval.errors import InputError
from slaeval.scoring.alternatives import (
    align_alternatives,
    as_sclite_reads,
    reference_as_sclite_reads,
    unusual,
)

# Reference, hypothesis, and what sclite made of them: the words it chose (it folds ASCII) and
# its path. All invented.
BY_HAND = [
    ("{ WIND / STURM } STARK", "STURM STARK", "sturm stark", "CC"),
    ("{ WIND / STURM } STARK", "REGEN STARK", "wind stark", "SC"),
    ("{ WIND / STURM } STARK", "", "wind stark", "DD"),
    ("{ WIND / STURM }", "wind", "wind", "C"),
    ("{ WIND / STURM } { STARK / SCHWACH }", "STURM SCHWACH", "sturm schwach", "CC"),
    ("{ WIND / STURM } { STARK / SCHWACH }", "STURM", "sturm stark", "CD"),
    (
        "HEUTE { NACHT / IN DER NACHT } REGEN",
        "HEUTE IN DER NACHT REGEN",
        "heute in der nacht regen",
        "CCCCC",
    ),
    ("HEUTE { NACHT / IN DER NACHT } REGEN", "HEUTE DER REGEN", "heute nacht regen", "CSC"),
    ("HEUTE { IN DER NACHT / NACHT } REGEN", "HEUTE DER REGEN", "heute nacht regen", "CSC"),
    ("{ WIND / @ } STARK", "STARK", "stark", "C"),
    ("{ @ / WIND } STARK", "STARK", "stark", "C"),
    ("{ WIND / @ } STARK", "REGEN STARK", "stark", "IC"),
    ("{ @ / WIND } STARK", "REGEN STARK", "stark", "IC"),
    ("STARK { WIND / @ }", "STARK", "stark", "C"),
    ("{ @ }", "WIND", "", "I"),
    ("{ @ }", "", "", ""),
    ("A { B / @ } { B / @ } C", "A B C", "a b c", "CCC"),
    ("{ A / B / C }", "X", "a", "S"),
    ("{ A A / A }", "A X", "a", "CI"),
    ("{ A / } B", "B", "a b", "DC"),
    ("{ / A } B", "B", "a b", "DC"),
    ("{ A / / B }", "B", "b", "C"),
    ("{ A/B }", "B", "b", "C"),
    ("{ A/B C }", "B C", "b c", "CC"),
    ("{ A / B/C/@ } D", "D", "d", "C"),
    ("{ { A / B } / C }", "B", "b", "C"),
    ("{ { A / B } C / D } E", "B C E", "b c e", "CCC"),
    ("{ A { B / C D } E / @ }", "A D E", "a c d e", "CDCC"),
    ("{ A { B / { C / @ } } }", "A", "a", "C"),
    ("A / B", "A / B", "a / b", "CCC"),
    ("A @ B", "A X B", "a b", "CIC"),
    ("@", "X", "", "I"),
    ("", "X Y", "", "II"),
    ("", "", "", ""),
    ("A B", "{ A / B }", "a b", "ICICI"),
    ("{ SÜDEN / süden }", "süden", "süden", "C"),
    ("{ sÜden / x }", "SÜDEN", "sÜden", "C"),
    ("{ 中 / 年龄 } انا", "年龄 انا", "年龄 انا", "CC"),
    ("} A", "} A", "} a", "CC"),
]

# Drawn at random; nested, with ties that only the order of the alternatives decides.
NESTED = [
    ("{ a { c c b / { c @ a / b b @ } c / @ } / a c } c", "x x b a", "a c", "IIICD"),
    ("{ @ / @ } { b / a b c } { b / b / @ } a", "x c a a", "b a", "SIIC"),
    ("c { c b c / b } { @ / c b b } { c / @ / b }", "a c", "c b", "ICD"),
    ("{ { { @ a } { b @ } b } b a / c b / a a / @ } c a", "x", "c a", "DS"),
    ("{ @ / { { @ / @ a / @ / } @ a / @ } b }", "a c x x c", "a b", "CIIIS"),
    ("c { { b c c / { @ / @ / @ / } b } b a } @ a", "c", "c b b a a", "CDDDD"),
    ("{ c { @ / / a b } } { { @ } { b } b }", "c c c a", "c b b", "CISS"),
    ("b { b { b { @ / @ / a } / c c } / @ / } a a", "x a", "b a a", "DSC"),
    ("{ a b / { @ / c c / b } { c b b } / a c }", "x x x b a c", "a c", "IIIICC"),
    ("c { @ / c b c / a { c / @ / { @ / a } } } a b", "a", "c a b", "DCD"),
    ("{ { b / { @ / b } { b a / @ } / c / c a } a a }", "c b x", "c a a", "CSS"),
    ("{ @ } { @ { @ } / @ / b }", "b x", "b", "CI"),
]

# Here sums in double precision would choose another path.
SINGLE_PRECISION = [
    ("{ a } A { @ @ / a a / @ / @ @ @ / c b a } { @ @ @ }", "b a c x", "a a", "SCII"),
    ("{ c { @ @ @ } / @ @ @ } / { @ @ { c / @ @ @ @ / @ @ } / c } @ @ @", "a a b x", "/", "SIII"),
    ("c @ a b { @ @ @ @ / @ @ @ }", "c x b b x a a", "c a b", "CSCIIII"),
    ("{ @ @ @ / @ / b / @ @ @ @ / c } a { @ @ @ / @ @ } { @ @ @ @ }", "a a x x a a", "a", "ICIIII"),
    ("b { @ @ @ @ / @ @ @ c / @ @ @ @ } a @ @", "b a a b a", "b a", "CICII"),
    ("c @ { @ @ / @ @ @ / @ @ }", "x b b a x a a", "c", "SIIIIII"),
]


@pytest.mark.parametrize(
    ("reference", "hypothesis", "words", "path"), [*BY_HAND, *NESTED, *SINGLE_PRECISION]
)
def test_as_sclite(reference: str, hypothesis: str, words: str, path: str) -> None:
    chosen, ops = align_alternatives(reference.split(), hypothesis.split())
    assert (" ".join(map(ascii_lower, chosen)), ops) == (words, path)
    assert len(chosen) == len(ops) - ops.count("I")
    assert len(hypothesis.split()) == len(ops) - ops.count("D")


def ascii_lower(word: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in word)


def test_chosen_words_keep_their_case() -> None:
    assert align_alternatives("{ Wind / Sturm }".split(), ["STURM"]) == (["Sturm"], "C")


def test_without_folding() -> None:
    assert align_alternatives("{ Wind / Sturm }".split(), ["STURM"], False) == (["Wind"], "S")
    assert align_alternatives("{ Wind / STURM }".split(), ["STURM"], False) == (["STURM"], "C")


def test_in_a_hypothesis_braces_and_at_are_words() -> None:
    reference = "A { B / @ }".split()
    assert align_alternatives(reference, ["A", "@"]) == (["A"], "CI")
    assert align_alternatives(reference, ["A", "{", "B"]) == (["A", "B"], "CIC")


def test_braces_that_hold_nothing_offer_nothing() -> None:
    assert align_alternatives("A { } B".split(), ["A", "B"]) == (["A", "B"], "CC")
    assert align_alternatives("A { / { } / } B".split(), ["A", "B"]) == (["A", "B"], "CC")


def test_open_brace() -> None:
    with pytest.raises(InputError, match=r"'\{' without '\}' after it in the reference '\{ A'"):
        align_alternatives(["{", "A"], ["A"])


def test_deep_nesting_needs_no_recursion() -> None:
    depth = 5000
    reference = ["{"] * depth + ["A"] + ["}"] * depth
    assert align_alternatives(reference, ["A"]) == (["A"], "C")


@pytest.mark.parametrize(
    "word",
    [
        *("REGEN", "SÜDEN", "(AEH)", "REG-", "-EN", "%HES", "[EMPTY]", "__ON__", "loc-NORD", "S+H"),
        *(
            "{",
            "}",
            "/",
            "A/B",
            "A}",
            "*",
            "*A",
            "A*B",
            "A@",
            "<UNK>",
            "<o,f0,male>",
            "年龄",
            "a,b:c",
        ),
        *('"', "IGNORE", "ZEIT-IGNORE", "X" * 500, "ALT_BEGIN>", "A\u3000B", "A\xa0B", "A\x1cB"),
    ],
)
def test_ordinary(word: str) -> None:
    assert unusual(word) is None
    assert as_sclite_reads(word) == word


@pytest.mark.parametrize(
    ("word", "what"),
    [
        ("<ALT_BEGIN>", "takes it for an alternatives marker in a CTM"),
        ("<alterung", "takes it for an alternatives marker in a CTM"),
        ("X" * 501, "cuts it after 500 bytes in a hypothesis"),
        ("年" * 167, "cuts it after 500 bytes in a hypothesis"),
    ],
)
def test_unusual(word: str, what: str) -> None:
    assert unusual(word) == what


# What sclite 2.10 compares of a word, recorded; tests/scoring/test_against_sclite.py asks it.
@pytest.mark.parametrize(
    ("word", "read"),
    [
        ("REGEN*", "REGEN"),
        ("A**", "A*"),
        ("**", "*"),
        ("*", "*"),
        ("REGEN;x", "REGEN"),
        ("A;b;c", "A"),
        ("A*;x", "A"),
        ("A;*", "A"),
        (";", ""),
        (";x", ""),
        ("A\\B", "AB"),
        ("A\\\\B", "AB"),
        ("\\", ""),
        ("A\\;B", "A;B"),
        ("A\\;B;c", "A;B"),
        ("A\\*", "A"),
        ("@;x", "@"),
        ("\\@", "@"),
        ("@*", "@"),
    ],
)
def test_marks_of_sclite(word: str, read: str) -> None:
    assert as_sclite_reads(word) == read


def test_marks_within_alternatives() -> None:
    read = reference_as_sclite_reads("{ A;x/y / B* } C/D;z".split())
    assert read == ["{", "A", "/", "y", "/", "B", "}", "C/D"]
