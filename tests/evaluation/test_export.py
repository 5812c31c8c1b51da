"""Recognised glosses in time: ELAN, subtitles and a table say the same as the run."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slaeval.errors import SlaevalError, UsageError
from slaeval.evaluation.export import export_run, parse_kinds
from slaeval.evaluation.references import ReferenceSet
from slaeval.evaluation.run_folder import Alignment, Run, write_run
from slaeval.formats.elan import Annotation, Tier, write_eaf
from slaeval.formats.subtitles import write_srt
from slaeval.scoring.segments import Reference

ALIGNMENTS = [
    Alignment("clip/1", 50, ["HEUTE", "R&G<N"], [(0, 12), (20, 50)], [0.5, 0.987], "Anna", ["AB"]),
    Alignment("clip_1", 25, [], [], [], "Ben", ["WIND", "STARK"]),
    Alignment("spoken", 100, ["ABEND", "KALT"], [], [], "", ["ABEND"]),
]


def _run(folder: Path, dataset: str = "phoenix2014t", root: str = "nowhere") -> Run:
    folder.mkdir(exist_ok=True)
    references = [Reference(mine.id, mine.signer, mine.reference or []) for mine in ALIGNMENTS]
    settings = {"dataset": dataset, "split": "test", "setup": None, "root": root, "skipped": {}}
    task = ReferenceSet(references, dataset, "test")
    return write_run(folder, ALIGNMENTS, task, "official", settings)


def _checked(text: str) -> ElementTree.Element:
    """Parse an EAF and hold it to what its schema asks for."""
    root = ElementTree.fromstring(text.encode())
    assert root.tag == "ANNOTATION_DOCUMENT"
    assert {"AUTHOR", "DATE", "VERSION"} <= root.attrib.keys()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)", root.attrib["DATE"])
    order = ["HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE"]
    places = [order.index(child.tag) for child in root]
    assert places == sorted(places)
    assert places.count(0) == places.count(1) == 1
    header = root[0]
    assert header.attrib.keys() <= {"MEDIA_FILE", "TIME_UNITS"}
    assert [child.tag for child in header] in (["PROPERTY"], ["MEDIA_DESCRIPTOR", "PROPERTY"])
    for media in header.iter("MEDIA_DESCRIPTOR"):
        assert {"MEDIA_URL", "MIME_TYPE"} <= media.attrib.keys()
    slots = {slot.attrib["TIME_SLOT_ID"]: int(slot.attrib["TIME_VALUE"]) for slot in root[1]}
    assert len(slots) == len(root[1])
    assert list(slots.values()) == sorted(slots.values())
    assert min(slots.values(), default=0) >= 0
    types = {one.attrib["LINGUISTIC_TYPE_ID"] for one in root.iter("LINGUISTIC_TYPE")}
    tiers = [tier.attrib["TIER_ID"] for tier in root.iter("TIER")]
    assert len(set(tiers)) == len(tiers)
    ids = []
    for tier in root.iter("TIER"):
        assert tier.attrib["LINGUISTIC_TYPE_REF"] in types
        end = 0
        for annotation in tier:
            assert annotation.tag == "ANNOTATION"
            [one] = annotation
            assert one.tag == "ALIGNABLE_ANNOTATION"
            assert [child.tag for child in one] == ["ANNOTATION_VALUE"]
            ids.append(one.attrib["ANNOTATION_ID"])
            start, after = (slots[one.attrib[f"TIME_SLOT_REF{number}"]] for number in (1, 2))
            assert end <= start < after
            end = after
    every = [*slots, *ids]
    assert len(set(every)) == len(every)
    assert all(re.fullmatch(r"[A-Za-z_][\w.-]*", name) for name in every)  # xsd:ID
    return root


def _values(root: ElementTree.Element, tier: str) -> Iterator[tuple[int, int, str]]:
    slots = {slot.attrib["TIME_SLOT_ID"]: int(slot.attrib["TIME_VALUE"]) for slot in root[1]}
    for one in root.findall(f"TIER[@TIER_ID='{tier}']/ANNOTATION/ALIGNABLE_ANNOTATION"):
        ends = [slots[one.attrib[f"TIME_SLOT_REF{number}"]] for number in (1, 2)]
        yield ends[0], ends[1], one[0].text or ""


def test_elan(tmp_path: Path) -> None:
    run = _run(tmp_path / "run")
    assert export_run(run, ["eaf"]) == [str(tmp_path / "run" / "eaf")]
    files = sorted(path.name for path in (tmp_path / "run" / "eaf").iterdir())
    assert files == ["clip_1-2.eaf", "clip_1.eaf", "spoken.eaf"]
    first = _checked((tmp_path / "run" / "eaf" / "clip_1.eaf").read_text("utf-8"))
    # 25 frames per second, as Phoenix 2014 T has.
    assert list(_values(first, "hypothesis")) == [(0, 480, "HEUTE"), (800, 2000, "R&G<N")]
    assert list(_values(first, "reference")) == [(0, 2000, "AB")]
    assert first.find("TIER").attrib["PARTICIPANT"] == "Anna"  # type: ignore[union-attr]
    second = _checked((tmp_path / "run" / "eaf" / "clip_1-2.eaf").read_text("utf-8"))
    assert list(_values(second, "hypothesis")) == []
    assert list(_values(second, "reference")) == [(0, 1000, "WIND STARK")]
    spoken = _checked((tmp_path / "run" / "eaf" / "spoken.eaf").read_text("utf-8"))
    assert list(_values(spoken, "hypothesis")) == [(0, 4000, "ABEND KALT")]


def test_subtitles_and_table(tmp_path: Path) -> None:
    run = _run(tmp_path / "run")
    export_run(run, ["srt", "tsv"], tmp_path / "out")
    text = (tmp_path / "out" / "srt" / "clip_1.srt").read_text("utf-8")
    assert text == (
        "1\n00:00:00,000 --> 00:00:00,480\nHEUTE\n\n2\n00:00:00,800 --> 00:00:02,000\nR&G<N\n\n"
    )
    assert (tmp_path / "out" / "srt" / "clip_1-2.srt").read_text() == ""
    lines = (tmp_path / "out" / "glosses.tsv").read_text("utf-8").splitlines()
    rows = list(csv.DictReader(lines, delimiter="\t"))
    assert [row["gloss"] for row in rows] == ["HEUTE", "R&G<N", "ABEND", "KALT"]
    assert (rows[1]["start_frame"], rows[1]["end_s"], rows[1]["confidence"]) == (
        "20",
        "2.000",
        "0.987",
    )
    assert rows[2]["start_s"] == ""
    assert write_srt([(3661.5, 3662.0005, "A")]).startswith("1\n01:01:01,500 --> 01:01:02,0")


@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5), st.text(max_size=6)), max_size=6),
    st.text(max_size=8),
)
def test_any_text_is_valid_xml(parts: list[tuple[float, float, str]], signer: str) -> None:
    at, annotations = 0.0, []
    for gap, length, text in parts:
        annotations.append(Annotation(at + gap, at + gap + length, text))
        at += gap + length + 0.002
    root = _checked(write_eaf([Tier("hypothesis", annotations, signer)], "file:///a&b.mp4"))
    assert len(list(_values(root, "hypothesis"))) == len(parts)


def test_a_rate_that_nobody_says(tmp_path: Path) -> None:
    run = _run(tmp_path / "run", "isharah500")
    with pytest.raises(SlaevalError, match="give --fps"):
        export_run(run, ["srt"])
    assert not (tmp_path / "run" / "srt").exists()
    export_run(run, ["srt"], fps=50)
    assert "00:00:00,240" in (tmp_path / "run" / "srt" / "clip_1.srt").read_text()
    with pytest.raises(UsageError, match="above 0"):
        export_run(run, ["srt"], fps=0)


def test_what_was_worked_on_is_not_written_over(tmp_path: Path) -> None:
    run = _run(tmp_path / "run")
    export_run(run, ["eaf", "tsv"])
    export_run(run, ["eaf", "tsv"])  # the same again is no harm
    corrected = tmp_path / "run" / "eaf" / "spoken.eaf"
    corrected.write_text(corrected.read_text().replace("KALT", "WARM"))
    with pytest.raises(SlaevalError, match=r"spoken\.eaf: exists with other content"):
        export_run(run, ["eaf"])
    assert "WARM" in corrected.read_text()


def test_kinds() -> None:
    assert parse_kinds("srt, eaf,srt") == ("srt", "eaf")
    for wrong in ("", "elan", "eaf,pdf"):
        with pytest.raises(UsageError, match="eaf, srt, tsv"):
            parse_kinds(wrong)


def test_the_commands(slaeval, rendered: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "mine.py").write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[1] / 'recognition')!r})\n"
        "from published_shape import PublishedShape\n"
    )
    given = ("run", "--model", "mine:PublishedShape", "--root", rendered, "--device", "cpu")
    done = slaeval(*given, "--workers", "0", "--no-report", "--out", "run", "--write", "tsv,eaf")
    assert done.returncode == 0, done.stderr
    assert "glosses with times: run/eaf" in done.stderr.replace("\\", "/")
    lines = (tmp_path / "run" / "alignment.jsonl").read_text("utf-8").splitlines()
    spans = [span for line in lines for span in json.loads(line)["spans"]]
    assert spans
    table = (tmp_path / "run" / "glosses.tsv").read_text("utf-8").splitlines()
    rows = list(csv.DictReader(table, delimiter="\t"))
    assert [[int(row["start_frame"]), int(row["end_frame"])] for row in rows] == spans
    assert [float(row["start_s"]) for row in rows] == [round(s / 25, 3) for s, _ in spans]
    exported = slaeval("export", "run", "--out", "elsewhere")
    assert exported.returncode == 0, exported.stderr
    assert (tmp_path / "elsewhere" / "glosses.tsv").read_bytes() == (
        tmp_path / "run" / "glosses.tsv"
    ).read_bytes()
    for path in (tmp_path / "elsewhere" / "eaf").iterdir():
        _checked(path.read_text("utf-8"))
    assert slaeval("export", "run", "--to", "pdf").returncode == 2
    assert slaeval("export", "nowhere").returncode == 1
