"""How hypotheses are decoded: settings that are kept in checkpoints and signatures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, cast

from slaeval.errors import InputError, UsageError, nearest

__all__ = ["CTCDECODE", "Decoding"]

_METHODS = ("beam", "greedy")
_PRUNINGS = ("glosses", "ctcdecode")


@dataclass(frozen=True)
class Decoding:
    """Settings of :func:`slaeval.decoding.decode`, under the names of its parameters.

    ``decode(log_probs, lengths, **decoding.to_dict())`` applies them.

    Attributes
    ----------
    method : {"beam", "greedy"}
        Prefix beam search, or the best class of each step.
    width : int
        Prefixes kept from step to step; 10 as is common.
    tokens : int or None
        How many glosses may extend a prefix at one step, the most likely first; None for all.
    merge_repeats : bool
        Whether repeated adjacent glosses are collapsed after decoding, as the code
        behind published figures does (VAC, CorrNet, SEN, AdaptSign).
    token_log_prob : float or None
        A gloss below this log probability extends no prefix; the most likely one always may.
    pruning : {"glosses", "ctcdecode"}
        What `tokens` counts: glosses that may extend a prefix, or all classes considered in a
        step, including the blank and the repetition of a prefix's last gloss, as the ctcdecode
        behind published figures does (with 40; :data:`CTCDECODE`).

    Raises
    ------
    UsageError
        An unknown method, or an invalid number.
    """

    method: Literal["beam", "greedy"] = "beam"
    width: int = 10
    tokens: int | None = 20
    merge_repeats: bool = True
    token_log_prob: float | None = None
    pruning: Literal["glosses", "ctcdecode"] = "glosses"

    def __post_init__(self) -> None:
        if self.method not in _METHODS:
            raise UsageError(
                f"unknown decoding {self.method!r}{nearest(str(self.method), _METHODS)}; "
                f"known: {', '.join(_METHODS)}"
            )
        if self.pruning not in _PRUNINGS:
            raise UsageError(
                f"unknown pruning {self.pruning!r}{nearest(str(self.pruning), _PRUNINGS)}; "
                f"known: {', '.join(_PRUNINGS)}"
            )
        if not _whole(self.width) or self.width < 1:
            raise UsageError(f"the width of the beam is {self.width!r}; expected 1 or more")
        if self.tokens is not None and (not _whole(self.tokens) or self.tokens < 1):
            raise UsageError(f"tokens is {self.tokens!r}; expected 1 or more, or None for all")
        if not isinstance(self.merge_repeats, bool):
            raise UsageError(f"merge_repeats is {self.merge_repeats!r}; expected true or false")
        least = self.token_log_prob
        if least is not None and (
            isinstance(least, bool)
            or not isinstance(least, (int, float))
            or not math.isfinite(least)
        ):
            raise UsageError(f"token_log_prob is {least!r}; expected a number, or None for none")

    def __str__(self) -> str:
        """Return one word for a signature: ``beam10+merged``, ``greedy``, ``beam50t100``."""
        text: str = self.method
        if self.method == "beam":
            text += str(self.width)
            if self.pruning != Decoding.pruning:
                text += f"{self.pruning}{self.tokens or 'all'}"
            elif self.tokens != Decoding.tokens:
                text += f"t{self.tokens or 'all'}"
            if self.token_log_prob is not None:
                text += f"p{self.token_log_prob:g}"
        return text + "+merged" if self.merge_repeats else text

    def to_dict(self) -> dict[str, Any]:
        """Return the settings, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Decoding:
        """Return the settings from the result of :meth:`to_dict`; missing ones are defaults.

        Raises
        ------
        InputError
            An unknown name or an invalid value.
        """
        if not isinstance(values, Mapping):
            raise InputError(f"decoding settings are {type(values).__name__}; expected a dict")
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise InputError(
                    f"unknown decoding setting {name!r}{nearest(str(name), known)}; "
                    f"known: {', '.join(known)}"
                )
        try:
            return cls(**cast("dict[str, Any]", dict(values)))
        except UsageError as error:
            raise InputError(str(error)) from None


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


#: As in VAC, CorrNet, SEN and AdaptSign: ctcdecode's defaults, equal glosses merged.
CTCDECODE = Decoding(width=10, tokens=40, pruning="ctcdecode")
