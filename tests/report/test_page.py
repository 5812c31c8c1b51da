"""The page as text: what it says, and what it must not let through."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from collecting import find

import slaeval
from slaeval.report import ReportData, render
from slaeval.report.filters import direction, without_controls
from slaeval.report.page import _GROUPS


class _Page(HTMLParser):
    """Checks that elements nest, and collects the text and the tables."""

    _VOID = frozenset(("meta", "link", "br", "rect", "path"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.rows: list[list[str]] = []
        self.text = ""
        self.scripts: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in self._VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self._VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] in (["script"], ["style"]):
            self.scripts.append(data)
            return
        self.text += data
        if self.rows and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def _page(samples: Path, name: str, against: bool = False) -> tuple[ReportData, str]:
    folder = samples / name
    other = folder / "hyp_b.ctm" if against else None
    found = find(folder / "hyp.ctm", name, root=folder, against=other)
    return found, render(found)


@pytest.mark.parametrize("name", ["phoenix2014t", "csl-daily", "isharah500"])
def test_it_says_what_the_score_says(samples: Path, name: str) -> None:
    found, text = _page(samples, name)
    page = _Page(text)
    score = found.score
    assert f"WER {score.wer:.2f} %" in page.text
    low, high = score.wer_ci
    assert f"95 % between {low:.2f} and {high:.2f}" in page.text
    assert score.signature in page.text
    for warning in score.warnings:
        assert warning in page.text
    for other in score.other_readings:
        assert other.protocol in page.text
        assert f"{other.wer:.2f} %" in page.text
    first = score.confusions()[0]
    assert [f"{first.reference} → {first.hypothesis}", str(first.count)] in [
        [row[0], row[2]] for row in page.rows if len(row) == 5
    ]
    for row in found.audit.rows:
        assert f"{row.score.wer:.2f}" in page.text


def test_groups_add_up_to_the_score(samples: Path) -> None:
    found, text = _page(samples, "phoenix2014t")
    page = _Page(text)
    total = found.score.total
    wanted = [total.reference_words, total.substitutions, total.deletions, total.insertions]
    for grouping, (title, column, _) in _GROUPS.items():
        assert title in page.text
        start = next(n for n, row in enumerate(page.rows) if row[:2] == [column, "words"])
        rows = page.rows[start + 1 : start + 1 + len(found.groups[grouping])]
        assert [sum(int(row[k]) for row in rows) for k in (1, 2, 3, 4)] == wanted, grouping


def test_the_rows_of_the_heat_map_add_up(samples: Path) -> None:
    _, text = _page(samples, "phoenix2014t")
    [table] = re.findall('<table class="heat".*?</table>', text, re.S)
    rows = _Page(table).rows
    assert len(rows) > 10
    for row in rows[1:]:
        numbers = [int(cell or 0) for cell in row[1:]]
        assert sum(numbers[:-1]) == numbers[-1], row


def test_the_same_input_gives_the_same_bytes(samples: Path) -> None:
    assert _page(samples, "isharah500", True)[1] == _page(samples, "isharah500", True)[1]


def test_it_needs_nothing_but_itself(samples: Path) -> None:
    _, text = _page(samples, "phoenix2014t", against=True)
    page = _Page(text)
    assert not page.names & {"iframe", "object", "embed", "form", "base"}
    assert not page.attributes & {"src", "style", "srcset", "action"}
    assert not re.search(r"https?://|@import|url\(", "".join(page.scripts))
    assert str(samples) not in text


def test_the_policy_names_its_script_and_its_style(samples: Path) -> None:
    _, text = _page(samples, "phoenix2014t")
    for element in ("style", "script"):
        inside = re.findall(rf"<{element}>(.*?)</{element}>", text, re.S)
        assert len(inside) == 1
        digest = base64.b64encode(hashlib.sha256(inside[0].encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in text
    assert "default-src 'none'" in text


def test_glosses_are_never_markup(hostile: tuple[Path, Path, list[str]]) -> None:
    hypothesis, reference, words = hostile
    found = find(hypothesis, ref=reference, protocol="none", train=reference)
    text = render(found)
    page = _Page(text)
    assert text.count("<script") == 2
    assert not page.names & {"i", "img"}
    assert not page.attributes & {"onmouseover", "onerror", "src"}
    for word in words[:-1]:
        assert word in page.text
    assert "\x1b" not in text
    assert without_controls("a\x1bb") == "a\ufffdb"


def test_without_training_annotation_it_says_so(samples: Path, tmp_path: Path) -> None:
    folder = samples / "phoenix2014t"
    reference = tmp_path / "ref.tsv"
    rows = slaeval.load_corpus("phoenix2014t", folder, "test").references().items()
    reference.write_text("".join(f"{id}\t{' '.join(words)}\n" for id, words in rows))
    without = find(folder / "hyp.ctm", ref=reference)
    assert "frequency" not in without.groups
    assert "--train FILE" in _Page(render(without)).text
    train = next(folder.rglob("*.train.corpus.csv"))
    given = tmp_path / "train.tsv"
    rows = slaeval.load_corpus("phoenix2014t", folder, "train").references().items()
    given.write_text("".join(f"{id}\t{' '.join(words)}\n" for id, words in rows))
    with_file = find(folder / "hyp.ctm", ref=reference, train=given)
    from_corpus = find(folder / "hyp.ctm", "phoenix2014t", root=folder)
    assert with_file.groups["frequency"] == from_corpus.groups["frequency"]
    train.rename(train.with_suffix(".gone"))
    try:
        gone = find(folder / "hyp.ctm", "phoenix2014t", root=folder)
        assert "was not found" in gone.training
        assert str(folder) not in render(gone)
        assert "frequency" not in gone.groups
        train.write_text("name|orth\n")
        broken = find(folder / "hyp.ctm", "phoenix2014t", root=folder)
        assert f"cannot be used ({train.name}" in broken.training
        assert str(folder) not in render(broken)
    finally:
        train.with_suffix(".gone").rename(train)


def test_a_perfect_and_an_empty_system(samples: Path, tmp_path: Path) -> None:
    folder = samples / "csl-daily"
    rows = slaeval.load_corpus("csl-daily", folder, "test").references()
    perfect, empty = tmp_path / "perfect.tsv", tmp_path / "empty.tsv"
    perfect.write_text("".join(f"{id}\t{' '.join(words)}\n" for id, words in rows.items()))
    empty.write_text("".join(f"{id}\t\n" for id in rows))
    for path, expected in ((perfect, "No substitutions."), (empty, "WER 100.00 %")):
        found = find(path, "csl-daily", root=folder, against=folder / "hyp.ctm")
        assert expected in _Page(render(found)).text
    nothing = find(empty, "csl-daily", root=folder, protocol="none")
    assert _Page(render(nothing))


@pytest.mark.parametrize(
    ("words", "expected"),
    [(["REGEN"], "ltr"), (["10", "苹果"], "ltr"), (["لا_2", "x"], "rtl"), (["שלום"], "rtl")],
)
def test_direction(words: list[str], expected: str) -> None:
    assert direction(words) == expected


def _found(references: dict[str, str], hypotheses: dict[str, str], tmp_path: Path) -> ReportData:
    """Find what there is to say about plain words; a segment's signer is its name."""
    for name, rows in (("ref", references), ("hyp", hypotheses)):
        lines = [
            json.dumps({"id": segment, "glosses": words.split(), "signer": segment})
            for segment, words in rows.items()
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines), "utf-8")
    return find(tmp_path / "hyp.jsonl", ref=tmp_path / "ref.jsonl")


