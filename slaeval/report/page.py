"""The page: findings laid out as one HTML file that needs nothing but itself.

What a reader must have is HTML from here and stands there without JavaScript and on paper. The
script adds the list of all segments, search, sorting and filters. Style sheet and script lie
beside this module and are put into the page; its security policy names them by their hash, so
that nothing else in it can run, whatever the glosses hold. The same findings give the same
bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from slaeval._version import __version__
from slaeval.evaluation.tables import p_value
from slaeval.report.heat_map import heat_map
from slaeval.report.markup import (
    LONGEST,
    alignment,
    bar,
    direction,
    escaped,
    filter_button,
    gloss,
    language,
    percent,
    sentence,
    table,
)
from slaeval.report.segment_data import as_script, segment_data
from slaeval.report.thumbnails import worst
from slaeval.scoring.protocols import OFFICIAL, protocol

if TYPE_CHECKING:
    from slaeval.analysis.attribution import ErrorGroup
    from slaeval.evaluation.audit import AuditRow
    from slaeval.evaluation.compare import Pair
    from slaeval.report.findings import ReportData
    from slaeval.scoring.score import Confusion, Group, Score
    from slaeval.scoring.segments import AlignedSegment

__all__ = ["render"]

#: Rows of the tables of words; of the segments on paper; of those won and lost; of a table of
#: groups that stands as it is.
_ROWS, _WORST, _DIFFERENT, _GROUP_ROWS = 60, 20, 8, 16

_GROUPS = {
    "signer": ("By signer", "signer", ""),
    "length": ("By reference length", "glosses", ""),
    "frequency": (
        "By frequency in training",
        "in training",
        "A substitution or deletion counts for the gloss that was signed, an insertion for the "
        "gloss that was inserted.",
    ),
    "position": (
        "By position in the sentence",
        "part",
        "An insertion counts for the word it stands in front of.",
    ),
}


class _Section(NamedTuple):
    id: str
    title: str
    body: str


def render(found: ReportData) -> str:
    """Return the report as HTML text.

    Parameters
    ----------
    found : ReportData
        What :func:`slaeval.report.collect` gathered.
    """
    style, script = _asset("page.css"), _asset("page.js")
    tag = language(found.score.dataset)
    sections = [
        _Section("summary", "Summary", _summary(found)),
        _Section("where", "Where the errors are", _where(found)),
        _Section("confusions", "Confusions", _confusions(found, tag)),
        _Section("words", "Deleted and inserted", _words(found, tag)),
    ]
    if found.comparison is not None:
        sections.append(_Section("comparison", "Comparison", _comparison(found, tag)))
    sections.append(_Section("audit", "Protocols", _audit(found, tag)))
    sections.append(_Section("segments", "Segments", _segments(found, tag)))
    score = found.score
    on = " ".join(filter(None, (score.dataset, score.split))) or "own references"
    rate = f"WER {percent(score.wer)} %"
    name = escaped(found.name)
    title = f"{rate} ({score.protocol}) · {found.name} · {on}"
    links = "".join(f'<a href="#{part.id}">{part.title}</a>' for part in sections)
    body = "".join(
        f'<section id="{part.id}" aria-labelledby="{part.id}-h">'
        f'<h2 id="{part.id}-h">{part.title}</h2>{part.body}</section>'
        for part in sections
    )
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; "
        f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="slaeval {__version__}">
<title>{escaped(title)}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<a class="skip" href="#segments">Skip to the segments</a>
<div class="top">
<nav aria-label="Sections">
<strong title="{escaped(title)}"><bdi>{name}</bdi> <span>{rate}</span></strong>{links}
</nav>
<button type="button" id="theme" hidden>Theme: auto</button>
</div>
<main>
<header>
<h1><bdi>{name}</bdi> on {escaped(on)}</h1>
<p class="signature"><code>{escaped(score.signature)}</code></p>
</header>
{body}
</main>
<footer>
<p>Made by slaeval {__version__}. This page holds all it shows and needs no network.</p>
</footer>
<script type="application/json" id="data">{as_script(_data(found, tag))}</script>
<script>{script}</script>
</body>
</html>
"""


def _asset(name: str) -> str:
    return files("slaeval.report").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _data(found: ReportData, tag: str) -> dict[str, Any]:
    names = [found.name] if found.comparison is None else list(found.comparison.names)
    return {"lang": tag, "names": names, **segment_data(found)}


