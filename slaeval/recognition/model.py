"""Any model in the runner: what it has to have, and how it is found.

:func:`slaeval.evaluate` and ``slaeval run --model`` take every object that has the shape of
:class:`CSLRModel`: a vocabulary, a preprocessing and a call from frames to log probabilities, or
to glosses. Everything else is the runner's: reading, batching, decoding, the journal, memory
that does not suffice, ranks, report and pictures. A checkpoint of ``slaeval train`` goes the
same way: :class:`~slaeval.recognition.checkpoint_loading.LoadedCheckpoint` is a
:class:`LoadedModel`.

A model in the layout of published code takes padded clips and gives logits. It fits so::

    class Mine(torch.nn.Module):
        vocabulary = tuple(...)  # class 0 is the blank, class i + 1 is gloss i
        preprocessing = Preprocessing(256, 224, "half")

        def forward(self, frames, lengths):
            logits, steps = self.network(pad_clips(frames, lengths), lengths)
            return logits.log_softmax(-1), steps
"""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from slaeval.checkpoints import check_vocabulary
from slaeval.decoding import Decoding
from slaeval.decoding.saved import NORMALISED
from slaeval.decoding.steps import FRAMES_PER_STEP
from slaeval.errors import InputError, SlaevalError, UsageError, nearest
from slaeval.recognition.batches import Preprocessing, collate
from slaeval.recognition.devices import choose_device, choose_precision
from slaeval.recognition.predictor import (
    ModelOutput,
    Predictor,
    Recognised,
    frame_budget_for,
    out_of_memory,
)

if TYPE_CHECKING:
    from slaeval.loaders.video import VideoClip

__all__ = [
    "GROUP",
    "CSLRModel",
    "FrameRateWarning",
    "LoadedModel",
    "check_fps",
    "load_model",
    "pad_clips",
]

#: Of the entry points by which a package offers models under a name.
GROUP = "slaeval.models"


class FrameRateWarning(UserWarning):
    """A video is not known to be of the frame rate that a model was trained on."""


@runtime_checkable
class CSLRModel(Protocol):
    """What a model has to have.

    A :class:`torch.nn.Module` is put into evaluation mode and moved to the device; anything
    else with a method ``to`` has that called with the device.

    Attributes
    ----------
    vocabulary : sequence of str
        Gloss of class i + 1; class 0 is the blank.
    preprocessing : Preprocessing
        What is done to frames before the model sees them.
    decoding : Decoding, optional
        How glosses are found; prefix beam search of width 10 without it.
    frames_per_step : int, optional
        How many frames one step of the output stands for: 4 without it, as in the VAC family.
    corpus : str, optional
        Name of the corpus it is for, where nobody names one.
    fps : float, optional
        Frames per second it was trained on; what that corpus has without it.
    name : str, optional
        What runs are called after.
    fingerprint : str, optional
        Tells these weights from others, so that a run goes on with the model it was begun
        with. Without it, that of all weights of a module; a model that is none has to give it.
    """

    @property
    def vocabulary(self) -> Sequence[str]:
        """Gloss of class i + 1."""
        ...

    @property
    def preprocessing(self) -> Preprocessing:
        """What is done to frames."""
        ...

    def __call__(self, frames: Tensor, lengths: Tensor, /) -> ModelOutput:
        """Recognise B clips.

        What comes out for a clip must not depend on the clips beside it; where padding makes
        it depend, ``--exact`` runs one clip at a time.

        Parameters
        ----------
        frames : Tensor
            [ΣT, 3, crop, crop] on the device, clip after clip, none between them: float32 as
            the preprocessing says, uint8 under the normalisation ``"bytes"``.
        lengths : Tensor
            int64 [B] on the CPU, frames of each clip.

        Returns
        -------
        tuple of Tensor, or list
            Log probabilities [B, T', V] with V = len(vocabulary) + 1, and steps of each clip,
            int [B]; what lies beyond them means nothing. Or the glosses themselves, a list of
            str a clip: nothing is decoded then, and no gloss has frames.
        """
        ...


