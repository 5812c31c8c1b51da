"""``slaeval run``: evaluate a checkpoint, or your own model, on a corpus or one video."""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from slaeval.cli.options import (
    chosen_decoding,
    decoding_options,
    frame_cache_option,
    in_groups,
    on_error_option,
    path_option,
    protocol_option,
    refuse_given,
    resumable,
    workers_option,
)
from slaeval.console import isolated, styled, table, warn
from slaeval.errors import ScoreWarning, UsageError
from slaeval.evaluation.export import export_run, parse_kinds
from slaeval.extras import require

if TYPE_CHECKING:
    from slaeval.decoding import Decoding
    from slaeval.recognition import Run
    from slaeval.recognition.model import LoadedModel

__all__ = ["run"]

#: Options that apply to a corpus only, not to a single video.
_OF_A_CORPUS = frozenset(
    "dataset root setup split out restart frame_budget workers frame_cache exact compile_ on_error "
    "protocol no_report write".split()
)


@click.command(
    cls=in_groups(
        {
            "Model": ("ckpt", "model", "backbone_weights"),
            "Input": ("dataset", "root", "setup", "split", "video", "fps", "on_error"),
            "Decoding and scoring": ("decoding", "width", "merge_repeats", "protocol"),
            "Output": ("out", "restart", "write", "no_report", "as_json"),
            "Machine": (
                *("device", "precision", "frame_budget", "workers"),
                *("frame_cache", "exact", "compile_"),
            ),
        },
        renamed={"--frames": "--frame-budget"},
    )
)
@path_option(
    "--ckpt",
    "FILE",
    "The checkpoint: a file, or hf://user/name[@revision][:file] on the Hugging Face Hub.",
)
@click.option(
    "--model",
    metavar="MODULE:NAME",
    help="Instead of a checkpoint: your own model or a function that returns one, or the name "
    "of a model registered by a package.",
)
@click.option(
    "--dataset", metavar="NAME", help="Corpus to evaluate on.  [default: the checkpoint's own]"
)
@path_option(
    "--root",
    "DIR",
    "Folder of the corpus.  [default: the one registered with 'slaeval corpus add', or "
    "below SLAEVAL_DATA]",
)
@click.option("--setup", metavar="NAME", help="Setup.  [default: the checkpoint's own]")
@click.option("--split", metavar="NAME", help="Split to evaluate.  [default: test]")
@path_option("--video", "FILE", "Recognise a single video or folder of frames instead of a corpus.")
@click.option(
    "--fps",
    type=click.FloatRange(1, 1000),
    metavar="N",
    help="Frame rate of a folder of frames.  [default: the checkpoint's own]",
)
@path_option("--out", "DIR", "Run folder.  [default: runs/CKPT-DATASET-SPLIT]")
@click.option("--restart", is_flag=True, help="Start over, overwriting an earlier run.")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="cuda, cuda:N, mps or cpu; auto picks the first available.",
)
@click.option(
    "--precision",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="fp32, bf16 or fp16; auto picks bf16 if the GPU supports it, fp32 on the CPU and for "
    "--model.",
)
@click.option(
    "--frame-budget",
    type=click.IntRange(1),
    metavar="N",
    help="Maximum frames per batch.  [default: 1024; CPU 256]",
)
@workers_option()
@frame_cache_option
@decoding_options("the model's", "the model's", "as the model says")
@click.option(
    "--exact",
    is_flag=True,
    help="One video at a time with deterministic kernels: slower, but bitwise reproducible.",
)
@click.option("--compile", "compile_", is_flag=True, help="Compile with torch.compile.")
@on_error_option(
    "If frames are missing or unreadable: stop, or score the sample as empty and report it."
)
@protocol_option
@path_option("--backbone-weights", "FILE", "Backbone weights, for a slim checkpoint.")
@click.option(
    "--write",
    metavar="KINDS",
    help="Also write glosses with times: any of eaf,srt,tsv; see 'slaeval export'.",
)
@click.option("--no-report", is_flag=True, help="Do not write report.html.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def run(
    ckpt: str | None,
    model: str | None,
    dataset: str | None,
    root: str | None,
    setup: str | None,
    split: str | None,
    video: str | None,
    fps: float | None,
    out: str | None,
    restart: bool,
    device: str,
    precision: str,
    frame_budget: int | None,
    workers: int | None,
    frame_cache: str | None,
    decoding: str | None,
    width: int | None,
    merge_repeats: bool | None,
    exact: bool,
    compile_: bool,
    on_error: str,
    protocol: str,
    backbone_weights: str | None,
    write: str | None,
    no_report: bool,
    as_json: bool,
) -> None:
    """Evaluate a model: video in, hypotheses, their score and a report out.

    Writes hyp.ctm, score.json, segments.csv, alignment.jsonl, run.json and the page of 'slaeval
    report' into a folder and prints what 'slaeval score' prints. An interrupted run resumes when
    it is started again.

    \b
    slaeval run --ckpt sla_lora.pt
    slaeval run --ckpt sla_lora.pt --dataset csl-daily --root ~/data/CSL-Daily
    slaeval run --ckpt sla_lora.pt --video me.mp4
    slaeval run --model my_package.my_module:make --dataset csl-daily
    torchrun --nproc-per-node 4 -m slaeval run --ckpt sla_lora.pt
    """
    if video is not None:
        refuse_given(_OF_A_CORPUS, "--video recognises one video;")
    else:
        refuse_given({"fps"}, "--fps is for a folder of frames given with --video;")
    kinds = parse_kinds(write) if write is not None else ()
    require("run", "slaeval run")
    loaded = _loaded(ckpt, model, device, backbone_weights)
    chosen = chosen_decoding(loaded.decoding, decoding, width, merge_repeats)
    if video is not None:
        _recognise(loaded, video, fps, chosen, precision, as_json)
        return
    from slaeval.recognition.devices import choose_workers
    from slaeval.recognition.distributed import launched
    from slaeval.recognition.run import evaluate

    with resumable(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ScoreWarning)  # printed by _show
        result = evaluate(
            loaded,
            dataset,
            split or "test",
            root=root,
            setup=setup,
            out=out,
            precision=precision,
            frame_budget=frame_budget,
            workers=choose_workers(loaded.device) if workers is None else workers,
            decoding=chosen,
            exact=exact,
            compile=compile_,
            on_error=on_error,
            protocol=protocol,
            frame_cache=frame_cache,
            restart=restart,
        )
    if launched()[0] == 0:  # other ranks have the same result
        _show(result, as_json)
        if result.score is not None and not no_report:
            _report(result)
        for path in export_run(result, kinds) if kinds else ():
            click.echo(f"glosses with times: {path}", err=True)