def test_long_names_leave_room_for_numbers(tmp_path: Path) -> None:
    long = ["LANG" * 20 + end for end in ("-1", "-2")]
    text = render(_found({"a" * 60: f"{long[0]} X"}, {"a" * 60: f"{long[1]} X"}, tmp_path))
    page = _Page(text)
    [row] = [row for row in page.rows if len(row) == 5 and "→" in row[0] and row[2] == "1"]
    one, other = row[0].split(" → ")
    assert one != other
    assert len(one) == len(other) == 28
    assert one.endswith("-1")
    assert f'title="{long[0]}">{one}</bdi>' in text
    in_tables = max(len(cell) for row in page.rows for cell in row[:1])
    assert in_tables < 60
    assert f"<bdi>{long[0]}</bdi>" in text  # whole in the alignment


def test_many_signers_scroll(tmp_path: Path) -> None:
    few, many = ({f"s{n:02d}": "A B" for n in range(count)} for count in (16, 17))
    around = r'<div class="scroll">\s*<div class="wide">\s*<table class="groups"'
    assert not re.search(around, render(_found(few, few, tmp_path)))
    assert len(re.findall(around, render(_found(many, many, tmp_path)))) == 1


def test_without_reference_words_nothing_is_made_up(tmp_path: Path) -> None:
    page = _Page(render(_found({"a": "", "b": ""}, {"a": "X", "b": ""}, tmp_path)))
    assert "WER undefined" in page.text
    assert "nan" not in page.text
    assert "A perfect transcript" not in page.text


def test_a_wer_stands_with_its_protocol(samples: Path) -> None:
    folder = samples / "phoenix2014t"
    text = render(find(folder / "hyp.ctm", "phoenix2014t", root=folder, protocol="none"))
    wer = slaeval.score(
        slaeval.load_corpus("phoenix2014t", folder, "test"), folder / "hyp.ctm", "none"
    ).wer
    assert f"<title>WER {wer:.2f} % (none) · hyp.ctm · phoenix2014t test</title>" in text
    assert f'<strong title="WER {wer:.2f} % (none) · ' in text


def test_folders_of_the_same_name_are_told_apart(runs: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(runs[0], tmp_path / runs[0].name)
    found = find(f"{runs[0]}/", against=tmp_path / runs[0].name)
    assert found.name == str(runs[0])
    assert found.comparison is not None
    assert found.comparison.names == (str(runs[0]), str(tmp_path / runs[0].name))
