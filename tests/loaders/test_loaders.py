"""Loaders on invented corpora: layouts, names, folders, damage, and files that mean harm."""

from __future__ import annotations

import gzip
import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from slaeval.loaders import restricted
from slaeval.loaders.community import plain_id, read_references_file
from slaeval.loaders.isharah import normalised
from slaeval.loaders.phoenix2014 import clean_train
from slaeval.loaders.registry import NAMES
from slaeval.loaders.synthetic import SIZES

from slaeval import loaders
from slaeval.errors import InputError, SlaevalError, UsageError


@pytest.fixture(autouse=True)
def _own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLAEVAL_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("SLAEVAL_DATA", raising=False)


@pytest.mark.parametrize("name", NAMES)
def test_samples_read_back(tmp_path: Path, name: str) -> None:
    loaders.write_sample(name, tmp_path / "a")
    loaders.write_sample(name, tmp_path / "b")
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    for file in files:
        if (tmp_path / "a" / file).is_file():
            assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    corpus = loaders.load_corpus(name, tmp_path / "a")
    for split, count in SIZES.items():
        part = loaders.load_corpus(name, tmp_path / "a", split)
        assert len(part) == count
        assert all(sample.glosses for sample in part)
        assert [sample.id for sample in part] == [s.id for s in corpus if s.split == split]
    assert len(corpus.signers) > 3
    frame = corpus.to_pandas()
    assert len(frame) == sum(SIZES.values())
    assert {"id", "signer", "glosses", "translation", "split"} <= set(frame.columns)
    other = loaders.write_sample(name, tmp_path / "c", seed=1)
    assert len(other) >= len([file for file in files if file.suffix])
    assert corpus.references() != loaders.load_corpus(name, tmp_path / "c").references()


def test_a_sample_does_not_write_over_anything(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="not an empty folder"):
        loaders.write_sample("phoenix2014", tmp_path / "there")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SlaevalError):
        loaders.write_sample("phoenix2014", tmp_path / "file" / "below")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "there"]


def test_the_sample_holds_what_training_annotations_hold(tmp_path: Path) -> None:
    loaders.write_sample("phoenix2014", tmp_path / "s")
    train = loaders.load_corpus("phoenix2014", tmp_path / "s", "train")
    raw = " ".join(sample.glosses_raw for sample in train)
    for token in ("loc-", "cl-", "-PLUSPLUS", "__PU__", "WIE AUSSEHEN"):
        assert token in raw
    clean = {gloss for sample in train for gloss in sample.glosses}
    assert not any("loc-" in gloss or "PLUSPLUS" in gloss for gloss in clean)
    [stm] = (tmp_path / "s").rglob("*-train.stm")
    assert {s.id: s.glosses for s in read_references_file(stm, "phoenix2014", "train")} == {
        sample.id: sample.glosses for sample in train
    }


def test_training_cleanup_sees_the_columns_in_front() -> None:
    assert clean_train("x", "Signer01", "E R Z BERG") == ["E+R+Z", "BERG"]
    assert clean_train("x", "Signer01", "loc-NORD  REGEN-PLUSPLUS") == ["NORD", "REGEN"]


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("PHOENIX-2014-T", "phoenix2014t"),
        ("phoenix14T", "phoenix2014t"),
        ("Phoenix_2014", "phoenix2014"),
        ("phoenix2014-SI5", "phoenix2014-si5"),
        ("CSL_Daily", "csl-daily"),
        ("csl", "csl-daily"),
        ("Isharah-500", "isharah500"),
    ],
)
def test_common_spellings(spelling: str, name: str) -> None:
    assert loaders.resolve(spelling) == name


def test_unknown_names_name_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'phoenix2014t'"):
        loaders.resolve("phoenx2014t")
    with pytest.raises(UsageError, match="no split 'tets'; did you mean 'test'"):
        loaders.load_corpus("phoenix2014", "x", "tets")
    with pytest.raises(UsageError, match="no setup"):
        loaders.load_corpus("isharah500", "x", "test", "XX")


