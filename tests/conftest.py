"""What tests of several folders need: real annotations, a rendered corpus, checkpoints."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Each process that runs tests has a core; set before torch is imported, inherited by processes.
if os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Shared machines stall: how long an example takes says nothing about what is tested.
settings.register_profile("slaeval", deadline=None)
settings.load_profile("slaeval")


@pytest.fixture(scope="session")
def corpora() -> Path:
    """Folder of the real annotation files, from ``SLAEVAL_TEST_CORPORA``."""
    folder = os.environ.get("SLAEVAL_TEST_CORPORA")
    if not folder:
        pytest.skip("SLAEVAL_TEST_CORPORA is not set")
    return Path(folder)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that all processes of this test run share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def rendered(shared: Path) -> Path:
    """Folder of rendered sentences as PHOENIX-2014-T lays them out; not to be changed.

    12 of train, 3 of dev, 5 of test, made once a test run.
    """
    from filelock import FileLock

    from slaeval.loaders import write_sample

    folder = shared / "phoenix2014t"
    with FileLock(shared / "phoenix2014t.lock"):
        if not folder.exists():
            sizes = {"train": 12, "dev": 3, "test": 5}
            write_sample("phoenix2014t", folder, video=True, sizes=sizes)
    return folder


Make = Callable[..., Path]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, rendered: Path) -> Make:
    """Return the path of a checkpoint with random weights that do something everywhere."""
    import dataclasses

    import torch

    from slaeval.checkpoints import new_checkpoint, save_checkpoint, tower_hash
    from slaeval.decoding import Decoding
    from slaeval.loaders import load_corpus
    from slaeval.models.config import TINY, preset
    from slaeval.models.recogniser import build_recogniser
    from slaeval.recognition.batches import Preprocessing

    folder = tmp_path_factory.mktemp("checkpoints")
    vocabulary = load_corpus("phoenix2014t", rendered).vocabulary

    def make(
        variant: str = "sla-lora",
        seed: int = 0,
        slim: bool = False,
        suffix: str = ".pt",
        **changes: object,
    ) -> Path:
        name = "-".join([variant, str(seed), "slim" if slim else "full", *changes]) + suffix
        path = folder / name
        if path.exists():
            return path
        config = preset(variant, TINY, classes=len(vocabulary) + 1)
        model = build_recogniser(dataclasses.replace(config, hidden=32), seed=seed)
        generator = torch.Generator().manual_seed(seed)
        tensors = {
            f"{part}.{key}": value.clone()
            for part, state in (
                ("adapter", model.adapter_state()),
                ("head", model.head_state()),
                ("tower", model.tower_state()),
            )
            for key, value in state.items()
        }
        for key, value in tensors.items():
            if ".lora_B." in key or ".adapter.up.weight" in key:
                value.normal_(0, 0.3, generator=generator)
            elif ".recurrent." in key:
                value.mul_(8)  # so that the output is sure of something
        content = {
            "model": model.config.to_dict(),
            "vocabulary": vocabulary,
            "preprocessing": Preprocessing(36, 32, "half").to_dict(),
            "decoding": Decoding().to_dict(),
            "corpus": {
                "name": "phoenix2014t",
                "setup": "multisigner",
                "labels": "raw",
                "fps": 25.0,
            },
            "protocol": "official",
            "recipe": {},
            "metrics": {},
            "backbone": {
                "name": TINY,
                "pretrained": None,
                "hash": tower_hash(model.tower_state()),
            },
            "tensors": tensors,
        }
        save_checkpoint(path, new_checkpoint(**{**content, **changes}), slim=slim)
        return path

    return make


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def slaeval(tmp_path: Path) -> Run:
    """Run ``slaeval ARG…`` in an empty folder with an empty configuration.

    With `terminal`, stderr is one, of unknown width and without colours.
    """

    def run(
        *args: object, terminal: bool = False, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        env = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("SLAEVAL_") and key != "NO_COLOR"
        }
        env |= {
            "SLAEVAL_CONFIG_DIR": str(tmp_path / "config"),
            "PYTHONUTF8": "1",
            **environment,
        }
        if terminal:
            env["NO_COLOR"] = "1"
        with _terminal() if terminal else contextlib.nullcontext() as screen:
            done = subprocess.run(
                [sys.executable, "-m", "slaeval", *map(str, args)],
                cwd=tmp_path,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=screen.device if screen else subprocess.PIPE,
                text=True,
                timeout=120,
            )
        if screen:
            done.stderr = screen.text()
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


@pytest.fixture
def slaeval_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Call ``slaeval ARG…`` as `slaeval` does, but in this process, which has torch already.

    A process that imports torch and open_clip computes for four seconds before it does anything,
    one that imports numpy and sacrebleu for one.
    """
    from slaeval.cli.main import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLAEVAL_CONFIG_DIR", str(tmp_path / "config"))
    of_torchrun = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    for name in ("SLAEVAL_DATA", "NO_COLOR", *of_torchrun):
        monkeypatch.delenv(name, raising=False)

    def call(*args: object, **environment: str) -> subprocess.CompletedProcess[str]:
        with monkeypatch.context() as changed:
            changed.setattr(sys, "argv", ["slaeval", *map(str, args)])
            for name, value in environment.items():
                changed.setenv(name, value)
            with pytest.raises(SystemExit) as left:
                main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        code = int(left.value.code or 0)
        return subprocess.CompletedProcess(sys.argv, code, out, err)

    return call


class _Screen:
    """What a process writes to a terminal."""

    def __init__(self, device: int, ours: int) -> None:
        self.device = device
        self._ours = ours
        self._read: list[bytes] = []
        self._reader = threading.Thread(target=self._listen)
        self._reader.start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):  # as on Linux, when the other end is closed
            while piece := os.read(self._ours, 4096):
                self._read.append(piece)

    def text(self) -> str:
        self._reader.join()
        return b"".join(self._read).decode().replace("\r\n", "\n")


@contextlib.contextmanager
def _terminal() -> Iterator[_Screen]:
    pty = pytest.importorskip("pty")
    ours, device = pty.openpty()
    screen = _Screen(device, ours)
    try:
        yield screen
    finally:
        os.close(device)
        screen.text()
        os.close(ours)


STM = """\
;; invented
t-1 1 Anna 0.0 1.79769e+308 HEUTE NORD REGEN
t-2 1 Anna 0.0 1.79769e+308 MORGEN SONNE poss-EUCH
t-3 1 Ben 0.0 1.79769e+308 WIND STARK KOMMEN
t-4 1 Ben 0.0 1.79769e+308 ABEND KALT
"""

CTM = """\
t-1 1 0.00 0.01 HEUTE
t-1 1 0.01 0.01 loc-NORD
t-1 1 0.02 0.01 SCHNEE
t-2 1 0.00 0.01 MORGEN
t-2 1 0.01 0.01 SONNE
t-2 1 0.02 0.01 poss-EUCH
t-2 1 0.03 0.01 IX
t-3 1 0.00 0.01 WIND
t-3 1 0.01 0.01 KOMMEN
"""


@pytest.fixture
def task(tmp_path: Path) -> tuple[Path, Path]:
    """Write a hypothesis and a reference file: 11 words, 2 S, 2 D, 1 I, t-4 is missing."""
    hypothesis, reference = tmp_path / "hyp.ctm", tmp_path / "ref.stm"
    hypothesis.write_text(CTM)
    reference.write_text(STM)
    return hypothesis, reference
