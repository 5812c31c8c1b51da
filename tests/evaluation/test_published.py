"""The published results: every row says what it is and where it was read."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import slaeval.evaluation.published as module
from slaeval.evaluation.published import published
from slaeval.loaders.registry import layout
from slaeval.scoring.protocols import protocol

ROWS = list(
    csv.DictReader(Path(module.__file__).with_suffix(".csv").read_text("utf-8").splitlines())
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['system']} {row['corpus']}")
def test_a_row_says_where_it_was_read(row: dict[str, str]) -> None:
    assert row["source"].startswith("https://")
    assert row["paper"]
    assert row["stated"]
    assert row["first_hand"] in ("yes", "no")
    assert row["modality"] in ("RGB", "keypoints", "RGB and keypoints")
    setups = layout(row["corpus"]).setups
    assert row["setup"] in (setups if len(setups) > 1 else ("",))
    if row["protocol"]:
        assert protocol(row["protocol"]).name == row["protocol"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['system']} {row['corpus']}")
def test_a_row_holds_figures(row: dict[str, str]) -> None:
    assert row["dev"] or row["test"]
    for split in ("dev", "test"):
        parts = [row[f"{split}_deletions"], row[f"{split}_insertions"]]
        assert all(parts) or not any(parts)
        if any(parts):
            assert sum(map(float, parts)) <= float(row[split])
        assert not row[split] or 0 < float(row[split]) < 100


def test_no_row_stands_twice() -> None:
    keys = [
        (row["system"], row["corpus"], row["setup"], row["source"], bool(row["dev"]))
        for row in ROWS
    ]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("corpus", "system", "test", "unnamed"),
    [
        ("phoenix2014", "CLIP-SLA SLA-Adapter", 18.8, (19.7, 19.3)),
        ("phoenix2014t", "CLIP-SLA SLA-LoRA", 19.4, (19.8, 19.4)),
        ("csl-daily", "CLIP-SLA SLA-LoRA", 25.8, (26.0, 25.8)),
    ],
)
def test_clip_sla_stands_as_each_listing_has_it(corpus, system, test, unnamed) -> None:
    rows = {row.system: row for row in published(corpus)}
    assert rows[system].wer == test
    assert rows["CLIP-SLA (no variant named)"].wer == unnamed[1]
    assert rows[system].source != rows["CLIP-SLA (no variant named)"].source
    dev = {row.system: row.wer for row in published(corpus, "dev")}
    assert dev["CLIP-SLA (no variant named)"] == unnamed[0]
    assert system not in dev


def test_a_setup_narrows_a_corpus() -> None:
    both, alone = published("isharah1000"), published("isharah1000/SI")
    assert {row.setup for row in both} == {"SI", "US"}
    assert alone == [row for row in both if row.setup == "SI"]
    assert alone[0].wer == 7.44


def test_lowest_first() -> None:
    wers = [row.wer for row in published("phoenix2014", "dev")]
    assert wers == sorted(wers)
    assert wers[0] == 17.0
