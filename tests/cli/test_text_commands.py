"""``--text``: translations through score, audit and compare, as a user meets them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

IDS = [f"0{n}May_2010_Monday_tagesschau-{n}" for n in range(1, 6)]
SPOKEN = [
    "am montag regen und wind im norden",
    "in der nacht wird es kalt",
    "die sonne scheint im süden den ganzen tag",
    "morgen gibt es schnee in den alpen",
    "guten abend liebe zuschauer",
]
SAID = [
    "am montag regen im norden .",
    "in der nacht wird es sehr kalt .",
    "die sonne scheint im osten den ganzen tag .",
    "morgen gibt es regen in den alpen .",
    "guten abend .",
]


@pytest.fixture
def slaeval(slaeval_here):  # type: ignore[no-untyped-def]
    """Call the command in this process; other files start it as one of its own."""
    return slaeval_here


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Write a corpus of five sentences in the layout of 2014 T; dev has one of its own."""
    folder = tmp_path / "PHOENIX-2014-T" / "annotations" / "manual"
    folder.mkdir(parents=True)
    head = "name|video|start|end|speaker|orth|translation\n"
    for split, rows in (
        ("test", list(zip(IDS, SPOKEN, strict=True))),
        ("dev", [("11May_2011_Friday_heute-9", "es bleibt mild")]),
        ("train", [("12May_2011_Friday_heute-9", "es bleibt kalt")]),
    ):
        (folder / f"PHOENIX-2014-T.{split}.corpus.csv").write_text(
            head + "".join(f"{id}|{id}/*.png|-1|-1|Signer01|X|{text}\n" for id, text in rows),
            encoding="utf-8",
        )
    return tmp_path


@pytest.fixture
def hypotheses(tmp_path: Path) -> Path:
    path = tmp_path / "hyp.tsv"
    rows = zip(IDS, SAID, strict=True)
    path.write_text("".join(f"{id}\t{text}\n" for id, text in rows), encoding="utf-8")
    return path


def ask(slaeval, command: str, *args: object, root: Path):
    return slaeval(command, "--text", *args, "--dataset", "phoenix2014t", "--root", root)


def test_score_prints_every_figure(slaeval, corpus: Path, hypotheses: Path) -> None:
    done = ask(slaeval, "score", "--pred", hypotheses, root=corpus)
    assert done.returncode == 0
    assert done.stderr.startswith("references: ")
    assert "warning" not in done.stderr
    for part in (
        *("protocol signjoey", "BLEU-1", "BLEU-4", "chrF2", "ROUGE-L, beta 1.2", "WER over words"),
        *("PHOENIX-2014-T.test.corpus.csv", "unpunctuated", "Camgöz", "level:text|"),
        *("bleu[nrefs:1|case:mixed|eff:no|tok:none", "REF guten abend liebe zuschauer ."),
    ):
        assert part in done.stdout, part


def test_groups(slaeval, corpus, hypotheses) -> None:
    args = ("--by", "length", "--by", "signer")
    done = ask(slaeval, "score", hypotheses, *args, root=corpus)
    assert "by length" in done.stdout
    out = json.loads(ask(slaeval, "score", hypotheses, *args, "--json", root=corpus).stdout)
    assert out["by_signer"]["Signer01"]["bleu"] == pytest.approx(out["bleu4"])
    assert sum(group["segments"] for group in out["by_length"].values()) == 5


def test_json_has_figures_intervals_and_signatures(slaeval, corpus, hypotheses) -> None:
    out = json.loads(ask(slaeval, "score", hypotheses, "--json", root=corpus).stdout)
    assert out["figures"]["bleu4"]["value"] == out["bleu4"]
    low, high = out["figures"]["bleu4"]["ci"]
    assert low < out["bleu4"] < high
    assert out["figures"]["chrf"]["signature"].startswith("dataset:phoenix2014t|split:test|")
    assert "|chrf2[nrefs:1|" in out["figures"]["chrf"]["signature"]
    assert (out["segments"], out["unit"], out["rouge_beta"]) == (5, "words", "1.2")
    assert set(out["other_readings"]) == {"gfslt", "unpunctuated"}


def test_plain_lines_table_and_json_give_the_same(slaeval, corpus, hypotheses, tmp_path) -> None:
    plain, listed = tmp_path / "hyp.txt", tmp_path / "hyp.json"
    plain.write_text("".join(f"{text}\n" for text in SAID), encoding="utf-8")
    listed.write_text(json.dumps(dict(zip(IDS, SAID, strict=True))))
    figures = []
    for path in (hypotheses, plain, listed):
        done = ask(slaeval, "score", path, "--json", root=corpus)
        assert done.returncode == 0, done.stderr
        figures.append(json.loads(done.stdout)["figures"])
    assert figures[0] == figures[1] == figures[2]
    done = ask(slaeval, "score", plain, root=corpus)
    assert "the sentences have no ids: taken in the order of phoenix2014t test" in done.stderr


