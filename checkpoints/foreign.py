"""Heads of VAC and the code derived from it: CorrNet, SEN, AdaptSign.

Their files are dictionaries with ``epoch``, ``model_state_dict``, ``optimizer_state_dict``,
``scheduler_state_dict`` and ``rng_state``, with weights named as in VAC's ``slr_network.py``
(https://github.com/ycmin95/VAC_CSLR); :mod:`slaeval.checkpoints.weights` finds them in what
training code wraps around them:

=================================  ===================================
theirs                             ours
=================================  ===================================
``conv1d.temporal_conv.0``         ``temporal_convolution.conv1``
``conv1d.temporal_conv.1``         ``temporal_convolution.norm1``
``conv1d.temporal_conv.4``         ``temporal_convolution.conv2``
``conv1d.temporal_conv.5``         ``temporal_convolution.norm2``
``temporal_model.rnn``             ``recurrent``
``classifier``                     ``classifier``
=================================  ===================================

Only heads with kernels of 5 in the order ``K5,P2,K5,P2`` and a normalised classifier are accepted.
The image encoder ``conv2d`` has no counterpart here, so the result is a head, not a recogniser.
No published file was available when this was written: the layout follows the public source, and
the tests convert files made in that layout.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slaeval.checkpoints.content import DTYPES, Checkpoint, new_checkpoint
from slaeval.checkpoints.weights import WeightsFile
from slaeval.errors import InputError
from slaeval.files import read_start, read_text

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "ConvertedHead",
    "encoder_names",
    "encoder_weights",
    "is_foreign",
    "read_head",
    "read_vocabulary",
]

#: Names to which ``rng_state`` and the optimiser's state refer; none is created or used.
_IGNORED = (
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),  # the same, as numpy 2 calls it
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    ("collections", "Counter"),
)

#: AdaptSign's CLIP tower.
_ENCODER = "conv2d.visual."

_PLACES = {
    "conv1d.temporal_conv.0.": "temporal_convolution.conv1.",
    "conv1d.temporal_conv.1.": "temporal_convolution.norm1.",
    "conv1d.temporal_conv.4.": "temporal_convolution.conv2.",
    "conv1d.temporal_conv.5.": "temporal_convolution.norm2.",
    "temporal_model.rnn.": "recurrent.",
    "classifier.": "classifier.",
}


@dataclass(frozen=True)
class ConvertedHead:
    """A head taken from other code, and why the rest was left out.

    Attributes
    ----------
    checkpoint : Checkpoint
        Of kind ``"head"``: can be used to start training.
    taken : dict of str to str
        Our name of each tensor by theirs.
    left : dict of str to str
        Why each other entry was left out.
    """

    checkpoint: Checkpoint
    taken: dict[str, str]
    left: dict[str, str]


def is_foreign(path: str) -> bool:
    """Say whether a file of weights names VAC's parts, even if it is otherwise unsound."""
    try:
        with WeightsFile(path, "a checkpoint", _IGNORED) as file:
            return _is_vacs(file)
    except InputError:
        return False


