"""ROUGE-L of sentences, in the three variants that sign language translation papers report.

ROUGE-L (Lin, *ROUGE: A Package for Automatic Evaluation of Summaries*, 2004) is an F measure over
the longest common subsequence of two sentences: with L its length, P = L / words of the
hypothesis, R = L / words of the reference, F = (1 + β²)·P·R / (R + β²·P). The figure of a system
is the mean over its sentences, in percent. The variants differ in β and in repeated words:

:data:`BETA_12`
    β = 1.2: ``mscoco_rouge.py`` of signjoey/slt, the ROUGE of COCO captions, also in nlg-eval.
    What a paper most likely means.
:data:`PRECISION_RECALL`
    β = P / R of each sentence: ``Rouge.py`` of SLRT (TwoStreamNetwork) and code copied from
    it; it favours the smaller of the two.
:data:`DISTINCT_WORDS`
    The package ``rouge`` 1.0.1, which Uni-Sign calls: β = 1 over distinct words, a sentence cut at
    every full stop.

No maintained library computes the first two. Google's ``rouge-score`` computes β = 1 over words of
``[a-z0-9]`` only: it splits German words at umlauts and finds no word in Chinese or Arabic.

Conventions
-----------
A sentence is a string with one blank between its words; nothing is cleaned here. An empty
sentence counts as one empty word, as ``"".split(" ")`` gives it in all three. The package
``rouge`` raises on an empty sentence; here it scores 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

__all__ = ["BETA_12", "DISTINCT_WORDS", "PRECISION_RECALL", "RougeL", "lcs_length"]


class RougeL(NamedTuple):
    """One way to compute ROUGE-L.

    Attributes
    ----------
    beta : str
        Display value of β: ``"1.2"``.
    signature : str
        Its entry in a signature.
    sentence : callable
        Maps reference and hypothesis to their F, between 0 and 1.
    """

    beta: str
    signature: str
    sentence: Callable[[str, str], float]


def lcs_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest common subsequence.

    The columns of the usual table are the bits of one integer (Hyyrö, *Bit-parallel LCS-length
    computation revisited*, 2004).
    """
    places: dict[str, int] = {}
    for index, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << index
    full = (1 << len(first)) - 1
    row = full
    for word in second:
        matches = row & places.get(word, 0)
        row = (row + matches | row - matches) & full
    return len(first) - row.bit_count()


def _overlap(reference: str, hypothesis: str) -> tuple[float, float]:
    """Return precision and recall of the longest common subsequence."""
    words, hypothesis_words = reference.split(" "), hypothesis.split(" ")
    common = lcs_length(words, hypothesis_words)
    return common / len(hypothesis_words), common / len(words)


def _beta_12(reference: str, hypothesis: str) -> float:
    precision, recall = _overlap(reference, hypothesis)
    if not precision:
        return 0.0
    return (1 + 1.2**2) * precision * recall / (recall + 1.2**2 * precision)


def _precision_recall(reference: str, hypothesis: str) -> float:
    precision, recall = _overlap(reference, hypothesis)
    # The tiny terms are the original's; they keep its figures to the last digit.
    beta = precision / (recall + 1e-12)
    return (1 + beta**2) * recall * precision / (recall + beta**2 * precision + 1e-12)


def _distinct_words(reference: str, hypothesis: str) -> float:
    references, hypotheses = _at_stops(reference), _at_stops(hypothesis)
    if not references or not hypotheses:
        return 0.0
    known = {word for words in references for word in words}
    recognised = {word for words in hypotheses for word in words}
    common: set[str] = set()
    for words in references:
        for other in hypotheses:
            common.update(_common_words(words, other))
    precision, recall = len(common) / len(recognised), len(common) / len(known)
    return 2 * precision * recall / (precision + recall + 1e-8)


def _at_stops(sentence: str) -> list[list[str]]:
    """Split a sentence at its full stops, and each part at its blanks."""
    return [" ".join(part.split()).split(" ") for part in sentence.split(".") if part]


def _common_words(words: list[str], hypothesis_words: list[str]) -> set[str]:
    """Return the words of a longest common subsequence; of several, the one ``rouge`` picks."""
    table = [[0] * (len(hypothesis_words) + 1)]
    for word in words:
        above, row = table[-1], [0]
        for column, other in enumerate(hypothesis_words):
            row.append(above[column] + 1 if word == other else max(above[column + 1], row[-1]))
        table.append(row)
    found = set()
    i, j = len(words), len(hypothesis_words)
    while i and j:
        if words[i - 1] == hypothesis_words[j - 1]:
            found.add(words[i - 1])
            i, j = i - 1, j - 1
        elif table[i - 1][j] > table[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return found


#: signjoey/slt, COCO captions, nlg-eval.
BETA_12 = RougeL("1.2", "L|beta:1.2", _beta_12)
#: SLRT (TwoStreamNetwork).
PRECISION_RECALL = RougeL("P/R of each sentence", "L|beta:P/R", _precision_recall)
#: The package ``rouge`` 1.0.1, as Uni-Sign calls it.
DISTINCT_WORDS = RougeL("1, over distinct words", "L|beta:1|distinct-words", _distinct_words)
