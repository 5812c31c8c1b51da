"""Published results: what papers and their repositories report, each with its source.

Every number here was read in the source named in its row. They carry no per-segment data, so
nothing can be paired with them, and they follow different protocols: TwoStreamNetwork cleans
whole sentences on both sides (``slt-2014``, ``slt-2014t``, ``none``), the others report the
2014 script on every corpus.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["PublishedResult", "published"]


class PublishedResult(NamedTuple):
    """One number of the literature.

    Attributes
    ----------
    system : str
        Method, with its variant.
    corpus, split : str
        What it was measured on.
    wer : float
        In percent, as printed.
    paper : str
        Authors, venue, year, arXiv number.
    source : str
        Where the number was read.
    protocol : str
        Which of our protocols the system's published code follows; ``""`` if unknown.
    """

    system: str
    corpus: str
    split: str
    wer: float
    paper: str
    source: str
    protocol: str


_PAPERS = {
    "CLIP-SLA": (
        "Alyami and Luqman, CVPR Workshops 2025, arXiv 2504.01666",
        "the paper",
        "",
    ),
    "AdaptSign": (
        "Hu, Shi, Gao, Liu and Feng, 2024, arXiv 2404.08226",
        "https://github.com/hulianyuyy/AdaptSign",
        "rwth-2014",
    ),
    "TwoStream-SLR": (
        "Chen, Zuo, Wei, Wu, Liu and Mak, NeurIPS 2022, arXiv 2211.01367",
        "https://github.com/FangyunWei/SLRT/tree/main/TwoStreamNetwork",
        "slt",
    ),
    "CorrNet": (
        "Hu, Gao, Liu and Feng, CVPR 2023, arXiv 2303.03202",
        "https://github.com/hulianyuyy/CorrNet",
        "rwth-2014",
    ),
    "SEN": (
        "Hu, Gao, Liu and Feng, AAAI 2023, arXiv 2211.17081",
        "https://github.com/hulianyuyy/SEN_CSLR",
        "rwth-2014",
    ),
    "VAC": (
        "Min, Hao, Chai and Chen, ICCV 2021",
        "https://github.com/ycmin95/VAC_CSLR",
        "rwth-2014",
    ),
}

#: Paper, variant, corpus, dev and test WER; None where the source has none.
_ROWS: tuple[tuple[str, str, str, float | None, float | None], ...] = (
    ("CLIP-SLA", "SLA-Adapter", "phoenix2014", None, 18.8),
    ("CLIP-SLA", "SLA-LoRA", "phoenix2014t", None, 19.4),
    ("CLIP-SLA", "SLA-LoRA", "csl-daily", None, 25.8),
    ("AdaptSign", "ViT-B/16", "phoenix2014", 18.5, 18.8),
    ("AdaptSign", "ViT-B/16", "phoenix2014t", 18.6, 18.9),
    ("AdaptSign", "ViT-B/16", "csl-daily", 26.7, 26.3),
    ("TwoStream-SLR", "", "phoenix2014", None, 18.8),
    ("TwoStream-SLR", "", "phoenix2014t", None, 19.3),
    ("TwoStream-SLR", "", "csl-daily", None, 25.3),
    ("CorrNet", "ResNet18", "phoenix2014", 18.8, 19.4),
    ("CorrNet", "ResNet18", "phoenix2014t", 18.9, 20.5),
    ("CorrNet", "ResNet18", "csl-daily", 30.6, 30.1),
    ("SEN", "ResNet18", "phoenix2014", 19.5, 21.0),
    ("SEN", "ResNet18", "phoenix2014t", 19.3, 20.7),
    ("SEN", "ResNet18", "csl-daily", 31.1, 30.7),
    ("VAC", "ResNet18", "phoenix2014", 21.2, 22.3),
    ("VAC", "ResNet18 + SMKD", "phoenix2014", 19.8, 20.5),
)

_SLT = {"phoenix2014": "slt-2014", "phoenix2014t": "slt-2014t", "csl-daily": "none"}


def published(corpus: str, split: str = "test") -> list[PublishedResult]:
    """Return the published results on a split, lowest WER first.

    Parameters
    ----------
    corpus : str
        Canonical name.
    split : {"dev", "test"}
        Which split.
    """
    results = []
    for paper, variant, where, dev, test in _ROWS:
        wer = {"dev": dev, "test": test}.get(split)
        if where != corpus or wer is None:
            continue
        citation, source, rules = _PAPERS[paper]
        results.append(
            PublishedResult(
                f"{paper} {variant}".strip(),
                corpus,
                split,
                wer,
                citation,
                source,
                _SLT[corpus] if rules == "slt" else rules,
            )
        )
    return sorted(results, key=lambda row: (row.wer, row.system))
