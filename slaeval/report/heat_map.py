"""The glosses that are confused most, against each other."""

from __future__ import annotations

from slaeval.analysis.confusions import confusion_table
from slaeval.report.markup import LONGEST, filter_button, gloss
from slaeval.scoring.score import Score

__all__ = ["heat_map"]

#: So many glosses at most, and levels of shade.
_GLOSSES, _SHADES = 20, 8


def heat_map(score: Score, tag: str = "") -> str:
    """Return the heat map as an HTML table: signed in rows, recognised in columns.

    A cell's number is a count and its shade the count against the highest confusion; correct
    ones are not shaded. What does not fit into the map stands in the columns "other gloss" and
    "deleted", so that each row adds up to how often the gloss was signed.
    """
    confusions = confusion_table(score, _GLOSSES)
    glosses, counts = confusions.glosses, confusions.counts
    signed = [
        sum(row) + other + gone
        for row, other, gone in zip(counts, confusions.elsewhere, confusions.deleted, strict=True)
    ]
    rows = [place for place in range(len(glosses)) if signed[place]]
    across = [place for place in range(len(glosses)) if any(row[place] for row in counts)]
    highest = max(
        (counts[row][place] for row in rows for place in across if row != place), default=0
    )
    head = "".join(
        f'<th scope="col"><div class="{_standing(glosses[place])}">'
        f"{gloss(glosses[place], tag, LONGEST)}</div></th>"
        for place in across
    )
    head += "".join(
        f'<th scope="col" class="o"><div class="up">{name}</div></th>'
        for name in ("other gloss", "deleted", "signed")
    )
    body = []
    for row in rows:
        cells = []
        for place in across:
            count = counts[row][place]
            if row == place:
                cells.append(f'<td class="c">{count or ""}</td>')
            elif not count:
                cells.append("<td></td>")
            else:
                one, other = glosses[row], glosses[place]
                share = 100 * count / signed[row]
                button = filter_button(
                    str(count),
                    f"{one} recognised as {other}: {count} times, {share:.0f} % of {signed[row]}",
                    t="pair",
                    op="S",
                    r=one,
                    h=other,
                )
                shade = max(1, round(_SHADES * count / highest))
                cells.append(f'<td class="h{shade}">{button}</td>')
        for count, css in (
            (confusions.elsewhere[row], "o"),
            (confusions.deleted[row], "o"),
            (signed[row], "n"),
        ):
            cells.append(f'<td class="{css}">{count or ""}</td>')
        body.append(
            f'<tr><th scope="row">{gloss(glosses[row], tag, LONGEST)}</th>{"".join(cells)}</tr>'
        )
    return (
        '<figure class="map"><figcaption class="note">The glosses with most confusions: signed '
        "in rows, recognised in columns. The stronger the colour, the more often; grey on the "
        "diagonal: correct. Click a number to see the segments.</figcaption>"
        '<div class="wide"><table class="heat" aria-label="Confusions">'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
        "</div></figure>"
    )


def _standing(word: str) -> str:
    """Say how a heading stands: Chinese upright, everything else turned."""
    return "cjk" if any("\u2e80" <= character <= "\u9fff" for character in word) else "up"
