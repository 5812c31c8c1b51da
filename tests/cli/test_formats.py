"""``--format``: results as people paste them."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

import slaeval as package
from slaeval.cli.options import chosen_format
from slaeval.errors import UsageError
from slaeval.evaluation.tables import (
    PaperRow,
    Printed,
    as_csv,
    as_latex,
    as_markdown,
    latex_escaped,
    markdown_escaped,
)

ReferenceSet = tuple[Path, Path]

HOSTILE = r"a|b & __ON__ *x* 100% $5 #1 {y} ~ ^ \z <i> `c` poss-EUCH [k]"


@pytest.fixture
def slaeval(slaeval_here):  # type: ignore[no-untyped-def]
    """Call the command in this process; other files start it as one of its own."""
    return slaeval_here


def _cells(line: str) -> list[str]:
    """Split a line of a Markdown table at the bars that are not escaped."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


@pytest.fixture
def sample(slaeval, tmp_path: Path) -> tuple[str, ...]:
    """A sample corpus with dev hypotheses that lack the first word of every segment."""
    slaeval("corpus", "sample", "phoenix2014t", "c")
    dev = package.load_corpus("phoenix2014t", tmp_path / "c", "dev")
    rows = (f"{name}\t{' '.join(words[1:])}\n" for name, words in dev.references().items())
    (tmp_path / "dev.tsv").write_text("".join(rows))
    return ("--pred", "c/hyp.ctm", "--dataset", "phoenix2014t", "--root", "c")


def test_latex_has_the_cells_of_the_papers(slaeval, task: ReferenceSet) -> None:
    done = slaeval("score", "--pred", task[0], "--ref", task[1], "--format", "latex")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert r"\begin{tabular}{llcc}" in lines
    assert r"Method & Protocol & del/ins & WER \\" in lines
    # 3 S, 2 D, 1 I of 11 words
    assert r"hyp & rwth-2014 & 18.2/9.1 & 54.5 \\" in lines
    assert lines[0].startswith("% hyp.ctm, own references, rwth-2014: S 3, D 2, I 1 of 11 words")
    assert lines[1].startswith("% dataset:own|split:own|protocol:rwth-2014.v1")
    assert "multicolumn" not in done.stdout


def test_both_splits_stand_in_one_row(slaeval, sample, tmp_path: Path) -> None:
    done = slaeval("score", *sample, "--dev", "dev.tsv", "--format", "latex")
    assert done.returncode == 0, done.stderr
    assert r" &  & \multicolumn{2}{c}{Dev} & \multicolumn{2}{c}{Test} \\" in done.stdout
    assert r"Method & Protocol & del/ins & WER & del/ins & WER \\" in done.stdout
    dev = package.score(
        package.load_corpus("phoenix2014t", tmp_path / "c", "dev"), tmp_path / "dev.tsv"
    )
    row = next(line for line in done.stdout.splitlines() if line.startswith("hyp &"))
    assert row.split(" & ")[3] == f"{dev.wer:.1f}"
    assert row.endswith(r"& 5.5/2.3 & 21.5 \\")
    assert "% the same file under rwth-2014t: 6.8/2.3 & 20.5" in done.stdout

    rows = list(csv.DictReader(io.StringIO(_csv(slaeval, sample, "--dev", "dev.tsv"))))
    assert [(row["split"], row["protocol"]) for row in rows] == [
        ("test", "rwth-2014"),
        ("test", "rwth-2014t"),
        ("dev", "rwth-2014"),
        ("dev", "rwth-2014t"),
    ]
    assert float(rows[2]["wer"]) == dev.wer


def _csv(slaeval, sample, *more: str) -> str:
    done = slaeval("score", *sample, *more, "--format", "csv")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_csv_holds_the_numbers_of_json(slaeval, sample) -> None:
    [official, release] = csv.DictReader(io.StringIO(_csv(slaeval, sample)))
    out = json.loads(slaeval("score", *sample, "--format", "json").stdout)
    for key in ("wer", "substitutions", "deletions", "insertions", "reference_words", "segments"):
        assert float(official[key]) == out[key]
        assert float(release[key]) == out["other_readings"]["rwth-2014t"][key]
    assert [float(official["wer_low"]), float(official["wer_high"])] == out["wer_ci"]
    assert official["signature"] == out["signature"]


