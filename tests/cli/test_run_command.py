"""``slaeval run`` as users meet it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from slaeval.loaders import write_sample

Make = Callable[..., Path]


@pytest.fixture
def command(slaeval_here: Callable[..., Any]) -> Callable[..., tuple[int, str, str]]:
    def call(*args: object) -> tuple[int, str, str]:
        done = slaeval_here(*args)
        return done.returncode, done.stdout, done.stderr

    return call


Call = Callable[..., tuple[int, str, str]]


def test_a_process_prints_what_score_prints(
    slaeval: Callable[..., object], rendered: Path, checkpoint: Make, tmp_path: Path
) -> None:
    done = slaeval(
        "run", "--ckpt", checkpoint(), "--root", rendered, "--out", "run", "--device", "cpu"
    )
    assert done.returncode == 0, done.stderr  # type: ignore[attr-defined]
    last, report = done.stderr.splitlines()[-2:]  # type: ignore[attr-defined]
    assert last.startswith("5 segments, ")
    assert report == f"report: {os.path.join('run', 'report.html')}"
    assert "frames/s (cpu, fp32); in run" in done.stderr  # type: ignore[attr-defined]
    hypothesis = tmp_path / "run" / "hyp.ctm"
    score = slaeval("score", "--pred", hypothesis, "--dataset", "phoenix2014t", "--root", rendered)
    assert done.stdout == score.stdout  # type: ignore[attr-defined]


def test_json_holds_the_score_and_the_run(
    command: Call, rendered: Path, checkpoint: Make, tmp_path: Path
) -> None:
    options = (
        "--ckpt",
        checkpoint(),
        "--root",
        rendered,
        "--workers",
        0,
        "--device",
        "cpu",
        "--json",
    )
    code, out, err = command("run", *options)
    assert code == 0
    shown = json.loads(out)
    about = shown.pop("run")
    folder = os.path.join("runs", "sla-lora-0-full-phoenix2014t-test")
    assert about["folder"] == folder
    assert about["skipped"] == {}
    assert about["timings"]["segments"] == 5
    assert shown == json.loads((tmp_path / folder / "score.json").read_text())
    assert "recognising" not in err  # no bar without a terminal
    # Once more: nothing to do, the same answer.
    code, again, _ = command("run", *options)
    assert code == 0
    assert again == out


def test_a_finished_run_has_the_page_of_report(
    command: Call, rendered: Path, checkpoint: Make, tmp_path: Path
) -> None:
    options = ("--ckpt", checkpoint(), "--root", rendered, "--workers", 0, "--device", "cpu")
    page = tmp_path / "o" / "report.html"
    code, printed, err = command("run", *options, "--out", "o", "--no-report")
    assert code == 0
    assert not page.exists()
    assert "report" not in err
    # Once more, now with it: nothing is recognised again, and what is printed is the same.
    code, out, err = command("run", *options, "--out", "o")
    assert (code, out) == (0, printed)
    assert err.splitlines()[-1] == f"report: {os.path.join('o', 'report.html')}"
    text = page.read_text("utf-8")
    assert '"pictures":{"' in text
    assert json.loads((tmp_path / "o" / "score.json").read_text())["signature"] in text
    assert command("report", "o", "--out", "same.html")[0] == 0
    assert (tmp_path / "same.html").read_text("utf-8") == text
    # Another protocol: a score and a page of that one.
    assert command("run", *options, "--out", "o", "--protocol", "none")[0] == 0
    signature = json.loads((tmp_path / "o" / "score.json").read_text())["signature"]
    assert "protocol:none" in signature
    assert signature in page.read_text("utf-8")
    # A run begun again takes away the page of the old one.
    assert command("run", *options, "--out", "o", "--restart", "--no-report")[0] == 0
    assert not page.exists()


def test_a_run_that_was_killed_ends_with_the_same_page(
    command: Call, rendered: Path, checkpoint: Make, tmp_path: Path
) -> None:
    options = ("--ckpt", checkpoint(), "--root", rendered, "--workers", 0, "--device", "cpu")
    options = (*options, "--frame-budget", 1, "--out", "o")
    assert command("run", *options)[0] == 0
    whole = (tmp_path / "o" / "report.html").read_bytes()
    journal = tmp_path / "o" / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:3]) + lines[3][:20])
    for name in ("run.json", "report.html", "hyp.ctm"):
        (tmp_path / "o" / name).unlink()
    code, _, err = command("run", *options)
    assert code == 0
    assert "resumed" in err
    assert (tmp_path / "o" / "report.html").read_bytes() == whole


def test_withheld_references_give_no_page(command: Call, checkpoint: Make, tmp_path: Path) -> None:
    root = tmp_path / "isharah"
    write_sample("isharah500", root, video=True, sizes={"train": 1, "dev": 1, "test": 2})
    table = root / "Annotations" / "SI" / "test.txt"
    ids = [line.split("|")[0] for line in table.read_text("utf-8").splitlines()]
    table.write_text("\n".join(["id", *(name for name in ids if name != "id")]) + "\n", "utf-8")
    code, out, err = command(
        *("run", "--ckpt", checkpoint(), "--dataset", "isharah500", "--setup", "SI"),
        *("--root", root, "--out", "o", "--workers", 0),
    )
    assert code == 0, err
    assert "withheld" in err
    assert out == f"2 hypotheses in {os.path.join('o', 'hyp.ctm')}\n"
    assert "report" not in err
    assert not (tmp_path / "o" / "report.html").exists()


def test_options_reach_the_run(
    command: Call, rendered: Path, checkpoint: Make, tmp_path: Path
) -> None:
    code, _, err = command(
        *("run", "--ckpt", checkpoint("sla-adapter"), "--root", rendered, "--split", "dev"),
        *(
            "--out",
            "o",
            "--decoding",
            "greedy",
            "--no-merge-repeats",
            "--frame-budget",
            70,
            "--exact",
        ),
        *("--precision", "bf16", "--device", "cpu", "--workers", 0, "--on-error", "skip"),
        *("--protocol", "rwth-2014t", "--dataset", "phoenix2014t"),
    )
    assert code == 0, err
    settings = json.loads((tmp_path / "o" / "run.json").read_text())
    assert settings["split"] == "dev"
    assert settings["decoding"] == {
        **settings["decoding"],
        "method": "greedy",
        "merge_repeats": False,
    }
    assert settings["precision"] == "bf16"
    assert settings["protocol"] == "rwth-2014t"
    assert settings["settings"] == {
        "frame_budget": 70,
        "workers": 0,
        "exact": True,
        "compile": False,
        "on_error": "skip",
        "processes": 1,
    }


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A second and a half of noise, 10 frames per second."""
    import av

    path = tmp_path / "me.mp4"
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        for _ in range(15):
            picture = rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_one_video(command: Call, film: Path, checkpoint: Make) -> None:
    code, out, _ = command("run", "--ckpt", checkpoint(), "--video", film, "--json")
    assert code == 0
    shown = json.loads(out)
    assert shown["frames"] == 15
    assert shown["fps"] == 10
    assert len(shown["glosses"]) == len(shown["spans"]) == len(shown["confidences"]) > 0
    assert shown["seconds"] == [[start / 10, end / 10] for start, end in shown["spans"]]
    assert not os.path.exists("runs")
    code, out, _ = command("run", "--ckpt", checkpoint(), "--video", film)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == " ".join(shown["glosses"])
    assert lines[2].split() == ["gloss", "frames", "seconds", "confidence"]
    start, end = shown["spans"][0]
    assert lines[3].split()[:3] == [
        shown["glosses"][0],
        f"{start}–{end}",
        f"{start / 10:.2f}–{end / 10:.2f}",
    ]


