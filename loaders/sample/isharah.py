"""Invented sentences laid out as Isharah: text from right to left, in two setups."""

from __future__ import annotations

from collections.abc import Sequence

from slaeval.loaders.sample.draft import (
    Draft,
    SampleMaker,
    Sentence,
    draw_rows,
    hypotheses,
    translations,
)
from slaeval.loaders.sample.scenes import Scene

__all__ = ["ISHARAH"]

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
#: Phones differ in resolution: width and height, by signer.
_TELEPHONES = ((512, 512), (400, 400), (320, 320), (288, 288), (360, 360), (272, 272))


def _isharah(draft: Draft) -> None:
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
            ) -> Sentence:
                glosses, text = draft.sentence(split, _ARABIC)
                signer = f"{rng.choice(signers):02d}"
                return f"{signer}_{first + number:04d}", signer, glosses, text

            rows = draw_rows(rng, count, draw)
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
                files.update(hypotheses(rng, rows))
                files.update(translations(draft, rows, ""))


#: More to train on: five signers other than those of dev and test, with enough sentences each.
ISHARAH = SampleMaker(_isharah, _ARABIC, filmed_training=5 / 3)
