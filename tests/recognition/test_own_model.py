"""Any model through the runner: the protocol, what is refused, and what the runner adds."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from killed_run import lay_out_killed_run
from published_shape import VOCABULARY, PublishedShape, Speaking
from torch import Tensor

from slaeval.decoding import Decoding
from slaeval.errors import InputError, SlaevalError, UsageError
from slaeval.evaluation.request import Request
from slaeval.evaluation.score import score_file
from slaeval.loaders.records import Corpus
from slaeval.loaders.video import find_video_clips, read_frames
from slaeval.recognition import Run, evaluate
from slaeval.recognition.batches import Preprocessing
from slaeval.recognition.checkpoint_loading import load_checkpoint
from slaeval.recognition.model import CSLRModel, LoadedModel, load_model, pad_clips

RESULTS = ("hyp.ctm", "score.json", "segments.csv", "alignment.jsonl")


def results(run: Run) -> list[bytes]:
    return [Path(run.folder, name).read_bytes() for name in RESULTS]


@pytest.fixture(scope="module")
def plain(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("own") / "run"
    return evaluate(PublishedShape(), corpus, out=folder, frame_budget=60)


def test_hypotheses_are_those_of_a_plain_reading(plain: Run, corpus: Corpus) -> None:
    """Against one video after the other through the network alone, greedy in plain Python."""
    model = PublishedShape().eval()
    wanted = {}
    for clip in find_video_clips(corpus)[0]:
        frames = read_frames(clip, (36, 36))[:, 2:34, 2:34].astype(np.float32) / 127.5 - 1
        with torch.no_grad():
            out, steps = model(
                torch.from_numpy(frames.transpose(0, 3, 1, 2).copy()), torch.tensor([len(frames)])
            )
        assert steps.tolist() == [out.shape[1]]
        best = [key for key, _ in groupby(out[0].argmax(-1).tolist()) if key]
        wanted[clip.id] = [VOCABULARY[key - 1] for key in best]
    greedy = Decoding("greedy", merge_repeats=False)
    found = evaluate(PublishedShape(), corpus, decoding=greedy, out="greedy")
    assert found.hypotheses == wanted
    assert any(wanted.values())
    assert plain.score is not None


def test_the_folder_is_that_of_any_run(plain: Run, corpus: Corpus) -> None:
    folder = Path(plain.folder)
    again = Run.open(folder)
    assert again.hypotheses == plain.hypotheses
    score = score_file(folder / "hyp.ctm", Request("phoenix2014t", "test", corpus.root))
    assert json.loads((folder / "score.json").read_text())["wer"] == score.wer
    assert any(mine.spans for mine in again.alignments.values())
    assert all(len(mine.spans) == len(mine.glosses) for mine in again.alignments.values())
    assert again.settings["checkpoint"]["path"] == "PublishedShape"


def test_batches_do_not_matter(plain: Run, corpus: Corpus) -> None:
    for name, options in {"alone": {"exact": True}, "together": {"frame_budget": 10_000}}.items():
        other = evaluate(PublishedShape(), corpus, out=name, **options)  # type: ignore[arg-type]
        assert other.hypotheses == plain.hypotheses


def test_a_run_that_was_killed_goes_on(plain: Run, corpus: Corpus) -> None:
    lay_out_killed_run(plain.folder, 3, "out")  # the header and two batches
    with pytest.raises(InputError, match="another checkpoint"):
        evaluate(PublishedShape(seed=1), corpus, out="out", frame_budget=60)
    again = evaluate(PublishedShape(), corpus, out="out", frame_budget=60)
    assert again.settings["timings"]["segments_resumed"] > 0
    assert results(again) == results(plain)


def test_a_model_that_is_too_much_for_the_memory_gets_less(
    plain: Run, corpus: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    class Hungry(PublishedShape):
        def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
            if len(lengths) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().forward(frames, lengths)

    other = evaluate(Hungry(), corpus, out="out", frame_budget=10_000)
    assert other.hypotheses == plain.hypotheses
    assert "out of memory" in capsys.readouterr().err


def test_a_model_may_give_glosses(corpus: Corpus, root: Path) -> None:
    run = evaluate(Speaking(), corpus, out="out")
    assert all(words[0] == "HEUTE" for words in run.hypotheses.values())
    assert all(not mine.spans for mine in run.alignments.values())
    assert Run.open("out").hypotheses == run.hypotheses
    from slaeval.report import collect, render

    page = render(collect(run.evaluation, pictures=2))
    assert "HEUTE" in page


def test_a_checkpoint_goes_the_same_way(checkpoint: Any) -> None:
    loaded = load_checkpoint(checkpoint())
    assert isinstance(loaded, LoadedModel)
    assert isinstance(PublishedShape(), CSLRModel)


def test_padding(plain: Run) -> None:
    frames = torch.arange(5.0)[:, None] + 1
    padded = pad_clips(frames, torch.tensor([2, 3]))
    assert padded[..., 0].tolist() == [[1, 2, 0], [3, 4, 5]]


class _Giving(PublishedShape):
    """Gives what it is told to give, for two clips of 9 classes."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output

    def forward(self, frames: Tensor, lengths: Tensor) -> Any:
        if isinstance(self.output, Exception):
            raise self.output
        return self.output