def _summary(found: ReportData) -> str:
    score = found.score
    readings = "".join(
        _reading(reading, first=reading is score) for reading in (score, *score.other_readings)
    )
    notes = [
        f"{score.segment_errors} of {len(score.segments)} segments hold an error "
        f"({100 * score.segment_errors / max(1, len(score.segments)):.1f} %)."
    ]
    rules = protocol(score.protocol)
    if score.floor is not None and score.floor.errors and score.reference_words:
        notes.append(
            f"A perfect transcript scores {percent(score.floor.wer)} % under {score.protocol} "
            f"({score.floor.errors} errors): {rules.caveat or 'only one side is changed'}."
        )
    if score.other_readings:
        others = ", ".join(other.protocol for other in score.other_readings)
        notes.append(
            f"Papers print {score.protocol} and {others} on this corpus: say which one you print."
        )
    out = f'<div class="cards">{readings}</div>'
    out += "".join(f"<p>{escaped(note)}</p>" for note in notes)
    if score.warnings:
        items = "".join(f"<li>{escaped(message)}</li>" for message in score.warnings)
        out += f'<div class="warnings"><h3>Mind</h3><ul>{items}</ul></div>'
    return out


def _reading(score: Score, first: bool) -> str:
    """Return one WER with its interval, its parts and what it means."""
    total = score.total
    rules = protocol(score.protocol)
    interval = score.wer_ci
    how = f" (bootstrap, {score.bootstrap} resamples)" if score.bootstrap else ""
    between = (
        ""
        if interval is None
        else f"<span>95 % between {percent(interval[0])} and {percent(interval[1])}{how}</span>"
    )
    called = f"official ({OFFICIAL})" if score.protocol == OFFICIAL else score.protocol
    parts = "".join(
        f'<tr><th scope="row">{sign}{name}</th><td>{count}</td>'
        f"<td>{percent(total.rate(count) if total.reference_words else None)} %</td></tr>"
        for sign, name, count in (
            ('<b class="S">S</b> ', "substitutions", total.substitutions),
            ('<b class="D">D</b> ', "deletions", total.deletions),
            ('<b class="I">I</b> ', "insertions", total.insertions),
            ('<b class="C">C</b> ', "correct", total.correct),
            ("", "reference words", total.reference_words),
        )
    )
    return (
        f'<div class="card{" first" if first else ""}"><h3>{escaped(called)}</h3>'
        f'<p class="wer">WER <strong>{percent(total.wer)} %</strong>{between}</p>'
        f"{bar(total, total.wer)}"
        f"<table><tbody>{parts}</tbody></table>"
        f"<p>{escaped(rules.title)}</p></div>"
    )


def _where(found: ReportData) -> str:
    shown = []
    for grouping, (title, column, note) in _GROUPS.items():
        groups = found.groups.get(grouping)
        if groups is None:
            shown.append(
                f'<div class="part"><h3>{title}</h3><p class="note">Not shown: '
                f"{escaped(found.training)}.</p></div>"
            )
            continue
        if grouping == "frequency":
            note = f"Counted in {found.training}. {note}"
        shown.append(
            f'<div class="part"><h3>{title}</h3>{_group_table(groups, grouping, column)}'
            + (f'<p class="note">{escaped(note)}</p>' if note else "")
            + "</div>"
        )
    legend = (
        '<p class="legend"><span class="S">S</span> substitutions <span class="D">D</span> '
        'deletions <span class="I">I</span> insertions, in percent of the reference words of '
        "the group; the line is the 95 % interval. Click a group to see its segments.</p>"
    )
    return f'{legend}<div class="parts">{"".join(shown)}</div>'


