"""``slaeval-sclite`` beside NIST sclite 2.10: the same files with the same bytes.

``recorded_sclite/`` holds what sclite wrote for the invented sentences below. To record it anew::

    SLAEVAL_SCLITE=…/sctk/bin/sclite python tests/cli/test_sclite_command.py

The random files at the end go through sclite itself where ``SLAEVAL_SCLITE`` names a binary.
"""

from __future__ import annotations

import os
import random
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

SCLITE = os.environ.get("SLAEVAL_SCLITE", "")
RECORDED = Path(__file__).parent / "recorded_sclite"
OURS = (sys.executable, "-m", "slaeval.cli.sclite")

FILES = {
    "ref.stm": """\
;; LABEL "o" "Overall" "all of it"
;; LABEL "f" "Female" "women"
;; CATEGORY "0" "" ""
Tag_01 1 Signer02 0.0 1.79769e+308 <o,f> HEUTE NACHT REGEN süden STURM WIND
Tag_02 1 signer01 0.00 4.20 MORGEN { SONNE / @ } (AEH) KALT-
Tag_02 1 Signer02 4.20 9.5 REGEN REGEN* WOLKE;N
Tag_02 2 Signer03 0 1.0
Tag_03 1 Signer03 0 1.0 IGNORE_TIME_SEGMENT_IN_SCORING
Tag_04 1 Signer03 0 2 他 今天 年龄 4 انا رغبه
Tag_05 1 Signer04 0 2 NICHTS DAVON
""",
    "hyp.ctm": """\
;; invented
tag_01 1 0.00 0.10 heute
Tag_01 1 0.10 0.25 REGEN
Tag_01 1 0.40 0.10 SÜDEN
Tag_01 1 0.60 0.10 WIND
Tag_01 1 0.70 0.10 IX
Tag_02 1 0.00 0.80 morgen
Tag_02 1 1.00 1.00 KALT
Tag_02 1 4.10 0.30 WOLKE
Tag_02 1 5.00 0.25 REGEN
Tag_02 2 0.00 0.50 IX
Tag_03 1 0.00 0.50 IX
Tag_04 1 0.00 0.50 他
Tag_04 1 0.50 0.50 年龄
Tag_04 1 1.00 0.50 五
Tag_04 1 1.50 0.25 انا
""",
    "sure.ctm": """\
Tag_01 1 0.00 0.10 HEUTE 0.91
Tag_01 1 0.10 0.25 REGEN 0.5
Tag_01 1 0.60 0.10 WINDIG 0.123456789
Tag_02 1 0.00 0.80 MORGEN 1.0
Tag_02 2 0.00 0.50 IX NA
Tag_04 1 0.00 0.50 他 0.4
Tag_05 1 0.00 0.50 NICHTS 0.75
""",
    "odd.stm": (
        "** info\n x\t1 s 0 1\r\nx 1 s 1 2  A\u00a0B C\u3000D %s 100% \"E'\n"
        "y 1 s 0 2 {A/B} C {D / @}E } / @ F\x0bG\n"
    ),
    "odd.ctm": (
        "; note\nx 1 &&0.5 .1 a\u00a0b\nx 1 1.5 .1 A\u00a0B\nx 1 1.6 .1 %s\nx 1 1.7 .1 \"E'\n"
        "y 1 0 .1 B;N\ny 1 0 .1 C;V;x;y\ny 1 0 .1 E\\;\ny 1 0 .1 {\ny 1 0 .1 F\ny 1 0 .1 G\r"
    ),
    "alone.ctm": "x 1 0 1 A\nx 1 1 1 B 0.5\n",
    "alone.stm": "x 1 s 0 2 A B\n",
    "nothing.ctm": "",
    "ref.trn": """\
HEUTE NACHT REGEN SÜDEN (anna-01)
MORGEN { SONNE / STURM WIND } (anna-02)
 (ben_03)
KALT KALT (cleo-04)
nicht gefragt (cleo-05)
""",
    "hyp.trn": """\
;; invented
heute regen süden (anna-01)
WOLKE (ben_03)
MORGEN STURM (anna-02)

KALT (Cleo-04)
""",
    "plain.stm": """\
Tag_01 1 Signer02 0.0 1.79769e+308 HEUTE-NACHT REGEN süden
Tag_02 1 signer01 0.00 4.20 MORGEN (AEH) KALT- SONNE
Tag_04 1 Signer03 0 2 他 今天 年龄 4
""",
    "plain.ctm": """\
Tag_01 1 0.10 0.25 HEUTE
Tag_01 1 0.40 0.10 SÜDEN
Tag_02 1 0.00 0.80 morgen
Tag_02 1 1.00 1.00 kalter
Tag_02 1 2.00 1.00 (wind)
Tag_04 1 0.00 0.50 他今
Tag_04 1 0.50 0.50 年
""",
    "ref.ctm": """\
Tag_01 1 0.00 0.10 HEUTE
Tag_01 1 0.12 0.25 NACHT
Tag_01 1 0.60 0.10 WIND
Tag_02 1 0.00 0.80 MORGEN
Tag_02 1 0.90 0.80 KALT
Tag_02 1 1.90 0.80 SONNE
""",
    "other.ctm": """\
Tag_01 1 0.00 0.05 IX
Tag_01 1 0.05 0.10 HEUTE
Tag_01 1 0.65 0.10 WINDIG
Tag_01 1 0.90 0.10 WIND
Tag_02 1 0.10 0.80 morgen
Tag_02 1 2.40 0.80 IX
Tag_02 1 3.00 0.80 REGEN
""",
}

