"""``slaeval-sclite``: the command line of NIST's ``sclite``, without sclite.

Options, file names and output bytes match sclite 2.10 (SCTK 2.4.12). Options not implemented are
refused by name. To use it in place of sclite, link it where a script expects sclite::

    ln -s "$(command -v slaeval-sclite)" ./software/sclite
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, NoReturn

from slaeval._version import __version__
from slaeval.compat.sclite import ID_TYPES, Settings, align_files
from slaeval.errors import SlaevalError
from slaeval.files import write_whole
from slaeval.scoring import sclite_paths, sclite_reports
from slaeval.scoring.sclite_paths import System
from slaeval.scoring.segments import AlignedSegment

__all__ = ["main"]

#: What sclite prints first.
_BANNER = "sclite: 2.10 TK Version 1.3\n"

_HELP = f"""\
usage: slaeval-sclite -r REF [FORMAT] -h HYP [FORMAT [TITLE]] [-h …] [options]

The alignment and the reports of NIST's sclite 2.10, byte for byte, without a
compiler (slaeval {__version__}). To use it in place of sclite:

  ln -s "$(command -v slaeval-sclite)" ./software/sclite

Input:
  -r FILE [trn|stm|ctm]      references; trn by default
  -h FILE [trn|ctm] [TITLE]  hypotheses; may be given several times
  -i {"|".join(ID_TYPES)}
                             how utterance ids name the speaker; needed for trn
  -e ascii|utf-8 [generic]   what counts as a character for -c; only A to Z is
                             case-folded
Alignment:
  -s                         case-sensitive
  -c [NOASCII] [DH]          align characters; NOASCII: keep ASCII words whole;
                             DH: drop hyphens
  -F                         a fragment (REG-) matches a word that starts so
  -D                         a word in parentheses is optional
Output:
  -o REPORT…                 sum rsum pra prf dtl snt spk sgml nl.sgml,
                             all (pra sum rsum), stdout, none  [sum stdout]
  -O DIR                     output folder  [that of the hypotheses]
  -n NAME                    stem of the output names  [that of the hypotheses]
  -l WIDTH                   bytes per line of pra  [1000]
  -f 0|1                     1: report progress  [1; with 'stdout' 0]
  -C none                    no confidence report

Not supported, and refused: -d -L -m -p -P -S -T -w, the reports lur and wws, -C
with a report, -e with gb, euc or a language.
"""

_FORMATS = {("trn", "trn"), ("stm", "ctm"), ("ctm", "ctm")}
_REPORTS = ("sum", "rsum", "snt", "spk", "dtl", "pra", "prf", "sgml", "nl.sgml")
_OTHER_NAMES = {"pralign": ("pra",), "all": ("pra", "sum", "rsum")}
_REFUSED = {
    "-d": "alignment by GNU diff",
    "-L": "a language model",
    "-m": "reducing segments or words to common times",
    "-p": "piping alignments on",
    "-P": "reading alignments from a pipe",
    "-S": "inferred word segmentation",
    "-T": "alignment by time",
    "-w": "word weights",
}


class _Hypothesis(NamedTuple):
    path: str
    format: str
    title: str


@dataclass
class _Options:
    """The parsed command line."""

    reference: str = ""
    reference_format: str = "trn"
    hypotheses: list[_Hypothesis] = field(default_factory=list)
    reports: set[str] = field(default_factory=set)
    reports_given: bool = False
    folder: str | None = None
    name: str | None = None
    line_width: int = sclite_paths.LINE_WIDTH
    feedback: int | None = None
    settings: Settings = field(default_factory=Settings)


def main(arguments: list[str] | None = None) -> None:
    """Do what sclite does and exit with its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments in (["--help"], ["--version"]):
        _print(_HELP if arguments == ["--help"] else f"slaeval-sclite {__version__}\n")
        return
    try:
        options = _read(arguments)
        _check(options)
        _run(options)
        sys.stdout.flush()
    except SlaevalError as error:
        _fail(str(error))
    except BrokenPipeError:
        # The reader of the pipe (head, grep -m) has closed it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(f"{error.filename or 'output'}: {error.strerror or error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _print(text: str) -> None:
    """Write text to stdout, with undecodable bytes as they were read."""
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))


def _warn(text: str) -> None:
    sys.stderr.write(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))


def _fail(message: str) -> NoReturn:
    """End as sclite does."""
    _warn(f"\nsclite: Error, {message}\n\n")
    sys.exit(1)


# The command line.


