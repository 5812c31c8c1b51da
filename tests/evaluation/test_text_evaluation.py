"""Translations from values of Python."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import slaeval
from slaeval.errors import InputError, ScoreWarning, UsageError
from slaeval.loaders.registry import corpus_default
from slaeval.scoring.text.protocols import text_protocol

REFERENCES = {"a": "am tag regen", "b": "nachts wird es kalt", "c": "guten abend"}
SAID = {"a": "am tag regen .", "b": "nachts wird es sehr kalt .", "c": "guten morgen ."}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("c") / "phoenix2014t"
    slaeval.write_sample("phoenix2014t", folder)
    return folder


def test_mapping_frame_list_and_path_give_the_same(tmp_path: Path) -> None:
    path = tmp_path / "hyp.tsv"
    path.write_text("".join(f"{name}\t{text}\n" for name, text in SAID.items()))
    frame = pd.DataFrame({"id": list(SAID), "text": list(SAID.values())})
    found = [
        slaeval.score(REFERENCES, mine, level="text", dataset="phoenix2014t")
        for mine in (SAID, frame, list(SAID.values()), path)
    ]
    assert len({tuple(score.figures.values()) for score in found}) == 1
    assert found[0].protocol == "signjoey"
    assert found[0].bleu(1) == pytest.approx(100 * 11 / 13)


def test_two_lists_stand_side_by_side() -> None:
    score = slaeval.score(["am tag", "nachts"], ["am tag", "morgens"], level="text")
    assert [segment.id for segment in score.segments] == ["1", "2"]
    assert score.warnings == ()


def test_a_corpus_knows_its_sentences(sample: Path) -> None:
    corpus = slaeval.load_corpus("phoenix2014t", sample, "test")
    score = slaeval.score(corpus, sample / "translations.tsv", level="text")
    assert (score.dataset, score.split) == ("phoenix2014t", "test")
    assert "PHOENIX-2014-T.test.corpus.csv" in score.source
    assert [segment.id for segment in score.segments] == [one.id for one in corpus]
    audit = slaeval.audit(corpus, sample / "translations.tsv", level="text")
    assert audit.rows[0].score.bleu() == score.bleu()
    assert {row.protocol.name for row in audit.rows} | set(audit.undefined) == {
        rules.name for rules in slaeval.text_protocols()
    }
    assert len(audit.to_pandas()) == len(audit.rows)


def test_compare_takes_scores_of_translations(sample: Path) -> None:
    corpus = slaeval.load_corpus("phoenix2014t", sample, "test")
    one, other = (
        slaeval.score(corpus, sample / file, level="text")
        for file in ("translations.tsv", "translations_b.tsv")
    )
    comparison = slaeval.compare(one, other, one, names=["A", "B", "C"])
    first, second = comparison.pairs
    assert (first.first, first.second, second.second) == ("A", "B", "C")
    assert first.differences["bleu4"] == pytest.approx(one.bleu() - other.bleu())
    low, high = first.intervals["bleu4"]
    assert low < first.differences["bleu4"] < high
    assert second.differences["bleu4"] == 0
    assert second.tied == len(one.segments)
    assert second.verdict == "A and C have the same BLEU-4"
    assert list(comparison.to_pandas().columns) == ["id", "signer", "reference", "A", "B", "C"]
    assert str(comparison).startswith("A: BLEU")
    with pytest.raises(UsageError, match="not comparable"):
        slaeval.compare(
            one, slaeval.score(corpus, sample / "translations.tsv", "plain", level="text")
        )
    glosses = slaeval.score(corpus, sample / "hyp.ctm")
    with pytest.raises(UsageError, match="not comparable"):
        slaeval.compare(one, glosses)  # type: ignore[call-overload]


def test_p_values_are_sacrebleus(sample: Path) -> None:
    from sacrebleu.metrics import BLEU
    from sacrebleu.significance import PairedTest

    corpus = slaeval.load_corpus("phoenix2014t", sample, "test")
    scores = [
        slaeval.score(corpus, sample / file, "plain", level="text")
        for file in ("translations.tsv", "translations_b.tsv")
    ]
    pair = slaeval.compare(*scores).pairs[0]
    systems = [
        (name, [segment.hypothesis for segment in score.segments])
        for name, score in zip("AB", scores, strict=True)
    ]
    references = [[segment.reference for segment in scores[0].segments]]
    for kind, found in (("bs", pair.bootstrap_p), ("ar", pair.randomisation_p)):
        metric = BLEU(force=True)
        results = PairedTest(systems, {"BLEU": metric}, references, test_type=kind)()[1]
        assert found["bleu4"] == results["BLEU"][1].p_value


def test_what_cannot_be_meant() -> None:
    with pytest.raises(UsageError, match="unknown level 'word'"):
        slaeval.score(REFERENCES, SAID, level="word")  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="has BLEU anyway"):
        slaeval.score(REFERENCES, SAID, level="text", bleu=True)  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="for glosses, not for translations"):
        slaeval.score(REFERENCES, SAID, slaeval.protocols()[0], level="text")  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="for translations, not for glosses"):
        slaeval.score(REFERENCES, SAID, slaeval.text_protocols()[0])  # type: ignore[call-overload]
    with pytest.raises(InputError, match="2 sentences without ids for the 3 segments"):
        slaeval.score(REFERENCES, ["x", "y"], level="text")
    with pytest.raises(InputError, match="no segment has a reference sentence"):
        slaeval.score({"a": ""}, {"a": "x"}, level="text")
    with pytest.raises(InputError, match="none of its 1 segments"):
        slaeval.score(REFERENCES, {"z": "x"}, level="text")


def test_empty_references_and_bootstrap() -> None:
    with pytest.warns(ScoreWarning, match="empty reference"):
        score = slaeval.score({**REFERENCES, "d": ""}, SAID, level="text", bootstrap=50)
    assert "1 segment with an empty reference (d)" in score.warnings
    assert score.bootstrap == 50
    assert score.figures["wer"].interval is not None


@pytest.mark.parametrize(
    ("dataset", "protocol"),
    [
        ("phoenix2014t", "signjoey"),
        ("csl-daily", "twostream"),
        ("isharah500/US", "plain"),
        (None, "plain"),
    ],
)
def test_each_corpus_has_a_default_that_exists_and_a_reason(dataset, protocol) -> None:
    default = corpus_default(dataset)
    assert default.protocol == protocol
    assert default.reason
    assert all(map(text_protocol, (default.protocol, *default.also)))
    assert text_protocol("official", default.protocol).name == protocol
    assert text_protocol("official").name == "plain"
