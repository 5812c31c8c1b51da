"""One pass of a model over clips: forward, decode, align.

The results do not depend on which clips share a batch: the tower sees each frame of each clip
and nothing else, the head masks what pads, and each clip is decoded by itself. So memory may
decide how much goes through at once. Where it does not suffice, a batch is done in halves, and
all that follow are smaller too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from slaeval.decoding import Decoding, align, confidences, decode
from slaeval.decoding.steps import FRAMES_PER_STEP
from slaeval.errors import InputError, SlaevalError
from slaeval.recognition.batches import (
    Batch,
    ClipDataset,
    FrameLoader,
    LoadedBatch,
    Preprocessing,
    plan_batches,
    prepare,
)
from slaeval.recognition.devices import numerics

if TYPE_CHECKING:
    from slaeval.loaders.video import VideoClip
    from slaeval.models.recogniser import Recogniser

__all__ = [
    "ModelOutput",
    "Predictor",
    "Recognised",
    "frame_budget_for",
    "out_of_memory",
    "recognise_corpus",
]

#: What a model gives for B clips: log probabilities [B, T', V] and steps [B], with or without
#: those of a second head; or their glosses.
ModelOutput: TypeAlias = tuple[Tensor, ...] | list[list[str]]


@dataclass(frozen=True)
class Recognised:
    """What was recognised in one clip, and where.

    Attributes
    ----------
    id : str
        The clip.
    frames : int
        How many it has.
    glosses : tuple of str
        What was signed.
    spans : tuple of (int, int)
        Of each gloss the frames [start, end) it was signed in: the steps of the likeliest
        path that spells the glosses, cut to the clip. Empty where the model gave the glosses
        themselves, like the confidences.
    confidences : tuple of float
        Of each gloss the mean posterior probability over its span, 0 to 1.
    log_probs : float32 array [T', V]
        Natural log probabilities of each step; class 0 is the blank, class i + 1 is gloss i.
    notes : tuple of str
        What a reader should know, such as that the clip was filmed at another rate.
    second : tuple of str
        What the model's second head recognised, where it has one.
    """

    id: str
    frames: int
    glosses: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    confidences: tuple[float, ...]
    log_probs: NDArray[np.float32]
    notes: tuple[str, ...] = ()
    second: tuple[str, ...] = ()

    def in_film(self, clip: VideoClip) -> Recognised:
        """Return it with spans in all the frames of a clip of which only some were read."""
        return replace(
            self,
            frames=clip.frames_there,
            spans=tuple(clip.span_there(start, end) for start, end in self.spans),
        )


class _Forwarded(NamedTuple):
    """Log probabilities on their way from the device, or glosses that need no decoding."""

    ids: list[str]
    frames: list[int]
    output: ModelOutput
    arrived: torch.cuda.Event | None


def frame_budget_for(device: torch.device) -> int:
    """Return how many frames go through at once where nobody says: what a device can use."""
    return 256 if device.type == "cpu" else 1024


class Predictor:
    """A model, and all that turns clips into glosses with it.

    Parameters
    ----------
    model : callable
        From prepared frames [ΣT, 3, S, S] on its device and lengths [B] on the CPU to a
        :data:`ModelOutput`; in evaluation mode.
    preprocessing : Preprocessing
        What is done to frames.
    decoding : Decoding
        How glosses are found.
    vocabulary : sequence of str
        Gloss of class i + 1.
    device : torch.device
        Where the model is.
    precision : {"fp32", "bf16", "fp16"}
        What it computes in.
    frame_budget : int
        Maximum frames per batch.
    exact : bool
        One clip at a time and kernels that give the same bits each time, so that the
        probabilities of a clip depend on nothing but the clip.
    on_smaller : callable, optional
        Told the new frame budget when memory did not suffice.
    frames_per_step : int
        How many frames one step of the output stands for.
    """

    def __init__(
        self,
        model: Callable[[Tensor, Tensor], ModelOutput],
        preprocessing: Preprocessing,
        decoding: Decoding,
        vocabulary: Sequence[str],
        device: torch.device,
        precision: str,
        frame_budget: int,
        *,
        exact: bool = False,
        on_smaller: Callable[[int], None] | None = None,
        frames_per_step: int = FRAMES_PER_STEP,
    ) -> None:
        self.model = model
        self.preprocessing = preprocessing
        self.decoding = decoding
        self.vocabulary = vocabulary
        self.device = device
        self.precision = precision
        self.frame_budget = frame_budget
        self.exact = exact
        self.on_smaller = on_smaller
        self.frames_per_step = frames_per_step

    def over(self, stream: Iterable[LoadedBatch]) -> Iterator[tuple[LoadedBatch, list[Recognised]]]:
        """Recognise batches as they come.

        On a GPU the next batch is on its way before the last is decoded.

        Yields
        ------
        tuple of Loaded and list of Recognised
            The batch and what was recognised in it, in order.

        Raises
        ------
        SlaevalError
            One clip alone is too much for the memory, or the tower cannot be compiled.
        InputError
            The model gave nan.
        """
        waiting: tuple[LoadedBatch, list[_Forwarded]] | None = None
        for loaded in stream:
            forwarded = [] if loaded.batch is None else self._forward(loaded.batch)
            if waiting is not None:
                yield waiting[0], self._finish(waiting[1])
            waiting = loaded, forwarded
            if self.device.type != "cuda":
                yield waiting[0], self._finish(waiting[1])
                waiting = None
        if waiting is not None:
            yield waiting[0], self._finish(waiting[1])

    def batch(self, batch: Batch) -> list[Recognised]:
        """Recognise one batch; errors as :meth:`over`."""
        return self._finish(self._forward(batch))

    def _forward(self, batch: Batch) -> list[_Forwarded]:
        lengths = batch.lengths.tolist()
        done: list[_Forwarded] = []
        start = first = 0
        while first < len(lengths):
            count, frames = 1, lengths[first]
            while (
                not self.exact
                and first + count < len(lengths)
                and frames + lengths[first + count] <= self.frame_budget
            ):
                frames += lengths[first + count]
                count += 1
            part = Batch(
                batch.ids[first : first + count],
                batch.frames[start : start + frames],
                batch.lengths[first : first + count],
            )
            forwarded = self._attempt(part)
            if forwarded is None:
                self._shrink(part, frames)
                continue
            done.append(forwarded)
            first += count
            start += frames
        return done

    def _shrink(self, part: Batch, frames: int) -> None:
        if len(part.ids) == 1:
            raise SlaevalError(
                f"sample {part.ids[0]!r}: its {frames} frames alone do not fit into the memory of "
                f"{self.device} ({self.precision}); take a device with more, or a lower "
                "--precision"
            )
        self.frame_budget = max(1, min(self.frame_budget, frames) // 2)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        elif self.device.type == "mps":
            torch.mps.empty_cache()
        if self.on_smaller is not None:
            self.on_smaller(self.frame_budget)

    def _attempt(self, part: Batch) -> _Forwarded | None:
        """Run the model; None where memory does not suffice."""
        try:
            with numerics(self.device, self.precision, exact=self.exact):
                frames = part.frames.to(self.device, non_blocking=True)
                output = self.model(prepare(frames, self.preprocessing), part.lengths)
                arrived = None
                if isinstance(output, tuple) and self.device.type == "cuda":
                    # Into page-locked memory, so that nothing waits for it here.
                    output = tuple(
                        torch.empty(one.shape, dtype=one.dtype, pin_memory=one.is_cuda).copy_(
                            one, non_blocking=True
                        )
                        for one in output
                    )
                    arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
                    arrived.record()
                return _Forwarded(part.ids, part.lengths.tolist(), output, arrived)
        except (RuntimeError, MemoryError) as error:
            if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                reason = str(error).splitlines()[0]
                raise SlaevalError(
                    f"torch.compile failed ({reason}); leave out --compile"
                ) from error
            if not out_of_memory(error):
                raise
        # Only here, out of the handler, is what the failed attempt held let go.
        return None

    def _finish(self, forwarded: Sequence[_Forwarded]) -> list[Recognised]:
        found: list[Recognised] = []
        step = self.frames_per_step
        for part in forwarded:
            if part.arrived is not None:
                part.arrived.synchronize()
            if isinstance(part.output, list):
                found += [
                    Recognised(name, frames, tuple(glosses), (), (), np.empty((0, 0), np.float32))
                    for name, frames, glosses in zip(
                        part.ids, part.frames, part.output, strict=True
                    )
                ]
                continue
            values, steps, *second = (tensor.cpu().numpy() for tensor in part.output)
            classes, *others = (self._decoded(head, steps, part.ids) for head in (values, *second))
            for row, labels in enumerate(classes):
                # A copy, or one clip would hold the memory of its whole batch.
                log_probs = values[row, : steps[row]].copy()
                spans = align(log_probs, labels)
                frames = part.frames[row]
                found.append(
                    Recognised(
                        part.ids[row],
                        frames,
                        self._glosses(labels),
                        tuple(
                            (min(step * start, frames), min(step * end, frames))
                            for start, end in spans
                        ),
                        tuple(confidences(log_probs, labels, spans)),
                        log_probs,
                        second=self._glosses(others[0][row]) if others else (),
                    )
                )
        return found

    def _decoded(
        self, log_probs: NDArray[np.float32], steps: NDArray[np.int64], ids: list[str]
    ) -> list[list[int]]:
        try:
            return decode(log_probs, steps, **self.decoding.to_dict(), ids=ids)
        except InputError as error:
            raise InputError(
                f"the model's output cannot be decoded ({self.precision}): {error}"
            ) from None

    def _glosses(self, labels: Sequence[int]) -> tuple[str, ...]:
        return tuple(self.vocabulary[label - 1] for label in labels)


def out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory does not suffice, on any device."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    # MPS, the CPU's allocator and the libraries of CUDA say it in words only.
    return any(
        words in text
        for words in ("out of memory", "not enough memory", "allocate memory", "_alloc_failed")
    )


class _Cached(ClipDataset):
    """Clips of which some are decoded already."""

    def __init__(
        self, footage: Sequence[VideoClip], resize: int, cache: Mapping[str, NDArray[np.uint8]]
    ) -> None:
        super().__init__(footage, resize)
        self.cache = cache

    def read(self, key: int) -> NDArray[np.uint8]:
        frames = self.cache.get(self.footage[key].id)
        return super().read(key) if frames is None else frames


def recognise_corpus(
    model: Recogniser,
    footage: Sequence[VideoClip],
    preprocessing: Preprocessing,
    decoding: Decoding,
    vocabulary: Sequence[str],
    device: torch.device | str = "cpu",
    precision: str = "fp32",
    frame_budget: int | None = None,
    workers: int = 0,
    cache: Mapping[str, NDArray[np.uint8]] | None = None,
    both_heads: bool = False,
) -> dict[str, Recognised]:
    """Recognise footage, as a trainer does after each epoch.

    Parameters
    ----------
    model : Recogniser
        On `device`. Put into evaluation mode, and back into the mode it was in.
    footage : sequence of Footage
        What to recognise.
    preprocessing, decoding, vocabulary, device, precision
        As :class:`Predictor`.
    frame_budget : int, optional
        Maximum frames per batch; depends on the device without it.
    workers : int
        Processes that read; 0 reads in this one.
    cache : mapping, optional
        Id to uint8 array [T, H, W, 3], resized already: not read again.
    both_heads : bool
        Decode the convolution's classes too, into ``Recognised.second``.

    Returns
    -------
    dict
        Id to :class:`Recognised`, in the order of the footage.

    Raises
    ------
    InputError
        A clip cannot be read, or the model gave nan.
    SlaevalError
        One clip alone is too much for the memory.
    """
    device = torch.device(device)
    budget = frame_budget or frame_budget_for(device)
    clips = _Cached(footage, preprocessing.resize, cache or {})
    plan = plan_batches([clip.num_frames for clip in footage], budget)
    forward = model.both_log_probs if both_heads else model.log_probs
    one_pass = Predictor(forward, preprocessing, decoding, vocabulary, device, precision, budget)
    found: dict[str, Recognised] = {}
    training = model.training
    model.eval()
    try:
        with FrameLoader(clips, workers=workers, pin=device.type == "cuda") as reading:
            for _, recognised in one_pass.over(reading.batches(plan)):
                found.update((clip.id, clip) for clip in recognised)
    finally:
        model.train(training)
    return {clip.id: found[clip.id] for clip in footage}
