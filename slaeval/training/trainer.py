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
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from slaeval.checkpoints import new_checkpoint, read_checkpoint, save_checkpoint, tower_hash
from slaeval.checkpoints.storing import form_of
from slaeval.decoding import Decoding
from slaeval.errors import InputError, SlaevalError, UsageError
from slaeval.evaluation.overwriting import check_outputs
from slaeval.evaluation.references import ReferenceSet, load_references
from slaeval.evaluation.score import score_references
from slaeval.files import write_whole
from slaeval.formats.hypotheses import Hypotheses
from slaeval.loaders.reading import load_corpus
from slaeval.loaders.video import VideoClip, find_video_clips
from slaeval.models.config import TINY, preset
from slaeval.models.float32 import without_tf32
from slaeval.models.losses import LossWeights, losses
from slaeval.models.recogniser import build_recogniser
from slaeval.models.tower import open_tower
from slaeval.recognition.batches import ClipDataset, FrameLoader, Preprocessing, prepare
from slaeval.recognition.devices import choose_device, choose_precision
from slaeval.recognition.predictor import out_of_memory, recognise_corpus
from slaeval.recognition.progress import progress
from slaeval.scoring.protocols import OFFICIAL
from slaeval.scoring.score import Score
from slaeval.training.augmentation import Array
from slaeval.training.examples import TrainingClips, epoch_plan, prepare_examples
from slaeval.training.memory import check_memory
from slaeval.training.optimisation import learning_rate, optimiser_of
from slaeval.training.recipe import Recipe
from slaeval.training.state import TrainingFolder, fingerprint
from slaeval.training.warm_start import warm_start
from slaeval.training.world import World, joined, sum_gradients

__all__ = ["Options", "Trained", "train"]

_TERMS = ("total", "sequence", "convolution", "distillation", "tower")


