"""From footage to ragged batches: which clips go together, and who reads them.

A batch holds the frames of several clips one after another, without padding: the tower sees
no frame that is not there. Clips of similar length go together, because the head behind the
tower does pad, and a batch holds at most a given number of frames, because that is what
memory is spent on.

Frames are decoded and resized in worker processes and stay bytes until they are on the
device; cropping and normalising happens there. What a worker finds wrong with a file comes
back as the error it is and is raised, or handed on, by the process that asked.
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from slaeval.errors import InputError, SlaevalError
from slaeval.models.normalisation import NORMALISATIONS

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from slaeval.loaders.video import VideoClip

__all__ = [
    "Batch",
    "ClipDataset",
    "EntryLoader",
    "LoadedBatch",
    "Preprocessing",
    "FrameLoader",
    "collate",
    "plan_batches",
    "prepare",
]


@dataclass(frozen=True)
class Preprocessing:
    """What is done to a frame before the tower sees it.

    Attributes
    ----------
    resize : int
        Side of the square each frame is resized to, whatever its shape.
    crop : int
        Side of the square cut from the centre of that; the tower's input side.
    normalisation : {"clip", "half", "imagenet", "bytes"}
        Mean and standard deviation that pixels are normalised by; see
        :data:`slaeval.models.normalisation.NORMALISATIONS`. ``"bytes"``: none, the pixels as they
        are, for a model that does it itself.
    """

    resize: int = 256
    crop: int = 224
    normalisation: str = "clip"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a checkpoint keeps them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        """Read the fields back.

        Raises
        ------
        InputError
            A field is missing, unknown or out of range.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(values, Mapping) or set(values) != names:
            raise InputError(
                f"preprocessing needs the fields {', '.join(sorted(names))}, found "
                f"{', '.join(sorted(map(str, values))) or 'none'}"
            )
        for name in ("resize", "crop"):
            if type(values[name]) is not int or not 1 <= values[name] <= 4096:
                raise InputError(f"preprocessing: {name} must be 1 to 4096, not {values[name]!r}")
        if values["crop"] > values["resize"]:
            raise InputError(
                f"preprocessing: the crop of {values['crop']} does not fit into frames resized "
                f"to {values['resize']}"
            )
        known = (*NORMALISATIONS, "bytes")
        if values["normalisation"] not in known:
            raise InputError(
                f"preprocessing: normalisation must be one of {', '.join(known)}, not "
                f"{values['normalisation']!r}"
            )
        return cls(**values)


class Batch(NamedTuple):
    """Clips one after another.

    Attributes
    ----------
    ids : list of str
        One a clip.
    frames : Tensor
        uint8 [ΣT, 3, H, W], RGB. Stored height by width by channel: no byte is moved on the
        way to the device.
    lengths : Tensor
        int64 [B] on the CPU: how many of the frames are each clip's.
    """

    ids: list[str]
    frames: Tensor
    lengths: Tensor


class LoadedBatch(NamedTuple):
    """What came of one entry of a plan.

    Attributes
    ----------
    keys : list
        The entry: all keys of it, read or not.
    batch : Batch or None
        The clips that could be read, in the entry's order; None where none could.
    failures : dict
        Id to what was wrong with it.
    """

    keys: list[Any]
    batch: Batch | None
    failures: dict[str, InputError]


def collate(clips: Sequence[tuple[str, NDArray[np.uint8]]]) -> Batch:
    """Put clips one after another.

    Parameters
    ----------
    clips : sequence of (str, uint8 array [T, H, W, 3])
        Id and frames; all of one height and width.

    Raises
    ------
    ValueError
        There is no clip, or one without frames.
    """
    lengths = [len(frames) for _, frames in clips]
    if not lengths or not all(lengths):
        raise ValueError("a batch needs clips with frames")
    together = clips[0][1] if len(clips) == 1 else np.concatenate([frames for _, frames in clips])
    if not together.flags.writeable:
        together = together.copy()
    frames = torch.from_numpy(together).permute(0, 3, 1, 2)
    return Batch([name for name, _ in clips], frames, torch.tensor(lengths, dtype=torch.int64))


def plan_batches(lengths: Sequence[int], frame_budget: int) -> list[list[int]]:
    """Divide clips into batches of similar length.

    Parameters
    ----------
    lengths : sequence of int
        Frames of each clip.
    frame_budget : int
        Most frames a batch may hold; a clip longer than that goes alone.

    Returns
    -------
    list of list of int
        Indices, longest clips first: what does not fit into memory shows at once. The same
        lengths and budget give the same plan.

    Raises
    ------
    ValueError
        The budget or a length is not positive.
    """
    if frame_budget < 1 or any(length < 1 for length in lengths):
        raise ValueError("lengths and the frame budget must be positive")
    plan: list[list[int]] = []
    room = 0
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        if lengths[index] > room:
            plan.append([])
            room = frame_budget
        plan[-1].append(index)
        room -= lengths[index]
    return plan


