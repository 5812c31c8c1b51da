"""``slaeval corpus``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def test_from_nothing_to_a_score(slaeval, tmp_path: Path) -> None:
    made = slaeval("corpus", "sample", "PHOENIX-2014-T", "my corpus")
    assert made.returncode == 0, made.stderr
    command = made.stdout.splitlines()[-1].removeprefix("try: slaeval ")
    import shlex

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
    assert "vocabulary over all splits" in table.stdout


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
    assert "not comparable" in done.stdout
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
    assert "they look like segments of phoenix2014t" in done.stderr


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
