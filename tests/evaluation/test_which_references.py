"""Which references a hypothesis is scored on: found in one place, said, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import slaeval
from slaeval import loaders
from slaeval.errors import InputError, ScoreWarning, UsageError

SPLITS = {"train": ("01", "A B"), "dev": ("02", "C D"), "test": ("03", "E F")}


def annotation(folder: Path, *splits: str, ending: str = "csv", wrong: bool = False) -> Path:
    """Write what may be an annotation of Isharah, or what a system wrote in its layout."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in splits:
        signer, words = SPLITS[split]
        lines = [f"{signer}_000{n}|{'X X' if wrong else words}" for n in range(1, 4)]
        (folder / f"{split}.{ending}").write_text("id|gloss\n" + "\n".join(lines) + "\n")
    return folder


def glosses(root: Path, split: str = "test") -> tuple[str, ...]:
    return loaders.load_corpus("isharah1000", root, split)[0].glosses


def test_what_a_system_wrote_is_no_annotation(slaeval, tmp_path: Path) -> None:
    """Four levels down stands a file of the corpus's layout: once it was scored against itself."""
    said = annotation(tmp_path / "experiments" / "a" / "predictions" / "SI", "test") / "test.csv"
    done = slaeval("score", said, "--dataset", "isharah1000", "--root", tmp_path)
    assert done.returncode == 1
    assert f"found {said}: it may be a system's output" in done.stderr
    annotation(tmp_path / "isharah1000" / "SI", "train", "dev")
    done = slaeval("score", said, "--dataset", "isharah1000", "--root", tmp_path)
    assert done.returncode == 1
    assert (
        f"no isharah1000 annotation of the split 'test' in {tmp_path}/isharah1000/SI" in done.stderr
    )


def test_the_file_used_is_printed(slaeval, tmp_path: Path) -> None:
    said = annotation(tmp_path / "a" / "b" / "predictions" / "SI", "test", wrong=True) / "test.csv"
    there = annotation(tmp_path / "isharah1000" / "Annotations" / "SI", *SPLITS, ending="txt")
    for command in ("score", "audit"):
        given = (command, said, "--dataset", "isharah1000", "--root", tmp_path)
        done = slaeval(*given)
        assert done.returncode == 0, done.stderr
        assert f"references: {there / 'test.txt'}\n" in done.stderr
        assert "references: /" not in slaeval(*given, "--json").stdout
    done = slaeval("score", said, "--dataset", "isharah1000", "--root", tmp_path, "--json")
    assert json.loads(done.stdout)["wer"] == 100
    dev = annotation(tmp_path / "dev", "dev") / "dev.csv"
    both = ("--dev", dev, "--format", "csv")
    done = slaeval("score", said, "--dataset", "isharah1000", "--root", tmp_path, *both)
    assert f"references: {there / 'dev.txt'}\n" in done.stderr


def test_the_annotation_as_its_own_hypothesis_is_refused(slaeval, tmp_path: Path) -> None:
    there = annotation(tmp_path / "isharah1000" / "SI", *SPLITS) / "test.csv"
    done = slaeval("score", there, "--dataset", "isharah1000", "--root", tmp_path)
    assert done.returncode == 1
    assert "the references were found in this very file" in done.stderr
    assert slaeval("score", there, "--ref", there).returncode == 0  # as was said


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        # (folder, its splits, right or wrong)
        ([("Annotations/SI", "train dev test", True), ("x/predictions/SI", "test", False)], True),
        ([("SI", "train dev test", True), ("x/SI", "train dev test", False)], True),
        ([("SI", "test", True)], True),
        ([("Annotations/SI", "test", True)], True),
        ([("x/Annotations/SI", "test", True)], True),
        ([("x/isharah1000/SI", "test", True)], True),
        ([("x/y/SI", "train dev test", True), ("x/z/SI", "dev test", False)], True),
        ([("SI", "test", False), ("Annotations/SI", "train dev test", True)], True),
        ([("x/predictions/SI", "test", False)], False),
        ([("x/predictions/SI", "dev test", False)], False),
        ([("x/y/SI", "train dev", True), ("x/predictions/SI", "test", False)], False),
    ],
)
def test_all_splits_come_from_one_folder(tmp_path: Path, folders, expected: bool) -> None:
    for folder, splits, right in folders:
        annotation(tmp_path / folder, *splits.split(), wrong=not right)
    if expected:
        assert glosses(tmp_path) == ("E", "F")
    else:
        with pytest.raises(InputError, match="no isharah1000 annotation of the split 'test'"):
            glosses(tmp_path)


