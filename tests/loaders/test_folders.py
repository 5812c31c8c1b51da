"""Where a corpus is looked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slaeval.errors import InputError, SlaevalError, UsageError
from slaeval.loaders import find, register, registered
from slaeval.loaders.folders import config_file
from slaeval.loaders.registry import layout


def test_explicit_then_registered_then_environment(tmp_path: Path, monkeypatch) -> None:
    data = tmp_path / "data"
    (data / "phoenix2014t").mkdir(parents=True)
    monkeypatch.setenv("SLAEVAL_DATA", str(data))
    assert find("phoenix2014t") == str(data / "phoenix2014t")
    (tmp_path / "mine").mkdir()
    register("PHOENIX-2014-T", str(tmp_path / "mine"))
    assert find("phoenix2014t") == str(tmp_path / "mine")
    assert find("phoenix2014t", tmp_path / "other") == str(tmp_path / "other")


def test_registering_survives_and_keeps_the_others(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    register("phoenix2014", ".")
    register("CSL_Daily", str(tmp_path))
    assert registered() == {"phoenix2014": str(tmp_path), "csl-daily": str(tmp_path)}
    assert json.loads(Path(config_file()).read_text()) == registered()
    assert [path.name for path in Path(config_file()).parent.iterdir()] == ["corpora.json"]


def test_nothing_found_lists_what_was_tried(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(InputError) as caught:
        find("csl-daily")
    for text in (
        "--root",
        config_file(),
        "SLAEVAL_DATA",
        "slaeval corpus add csl-daily DIR",
        "slaeval corpus sample csl-daily DIR",
    ):
        assert text in str(caught.value)
    monkeypatch.setenv("SLAEVAL_DATA", str(tmp_path))
    register("csl-daily", str(tmp_path / "gone"))
    with pytest.raises(InputError) as caught:
        find("csl-daily")
    assert f"{tmp_path / 'gone'}: gone" in str(caught.value)
    assert f"SLAEVAL_DATA={tmp_path}: no subfolder" in str(caught.value)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("PHOENIX-2014-T", "phoenix2014t"),
        ("Phoenix14T", "phoenix2014t"),
        ("phoenix2014", "phoenix2014"),
        ("phoenix2014", "phoenix2014-si5"),
        ("CSL_Daily", "csl-daily"),
        ("Isharah-1000", "isharah1000"),
        ("Isharah", "isharah1000"),
        ("phoenix2014-release", "phoenix2014"),
        ("PHOENIX-2014-T-release-v3", "phoenix2014t"),
    ],
)
def test_subfolders_in_common_spellings(
    tmp_path: Path, monkeypatch, folder: str, name: str
) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / "something else").mkdir()
    monkeypatch.setenv("SLAEVAL_DATA", str(tmp_path))
    assert find(name) == str(tmp_path / folder)


def test_a_missing_data_folder_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("SLAEVAL_DATA", str(tmp_path / "none"))
    with pytest.raises(InputError, match="SLAEVAL_DATA"):
        find("csl-daily")


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"a": 1}', b"\xff\xfe", b""])
def test_a_damaged_list_says_what_to_do(content: bytes) -> None:
    Path(config_file()).parent.mkdir(exist_ok=True)
    Path(config_file()).write_bytes(content)
    with pytest.raises(InputError, match="delete the file") as caught:
        registered()
    assert config_file() in str(caught.value)


def test_a_configuration_that_cannot_be_written(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SLAEVAL_CONFIG_DIR", str(tmp_path / "file" / "below"))
    with pytest.raises(SlaevalError, match="cannot"):
        register("csl-daily", str(tmp_path))


def test_unknown_names_are_misuse() -> None:
    with pytest.raises(UsageError):
        find("nonsense")


def test_a_folder_that_cannot_be_read_is_not_an_empty_one(tmp_path: Path, monkeypatch) -> None:
    # Of root everything can be read, so the answer of the system is made up.
    monkeypatch.setattr("os.access", lambda path, mode: path != str(tmp_path))
    with pytest.raises(InputError, match="this folder cannot be read"):
        layout("csl-daily").locate(str(tmp_path), "split_1", "test")
