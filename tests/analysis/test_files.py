"""Plots as files: the same bytes each time, without dates; logs read with clear errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from slaeval.analysis import confusion_map, draw_curves, loss_curve, read_log, save
from slaeval.analysis.style import FORMATS, picture
from slaeval.errors import InputError, SlaevalError, UsageError
from slaeval.scoring.score import Score

Invented = Callable[[list[str]], Score]
STARTS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_plot_is_the_same_file(tmp_path: Path, format: str, invented: Invented) -> None:
    score = invented("REGEN SONNE WIND NEBEL".split())
    files = [tmp_path / f"{name}.{format}" for name in "ab"]
    for path in files:
        save(confusion_map(score), path, score.signature)
    first, second = (path.read_bytes() for path in files)
    assert first == second
    assert first.startswith(STARTS[format])
    assert b"Date" not in first
    assert b"<dc:date>" not in first
    if format != "pdf":  # its strings are packed
        assert score.signature.encode() in first
    assert not list(tmp_path.glob("*.tmp"))


def test_fonts_in_a_pdf_are_whole_unless_they_are_east_asian() -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    figure.text(0.5, 0.5, "REGEN")
    assert b"/Type3" not in picture(figure, "pdf")


@pytest.mark.filterwarnings("ignore:Glyph")
def test_east_asian_fonts_in_a_pdf_are_drawn() -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    figure.text(0.5, 0.5, "今天")
    assert b"/Type3" in picture(figure, "pdf")


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, invented: Invented) -> None:
    figure = confusion_map(invented(["A", "B"])).figure
    with pytest.raises(UsageError, match=r"plot\.gif.*\.png, \.svg or \.pdf"):
        save(figure, tmp_path / "plot.gif")
    with pytest.raises(SlaevalError, match="cannot write"):
        save(figure, tmp_path / "nowhere" / "plot.png")


def test_the_log_of_a_training_is_found_from_any_of_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "sla_lora.training"
    folder.mkdir()
    (folder / "log.csv").write_text("epoch,loss,dev_wer\n1,2.5,90\n2,1.5,\n")
    checkpoints = (tmp_path / "sla_lora.pt", tmp_path / "sla_lora.last.pt")
    for path in (folder, folder / "log.csv", *checkpoints):
        rows = read_log(path)
        assert [row["loss"] for row in rows] == [2.5, 1.5]
        assert rows[1]["dev_wer"] != rows[1]["dev_wer"]
    assert draw_curves(read_log(folder)) == draw_curves(folder)
    assert draw_curves(folder).startswith(STARTS["png"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", "no column epoch and loss"),
        ("epoch,loss\n", "no epoch yet"),
        ("epoch,loss\n1,much\n", r"log\.csv:2: 'much' under 'loss' is not a number"),
        ("epoch,loss\n1,2,3\n", r"log\.csv:2: more cells than headings"),
        (f"epoch,loss\n1,{'9' * 200_000}\n", r"log\.csv:2: not a table: field larger"),
    ],
)
def test_what_is_no_log_is_said(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "log.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        read_log(tmp_path)


def test_a_loss_that_never_was_a_number_is_said(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("epoch,loss,dev_wer\n1,nan,90\n2,inf,80\n")
    texts = [text.get_text() for text in loss_curve(tmp_path).texts]
    assert texts == ["no loss that is a number"]
    assert draw_curves(tmp_path).startswith(STARTS["png"])


def test_a_checkpoint_without_its_log_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"sla\.training.*log\.csv"):
        read_log(tmp_path / "sla.pt")
