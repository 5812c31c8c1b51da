"""``slaeval score``: what it prints, writes and refuses."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import slaeval as package

ReferenceSet = tuple[Path, Path]


def test_json_has_the_promised_keys_and_counts(slaeval, task: ReferenceSet) -> None:
    done = slaeval("score", "--pred", task[0], "--ref", task[1], "--json")
    assert done.returncode == 0, done.stderr
    out = json.loads(done.stdout)
    assert (
        dict.fromkeys(
            [
                "wer",
                "substitutions",
                "deletions",
                "insertions",
                "correct",
                "reference_words",
                "hypothesis_words",
                "segments",
                "segment_errors",
                "wer_ci",
                "by_signer",
                "protocol",
                "dataset",
                "split",
                "signature",
                "warnings",
            ]
        ).keys()
        <= out.keys()
    )
    # REGEN->SCHNEE, poss-EUCH->EUCH (cleaned on one side only), [EMPTY] for ABEND or KALT
    assert (out["substitutions"], out["deletions"], out["insertions"]) == (3, 2, 1)
    assert (out["correct"], out["reference_words"], out["hypothesis_words"]) == (6, 11, 10)
    assert out["wer"] == pytest.approx(100 * 6 / 11)
    assert (out["segments"], out["segment_errors"]) == (4, 4)
    assert out["by_signer"]["Anna"]["reference_words"] == 6
    assert out["by_signer"]["Ben"]["deletions"] == 2
    assert out["protocol"] == "rwth-2014"
    assert out["floor"]["substitutions"] == 1
    low, high = out["wer_ci"]
    assert 0 <= low < out["wer"] < high
    assert any("t-4" in message for message in out["warnings"])
    assert "protocol:rwth-2014.v1" in out["signature"]


def test_python_gives_what_json_prints(slaeval, task: ReferenceSet) -> None:
    done = slaeval("score", "--pred", task[0], "--ref", task[1], "--json")
    score = package.score(str(task[1]), str(task[0]))
    assert score.to_dict() == json.loads(done.stdout)


def test_the_table_names_what_matters(slaeval, task: ReferenceSet) -> None:
    done = slaeval("score", "--pred", task[0], "--ref", task[1])
    assert done.returncode == 0
    for text in (
        "WER 54.55 %",
        "official (rwth-2014)",
        "A perfect transcript scores 9.09 %",
        "Anna",
        "SCHNEE",
        "slaeval:" + package.__version__,
    ):
        assert text in done.stdout
    assert "warning:" in done.stderr
    assert "\x1b[" not in done.stdout + done.stderr


def test_csv_has_one_row_a_segment(slaeval, task: ReferenceSet, tmp_path: Path) -> None:
    done = slaeval("score", "--pred", task[0], "--ref", task[1], "--csv", tmp_path / "rows.csv")
    assert done.returncode == 0
    rows = list(csv.DictReader((tmp_path / "rows.csv").read_text().splitlines()))
    assert [row["id"] for row in rows] == ["t-1", "t-2", "t-3", "t-4"]
    assert list(rows[0]) == [
        "id",
        "signer",
        "reference",
        "hypothesis",
        "ops",
        "correct",
        "substitutions",
        "deletions",
        "insertions",
        "reference_words",
        "hypothesis_words",
        "wer",
    ]
    assert rows[0]["ops"] == "CCS"
    assert rows[2]["ops"] == "CDC"
    assert float(rows[0]["wer"]) == pytest.approx(100 / 3)


def test_groupings(slaeval, task: ReferenceSet) -> None:
    done = slaeval(
        *("score", "--pred", task[0], "--ref", task[1], "--json"),
        *("--by", "length", "--by", "sentence"),
    )
    out = json.loads(done.stdout)
    assert sum(row["segments"] for row in out["by_length"].values()) == 4
    assert out["by_sentence"]["ABEND KALT"]["deletions"] == 1
    wrong = slaeval("score", "--pred", task[0], "--ref", task[1], "--by", "lenght")
    assert wrong.returncode == 2
    assert "did you mean 'length'" in wrong.stderr


def test_bleu_comes_from_sacrebleu(slaeval, task: ReferenceSet) -> None:
    done = slaeval("score", "--pred", task[0], "--ref", task[1], "--bleu", "--json")
    bleu = json.loads(done.stdout)["bleu"]
    assert 0 < bleu["bleu"] < 100
    assert "tok:none" in bleu["bleu_signature"]
    for form in ("table", "markdown", "latex"):
        shown = slaeval("score", "--pred", task[0], "--ref", task[1], "--bleu", "--format", form)
        assert f"BLEU {bleu['bleu']:.2f}, {bleu['bleu_signature']}" in shown.stdout
        assert f"chrF {bleu['chrf']:.2f}, {bleu['chrf_signature']}" in shown.stdout
    table = slaeval("score", "--pred", task[0], "--ref", task[1], "--bleu", "--format", "csv")
    [row] = csv.DictReader(io.StringIO(table.stdout))
    assert float(row["bleu"]) == bleu["bleu"]
    assert row["chrf_signature"] == bleu["chrf_signature"]


def test_bootstrap_interval_is_repeatable(slaeval, task: ReferenceSet) -> None:
    once, again = (
        slaeval("score", "--pred", task[0], "--ref", task[1], "--bootstrap", 500, "--json")
        for _ in range(2)
    )
    assert once.stdout == again.stdout
    low, high = json.loads(once.stdout)["wer_ci"]
    assert low < 100 * 6 / 11 < high


def test_every_format_gives_the_same_score(slaeval, task: ReferenceSet, tmp_path: Path) -> None:
    words: dict[str, list[str]] = {}
    for line in task[0].read_text().splitlines():
        words.setdefault(line.split()[0], []).append(line.split()[4])
    (tmp_path / "h.trn").write_text("".join(f"{' '.join(w)} ({i})\n" for i, w in words.items()))
    (tmp_path / "h.tsv").write_text("".join(f"{i}\t{' '.join(w)}\n" for i, w in words.items()))
    (tmp_path / "h.jsonl").write_text(
        "".join(json.dumps({"id": i, "glosses": w}) + "\n" for i, w in words.items())
    )
    answers = {
        slaeval("score", "--pred", path, "--ref", task[1], "--json").stdout
        for path in (task[0], *(tmp_path / f"h.{kind}" for kind in ("trn", "tsv", "jsonl")))
    }
    assert len(answers) == 1


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (None, 1, "no such file"),
        ("", 1, "is empty"),
        ("t-1 1 0.0 0.1 A\nt-1 1 0.1\n", 1, "hyp.ctm:2: a CTM line has"),
        ("t-1 1 0.0 x A\nt-2 1 0.1 0.1 B\nt-2 1 0.2 0.1 B\n", 1, "hyp.ctm:1: column 4"),
        ("some words here\n", 1, "not recognised"),
        ("u-1 1 0.0 0.1 A\n", 1, "the file has 'u-1', the references 't-1'"),
        ("T-1 1 0.0 0.1 A\nT-3 1 0.0 0.1 A\n", 1, "in another letter case"),
        ("x/test/t-1/1 1 0.0 0.1 A\n", 1, "with a path around them"),
    ],
)
def test_bad_hypotheses(slaeval, task: ReferenceSet, content, code: int, message: str) -> None:
    if content is None:
        task[0].unlink()
    else:
        task[0].write_text(content)
    done = slaeval("score", "--pred", task[0], "--ref", task[1], "--csv", "rows.csv")
    assert done.returncode == code
    assert done.stdout == ""
    assert message in done.stderr
    assert done.stderr.startswith("error: ")
    assert not (task[0].parent / "rows.csv").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("score",), "missing hypotheses"),
        (("score", "a.ctm", "--pred", "b.ctm"), "two sources given, a.ctm and --pred b.ctm"),
        (("score", "--pred", "hyp.ctm"), "--dataset NAME"),
        (("score", "--pred", "hyp.ctm", "--ref", "a", "--root", "b"), "cannot be combined"),
        (("score", "--pred", "hyp.ctm", "--ref", "ref.stm", "--protocol", "rwth14"), "did you"),
        (("score", "--pred", "hyp.ctm", "--ref", "ref.stm", "--pred-format", "xml"), "known: auto"),
        (("score", "--pred", "hyp.ctm", "--ref", "ref.stm", "--csv", "hyp.ctm"), "named twice"),
        (("score", "--pred", "hyp.ctm", "--dataset", "pheonix2014t"), "did you mean"),
        (
            ("score", "--pred", "hyp.ctm", "--ref", "ref.stm", "--bootstrap", "-3"),
            "--bootstrap",
        ),
        (("scoer",), "did you mean 'score'"),
    ],
)
def test_misuse_exits_2(slaeval, task: ReferenceSet, args: tuple[str, ...], message: str) -> None:
    done = slaeval(*args)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert done.stdout == ""


def test_ids_written_another_way_are_accepted_on_request(slaeval, task: ReferenceSet) -> None:
    plain = slaeval("score", "--pred", task[0], "--ref", task[1], "--json")
    for change in (str.upper, "fullFrame-210x260px/test/{}/1".format):
        lines = [line.split(" ", 1) for line in task[0].read_text().splitlines()]
        other = task[0].with_name("other.ctm")
        other.write_text("".join(f"{change(name)} {rest}\n" for name, rest in lines))
        done = slaeval("score", "--pred", other, "--ref", task[1], "--json", "--fix-ids")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["wer"] == json.loads(plain.stdout)["wer"]
        assert "ids are written" in done.stderr


def test_late_times_are_named(slaeval, task: ReferenceSet) -> None:
    task[0].write_text("t-3 1 9.00 1.0 WIND\nt-3 1 10.00 1.0 STARK\nt-3 1 11.00 1.0 KOMMEN\n")
    done = slaeval("score", "--pred", task[0], "--ref", task[1])
    assert "times from 10 s on (t-3)" in done.stderr
    task[0].write_text("t-3 1 10.00 1.0 STARK\nt-3 1 11.00 1.0 KOMMEN\nt-3 1 9.00 1.0 WIND\n")
    done = slaeval("score", "--pred", task[0], "--ref", task[1])
    assert "sorted by time as text" in done.stderr


def test_unknown_segments_are_left_out_and_named(slaeval, task: ReferenceSet) -> None:
    before = slaeval("score", "--pred", task[0], "--ref", task[1], "--json")
    with task[0].open("a") as stream:
        stream.write("zz 1 0.00 0.01 REGEN\n")
    after = slaeval("score", "--pred", task[0], "--ref", task[1], "--json")
    assert json.loads(after.stdout)["wer"] == json.loads(before.stdout)["wer"]
    assert "1 segment of the hypothesis not in the references" in after.stderr


def test_no_reference_words_is_no_number(slaeval, tmp_path: Path) -> None:
    (tmp_path / "r.stm").write_text("a 1 s 0.0 1.0\n")
    (tmp_path / "h.ctm").write_text("a 1 0.0 0.1 X\n")
    done = slaeval("score", "--pred", "h.ctm", "--ref", "r.stm", "--json")
    assert json.loads(done.stdout)["wer"] is None
    table = slaeval("score", "--pred", "h.ctm", "--ref", "r.stm")
    assert "undefined" in table.stdout


def test_a_full_disk_leaves_the_old_file(slaeval, task: ReferenceSet) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    done = slaeval("score", "--pred", task[0], "--ref", task[1], "--csv", "/dev/full")
    assert done.returncode == 1
    assert "No space left" in done.stderr


def test_a_reader_that_leaves_early_sees_no_error(task: ReferenceSet) -> None:
    script = f"{sys.executable} -m slaeval score --pred {task[0]} --ref {task[1]} --json | head -1"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, cwd=task[0].parent
    )
    assert done.stdout == "{\n"
    assert "Error" not in done.stderr


def test_scoring_does_not_pay_for_what_it_does_not_use(task: ReferenceSet) -> None:
    code = (
        "import sys; sys.argv[1:] = sys.argv[1:]\n"
        "from slaeval.cli.main import main\n"
        "try: main()\n"
        "finally: print(sorted({name.split('.')[0] for name in sys.modules} & {'numpy', 'numba',"
        "'pandas', 'torch', 'matplotlib', 'sacrebleu', 'platformdirs', 'importlib_metadata'}), "
        "file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "score", "--pred", task[0], "--ref", task[1]],
        capture_output=True,
        text=True,
        cwd=task[0].parent,
    )
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1] == "[]"


def test_audit_shows_every_protocol(slaeval, task: ReferenceSet) -> None:
    done = slaeval("audit", "--pred", task[0], "--ref", task[1])
    assert done.returncode == 0, done.stderr
    for name in (
        "rwth-2014 (official)",
        "rwth-2014t",
        "vac-python",
        "slt-2014",
        "mslr",
        "none",
    ):
        assert name in done.stdout
    assert "delete poss- 1" in done.stdout
    out = json.loads(
        slaeval("audit", "--pred", task[0], "--ref", task[1], "--json", "--top", 1).stdout
    )
    official = out["protocols"]["rwth-2014"]
    assert official["hypothesis_rules"] == {"delete loc-": 1, "delete poss-": 1}
    assert official["floor_errors"] == 1
    assert official["difference"] == 0
    assert out["protocols"]["none"]["moved_segments"] == 2
    assert len(out["protocols"]["none"]["moved"]) == 1
    listed = slaeval("audit", "--list")
    assert "used by" in listed.stdout
    assert slaeval("audit").returncode == 2


def test_help_version_and_completion(slaeval) -> None:
    assert "score" in slaeval("--help").stdout
    assert "--fix-ids" in slaeval("score", "--help").stdout
    assert package.__version__ in slaeval("--version").stdout
    for shell in ("bash", "zsh", "fish"):
        script = slaeval("completion", shell)
        assert script.returncode == 0, script.stderr
        assert "_SLAEVAL_COMPLETE" in script.stdout


def test_reports_in_the_shape_of_sclite(slaeval, task: ReferenceSet, tmp_path: Path) -> None:
    done = slaeval(
        *("score", "--pred", task[0], "--ref", task[1], "--pra", "h.pra", "--dtl", "h.dtl")
    )
    assert done.returncode == 0, done.stderr
    pra = (tmp_path / "h.pra").read_text()
    assert "Scores: (#C #S #D #I) 2 1 0 0" in pra
    assert "REF:  heute nord REGEN" in pra
    dtl = (tmp_path / "h.dtl").read_text()
    # The line that the published scripts grep for.
    assert "Percent Total Error       =   54.5%   (   6)" in dtl


def test_glosses_of_any_script_on_any_terminal(slaeval, tmp_path: Path) -> None:
    (tmp_path / "r.stm").write_text("a 1 s 0.0 1.0 سوال هو 他\n")
    (tmp_path / "h.ctm").write_text("a 1 0.0 0.1 سوال\na 1 0.1 0.1 她\n")
    done = slaeval(
        *("score", "--pred", "h.ctm", "--ref", "r.stm"), PYTHONUTF8="0", PYTHONIOENCODING="ascii"
    )
    assert done.returncode == 0, done.stderr
    assert "WER 66.67 %" in done.stdout
    plain = slaeval("score", "--pred", "h.ctm", "--ref", "r.stm")
    assert "她" in plain.stdout


def test_a_signature_says_only_what_is_known(slaeval, task: ReferenceSet, tmp_path: Path) -> None:
    def signature(*args: object) -> str:
        done = slaeval("score", "--json", *args)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["signature"]

    own = ("--pred", task[0], "--ref", task[1])
    assert signature(*own).startswith("dataset:own|split:own|")
    assert signature(*own, "--dataset", "csl").startswith("dataset:csl-daily|split:own|")
    assert signature(*own, "--dataset", "csl", "--split", "dev").startswith(
        "dataset:csl-daily|split:dev|"
    )
    slaeval("corpus", "sample", "isharah500", "c")
    corpus = ("--pred", "c/hyp.ctm", "--dataset", "isharah500", "--root", "c")
    assert signature(*corpus) == signature(*corpus, "--setup", "si")
    assert signature(*corpus).startswith("dataset:isharah500/SI|split:test|")
    loaded = package.load_corpus("isharah500", tmp_path / "c", "test")
    assert package.score(loaded, tmp_path / "c" / "hyp.ctm").signature == signature(*corpus)


def test_right_to_left_text_is_isolated_once(slaeval) -> None:
    slaeval("corpus", "sample", "isharah500", "c")
    done = slaeval("score", "--pred", "c/hyp.ctm", "--dataset", "isharah500", "--root", "c")
    assert "\u2068" in done.stdout
    assert "\u2068\u2068" not in done.stdout
    for line in done.stdout.splitlines():
        assert line.count("\u2068") == line.count("\u2069")


def test_alignments_for_reading(slaeval, task: tuple[Path, Path], tmp_path: Path) -> None:
    slaeval("score", task[0], "--ref", task[1], "--alignments", "errors.txt")
    text = (tmp_path / "errors.txt").read_text("utf-8")
    assert "1  t-1  (Anna)  1 of 3\n   REF:  HEUTE  NORD  REGEN\n" in text
    assert text.count("REF:") == 4


def test_sclite_shaped_reports_are_in_the_order_of_the_script(slaeval, tmp_path: Path) -> None:
    (tmp_path / "r.stm").write_text("b 1 s 0.0 1.0 X\na 1 s 0.0 1.0 Y\n")
    (tmp_path / "h.ctm").write_text("b 1 0.0 0.1 X\na 1 0.0 0.1 Y\n")
    slaeval("score", "--pred", "h.ctm", "--ref", "r.stm", "--pra", "h.pra")
    names = [x for x in (tmp_path / "h.pra").read_text().splitlines() if x.startswith("File:")]
    assert names == ["File: a", "File: b"]


def test_output_is_whole_or_its_loss_is_said(task) -> None:  # type: ignore[no-untyped-def]
    """The command ends at once when it is done: nothing of it may be lost on the way."""
    command = [sys.executable, "-m", "slaeval", "score", "--pred", str(task[0]), "--ref"]
    command += [str(task[1]), "--json"]
    for buffered in ({}, {"PYTHONUNBUFFERED": "1"}):
        env = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"} | buffered
        done = subprocess.run(command, capture_output=True, text=True, env=env)
        assert (done.returncode, json.loads(done.stdout)["reference_words"]) == (0, 11)
        if os.path.exists("/dev/full"):
            with open("/dev/full", "w") as full:
                lost = subprocess.run(
                    command, stdout=full, stderr=subprocess.PIPE, text=True, env=env
                )
            assert lost.returncode == 1
            assert "error: output: " in lost.stderr
            assert "Traceback" not in lost.stderr


def test_references_without_words_have_no_perfect_transcript(slaeval, tmp_path: Path) -> None:
    (tmp_path / "empty.stm").write_text("a 1 s 0 1\nb 1 s 0 1\n")
    (tmp_path / "hyp.ctm").write_text("a 1 0.00 0.01 REGEN\n")
    done = slaeval("score", "hyp.ctm", "--ref", "empty.stm")
    assert done.returncode == 0, done.stderr
    assert "undefined" in done.stdout
    assert "nan" not in done.stdout
    assert "perfect transcript" not in done.stdout