def test_a_folder_of_frames_is_a_video(command: Call, rendered: Path, checkpoint: Make) -> None:
    frames = next(path.parent for path in sorted(rendered.rglob("*.png")))
    code, out, _ = command("run", "--ckpt", checkpoint(), "--video", frames, "--json")
    assert code == 0
    shown = json.loads(out)
    assert shown["frames"] == len(list(frames.iterdir()))
    assert shown["fps"] == 25  # as the checkpoint's corpus has
    # A corpus of another package, which is not here, takes nothing away but the times.
    elsewhere = checkpoint(corpus={"name": "elsewhere", "setup": "x", "labels": "raw"})
    code, out, err = command("run", "--ckpt", elsewhere, "--video", frames, "--json")
    assert code == 0, err
    assert shown["notes"] == ["the frame rate is not known: taken to be 25 per second"]
    notes = json.loads(out).pop("notes")
    assert len(notes) == 1
    assert "frames are used as they come" in notes[0]
    assert json.loads(out) == {**shown, "fps": None, "seconds": None, "notes": notes}


def test_video_at_another_rate_is_seen_at_the_checkpoints(
    command: Call, rendered: Path, checkpoint: Make, tmp_path: Path
) -> None:
    """Every picture twice at 50 frames per second is what every picture once at 25 is."""
    files = sorted(next(iter(sorted(rendered.rglob("*.png")))).parent.iterdir())
    pictures = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    for name, rate, times in (("slow.mp4", 25, 1), ("fast.mp4", 50, 2)):
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream("libx264", rate=rate, options={"crf": "0"})
            stream.height, stream.width = pictures[0].shape[:2]
            for picture in pictures:
                for _ in range(times):
                    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                    container.mux(stream.encode(frame))
            container.mux(stream.encode())
    (tmp_path / "frames").mkdir()
    for number, file in enumerate(file for file in files for _ in range(2)):
        shutil.copy(file, tmp_path / "frames" / f"{number}.png")
    told = {}
    for name, args in {"slow.mp4": (), "fast.mp4": (), "frames": ("--fps", "50")}.items():
        call = ("run", "--ckpt", checkpoint(), "--video", tmp_path / name, *args)
        code, out, err = command(*call, "--json")
        assert code == 0, err
        told[name] = json.loads(out)
        said = "the video was filmed at 50 frames per second: frames are taken by time, 25"
        assert (said in err) == (name != "slow.mp4")
    slow, fast = told["slow.mp4"], told["fast.mp4"]
    assert slow["notes"] == []
    assert fast["glosses"] == slow["glosses"] != []
    assert (fast["frames"], fast["fps"]) == (2 * slow["frames"], 50)
    assert fast["spans"] == [[2 * start, 2 * end] for start, end in slow["spans"]]
    assert fast["seconds"] == slow["seconds"]
    assert (told["frames"]["frames"], told["frames"]["fps"]) == (fast["frames"], 50)
    code, _, err = command(
        "run", "--ckpt", checkpoint(), "--video", tmp_path / "fast.mp4", "--fps", 9
    )
    assert (code, "a video file has its own frame rate" in err) == (2, True)
    code, _, err = command("run", "--ckpt", checkpoint(), "--root", rendered, "--fps", 9)
    assert (code, "leave out --fps" in err) == (2, True)


