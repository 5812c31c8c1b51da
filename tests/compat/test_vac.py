"""The doors for VAC's relatives: what the originals answered, and where they answer 100 %."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from slaeval.compat.vac import evaluate, get_phoenix_wer, wer_calculation, wer_list
from slaeval.errors import InputError, SlaevalError, UsageError

# Invented; the last line of the references lacks its newline, as those of Phoenix 2014 do.
STM = """\
s-2 1 Anna 0.0 1.79769e+308 HEUTE NORD REGEN __ON__ poss-EUCH
s-1 1 Ben 0.0 1.79769e+308 MORGEN MORGEN SONNE KALT
s-10 1 Anna 0.0 1.79769e+308 süden WIND
s-3 1 Ben 0.0 1.79769e+308 ZEIGEN-BILDSCHIRM
s-4 1 Ben 0.0 1.79769e+308 NICHT KOMMEN"""

CTM = """\
s-1 1 0.00 0.01 MORGEN
s-1 1 0.01 0.02 loc-SONNE
s-1 1 0.02 0.03 SONNE
s-2 1 0.00 0.01 heute
s-2 1 0.01 0.02 NORDRAUM
s-2 1 0.02 0.03 IX
s-2 1 0.03 0.04 poss-EUCH
s-10 1 9.00 0.01 WIND
s-10 1 10.00 0.01 SUEDEN
s-3 1 0.00 0.01 __LEFTHAND__
s-4 1 0.00 0.01 ZEIGEN
"""

CONV = """\
s-1 1 0.00 0.01 MORGEN
s-1 1 0.01 0.02 KALT
s-2 1 0.00 0.01 HEUTE
s-2 1 0.01 0.02 NORD
s-2 1 0.02 0.03 REGEN
s-10 1 0.00 0.01 __EPENTHESIS__
s-3 1 0.00 0.01 ZEIGEN
s-4 1 0.00 0.01 NICHT
s-4 1 0.01 0.02 WIND
s-4 1 0.02 0.03 IX
"""

# What VAC_CSLR (commit 71f3e03) left in out.hyp.ctm.
OUT = """\
s-1 1 0.00 0.01 MORGEN
s-1 1 0.01 0.02 SONNE
s-1 1 0.02 0.03 SONNE
s-10 1 10.00 0.01 SUEDEN
s-10 1 9.00 0.01 WIND
s-2 1 0.00 0.01 heute
s-2 1 0.01 0.02 NORD
s-2 1 0.02 0.03 IX
s-2 1 0.03 0.04 EUCH
s-3 1 0.00 0.01 [EMPTY]
s-4 1 0.00 0.01 ZEIGEN-BILDSCHIRM
"""


@pytest.fixture
def work(tmp_path: Path) -> str:
    (tmp_path / "slr_eval").mkdir()
    (tmp_path / "slr_eval" / "phx-dev.stm").write_text(STM, "utf-8")
    (tmp_path / "hyp.ctm").write_text(CTM)
    (tmp_path / "hyp-conv.ctm").write_text(CONV)
    return f"{tmp_path}/"


def both_calls(work: str, python: bool) -> tuple[float, float]:
    """Call evaluate as seq_eval of VAC, CorrNet, AdaptSign and SlowFastSign do."""
    common = {
        "prefix": work,
        "mode": "dev",
        "evaluate_dir": f"{work}slr_eval",
        "evaluate_prefix": "phx",
        "output_dir": "epoch_3_result/",
        "python_evaluate": python,
    }
    conv = evaluate(output_file="hyp-conv.ctm", **common)  # type: ignore[arg-type]
    return conv, evaluate(output_file="hyp.ctm", triplet=True, **common)  # type: ignore[arg-type]


def test_as_the_original_with_sclite(work: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert both_calls(work, False) == (57.1, 64.3)
    assert Path(work, "out.hyp.ctm").read_text() == OUT == Path(work, "tmp2.ctm").read_text()
    assert Path(work, "tmp.stm").read_text("utf-8").splitlines() == [
        STM.splitlines()[place] for place in (1, 2, 0, 3, 4)
    ]
    folder = Path(work, "epoch_3_result")
    assert sorted(path.name for path in folder.iterdir()) == [
        f"out.{name}.ctm.{report}"
        for name in ("hyp-conv", "hyp")
        for report in ("pra", "raw", "sgml", "sys")
    ]
    table = (folder / "out.hyp.ctm.sys").read_text("utf-8")
    [line] = [line for line in table.splitlines() if "Sum/Avg" in line]
    assert line.replace("|", "").split()[3:] == ["35.7", "42.9", "21.4", "0.0", "64.3", "100.0"]
    assert capsys.readouterr().out == ""


def test_as_the_original_with_python(work: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert both_calls(work, True) == (57.14285714285714, 71.42857142857143)
    alone = "WER_primary:  {}\nWER_auxiliary:  0.00%\nWAR:  0.00%\nWDR:  0.00%\n"
    assert capsys.readouterr().out == (
        alone.format("57.14%")
        + alone.format("71.43%")
        + "WER_primary:  71.43%\nWER_auxiliary:  57.14%\nWAR:  21.43%\nWDR:  35.71%\n"
    )
    assert Path(work, "out.hyp.ctm").read_text() == OUT
    assert not Path(work, "epoch_3_result").exists()


def test_as_sen_calls_it(work: str) -> None:
    # Six positional names and no triplet.
    assert evaluate(work, "dev", f"{work}slr_eval", "phx", "hyp.ctm") == 64.3
    assert Path(work, "out.hyp.ctm.pra").exists()


def test_an_empty_hypothesis_is_no_error(work: str) -> None:
    Path(work, "hyp.ctm").write_text("")
    assert evaluate(work, "dev", f"{work}slr_eval", "phx", "hyp.ctm") == 100.0
    assert Path(work, "out.hyp.ctm").read_text().count("[EMPTY]") == 5


def test_a_line_without_a_word_is_an_empty_hypothesis(work: str) -> None:
    Path(work, "hyp.ctm").write_text("s-1 1 0.00 0.01\ns-2 1 0.00 0.01 HEUTE\n")
    evaluate(work, "dev", f"{work}slr_eval", "phx", "hyp.ctm")
    assert Path(work, "out.hyp.ctm").read_text().startswith("s-1 1 0.00 0.01 [EMPTY]\ns-10 1 0.000")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hyp.ctm": None}, "hyp.ctm: no such file"),
        ({"slr_eval/phx-dev.stm": None}, "phx-dev.stm: no such file"),
        ({"slr_eval/phx-dev.stm": ""}, "phx-dev.stm: the file is empty"),
        ({"hyp.ctm": CTM + "s-9 1 0.00 0.01 WIND\n"}, "segment 's-9' and 0 more are not in"),
        ({"hyp.ctm": CTM + "s-4 1 0.00\n"}, "hyp.ctm:12: a CTM line has"),
    ],
)
@pytest.mark.parametrize("python", [False, True])
def test_what_the_original_hides_behind_100_percent(
    change: dict[str, str | None],
    message: str,
    python: bool,
    work: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, text in change.items():
        Path(work, name).unlink()
        if text is not None:
            Path(work, name).write_text(text)
    with pytest.raises(InputError, match="(?s)" + message.replace(".", r"\.")):
        evaluate(work, "dev", f"{work}slr_eval", "phx", "hyp.ctm", None, python)
    # seq_eval swallows the error: it is on stderr too.
    assert message in capsys.readouterr().err


def test_names_that_are_not_given(work: str) -> None:
    with pytest.raises(UsageError, match="needs evaluate_dir"):
        evaluate(work, "dev")


def test_python_evaluator_alone(work: str) -> None:
    Path(work, "out.ctm").write_text(OUT.replace("s-4 1 0.00 0.01 ZEIGEN-BILDSCHIRM\n", ""))
    with pytest.raises(InputError, match="no hypothesis for segment 's-4'"):
        wer_calculation(f"{work}slr_eval/phx-dev.stm", f"{work}out.ctm")


@pytest.mark.parametrize(
    ("corpus", "prefix"),
    [
        ("phoenix2014", "phoenix2014-groundtruth"),
        ("phoenix2014t", "phoenix2014-T-groundtruth"),
        ("csl-daily", "CSL-Daily-groundtruth"),
    ],
)
@pytest.mark.parametrize("split", ["dev", "test"])
def test_both_readings_on_the_real_references(
    corpus: str, prefix: str, split: str, corpora: Path, tmp_path: Path
) -> None:
    recorded = corpora.parent / "golden" / "protocols"
    if not recorded.is_dir():
        pytest.skip(f"no recorded answers in {recorded}")
    answers = json.loads((recorded / "totals.json").read_text())[f"{corpus}/{split}/stress"]
    [stm] = (corpora / corpus / "stm").glob(f"*-{split}.stm")
    shutil.copy(stm, tmp_path / f"{prefix}-{split}.stm")
    shutil.copy(recorded / f"{corpus}-{split}-stress.ctm", tmp_path / "hyp.ctm")
    folder = f"{tmp_path}/"
    wer = evaluate(folder, split, folder, prefix, "hyp.ctm")
    assert wer == answers["rwth-2014"]["dtl"]
    answer = answers["vac-python"]
    wer = evaluate(folder, split, folder, prefix, "hyp.ctm", python_evaluate=True)
    assert wer == answer["err"] / answer["N"] * 100


def test_get_phoenix_wer(tmp_path: Path) -> None:
    (tmp_path / "phoenix2014-groundtruth-dev.stm").write_text(STM + "\n", "utf-8")
    (tmp_path / "PHOENIX-2014-T-groundtruth-dev.stm").write_text(STM + "\n", "utf-8")
    for dataset, expected in (
        ("2014", [64.3, 42.9, 0.0, 21.4]),
        ("2014T", [50.0, 33.3, 0.0, 16.7]),
    ):
        (tmp_path / "x.ctm").write_text(CTM)
        assert get_phoenix_wer("x.ctm", "dev", "tmp", str(tmp_path), dataset) == expected
        assert not (tmp_path / "x.ctm").exists()
    with pytest.raises(UsageError, match="no script for the data set 'csl1'"):
        get_phoenix_wer("x.ctm", "dev", "tmp", str(tmp_path), "csl1")
    (tmp_path / "x.ctm").write_text(CTM + "s-9 1 0.00 0.01 WIND\n")
    with pytest.raises(InputError, match="segment 's-9' is not in"):
        get_phoenix_wer("x.ctm", "dev", "tmp", str(tmp_path))
    assert (tmp_path / "x.ctm").exists()


def test_wer_list() -> None:
    rates = wer_list(["A B C", "A  B", ""], ["A X C D", "", "B"])
    assert rates == {"wer": 100.0, "del": 40.0, "ins": 40.0, "sub": 20.0}
    # 86 deletions and more: the original's matrix of bytes overflows here.
    assert wer_list(["A " * 100 + "B"], ["B"])["del"] == 100 / 101 * 100
    with pytest.raises(UsageError, match="1 references, 0 hypotheses"):
        wer_list(["A"], [])
    with pytest.raises(SlaevalError, match="no words"):
        wer_list([""], ["A"])
