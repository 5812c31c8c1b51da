"""Glosses of any script: fonts by their glyphs, letters that join, and a warning otherwise."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from matplotlib import font_manager

from slaeval.analysis import MissingGlyphs, alignment_strip, fonts, save
from slaeval.scoring.segments import AlignedSegment

CHINESE = "今天 喜欢 妈妈".split()
ARABIC = "لون_احمر مدرسه لا_2".split()


@pytest.fixture
def only_bundled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with the fonts that matplotlib brings and no others."""
    bundled = [
        entry
        for entry in font_manager.fontManager.ttflist
        if "mpl-data" in entry.fname or "DejaVu" in entry.name
    ]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", bundled)


def test_latin_and_arabic_need_no_other_font() -> None:
    assert fonts.families(["REGEN", "süd", "≠ X", "− +"]) == ["sans-serif"]
    assert fonts.families(ARABIC) == ["sans-serif"]


@pytest.mark.fonts
def test_chinese_gets_a_font_that_has_the_characters() -> None:
    try:
        chosen = fonts.families([*CHINESE, "10"])
    except MissingGlyphs:
        pytest.skip("no font with Chinese characters on this machine")
    assert chosen[0] == "sans-serif"
    path = font_manager.findfont(font_manager.FontProperties(family=[chosen[1]]))
    has = font_manager.get_font(path).get_charmap()
    assert all(ord(character) in has for character in "".join(CHINESE))


def test_what_no_font_has_is_named_with_what_to_install(only_bundled: None) -> None:
    with pytest.warns(MissingGlyphs, match=r"5 of the characters.*fonts-noto-cjk") as said:
        assert fonts.families(CHINESE) == ["sans-serif"]
    assert "妈" in str(said[0].message)
    with pytest.warns(MissingGlyphs, match="apt-get install fonts-noto-core"):
        fonts.families(["ሰላም"])


def test_a_plot_without_its_font_says_it_once(only_bundled: None, tmp_path: Path) -> None:
    segment = AlignedSegment("s", "", CHINESE, CHINESE[:2], "CCD")
    with pytest.warns(MissingGlyphs) as said:
        save(alignment_strip(segment), tmp_path / "plot.png")
    assert len(said) == 1


def test_a_damaged_font_has_nothing(tmp_path: Path) -> None:
    path = tmp_path / "broken.ttf"
    path.write_bytes(b"no font")
    assert fonts._glyphs_of(str(path)) == frozenset()
    assert fonts._glyphs("No Such Family") == frozenset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("REGEN", False),
        ("لون", True),
        ("2_لا", True),
        ("今天", False),
        ("10", False),
        ("שלום", True),
    ],
)
def test_direction(text: str, expected: bool) -> None:
    assert fonts.right_to_left(text) == expected


def test_matplotlib_that_shapes_gets_the_text_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_shapes", lambda: True)
    assert [fonts.shaped(text) for text in ARABIC] == ARABIC


def test_matplotlib_that_does_not_shape_gets_help_where_there_is_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fonts, "_shapes", lambda: False)
    monkeypatch.setitem(sys.modules, "arabic_reshaper", SimpleNamespace(reshape=str.upper))
    monkeypatch.setitem(sys.modules, "bidi", SimpleNamespace())
    monkeypatch.setitem(
        sys.modules, "bidi.algorithm", SimpleNamespace(get_display=lambda text: text[::-1])
    )
    assert fonts.shaped("لون") == "نول"
    assert fonts.shaped("SÜD") == "SÜD"


def test_matplotlib_that_does_not_shape_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_shapes", lambda: False)
    monkeypatch.setitem(sys.modules, "arabic_reshaper", None)
    with pytest.warns(MissingGlyphs, match="python-bidi"):
        assert fonts.shaped("لون") == "لون"