_FAIR = torch.zeros(2, 3, 9).log_softmax(-1)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ((_FAIR[..., :8], torch.tensor([3, 3])), "a blank and 8 glosses"),
        ((_FAIR[:1], torch.tensor([3])), "for 2 clips"),
        ((_FAIR, torch.tensor([3, 4])), "whole number of 0 to 3"),
        ((_FAIR, torch.tensor([3, 2.5])), "whole number of 0 to 3"),
        ((_FAIR, torch.tensor([3])), "one whole number"),
        ((torch.zeros(2, 3, 9), torch.tensor([3, 3])), r"log_softmax\(-1\) of its logits"),
        ((_FAIR - 1, torch.tensor([3, 3])), r"log_softmax\(-1\) of its logits"),
        ([["A"]], "for 2 clips"),
        ([["A B"], []], "a list of glosses a clip"),
        ([[1], [2]], "a list of glosses a clip"),
        (_FAIR, "gave Tensor for 2 clips"),
    ],
)
def test_what_a_model_gives_is_looked_at(output: Any, message: str) -> None:
    loaded = load_model(_Giving(output))
    with pytest.raises(InputError, match=message):
        loaded.forward(torch.zeros(4, 3, 32, 32), torch.tensor([2, 2]))


def test_what_is_behind_the_end_of_a_clip_means_nothing() -> None:
    output = _FAIR.clone()
    output[0, 2:] = 7
    loaded = load_model(_Giving((output, torch.tensor([2.0, 3.0]))))
    _, steps = loaded.forward(torch.zeros(4, 3, 32, 32), torch.tensor([2, 2]))
    assert isinstance(steps, Tensor)
    assert steps.tolist() == [2, 3]


def test_a_defect_of_the_model_is_placed() -> None:
    loaded = load_model(_Giving(KeyError("weights")))
    with pytest.raises(SlaevalError, match=r"test_own_model\.py:\d+: KeyError: 'weights'"):
        loaded.forward(torch.zeros(4, 3, 32, 32), torch.tensor([2, 2]))


MODULE = """\
from published_shape import PublishedShape, Speaking, VOCABULARY

class Whole(PublishedShape): pass
def make(): return PublishedShape()
def fails(): raise ValueError("no weights here")
def nothing(): return object()
number = 7
speaking = Speaking()
class Nested:
    model = Speaking()
class Doubled(PublishedShape):
    vocabulary = (*VOCABULARY[:-1], "ABEND")
class Strange(PublishedShape):
    preprocessing = {"resize": 8}
class Untold:
    vocabulary, preprocessing = VOCABULARY, PublishedShape.preprocessing
    def __call__(self, frames, lengths): return []
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the current folder, which is on no path."""
    name = "a_labs_model"
    Path(tmp_path, f"{name}.py").write_text(MODULE)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


@pytest.mark.parametrize("what", ["make", "Whole", "speaking", "Nested.model"])
def test_a_model_is_found_by_name(module: str, what: str) -> None:
    loaded = load_model(f"{module}:{what}")
    assert loaded.vocabulary == VOCABULARY
    assert loaded.name == f"{module}-{what}"


@pytest.mark.parametrize(
    ("what", "error", "message"),
    [
        (":mike", UsageError, "did you mean 'make'"),
        (":number", UsageError, "neither a model nor a factory"),
        (":nothing", UsageError, "no vocabulary, no preprocessing"),
        (":fails", SlaevalError, r"a_labs_model\.py:5: ValueError: no weights here"),
        (":Doubled", InputError, "'ABEND' twice"),
        (":Strange", InputError, "preprocessing needs the fields"),
        (":Untold", UsageError, "fingerprint"),
        ("s:make", UsageError, "no module 'a_labs_models'"),
        ("", UsageError, "name one as package.module:factory"),
    ],
)
def test_what_is_no_model_is_refused(
    module: str, what: str, error: type[SlaevalError], message: str
) -> None:
    with pytest.raises(error, match=message):
        load_model(module + what)


def test_a_factory_that_cannot_be_called_is_not_blamed_on_slaeval() -> None:
    with pytest.raises(SlaevalError, match=r"the factory json:dumps failed: TypeError") as caught:
        load_model("json:dumps")
    assert "recognition" not in str(caught.value)


def test_a_module_that_lacks_a_package_says_which(module: str, tmp_path: Path) -> None:
    Path(tmp_path, f"{module}.py").write_text("import ctcdecode_that_is_not_here\n")
    with pytest.raises(SlaevalError, match="No module named 'ctcdecode_that_is_not_here'"):
        load_model(f"{module}:make")


def test_a_package_offers_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        name = "shape"

        def load(self) -> type:
            return PublishedShape

    def points(group: str) -> list[Point]:
        return [Point()] if group == "slaeval.models" else []

    monkeypatch.setattr(importlib.metadata, "entry_points", points)
    assert load_model("shape").vocabulary == VOCABULARY
    with pytest.raises(UsageError, match="known: shape"):
        load_model("shap")


def test_normalisations() -> None:
    from slaeval.recognition.batches import prepare

    frames = torch.full((1, 3, 4, 4), 255, dtype=torch.uint8)
    said = {kind: prepare(frames, Preprocessing(4, 2, kind)) for kind in ("imagenet", "bytes")}
    assert said["bytes"].dtype == torch.uint8
    assert said["bytes"].shape == (1, 3, 2, 2)
    assert said["imagenet"][0, :, 0, 0].tolist() == pytest.approx(
        [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    )
