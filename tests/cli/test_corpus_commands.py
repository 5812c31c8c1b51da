"""``slaeval corpus``."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

NAMES = [
    "phoenix2014",
    "phoenix2014-si5",
    "phoenix2014t",
    "csl-daily",
    "isharah500",
    "isharah1000",
    "isharah2000",
]


def test_from_nothing_to_a_score(slaeval, tmp_path: Path) -> None:
    made = slaeval("corpus", "sample", "PHOENIX-2014-T", "my corpus")
    assert made.returncode == 0, made.stderr
    command = made.stdout.splitlines()[-1].removeprefix("try: slaeval ")
    scored = slaeval(*shlex.split(command))
    assert scored.returncode == 0, scored.stderr
    assert "WER" in scored.stdout
    assert "rwth-2014t" in scored.stdout
    added = slaeval("corpus", "add", "phoenix2014t", "my corpus")
    assert added.returncode == 0, added.stderr
    registered = slaeval("score", "--pred", "my corpus/hyp.ctm", "--dataset", "phoenix2014t")
    assert registered.stdout == scored.stdout
    listed = {row["name"]: row for row in json.loads(slaeval("corpus", "list", "--json").stdout)}
    assert listed["phoenix2014t"]["folder"] == str(tmp_path / "my corpus")
    shown = json.loads(slaeval("corpus", "show", "phoenix2014t", "--json").stdout)
    assert [row["samples"] for row in shown["splits"]] == [96, 24, 48]
    table = slaeval("corpus", "show", "phoenix2014t")
    assert "vocabulary of all splits" in table.stdout


@pytest.mark.parametrize("name", ["phoenix2014", "phoenix2014-si5", "csl-daily", "isharah500"])
def test_every_sample_scores(slaeval, name: str) -> None:
    assert slaeval("corpus", "sample", name, "c").returncode == 0
    done = slaeval("score", "--pred", "c/hyp.ctm", "--dataset", name, "--root", "c", "--json")
    assert done.returncode == 0, done.stderr
    out = json.loads(done.stdout)
    assert 5 < out["wer"] < 45
    assert out["segments"] == 48
    assert len(out["by_signer"]) > 1 or name == "phoenix2014-si5"


def test_verify_exits_1_when_a_score_changes(slaeval) -> None:
    slaeval("corpus", "sample", "csl-daily", "c")
    done = slaeval("corpus", "verify", "csl-daily", "--root", "c")
    assert done.returncode == 1
    assert "expected: 1176 (release)" in done.stdout
    assert "not comparable" in " ".join(done.stdout.split())
    rows = json.loads(slaeval("corpus", "verify", "csl-daily", "--root", "c", "--json").stdout)
    assert {"severity", "what", "expected", "found", "effect"} == rows[0].keys()


def test_the_wrong_split_is_named(slaeval) -> None:
    slaeval("corpus", "sample", "phoenix2014t", "c")
    done = slaeval(
        *("score", "--pred", "c/hyp.ctm", "--dataset", "phoenix2014t", "--root", "c"),
        *("--split", "dev"),
    )
    assert done.returncode == 1
    assert "all are segments of the split 'test': add --split test" in done.stderr


def test_the_wrong_corpus_is_named(slaeval) -> None:
    slaeval("corpus", "sample", "phoenix2014t", "t")
    slaeval("corpus", "sample", "csl-daily", "c")
    done = slaeval("score", "--pred", "t/hyp.ctm", "--dataset", "csl-daily", "--root", "c")
    assert done.returncode == 1
    assert "they look like segments of phoenix2014t:" in done.stderr
    slaeval("corpus", "sample", "isharah2000", "i")
    done = slaeval("score", "--pred", "i/hyp.ctm", "--dataset", "csl-daily", "--root", "c")
    assert "segments of isharah500 or isharah1000 or isharah2000:" in done.stderr


def test_a_folder_names_the_file_in_it(slaeval) -> None:
    slaeval("corpus", "sample", "csl-daily", "c")
    done = slaeval("score", "--pred", "c", "--dataset", "csl-daily", "--root", "c")
    assert done.returncode == 1
    assert "name the hypothesis file in it: c/hyp.ctm" in done.stderr
    exported = slaeval("export", "c")
    assert exported.returncode == 1
    assert "c: no run here (no run.json); expected the folder of a run" in exported.stderr
    assert "hyp.ctm" not in exported.stderr


def test_a_folder_inside_a_corpus_is_told_apart(slaeval, tmp_path: Path) -> None:
    slaeval("corpus", "sample", "phoenix2014t", "c")
    inside = tmp_path / "c" / "PHOENIX-2014-T"
    for below in ("annotations", "annotations/manual"):
        given = ("--dataset", "phoenix2014t", "--root", inside / below)
        done = slaeval("score", "c/hyp.ctm", *given)
        assert done.returncode == 1
        assert f"a folder inside the phoenix2014t corpus: name {inside}" in done.stderr
    assert slaeval("score", "c/hyp.ctm", *given[:3], inside).returncode == 0


def test_standard_input_is_named(slaeval, tmp_path: Path) -> None:
    slaeval("corpus", "sample", "phoenix2014t", "c")
    done = slaeval("score", "-", "--dataset", "phoenix2014t", "--root", "c")
    assert done.returncode == 1
    assert "error: standard input: the file is empty; expected" in done.stderr


def test_nothing_registered_says_what_to_do(slaeval, task) -> None:
    done = slaeval("score", "--pred", task[0], "--dataset", "phoenix2014t")
    assert done.returncode == 1
    assert "slaeval corpus add phoenix2014t DIR" in done.stderr
    assert "SLAEVAL_DATA" in done.stderr


def test_a_folder_of_something_else_is_not_registered(slaeval, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    done = slaeval("corpus", "add", "phoenix2014", "other")
    assert done.returncode == 1
    assert "annotations/manual/test.corpus.csv" in done.stderr
    assert not (tmp_path / "config" / "corpora.json").exists()
    assert slaeval("corpus", "add", "foenix", "other").returncode == 2


def test_data_folder(slaeval, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    slaeval("corpus", "sample", "isharah500", "data/Isharah-500")
    done = slaeval("corpus", "show", "isharah500", SLAEVAL_DATA=str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr
    assert "Isharah-500" in done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_the_printed_command_scores_the_sample(slaeval, tmp_path: Path, name: str) -> None:
    done = slaeval("corpus", "sample", name, tmp_path / "with blank")
    assert done.returncode == 0, done.stderr
    command = done.stdout.split("try: ", 1)[1].strip()
    words = shlex.split(command)
    folder = str(tmp_path / "with blank")
    assert words == [
        *("slaeval", "score", f"{folder}/hyp.ctm"),
        *("--dataset", name, "--root", folder),
    ]
    scored = slaeval(*words[1:], "--json")
    assert scored.returncode == 0, scored.stderr
    assert 0 < json.loads(scored.stdout)["wer"] < 50


def test_list_add_and_use(slaeval, tmp_path: Path) -> None:
    slaeval("corpus", "sample", "phoenix2014t", "mine")
    before = slaeval("corpus", "list")
    assert before.returncode == 0
    for name in NAMES:
        assert name in before.stdout
    assert str(tmp_path / "mine") not in before.stdout
    added = slaeval("corpus", "add", "PHOENIX-2014-T", "mine")
    assert added.returncode == 0, added.stderr
    listed = json.loads(slaeval("corpus", "list", "--json").stdout)
    assert {row["name"]: row["folder"] for row in listed} == {
        **dict.fromkeys(NAMES),
        "phoenix2014t": str(tmp_path / "mine"),
    }
    used = slaeval("score", "--pred", "mine/hyp.ctm", "--dataset", "phoenix2014t", "--json")
    assert used.returncode == 0, used.stderr


def test_show(slaeval) -> None:
    slaeval("corpus", "sample", "isharah500", "mine")
    out = json.loads(slaeval("corpus", "show", "isharah500", "--root", "mine", "--json").stdout)
    assert (out["name"], out["setup"]) == ("isharah500", "SI")
    assert [row["split"] for row in out["splits"]] == ["train", "dev", "test"]
    assert [row["samples"] for row in out["splits"]] == [96, 24, 48]
    assert out["splits"][1]["signers"] == ["02"]
    table = slaeval("corpus", "show", "isharah500", "--root", "mine")
    for text in ("train", "vocabulary of all splits", "signers of dev: 02"):
        assert text in table.stdout
    unseen = slaeval("corpus", "show", "isharah500", "--root", "mine", "--setup", "US")
    assert "(US)" in unseen.stdout
    wrong = slaeval("corpus", "show", "isharah500", "--root", "mine", "--setup", "XX")
    assert wrong.returncode == 2


@pytest.mark.parametrize("output", [[], ["--json"]])
def test_show_says_which_split_is_missing(slaeval, tmp_path: Path, output: list[str]) -> None:
    slaeval("corpus", "sample", "phoenix2014", "mine")
    manual = tmp_path / "mine/phoenix-2014-multisigner/annotations/manual"
    (manual / "dev.corpus.csv").unlink()
    done = slaeval("corpus", "show", "phoenix2014", "--root", "mine", *output)
    assert done.returncode == 0
    assert "'dev'" in done.stderr
    assert done.stderr.startswith("warning:")
    (manual / "train.corpus.csv").unlink()
    (manual / "test.corpus.csv").unlink()
    assert slaeval("corpus", "show", "phoenix2014", "--root", "mine").returncode == 1


def test_verify_exits_1_only_for_what_changes_a_score(slaeval) -> None:
    slaeval("corpus", "sample", "phoenix2014t", "mine")
    done = slaeval("corpus", "verify", "phoenix2014t", "--root", "mine")
    assert done.returncode == 1
    assert "expected: 642 (release)" in done.stdout
    assert "found:    48" in done.stdout
    assert done.stderr == ""
    rows = json.loads(
        slaeval("corpus", "verify", "phoenix2014t", "--root", "mine", "--json").stdout
    )
    assert set(rows[0]) == {"severity", "what", "expected", "found", "effect"}


def test_verify_of_the_real_folder(slaeval, corpora: Path) -> None:
    done = slaeval("corpus", "verify", "phoenix2014", "--root", corpora / "phoenix2014")
    assert done.returncode == 0, done.stderr
    assert "13April_2011_Wednesday_tagesschau_default-14" in done.stdout


@pytest.mark.parametrize("command", ["show", "verify"])
def test_nothing_registered(slaeval, command: str) -> None:
    done = slaeval("corpus", command, "csl-daily")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "slaeval corpus add csl-daily DIR" in done.stderr
    assert slaeval("corpus", command, "csldayly").returncode == 2


def test_sample_refuses_a_folder_that_is_not_empty(slaeval, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").touch()
    done = slaeval("corpus", "sample", "csl-daily", "mine")
    assert done.returncode == 2
    assert "not an empty folder" in done.stderr


def test_a_damaged_registration_is_one_clear_error(slaeval, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "corpora.json").write_text("{")
    done = slaeval("corpus", "list")
    assert done.returncode == 1
    assert "corpora.json" in done.stderr
