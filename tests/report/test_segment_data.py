"""The segments as the page's script gets them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from collecting import find

import slaeval
from slaeval.report.filters import columns
from slaeval.report.findings import ReportData
from slaeval.report.segment_data import as_script, places, segment_data
from slaeval.scoring.protocols import protocol
from slaeval.scoring.segments import AlignedSegment


def _read(found: ReportData) -> list[tuple[str, str, list[str], list[str], str]]:
    """Read the flat arrays back, as the script does."""
    data = segment_data(found)
    words, r, h, out = data["words"], 0, 0, []
    for id, signer, ops in zip(data["ids"], data["signer"], data["ops"], strict=True):
        signed, said = len(ops) - ops.count("I"), len(ops) - ops.count("D")
        out.append(
            (
                id,
                data["signers"][signer],
                [words[number] for number in data["ref"][r : r + signed]],
                [words[number] for number in data["hyp"][h : h + said]],
                ops,
            )
        )
        r, h = r + signed, h + said
    assert (r, h) == (len(data["ref"]), len(data["hyp"]))
    return out


@pytest.mark.parametrize("name", ["phoenix2014t", "csl-daily", "isharah500"])
def test_nothing_is_lost(samples: Path, name: str) -> None:
    found = find(samples / name / "hyp.ctm", name, root=samples / name)
    assert _read(found) == [
        (segment.id, segment.signer, segment.reference, segment.hypothesis, segment.ops)
        for segment in found.score.segments
    ]


def test_the_other_system_stands_beside(samples: Path) -> None:
    folder = samples / "phoenix2014t"
    found = find(folder / "hyp.ctm", "phoenix2014t", root=folder, against=folder / "hyp_b.ctm")
    data = segment_data(found)
    theirs = slaeval.score(
        slaeval.load_corpus("phoenix2014t", folder, "test"), folder / "hyp_b.ctm"
    )
    assert data["other"]["ops"] == [segment.ops for segment in theirs.segments]
    assert [data["words"][number] for number in data["other"]["hyp"]] == [
        word for segment in theirs.segments for word in segment.hypothesis
    ]


def test_classes_of_training_frequency(samples: Path) -> None:
    folder = samples / "phoenix2014t"
    data = segment_data(find(folder / "hyp.ctm", "phoenix2014t", root=folder))
    train = slaeval.load_corpus("phoenix2014t", folder, "train")
    counts = Counter(gloss for sample in train for gloss in sample.glosses)
    named = dict(zip(data["words"], data["classes"], strict=True))
    assert data["frequencies"][named["[EMPTY]"]] == "unseen"
    assert 11 <= counts["ALPEN"] <= 50
    assert data["frequencies"][named["ALPEN"]] == "11–50 times"


def test_script_data_cannot_end_its_element() -> None:
    words = ["</script>", "<!--", "]]>", "&amp;", "\u2028", "a\\", '"', "\x1b[0m", "苹果", "لون"]
    text = as_script({"words": words})
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {"words": words}


@pytest.mark.parametrize(
    ("raw", "scored", "expected"),
    [
        ([], ["[EMPTY]"], [None]),
        (["loc-NORD", "REGEN"], ["NORD", "REGEN"], [0, 1]),
        (["__EPENTHESIS__", "REGEN"], ["REGEN"], [1]),
        (["REGEN", "REGEN", "WIND"], ["REGEN", "WIND"], [0, 2]),
        (["WIE", "AUSSEHEN", "WIND"], ["WIE-AUSSEHEN", "WIND"], [None, 2]),
    ],
)
def test_scored_words_find_their_frames(
    raw: list[str], scored: list[str], expected: list[int | None]
) -> None:
    assert places(raw, scored, protocol("official")) == expected


def test_two_alignments_share_the_columns_of_the_reference() -> None:
    one = AlignedSegment("a", "", ["A", "B"], ["X", "A", "Y", "C"], "ICIS")
    other = AlignedSegment("a", "", ["A", "B"], ["B", "Z"], "DCI")
    assert columns([one, other]) == [
        ("", (("X", "I"), ("", ""))),
        ("A", (("A", "C"), ("", "D"))),
        ("", (("Y", "I"), ("", ""))),
        ("B", (("C", "S"), ("B", "C"))),
        ("", (("", ""), ("Z", "I"))),
    ]
