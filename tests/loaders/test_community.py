"""References in the files people pass around."""

from __future__ import annotations

import gzip
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slaeval import loaders
from slaeval.errors import InputError, UsageError
from slaeval.loaders import read_references_file
from slaeval.loaders.community import plain_id

ROWS = {"a-1": ["HEUTE", "NORD"], "a-2": ["REGEN"], "b-1": ["4", "loc-SUED"]}


def stm(rows: dict[str, list[str]]) -> bytes:
    return "".join(f"{i} 1 s 0.0 1.79769e+308 {' '.join(w)}\n" for i, w in rows.items()).encode()


def tsv(rows: dict[str, list[str]]) -> bytes:
    return "".join(f"{i}\t{' '.join(w)}\n" for i, w in rows.items()).encode()


def bars(rows: dict[str, list[str]]) -> bytes:
    return b"id|gloss\n" + tsv(rows).replace(b"\t", b"|")


def jsonl(rows: dict[str, list[str]]) -> bytes:
    lines = [json.dumps({"id": i, "glosses": w}, ensure_ascii=False) for i, w in rows.items()]
    return "\n".join(lines).encode()


def jsonl_text(rows: dict[str, list[str]]) -> bytes:
    lines = [json.dumps({"id": i, "glosses": " ".join(w)}) for i, w in rows.items()]
    return "\n".join(lines).encode()


def slt(rows: dict[str, list[str]]) -> bytes:
    return pickle.dumps(
        [
            {"name": f"dev/{i}", "signer": "s", "gloss": " ".join(w), "num_frames": 9}
            for i, w in rows.items()
        ]
    )


def slt_gzip(rows: dict[str, list[str]]) -> bytes:
    return gzip.compress(slt(rows))


FORMATS = (stm, tsv, bars, jsonl, jsonl_text, slt, slt_gzip)


@pytest.mark.parametrize("write", FORMATS)
def test_every_format_is_found_out_from_its_content(tmp_path: Path, write) -> None:
    path = tmp_path / "references.xyz"
    path.write_bytes(write(ROWS))
    samples = read_references_file(path)
    assert {sample.id: list(sample.glosses) for sample in samples} == ROWS
    assert {sample.source for sample in samples} == {str(path)}


words = st.text(st.characters(categories=["Lu", "Ll", "Lo", "Nd"]), min_size=1, max_size=6).filter(
    lambda word: word not in ("nan", "NaN", "None")  # alone in a table, a hole of it
)
keys = st.from_regex(r"[A-Za-z]\w{0,8}-\d{1,4}", fullmatch=True)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(keys, st.lists(words, min_size=1, max_size=6), min_size=1, max_size=5))
def test_formats_agree(tmp_path: Path, rows: dict[str, list[str]]) -> None:
    for write in FORMATS:
        path = tmp_path / "file"
        path.write_bytes(write(rows))
        samples = read_references_file(path)
        assert {s.id: list(s.glosses) for s in samples} == rows, write.__name__


def vac(path: Path, content: object) -> Path:
    np.save(path, np.array(content, dtype=object), allow_pickle=True)
    return path


def test_vac_info(tmp_path: Path) -> None:
    item = {"fileid": "a", "signer": "signer05", "label": "A  B", "num_frames": "54"}
    path = vac(tmp_path / "dev_info.npy", {"prefix": "p", 0: item})
    (sample,) = read_references_file(path, "phoenix2014", "dev")
    assert (sample.id, sample.signer, sample.glosses) == ("a", "Signer05", ("A", "B"))
    assert (sample.glosses_raw, sample.num_frames) == ("A  B", 54)
    assert (sample.corpus, sample.split, sample.fps) == ("phoenix2014", "dev", 25.0)


def test_a_gloss_dictionary_is_no_reference(tmp_path: Path) -> None:
    path = vac(tmp_path / "gloss_dict.npy", {"A": [1, 13], "B": [2, 3]})
    with pytest.raises(InputError, match="gloss dictionary"):
        read_references_file(path)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("01April_2010-1", "01April_2010-1"),
        ("dev/x-2", "x-2"),
        ("fullFrame-210x260px/dev/x_default-1/1/x", "x_default-1"),
        ("fullFrame-210x260px/train/x_default-1/1/x", "x_default-1"),
        ("some/where/x-2", "x-2"),
    ],
)
def test_ids_lose_the_path_around_them(written: str, name: str) -> None:
    assert plain_id(written) == name


def test_signers_are_named_as_the_release_names_them(tmp_path: Path) -> None:
    path = tmp_path / "r.stm"
    path.write_bytes(stm({"S000020_P0004_T00": ["4"]}).replace(b" s ", b" unknown "))
    assert read_references_file(path)[0].signer == "unknown"
    assert read_references_file(path, "csl-daily")[0].signer == "P0004"


