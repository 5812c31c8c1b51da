"""The WER of a training loop: in batches, over ranks, with torchmetrics and without."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import slaeval
from slaeval.errors import InputError, UsageError
from slaeval.loaders import write_sample
from slaeval.metrics import WordErrorRate

REFERENCES = {
    "a": "HEUTE NORD REGEN",
    "b": "MORGEN SONNE",
    "c": "WIND STARK KOMMEN",
    "d": "ABEND",
}
HYPOTHESES = {"a": ["HEUTE", "REGEN"], "b": ["MORGEN", "WOLKE", "IX"], "c": [], "d": ["ABEND"]}

# The same loop whatever is installed, as a script: WITHOUT hides torchmetrics.
LOOP = f"""
import sys
if "WITHOUT" in sys.argv: sys.modules["torchmetrics"] = None
from slaeval.metrics import WordErrorRate
references, hypotheses = {REFERENCES!r}, {HYPOTHESES!r}
metric = WordErrorRate(references=references)
for batch in (["a", "b"], ["c"], ["d"]):
    metric.update(batch, [hypotheses[name] for name in batch])
print(round(float(metric.compute()), 6), metric.score().signature.split("|")[2])
print(round(float(metric(["b"], ["MORGEN SONNE"])), 6), round(float(metric.compute()), 6))
metric.reset()
try:
    metric.score()
except Exception as error:
    print(error)
