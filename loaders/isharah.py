"""Isharah: Saudi Sign Language, recorded with smartphones.

Three nested editions of 500, 1000 and 2000 sentences (Alyami et al., 2025), for research use.
Two setups: SI (signer-independent) and US (unseen sentences).

======  ====================  ==================  =======
subset  SI train/dev/test     US train/dev/test   glosses
======  ====================  ==================  =======
500     5000/500/2000         6000/750/750        388
1000    10,000/1000/4000      10,000/750/750      680
2000    20,000/2000/8000      13,500/750/750      1132
======  ====================  ==================  =======

Layout of a release: ``Annotations/{SI,US}/{train,dev,test}.txt`` with rows ``id|gloss|text``.
The edition of Isharah-1000 distributed by the 2025 challenge has 10,000/949/3800 (SI) and
9900/550/550 (US). The challenge copies of Isharah-2000 have ``{SI,US}/{train,dev,test}.csv``
with ``id|gloss``, other sizes, and a test split without glosses. Ids are
``<signer>_<sentence>``. Glosses are kept byte for byte; :func:`normalised` gives a normal form.
"""

from __future__ import annotations

import os
import re
import unicodedata

from slaeval.errors import InputError
from slaeval.files import read_text
from slaeval.formats.words import split_words
from slaeval.loaders.layout import Layout
from slaeval.loaders.records import UNPUBLISHED, Facts, Sample

__all__ = ["Isharah500", "Isharah1000", "Isharah2000", "normalised"]

#: Endings of a sample's pictures: a folder, or a video file from a phone or browser.
_ENDINGS = (
    "",
    *(
        case(ending)
        for ending in (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".3gp", ".ts")
        for case in (str, str.upper)
    ),
)

_TATWEEL = "\u0640"


def normalised(gloss: str, *, tatweel: bool = True, diacritics: bool = True) -> str:
    """Normalise an Arabic gloss.

    Parameters
    ----------
    gloss : str
        As annotated.
    tatweel : bool
        Remove the stretching stroke.
    diacritics : bool
        Remove vowel marks (Unicode category Mn).

    Returns
    -------
    str
        In Unicode normal form NFC.
    """
    gloss = unicodedata.normalize("NFC", gloss)
    if tatweel:
        gloss = gloss.replace(_TATWEEL, "")
    if diacritics:
        gloss = "".join(c for c in gloss if unicodedata.category(c) != "Mn")
    return gloss