def test_an_older_checkpoint_is_taken_to_have_its_corpuss_rate(
    command: Call, film: Path, checkpoint: Make
) -> None:
    older = {"name": "phoenix2014t", "setup": "multisigner", "labels": "raw"}
    code, out, err = command(
        "run", "--ckpt", checkpoint(seed=4, corpus=older), "--video", film, "--json"
    )
    assert code == 0
    assert "does not say how many frames per second" in err
    assert "taken to be 25, as phoenix2014t has" in err
    assert "the video was filmed at 10 frames per second" in err
    # 15 frames at 10 a second are seen as 37 or 38 at 25.
    assert json.loads(out)["frames"] == 15
    for wrong in (0, -25, "25", 1e9, [25]):
        bad = checkpoint(seed=5, corpus={**older, "fps": wrong})
        code, _, err = command("run", "--ckpt", bad, "--video", film)
        bad.unlink()
        assert (code, "expected 1 to 1000 frames" in err) == (1, True), wrong


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ((), 2, "either --ckpt FILE or --model"),
        (("--ckpt", "no.pt"), 1, "no.pt: no such file; expected a checkpoint"),
        (("--ckpt", "CKPT"), 1, "phoenix2014t"),  # not registered, no --root
        (("--ckpt", "CKPT", "--root", "ROOT", "--dataset", "phoenix15"), 2, "unknown dataset"),
        (("--ckpt", "CKPT", "--root", "ROOT", "--split", "tset"), 2, "did you mean 'test'"),
        (("--ckpt", "CKPT", "--root", "ROOT", "--device", "tpu"), 2, "unknown device"),
        (("--ckpt", "CKPT", "--root", "ROOT", "--precision", "int8"), 2, "unknown precision"),
        (("--ckpt", "CKPT", "--root", "ROOT", "--decoding", "bean"), 2, "did you mean 'beam'"),
        (("--ckpt", "CKPT", "--root", "ROOT", "--frame-budget", "0"), 2, "--frame-budget"),
        (("--ckpt", "CKPT", "--frames=0"), 2, "--frames is now --frame-budget"),
        (("--ckpt", "CKPT", "--video", "no.mp4", "--split", "dev"), 2, "leave out --split"),
        (("--ckpt", "CKPT", "--video", "no.mp4", "--restart"), 2, "leave out --restart"),
        (("--ckpt", "CKPT", "--video", "no.mp4", "--protocol", "x"), 2, "leave out --protocol"),
        (("--ckpt", "CKPT", "--video", "no.mp4", "--compile"), 2, "leave out --compile"),
        (("--ckpt", "CKPT", "--video", "no.mp4"), 1, "no.mp4: no such file"),
        (("--ckpt", "CKPT", "--root", "ROOT", "--protocol", "mine"), 2, "unknown protocol"),
    ],
)
def test_mistakes_have_a_message_and_a_code(
    args: tuple[str, ...], code: int, message: str, command: Call, rendered: Path, checkpoint: Make
) -> None:
    stand = {"CKPT": checkpoint(), "ROOT": rendered}
    found, out, err = command("run", *(stand.get(arg, arg) for arg in args))
    assert found == code, err
    assert message in err
    assert out == ""