def test_markdown_is_a_table_a_reading(slaeval, sample) -> None:
    done = slaeval("score", *sample, "--format", "markdown", "--by", "length", "--top", "2")
    tables = [part.splitlines() for part in done.stdout.split("\n\n")]
    readings, lengths, confusions, signature = tables
    assert _cells(readings[0])[:4] == ["system", "split", "protocol", "WER %"]
    assert _cells(readings[2])[2:4] == ["rwth-2014", "21.46"]
    assert _cells(readings[3])[2:4] == ["rwth-2014t", "20.55"]
    assert sum(int(_cells(row)[1]) for row in lengths[2:]) == 48
    assert len(confusions) == 4
    assert re.fullmatch(r"`dataset:phoenix2014t\|.*`", signature[0])


def test_json_is_a_format(slaeval, task: ReferenceSet) -> None:
    arguments = ("score", "--pred", task[0], "--ref", task[1])
    assert (
        slaeval(*arguments, "--json").stdout
        == slaeval(*arguments, "--format", "json").stdout
        == slaeval(*arguments, "--format", "json", "--json").stdout
    )


@pytest.mark.parametrize("form", ["markdown", "latex", "csv"])
def test_audit_has_a_row_a_protocol(slaeval, sample, form: str) -> None:
    done = slaeval("audit", *sample, "--format", form)
    assert done.returncode == 0, done.stderr
    out = json.loads(slaeval("audit", *sample, "--json").stdout)["protocols"]
    if form == "csv":
        rows = {row["protocol"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
        assert {name: float(row["floor"]) for name, row in rows.items()} == {
            name: mine["floor"] for name, mine in out.items()
        }
    elif form == "markdown":
        rows = {_cells(line)[0]: _cells(line) for line in done.stdout.splitlines()[2:-2]}
        assert {name: row[1] for name, row in rows.items()} == {
            name: f"{mine['wer']:.2f}" for name, mine in out.items()
        }
    else:
        rows = re.findall(r"^(\S+) & \S+ & \S+ \\\\$", done.stdout, re.M)
    assert [name for name in rows if name != "Protocol"] == list(out)


@pytest.mark.parametrize("form", ["markdown", "latex", "csv"])
def test_compare_has_a_row_a_system(slaeval, sample, form: str) -> None:
    arguments = ("compare", "c/hyp.ctm", "c/hyp_b.ctm", *sample[2:], "--against", "published")
    done = slaeval(*arguments, "--format", form)
    assert done.returncode == 0, done.stderr
    out = json.loads(slaeval(*arguments, "--json").stdout)
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        pair = out["pairs"][0]
        assert float(rows[1]["difference"]) == pytest.approx(pair["difference"])
        assert [float(rows[1][f"difference_{end}"]) for end in ("low", "high")] == pytest.approx(
            pair["difference_ci"]
        )
        assert float(rows[1]["permutation_p"]) == out["pairs"][0]["permutation_p"]
        assert rows[0]["difference"] == ""
        names = [row["system"] for row in rows]
        assert names == ["hyp.ctm", "hyp_b.ctm", *(row["system"] for row in out["published"])]
    elif form == "markdown":
        assert r"| hyp\_b.ctm |" in done.stdout
        assert "+1.83" in done.stdout
        assert "not significant" in done.stdout
        assert re.search(r"\| SEN ResNet18 +\| rwth-2014 +\| 20\.7 +\| RGB +\|", done.stdout)
    else:
        assert r"hyp\_b & rwth-2014 & 7.3/4.1 & 23.3 \\" in done.stdout
        assert r"SEN ResNet18 & rwth-2014 & -- & 20.7 \\" in done.stdout
        assert r"SignGraph & vac-python & 5.14/3.38 & 19.44 \\" in done.stdout
        assert r"C2SLR* & unknown & -- & 20.4 \\" in done.stdout
        assert done.stdout.index("SEN") < done.stdout.index(r"hyp\_b &")


@pytest.mark.parametrize("command", ["audit", "compare"])
def test_audit_and_compare_show_both_splits(slaeval, sample, command: str) -> None:
    corpus = sample[2:]
    systems = ("--pred", "c/hyp.ctm") if command == "audit" else ("c/hyp.ctm", "c/hyp_b.ctm")
    devs = ("--dev", "dev.tsv") * (1 if command == "audit" else 2)
    more = () if command == "audit" else ("--against", "published")
    given = (command, *systems, *corpus, *devs, *more)
    latex = slaeval(*given, "--format", "latex")
    assert latex.returncode == 0, latex.stderr
    both = slaeval("score", *sample, "--dev", "dev.tsv", "--format", "latex").stdout
    [cells] = re.findall(r"^hyp & rwth-2014 (& .* & .* & .* & .* \\\\)$", both, re.M)
    first = "rwth-2014" if command == "audit" else "hyp & rwth-2014"
    assert f"\n{first} {cells}\n" in latex.stdout
    assert r"\multicolumn{2}{c}{Dev} & \multicolumn{2}{c}{Test}" in latex.stdout
    if command == "compare":
        assert r"AdaptSign ViT-B/16 & rwth-2014 & -- & 18.6 & -- & 18.9 \\" in latex.stdout
        assert "% AdaptSign ViT-B/16, dev: 18.6 by Hu" in latex.stdout
    rows = list(csv.DictReader(io.StringIO(slaeval(*given, "--format", "csv").stdout)))
    splits = [row["split"] for row in rows if row["signature"]]
    assert splits == sorted(splits)
    assert splits.count("dev") == splits.count("test") == (9 if command == "audit" else 2)
    alone = slaeval("score", "--pred", "dev.tsv", *corpus, "--split", "dev", "--json")
    assert float(rows[0]["wer"]) == json.loads(alone.stdout)["wer"]
    table = slaeval(*given, "--format", "markdown").stdout
    assert "|split:dev|" in table
    assert "|split:test|" in table
    refused = slaeval(*given)
    assert refused.returncode == 2
    assert "side by side" in refused.stderr


@pytest.mark.parametrize("command", ["score", "audit", "compare"])
def test_the_annotation_is_not_written_over(slaeval, sample, tmp_path, command: str) -> None:
    [annotation] = (tmp_path / "c").rglob("*.dev.corpus.csv")
    before = annotation.read_bytes()
    systems = ("c/hyp.ctm", "c/hyp_b.ctm") if command == "compare" else sample[:2]
    done = slaeval(command, *systems, *sample[2:], "--csv", annotation)
    assert done.returncode == 2
    assert "phoenix2014t's annotation" in done.stderr
    assert annotation.read_bytes() == before
    new = annotation.with_name("rows.csv")  # a new file may stand there
    assert slaeval(command, *systems, *sample[2:], "--csv", new).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--format", "html"), "known: table, markdown, latex, csv, json"),
        (("--format", "ctm"), "--pred-format ctm"),
        (("--format", "latex", "--json"), "cannot be combined"),
        (("--format", "csv", "--by", "length"), "one row per file"),
        (("--dev", "hyp.ctm"), "--format latex, markdown or csv"),
        (("--dev", "hyp.ctm", "--format", "latex"), "use --dataset"),
        (("--dev", "hyp.ctm", "--format", "json"), "side by side"),
    ],
)
def test_what_cannot_be_meant(slaeval, task: ReferenceSet, arguments, expected: str) -> None:
    done = slaeval("score", "--pred", "hyp.ctm", "--ref", "ref.stm", *arguments)
    assert done.returncode == 2
    assert expected in done.stderr
    assert done.stdout == ""


