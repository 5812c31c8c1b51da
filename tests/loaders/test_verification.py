"""What ``verify`` says of folders that are not as published."""

from __future__ import annotations

from pathlib import Path

import pytest

from slaeval import loaders
from slaeval.errors import InputError
from slaeval.loaders.phoenix2014t import Phoenix2014T
from slaeval.loaders.records import Facts

SPLITS = ("train", "dev", "test")


def manual(folder: Path, split: str) -> Path:
    return folder / f"PHOENIX-2014-T/annotations/manual/PHOENIX-2014-T.{split}.corpus.csv"


@pytest.fixture
def published(sample_of, monkeypatch) -> Path:
    """A sample corpus, and the facts about it as if they had been published."""
    folder = sample_of("phoenix2014t")
    corpora = {s: loaders.load_corpus("phoenix2014t", folder, s) for s in SPLITS}
    monkeypatch.setattr(
        Phoenix2014T,
        "facts",
        {
            ("multisigner", split): (Facts(len(c), sum(len(s.glosses) for s in c), len(c.signers)),)
            for split, c in corpora.items()
        },
    )
    monkeypatch.setattr(
        Phoenix2014T,
        "vocabulary",
        len(loaders.load_corpus("phoenix2014t", folder).vocabulary),
    )
    return folder


def found(folder: Path) -> dict[str, str]:
    return {row.what: row.severity for row in loaders.verify("phoenix2014t", folder)}


def test_as_published_there_is_only_a_note_on_pictures(published: Path) -> None:
    (row,) = loaders.verify("phoenix2014t", published)
    assert row.severity == "note"
    assert "annotations only" in row.found
    assert loaders.load_corpus("phoenix2014t", published, "dev").verify() == [row]


def test_a_missing_row(published: Path) -> None:
    path = manual(published, "test")
    path.write_text("".join(path.read_text("utf-8").splitlines(True)[:-1]), "utf-8")
    rows = loaders.verify("phoenix2014t", published)
    assert (rows[0].severity, rows[0].what) == ("error", "test: samples")
    assert (rows[0].expected, rows[0].found) == ("48 (release)", "47")
    assert "not comparable" in rows[0].effect


def test_a_changed_reference(published: Path) -> None:
    path = manual(published, "dev")
    lines = path.read_text("utf-8").splitlines()
    cells = lines[1].split("|")
    cells[5] += " NEU"
    path.write_text("\n".join([lines[0], "|".join(cells), *lines[2:]]) + "\n", "utf-8")
    what = found(published)
    assert what["dev: gloss tokens"] == "error"
    assert what["vocabulary over all splits"] == "warning"


def test_an_empty_annotation(published: Path) -> None:
    path = manual(published, "dev")
    lines = path.read_text("utf-8").splitlines()
    cells = lines[1].split("|")
    cells[5] = ""
    path.write_text("\n".join([lines[0], "|".join(cells), *lines[2:]]) + "\n", "utf-8")
    assert found(published)["dev: empty annotations"] == "error"


def test_a_split_that_cannot_be_read(published: Path) -> None:
    manual(published, "train").write_text("nonsense\n")
    assert found(published)["train: annotation"] == "error"
    for split in SPLITS:
        manual(published, split).unlink()
    with pytest.raises(InputError):
        loaders.verify("phoenix2014t", published)


def test_samples_in_two_splits(published: Path) -> None:
    dev = manual(published, "dev").read_text("utf-8").splitlines()
    with manual(published, "train").open("a", encoding="utf-8") as stream:
        stream.write(dev[1] + "\n")
    assert found(published)["splits that share samples"] == "error"


def test_missing_pictures_only_where_there_are_pictures(published: Path) -> None:
    frames = published / "PHOENIX-2014-T/features/fullFrame-210x260px/dev"
    ids = [sample.id for sample in loaders.load_corpus("phoenix2014t", published, "dev")]
    for name in ids:
        (frames / name).mkdir(parents=True)
        (frames / name / "images0001.png").write_bytes(b"x")
    assert "dev: samples without pictures" not in found(published)
    (frames / ids[3] / "images0001.png").unlink()
    rows = {row.what: row for row in loaders.verify("phoenix2014t", published)}
    assert rows["dev: samples without pictures"].severity == "error"
    assert ids[3] in rows["dev: samples without pictures"].found
    assert "train, test: pictures" in rows


def test_errors_come_first(sample_of) -> None:
    order = [row.severity for row in loaders.verify("csl-daily", sample_of("csl-daily"))]
    assert order == sorted(order, key=["error", "warning", "note"].index)


def test_frames_that_are_not_as_many_as_annotated(tmp_path: Path) -> None:
    loaders.write_sample("csl-daily", tmp_path / "csl")
    annotated = loaders.load_corpus("csl-daily", tmp_path / "csl", "test")
    for sample in annotated:
        folder = tmp_path / "csl" / "sentence_frames-256x256" / sample.id
        folder.mkdir(parents=True)
        for number in range(sample.num_frames or 0):
            (folder / f"{number:06d}.jpg").touch()
        (folder / "Thumbs.db").touch()

    def rows() -> list[loaders.Issue]:
        return [
            row for row in loaders.verify("csl-daily", tmp_path / "csl") if "frames of" in row.what
        ]

    assert rows() == []
    for sample in (annotated[2], annotated[5]):
        (folder.parent / sample.id / "000001.jpg").unlink()
    for path in (folder.parent / annotated[7].id).iterdir():
        path.unlink()  # without pictures: another row says so
    (row,) = rows()
    assert (row.severity, row.what) == ("warning", "test: frames of a sample")
    said = [annotated[place].num_frames or 0 for place in (2, 5)]
    assert row.found == (
        f"2 of 48 samples differ: {annotated[2].id} has {said[0] - 1} for {said[0]}, "
        f"{annotated[5].id} has {said[1] - 1} for {said[1]}"
    )


@pytest.mark.parametrize(
    ("setup", "sizes"), [("SI", (10_000, 949, 3800)), ("US", (9900, 550, 550))]
)
def test_the_2025_edition_of_isharah1000(
    tmp_path: Path, setup: str, sizes: tuple[int, int, int]
) -> None:
    folder = tmp_path / "isharah1000" / setup
    folder.mkdir(parents=True)
    number = 0
    for split, size in zip(("train", "dev", "test"), sizes, strict=True):
        lines = ["id|gloss"]
        for _ in range(size):
            lines.append(f"{number // 10_000:02d}_{number % 10_000:04d}|A B")
            number += 1
        (folder / f"{split}.csv").write_text("\n".join(lines) + "\n")
    rows = loaders.verify("isharah1000", tmp_path, setup)
    assert not [row for row in rows if row.severity == "error"]
    editions = [row.found for row in rows if "edition" in row.what]
    assert f"{sizes[2]} samples: the edition of the 2025 challenge" in editions
    (folder / "dev.csv").write_text("id|gloss\n01_0001|A\n")
    errors = [
        row for row in loaders.verify("isharah1000", tmp_path, setup) if row.severity == "error"
    ]
    assert any(f"{sizes[1]} (edition of the 2025 challenge)" in row.expected for row in errors)
