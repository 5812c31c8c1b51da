"""What an installation puts where: one name in the wheel, nothing new in the checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_PACKAGED = ("slaeval", "loaders", "scoring", "checkpoints", ".ci")
_FILES = ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")

_BUILD = """
import sys
sys.path.insert(0, ".ci")
import build_backend as backend
out = sys.argv[1]  # the backend changes the arguments
backend.get_requires_for_build_wheel()
print(backend.build_wheel(out), backend.build_sdist(out), sep="\\n")
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout without what running it leaves behind."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in _PACKAGED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in _FILES:
        shutil.copy(ROOT / name, folder / name)
    return folder


def _build(checkout: Path, out: Path) -> list[Path]:
    """Build wheel and sdist; return their paths."""
    pytest.importorskip("setuptools", minversion="77")
    done = subprocess.run(
        [sys.executable, "-B", "-c", _BUILD, out],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [out / name for name in done.stdout.splitlines()[-2:]]


def test_a_wheel_holds_one_name_and_all_of_it(checkout: Path, tmp_path: Path) -> None:
    before = sorted(checkout.rglob("*"))
    wheel, sdist = _build(checkout, tmp_path)
    assert sorted(checkout.rglob("*")) == before
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = set()
    for folder in ("slaeval", "loaders", "scoring", "checkpoints"):
        below = "" if folder == "slaeval" else "slaeval/"
        expected |= {
            below + path.relative_to(checkout).as_posix()
            for path in (checkout / folder).rglob("*")
            if path.is_file()
        }
    assert names == expected
    shutil.unpack_archive(sdist, tmp_path / "unpacked")
    (source,) = (tmp_path / "unpacked").iterdir()
    again, _ = _build(source, tmp_path / "again")
    assert again.read_bytes()[:2] == b"PK"


def test_the_readme_has_the_command_that_ci_runs() -> None:
    assert 'pip install ".[test]" && pytest' in (ROOT / "README.md").read_text("utf-8")
