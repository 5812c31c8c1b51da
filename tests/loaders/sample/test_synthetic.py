"""Sample corpora: their layout, their repeatability, what they promise."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from slaeval import loaders
from slaeval.errors import SlaevalError, UsageError
from slaeval.formats.stm import read_stm
from slaeval.loaders.sample import corpus as synthetic

NAMES = [
    "phoenix2014",
    "phoenix2014-si5",
    "phoenix2014t",
    "csl-daily",
    "isharah500",
    "isharah1000",
    "isharah2000",
]


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("name", NAMES)
def test_round_trip(sample_of, name: str) -> None:
    folder = sample_of(name)
    corpus = loaders.load_corpus(name, folder)
    assert {sample.split for sample in corpus} == {"train", "dev", "test"}
    assert all(corpus.references().values())
    assert len(corpus.signers) > 1
    assert len({sample.id for sample in corpus}) == len(corpus)
    for path in folder.rglob("*.stm"):
        split = path.stem.rsplit("-", 1)[-1]
        references = loaders.load_corpus(name, folder, split).references()
        assert {segment.name: segment.words for segment in read_stm(str(path))} == references


@pytest.mark.parametrize("setup", ["SI", "US"])
def test_isharah_has_both_setups(sample_of, setup: str) -> None:
    folder = sample_of("isharah1000")
    train, test = (
        loaders.load_corpus("isharah1000", folder, split, setup) for split in ("train", "test")
    )
    if setup == "SI":
        assert not set(train.signers) & set(test.signers)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    for place, seed in (("a", 1), ("b", 1), ("c", 2)):
        files = loaders.write_sample(name, tmp_path / place, seed)
        assert set(files) == set(content(tmp_path / place))
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert content(tmp_path / "a") != content(tmp_path / "c")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("file", ["hyp.ctm", "hyp_b.ctm"])
def test_hypotheses_are_as_the_field_writes_them(sample_of, name: str, file: str) -> None:
    folder = sample_of(name)
    references = {row[0]: row[2] for row in loaders.load_references(name, folder)}
    spoken: dict[str, list[str]] = {}
    for line in (folder / file).read_text(encoding="utf-8").splitlines():
        segment, channel, start, end, word = line.split(" ")
        words = spoken.setdefault(segment, [])
        place = len(words)
        assert (channel, start, end) == ("1", f"{place / 100:.2f}", f"{place / 100 + 0.01:.2f}")
        words.append(word)
    assert len(set(references) - set(spoken)) == 1
    assert set(spoken) < set(references)
    from slaeval.evaluation.score import score

    result = score(references, spoken, "none")
    assert 12 < result.total.wer < 38
    total = result.total
    assert min(total.substitutions, total.deletions, total.insertions) > 0


def test_raw_weather_training_has_what_cleanup_is_for(sample_of) -> None:
    corpus = loaders.load_corpus("phoenix2014", sample_of("phoenix2014"), "train")
    raw = " ".join(sample.glosses_raw for sample in corpus)
    for marker in ("loc-", "cl-", "-PLUSPLUS", "__ON__", "WIE AUSSEHEN"):
        assert marker in raw
    clean = [gloss for sample in corpus for gloss in sample.glosses]
    assert not any(gloss.startswith(("loc-", "cl-")) for gloss in clean)
    assert any("+" in gloss for gloss in clean)


def test_chinese_digits_are_glosses(sample_of) -> None:
    corpus = loaders.load_corpus("csl-daily", sample_of("csl-daily"))
    assert any(gloss.isdigit() for sample in corpus for gloss in sample.glosses)


def test_it_never_writes_into_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for target in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(UsageError, match="not an empty folder"):
            loaders.write_sample("csl-daily", target)
    assert content(tmp_path) == {"notes.txt": b"mine"}
    (tmp_path / "empty").mkdir()
    loaders.write_sample("csl-daily", tmp_path / "empty")
    assert (tmp_path / "empty" / "hyp.ctm").exists()


@pytest.mark.parametrize("way", ["standing in it", "by a link"])
def test_an_empty_folder_stays_the_one_it_is(tmp_path: Path, monkeypatch, way: str) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path / "real")
    files = loaders.write_sample(
        "phoenix2014t", "." if way == "standing in it" else tmp_path / "link"
    )
    assert all(Path(file).is_file() for file in files)  # as seen by who stands in it
    assert sorted(os.listdir()) == sorted({Path(file).parts[0] for file in files})
    assert sorted(os.listdir(tmp_path)) == ["link", "real"]


def test_what_comes_meanwhile_is_not_written_over(tmp_path: Path, monkeypatch) -> None:
    draft = synthetic._drafted

    def meanwhile(*given: Any) -> Any:
        (tmp_path / "hyp.ctm").write_text("precious")
        return draft(*given)

    monkeypatch.setattr(synthetic, "_drafted", meanwhile)
    with pytest.raises(SlaevalError, match="meanwhile"):
        loaders.write_sample("phoenix2014t", tmp_path)
    assert os.listdir(tmp_path) == ["hyp.ctm"]
    assert (tmp_path / "hyp.ctm").read_text() == "precious"


def test_nothing_is_left_half_written(tmp_path: Path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.rename", full)
    with pytest.raises(SlaevalError, match="No space left"):
        loaders.write_sample("csl-daily", tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_unknown_names_are_misuse(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean"):
        loaders.write_sample("phoenix2015", tmp_path / "x")


@pytest.mark.parametrize("filmed", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_a_large_sample_has_every_id_once(name: str, filmed: bool) -> None:
    draft = synthetic._drafted(name, 0, {"train": 1100, "dev": 30, "test": 300}, filmed)
    ids = [scene.id for scene in draft.scenes]
    assert len(set(ids)) == len(ids) == (2 if "isharah" in name else 1) * 1430
