"""Plots show the numbers they say they show, and nothing in them is cut or covered."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.text import Text

import slaeval
from slaeval.analysis import (
    alignment_strip,
    binned,
    confusion_map,
    confusion_table,
    error_bars,
    error_curve,
    group,
    loss_curve,
    posterior_strip,
    wer_curve,
)
from slaeval.analysis.style import COLOURS, COLUMN
from slaeval.errors import SlaevalError, UsageError
from slaeval.scoring.score import Score
from slaeval.scoring.segments import AlignedSegment

GERMAN = "REGEN SONNE WIND NEBEL SCHNEE loc-NORD TEMPERATUR MORGEN HEUTE poss-EUCH".split()
ARABIC = "اليوم غدا امس انا معلم رغبه ذهاب مدرسه لون_احمر لا_2".split()
TRAINING = {word: 3**place - 1 for place, word in enumerate(GERMAN)}
LOG = [
    {
        "epoch": epoch,
        "loss": 90 / epoch**2,
        "loss_sequence": 40 / epoch**2,
        "loss_convolution": 45 / epoch,
        "loss_distillation": 0.1 / epoch,
        "loss_tower": 30 / epoch,
        "dev_wer": 100 / epoch + abs(epoch - 9),
    }
    for epoch in range(1, 13)
]
PROBABILITIES = np.full((10, len(GERMAN) + 1), 0.01)
PROBABILITIES[:, 0] = 0.9
for step, gloss in ((2, 3), (5, 7), (8, 1)):
    PROBABILITIES[step, [0, gloss]] = 0.09, 0.82
PROBABILITIES /= PROBABILITIES.sum(axis=1, keepdims=True)
RECOGNISED = {
    "glosses": [GERMAN[2], GERMAN[6], GERMAN[0]],
    "spans": [(8, 12), (20, 24), (32, 36)],
}
FRAMES = np.zeros((39, 26, 21, 3), np.uint8)

SEGMENT = AlignedSegment("s", "", "A B TEMPERATUR D E".split(), "A X D F E".split(), "CSDCIC")

PLOTS: dict[str, Callable[..., Axes]] = {
    "confusions": lambda score, **k: confusion_map(score, top=10, **k),
    "signers": lambda score, **k: error_bars(score, "signer", **k),
    "lengths": lambda score, **k: error_bars(score, "length", **k),
    "frequencies": lambda score, **k: error_bars(score, "frequency", TRAINING, **k),
    "positions": lambda score, **k: error_bars(score, "position", parts=5, **k),
    "glosses": lambda score, **k: error_bars(score, "gloss", **k),
    "length": lambda score, **k: error_curve(score, "length", **k),
    "frequency": lambda score, **k: error_curve(score, "frequency", TRAINING, **k),
    "segment": lambda score, **k: alignment_strip(
        max(score.segments, key=lambda mine: len(mine.ops)), **k
    ),
    "loss": lambda score, **k: loss_curve(LOG, **k),
    "wer": lambda score, **k: wer_curve(LOG, **k),
    "posteriors": lambda score, **k: posterior_strip(np.log(PROBABILITIES), GERMAN, **k),
    "posteriors with frames": lambda score, **k: posterior_strip(
        np.log(PROBABILITIES), GERMAN, **RECOGNISED, frames=FRAMES, **k
    ),
}


@pytest.fixture(scope="module")
def score(invented: Callable[[list[str]], Score]) -> Score:
    return invented(GERMAN)


def assert_legible(ax: Axes) -> None:
    """No text leaves the figure or covers another text."""
    figure = ax.figure
    drawn: dict[Text, None] = {}
    original = Text.draw

    def draw(text: Text, renderer: Any) -> None:
        drawn[text] = None  # not every text there is: ticks beyond the limits are left out
        original(text, renderer)

    with patch.object(Text, "draw", draw):
        figure.canvas.draw()
    whole = figure.bbox
    extents = []
    for text in drawn:
        if not (text.get_visible() and text.get_text().strip()):
            continue
        extent = text.get_window_extent()
        assert whole.x0 - 1 <= extent.x0, text
        assert extent.x1 <= whole.x1 + 1, text
        assert whole.y0 - 1 <= extent.y0, text
        assert extent.y1 <= whole.y1 + 1, text
        extents.append((text, extent.shrunk(0.9, 0.8)))
    assert extents
    for (one, first), (other, second) in itertools.combinations(extents, 2):
        assert not first.overlaps(second), (one, other)


@pytest.mark.parametrize("name", PLOTS)
def test_column_width_is_enough(score: Score, name: str) -> None:
    ax = PLOTS[name](score)
    assert ax.figure.get_figwidth() == COLUMN
    assert_legible(ax)
    sizes = {text.get_fontsize() for text in ax.figure.findobj(Text) if text.get_text()}
    assert min(sizes) >= 5


@pytest.mark.parametrize("name", PLOTS)
def test_axes_of_the_caller(score: Score, name: str) -> None:
    before = len(plt.get_fignums())
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    assert PLOTS[name](score, ax=right) is right
    assert len(plt.get_fignums()) == before + 1
    assert not left.has_data()
    assert right.get_children()
    figure.canvas.draw()


@pytest.mark.parametrize("name", PLOTS)
def test_without_matplotlib_says_what_to_install(
    score: Score, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "matplotlib" else found(name)
    )
    with pytest.raises(SlaevalError, match=r'pip install "\.\[analysis\]"'):
        PLOTS[name](score)


def test_grey_print_keeps_the_kinds_of_errors_apart(score: Score) -> None:
    grey = sorted(float(np.dot(to_rgb(COLOURS[op]), (0.299, 0.587, 0.114))) for op in "SDI")
    assert min(np.diff(grey)) > 0.05
    hatches = {bar.get_hatch() for bar in error_bars(score).patches}
    assert len(hatches) == 3


def test_confusions_add_up_to_what_was_signed(score: Score) -> None:
    table = confusion_table(score, top=6)
    assert len(table.glosses) == 6
    signed = {mine.name: mine.reference_words for mine in group(score, "gloss")}
    for gloss, row, elsewhere, deleted in zip(
        table.glosses, table.counts, table.elsewhere, table.deleted, strict=True
    ):
        assert sum(row) + elsewhere + deleted == signed[gloss]
    assert np.allclose(np.sum(table.shares(), axis=1), 100)
    frequent = score.confusions()[0]
    assert {frequent.reference, frequent.hypothesis} <= set(table.glosses)


def test_confusable_glosses_stand_together() -> None:
    # Two groups, named so that their letters alternate: a c e g, b d f h.
    references, hypotheses = {}, {}
    for number, (one, other) in enumerate(("ac", "ce", "eg", "bd", "df", "fh", "ge", "hf")):
        references[f"s{number}"], hypotheses[f"s{number}"] = one, other
    import slaeval

    glosses = confusion_table(slaeval.score(references, hypotheses, "sclite"), top=8).glosses
    halves = {"".join(glosses[:4]), "".join(glosses[4:])}
    assert {min(half, half[::-1]) for half in halves} == {"aceg", "bdfh"}


def test_the_empty_hypothesis_is_no_gloss_of_the_heat_map() -> None:
    import slaeval

    score = slaeval.score({"a": "A B", "b": "C"}, {"a": "", "b": "D"})
    table = confusion_table(score)
    assert sorted(table.glosses) == ["C", "D"]


def test_the_heat_map_shows_the_table(score: Score) -> None:
    ax = confusion_map(score, top=6)
    table = confusion_table(score, top=6)
    assert [label.get_text() for label in ax.get_yticklabels()] == table.glosses
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        *table.glosses,
        "other",
        "deleted",
    ]
    shown = ax.images[0].get_array()
    for row, shares in enumerate(table.shares()):
        for column, share in enumerate(shares):
            masked = row == column or share == 0
            assert np.ma.getmaskarray(shown)[row, column] == masked
            if not masked:
                assert shown[row, column] == pytest.approx(share)


def test_nothing_to_draw_is_said() -> None:
    perfect = slaeval.score({"a": "A"}, {"a": "A"})
    assert "no confusions" in [text.get_text() for text in confusion_map(perfect).texts]
    assert "no errors" in [text.get_text() for text in error_bars(perfect, "gloss").texts]
    empty = slaeval.score({"a": ""}, {"a": ""}, "sclite")
    assert_legible(error_bars(empty, "signer"))
    error_curve(empty)
    texts = [text.get_text() for text in alignment_strip(empty.segments[0]).texts]
    assert "(no words on either side)" in texts


@pytest.mark.parametrize("by", ["signer", "length", "frequency", "position"])
def test_bars_end_at_the_rate_and_whiskers_are_the_interval(score: Score, by: str) -> None:
    ax = error_bars(score, by, TRAINING)
    groups = group(score, by, TRAINING)
    bars = [container for container in ax.containers if hasattr(container, "patches")]
    widths = np.array([[bar.get_width() for bar in container] for container in bars])
    for column, mine in enumerate(groups):
        counts = widths[:, column] * mine.reference_words / 100
        assert counts == pytest.approx([mine.substitutions, mine.deletions, mine.insertions])
    whiskers = [
        container.lines[2][0].get_segments()[0][:, 0]
        for container in ax.containers
        if not hasattr(container, "patches")
    ]
    known = [mine.interval for mine in groups if mine.interval is not None]
    assert np.allclose(whiskers, known)
    assert [label.get_text() for label in ax.get_yticklabels()] == [mine.name for mine in groups]


def test_bars_of_glosses_are_numbers_of_errors(score: Score) -> None:
    ax = error_bars(score, "gloss", top=4)
    total = sum(bar.get_width() for bar in ax.patches)
    assert total == sum(mine.errors for mine in group(score, "gloss")[:4])


@pytest.mark.parametrize("by", ["length", "frequency"])
def test_points_are_the_rates_of_the_bins(score: Score, by: str) -> None:
    ax = error_curve(score, by, TRAINING)  # type: ignore[arg-type]
    points = binned(score, by, TRAINING)  # type: ignore[arg-type]
    marked = next(line for line in ax.lines if line.get_marker() == "o")
    assert list(marked.get_ydata()) == [mine.wer for _, mine in points]
    if by == "frequency":
        assert ax.get_xticklabels()[0].get_text() == "unseen"


def test_the_strip_holds_every_word_and_marks_every_error() -> None:
    ax = alignment_strip(SEGMENT)
    texts = [text.get_text() for text in ax.texts]
    expected = ["A", "A", "B", "≠ X", "TEMPERATUR", "−", "D", "D", "+ F", "E", "E"]
    assert [text for text in texts if text not in ("REF", "HYP", "")] == expected
    assert len(ax.patches) == SEGMENT.errors
    assert len({patch.get_facecolor() for patch in ax.patches}) == 3


def test_a_long_segment_goes_on_in_further_lines() -> None:
    words = [f"GLOSSE{number}" for number in range(30)]
    ax = alignment_strip(AlignedSegment("s", "", words, words, "C" * 30))
    assert [text.get_text() for text in ax.texts].count("REF") > 3
    assert_legible(ax)
    wide = alignment_strip(AlignedSegment("s", "", words, words, "C" * 30), width=7)
    assert wide.figure.get_figheight() < ax.figure.get_figheight()


@pytest.mark.filterwarnings("ignore::slaeval.analysis.MissingGlyphs")
def test_right_to_left_glosses_run_from_right_to_left() -> None:
    words = ARABIC[:4]
    ax = alignment_strip(AlignedSegment("s", "", words, words, "CCCC"))
    places = [text.get_position()[0] for text in ax.texts if text.get_text() not in ("REF", "HYP")]
    assert places == sorted(places, reverse=True)
    heads = [text.get_position()[0] for text in ax.texts if text.get_text() == "REF"]
    assert heads[0] > max(places)


@pytest.mark.filterwarnings("ignore::slaeval.analysis.MissingGlyphs")
@pytest.mark.parametrize("name", ["confusions", "glosses", "segment"])
def test_arabic_fits_too(name: str, invented: Callable[[list[str]], Score]) -> None:
    assert_legible(PLOTS[name](invented(ARABIC)))


def test_posteriors_are_those_given() -> None:
    ax = posterior_strip(np.log(PROBABILITIES), GERMAN)
    by_name = {line.get_label(): line for line in ax.lines}
    assert set(by_name) == {GERMAN[2], GERMAN[6], GERMAN[0]}
    for gloss, line in by_name.items():
        column = GERMAN.index(gloss) + 1
        assert line.get_ydata() == pytest.approx(PROBABILITIES[:, column])
    assert ax.get_xlabel() == "output step"


def test_a_step_stands_at_its_frames() -> None:
    ax = posterior_strip(np.log(PROBABILITIES), GERMAN, num_frames=39, **RECOGNISED)
    curve = max(ax.lines, key=lambda line: len(line.get_xdata()))
    assert list(curve.get_xdata()) == [2 + 4 * step for step in range(10)]
    assert ax.get_xlabel() == "frame"
    assert [text.get_text() for text in ax.texts] == RECOGNISED["glosses"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"log_probs": np.zeros((3, 4))}, "4 classes, a vocabulary of 10 needs 11"),
        ({"log_probs": np.zeros(11)}, r"\[steps, classes\]"),
        ({"spans": [(0, 1)]}, "0 glosses, 1 spans"),
        ({"frames": np.zeros((4, 5))}, r"\[frames, height, width, 3\]"),
    ],
)
def test_what_does_not_fit_is_said(arguments: dict[str, object], message: str) -> None:
    given = {"log_probs": np.log(PROBABILITIES), "vocabulary": GERMAN, **arguments}
    with pytest.raises(UsageError, match=message):
        posterior_strip(**given)  # type: ignore[arg-type]


def test_curves_show_the_log_and_mark_the_best_epoch() -> None:
    loss = loss_curve(LOG)
    total = next(line for line in loss.lines if line.get_label() == "total")
    assert list(total.get_ydata()) == [row["loss"] for row in LOG]
    assert loss.get_yscale() == "log"
    assert len(loss.lines) == 5
    wer = wer_curve([*LOG, {"epoch": 13, "loss": 1, "dev_wer": None}])
    assert list(wer.lines[0].get_xdata()) == [row["epoch"] for row in LOG]
    best = min(LOG, key=lambda row: row["dev_wer"])
    assert f"epoch {best['epoch']}" in wer.texts[0].get_text()


#: A formula to matplotlib, half a formula, a label it hides, a name too long for a column.
AWKWARD = ["$A$", r"$\frac$", "__ON__", "_X", "LANG" * 20 + "-1", "LANG" * 20 + "-2"]


@pytest.mark.parametrize("name", ["confusions", "glosses", "signers", "segment"])
def test_awkward_glosses_fit_too(name: str, invented: Callable[[list[str]], Score]) -> None:
    assert_legible(PLOTS[name](invented(AWKWARD)))


def test_a_dollar_is_a_dollar() -> None:
    score = slaeval.score({"$s_1$": "$A$ B"}, {"$s_1$": "$A$ C"})
    [segment] = score.segments
    ax = alignment_strip(segment, title=segment.id)
    ax.figure.canvas.draw()
    shown = {text.get_text(): text for text in ax.texts}
    for word in ("$A$", "$s_1$"):
        drawn = shown[word.replace("$", r"\$")]
        assert drawn._preprocess_math(drawn.get_text()) == (word, False)


def test_names_are_cut_so_that_they_stay_apart(invented: Callable[[list[str]], Score]) -> None:
    ax = error_bars(invented(AWKWARD), "gloss")
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert len(set(labels)) == len(labels)
    assert max(map(len, labels)) <= 24


def test_whiskers_of_segments_that_are_all_alike() -> None:
    # The rates of two kinds of errors add up to a hair more than the interval, which is a point.
    score = slaeval.score({f"s{n}": "A B C" for n in range(7)}, {f"s{n}": "X B" for n in range(7)})
    [mine] = group(score, "signer")
    assert mine.interval is not None
    assert mine.rate(mine.substitutions) + mine.rate(mine.deletions) != mine.interval[1]
    error_bars(score, "signer")


def test_without_reference_words_there_are_no_rates() -> None:
    score = slaeval.score({"a": "", "b": ""}, {"a": "X", "b": ""})
    counts = {"X": 1}
    for ax in (
        error_bars(score, "signer"),
        error_curve(score, "length"),
        error_curve(score, "frequency", counts),
    ):
        assert [text.get_text() for text in ax.texts] == ["no reference words, so no rates"]


@pytest.mark.parametrize("by", ["length", "frequency"])
def test_a_wer_stands_with_its_protocol(by: str, score: Score) -> None:
    ax = error_curve(score, by, TRAINING)
    assert f"all {score.wer:.1f} %\n{score.protocol}" in [text.get_text() for text in ax.texts]


def test_glosses_that_begin_with_an_underscore_are_in_the_legend() -> None:
    log_probs = np.log(np.array([[0.2, 0.5, 0.3], [0.3, 0.1, 0.6]]))
    ax = posterior_strip(log_probs, ["__ON__", "_X"])
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["blank", "__ON__", "_X"]


def test_the_convolutions_wer_is_drawn_where_the_table_has_it() -> None:
    from slaeval.analysis.curves import wer_curve

    rows = [{"epoch": epoch, "loss": 1.0, "dev_wer": 30.0 - epoch} for epoch in (1, 2)]
    assert wer_curve(rows).get_legend() is None
    both = [{**row, "dev_wer_convolution": 40.0} for row in rows]
    axes = wer_curve(both)
    lines = {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()}
    assert lines["convolution head"] == [40.0, 40.0]
    assert axes.get_ylim()[1] > 40
