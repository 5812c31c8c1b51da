"""Evaluation protocols: what exactly is compared when a paper says "WER".

The word error rate of one hypothesis file differs by half a point or more between the
scripts in use, because each cleans up glosses in its own way before aligning. A protocol
names one such way: what happens to the reference, what happens to the hypothesis, and how the
two are aligned. :data:`OFFICIAL` is what nearly every paper reports on every corpus.

Conventions
-----------
*Level.* ``"line"``: the rules see one line of a CTM file at a time, so one word; a rule that
spans words never fires. ``"stm-line"``: the rules see an STM line, columns included.
``"sentence"``: the rules see the words of a segment joined by single blanks.

*Side.* A rule that applies to the hypothesis alone penalises a model trained on the raw
annotation; the floor of a protocol is the WER of a perfect transcript.

Sources
-------
``evaluatePhoenix2014.sh`` and ``evaluatePHOENIX-2014-T-signrecognition.sh`` of the two RWTH
releases; ``slr_eval/`` of VAC_CSLR (ycmin95), copied by CorrNet, SEN and AdaptSign
(hulianyuyy); ``phoenix_cleanup.py`` of slt (neccam) and TwoStreamNetwork (FangyunWei/SLRT);
``utils/metrics.py`` of the Isharah challenge starter kit (gufranSabri).

To add a protocol, pass a :class:`Protocol` to :func:`register`, or declare an entry point in the
group ``slaeval.protocols`` of another package.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, NamedTuple

from slaeval.errors import UsageError, nearest
from slaeval.formats.gloss_rules import (
    LETTERS,
    PHOENIX2014,
    PHOENIX2014T_HYPOTHESIS,
    PHOENIX2014T_REFERENCE,
    REPEATS,
    Rule,
    rewrite,
)
from slaeval.formats.hypotheses import Hypotheses
from slaeval.formats.sentences import (
    holding,
    lengths,
    mapped,
    merged,
    named,
    repeating,
    replaced,
    sentences_of,
    vocabulary,
)
from slaeval.formats.words import BLANKS, split_words

__all__ = ["EMPTY", "OFFICIAL", "Cleanup", "Protocol", "protocol", "protocols", "register"]

#: The word the RWTH scripts write where a segment has no word left.
EMPTY = "[EMPTY]"

#: The protocol meant by "official".
OFFICIAL = "rwth-2014"

_CTM_COLUMNS = "x 1 0.00 0.01 "
_STM_COLUMNS = "x 1 x 0.0 1.79769e+308 "


class Cleanup(NamedTuple):
    """What a protocol does to one side.

    Attributes
    ----------
    level : {"none", "line", "stm-line", "sentence"}
        What the rules see; ``"none"`` leaves the words alone.
    rules : tuple of Rule
        Rewriting steps, in order.
    drop : tuple of str
        A line that still holds one of these after the rules is dropped.
    drop_first : str
        Regular expression; a line it matches anywhere is dropped before the rules.
    collapse : {"", "adjacent", "lines"}
        Merge adjacent equal words; ``"lines"`` as awk compares the last column of lines
        (words that look like numbers compare as numbers).
    empty : str
        The word that replaces an empty hypothesis; ``""`` for none.
    sort : bool
        Sort the lines of a segment by start time **as text**, as the 2014 script does.
    clip_last : bool
        The last letter of a reference file without a final newline is lost.
    """

    level: Literal["none", "line", "stm-line", "sentence"] = "none"
    rules: tuple[Rule, ...] = ()
    drop: tuple[str, ...] = ()
    drop_first: str = ""
    collapse: Literal["", "adjacent", "lines"] = ""
    empty: str = ""
    sort: bool = False
    clip_last: bool = False

    def word(self, word: str) -> str:
        """Return what becomes of one word on a CTM line; ``""`` where the line is dropped."""
        line = self._line(_CTM_COLUMNS + word)
        return "" if line is None else line[len(_CTM_COLUMNS) :].rstrip(BLANKS)

    def sentence(self, words: Sequence[str]) -> list[str]:
        """Return the words of a segment after cleaning up its whole text."""
        after = self.sentence_words(words)
        return [word for word, _ in groupby(after)] if self.collapse else after

    def sentence_words(self, words: Sequence[str]) -> list[str]:
        """As :meth:`sentence`, before adjacent equal words are merged."""
        text = " ".join(words)
        if self.level == "stm-line":
            # A rule may consume the blank before the first word, which is then lost.
            return split_words(rewrite(_STM_COLUMNS + text, self.rules))[5:]
        if self.level == "sentence":
            return split_words(rewrite(text.strip(BLANKS), self.rules))
        return list(words)

    def trace(self, word: str) -> list[str]:
        """Name the rules that change one word on a CTM line, and what drops the line."""
        line = _CTM_COLUMNS + word
        if self.drop_first and re.search(self.drop_first, line):
            return ["drop the word"]
        fired, line = _trace(line, self.rules)
        if any(token in line for token in self.drop):
            fired.append("drop the word")
        elif not line[len(_CTM_COLUMNS) :].strip(BLANKS) and fired:
            fired.append("word becomes empty")
        return fired

    def trace_sentence(self, words: Sequence[str]) -> list[str]:
        """Name the rules that change a sentence."""
        head = _STM_COLUMNS if self.level == "stm-line" else ""
        return _trace(head + " ".join(words), self.rules)[0]

    def touched(self, segments: Sequence[Sequence[str]]) -> list[int]:
        """Return the places of the segments whose words a rule may apply to."""
        may_change = re.compile("|".join(_triggers(self.rules))).search
        interesting = set(filter(may_change, vocabulary(segments)))
        return sorted({*holding(segments, interesting), *repeating(segments)})

    def references(self, references: Sequence[list[str]]) -> Sequence[list[str]]:
        """Clean up references; see :meth:`sentence`."""
        if self.level == "none":
            return references
        changed = {row: self.sentence(references[row]) for row in self.touched(references)}
        return replaced(references, changed)

    def hypotheses(self, hypotheses: Hypotheses) -> Mapping[str, list[str]]:
        """Clean up hypotheses.

        Line rules are applied to each distinct word once, sentence rules only to the sentences
        they may change. A segment that loses all its words keeps its entry. Segments missing
        from the file are up to the caller.
        """
        words: Mapping[str, list[str]] = hypotheses.words
        if self.level == "line" and hypotheses.lines is not None:
            words = self._lines(hypotheses.lines)
        cleaned = sentences_of(words)
        if self.level in ("sentence", "stm-line"):
            cleaned = self.references(cleaned)
        elif self.level == "line" and hypotheses.lines is None:
            cleaned = mapped(cleaned, self.changes(vocabulary(cleaned)))
            if self.collapse == "lines":
                cleaned = merged(cleaned, _awk_value)
        if self.collapse == "adjacent":
            cleaned = merged(cleaned)
        if self.empty:
            nothing = {row: [self.empty] for row, count in enumerate(lengths(cleaned)) if not count}
            cleaned = replaced(cleaned, nothing)
        return named(words, cleaned)

    def _line(self, line: str) -> str | None:
        """Apply rules and drops to one line, as sed, perl and grep would."""
        if self.drop_first and re.search(self.drop_first, line):
            return None
        line = rewrite(line, self.rules)
        return None if any(token in line for token in self.drop) else line

    def changes(self, vocabulary: Iterable[str]) -> dict[str, str | None]:
        """Return the words that a line-level cleanup changes and their result; None: dropped."""
        may_change = re.compile("|".join([*_triggers(self.rules), *self.drop])).search
        may_drop = re.compile(self.drop_first or "(?!)").search
        return {
            word: after or None
            for word in vocabulary
            if (may_change(word) or may_drop(" " + word)) and (after := self.word(word)) != word
        }

    def _lines(self, lines: Iterable[str]) -> dict[str, list[str]]:
        """Clean up CTM lines as the shell scripts do, line by line.

        The rules do not see the id: where the scripts damage it, sclite gives no score.
        """
        written: dict[str, int] = {}
        rows: dict[str, list[tuple[str, str]]] = {}
        last_id, last_line = "", ""
        previous: tuple[str, str | float] | None = None

        def put(name: str, line: str) -> None:
            nonlocal previous
            word = split_words(line)[-1]
            value = _awk_value(word)
            repeated = self.collapse == "lines" and (name, value) == previous
            previous = name, value
            if not repeated:
                rows.setdefault(name, []).append((_sort_key(line), line))

        for raw in lines:
            name = split_words(raw)[0]
            cut = raw.index(name) + len(name)
            body = self._line("x" + raw[cut:])
            if body is None:
                continue
            line = name + body[1:].rstrip(BLANKS)
            rows.setdefault(name, [])
            if self.empty and last_line and last_id != name and not written.get(last_id):
                put(last_id, f"{last_line} {self.empty}")
            if len(split_words(line)) >= 5:
                written[name] = written.get(name, 0) + 1
                put(name, line)
            last_id, last_line = name, line
        return {
            name: [
                columns[4]
                for _, line in (sorted(lines) if self.sort else lines)
                if len(columns := split_words(line)) > 4
            ]
            for name, lines in rows.items()
        }


_NOTHING = Cleanup()


@dataclass(frozen=True)
class Protocol:
    """A named way to arrive at a WER.

    Attributes
    ----------
    name : str
        What users type.
    version : int
        Incremented when a number this protocol gives changes.
    title, used_by : str
        What it is, and whose numbers it explains.
    reference, hypothesis : Cleanup
        What happens to each side.
    fold : bool
        Compare as sclite does: without regard to ASCII letter case, and words as
        :func:`~slaeval.scoring.alternatives.as_sclite_reads` gives them.
    ties : {"insertion", "deletion"}
        Which gap is preferred at equal cost, after the diagonal.
    swapped : bool
        Reference and hypothesis are exchanged before the alignment: errors over hypothesis
        length, insertions and deletions swapped.
    caveat : str
        What a reader of the number must know.
    """

    name: str
    title: str
    used_by: str
    version: int = 1
    reference: Cleanup = _NOTHING
    hypothesis: Cleanup = _NOTHING
    fold: bool = True
    ties: Literal["insertion", "deletion"] = "insertion"
    swapped: bool = False
    caveat: str = ""

    @property
    def identifier(self) -> str:
        """Name and version, as in a signature."""
        return f"{self.name}.v{self.version}"


_PROTOCOLS: dict[str, Protocol] = {}
_ALIASES = {"official": OFFICIAL}


def register(new: Protocol) -> Protocol:
    """Make a protocol known under its name.

    Raises
    ------
    UsageError
        The name is taken by another protocol.
    """
    if _PROTOCOLS.get(new.name, new) != new or new.name in _ALIASES:
        raise UsageError(f"a protocol named {new.name!r} exists already")
    _PROTOCOLS[new.name] = new
    return new


def protocol(name: str | Protocol) -> Protocol:
    """Return the protocol of this name; ``"official"`` is ``"rwth-2014"``.

    Raises
    ------
    UsageError
        No protocol of this name.
    """
    if isinstance(name, Protocol):
        return name
    folded = name.strip().casefold()
    known = _PROTOCOLS.get(_ALIASES.get(folded, folded))
    if known is None:
        _register_entry_points()
        known = _PROTOCOLS.get(folded)
    if known is None:
        names = (*_ALIASES, *_PROTOCOLS)
        raise UsageError(
            f"unknown protocol {name!r}{nearest(name, names)}; known: {', '.join(names)}"
        )
    return known


def protocols() -> list[Protocol]:
    """Return every known protocol, official first, those of other packages last."""
    _register_entry_points()
    return list(_PROTOCOLS.values())


@functools.cache
def _register_entry_points() -> None:
    """Register what other packages offer in the group ``slaeval.protocols``.

    Raises
    ------
    UsageError
        One cannot be loaded, is not a :class:`Protocol`, or has a name that is already taken.
    """
    from importlib.metadata import entry_points

    for point in entry_points(group="slaeval.protocols"):
        try:
            found = point.load()
        except Exception as error:  # another package's defect, whatever it is
            raise UsageError(
                f"the protocol {point.name!r} of another package cannot be loaded: "
                f"{type(error).__name__}: {error}"
            ) from error
        if not isinstance(found, Protocol):
            raise UsageError(f"the entry point {point.name!r} is not a Protocol but {found!r:.60}")
        register(found)


def _triggers(rules: Sequence[Rule]) -> list[str]:
    """Return the patterns of words that may cause a change."""
    return list(dict.fromkeys(rule.trigger for rule in rules))


def _trace(text: str, rules: Sequence[Rule]) -> tuple[list[str], str]:
    """Apply rules and name, once, each that changed something."""
    fired: dict[str, None] = {}
    for rule in rules:
        after = rule.apply(text)[0]
        if after != text and rule.name != _BLANKS.name:
            fired[rule.name] = None
        text = after
    return list(fired), text


_AWK_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def _awk_value(word: str) -> str | float:
    """Return the value by which awk compares a column: a number where it looks like one."""
    looks_like_one = word[0] in "0123456789.+-" and _AWK_NUMBER.fullmatch(word)
    return float(word) if looks_like_one else word


def _sort_key(line: str) -> str:
    """Return column 3 with the blanks before it, as ``sort -k3,3`` sees it in the C locale."""
    match = re.match(r"[ \t]*[^ \t]*[ \t]*[^ \t]*([ \t]*[^ \t]*)", line)
    return match[1] if match else ""


_rwth2014 = Cleanup(
    level="line",
    rules=PHOENIX2014,
    drop=("__LEFTHAND__", "__EPENTHESIS__", "__EMOTION__"),
    empty=EMPTY,
    sort=True,
)

# Cleanup of whole sentences in Python, as slt's phoenix_cleanup.py writes it.
_BLANKS = Rule("blanks", r" {2,}", " ", "a deleted word leaves two blanks", ("A  B", "A B"), "(?!)")
_REPEAT = Rule(
    "collapse repeats",
    r"(?<![\w-])(\b[A-Z]+(?![\w-])) \1(?![\w-])",
    r"\1",
    "a sign repeated in place is annotated once",
    ("REGEN REGEN KALT", "REGEN KALT"),
    r"(?a:[^\w-])",
)
_EPENTHESIS = Rule(
    "delete __EPENTHESIS__",
    "__EPENTHESIS__",
    "",
    "movement between signs; the published code stops here, ours deletes the token",
    ("A __EPENTHESIS__ B", "A  B"),
)


def _token(token: str) -> Rule:
    return Rule(f"delete {token}", token, "", "not a sign", (f"A {token} B", "A  B"))


_slt2014 = Cleanup(
    level="sentence",
    rules=(
        *PHOENIX2014[: -len(REPEATS)],
        _BLANKS,
        *(_REPEAT,) * 4,
        _EPENTHESIS,
        _BLANKS,
    ),
    collapse="adjacent",
)
_AT_WORDS = tuple(rule for rule in PHOENIX2014T_REFERENCE if " at a word" in rule.name)
_slt2014t = Cleanup(
    level="sentence",
    rules=(
        _token("__LEFTHAND__"),
        _token("__EPENTHESIS__"),
        _token("__EMOTION__"),
        next(rule for rule in PHOENIX2014T_REFERENCE if rule.name == "delete __X__"),
        *_AT_WORDS,
        next(rule for rule in PHOENIX2014T_REFERENCE if rule.name == "join WIE AUSSEHEN"),
        *LETTERS,
        _BLANKS,
        *(_REPEAT,) * 4,
        _BLANKS,
    ),
    collapse="adjacent",
)

_mslr_reference = Cleanup(
    level="sentence",
    rules=(
        Rule(
            "delete prefixes",
            r"\b(loc-|cl-|qu-|poss-|lh-)",
            "",
            "marks of place, classifier, question, possessive, left hand",
            ("JETZT loc-NORD", "JETZT NORD"),
        ),
        Rule("S0NNE", "S0NNE", "SONNE", "a typing error in the annotation", ("S0NNE", "SONNE")),
        Rule("HABEN2", "HABEN2", "HABEN", "a variant of the sign", ("HABEN2", "HABEN")),
        _token("__EMOTION__"),
        _token("__PU__"),
        _token("__LEFTHAND__"),
        _token("__EPENTHESIS__"),
        Rule("split at +", r"\+", " ", "compounds become words", ("A+B", "A B")),
        Rule(
            "join WIE AUSSEHEN",
            r"\bWIE AUSSEHEN\b",
            "WIE-AUSSEHEN",
            "one sign annotated as two words",
            ("WIE AUSSEHEN", "WIE-AUSSEHEN"),
            "AUSSEHEN",
        ),
        Rule(
            "ZEIGEN",
            r"\bZEIGEN\b",
            "ZEIGEN-BILDSCHIRM",
            "one sign under two names",
            ("ZEIGEN", "ZEIGEN-BILDSCHIRM"),
        ),
        Rule(
            "join letters",
            r"\b([A-Z]) ([A-Z][+ ]+)",
            r"\1+\2",
            "finger-spelled letters are one gloss",
            ("A B JETZT", "A+B JETZT"),
            LETTERS[0].touches,
        ),
        LETTERS[1],
        LETTERS[2],
        *LETTERS[5:],
        Rule(
            "RAUM",
            r"([A-Z][A-Z])RAUM\b",
            r"\1",
            "the place a sign is made at",
            ("NORDRAUM", "NORD"),
        ),
        Rule(
            "delete -PLUSPLUS",
            "-PLUSPLUS",
            "",
            "a sign made several times",
            ("A-PLUSPLUS", "A"),
        ),
        Rule(
            "collapse repeats",
            r"\b(\w+)\s+\1\b",
            r"\1",
            "a sign repeated in place is annotated once; one pass",
            ("A A B", "A B"),
            r"\W",
        ),
    ),
)

for _protocol in (
    Protocol(
        "rwth-2014",
        "the RWTH-PHOENIX-Weather 2014 script with sclite",
        "nearly all CSLR papers, on every corpus (VAC, CorrNet, SEN, AdaptSign)",
        hypothesis=_rwth2014,
        caveat="only hypotheses are cleaned: glosses such as poss-X or HABEN2 in the "
        "references of Phoenix 2014 T cannot be reached",
    ),
    Protocol(
        "rwth-2014t",
        "the RWTH-PHOENIX-Weather 2014 T release script with sclite",
        "papers that use the 2014 T release's own evaluation",
        reference=Cleanup(level="stm-line", rules=PHOENIX2014T_REFERENCE),
        hypothesis=Cleanup(
            level="line",
            rules=PHOENIX2014T_HYPOTHESIS,
            drop_first=r"__LEFTHAND__|__EPENTHESIS__|__EMOTION__| __[^_ ]*__$",
            collapse="lines",
            empty=EMPTY,
        ),
        caveat="references are cleaned too; repeated words of any kind are merged in the "
        "hypothesis, in the reference only those in plain capitals",
    ),
    Protocol(
        "vac-python",
        "the Python evaluator beside the 2014 script",
        "VAC_CSLR and its descendants with evaluate_tool: python",
        reference=Cleanup(clip_last=True),
        hypothesis=Cleanup(
            level="line",
            rules=PHOENIX2014,
            drop=_rwth2014.drop,
            empty=EMPTY,
            sort=True,
            collapse="adjacent",
        ),
        fold=False,
        ties="deletion",
        caveat="repeated words are merged in the hypothesis only; the last letter of a "
        "reference file without final newline is lost",
    ),
    Protocol(
        "slt-2014",
        "whole-sentence cleanup of both sides, 2014 rules",
        "slt (neccam), TwoStreamNetwork, MSKA on Phoenix 2014",
        reference=_slt2014,
        hypothesis=_slt2014,
        fold=False,
        caveat="the published code stops at __EPENTHESIS__; here the token is deleted",
    ),
    Protocol(
        "slt-2014t",
        "whole-sentence cleanup of both sides, 2014 T rules",
        "slt (neccam), TwoStreamNetwork, MSKA on Phoenix 2014 T",
        reference=_slt2014t,
        hypothesis=_slt2014t,
        fold=False,
    ),
    Protocol(
        "mslr",
        "the label normalisation of the Isharah challenge, arguments in the usual order",
        "MSLR / Isharah challenge starter kit, corrected",
        reference=_mslr_reference,
        fold=False,
        caveat="only references are normalised; the figures that the challenge published are "
        "official and none, not this one",
    ),
    Protocol(
        "mslr-swapped",
        "the Isharah challenge starter kit as published, arguments exchanged",
        "MSLR / Isharah challenge starter kit",
        reference=_mslr_reference,
        fold=False,
        swapped=True,
        caveat="errors over the length of the hypothesis; insertions and deletions exchanged",
    ),
    Protocol(
        "none",
        "words as they are",
        "CSL-Daily in TwoStreamNetwork and others",
        fold=False,
    ),
    Protocol(
        "sclite",
        "sclite alone, without any script around it",
        "anyone who runs sclite by hand",
        caveat="no cleanup of glosses; letter case does not matter",
    ),
):
    register(_protocol)
