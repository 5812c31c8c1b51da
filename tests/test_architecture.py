"""What may know of what."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("slaeval", "loaders", "scoring", "checkpoints")
HEAVY = {"torch", "open_clip", "peft", "decord", "matplotlib"}


def _imports(folder: str) -> dict[str, set[str]]:
    """Return the modules each file of a folder names in an import, wherever it stands."""
    found = {}
    for path in (ROOT / folder).rglob("*.py"):
        names = set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module)
                names.update(f"{node.module}.{alias.name}" for alias in node.names)
        found[str(path.relative_to(ROOT))] = names
    return found


@pytest.mark.parametrize(("folder", "other"), [("scoring", "loaders"), ("loaders", "scoring")])
def test_scoring_and_loaders_do_not_know_each_other(folder: str, other: str) -> None:
    for path, names in _imports(folder).items():
        assert not [name for name in names if name.startswith(f"slaeval.{other}")], path
        # The one module that reads video.
        allowed = {"decord"} if path == "loaders/video.py" else set()
        assert not {name.split(".")[0] for name in names} & HEAVY - allowed, path


def test_video_decoders_are_imported_where_they_are_needed() -> None:
    code = "import sys, slaeval.loaders.video; print({'decord', 'PIL', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


def test_nothing_imports_the_command_line() -> None:
    for folder in FOLDERS:
        for path, names in _imports(folder).items():
            if path not in ("slaeval/__main__.py", "slaeval/cli/completion.py"):
                assert "slaeval.cli.main" not in names, path


#: From the bottom up; a module may import from its own floor and from those below it.
FLOORS = (
    {"errors", "files", "extras", "console", "_version", "compiled"},
    {"formats"},
    {"scoring", "loaders", "checkpoints"},
    {"evaluation", "decoding", "models", "metrics"},
    {"recognition", "analysis", "compat"},
    {"training", "report"},
    {"cli"},
)


def _floor(module: str) -> int:
    part = module.split(".")[1] if "." in module else "cli"
    return next((n for n, floor in enumerate(FLOORS) if part in floor), len(FLOORS))


def _module_of(path: str) -> str:
    name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return name if name.split(".")[0] == "slaeval" else f"slaeval.{name}"


def _own_imports() -> dict[str, set[str]]:
    """Return the modules of ours that each module imports, wherever the import stands."""
    files = {
        _module_of(path): names for folder in FOLDERS for path, names in _imports(folder).items()
    }
    return {
        module: {name for name in names if name in files and name != "slaeval"}
        for module, names in files.items()
        if module not in ("slaeval", "slaeval.__main__")
    }


def test_nothing_is_imported_from_a_higher_floor() -> None:
    wrong = [
        (module, name)
        for module, names in _own_imports().items()
        for name in names
        if _floor(name) > _floor(module)
    ]
    assert not wrong


def test_packages_do_not_import_in_circles() -> None:
    def package(module: str) -> str:
        return module.split(".")[1] if "." in module else module

    edges: dict[str, set[str]] = {}
    for module, names in _own_imports().items():
        edges.setdefault(package(module), set()).update(map(package, names))
    graphlib.TopologicalSorter({name: others - {name} for name, others in edges.items()}).prepare()


def test_import_costs_nothing() -> None:
    code = (
        "import sys, slaeval; before = set(sys.modules); slaeval.score; "
        "print(sorted({name.split('.')[0] for name in sys.modules} & "
        "{'numpy', 'numba', 'pandas', 'click', 'torch', 'matplotlib', 'sacrebleu'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_a_folder_of_the_user_does_not_shadow_ours(tmp_path: Path) -> None:
    (tmp_path / "loaders").mkdir()
    (tmp_path / "loaders" / "__init__.py").write_text("raise SystemExit('shadowed')")
    code = "import slaeval.loaders as ours; print(ours.resolve('csl'))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout == "csl-daily\n", done.stderr


def test_a_checkout_runs_as_it_is(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import slaeval.scoring.protocols as p; "
        "import os; print(os.path.realpath(p.__file__))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.strip() == str(ROOT / "scoring" / "protocols.py"), done.stderr


#: Lines of a function, without signature and docstring.
LONGEST = 60

#: Those that may be longer, and why.
LONG = {
    "slaeval/decoding/kernels.py:search": "compiled: split, short decodes took 15 % longer",
    "slaeval/models/config.py:__post_init__": "one check after the other, a field each",
}


def test_functions_are_short() -> None:
    long = {}
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    continue
                body = node.body[1 if ast.get_docstring(node) is not None else 0 :]
                lines = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
                if lines > LONGEST:
                    long[f"{path.relative_to(ROOT)}:{node.name}"] = lines
    assert not long.keys() - LONG.keys(), f"over {LONGEST} lines: split them, or say why not"
    assert not LONG.keys() - long.keys(), "no longer that long: take them off the list"
