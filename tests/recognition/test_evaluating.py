"""Runs: what they write, that they can be killed, and that batches do not matter."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from killed_run import lay_out_killed_run
from PIL import Image

import slaeval.evaluation.run_folder as run_folder
from slaeval.checkpoints import read_checkpoint
from slaeval.decoding import Decoding
from slaeval.errors import InputError, ScoreWarning, SlaevalError, UsageError
from slaeval.evaluation.request import Request
from slaeval.evaluation.score import score_file
from slaeval.evaluation.tables import (
    as_csv,
)
from slaeval.loaders.records import Corpus
from slaeval.loaders.video import find_video_clips, read_frames
from slaeval.models.config import ModelConfig
from slaeval.models.recogniser import Recogniser, build_recogniser
from slaeval.models.tower import open_tower
from slaeval.recognition import Run, evaluate, recognise_corpus
from slaeval.recognition.batches import Preprocessing
from slaeval.recognition.checkpoint_loading import LoadedCheckpoint, load_checkpoint
from slaeval.recognition.model import FrameRateWarning

VARIANTS = ["sla-lora", "sla-adapter"]
RESULTS = ("hyp.ctm", "score.json", "segments.csv", "alignment.jsonl")

Make = Callable[..., Path]


def results(folder: str | Path) -> dict[str, bytes]:
    return {name: Path(folder, name).read_bytes() for name in RESULTS}


@pytest.fixture(scope="module")
def loaded(checkpoint: Make) -> dict[str, LoadedCheckpoint]:
    return {variant: load_checkpoint(checkpoint(variant)) for variant in VARIANTS}


@pytest.fixture(scope="module")
def plain(
    loaded: dict[str, LoadedCheckpoint], root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """An ordinary run of the SLA-LoRA checkpoint, in batches of one clip and two."""
    out = tmp_path_factory.mktemp("plain") / "run"
    return evaluate(loaded["sla-lora"], root=root, out=out, frame_budget=60)


@pytest.fixture
def damaged(root: Path, tmp_path: Path) -> Path:
    """A copy of the corpus that a test may harm."""
    return shutil.copytree(root, tmp_path / "corpus")


def frames_of(root: Path, id: str) -> Path:
    return next(path for path in root.rglob(id) if path.is_dir())


def test_the_folder_holds_what_it_says(plain: Run, corpus: Corpus) -> None:
    folder = Path(plain.folder)
    score = score_file(folder / "hyp.ctm", Request("phoenix2014t", "test", corpus.root))
    assert json.loads((folder / "score.json").read_text()) == json.loads(
        json.dumps(score.to_dict())
    )
    assert (folder / "segments.csv").read_text() == as_csv(score.rows())
    assert plain.score is not None
    assert plain.score.other_readings
    assert list(plain.hypotheses) == [sample.id for sample in corpus]
    assert any(plain.hypotheses.values())
    # hyp.ctm is in the order of the corpus
    order = [line.split()[0] for line in (folder / "hyp.ctm").read_text().splitlines()]
    assert [name for name, _ in groupby(order)] == [
        name for name, words in plain.hypotheses.items() if words
    ]
    lines = [json.loads(line) for line in (folder / "alignment.jsonl").read_text().splitlines()]
    footage, _ = find_video_clips(corpus)
    for line, sample, clip in zip(lines, corpus, footage, strict=True):
        assert line["id"] == sample.id
        assert line["reference"] == list(sample.glosses)
        assert line["frames"] == clip.num_frames
        assert len(line["glosses"]) == len(line["spans"]) == len(line["confidences"])
        assert all(0 < value <= 1 for value in line["confidences"])
        ends = 0
        for start, end in line["spans"]:
            assert ends <= start < end <= clip.num_frames
            ends = end
    settings = json.loads((folder / "run.json").read_text())
    assert settings["format"] == "slaeval-run"
    assert settings["signature"] == score.signature
    assert settings["checkpoint"]["hash"] == read_checkpoint(settings["checkpoint"]["path"]).hash
    assert settings["timings"]["frames"] == sum(clip.num_frames for clip in footage)
    assert settings["skipped"] == {}


@pytest.mark.parametrize("variant", VARIANTS)
def test_hypotheses_are_those_of_a_plain_reading(
    variant: str,
    loaded: dict[str, LoadedCheckpoint],
    checkpoint: Make,
    corpus: Corpus,
    root: Path,
) -> None:
    """Against one video after the other, LoRA not merged, greedy in plain Python."""
    file = read_checkpoint(checkpoint(variant))
    config = ModelConfig.from_dict(file.model)
    tower = open_tower(config.backbone, state=file.part("tower"))
    model = build_recogniser(config, tower).eval()
    model.load_states(file.part("adapter"), file.part("head"))
    wanted = {}
    for clip in find_video_clips(corpus)[0]:
        frames = read_frames(clip, (36, 36))[:, 2:34, 2:34].astype(np.float32) / 127.5 - 1
        with torch.no_grad():
            out = model(
                torch.from_numpy(frames.transpose(0, 3, 1, 2).copy()), torch.tensor([len(frames)])
            )
        best = [key for key, _ in groupby(out.sequence[0].argmax(-1).tolist()) if key]
        wanted[clip.id] = [file.vocabulary[key - 1] for key in best]
    greedy = Decoding("greedy", merge_repeats=False)
    found = evaluate(loaded[variant], root=root, decoding=greedy, out="out")
    assert found.hypotheses == wanted
    assert any(wanted.values())


@pytest.mark.parametrize("variant", VARIANTS)
def test_batches_do_not_matter(
    variant: str, loaded: dict[str, LoadedCheckpoint], root: Path
) -> None:
    runs = {
        name: evaluate(loaded[variant], root=root, out=name, **options)  # type: ignore[arg-type]
        for name, options in {
            "one": {"frame_budget": 1},
            "some": {"frame_budget": 100},
            "all": {"frame_budget": 10_000, "workers": 1},
            "exact": {"exact": True},
        }.items()
    }
    first = results("one")
    for name in runs:
        mine = results(name)
        for file in ("hyp.ctm", "score.json", "segments.csv"):
            assert mine[file] == first[file], (name, file)
        for a, b in zip(
            runs[name].alignments.values(), runs["one"].alignments.values(), strict=True
        ):
            assert a.spans == b.spans
            assert a.confidences == pytest.approx(b.confidences, abs=2e-4)


class Stop(Exception):  # noqa: N818
    """A kill, as far as a test can throw one."""


@pytest.mark.parametrize("lines", range(4))
def test_killed_after_any_line_it_ends_with_the_same_bytes(
    lines: int, plain: Run, loaded: dict[str, LoadedCheckpoint], root: Path
) -> None:
    lay_out_killed_run(plain.folder, lines, "out")
    if lines:
        with pytest.raises(InputError, match="not finished"):
            Run.open("out")
    again = evaluate(loaded["sla-lora"], root=root, out="out", frame_budget=60)
    assert results("out") == results(plain.folder)
    assert (
        again.settings["timings"]["segments_resumed"]
        == len(again.alignments) - (again.settings["timings"]["segments"])
    )
    assert (again.settings["timings"]["segments_resumed"] > 0) == (lines > 1)


@pytest.mark.parametrize("after", range(5))
def test_stopped_while_writing_it_ends_with_the_same_bytes(
    after: int,
    plain: Run,
    loaded: dict[str, LoadedCheckpoint],
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write = run_folder.write_whole
    left = [after]

    def stopping(path: str, content: str) -> None:
        if not left[0]:
            raise Stop
        left[0] -= 1
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "write_whole", stopping)
        with pytest.raises(Stop):
            evaluate(loaded["sla-lora"], root=root, out="out", frame_budget=60)
    again = evaluate(loaded["sla-lora"], root=root, out="out", frame_budget=60)
    assert again.settings["timings"]["segments"] == 0
    assert results("out") == results(plain.folder)


KILL = """
import multiprocessing, os, signal, sys, threading, time
from slaeval.recognition import evaluate