@dataclass(frozen=True, repr=False)
class LoadedModel:
    """A model on its device, with all that is needed to recognise with it.

    Attributes
    ----------
    model : CSLRModel
        In evaluation mode on `device`.
    vocabulary : tuple of str
        Gloss of class i + 1; class 0 is the blank.
    preprocessing : Preprocessing
        What is done to frames.
    decoding : Decoding
        How glosses are found.
    corpus : mapping
        What is known of the corpus it is for: ``name``, ``setup``, ``fps``.
    device : torch.device
        Where the model is.
    path : str
        Where it is from: a file, ``module:factory``, or what it calls itself.
    hash : str
        Tells its weights from others.
    """

    model: Any
    vocabulary: tuple[str, ...]
    preprocessing: Preprocessing
    decoding: Decoding
    corpus: Mapping[str, Any]
    device: torch.device
    path: str
    hash: str

    @property
    def frames_per_step(self) -> int:
        """How many frames one step of the output stands for."""
        return cast(int, getattr(self.model, "frames_per_step", FRAMES_PER_STEP))

    @property
    def name(self) -> str:
        """What a run is called after where it has no folder of its own."""
        given = str(getattr(self.model, "name", "") or self.path)
        return given.replace(":", "-").replace("/", "-")

    @property
    def where(self) -> str:
        """The path as a run remembers it."""
        return self.path

    @property
    def fps(self) -> float | None:
        """Frames per second it was trained on.

        As the model says; of one that does not, what its corpus has, or None.
        """
        stated: float | None = self.corpus.get("fps")
        return stated or _fps_of(self.corpus.get("name"))

    @property
    def fps_note(self) -> str:
        """What to say where the model does not tell its rate; ``""`` where it does."""
        if self.corpus.get("fps"):
            return ""
        unsaid = f"{self.path} does not say how many frames per second it was trained on"
        if self.fps is None:
            return f"{unsaid}: frames are used as they come"
        return f"{unsaid}: taken to be {self.fps:.4g}, as {self.corpus['name']} has"

    def at_its_rate(self, clip: VideoClip) -> VideoClip:
        """Return a clip as if it had been filmed at the rate the model was trained on."""
        return clip if self.fps is None else clip.at_rate(self.fps)

    def forward(self, frames: Tensor, lengths: Tensor) -> ModelOutput:
        """Call the model, and hold what it gives to :class:`CSLRModel`.

        Raises
        ------
        InputError
            What it gives is not what a model has to give.
        SlaevalError
            It failed, with the place where.
        """
        try:
            output = self.model(frames, lengths)
        except Exception as error:
            if out_of_memory(error) or isinstance(error, SlaevalError):
                raise
            raise _failed(f"the model {self.path}", error) from error
        return _checked(output, lengths, len(self.vocabulary) + 1, self.path)

    def compile(self) -> None:
        """Compile the model with ``torch.compile``.

        Raises
        ------
        UsageError
            It is no module.
        """
        if not isinstance(self.model, nn.Module):
            raise UsageError(f"{self.path} is not a torch module: leave out --compile")
        self.model.compile(dynamic=True)

    def precision(self, name: str) -> str:
        """Return what to compute in; ``"auto"`` leaves a model of one's own in float32."""
        return choose_precision("fp32" if name == "auto" else name, self.device)

    def predictor(self, decoding: Decoding, precision: str, budget: int, **more: Any) -> Predictor:
        """Return what turns clips into glosses with this model; see :class:`Predictor`."""
        return Predictor(
            self.forward,
            self.preprocessing,
            decoding,
            self.vocabulary,
            self.device,
            precision,
            budget,
            frames_per_step=self.frames_per_step,
            **more,
        )

    def recognise(
        self,
        source: str | os.PathLike[str] | NDArray[np.uint8] | VideoClip,
        *,
        fps: float | None = None,
        decoding: Decoding | None = None,
        precision: str = "auto",
    ) -> Recognised:
        """Recognise one video.

        What was filmed at another rate than the model was trained on is seen at that rate:
        frames are taken by time.

        Parameters
        ----------
        source : path-like, uint8 array [T, H, W, 3] or VideoClip
            A video file, a folder of frames, or the frames as RGB.
        fps : float, optional
            Frames per second of an array or a folder of frames, which do not say it; the model's
            own without it. A video file says it.
        decoding : Decoding, optional
            How; as the model says without it.
        precision : {"auto", "fp32", "bf16", "fp16"}
            What to compute in.

        Raises
        ------
        InputError
            The video cannot be read, or the array is no video.
        SlaevalError
            It is too long for the memory.

        Warns
        -----
        FrameRateWarning
            It was filmed at another rate, or one of the two rates is not known. ``notes`` of the
            result say the same.
        """
        from slaeval.loaders.video import VideoClip, open_footage, rate_note, read_frames

        side = self.preprocessing.resize
        if isinstance(source, np.ndarray):
            _check_video(source)
            whole = VideoClip("video", "", (), len(source), fps=fps or self.fps)
        else:
            whole = source if isinstance(source, VideoClip) else open_footage(source, fps=fps)
        clip = self.at_its_rate(whole)
        if isinstance(source, np.ndarray):
            frames = _resized(source if clip.taken is None else source[list(clip.taken)], side)
        else:
            frames = read_frames(clip, (side, side))
        one_pass = self.predictor(
            decoding or self.decoding, self.precision(precision), frame_budget_for(self.device)
        )
        found = one_pass.batch(collate([(clip.id, frames)]))[0]
        if clip is not whole:
            found = found.in_film(clip)
        rates = rate_note([clip], self.fps) if self.fps else ""
        notes = tuple(filter(None, (self.fps_note, rates)))
        for note in notes:
            warnings.warn(note, FrameRateWarning, stacklevel=2)
        return replace(found, notes=notes)

    def __repr__(self) -> str:
        return f"<LoadedModel {self.path}: {len(self.vocabulary)} glosses, {self.device}>"


