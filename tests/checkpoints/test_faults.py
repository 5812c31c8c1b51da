"""Killed and out of room while saving: what stood there stays."""

from __future__ import annotations

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
    for _ in range(25):
        child = os.fork()
        if child == 0:
            while True:
                for one in checkpoints:
                    save_checkpoint(path, one)
        time.sleep(rng.uniform(0.005, 0.06))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
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
for path in sys.argv[3:]:
    save_checkpoint(path, checkpoint)
    for limit in json.loads(sys.argv[2]):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        for new in (other, large) if limit > 0 else (large,):
            try:
                save_checkpoint(path, new)
                said.append("saved")
            except SlaevalError as error:
                said.append(str(error))
            assert read_checkpoint(path).hash == checkpoint.hash, (limit, said)
            assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]
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
        assert unfinished > 3  # and many a kill fell into a save


@pytest.mark.skipif(sys.platform == "win32", reason="limits a file's size")
def test_no_room_for_the_file(tmp_path: Path) -> None:
    limits = [1, 100, 700, 1500]
    messages = _run(_FULL, limits, tmp_path / "sla.pt", tmp_path / "sla.safetensors")
    assert len(messages) == 16
    for message in messages:
        assert "cannot write: File too large" in message


def test_full_disk(tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(tmp_path)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no right to mount a small disk")
    try:
        messages = _run(_FULL, [-1], tmp_path / "sla.pt", tmp_path / "sla.safetensors")
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
    assert len(messages) == 2
    for message in messages:
        assert "cannot write: No space left on device" in message
