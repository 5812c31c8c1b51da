"""The page of a checkpoint on the Hub: what it is, its figures and where they come from.

Its front matter follows the Hub's model cards (https://huggingface.co/docs/hub/model-cards):
licence, library, tags, and ``model-index`` for figures that the Hub shows beside the text. Every
figure has its protocol and signature; everything comes from the checkpoint and the runs.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slaeval.checkpoints import describe
from slaeval.checkpoints.hub import CARD_MARK
from slaeval.errors import InputError, UsageError
from slaeval.evaluation.run_folder import Run
from slaeval.loaders.registry import labelled
from slaeval.scoring.protocols import protocol

__all__ = ["model_card"]

_COUNTS = ("substitutions", "deletions", "insertions", "reference_words")

#: Characters with a meaning in Markdown and HTML.
_MARKS = "\\`*_|<>[]&"


@dataclass(frozen=True)
class _Figure:
    """A WER and everything that belongs to it."""

    corpus: str
    split: str
    protocol: str
    wer: float
    counts: Mapping[str, Any]
    signature: str
    note: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is a figure of."""
        return self.corpus, self.split, self.protocol


def model_card(
    file: str | os.PathLike[str], repo: str, runs: Sequence[Run] = (), licence: str | None = None
) -> str:
    """Return the text of a ``README.md``.

    Parameters
    ----------
    file : path-like
        The checkpoint.
    repo : str
        ``user/name`` of its repository.
    runs : sequence of Run
        Runs of this checkpoint, for figures.
    licence : str, optional
        As the Hub names it: ``mit``, ``cc-by-nc-sa-4.0``.

    Raises
    ------
    UsageError
        A run is of another checkpoint, or two are of the same split.
    InputError
        The references of a run are withheld, or the checkpoint has only a head.
    """
    described = describe(file)
    if described["kind"] == "head":
        raise InputError("a head alone, without a model to run: train one from it first", file)
    figures = {figure.key: figure for figure in _dev(described)}
    of_runs: dict[tuple[str, str, str], _Figure] = {}
    for figure in (_of_run(run, described) for run in runs):
        first = of_runs.setdefault(figure.key, figure)
        if first.counts != figure.counts:
            raise UsageError(
                f"two figures of {figure.corpus} {figure.split} under {figure.protocol}: "
                f"{first.wer:.2f} and {figure.wer:.2f} %; give one run per split"
            )
    shown = list((figures | of_runs).values())  # a run says more than training did
    return "\n".join(
        [
            *_head(described, repo, shown, licence),
            "",
            CARD_MARK,
            f"# {_plain(repo.partition('/')[2])}",
            "",
            *_introduction(described),
            *_table(shown),
            *_use(file, repo, described),
            *_details(described, licence),
            "",
        ]
    )


def _dev(described: Mapping[str, Any]) -> list[_Figure]:
    """Return the figure of the split that chose the epoch, as stored by training."""
    metrics = described["metrics"]
    counts, signature = metrics.get("dev"), metrics.get("signature")
    wer = metrics.get("dev_wer")
    if (
        not isinstance(counts, dict)
        or not all(isinstance(counts.get(name), int) for name in _COUNTS)
        or not isinstance(signature, str)
        or not isinstance(wer, (int, float))
        or not described["protocol"]
    ):
        return []
    facts = dict(part.split(":", 1) for part in signature.split("|") if ":" in part)
    split = facts.get("split", "dev")
    name = protocol(described["protocol"]).name
    return [_Figure(facts.get("dataset", "?"), split, name, wer, counts, signature)]


def _of_run(run: Run, described: Mapping[str, Any]) -> _Figure:
    settings = run.settings
    if settings["checkpoint"]["hash"] != described["hash"]:
        raise UsageError(
            f"{run.folder}: a run of another checkpoint, {settings['checkpoint']['path']}"
        )
    score = run.score
    if score is None:
        raise InputError("its references are withheld, so it has no figure", run.folder)
    corpus, split = settings["label"] or settings["dataset"], settings["split"]
    cached = (settings.get("frame_cache") or {}).get(split)
    note = f"{split} was run on frames from a cache ({cached['coding']})." if cached else ""
    counts = score.total.to_dict()
    return _Figure(corpus, split, score.protocol, score.wer, counts, score.signature, note)