def _loaded(ckpt: str | None, model: str | None, device: str, backbone: str | None) -> LoadedModel:
    if (ckpt is None) == (model is None):
        raise UsageError("name a model: either --ckpt FILE or --model MODULE:NAME")
    if ckpt is not None:
        from slaeval.recognition.checkpoint_loading import load_checkpoint
        from slaeval.recognition.distributed import launched

        loaded = load_checkpoint(ckpt, device, backbone)
        if loaded.path != ckpt and launched()[0] == 0:
            click.echo(f"checkpoint: {loaded.path}", err=True)
        return loaded
    from slaeval.recognition.model import load_model

    refuse_given({"backbone_weights"}, "your own model comes with its weights:")
    assert model is not None
    return load_model(model, device)


def _show(result: Run, as_json: bool) -> None:
    from slaeval.cli.score import render

    for message in result.warnings:
        warn(message)
    if as_json:
        about = {key: result.settings[key] for key in ("skipped", "notes", "timings")}
        shown: dict[str, Any] = {"folder": result.folder, **about}
        if result.score is not None:
            shown = {**result.score.to_dict(), "run": shown}
        else:
            kept = ("dataset", "setup", "split", "segments")
            shown = {**{key: result.settings[key] for key in kept}, "run": shown}
        click.echo(json.dumps(shown, ensure_ascii=False, indent=2, allow_nan=False))
    elif result.score is not None:
        click.echo(render(result.score, {"signer": result.score.by("signer")}, 10))
    else:
        click.echo(f"{result.settings['segments']} hypotheses in {result.folder}/hyp.ctm")
    timings = result.settings["timings"]
    again = timings["segments_resumed"]
    click.echo(
        f"{timings['segments']} segments, {timings['frames']:,} frames in "
        f"{timings['seconds']:.1f} s: {timings['frames_per_second']:,.0f} frames/s "
        f"({result.settings['device']}, {result.settings['precision']})"
        + (f"; {again} resumed" if again else "")
        + f"; in {result.folder}",
        err=True,
    )


def _report(result: Run) -> None:
    """Write the page of ``slaeval report`` into the folder of a run."""
    from slaeval.cli.report import PICTURES
    from slaeval.evaluation.run_folder import REPORT
    from slaeval.files import write_whole
    from slaeval.report import collect, render

    path = os.path.join(result.folder, REPORT)
    write_whole(path, render(collect(result.evaluation, pictures=PICTURES)))
    click.echo(f"report: {path}", err=True)


def _recognise(
    loaded: LoadedModel,
    video: str,
    fps: float | None,
    decoding: Decoding,
    precision: str,
    as_json: bool,
) -> None:
    from slaeval.loaders.video import frame_times, open_footage
    from slaeval.recognition.model import FrameRateWarning

    footage = open_footage(video, fps=fps)
    if fps is not None and footage.times is not None:
        raise UsageError("--fps is for a folder of frames; a video file has its own frame rate")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FrameRateWarning)  # reported below
        found = loaded.recognise(footage, decoding=decoding, precision=precision)
    for note in found.notes:
        warn(note)
    if footage.fps is None and footage.files:
        footage = replace(footage, fps=loaded.fps)
    rate, times = frame_times(footage) or (None, None)
    seconds = [(times[start], times[end]) for start, end in found.spans] if times else None
    if as_json:
        shown = {
            "video": video,
            "frames": found.frames,
            "fps": rate,
            "glosses": found.glosses,
            "spans": found.spans,
            "seconds": seconds,
            "confidences": found.confidences,
            "notes": found.notes,
        }
        click.echo(json.dumps(shown, ensure_ascii=False, indent=2, allow_nan=False))
        return
    click.echo(styled(isolated(" ".join(found.glosses)) or "(no gloss)", bold=True))
    if not found.spans:
        return  # nothing was recognised, or the model gave the glosses themselves
    rows: list[tuple[object, ...]] = []
    for index, (gloss, span, sure) in enumerate(
        zip(found.glosses, found.spans, found.confidences, strict=True)
    ):
        time = (f"{seconds[index][0]:.2f}–{seconds[index][1]:.2f}",) if seconds else ()
        rows.append((gloss, f"{span[0]}–{span[1]}", *time, f"{sure:.2f}"))
    headers = ("gloss", "frames", *(("seconds",) if seconds else ()), "confidence")
    click.echo("\n" + table(rows, headers))
