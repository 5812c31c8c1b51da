"""Text protocols: what exactly is compared when a paper says "BLEU-4".

A protocol says what happens to a reference and to a hypothesis, what BLEU counts as a word, and
which ROUGE-L is meant. It describes published code: references take the form they have in that
code's files, hypotheses get exactly the cleanup that the code applies. A system whose sentences
end differently from the references gets the lower figure that the code would give it, and a
warning.

Conventions
-----------
*Unit.* ``"words"``: separated by blanks; runs of blanks count as one. ``"characters"``: every
character, blanks included, as in ``" ".join(text)``. WER, ROUGE-L and BLEU without a tokeniser
work on units.

*Form.* A protocol has a form for text with blanks between words, one for Chinese, or both. It
cannot score text for which it has no form, because its code was not made for that.

Sources
-------
The figures of every protocol but ours (``plain``, ``unpunctuated``) are tested against values
recorded from these files: ``signjoey/metrics.py`` and ``signjoey/data.py`` of neccam/slt;
``TwoStreamNetwork/utils/metrics.py``, ``modelling/Tokenizer.py`` of FangyunWei/SLRT;
``train_slt.py`` of zhoubenjia/GFSLT-VLP with ``pycocoevalcap`` of Maluuba/nlg-eval, which it
calls; ``SLRT_metrics.py``, ``fine_tuning.py`` of ZechengLi19/Uni-Sign.

To add a protocol, pass a :class:`TextProtocol` to :func:`register`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from slaeval.errors import UsageError, nearest
from slaeval.formats.gloss_rules import Rule, rewrite
from slaeval.scoring.text.rouge import BETA_12, DISTINCT_WORDS, PRECISION_RECALL, RougeL

__all__ = [
    "DEFAULT",
    "Form",
    "Script",
    "TextCleanup",
    "TextProtocol",
    "register",
    "script_of",
    "text_protocol",
    "text_protocols",
]

Script = Literal["words", "chinese"]

#: The default of ``--protocol``: the protocol of the corpus.
DEFAULT = "official"


@dataclass(frozen=True)
class TextCleanup:
    """What a protocol does to one side.

    Attributes
    ----------
    rules : tuple of Rule
        Rewriting steps, in order.
    lower : bool
        Convert to lower case before the rules.
    """

    rules: tuple[Rule, ...] = ()
    lower: bool = False

    def apply(self, text: str) -> str:
        """Return the sentence as it is compared."""
        return rewrite(text.lower() if self.lower else text, self.rules).strip()

    def trace(self, text: str) -> list[str]:
        """Name the steps that change a sentence."""
        fired = []
        if self.lower and text != text.lower():
            fired.append("to lower case")
            text = text.lower()
        for rule in self.rules:
            after = rule.apply(text)[0]
            if after != text:
                fired.append(rule.name)
            text = after
        return fired


@dataclass(frozen=True)
class Form:
    """A protocol for one kind of text.

    Attributes
    ----------
    reference, hypothesis : TextCleanup
        What happens to each side.
    unit : {"words", "characters"}
        The unit of BLEU (without a tokeniser), ROUGE-L and WER.
    tokenizer : {"none", "13a", "zh"}
        sacrebleu's tokeniser for BLEU; ``"none"`` takes the units as they are.
    smoothing : {"none", "exp"}
        sacrebleu's smoothing of BLEU; ``"none"``: an order without a match gives 0.
    rouge : RougeL
        Which ROUGE-L.
    """

    reference: TextCleanup = field(default_factory=TextCleanup)
    hypothesis: TextCleanup = field(default_factory=TextCleanup)
    unit: Literal["words", "characters"] = "words"
    tokenizer: Literal["none", "13a", "zh"] = "none"
    smoothing: Literal["none", "exp"] = "none"
    rouge: RougeL = BETA_12

    def units(self, text: str) -> str:
        """Return a cleaned sentence with one blank between its units."""
        return " ".join(text.split() if self.unit == "words" else text)

    def for_bleu(self, text: str) -> str:
        """Return a cleaned sentence as passed to BLEU's tokeniser; ``zh`` splits by itself."""
        return text if self.tokenizer == "zh" else self.units(text)


