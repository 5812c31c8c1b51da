"""Pictures under the glosses of a run."""

from __future__ import annotations

import base64
import io
import shutil
from pathlib import Path

import pytest
from collecting import find
from PIL import Image

from slaeval.report import render, thumbnails
from slaeval.report.segment_data import segment_data
from slaeval.report.thumbnails import _chosen, worst

Runs = tuple[Path, Path]


def test_three_frames_stand_for_a_gloss() -> None:
    for start, end in ((0, 1), (0, 2), (5, 8), (0, 12), (7, 100)):
        chosen = _chosen(start, end)
        assert len(chosen) == min(3, end - start)
        assert len(set(chosen)) == len(chosen)
        assert all(start <= index < end for index in chosen)
    assert _chosen(0, 12) == [2, 6, 10]
    assert _chosen(4, 4) == []


def test_pictures_show_the_frames_of_their_gloss(runs: Runs) -> None:
    found = find(runs[0], pictures=1000)
    assert found.thumbnails.pictures
    for name, strips in found.thumbnails.pictures.items():
        spans = found.alignments[name].spans
        for (start, end), strip in zip(spans, strips, strict=True):
            with Image.open(io.BytesIO(base64.b64decode(strip))) as picture:
                wide = picture.width // 3
                assert picture.size == (3 * 90, 112)
                for place, frame in enumerate(_chosen(start, end)):
                    level = picture.convert("L").getpixel((place * wide + wide // 2, 56))
                    assert level == pytest.approx(2 * frame, abs=3)


def test_the_worst_come_first_and_the_rest_is_named(runs: Runs) -> None:
    found = find(runs[0], pictures=5)
    first = worst(found.score, 5)
    errors = {segment.id: segment.errors for segment in found.score.segments}
    assert [errors[name] for name in first] == sorted(errors.values(), reverse=True)[:5]
    # one of them is the segment without hypothesis, which has no frames
    shown = list(found.thumbnails.pictures)
    assert shown == [name for name in first if found.alignments[name].glosses]
    assert f"{48 - len(shown)} without (--pictures N for more)" in render(found)
    data = segment_data(found)
    ids = [segment.id for segment in found.score.segments]
    assert {ids[int(number)] for number in data["pictures"]} == set(shown)
    assert sum(confidence >= 0 for confidence in data["frames"]["confidence"]) > 200


def test_no_pictures_is_a_report_all_the_same(
    runs: Runs, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find(runs[0], pictures=0).thumbnails.pictures == {}
    moved = tmp_path / "elsewhere"
    shutil.copytree(samples / "phoenix2014t", moved)
    frames = next(moved.rglob("test"))
    [first] = worst(find(runs[0]).score, 1)
    shutil.rmtree(frames / first)
    found = find(runs[0], root=moved, pictures=3)
    assert first not in found.thumbnails.pictures
    assert first in found.thumbnails.note
    shutil.rmtree(frames)
    found = find(runs[0], root=moved, pictures=3)
    assert found.thumbnails.pictures == {}
    assert "could not be read" in found.thumbnails.note
    assert found.thumbnails.note in render(found)
    monkeypatch.setattr(thumbnails, "LARGEST", 5000)
    assert "stopped at" in find(runs[0], pictures=40).thumbnails.note
    monkeypatch.setattr(thumbnails, "LARGEST", 0)
    taken = find(runs[0], pictures=40).thumbnails
    assert taken.pictures == {}
    assert "one segment would take more than" in taken.note


def test_sides_that_are_swapped_have_no_frames(runs: Runs) -> None:
    data = segment_data(find(runs[0], protocol="mslr-swapped", pictures=3))
    assert data["frames"] is None
    assert data["pictures"] == {}
