"""Results as text for pasting: Markdown, LaTeX, CSV.

``score``, ``audit`` and ``compare`` differ in what they compute, not in how results are written:
each turns its result into rows, which this module writes.

Conventions
-----------
*LaTeX* follows the tables of CSLR papers: for each split ``del/ins`` and WER in percent with
one decimal, rounded half up as by ``sclite -o dtl``, because that is the figure papers print.
Counts, interval and signature are in comments above the table. No package is needed.

*CSV* has unrounded numbers under stable names; *Markdown* the decimals shown in the terminal:
two, or for a published number as many as printed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from slaeval.console import width
from slaeval.scoring.score import Counts, finite, percent

if TYPE_CHECKING:
    from slaeval.scoring.score import Score
    from slaeval.scoring.text.score import TextScore

__all__ = [
    "TEXT_HEADS",
    "Format",
    "PaperRow",
    "Printed",
    "as_csv",
    "as_json",
    "as_latex",
    "as_markdown",
    "as_printed",
    "bleu_lines",
    "group_row",
    "latex_escaped",
    "latex_notes",
    "markdown_escaped",
    "p_value",
    "score_row",
    "text_notes",
    "text_row",
]

Format = Literal["table", "markdown", "latex", "csv", "json"]

#: Key of a row: its heading, and decimals unless it is a whole number.
_COLUMNS: dict[str, tuple[str, int | None]] = {
    "wer": ("WER %", 2),
    "printed": ("WER %", None),
    "stated": ("scored by", None),
    "first_hand": ("first hand", None),
    "wer_low": ("95 % low", 2),
    "wer_high": ("95 % high", 2),
    "substitutions": ("S", None),
    "deletions": ("D", None),
    "insertions": ("I", None),
    "reference_words": ("words", None),
    "floor": ("floor %", 2),
    **{f"bleu{order}": (f"BLEU-{order}", 2) for order in (1, 2, 3, 4)},
    "bleu4_low": ("95 % low", 2),
    "bleu4_high": ("95 % high", 2),
    "chrf": ("chrF2", 2),
    "rouge": ("ROUGE-L", 2),
    "difference": ("minus the first", 2),
    "difference_low": ("95 % low", 2),
    "difference_high": ("95 % high", 2),
    "mapsswe_p": ("MAPSSWE p", 4),
    "permutation_p": ("permutation p", 4),
    "bootstrap_p": ("bootstrap p", 4),
    "randomisation_p": ("randomisation p", 4),
    "moved_segments": ("moved", None),
}

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}

#: Headings of translations, in the order papers print them; figures have two decimals.
TEXT_HEADS = ("ROUGE", "BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4")

#: The order in which papers print the splits.
_SPLITS = ("train", "dev", "test")


class Printed(NamedTuple):
    """A WER as it was printed, in percent.

    Attributes
    ----------
    wer : float
        Word error rate.
    deletions, insertions : float or None
        In percent of the reference words, if printed.
    """

    wer: float
    deletions: float | None = None
    insertions: float | None = None


class PaperRow(NamedTuple):
    """One line of a LaTeX table.

    Attributes
    ----------
    name : str
        System, protocol or signer.
    cells : mapping
        By split (``""`` if unnamed): counts, a paper's printed figures, or the score of
        translations.
    protocol : str
        Under which it was scored; ``""`` if the name says it.
    """

    name: str
    cells: Mapping[str, Counts | Printed | TextScore]
    protocol: str = ""


def score_row(name: str, score: Score) -> dict[str, Any]:
    """Return a score as one row, with the columns of ``--format csv``."""
    low, high = score.wer_ci or (None, None)
    counts = score.total.to_dict()
    return {
        "system": name,
        "protocol": score.protocol,
        "dataset": score.dataset,
        "split": score.split,
        "wer": counts.pop("wer"),
        "wer_low": low,
        "wer_high": high,
        **counts,
        "signature": score.signature,
        **score.bleu,
    }


def group_row(grouping: str, group: Counts) -> dict[str, Any]:
    """Return the row of one signer, length or sentence."""
    return {grouping: group.name, **group.to_dict()}


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV with a header: RFC 4180, but lines end in LF; None is an empty field."""
    import csv
    import io

    stream = io.StringIO()
    columns = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def as_json(value: object) -> str:
    """Return what ``--json`` prints."""
    import json

    return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)


