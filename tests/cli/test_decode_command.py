"""``slaeval decode``: saved log probabilities in every form give the same hypotheses."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slaeval.decoding import decode
from slaeval.decoding.saved import as_log_probs

Run = Callable[..., subprocess.CompletedProcess[str]]

GLOSSES = ("ABEND", "HEUTE", "REGEN", "SÜD")


def _logits(seed: int, steps: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 4, (steps, len(GLOSSES) + 1)).astype(np.float32)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    exact = logits.astype(np.float64)
    return (exact - np.log(np.exp(exact).sum(1, keepdims=True))).astype(np.float32)


LOGITS = {name: _logits(seed) for seed, name in enumerate(("clip-1", "clip-2", "clip-3"))}
CLIPS = {name: _log_softmax(logits) for name, logits in LOGITS.items()}


@pytest.fixture
def expected(tmp_path: Path) -> str:
    Path(tmp_path, "glosses.txt").write_text("\n".join(GLOSSES) + "\n", "utf-8")
    lines = []
    for name, values in CLIPS.items():
        [classes] = decode(values[None])
        assert classes
        for place, number in enumerate(classes):
            lines.append(f"{name} 1 {place / 100:.2f} 0.01 {GLOSSES[number - 1]}\n")
    return "".join(lines)


def _as_npy(folder: Path) -> None:
    for name, values in CLIPS.items():
        np.save(folder / f"{name}.npy", values)


def _as_half_precision_in_batches_of_one(folder: Path) -> None:
    for name, values in CLIPS.items():
        np.save(folder / f"{name}.npy", values.astype(np.float16)[None])


def _as_one_npz(folder: Path) -> None:
    np.savez(folder / "all.npz", **CLIPS)


def _as_npz_a_clip(folder: Path) -> None:
    for name, values in CLIPS.items():
        np.savez_compressed(folder / f"{name}.npz", prob=values)


def _as_tensors(folder: Path) -> None:
    torch = pytest.importorskip("torch")
    for name, values in CLIPS.items():
        torch.save(torch.from_numpy(values), folder / f"{name}.pt")


def _as_one_dict(folder: Path) -> None:
    torch = pytest.importorskip("torch")
    tensors = {name: torch.from_numpy(values).half() for name, values in CLIPS.items()}
    torch.save(tensors, folder / "all.pt")


@pytest.mark.parametrize(
    "write",
    [
        _as_npy,
        _as_half_precision_in_batches_of_one,
        _as_one_npz,
        _as_npz_a_clip,
        _as_tensors,
        _as_one_dict,
    ],
)
def test_every_form(
    slaeval_here: Run, tmp_path: Path, expected: str, write: Callable[[Path], None]
) -> None:
    folder = tmp_path / "logits" / "below"
    folder.mkdir(parents=True)
    write(folder)
    done = slaeval_here("decode", "logits", "--vocab", "glosses.txt", "--values", "log-probs")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "hyp.ctm").read_text("utf-8") == expected
    count = expected.count("\n")
    assert done.stdout == f"hyp.ctm: {count} glosses in 3 clips (beam10+merged)\n"


@pytest.mark.parametrize("values", ["logits", "probs"])
def test_what_the_numbers_are(
    slaeval_here: Run, tmp_path: Path, expected: str, values: str
) -> None:
    other = LOGITS if values == "logits" else {name: np.exp(v) for name, v in CLIPS.items()}
    # The blank last, as some code has it.
    np.savez(tmp_path / "all.npz", **{name: np.roll(v, -1, axis=1) for name, v in other.items()})
    options = ("--vocab", "glosses.txt", "--blank", "-1", "--out", "mine.ctm")
    done = slaeval_here("decode", "all.npz", *options, "--values", values)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mine.ctm").read_text("utf-8") == expected
    wrong = slaeval_here("decode", "all.npz", *options)
    assert wrong.returncode == 1
    assert f"--values {values}" in wrong.stderr


@pytest.mark.parametrize(
    ("files", "ids"),
    [
        ({"lp.npz": ["clip-1"]}, ["clip-1"]),
        ({"lp.npz": ["arr_0"]}, ["lp"]),
        ({"part-1.npz": ["clip-1", "clip-2"], "part-2.npz": ["clip-3"]}, [*CLIPS]),
        ({"clip-1.npz": ["prob"], "clip-2.npz": ["prob"]}, ["clip-1", "clip-2"]),
    ],
    ids=["a name", "no name", "parts", "a clip each"],
)
def test_where_ids_come_from(
    slaeval_here: Run, tmp_path: Path, expected: str, files: dict[str, list[str]], ids: list[str]
) -> None:
    folder = tmp_path / "logits"
    folder.mkdir()
    arrays = iter(CLIPS.values())
    for name, names in files.items():
        np.savez(folder / name, **{array: next(arrays) for array in names})
    given = "logits" if len(files) > 1 else f"logits/{next(iter(files))}"
    done = slaeval_here("decode", given, "--vocab", "glosses.txt")
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "hyp.ctm").read_text("utf-8").splitlines()
    assert sorted({line.split()[0] for line in lines}) == sorted(ids)


def test_options_of_decoding(slaeval: Run, tmp_path: Path, expected: str) -> None:
    np.savez(tmp_path / "all.npz", **CLIPS)
    greedy = ("--decoding", "greedy", "--no-merge-repeats")
    done = slaeval("decode", "all.npz", "--vocab", "glosses.txt", *greedy)
    assert "(greedy)" in done.stdout
    said: dict[str, list[str]] = {name: [] for name in CLIPS}
    for line in (tmp_path / "hyp.ctm").read_text("utf-8").splitlines():
        said[line.split()[0]].append(line.split()[-1])
    for name, values in CLIPS.items():
        best = values.argmax(1).tolist()
        kept = [k for k, before in zip(best, [0, *best], strict=False) if k and k != before]
        assert said[name] == [GLOSSES[k - 1] for k in kept]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((3, 4), np.float32), "4 classes, but glosses.txt has 4 glosses"),
        (np.zeros((2, 3, 5), np.float32), "expected floats [steps, classes]"),
        (np.zeros((3, 5), np.int64), "is int64 [3, 5]"),
        (np.full((3, 5), np.nan, np.float32), "nan at step 0"),
        (np.array([{"a": 1}]), "holds Python objects; expected an array of floats"),
        (b"not an array", "not a .npy or .npz file of numpy"),
        (b"\x93NUMPY\x01\x00", "no array can be read: damaged or truncated"),
    ],
)
def test_what_is_no_saved_output(
    slaeval_here: Run, tmp_path: Path, expected: str, content: object, message: str
) -> None:
    folder = tmp_path / "logits"
    folder.mkdir()
    if isinstance(content, bytes):
        (folder / "a.npy").write_bytes(content)
    else:
        np.save(folder / "a.npy", content, allow_pickle=True)  # type: ignore[arg-type]
    done = slaeval_here("decode", "logits", "--vocab", "glosses.txt")
    assert done.returncode == 1
    assert message in done.stderr
    assert "a.npy" in done.stderr
    assert "allow_pickle" not in done.stderr
    assert not (tmp_path / "hyp.ctm").exists()


def test_an_id_that_is_there_twice(slaeval_here: Run, tmp_path: Path, expected: str) -> None:
    for below in ("logits/dev", "logits/test"):
        (tmp_path / below).mkdir(parents=True)
        np.save(tmp_path / below / "clip-1.npy", CLIPS["clip-1"])
    done = slaeval_here("decode", "logits", "--vocab", "glosses.txt")
    assert done.returncode == 1
    assert "duplicate id" in done.stderr
    (tmp_path / "empty").mkdir()
    assert "no .npy" in slaeval_here("decode", "empty", "--vocab", "glosses.txt").stderr
    blank = slaeval_here("decode", "logits/dev", "--vocab", "glosses.txt", "--blank", "5")
    assert blank.returncode == 2


def test_a_pickle_in_a_tensor_file_runs_nothing(
    slaeval_here: Run, tmp_path: Path, expected: str
) -> None:
    torch = pytest.importorskip("torch")

    class Harm:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "harmed",))

    torch.save({"clip-1": Harm()}, tmp_path / "a.pt")
    done = slaeval_here("decode", "a.pt", "--vocab", "glosses.txt")
    assert done.returncode == 1
    assert "no tensor can be read" in done.stderr
    assert not (tmp_path / "harmed").exists()


def test_minus_infinity_is_a_probability() -> None:
    values = np.array([[0, -np.inf, -np.inf], [-np.inf, 0, -np.inf]], np.float32)
    assert (as_log_probs(values, "log-probs") == values).all()
    assert (as_log_probs(np.exp(values), "probs") == values).all()
