"""The score of a translation system: figures with intervals and signatures, every sentence.

Conventions
-----------
All figures are in percent and unrounded. BLEU-n and chrF are over the whole corpus; ROUGE-L is
the mean over sentences; WER = errors / reference units, aligned with sclite's costs, letter case
as the protocol left it. A segment without a reference is not scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from slaeval.errors import UsageError, nearest
from slaeval.scoring.alignment import align
from slaeval.scoring.score import finite, length_range, range_name
from slaeval.scoring.segments import AlignedSegment
from slaeval.scoring.text.figures import (
    ORDERS,
    RESAMPLES,
    Figure,
    bleu_metric,
    bleu_of,
    chrf_metric,
    chrf_of,
    interval,
    resampling,
    statistics,
)
from slaeval.scoring.text.protocols import Form, Script, TextProtocol

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["GROUPINGS", "TextGroup", "TextScore", "TextSegment"]

#: What :meth:`TextScore.by` can group sentences by.
GROUPINGS = ("signer", "length")


class TextSegment(NamedTuple):
    """One scored sentence.

    Attributes
    ----------
    id, signer : str
        Name of the segment; signer ``""`` where unknown.
    reference, hypothesis : str
        As compared, after the protocol's cleanup.
    """

    id: str
    signer: str
    reference: str
    hypothesis: str


class TextGroup(NamedTuple):
    """Figures over some sentences, in percent.

    Attributes
    ----------
    name : str
        What they share: a signer, a range of reference lengths.
    segments, reference_units, hypothesis_units : int
        Counts.
    bleu, chrf, rouge, wer : float
        BLEU-4 and chrF2 of the group as a corpus, mean ROUGE-L, WER; nan without units.
    """

    name: str
    segments: int
    reference_units: int
    hypothesis_units: int
    bleu: float
    chrf: float
    rouge: float
    wer: float

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return {**self._asdict(), "wer": finite(self.wer)}


@dataclass(frozen=True)
class TextScore:
    """A scored translation system.

    Attributes
    ----------
    segments : sequence of TextSegment
        One per reference, in the order of the references.
    rules : TextProtocol
        The protocol.
    script : {"words", "chinese"}
        Which of its forms.
    dataset, split : str or None
        What the references are, where known.
    source : str
        Where the references came from, for display.
    base : str
        Signature without metric: corpus, protocol, references.
    warnings : tuple of str
        What a reader of the figures should know.
    bootstrap : int
        Resamples for the intervals; 0 for none.
    other_readings : tuple of TextScore
        The same file under protocols that readers may mistake for this one.
    """

    segments: Sequence[TextSegment]
    rules: TextProtocol
    script: Script
    dataset: str | None = None
    split: str | None = None
    source: str = ""
    base: str = ""
    warnings: tuple[str, ...] = ()
    bootstrap: int = RESAMPLES
    other_readings: tuple[TextScore, ...] = ()

    @property
    def form(self) -> Form:
        """What the protocol did to these sentences."""
        return self.rules.form(self.script)

    @property
    def protocol(self) -> str:
        """Name of the protocol."""
        return self.rules.name

    @property
    def unit(self) -> str:
        """The unit of WER, ROUGE-L and BLEU: ``"words"`` or ``"characters"``."""
        return self.form.unit

    @cached_property
    def _bleu(self) -> tuple[np.ndarray[Any, Any], str]:
        """What BLEU counts, one row per sentence, and sacrebleu's signature."""
        metric = bleu_metric(self.form)
        rows = statistics(
            metric,
            [self.form.for_bleu(segment.hypothesis) for segment in self.segments],
            [self.form.for_bleu(segment.reference) for segment in self.segments],
        )
        return rows, str(metric.get_signature())

    @cached_property
    def _chrf(self) -> tuple[np.ndarray[Any, Any], str]:
        """What chrF counts, one row per sentence, and sacrebleu's signature."""
        metric = chrf_metric()
        rows = statistics(
            metric,
            [segment.hypothesis for segment in self.segments],
            [segment.reference for segment in self.segments],
        )
        return rows, str(metric.get_signature())

    @cached_property
    def aligned(self) -> list[AlignedSegment]:
        """The units of every sentence, with the alignment that WER counts."""
        units = self.form.units
        left = [units(segment.reference).split() for segment in self.segments]
        right = [units(segment.hypothesis).split() for segment in self.segments]
        return [
            AlignedSegment(segment.id, segment.signer, words, hypothesis, path)
            for segment, words, hypothesis, path in zip(
                self.segments, left, right, align(left, right, fold=False), strict=True
            )
        ]

    @cached_property
    def _rouge(self) -> list[float]:
        """ROUGE-L of each sentence, between 0 and 1."""
        sentence, units = self.form.rouge.sentence, self.form.units
        return [
            sentence(units(segment.reference), units(segment.hypothesis))
            for segment in self.segments
        ]

    def bleu(self, order: int = 4) -> float:
        """Corpus BLEU up to n-grams of `order`, 1 to 4, in percent."""
        return bleu_of(self._bleu[0].sum(axis=0), self.form, order)

    @property
    def chrf(self) -> float:
        """Corpus chrF2 in percent."""
        return chrf_of(self._chrf[0].sum(axis=0), chrf_metric())

    @property
    def rouge(self) -> float:
        """Mean ROUGE-L in percent; nan without segments."""
        return 100 * sum(self._rouge) / len(self.segments) if self.segments else float("nan")

    @property
    def wer(self) -> float:
        """Word error rate over the protocol's units in percent; nan without any."""
        units = sum(len(segment.reference) for segment in self.aligned)
        errors = sum(segment.errors for segment in self.aligned)
        return 100 * errors / units if units else float("nan")

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """All figures by key: ``bleu1`` to ``bleu4``, ``chrf``, ``rouge``, ``wer``."""
        bleu, chrf = self._bleu[1], self._chrf[1]
        values = {
            **{f"bleu{n}": (f"BLEU-{n}", self.bleu(n), f"bleu{n}[{bleu}]") for n in ORDERS},
            "chrf": ("chrF2", self.chrf, f"chrf2[{chrf}]"),
            "rouge": ("ROUGE-L", self.rouge, f"rouge[{self.form.rouge.signature}|{self.unit}]"),
            "wer": ("WER", self.wer, f"wer[4/3/3|{self.unit}]"),
        }
        return {
            key: Figure(
                name,
                value,
                interval(self.drawn[key]) if key in self.drawn else None,
                f"{self.base}|{metric}",
            )
            for key, (name, value, metric) in values.items()
        }

    @cached_property
    def drawn(self) -> dict[str, list[float]]:
        """Every figure in each bootstrap resample; empty where there is nothing to resample."""
        if not self.bootstrap or len(self.segments) < 2:
            return {}
        import numpy as np

        times = resampling(len(self.segments), self.bootstrap)
        bleu, chrf = times @ self._bleu[0], times @ self._chrf[0]
        errors = times @ np.array([segment.errors for segment in self.aligned])
        units = times @ np.array([len(segment.reference) for segment in self.aligned])
        metric = chrf_metric()
        drawn = {f"bleu{n}": [bleu_of(row, self.form, n) for row in bleu] for n in ORDERS}
        drawn["chrf"] = [chrf_of(row, metric) for row in chrf]
        drawn["rouge"] = list(100 * (times @ np.array(self._rouge)) / len(self.segments))
        if units.any():
            drawn["wer"] = list(100 * errors / np.maximum(units, 1))
        return drawn

    @cached_property
    def sentence_bleu(self) -> list[float]:
        """BLEU of each sentence, smoothed, as ``sacrebleu --sentence-level`` computes it."""
        return [bleu_of(row, self.form, sentence=True) for row in self._bleu[0]]

    def by(self, grouping: str) -> list[TextGroup]:
        """Return the figures by group.

        Parameters
        ----------
        grouping : {"signer", "length"}
            ``"length"``: ranges of reference units.

        Raises
        ------
        UsageError
            Unknown grouping.
        """
        if grouping not in GROUPINGS:
            raise UsageError(
                f"cannot group translations by {grouping!r}{nearest(grouping, GROUPINGS)}; known: "
                + ", ".join(GROUPINGS)
            )
        places: dict[Any, list[int]] = {}
        for place, segment in enumerate(self.aligned):
            key: Any = segment.signer or "unknown"
            if grouping == "length":
                key = length_range(len(segment.reference))
            places.setdefault(key, []).append(place)
        return [
            self._group(range_name(key, self.unit) if grouping == "length" else key, places[key])
            for key in sorted(places)
        ]

    def _group(self, name: str, places: Sequence[int]) -> TextGroup:
        aligned = [self.aligned[place] for place in places]
        units = sum(len(segment.reference) for segment in aligned)
        errors = sum(segment.errors for segment in aligned)
        return TextGroup(
            name,
            len(places),
            units,
            sum(len(segment.hypothesis) for segment in aligned),
            bleu_of(self._bleu[0][places].sum(axis=0), self.form),
            chrf_of(self._chrf[0][places].sum(axis=0), chrf_metric()),
            100 * sum(self._rouge[place] for place in places) / len(places),
            100 * errors / units if units else float("nan"),
        )

    @property
    def signature(self) -> str:
        """One line with everything needed to reproduce the figures.

        It contains sacrebleu's signatures; that of a single figure is in :attr:`figures`.
        """
        return (
            f"{self.base}|bleu[{self._bleu[1]}]|chrf2[{self._chrf[1]}]|"
            f"rouge[{self.form.rouge.signature}|{self.unit}]|wer[4/3/3|{self.unit}]"
        )

    def with_bootstrap(self, resamples: int) -> TextScore:
        """Return the same score with intervals over `resamples` resamples; 0 for none."""
        return replace(self, bootstrap=resamples)

    def to_dict(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        out: dict[str, Any] = {key: finite(figure.value) for key, figure in self.figures.items()}
        out["figures"] = {
            key: {
                "value": finite(figure.value),
                "ci": None if figure.interval is None else list(figure.interval),
                "signature": figure.signature,
            }
            for key, figure in self.figures.items()
        }
        out |= {
            "level": "text",
            "unit": self.unit,
            "rouge_beta": self.form.rouge.beta,
            "segments": len(self.segments),
            "reference_units": sum(len(segment.reference) for segment in self.aligned),
            "hypothesis_units": sum(len(segment.hypothesis) for segment in self.aligned),
            "protocol": self.protocol,
            "dataset": self.dataset,
            "split": self.split,
            "references": self.source,
            "signature": self.signature,
            "warnings": list(self.warnings),
        }
        if self.other_readings:
            out["other_readings"] = {
                other.protocol: {
                    **{f"bleu{n}": other.bleu(n) for n in ORDERS},
                    "rouge": other.rouge,
                    "signature": other.base,
                }
                for other in self.other_readings
            }
        return out

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict per segment, the columns of :meth:`to_pandas`."""
        metric = chrf_metric()
        return [
            {
                "id": segment.id,
                "signer": segment.signer,
                "reference": segment.reference,
                "hypothesis": segment.hypothesis,
                "bleu": bleu,
                "chrf": chrf_of(chrf, metric),
                "rouge": 100 * rouge,
                "ops": aligned.ops,
                "errors": aligned.errors,
                "reference_units": len(aligned.reference),
                "hypothesis_units": len(aligned.hypothesis),
            }
            for segment, aligned, bleu, chrf, rouge in zip(
                self.segments,
                self.aligned,
                self.sentence_bleu,
                self._chrf[0],
                self._rouge,
                strict=True,
            )
        ]

    def to_pandas(self) -> pd.DataFrame:
        """Return a DataFrame with one row per segment.

        Columns: ``id, signer, reference, hypothesis, bleu, chrf, rouge, ops, errors,
        reference_units, hypothesis_units``. BLEU of a sentence is smoothed, as
        ``sacrebleu --sentence-level`` computes it; its mean is not the corpus's BLEU.
        """
        import pandas as pd

        columns = [
            *("id", "signer", "reference", "hypothesis", "bleu", "chrf", "rouge"),
            *("ops", "errors", "reference_units", "hypothesis_units"),
        ]
        return pd.DataFrame(self.rows(), columns=columns)

    def __str__(self) -> str:
        bleus = " ".join(f"{self.bleu(n):.2f}" for n in ORDERS)
        return (
            f"BLEU-1…4 {bleus}  chrF2 {self.chrf:.2f}  ROUGE-L {self.rouge:.2f} "
            f"(beta {self.form.rouge.beta})  WER {self.wer:.2f}  ({len(self.segments)} segments)  "
            f"{self.signature}"
        )

    def __repr__(self) -> str:
        return f"<TextScore {self}>"

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(figure.name)}</th>"
            f"<td>{figure.value:.2f}</td>"
            + ("<td></td>" if figure.interval is None else "<td>[{:.2f}, {:.2f}]</td>").format(
                *(figure.interval or ())
            )
            + "</tr>"
            for figure in self.figures.values()
        )
        return (
            f"<div><strong>{escape(self.protocol)}</strong>: {escape(self.rules.title)}"
            f"<table><tr><th></th><th>%</th><th>95 %</th></tr>{rows}</table>"
            f"<code>{escape(self.signature)}</code></div>"
        )
