"""Killed and out of room while saving: what stood there stays."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent

# One process imports torch; each save happens in a child that can be killed.
_KILLED = """
import json, os, random, signal, sys, time
sys.path.insert(0, sys.argv[1])
from sample_checkpoint import make_checkpoint
from slaeval.checkpoints import read_checkpoint, save_checkpoint
import torch
def made(seed):
    large = torch.full((1000, 500), float(seed))
    return make_checkpoint(seed, tensors=make_checkpoint(seed).tensors | {"head.large": large})
checkpoints = [made(0), made(1)]
hashes = [one.hash for one in checkpoints]
rng = random.Random(1)
out = []
for path in sys.argv[2:]:
    save_checkpoint(path, checkpoints[0])
    seen, unfinished = set(), 0
    for turn in range(25):
        ready, tell = os.pipe()
        child = os.fork()
        if child == 0:
            while True:
                for one in checkpoints[:: 1 - 2 * (turn % 2)]:
                    save_checkpoint(path, one)
                    os.write(tell, b".")
        os.read(ready, 1)  # one save is through; the kill falls somewhere into the next ones
        time.sleep(rng.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(tell)
        seen.add(hashes.index(read_checkpoint(path).hash))
        folder = os.path.dirname(path)
        for name in os.listdir(folder):
            if name.endswith(".tmp"):
                unfinished += 1
                os.unlink(os.path.join(folder, name))
    out.append([sorted(seen), unfinished])
print(json.dumps(out))
"""

_FULL = """
import json, os, resource, sys
sys.path.insert(0, sys.argv[1])
import torch
from sample_checkpoint import make_checkpoint
from slaeval.checkpoints import read_checkpoint, save_checkpoint
from slaeval.errors import SlaevalError
checkpoint, other = make_checkpoint(0), make_checkpoint(1)
large = make_checkpoint(1, tensors=other.tensors | {"head.large": torch.ones(300_000)})
said = []
jobs = json.loads(sys.argv[2])
for folder, limits, path in [
    (folder, limits, f"{folder}/sla.{form}")
    for folder, limits in jobs
    for form in ("pt", "safetensors")
]:
    save_checkpoint(path, checkpoint)
    for limit in limits:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        for new in (other, large) if limit > 0 else (large,):
            try:
                save_checkpoint(path, new)
                said.append("saved")
            except SlaevalError as error:
                said.append(str(error))
            assert read_checkpoint(path).hash == checkpoint.hash, (limit, said)
            assert os.listdir(folder) == [os.path.basename(path)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    os.unlink(path)
print(json.dumps(said))
"""


def _run(code: str, *arguments: object) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", code, str(HERE), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
def test_killed_while_saving(tmp_path: Path) -> None:
    for seen, unfinished in _run(_KILLED, tmp_path / "sla.pt", tmp_path / "sla.safetensors"):
        assert seen == [0, 1]  # both were written in the meantime
        assert unfinished  # and kills fell into a save


def test_the_system_may_write_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux writes no more than 2 GiB at once, and what room is left on a disk."""
    from sample_checkpoint import assert_same, make_checkpoint

    from slaeval.checkpoints import read_checkpoint, save_checkpoint, storing

    class Sparing(io.FileIO):
        def write(self, data: Any) -> int:
            return super().write(memoryview(data)[:100])

    monkeypatch.setattr(
        storing, "open", lambda path, mode, **_: Sparing(path, mode.replace("b", "")), raising=False
    )
    save_checkpoint(tmp_path / "a.pt", make_checkpoint())
    monkeypatch.undo()
    assert_same(read_checkpoint(tmp_path / "a.pt"), make_checkpoint())


@pytest.mark.skipif(sys.platform == "win32", reason="limits a file's size")
def test_no_room(tmp_path: Path) -> None:
    """A limit on the file's size and, where that may be mounted, a disk that is full."""
    disk, folder = tmp_path / "disk", tmp_path / "folder"
    disk.mkdir()
    folder.mkdir()
    mounted = not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True
    ).returncode
    jobs = [(str(folder), [1, 100, 700, 1500]), *([(str(disk), [-1])] if mounted else [])]
    try:
        messages = _run(_FULL, json.dumps(jobs))
    finally:
        if mounted:
            subprocess.run(["umount", str(disk)], check=True)
    assert len(messages) == (18 if mounted else 16)
    for message in messages[:16]:
        assert "cannot write: File too large" in message
    for message in messages[16:]:
        assert "cannot write: No space left on device" in message