#: Every call that is recorded, with a name.
CALLS = {
    "stm-default": "-r ref.stm stm -h hyp.ctm ctm",
    # As evaluatePhoenix2014.sh, its 2014 T sister and VAC's evaluator call it.
    "phoenix2014": "-h hyp.ctm ctm -r ref.stm stm -f 0 -o sgml sum rsum pra",
    "phoenix2014-folder": "-h ./hyp.ctm ctm -r ref.stm stm -f 0 -o sgml sum rsum pra -O out",
    "phoenix2014-dtl": "-h hyp.ctm ctm -r ref.stm stm -f 0 -o dtl stdout",
    "stm-everything": "-r ref.stm stm -h hyp.ctm ctm Mein -o all prf dtl snt spk sgml nl.sgml",
    "stm-case": "-r ref.stm stm -h sure.ctm ctm -s -o all prf dtl snt spk sgml -f 0 -n case",
    "stm-confidences": "-r ref.stm stm -h sure.ctm ctm -o sum rsum prf snt sgml",
    "stm-utf8": "-r ref.stm stm -h hyp.ctm ctm -e utf-8 -o pra prf dtl stdout",
    "characters": "-r plain.stm stm -h plain.ctm ctm -c -o all prf sgml dtl stdout",
    "characters-utf8": "-r plain.stm stm -h plain.ctm ctm -e utf-8 -c NOASCII DH -o all prf stdout",
    "forgiving": "-r plain.stm stm -h plain.ctm ctm -F -D -o all prf sgml dtl -f 0",
    "odd": "-r odd.stm stm -h odd.ctm ctm -o all prf sgml dtl -f 0",
    "confidences-alone": "-r alone.stm stm -h alone.ctm ctm -o sum stdout",
    "nothing-recognised": "-r ref.stm stm -h nothing.ctm ctm -o all stdout",
    "narrow": "-r plain.stm stm -h plain.ctm ctm -l 25 -o pra prf stdout",
    "ctm": "-r ref.ctm ctm -h other.ctm ctm -o all prf sgml dtl",
    # As ESPnet and speechbrain recipes call it.
    "espnet": "-r ref.trn trn -h hyp.trn trn -i rm -o all stdout",
    "espnet-dtl": "-r ref.trn trn -h hyp.trn trn -i spu_id -o dtl all stdout",
    "trn-files": "-r ref.trn -h hyp.trn trn -i rm -o all prf dtl snt spk sgml",
    "trn-wsj": "-i wsj -r ref.trn -h hyp.trn",
    "trn-sp": "-i sp -r ref.trn -h hyp.trn -o rsum spk -f 0",
    "two-systems": "-i rm -r ref.trn -h hyp.trn trn Eins -h hyp.trn trn Zwei -o sgml stdout",
    "reports-switched": "-i rm -r ref.trn -h hyp.trn -o all pra sum -o none -o rsum rsum pra",
}