def load_model(source: str | CSLRModel, device: str | torch.device = "cpu") -> LoadedModel:
    """Make a model ready to recognise.

    Parameters
    ----------
    source : str or CSLRModel
        ``package.module:factory``, where the factory is called without arguments and a model is
        taken as it is; the name of an entry point of the group ``slaeval.models``; or a model.
    device : str or torch.device
        ``"auto"``, ``"cuda"``, ``"cuda:1"``, ``"mps"`` or ``"cpu"``.

    Raises
    ------
    UsageError
        There is no such module, factory or entry point, or what comes of it is no model.
    InputError
        Its vocabulary, preprocessing or decoding cannot be meant.
    SlaevalError
        The factory failed, or there is no such device.
    """
    device = choose_device(str(device))
    model = _made(source) if isinstance(source, str) else source
    path = source if isinstance(source, str) else getattr(model, "name", type(model).__name__)
    missing = [part for part in ("vocabulary", "preprocessing") if not hasattr(model, part)]
    if not callable(model) or missing:
        raise UsageError(
            f"{path} gives a {type(model).__name__}, which is not a model: it has no "
            f"{', no '.join(missing) or 'call'} (see slaeval.recognition.model.CSLRModel)"
        )
    vocabulary = list(model.vocabulary)
    check_vocabulary(vocabulary, path)
    preprocessing, decoding = model.preprocessing, getattr(model, "decoding", Decoding())
    if isinstance(preprocessing, Mapping):
        preprocessing = Preprocessing.from_dict(preprocessing)
    if isinstance(decoding, Mapping):
        decoding = Decoding.from_dict(decoding)
    for value, kind in ((preprocessing, Preprocessing), (decoding, Decoding)):
        if not isinstance(value, kind):
            raise InputError(f"{value!r:.60} is not of type {kind.__name__}", path)
    step = getattr(model, "frames_per_step", FRAMES_PER_STEP)
    if type(step) is not int or step < 1:
        raise InputError(f"frames_per_step is {step!r}; expected 1 or more", path)
    if isinstance(model, nn.Module):
        model.eval().requires_grad_(False)
    if hasattr(model, "to"):
        model.to(device)
    corpus, fps = getattr(model, "corpus", None), getattr(model, "fps", None)
    try:
        check_fps(fps)
    except InputError as error:
        raise InputError(str(error), path) from None
    return LoadedModel(
        model,
        tuple(vocabulary),
        preprocessing,
        decoding,
        {"name": corpus, "fps": fps},
        device,
        str(path),
        _fingerprint(model, vocabulary, step, str(path)),
    )