def test_a_final_stop_on_one_side_is_told(slaeval, corpus, tmp_path) -> None:
    path = tmp_path / "hyp.txt"
    path.write_text("".join(f"{text.removesuffix(' .')}\n" for text in SAID), encoding="utf-8")
    done = ask(slaeval, "score", path, root=corpus)
    assert "5 of 5 references and 0 of 5 hypotheses end in punctuation" in done.stderr
    joined = tmp_path / "joined.txt"
    joined.write_text("".join(f"{text.removesuffix(' .')}.\n" for text in SAID), encoding="utf-8")
    done = ask(slaeval, "score", joined, root=corpus)
    assert "of the hypotheses is joined to the last word" in done.stderr


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (str.upper, "look like glosses"),
        (lambda text: f"{text} </s>", "marks of a tokeniser"),
        (str.title, "the hypotheses hold capitals and the references hardly any"),
        (lambda text: "今天下雨，我不去。", "not in the same script"),
    ],
    ids=["glosses", "tokens", "case", "script"],
)
def test_what_a_careful_colleague_would_say(slaeval, corpus, tmp_path, change, told) -> None:
    path = tmp_path / "hyp.txt"
    path.write_text("".join(f"{change(text)}\n" for text in SAID), encoding="utf-8")
    done = ask(slaeval, "score", path, root=corpus)
    assert done.returncode == 0
    assert told in done.stderr


def test_segments_missing_unknown_and_empty(slaeval, corpus, tmp_path) -> None:
    path = tmp_path / "hyp.tsv"
    path.write_text(f"{IDS[0]}\t{SAID[0]}\n{IDS[1]}\t\nother-1\tregen .\n", encoding="utf-8")
    done = ask(slaeval, "score", path, root=corpus)
    assert "no hypothesis for 3 of 5 segments" in done.stderr
    assert "1 segment of the hypothesis not in the references" in done.stderr
    assert "1 segment with an empty hypothesis" in done.stderr
    assert "official script" not in done.stderr


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (SAID[:4], "4 sentences without ids for the 5 segments of phoenix2014t test"),
        ([*SAID[:4], f"{IDS[4]} guten abend ."], "hyp:5: a line with an id"),
        ([*SAID[:4], f"guten abend . ({IDS[4]})"], "hyp:5: a line with an id"),
        ([f"{id},{text}" for id, text in zip(IDS, SAID, strict=True)], "a line with an id"),
        (["11May_2011_Friday_heute-9\tes bleibt mild"], "add --split dev"),
        ([f"{IDS[0]}.mp4\tam montag"], "--fix-ids"),
        (["S000020_P0004_T00\t好"], "look like segments of csl-daily"),
        ([f"{IDS[0]}\tam montag", f"{IDS[0]}\tam dienstag"], "with other words"),
    ],
    ids=["count", "ids", "trn", "csv", "split", "paths", "corpus", "twice"],
)
def test_a_file_that_does_not_fit(slaeval, corpus, tmp_path, lines, message) -> None:
    path = tmp_path / "hyp"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    done = ask(slaeval, "score", path, root=corpus)
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--protocol", "rwth-2014"), "unknown text protocol 'rwth-2014'"),
        (("--protocol", "13a"), "not defined for text with blanks"),
        (("--by", "mood"), "cannot group translations by 'mood'"),
        (("--alignments", "x.txt"), "leave out --alignments"),
        (("--bleu",), "leave out --bleu"),
        (("--pra", "x.pra"), "leave out --pra"),
        (("--pred-format", "ctm"), "unknown format 'ctm' of translations"),
    ],
)
def test_misuse(slaeval, corpus, hypotheses, args, message) -> None:
    done = ask(slaeval, "score", hypotheses, *args, root=corpus)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_a_corpus_without_translations(slaeval, hypotheses, tmp_path) -> None:
    assert slaeval("corpus", "sample", "phoenix2014", tmp_path / "c").returncode == 0
    args = ("--dataset", "phoenix2014", "--root", tmp_path / "c")
    done = slaeval("score", "--text", hypotheses, *args)
    assert done.returncode == 1
    assert "has no translation here; of the corpora, phoenix2014t" in done.stderr


