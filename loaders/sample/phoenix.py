"""Invented sentences laid out as RWTH-PHOENIX-Weather 2014 and 2014 T.

The raw annotation has the originals' markers, such as ``loc-``, ``cl-`` and ``-PLUSPLUS``.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from slaeval.loaders.phoenix2014 import clean_train
from slaeval.loaders.sample.draft import (
    Draft,
    SampleMaker,
    Sentence,
    draw_rows,
    hypotheses,
    stm,
    translations,
)
from slaeval.loaders.sample.scenes import Scene

__all__ = ["PHOENIX2014", "PHOENIX2014T", "SI5"]

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
#: Glosses in the German sentences in addition to the grammar's words.
_BESIDE = ("WIE", "AUSSEHEN", "S", "H", "C", "M", "N", "R", "W")
_MONTHS = "January February March April May June July August September October".split()
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
#: Signers of the samples.
_SIGNERS = (1, 3, 4, 5, 7, 8)


def _weather_id(rng: random.Random, number: int, form: str) -> str:
    date = f"{rng.randint(1, 28):02d}{rng.choice(_MONTHS)}_{rng.randint(2009, 2013)}"
    show = rng.choice(("heute", "tagesschau"))
    return form.format(f"{date}_{rng.choice(_DAYS)}_{show}", number)


def _raw_weather(rng: random.Random, glosses: list[str]) -> list[str]:
    """Insert the markers of raw training annotations."""
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


def _phoenix2014(draft: Draft, folder: str, infix: str = "") -> None:
    rng, files = draft.rng, draft.files
    for split, count in draft.sizes.items():
        here: Sequence[int] = _SIGNERS
        if infix:  # signer-independent: one signer is kept for dev and test
            here = [signer for signer in _SIGNERS if (signer == 5) == (split != "train")]

        def draw(number: int, here: Sequence[int] = here, split: str = split) -> Sentence:
            glosses, translation = draft.sentence(split, _GERMAN)
            if rng.random() < 0.3:
                glosses = ["__ON__", *glosses, "__OFF__"]
            id = _weather_id(rng, number, "{}_default-{}")
            return id, f"Signer{rng.choice(here):02d}", glosses, translation

        rows = draw_rows(rng, count, draw)
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
        files[f"{folder}/evaluation/phoenix2014-groundtruth-{split}.stm"] = stm(rows)
        if split == "test":
            files.update(hypotheses(rng, rows))


def _phoenix2014t(draft: Draft) -> None:
    rng, files = draft.rng, draft.files
    base = "PHOENIX-2014-T"
    for split, count in draft.sizes.items():

        def draw(number: int, split: str = split) -> Sentence:
            glosses, translation = draft.sentence(split, _GERMAN)
            # Two of the glosses that the 2014 script cannot reach in these references.
            if not draft.filmed and rng.random() < 0.06:
                glosses.append(rng.choice(("poss-EUCH", "HABEN2")))
            id = _weather_id(rng, number, "{}-{}")
            return id, f"Signer{rng.choice(_SIGNERS):02d}", glosses, translation

        rows = draw_rows(rng, count, draw)
        files[f"{base}/annotations/manual/PHOENIX-2014-T.{split}.corpus.csv"] = (
            "name|video|start|end|speaker|orth|translation\n"
            + "".join(
                f"{id}|{id}/*.png|-1|-1|{who}|{' '.join(g)}|{text}\n" for id, who, g, text in rows
            )
        )
        files[f"{base}/evaluation/sign-recognition/PHOENIX-2014-T-groundtruth-{split}.stm"] = stm(
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
            files.update(hypotheses(rng, rows))
            # As written by systems trained on slt's pickles: with a separate full stop.
            files.update(translations(draft, rows, " ."))


PHOENIX2014 = SampleMaker(
    lambda draft: _phoenix2014(draft, "phoenix-2014-multisigner"), _GERMAN, _BESIDE
)
SI5 = SampleMaker(
    lambda draft: _phoenix2014(draft, "phoenix-2014-signerindependent-SI5", ".SI5"),
    _GERMAN,
    _BESIDE,
)
PHOENIX2014T = SampleMaker(_phoenix2014t, _GERMAN, _BESIDE)