@dataclass(frozen=True)
class Options:
    """What does not change the result, or belongs to this machine.

    Attributes
    ----------
    device : str
        ``"auto"``, ``"cuda"``, ``"mps"`` or ``"cpu"``.
    workers : int
        Processes that decode; 0 decodes in this one. With more, a script must guard its code
        with ``if __name__ == "__main__":``.
    cache_gb : float
        Keep all resized frames in memory where they take no more than this, over all processes.
    on_error : {"stop", "skip"}
        What to do about a sample that cannot be trained on, or not be read: end the run, or
        leave it out and name it; on dev it then counts as recognised empty.
    slim : bool
        Leave the tower out of the checkpoint.
    restart : bool
        Start over where there is an unfinished run or a checkpoint.
    save_every : int
        Also save the state every so many steps within an epoch; 0 for never.
    init : str or None
        A checkpoint to start from: whatever agrees in name and shape, classes by gloss.
    backbone_weights : str or None
        File of the tower's weights, where `pretrained` is not at hand.
    vocabulary : tuple of str or None
        Glosses in the order of their classes; those of the training split without it.
    shuffle_labels : bool
        Control: every clip gets another one's labels.
    """

    device: str = "auto"
    workers: int = 0
    cache_gb: float = 2.0
    on_error: Literal["stop", "skip"] = "stop"
    slim: bool = False
    restart: bool = False
    save_every: int = 0
    init: str | None = None
    backbone_weights: str | None = None
    vocabulary: tuple[str, ...] | None = None
    shuffle_labels: bool = False

    def __post_init__(self) -> None:
        if self.on_error not in ("stop", "skip"):
            raise UsageError(f"on_error is {self.on_error!r}; expected 'stop' or 'skip'")
        for name in ("workers", "cache_gb", "save_every"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"{name} must not be negative, found {getattr(self, name)}")


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
    say: Callable[[str], None] = lambda text: None,
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
    say : callable
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
    SlaevalError
        The loss is not a number, or memory does not suffice.
    """
    recipe, options = recipe or Recipe(), options or Options()
    form_of(out)  # better now than after the first epoch
    check_outputs([options.init, options.backbone_weights], [os.fspath(out), _last(os.fspath(out))])
    with contextlib.ExitStack() as stack:
        world = stack.enter_context(joined(choose_device(options.device)))
        folder = TrainingFolder(out)
        if world.first:
            stack.enter_context(folder.held())
        run = _Training(
            dataset,
            os.fspath(out),
            recipe,
            dict(model or {}),
            root,
            setup,
            dev_split,
            decoding or Decoding(),
            options,
            world,
            folder,
            say if world.first else lambda text: None,
        )
        return run.fit()


class _Training:
    """One run, from the corpus to the checkpoint."""

    def __init__(
        self,
        dataset: str,
        out: str,
        recipe: Recipe,
        model: dict[str, Any],
        root: str | os.PathLike[str] | None,
        setup: str | None,
        dev_split: str,
        decoding: Decoding,
        options: Options,
        world: World,
        folder: TrainingFolder,
        say: Callable[[str], None],
    ) -> None:
        self.out, self.recipe, self.options = out, recipe, options
        self.world, self.say, self.decoding = world, say, decoding
        self.device = world.device
        self.precision = choose_precision(recipe.precision, self.device)
        self.folder = folder
        self._check_target()

        # What is trained on, and what it is held against.
        corpus = load_corpus(dataset, root, "train", setup, exclude_broken=True)
        self.corpus = corpus
        self.examples = prepare_examples(
            corpus,
            recipe,
            vocabulary=options.vocabulary,
            on_error=options.on_error,
            shuffle_labels=options.shuffle_labels,
        )
        self.task: ReferenceSet = load_references(corpus.name, dev_split, root=root, setup=setup)
        dev = load_corpus(dataset, root, dev_split, setup)
        self.dev, absent = find_video_clips(dev, on_missing=options.on_error)
        self._check_dev(absent)
        self._tell_about_data(corpus.excluded, absent)

        # What is trained.
        classes = len(self.examples.vocabulary) + 1
        standard = preset(recipe.variant, recipe.backbone, classes, recipe.pretrained)
        self.config = replace(standard, **model)
        weights = options.backbone_weights or recipe.pretrained
        tower = open_tower(recipe.backbone, weights, recipe.seed)
        if weights is None and recipe.backbone != TINY:
            say(f"{recipe.backbone}: no weights were named, so this tower is random")
        self.model = build_recogniser(self.config, tower, seed=recipe.seed)
        self.tower_hash = tower_hash(self.model.tower_state())
        self.model.to(self.device)
        self.model.gradient_checkpointing = recipe.gradient_checkpointing
        self.parameters = self.model.trainable_parameters()
        say(self.model.summary())
        begun_from = None
        if options.init is not None:
            source = read_checkpoint(options.init, head=True)
            begun_from = source.hash
            say(warm_start(self.model, source, self.examples.vocabulary, tower=self.tower_hash))
        self.optimiser = optimiser_of(recipe, self.parameters)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")
        self.preprocessing = Preprocessing(recipe.resize, recipe.crop, recipe.normalisation)
        self.weights = LossWeights(
            recipe.sequence,
            recipe.convolution,
            recipe.distillation,
            recipe.tower,
            recipe.temperature,
        )

        # Where in the run we are.
        self.batch = recipe.batch_size * world.size
        self._count_steps()
        self.determined_by = [
            *(self.config.to_dict(), decoding.to_dict(), self.tower_hash, begun_from),
            *(self.precision, dev.name, dev_split),
        ]
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Any] | None = None
        self.best_score: Score | None = None
        self.epoch, self.done, self.sums = 0, 0, dict.fromkeys((*_TERMS, "norm"), 0.0)
        self.started = time.monotonic()

    # -- the run ---------------------------------------------------------------------------

    def fit(self) -> Trained:
        """Go through the epochs."""
        check_memory(
            self.model,
            self.examples.clips,
            recipe=self.recipe,
            device=self.device,
            autocast=self._autocast,
            processes=self.world.size,
        )
        workers = self.options.workers
        cache = self._filled_cache(workers)
        # Only now is it known which clips can be read.
        self.fingerprint = fingerprint(
            self.examples,
            self.recipe,
            self.world.size,
            [*self.determined_by, [[shot.id, shot.num_frames] for shot in self.dev]],
        )
        self._resume()
        clips = TrainingClips(self.examples, self.recipe, cache)
        board = self._tensorboard()
        with FrameLoader(
            clips, workers=0 if cache else workers, pin=self.device.type == "cuda"
        ) as reading:
            while self.epoch < self.recipe.epochs:
                self._train_epoch(reading)
                score = self._evaluate(cache)
                self._finish_epoch(score, board)
        if board is not None:
            board.close()
        if self.world.first:
            self._save_checkpoint(_last(self.out), self.history[-1])
        self.world.wait()
        if self.best_score is None:  # the best epoch was done before this process began
            self.best_score = self._rescored()
        return Trained(self.out, self.history, self.best_score)

    def _train_epoch(self, reading: FrameLoader) -> None:
        plan = epoch_plan(self.lengths, self.batch, self.epoch, self.recipe.seed)
        mine = [
            [(self.epoch, index) for index in batch[self.world.rank :: self.world.size]]
            for batch in plan[self.done :]
        ]
        self.model.train()
        group: list[Any] = []
        left = len(plan) - self.done
        every = self.options.save_every
        with self._progress(
            [self.examples.clips[index].footage for batch in mine for _, index in batch],
            f"epoch {self.epoch + 1}/{self.recipe.epochs}",
        ) as advance:
            for loaded in reading.batches(mine):
                group.append(loaded)
                left -= 1
                if len(group) < self.recipe.accumulate and left:
                    continue
                with without_tf32(self.device):  # the head's backward pass too
                    self._step(group)
                self.done += len(group)
                for _, index in (key for done in group for key in done.keys):
                    advance(1, self.lengths[index])
                group = []
                if every and left and (self.done // self.recipe.accumulate) % every == 0:
                    self._save_state()

    def _step(self, group: Sequence[Any]) -> None:
        """Do one optimiser step over one or more batches."""
        step = self.epoch * self.steps_per_epoch + self.done // self.recipe.accumulate
        rate = learning_rate(self.recipe, step, self.steps_per_epoch)
        for settings in self.optimiser.param_groups:
            settings["lr"] = rate
        _seed(self.recipe.seed, self.epoch, self.done, self.world.rank)
        for loaded in group:
            batch = loaded.batch
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
            for name in _TERMS:
                self.sums[name] += float(terms[name].detach().sum())
        parameters = list(self.parameters.values())
        sum_gradients(parameters, self.world)
        self.scaler.unscale_(self.optimiser)
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.recipe.clip_norm or math.inf)
        # With fp16 some steps overflow and are left out; a scale below 1 says that all do.
        hopeless = not self.scaler.is_enabled() or self.scaler.get_scale() < 1
        if hopeless and not torch.isfinite(norm):
            ids = [name for loaded in group for name in loaded.batch.ids]
            self._stop_at_nan("gradient", {}, ids, step)
        self.sums["norm"] += float(norm) if torch.isfinite(norm) else 0.0
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)

    def _losses(self, batch: Any) -> dict[str, Tensor]:
        frames = batch.frames.to(self.device, non_blocking=True)
        labels = [self._labels[name] for name in batch.ids]
        lengths = torch.tensor([len(mine) for mine in labels])
        flat = torch.tensor([label for mine in labels for label in mine])
        with self._autocast():
            output = self.model(prepare(frames, self.preprocessing), batch.lengths)
        return losses(output, flat.to(self.device), lengths, self.weights)

    def _evaluate(self, cache: Mapping[str, Array]) -> Score:
        """Score the dev split, every process a share of it."""
        self.model.eval()
        mine = self.dev[self.world.rank :: self.world.size]
        found = recognise_corpus(
            self.model,
            mine,
            self.preprocessing,
            self.decoding,
            self.examples.vocabulary,
            device=self.device,
            precision=self.precision,
            workers=0 if cache else self.options.workers,
            cache=cache,
        )
        words: dict[str, list[str]] = {}
        for part in self.world.gather({id: list(one.glosses) for id, one in found.items()}):
            words |= part
        order = [reference.id for reference in self.task.references]
        return score_references(self.task, Hypotheses({id: words.get(id, []) for id in order}))

    def _finish_epoch(self, score: Score, board: Any) -> None:
        sums = self._gathered_sums()
        clips = self.batches_per_epoch * self.batch
        self.epoch += 1
        self.done = 0
        now = time.monotonic()
        row = {
            "epoch": self.epoch,
            "step": self.epoch * self.steps_per_epoch,
            "loss": sums["total"] / clips,
            **{f"loss_{name}": sums[name] / clips for name in _TERMS[1:]},
            "gradient_norm": sums["norm"] / self.world.size / self.steps_per_epoch,
            "lr": self.optimiser.param_groups[0]["lr"],
            "dev_wer": score.wer,
            "seconds": now - self.started,
        }
        self.started = now
        self.sums = dict.fromkeys(self.sums, 0.0)
        self.history.append(row)
        better = self.best is None or score.wer < self.best["dev_wer"]
        if better:
            self.best, self.best_score = row, score
        if self.world.first:
            # The state last: what is written before it is written again after a kill.
            if better:
                self._save_checkpoint(self.out, row, score)
            if board is not None:
                for name, value in row.items():
                    if name not in ("epoch", "step"):
                        board.add_scalar(name, value, self.epoch)
                board.flush()
            self._write_log()
            self._save_state()
        self.world.wait()
        mark = "  best so far" if better else ""
        self.say(
            f"epoch {self.epoch:3d}/{self.recipe.epochs}  loss {row['loss']:8.3f}  "
            f"dev WER {score.wer:6.2f} %  {row['seconds']:6.1f} s{mark}"
        )

    # -- saving and going on ---------------------------------------------------------------

    def _save_state(self) -> None:
        sums = self._gathered_sums() if self.done else dict(self.sums)
        if not self.world.first:
            return
        self.folder.save(
            self.fingerprint,
            {
                "adapter": self.model.adapter_state(),
                "head": self.model.head_state(),
                "optimiser": self.optimiser.state_dict(),
                "scaler": self.scaler.state_dict(),
                "epoch": self.epoch,
                "done": self.done,
                "sums": sums,
                "history": self.history,
                "best": self.best,
                "seconds": time.monotonic() - self.started,
            },
        )

    def _resume(self) -> None:
        state = None if self.options.restart else self.folder.load(self.fingerprint)
        self.world.wait()  # all have read it, or seen none, before the first writes
        if state is None:
            if self.options.restart and self.world.first:
                self.folder.clear()  # only now: all that could be wrong has been looked at
            # From here on a checkpoint at `out` is this run's own.
            self._save_state()
            return
        if state["best"] is not None and not os.path.exists(self.out):
            raise UsageError(
                f"{self.out} is missing, the checkpoint of an unfinished run: put it back, or "
                "start over with --restart"
            )
        self.model.load_states(state["adapter"], state["head"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])
        self.epoch, self.done = state["epoch"], state["done"]
        self.history, self.best = state["history"], state["best"]
        if self.world.first:
            self.sums = state["sums"]
        self.started = time.monotonic() - state["seconds"]
        if self.epoch == self.recipe.epochs:
            self.say(f"all {self.epoch} epochs are done already")
        elif self.epoch or self.done:
            batch = f", batch {self.done} of the next" if self.done else ""
            self.say(f"resuming after epoch {self.epoch}{batch}")

    def _save_checkpoint(
        self, path: str, row: Mapping[str, float], score: Score | None = None
    ) -> None:
        model = self.model
        parts = {
            "adapter": model.adapter_state(),
            "head": model.head_state(),
            "tower": model.tower_state(),
        }
        metrics: dict[str, Any] = {"epoch": int(row["epoch"]), "dev_wer": row["dev_wer"]}
        if score is not None:
            metrics |= {"dev": score.total.to_dict(), "signature": score.signature}
        checkpoint = new_checkpoint(
            model=self.config.to_dict(),
            vocabulary=self.examples.vocabulary,
            preprocessing=self.preprocessing.to_dict(),
            decoding=self.decoding.to_dict(),
            corpus={
                "name": self.corpus.name,
                "setup": self.corpus.setup,
                "labels": self.recipe.labels,
            },
            protocol=OFFICIAL,
            recipe=self.recipe.to_dict(),
            metrics=metrics,
            backbone={
                "name": self.recipe.backbone,
                "pretrained": self.recipe.pretrained,
                "hash": self.tower_hash,
            },
            tensors={
                f"{part}.{name}": value.detach().cpu()
                for part, state in parts.items()
                for name, value in state.items()
            },
        )
        save_checkpoint(path, checkpoint, slim=self.options.slim)

    def _check_target(self) -> None:
        """See that nothing a user had is lost."""
        parent = os.path.dirname(os.path.abspath(self.out))
        if not os.path.isdir(parent):
            raise SlaevalError(f"{self.out}: cannot write: there is no folder {parent}")
        for path in (self.out, _last(self.out), os.fspath(self.folder.log)):
            if os.path.isdir(path):
                raise SlaevalError(f"{path}: cannot write: this is a folder")
            taken = os.path.exists(path) and not self.folder.state.exists()
            if taken and not self.options.restart:
                raise UsageError(
                    f"{path} already exists; no run to resume: name another --out, or overwrite it "
                    "with --restart"
                )
        self.world.wait()

    # -- before the first step -------------------------------------------------------------

    def _tell_about_data(self, broken: Mapping[str, str], absent: Mapping[str, str]) -> None:
        examples = self.examples
        self._labels = {clip.footage.id: clip.labels for clip in examples.clips}
        self.say(
            f"{self.corpus.name} ({self.corpus.setup}): {len(examples.clips)} clips, "
            f"{examples.frames} frames, {len(examples.vocabulary)} glosses; dev "
            f"{len(self.dev)} clips; {self.device}, {self.precision}, {self.world.size} "
            f"process{'es' if self.world.size > 1 else ''}"
        )
        for note in examples.notes:
            self.say(f"  {note}")
        for what, left_out in (
            ("left out by the community", broken),
            ("skipped", examples.skipped),
            ("skipped on dev, counted as recognised empty", absent),
        ):
            for id, reason in list(left_out.items())[:5]:
                self.say(f"  {what}: {id} ({reason})")
            if len(left_out) > 5:
                self.say(f"  … and {len(left_out) - 5} more {what}")
        known = set(examples.vocabulary)
        unknown = {word for reference in self.task.references for word in reference.words} - known
        if unknown:
            shown = ", ".join(sorted(unknown)[:5])
            self.say(f"  dev glosses that are in no training clip: {len(unknown)} ({shown})")

    def _filled_cache(self, workers: int) -> dict[str, Array]:
        """Read all frames once, where they fit into memory."""
        footage: list[VideoClip] = [clip.footage for clip in self.examples.clips] + self.dev
        size = sum(shot.num_frames for shot in footage) * self.recipe.resize**2 * 3
        kept = size * self.world.size <= self.options.cache_gb * 1e9
        if kept:
            self.say(f"reading all frames into memory ({size / 1e6:.0f} MB)")
        elif self.options.on_error == "skip":
            self.say("reading all frames once, to find those that cannot be read")
        else:
            return {}
        cache: dict[str, Array] = {}
        unreadable: dict[str, InputError] = {}
        with (
            FrameLoader(ClipDataset(footage, self.recipe.resize), workers=workers) as reading,
            self._progress(footage, "reading") as advance,
        ):
            plan = [[index] for index in range(len(footage))]
            for loaded in reading.batches(plan, on_error=self.options.on_error):
                advance(1, footage[loaded.keys[0]].num_frames)
                unreadable |= loaded.failures
                if kept and loaded.batch is not None:
                    pixels = loaded.batch.frames.permute(0, 2, 3, 1)
                    cache[loaded.batch.ids[0]] = np.array(pixels.numpy())
        if unreadable:
            self._leave_out(unreadable)
        return cache

    def _leave_out(self, unreadable: Mapping[str, InputError]) -> None:
        for id, error in unreadable.items():
            self.say(f"  skipped: {id} ({error})")
        clips = tuple(c for c in self.examples.clips if c.footage.id not in unreadable)
        if not clips:
            raise InputError("no sample to train on: none can be read", self.corpus.root)
        self.examples = replace(self.examples, clips=clips)
        absent = {shot.id: unreadable[shot.id] for shot in self.dev if shot.id in unreadable}
        self.dev = [shot for shot in self.dev if shot.id not in absent]
        self._check_dev(absent)
        self._count_steps()

    def _check_dev(self, absent: Mapping[str, Any]) -> None:
        """See that there is something to choose the best epoch by."""
        if not self.dev:
            why = next(iter(absent.values()), "it is empty")
            raise InputError(
                f"no sample of {self.task.split} to evaluate on: {why}", self.corpus.root
            )

    def _count_steps(self) -> None:
        """See how many batches and steps an epoch over the clips has."""
        self.lengths = [clip.footage.num_frames for clip in self.examples.clips]
        self.batches_per_epoch = len(epoch_plan(self.lengths, self.batch, 0, self.recipe.seed))
        self.steps_per_epoch = math.ceil(self.batches_per_epoch / self.recipe.accumulate)

    # -- small things ----------------------------------------------------------------------

    def _progress(
        self, footage: Sequence[VideoClip], label: str
    ) -> contextlib.AbstractContextManager[Callable[[int, int], None]]:
        """Show how far the first process is; the others do as much."""
        if not self.world.first:
            return contextlib.nullcontext(lambda segments, frames: None)
        return progress(len(footage), sum(shot.num_frames for shot in footage), label)

    def _autocast(self) -> Any:
        lower = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.precision)
        return torch.autocast(self.device.type, lower, enabled=lower is not None)

    def _stop_at_nan(
        self, what: str, terms: Mapping[str, Tensor], ids: Sequence[str], step: int
    ) -> None:
        wrong = {name: ~torch.isfinite(value.detach().cpu()) for name, value in terms.items()}
        parts = [name for name, places in wrong.items() if places.any()]
        where = f" in {', '.join(parts)}" if parts else ""
        ids = [id for row, id in enumerate(ids) if any(p[row] for p in wrong.values())] or ids
        raise SlaevalError(
            f"the {what} is not a number{where}, in epoch {self.epoch + 1}, step {step + 1}, on "
            f"the clips {', '.join(ids)}. What was saved last is intact. Lower the learning rate "
            "(--lr) or --set clip_norm=…, or use --precision fp32; if it is always the same clip, "
            "look at its frames and labels"
        )

    def _gathered_sums(self) -> dict[str, float]:
        parts = self.world.gather(self.sums)
        return {name: sum(part[name] for part in parts) for name in self.sums}

    def _rescored(self) -> Score:
        best = read_checkpoint(self.out)
        self.model.load_states(best.part("adapter"), best.part("head"))
        return self._evaluate({})

    def _tensorboard(self) -> Any:
        if not self.world.first:
            return None
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(self.folder.tensorboard), purge_step=self.epoch + 1)

    def _write_log(self) -> None:
        import importlib.util

        self.folder.write_log(self.history)
        if importlib.util.find_spec("matplotlib") is None:
            return  # the table is there; the picture needs the extra 'analysis'
        from slaeval.analysis import draw_curves

        write_whole(self.folder.curves, draw_curves(self.history))


def _last(out: str) -> str:
    stem, suffix = os.path.splitext(out)
    return f"{stem}.last{suffix}"


def _seed(*parts: int) -> None:
    digest = hashlib.sha256(" ".join(map(str, parts)).encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:8], "little") >> 1)
