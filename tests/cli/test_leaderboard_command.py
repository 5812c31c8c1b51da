"""A challenge's evening: every submission read, ranked, tested; the broken ones named."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import shutil
from pathlib import Path

import pytest

import slaeval as package
from slaeval.formats.ctm import write_ctm

BROKEN = {
    "broken.ctm": b"a 1 x y\n",
    "empty.ctm": b"",
    "elsewhere.ctm": b"zzz 1 0.00 0.01 A\n",
    "photo.png": b"\x89PNG\r\n\x1a\n\0\0",
    "noise.ctm": b"\x81\x00\x02noise\xff\n",
    "latin1.trn": "SÜD (a)\n".encode("latin-1"),
    "bomb.jsonl": b"[" * 100_000,
}


@pytest.fixture
def slaeval(slaeval_here):  # type: ignore[no-untyped-def]
    """Call the command in this process; other files start it as one of its own."""
    return slaeval_here


@pytest.fixture
def evening(slaeval, tmp_path: Path) -> tuple[str, ...]:
    """Eight systems, two of them alike, one in a folder of its own, and what cannot be read."""
    assert slaeval("corpus", "sample", "phoenix2014t", "c").returncode == 0
    references = package.load_corpus("phoenix2014t", tmp_path / "c", "test").references()
    folder = tmp_path / "sub"
    (folder / "team").mkdir(parents=True)
    for number, dropped in enumerate((0.02, 0.1, 0.2, 0.3, 0.4, 0.5)):
        rng = random.Random(number)
        said = {
            name: [word for word in words if rng.random() > dropped]
            for name, words in references.items()
        }
        (folder / f"system{number}.ctm").write_text(write_ctm(said))
    shutil.copy(folder / "system2.ctm", folder / "team" / "same.ctm")
    best = (folder / "system0.ctm").read_text().splitlines(keepends=True)
    (folder / "near.ctm").write_text("".join(best[:-1]))
    for name in (".hidden", "README.md", "readme.txt", "LICENSE", "results.MD"):
        (folder / name).write_text("no submission")
    return ("leaderboard", "sub", "--dataset", "phoenix2014t", "--root", "c")


def _break(folder: Path) -> None:
    for name, content in BROKEN.items():
        (folder / name).write_bytes(content)


def test_ranks(slaeval, evening, tmp_path: Path) -> None:
    done = slaeval(*evening, "--json")
    assert done.returncode == 0, done.stderr
    out = json.loads(done.stdout)
    assert out["unreadable"] == []
    rows = {row["system"]: row for row in out["systems"]}
    assert len(rows) == 8
    for name, row in rows.items():
        alone = slaeval("score", f"sub/{name}", *evening[2:], "--json")
        score = json.loads(alone.stdout)
        assert row["wer"] == score["wer"]
        assert [row["wer_low"], row["wer_high"]] == score["wer_ci"]
        assert row["by_signer"] == score["by_signer"]
    errors = [row["wer"] for row in out["systems"]]
    assert errors == sorted(errors)
    # As many errors, the same rank; the next counts both.
    assert rows["system2.ctm"]["rank"] == rows["team/same.ctm"]["rank"]
    assert [row["rank"] for row in out["systems"]] == [
        1 + sum(other < mine for other in errors) for mine in errors
    ]
    assert done.stdout == slaeval(*evening, "--json").stdout


def test_tests_against_the_leader_are_those_of_compare(slaeval, evening) -> None:
    rows = json.loads(slaeval(*evening, "--json").stdout)["systems"]
    leader, second = rows[0], rows[-1]
    assert leader["difference"] is None
    assert not leader["tied"]
    pair = json.loads(
        slaeval(
            *("compare", f"sub/{leader['system']}", f"sub/{second['system']}"),
            *(*evening[2:], "--json"),
        ).stdout
    )["pairs"][0]
    assert second["difference"] == pytest.approx(pair["difference"])
    assert second["difference"] == pytest.approx(second["wer"] - leader["wer"])
    assert second["difference_low"] <= second["difference"] <= second["difference_high"]
    # Holm over seven tests: at least as large as alone, at most seven times.
    for key in ("mapsswe_p", "permutation_p"):
        assert pair[key] <= second[key] <= min(1, 7 * pair[key]) + 1e-12
    assert [row["tied"] for row in rows[1:]] == [
        min(row["mapsswe_p"], row["permutation_p"]) >= 0.05 for row in rows[1:]
    ]
    assert any(row["tied"] for row in rows)
    assert not second["tied"]


def test_what_cannot_be_read_is_named_at_the_end(slaeval, evening, tmp_path: Path) -> None:
    clean = slaeval(*evening)
    assert clean.returncode == 0
    _break(tmp_path / "sub")
    done = slaeval(*evening, "--csv", "board.csv", "--html", "board.html")
    assert done.returncode == 1
    assert done.stdout.startswith(clean.stdout.rstrip("\n"))
    listed = done.stdout[len(clean.stdout) :]
    assert re.findall(r"^  (\S+):", listed, re.M) == sorted(BROKEN)
    assert "the file is empty" in listed
    assert "7 of 15 submissions could not be scored" in done.stderr
    rows = list(csv.DictReader((tmp_path / "board.csv").read_text("utf-8").splitlines()))
    assert [row["system"] for row in rows] == [
        row["system"] for row in json.loads(slaeval(*evening, "--json").stdout)["systems"]
    ]
    assert any(key.startswith("wer_Signer") for key in rows[0])
    page = (tmp_path / "board.html").read_text("utf-8")
    assert "team/same.ctm" in page
    assert "Not scored" in page
    assert "photo.png" in page
    assert "<script" not in page


def test_a_table_fits_a_terminal(slaeval, evening) -> None:
    lines = slaeval(*evening).stdout.splitlines()
    tables = [line for line in lines if re.match(r"  \d+ ", line) or line.startswith("  #")]
    assert tables
    assert max(map(len, tables)) <= 80


@pytest.mark.parametrize("form", ["markdown", "latex", "csv"])
def test_every_form(slaeval, evening, form: str) -> None:
    done = slaeval(*evening, "--format", form)
    assert done.returncode == 0, done.stderr
    if form == "csv":
        assert len(list(csv.DictReader(io.StringIO(done.stdout)))) == 8
    else:
        assert "team/same" in done.stdout
        assert "phoenix2014t|split:test" in done.stdout


def test_strict(slaeval, evening, tmp_path: Path) -> None:
    sub = tmp_path / "sub"
    text = (sub / "system0.ctm").read_text()
    first = text.split()[0]
    (sub / "missing.ctm").write_text(re.sub(rf"^{re.escape(first)} .*\n", "", text, flags=re.M))
    (sub / "more.ctm").write_text(text + "unknown 1 0.00 0.01 A\n")
    lenient = json.loads(slaeval(*evening, "--json").stdout)
    assert {"missing.ctm", "more.ctm"} < {row["system"] for row in lenient["systems"]}
    done = slaeval(*evening, "--strict", "--json")
    assert done.returncode == 1
    reasons = {one["name"]: one["reason"] for one in json.loads(done.stdout)["unreadable"]}
    assert f"1 segment has no hypothesis ({first})" in reasons["missing.ctm"]
    assert "1 segment is not in the references (unknown)" in reasons["more.ctm"]
    assert "system0.ctm" not in reasons


def test_nothing_to_rank(slaeval, evening, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "README.md").write_text("no submission")
    for folder, message in (
        ("none", "no file in this folder"),
        ("nowhere", "no such folder"),
        ("sub/system0.ctm", "this is a file; expected a folder"),
    ):
        done = slaeval("leaderboard", folder, *evening[2:])
        assert done.returncode == 1
        assert message in done.stderr
    _break(tmp_path / "none")
    done = slaeval("leaderboard", "none", *evening[2:], "--html", "b.html", "--csv", "b.csv")
    assert done.returncode == 1
    assert "7 of 7 submissions" in done.stderr
    assert done.stdout.startswith("not scored\n")
    assert not (tmp_path / "b.csv").exists()
    assert slaeval("leaderboard", "none", *evening[2:], "--format", "csv").stdout == ""
    # What is wrong with the references is no submission's fault.
    done = slaeval("leaderboard", "sub", "--dataset", "phoenix2014t", "--root", "none")
    assert done.returncode == 1
    assert done.stdout == ""
    assert slaeval("leaderboard", "sub", *evening[2:], "--protocol", "mine").returncode == 2


def test_compare_leaves_out_what_cannot_be_read(slaeval, evening, tmp_path: Path) -> None:
    _break(tmp_path / "sub")
    good = ("sub/system0.ctm", "sub/system1.ctm")
    whole = slaeval("compare", *good, *evening[2:])
    given = ("compare", good[0], "sub/empty.ctm", good[1], "sub/photo.png", *evening[2:])
    stopped = slaeval(*given)
    assert stopped.returncode == 1
    assert stopped.stdout == ""
    done = slaeval(*given, "--on-error", "skip")
    assert done.returncode == 1
    assert done.stdout == whole.stdout
    assert "left out sub/empty.ctm: the file is empty" in done.stderr
    assert "2 of 4 submissions could not be scored" in done.stderr
    one = slaeval("compare", good[0], "sub/empty.ctm", *evening[2:], "--on-error", "skip")
    assert one.returncode == 1
    assert one.stdout == ""