def test_references_from_a_file(slaeval, corpus, hypotheses, tmp_path) -> None:
    table = tmp_path / "ref.tsv"
    rows = zip(IDS, SPOKEN, strict=True)
    table.write_text("".join(f"{id}\t{text} .\n" for id, text in rows), encoding="utf-8")
    annotation = corpus / "PHOENIX-2014-T/annotations/manual/PHOENIX-2014-T.test.corpus.csv"
    figures = []
    for ref in (table, annotation):
        args = ("--ref", ref, "--dataset", "phoenix2014t", "--split", "test", "--json")
        out = json.loads(slaeval("score", "--text", hypotheses, *args).stdout)
        assert out["references"] == str(ref)
        figures.append({key: figure["value"] for key, figure in out["figures"].items()})
    assert figures[0] == figures[1]
    plain, said = tmp_path / "ref.txt", tmp_path / "said.txt"
    plain.write_text("".join(f"{text}\n" for text in SPOKEN), encoding="utf-8")
    said.write_text("".join(f"{text}\n" for text in SAID), encoding="utf-8")
    done = slaeval("score", "--text", said, "--ref", plain)
    assert "own references, translations, protocol plain" in done.stdout


def test_csv_of_segments_and_pasted_forms(slaeval, corpus, hypotheses, tmp_path) -> None:
    done = ask(
        slaeval, "score", hypotheses, "--csv", tmp_path / "s.csv", "--format", "csv", root=corpus
    )
    row = next(csv.DictReader(done.stdout.splitlines()))
    assert (row["system"], row["protocol"], row["unit"]) == ("hyp.tsv", "signjoey", "words")
    with (tmp_path / "s.csv").open(encoding="utf-8", newline="") as stream:
        segments = list(csv.DictReader(stream))
    assert [segment["id"] for segment in segments] == IDS
    markdown = ask(slaeval, "score", hypotheses, "--format", "markdown", root=corpus).stdout
    assert "| ROUGE-L | BLEU-1 | BLEU-2 | BLEU-3 | BLEU-4 |" in markdown


def test_latex_has_dev_and_test_in_a_row(slaeval, corpus, hypotheses, tmp_path) -> None:
    dev = tmp_path / "dev.txt"
    dev.write_text("es bleibt mild .\n")
    done = ask(slaeval, "score", hypotheses, "--dev", dev, "--format", "latex", root=corpus)
    lines = done.stdout.splitlines()
    assert r" &  & \multicolumn{5}{c}{Dev} & \multicolumn{5}{c}{Test} \\" in lines
    heads = " & ROUGE & BLEU-1 & BLEU-2 & BLEU-3 & BLEU-4"
    assert rf"Method & Protocol{heads * 2} \\" in lines
    row = next(line for line in lines if line.startswith("hyp &"))
    assert row.startswith("hyp & signjoey & 100.00 & 100.00 & 100.00 & 100.00 & 100.00 & ")


def test_audit_shows_rules_moves_and_claims(slaeval, corpus, hypotheses) -> None:
    plain = json.loads(ask(slaeval, "audit", hypotheses, "--json", root=corpus).stdout)
    protocols = plain["protocols"]
    assert next(iter(protocols)) == "signjoey"
    assert protocols["signjoey"]["reference_rules"] == {"add the full stop": 5}
    assert protocols["unpunctuated"]["hypothesis_rules"] == {"drop punctuation": 5}
    assert protocols["unpunctuated"]["moved_segments"] > 0
    assert plain["undefined"] == ["13a"]
    value = protocols["unpunctuated"]["bleu4"]
    done = ask(slaeval, "audit", hypotheses, "--claimed", f"{value:.2f}", root=corpus)
    assert f"BLEU-4 {value:.2f} matches unpunctuated" in done.stdout
    assert "gfslt*" in done.stdout
    assert "* final punctuation on one side only" in done.stdout
    done = ask(slaeval, "audit", hypotheses, "--claimed", "rouge=1.0", root=corpus)
    assert "ROUGE-L 1.0 matches no protocol. The nearest is" in done.stdout
    done = ask(slaeval, "audit", hypotheses, "--claimed", "rouge=0.387", root=corpus)
    assert "if 0.387 is a fraction, claim 38.7." in " ".join(done.stdout.split())
    for wrong, told in (("meteor=3", "no figure 'meteor'"), ("high", "expected BLEU-4 in percent")):
        done = ask(slaeval, "audit", hypotheses, "--claimed", wrong, root=corpus)
        assert done.returncode == 2
        assert told in done.stderr


def test_audit_lists_protocols_with_source_and_defaults(slaeval) -> None:
    done = slaeval("audit", "--text", "--list")
    for part in ("neccam/slt", "FangyunWei/SLRT", "GFSLT-VLP", "Uni-Sign", "csl-daily: twostream"):
        assert part in done.stdout


