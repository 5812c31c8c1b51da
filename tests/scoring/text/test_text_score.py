"""Figures, intervals and segments against sacrebleu's own public answers."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest
from sacrebleu.metrics import BLEU, CHRF

from slaeval.scoring.text.protocols import text_protocols
from slaeval.scoring.text.score import TextScore
from slaeval.scoring.text.scorer import TextReference, score_texts

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text("utf-8"))["sentences"]


def scored(language: str = "german", protocol: str = "plain", bootstrap: int = 1000) -> TextScore:
    references = [TextReference(str(n), "", text) for n, (text, _) in enumerate(GOLDEN[language])]
    said = {str(n): text for n, (_, text) in enumerate(GOLDEN[language])}
    return score_texts(references, said, protocol, dataset="own", bootstrap=bootstrap)


@pytest.mark.parametrize(("language", "tokenizer"), [("german", "13a"), ("chinese", "zh")])
def test_plain_is_what_sacrebleu_says(language: str, tokenizer: str) -> None:
    score = scored(language)
    said = [text for _, text in GOLDEN[language]]
    references = [[text for text, _ in GOLDEN[language]]]
    for order in (1, 2, 3, 4):
        expected = BLEU(tokenize=tokenizer, max_ngram_order=order).corpus_score(said, references)
        assert score.bleu(order) == pytest.approx(expected.score, abs=1e-12)
    assert score.chrf == pytest.approx(CHRF().corpus_score(said, references).score, abs=1e-12)
    assert f"tok:{tokenizer}" in score.figures["bleu4"].signature


def test_intervals_are_sacrebleus() -> None:
    score = scored()
    said = [text for _, text in GOLDEN["german"]]
    references = [[text for text, _ in GOLDEN["german"]]]
    for key, metric in (("bleu4", BLEU()), ("chrf", CHRF())):
        value = metric.corpus_score(said, references, n_bootstrap=1000)
        low, high = score.figures[key].interval or (math.nan, math.nan)
        # sacrebleu prints half the width of its interval behind the mean of the resamples.
        printed = value.format(width=4).split("(")[1].split("±")[1].split(")")[0]
        assert (high - low) / 2 == pytest.approx(float(printed), abs=1e-3)


def test_sentences_are_those_of_sacrebleu_and_add_up() -> None:
    score = scored()
    rows = score.rows()
    sentence = BLEU(effective_order=True)
    for row in rows:
        expected = sentence.sentence_score(row["hypothesis"], [row["reference"]]).score
        assert row["bleu"] == pytest.approx(expected)
    assert sum(row["rouge"] for row in rows) / len(rows) == pytest.approx(score.rouge)
    units = sum(row["reference_units"] for row in rows)
    assert 100 * sum(row["errors"] for row in rows) / units == pytest.approx(score.wer)


@pytest.mark.parametrize("language", ["german", "chinese"])
def test_order_and_missing_segments(language: str) -> None:
    references = [TextReference(str(n), "", text) for n, (text, _) in enumerate(GOLDEN[language])]
    said = {str(n): text for n, (_, text) in enumerate(GOLDEN[language])}
    shuffled = random.Random(0).sample(references, len(references))
    del said["7"]
    without = dict(said)
    said["7"] = ""
    said["unknown"] = "left out"
    for mine in text_protocols():
        if mine.has("words" if language == "german" else "chinese"):
            one = score_texts(references, said, mine, bootstrap=0)
            other = score_texts(shuffled, without, mine, bootstrap=0)
            for key, figure in one.figures.items():
                assert figure.value == pytest.approx(other.figures[key].value), (mine.name, key)
            assert one.signature == other.signature


def test_a_perfect_transcript_and_an_empty_one() -> None:
    references = [TextReference(str(n), "", text) for n, (text, _) in enumerate(GOLDEN["german"])]
    perfect = score_texts(references, {one.id: one.text for one in references}, "unpunctuated")
    assert [round(perfect.figures[key].value, 6) for key in ("bleu4", "chrf", "rouge", "wer")] == [
        *(100, 100, 100, 0)
    ]
    nothing = score_texts(references, {}, "signjoey", bootstrap=100)
    assert [nothing.figures[key].value for key in ("bleu1", "chrf", "rouge", "wer")] == [
        *(0, 0, 0, 100)
    ]
    alone = score_texts(references[:1], {}, "signjoey")
    assert all(figure.interval is None for figure in alone.figures.values())


def test_json_and_table() -> None:
    score = scored()
    out = json.loads(json.dumps(score.to_dict(), allow_nan=False))
    assert out["bleu4"] == score.bleu(4)
    assert out["figures"]["rouge"]["signature"].endswith("rouge[L|beta:1.2|words]")
    assert out["rouge_beta"] == "1.2"
    assert list(score.to_pandas()["id"]) == [segment.id for segment in score.segments]
    assert "BLEU-1…4" in str(score)
    assert "ROUGE-L" in score._repr_html_()
