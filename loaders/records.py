"""The one record all corpora are read into, and what a corpus is as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, overload

from slaeval.errors import InputError, counted
from slaeval.formats.words import split_words

if TYPE_CHECKING:
    import pandas as pd

    from slaeval.loaders.verification import Issue

__all__ = ["UNPUBLISHED", "Corpus", "CorpusDefault", "Facts", "Sample"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One signed sentence of a corpus.

    Attributes
    ----------
    id : str
        Name of the segment, as in the corpus's STM files.
    corpus, setup, split : str
        Where it belongs: ``"phoenix2014"``, ``"multisigner"``, ``"test"``.
    signer : str or None
        Who signs; None if the source does not say.
    glosses_raw : str or None
        The annotation as written; None if it is withheld.
    glosses : tuple of str
        The annotation as in the references, after the corpus's own cleanup.
    translation : str or None
        The spoken-language sentence.
    frames, video : str or None
        Where the pictures are below the corpus's folder: a pattern of frame files, or a file.
    num_frames : int or None
        Number of frames, if the annotation gives it.
    fps : float or None
        Frames per second.
    source : str
        The file this was read from.
    channel : str or None
        Channel of the recording, if an STM file gives one.
    """

    id: str
    corpus: str
    setup: str
    split: str
    signer: str | None
    glosses_raw: str | None
    glosses: tuple[str, ...]
    translation: str | None = None
    frames: str | None = None
    video: str | None = None
    num_frames: int | None = None
    fps: float | None = None
    source: str = ""
    channel: str | None = None


class CorpusDefault(NamedTuple):
    """The text protocol that the translations of a corpus are scored under.

    Attributes
    ----------
    protocol : str
        Its name.
    reason : str
        Why this one.
    also : tuple of str
        Protocols whose figures readers may mistake for it: they are shown beside it.
    """

    protocol: str
    reason: str
    also: tuple[str, ...] = ()


#: For a corpus with translations for which no scoring code has been published.
UNPUBLISHED = CorpusDefault(
    "plain", "no published code for this corpus is known to us: sacrebleu's own defaults"
)


class Facts(NamedTuple):
    """What was published about one split; None where nothing was published.

    Attributes
    ----------
    samples, glosses : int or None
        Rows, and gloss tokens in the references.
    signers : int or None
        Distinct signers.
    edition : str
        Which edition of the corpus has these numbers.
    """

    samples: int | None = None
    glosses: int | None = None
    signers: int | None = None
    edition: str = "release"


@dataclass(frozen=True)
class Corpus(Sequence[Sample]):
    """Samples of one corpus, in the order of its annotation.

    Attributes
    ----------
    name, setup : str
        Which corpus.
    split : str or None
        Which split; None for all.
    root : str
        The folder it was read from.
    samples : tuple of Sample
        The samples.
    excluded : mapping
        Id to the reason it was left out.
    """

    name: str
    setup: str
    split: str | None
    root: str
    samples: tuple[Sample, ...]
    excluded: Mapping[str, str] = field(default_factory=dict)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Sample, ...]: ...
    def __getitem__(self, index: int | slice) -> Sample | tuple[Sample, ...]:
        return self.samples[index]

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    def references(self) -> dict[str, list[str]]:
        """Return the glosses of each segment.

        Raises
        ------
        InputError
            The references of a sample are withheld by the corpus's owners.
        """
        for sample in self.samples:
            if sample.glosses_raw is None:
                raise InputError(
                    f"the references of {sample.corpus} {sample.split} are withheld: "
                    f"{sample.id!r} has no glosses",
                    sample.source,
                )
        return {sample.id: list(sample.glosses) for sample in self.samples}

    def __repr__(self) -> str:
        return (
            f"<Corpus {self.name} ({self.setup}) {self.split or 'all splits'}: "
            f"{counted(len(self), 'sample')}, {self.root}>"
        )

    @property
    def signers(self) -> tuple[str, ...]:
        """Distinct signers, sorted."""
        return tuple(sorted({sample.signer for sample in self.samples if sample.signer}))

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Distinct raw gloss tokens, sorted, as the community numbers its classes from 1."""
        tokens: set[str] = set()
        for sample in self.samples:
            tokens.update(split_words(sample.glosses_raw or ""))
        return tuple(sorted(tokens))

    def to_pandas(self) -> pd.DataFrame:
        """Return a DataFrame with one row per sample and the fields of :class:`Sample`."""
        import pandas as pd

        columns = list(Sample.__slots__)
        return pd.DataFrame(
            [[getattr(sample, column) for column in columns] for sample in self.samples],
            columns=columns,
        )

    def verify(self) -> list[Issue]:
        """Compare the corpus's folder with what was published about it.

        See :func:`slaeval.loaders.verification.verify`; always checks every split.
        """
        from slaeval.loaders.verification import verify

        return verify(self.name, self.root, self.setup)
