"""The trainer: set up, go through the epochs, evaluate, save.

Read it from top to bottom; nothing else decides what happens. Three rules make a run the same
whether it was stopped in between or not, and on one process or several:

* what a clip looks like depends on seed, epoch and clip (:mod:`.augmentation`);
* torch's random numbers (dropout) are seeded anew at every step from seed, epoch, step, rank;
* the learning rate is a function of the step.

On a GPU the backward pass of CTC adds up in no fixed order, so that two runs agree to rounding
there, not to the bit.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from slaeval.checkpoints import new_checkpoint, read_checkpoint, save_checkpoint
from slaeval.checkpoints.storing import form_of
from slaeval.decoding import Decoding
from slaeval.errors import SlaevalError, UsageError
from slaeval.evaluation.overwriting import check_outputs
from slaeval.evaluation.score import score_references
from slaeval.formats.hypotheses import Hypotheses
from slaeval.models.float32 import without_tf32
from slaeval.models.losses import LossWeights, losses
from slaeval.recognition.batches import Batch, FrameLoader, prepare
from slaeval.recognition.devices import choose_device, choose_precision
from slaeval.recognition.distributed import World, joined
from slaeval.recognition.predictor import out_of_memory, recognise_corpus
from slaeval.recognition.progress import progress
from slaeval.scoring.protocols import OFFICIAL
from slaeval.scoring.score import Score
from slaeval.training.augmentation import Array
from slaeval.training.examples import TrainingClips, epoch_plan
from slaeval.training.memory import check_memory
from slaeval.training.optimisation import advance, optimiser_of, schedule_of, sum_gradients
from slaeval.training.options import Options
from slaeval.training.recipe import Recipe, recipe_for
from slaeval.training.records import Clock, Records, peak_memory
from slaeval.training.setup import (
    BuiltModel,
    Log,
    TrainingData,
    build_model,
    open_data,
    read_frames,
)
from slaeval.training.signals import StopRequested, StopSignals, stop_signals
from slaeval.training.state import TrainingFolder, digest

__all__ = ["Trained", "train"]

_TERMS = ("sequence", "convolution", "distillation", "tower")


class Trained(NamedTuple):
    """What a run gave.

    Attributes
    ----------
    checkpoint : str
        The best epoch's checkpoint.
    history : list of dict
        One a finished epoch, the columns of ``log.csv``.
    score : Score
        Of the best epoch on dev.
    """

    checkpoint: str
    history: list[dict[str, float]]
    score: Score


def train(
    dataset: str,
    out: str | os.PathLike[str],
    recipe: Recipe | None = None,
    *,
    model: Mapping[str, Any] | None = None,
    root: str | os.PathLike[str] | None = None,
    setup: str | None = None,
    dev_split: str = "dev",
    decoding: Decoding | None = None,
    options: Options | None = None,
    log: Callable[[str], None] = lambda text: None,
) -> Trained:
    """Train a checkpoint on a corpus.

    Parameters
    ----------
    dataset : str
        Corpus; its ``train`` split is trained on.
    out : path-like
        The checkpoint to write: ``.pt`` or ``.safetensors``, always the best epoch's. Beside it
        come ``<stem>.last<suffix>`` at the end and the folder ``<stem>.training``.
    recipe : Recipe, optional
        How; see :func:`slaeval.training.recipe_for`.
    model : mapping, optional
        Fields of :class:`slaeval.models.ModelConfig` that differ from its preset.
    root, setup : optional
        As in :func:`slaeval.load_corpus`.
    dev_split : str
        Evaluated after every epoch under the official protocol.
    decoding : Decoding, optional
        Of that evaluation, and of the checkpoint.
    options : Options, optional
        Device and all that does not change the result.
    log : callable
        Gets a line for people now and then.

    Returns
    -------
    Trained

    Raises
    ------
    InputError
        Something in the corpus cannot be trained on.
    UsageError
        Settings that cannot be meant, or `out` is taken.
    StopRequested
        SIGTERM or SIGUSR1 came; the state is saved.
    SlaevalError
        The loss is not a number, memory does not suffice, or processes differ in what they see.
    """
    recipe, options, decoding = recipe or recipe_for(), options or Options(), decoding or Decoding()
    out = os.fspath(out)
    form_of(out)  # better now than after the first epoch
    check_outputs([options.warm_start, options.backbone_weights], [out, _last(out)])
    device = choose_device(options.device)
    with contextlib.ExitStack() as stack:
        world = stack.enter_context(joined(device, sums_gradients=True))
        signals = stack.enter_context(stop_signals())
        folder = TrainingFolder(out)
        if world.first:
            stack.enter_context(folder.held())
            folder.check_free(out, _last(out), restart=options.restart)
        else:
            log = _silent
        world.wait()
        data = open_data(dataset, root, setup, dev_split, recipe, options, log)
        built = build_model(recipe, model or {}, data, options, log)
        frames = recipe.preprocessing()
        log(
            f"frames: {frames.resize} pixels square, {frames.crop} of them seen, normalised as "
            f"{frames.normalisation}"
        )
        precision = choose_precision(recipe.precision, device)
        settings = _settings(recipe, built, data, decoding, precision, world)
        world.check_same({**settings, "clips": data.digest})
        state = None
        if world.first and not options.restart:
            state = folder.load(settings)
        state = world.agree(state)
        built.recogniser.to(device)
        check_memory(
            built.recogniser,
            data.examples.clips,
            recipe=recipe,
            device=device,
            autocast=lambda: _autocast(device, precision),
            processes=world.size,
        )
        data, cache = read_frames(data, recipe, options, world, log)
        trainer = _Trainer(
            _Setup(recipe, options, decoding, device, precision, data, cache, built, settings),
            _Surroundings(out, folder, world, signals, log),
        )
        return trainer.fit(state)


def _settings(
    recipe: Recipe,
    built: BuiltModel,
    data: TrainingData,
    decoding: Decoding,
    precision: str,
    world: World,
) -> dict[str, Any]:
    """Return all that must be the same for a run to go on, and in all processes."""
    settings = {**built.recogniser.config.to_dict(), **recipe.to_dict(), "precision": precision}
    # Twice the processes with half the clips each do the same.
    settings["clips_per_batch"] = settings.pop("batch_size") * world.size
    return {
        **settings,
        **{f"decoding_{name}": value for name, value in decoding.to_dict().items()},
        "backbone weights": built.tower_hash,
        "warm start": built.started_from,
        "corpus": [data.corpus.name, data.corpus.setup, data.references.split],
        "frame cache": None if data.cache is None else str(data.cache),
        "vocabulary": digest(data.examples.vocabulary),
    }


class _Setup(NamedTuple):
    """What is trained, on what, and how."""

    recipe: Recipe
    options: Options
    decoding: Decoding
    device: torch.device
    precision: str
    data: TrainingData
    cache: dict[str, Array]
    built: BuiltModel
    settings: dict[str, Any]


class _Surroundings(NamedTuple):
    """Where a run writes, who else works on it, and who may stop it."""

    out: str
    folder: TrainingFolder
    world: World
    signals: StopSignals
    log: Log


@dataclass
class _Position:
    """Where in the run we are: what a state holds beside weights."""

    epoch: int = 0
    done: int = 0  # batches of this epoch
    sums: dict[str, float] = field(default_factory=dict)  # of this process
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, float] | None = None
    rate: float = 0.0  # of the last step
    seconds: float = 0.0  # of this epoch, before this process


class _Trainer:
    """One run, from the first step to the checkpoint."""

    def __init__(self, setup: _Setup, around: _Surroundings) -> None:
        recipe, data = setup.recipe, setup.data
        self.setup, self.recipe, self.options = setup, recipe, setup.options
        self.data, self.device = data, setup.device
        self.out, self.folder, self.world, self.signals, self.log = around
        self.model = setup.built.recogniser
        self.parameters = self.model.trainable_parameters()
        self.labels = {clip.footage.id: clip.labels for clip in data.examples.clips}
        self.lengths = [clip.footage.num_frames for clip in data.examples.clips]
        self.batch = recipe.batch_size * self.world.size
        self.batches_per_epoch = len(epoch_plan(self.lengths, self.batch, 0, recipe.seed))
        self.steps_per_epoch = math.ceil(self.batches_per_epoch / recipe.accumulate)
        self.rate = recipe.rate_for(self.batch * recipe.accumulate)
        self.optimiser = optimiser_of(recipe, self.parameters, self.rate)
        self.schedule = schedule_of(recipe, self.optimiser, self.rate, self.steps_per_epoch)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=setup.precision == "fp16")
        self.preprocessing = recipe.preprocessing()
        self.weights = LossWeights(
            *(recipe.sequence, recipe.convolution, recipe.distillation, recipe.tower),
            recipe.temperature,
        )
        self.at = _Position()
        self.best_score: Score | None = None
        self.records: Records | None = None  # of the first process, from the first step on
        self.started = self.saved = time.monotonic()

    # -- the run ---------------------------------------------------------------------------

    def fit(self, state: Mapping[str, Any] | None) -> Trained:
        """Go through the epochs, from a saved state if there is one."""
        self._resume(state)
        self._tell_steps()
        clips = TrainingClips(self.data.examples, self.recipe, self.setup.cache)
        workers = 0 if self.setup.cache else self.options.workers
        with (
            FrameLoader(clips, workers=workers, pin=self.device.type == "cuda") as reader,
            self._opened_records() as self.records,
        ):
            while self.at.epoch < self.recipe.epochs:
                self._train_epoch(reader)
                score = self._evaluate_or_save()
                with self.signals.postponed():
                    self._finish_epoch(score)
        if self.world.first:
            self._save_checkpoint(_last(self.out), self.at.history[-1])
        self.world.wait()
        if self.best_score is None:  # the best epoch was done before this process began
            self.best_score = self._rescored()
        return Trained(self.out, self.at.history, self.best_score)

    def _train_epoch(self, reader: FrameLoader) -> None:
        """Do the steps of an epoch that are not done yet."""
        at, world = self.at, self.world
        plan = epoch_plan(self.lengths, self.batch, at.epoch, self.recipe.seed)[at.done :]
        share = [[(at.epoch, index) for index in batch[world.rank :: world.size]] for batch in plan]
        frames = [sum(self.lengths[index] for _, index in batch) for batch in share]
        title = f"epoch {at.epoch + 1}/{self.recipe.epochs}"
        clips = len(share) * self.recipe.batch_size
        self.model.train()
        with (
            progress(clips, sum(frames), title, shown=world.first) as advance,
            self.signals.postponed(),
        ):
            group: list[Batch] = []
            clock = Clock()
            for number, loaded in enumerate(clock.waiting(reader.batches(share)), 1):
                assert loaded.batch is not None
                group.append(loaded.batch)
                if len(group) < self.recipe.accumulate and number < len(share):
                    continue
                before = dict(at.sums)
                with without_tf32(self.device):  # the head's backward pass too
                    self._step(group)
                at.done += len(group)
                if self.records is not None:
                    self.records.step(self._step_row(before, group, clock), title)
                advance(
                    sum(len(batch.ids) for batch in group),
                    sum(frames[number - len(group) : number]),
                )
                group = []
                self._save_or_stop()
        sums = self._gathered_sums()
        at.sums = sums if world.first else {}

    def _step(self, group: Sequence[Batch]) -> None:
        """Do one optimiser step over one or more batches."""
        at = self.at
        step = at.epoch * self.steps_per_epoch + at.done // self.recipe.accumulate
        _seed(self.recipe.seed, at.epoch, at.done, self.world.rank)
        for batch in group:
            try:
                terms = self._losses(batch)
                total = terms["total"].sum() / (self.batch * len(group))
                if not torch.isfinite(total):
                    self._stop_at_nan("loss", terms, batch.ids, step)
                self.scaler.scale(total).backward()  # type: ignore[no-untyped-call]
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                raise SlaevalError(
                    f"memory of {self.device} ran out in step {step + 1} on {len(batch.ids)} clips "
                    f"with {int(batch.lengths.sum())} frames ({', '.join(batch.ids)}): lower "
                    "--batch-size or --set max_frames=…, or use --set gradient_checkpointing=true"
                ) from None
            self._add("total", float(terms["total"].detach().sum()))
            for name in _TERMS:
                weight = getattr(self.weights, name)
                self._add(name, weight * float(terms[name].detach().sum()))
        parameters = list(self.parameters.values())
        sum_gradients(parameters, self.world)
        self.scaler.unscale_(self.optimiser)
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.recipe.clip_norm or math.inf)
        # With fp16 some steps overflow and are left out; a scale below 1 says that all do.
        hopeless = not self.scaler.is_enabled() or self.scaler.get_scale() < 1
        if hopeless and not torch.isfinite(norm):
            self._stop_at_nan("gradient", {}, [id for batch in group for id in batch.ids], step)
        self._add("norm", float(norm) if torch.isfinite(norm) else 0.0)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        at.rate = self.optimiser.param_groups[0]["lr"]
        advance(self.schedule)

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        frames = batch.frames.to(self.device, non_blocking=True)
        labels = [self.labels[name] for name in batch.ids]
        lengths = torch.tensor([len(some) for some in labels])
        flat = torch.tensor([label for some in labels for label in some])
        with _autocast(self.device, self.setup.precision):
            output = self.model(prepare(frames, self.preprocessing), batch.lengths)
        return losses(output, flat.to(self.device), lengths, self.weights)

    def _evaluate(self) -> Score:
        """Score the dev split, every process a share of it."""
        found = recognise_corpus(
            self.model,
            self.data.dev[self.world.rank :: self.world.size],
            self.preprocessing,
            self.setup.decoding,
            self.data.examples.vocabulary,
            device=self.device,
            precision=self.setup.precision,
            workers=0 if self.setup.cache else self.options.workers,
            cache=self.setup.cache,
        )
        words: dict[str, list[str]] = {}
        for part in self.world.gather({id: list(one.glosses) for id, one in found.items()}):
            words |= part
        references = self.data.references
        order = [reference.id for reference in references.references]
        return score_references(references, Hypotheses({id: words.get(id, []) for id in order}))

    def _evaluate_or_save(self) -> Score:
        """Evaluate; where a signal stops that, save what the epoch has learned."""
        try:
            return self._evaluate()
        except StopRequested:
            self._save_state(self.at.sums)
            raise

    def _finish_epoch(self, score: Score) -> None:
        """Write down how the epoch went, and save what is best."""
        at = self.at
        row = self.world.agree(self._row(score) if self.world.first else None)
        at.epoch, at.done, at.sums = at.epoch + 1, 0, {}
        at.history.append(row)
        better = at.best is None or score.wer < at.best["dev_wer"]
        if better:
            at.best, self.best_score = row, score
        if self.records is not None:
            # The state last: what is written before it is written again after a kill.
            if better:
                self._save_checkpoint(self.out, row, score)
            self.records.epoch(at.history)
            self._save_state({})
        self.world.wait()
        mark = "  best so far" if better else ""
        self.log(
            f"epoch {at.epoch:3d}/{self.recipe.epochs}  loss {row['loss']:8.3f}  "
            f"dev WER {score.wer:6.2f} %  {row['seconds']:6.1f} s{mark}"
        )

    def _row(self, score: Score) -> dict[str, float]:
        """Return the epoch's line of ``log.csv``."""
        at, sums = self.at, self.at.sums
        clips = self.batches_per_epoch * self.batch
        steps = self.world.size * self.steps_per_epoch
        now = time.monotonic()
        seconds, self.started, at.seconds = at.seconds + now - self.started, now, 0.0
        return {
            "epoch": at.epoch + 1,
            "step": (at.epoch + 1) * self.steps_per_epoch,
            "loss": sums["total"] / clips,
            **{f"loss_{name}": sums[name] / clips for name in _TERMS},
            "gradient_norm": sums["norm"] / steps,
            "lr": at.rate,
            "dev_wer": score.wer,
            "seconds": seconds,
        }

    # -- saving and going on ---------------------------------------------------------------

    def _save_or_stop(self) -> None:
        """Save the state if it is time to, and leave if a signal asked for it."""
        at, (steps, seconds) = self.at, self.options.save_interval()
        due = steps > 0 and (at.done // self.recipe.accumulate) % steps == 0
        due |= seconds > 0 and time.monotonic() - self.saved >= seconds
        stop, due = map(bool, self.world.largest(self.signals.received, due))
        if stop or (due and at.done < self.batches_per_epoch):
            self._save_state(self._gathered_sums())
        if stop:
            raise self.signals.request()

    def _save_state(self, sums: Mapping[str, float]) -> None:
        """Write all that is needed to go on from here; `sums` are those of all processes."""
        self.saved = time.monotonic()
        if not self.world.first:
            return
        if self.records is not None:
            self.records.flush()
        at = self.at
        self.folder.save(
            self.setup.settings,
            {
                "clips": self.data.digest,
                "adapter": self.model.adapter_state(),
                "head": self.model.head_state(),
                "optimiser": self.optimiser.state_dict(),
                "scheduled": self.schedule.last_epoch,
                "scaler": self.scaler.state_dict(),
                **vars(at),
                "sums": dict(sums),
                "seconds": at.seconds + self.saved - self.started,
            },
        )

    def _resume(self, state: Mapping[str, Any] | None) -> None:
        """Go on from a saved state, or make the first one."""
        if state is None:
            if self.options.restart and self.world.first:
                self.folder.clear()  # only now: all that could be wrong has been looked at
            # From here on a checkpoint at `out` is this run's own.
            self._save_state({})
            return
        if state["clips"] != self.data.digest:
            self.folder.refuse("other data: the clips, their lengths or their labels")
        if state["best"] is not None and not os.path.exists(self.out):
            raise UsageError(
                f"{self.out} is gone, the checkpoint of an unfinished run: put it back, or start "
                "over with --restart"
            )
        self.model.load_states(state["adapter"], state["head"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict({"last_epoch": state["scheduled"]})
        self.scaler.load_state_dict(state["scaler"])
        self.at = _Position(**{name: state[name] for name in vars(self.at)})
        if not self.world.first:
            self.at.sums = {}
        if self.at.epoch == self.recipe.epochs:
            self.log(f"all {self.at.epoch} epochs are done already")
        elif self.at.epoch or self.at.done:
            self.log(f"resuming after epoch {self.at.epoch}, batch {self.at.done} of the next")

    def _save_checkpoint(
        self, path: str, row: Mapping[str, float], score: Score | None = None
    ) -> None:
        model, recipe, corpus = self.model, self.recipe, self.data.corpus
        parts = {
            "adapter": model.adapter_state(),
            "head": model.head_state(),
            "tower": model.tower_state(),
        }
        metrics: dict[str, Any] = {"epoch": int(row["epoch"]), "dev_wer": row["dev_wer"]}
        if score is not None:
            metrics |= {"dev": score.total.to_dict(), "signature": score.signature}
        checkpoint = new_checkpoint(
            model=model.config.to_dict(),
            vocabulary=self.data.examples.vocabulary,
            preprocessing=self.preprocessing.to_dict(),
            decoding=self.setup.decoding.to_dict(),
            corpus={
                "name": corpus.name,
                "setup": corpus.setup,
                "labels": recipe.labels,
                "fps": self.data.examples.fps,
                **({} if self.data.cache is None else {"frames": str(self.data.cache)}),
            },
            protocol=OFFICIAL,
            recipe=recipe.to_dict(),
            metrics=metrics,
            backbone={
                "name": recipe.backbone,
                "pretrained": recipe.pretrained,
                "hash": self.setup.built.tower_hash,
            },
            tensors={
                f"{part}.{name}": value.detach().cpu()
                for part, state in parts.items()
                for name, value in state.items()
            },
        )
        save_checkpoint(path, checkpoint, slim=self.options.slim)

    # -- small things ----------------------------------------------------------------------

    def _tell_steps(self) -> None:
        """Say, before the first step, what a step is."""
        recipe, size = self.recipe, self.world.size
        parts = [f"{recipe.batch_size} clips"]
        if size > 1:
            parts.append(f"{size} processes")
        if recipe.accumulate > 1:
            parts.append(f"{recipe.accumulate} batches")
        clips = self.batch * recipe.accumulate
        self.log(
            f"{self.device}, {self.setup.precision}: {clips} clips a step ({' × '.join(parts)}), "
            f"{self.steps_per_epoch} steps an epoch, "
            f"{self.steps_per_epoch * recipe.epochs} in all; learning rate {self.rate:g}, "
            f"{recipe.schedule}"
        )
        if clips != recipe.lr_batch and recipe.lr_scaling == "none":
            self.log(
                f"  Note: the rate is meant for {recipe.lr_batch} clips a step and is not scaled; "
                "--set lr_scaling=sqrt or linear scales it by the clips a step has"
            )
        elif clips != recipe.lr_batch:
            self.log(
                f"  the rate of {recipe.learning_rate:g} for {recipe.lr_batch} clips, "
                f"{recipe.lr_scaling} scaling"
            )

    def _add(self, name: str, value: float) -> None:
        self.at.sums[name] = self.at.sums.get(name, 0.0) + value

    def _gathered_sums(self) -> dict[str, float]:
        parts = self.world.gather(self.at.sums)
        names = dict.fromkeys(name for part in parts for name in part)
        return {name: sum(part.get(name, 0.0) for part in parts) for name in names}

    def _stop_at_nan(
        self, what: str, terms: Mapping[str, Tensor], ids: Sequence[str], step: int
    ) -> None:
        wrong = {name: ~torch.isfinite(value.detach().cpu()) for name, value in terms.items()}
        parts = [name for name, places in wrong.items() if places.any()]
        where = f" in {', '.join(parts)}" if parts else ""
        ids = [id for row, id in enumerate(ids) if any(p[row] for p in wrong.values())] or ids
        raise SlaevalError(
            f"the {what} is not a number{where}, in epoch {self.at.epoch + 1}, step {step + 1}, on "
            f"the clips {', '.join(ids)}. What was saved last is intact. Lower the learning rate "
            "(--lr) or --set clip_norm=…, or use --precision fp32; if it is always the same clip, "
            "look at its frames and labels"
        )

    def _rescored(self) -> Score:
        best = read_checkpoint(self.out)
        self.model.load_states(best.part("adapter"), best.part("head"))
        return self._evaluate()

    def _opened_records(self) -> contextlib.AbstractContextManager[Records | None]:
        if not self.world.first:
            return contextlib.nullcontext()
        step = self.at.epoch * self.steps_per_epoch + self.at.done // self.recipe.accumulate
        settings = self.setup.settings
        return contextlib.closing(
            Records(self.folder, step, self.at.epoch, settings, self.options.track, self.log)
        )

    def _step_row(
        self, before: Mapping[str, float], group: Sequence[Batch], clock: Clock
    ) -> dict[str, float]:
        """Return a line of ``steps.csv``; `before` are the sums before the step."""
        at = self.at
        sums = {name: value - before.get(name, 0.0) for name, value in at.sums.items()}
        clips = sum(len(batch.ids) for batch in group)
        frames = sum(int(batch.lengths.sum()) for batch in group)
        seconds, waited = clock.lap()
        in_epoch = math.ceil(at.done / self.recipe.accumulate)
        return {
            "step": at.epoch * self.steps_per_epoch + in_epoch,
            "epoch": at.epoch + 1,
            "loss": sums["total"] / clips,
            **{f"loss_{name}": sums[name] / clips for name in _TERMS},
            "gradient_norm": sums["norm"],
            "lr": at.rate,
            "clips": clips,
            "frames": frames,
            "seconds": seconds,
            "seconds_waiting": waited,
            "frames_per_second": frames / max(seconds, 1e-9),
            "memory_gib": peak_memory(self.device),
        }


def _autocast(device: torch.device, precision: str) -> torch.autocast:
    lower = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    return torch.autocast(device.type, lower, enabled=lower is not None)


def _last(out: str) -> str:
    stem, suffix = os.path.splitext(out)
    return f"{stem}.last{suffix}"


def _seed(*parts: int) -> None:
    digest = hashlib.sha256(" ".join(map(str, parts)).encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def _silent(text: str) -> None:
    """Say nothing: the first process speaks for all."""