def _group_table(groups: Sequence[ErrorGroup], grouping: str, column: str) -> str:
    highest = max(
        (group.interval[1] if group.interval else group.wer for group in groups if _rated(group)),
        default=0.0,
    )
    # A tiny group of many errors must not make the bars of all others short.
    rates = [group.wer for group in groups if _rated(group)]
    highest = min(highest, 1.6 * max(rates, default=0.0), max(100.0, min(rates, default=0.0)))
    rows = []
    for group in groups:
        button = filter_button(
            gloss(group.name, longest=LONGEST),
            f"show the segments: {group.name}",
            t=grouping,
            v=group.name,
        )
        rows.append(
            (
                button,
                str(group.reference_words),
                str(group.substitutions),
                str(group.deletions),
                str(group.insertions),
                percent(group.wer if group.reference_words else None),
                bar(group, highest, group.interval),
            )
        )
    shown = table(
        (column, "words", "S", "D", "I", "%", '<span class="hidden">bar</span>'),
        rows,
        css="groups",
    )
    return f'<div class="scroll">{shown}</div>' if len(rows) > _GROUP_ROWS else shown


def _rated(group: Group) -> bool:
    return group.reference_words > 0


def _occurrences(segments: Iterable[AlignedSegment]) -> Counter[str]:
    return Counter(word for segment in segments for word in segment.reference)


def _confusions(found: ReportData, tag: str) -> str:
    confusions = found.score.confusions()
    if not confusions:
        return "<p>No gloss was recognised as another one.</p>"
    signed = _occurrences(found.score.segments)
    examples = _examples(found.score.segments, confusions[:_ROWS])
    rows = [
        (
            filter_button(
                f"{gloss(pair.reference, tag, LONGEST)} → {gloss(pair.hypothesis, tag, LONGEST)}",
                f"show the segments: {pair.reference} recognised as {pair.hypothesis}",
                t="pair",
                op="S",
                r=pair.reference,
                h=pair.hypothesis,
            ),
            examples[pair.reference, pair.hypothesis](tag),
            str(pair.count),
            str(signed[pair.reference]),
            f"{100 * pair.count / signed[pair.reference]:.0f}",
        )
        for pair in confusions[:_ROWS]
    ]
    return (
        f"<p>{found.score.substitutions} substitutions, {len(confusions)} different ones.</p>"
        + heat_map(found.score, tag)
        + '<div class="scroll">'
        + table(
            ("signed → recognised", "for example", "times", "signed", "%"),
            rows,
            texts=2,
            css="pairs",
        )
        + "</div>"
        + _more(len(confusions))
    )


def _more(count: int) -> str:
    if count <= _ROWS:
        return ""
    return f'<p class="note">The {_ROWS} most frequent of {count}.</p>'


class _Example(NamedTuple):
    """Where a confusion happened: the glosses around it."""

    id: str
    before: list[str]
    word: str
    after: list[str]

    def __call__(self, tag: str) -> str:
        words = [*self.before, self.word, *self.after]
        shown = [
            *(gloss(word, tag, LONGEST) for word in self.before),
            f"<mark>{gloss(self.word, tag, LONGEST)}</mark>",
            *(gloss(word, tag, LONGEST) for word in self.after),
        ]
        return (
            f'<bdi dir="{direction(words)}">{" ".join(shown)}</bdi>'
            f"<small><bdi>{escaped(self.id)}</bdi></small>"
        )


def _examples(
    segments: Sequence[AlignedSegment], pairs: Sequence[Confusion]
) -> dict[tuple[str, str], _Example]:
    """Return for each confusion the first segment that holds it."""
    wanted = {(pair.reference, pair.hypothesis) for pair in pairs}
    found: dict[tuple[str, str], _Example] = {}
    for segment in segments:
        if len(found) == len(wanted):
            break
        if "S" not in segment.ops:
            continue
        place = 0
        for op, reference, hypothesis in segment.pairs():
            key = (reference, hypothesis)
            if op == "S" and key in wanted and key not in found:
                words = segment.reference
                found[key] = _Example(
                    segment.id,
                    words[max(0, place - 2) : place],
                    reference,
                    words[place + 1 : place + 3],
                )
            place += op != "I"
    return found


def _words(found: ReportData, tag: str) -> str:
    signed = _occurrences(found.score.segments)
    said = Counter(word for segment in found.score.segments for word in segment.hypothesis)
    deleted = [
        (pair.reference, pair.count, signed[pair.reference]) for pair in found.score.deleted()
    ]
    inserted = [
        (pair.hypothesis, pair.count, said[pair.hypothesis]) for pair in found.score.inserted()
    ]
    return (
        '<div class="parts">'
        + _word_list("Most often deleted", "D", "signed", deleted, tag)
        + _word_list("Most often inserted", "I", "recognised", inserted, tag)
        + "</div>"
    )


