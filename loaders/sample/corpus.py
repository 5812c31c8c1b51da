"""Sample corpora: small, invented, in a corpus's exact release layout.

They let everything be tried without a licence and without a download. The sentences come from
little grammars of our own, over words that are typical of each corpus: markers such as
``loc-``, ``cl-`` and ``-PLUSPLUS`` in the raw German annotation, digits that are glosses in
the Chinese one, right-to-left text in the Arabic one. No sentence of dev or test is in train.
Beside the corpus lie two invented hypotheses of its test split, ``hyp.ctm`` and ``hyp_b.ctm``, and
where it has translations two of these, ``translations.tsv`` and ``translations_b.tsv``.

On request each sentence is signed by a drawn figure, in pictures laid out as the corpus has them
(:mod:`slaeval.loaders.sample.rendering`). Those sentences are others, made to be learned: two words
of each slot of the grammar, 12 in all, in any order. The same seed gives the same bytes.
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from slaeval.errors import SlaevalError, UsageError
from slaeval.extras import require
from slaeval.loaders.phoenix2014 import clean_train
from slaeval.loaders.registry import resolve
from slaeval.loaders.sample.scenes import Scene

__all__ = ["FILMED_SIZES", "SIZES", "write_sample"]

#: Sentences a split.
SIZES = {"train": 96, "dev": 24, "test": 48}

#: The same of a filmed sample, which is there to be learned.
FILMED_SIZES = {"train": 144, "dev": 24, "test": 48}

#: So many times as many to train on has a filmed Isharah: five signers who are not those of dev
#: and test, of each of whom there must be enough.
_MORE_OF_ISHARAH = 5 / 3

#: Words of each slot that a filmed sample uses: a movement and its reverse.
_FILMED_WORDS = 2

_Sentence = tuple[str, str, list[str], str]  # id, signer, glosses, translation


@dataclass
class _Draft:
    """A corpus before it is written.

    Attributes
    ----------
    rng : Random
        Draws the sentences.
    again : Random
        Draws a sentence once more where the first one is in train already; apart from `rng`,
        so that all others stay as they are.
    translators : Random
        Draws what two systems translate; apart from the others, likewise.
    sizes : mapping
        Sentences a split.
    filmed : bool
        The sentences are to be learned from pictures: few words, each often, in any order.
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

    def sentence(
        self, split: str, slots: Sequence[Sequence[tuple[str, str]]]
    ) -> tuple[list[str], str]:
        """Draw one word a slot, leaving some slots out; a held-out one is not in train."""
        if self.filmed:
            slots = [slot[:_FILMED_WORDS] for slot in slots]
        glosses, text = _sentence(self.rng, slots, self.filmed)
        while split != "train" and tuple(glosses) in self.trained:
            glosses, text = _sentence(self.again, slots, self.filmed)
        if split == "train":
            self.trained.add(tuple(glosses))
        return glosses, text


_GERMAN = (
    (("HEUTE", "heute"), ("MORGEN", "morgen"), ("SAMSTAG", "am samstag"), ("NACHT", "nachts")),
    (
        ("NORD", "im norden"),
        ("SUED", "im süden"),
        ("ALPEN", "an den alpen"),
        ("REGION", "hier"),
    ),
    (
        ("REGEN", "regen"),
        ("SONNE", "sonne"),
        ("SCHNEE", "schnee"),
        ("NEBEL", "nebel"),
        ("WOLKE", "wolken"),
        ("WIND", "wind"),
        ("GEWITTER", "gewitter"),
    ),
    (
        ("STARK", "stark"),
        ("SCHWACH", "schwach"),
        ("KOMMEN", "kommt auf"),
        ("BLEIBEN", "bleibt"),
    ),
    (("KALT", "kalt"), ("WARM", "warm"), ("MILD", "mild"), ("FRISCH", "frisch")),
    (("FUENF", "fünf"), ("ZEHN", "zehn"), ("ZWANZIG", "zwanzig"), ("MINUS", "minus")),
)
#: What the German sentences hold beside the grammar's words.
_BESIDE = ("WIE", "AUSSEHEN", "S", "H", "C", "M", "N", "R", "W")
_CHINESE = (
    (("今天", "今天"), ("明天", "明天"), ("昨天", "昨天")),
    (("我", "我"), ("你", "你"), ("他", "他"), ("老师", "老师"), ("妈妈", "妈妈")),
    (("去", "去"), ("想", "想"), ("买", "买"), ("有", "有"), ("喜欢", "喜欢")),
    (("2", "两"), ("3", "三"), ("10", "十"), ("4", "四")),
    (("书", "书"), ("苹果", "苹果"), ("学校", "学校"), ("电影", "电影"), ("椅子", "椅子")),
    (("什么", "什么"), ("时间", "时间"), ("好", "好"), ("高兴", "高兴")),
)
_ARABIC = (
    (("اليوم", "اليوم"), ("غدا", "غدا"), ("امس", "امس")),
    (("انا", "انا"), ("هو", "هو"), ("معلم", "المعلم"), ("اخ", "اخي"), ("بنت", "البنت")),
    (
        ("رغبه", "يرغب"),
        ("ذهاب", "يذهب"),
        ("شراء", "يشتري"),
        ("حب", "يحب"),
        ("اكل", "ياكل"),
    ),
    (("مدرسه", "المدرسة"), ("بيت", "البيت"), ("بحر", "البحر"), ("سوق", "السوق")),
    (
        ("لون_احمر", "احمر"),
        ("كبير", "كبير"),
        ("لا_2", "لا"),
        ("جديد", "جديد"),
        ("قديم", "قديم"),
    ),
    (("صباح", "صباحا"), ("مساء", "مساء"), ("ليل", "ليلا"), ("ظهر", "ظهرا")),
)

