"""Glosses in any script in a plot: fonts that have the characters, and letters that join.

matplotlib's default font has Latin, Greek, Cyrillic and Arabic letters, but not Chinese
characters; what it lacks is drawn as a box. This module searches the machine's fonts for the
required characters, by their glyph tables rather than their names. If no font has them, a
:class:`MissingGlyphs` warning says which characters are missing and what to install.

From version 3.11 on matplotlib itself joins Arabic letters and sets them from right to left
(libraqm). Before that, the packages ``arabic-reshaper`` and ``python-bidi`` do it if installed;
otherwise a warning says so.
"""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module

__all__ = [
    "MissingGlyphs",
    "families",
    "quiet",
    "right_to_left",
    "shaped",
    "shortened",
    "width_of",
]

#: Preferred fonts, in order: plain, free or part of a system, Chinese in its simplified forms.
#: After them any other font that has the characters.
_PREFERRED = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "PingFang SC",
    "PingFang HK",
    "Hiragino Sans GB",
    "Heiti SC",
    "STHeiti",
    "Microsoft YaHei",
    "SimHei",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Noto Sans CJK JP",
    "Noto Sans Arabic",
    "Noto Naskh Arabic",
    "Geeza Pro",
    "Segoe UI",
    "Arial",
    "Tahoma",
    "DejaVu Sans",
    "Noto Sans",
    "Arial Unicode MS",
)

#: Fonts that "have" every character, as a box with its code.
_LAST_RESORT = ("last resort", "lastresort", "unifont upper", "adobe blank", "noto sans tofu")

#: Start of a Unicode name: the Debian and Ubuntu package whose fonts have it.
_PACKAGES = {
    "CJK": "fonts-noto-cjk",
    "HIRAGANA": "fonts-noto-cjk",
    "KATAKANA": "fonts-noto-cjk",
    "HANGUL": "fonts-noto-cjk",
}


class MissingGlyphs(UserWarning):
    """Some characters of a plot cannot be drawn properly; says what to install."""


def families(texts: Iterable[str]) -> list[str]:
    """Return the fonts to draw `texts` with, for ``family=`` of matplotlib's text.

    Parameters
    ----------
    texts : iterable of str
        All text to be drawn, as returned by :func:`shaped`.

    Returns
    -------
    list of str
        The fonts matplotlib is set to, then as many more as needed to cover all characters.

    Warns
    -----
    MissingGlyphs
        No font on this machine has some of the characters.
    """
    import matplotlib as mpl

    chosen = list(mpl.rcParams["font.family"])
    missing = {
        character
        for text in texts
        for character in text
        if not character.isspace() and unicodedata.category(character) not in ("Cf", "Cc")
    }
    for family in chosen:
        missing -= _glyphs(family)
    if missing:
        known = _installed()
        for family in (*(name for name in _PREFERRED if name in known), *known):
            if has := missing & _glyphs(family):
                chosen.append(family)
                missing -= has
            if not missing:
                break
    if missing:
        warnings.warn(_advice(missing), MissingGlyphs, stacklevel=3)
    return chosen


def right_to_left(text: str) -> bool:
    """Say whether the first letter of `text` with a direction is a right-to-left one."""
    for character in text:
        direction = unicodedata.bidirectional(character)
        if direction in ("L", "R", "AL"):
            return direction != "L"
    return False


def shaped(text: str) -> str:
    """Return a gloss in the form that matplotlib draws correctly: no formula, letters joined.

    Dollar signs are escaped, since matplotlib reads a formula between two of them. Letters of a
    right-to-left script are joined and reordered if matplotlib does not do so.

    Warns
    -----
    MissingGlyphs
        It is right-to-left, matplotlib is older than 3.11 and the packages that could help are
        not installed.
    """
    text = text.replace("$", r"\$")
    if text.isascii() or _shapes() or not any(map(right_to_left, text)):
        return text
    try:
        # By name: type checkers cannot check packages that are not required.
        reshape = import_module("arabic_reshaper").reshape
        get_display = import_module("bidi.algorithm").get_display
    except ImportError:
        warnings.warn(
            "right-to-left glosses are drawn with single letters in the wrong order by this "
            "matplotlib: pip install 'matplotlib>=3.11', or arabic-reshaper python-bidi",
            MissingGlyphs,
            stacklevel=3,
        )
        return text
    out: str = get_display(reshape(text))
    return out


def shortened(text: str, longest: int = 24) -> str:
    """Shorten a name to `longest` characters in its middle: its end may be what is distinctive."""
    if len(text) <= longest:
        return text
    end = (longest - 1) // 2
    return f"{text[: longest - 1 - end]}…{text[len(text) - end :]}"


def width_of(text: str, fonts: list[str], size: float) -> float:
    """Return the width of `text` in points, drawn with `fonts` at `size` points."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not text:
        return 0.0
    # At the resolution of files: at 72 dpi, letters are moved to whole points.
    figure = Figure(figsize=(1, 1), dpi=300)
    FigureCanvasAgg(figure)
    with quiet():
        drawn = figure.text(0, 0, text, family=fonts, fontsize=size)
        return float(drawn.get_window_extent().width) * 72 / 300


@contextmanager
def quiet() -> Iterator[None]:
    """Silence matplotlib's warning for each missing glyph: :func:`families` has warned already."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from")
        yield


@lru_cache(maxsize=1)
def _shapes() -> bool:
    """Say whether matplotlib shapes text itself."""
    from matplotlib import ft2font

    return hasattr(ft2font, "__libraqm_version__")


def _installed() -> list[str]:
    """Return the families with an upright font of normal weight, the most likely first."""
    from matplotlib import font_manager

    names = {
        entry.name
        for entry in font_manager.fontManager.ttflist
        if entry.style == "normal"
        and entry.weight in (400, "normal", "regular")
        and not entry.name.lower().startswith(_LAST_RESORT)
    }
    return sorted(names, key=lambda name: (not name.startswith("Noto Sans"), name))


def _glyphs(family: str) -> frozenset[str]:
    """Return the characters of a family's upright font, none if it is not installed."""
    from matplotlib import font_manager

    wanted = font_manager.FontProperties(family=[family])
    try:
        path = font_manager.findfont(wanted, fallback_to_default=False)
    except ValueError:
        return frozenset()
    return _glyphs_of(path)


@lru_cache(maxsize=512)
def _glyphs_of(path: str) -> frozenset[str]:
    from matplotlib import font_manager

    try:
        return frozenset(map(chr, font_manager.get_font(path).get_charmap()))
    except (OSError, RuntimeError):  # a damaged font has no characters
        return frozenset()


def _advice(missing: set[str]) -> str:
    import matplotlib as mpl

    shown = "".join(sorted(missing)[:12])
    scripts = {unicodedata.name(character, "?").split(" ")[0] for character in missing}
    package = " ".join(sorted({_PACKAGES.get(script, "fonts-noto-core") for script in scripts}))
    return (
        f"no font on this machine has {len(missing)} of the characters to be drawn ({shown}"
        f"{'…' if len(missing) > 12 else ''}): they appear as boxes. Install one, for instance "
        f"'apt-get install {package}' or a Noto font from fonts.google.com/noto, then delete "
        f"matplotlib's list of fonts, fontlist-*.json in {mpl.get_cachedir()}"
    )
