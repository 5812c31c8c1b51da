"""The official WER inside a training loop.

::

    wer = WordErrorRate("phoenix2014t", "dev")
    for ids, clips, lengths in loader:
        wer.update(ids, decode(model(clips, lengths)))
    print(wer.compute())    # percent, over all ranks
    wer.reset()

Where torchmetrics is installed, :class:`WordErrorRate` is one of its metrics: it can be logged by
Lightning, put into a collection, moved and saved. Without it the same calls are there. Either way
:meth:`~WordErrorRate.compute` gathers what the other ranks of ``torch.distributed`` were given.
"""

from __future__ import annotations

import importlib.util
import json
import operator
import os
import sys
import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from slaeval.errors import InputError, UsageError, counted, nearest
from slaeval.evaluation.references import ReferenceSet, load_references, reference_set
from slaeval.evaluation.score import Evaluation
from slaeval.formats.hypotheses import Hypotheses
from slaeval.formats.words import is_word, split_words
from slaeval.scoring.protocols import OFFICIAL, Protocol
from slaeval.scoring.protocols import protocol as named_protocol
from slaeval.scoring.score import Score

if TYPE_CHECKING:
    from slaeval.evaluation.references import Source

    Words = str | Sequence[str]

__all__ = ["WordErrorRate"]


class _Metric:
    """The parts of ``torchmetrics.Metric`` used here, if it is not installed."""

    def __init__(self, **settings: Any) -> None:
        if settings:
            names = ", ".join(settings)
            raise UsageError(f"WordErrorRate: {names} needs torchmetrics, which is not installed")

    def add_state(self, name: str, default: list[Any], dist_reduce_fx: Any = None) -> None:
        setattr(self, name, list(default))

    def reset(self) -> None:
        """Forget all hypotheses."""
        self.records: list[Any] = []

    def __call__(self, ids: Sequence[str], hypotheses: Sequence[Words]) -> float:
        """Add hypotheses and return the WER of these alone."""
        before, self.records = self.records, []
        try:
            self.update(ids, hypotheses)
            value: float = self.compute()
        finally:
            self.records = before + self.records
        return value

    def update(self, ids: Sequence[str], hypotheses: Sequence[Words]) -> None:
        raise NotImplementedError

    def compute(self) -> Any:
        raise NotImplementedError


_WITH_TORCHMETRICS = importlib.util.find_spec("torchmetrics") is not None
if _WITH_TORCHMETRICS and not TYPE_CHECKING:
    from torchmetrics import Metric as _Metric