def pad_clips(frames: Tensor, lengths: Tensor) -> Tensor:
    """Put clips under one another, as published models take them.

    Parameters
    ----------
    frames : Tensor
        [ΣT, …], clip after clip.
    lengths : Tensor
        int64 [B], frames of each.

    Returns
    -------
    Tensor
        [B, Tmax, …], zero behind the end of a clip.
    """
    clips = list(torch.split(frames, lengths.tolist()))
    return nn.utils.rnn.pad_sequence(clips, batch_first=True)


def _made(source: str) -> CSLRModel:
    """Find ``module:factory`` or the entry point of a name, and call what can be called."""
    from importlib.metadata import entry_points

    name, colon, attribute = source.partition(":")
    if colon:
        found = _imported(source, name, attribute)
    else:
        points = {point.name: point for point in entry_points(group=GROUP)}
        if source not in points:
            known = f"; known: {', '.join(sorted(points))}" if points else ""
            raise UsageError(
                f"no model {source!r}{nearest(source, points)}{known}; name one as "
                "package.module:factory"
            )
        try:
            found = points[source].load()
        except Exception as error:
            raise _failed(f"the model {source}", error) from error
    if hasattr(found, "vocabulary") and not isinstance(found, type):
        return cast(CSLRModel, found)
    if not callable(found):
        raise UsageError(f"{source} is a {type(found).__name__}: neither a model nor a factory")
    try:
        return cast(CSLRModel, found())
    except Exception as error:
        if isinstance(error, SlaevalError):
            raise
        raise _failed(f"the factory {source}", error) from error


def _imported(source: str, module: str, attribute: str) -> Any:
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())  # as with python -m, whatever started this
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise _failed(source, error) from error
        raise UsageError(
            f"no module {error.name!r} for --model {source}: looked for in the current folder and "
            "where Python looks"
        ) from None
    except Exception as error:
        raise _failed(source, error) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise UsageError(f"{module} has no {attribute!r}{nearest(attribute, dir(found))}")
        found = getattr(found, part)
    return found


