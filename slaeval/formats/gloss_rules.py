"""Gloss rewriting: one rule of a cleanup script as data, and the rules of RWTH-PHOENIX-Weather.

Two parts of the toolkit need these rules: the loaders turn the raw training annotation of
Phoenix 2014 into what the published STM contains, and the protocols do to a hypothesis what
the evaluation scripts do. A rule is a row: what it matches, what it writes, why it is there, and
an example that the tests run.

Sources
-------
``evaluatePhoenix2014.sh``
    of the RWTH-PHOENIX-Weather 2014 release, carried along as ``preprocess.sh`` by most CSLR
    repositories: the rules of :data:`PHOENIX2014`.
``evaluatePHOENIX-2014-T-signrecognition.sh``
    of the 2014 T release: :data:`PHOENIX2014T_REFERENCE`, :data:`PHOENIX2014T_HYPOTHESIS`.

Conventions
-----------
A rule works on one line of text without its line end. ``[A-Z]`` is ASCII. Where a script runs
the same command several times (overlapping matches), the rule is repeated in the sequence.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

#: A word that can take part in finger spelling: a letter, ``SCH`` or ``NN``, alone or joined.
_SPELLED = r"(^|\+)([A-Z]|SCH|NN)(\+|$)"
#: A word with something between letters that is neither a hyphen nor part of a word.
_COMPOUND = r"(?a:[^\w-])"

__all__ = [
    "LETTERS",
    "PHOENIX2014",
    "PHOENIX2014T_HYPOTHESIS",
    "PHOENIX2014T_REFERENCE",
    "REPEATS",
    "Rule",
    "rewrite",
]


class Rule(NamedTuple):
    """One rewriting step.

    Attributes
    ----------
    name : str
        Short name, unique by meaning; steps repeated by a script share it.
    pattern : str
        Regular expression (Python syntax).
    replacement : str
        What a match becomes.
    why : str
        What the rule is for, in the field's words.
    example : tuple of str
        A line (with a CTM's four columns where the rule needs what stands in front of the
        word) and what the rule alone makes of it.
    touches : str
        For a rule over several words: a pattern that is found in at least one word of every
        match, each word taken alone. Sentences without such a word need not be looked at.
        A rule that merges equal words is exempt where both words are plain capitals.
    """

    name: str
    pattern: str
    replacement: str
    why: str
    example: tuple[str, str]
    touches: str = ""

    @property
    def trigger(self) -> str:
        """Pattern found in a word of every sentence that this rule changes."""
        return self.touches or self.pattern

    def apply(self, text: str) -> tuple[str, int]:
        """Return the rewritten text and how many places changed."""
        return re.subn(self.pattern, self.replacement, text)


def rewrite(text: str, rules: tuple[Rule, ...]) -> str:
    """Apply `rules` to `text`, one after the other."""
    for rule in rules:
        literal = _literal(rule.pattern)
        if literal:
            text = text.replace(literal, rule.replacement)
        else:
            text = re.sub(rule.pattern, rule.replacement, text)
    return text


@cache
def _literal(pattern: str) -> str:
    """Return the text that a pattern without any choice stands for, else ``""``."""
    text = pattern.replace(r"\-", "-")
    return "" if set(text) & set(r".^$*+?{}[]()|\\") else text


def _delete(literal: str, why: str, example: tuple[str, str]) -> Rule:
    return Rule(f"delete {literal}", re.escape(literal), "", why, example)


_JOIN_INSIDE = Rule(
    "join letters",
    r"([ +][A-Z]) ([A-Z][ +])",
    r"\1+\2",
    "finger-spelled letters are one gloss",
    ("UND A+B C JETZT", "UND A+B+C JETZT"),
    _SPELLED,
)

#: Letters, ``SCH`` and ``NN`` that stand side by side become one finger-spelled gloss.
LETTERS: tuple[Rule, ...] = (
    Rule(
        "join letters at start",
        r"^([A-Z]) ([A-Z][+ ])",
        r"\1+\2",
        "finger-spelled letters are one gloss",
        ("C M JETZT", "C+M JETZT"),
        _SPELLED,
    ),
    Rule(
        "join two letters",
        r"[ +]([A-Z]) ([A-Z]) ",
        r" \1+\2 ",
        "finger-spelled letters are one gloss",
        ("UND C M JETZT", "UND C+M JETZT"),
        _SPELLED,
    ),
    _JOIN_INSIDE,
    _JOIN_INSIDE,
    _JOIN_INSIDE,
    Rule(
        "join SCH",
        r"([ +]SCH) ([A-Z][ +])",
        r"\1+\2",
        "SCH is one hand shape in finger spelling",
        ("UND SCH A JETZT", "UND SCH+A JETZT"),
        _SPELLED,
    ),
    Rule(
        "join NN",
        r"([ +]NN) ([A-Z][ +])",
        r"\1+\2",
        "NN is one movement in finger spelling",
        ("UND NN E JETZT", "UND NN+E JETZT"),
        _SPELLED,
    ),
    Rule(
        "join before NN",
        r"([ +][A-Z]) (NN[ +])",
        r"\1+\2",
        "NN is one movement in finger spelling",
        ("UND A NN JETZT", "UND A+NN JETZT"),
        _SPELLED,
    ),
    Rule(
        "join letters at end",
        r"([ +][A-Z]) ([A-Z])$",
        r"\1+\2",
        "finger-spelled letters are one gloss",
        ("UND C M", "UND C+M"),
        _SPELLED,
    ),
)

_REPEAT = Rule(
    "collapse repeats",
    # (?a:...): the scripts run perl on bytes, where \w is ASCII.
    r"(?a:(?<![\w-])(\b[A-Z]+(?![\w-])) \1(?![\w-]))",
    r"\1",
    "a sign repeated in place is annotated once",
    ("REGEN REGEN KALT", "REGEN KALT"),
    _COMPOUND,
)

#: The scripts' four passes of repeat collapse over plain upper-case words.
REPEATS: tuple[Rule, ...] = (_REPEAT,) * 4

_PLUSPLUS = _delete("-PLUSPLUS", "marks a sign made several times", ("REGEN-PLUSPLUS", "REGEN"))
_WIE_AUSSEHEN = Rule(
    "join WIE AUSSEHEN",
    "WIE AUSSEHEN",
    "WIE-AUSSEHEN",
    "one sign annotated as two words",
    ("WETTER WIE AUSSEHEN", "WETTER WIE-AUSSEHEN"),
    "^AUSSEHEN",
)

#: ``evaluatePhoenix2014.sh``, every rewriting step in its order. The script applies them to
#: each CTM line, so that a rule over several words can see only one word.
PHOENIX2014: tuple[Rule, ...] = (
    _delete("loc-", "marks a sign made at a place", ("loc-NORD", "NORD")),
    _delete("cl-", "marks a classifier", ("cl-KOMMEN", "KOMMEN")),
    _delete("qu-", "marks a question", ("qu-WAS", "WAS")),
    _delete("poss-", "marks a possessive", ("poss-EUCH", "EUCH")),
    _delete("lh-", "marks the left hand", ("lh-WOLKE", "WOLKE")),
    Rule("S0NNE", "S0NNE", "SONNE", "a typing error in the annotation", ("S0NNE", "SONNE")),
    Rule("HABEN2", "HABEN2", "HABEN", "a variant of the sign", ("HABEN2", "HABEN")),
    _delete("__EMOTION__", "not a sign", ("X __EMOTION__", "X ")),
    _delete("__PU__", "palm up, not a sign", ("X __PU__", "X ")),
    _delete("__LEFTHAND__", "not a sign", ("X __LEFTHAND__", "X ")),
    _WIE_AUSSEHEN,
    Rule(
        "ZEIGEN",
        "ZEIGEN ",
        "ZEIGEN-BILDSCHIRM ",
        "one sign under two names; at the end of any word",
        ("ZEIGEN JETZT", "ZEIGEN-BILDSCHIRM JETZT"),
        "ZEIGEN$",
    ),
    Rule(
        "ZEIGEN at end",
        "ZEIGEN$",
        "ZEIGEN-BILDSCHIRM",
        "one sign under two names; at the end of any word",
        ("ANZEIGEN", "ANZEIGEN-BILDSCHIRM"),
    ),
    *LETTERS,
    Rule(
        "RAUM",
        "([A-Z][A-Z])RAUM",
        r"\1",
        "the place a sign is made at; needs two capitals before it and no word end after it",
        ("ALPENRAUMX TRAUM", "ALPENX TRAUM"),
    ),
    _PLUSPLUS,
    *REPEATS,
)


def _forget(token: str) -> tuple[Rule, Rule]:
    """Delete a token with one blank beside it, as the 2014 T script does in both orders."""
    after = Rule(f"delete {token}", f"{token} ", "", "not a sign", (f"A {token} B", "A B"), token)
    before = Rule(f"delete {token}", f" {token}", "", "not a sign", (f"A {token}", "A"), token)
    return after, before


_LEFTHAND = _forget("__LEFTHAND__")
_EPENTHESIS = _forget("__EPENTHESIS__")
_EMOTION = _forget("__EMOTION__")

#: The reference side of ``evaluatePHOENIX-2014-T-signrecognition.sh``, applied to STM lines.
PHOENIX2014T_REFERENCE: tuple[Rule, ...] = (
    _LEFTHAND[0],
    _LEFTHAND[1],
    _EPENTHESIS[1],
    _EPENTHESIS[0],
    _EMOTION[1],
    _EMOTION[0],
    Rule(
        "delete __X__",
        r"\b__[^_ ]*__\b",
        "",
        "words between double underscores are not signs",
        ("__ON__ REGEN", " REGEN"),
    ),
    Rule(
        "delete loc- at a word",
        r"\bloc-([^ ]*)\b",
        r"\1",
        "marks a sign made at a place",
        ("JETZT loc-NORD", "JETZT NORD"),
    ),
    Rule(
        "delete cl- at a word",
        r"\bcl-([^ ]*)\b",
        r"\1",
        "marks a classifier",
        ("JETZT cl-KOMMEN", "JETZT KOMMEN"),
    ),
    Rule(
        "delete -PLUSPLUS at a word",
        r"\b([^ ]*)-PLUSPLUS\b",
        r"\1",
        "marks a sign made several times",
        ("REGEN-PLUSPLUS KALT", "REGEN KALT"),
    ),
    Rule(
        "RAUM at a word",
        r"\b([A-Z][A-Z]*)RAUM\b",
        r"\1",
        "the place a sign is made at",
        ("TRAUM NORDRAUM", "T NORD"),
    ),
    _WIE_AUSSEHEN,
    *LETTERS,
    *REPEATS,
)

#: The hypothesis side of the same script, applied to each CTM line (after it dropped lines).
PHOENIX2014T_HYPOTHESIS: tuple[Rule, ...] = (
    Rule(
        "delete loc- at start of last word",
        r" loc-([^ ]*)$",
        r" \1",
        "marks a sign made at a place",
        ("x 1 0.00 0.01 loc-NORD", "x 1 0.00 0.01 NORD"),
        "^loc-",
    ),
    Rule(
        "delete -PLUSPLUS at end",
        r"-PLUSPLUS$",
        "",
        "marks a sign made several times",
        ("x 1 0.00 0.01 REGEN-PLUSPLUS", "x 1 0.00 0.01 REGEN"),
    ),
    Rule(
        "delete cl- at start of last word",
        r" cl-([^ ]*)$",
        r" \1",
        "marks a classifier",
        ("x 1 0.00 0.01 cl-KOMMEN", "x 1 0.00 0.01 KOMMEN"),
        "^cl-",
    ),
    Rule(
        "RAUM at end",
        r"\b([A-Z][A-Z]*)RAUM$",
        r"\1",
        "the place a sign is made at",
        ("x 1 0.00 0.01 NORDRAUM", "x 1 0.00 0.01 NORD"),
    ),
)