def test_dev_twice_is_refused(slaeval, sample) -> None:
    done = slaeval(*("score", *sample, "--split", "dev", "--dev", "dev.tsv"), "--format", "csv")
    assert done.returncode == 2
    assert "same split" in done.stderr


def test_markdown_escapes_so_that_the_text_comes_back() -> None:
    shown = markdown_escaped(HOSTILE)
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", shown) == HOSTILE
    # nothing that Markdown would act on is left bare
    assert not re.search(r"(?<!\\)[|*_`<~$&]", re.sub(r"\\\\", "", shown))
    [_, _, row] = as_markdown(
        [{"reference": HOSTILE, "count": 3}], ("reference", "count")
    ).splitlines()
    assert _cells(row) == [shown, "3"]
    assert markdown_escaped("two\nlines") == "two lines"


def test_latex_escapes_every_special_character() -> None:
    shown = latex_escaped(HOSTILE)
    assert not re.search(r"(?<!\\)[&%$#_{}~^|<>]", re.sub(r"\\text\w+\{\}", "", shown))
    back = {
        r"\textbackslash{}": "\\",
        r"\textasciitilde{}": "~",
        r"\textasciicircum{}": "^",
        r"\textless{}": "<",
        r"\textgreater{}": ">",
        r"\textbar{}": "|",
    }
    plain = re.sub(r"\\text\w+\{\}|\\([&%$#_{}])", lambda m: m[1] or back[m[0]], shown)
    assert plain == HOSTILE


