"""``slaeval plot`` as users meet it: files, messages and exit codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from slaeval.analysis.plots import PLOTS
from slaeval.cli.main import main
from slaeval.loaders import write_sample

Plot = Callable[..., tuple[int, str, str]]
ERRORS = [kind for kind in PLOTS if kind not in ("curves", "posteriors")]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpora") / "phoenix2014t"
    write_sample("phoenix2014t", folder)
    return folder


@pytest.fixture
def plot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Plot:
    """Run ``slaeval plot ARG…`` in an empty folder; exit code, stdout, stderr."""

    def run(*args: object) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("SLAEVAL_CONFIG_DIR", str(tmp_path / "config"))
        monkeypatch.setattr("sys.argv", ["slaeval", "plot", *map(str, args)])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        assert isinstance(stop.value.code, int)
        return stop.value.code, out, err

    return run


@pytest.mark.parametrize("kind", ERRORS)
def test_every_kind_of_a_hypothesis_file(
    plot: Plot, corpus: Path, tmp_path: Path, kind: str
) -> None:
    given = (kind, corpus / "hyp.ctm", "--dataset", "phoenix2014t", "--root", corpus)
    code, out, err = plot(*given, "--out", "a.pdf")
    assert code == 0, err
    assert out == f"a.pdf: {PLOTS[kind].what}\n"
    plot(*given, "--out", "b.pdf")
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    assert (tmp_path / "a.pdf").stat().st_size > 3000


def test_a_log_of_a_training(plot: Plot, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("epoch,loss,dev_wer\n1,2.5,90\n2,1.5,80\n")
    code, out, err = plot("curves", "log.csv", "--out", "curves.svg")
    assert (code, out) == (0, f"curves.svg: {PLOTS['curves'].what}\n"), err
    assert "svg" in (tmp_path / "curves.svg").read_text()
    for option in (("--dataset", "phoenix2014t"), ("--protocol", "official"), ("--fix-ids",)):
        code, _, err = plot("curves", "log.csv", "--out", "c.svg", *option)
        assert code == 2
        assert f"leave out {option[0]}" in err


def test_options_reach_the_plot(plot: Plot, corpus: Path, tmp_path: Path) -> None:
    reference = tmp_path / "ref.stm"
    reference.write_text("a 1 Anna 0 1 REGEN SONNE\nb 1 Anna 0 1 WIND NEBEL\n")
    (tmp_path / "train.stm").write_text("x 1 Anna 0 1 REGEN REGEN WIND\n")
    (tmp_path / "hyp.ctm").write_text("a 1 0 1 REGEN\na 1 1 1 WIND\nb 1 0 1 WIND\n")
    given = ("hyp.ctm", "--ref", "ref.stm")
    code, _, err = plot("frequency", *given, "--out", "plot.png")
    assert code == 1
    assert "--train FILE" in err
    code, _, err = plot("frequency", *given, "--train", "train.stm", "--out", "plot.png")
    assert code == 0, err
    files = []
    for options in (["segment", "--segment", "a"], ["segment", "--segment", "b"]):
        code, _, err = plot(*options, *given, "--out", "plot.svg")
        assert code == 0, err
        files.append((tmp_path / "plot.svg").read_bytes())
    assert files[0] != files[1]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["segment", "hyp.ctm", "--out", "x.gif"], 2, ".png, .svg or .pdf"),
        (["nothing", "hyp.ctm", "--out", "x.svg"], 2, "is not one of"),
        (["segment", "hyp.ctm"], 2, "missing option '--out'; see 'slaeval plot --help'"),
        (["segment", "hyp.ctm", "--out", "x.svg"], 2, "--dataset NAME"),
        (["segment", "gone.ctm", "--ref", "ref.stm", "--out", "x.svg"], 1, "no such file"),
        (["segment", "hyp.ctm", "--ref", "ref.stm", "--out", "ref.stm"], 2, "named twice"),
        (["posteriors", "hyp.ctm", "--ref", "ref.stm", "--out", "x.svg"], 2, "need a run folder"),
        (
            ["segment", "hyp.ctm", "--ref", "ref.stm", "--segment", "aa", "--out", "x.svg"],
            2,
            "did you mean 'a'",
        ),
        (["confusions", "hyp.ctm", "--ref", "ref.stm", "--top", "1", "--out", "x.svg"], 2, "--top"),
        (["signers", "hyp.ctm", "--ref", "ref.stm", "--top", "9", "--out", "x.svg"], 2, "glosses"),
        (["curves", "gone", "--segment", "a", "--out", "x.svg"], 2, "leave it out for curves"),
        (["length", "hyp.ctm", "--train", "t.stm", "--out", "x.svg"], 2, "--train applies to freq"),
        (["curves", "gone", "--out", "x.svg"], 1, "log.csv of a training run"),
        (["signers", ".", "--out", "x.svg"], 1, "no run here"),
    ],
)
def test_what_cannot_be_drawn_is_said(
    plot: Plot, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    (tmp_path / "ref.stm").write_text("a 1 Anna 0 1 REGEN\n")
    (tmp_path / "hyp.ctm").write_text("a 1 0 1 REGEN\n")
    found, out, err = plot(*arguments)
    assert found == code
    assert message in err
    assert out == ""
    assert not (tmp_path / "x.svg").exists()


def test_missing_glyphs_are_a_warning(
    plot: Plot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib import font_manager

    bundled = [one for one in font_manager.fontManager.ttflist if "mpl-data" in one.fname]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", bundled)
    (tmp_path / "ref.stm").write_text("a 1 Anna 0 1 今天\n")
    (tmp_path / "hyp.ctm").write_text("a 1 0 1 明天\n")
    code, _, err = plot("segment", "hyp.ctm", "--ref", "ref.stm", "--out", "x.svg")
    assert code == 0
    assert err.count("warning: no font on this machine has 3 of the characters") == 1


def test_every_kind_is_in_the_help(plot: Plot) -> None:
    code, out, _ = plot("--help")
    assert code == 0
    for kind, what in ((plot.name, plot.what) for plot in PLOTS.values()):
        assert kind in out
        assert what in out


@pytest.fixture(scope="module")
def run(
    rendered: Path, checkpoint: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run of a model with random weights over five rendered sentences."""
    import slaeval

    folder = tmp_path_factory.mktemp("runs") / "run"
    slaeval.evaluate(checkpoint(), root=rendered, out=folder, device="cpu")
    return folder