@dataclass(frozen=True)
class TextProtocol:
    """A named way to arrive at BLEU, chrF, ROUGE-L and WER of translations.

    Attributes
    ----------
    name : str
        What users type.
    title, used_by, source : str
        What it is, whose figures it explains, and where its code is.
    words, chinese : Form or None
        What to do with text that has blanks between words, and with Chinese.
    version : int
        Incremented when a figure this protocol gives changes.
    caveat : str
        What a reader of the figure must know.
    """

    name: str
    title: str
    used_by: str
    source: str
    words: Form | None = None
    chinese: Form | None = None
    version: int = 1
    caveat: str = ""

    @property
    def identifier(self) -> str:
        """Name and version, as in a signature."""
        return f"{self.name}.v{self.version}"

    def has(self, script: Script) -> bool:
        """Say whether the protocol has a form for this kind of text."""
        return (self.words if script == "words" else self.chinese) is not None

    def form(self, script: Script) -> Form:
        """Return what the protocol does to this kind of text.

        Raises
        ------
        UsageError
            The protocol has no form for this kind of text.
        """
        form = self.words if script == "words" else self.chinese
        if form is None:
            kind = "text with blanks between words" if script == "words" else "Chinese"
            others = ", ".join(rules.name for rules in text_protocols() if rules.has(script))
            raise UsageError(
                f"the protocol {self.name!r} is not defined for {kind}; defined: {others}"
            )
        return form


_PROTOCOLS: dict[str, TextProtocol] = {}


def register(new: TextProtocol) -> TextProtocol:
    """Make a text protocol known under its name.

    Raises
    ------
    UsageError
        The name is taken by another protocol.
    """
    if _PROTOCOLS.get(new.name, new) != new or new.name == DEFAULT:
        raise UsageError(f"a text protocol named {new.name!r} exists already")
    _PROTOCOLS[new.name] = new
    return new


def text_protocol(name: str | TextProtocol, default: str = "plain") -> TextProtocol:
    """Return the text protocol of this name; ``"official"`` is `default`, the one of the corpus.

    Raises
    ------
    UsageError
        No text protocol of this name.
    """
    if isinstance(name, TextProtocol):
        return name
    folded = name.strip().casefold()
    known = _PROTOCOLS.get(default if folded == DEFAULT else folded)
    if known is None:
        raise UsageError(
            f"unknown text protocol {name!r}{nearest(name, _PROTOCOLS)}; known: "
            + ", ".join(_PROTOCOLS)
        )
    return known


def text_protocols() -> list[TextProtocol]:
    """Return every known text protocol."""
    return list(_PROTOCOLS.values())


_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")


def script_of(references: Iterable[str]) -> Script:
    """Tell Chinese, where most letters are Chinese, from text with blanks between words."""
    text = "".join(references)
    letters = sum(map(str.isalpha, text))
    return "chinese" if 2 * len(_HAN.findall(text)) > letters else "words"


_ADD_STOP = Rule(
    "add the full stop",
    r"(?<=[^.!?…\s])\s*\Z",
    " .",
    "every sentence of slt's pickles ends in one, the release's CSV has none",
    ("am tag regen", "am tag regen ."),
)
_DROP_STOP = Rule(
    "drop the full stop",
    r"\s*\.\s*\Z",
    "",
    "GFSLT's labels have none, slt's pickles have",
    ("am tag regen .", "am tag regen"),
)
_STOP_APART = Rule(
    "set the full stop apart",
    r"(?s)(?<=.[^ ])\.\Z",
    " .",
    "mBART joins it to the word before it",
    ("am tag regen.", "am tag regen ."),
)
_NO_BLANKS = Rule("drop blanks", r"\s", "", "Chinese is written without", ("今天 好", "今天好"))
_ASCII_COMMA = Rule("comma to ASCII", "，", ",", "mT5 writes it so", ("好，来", "好,来"))
_ASCII_QUESTION = Rule("question mark to ASCII", "？", "?", "mT5 writes it so", ("吗？", "吗?"))
_NO_PUNCTUATION = Rule(
    "drop punctuation",
    r"(?<!\d)[.,:]|[.,:](?!\d)|[;!?…。，、；：？！“”„«»\"()（）《》·]",
    "",
    "some count it and some do not",
    ("am 3.5. , heute !", "am 3.5  heute "),
)

