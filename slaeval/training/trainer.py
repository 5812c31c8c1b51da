"""The trainer: set up, train the epochs, evaluate, save.

Three rules make a run the same whether or not it was interrupted, and on any number of processes:

* the augmentation of a clip depends on seed, epoch and clip (:mod:`.augmentation`);
* torch's generator (dropout) is seeded at every step from seed, epoch, batch and rank;
* the learning rate is a function of the step.

On a GPU the backward pass of CTC adds up in no fixed order: there two runs agree to rounding.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import Tensor

from slaeval.checkpoints import read_checkpoint
from slaeval.checkpoints.storing import form_of
from slaeval.decoding import Decoding
from slaeval.errors import UsageError
from slaeval.evaluation.overwriting import check_outputs
from slaeval.evaluation.score import score_references
from slaeval.formats.hypotheses import Hypotheses
from slaeval.models.float32 import without_tf32
from slaeval.models.losses import LossWeights, losses
from slaeval.recognition.batches import Batch, FrameLoader, prepare
from slaeval.recognition.devices import autocast, choose_device, choose_precision
from slaeval.recognition.distributed import World, joined
from slaeval.recognition.predictor import recognise_corpus
from slaeval.recognition.progress import progress
from slaeval.scoring.score import Score
from slaeval.training.averaging import WeightAverage
from slaeval.training.examples import TrainingClips
from slaeval.training.memory import check_memory
from slaeval.training.optimisation import advance, optimiser_of, schedule_of, sum_gradients
from slaeval.training.options import Options
from slaeval.training.plan import Plan
from slaeval.training.recipe import Recipe, recipe_for
from slaeval.training.records import TERMS, Clock, DevScores, Records, epoch_row, step_row
from slaeval.training.saving import save_trained
from slaeval.training.setup import Job, Log, build_model, open_data, read_frames
from slaeval.training.signals import StopRequested, StopSignals, stop_signals
from slaeval.training.state import Position, TrainingFolder
from slaeval.training.step_errors import check_finite, explained

__all__ = ["Trained", "train"]


class Trained(NamedTuple):
    """The result of a run.

    Attributes
    ----------
    checkpoint : str
        The best epoch's checkpoint.
    history : list of dict
        One per finished epoch, the columns of ``log.csv``.
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
        See :func:`slaeval.training.recipe_for`.
    model : mapping, optional
        Fields of :class:`slaeval.models.ModelConfig` that differ from its preset.
    root, setup : optional
        As in :func:`slaeval.load_corpus`.
    dev_split : str
        Evaluated after every epoch under the official protocol.
    decoding : Decoding, optional
        Of that evaluation, and of the checkpoint.
    options : Options, optional
        Device and everything else that does not belong to the recipe.
    log : callable
        Called with lines for the user.

    Returns
    -------
    Trained

    Raises
    ------
    InputError
        Something in the corpus cannot be trained on.
    UsageError
        Contradictory settings, or `out` is taken.
    StopRequested
        SIGTERM or SIGUSR1 came; the state is saved.
    SlaevalError
        The loss is not a number, memory does not suffice, or processes differ in what they see.
    """
    recipe, options, decoding = recipe or recipe_for(), options or Options(), decoding or Decoding()
    folder = TrainingFolder(out)
    form_of(out)  # better now than after the first epoch
    check_outputs([options.warm_start, options.backbone_weights], [folder.best, folder.last])
    device = choose_device(options.device)
    with contextlib.ExitStack() as stack:
        world = stack.enter_context(joined(device, sums_gradients=True))
        signals = stack.enter_context(stop_signals())
        if world.first:
            stack.enter_context(folder.held())
            folder.check_free(restart=options.restart)
        else:
            log = _silent
        world.wait()
        data = open_data(dataset, root, setup, dev_split, recipe, options, log)
        built = build_model(recipe, model or {}, data, options, log)
        precision = choose_precision(recipe.precision, device)
        job = Job(recipe, options, decoding, device, precision, folder, data, built)
        settings = job.settings(world.size)
        world.check_same({**settings, "clips": data.digest})
        resumed = world.first and not options.restart
        state = world.agree(folder.load(settings) if resumed else None)
        built.recogniser.to(device)
        check_memory(
            built.recogniser,
            data.examples.clips,
            recipe=recipe,
            device=device,
            precision=precision,
            processes=world.on_this_machine,
        )
        data, cache = read_frames(data, recipe, options, world, log)
        return _Trainer(replace(job, data=data, cache=cache), world, signals, log).fit(state)


class _Trainer:
    """One run, from the first step to the checkpoint."""

    def __init__(self, job: Job, world: World, signals: StopSignals, log: Log) -> None:
        recipe, clips = job.recipe, job.data.examples.clips
        self.job, self.recipe, self.device, self.folder = job, recipe, job.device, job.folder
        self.world, self.signals, self.log = world, signals, log
        self.settings = job.settings(world.size)
        self.model = job.built.recogniser
        self.parameters = self.model.trainable_parameters()
        self.labels = {clip.footage.id: clip.labels for clip in clips}
        self.plan = Plan([clip.footage.num_frames for clip in clips], recipe, world)
        self.optimiser = optimiser_of(recipe, self.parameters, self.plan.rate)
        self.schedule = schedule_of(recipe, self.optimiser, self.plan.rate, self.plan.steps)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=job.precision == "fp16")
        self.preprocessing = recipe.preprocessing()
        self.weights = LossWeights(
            *(recipe.sequence, recipe.convolution, recipe.distillation, recipe.tower),
            recipe.temperature,
        )
        self.average = WeightAverage(self.model, recipe)
        self.workers = 0 if job.cache else job.options.workers
        self.at = Position()
        self.best_score: Score | None = None
        self.records: Records | None = None  # of the first process, from the first step on
        self.started = self.saved = time.monotonic()

    def fit(self, state: Mapping[str, Any] | None) -> Trained:
        """Train the epochs, from a saved state if there is one."""
        self._resume(state)
        for line in (*self.job.described(), *self.plan.described()):
            self.log(line)
        clips = TrainingClips(self.job.data.examples, self.recipe, self.job.cache)
        pinned = self.device.type == "cuda"
        with (
            FrameLoader(clips, workers=self.workers, pin=pinned) as loader,
            contextlib.ExitStack() as stack,
        ):
            if self.world.first:
                self.records = stack.enter_context(contextlib.closing(self._opened_records()))
            while (end := self.at.ended(self.recipe)) is None:
                self._train_epoch(loader)
                self._end_epoch()
        self.log(end)
        if self.world.first:
            save_trained(self.folder.last, self.job, self.average, self.at.history[-1])
        self.world.wait()
        if self.best_score is None:  # the best epoch was done before this process began
            self.model.load_trained(read_checkpoint(self.folder.best).tensors)
            self.best_score = self._evaluate().sequence
        return Trained(self.folder.best, self.at.history, self.best_score)

    # -- an epoch --------------------------------------------------------------------------

    def _train_epoch(self, loader: FrameLoader) -> None:
        """Do the remaining steps of an epoch."""
        at, plan = self.at, self.plan
        batches = plan.epoch(at.epoch, at.done)
        frames = [plan.frames(batch) for batch in batches]
        left = iter(frames)
        title = f"epoch {at.epoch + 1}/{self.recipe.epochs}"
        clips = len(batches) * self.recipe.batch_size
        clock = Clock()
        self.model.train()
        with (
            progress(clips, sum(frames), title, shown=self.world.first) as show,
            self.signals.postponed(),
        ):
            for group in plan.grouped(clock.waiting(loader.batches(batches))):
                with without_tf32(self.device):  # the head's backward pass too
                    sums = self._step(group)
                at.done += len(group)
                at.sums = {name: at.sums.get(name, 0.0) + value for name, value in sums.items()}
                if self.records is not None:
                    self.records.step(step_row(at, plan, sums, group, clock, self.device), title)
                show(sum(len(batch.ids) for batch in group), sum(islice(left, len(group))))
                self._save_or_stop()
        sums = self._gathered_sums()
        at.sums = sums if self.world.first else {}

    def _step(self, group: Sequence[Batch]) -> dict[str, float]:
        """Do one optimiser step over some batches; return the sums of its losses."""
        at, ids = self.at, [id for batch in group for id in batch.ids]
        step = self.plan.steps_before(at.epoch, at.done)
        when = f"epoch {at.epoch + 1}, step {step + 1}"
        _seed(self.recipe.seed, at.epoch, at.done, self.world.rank)
        sums = dict.fromkeys(("total", *TERMS), 0.0)
        for batch in group:
            with explained(batch, self.device, step):
                terms = self._losses(batch)
                total = terms["total"].sum() / (self.plan.clips_per_batch * len(group))
                check_finite("loss", total, terms, batch.ids, when)
                self.scaler.scale(total).backward()  # type: ignore[no-untyped-call]
            for name in sums:
                weight = 1.0 if name == "total" else getattr(self.weights, name)
                sums[name] += weight * float(terms[name].detach().sum())
        parameters = list(self.parameters.values())
        sum_gradients(parameters, self.world)
        self.scaler.unscale_(self.optimiser)
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.recipe.clip_norm or math.inf)
        # With fp16 some steps overflow and are left out; a scale below 1 says that all do.
        if not self.scaler.is_enabled() or self.scaler.get_scale() < 1:
            check_finite("gradient", norm, {}, ids, when)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        at.rate = self.optimiser.param_groups[0]["lr"]
        advance(self.schedule)
        self.average.after_step()
        return {**sums, "norm": float(norm) if torch.isfinite(norm) else 0.0}

    def _gathered_sums(self) -> dict[str, float]:
        """Return the sums over all processes; the gradient's norm is the same in each."""
        first, *others = self.world.gather(self.at.sums)
        return {
            name: value + sum(other.get(name, 0.0) for other in others if name != "norm")
            for name, value in first.items()
        }

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        frames = batch.frames.to(self.device, non_blocking=True)
        labels = [self.labels[name] for name in batch.ids]
        lengths = torch.tensor([len(some) for some in labels])
        flat = torch.tensor([label for some in labels for label in some])
        with autocast(self.device, self.job.precision):
            output = self.model(prepare(frames, self.preprocessing), batch.lengths)
        return losses(output, flat.to(self.device), lengths, self.weights)

    def _evaluate(self) -> DevScores:
        """Score both heads on the dev split, every process recognising a share of it."""
        data, world = self.job.data, self.world
        found = recognise_corpus(
            self.model,
            data.dev[world.rank :: world.size],
            self.preprocessing,
            self.job.decoding,
            data.examples.vocabulary,
            device=self.device,
            precision=self.job.precision,
            workers=self.workers,
            cache=self.job.cache,
            both_heads=True,
        )
        glosses: dict[str, tuple[Sequence[str], Sequence[str]]] = {}
        for part in world.gather({id: (one.glosses, one.second) for id, one in found.items()}):
            glosses |= part
        references = data.references
        order = [reference.id for reference in references.references]
        sequence, convolution = (
            Hypotheses({id: list(glosses[id][head]) if id in glosses else [] for id in order})
            for head in (0, 1)
        )
        return DevScores(
            score_references(references, sequence), score_references(references, convolution)
        )

    def _end_epoch(self) -> None:
        """Evaluate and finish the epoch; if a signal interrupts that, save its steps."""
        try:
            self.average.after_epoch(self.at.epoch + 1)
            self.average.put_in()
            scores = self._evaluate()
            self.average.put_back()
            with self.signals.postponed():
                self._finish_epoch(scores)
        except StopRequested:
            self.average.put_back()
            self._save_state(self.at.sums)
            raise

    def _finish_epoch(self, scores: DevScores) -> None:
        """Record the epoch and save it if it is the best so far; the first process decides."""
        at, now = self.at, time.monotonic()
        seconds, self.started = at.seconds + now - self.started, now
        first = self.world.first
        row = self.world.agree(epoch_row(at, self.plan, scores, seconds) if first else None)
        at.epoch, at.done, at.sums, at.seconds = at.epoch + 1, 0, {}, 0.0
        at.history.append(row)
        better = at.best is None or row["dev_wer"] < at.best["dev_wer"]
        if better:
            at.best, self.best_score = row, scores.sequence
        if self.records is not None:
            # The state last: what is written before it is written again after a kill.
            if better:
                save_trained(self.folder.best, self.job, self.average, row, scores.sequence)
            self.records.epoch(at.history)
            self._save_state({})
        self.world.wait()
        mark = "  best so far" if better else ""
        self.log(
            f"epoch {at.epoch:3d}/{self.recipe.epochs}  loss {row['loss']:8.3f}  "
            f"dev WER {row['dev_wer']:6.2f} % (convolution {row['dev_wer_convolution']:6.2f} %)  "
            f"{row['seconds']:6.1f} s{mark}"
        )

    def _opened_records(self) -> Records:
        at, track = self.at, self.job.options.track
        step = self.plan.steps_before(at.epoch, at.done)
        return Records(self.folder, step, at.epoch, self.settings, track, self.log)

    # -- the state -------------------------------------------------------------------------

    def _save_or_stop(self) -> None:
        """Save the state if it is due, and stop if a signal asked for it."""
        at, (steps, seconds) = self.at, self.job.options.save_interval()
        due = steps > 0 and (at.done // self.recipe.accumulate) % steps == 0
        due |= seconds > 0 and time.monotonic() - self.saved >= seconds
        stop, due = map(bool, self.world.largest(self.signals.received, due))
        if stop or (due and at.done < self.plan.batches):
            self._save_state(self._gathered_sums())
        if stop:
            self.world.wait()  # torchrun ends all when one leaves, and the first may be writing
            raise self.signals.request()

    def _save_state(self, sums: Mapping[str, float]) -> None:
        """Write the state to resume from; `sums` are those of all processes."""
        self.saved = time.monotonic()
        if not self.world.first:
            return
        if self.records is not None:
            self.records.flush()
        at = self.at
        self.folder.save(
            self.settings,
            {
                "clips": self.job.data.digest,
                "weights": self.model.trained_state(),
                "average": self.average.state(),
                "optimiser": self.optimiser.state_dict(),
                "scheduled": self.schedule.last_epoch,
                "scaler": self.scaler.state_dict(),
                **vars(at),
                "sums": dict(sums),
                "seconds": at.seconds + self.saved - self.started,
            },
        )

    def _resume(self, state: Mapping[str, Any] | None) -> None:
        """Resume from a saved state, or write the first one."""
        if state is None:
            if self.job.options.restart and self.world.first:
                self.folder.clear()  # only now: all that could be wrong has been looked at
            # From here on a checkpoint in that place is this run's own.
            self._save_state({})
            return
        if state["clips"] != self.job.data.digest:
            self.folder.refuse("other data: the clips, their lengths or their labels")
        if state["best"] is not None and not os.path.exists(self.folder.best):
            raise UsageError(
                f"{self.folder.best} is gone, the checkpoint of an unfinished run: put it back, "
                "or start over with --restart"
            )
        self.model.load_trained(state["weights"])
        self.average.load_state(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict({"last_epoch": state["scheduled"]})
        self.scaler.load_state_dict(state["scaler"])
        self.at = Position(**{name: state[name] for name in vars(self.at)})
        if not self.world.first:
            self.at.sums = {}
        if (self.at.epoch or self.at.done) and self.at.ended(self.recipe) is None:
            self.log(f"resuming after epoch {self.at.epoch}, batch {self.at.done} of the next")


def _seed(*parts: int) -> None:
    digest = hashlib.sha256(" ".join(map(str, parts)).encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def _silent(text: str) -> None:
    """Say nothing: the first process speaks for all."""