def test_posteriors_of_a_run_with_frames(
    plot: Plot, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from slaeval import analysis
    from slaeval.evaluation.run_folder import Run

    drawn: list[dict[str, object]] = []
    original = analysis.posterior_strip

    def noted(*args: object, **kwargs: object) -> object:
        drawn.append(kwargs)
        return original(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(analysis, "posterior_strip", noted, raising=False)
    alignments = Run.open(run).alignments
    for name in list(alignments)[:2]:
        code, _, err = plot("posteriors", run, "--segment", name, "--out", "p.png")
        assert code == 0, err
        mine = alignments[name]
        assert list(drawn[-1]["glosses"]) == mine.glosses  # type: ignore[call-overload]
        assert [tuple(span) for span in drawn[-1]["spans"]] == mine.spans  # type: ignore[attr-defined]
        assert len(drawn[-1]["frames"]) == mine.frames  # type: ignore[arg-type]
    assert (tmp_path / "p.png").stat().st_size > 10_000


def test_a_run_brings_its_references(plot: Plot, run: Path) -> None:
    code, out, err = plot("segment", run, "--out", "s.svg")
    assert (code, out) == (0, f"s.svg: {PLOTS['segment'].what}\n"), err
    code, _, err = plot("segment", run, "--split", "dev", "--out", "s.svg")
    assert code == 2
    assert "--split needs --dataset" in err


def test_a_checkpoint_that_has_gone_is_named(plot: Plot, run: Path, tmp_path: Path) -> None:
    import json
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    settings = json.loads((copy / "run.json").read_text())
    settings["checkpoint"]["path"] = "gone.pt"
    (copy / "run.json").write_text(json.dumps(settings))
    code, _, err = plot("posteriors", "copy", "--out", "p.png")
    assert code == 1
    assert "gone.pt: the checkpoint of the run is missing; name it with --ckpt" in err
