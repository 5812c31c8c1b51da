"""Files of weights from other code, written by ``torch.save`` or safetensors.

Weights are at the top level or inside a training checkpoint (``state_dict``, ``model_state_dict``,
``model``), and their names may have the prefixes of wrappers: ``module.`` for several GPUs,
``_orig_mod.`` for ``torch.compile``, in any order and anywhere. Both are removed here, and
tensors are read one at a time.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from slaeval.checkpoints.archive import Archive, Stored
from slaeval.checkpoints.forms import form_inside
from slaeval.checkpoints.safetensors_file import described, read_tensors
from slaeval.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Weight", "WeightsFile", "plain_name"]

#: Where a training checkpoint keeps the weights, the most certain key first.
_WRAPPERS = ("model_state_dict", "state_dict", "model", "module")
_PREFIXES = ("module", "_orig_mod")


class Weight(NamedTuple):
    """A tensor in a file, not yet read.

    Attributes
    ----------
    name : str
        As in the file.
    dtype : str
        Type of its numbers: ``"float32"``.
    shape : tuple of int
        Its shape.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]


def plain_name(name: str) -> str:
    """Return the name of a weight without the prefixes of wrappers."""
    parts = [part for part in name.split(".") if part not in _PREFIXES]
    return ".".join(parts[1:] if len(parts) > 2 and parts[0] == "model" else parts)


class WeightsFile:
    """A file of weights, open for reading; a context manager. Nothing in it is executed.

    Parameters
    ----------
    path : path-like
        The file.
    what : str
        What it should be, for messages.
    ignored : collection of (module, name)
        Names besides those of tensors that a file of ``torch.save`` may refer to; objects made
        with them are left out.

    Attributes
    ----------
    beside : dict
        What a training checkpoint has besides the weights: ``epoch`` and the like.
    weights : dict of str to Weight
        Weights by their plain names.
    others : tuple of str
        Entries among the weights that are not tensors.

    Raises
    ------
    InputError
        The file is missing, damaged, of another kind, has no weights, or one of them twice.
    RefusedError
        It refers to anything executable.
    """

    def __init__(
        self, path: str | os.PathLike[str], what: str, ignored: Collection[tuple[str, str]] = ()
    ) -> None:
        self.path = os.fspath(path)
        self.beside: dict[str, Any] = {}
        self._archive: Archive | None = None
        self._stored: dict[str, Stored] = {}
        if form_inside(self.path, what) == "pt":
            self._archive = Archive(self.path, ignored)
        try:
            found = self._found()
            self.others = tuple(name for name, weight in found.items() if weight is None)
            self.weights = self._plainly_named(filter(None, found.values()))
        except BaseException:
            self.close()
            raise

    def _found(self) -> dict[str, Weight | None]:
        if self._archive is not None:
            return self._unwrapped(self._archive.content)
        return {
            name: Weight(name, dtype, shape)
            for name, (dtype, shape) in described(self.path)[1].items()
        }

    def _plainly_named(self, weights: Iterable[Weight]) -> dict[str, Weight]:
        named: dict[str, Weight] = {}
        for weight in weights:
            plain = plain_name(weight.name)
            if plain in named:
                raise InputError(
                    f"duplicate tensor {plain}, as {named[plain].name} and {weight.name}",
                    self.path,
                )
            named[plain] = weight
        return named

    def _unwrapped(self, content: Any) -> dict[str, Weight | None]:
        """Find the weights in the saved object; entries that are not tensors are None."""
        while isinstance(content, dict):
            wrapper = next((w for w in _WRAPPERS if isinstance(content.get(w), dict)), None)
            if wrapper is None:
                break
            self.beside |= {str(name): value for name, value in content.items() if name != wrapper}
            content = content[wrapper]
        if not isinstance(content, dict):
            raise InputError(f"expected a state dict, found {type(content).__name__}", self.path)
        self._stored = {str(n): value for n, value in content.items() if isinstance(value, Stored)}
        return {
            str(name): Weight(str(name), value.dtype, value.shape)
            if isinstance(value, Stored)
            else None
            for name, value in content.items()
        }

    def tensor(self, plain: str) -> Tensor:
        """Read the weight of a plain name.

        Raises
        ------
        InputError
            Its bytes are damaged or missing.
        """
        name = self.weights[plain].name
        if self._archive is not None:
            return self._archive.tensor(name, self._stored[name])
        return read_tensors(self.path, [name])[name]

    def close(self) -> None:
        """Close the file."""
        if self._archive is not None:
            self._archive.close()

    def __enter__(self) -> WeightsFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