def test_raw_training_annotation_is_cleaned_for_phoenix2014_only(tmp_path: Path) -> None:
    path = tmp_path / "train.pkl"
    row = {"name": "train/x", "signer": "Signer01", "gloss": "E R Z BERG loc-NORD __PU__"}
    path.write_bytes(pickle.dumps([row]))
    cleaned = read_references_file(path, "phoenix2014", "train")[0]
    assert cleaned.glosses == ("E+R+Z", "BERG", "NORD")
    assert cleaned.glosses_raw == row["gloss"]
    for corpus, split in (("phoenix2014", "dev"), ("phoenix2014t", "train"), (None, "train")):
        assert read_references_file(path, corpus, split)[0].glosses == tuple(row["gloss"].split())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\tA\nb\tB\na\tC\n", r":3: duplicate segment 'a' with other words \(first on line 1\)"),
        (
            "a 1 s 0.0 1.0 A\n\na 1 s 0.0 1.0 B\n",
            r":3: duplicate segment 'a' \(first on line 1\)",
        ),
        ('{"id": "a", "glosses": []}\n{"id": "a", "glosses": []}\n', r":2: .*first on line 1"),
        ("a 1 0.00 0.01 WORD\n", "CTM file, so a hypothesis"),
        ("", "empty"),
        ("  \n\n", "empty"),
        ('{"id": "a"}\n', r":1: expected a column 'glosses'"),
        ('{"id": 4.5, "glosses": "A"}\n', r":1: an id is a text or an integer, found 4.5"),
        ('["a", "b"]\n', "expected an object with 'id'"),
        ('{"id": "a", "glosses": "A"}\n{broken\n', r":2: not JSON"),
        ('{"id": "a", "glosses": "\\ud800"}\n', r":1: unpaired surrogate"),
        ("id|folder|signer|annotation\nx|y\n", r":2: expected an id and its glosses in 4 columns"),
        ("a\tA\nno separator\n", r":2: expected an id and its glosses"),
        ("just some words\n", "STM line has"),
    ],
)
def test_bad_files_say_where_and_what(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "file.txt"
    path.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read_references_file(path)
    assert str(path) in str(caught.value)


def test_an_id_twice_in_a_pickle(tmp_path: Path) -> None:
    path = tmp_path / "file"
    rows = [{"name": f"{s}/a", "signer": "s", "gloss": "A"} for s in ("train", "dev")]
    path.write_bytes(pickle.dumps(rows))
    with pytest.raises(InputError, match="duplicate segment 'a'"):
        read_references_file(path)


def test_a_file_with_comments_only_has_no_references(tmp_path: Path) -> None:
    path = tmp_path / "file.stm"
    path.write_text(";; a comment\n;; another\n")
    with pytest.raises(InputError, match=r"file\.stm"):
        read_references_file(path)


@pytest.mark.parametrize("signer", [5, ["x"], 2.5])
@pytest.mark.parametrize("frames", [float("inf"), float("nan"), "x", None, [1]])
def test_odd_fields_of_pickles_do_not_stop_the_reading(
    tmp_path: Path, signer: object, frames: object
) -> None:
    item = {"fileid": "a", "label": "A", "signer": signer, "num_frames": frames}
    path = vac(tmp_path / "x.npy", {0: item})
    assert read_references_file(path, "phoenix2014")[0].num_frames is None
    item = {"name": "a", "gloss": "A", "signer": signer, "num_frames": frames}
    (tmp_path / "x.pkl").write_bytes(pickle.dumps([item]))
    assert read_references_file(tmp_path / "x.pkl", "phoenix2014")[0].glosses == ("A",)


@pytest.mark.parametrize("content", [4, "text", [1, 2], {"a": 1}, [{"gloss": "A"}], [{}], None])
def test_pickles_of_something_else(tmp_path: Path, content: object) -> None:
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(content, 4))
    with pytest.raises(InputError):
        read_references_file(tmp_path / "x.pkl")
    with pytest.raises(InputError):
        read_references_file(vac(tmp_path / "x.npy", content))


def test_unknown_names_are_misuse(tmp_path: Path) -> None:
    path = tmp_path / "r.tsv"
    path.write_bytes(tsv(ROWS))
    with pytest.raises(UsageError, match="did you mean 'phoenix2014t'"):
        read_references_file(path, "pheonix2014t")
    with pytest.raises(UsageError, match="it has train, dev, test"):
        read_references_file(path, "phoenix2014t", "tset")


def test_a_video_map_is_read_for_one_split(tmp_path: Path) -> None:
    loaders.write_sample("csl-daily", tmp_path / "c")
    labels = tmp_path / "c" / "sentence_label"
    read = read_references_file(labels / "video_map.txt", "csl-daily", "dev")
    assert [s.id for s in read] == [
        s.id for s in loaders.load_corpus("csl-daily", tmp_path / "c", "dev")
    ]
    (labels / "split_1.txt").unlink()
    with pytest.raises(InputError, match="holds every split"):
        read_references_file(labels / "video_map.txt", "csl-daily", "dev")


def test_strings_of_numpy_are_read(tmp_path: Path) -> None:
    item = {"name": np.str_("a"), "gloss": "A"}
    (tmp_path / "p").write_bytes(pickle.dumps([item]))
    assert read_references_file(tmp_path / "p")[0].id == "a"


def test_a_video_map_has_the_sentences_of_the_corpus(sample_of) -> None:
    folder = sample_of("csl-daily")
    read = read_references_file(folder / "sentence_label" / "video_map.txt", "csl-daily")
    corpus = loaders.load_corpus("csl-daily", folder, "test")
    assert [one.translation for one in read] == [one.translation for one in corpus]
