"""RWTH-PHOENIX-Weather 2014: German Sign Language, television weather forecasts.

5672 training, 540 development and 629 test sentences by 9 signers, 25 frames per second, 210 by
260 pixels (Koller, Forster and Ney, CVIU 2015). Licence CC BY-NC-SA, RWTH Aachen,
https://www-i6.informatik.rwth-aachen.de/~koller/RWTH-PHOENIX/.

Layout of ``phoenix2014-release/``::

    phoenix-2014-multisigner/annotations/manual/{train,dev,test}.corpus.csv
    phoenix-2014-multisigner/features/fullFrame-210x260px/<split>/<id>/1/*.png
    phoenix-2014-multisigner/evaluation/      the scripts and STM files
    phoenix-2014-signerindependent-SI5/annotations/manual/{train,dev,test}.SI5.corpus.csv

Annotation: ``id|folder|signer|annotation``, UTF-8, no quoting, double blanks possible. The
training annotation is raw; the rules of the evaluation script, applied to the whole line with
the STM's columns in front, turn it into the published training STM. Dev and test are already
clean and must not be cleaned again (``S H  VOR`` would become one gloss).
"""

from __future__ import annotations

from slaeval.formats.gloss_rules import PHOENIX2014, rewrite
from slaeval.formats.words import split_words
from slaeval.loaders.layout import Layout, rows_of
from slaeval.loaders.records import Facts, Sample

__all__ = ["Phoenix2014", "Phoenix2014SI5", "clean_train"]

_COLUMNS = ("id", "folder", "signer", "annotation")


def clean_train(id: str, signer: str, annotation: str) -> list[str]:
    """Clean a raw training annotation as in the published STM.

    The rules see the line with the STM's columns in front, so those that need a blank before the
    first letter find one.
    """
    line = f"{id} 1 {signer} 0.0 1.79769e+308 {annotation}"
    return split_words(rewrite(line, PHOENIX2014))[5:]


class Phoenix2014(Layout):
    """The multisigner setup."""

    name = "phoenix2014"
    title = "RWTH-PHOENIX-Weather 2014 (German Sign Language, weather)"
    licence = "CC BY-NC-SA"
    source = "https://www-i6.informatik.rwth-aachen.de/~koller/RWTH-PHOENIX/"
    setups = ("multisigner",)
    spellings: tuple[str, ...] = (
        "phoenix",
        "phoenix14",
        "ph14",
        "phoenix2014 release",
        "phoenix2014 multisigner",
        "rwth-phoenix-2014",
        "rwth-phoenix-weather-2014",
    )
    language = "de"
    ids = r".*_(heute|tagesschau)_default-\d+"
    fps = 25.0
    vocabulary: int | None = 1295
    facts = {  # noqa: RUF012
        ("multisigner", "train"): (Facts(5672, None, 9),),
        ("multisigner", "dev"): (Facts(540, 5540, 9),),
        ("multisigner", "test"): (Facts(629, 6504, 9),),
    }
    broken = {  # noqa: RUF012
        "13April_2011_Wednesday_tagesschau_default-14": "the community leaves this training "
        "sequence out as broken"
    }
    homes = ("phoenix-2014-multisigner",)
    header = _COLUMNS[:2]
    sample = "slaeval.loaders.sample.phoenix:PHOENIX2014"
    infix = ""

    def patterns(self, setup: str, split: str) -> tuple[str, ...]:
        """See :meth:`Layout.patterns`."""
        return (f"annotations/manual/{split}{self.infix}.corpus.csv",)

    def read(self, path: str, base: str, setup: str, split: str) -> list[Sample]:
        """See :meth:`Layout.read`."""
        samples = []
        for _, cells in rows_of(path, f"a {self.name} annotation", _COLUMNS):
            id, folder, signer, annotation = cells[:4]
            samples.append(
                Sample(
                    id,
                    self.name,
                    setup,
                    split,
                    self.signer(id, signer),
                    annotation,
                    tuple(self.words(id, signer, annotation, split)),
                    frames=f"features/fullFrame-210x260px/{split}/{folder}",
                    fps=self.fps,
                    source=path,
                )
            )
        return samples

    def signer(self, id: str, signer: str | None) -> str | None:
        """Return ``Signer05`` for the ``signer05`` of some STM files."""
        return signer[0].upper() + signer[1:] if signer else None

    def words(self, id: str, signer: str, annotation: str, split: str) -> list[str]:
        """Return the glosses, cleaned for training, where the annotation is raw."""
        if split == "train":
            return clean_train(id, signer, annotation)
        return split_words(annotation)

    def media(self, base: str, sample: Sample) -> tuple[str, str] | None:
        """See :meth:`Layout.media`."""
        _, _, below = (sample.frames or "").partition(f"/{sample.split}/")
        return self.frame_folder(
            base,
            [f"features/fullFrame-{size}/{sample.split}" for size in ("210x260px", "*")],
            below.rsplit("/", 1)[0],
        )


class Phoenix2014SI5(Phoenix2014):
    """The signer-independent setup: signer 5 is in dev and test only."""

    name = "phoenix2014-si5"
    title = "RWTH-PHOENIX-Weather 2014, signer-independent SI5"
    setups = ("SI5",)
    spellings = ("phoenix2014 si", "phoenix14 si5", "phoenix2014 signerindependent SI5")
    container = "phoenix2014"
    facts = {  # noqa: RUF012
        ("SI5", "train"): (Facts(4376, None, 8),),
        ("SI5", "dev"): (Facts(111, None, 1),),
        ("SI5", "test"): (Facts(180, None, 1),),
    }
    broken = {}  # noqa: RUF012
    vocabulary = None
    homes = ("phoenix-2014-signerindependent-SI5",)
    sample = "slaeval.loaders.sample.phoenix:SI5"
    infix = ".SI5"