def test_where_a_corpus_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="slaeval corpus add csl-daily DIR") as caught:
        loaders.find("csl-daily")
    for tried in ("--root", "registered", "SLAEVAL_DATA"):
        assert tried in str(caught.value)
    data = tmp_path / "data"
    loaders.write_sample("csl-daily", data / "CSL-Daily")
    monkeypatch.setenv("SLAEVAL_DATA", str(data))
    assert loaders.find("csl-daily") == str(data / "CSL-Daily")
    loaders.write_sample("csl-daily", tmp_path / "registered")
    loaders.register("CSL_Daily", str(tmp_path / "registered"))
    assert loaders.find("csl-daily") == str(tmp_path / "registered")
    assert loaders.find("csl-daily", tmp_path / "named") == str(tmp_path / "named")


def test_a_damaged_list_of_folders_is_named(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "corpora.json").write_text("{broken")
    with pytest.raises(InputError, match=r"corpora.json.*delete the file"):
        loaders.find("csl-daily")


def test_another_layout_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "something").mkdir()
    with pytest.raises(InputError, match=r"annotations/manual/PHOENIX-2014-T.test.corpus.csv"):
        loaders.load_references("phoenix2014t", tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        loaders.load_references("phoenix2014t", tmp_path / "nowhere")
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(InputError, match="this is a file"):
        loaders.load_references("phoenix2014t", file)


def _csv(root: Path, content: str) -> Path:
    file = root / "annotations" / "manual" / "PHOENIX-2014-T.test.corpus.csv"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    return root


HEADER = "name|video|start|end|speaker|orth|translation\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a|b|c\n", "expected the header"),
        (HEADER + "x|x/*.png|-1|-1|S1|A B\n", r"csv:2: expected 7 columns"),
        (
            HEADER + "x|v|-1|-1|S|A|t\ny|v|-1|-1|S|A|t\nx|v|-1|-1|S|B|t\n",
            "'x' stands here and in line 2",
        ),
        (HEADER, "no sample"),
        ("", "empty"),
    ],
)
def test_damaged_annotations(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        loaders.load_references("phoenix2014t", _csv(tmp_path, content))


def test_csl_daily_without_all_its_labels(tmp_path: Path) -> None:
    loaders.write_sample("csl-daily", tmp_path / "c")
    labels = tmp_path / "c" / "sentence_label"
    lines = (labels / "video_map.txt").read_text("utf-8").splitlines()
    (labels / "video_map.txt").write_text("\n".join(lines[:-1]) + "\n", "utf-8")
    with pytest.raises(InputError, match="lacks 1 of the samples"):
        loaders.load_references("csl-daily", tmp_path / "c")
    (labels / "video_map.txt").unlink()
    with pytest.raises(InputError, match=r"csl2020ct_v2.pkl"):
        loaders.load_references("csl-daily", tmp_path / "c")


def test_csl_daily_from_its_pickle(tmp_path: Path) -> None:
    loaders.write_sample("csl-daily", tmp_path / "c")
    before = loaders.load_references("csl-daily", tmp_path / "c")
    labels = tmp_path / "c" / "sentence_label"
    info = []
    for line in (labels / "video_map.txt").read_text("utf-8").splitlines()[1:]:
        _, name, length, gloss, char, *_ = line.split("|")
        info.append(
            {
                "name": name,
                "length": int(length),
                "label_gloss": gloss.split(),
                "label_char": char.split(),
                "signer": 0,
            }
        )
    (labels / "csl2020ct_v2.pkl").write_bytes(pickle.dumps({"info": info, "gloss_map": []}))
    (labels / "video_map.txt").unlink()
    assert loaders.load_references("csl-daily", tmp_path / "c") == before


def test_withheld_references(tmp_path: Path) -> None:
    folder = tmp_path / "isharah2000" / "SI"
    folder.mkdir(parents=True)
    (folder / "test.csv").write_text("id\n08_0001\n")
    with pytest.raises(InputError, match="withheld by its owners"):
        loaders.load_references("isharah2000", tmp_path)


def test_arabic_stays_byte_for_byte_unless_asked() -> None:
    gloss = "مَدْرَسـة"
    assert normalised(gloss) == "مدرسة"
    assert normalised(gloss, tatweel=False, diacritics=False) == gloss


def test_verify_names_each_deviation(tmp_path: Path) -> None:
    loaders.write_sample("phoenix2014t", tmp_path / "s")
    found = {row.what: row for row in loaders.verify("phoenix2014t", tmp_path / "s")}
    assert found["test: samples"].severity == "error"
    assert found["test: samples"].expected == "642 (release)"
    assert found["test: samples"].found == "48"
    base = tmp_path / "s" / "PHOENIX-2014-T"
    manual = base / "annotations" / "manual"
    dev = (manual / "PHOENIX-2014-T.dev.corpus.csv").read_text("utf-8").splitlines()
    with (manual / "PHOENIX-2014-T.test.corpus.csv").open("a", encoding="utf-8") as stream:
        stream.write(dev[1] + "\nempty|empty/*.png|-1|-1|Signer01||\n")
    pictures = base / "features" / "fullFrame-210x260px" / "test" / "empty"
    pictures.mkdir(parents=True)
    found = {row.what: row for row in loaders.verify("phoenix2014t", tmp_path / "s")}
    assert found["splits that share samples"].severity == "error"
    assert "empty" in found["test: empty annotations"].found
    assert found["test: samples without pictures"].found.startswith("50 of 50")


def test_known_broken_sample_is_excluded_on_request(tmp_path: Path) -> None:
    root = tmp_path / "annotations" / "manual"
    root.mkdir(parents=True)
    broken = "13April_2011_Wednesday_tagesschau_default-14"
    (root / "train.corpus.csv").write_text(
        f"id|folder|signer|annotation\n{broken}|x/1/*.png|Signer01|A\nok|x/1/*.png|Signer01|B\n"
    )
    assert len(loaders.load_corpus("phoenix2014", tmp_path, "train")) == 2
    from slaeval.loaders.reading import load_corpus

    kept = load_corpus("phoenix2014", tmp_path, "train", exclude_broken=True)
    assert [sample.id for sample in kept] == ["ok"]
    assert broken in kept.excluded


def test_ids_in_paths() -> None:
    assert plain_id("fullFrame-210x260px/dev/01April_x-1/1/01April_x") == "01April_x-1"
    assert plain_id("dev/11August-2") == "11August-2"
    assert plain_id("S000020_P0000_T00") == "S000020_P0000_T00"


ROWS = [("a", "Signer01", "A B"), ("b", "Signer02", "C")]


def test_every_format_gives_the_same_references(tmp_path: Path) -> None:
    (tmp_path / "r.stm").write_text(
        "".join(f"{i} 1 {s} 0.0 1.79769e+308 {g}\n" for i, s, g in ROWS)
    )
    vac = {"prefix": "x"} | {
        n: {"fileid": i, "signer": s, "label": g, "num_frames": "7"}
        for n, (i, s, g) in enumerate(ROWS)
    }
    np.save(tmp_path / "r.npy", vac)  # type: ignore[arg-type]
    slt = [{"name": f"dev/{i}", "signer": s, "gloss": g, "num_frames": 7} for i, s, g in ROWS]
    (tmp_path / "r.pkl").write_bytes(pickle.dumps(slt))
    (tmp_path / "r.gz").write_bytes(gzip.compress(pickle.dumps(slt)))
    (tmp_path / "r.tsv").write_text("".join(f"{i}\t{g}\n" for i, _, g in ROWS))
    (tmp_path / "r.jsonl").write_text(
        "".join(json.dumps({"id": i, "signer": s, "glosses": g}) + "\n" for i, s, g in ROWS)
    )
    for file in tmp_path.glob("r.*"):
        samples = read_references_file(file)
        assert [(s.id, s.glosses) for s in samples] == [("a", ("A", "B")), ("b", ("C",))], file
        if file.suffix != ".tsv":
            assert [s.signer for s in samples] == ["Signer01", "Signer02"], file


@pytest.mark.parametrize(
    "content",
    ["a\tA\nb\tB\na\tC\n", '{"id": "a", "glosses": "A"}\n{"id": "a", "glosses": "A"}\n'],
)
def test_a_reference_twice_names_both_lines(tmp_path: Path, content: str) -> None:
    (tmp_path / "r").write_text(content)
    with pytest.raises(InputError, match="'a' stands here and in line 1"):
        read_references_file(tmp_path / "r")


def test_a_hypothesis_is_no_reference(tmp_path: Path) -> None:
    (tmp_path / "h.ctm").write_text("a 1 0.00 0.01 A\n")
    with pytest.raises(InputError, match="this is a CTM file"):
        read_references_file(tmp_path / "h.ctm")


class _Harm:
    """A pickle that would create a file when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):  # type: ignore[no-untyped-def]
        import os

        return os.system, (f"touch {self.marker}",)


class _Eval:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return eval, (f"open({str(self.marker)!r}, 'w')",)


@pytest.mark.parametrize("harm", [_Harm, _Eval])
@pytest.mark.parametrize("kind", ["plain", "gzip", "npy", "nested"])
def test_nothing_in_a_pickle_runs(tmp_path: Path, harm: type, kind: str) -> None:
    marker = tmp_path / "marker"
    load = harm(marker)
    if kind == "nested":
        load = [{"name": "a", "gloss": "A", "sign": load}]
    path = tmp_path / "file"
    if kind == "npy":
        array = np.empty((), object)
        array[()] = load
        with path.open("wb") as stream:
            np.save(stream, array)
    else:
        data = pickle.dumps(load)
        path.write_bytes(gzip.compress(data) if kind == "gzip" else data)
    with pytest.raises(InputError, match="not plain data"):
        read_references_file(path)
    assert not marker.exists()


def test_no_name_that_leads_to_code_is_known(tmp_path: Path) -> None:
    for module, name in (
        ("builtins", "getattr"),
        ("builtins", "__import__"),
        ("operator", "attrgetter"),
        ("numpy", "load"),
        ("numpy.core.multiarray", "fromfile"),
        ("numpy.f2py", "compile"),
        ("torch", "load"),
        ("torch.serialization", "load"),
        ("functools", "partial"),
        ("collections", "defaultdict"),
        ("numpy", "ndarray.tofile"),
        ("collections", "OrderedDict.__init__.__globals__"),
    ):
        parts = [b"\x80\x04"]
        for text in (module, name):
            raw = text.encode()
            parts.append(b"\x8c" + bytes([len(raw)]) + raw)
        (tmp_path / "p").write_bytes(b"".join(parts) + b"\x93.")
        with pytest.raises(InputError, match="not plain data"):
            restricted.load_pickle(str(tmp_path / "p"))


def test_damaged_pickles(tmp_path: Path) -> None:
    path = tmp_path / "p"
    whole = gzip.compress(pickle.dumps([{"name": "a", "gloss": "A"}]))
    for data in (whole[:-9], whole[:20], pickle.dumps([1, 2])[:-1], b"\x80\x04junk", b"\x1f\x8bxx"):
        path.write_bytes(data)
        with pytest.raises(InputError):
            restricted.load_pickle(str(path))
    for data in (b"\x93NUMPY", b"\x93NUMPY\x01\x00\x10\x00{'descr': 1/0}   ", b"nothing"):
        path.write_bytes(data)
        with pytest.raises(InputError):
            restricted.load_npy(str(path))
    np.save(tmp_path / "n.npy", np.arange(3))
    with pytest.raises(InputError, match="array of objects"):
        restricted.load_npy(str(tmp_path / "n.npy"))


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restricted, "LARGEST", 1 << 20)
    (tmp_path / "bomb").write_bytes(gzip.compress(b"\0" * (8 << 20)))
    with pytest.raises(InputError, match="unpacks to more"):
        restricted.load_pickle(str(tmp_path / "bomb"))


def test_tensors_are_left_out_not_rebuilt(tmp_path: Path) -> None:
    # As slt writes it: torch._utils._rebuild_tensor_v2(torch.storage._load_from_bytes(b'…'))
    data = (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n"
        b"(ctorch.storage\n_load_from_bytes\n(C\x04evil\x85R" + b"K\x00" + b"tR."
    )
    data = data.replace(b"(C\x04evil\x85R", b"C\x04evil\x85R")
    (tmp_path / "t").write_bytes(b"\x80\x04" + data[2:])
    assert repr(restricted.load_pickle(str(tmp_path / "t"))) == "<omitted>"


def test_sizes_of_headers_are_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", 60_000) + b"{}")
    with pytest.raises(InputError):
        restricted.load_npy(str(tmp_path / "x.npy"))


def test_another_package_can_add_a_corpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from slaeval.loaders import registry
    from slaeval.loaders.phoenix2014t import Phoenix2014T

    class Mine(Phoenix2014T):
        name = "my-corpus"

    monkeypatch.setattr(registry, "_entry_points", lambda: {"my-corpus": Mine})
    _csv(tmp_path, HEADER + "x|x/*.png|-1|-1|Anna|A B|t\n")
    assert loaders.load_references("my-corpus", tmp_path) == [("x", "Anna", ["A", "B"])]
    assert "my-corpus" in loaders.names()


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


def test_an_empty_id_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one word, found ''"):
        loaders.load_references("phoenix2014t", _csv(tmp_path, HEADER + "|v|-1|-1|S|A|t\n"))