def _head(
    described: Mapping[str, Any], repo: str, figures: Sequence[_Figure], licence: str | None
) -> list[str]:
    """Return the front matter; JSON strings are YAML strings."""
    lines = ["---", *([f"license: {json.dumps(licence)}"] if licence else [])]
    lines += ["library_name: slaeval", "pipeline_tag: video-classification", "tags:"]
    variant = described["model"].get("variant")
    tags = ["sign-language", "continuous-sign-language-recognition", variant]
    lines += [f"- {json.dumps(tag)}" for tag in tags if tag]
    if figures:
        lines += ["model-index:", f"- name: {json.dumps(repo.partition('/')[2])}", "  results:"]
    for figure in figures:
        lines += [
            "  - task:",
            "      type: video-classification",
            "      name: Continuous sign language recognition",
            "    dataset:",
            f"      name: {json.dumps(figure.corpus)}",
            f"      type: {json.dumps(figure.corpus)}",
            f"      split: {json.dumps(figure.split)}",
            "    metrics:",
            "    - type: wer",
            f"      name: {json.dumps(f'WER ({figure.protocol})')}",
            f"      value: {figure.wer:.2f}",
        ]
    return [*lines, "---"]


def _introduction(described: Mapping[str, Any]) -> list[str]:
    corpus = described["corpus"]
    layout = labelled(corpus.get("name"))
    title = layout.title if layout else _plain(corpus.get("name") or "a corpus it does not name")
    setup = f", setup {_plain(corpus['setup'])}" if corpus.get("setup") else ""
    backbone = described["backbone"]
    weights = backbone.get("pretrained") or "random weights"
    inside = "which is not inside" if described["slim"] else "which is inside"
    frames = corpus.get("frames")
    return [
        "A recogniser for continuous sign language: a video of signing in, a sequence of glosses "
        "out.",
        "",
        f"- **Corpus:** {title}{setup}; {len(described['vocabulary'])} glosses",
        f"- **Model:** {_plain(described['model'].get('variant', '?'))} (CLIP-SLA) on the backbone "
        f"{_plain(backbone.get('name', '?'))} ({_plain(weights)}), {inside}",
        *([f"- **Trained on frames from a cache:** {_plain(frames)}"] if frames else []),
        f"- **Hash of the checkpoint:** `{described['hash']}`",
        "",
    ]


def _table(figures: Sequence[_Figure]) -> list[str]:
    if not figures:
        return ["No figures are known.", ""]
    lines = [
        "## Word error rate",
        "",
        "| corpus | split | protocol | WER % | S | D | I | words |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in figures:
        counts = [str(one.counts[name]) for name in _COUNTS]
        cells = [one.corpus, one.split, one.protocol, f"{one.wer:.2f}", *counts]
        lines.append(f"| {' | '.join(map(_plain, cells))} |")
    notes = [_plain(one.note) for one in figures if one.note]
    lines += ["", " ".join(["The epoch was chosen on dev.", *notes]), "", "```"]
    return [*lines, *(_code(one.signature) for one in figures), "```", ""]


def _use(file: str | os.PathLike[str], repo: str, described: Mapping[str, Any]) -> list[str]:
    address = _code(f"hf://{repo}:{os.path.basename(file)}")
    weights = " --backbone-weights FILE" if described["slim"] else ""
    return [
        "## Use",
        "",
        "```console",
        f"$ slaeval run --ckpt {shlex.quote(address)} --video me.mp4{weights}",
        f"$ slaeval run --ckpt {shlex.quote(address)} --root CORPUS{weights}",
        "```",
        "",
        "```python",
        "import slaeval",
        "",
        f"checkpoint = slaeval.load_checkpoint({json.dumps(address)})",
        'checkpoint.recognise("me.mp4").glosses',
        "```",
        "",
        "To reproduce a figure, name a commit (`hf://user/name@COMMIT`).",
        "",
    ]


def _details(described: Mapping[str, Any], licence: str | None) -> list[str]:
    layout = labelled(described["corpus"].get("name"))
    lines = ["## Details", ""]
    for name in ("preprocessing", "decoding", "recipe"):
        entries = described[name]
        if entries:
            shown = json.dumps(entries, ensure_ascii=False, sort_keys=True)
            lines.append(f"- {name}: `{_code(shown)}`")
    versions = ", ".join(f"{name} {version}" for name, version in described["versions"].items())
    lines += [f"- saved with {_plain(versions)}", "", "## Licence", ""]
    lines.append(_plain(licence) if licence else "None was stated.")
    if layout:
        lines.append(f"The corpus has a separate licence: {layout.licence} ({layout.source}).")
    return lines


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _plain(text: str) -> str:
    """Return text from a file that cannot affect the page: no newlines, all marks escaped."""
    return "".join(f"\\{c}" if c in _MARKS else c for c in _printable(text))


def _code(text: str) -> str:
    """Return text from a file that cannot break out of a code span."""
    return _printable(text).replace("`", "'")
