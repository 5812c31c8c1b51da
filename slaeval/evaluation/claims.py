"""Which reading of a file gives a printed number.

Papers print a WER without saying under which protocol, on which split or how it was rounded.
Each protocol gives an exact fraction, errors over words, which is printed in one of three ways:

*half up*
    as ``sclite -o dtl`` prints;
*half to even*
    as Python's ``round`` does with the exact number;
*truncated*
    the digits that follow are dropped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING, Any, NamedTuple

from slaeval.errors import UsageError
from slaeval.scoring.score import finite

if TYPE_CHECKING:
    from slaeval.evaluation.audit import Audit

__all__ = ["WAYS", "Claim", "as_fraction", "check_claim", "parse_claim"]

#: The ways a number is rounded.
WAYS = ("half up", "half to even", "truncated")


class Claim(NamedTuple):
    """One reading of a file, printed in every way.

    Attributes
    ----------
    protocol : str
        The protocol that gives it.
    split : str or None
        The split it is for.
    wer : float
        In percent, unrounded; nan where undefined.
    printed : dict
        The text for each way of rounding, with as many decimals as the claim.
    matches : tuple of str
        The ways that give the claimed text.
    """

    protocol: str
    split: str | None
    wer: float
    printed: dict[str, str]
    matches: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return {**self._asdict(), "wer": finite(self.wer), "matches": list(self.matches)}


def parse_claim(text: str) -> tuple[str, int]:
    """Return a claimed WER without its percent sign, and how many decimals it has.

    Raises
    ------
    UsageError
        It is not a number such as ``24.3``.
    """
    number = text.strip().removesuffix("%").strip()
    if not re.fullmatch(r"\d+(\.\d+)?", number):
        raise UsageError(
            f"--claimed {text!r}: expected a WER in percent as it was printed, such as 24.3"
        )
    whole, _, decimals = number.partition(".")
    return (f"{int(whole)}.{decimals}" if decimals else str(int(whole))), len(decimals)


def as_fraction(number: str) -> str:
    """Return a hint for a claim below 1 that matches nothing: it may be a fraction."""
    if not 0 < float(number) < 1:
        return ""
    percent = format(Decimal(number).scaleb(2), "f")
    return f" Claims are in percent: if {number} is a fraction, claim {percent}."


def check_claim(audits: Sequence[Audit], text: str) -> list[Claim]:
    """Compare every reading of a file with a printed number.

    Parameters
    ----------
    audits : sequence of Audit
        One per split.
    text : str
        The number as it was printed, in percent: ``"24.3"``.

    Returns
    -------
    list of Claim
        One per protocol and split: those that give the number first, then the nearest.

    Raises
    ------
    UsageError
        The text is not such a number.
    """
    number, decimals = parse_claim(text)
    claims = []
    for audit in audits:
        for row in audit.rows:
            total = row.score.total
            shown = {}
            if total.reference_words:
                exact = Fraction(100 * total.errors, total.reference_words) * 10**decimals
                values = (floor(exact + Fraction(1, 2)), round(exact), floor(exact))
                shown = {w: _text(value, decimals) for w, value in zip(WAYS, values, strict=True)}
            matches = tuple(way for way, value in shown.items() if value == number)
            claims.append(Claim(row.protocol.name, audit.split, row.score.wer, shown, matches))
    wanted = float(number)
    return sorted(
        claims,
        key=lambda claim: (
            not claim.matches,
            abs(claim.wer - wanted) if claim.printed else float("inf"),
        ),
    )


def _text(value: int, decimals: int) -> str:
    """Return a multiple of 10^-decimals with its decimal point."""
    digits = f"{value:0{decimals + 1}d}"
    return f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits
