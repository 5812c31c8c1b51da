"""The notebooks run from top to bottom as a reader opens them, and are clean in git.

Each runs in a kernel of this interpreter, registered for the test alone, in an empty folder and
without network.
"""

from __future__ import annotations

import ast
import json
import os
import sys
from pathlib import Path

import nbformat
import pytest

import slaeval
from slaeval import analysis
from slaeval.extras import install_command

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
#: How many pictures each shows when it has run.
PICTURES = {
    "01-error-analysis": 10,
    "02-two-systems": 9,
    "03-protocol-audit": 5,
    "04-train-run-look": 9,
    "05-translations": 3,
}

#: Training takes minutes; here it is to run, not to learn.
SHORTER = {
    "04-train-run-look": 'SENTENCES = {"train": 8, "dev": 2, "test": 3}\nEPOCHS = 2',
}

#: Run in the kernel before the notebook: only this machine can be reached.
_NO_NETWORK = """
import socket

class _Here(socket.socket):
    def connect(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in (
            "127.0.0.1", "::1", "localhost"
        ):
            raise OSError(f"a notebook of slaeval needs no network, and asked for {address}")
        return super().connect(address)

socket.socket = _Here
"""


def named(path: Path) -> str:
    return path.stem


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a kernel that runs this interpreter and knows slaeval as this process does."""
    name = "slaeval-test"
    spec = tmp_path / "jupyter" / "kernels" / name
    spec.mkdir(parents=True)
    start = tmp_path / "ipython" / "profile_default" / "startup"
    start.mkdir(parents=True)
    (start / "00-no-network.py").write_text(_NO_NETWORK)
    packages = str(Path(slaeval.__file__).parents[1])
    environment = {
        "PYTHONPATH": os.pathsep.join(filter(None, (packages, os.environ.get("PYTHONPATH")))),
        "SLAEVAL_CONFIG_DIR": str(tmp_path / "config"),
        "OMP_NUM_THREADS": "1",
    }
    (spec / "kernel.json").write_text(
        json.dumps(
            {
                "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                "display_name": name,
                "language": "python",
                "env": environment,
            }
        )
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.delenv("SLAEVAL_DATA", raising=False)
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the kernel's own shows plots in the notebook
    return name


@pytest.mark.parametrize("path", NOTEBOOKS, ids=named)
def test_runs_from_top_to_bottom(path: Path, kernel: str, tmp_path: Path) -> None:
    from nbclient import NotebookClient

    work = tmp_path / "work"
    work.mkdir()
    notebook = nbformat.read(path, as_version=4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    first.source += "\n" + SHORTER.get(path.stem, "")
    NotebookClient(
        notebook,
        timeout=900,
        startup_timeout=300,
        kernel_name=kernel,
        resources={"metadata": {"path": str(work)}},
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    said = [output["text"] for output in outputs if output.get("name") == "stderr"]
    # No warning, no progress: a reader should see results, and what a score warns of. tqdm, which
    # open_clip imports, asks for ipywidgets wherever it finds a notebook.
    expected = ("IProgress not found", "ScoreWarning: ")
    assert not [text for text in said if not any(part in text for part in expected)]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == PICTURES[path.stem]
    assert not list(work.iterdir())  # what is written goes to temporary folders
    if folder := os.environ.get("SLAEVAL_EXECUTED_NOTEBOOKS"):  # to look at them
        nbformat.write(notebook, Path(folder) / path.name)


def test_there_are_notebooks_and_all_are_counted() -> None:
    assert {path.stem for path in NOTEBOOKS} == set(PICTURES)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=named)
def test_no_output_is_in_git(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        assert not cell.metadata
        if cell.cell_type == "code":
            assert cell.execution_count is None
            assert cell.outputs == []
    assert path.stat().st_size < 30_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=named)
def test_the_first_code_is_what_a_reader_changes(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.startswith("# ")
    first = next(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert first.startswith("# Change these lines")
    assert all(isinstance(line, ast.Assign) for line in ast.parse(first).body)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=named)
def test_it_says_what_to_install(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    first = next(place for place, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    extras = ("analysis", "run") if "train" in path.stem else ("analysis",)
    above = " ".join(cell.source for cell in notebook.cells[:first])
    assert f"`{install_command(*extras)}`" in above


def test_their_readme_says_what_to_install() -> None:
    text = (FOLDER / "README.md").read_text("utf-8")
    assert f"\n{install_command('analysis', 'run')}\n" in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=named)
def test_only_the_public_surface_is_used(path: Path) -> None:
    """Of slaeval only ``slaeval.NAME`` and ``analysis.NAME``, as their ``__all__`` say."""
    notebook = nbformat.read(path, as_version=4)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    public = {"slaeval": slaeval.__all__, "analysis": analysis.__all__}
    used = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            assert {alias.name for alias in node.names if "slaeval" in alias.name} <= {"slaeval"}
            assert not [alias for alias in node.names if alias.asname in public]
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("slaeval"):
            imported = [(alias.name, alias.asname) for alias in node.names]
            assert (node.module, imported) == ("slaeval", [("analysis", None)])
        elif isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_"), node.attr
            if isinstance(node.value, ast.Name) and node.value.id in public:
                assert node.attr in public[node.value.id], node.attr
                used.add(node.value.id)
    assert used == set(public)