def kill():
    while True:
        time.sleep(0.001)
        if os.path.exists("out/journal.jsonl"):
            with open("out/journal.jsonl", "rb") as journal:
                if journal.read().count(b"\\n") > 1:
                    break
    print(*(reader.pid for reader in multiprocessing.active_children()), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    threading.Thread(target=kill, daemon=True).start()
    evaluate(sys.argv[1], root=sys.argv[2], out="out", frame_budget=1, workers=1, device="cpu")
"""


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_for_good(
    plain: Run, checkpoint: Make, loaded: dict[str, LoadedCheckpoint], root: Path
) -> None:
    Path("kill.py").write_text(KILL)
    done = subprocess.run(
        [sys.executable, "kill.py", checkpoint("sla-lora"), root],
        stdout=subprocess.PIPE,
        timeout=120,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    readers = [int(pid) for pid in done.stdout.split()]
    assert len(readers) == 1
    deadline = time.monotonic() + 30
    while _runs(readers[0]):  # it must not outlive who wanted its frames
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert Path("out/journal.jsonl").read_bytes().count(b"\n") > 1
    assert not Path("out/run.json").exists()
    again = evaluate(loaded["sla-lora"], root=root, out="out", frame_budget=60)
    assert again.settings["timings"]["segments_resumed"] > 0
    assert results("out") == results(plain.folder)


def test_done_already_it_only_scores(
    loaded: dict[str, LoadedCheckpoint], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = evaluate(loaded["sla-lora"], root=root, out="out")
    before = results("out")
    monkeypatch.setattr(Recogniser, "forward", None)
    again = evaluate(loaded["sla-lora"], root=root, out="out")
    assert again.settings["timings"] == first.settings["timings"]
    assert results("out") == before
    other = evaluate(loaded["sla-lora"], root=root, out="out", protocol="rwth-2014t")
    assert other.settings["protocol"] == "rwth-2014t"
    for damage in ("[]", "{", '{"timings": 0}'):
        Path("out/run.json").write_text(damage)
        mended = evaluate(loaded["sla-lora"], root=root, out="out")
        assert mended.settings["timings"]["segments"] == 0
        assert results("out") == before


def test_another_run_is_refused_until_told_to_restart(
    loaded: dict[str, LoadedCheckpoint], checkpoint: Make, root: Path
) -> None:
    evaluate(loaded["sla-lora"], root=root, out="out")
    other = load_checkpoint(checkpoint("sla-lora", seed=1))
    with pytest.raises(InputError, match=r"another checkpoint; .*--out.*--restart"):
        evaluate(other, root=root, out="out")
    with pytest.raises(InputError, match="another decoding"):
        evaluate(loaded["sla-lora"], root=root, out="out", decoding=Decoding("greedy"))
    with pytest.raises(InputError, match="another corpus and another footage"):
        evaluate(loaded["sla-lora"], split="dev", root=root, out="out")
    again = evaluate(other, root=root, out="out", restart=True)
    assert again.settings["checkpoint"]["hash"] == other.hash
    assert again.settings["timings"]["segments"] == 5


def test_changed_footage_is_another_run(
    loaded: dict[str, LoadedCheckpoint], damaged: Path, corpus: Corpus
) -> None:
    evaluate(loaded["sla-lora"], root=damaged, out="out")
    picture = min(frames_of(damaged, corpus[0].id).iterdir())
    Image.open(picture).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(picture)
    with pytest.raises(InputError, match="another footage"):
        evaluate(loaded["sla-lora"], root=damaged, out="out")


def test_a_folder_with_other_things_is_left_alone(
    loaded: dict[str, LoadedCheckpoint], root: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "thesis" / "hyp.ctm"
    mine.parent.mkdir()
    mine.write_text("precious")
    for restart in (False, True):
        with pytest.raises(UsageError, match="not empty and is not a run folder"):
            evaluate(loaded["sla-lora"], root=root, out=mine.parent, restart=restart)
    assert mine.read_text() == "precious"


@pytest.mark.parametrize("name", ["run.json", "journal.jsonl", "journal-of-mine.jsonl"])
def test_files_of_other_programs_make_no_run(
    name: str, loaded: dict[str, LoadedCheckpoint], root: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "thesis"
    mine.mkdir()
    for each in (name, "hyp.ctm"):
        (mine / each).write_text('{"mood": "precious"}\n')
    for restart in (False, True):
        with pytest.raises(UsageError, match="not empty and is not a run folder"):
            evaluate(loaded["sla-lora"], root=root, out=mine, restart=restart)
    assert {path.name for path in mine.iterdir()} == {name, "hyp.ctm"}
    assert {path.read_text() for path in mine.iterdir()} == {'{"mood": "precious"}\n'}


@pytest.mark.parametrize("restart", [False, True])
def test_two_runs_do_not_write_into_one_folder(
    restart: bool, loaded: dict[str, LoadedCheckpoint], root: Path
) -> None:
    evaluate(loaded["sla-lora"], root=root, out="out")
    before = {path: path.read_bytes() for path in Path("out").iterdir() if path.suffix}
    with run_folder.lock("out"), pytest.raises(SlaevalError, match="another run is writing"):
        evaluate(loaded["sla-lora"], root=root, out="out", restart=restart)
    # Nothing was taken away from under the one that is at work.
    assert {path: path.read_bytes() for path in Path("out").iterdir() if path.suffix} == before
    assert evaluate(loaded["sla-lora"], root=root, out="out", restart=restart).score is not None


def _limited(monkeypatch: pytest.MonkeyPatch, most: int, error: Exception) -> list[int]:
    """Let the model take so many frames at most; return what it was asked for."""
    asked: list[int] = []
    forward = Recogniser.forward

    def limited(self: Recogniser, frames: torch.Tensor, lengths: torch.Tensor) -> Any:
        asked.append(len(frames))
        if len(frames) > most:
            raise error
        return forward(self, frames, lengths)

    monkeypatch.setattr(Recogniser, "forward", limited)
    return asked


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9.00 GB)"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate "
            "memory: you tried to allocate 9 bytes. Error code 12"
        ),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"),
        MemoryError(),
    ],
)
def test_out_of_memory_halves_the_batches(
    error: Exception,
    plain: Run,
    loaded: dict[str, LoadedCheckpoint],
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lengths = sorted(mine.frames for mine in plain.alignments.values())
    asked = _limited(monkeypatch, lengths[-1], error)
    run = evaluate(loaded["sla-lora"], root=root, out="out", frame_budget=sum(lengths))
    assert max(asked) == sum(lengths)
    assert run.settings["settings"]["frame_budget"] < sum(lengths)
    assert run.hypotheses == plain.hypotheses
    assert "out of memory; continuing with at most" in capsys.readouterr().err


def test_a_killed_run_remembers_what_memory_allows(
    plain: Run, loaded: dict[str, LoadedCheckpoint], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = sorted(mine.frames for mine in plain.alignments.values())
    budget = sum(lengths[-2:])  # the first batch holds the two longest

    def run() -> Run:
        return evaluate(loaded["sla-lora"], root=root, out="out", frame_budget=budget)

    error = torch.OutOfMemoryError("out of memory")
    asked = _limited(monkeypatch, lengths[-1], error)
    whole = run()
    wanted = results("out")
    smaller = whole.settings["settings"]["frame_budget"]
    os.rename("out", "whole")
    lay_out_killed_run("whole", 2, "out")  # the header and one batch
    asked.clear()
    again = run()
    assert max(asked) <= max(smaller, lengths[-1])
    assert again.settings["settings"]["frame_budget"] == smaller
    assert results("out") == wanted


def test_a_video_too_long_for_the_memory_is_named(
    plain: Run, loaded: dict[str, LoadedCheckpoint], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = max(plain.alignments.values(), key=lambda mine: mine.frames)
    _limited(monkeypatch, longest.frames - 1, torch.OutOfMemoryError("out of memory"))
    with pytest.raises(
        SlaevalError, match=f"'{longest.id}': its {longest.frames} frames alone do not fit"
    ):
        evaluate(loaded["sla-lora"], root=root, out="out")


def test_other_failures_of_the_model_are_not_taken_for_memory(
    loaded: dict[str, LoadedCheckpoint], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _limited(monkeypatch, 0, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        evaluate(loaded["sla-lora"], root=root, out="out")


def test_nan_is_an_error_that_names_the_sample(
    loaded: dict[str, LoadedCheckpoint], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = Recogniser.forward

    def broken(self: Recogniser, frames: torch.Tensor, lengths: torch.Tensor) -> Any:
        out = forward(self, frames, lengths)
        return out._replace(sequence=out.sequence * float("nan"))

    monkeypatch.setattr(Recogniser, "forward", broken)
    with pytest.raises(InputError, match=r"cannot be decoded \(fp32\): sequence '.*nan"):
        evaluate(loaded["sla-lora"], root=root, out="out")


def _break(root: Path, corpus: Corpus) -> tuple[str, str, Path]:
    """Take the frames of one sample away and damage one of another."""
    missing, broken = corpus[0].id, corpus[1].id
    shutil.rmtree(frames_of(root, missing))
    picture = sorted(frames_of(root, broken).iterdir())[3]
    picture.write_bytes(picture.read_bytes()[:40])
    return missing, broken, picture


def test_missing_frames_stop_the_run(
    loaded: dict[str, LoadedCheckpoint], damaged: Path, corpus: Corpus
) -> None:
    missing = corpus[0].id
    shutil.rmtree(frames_of(damaged, missing))
    with pytest.raises(InputError, match=missing):
        evaluate(loaded["sla-lora"], root=damaged, out="out")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_frame_stops_the_run(
    workers: int, loaded: dict[str, LoadedCheckpoint], damaged: Path, corpus: Corpus
) -> None:
    picture = sorted(frames_of(damaged, corpus[1].id).iterdir())[3]
    picture.write_bytes(picture.read_bytes()[:40])
    with pytest.raises(InputError, match=corpus[1].id) as caught:
        evaluate(loaded["sla-lora"], root=damaged, out="out", workers=workers)
    assert picture.name in str(caught.value)


def test_skipped_samples_are_scored_as_empty_and_named(
    plain: Run,
    loaded: dict[str, LoadedCheckpoint],
    damaged: Path,
    corpus: Corpus,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    missing, broken, picture = _break(damaged, corpus)

    def run() -> Run:
        return evaluate(
            loaded["sla-lora"], root=damaged, out="out", on_error="skip", frame_budget=90
        )

    first = run()
    assert set(first.skipped) == {missing, broken}
    assert picture.name in first.skipped[broken]
    assert first.score is not None
    for segment in first.score.segments:
        # Under the official protocol an empty hypothesis is the word [EMPTY].
        assert (segment.hypothesis == ["[EMPTY]"]) == (not first.hypotheses[segment.id])
    assert first.hypotheses[missing] == first.hypotheses[broken] == []
    for id in (sample.id for sample in corpus[2:]):
        assert first.hypotheses[id] == plain.hypotheses[id]
    assert first.score.reference_words == plain.score.reference_words  # type: ignore[union-attr]
    assert any(
        "2 segments were skipped" in warning and missing in warning and broken in warning
        for warning in first.score.warnings
    )
    whole = results("out")
    reopened = Run.open("out")
    assert reopened.skipped == first.skipped
    # Killed after any line and resumed, it names the same.
    os.rename("out", "whole")
    for lines in range(1, 4):
        lay_out_killed_run("whole", lines, "out")
        assert run().skipped == first.skipped
        assert results("out") == whole
        shutil.rmtree("out")


def test_stopped_by_a_broken_frame_it_goes_on_when_told_to_skip(
    loaded: dict[str, LoadedCheckpoint], damaged: Path, corpus: Corpus
) -> None:
    lengths = {clip.id: clip.num_frames for clip in find_video_clips(corpus)[0]}
    shortest = min(lengths, key=lambda name: lengths[name])  # read last
    picture = min(frames_of(damaged, shortest).iterdir())
    whole = picture.read_bytes()
    picture.write_bytes(bytes(len(whole)))

    def run(on_error: str) -> Run:
        return evaluate(
            loaded["sla-lora"], root=damaged, out="out", on_error=on_error, frame_budget=1
        )

    with pytest.raises(InputError, match=picture.name):
        run("stop")
    skipping = run("skip")
    assert skipping.settings["timings"]["segments_resumed"] == 4
    assert list(skipping.skipped) == [shortest]
    with pytest.raises(InputError, match=picture.name):
        run("stop")
    # The disk gives its bytes again: read, and no longer among the skipped.
    picture.write_bytes(whole)
    mended = run("stop")
    assert mended.settings["timings"]["segments_resumed"] == 4
    assert mended.skipped == {}
    assert mended.alignments[shortest].frames == lengths[shortest]
    assert run("skip").skipped == {}


def test_nothing_readable_is_a_run_of_empty_hypotheses(
    loaded: dict[str, LoadedCheckpoint], damaged: Path, corpus: Corpus
) -> None:
    for sample in corpus:
        shutil.rmtree(frames_of(damaged, sample.id))
    run = evaluate(loaded["sla-lora"], root=damaged, out="out", on_error="skip")
    assert Path("out/hyp.ctm").read_text() == ""
    assert run.wer == 100
    assert Run.open("out").wer == 100


def test_withheld_references_leave_hypotheses(
    plain: Run, loaded: dict[str, LoadedCheckpoint], corpus: Corpus
) -> None:
    hidden = dataclasses.replace(
        corpus,
        samples=tuple(
            dataclasses.replace(sample, glosses_raw=None, glosses=()) for sample in corpus
        ),
    )
    run = evaluate(loaded["sla-lora"], hidden, out="out")
    assert run.score is None
    assert run.wer != run.wer
    assert "withheld" in run.settings["notes"][0]
    assert run.hypotheses == plain.hypotheses
    assert sorted(os.listdir("out")) == [
        ".lock",
        *sorted(["alignment.jsonl", "hyp.ctm", "journal.jsonl", "run.json"]),
    ]
    again = Run.open("out")
    assert again.score is None
    assert again.hypotheses == run.hypotheses


def test_words_outside_the_vocabulary_are_noted(
    loaded: dict[str, LoadedCheckpoint], corpus: Corpus
) -> None:
    foreign = dataclasses.replace(
        corpus,
        samples=(
            dataclasses.replace(corpus[0], glosses_raw="NIE-GESEHEN", glosses=("NIE-GESEHEN",)),
            *corpus[1:],
        ),
    )
    with pytest.warns(ScoreWarning, match=r"1 of the .* .NIE-GESEHEN"):
        run = evaluate(loaded["sla-lora"], foreign, out="out")
    assert "1 of the" in run.settings["notes"][0]
    assert "NIE-GESEHEN" in run.settings["notes"][0]
    assert run.score is not None
    assert run.warnings == (*run.settings["notes"], *run.score.warnings)
    for shown in (repr(run), repr(Run.open("out")), run._repr_html_()):
        assert "NIE-GESEHEN" in shown


def test_a_corpus_of_another_rate_is_seen_at_the_checkpoints(
    checkpoint: Make, corpus: Corpus, root: Path
) -> None:
    at_half = {"name": "phoenix2014t", "setup": "multisigner", "labels": "raw", "fps": 12.5}
    loaded = load_checkpoint(checkpoint(seed=6, corpus=at_half))
    run = evaluate(loaded, root=root, out="out")
    assert run.settings["notes"] == [
        "5 of 5 videos were filmed at 25 frames per second: frames are taken by time, "
        "12.5 per second"
    ]
    for clip in find_video_clips(corpus)[0]:
        mine = run.alignments[clip.id]
        every_other = read_frames(clip)[::2]
        found = loaded.recognise(every_other)
        assert tuple(mine.glosses) == found.glosses
        assert mine.frames == clip.num_frames
        last = clip.num_frames
        assert [tuple(span) for span in mine.spans] == [
            (2 * start, min(2 * end, last)) for start, end in found.spans
        ]
        with pytest.warns(FrameRateWarning, match="filmed at 25 frames per second"):
            once = loaded.recognise(clip)
        assert (once.glosses, once.frames) == (found.glosses, clip.num_frames)
        with pytest.warns(FrameRateWarning, match="filmed at 25 frames per second"):
            assert loaded.recognise(read_frames(clip), fps=25).spans == once.spans


def test_frames_other_than_annotated_are_noted(
    loaded: dict[str, LoadedCheckpoint], corpus: Corpus
) -> None:
    lengths = {clip.id: clip.num_frames for clip in find_video_clips(corpus)[0]}
    said = dataclasses.replace(
        corpus,
        samples=tuple(
            dataclasses.replace(sample, num_frames=lengths[sample.id] + (number == 2))
            for number, sample in enumerate(corpus)
        ),
    )
    run = evaluate(loaded["sla-lora"], said, out="out")
    name = corpus[2].id
    assert run.settings["notes"] == [
        "1 of 5 samples have a different number of frames from the annotation "
        f"({name}: {lengths[name]} for {lengths[name] + 1})"
    ]


def test_a_run_is_read_back_as_it_was(plain: Run) -> None:
    again = Run.open(plain.folder)
    assert again.settings == json.loads(json.dumps(plain.settings))
    assert again.alignments == plain.alignments
    assert again.score is not None
    assert plain.score is not None
    assert again.score.to_dict() == plain.score.to_dict()
    assert again.score.rows() == plain.score.rows()
    assert "WER" in repr(again)
    assert again.score.signature in again._repr_html_()


def test_reading_a_run_needs_no_torch(plain: Run) -> None:
    code = (
        "import sys; from slaeval.recognition import Run; print(Run.open(sys.argv[1]).wer); "
        "print(sorted({'torch', 'open_clip', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, plain.folder], capture_output=True, text=True, check=False
    )
    assert done.stdout == f"{plain.wer}\n[]\n", done.stderr


@pytest.fixture
def copied(plain: Run, tmp_path: Path) -> Iterator[Path]:
    return shutil.copytree(plain.folder, tmp_path / "copied")


def test_what_is_no_run_is_refused(copied: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        Run.open(tmp_path / "nowhere")
    with pytest.raises(InputError, match="this is a file"):
        Run.open(copied / "run.json")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no run here"):
        Run.open(tmp_path / "empty")
    settings = (copied / "run.json").read_text()
    for change, message in (
        ({"format": "wandb"}, "not the run.json of a slaeval run"),
        ({"version": 2}, "newer slaeval"),
        ({"segments": 4}, "4 segments were recognised, but 5 are in this file"),
        ({"label": None, "split": None, "signature": 1, "skipped": 7}, "damaged"),
    ):
        (copied / "run.json").write_text(json.dumps({**json.loads(settings), **change}))
        with pytest.raises(InputError, match=message):
            Run.open(copied)
    for text, message in (("{", "not JSON"), ("[]", "JSON object"), ("{}", "not the run.json")):
        (copied / "run.json").write_text(text)
        with pytest.raises(InputError, match=message):
            Run.open(copied)
    (copied / "run.json").write_text(settings)
    (copied / "alignment.jsonl").write_text('{"id": "a"}\n')
    with pytest.raises(InputError, match="damaged"):
        Run.open(copied)
    (copied / "alignment.jsonl").unlink()
    with pytest.raises(InputError, match="no such file"):
        Run.open(copied)
    (copied / "run.json").unlink()
    with pytest.raises(InputError, match="not finished"):
        Run.open(copied)


def test_the_folder_has_a_name_by_default(loaded: dict[str, LoadedCheckpoint], root: Path) -> None:
    run = evaluate(loaded["sla-lora"], split="dev", root=root)
    assert run.folder == os.path.join("runs", "sla-lora-0-full-phoenix2014t-dev")
    assert len(run.alignments) == 3


def test_precision_is_chosen_and_written_down(
    loaded: dict[str, LoadedCheckpoint], root: Path
) -> None:
    run = evaluate(loaded["sla-lora"], root=root, out="out", precision="bf16")
    assert run.settings["precision"] == "bf16"
    with pytest.raises(UsageError, match="needs a GPU"):
        evaluate(loaded["sla-lora"], root=root, out="out2", precision="fp16")
    with pytest.raises(UsageError, match="unknown precision"):
        evaluate(loaded["sla-lora"], root=root, out="out2", precision="fp8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_error": "ignore"}, "'stop' or 'skip'"),
        ({"workers": -1}, "workers"),
        ({"frame_budget": 0}, "frame budget"),
        ({"split": "validation2"}, "no split"),
        ({"corpus": "phoenix2015"}, "unknown dataset"),
        ({"protocol": "strict"}, "unknown protocol"),
    ],
)
def test_requests_that_cannot_be_meant(
    options: dict[str, Any], message: str, loaded: dict[str, LoadedCheckpoint], root: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        evaluate(loaded["sla-lora"], root=root, out="out", **options)
    assert not os.path.exists("out")


def test_a_trainer_evaluates_without_a_folder(
    plain: Run, checkpoint: Make, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = read_checkpoint(checkpoint("sla-lora"))
    config = ModelConfig.from_dict(file.model)
    model = build_recogniser(config, open_tower(config.backbone, state=file.part("tower")))
    model.load_states(file.part("adapter"), file.part("head"))
    model.train()
    footage, _ = find_video_clips(corpus)
    rules = Preprocessing.from_dict(file.preprocessing)
    found = recognise_corpus(model, footage, rules, Decoding(), file.vocabulary)
    assert model.training
    assert list(found) == [clip.id for clip in footage]
    assert {name: list(mine.glosses) for name, mine in found.items()} == plain.hypotheses
    for name, mine in found.items():
        assert list(mine.spans) == plain.alignments[name].spans
        assert mine.log_probs.shape == (-(-mine.frames // 4), len(file.vocabulary) + 1)
        np.testing.assert_allclose(np.exp(mine.log_probs).sum(1), 1, atol=1e-5)
    # What is decoded already is not read again.
    cache = {clip.id: read_frames(clip, (36, 36)) for clip in footage}
    monkeypatch.setattr("slaeval.loaders.video.read_frames", None)
    again = recognise_corpus(
        model, footage, rules, Decoding(), file.vocabulary, frame_budget=50, cache=cache
    )
    assert {name: mine.glosses for name, mine in again.items()} == {
        name: mine.glosses for name, mine in found.items()
    }


@pytest.mark.skipif(not torch.distributed.is_available(), reason="no torch.distributed")
def test_two_processes_divide_the_corpus(
    loaded: dict[str, LoadedCheckpoint], checkpoint: Make, root: Path
) -> None:
    alone = evaluate(loaded["sla-adapter"], root=root, out="alone", frame_budget=60)
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
        *("-m", "slaeval", "run", "--ckpt", checkpoint("sla-adapter"), "--root", root),
        *("--out", "out", "--frame-budget", "90", "--device", "cpu", "--workers", "0", "--json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["wer"] == alone.wer  # printed once
    mine, wanted = results("out"), results(alone.folder)
    for name in ("hyp.ctm", "score.json", "segments.csv"):
        assert mine[name] == wanted[name]
    run = Run.open("out")
    assert run.settings["settings"]["processes"] == 2
    for id, alignment in run.alignments.items():
        assert alignment.spans == alone.alignments[id].spans
    journalled = []
    for name in ("journal.jsonl", "journal-1.jsonl"):
        records = [json.loads(line) for line in Path("out", name).read_text().splitlines()[1:]]
        ids = [segment["id"] for record in records for segment in record["segments"]]
        assert ids
        journalled += ids
    assert sorted(journalled) == sorted(alone.alignments)
