"""The glosses that are confused most, against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from slaeval.report.markup import filter_button, gloss
from slaeval.scoring.score import Score

__all__ = ["confused", "heat_map"]

#: So many glosses at most.
_SIZE = 20

#: Levels of shade.
_SHADES = 8


def confused(pairs: Mapping[tuple[str, str], int], size: int = _SIZE) -> list[str]:
    """Choose the glosses with most confusions, and order them so that confused ones are near.

    Parameters
    ----------
    pairs : mapping
        (reference, hypothesis) to how often.
    size : int
        How many glosses at most.

    Returns
    -------
    list of str
        The gloss with most confusions first; then always the one most often confused with the
        last, else with any before, else the next in number.
    """
    involved: Counter[str] = Counter()
    between: Counter[tuple[str, str]] = Counter()
    for (reference, hypothesis), count in pairs.items():
        involved[reference] += count
        involved[hypothesis] += count
        between[reference, hypothesis] += count
        between[hypothesis, reference] += count
    left = sorted(involved, key=lambda word: (-involved[word], word))[:size]
    order = left[:1]
    left = left[1:]
    while left:
        last = order[-1]
        chosen = min(
            left,
            key=lambda word: (
                -between[last, word],
                -sum(between[before, word] for before in order),
                -involved[word],
                word,
            ),
        )
        order.append(chosen)
        left.remove(chosen)
    return order


def heat_map(score: Score, tag: str = "") -> str:
    """Return the heat map as an HTML table: signed in rows, recognised in columns.

    A cell's number is a count and its shade the count against the highest confusion; correct
    ones are not shaded. What does not fit into the map stands in the columns "other" and
    "deleted", so that each row adds up to how often the gloss was signed.
    """
    pairs = {(pair.reference, pair.hypothesis): pair.count for pair in score.confusions()}
    deleted = {pair.reference: pair.count for pair in score.deleted()}
    order = confused(pairs)
    signed: Counter[str] = Counter()
    correct: Counter[str] = Counter()
    for segment in score.segments:
        for op, reference, _ in segment.pairs():
            signed[reference] += op != "I"
            correct[reference] += op == "C"
    rows = [word for word in order if signed[word]]
    said = {hypothesis for _, hypothesis in pairs}
    across = [word for word in order if word in said or correct[word]]
    highest = max((pairs.get((row, column), 0) for row in rows for column in across), default=0)
    head = "".join(
        f'<th scope="col"><div class="{_standing(word)}">{gloss(word, tag)}</div></th>'
        for word in across
    )
    body = []
    for row in rows:
        cells = []
        inside = 0
        for column in across:
            count = pairs.get((row, column), 0)
            if row == column:
                cells.append(f'<td class="c">{correct[row] or ""}</td>')
            elif not count:
                cells.append("<td></td>")
            else:
                inside += count
                shade = max(1, round(_SHADES * count / max(1, highest)))
                share = 100 * count / signed[row]
                button = filter_button(
                    str(count),
                    f"{row} recognised as {column}: {count} times, {share:.0f} % of {signed[row]}",
                    t="pair",
                    op="S",
                    r=row,
                    h=column,
                )
                cells.append(f'<td class="h{shade}">{button}</td>')
        gone = deleted.get(row, 0)
        # Words that differ in letter case alone may be correct under one spelling.
        other = signed[row] - correct[row] - gone - inside
        if row not in across:
            other += correct[row]
        for count, css in ((other, "o"), (gone, "o"), (signed[row], "n")):
            cells.append(f'<td class="{css}">{count or ""}</td>')
        body.append(f'<tr><th scope="row">{gloss(row, tag)}</th>{"".join(cells)}</tr>')
    extra = "".join(
        f'<th scope="col" class="o"><div class="up">{name}</div></th>'
        for name in ("other gloss", "deleted", "signed")
    )
    return (
        '<figure class="map"><figcaption class="note">The glosses with most confusions: signed '
        "in rows, recognised in columns. The darker, the more often; grey on the diagonal: "
        "correct. Click a number to see the segments.</figcaption>"
        '<div class="wide"><table class="heat" aria-label="Confusions">'
        f"<thead><tr><td></td>{head}{extra}</tr></thead><tbody>{''.join(body)}</tbody></table>"
        "</div></figure>"
    )


def _standing(word: str) -> str:
    """Say how a heading stands: Chinese upright, everything else turned."""
    return "cjk" if any("\u2e80" <= character <= "\u9fff" for character in word) else "up"
