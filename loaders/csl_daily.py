"""CSL-Daily: Chinese Sign Language, daily life.

18,401 training, 1077 development and 1176 test sentences by 10 signers, 30 frames per second,
512 by 512 pixels (Zhou, Zhou, Qi, Pu and Li, CVPR 2021). Research agreement with its owners,
http://home.ustc.edu.cn/~zhouh156/dataset/csl-daily/.

Layout of ``CSL-Daily/``::

    sentence_label/video_map.txt      index|name|length|gloss|char|word|postag
    sentence_label/split_1.txt        name|split
    sentence_label/csl2020ct_v2.pkl   the same and more, as a pickle
    sentence_frames-512x512/<name>/*.jpg

Names are ``S<sentence>_P<signer>_T<take>``. Digits are glosses. No cleanup: glosses are whole
tokens. ``S000007_P0003_T00`` is in no split.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from slaeval.errors import InputError
from slaeval.files import kept_unless_changed
from slaeval.formats.words import split_words
from slaeval.loaders.layout import Layout, rows_of
from slaeval.loaders.records import CorpusDefault, Facts, Sample

if TYPE_CHECKING:
    from slaeval.formats.tables import Row

__all__ = ["CSLDaily"]

_NAME = re.compile(r"S\d+_(P\d+)_T\d+")
_MAP = ("index", "name", "length", "gloss", "char", "word", "postag")


class CSLDaily(Layout):
    """CSL-Daily in its only setup, ``split_1``."""

    name = "csl-daily"
    title = "CSL-Daily (Chinese Sign Language, daily life)"
    licence = "research agreement"
    source = "http://home.ustc.edu.cn/~zhouh156/dataset/csl-daily/"
    homes = ("CSL-Daily",)
    setups = ("split_1",)
    spellings = ("csl",)
    language = "zh-Hans"
    ids = r"S\d{6}_P\d{4}_T\d\d"
    translations = CorpusDefault(
        "twostream",
        "the corpus's own paper (Zhou et al., CVPR 2021) and those after it count characters, "
        "punctuation included, and SLRT published the code",
        ("unisign", "unpunctuated"),
    )
    header = _MAP[:4]
    sample = "slaeval.loaders.sample.csl_daily:CSL_DAILY"
    fps = 30.0
    vocabulary = 2000
    facts = {  # noqa: RUF012
        ("split_1", "train"): (Facts(18401, 133719, 10),),
        ("split_1", "dev"): (Facts(1077, 8173, 10),),
        ("split_1", "test"): (Facts(1176, 9002, 10),),
    }
    broken = {}  # noqa: RUF012

    def patterns(self, setup: str, split: str) -> tuple[str, ...]:
        """See :meth:`Layout.patterns`."""
        return (f"sentence_label/{setup}.txt",)

    def read(self, path: str, base: str, setup: str, split: str) -> list[Sample]:
        """Join ``split_1.txt`` with ``video_map.txt`` or, without that, the pickle."""
        folder = os.path.dirname(path)
        wanted = {}
        for number, cells in rows_of(path, "the CSL-Daily split file", ("name", "split")):
            if cells[0] in wanted:
                raise InputError(f"duplicate sample {cells[0]!r}", path, number)
            wanted[cells[0]] = cells[1].strip()
        video_map = os.path.join(folder, "video_map.txt")
        pickled = os.path.join(folder, "csl2020ct_v2.pkl")
        if os.path.isfile(video_map):
            rows = [
                (cells[1], int(cells[2]), cells[3], cells[4])
                for cells in _map_rows(video_map)
                if wanted.get(cells[1]) == split
            ]
            source = video_map
        elif os.path.isfile(pickled):
            rows = [row for row in _pickled_rows(pickled) if wanted.get(row[0]) == split]
            source = pickled
        else:
            raise InputError(
                "neither video_map.txt nor csl2020ct_v2.pkl is beside it; the glosses are in "
                "one of those",
                path,
            )
        described = {row[0] for row in rows}
        missing = [
            name
            for name, its_split in wanted.items()
            if its_split == split and name not in described
        ]
        if missing:
            raise InputError(
                f"it lacks {len(missing)} of the samples that {os.path.basename(path)} names in "
                f"the split {split!r}, such as {missing[0]}",
                source,
            )
        return [
            Sample(
                name,
                self.name,
                setup,
                split,
                self.signer(name, None),
                gloss,
                tuple(split_words(gloss)),
                translation=characters.replace(" ", ""),
                frames=f"sentence_frames-512x512/{name}/*.jpg",
                num_frames=length,
                fps=self.fps,
                source=source,
            )
            for name, length, gloss, characters in rows
        ]

    def rows_of_split(self, rows: list[Row], path: str, split: str) -> list[Row]:
        """See :meth:`Layout.rows_of_split`; a video map holds all splits."""
        beside = os.path.join(os.path.dirname(path), "split_1.txt")
        if not os.path.isfile(beside):
            raise InputError(
                "a video map holds every split, and no split_1.txt is beside it to tell them "
                "apart; give the corpus's folder with --root",
                path,
            )
        wanted = {
            cells[0]
            for _, cells in rows_of(beside, "the CSL-Daily split file", ("name", "split"))
            if cells[1].strip() == split
        }
        # Its sentences have blanks between the characters.
        return [
            row._replace(translation=row.translation and row.translation.replace(" ", ""))
            for row in rows
            if row.id in wanted
        ]

    def outside(self, base: str) -> list[str]:
        """Return the samples in ``video_map.txt`` that are not in ``split_1.txt``."""
        folder = os.path.join(base, "sentence_label")
        video_map = os.path.join(folder, "video_map.txt")
        if not os.path.isfile(video_map):
            return []
        splits = os.path.join(folder, f"{self.setups[0]}.txt")
        named = {
            cells[0] for _, cells in rows_of(splits, "the CSL-Daily split file", ("name", "split"))
        }
        return [cells[1] for cells in _map_rows(video_map) if cells[1] not in named]

    def signer(self, id: str, signer: str | None) -> str | None:
        """Return the signer from the sample's name; STM files write ``unknown``."""
        match = _NAME.fullmatch(id)
        return match[1] if match else signer

    def media(self, base: str, sample: Sample) -> tuple[str, str] | None:
        """See :meth:`Layout.media`; resized copies are in folders named by their size."""
        tops = ["sentence_frames-512x512", "sentence_frames-*", "sentence/frames_*"]
        return self.frame_folder(base, tops, sample.id)


@kept_unless_changed
def _map_rows(path: str) -> list[list[str]]:
    rows = []
    for number, cells in rows_of(path, "the CSL-Daily video map", _MAP):
        if not cells[2].strip().isdecimal():
            raise InputError(
                f"column 3 must be a number of frames, found {cells[2]!r}", path, number
            )
        rows.append(cells)
    return rows


@kept_unless_changed
def _pickled_rows(path: str) -> list[tuple[str, int, str, str]]:
    from slaeval.formats.pickles import load_pickle

    content = load_pickle(path)
    try:
        rows: list[Any] = content["info"]
        return [
            (
                row["name"],
                int(row["length"]),
                " ".join(row["label_gloss"]),
                " ".join(row["label_char"]),
            )
            for row in rows
        ]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"not the CSL-Daily label pickle: expected 'info' with name, length, label_gloss "
            f"and label_char ({error!r})",
            path,
        ) from None