"""


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *arguments], capture_output=True, text=True
    )


@pytest.mark.parametrize("arguments", [(), ("WITHOUT",)])
def test_a_loop(arguments: tuple[str, ...]) -> None:
    expected = slaeval.score(REFERENCES, HYPOTHESES).wer
    done = run(LOOP, *arguments)
    assert done.stdout.splitlines() == [
        f"{expected:.6f}".rstrip("0") + " protocol:rwth-2014.v1",
        f"0.0 {expected:.6f}".rstrip("0"),
        "no hypothesis was given",
    ], done.stderr


def test_no_torch_without_torchmetrics() -> None:
    code = "import sys; sys.modules['torchmetrics'] = None; import slaeval.metrics as m; "
    done = run(code + "m.WordErrorRate(references={'a': 'A'}); print('torch' in sys.modules)")
    assert done.stdout == "False\n", done.stderr
    done = run(code + "m.WordErrorRate(references={'a': 'A'}, dist_sync_on_step=True)")
    assert "dist_sync_on_step needs torchmetrics" in done.stderr


# Both ranks hold what they were given; the first segment of rank 0 fills up the batch of rank 1.
RANKS = f"""
import sys, warnings
if sys.argv[3] == "WITHOUT": sys.modules["torchmetrics"] = None
import torch
from slaeval.metrics import WordErrorRate
references, hypotheses = {REFERENCES!r}, {HYPOTHESES!r}
rank = int(sys.argv[1])
torch.distributed.init_process_group("gloo", init_method=sys.argv[2], rank=rank, world_size=2)
metric = WordErrorRate(references=references)
mine = [["a", "c"], ["b", "d", "a"]][rank]
metric.update(mine, [hypotheses[name] for name in mine])
print(round(float(metric.compute()), 6), metric.score().total.segments)
torch.distributed.destroy_process_group()
"""


# Two more processes that import torchmetrics compute for ten seconds.
@pytest.mark.parametrize("how", [pytest.param("WITH", marks=pytest.mark.slow), "WITHOUT"])
def test_every_rank_computes_over_all(how: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    expected = slaeval.score(REFERENCES, HYPOTHESES).wer
    command = [sys.executable, "-W", "ignore", "-c", RANKS]
    ranks = [
        subprocess.Popen(
            [*command, str(rank), f"file://{tmp_path}/meeting", how],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    answers = [rank.communicate(timeout=120) for rank in ranks]
    for out, errors in answers:
        assert out == f"{expected:.6f}".rstrip("0") + " 4\n", errors


def test_a_registered_corpus(tmp_path: Path) -> None:
    write_sample("phoenix2014t", tmp_path)
    corpus = slaeval.load_corpus("phoenix2014t", tmp_path, split="dev")
    metric = WordErrorRate("phoenix2014t", "dev", root=tmp_path, protocol="rwth-2014t")
    samples = list(corpus)
    metric.update([one.id for one in samples], [list(one.glosses) for one in samples])
    score = metric.score()
    assert (score.dataset, score.split, score.protocol) == ("phoenix2014t", "dev", "rwth-2014t")
    assert float(metric.compute()) == pytest.approx(score.wer)
    assert score.wer == slaeval.score(corpus, corpus.references(), "rwth-2014t").wer


def test_segments_that_were_not_given() -> None:
    metric = WordErrorRate(references=REFERENCES)
    metric.update(["a"], ["HEUTE NORD REGEN"])
    with pytest.warns(UserWarning, match="3 of 4 segments of the references given have no hyp"):
        assert float(metric.compute()) == 0
    assert metric.score(missing_as_empty=True).total.reference_words == 9
    assert metric.score(missing_as_empty=True).deletions == 3


def test_integers_are_ids_as_in_tables() -> None:
    metric = WordErrorRate(references={1: "A B", 2: "C"})
    metric.update([1, 2], ["A B", "X"])
    assert float(metric.compute()) == pytest.approx(100 / 3)


def test_an_epoch_without_reset_is_told() -> None:
    metric = WordErrorRate(references={"a": "A B"})
    metric.update(["a"], ["X Y"])
    metric.update(["a"], ["X Y"])  # a sampler that fills up
    assert float(metric.compute()) == 100
    metric.update(["a"], ["A B"])
    with pytest.warns(UserWarning, match=r"1 segment was given again.*reset\(\)"):
        assert float(metric.compute()) == 100


def test_merging_and_copying() -> None:
    one, other = WordErrorRate(references=REFERENCES), WordErrorRate(references=REFERENCES)
    one.update(["a", "b"], [HYPOTHESES["a"], HYPOTHESES["b"]])
    other.update(["c", "d"], [HYPOTHESES["c"], HYPOTHESES["d"]])
    one.merge(pickle.loads(pickle.dumps(other)))
    assert float(one.compute()) == pytest.approx(slaeval.score(REFERENCES, HYPOTHESES).wer)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda metric: metric.update(["x"], ["A"]), "segment 'x' is not in the references"),
        (lambda metric: metric.update(["a"], [["A B"]]), "'A B'; a word is a string"),
        (lambda metric: metric.update(["a"], [[("A", 0)]]), "a word is a string"),
        (lambda metric: metric.update(["a"], [None]), "segment 'a' contains None"),
        (lambda metric: metric.update([1.5], ["A"]), "a text or an integer, found 1.5"),
        (lambda metric: metric.update(["a", "b"], ["A"]), "2 and 1"),
        (lambda metric: metric.update("a", "A"), "takes a list of ids"),
        (lambda metric: metric.score(), "no hypothesis was given"),
    ],
)
def test_what_cannot_be_meant(call: Callable[[Any], object], message: str) -> None:
    with pytest.raises((InputError, UsageError), match=message):
        call(WordErrorRate(references=REFERENCES))


def test_neither_corpus_nor_references() -> None:
    with pytest.raises(UsageError, match="needs a dataset or references"):
        WordErrorRate()


def test_as_a_metric_of_torchmetrics() -> None:
    torchmetrics = pytest.importorskip("torchmetrics")
    collection = torchmetrics.MetricCollection({"wer": WordErrorRate(references=REFERENCES)})
    for name in REFERENCES:
        collection.update([name], [HYPOTHESES[name]])
    collection = collection.to("cpu")
    value = collection.compute()["wer"]
    assert value.shape == ()
    assert float(value) == pytest.approx(slaeval.score(REFERENCES, HYPOTHESES).wer)
    copy = collection.clone()
    collection.reset()
    assert float(copy.compute()["wer"]) == float(value)
    assert not collection["wer"].records