def prepare(
    frames: Tensor, preprocessing: Preprocessing, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Crop and normalise frames, on the device they are on.

    Parameters
    ----------
    frames : Tensor
        uint8 [N, 3, H, W]; H and W at least the crop.
    preprocessing : Preprocessing
        What to do.
    dtype : torch.dtype
        Of the result; computed in float32 whatever it is.

    Returns
    -------
    Tensor
        [N, 3, crop, crop], contiguous: its layout does not depend on how the frames lay. uint8
        under the normalisation ``"bytes"``.
    """
    side = preprocessing.crop
    height, width = frames.shape[-2:]
    if height < side or width < side:
        raise ValueError(f"frames of {height}x{width} are smaller than the crop of {side}")
    top, left = (height - side) // 2, (width - side) // 2
    frames = frames[..., top : top + side, left : left + side]
    if preprocessing.normalisation == "bytes":
        return torch.empty(frames.shape, dtype=torch.uint8, device=frames.device).copy_(frames)
    pixels = torch.empty(frames.shape, dtype=torch.float32, device=frames.device).copy_(frames)
    if preprocessing.normalisation == "half":
        return pixels.div_(127.5).sub_(1).to(dtype)
    middle, spread = NORMALISATIONS[preprocessing.normalisation]
    mean = torch.tensor(middle, device=frames.device).mul_(255)[:, None, None]
    std = torch.tensor(spread, device=frames.device).mul_(255)[:, None, None]
    return pixels.sub_(mean).div_(std).to(dtype)


class ClipDataset(torch.utils.data.Dataset[tuple[str, NDArray[np.uint8]]]):
    """The clips of some footage, read one at a time.

    A key is an index into the footage. A trainer derives from this class, and may use keys
    that say more: which epoch, which augmentation.

    Parameters
    ----------
    footage : sequence of Footage
        Where the frames are.
    resize : int
        Side of the square they are resized to.
    """

    def __init__(self, footage: Sequence[VideoClip], resize: int) -> None:
        self.footage = footage
        self.resize = resize

    def name(self, key: Any) -> str:
        """Return the id of the clip a key stands for."""
        footage: VideoClip = self.footage[key]
        return footage.id

    def read(self, key: Any) -> NDArray[np.uint8]:
        """Read the frames a key stands for, uint8 [T, H, W, 3].

        Raises
        ------
        InputError
            They cannot be read; the message names the file and the sample.
        """
        from slaeval.loaders.video import read_frames

        return read_frames(self.footage[key], (self.resize, self.resize))

    def __getitem__(self, key: Any) -> tuple[str, NDArray[np.uint8]]:
        return self.name(key), self.read(key)

    def __getitems__(self, keys: list[Any]) -> LoadedBatch:
        """Read one entry of a plan; what cannot be read is part of the answer."""
        clips: list[tuple[str, NDArray[np.uint8]]] = []
        failures: dict[str, InputError] = {}
        for key in keys:
            try:
                clips.append(self[key])
            except InputError as error:
                failures[self.name(key)] = error
        return LoadedBatch(keys, collate(clips) if clips else None, failures)


def _context() -> BaseContext:
    """Return how readers are started; see the notes of :class:`FrameLoader`."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["slaeval.recognition.batches"])
    return context


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Put a Ctrl-C off until readers have started, and keep it from them for good.

    It is for this process, which then ends them; one that is still starting when what it shares
    with this process is gone dies with a traceback. The mask is what readers inherit; it holds
    for this thread alone, and the system gives the signal to any thread that takes it, after
    which Python interrupts the main one all the same: hence the handler besides.
    """
    from multiprocessing import resource_tracker

    came: list[int] = []
    main = threading.current_thread() is threading.main_thread()
    masks = hasattr(signal, "pthread_sigmask")
    if masks:
        resource_tracker.ensure_running()  # started later, it would let Ctrl-C through again
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    if main:
        handler = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        if masks:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)  # one that waited comes here
        if main:
            signal.signal(signal.SIGINT, signal.SIG_DFL if handler is None else handler)
    if came:
        signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def _readers_uncounted() -> Iterator[None]:
    """Keep torch from counting readers against cores: they wait for disks too."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")
        yield