def as_markdown(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Return rows as a Markdown table (GitHub's pipe form) of `columns`.

    Text columns are left-aligned, numeric ones right-aligned.
    """
    texts = [key for key in columns if any(isinstance(row.get(key), str) for row in rows)]
    grid = [[_COLUMNS.get(key, (key, None))[0] for key in columns]]
    grid += [[markdown_escaped(_shown(row.get(key), key)) for key in columns] for row in rows]
    widths = [max(3, *(width(row[place]) for row in grid)) for place in range(len(columns))]
    lines = []
    for row in grid:
        cells = []
        for cell, key, cells_wide in zip(row, columns, widths, strict=True):
            space = " " * (cells_wide - width(cell))
            cells.append(cell + space if key in texts else space + cell)
        lines.append(f"| {' | '.join(cells)} |")
    rule = [
        "-" * cells_wide if key in texts else "-" * (cells_wide - 1) + ":"
        for key, cells_wide in zip(columns, widths, strict=True)
    ]
    return "\n".join([lines[0], f"| {' | '.join(rule)} |", *lines[1:]])


def _shown(value: Any, key: str) -> str:
    if value is None:
        return ""
    digits = _COLUMNS.get(key, ("", None))[1]
    if digits is None or isinstance(value, str):
        return str(value)
    if key.endswith("_p"):
        return p_value(value)
    return percent(value, "+" if key.startswith("difference") else "")


def p_value(value: float) -> str:
    """Return a p-value with four digits, ``"< 0.0001"`` below those.

    At the limit of what can be computed, ``"< 1e-12"``.
    """
    from slaeval.scoring.significance import SMALLEST

    if value <= SMALLEST:
        return f"< {SMALLEST:.0e}"
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def as_latex(
    rows: Sequence[PaperRow],
    first: str = "Method",
    notes: Iterable[str] = (),
    heads: Sequence[str] = ("del/ins", "WER"),
) -> str:
    r"""Return rows as a LaTeX ``tabular``: the `heads` of each split, and the protocol.

    Parameters
    ----------
    rows : sequence of PaperRow
        In the order to print.
    first : str
        Heading of the first column.
    notes : iterable of str
        Printed above the table as comments.
    heads : sequence of str
        Headings of the figures: those for glosses, or :data:`TEXT_HEADS`.

    Returns
    -------
    str
        Lines joined by newlines. A cell without a figure is ``--``. There is no column of
        protocols if the rows name none.
    """
    splits = sorted(
        {split for row in rows for split in row.cells},
        key=lambda split: (split not in _SPLITS, _SPLITS.index(split) if split in _SPLITS else 0),
    )
    protocols = any(row.protocol for row in rows)
    comments = [f"% {' '.join(note.split())}" for note in notes]
    if any(not _latin(row.name) for row in rows):
        comments.append("% Letters beyond Latin: compile with XeLaTeX or LuaLaTeX and a font.")
    body = [
        " & ".join(
            [
                latex_escaped(row.name),
                *((latex_escaped(row.protocol) or "--",) if protocols else ()),
                *(
                    cell
                    for split in splits
                    for cell in _latex_cells(row.cells.get(split), len(heads))
                ),
            ]
        )
        + r" \\"
        for row in rows
    ]
    over = [
        " & ".join(
            [
                "",
                *(("",) if protocols else ()),
                *(
                    rf"\multicolumn{{{len(heads)}}}{{c}}{{{latex_escaped(s.capitalize())}}}"
                    for s in splits
                ),
            ]
        )
        + r" \\"
    ]
    return "\n".join(
        [
            *comments,
            rf"\begin{{tabular}}{{l{'l' * protocols}{'c' * len(heads) * len(splits)}}}",
            r"\hline",
            *(over if splits != [""] else []),
            f"{latex_escaped(first)}{' & Protocol' * protocols}"
            + "".join(f" & {head}" for _ in splits for head in heads)
            + r" \\",
            r"\hline",
            *body,
            r"\hline",
            r"\end{tabular}",
        ]
    )


def latex_notes(name: str, score: Score) -> list[str]:
    """Return the comments above a score's LaTeX row: counts and signature."""
    interval = score.wer_ci
    between = "" if interval is None else f", 95 % [{interval[0]:.2f}, {interval[1]:.2f}]"
    total = score.total
    notes = [
        f"{name}, {score.split or 'own references'}, {score.protocol}: S {total.substitutions}, "
        f"D {total.deletions}, I {total.insertions} of {total.reference_words} words, "
        f"WER {_shown(total.wer, 'wer')}{between}",
        score.signature,
    ]
    for other in score.other_readings:
        cells = " & ".join(_latex_cells(other.total))
        notes.append(f"the same file under {other.protocol}: {cells}")
    return [*notes, *bleu_lines(score)]


def text_row(name: str, score: TextScore) -> dict[str, Any]:
    """Return the score of translations as one row, with the columns of ``--format csv``."""
    row: dict[str, Any] = {
        "system": name,
        "protocol": score.protocol,
        "dataset": score.dataset,
        "split": score.split,
    }
    for key, figure in score.figures.items():
        low, high = figure.interval or (None, None)
        row |= {key: finite(figure.value), f"{key}_low": low, f"{key}_high": high}
    units = {"unit": score.unit, "rouge_beta": score.form.rouge.beta}
    return {**row, **units, "segments": len(score.segments), "signature": score.signature}


def text_notes(name: str, score: TextScore) -> list[str]:
    """Return the comments above the LaTeX row of translations."""
    bleu = score.figures["bleu4"]
    between = "" if bleu.interval is None else ", 95 % [{:.2f}, {:.2f}]".format(*bleu.interval)
    return [
        f"{name}, {score.split or 'own references'}, {score.protocol}: BLEU-4 {bleu.value:.2f}"
        f"{between}; ROUGE-L with beta {score.form.rouge.beta}, over {score.unit}",
        score.signature,
        *(
            f"the same file under {other.protocol}: {' & '.join(_latex_cells(other))}"
            for other in score.other_readings
        ),
    ]


def bleu_lines(score: Score) -> list[str]:
    """Return BLEU and chrF with sacrebleu's signatures, if they were requested."""
    return [
        f"{name} {score.bleu[key]:.2f}, {score.bleu[f'{key}_signature']}"
        for key, name in (("bleu", "BLEU"), ("chrf", "chrF"))
        if score.bleu
    ]


def as_printed(value: float) -> str:
    """Return a printed percentage: one decimal, more if its source has more."""
    return f"{value:.1f}" if round(value, 1) == value else f"{value:.2f}"


def _latex_cells(value: Counts | Printed | TextScore | None, columns: int = 2) -> tuple[str, ...]:
    from slaeval.scoring.sclite_paths import half_up

    if value is None:
        return ("--",) * columns
    if isinstance(value, Printed):
        parts = (value.deletions, value.insertions)
        shown = "/".join(as_printed(part) for part in parts if part is not None)
        return shown or "--", as_printed(value.wer)
    if not isinstance(value, Counts):
        return tuple(f"{figure:.2f}" for figure in (value.rouge, *map(value.bleu, (1, 2, 3, 4))))
    if not value.reference_words:
        return "--", "--"
    deleted, inserted, wer = (
        f"{half_up(value.rate(count)):.1f}"
        for count in (value.deletions, value.insertions, value.errors)
    )
    return f"{deleted}/{inserted}", wer


def latex_escaped(text: str) -> str:
    """Escape `text` so that LaTeX prints it unchanged, even at the start of a row."""
    shown = "".join(_LATEX.get(character, character) for character in " ".join(text.split()))
    # After the end of a row LaTeX takes these for its argument.
    return f"{{}}{shown}" if shown.startswith(("[", "*")) else shown


def markdown_escaped(text: str) -> str:
    r"""Escape `text` so that Markdown prints it unchanged, even in a table.

    ``__ON__`` would be bold and ``|`` would end the cell: every character with a meaning in
    Markdown gets a backslash.
    """
    return re.sub(r"([\\`*_{}\[\]<>|~$&])", r"\\\1", " ".join(text.split()))


def _latin(text: str) -> bool:
    """Say whether pdfLaTeX prints every letter of `text` without further packages."""
    return all(
        character.isascii() or "LATIN" in unicodedata.name(character, "") for character in text
    )