def _read(arguments: list[str]) -> _Options:
    if not arguments:
        _warn(_HELP)
        _fail("Arguments required")
    options = _Options()
    place = 0
    while place < len(arguments):
        flag = arguments[place]
        if not flag.startswith("-"):
            _fail(f"unexpected argument '{flag}'")
        end = place + 1
        while end < len(arguments) and not arguments[end].startswith("-"):
            end += 1
        if flag in ("-i", "-l", "-f", "-O", "-n") and place + 1 < len(arguments):
            end = place + 2  # these take the next word whatever it looks like
        _take(options, flag, arguments[place + 1 : end])
        place = end
    return options


def _take(options: _Options, flag: str, values: list[str]) -> None:
    """Apply one option and its values."""
    if flag in _REFUSED:
        _fail(f"option {flag} ({_REFUSED[flag]}) is not supported by slaeval-sclite")
    if flag not in _LIMITS:
        _warn(_HELP)
        _fail(f"Illegal argument: {flag}")
    least, most = _LIMITS[flag]
    if len(values) < least:
        _fail(f"Not enough arguments for {flag}")
    if len(values) > most:
        _fail(f"unexpected argument '{values[most]}' after {flag}")
    options.settings = _changed(options.settings, flag, values)
    if flag == "-r":
        options.reference, options.reference_format = [*values, "trn"][:2]
    elif flag == "-h":
        path, format_, title = [*values, *("trn", values[0])[len(values) - 1 :]]
        options.hypotheses.append(_Hypothesis(path, format_, title))
    elif flag == "-o":
        _take_reports(options, values)
    elif flag == "-C":
        options.reports_given = True
        for value in values:
            if value != "none":
                _fail(f"confidence report '{value}' is not supported by slaeval-sclite")
    elif flag == "-O":
        options.folder = values[0]
    elif flag == "-n":
        options.name = values[0]
    elif flag == "-l":
        options.line_width = _number(flag, values[0])
    elif flag == "-f":
        options.feedback = _number(flag, values[0])
        if options.feedback > 1:
            _fail(f"feedback level {values[0]} is not supported by slaeval-sclite; 0 or 1")


def _changed(settings: Settings, flag: str, values: list[str]) -> Settings:
    """Return the alignment settings with one option applied."""
    if flag == "-i":
        if values[0] not in ID_TYPES:
            _fail(f"Utterance id type '{values[0]}' not acceptable; known: {', '.join(ID_TYPES)}")
        return replace(settings, ids=values[0])
    if flag == "-e":
        return replace(settings, utf8=_encoding(values))
    if flag == "-s":
        return replace(settings, fold=False)
    if flag == "-F":
        return replace(settings, fragments=True)
    if flag == "-D":
        return replace(settings, deletable=True)
    if flag == "-c":
        for value in values:
            if value not in ("NOASCII", "DH"):
                _fail(f"Unrecognized character alignment option '{value}'")
        return replace(
            settings,
            characters="not ascii" if "NOASCII" in values else "all",
            hyphens="DH" not in values,
        )
    return settings


#: How many values each option takes.
_LIMITS = {
    "-r": (1, 2),
    "-h": (1, 3),
    "-i": (1, 1),
    "-e": (1, 2),
    "-s": (0, 0),
    "-F": (0, 0),
    "-D": (0, 0),
    "-c": (0, 2),
    "-o": (0, 99),
    "-C": (0, 99),
    "-O": (1, 1),
    "-n": (1, 1),
    "-l": (1, 1),
    "-f": (1, 1),
}


def _encoding(values: list[str]) -> bool:
    """Tell whether characters are UTF-8 (otherwise, bytes)."""
    encoding, profile = [*(value.lower() for value in values), "generic"][:2]
    if encoding not in ("ascii", "utf-8"):
        _fail(
            f"character encoding '{values[0]}' is not supported by slaeval-sclite; ascii or utf-8"
        )
    if profile != "generic":
        _fail(f"case conversion '{values[1]}' is not supported by slaeval-sclite")
    return encoding == "utf-8"


def _take_reports(options: _Options, values: Iterable[str]) -> None:
    """Toggle reports: as in sclite, naming one twice switches it off."""
    options.reports_given = True
    for value in values:
        if value == "none":
            options.reports.clear()
            continue
        names = _OTHER_NAMES.get(value, (value,))
        for name in names:
            if name not in (*_REPORTS, "stdout"):
                _fail(
                    f"report '{name}' is not supported by slaeval-sclite; known: "
                    f"{', '.join((*_REPORTS, *_OTHER_NAMES, 'stdout', 'none'))}"
                )
            options.reports ^= {name}


