"""A package of somebody else's: a corpus, a protocol and a model by entry point."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = """
from dataclasses import replace

from slaeval.loaders.layout import Layout, rows_of
from slaeval.loaders.records import UNPUBLISHED, Sample
from slaeval.loaders.sample.draft import SampleMaker, hypotheses
from slaeval.scoring.protocols import protocol


def draft(draft):
    for split in draft.sizes:
        rows = [(f"{split}-{n}", "S1", ["A", "B", "C"], "a b c") for n in range(3)]
        draft.files[f"{split}.psv"] = "name|gloss\\n" + "".join(
            f"{name}|{' '.join(glosses)}\\n" for name, _, glosses, _ in rows
        )
        if split == "test":
            draft.files.update(hypotheses(draft.rng, rows))


MAKER = SampleMaker(draft, [[("A", "a")]])


class Corpus(Layout):
    name = "house-corpus"
    title = "the corpus of our house"
    licence = "ours"
    source = "https://example.org"
    spellings = ("our corpus",)
    facts = {}
    broken = {}
    language = "xx"
    translations = UNPUBLISHED
    header = ("name", "gloss")
    sample = "house:MAKER"

    def patterns(self, setup, split):
        return (f"{split}.psv",)

    def read(self, path, base, setup, split):
        return [
            Sample(cells[0], self.name, setup, split, "S1", cells[1], tuple(cells[1].split()),
                   translation=cells[1].lower(), source=path)
            for _, cells in rows_of(path, "an annotation", ("name", "gloss"))
        ]


RULES = replace(protocol("none"), name="house-rules", title="the rules of our house")


class Model:
    fingerprint = "none"

    def __init__(self):
        from slaeval.recognition.batches import Preprocessing

        self.vocabulary = ["A", "B"]
        self.preprocessing = Preprocessing(36, 32, "half")

    def __call__(self, frames, lengths):
        raise NotImplementedError
"""

POINTS = """
[slaeval.corpora]
house-corpus = house:Corpus

[slaeval.protocols]
house-rules = house:RULES

[slaeval.models]
house-model = house:Model
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install a package as pip does: a module, and a folder with what it declares."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "house.py").write_text(MODULE)
    declared = folder / "house-1.0.dist-info"
    declared.mkdir()
    (declared / "METADATA").write_text("Metadata-Version: 2.1\nName: house\nVersion: 1.0\n")
    (declared / "entry_points.txt").write_text(POINTS)
    return folder


@pytest.fixture
def ask(slaeval, installed: Path):
    paths = [str(installed), *filter(None, [os.environ.get("PYTHONPATH")])]
    return lambda *args: slaeval(*args, PYTHONPATH=os.pathsep.join(paths))


def test_a_corpus_and_a_protocol_of_a_package_are_used_by_name(ask, tmp_path: Path) -> None:
    listed = ask("corpus", "list")
    assert "house-corpus" in listed.stdout, listed.stderr
    made = ask("corpus", "sample", "Our Corpus", "s")
    assert made.returncode == 0, made.stderr
    scored = ask("score", "s/hyp.ctm", "--dataset", "our-corpus", "--root", "s")
    assert "house-corpus test, protocol official" in scored.stdout, scored.stderr
    audited = ask("audit", "s/hyp.ctm", "--ref", "s/test.psv", "--protocol", "house-rules")
    assert "the rules of our house" in audited.stdout, audited.stderr
    listed = " ".join(ask("audit", "--list", "--text").stdout.split())
    assert "isharah2000, house-corpus: plain, because" in listed


def test_a_model_of_a_package_is_used_by_name(installed: Path) -> None:
    pytest.importorskip("torch")
    code = (
        f"import sys; sys.path.insert(0, {str(installed)!r})\n"
        "from slaeval.recognition.model import load_model\n"
        "print(*load_model('house-model').vocabulary)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "A B\n", done.stderr
