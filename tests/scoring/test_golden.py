"""What sclite and the published scripts answered, on real references: not one difference."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slaeval.formats.hypotheses import Hypotheses, read_hypotheses
from slaeval.formats.stm import read_stm
from slaeval.scoring.protocols import protocol
from slaeval.scoring.scorer import score_segments
from slaeval.scoring.segments import Reference

OFFICIAL_SETS = [
    f"{corpus}-{split}-{kind}"
    for corpus in ("phoenix2014", "phoenix2014t", "csl-daily")
    for split in ("dev", "test")
    for kind in ("plain", "dirty")
]


def references(corpora: Path, corpus: str, split: str) -> tuple[list[Reference], bool]:
    [path] = (corpora / corpus / "stm").glob(f"*-{split}.stm")
    rows = [Reference(row.name, row.signer, row.words) for row in read_stm(str(path))]
    return rows, not path.read_bytes().endswith(b"\n")


@pytest.mark.parametrize("name", OFFICIAL_SETS)
def test_official_path_of_every_segment(name: str, golden: Path, corpora: Path) -> None:
    answer = json.loads((golden / "corpora" / f"{name}.json").read_text())
    rows, _ = references(corpora, answer["corpus"], answer["split"])
    score = score_segments(rows, read_hypotheses(str(golden / "corpora" / f"{name}.ctm")))
    paths = {segment.id: segment.ops for segment in score.segments}
    assert paths == answer["ops"]
    assert {
        "correct": score.correct,
        "substitutions": score.substitutions,
        "deletions": score.deletions,
        "insertions": score.insertions,
        "reference_words": score.reference_words,
        "hypothesis_words": score.hypothesis_words,
        "sentences": len(score.segments),
        "sentence_errors": score.segment_errors,
    } == answer["totals"]


def test_sclite_alone_on_odd_references(golden: Path) -> None:
    rows = [
        Reference(row.name, row.signer, row.words)
        for row in read_stm(str(golden / "edge" / "reference.stm"))
    ]
    hypotheses = read_hypotheses(str(golden / "edge" / "hypothesis.ctm"))
    score = score_segments(rows, hypotheses, "sclite")
    answer = json.loads((golden / "edge" / "ops.json").read_text())
    paths = {segment.id: segment.ops for segment in score.segments}
    assert paths == answer | {"label": "CC"}
    # The official script differs in one segment: it sorts 10.00 before 9.00.
    official = {segment.id: segment.ops for segment in score_segments(rows, hypotheses).segments}
    assert official == paths | {"digits": "CDCI"}


def test_official_of_random_pairs(golden: Path) -> None:
    pairs = [json.loads(line) for line in (golden / "random_pairs.jsonl").read_text().splitlines()]
    rows = [Reference(str(n), "", pair["ref"].split()) for n, pair in enumerate(pairs)]
    hypotheses = {str(n): pair["hyp"].split() for n, pair in enumerate(pairs)}
    # sclite alone: the script would write [EMPTY] for an empty hypothesis
    score = score_segments(rows, Hypotheses(hypotheses), "sclite")
    assert [segment.ops for segment in score.segments] == [pair["ops"] for pair in pairs]
    spoken = [n for n, pair in enumerate(pairs) if pair["hyp"]]
    official = score_segments(rows, Hypotheses(hypotheses)).segments
    assert [official[n].ops for n in spoken] == [pairs[n]["ops"] for n in spoken]


def _totals() -> list[tuple[str, str]]:
    sets = [
        f"{corpus}/{split}/{kind}"
        for corpus in ("phoenix2014", "phoenix2014t", "csl-daily")
        for split in ("dev", "test")
        for kind in ("perfect", "stress", "perfect-variants")
        if corpus != "csl-daily" or kind != "perfect-variants"
    ]
    names = ("rwth-2014", "rwth-2014t", "vac-python", "slt-2014", "slt-2014t", "none", "sclite")
    return [(name, rules) for name in sets for rules in names]


@pytest.mark.parametrize(("name", "rules"), _totals())
def test_totals_of_every_protocol(name: str, rules: str, golden: Path, corpora: Path) -> None:
    answers = json.loads((golden / "protocols" / "totals.json").read_text())[name]
    answer = answers.get("sclite-raw" if rules == "sclite" else rules)
    if answer is None:
        pytest.skip("no answer on record")
    corpus, split, kind = name.split("/")
    rows, clipped = references(corpora, corpus, split)
    if kind == "perfect":
        hypotheses = Hypotheses({row.id: row.words for row in rows})
    else:
        path = golden / "protocols" / f"{corpus}-{split}-{kind}.ctm"
        hypotheses = read_hypotheses(str(path))
    if "assert_dropped" in answer:
        # The published code stops at this token; its authors' answer leaves those segments out.
        kept = [
            row
            for row in rows
            if "__EPENTHESIS__" not in " ".join(hypotheses.words.get(row.id, []))
        ]
        assert len(rows) - len(kept) == answer["assert_dropped"]
        rows = kept
    score = score_segments(rows, hypotheses, rules, clipped=clipped)
    if "err" in answer:
        assert (score.errors, score.reference_words) == (answer["err"], answer["N"])
        return
    found = (score.correct, score.substitutions, score.deletions, score.insertions)
    assert found == tuple(answer[key] for key in "CSDI")
    assert score.reference_words == answer["N"]
    assert score.segment_errors == answer.get("sent_err", score.segment_errors)
    assert score.wer == pytest.approx(answer["wer"], abs=5e-5)


def test_cleaned_words_and_paths_of_both_scripts(golden: Path) -> None:
    rows = json.loads((golden / "protocols" / "segments.json").read_text())
    assert len(rows) == 480
    for row in rows:
        reference = [Reference(row["id"], "", row["ref"])]
        hypotheses = Hypotheses({row["id"]: row["hyp_raw"]})
        [official] = score_segments(reference, hypotheses).segments
        assert official.hypothesis == row["hyp_after_rwth2014"]
        assert official.ops == row["path"]
        [release] = score_segments(reference, hypotheses, "rwth-2014t").segments
        assert release.ops == row["path_T"]


@pytest.mark.parametrize("setup", ["SI", "US"])
def test_isharah_references_under_the_challenge(setup: str, golden: Path, corpora: Path) -> None:
    answer = json.loads((golden / "protocols" / "isharah_audit.json").read_text())
    answer = answer[f"{setup}/dev"]
    path = corpora / "isharah" / "isharah2000" / setup / "dev.csv"
    rows = [line.split("|") for line in path.read_text("utf-8").splitlines()[1:]]
    sentences = [words.split() for _, words in rows]
    assert sum(map(len, sentences)) == answer["words"]
    cleaned = protocol("mslr").reference.references(sentences)
    assert sum(map(len, cleaned)) == answer["norm_words"]
    assert sum(map(list.__ne__, sentences, cleaned)) == answer["norm_changed"]
    perfect = Hypotheses({name: words for (name, _), words in zip(rows, sentences, strict=True)})
    references = [
        Reference(name, "", words) for (name, _), words in zip(rows, sentences, strict=True)
    ]
    swapped = score_segments(references, perfect, "mslr-swapped")
    assert swapped.wer == pytest.approx(answer["perfect_swapped_norm"], abs=5e-5)