class _Isharah(Layout):
    """What the three editions share."""

    licence = "research use"
    source = "https://github.com/snalyami/Isharah_CSLR"
    setups = ("SI", "US")
    container = "isharah"
    language = "ar"
    ids = r"\d\d_\d{4}"
    translations = UNPUBLISHED
    sample = "slaeval.loaders.sample.isharah:ISHARAH"
    broken = {}  # noqa: RUF012

    def patterns(self, setup: str, split: str) -> tuple[str, ...]:
        """See :meth:`Layout.patterns`."""
        return tuple(
            f"{folder}{setup}/{split}.{ending}"
            for folder in ("Annotations/", "")
            for ending in ("txt", "csv")
        )

    def locate(self, root: str, setup: str, split: str) -> tuple[str, str]:
        """See :meth:`Layout.locate`; another edition is not mistaken for this one.

        Raises
        ------
        InputError
            Also if the folder's name is that of another edition.
        """
        path, base = super().locate(root, setup, split)
        for part in reversed(os.path.abspath(path).split(os.sep)):
            edition = re.fullmatch(r"isharah[-_]?(\d+)", part.casefold())
            if edition is None:
                continue
            if f"isharah{edition[1]}" != self.name:
                raise InputError(
                    f"this is isharah{edition[1]}, not {self.name}: use --dataset "
                    f"isharah{edition[1]}",
                    path,
                )
            break
        return path, base

    def read(self, path: str, base: str, setup: str, split: str) -> list[Sample]:
        """Read ``id|gloss|text`` or ``id|gloss`` rows, with or without a header.

        Raises
        ------
        InputError
            A row without an id, or with an id but no gloss where others have one.
        """
        lines = read_text(path, f"an {self.name} annotation").split("\n")
        header = lines[0].strip().split("|")
        withheld = header == ["id"]
        samples = []
        for number, line in enumerate(lines, 1):
            if not line.strip() or (number == 1 and header[0] == "id"):
                continue
            cells = [cell.strip() for cell in line.split("|")]
            if not cells[0] or (len(cells) < 2 and not withheld):
                raise InputError(f"expected 'id|gloss|text', found {line[:80]!r}", path, number)
            gloss = None if withheld else cells[1]
            samples.append(
                Sample(
                    cells[0],
                    self.name,
                    setup,
                    split,
                    self.signer(cells[0], None),
                    gloss,
                    tuple(split_words(gloss or "")),
                    translation=cells[2] if len(cells) > 2 else None,
                    video=cells[0],
                    source=path,
                )
            )
        return samples

    def signer(self, id: str, signer: str | None) -> str | None:
        """Return the first part of the id."""
        return id.split("_", 1)[0] if "_" in id else signer

    def media(self, base: str, sample: Sample) -> tuple[str, str] | None:
        """See :meth:`Layout.media`: a file or a folder of frames named by the id."""
        for folder in ("Videos", "videos", "frames", "Frames"):
            for below in (folder, f"{folder}/{sample.signer}"):
                if not os.path.isdir(os.path.join(base, below)):
                    continue  # do not try a hundred names per sample in vain
                for ending in _ENDINGS:
                    if os.path.exists(os.path.join(base, below, sample.id + ending)):
                        return folder, f"{below}/{sample.id}{ending}"
        return "Videos", f"Videos/{sample.id}.mp4"


_Sizes = tuple[int, int, int]


def _facts(
    si: _Sizes,
    us: _Sizes,
    edition: str = "",
    other_si: _Sizes = (0, 0, 0),
    other_us: _Sizes = (0, 0, 0),
) -> dict[tuple[str, str], tuple[Facts, ...]]:
    """Return the sizes of train, dev and test in each setup, of the release and an edition."""
    return {
        (setup, split): (Facts(count), *((Facts(other, edition=edition),) if edition else ()))
        for setup, counts, others in (("SI", si, other_si), ("US", us, other_us))
        for split, count, other in zip(("train", "dev", "test"), counts, others, strict=True)
    }


class Isharah500(_Isharah):
    """500 sentences, 15 signers."""

    name = "isharah500"
    homes = ("isharah500", "Isharah-500", "Isharah500")
    spellings = ("isharah",)
    title = "Isharah-500 (Saudi Sign Language, smartphone video)"
    vocabulary = 388
    facts = _facts((5000, 500, 2000), (6000, 750, 750))


class Isharah1000(_Isharah):
    """1000 sentences; the edition of the 2025 challenge (MSLR, ICCV) has other sizes."""

    name = "isharah1000"
    homes = ("isharah1000", "Isharah-1000", "Isharah1000")
    title = "Isharah-1000 (Saudi Sign Language, smartphone video)"
    vocabulary = 680
    facts = _facts(
        (10000, 1000, 4000),
        (10000, 750, 750),
        "edition of the 2025 challenge",
        (10000, 949, 3800),
        (9900, 550, 550),
    )


class Isharah2000(_Isharah):
    """2000 sentences; the challenge copies have other sizes."""

    name = "isharah2000"
    homes = ("isharah2000", "Isharah-2000", "Isharah2000")
    title = "Isharah-2000 (Saudi Sign Language, smartphone video)"
    vocabulary = 1132
    facts = _facts(
        (20000, 2000, 8000),
        (13500, 750, 750),
        "challenge copy",
        (19500, 1950, 7800),
        (20899, 550, 550),
    )
