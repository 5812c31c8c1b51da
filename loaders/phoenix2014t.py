"""RWTH-PHOENIX-Weather 2014 T: the weather corpus with German translations.

7096 training, 519 development and 642 test sentences by 9 signers, 25 frames per second, 210 by
260 pixels (Camgoz, Hadfield, Koller, Ney and Bowden, CVPR 2018). Licence CC BY-NC-SA,
https://www-i6.informatik.rwth-aachen.de/~koller/RWTH-PHOENIX-2014-T/.

Layout of ``PHOENIX-2014-T-release-v3/``::

    PHOENIX-2014-T/annotations/manual/PHOENIX-2014-T.{train,dev,test}.corpus.csv
    PHOENIX-2014-T/features/fullFrame-210x260px/<split>/<name>/*.png
    PHOENIX-2014-T/evaluation/sign-recognition/

Annotation: ``name|video|start|end|speaker|orth|translation``; start and end are -1. The
published STM files hold the ``orth`` column unchanged in every sentence: no cleanup.
"""

from __future__ import annotations

from slaeval.formats.words import split_words
from slaeval.loaders.layout import Layout, rows_of
from slaeval.loaders.records import CorpusDefault, Facts, Sample

__all__ = ["Phoenix2014T"]

_COLUMNS = ("name", "video", "start", "end", "speaker", "orth", "translation")


class Phoenix2014T(Layout):
    """The corpus in its only setup."""

    name = "phoenix2014t"
    title = "RWTH-PHOENIX-Weather 2014 T (German Sign Language, weather, translations)"
    licence = "CC BY-NC-SA"
    source = "https://www-i6.informatik.rwth-aachen.de/~koller/RWTH-PHOENIX-2014-T/"
    homes = ("PHOENIX-2014-T",)
    setups = ("multisigner",)
    spellings = (
        "phoenix14t",
        "phoenixt",
        "ph14t",
        "ph2014t",
        "phoenix2014t release",
        "phoenix2014t release v3",
        "rwth-phoenix-2014t",
        "rwth-phoenix-weather-2014t",
    )
    language = "de"
    ids = r".*_(heute|tagesschau)-\d+"
    release_protocol = "rwth-2014t"
    translations = CorpusDefault(
        "signjoey",
        "papers since Camgöz et al. (CVPR 2020) take references and metrics from slt, where "
        "every sentence ends in a separate full stop; gloss-free work since GFSLT often has no "
        "full stop on either side, which is the protocol gfslt",
        ("gfslt", "unpunctuated"),
    )
    header = _COLUMNS[:2]
    sample = "slaeval.loaders.sample.phoenix:PHOENIX2014T"
    fps = 25.0
    vocabulary = 1115
    facts = {  # noqa: RUF012
        ("multisigner", "train"): (Facts(7096, 55247, 9),),
        ("multisigner", "dev"): (Facts(519, 3748, 9),),
        ("multisigner", "test"): (Facts(642, 4264, 9),),
    }
    broken = {}  # noqa: RUF012

    def patterns(self, setup: str, split: str) -> tuple[str, ...]:
        """See :meth:`Layout.patterns`."""
        return (f"annotations/manual/PHOENIX-2014-T.{split}.corpus.csv",)

    def read(self, path: str, base: str, setup: str, split: str) -> list[Sample]:
        """See :meth:`Layout.read`."""
        return [
            Sample(
                cells[0],
                self.name,
                setup,
                split,
                self.signer(cells[0], cells[4]),
                cells[5],
                tuple(split_words(cells[5])),
                translation=cells[6],
                frames=f"features/fullFrame-210x260px/{split}/{cells[1]}",
                fps=self.fps,
                source=path,
            )
            for _, cells in rows_of(path, f"a {self.name} annotation", _COLUMNS)
        ]

    def media(self, base: str, sample: Sample) -> tuple[str, str] | None:
        """See :meth:`Layout.media`; some releases have a further folder ``1``."""
        _, _, below = (sample.frames or "").partition(f"/{sample.split}/")
        return self.frame_folder(
            base,
            [f"features/fullFrame-{size}/{sample.split}" for size in ("210x260px", "*")],
            below.rsplit("/", 1)[0],
        )