def test_compare_has_sacrebleus_tests(slaeval, corpus, hypotheses, tmp_path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("".join(f"{text}\n" for text in ["regen .", *SAID[1:]]), encoding="utf-8")
    done = ask(slaeval, "compare", hypotheses, other, root=corpus)
    assert "points of BLEU-4 better than other.txt" in done.stdout
    assert "bs:1000|seed:12345" in done.stdout
    assert "ar:10000|seed:12345" in done.stdout
    out = json.loads(ask(slaeval, "compare", hypotheses, other, "--json", root=corpus).stdout)
    pair = out["pairs"][0]
    assert (pair["segments_won"], pair["segments_lost"], pair["segments_tied"]) == (1, 0, 4)
    assert pair["differences"]["bleu4"] > 0
    same = ask(slaeval, "compare", hypotheses, hypotheses, "--json", root=corpus)
    assert json.loads(same.stdout)["pairs"][0]["differences"]["bleu4"] == 0
    done = ask(slaeval, "compare", hypotheses, root=corpus)
    assert done.returncode == 2
    for form in ("markdown", "latex", "csv"):
        done = ask(slaeval, "compare", hypotheses, other, "--format", form, root=corpus)
        assert done.returncode == 0, done.stderr
        assert "other" in done.stdout
    done = ask(slaeval, "compare", hypotheses, other, "--against", "published", root=corpus)
    assert done.returncode == 2


def test_chinese_under_a_word_tokeniser_is_told(slaeval, tmp_path) -> None:
    sample = tmp_path / "csl"
    assert slaeval("corpus", "sample", "csl-daily", sample).returncode == 0
    args = ("score", "--text", sample / "translations.tsv", "--dataset", "csl-daily")
    done = slaeval(*args, "--root", sample, "--protocol", "13a")
    assert "Chinese without blanks under 13a" in done.stderr
    text = (sample / "translations.tsv").read_text("utf-8")
    (tmp_path / "ascii.tsv").write_text(text.replace("。", "."), encoding="utf-8")
    done = slaeval("score", "--text", tmp_path / "ascii.tsv", *args[3:], "--root", sample)
    assert "the references have full-width punctuation" in done.stderr


def test_references_that_differ_are_told_apart(slaeval, corpora: Path, tmp_path: Path) -> None:
    """Each of the 642 test references of 2014 T lacks the full stop that slt's pickle has."""
    folder = corpora / "phoenix2014t"
    said = tmp_path / "hyp.txt"
    said.write_text("am tag regen .\n" * 642)
    signatures, values = set(), []
    for where in (("--root", folder), ("--ref", folder / "slt" / "phoenix-2014t.test")):
        args = ("--dataset", "phoenix2014t", "--split", "test", *where, "--json")
        out = json.loads(slaeval("score", "--text", said, *args).stdout)
        signatures.add((out["references"], out["signature"]))
        values.append([figure["value"] for figure in out["figures"].values()])
    assert len(signatures) == 2
    assert values[0] == pytest.approx(values[1])


def test_report_is_one_page_with_everything(slaeval, tmp_path: Path) -> None:
    sample = tmp_path / "c"
    assert slaeval("corpus", "sample", "phoenix2014t", sample).returncode == 0
    where = ("--dataset", "phoenix2014t", "--root", sample)
    done = slaeval(
        *("report", "--text", sample / "translations.tsv", *where, "--out", tmp_path / "r.html"),
        *("--against", sample / "translations_b.tsv", "--glosses", sample / "hyp.ctm"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{tmp_path / 'r.html'}: BLEU-4 ")
    page = (tmp_path / "r.html").read_text("utf-8")
    for part in (
        *("ROUGE-L, beta 1.2", "95 % between", "gfslt*", "By reference length", "bootstrap p"),
        *("Signer01", "PHOENIX-2014-T.test.corpus.csv", "neccam/slt", '<p class="note">Glosses:'),
    ):
        assert part in page, part
    assert "<script>alert" not in page
    assert page.count('<tr><th scope="row" class="t"><bdi title=') == 48
    args = ("score", "--text", sample / "translations.tsv", *where, "--html", tmp_path / "s.html")
    assert slaeval(*args).returncode == 0
    assert "BLEU-4" in (tmp_path / "s.html").read_text("utf-8")
    done = slaeval("report", sample / "hyp.ctm", "--glosses", sample / "hyp.ctm", *where)
    assert done.returncode == 2


def test_what_sentences_hold_cannot_run_in_the_page(slaeval, corpus, tmp_path: Path) -> None:
    path = tmp_path / "hyp.txt"
    evil = '<script>alert("x")</script> & </details>'
    path.write_text("".join(f"{evil}\n" for _ in SAID), encoding="utf-8")
    done = ask(slaeval, "report", path, "--out", tmp_path / "r.html", root=corpus)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
