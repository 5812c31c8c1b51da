"""Corpora as folders: where annotations are looked for, how rows are read, what is refused."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slaeval import loaders
from slaeval.errors import InputError, UsageError
from slaeval.loaders.isharah import normalised
from slaeval.loaders.phoenix2014 import clean_train

HEAD = {
    "phoenix2014": "id|folder|signer|annotation",
    "phoenix2014t": "name|video|start|end|speaker|orth|translation",
}


def put(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def phoenix(root: Path, split: str, *rows: str) -> Path:
    return put(root / f"annotations/manual/{split}.corpus.csv", HEAD["phoenix2014"], *rows)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("phoenix2014", "phoenix2014"),
        ("Phoenix-2014", "phoenix2014"),
        ("phoenix14", "phoenix2014"),
        ("PHOENIX2014-SI5", "phoenix2014-si5"),
        ("PHOENIX-2014-T", "phoenix2014t"),
        ("phoenix14t", "phoenix2014t"),
        ("ph14t", "phoenix2014t"),
        ("csldaily", "csl-daily"),
        ("CSL_Daily", "csl-daily"),
        ("CSL-Daily", "csl-daily"),
        ("isharah-500", "isharah500"),
        ("Isharah1000", "isharah1000"),
        ("ISHARAH_2000", "isharah2000"),
    ],
)
def test_names_people_write(spelling: str, name: str) -> None:
    assert loaders.resolve(spelling) == name


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'csl-daily'") as caught:
        loaders.resolve("csl-dayly")
    assert caught.value.exit_code == 2


def test_another_package_adds_a_corpus(monkeypatch, tmp_path: Path) -> None:
    from slaeval.loaders import registry
    from slaeval.loaders.phoenix2014t import Phoenix2014T

    class Mine(Phoenix2014T):
        name = "my-corpus"

    monkeypatch.setattr(registry, "_entry_points", lambda: {"my-corpus": Mine})
    put(
        tmp_path / "annotations/manual/PHOENIX-2014-T.test.corpus.csv",
        HEAD["phoenix2014t"],
        "x|x/*.png|-1|-1|S|A|a",
    )
    assert loaders.load_references("my-corpus", tmp_path) == [("x", "S", ["A"])]
    assert "my-corpus" in loaders.names()


def test_one_broken_package_does_not_stop_the_others(monkeypatch) -> None:
    import importlib.metadata

    class Point:
        name = "theirs"

        def load(self) -> type:
            raise ImportError("no module named theirs")

    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [Point()])
    with pytest.raises(UsageError, match="unknown dataset 'mine'"):
        loaders.resolve("mine")


@pytest.mark.parametrize("above", ["", "phoenix-2014-multisigner", "a/phoenix2014-release/x"])
def test_the_folder_may_be_named_at_several_levels(tmp_path: Path, above: str) -> None:
    phoenix(tmp_path / above, "test", "x|x/1/*.png|Signer01|A  B")
    corpus = loaders.load_corpus("phoenix2014", tmp_path, "test")
    assert corpus[0].glosses == ("A", "B")
    assert corpus[0].glosses_raw == "A  B"
    assert corpus[0].frames == "features/fullFrame-210x260px/test/x/1/*.png"


@pytest.mark.parametrize("name", loaders.names())
def test_a_wrong_folder_lists_what_was_looked_for(tmp_path: Path, name: str) -> None:
    (tmp_path / "something").mkdir()
    with pytest.raises(InputError) as caught:
        loaders.load_references(name, tmp_path)
    message = str(caught.value)
    assert str(tmp_path) in message
    assert "test" in message
    assert any(part in message for part in ("annotations/manual", "sentence_label", "SI/"))
    with pytest.raises(InputError, match="no such folder"):
        loaders.load_references(name, tmp_path / "none")


def test_multisigner_and_si5_are_not_mixed_up(tmp_path: Path) -> None:
    phoenix(tmp_path / "phoenix-2014-multisigner", "test", "m|m/1/*.png|Signer01|A")
    put(
        tmp_path / "phoenix-2014-signerindependent-SI5/annotations/manual/test.SI5.corpus.csv",
        HEAD["phoenix2014"],
        "s|s/1/*.png|Signer05|B",
    )
    assert loaders.load_references("phoenix2014", tmp_path) == [("m", "Signer01", ["A"])]
    assert loaders.load_references("phoenix2014-si5", tmp_path) == [("s", "Signer05", ["B"])]


def test_training_is_cleaned_dev_and_test_are_not(tmp_path: Path) -> None:
    row = "x|x/1/*.png|Signer01|E R Z BERG loc-NORD __PU__ REGEN-PLUSPLUS"
    for split in ("train", "dev"):
        phoenix(tmp_path, split, row)
    (train,) = loaders.load_corpus("phoenix2014", tmp_path, "train")
    (dev,) = loaders.load_corpus("phoenix2014", tmp_path, "dev")
    assert train.glosses == ("E+R+Z", "BERG", "NORD", "REGEN")
    assert dev.glosses == tuple(row.split("|")[3].split())


def test_cleanup_sees_the_columns_in_front() -> None:
    assert clean_train("x", "Signer01", "C M") == ["C+M"]
    assert clean_train("x", "Signer01", "__PU__") == []


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("id;folder;signer;annotation",), r":1: expected the header"),
        ((HEAD["phoenix2014"], "x|x/1|Signer01"), r":2: expected 4 columns .* found 3"),
        ((HEAD["phoenix2014"],), "no sample of the split 'test'"),
        (
            (HEAD["phoenix2014"], "a|f|s|A", "b|f|s|B", "a|f|s|C"),
            r"'a' .*line (2|4)",
        ),
        ((HEAD["phoenix2014"], "|f|s|A"), "one word, found ''"),
    ],
)
def test_bad_annotations(tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
    put(tmp_path / "annotations/manual/test.corpus.csv", *lines)
    with pytest.raises(InputError, match=message):
        loaders.load_references("phoenix2014", tmp_path)


def test_byte_order_mark_and_crlf_do_not_matter(tmp_path: Path) -> None:
    path = phoenix(tmp_path, "test", "x|x/1/*.png|Signer01|A B")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert loaders.load_references("phoenix2014", tmp_path) == [("x", "Signer01", ["A", "B"])]


def test_misspelt_splits_and_setups_are_misuse(sample_of) -> None:
    with pytest.raises(UsageError, match="did you mean 'test'"):
        loaders.load_corpus("phoenix2014t", sample_of("phoenix2014t"), "tset")
    with pytest.raises(UsageError, match="it has SI, US"):
        loaders.load_corpus("isharah500", sample_of("isharah500"), setup="XX")


# -- csl-daily ---------------------------------------------------------------------------------


def csl(root: Path) -> Path:
    label = root / "sentence_label"
    put(label / "split_1.txt", "name|split", "S1_P0003_T00|test", "S2_P0001_T00|train")
    return put(
        label / "video_map.txt",
        "index|name|length|gloss|char|word|postag",
        "0|S1_P0003_T00|54|他 4|他 四 。|他 四 。|r m w",
        "1|S2_P0001_T00|60|你 好|你 好 。|你 好 。|r m w",
        "2|S000007_P0003_T00|60|好|好 。|好 。|r w",
    )


def test_csl_daily_joins_its_two_files(tmp_path: Path) -> None:
    csl(tmp_path / "CSL-Daily")
    (sample,) = loaders.load_corpus("csl-daily", tmp_path, "test")
    assert (sample.signer, sample.glosses) == ("P0003", ("他", "4"))
    assert (sample.num_frames, sample.fps, sample.translation) == (54, 30.0, "他四。")
    found = loaders.verify("csl-daily", tmp_path)
    assert any(row.found == "S000007_P0003_T00" and row.severity == "note" for row in found)


def test_csl_daily_reads_its_pickle_without_the_text(tmp_path: Path) -> None:
    csl(tmp_path)
    before = loaders.load_corpus("csl-daily", tmp_path, "test")
    (tmp_path / "sentence_label/video_map.txt").unlink()
    with pytest.raises(InputError, match=r"video_map\.txt nor csl2020ct_v2\.pkl"):
        loaders.load_corpus("csl-daily", tmp_path, "test")
    info = [
        {
            "name": f"{name}_T00",
            "length": 54,
            "label_gloss": glosses,
            "label_char": [*characters],
            "label_word": [],
            "label_postag": [],
            "signer": 3,
            "time": 0,
        }
        for name, glosses, characters in (
            ("S1_P0003", ["他", "4"], "他四。"),
            ("S2_P0001", ["你", "好"], "你好。"),
        )
    ]
    path = tmp_path / "sentence_label/csl2020ct_v2.pkl"
    path.write_bytes(pickle.dumps({"info": info, "gloss_map": []}))
    after = loaders.load_corpus("csl-daily", tmp_path, "test")
    for one, other in zip(before, after, strict=True):
        assert (one.id, one.signer, one.glosses) == (other.id, other.signer, other.glosses)
        assert (one.translation, one.num_frames) == (other.translation, other.num_frames)


def test_csl_daily_names_samples_without_glosses(tmp_path: Path) -> None:
    csl(tmp_path)
    put(tmp_path / "sentence_label/split_1.txt", "name|split", "S9_P0003_T00|test")
    with pytest.raises(InputError, match="such as S9_P0003_T00"):
        loaders.load_corpus("csl-daily", tmp_path, "test")


@pytest.mark.parametrize("length", ["x", "", "²"])
def test_csl_daily_lengths_are_numbers(tmp_path: Path, length: str) -> None:
    path = csl(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("|54|", f"|{length}|"), "utf-8")
    with pytest.raises(InputError, match=r"video_map\.txt:2: column 3"):
        loaders.load_corpus("csl-daily", tmp_path, "test")


# -- isharah -----------------------------------------------------------------------------------


def test_isharah_both_layouts_and_both_setups(tmp_path: Path) -> None:
    put(tmp_path / "a/Annotations/SI/dev.txt", "02_0001|سوال هو|هل هو", "02_0002|هو|هو")
    put(tmp_path / "b/SI/dev.csv", "id|gloss", "02_0001|سوال هو", "02_0002|هو")
    put(tmp_path / "a/Annotations/US/dev.txt", "03_0009|هو|هو")
    release = loaders.load_corpus("isharah500", tmp_path / "a", "dev")
    challenge = loaders.load_corpus("isharah500", tmp_path / "b", "dev")
    assert release.references() == challenge.references()
    assert release.setup == "SI"
    assert release[0].translation == "هل هو"
    assert challenge[0].translation is None
    assert release.signers == ("02",)
    (unseen,) = loaders.load_corpus("isharah500", tmp_path / "a", "dev", "us")
    assert (unseen.id, unseen.setup) == ("03_0009", "US")


def test_arabic_stays_byte_for_byte(tmp_path: Path) -> None:
    gloss = "هـــو\u064e"
    put(tmp_path / "Annotations/SI/test.txt", f"02_0001|{gloss}|x")
    assert loaders.load_references("isharah500", tmp_path) == [("02_0001", "02", [gloss])]
    assert normalised(gloss) == "هو"
    assert normalised(gloss, tatweel=False, diacritics=False) == gloss


def test_withheld_references_are_said_to_be_withheld(tmp_path: Path) -> None:
    put(tmp_path / "SI/test.csv", "id", "08_0001")
    (sample,) = loaders.load_corpus("isharah2000", tmp_path, "test")
    assert sample.glosses == ()
    assert sample.glosses_raw is None
    with pytest.raises(InputError, match="withheld"):
        loaders.load_references("isharah2000", tmp_path)


# -- a corpus as a whole -----------------------------------------------------------------------


def test_corpus_is_an_immutable_sequence(sample_of) -> None:
    root = sample_of("phoenix2014t")
    corpus = loaders.load_corpus("phoenix2014t", root)
    assert len(corpus) == sum(
        len(loaders.load_corpus("phoenix2014t", root, s)) for s in "train dev test".split()
    )
    assert corpus[-2:] == tuple(corpus)[-2:]
    with pytest.raises(AttributeError):
        corpus[0].id = "x"
    with pytest.raises(AttributeError):
        corpus.name = "x"
    frame = corpus.to_pandas()
    assert list(frame["id"]) == [sample.id for sample in corpus]
    assert set(corpus.vocabulary) == {g for s in corpus for g in s.glosses_raw.split()}


def test_split_ids_are_for_hints(sample_of) -> None:
    root = sample_of("csl-daily")
    ids = loaders.split_ids("csl-daily", root)
    assert set(ids) == {"train", "dev", "test"}
    assert ids["test"] == {row[0] for row in loaders.load_references("csl-daily", root)}
    other = sample_of("phoenix2014")
    (other / "phoenix-2014-multisigner/annotations/manual/dev.corpus.csv").unlink()
    assert set(loaders.split_ids("phoenix2014", other)) == {"train", "test"}


def test_reading_references_imports_nothing_heavy(sample_of) -> None:
    root = sample_of("phoenix2014t")
    code = (
        "import sys; import slaeval.loaders as loaders\n"
        f"assert loaders.load_references('phoenix2014t', {str(root)!r})\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'numpy', 'pandas', "
        "'click', 'torch', 'platformdirs', 'numba'}), 'slaeval.scoring' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[] False\n", done.stderr


def test_copies_elsewhere_read_the_same(sample_of, tmp_path: Path) -> None:
    root = sample_of("phoenix2014")
    moved = tmp_path / "deep" / "phoenix2014-release"
    shutil.copytree(root, moved)
    assert loaders.load_references("phoenix2014", moved.parent) == loaders.load_references(
        "phoenix2014", root
    )