@pytest.mark.parametrize("name", ["[ours]", "*best"])
def test_a_name_is_no_argument_of_the_row_before(name: str) -> None:
    row = PaperRow(name, {"test": Printed(12.3)})
    assert f"\n{{}}{name} & -- & 12.3 " in as_latex([row, row])


def test_names_of_any_script() -> None:
    printed = as_latex(
        [PaperRow("لون_احمر", {"test": Printed(12.3, 4.56, 7.0)})], notes=["two\nlines"]
    )
    assert "% two lines\n" in printed
    assert "XeLaTeX" in printed
    assert "لون\\_احمر & 4.56/7.0 & 12.3" in printed
    assert "XeLaTeX" not in as_latex([PaperRow("SÜDWEST", {"": Printed(1.0)})])
    wide = as_markdown([{"reference": "苹果", "count": 1}], ("reference", "count"))
    assert wide.splitlines()[2] == "| 苹果      |     1 |"


def test_csv_quotes_what_must_be_quoted() -> None:
    rows = [{"system": 'a,"b"\nc', "wer": 1 / 3}, {"system": "مثال", "source": None}]
    text = as_csv(rows)
    back = list(csv.DictReader(io.StringIO(text, newline="")))
    assert back[0] == {"system": 'a,"b"\nc', "wer": repr(1 / 3), "source": ""}
    assert back[1]["system"] == "مثال"


def test_a_set_without_words_has_no_rate() -> None:
    score = package.score({"a": [], "b": []}, {"a": "X"}, "none")
    printed = as_latex([PaperRow("x", {"": score.total})])
    assert r"x & -- & -- \\" in printed


def test_the_default_is_a_table() -> None:
    assert chosen_format(None, False) == "table"
    assert chosen_format(None, True) == "json"
    with pytest.raises(UsageError, match="unknown format"):
        chosen_format("tabel", False)


def test_bleu_covers_both_splits(slaeval, sample) -> None:
    given = ("score", *sample, "--dev", "dev.tsv", "--bleu")
    rows = list(csv.DictReader(io.StringIO(slaeval(*given, "--format", "csv").stdout)))
    [dev] = [row for row in rows if row["split"] == "dev" and row["protocol"] == "rwth-2014"]
    alone = slaeval("score", "--pred", "dev.tsv", *sample[2:], "--split", "dev", "--bleu", "--json")
    assert float(dev["bleu"]) == json.loads(alone.stdout)["bleu"]["bleu"]
    for form in ("markdown", "latex"):
        shown = slaeval(*given, "--format", form).stdout
        assert len(re.findall(r"BLEU \d", shown)) == 2, shown