def _prepare_reader(_: int) -> None:
    """End this reader with the process that wants its frames, and without a word about it.

    torch's own watch looks at the parent of the reader, which is the server that started it and
    which in turn lives as long as its readers.
    """
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    sys.excepthook = _without_lost_connections


def _without_lost_connections(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Report an error of a reader, unless it is that the other process left while frames went over.

    After a Ctrl-C there, the thread that hands over memory (``multiprocessing.resource_sharer``)
    finds a connection without its other end, and would print a traceback.
    """
    if not issubclass(kind, (EOFError, ConnectionError)):
        sys.__excepthook__(kind, error, trace)


class _Plan:
    """The batch sampler of a loader whose workers outlive one plan."""

    def __init__(self) -> None:
        self.entries: Sequence[Sequence[Hashable]] = ()

    def __iter__(self) -> Iterator[list[Hashable]]:
        return map(list, self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def _as_loaded(loaded: Any) -> Any:
    """Leave what ``__getitems__`` made as it is."""
    return loaded


class _Read(Protocol):
    """What came of one entry of a plan, as far as a loader needs to know."""

    @property
    def failures(self) -> Mapping[str, InputError]: ...


Read = TypeVar("Read", bound=_Read)
_ReadOnly = TypeVar("_ReadOnly", bound=_Read, covariant=True)


class _Entries(Protocol[_ReadOnly]):
    """What reads an entry of a plan."""

    def __getitems__(self, keys: list[Any]) -> _ReadOnly: ...


class EntryLoader(Generic[Read]):
    """Reads plans of clips, ahead of who asks for them.

    Memory holds at most ``workers * ahead + 2`` batches, where `ahead` is 2 for up to four
    workers and 1 for more. The workers stay for the next plan until :meth:`close`.

    Parameters
    ----------
    clips : ClipDataset
        What to read from, an entry at a time.
    workers : int
        Processes that read; 0 reads when asked, in this process.
    pin : bool
        Put frames into page-locked memory, from which they go to a CUDA device while other
        things happen.

    Notes
    -----
    Workers are started from a clean server process where the system has one, not forked from
    this one: a fork would copy the locks of OpenMP, numba and the decoders as they stand. As
    with any such use, a script must guard its own code with ``if __name__ == "__main__":``.
    """

    def __init__(self, clips: _Entries[Read], *, workers: int = 0, pin: bool = False) -> None:
        if workers < 0:
            raise ValueError("the number of workers cannot be negative")
        self._plan = _Plan()
        context = _context() if workers else None
        with _readers_uncounted():
            self._loader: torch.utils.data.DataLoader[Any] = torch.utils.data.DataLoader(
                clips,  # type: ignore[arg-type]  # torch asks for __getitem__, and uses the other
                batch_sampler=self._plan,
                collate_fn=_as_loaded,
                num_workers=workers,
                worker_init_fn=_prepare_reader,
                prefetch_factor=(2 if workers <= 4 else 1) if workers else None,
                persistent_workers=workers > 0,
                pin_memory=pin,
                multiprocessing_context=context,
            )

    def batches(self, plan: Sequence[Sequence[Any]], *, on_error: str = "stop") -> Iterator[Read]:
        """Read a plan.

        Parameters
        ----------
        plan : sequence of sequences
            Keys of the clips that go together.
        on_error : {"stop", "skip"}
            Whether a clip that cannot be read ends everything, or is left out of its batch
            and named in ``failures``.

        Yields
        ------
        LoadedBatch
            One an entry, in the plan's order.

        Raises
        ------
        InputError
            A clip cannot be read, with ``on_error="stop"``.
        SlaevalError
            A worker died.
        """
        self._plan.entries = plan
        started = _uninterrupted() if self._loader.num_workers else contextlib.nullcontext()
        with started, _readers_uncounted():
            stream = iter(self._loader)
        while True:
            try:
                loaded: Read = next(stream)
            except StopIteration:
                return
            except RuntimeError as error:
                if "DataLoader worker" not in str(error):
                    raise
                reason = str(error).splitlines()[0]
                raise SlaevalError(
                    f"a process that reads frames died ({reason}): memory ran out, shared "
                    "memory (/dev/shm) is small, or a damaged file crashed the decoder; try "
                    "fewer frames or clips at once, or --workers 0"
                ) from error
            if loaded.failures and on_error == "stop":
                raise next(iter(loaded.failures.values()))
            yield loaded

    def close(self) -> None:
        """End the workers."""
        stream, self._loader._iterator = self._loader._iterator, None
        if stream is not None:
            stream._shutdown_workers()  # type: ignore[attr-defined]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FrameLoader(EntryLoader[LoadedBatch]):
    """A loader of ragged batches of frames."""