def _number(flag: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        _fail(f"{flag} takes a whole number, not '{value}'")


def _check(options: _Options) -> None:
    """Refuse invalid combinations and fill in sclite's defaults."""
    if not options.reference or not options.hypotheses:
        _fail("Input not specified: -r REF and -h HYP are needed")
    if not os.path.exists(options.reference):
        _fail(f"Reference file '{options.reference}' does not exist")
    for hypothesis in options.hypotheses:
        if not os.path.exists(hypothesis.path):
            _fail(f"Hypothesis file '{hypothesis.path}' does not exist")
        formats = (options.reference_format, hypothesis.format)
        if formats not in _FORMATS:
            known = ", ".join(f"{one} against {other}" for one, other in sorted(_FORMATS))
            _fail(f"Unable to score '{formats[1]}' against '{formats[0]}'; known: {known}")
        if "trn" in formats and not options.settings.ids:
            _fail("Required utterance id (option -i) for transcript mode")
    if not options.reports and not options.reports_given:
        options.reports = {"sum", "stdout"}
    if options.feedback is None:
        options.feedback = 0 if "stdout" in options.reports and options.reports_given else 1
    if options.folder is not None and not os.path.isdir(options.folder):
        _fail(f"output folder '{options.folder}' does not exist")


# The work.


def _run(options: _Options) -> None:
    def say(text: str) -> None:
        if options.feedback:
            _print(text)

    say(_BANNER)
    settings = replace(options.settings, say=say, warn=_warn)
    done = 0
    for hypothesis in options.hypotheses:
        say(
            f"Begin alignment of Ref File: '{options.reference}' and Hyp File: "
            f"'{hypothesis.path}'\n"
        )
        system = align_files(
            options.reference,
            hypothesis.path,
            (options.reference_format, hypothesis.format),
            hypothesis.title,
            settings,
            done,
        )
        done += len(system.utterances)
        _report(system, _root(options, hypothesis.path), options)
    say("\nSuccessful Completion\n")


def _root(options: _Options, path: str) -> str:
    """Return the path prefix of the output files."""
    folder, slash, base = path.rpartition("/")
    name = options.name or base
    if options.folder is not None:
        return f"{options.folder}/{name}"
    return f"{folder}/{name}" if slash and folder != "." else name


def _report(system: System, root: str, options: _Options) -> None:
    """Write the reports asked for, in sclite's order."""
    stdout = "stdout" in options.reports
    speakers = {
        name: [one.segment for one in utterances]
        for name, utterances in system.by_speaker().items()
    }

    def put(text: Iterable[str], suffix: str, note: str, *, on_stdout: str = "") -> None:
        if stdout:
            if options.feedback and on_stdout:
                _print(on_stdout)
            _print("".join(text))
            return
        path = f"{root}.{suffix}"
        if options.feedback:
            _print(f"    Writing {note}'{path}'\n")
        write_whole(path, "".join(text).encode("utf-8", "surrogateescape"))

    wanted = [name for name in _REPORTS if name in options.reports]
    for name in wanted:
        if name in ("sum", "rsum"):
            raw = name == "rsum"
            table = _summary(system, speakers, raw)
            put([table], "raw" if raw else "sys", f"{'raw ' if raw else ''}scoring report to ")
        elif name == "snt":
            for speaker, text in sclite_paths.snt(system).items():
                note = f"sentence scoring report for speaker '{speaker}' to "
                put([text], f"snt.{speaker}", note)
        elif name == "spk":
            reports = sclite_reports.spk(speakers, title=system.title, fold=False)
            for speaker, text in reports.items():
                put([text], f"spk.{speaker}", f"speaker scoring report for '{speaker}' to ")
        elif name == "dtl":
            everything = [one.segment for one in system.utterances]
            text = sclite_reports.dtl(everything, title=system.title, fold=False)
            put([text], "dtl", "overall detailed scoring report ")
        elif name in ("pra", "prf"):
            print_ = sclite_paths.pra if name == "pra" else sclite_paths.prf
            note = "    Writing string alignments to 'stdout'\n"
            put(print_(system, options.line_width), name, "string alignments to ", on_stdout=note)
        else:
            lines = name == "nl.sgml"
            note = f"{'Newline Separated ' if lines else ''}SGML string alignments to "
            put(sclite_paths.sgml(system, lines=lines), name, note)


def _summary(system: System, speakers: dict[str, list[AlignedSegment]], raw: bool) -> str:
    return sclite_reports.summary(
        speakers,
        title=system.title,
        fold=False,
        raw=raw,
        characters=system.characters,
        entropies=sclite_paths.entropies(system),
    )


if __name__ == "__main__":
    main()
