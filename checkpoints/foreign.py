"""Heads of VAC and of the code made from it: CorrNet, SEN, AdaptSign.

Their files are dictionaries with ``epoch``, ``model_state_dict``, ``optimizer_state_dict``,
``scheduler_state_dict`` and ``rng_state``, the weights named as in VAC's ``slr_network.py``
(https://github.com/ycmin95/VAC_CSLR), with ``module.`` in front where several GPUs were used:

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

Taken are kernels of 5 in the order ``K5,P2,K5,P2`` under a normalised classifier, nothing else.
The picture encoder ``conv2d`` is theirs alone, so what comes out is a head, not a recogniser.
No published file was at hand when this was written: the layout is read from the public source,
and the tests convert files made in it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slaeval.checkpoints.archive import Archive, Stored
from slaeval.checkpoints.content import DTYPES, Checkpoint, new_checkpoint
from slaeval.errors import InputError
from slaeval.files import read_start, read_text

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ConvertedHead", "encoder_weights", "is_foreign", "read_head", "read_vocabulary"]

#: What ``rng_state`` and the optimiser's side bring along. None of it is made or used.
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
    """A head taken from other code, and what became of the rest.

    Attributes
    ----------
    checkpoint : Checkpoint
        Of kind ``"head"``: can start a training.
    taken : dict of str to str
        Our name of each tensor by theirs.
    left : dict of str to str
        Why each other entry was left out.
    """

    checkpoint: Checkpoint
    taken: dict[str, str]
    left: dict[str, str]


def is_foreign(path: str) -> bool:
    """Tell whether a file of torch.save names VAC's parts; it need not be sound otherwise."""
    try:
        with Archive(path, _IGNORED) as archive:
            return _weights(archive.content) is not None
    except InputError:
        return False


def read_vocabulary(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Read glosses in the order of their classes, from class 1.

    Parameters
    ----------
    path : path-like
        ``gloss_dict.npy`` as VAC's preprocessing writes it (``{gloss: [class, count]}``), or
        text with one gloss a line.

    Raises
    ------
    InputError
        It is neither, or its classes are not 1, 2, 3, … each once.
    """
    path = os.fspath(path)
    if read_start(path, "a vocabulary", 6) != b"\x93NUMPY":
        text = read_text(path, "a vocabulary: one gloss a line, or gloss_dict.npy")
        glosses = text.split("\n")
        while glosses and not glosses[-1].strip():
            glosses.pop()
        for line, gloss in enumerate(glosses, 1):
            if len(gloss.split()) != 1:
                raise InputError(f"expected one gloss a line, found {gloss!r:.60}", path, line)
        stripped = tuple(gloss.strip() for gloss in glosses)
        for gloss, count in Counter(stripped).items():
            if count > 1:
                raise InputError(f"{gloss!r} stands here {count} times", path)
        return stripped
    from slaeval.formats.pickles import load_npy

    content = load_npy(path)
    if not isinstance(content, dict) or not content:
        raise InputError("expected {gloss: [class, count]}, as gloss_dict.npy is", path)
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
    """Take the head out of a file of VAC, CorrNet, SEN or AdaptSign.

    Parameters
    ----------
    path : path-like
        The file; nothing in it is run.
    vocabulary : sequence of str
        Its glosses in the order of their classes, from class 1.

    Returns
    -------
    ConvertedHead
        What was taken, and why the rest was not.

    Raises
    ------
    InputError
        The file is damaged, asks for anything executable, is not of that layout, nothing in it
        fits, or it was made for another number of glosses.
    """
    path = os.fspath(path)
    with Archive(path, _IGNORED) as archive:
        content = archive.content
        if isinstance(content, dict) and "format" in content:
            raise InputError("this is no foreign checkpoint; convert it without a vocabulary", path)
        weights = _weights(content)
        if weights is None:
            raise InputError(
                "not in the layout of VAC: expected model_state_dict with conv1d.temporal_conv.*, "
                "temporal_model.rnn.* and classifier.weight",
                path,
            )
        taken, left = _sorted_out(weights, len(vocabulary) + 1, path)
        if not taken:
            reasons = "; ".join(f"{name}: {why}" for name, why in list(left.items())[:3])
            raise InputError(f"nothing of its head fits ({reasons})", path)
        tensors: dict[str, Tensor] = {
            f"head.{ours}": archive.tensor(theirs, weights[theirs])
            for theirs, ours in taken.items()
        }
    if content is not weights:
        left |= {
            str(name): "only needed to go on with their training"
            for name in content
            if name != "model_state_dict"
        }
    epoch = content.get("epoch")
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
    return ConvertedHead(checkpoint, taken, left)


def encoder_weights(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Return the picture encoder of a file in VAC's layout, named as behind ``conv2d.visual.``.

    Raises
    ------
    InputError
        The file is damaged, asks for anything executable, or is not of that layout.
    """
    path = os.fspath(path)
    with Archive(path, _IGNORED) as archive:
        weights = _weights(archive.content)
        if weights is None:
            raise InputError("not in the layout of VAC", path)
        return {
            theirs.removeprefix(_ENCODER): archive.tensor(name, stored)
            for name, stored in weights.items()
            if isinstance(stored, Stored)
            and (theirs := str(name).removeprefix("module.")).startswith(_ENCODER)
        }


def _weights(content: Any) -> dict[str, Stored] | None:
    """Return the weights of a file in VAC's layout, named as they stand there."""
    if not isinstance(content, dict):
        return None
    weights = content.get("model_state_dict", content)
    if not isinstance(weights, dict) or not any(
        isinstance(name, str)
        and isinstance(stored, Stored)
        and name.removeprefix("module.").startswith(("conv1d.", "temporal_model.rnn."))
        for name, stored in weights.items()
    ):
        return None
    return weights


def _sorted_out(
    weights: Mapping[Any, Any], classes: int, path: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Say which weights are taken under which name, and why others are not."""
    taken: dict[str, str] = {}
    left: dict[str, str] = {}
    shapes = {
        str(name).removeprefix("module."): stored.shape
        for name, stored in weights.items()
        if isinstance(stored, Stored)
    }
    expected = _expected(shapes)
    for name, stored in weights.items():
        theirs = str(name).removeprefix("module.")
        ours = next(
            (
                new + theirs.removeprefix(old)
                for old, new in _PLACES.items()
                if theirs.startswith(old)
            ),
            None,
        )
        if not isinstance(stored, Stored):
            left[str(name)] = "no tensor"
        elif theirs.startswith("conv2d."):
            left[str(name)] = "their picture encoder; the tower takes its place"
        elif theirs.startswith("conv1d.fc."):
            left[str(name)] = "one classifier serves both the sequence and the convolution"
        elif ours is None:
            left[str(name)] = "no such part"
        elif ours not in expected:
            left[str(name)] = "no such weight in this head"
        elif stored.shape != expected[ours]:
            left[str(name)] = f"is {list(stored.shape)}; expected {list(expected[ours])}"
        elif stored.dtype not in DTYPES:
            left[str(name)] = f"is of type {stored.dtype}"
        elif ours in taken.values():
            left[str(name)] = "stands here twice"
        else:
            taken[str(name)] = ours
    found = shapes.get("classifier.weight")
    if "classifier.weight" in taken.values() and found is not None and found[1] != classes:
        raise InputError(
            f"made for {found[1]} classes ({found[1] - 1} glosses and the blank), but the "
            f"vocabulary has {classes - 1} glosses: not the vocabulary it was trained with",
            path,
        )
    return taken, left


def _expected(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of our head, as wide as theirs."""
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
