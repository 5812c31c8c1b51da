"""What every command prints fits a terminal of 80 columns."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from slaeval import console
from slaeval.cli import sclite
from slaeval.cli.main import cli

COLUMNS = 80

SYSTEMS = ("a-long-name-of-a-system-with-lora-seed-0.ctm", "another-long-name-of-one.ctm")

EMPTY = """\
t-1 1 Anna 0.0 1.0
t-2 1 Anna 0.0 1.0
"""


def _commands(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the names of a command and of all below it."""
    found = [path]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            found += _commands(below, (*path, name))
    return found


def _too_wide(text: str) -> list[str]:
    """Return the lines that do not fit, but for the signature: it is pasted whole."""
    return [
        line
        for line in text.splitlines()
        if console.width(line) > COLUMNS and not line.startswith("  dataset:")
    ]


@pytest.mark.parametrize("command", _commands(cli), ids=" ".join)
def test_help_fits(command: tuple[str, ...]) -> None:
    done = CliRunner().invoke(cli, [*command, "--help"], terminal_width=COLUMNS)
    assert done.exit_code == 0
    assert "Usage:" in done.output
    assert not _too_wide(done.output)


def test_help_of_the_sclite_command_fits(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    sclite.main(["--help"])
    text = capsysbinary.readouterr().out.decode()
    assert "usage: slaeval-sclite" in text
    assert not _too_wide(text)


@pytest.mark.parametrize(
    "command",
    ["score", "audit", "compare", "compare --against published", "report"],
)
def test_results_and_warnings_fit(slaeval, task: tuple[Path, Path], command: str) -> None:
    hypothesis, reference = task
    for name in SYSTEMS:
        (hypothesis.parent / name).write_text(hypothesis.read_text().replace("WIND", "STURM"))
    (hypothesis.parent / SYSTEMS[0]).write_text(hypothesis.read_text())
    systems = SYSTEMS if command.startswith("compare") else SYSTEMS[:1]
    of = ("--dataset", "phoenix2014t", "--split", "test") if "published" in command else ()
    done = slaeval(*command.split(), *systems, "--ref", reference.name, *of, terminal=True)
    assert done.returncode == 0, done.stderr
    assert "warning:" in done.stderr
    assert not _too_wide(done.stdout + done.stderr)


def test_what_is_said_of_a_corpus_fits(slaeval, tmp_path: Path) -> None:
    assert slaeval("corpus", "sample", "phoenix2014t", "corpus").returncode == 0
    shown = slaeval("corpus", "show", "phoenix2014t", "--root", "corpus")
    checked = slaeval("corpus", "verify", "phoenix2014t", "--root", "corpus")
    assert "signers of test: Signer01" in shown.stdout
    assert "expected: 642 (release)" in checked.stdout
    listed = slaeval("corpus", "list")
    assert not _too_wide(shown.stdout + checked.stdout + listed.stdout)


@pytest.mark.parametrize(
    ("command", "message", "help_of"),
    [
        (("scroe",), "no command 'scroe' (did you mean 'score' or 'compare'?); known: score, ", ""),
        (("score", "--foo"), "no such option", " score"),
        (("corpus", "add"), "missing argument 'NAME'", " corpus add"),
        (("score", "a", "--top", "x"), "invalid value for '--top': 'x' is not", " score"),
    ],
)
def test_a_wrong_command_line_is_one_message(
    slaeval, command: tuple[str, ...], message: str, help_of: str
) -> None:
    done = slaeval(*command, terminal=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert not _too_wide(done.stderr)
    text = " ".join(done.stderr.split())
    assert text.startswith(f"error: {message}")
    assert text.endswith(f"; see 'slaeval{help_of} --help'")


def test_a_wrapped_message_keeps_its_words(slaeval, tmp_path: Path) -> None:
    name = "missing-" * 12 + ".ctm"
    done = slaeval("score", name, "--ref", "ref.stm", terminal=True)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0].startswith("error: ")
    assert all(line.startswith("  ") for line in lines[1:])
    joined = " ".join(line.strip() for line in lines)
    plain = slaeval("score", name, "--ref", "ref.stm").stderr
    assert joined + "\n" == plain  # one line, to be searched for


def test_a_path_keeps_its_blanks(slaeval) -> None:
    for terminal in (True, False):
        done = slaeval("score", "hyp.ctm", "--ref", "a  b.stm", terminal=terminal)
        assert "a  b.stm" in done.stderr


def test_without_reference_words_no_number_is_printed(slaeval, task: tuple[Path, Path]) -> None:
    hypothesis, reference = task
    reference.write_text(EMPTY)
    other = hypothesis.with_name("other.ctm")
    other.write_text(hypothesis.read_text())
    of = ("--ref", reference)
    compared = slaeval("compare", hypothesis, other, *of)
    assert compared.stdout.count("undefined") == 6  # systems, difference, signer
    audited = slaeval("audit", hypothesis, *of, "--protocol", "none", "--top", 0)
    assert "under 2 protocols, no WER: there are no reference words" in audited.stdout
    alone = slaeval("audit", hypothesis, *of, "--protocol", "mslr-swapped", "--top", 0)
    assert "under 2 protocols, a WER under mslr-swapped only" in alone.stdout
    reported = slaeval("report", hypothesis, *of, "--out", "report.html")
    assert "WER undefined (rwth-2014)" in reported.stdout
    page = (hypothesis.parent / "report.html").read_text()
    assert "<title>WER undefined (rwth-2014)" in page
    as_csv = slaeval("compare", hypothesis, other, *of, "--format", "csv")
    for text in (compared.stdout, audited.stdout, alone.stdout, as_csv.stdout):
        assert "nan" not in text.replace("Anna", "")
        assert "points" not in text
    assert "– %" not in page
    assert " nan" not in page


@pytest.mark.parametrize("columns", [80, 60])
def test_a_table_folds_headers_and_names_but_no_numbers(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    names = ("system-" * 6, "another system " * 4)
    text = console.table([("Anna", "12.34", "[-12.34, +56.78]")], ("signer", *names))
    lines = text.splitlines()
    assert max(map(len, lines)) <= columns
    assert "12.34  " in lines[-1]
    assert "[-12.34, +56.78]" in lines[-1]
    assert "".join("".join(lines).split()).count("another") == 4


def test_a_paragraph_counts_cells_and_keeps_percent_signs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    chinese = console.paragraph("他们 " * 30, "")
    assert max(map(console.width, chinese.splitlines())) <= 40
    assert chinese.split() == ["他们"] * 30
    text = console.paragraph(f"{'x' * 36} 95 % of it", "")
    assert text.splitlines() == ["x" * 36, "    95 % of it"]


def test_a_sentence_stands_below_a_long_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    words = "HEUTE NORD REGEN MORGEN SONNE WIND STARK"
    assert console.beside("REF", words).splitlines() == [
        "      REF HEUTE NORD REGEN MORGEN SONNE",
        "          WIND STARK",
    ]
    assert console.beside("a-system-of-a-long-name:", words).splitlines() == [
        "      a-system-of-a-long-name:",
        "        HEUTE NORD REGEN MORGEN SONNE",
        "        WIND STARK",
    ]
    assert console.beside("HYP", "") == "      HYP"
