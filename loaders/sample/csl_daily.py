"""Invented sentences laid out as CSL-Daily: digits that are glosses, no blanks in translations."""

from __future__ import annotations

from slaeval.loaders.sample.draft import (
    Draft,
    SampleMaker,
    Sentence,
    draw_rows,
    hypotheses,
    translations,
)
from slaeval.loaders.sample.scenes import Scene

__all__ = ["CSL_DAILY"]

_CHINESE = (
    (("今天", "今天"), ("明天", "明天"), ("昨天", "昨天")),
    (("我", "我"), ("你", "你"), ("他", "他"), ("老师", "老师"), ("妈妈", "妈妈")),
    (("去", "去"), ("想", "想"), ("买", "买"), ("有", "有"), ("喜欢", "喜欢")),
    (("2", "两"), ("3", "三"), ("10", "十"), ("4", "四")),
    (("书", "书"), ("苹果", "苹果"), ("学校", "学校"), ("电影", "电影"), ("椅子", "椅子")),
    (("什么", "什么"), ("时间", "时间"), ("好", "好"), ("高兴", "高兴")),
)


def _csl_daily(draft: Draft) -> None:
    rng = draft.rng
    video_map = ["index|name|length|gloss|char|word|postag"]
    names = ["name|split"]
    number = 0
    for split, count in draft.sizes.items():

        def draw(_: int, split: str = split) -> Sentence:
            nonlocal number
            number += 1
            glosses, text = draft.sentence(split, _CHINESE)
            signer = f"P{rng.randrange(5):04d}"
            return f"S{number:06d}_{signer}_T00", signer, glosses, text

        rows = draw_rows(rng, count, draw)
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
            draft.files.update(hypotheses(rng, rows))
            draft.files.update(translations(draft, rows, "。", joined=True))
    draft.files["sentence_label/video_map.txt"] = "\n".join(video_map) + "\n"
    draft.files["sentence_label/split_1.txt"] = "\n".join(names) + "\n"


CSL_DAILY = SampleMaker(_csl_daily, _CHINESE)
