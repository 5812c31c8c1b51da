"""The examples in the docstrings of the public surface run, and the main calls have some."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

import slaeval

#: What a newcomer calls first.
MAIN = ("audit", "compare", "load_corpus", "published", "score")


@pytest.mark.parametrize("name", sorted(set(slaeval.__all__) - {"__version__"}))
def test_examples_run(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLAEVAL_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("SLAEVAL_DATA", raising=False)
    if name in ("evaluate", "load_checkpoint", "train"):
        pytest.importorskip("peft")
    found = getattr(slaeval, name)
    tests = doctest.DocTestFinder(recurse=False).find(found, name, globs={"slaeval": slaeval})
    examples = sum(len(test.examples) for test in tests)
    if name in MAIN:
        assert examples > 0
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in tests:
        runner.run(test)
    assert runner.summarize().failed == 0, capsys.readouterr().out