def _word_list(
    title: str, op: str, of: str, words: Sequence[tuple[str, int, int]], tag: str
) -> str:
    out = f'<div class="part"><h3>{title}</h3>'
    if not words:
        return out + "<p>None.</p></div>"
    rows = [
        (
            filter_button(
                gloss(word, tag, LONGEST),
                f"show the segments: {word}",
                t="pair",
                op=op,
                **{"r" if op == "D" else "h": word},
            ),
            str(count),
            str(total),
            f"{100 * count / total:.0f}",
        )
        for word, count, total in words[:_ROWS]
    ]
    verb = "deleted" if op == "D" else "inserted"
    return (
        f'{out}<div class="scroll">{table(("gloss", verb, of, "%"), rows, css="pairs")}</div>'
        + _more(len(words))
        + "</div>"
    )


def _comparison(found: ReportData, tag: str) -> str:
    assert found.comparison is not None
    [pair] = found.comparison.pairs
    interval = pair.interval
    facts = [
        (
            "difference",
            f"{percent(pair.difference, signed=True)} points"
            + (
                ""
                if interval is None
                else f", 95 % between {percent(interval[0], True)} and "
                f"{percent(interval[1], True)} (paired bootstrap)"
            ),
        ),
        (
            "matched pairs (MAPSSWE)",
            f"p {p_value(pair.matched_pairs_p)}, Z {pair.matched_pairs.z:+.3f} over "
            f"{pair.matched_pairs.segments} stretches",
        ),
        ("paired permutation (exact)", f"p {p_value(pair.permutation_p)}"),
    ]
    rows = [
        (
            f"<bdi>{escaped(name)}</bdi>",
            percent(score.wer),
            "–" if score.wer_ci is None else " to ".join(map(percent, score.wer_ci)),
            str(score.substitutions),
            str(score.deletions),
            str(score.insertions),
        )
        for name, score in zip(found.comparison.names, found.comparison.scores, strict=True)
    ]
    signers = [
        (
            f"<bdi>{escaped(name)}</bdi>",
            percent(one),
            percent(other),
            percent(one - other, signed=True),
        )
        for name, (one, other) in pair.by_signer.items()
    ]
    names = [f"<bdi>{escaped(name)}</bdi>" for name in found.comparison.names]
    listed = "".join(f"<dt>{name}</dt><dd>{escaped(value)}</dd>" for name, value in facts)
    systems = table(("system", "WER %", "95 %", "S", "D", "I"), rows, sortable=False)
    by_signer = table(("signer", *names, "difference"), signers)
    return (
        f'<p class="verdict"><bdi>{escaped(pair.verdict)}</bdi>.</p>'
        f'<div class="parts"><div class="part">{systems}<dl>{listed}</dl></div>'
        f'<div class="part">{by_signer}</div></div>'
        + _won_and_lost(pair)
        + f'<div class="parts">{_differing(found, pair, tag)}</div>'
    )


def _won_and_lost(pair: Pair) -> str:
    """Return how many segments either system has fewer errors in, as a bar and as buttons."""
    total = max(1, pair.won + pair.lost + pair.tied)
    left = 0.0
    rects = []
    for css, count in (("won", pair.won), ("tied", pair.tied), ("lost", pair.lost)):
        rects.append(
            f'<rect class="{css}" x="{left:.2f}" y="0" width="{100 * count / total:.2f}" '
            'height="14"/>'
        )
        left += 100 * count / total
    drawn = (
        '<svg class="bar outcome" viewBox="0 0 100 14" preserveAspectRatio="none" '
        f'aria-hidden="true">{"".join(rects)}</svg>'
    )
    won, lost = (
        filter_button(
            f"{count} segments {verb}",
            f"show the segments that {pair.first} {verb}",
            t="outcome",
            v=verb,
        )
        for count, verb in ((pair.won, "won"), (pair.lost, "lost"))
    )
    return (
        f"{drawn}<p><bdi>{escaped(pair.first)}</bdi> against <bdi>{escaped(pair.second)}</bdi>: "
        f'<b class="won">+</b> {won}, <b class="lost">−</b> {lost}, {pair.tied} with as many '
        "errors.</p>"
    )