@pytest.mark.parametrize(
    "two", [("x/SI", "y/SI"), ("SI", "Annotations/SI"), ("isharah1000/SI", "Isharah-1000/SI")]
)
def test_several_folders_are_refused_and_listed(slaeval, tmp_path: Path, two) -> None:
    for folder in two:
        annotation(tmp_path / folder, *SPLITS)
    with pytest.raises(InputError, match="several folders could hold the annotation") as caught:
        glosses(tmp_path)
    assert all(str(tmp_path / folder) in str(caught.value) for folder in two)
    said = annotation(tmp_path / "said", "test", wrong=True) / "test.csv"
    done = slaeval("score", said, "--dataset", "isharah1000", "--root", tmp_path)
    assert done.returncode == 1
    assert all(str(tmp_path / folder) in done.stderr for folder in two)
    assert glosses(tmp_path / two[1].split("/")[0]) == ("E", "F") or two[1] == "Annotations/SI"


def test_the_same_folder_under_two_names_is_one(tmp_path: Path) -> None:
    annotation(tmp_path / "x" / "SI", *SPLITS)
    (tmp_path / "y").symlink_to(tmp_path / "x")
    assert glosses(tmp_path) == ("E", "F")


# ------------------------------------------------------------------ Python


@pytest.fixture
def whole(tmp_path: Path) -> loaders.Corpus:
    """Return a corpus of three splits."""
    annotation(tmp_path / "isharah1000" / "SI", *SPLITS)
    return slaeval.load_corpus("isharah1000", tmp_path)


def test_the_split_is_inferred_from_the_ids_and_said(whole, tmp_path: Path) -> None:
    test = slaeval.load_corpus("isharah1000", tmp_path, "test")
    said = {sample.id: "E X" for sample in test}
    alone = slaeval.score(test, said)
    path = tmp_path / "hyp.csv"
    path.write_text("id,gloss\n" + "".join(f"{id},{words}\n" for id, words in said.items()))
    for hypotheses in (said, path):
        with pytest.warns(ScoreWarning, match="they are scored on that split alone"):
            score = slaeval.score(whole, hypotheses)
        assert score.total == alone.total
        assert (score.split, score.signature) == ("test", alone.signature)
        assert slaeval.score(whole, hypotheses, split="test").total == alone.total
        assert slaeval.audit(whole, hypotheses).split == "test"
    partly = slaeval.score(whole, dict([*said.items()][:1]))
    assert partly.total.segments == 3


def test_hypotheses_of_several_splits_are_refused(whole) -> None:
    said = {sample.id: "E" for sample in whole if sample.split != "train"}
    for call in (slaeval.score, slaeval.audit):
        with pytest.raises(UsageError, match=r"the hypotheses those of dev and test: score one"):
            call(whole, said)
    assert slaeval.score(whole, said, split="dev").total.segments == 3
    with pytest.raises(InputError, match="none of its 1 segments"):
        slaeval.score(whole, {"zz": "A"})


def test_withheld_references_are_refused(tmp_path: Path) -> None:
    folder = annotation(tmp_path / "isharah1000" / "SI", *SPLITS)
    (folder / "test.csv").write_text("id\n03_0001\n")
    corpus = slaeval.load_corpus("isharah1000", tmp_path, "test")
    with pytest.raises(InputError, match="withheld"):
        slaeval.score(corpus, {"03_0001": "A"})


def test_python_users_see_warnings() -> None:
    with pytest.warns(ScoreWarning) as caught:
        score = slaeval.score({"a": "A", "b": "B"}, {"a": "A"})
    [warning] = caught
    assert "no hypothesis for 1 of 2 segments" in str(warning.message)
    assert warning.filename == __file__
    assert str(score).splitlines()[1] == f"  warning: {score.warnings[0]}"
    assert "warning" not in repr(score)
    with pytest.warns(ScoreWarning, match="no hypothesis for 1 of 2 segments"):
        slaeval.audit({"a": "A", "b": "B"}, {"a": "A"})