class WordErrorRate(_Metric):
    """WER of hypotheses that come in batches.

    Parameters
    ----------
    dataset, split : str, optional
        Corpus and split, as for ``slaeval score``.
    references : mapping, Corpus, DataFrame or path, optional
        References as :func:`slaeval.score` takes them, instead of a registered corpus.
    root : path-like, optional
        Folder of the corpus, if it is not registered.
    setup : str, optional
        ``"SI"`` or ``"US"`` for Isharah.
    protocol : str or Protocol
        Evaluation protocol.
    **settings
        Passed to ``torchmetrics.Metric``.

    Raises
    ------
    UsageError
        Neither a corpus nor references; unknown names.
    InputError
        The references cannot be read.

    Notes
    -----
    The WER is over the segments that were given. If some references have no hypothesis
    (``drop_last=True``, a sanity check), :meth:`compute` warns; :meth:`score` can count them as
    empty.
    """

    is_differentiable = False
    higher_is_better = False
    # forward() scores its batch alone, then restores the state.
    full_state_update = True

    def __init__(
        self,
        dataset: str | None = None,
        split: str | None = None,
        *,
        references: Source | None = None,
        root: str | os.PathLike[str] | None = None,
        setup: str | None = None,
        protocol: str | Protocol = OFFICIAL,
        **settings: Any,
    ) -> None:
        if _WITH_TORCHMETRICS:
            # torchmetrics can synchronise tensors only; _gathered() does it instead.
            settings["sync_on_compute"] = False
        super().__init__(**settings)
        if dataset is None and references is None:
            raise UsageError("WordErrorRate needs a dataset or references")
        self._rules = named_protocol(protocol)
        self._known: ReferenceSet = (
            load_references(dataset, split, root=root, setup=setup)
            if references is None
            else reference_set(references, dataset, split)
        )
        self._ids = {reference.id for reference in self._known.references}
        self.add_state("records", default=[], dist_reduce_fx=None)

    def update(self, ids: Sequence[str], hypotheses: Sequence[Words]) -> None:
        """Add the hypotheses of a batch.

        Parameters
        ----------
        ids : sequence of str
            Segments, named as in the references.
        hypotheses : sequence
            One per id: a list of words, or a string of words separated by blanks.

        Raises
        ------
        UsageError
            The two differ in length.
        InputError
            A segment not in the references, or a value that is not a word.
        """
        if isinstance(ids, str) or isinstance(hypotheses, str) or len(ids) != len(hypotheses):
            raise UsageError(
                "update() takes a list of ids and a list of as many hypotheses; found "
                f"{len(ids)} and {len(hypotheses)}"
            )
        rows = []
        for name, hypothesis in zip(ids, hypotheses, strict=True):
            if not isinstance(name, str):
                name = _digits(name)
            if name not in self._ids:
                raise InputError(
                    f"segment {name!r} is not in {self._known.source}{nearest(name, self._ids)}"
                )
            rows.append([name, _words(name, hypothesis)])
        if rows:
            self.records.append(_packed(rows))

    def compute(self) -> Any:
        """Return the WER in percent over the hypotheses of all ranks.

        Returns
        -------
        float or torch.Tensor
            A tensor if torchmetrics is installed.

        Raises
        ------
        InputError
            No hypothesis was given.
        """
        score = self.score()
        missing = len(self._ids) - score.total.segments
        if missing:
            warnings.warn(
                f"{missing} of {len(self._ids)} segments of {self._known.source} have no "
                "hypothesis; the WER is over the others",
                stacklevel=2,
            )
        if not _WITH_TORCHMETRICS:
            return score.wer
        import torch

        return torch.tensor(score.wer, dtype=torch.float64)

    def score(self, *, missing_as_empty: bool = False) -> Score:
        """Return the score of the hypotheses of all ranks.

        Parameters
        ----------
        missing_as_empty : bool
            Count segments without hypothesis as empty, as ``slaeval score`` does.

        Raises
        ------
        InputError
            No hypothesis was given.
        """
        words: dict[str, list[str]] = {}
        changed: set[str] = set()
        for record in _gathered(self.records):
            for name, hypothesis in _unpacked(record):
                # A distributed sampler pads the last batch with segments of other ranks.
                if words.setdefault(name, hypothesis) != hypothesis:
                    changed.add(name)
        if changed:
            warnings.warn(
                f"{counted(len(changed), 'segment was', 'segments were')} given again with other "
                "words; the first ones count: call reset() between epochs",
                stacklevel=2,
            )
        if not words:
            raise InputError("no hypothesis was given")
        known = self._known
        if not missing_as_empty:
            given = [reference for reference in known.references if reference.id in words]
            known = known._replace(references=given)
        return Evaluation(known, Hypotheses(words)).score(self._rules)

    def merge(self, *others: WordErrorRate) -> None:
        """Add the hypotheses of other metrics."""
        for other in others:
            self.records.extend(other.records)


def _digits(id: Any) -> str:
    """Return the id that an integer stands for, as in a table."""
    try:
        return str(operator.index(id))
    except TypeError:
        raise InputError(f"an id is a text or an integer, found {id!r}") from None


def _words(name: str, hypothesis: Words) -> list[str]:
    if isinstance(hypothesis, str):
        return split_words(hypothesis)
    if not isinstance(hypothesis, Iterable):
        raise InputError(f"segment {name!r} contains {hypothesis!r}; an empty hypothesis is ''")
    words = list(hypothesis)
    for word in words:
        if not isinstance(word, str) or not is_word(word):
            raise InputError(
                f"segment {name!r} contains {word!r}; a word is a string without blanks"
            )
    return words


def _packed(rows: Iterable[Any]) -> Any:
    """Serialise a batch: as a tensor of bytes if torchmetrics keeps, moves and saves it."""
    data = json.dumps(list(rows), ensure_ascii=False).encode("utf-8", "surrogatepass")
    if not _WITH_TORCHMETRICS:
        return data
    import torch

    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


def _unpacked(record: Any) -> list[tuple[str, list[str]]]:
    data = record if isinstance(record, bytes) else bytes(record.cpu().numpy())
    rows: list[tuple[str, list[str]]] = json.loads(data.decode("utf-8", "surrogatepass"))
    return rows


def _gathered(records: Sequence[Any]) -> list[Any]:
    """Return the records of all ranks."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.distributed.is_available():
        return list(records)
    if not torch.distributed.is_initialized():
        return list(records)
    own = [
        record if isinstance(record, bytes) else bytes(record.cpu().numpy()) for record in records
    ]
    everyone: list[list[bytes]] = [[] for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather_object(everyone, own)
    return [record for records_of_rank in everyone for record in records_of_rank]