def read_vocabulary(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Read glosses in the order of their classes, from class 1.

    Parameters
    ----------
    path : path-like
        ``gloss_dict.npy`` as VAC's preprocessing writes it (``{gloss: [class, count]}``), or
        text with one gloss per line.

    Raises
    ------
    InputError
        It is neither, or its classes are not 1, 2, 3, … each once.
    """
    path = os.fspath(path)
    if read_start(path, "a vocabulary", 6) != b"\x93NUMPY":
        text = read_text(path, "a vocabulary: one gloss per line, or gloss_dict.npy")
        glosses = text.split("\n")
        while glosses and not glosses[-1].strip():
            glosses.pop()
        for line, gloss in enumerate(glosses, 1):
            if len(gloss.split()) != 1:
                raise InputError(f"expected one gloss per line, found {gloss!r:.60}", path, line)
        stripped = tuple(gloss.strip() for gloss in glosses)
        for gloss, count in Counter(stripped).items():
            if count > 1:
                raise InputError(f"duplicate gloss {gloss!r} ({count} times)", path)
        return stripped
    from slaeval.formats.pickles import load_npy

    content = load_npy(path)
    if not isinstance(content, dict) or not content:
        raise InputError("expected {gloss: [class, count]}, as in gloss_dict.npy", path)
    classes: dict[int, str] = {}
    for gloss, entry in content.items():
        number = entry[0] if isinstance(entry, (list, tuple)) and entry else entry
        if not isinstance(gloss, str) or type(number) is not int:
            raise InputError(
                f"expected {{gloss: [class, count]}}, found {gloss!r:.40}: {entry!r:.40}", path
            )
        if number in classes:
            raise InputError(f"class {number} is both {classes[number]!r} and {gloss!r}", path)
        classes[number] = gloss
    for number in range(1, len(classes) + 1):
        if number not in classes:
            raise InputError(
                f"{len(classes)} glosses, but none is class {number}; expected 1 to "
                f"{len(classes)}, with the blank at 0",
                path,
            )
    return tuple(classes[number] for number in sorted(classes))


def read_head(path: str | os.PathLike[str], vocabulary: Sequence[str]) -> ConvertedHead:
    """Extract the head from a file of VAC, CorrNet, SEN or AdaptSign.

    Parameters
    ----------
    path : path-like
        The file; nothing in it is executed.
    vocabulary : sequence of str
        Its glosses in the order of their classes, from class 1.

    Returns
    -------
    ConvertedHead
        What was taken, and why the rest was not.

    Raises
    ------
    InputError
        The file is damaged, refers to anything executable, is not in that layout, nothing in it
        fits, or it was made for another number of glosses.
    """
    path = os.fspath(path)
    with WeightsFile(path, "a checkpoint", _IGNORED) as file:
        if "format" in file.others:
            raise InputError(
                "this is a checkpoint of slaeval; convert it without --vocabulary", path
            )
        if not _is_vacs(file):
            raise InputError(
                "not in the layout of VAC: expected conv1d.temporal_conv.*, temporal_model.rnn.* "
                "and classifier.weight",
                path,
            )
        taken, left = _sorted_out(file, len(vocabulary) + 1)
        # Vectors as long as a layer is wide fit many heads: biases, counters, statistics.
        if not any(len(file.weights[name].shape) > 1 for name in taken):
            first: dict[str, str] = {}
            for name, why in left.items():
                first.setdefault(why, name)
            reasons = "; ".join(f"{name}: {why}" for why, name in first.items())
            raise InputError(f"nothing of its head fits ({reasons})", path)
        tensors = {f"head.{ours}": _single(file.tensor(name)) for name, ours in taken.items()}
        named = {file.weights[name].name: ours for name, ours in taken.items()}
        left |= dict.fromkeys(file.others, "no tensor")
        left |= dict.fromkeys(file.beside, "only needed to continue their training")
        epoch = file.beside.get("epoch")
    try:
        checkpoint = new_checkpoint(
            model={"classes": len(vocabulary) + 1},
            vocabulary=vocabulary,
            preprocessing={},
            decoding={},
            corpus={},
            protocol="",
            recipe={
                "converted_from": os.path.basename(path),
                **({"epoch": epoch} if type(epoch) is int else {}),
            },
            metrics={},
            backbone={},
            tensors=tensors,
            kind="head",
        )
    except InputError as error:
        raise InputError(str(error), path) from None
    return ConvertedHead(checkpoint, named, left)


def _single(tensor: Tensor) -> Tensor:
    """Return float64 as float32, the type of our weights."""
    return tensor.float() if str(tensor.dtype) == "torch.float64" else tensor


def encoder_weights(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Return the picture encoder of a file in VAC's layout, named without ``conv2d.visual.``.

    Raises
    ------
    InputError
        The file is damaged, refers to anything executable, or is not in that layout.
    """
    with WeightsFile(path, "a checkpoint", _IGNORED) as file:
        return {name.removeprefix(_ENCODER): file.tensor(name) for name in _encoder_of(file)}


def encoder_names(path: str | os.PathLike[str]) -> list[str]:
    """Return the names of :func:`encoder_weights` without reading the weights.

    Raises
    ------
    InputError
        As for :func:`encoder_weights`.
    """
    with WeightsFile(path, "a checkpoint", _IGNORED) as file:
        return [name.removeprefix(_ENCODER) for name in _encoder_of(file)]


def _encoder_of(file: WeightsFile) -> list[str]:
    if not _is_vacs(file):
        raise InputError("not in the layout of VAC", file.path)
    return [name for name in file.weights if name.startswith(_ENCODER)]


def _is_vacs(file: WeightsFile) -> bool:
    return any(name.startswith(("conv1d.", "temporal_model.rnn.")) for name in file.weights)


def _sorted_out(file: WeightsFile, classes: int) -> tuple[dict[str, str], dict[str, str]]:
    """Say which weights are taken under which name, and why others are not.

    Those taken are named without the prefixes of wrappers, others as in the file.
    """
    taken: dict[str, str] = {}
    left: dict[str, str] = {}
    shapes = {name: weight.shape for name, weight in file.weights.items()}
    expected = _expected(shapes)
    for name, weight in file.weights.items():
        ours = next(
            (new + name.removeprefix(old) for old, new in _PLACES.items() if name.startswith(old)),
            None,
        )
        if name.startswith("conv2d."):
            left[weight.name] = "their image encoder; replaced by the tower"
        elif name.startswith("conv1d.fc."):
            left[weight.name] = "one classifier serves both the sequence and the convolution"
        elif ours is None:
            left[weight.name] = "no such part"
        elif ours not in expected:
            left[weight.name] = "no such weight in this head"
        elif weight.shape != expected[ours]:
            left[weight.name] = f"is {list(weight.shape)}; expected {list(expected[ours])}"
        elif weight.dtype not in (*DTYPES, "float64"):
            left[weight.name] = f"is of type {weight.dtype}"
        else:
            taken[name] = ours
    found = shapes.get("classifier.weight")
    if "classifier.weight" in taken.values() and found is not None and found[1] != classes:
        raise InputError(
            f"made for {found[1]} classes ({found[1] - 1} glosses and the blank), but the "
            f"vocabulary has {classes - 1} glosses: not the vocabulary it was trained with",
            file.path,
        )
    return taken, left


def _expected(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of our head with the widths of the other code's."""
    first = shapes.get("conv1d.temporal_conv.0.weight", ())
    if len(first) != 3:
        return {}
    hidden, inputs, _ = first
    half = hidden // 2
    expected: dict[str, tuple[int, ...]] = {}
    for number, width in ((1, inputs), (2, hidden)):
        part = "temporal_convolution"
        expected[f"{part}.conv{number}.weight"] = (hidden, width, 5)
        expected[f"{part}.conv{number}.bias"] = (hidden,)
        for name in ("weight", "bias", "running_mean", "running_var"):
            expected[f"{part}.norm{number}.{name}"] = (hidden,)
        expected[f"{part}.norm{number}.num_batches_tracked"] = ()
    layers = sum(
        name.startswith("temporal_model.rnn.weight_ih_l") and not name.endswith("_reverse")
        for name in shapes
    )
    for layer in range(layers):
        for end in (f"l{layer}", f"l{layer}_reverse"):
            expected[f"recurrent.weight_ih_{end}"] = (4 * half, hidden)
            expected[f"recurrent.weight_hh_{end}"] = (4 * half, half)
            expected[f"recurrent.bias_ih_{end}"] = (4 * half,)
            expected[f"recurrent.bias_hh_{end}"] = (4 * half,)
    # A plain linear layer is [classes, hidden] and has a bias: not normalised.
    classifier = shapes.get("classifier.weight", ())
    if len(classifier) == 2 and "classifier.bias" not in shapes:
        expected["classifier.weight"] = (hidden, classifier[1])
    return expected