def test_a_run_folder_is_not_written_over(command: Call, rendered: Path, checkpoint: Make) -> None:
    options = ("--root", rendered, "--out", "o", "--workers", 0)
    assert command("run", "--ckpt", checkpoint(), *options)[0] == 0
    code, _, err = command("run", "--ckpt", checkpoint(seed=1), *options)
    assert code == 1
    assert "another checkpoint; name another folder with --out" in err
    assert command("run", "--ckpt", checkpoint(seed=1), *options, "--restart")[0] == 0


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Let what is started here be interrupted, even if the tests run in the background.

    A shell starts a job in the background with SIGINT ignored, and its processes inherit that.
    """
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C goes to a group of processes")
@pytest.mark.parametrize("lines", [0, 2], ids=["readers start", "a batch is done"])
@pytest.mark.usefixtures("_interruptible")
def test_ctrl_c_ends_all_processes_quietly(
    lines: int, rendered: Path, checkpoint: Make, tmp_path: Path
) -> None:
    given = ("--ckpt", checkpoint(), "--root", rendered, "--split", "train", "--device", "cpu")
    more = ("--workers", "1", "--out", "o", "--frame-budget", "1")
    process = subprocess.Popen(
        [sys.executable, "-m", "slaeval", "run", *given, *more],
        cwd=tmp_path,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    journal = tmp_path / "o" / "journal.jsonl"
    while process.poll() is None:
        if journal.exists() and journal.read_bytes().count(b"\n") >= lines:
            break
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert err.strip() == "stopped; run the same command to resume"


def test_a_model_of_ones_own(
    command: Call,
    slaeval: Callable[..., subprocess.CompletedProcess[str]],
    rendered: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mine.py").write_text("from published_shape import PublishedShape, Speaking\n")
    options = ("--root", rendered, "--workers", 0, "--device", "cpu")
    code, out, err = command("run", "--model", "mine:PublishedShape", *options)
    assert code == 0, err
    folder = tmp_path / "runs" / "mine-PublishedShape-phoenix2014t-test"
    assert '"pictures":{"' in (folder / "report.html").read_text("utf-8")
    # In a process of its own: score leaves it at once.
    score = slaeval(
        "score", "--pred", folder / "hyp.ctm", "--dataset", "phoenix2014t", *options[:2]
    )
    assert score.stdout == out
    clip = next(path for path in rendered.rglob("test/*") if path.is_dir())
    code, out, _ = command("run", "--model", "mine:Speaking", "--video", clip)
    assert (code, out.split()[0], len(out.splitlines())) == (0, "HEUTE", 1)
    for wrong, message in (
        ((), "either --ckpt FILE or --model"),
        (("--ckpt", "a.pt", "--model", "mine:Speaking"), "either --ckpt FILE or --model"),
        (("--model", "mine:Speaking", "--backbone-weights", "w.pt"), "comes with its weights"),
        (("--model", "mine:Speaking", "--compile", "--root", rendered), "leave out --compile"),
    ):
        code, _, err = command("run", *wrong)
        assert (code, message in err) == (2, True), err