def _differing(found: ReportData, pair: Pair, tag: str) -> str:
    """Return the segments either system wins by most."""
    assert found.comparison is not None
    mine, theirs = (
        {segment.id: segment for segment in score.segments} for score in found.comparison.scores
    )
    out = ""
    for title, chosen in (
        ("Won by most", [row for row in pair.segments if row.first < row.second]),
        ("Lost by most", [row for row in pair.segments if row.first > row.second]),
    ):
        shown = "".join(
            f'<div class="seg"><p class="head"><bdi>{escaped(row.id)}</bdi> '
            f"<span>errors: {row.first} against {row.second}</span></p>"
            + alignment(list(found.comparison.names), mine[row.id], theirs[row.id], tag=tag)
            + "</div>"
            for row in chosen[:_DIFFERENT]
        )
        out += f'<div class="part"><h3>{title}</h3>{shown or "<p>None.</p>"}</div>'
    return out


def _audit(found: ReportData, tag: str) -> str:
    audit = found.audit
    rows = [
        (
            f"{escaped(row.protocol.name)}{' (official)' if not number else ''}",
            percent(row.score.wer),
            percent(row.difference, signed=True) if number else "",
            str(row.score.substitutions),
            str(row.score.deletions),
            str(row.score.insertions),
            str(row.score.reference_words),
            percent(row.floor.wer),
            str(len(row.moved)) if number else "",
        )
        for number, row in enumerate(audit.rows)
    ]
    details = "".join(_audited(row, tag) for row in audit.rows)
    return (
        f"<p>The same file under {len(rows)} protocols in use: {percent(audit.spread)} points "
        "between the lowest and the highest reading. Floor: what a perfect transcript scores; "
        "moved: segments with another number of errors than under the official protocol.</p>"
        + table(
            ("protocol", "WER %", "difference", "S", "D", "I", "words", "floor %", "moved"),
            rows,
            css="audit",
        )
        + details
    )


def _audited(row: AuditRow, tag: str) -> str:
    rules = row.protocol
    out = f"<details><summary>{escaped(rules.name)}: {escaped(rules.title)}</summary>"
    out += f"<p>Used by {escaped(rules.used_by)}.</p>"
    if rules.caveat:
        out += f"<p>Mind: {escaped(rules.caveat)}.</p>"
    for side, fired in (
        ("reference", row.reference_rules),
        ("hypothesis", row.hypothesis_rules),
    ):
        if fired:
            listed = ", ".join(f"{escaped(name)} {count}" for name, count in fired.items())
            out += f"<p>Rules that changed the {side}: {listed}.</p>"
    if row.moved:
        moved = "".join(
            f"<li><bdi>{escaped(segment.id)}</bdi>: {segment.official} errors officially, "
            f"{segment.errors} here<br>REF {sentence(segment.reference.split(), tag)}"
            f"<br>HYP {sentence(segment.hypothesis.split(), tag)}</li>"
            for segment in row.moved[:5]
        )
        out += f"<p>Segments that move most:</p><ul>{moved}</ul>"
    return out + "</details>"


def _segments(found: ReportData, tag: str) -> str:
    """Return the frame of the list, and the worst segments for paper and without script."""
    by_id = {segment.id: segment for segment in found.score.segments}
    shown = [by_id[name] for name in worst(found.score, _WORST) if by_id[name].errors]
    static = "".join(
        f'<div class="seg"><p class="head"><bdi>{escaped(segment.id)}</bdi> '
        f"<span>signer <bdi>{escaped(segment.signer or 'unknown')}</bdi></span> "
        f"<span>S {segment.substitutions} D {segment.deletions} I {segment.insertions} of "
        f"{len(segment.reference)} words</span></p>{alignment(['HYP'], segment, tag=tag)}</div>"
        for segment in shown
    )
    note = found.thumbnails.note
    if found.thumbnails.pictures:
        note += " Under a picture: its frames and how sure the model was of the gloss."
    return (
        (f'<p class="note screen">{escaped(note)}</p>' if note else "")  # paper has no pictures
        + '<div id="list" hidden></div>'
        + f'<div class="static"><p>The {len(shown)} segments with most errors of {len(by_id)}'
        '<span class="screen">; search and the other segments need JavaScript</span>.</p>'
        f"{static}</div>"
    )
