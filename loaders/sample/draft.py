"""A sample corpus before it is written: what the invented sentences of all corpora share."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from slaeval.loaders.sample.scenes import Scene

__all__ = [
    "Draft",
    "SampleMaker",
    "Sentence",
    "Slots",
    "draw_rows",
    "hypotheses",
    "stm",
    "translations",
]

#: Words of each slot that a filmed sample uses: a movement and its reverse.
_FILMED_WORDS = 2

Sentence = tuple[str, str, list[str], str]  # id, signer, glosses, translation

#: A grammar: for each place in a sentence the possible glosses, with their words.
Slots = Sequence[Sequence[tuple[str, str]]]


@dataclass
class Draft:
    """A corpus before it is written.

    Attributes
    ----------
    rng : Random
        Draws the sentences.
    again : Random
        Redraws a sentence that is already in train; separate from `rng`, so that all others
        stay the same.
    translators : Random
        Draws the translations of two systems; separate for the same reason.
    sizes : mapping
        Sentences per split.
    filmed : bool
        The sentences are to be learned from pictures: few words, each frequent, in any order.
    files : dict
        Path to text.
    scenes : list of Scene
        What there is to render.
    """

    rng: random.Random
    again: random.Random
    translators: random.Random
    sizes: Mapping[str, int]
    filmed: bool = False
    files: dict[str, str] = field(default_factory=dict)
    scenes: list[Scene] = field(default_factory=list)
    trained: set[tuple[str, ...]] = field(default_factory=set)

    def sentence(self, split: str, slots: Slots) -> tuple[list[str], str]:
        """Draw one word per slot, leaving some slots out; a held-out sentence is not in train."""
        if self.filmed:
            slots = [slot[:_FILMED_WORDS] for slot in slots]
        glosses, text = _sentence(self.rng, slots, self.filmed)
        while split != "train" and tuple(glosses) in self.trained:
            glosses, text = _sentence(self.again, slots, self.filmed)
        if split == "train":
            self.trained.add(tuple(glosses))
        return glosses, text


@dataclass(frozen=True)
class SampleMaker:
    """How the sample of a corpus is invented; a corpus names its own in ``Layout.sample``.

    Attributes
    ----------
    draft : callable
        Fills a :class:`Draft`: files in the corpus's release layout, and scenes.
    slots : Slots
        The grammar of the sentences.
    beside : tuple of str
        Glosses in the sentences in addition to those of the grammar.
    filmed_training : float
        Factor by which a filmed sample has more sentences to train on.
    """

    draft: Callable[[Draft], None]
    slots: Slots
    beside: tuple[str, ...] = ()
    filmed_training: float = 1.0

    @property
    def filmed_words(self) -> list[str]:
        """The words of a filmed sample, in the order in which they get their signs."""
        words = [gloss for slot in self.slots for gloss, _ in slot[:_FILMED_WORDS]]
        return [*words, *self.beside]


def _sentence(rng: random.Random, slots: Slots, any_order: bool) -> tuple[list[str], str]:
    """Draw one word per slot, leaving some slots out."""
    kept = rng.sample(range(len(slots)), rng.randint(3, len(slots)))
    if not any_order:
        kept.sort()
    drawn = [rng.choice(slots[slot]) for slot in kept]
    return [gloss for gloss, _ in drawn], " ".join(word for _, word in drawn)


def draw_rows(rng: random.Random, count: int, draw: Callable[[int], Sentence]) -> list[Sentence]:
    """Draw `count` sentences with distinct ids."""
    rows: dict[str, Sentence] = {}
    index = 0
    while len(rows) < count:
        row = draw(index)
        rows.setdefault(row[0], row)
        index += 1
    return list(rows.values())


def stm(rows: Sequence[Sentence]) -> str:
    """Return the sentences as the STM file of a release."""
    return "".join(
        f"{id} 1 {signer} 0.0 1.79769e+308 {' '.join(glosses)}\n" for id, signer, glosses, _ in rows
    )


def hypotheses(rng: random.Random, rows: Sequence[Sentence]) -> dict[str, str]:
    """Invent the hypotheses of two systems: errors of every kind, a segment without words."""
    words = sorted({gloss for _, _, glosses, _ in rows for gloss in glosses})
    # Some words are always confused with the same other word, as by real models.
    twin = dict(zip(words, words[3:] + words[:3], strict=True))
    files = {}
    for file, scale in (("hyp.ctm", 1.0), ("hyp_b.ctm", 1.25)):
        lines = []
        silent = rng.randrange(len(rows))
        for index, (id, _, glosses, _) in enumerate(rows):
            recognised: list[str] = []
            for gloss in glosses:
                chance = rng.random() / scale
                if chance < 0.08:
                    continue
                if chance < 0.18:
                    recognised.append(twin[gloss] if rng.random() < 0.7 else rng.choice(words))
                else:
                    recognised.append(gloss)
                if rng.random() < 0.05 * scale:
                    recognised.append(rng.choice(words))
            if index == silent:
                recognised = []
            lines += [
                f"{id} 1 {place * 0.01:.2f} {place * 0.01 + 0.01:.2f} {word}\n"
                for place, word in enumerate(recognised)
            ]
        files[file] = "".join(lines)
    return files


def translations(
    draft: Draft, rows: Sequence[Sentence], end: str, joined: bool = False
) -> dict[str, str]:
    """Invent the translations of two systems: words lost, repeated, replaced and moved."""
    rng = draft.translators
    words = sorted({word for *_, text in rows for word in text.split()})
    files = {}
    for file, scale in (("translations.tsv", 1.0), ("translations_b.tsv", 1.5)):
        lines = ["id\ttranslation\n"]
        for id, _, _, text in rows:
            recognised: list[str] = []
            for word in text.split():
                chance = rng.random() / scale
                if chance < 0.05:
                    continue
                recognised.append(rng.choice(words) if chance < 0.15 else word)
                if rng.random() < 0.03 * scale:
                    recognised.append(word)
            if len(recognised) > 2 and rng.random() < 0.15 * scale:
                place = rng.randrange(len(recognised) - 1)
                recognised[place : place + 2] = recognised[place + 1], recognised[place]
            sentence = ("" if joined else " ").join(recognised)
            lines.append(f"{id}\t{sentence}{end if recognised else ''}\n")
        files[file] = "".join(lines)
    return files