_MONTHS = "January February March April May June July August September October".split()
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


def write_sample(
    name: str,
    directory: str | os.PathLike[str],
    seed: int = 0,
    video: bool = False,
    sizes: Mapping[str, int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Write a sample corpus.

    Parameters
    ----------
    name : str
        Whose layout to write, in any spelling of the corpus's name.
    directory : path-like
        Where to; must not exist, or be an empty folder.
    seed : int
        Of the random sentences.
    video : bool
        Also render each sentence; needs the extra ``run``. The sentences are others then: 12
        words (and the markers of Phoenix 2014), each of them often and in any order, so that
        they can be learned from few.
    sizes : mapping, optional
        Sentences a split, at least one each, in place of :data:`SIZES` or
        :data:`FILMED_SIZES`, for Isharah with five thirds of its training sentences.
    progress : callable, optional
        Called with the number of sentences rendered and of all.

    Returns
    -------
    list of str
        The annotation and hypothesis files written, relative.

    Raises
    ------
    UsageError
        Unknown corpus, one without a sample, impossible sizes, or a folder that is not empty.
    SlaevalError
        The folder cannot be written, or the extra is not installed.
    """
    name = resolve(name)
    if name not in _MAKERS:
        raise UsageError(f"there is no sample of {name}; there are: {', '.join(_MAKERS)}")
    target = os.path.abspath(directory)
    if os.path.exists(target) and (not os.path.isdir(target) or os.listdir(target)):
        raise UsageError(f"{target} exists and is not an empty folder; name another one")
    if sizes is None:
        sizes = dict(FILMED_SIZES if video else SIZES)
        if video and name.startswith("isharah"):
            sizes["train"] = round(_MORE_OF_ISHARAH * sizes["train"])
    if set(sizes) != set(SIZES) or min(sizes.values()) < 1:
        raise UsageError(f"sizes must give {', '.join(SIZES)} one sentence each at least: {sizes}")
    draft = _drafted(name, seed, sizes, video)
    files = draft.files
    if video:
        require("run", "rendering")
    # A folder that is there stays the one it is: a shell may stand in it, a link lead to it.
    there = os.path.isdir(target)
    temporary = os.path.join(target, ".") if there else f"{target}."
    temporary += f"{secrets.token_hex(4)}.tmp"
    try:
        for path, content in files.items():
            full = os.path.join(temporary, *path.split("/"))
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8", newline="\n") as stream:
                stream.write(content)
        if video:
            from slaeval.loaders.sample.rendering import render_scenes

            render_scenes(draft.scenes, temporary, name, seed, _words(name), progress)
        if not there:
            os.rename(temporary, target)
            return list(files)
        if os.listdir(target) != [os.path.basename(temporary)]:
            raise SlaevalError(f"{target}: something else was written here meanwhile")
        for path in os.listdir(temporary):
            os.rename(os.path.join(temporary, path), os.path.join(target, path))
        os.rmdir(temporary)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, OSError):
            raise SlaevalError(f"{target}: cannot write: {error.strerror or error}") from None
        raise
    return list(files)


def _drafted(name: str, seed: int, sizes: Mapping[str, int], filmed: bool) -> _Draft:
    """Invent a corpus."""
    start = f"{name} {seed} filmed" if filmed else f"{name} {seed}"
    again, translators = (random.Random(f"{start} {apart}") for apart in ("again", "translations"))
    draft = _Draft(random.Random(start), again, translators, sizes, filmed)
    _MAKERS[name](draft)
    return draft


def _sentence(
    rng: random.Random, slots: Sequence[Sequence[tuple[str, str]]], any_order: bool
) -> tuple[list[str], str]:
    """Draw one word a slot, leaving some slots out."""
    kept = rng.sample(range(len(slots)), rng.randint(3, len(slots)))
    if not any_order:
        kept.sort()
    drawn = [rng.choice(slots[slot]) for slot in kept]
    return [gloss for gloss, _ in drawn], " ".join(word for _, word in drawn)


def _split(rng: random.Random, count: int, draw: Callable[[int], _Sentence]) -> list[_Sentence]:
    rows: dict[str, _Sentence] = {}
    index = 0
    while len(rows) < count:
        row = draw(index)
        rows.setdefault(row[0], row)
        index += 1
    return list(rows.values())


def _weather_id(rng: random.Random, number: int, form: str) -> str:
    date = f"{rng.randint(1, 28):02d}{rng.choice(_MONTHS)}_{rng.randint(2009, 2013)}"
    show = rng.choice(("heute", "tagesschau"))
    return form.format(f"{date}_{rng.choice(_DAYS)}_{show}", number)


def _stm(rows: Sequence[_Sentence]) -> str:
    return "".join(
        f"{id} 1 {signer} 0.0 1.79769e+308 {' '.join(glosses)}\n" for id, signer, glosses, _ in rows
    )


def _raw_weather(rng: random.Random, glosses: list[str]) -> list[str]:
    """Put in what raw training annotations hold."""
    raw = list(glosses)
    place = rng.randrange(len(raw))
    kind = rng.randrange(8)
    if kind == 0:
        raw[place] = f"loc-{raw[place]}"
    elif kind == 1:
        raw[place] = f"cl-{raw[place]}"
    elif kind == 2:
        raw[place] += "-PLUSPLUS"
    elif kind == 3:
        raw.insert(place, rng.choice(("__EMOTION__", "__PU__")))
    elif kind == 4:
        raw.extend(["WIE", "AUSSEHEN"])
    elif kind == 5:
        raw[place:place] = rng.choice((["S", "H"], ["C", "M"], ["N", "R", "W"]))
    elif kind == 6 and raw[place] in ("NORD", "SUED", "ALPEN"):
        raw[place] += "RAUM"
    return raw


def _phoenix2014(draft: _Draft, folder: str, infix: str, signers: Sequence[int]) -> None:
    rng, files = draft.rng, draft.files
    for split, count in draft.sizes.items():
        here = signers
        if infix:  # signer-independent: one signer is kept for dev and test
            here = [signer for signer in signers if (signer == 5) == (split != "train")]

        def draw(number: int, here: Sequence[int] = here, split: str = split) -> _Sentence:
            glosses, translation = draft.sentence(split, _GERMAN)
            if rng.random() < 0.3:
                glosses = ["__ON__", *glosses, "__OFF__"]
            id = _weather_id(rng, number, "{}_default-{}")
            return id, f"Signer{rng.choice(here):02d}", glosses, translation

        rows = _split(rng, count, draw)
        if split == "train":
            rows = [(id, who, _raw_weather(rng, g), text) for id, who, g, text in rows]
        draft.scenes += [
            Scene(
                id=id,
                signer=who,
                glosses=tuple(glosses),
                path=f"{folder}/features/fullFrame-210x260px/{split}/{id}/1/"
                f"{id.rsplit('_', 1)[0]}.avi_pid0_fn{{:06d}}-0.png",
            )
            for id, who, glosses, _ in rows
        ]
        files[f"{folder}/annotations/manual/{split}{infix}.corpus.csv"] = (
            "id|folder|signer|annotation\n"
            + "".join(f"{id}|{id}/1/*.png|{who}|{' '.join(g)}\n" for id, who, g, _ in rows)
        )
        if split == "train":
            rows = [(id, who, clean_train(id, who, " ".join(g)), t) for id, who, g, t in rows]
        files[f"{folder}/evaluation/phoenix2014-groundtruth-{split}.stm"] = _stm(rows)
        if split == "test":
            files.update(_hypotheses(rng, rows))


def _phoenix2014t(draft: _Draft) -> None:
    rng, files = draft.rng, draft.files
    base = "PHOENIX-2014-T"
    for split, count in draft.sizes.items():

        def draw(number: int, split: str = split) -> _Sentence:
            glosses, translation = draft.sentence(split, _GERMAN)
            # Two of the glosses that the 2014 script cannot reach in these references.
            if not draft.filmed and rng.random() < 0.06:
                glosses.append(rng.choice(("poss-EUCH", "HABEN2")))
            id = _weather_id(rng, number, "{}-{}")
            return id, f"Signer{rng.choice((1, 3, 4, 5, 7, 8)):02d}", glosses, translation

        rows = _split(rng, count, draw)
        files[f"{base}/annotations/manual/PHOENIX-2014-T.{split}.corpus.csv"] = (
            "name|video|start|end|speaker|orth|translation\n"
            + "".join(
                f"{id}|{id}/*.png|-1|-1|{who}|{' '.join(g)}|{text}\n" for id, who, g, text in rows
            )
        )
        files[f"{base}/evaluation/sign-recognition/PHOENIX-2014-T-groundtruth-{split}.stm"] = _stm(
            rows
        )
        draft.scenes += [
            Scene(
                id=id,
                signer=who,
                glosses=tuple(glosses),
                path=f"{base}/features/fullFrame-210x260px/{split}/{id}/images{{:04d}}.png",
                first=1,
            )
            for id, who, glosses, _ in rows
        ]
        if split == "test":
            files.update(_hypotheses(rng, rows))
            # As systems write them that learned from slt's pickles: a full stop of its own.
            files.update(_translations(draft, rows, " ."))


def _csl_daily(draft: _Draft) -> None:
    rng = draft.rng
    video_map = ["index|name|length|gloss|char|word|postag"]
    names = ["name|split"]
    number = 0
    for split, count in draft.sizes.items():

        def draw(_: int, split: str = split) -> _Sentence:
            nonlocal number
            number += 1
            glosses, text = draft.sentence(split, _CHINESE)
            signer = f"P{rng.randrange(5):04d}"
            return f"S{number:06d}_{signer}_T00", signer, glosses, text

        rows = _split(rng, count, draw)
        for id, signer, glosses, text in rows:
            length = 12 * len(glosses) + rng.randint(5, 30)
            if draft.filmed:
                length = 8 * len(glosses) + rng.randint(2, 6)
            characters = " ".join(text.replace(" ", ""))
            video_map.append(
                f"{len(video_map) - 1}|{id}|{length}|{' '.join(glosses)}|{characters} 。|{text} 。|"
                + " ".join(["n"] * len(glosses) + ["w"])
            )
            names.append(f"{id}|{split}")
            draft.scenes.append(
                Scene(
                    id=id,
                    signer=signer,
                    glosses=tuple(glosses),
                    path=f"sentence_frames-512x512/{id}/{{:06d}}.jpg",
                    width=512,
                    height=512,
                    frames=length,
                )
            )
        if split == "test":
            draft.files.update(_hypotheses(rng, rows))
            draft.files.update(_translations(draft, rows, "。", joined=True))
    draft.files["sentence_label/video_map.txt"] = "\n".join(video_map) + "\n"
    draft.files["sentence_label/split_1.txt"] = "\n".join(names) + "\n"


#: Telephones differ in how finely they film: width and height, by signer.
_TELEPHONES = ((512, 512), (400, 400), (320, 320), (288, 288), (360, 360), (272, 272))


def _isharah(draft: _Draft) -> None:
    rng, files = draft.rng, draft.files
    # Numbers of sentences kept for a split.
    room = max(200, *draft.sizes.values())
    for setup in ("SI", "US"):
        draft.trained.clear()  # the setups are two ways to split, not one corpus
        for offset, (split, count) in enumerate(draft.sizes.items()):
            signers = {"train": (0, 1, 3, 4, 6), "dev": (2,), "test": (8, 9)}[split]
            if setup == "US":
                signers = (0, 1, 2, 3, 4, 6, 8, 9)

            # A recording has one id: the setups' invented sentences must not share any.
            first = 1 + offset * room + (5 * room if setup == "US" else 0)

            def draw(
                number: int,
                first: int = first,
                signers: Sequence[int] = signers,
                split: str = split,
            ) -> _Sentence:
                glosses, text = draft.sentence(split, _ARABIC)
                signer = f"{rng.choice(signers):02d}"
                return f"{signer}_{first + number:04d}", signer, glosses, text

            rows = _split(rng, count, draw)
            files[f"Annotations/{setup}/{split}.txt"] = "".join(
                f"{id}|{' '.join(glosses)}|{text}\n" for id, _, glosses, text in rows
            )
            for id, signer, glosses, _ in rows:
                width, height = _TELEPHONES[int(signer) % len(_TELEPHONES)]
                draft.scenes.append(
                    Scene(
                        id=id,
                        signer=signer,
                        glosses=tuple(glosses),
                        path=f"Videos/{id}.mp4",
                        width=width,
                        height=height,
                    )
                )
            if setup == "SI" and split == "test":
                files.update(_hypotheses(rng, rows))
                files.update(_translations(draft, rows, ""))


def _hypotheses(rng: random.Random, rows: Sequence[_Sentence]) -> dict[str, str]:
    """Invent what two systems answered: errors of every kind, a segment without words."""
    words = sorted({gloss for _, _, glosses, _ in rows for gloss in glosses})
    # Some words are confused with the same other word again and again, as real models do.
    twin = dict(zip(words, words[3:] + words[:3], strict=True))
    files = {}
    for file, scale in (("hyp.ctm", 1.0), ("hyp_b.ctm", 1.25)):
        lines = []
        silent = rng.randrange(len(rows))
        for index, (id, _, glosses, _) in enumerate(rows):
            said: list[str] = []
            for gloss in glosses:
                chance = rng.random() / scale
                if chance < 0.08:
                    continue
                if chance < 0.18:
                    said.append(twin[gloss] if rng.random() < 0.7 else rng.choice(words))
                else:
                    said.append(gloss)
                if rng.random() < 0.05 * scale:
                    said.append(rng.choice(words))
            if index == silent:
                said = []
            lines += [
                f"{id} 1 {place * 0.01:.2f} {place * 0.01 + 0.01:.2f} {word}\n"
                for place, word in enumerate(said)
            ]
        files[file] = "".join(lines)
    return files


def _translations(
    draft: _Draft, rows: Sequence[_Sentence], end: str, joined: bool = False
) -> dict[str, str]:
    """Invent what two systems translated: words lost, repeated, replaced and moved."""
    rng = draft.translators
    words = sorted({word for *_, text in rows for word in text.split()})
    files = {}
    for file, scale in (("translations.tsv", 1.0), ("translations_b.tsv", 1.5)):
        lines = ["id\ttranslation\n"]
        for id, _, _, text in rows:
            said: list[str] = []
            for word in text.split():
                chance = rng.random() / scale
                if chance < 0.05:
                    continue
                said.append(rng.choice(words) if chance < 0.15 else word)
                if rng.random() < 0.03 * scale:
                    said.append(word)
            if len(said) > 2 and rng.random() < 0.15 * scale:
                place = rng.randrange(len(said) - 1)
                said[place : place + 2] = said[place + 1], said[place]
            sentence = ("" if joined else " ").join(said)
            lines.append(f"{id}\t{sentence}{end if said else ''}\n")
        files[file] = "".join(lines)
    return files


_MAKERS: dict[str, Callable[[_Draft], None]] = {
    "phoenix2014": lambda draft: _phoenix2014(
        draft, "phoenix-2014-multisigner", "", (1, 3, 4, 5, 7, 8)
    ),
    "phoenix2014-si5": lambda draft: _phoenix2014(
        draft, "phoenix-2014-signerindependent-SI5", ".SI5", (1, 3, 4, 5, 7, 8)
    ),
    "phoenix2014t": _phoenix2014t,
    "csl-daily": _csl_daily,
    "isharah500": _isharah,
    "isharah1000": _isharah,
    "isharah2000": _isharah,
}


def _words(name: str) -> list[str]:
    """Return the words of a filmed sample, in the order in which they get their signs."""
    slots = {"csl-daily": _CHINESE}.get(name, _ARABIC if "isharah" in name else _GERMAN)
    words = [gloss for slot in slots for gloss, _ in slot[:_FILMED_WORDS]]
    return words if slots is not _GERMAN else [*words, *_BESIDE]