def calls_in(folder: Path, program: Sequence[str], call: str) -> tuple[dict[str, str], int]:
    """Write the input, run one call, and return stdout, stderr and every file that is new."""
    for name, text in FILES.items():
        (folder / name).write_bytes(text.encode())
    (folder / "out").mkdir(exist_ok=True)
    return run(folder, program, shlex.split(call), FILES)


def run(
    folder: Path,
    program: Sequence[str],
    arguments: Sequence[str],
    inputs: Sequence[str] | dict[str, str],
) -> tuple[dict[str, str], int]:
    done = subprocess.run([*program, *arguments], cwd=folder, capture_output=True, timeout=120)
    out = {"stdout": done.stdout.decode("utf-8", "replace")}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in inputs:
            out[str(path.relative_to(folder))] = path.read_bytes().decode(
                "utf-8", "surrogateescape"
            )
            path.unlink()
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    date = re.compile('(creation_date="|Creation date: ")[^"]*"')
    return {name: date.sub(r'\1"', text) for name, text in out.items()}, done.returncode


def packed(outputs: dict[str, str]) -> str:
    """Return all outputs of a call as one text."""
    return "".join(f"=== {name}\n{text}\n" for name, text in outputs.items())


@pytest.mark.parametrize("name", CALLS)
def test_as_recorded(name: str, tmp_path: Path) -> None:
    outputs, code = calls_in(tmp_path, OURS, CALLS[name])
    assert code == 0
    assert packed(outputs) == (RECORDED / f"{name}.txt").read_bytes().decode()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("", "Arguments required"),
        ("-r ref.stm stm", "-r REF and -h HYP are needed"),
        ("-r ref.stm stm -h hyp.ctm ctm -X", "Illegal argument: -X"),
        ("-r ref.stm stm -h hyp.ctm ctm -T", "option -T (alignment by time) is not supported"),
        ("-r ref.stm stm -h hyp.ctm ctm -m ref", "option -m "),
        ("-r ref.stm stm -h hyp.ctm ctm -o lur", "report 'lur' is not supported"),
        ("-r ref.stm stm -h hyp.ctm ctm -o dlt", "report 'dlt' is not supported"),
        ("-r ref.stm stm -h hyp.ctm ctm -C det", "confidence report 'det' is not supported"),
        ("-r ref.stm stm -h hyp.ctm ctm -e gb", "character encoding 'gb' is not supported"),
        ("-r ref.stm stm -h hyp.ctm ctm -e utf-8 babel_turkish", "'babel_turkish' is not"),
        ("-r ref.stm stm -h hyp.ctm ctm -f 2", "feedback level 2 is not supported"),
        ("-r ref.stm stm -h hyp.ctm ctm -f viel", "-f takes a whole number, not 'viel'"),
        ("-r ref.stm stm -h hyp.ctm ctm Titel mehr", "unexpected argument 'mehr' after -h"),
        ("-r ref.stm stm -h hyp.ctm ctm -O nirgends", "output folder 'nirgends' does not exist"),
        ("-r nichts stm -h hyp.ctm ctm", "Reference file 'nichts' does not exist"),
        ("-r ref.stm stm -h nichts ctm", "Hypothesis file 'nichts' does not exist"),
        ("-r ref.stm stm -h hyp.trn trn", "Unable to score 'trn' against 'stm'"),
        ("-r ref.trn -h hyp.trn", "Required utterance id (option -i)"),
        ("-r ref.trn -h hyp.trn -i rn", "Utterance id type 'rn' not acceptable"),
        ("-r ref.trn -h ref.trn -i rm", "ref.trn:2: alternatives in a hypothesis"),
        ("-r hyp.trn -h ref.trn -i rm", "ref.trn:5: no reference for id (cleo-05) in hyp.trn"),
        ("-r ref.stm stm -h hyp.ctm ctm -s", "'tag_01', channel '1' is not in ref.stm"),
        ("-r ref.stm stm -h ref.stm ctm", "ref.stm:4: expected a time in seconds"),
        ("-r hyp.ctm stm -h hyp.ctm ctm", "hyp.ctm:2: expected a time in seconds"),
        ("-r ref.ctm ctm -h hyp.ctm ctm", "'tag_02' has several channels"),
    ],
)
def test_refused_by_name(call: str, message: str, tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_bytes(text.encode())
    done = subprocess.run([*OURS, *shlex.split(call)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == set(FILES)


def test_a_last_line_that_sclite_would_lose(tmp_path: Path) -> None:
    (tmp_path / "ref").write_text("A (a-1)\nB (a-2)\n")
    (tmp_path / "hyp").write_text("A (a-1)\nB (a-2)")
    done = subprocess.run(
        [*OURS, *"-r ref -h hyp -i rm".split()], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "hyp:2: the last line ends without a newline" in done.stderr


def test_bytes_that_are_not_utf8_go_through(tmp_path: Path) -> None:
    (tmp_path / "ref").write_bytes("SÜDEN SÜDEN (a-1)\n".encode("latin-1"))
    (tmp_path / "hyp").write_bytes("SÜDEN süden (a-1)\n".encode("latin-1"))
    done = subprocess.run(
        [*OURS, *"-r ref -h hyp -i rm -o pra stdout".split()], cwd=tmp_path, capture_output=True
    )
    assert done.returncode == 0
    assert b"REF:  s\xdcden S\xdcDEN \n" in done.stdout
    assert b"HYP:  s\xdcden S\xfcDEN \n" in done.stdout


def test_a_reader_may_leave(tmp_path: Path) -> None:
    lines = "".join(f"A B C (a-{number})\n" for number in range(20000))
    (tmp_path / "ref").write_text(lines)
    command = " ".join([*OURS, "-r ref -h ref -i rm -o pra stdout | head -1"])
    done = subprocess.run(command, cwd=tmp_path, shell=True, capture_output=True, text=True)
    assert done.stderr == ""


def test_help_and_version() -> None:
    for option, text in (("--help", "usage: slaeval-sclite"), ("--version", "slaeval-sclite ")):
        done = subprocess.run([*OURS, option], capture_output=True, text=True)
        assert done.stdout.startswith(text)
        assert done.returncode == 0


WORDS = (
    *("WOLKE", "wolke", "Regen", "REGEN", "SÜDEN", "süden", "中", "年龄", "انا", "__ON__", "S+H"),
    *("[EMPTY]", "REG-", "-GEN", "(AEH)", "(REG-)", "a", "b", "x/y", "a,b", "A:B", "REGEN*", "b;N"),
    *(r"a\b", r"a\;b", "W" * 39),
)


def sentence(rng: random.Random, words: Sequence[str], longest: int = 12) -> list[str]:
    return rng.choices(words, k=rng.randint(0, longest))


def spoken(rng: random.Random, words: Sequence[str], said: Sequence[str]) -> list[str]:
    out = []
    for word in said:
        if rng.random() < 0.2:
            out.append(rng.choice(words))
        if rng.random() < 0.8:
            out.append(rng.choice(words) if rng.random() < 0.2 else word)
    return out


def timed_files(rng: random.Random, forgiving: bool) -> tuple[str, str]:
    """Draw an STM with several channels and segments a file, and a CTM that mostly fits."""
    words = rng.sample(WORDS, 8)
    sure = rng.random() < 0.4
    stm, ctm = [], []
    for file in range(rng.randint(1, 12)):
        for channel in ("1", "2")[: rng.randint(1, 2)]:
            begin = 0.0
            hypothesis = []
            for _ in range(rng.randint(1, 4)):
                end = begin + rng.choice((0.0, 1.0, 2.5, 4.33))
                speaker = rng.choice(("Anna", "anna", "Ben", "süd"))
                said = sentence(rng, words)
                labels = "<o,f> " if rng.random() < 0.2 else ""
                text = " ".join(said)
                if rng.random() < 0.1 and not forgiving:
                    text += " { " + " / ".join(rng.sample([*words[:5], "@"], 2)) + " } X"
                if rng.random() < 0.03:
                    text += " Ignore_Time_Segment_In_Scoring"
                if "{" in text:
                    text = text.replace(";", ",").replace("\\", "").replace("*", "")
                stm.append(
                    f"File_{file:02d} {channel} {speaker} {begin:.2f} {end:.2f} {labels}{text}"
                )
                hypothesis += spoken(rng, words, said)
                begin = end
            if rng.random() < 0.1:
                continue  # the CTM lacks this channel
            at = 0.0
            for word in hypothesis:
                length = rng.choice((0.0, 0.1, 0.25, 0.333))
                confidence = f" {rng.random():.4f}" if sure else ""
                ctm.append(f"File_{file:02d} {channel} {at:.2f} {length:.3f} {word}{confidence}")
                at += length + rng.choice((0.0, 0.05, 0.3))
    ctm = ctm or ["File_00 1 0 1 a"]
    return "\n".join(stm) + "\n", "\n".join(ctm) + "\n"


def transcripts(rng: random.Random) -> tuple[str, str]:
    words = rng.sample(WORDS, 8)
    names = [
        f"{rng.choice(('Anna', 'anna', 'Ben'))}{rng.choice(('-', '_', '-a-'))}{number:03d}"
        for number in range(rng.randint(1, 30))
    ]
    references = {name: sentence(rng, words) for name in names}
    hypotheses = {name: spoken(rng, words, said) for name, said in references.items()}
    rng.shuffle(names)
    return tuple(  # type: ignore[return-value]
        "".join(f"{' '.join([*many[name], f'({name})'])}\n" for name in names)
        for many in (references, hypotheses)
    )


@pytest.mark.skipif(not SCLITE, reason="SLAEVAL_SCLITE names no sclite binary")
@pytest.mark.parametrize("seed", range(30))
def test_beside_sclite(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    options = rng.choice(("", "-s", "-F", "-D", "-F -D", "-e utf-8", "-l 60"))
    if seed % 3 == 0:
        reference, hypothesis = transcripts(rng)
        call = f"-r ref trn -h hyp trn -i {rng.choice(('rm', 'spu_id', 'wsj', 'sp', 'swb'))}"
    else:
        reference, hypothesis = timed_files(rng, "-F" in options or "-D" in options)
        call = "-r ref stm -h hyp ctm"
    (tmp_path / "ref").write_text(reference, "utf-8")
    (tmp_path / "hyp").write_text(hypothesis, "utf-8")
    reports = ["sum", "rsum", "pra", "prf", "dtl", "snt", "spk", "sgml", "nl.sgml"]
    arguments = [*shlex.split(f"{call} {options} -o"), *reports]
    expected, code = run(tmp_path, [SCLITE], arguments, ("ref", "hyp"))
    outputs, ours = run(tmp_path, OURS, arguments, ("ref", "hyp"))
    assert (code, packed(expected)) == (ours, packed(outputs))


if __name__ == "__main__":
    import tempfile

    for name, call in CALLS.items():
        with tempfile.TemporaryDirectory() as folder:
            outputs, code = calls_in(Path(folder), [SCLITE], call)
        assert code == 0, (name, outputs)
        (RECORDED / f"{name}.txt").write_bytes(packed(outputs).encode())