def _failed(what: str, error: Exception) -> SlaevalError:
    """Say what failed in code that is not ours, and where."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    reason = (str(error).splitlines() or [""])[0]
    # A call that never got into that code, such as one that lacks arguments, ends here.
    where = "" if place.filename == __file__ else f" at {place.filename}:{place.lineno}"
    return SlaevalError(f"{what} failed{where}: {type(error).__name__}: {reason}")


def _checked(output: Any, lengths: Tensor, classes: int, path: str) -> ModelOutput:
    """Return what a model gave, in the types the decoder takes."""
    clips = len(lengths)
    if isinstance(output, tuple) and len(output) == 2 and isinstance(output[0], Tensor):
        log_probs, steps = output
        shape = tuple(log_probs.shape)
        if len(shape) != 3 or shape[0] != clips or shape[2] != classes:
            raise InputError(
                f"the model gave log probabilities {list(shape)} for {clips} clips; expected "
                f"[{clips}, T', {classes}]: a blank and {classes - 1} glosses",
                path,
            )
        given = torch.as_tensor(steps).cpu()
        steps = given.to(torch.int64)
        within = (steps == given) & (steps >= 0) & (steps <= shape[1])
        if tuple(steps.shape) != (clips,) or not bool(within.all()):
            raise InputError(
                f"the model gave the steps {given.tolist()!s:.60} for {clips} clips; expected one "
                f"whole number of 0 to {shape[1]} a clip",
                path,
            )
        log_probs = log_probs.float()
        _refuse_logits(log_probs, steps, path)
        return log_probs, steps
    if isinstance(output, (list, tuple)) and len(output) == clips:
        glosses = [one.split() if isinstance(one, str) else list(one) for one in output]
        if all(isinstance(word, str) and word.split() == [word] for one in glosses for word in one):
            return glosses
    raise InputError(
        f"the model gave {type(output).__name__} for {clips} clips; expected log probabilities "
        "and steps, or a list of glosses a clip",
        path,
    )


def _refuse_logits(log_probs: Tensor, steps: Tensor, path: str) -> None:
    """Refuse what is not normalised: a beam search would rank it wrongly."""
    real = torch.arange(log_probs.shape[1])[None] < steps[:, None]
    total = log_probs.logsumexp(-1)[real.to(log_probs.device)]
    off = total[total.isfinite() & (total.abs() > NORMALISED)]
    if len(off):
        raise InputError(
            f"the probabilities of a step add up to e^{off[0].item():.2f}, not to 1: let the model "
            "return log_softmax(-1) of its logits",
            path,
        )


def _fingerprint(
    model: CSLRModel, vocabulary: Sequence[str], frames_per_step: int, path: str
) -> str:
    """Return a hash of everything a model's output is known to depend on."""
    given = getattr(model, "fingerprint", None)
    digest = hashlib.sha256(repr((type(model).__qualname__, frames_per_step)).encode())
    digest.update("\n".join(vocabulary).encode("utf-8", "surrogateescape"))
    if given is not None:
        digest.update(str(given).encode())
    elif isinstance(model, nn.Module):
        for name, value in model.state_dict().items():
            digest.update(f"\n{name}".encode())
            if isinstance(value, Tensor):
                digest.update(f" {value.dtype} {list(value.shape)}".encode())
                flat = value.detach().cpu().contiguous().view(-1)
                digest.update(flat.view(torch.uint8).numpy().tobytes())
    else:
        raise UsageError(
            f"{path} is not a torch module, so nothing tells its weights from others: give it an "
            "attribute 'fingerprint' (any text that changes when its weights do)"
        )
    return digest.hexdigest()


def check_fps(fps: object) -> None:
    """See that a model's frames per second are a rate, where it says any.

    Raises
    ------
    InputError
        They are not.
    """
    if fps is not None and not (isinstance(fps, (int, float)) and 1 <= fps <= 1000):
        raise InputError(f"fps is {fps!r:.40}; expected 1 to 1000 frames per second")


def _fps_of(corpus: str | None) -> float | None:
    """Return the frame rate of a corpus; None of one of another package that is not here."""
    from slaeval.loaders.registry import layout

    try:
        return None if corpus is None else layout(corpus).fps
    except UsageError:
        return None


def _check_video(frames: NDArray[np.uint8]) -> None:
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or not frames.size:
        raise InputError(
            f"a video is a uint8 array [T, H, W, 3] of RGB frames, not {frames.dtype} "
            f"{list(frames.shape)}"
        )


def _resized(frames: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    if frames.shape[1:3] == (side, side):
        return frames
    from PIL import Image

    pictures = (Image.fromarray(frame) for frame in frames)
    size = (side, side)
    return np.stack([np.asarray(one.resize(size, Image.Resampling.BILINEAR)) for one in pictures])
