"""Files of translations: every form read right, every other one refused."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slaeval.errors import InputError, UsageError
from slaeval.formats.translations import read_translations, translations_of

SENTENCES = {"a-1": "am tag regen .", "a-2": "", "a-3": 'er sagte "ja" , oder ?'}


def test_one_sentence_a_line(tmp_path: Path) -> None:
    path = tmp_path / "hyp.txt"
    path.write_bytes("am tag  regen .\r\n\r\nmit\u2028zeile \n".encode())
    read = read_translations(str(path))
    assert not read.sentences
    assert read.lines == ["am tag  regen .", "", "mit\u2028zeile"]


@pytest.mark.parametrize(
    "text",
    [
        'a-1\tam tag regen .\na-2\t\na-3\t"er sagte ""ja"" , oder ?"\n',
        'a-1|am tag regen .\na-2|\na-3|er sagte "ja" , oder ?\n',
        'id,translation\na-1,am tag regen .\na-2,\na-3,"er sagte ""ja"" , oder ?"\n',
        'name;gloss;text\na-1;TAG REGEN;am tag regen .\na-2;X;\na-3;X;"er sagte ""ja"" , oder ?"\n',
        "id\treference\thypothesis\na-1\tx\tam tag regen .\na-2\tx\t\n"
        'a-3\tx\t"er sagte ""ja"" , oder ?"\n',
        json.dumps(SENTENCES),
        json.dumps([{"id": name, "translation": text} for name, text in SENTENCES.items()]),
        "\n".join(json.dumps({"name": name, "text": text}) for name, text in SENTENCES.items()),
        "".join(f"sample: {name}, prediction: {text}\n" for name, text in SENTENCES.items()),
    ],
    ids=["tsv", "slt", "csv", "semicolons", "both sides", "map", "objects", "lines", "Uni-Sign"],
)
def test_every_form_with_ids_gives_the_same(tmp_path: Path, text: str) -> None:
    path = tmp_path / "hyp"
    path.write_text(text, encoding="utf-8")
    assert read_translations(str(path)).sentences == SENTENCES


def test_a_reference_has_its_own_column(tmp_path: Path) -> None:
    path = tmp_path / "both.csv"
    path.write_text("id,reference,hypothesis,signer\na,am tag,am abend,S1\n")
    read = read_translations(str(path), role="reference")
    assert (read.sentences, read.signers) == ({"a": "am tag"}, {"a": "S1"})


def test_a_list_of_sentences_has_an_order(tmp_path: Path) -> None:
    path = tmp_path / "hyp.json"
    path.write_text(json.dumps(["am tag", ""]))
    assert read_translations(str(path)).lines == ["am tag", ""]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("\n\n", "no sentence|empty"),
        ("am tag\nb\tam abend\nam morgen\nnachts\n", r"hyp:2: a tab in a file of one sentence"),
        ("a\tam tag\na\tam abend\n", r"hyp:2: duplicate segment .a. with other words"),
        ("id,gloss\na,TAG\n", "expected a column 'sentence'"),
        ("id,reference\na,am tag\n", "only that of the reference"),
        ('{"a": ["am", "tag"]}', "a sentence is a text"),
        ('{"a": 3}', "a sentence is a text"),
        ('{"a": "am tag"', "not JSON"),
        ('["am tag", 3]', "expected an object"),
        ('["\\ud800"]', "surrogate"),
        ("sample: a, prediction: x\nb|y\n", r"hyp:2: expected 'sample: id, prediction: "),
        ("sample: a, prediction: x\nsample: a, prediction: y\n", "for the second time"),
        ("id\ttranslation\na\tam\ttag\n", "3 cells for the 2 columns"),
        ("a 1 S1 0.0 1.79769e+308 TAG\nb 1 S1 0.0 1.79769e+308 X\n", "is STM, so glosses"),
        ("a 1 0.00 0.01 TAG\nb 1 0.00 0.01 X\n", "is CTM, so glosses"),
        ("TAG REGEN (a)\nX (b)\n", "is TRN, so glosses"),
    ],
)
def test_what_is_not_a_file_of_translations(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "hyp"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_translations(str(path))


def test_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="known: auto, txt, tsv, json"):
        read_translations(str(tmp_path), "ctm")


def test_values_of_python() -> None:
    frame = pd.DataFrame({"id": list(SENTENCES), "translation": list(SENTENCES.values())})
    for source in (SENTENCES, frame, pd.Series(SENTENCES)):
        assert translations_of(source, "hypothesis").sentences == SENTENCES
    assert translations_of(["a b", "c"], "hypothesis").lines == ["a b", "c"]
    missing = translations_of({"a": "x", "b": None}, "hypothesis")
    assert missing.sentences == {"a": "x", "b": ""}
    assert "missing value" in missing.notes[0]
    with pytest.raises(InputError, match="'b' has no reference"):
        translations_of({"a": "x", "b": None}, "reference")
    with pytest.raises(UsageError, match="not int"):
        translations_of(3, "hypothesis")


lines = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=20)


@given(st.dictionaries(st.from_regex(r"[a-z]\d{1,3}", fullmatch=True), lines, min_size=1))
def test_json_and_a_table_with_a_header_round_trip(
    tmp_path_factory: pytest.TempPathFactory, sentences: dict[str, str]
) -> None:
    import csv
    import io

    expected = {name: text.strip(" \t\n\v\f\r") for name, text in sentences.items()}
    path = tmp_path_factory.mktemp("t") / "hyp"
    path.write_text(json.dumps(sentences), encoding="utf-8")
    assert read_translations(str(path)).sentences == expected
    stream = io.StringIO()
    csv.writer(stream).writerows([("id", "translation"), *sentences.items()])
    path.write_text(stream.getvalue(), encoding="utf-8", newline="")
    assert read_translations(str(path)).sentences == expected