_bare = TextCleanup((_NO_PUNCTUATION,), lower=True)
_bare_chinese = TextCleanup((_NO_PUNCTUATION, _NO_BLANKS), lower=True)

register(
    TextProtocol(
        "signjoey",
        "BLEU over words as given, ROUGE-L with beta 1.2, every reference ends in a full stop "
        "(slt)",
        "Sign Language Transformers (Camgöz et al. 2020) and most work on 2014 T since",
        "neccam/slt: signjoey/metrics.py, signjoey/data.py, configs/sign.yaml",
        words=Form(TextCleanup((_ADD_STOP,), lower=True)),
        caveat="references are in lower case and end in ' .', as in slt's pickles",
    )
)
register(
    TextProtocol(
        "twostream",
        "BLEU over words (Chinese: characters) as given, ROUGE-L with beta = P/R (SLRT)",
        "TwoStreamNetwork, MMTLB and others of FangyunWei/SLRT; CSL-Daily since",
        "FangyunWei/SLRT: TwoStreamNetwork/utils/metrics.py, modelling/Tokenizer.py",
        words=Form(TextCleanup((_ADD_STOP,)), TextCleanup((_STOP_APART,)), rouge=PRECISION_RECALL),
        chinese=Form(unit="characters", rouge=PRECISION_RECALL),
        caveat="its ROUGE-L differs from signjoey's: the two cannot be compared",
    )
)
register(
    TextProtocol(
        "gfslt",
        "BLEU over words as given and ROUGE-L with beta 1.2 by nlg-eval, no full stop in the "
        "references (GFSLT-VLP)",
        "GFSLT-VLP (Zhou et al. 2023) and gloss-free work on its labels",
        "zhoubenjia/GFSLT-VLP: train_slt.py, its labels; Maluuba/nlg-eval: pycocoevalcap",
        words=Form(TextCleanup((_DROP_STOP,))),
        caveat="the BLEU-4 it prints during training is sacrebleu's default, here 'plain'",
    )
)
register(
    TextProtocol(
        "unisign",
        "sacrebleu 1.4.2 with tokeniser 13a (Chinese: over characters, commas and question marks "
        "of the references ASCII), ROUGE-L over distinct words (Uni-Sign)",
        "Uni-Sign (Li et al. 2025)",
        "ZechengLi19/Uni-Sign: fine_tuning.py, SLRT_metrics.py; the package rouge 1.0.1",
        words=Form(tokenizer="13a", smoothing="exp", rouge=DISTINCT_WORDS),
        chinese=Form(
            TextCleanup((_ASCII_COMMA, _ASCII_QUESTION, _NO_BLANKS)),
            TextCleanup((_NO_BLANKS,)),
            unit="characters",
            tokenizer="13a",
            smoothing="exp",
            rouge=DISTINCT_WORDS,
        ),
        caveat="Chinese: punctuation changes in the references only; its ROUGE-L is over distinct "
        "words",
    )
)
register(
    TextProtocol(
        "plain",
        "sacrebleu's own defaults for the language, ROUGE-L with beta 1.2",
        "papers that cite sacrebleu's signature",
        "sacrebleu: tokeniser 13a, zh for Chinese; smoothing exp; mixed case",
        words=Form(tokenizer="13a", smoothing="exp"),
        chinese=Form(unit="characters", tokenizer="zh", smoothing="exp"),
    )
)
register(
    TextProtocol(
        "13a",
        "sacrebleu called without naming the language: tokeniser 13a on any text",
        "anyone who omits the language: on Chinese a whole clause becomes one word",
        "sacrebleu's defaults",
        chinese=Form(tokenizer="13a", smoothing="exp"),
        caveat="not to be reported: unspaced Chinese has no words for this tokeniser",
    )
)
register(
    TextProtocol(
        "unpunctuated",
        "no punctuation on either side, BLEU over words (Chinese: characters) as given",
        "nobody in particular: it does not depend on who kept the full stop",
        "slaeval",
        words=Form(_bare, _bare),
        chinese=Form(_bare_chinese, _bare_chinese, unit="characters"),
    )
)
