"""Checkpoints of the Hub, against one that this machine serves."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_hub import Hub, served
from sample_checkpoint import make_checkpoint

from slaeval.__main__ import main
from slaeval.checkpoints import read_checkpoint, save_checkpoint
from slaeval.checkpoints.hub import Fetched, fetch
from slaeval.errors import InputError, SlaevalError, UsageError
from slaeval.evaluation.model_card import model_card
from slaeval.recognition import checkpoint_loading

#: Fetches addresses one after another; prints path and address, or the error, of each.
_FETCH = """
import json, sys
from slaeval.checkpoints.hub import fetch
from slaeval.errors import SlaevalError
found = []
for address in sys.argv[1:]:
    try:
        found.append(fetch(address))
    except SlaevalError as error:
        found.append([type(error).__name__, str(error)])
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with served() as hub:
        yield hub


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sent") / "sla.pt"
    save_checkpoint(path, make_checkpoint())
    return path.read_bytes()


def environment(hub: Hub, home: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return {**kept, "HF_ENDPOINT": hub.url, "HF_HOME": str(home), "PYTHONUTF8": "1", **more}


def fetched(addresses: list[str], env: dict[str, str]) -> list[list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", _FETCH, *addresses],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found: list[list[str]] = json.loads(done.stdout)
    return found


class _Calls:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


def test_addresses_online_and_from_the_cache(hub: Hub, data: bytes, tmp_path: Path) -> None:
    first = hub.commit("me/one", {"sla.pt": b"older", "README.md": b"#"})
    second = hub.commit("me/one", {"sla.pt": data})
    two = hub.commit("me/two", {"a.pt": data, "deep/b.safetensors": b"x", "config.json": b"{}"})
    hub.commit("me/none", {"model.bin": b"x"})
    hub.commit("me/gated", {"sla.pt": data})
    hub.gated.add("me/gated")
    hub.commit("me/evil", {"sla.pt": pickle.dumps(_Calls(tmp_path / "ran"), 2)})
    asked = {
        "hf://me/one": [".pt", f"hf://me/one@{second}:sla.pt"],
        f"hf://me/one@{first[:40]}:README.md": ["README.md", f"hf://me/one@{first}:README.md"],
        "hf://me/one@nowhere": ["InputError", "hf://me/one@nowhere: no such revision"],
        "hf://me/two": ["UsageError", "has 2 checkpoints (a.pt, deep/b.safetensors): name one"],
        "hf://me/two:a.pt": ["a.pt", f"hf://me/two@{two}:a.pt"],
        "hf://me/two:A.pt": ["InputError", "no file 'A.pt' there (did you mean 'a.pt'?)"],
        "hf://me/none": ["InputError", "no .pt or .safetensors there"],
        "hf://me/gated": ["InputError", "access is granted on request only"],
        "hf://me/nobody": ["InputError", "no such repository, or a private one: log in"],
        "hf://me": ["UsageError", "expected hf://user/name"],
        "hf://me/..--x": ["UsageError", "hf://me/..--x: "],
        f"hf://a--b/c@{first}:x.pt": ["UsageError", f"hf://a--b/c@{first}:x.pt: "],
        f"hf://me/one@{first}:../sla.pt": ["UsageError", "expected hf://user/name"],
        f"hf://me/one@{first}:/etc/passwd": ["UsageError", "expected hf://user/name"],
    }
    env = environment(hub, tmp_path / "hf")
    *answers, (path, address) = fetched([*asked, "hf://me/evil"], env)
    assert address.startswith("hf://me/evil@")
    with pytest.raises(InputError, match=r"a pickle, not a checkpoint: .* nothing in it has run"):
        read_checkpoint(path)
    assert not (tmp_path / "ran").exists()
    for (kind, text), (expected, part) in zip(answers, asked.values(), strict=True):
        assert kind.endswith(expected), text
        assert part in text

    # No network: a commit is found again, a branch is not guessed.
    pinned = f"hf://me/one@{second}"
    offline = {**env, "HF_ENDPOINT": "http://127.0.0.1:9"}
    there, same, branch, absent = fetched(
        [pinned, f"{pinned}:sla.pt", "hf://me/one", f"hf://me/one@{'0' * 40}"], offline
    )
    assert Path(there[0]).read_bytes() == data
    assert there[1] == f"{pinned}:sla.pt"
    assert same == there
    assert branch[0] == absent[0] == "SlaevalError"
    for _, text in (branch, absent):
        assert "the Hugging Face Hub cannot be reached" in text
        assert "name a commit that is on this machine: hf://me/one@" in text
    empty = {**offline, "HF_HOME": str(tmp_path / "other"), "HF_HUB_OFFLINE": "1"}
    ((_, text),) = fetched(["hf://me/one@main"], empty)
    assert "offline mode" in text
    assert "nothing of it is on this machine" in text


def test_pushed_and_read_back(
    hub: Hub, slaeval: Callable[..., Any], tmp_path: Path, data: bytes
) -> None:
    env = environment(hub, tmp_path / "hf", HF_TOKEN="hf_good")
    mine = tmp_path / "sla.pt"
    mine.write_bytes(data)
    done = slaeval("ckpt", "push", mine, "me/pushed", "--licence", "mit", **env)
    assert done.returncode == 0, done.stderr
    commit, files = hub.repos["me/pushed"][-1]
    assert done.stdout == f"hf://me/pushed@{commit}:sla.pt\n"
    assert files["sla.pt"] == data
    assert files["README.md"].decode() == model_card(mine, "me/pushed", licence="mit")
    done = slaeval("ckpt", "push", mine, "me/pushed", "--private", **env)
    assert done.returncode == 2
    assert "hf://me/pushed is public already" in done.stderr
    assert "me/hidden" not in hub.repos
    done = slaeval("ckpt", "push", mine, "me/hidden", "--private", **env)
    assert done.returncode == 0, done.stderr
    assert "me/hidden" in hub.private


#: Pushes a file and a card, with a token that is good and with one that is not.
_PUSH = """
import json, os
from slaeval.checkpoints.hub import push
from slaeval.errors import SlaevalError
said = []
for token in ("hf_good", "hf_bad"):
    os.environ["HF_TOKEN"] = token
    for repo in ("me/own", "me/own/deeper"):
        try:
            said.append(push(repo, {"a.pt": b"x", "README.md": b"card"}, message="Upload"))
        except SlaevalError as error:
            said.append([type(error).__name__, str(error)])
print(json.dumps(said))
"""


def test_a_card_of_ones_own_stays_and_a_bad_token_is_named(hub: Hub, tmp_path: Path) -> None:
    hub.commit("me/own", {"README.md": b"# mine"})
    done = subprocess.run(
        [sys.executable, "-c", _PUSH],
        env=environment(hub, tmp_path / "hf"),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    (commit, written), deeper, refused, _ = json.loads(done.stdout)
    assert (commit, written) == (hub.repos["me/own"][-1][0], False)
    assert hub.repos["me/own"][-1][1] == {"README.md": b"# mine", "a.pt": b"x"}
    assert deeper[0] == "UsageError"
    assert refused[0] == "SlaevalError"
    assert "the Hugging Face Hub says 401: log in" in refused[1]


def test_a_run_keeps_the_commit(
    hub: Hub,
    checkpoint: Callable[..., Path],
    rendered: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    commit = hub.commit("me/runs", {"sla.pt": checkpoint().read_bytes()})
    address = f"hf://me/runs@{commit}:sla.pt"
    ((path, _),) = fetched(["hf://me/runs"], environment(hub, tmp_path / "hf"))
    # huggingface_hub reads where its cache and the Hub are when it is imported.
    monkeypatch.setattr(checkpoint_loading, "fetch", lambda given: Fetched(path, address))
    run = ["--ckpt", "hf://me/runs", "--root", str(rendered), "--device", "cpu", "--no-report"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["slaeval", "run", *run])
    with pytest.raises(SystemExit) as left:
        main()
    assert not left.value.code
    assert f"checkpoint: {address}" in capsys.readouterr().err
    settings = json.loads((tmp_path / "runs/runs-phoenix2014t-test/run.json").read_text())
    assert settings["checkpoint"]["path"] == address
    assert settings["checkpoint"]["hash"] == read_checkpoint(checkpoint()).hash


def test_without_huggingface_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(SlaevalError, match="needs huggingface_hub: pip install huggingface_hub"):
        fetch("hf://me/one")
    assert fetch("one.pt") == ("one.pt", "one.pt")


# -- the model card ---------------------------------------------------------------------------


@pytest.fixture
def run(checkpoint: Callable[..., Path], rendered: Path, tmp_path: Path) -> Any:
    from slaeval.recognition import evaluate

    return evaluate(checkpoint(), "phoenix2014t", root=rendered, out=tmp_path / "run")


def test_a_card_says_what_runs_say(checkpoint: Callable[..., Path], run: Any) -> None:
    import yaml

    card = model_card(checkpoint(), "me/sla", [run], "cc-by-nc-sa-4.0")
    _, head, text = card.split("---\n", 2)
    front = yaml.safe_load(head)
    assert front["license"] == "cc-by-nc-sa-4.0"
    ((result,),) = (index["results"] for index in front["model-index"])
    assert result["dataset"] == {"name": "phoenix2014t", "type": "phoenix2014t", "split": "test"}
    assert result["metrics"][0]["value"] == round(run.score.wer, 2)
    assert run.score.signature in text
    score = run.score
    counts = f"{score.substitutions} | {score.deletions} | {score.insertions}"
    assert f"| phoenix2014t | test | rwth-2014 | {score.wer:.2f} | {counts} |" in text
    assert read_checkpoint(checkpoint()).hash in text
    assert "slaeval run --ckpt hf://me/sla:" in text


def test_a_run_replaces_the_figure_of_training(
    checkpoint: Callable[..., Path], rendered: Path, tmp_path: Path
) -> None:
    from slaeval.recognition import evaluate

    counts = ("substitutions", "deletions", "insertions", "reference_words")
    signature = "dataset:phoenix2014t|split:test|protocol:rwth-2014.v1"
    dev = {"dev_wer": 98.76, "dev": dict.fromkeys(counts, 1), "signature": signature}
    path = checkpoint(seed=3, metrics=dev)
    run = evaluate(path, "phoenix2014t", root=rendered, out=tmp_path / "run")
    assert "| 98.76 |" in model_card(path, "me/sla")
    card = model_card(path, "me/sla", [run])
    assert run.score is not None
    assert f"| {run.score.wer:.2f} |" in card
    assert "98.76" not in card.partition("## Details")[0]


def test_runs_that_do_not_fit(checkpoint: Callable[..., Path], run: Any) -> None:
    with pytest.raises(UsageError, match="a run of another checkpoint"):
        model_card(checkpoint(seed=1), "me/sla", [run])
    dev = {"dev_wer": 12.5, "dev": {"errors": 3}, "signature": "dataset:phoenix2014t|split:test"}
    with pytest.raises(UsageError, match=r"another checkpoint|two figures of phoenix2014t test"):
        model_card(checkpoint(metrics=dev), "me/sla", [run])
    head = checkpoint()
    head.with_suffix(".txt").write_text("none")
    with pytest.raises(InputError):
        model_card(head.with_suffix(".txt"), "me/sla")


def test_what_a_file_says_cannot_steer_the_page(checkpoint: Callable[..., Path]) -> None:
    evil = 'x"\nlicense: mit\n---\n<script>alert(1)</script>```'
    path = checkpoint(
        seed=2,
        corpus={"name": evil, "setup": evil, "labels": "raw", "fps": 25.0, "frames": evil},
        metrics={
            "epoch": 1,
            "dev_wer": 5.0,
            "dev": dict.fromkeys(
                ("substitutions", "deletions", "insertions", "reference_words"), 1
            ),
            "signature": f"dataset:{evil}|split:{evil}",
        },
    )
    import yaml

    card = model_card(path, "me/sla")
    front = yaml.safe_load(card.split("\n---\n", 1)[0].removeprefix("---\n"))
    assert "license" not in front
    text = card.split("\n---\n", 1)[1]
    parts = text.split("```")
    assert len(parts) == 7
    outside = re.sub(r"`[^`\n]*`", "", "".join(parts[::2]))
    assert "<script>" not in outside
    assert "\\<script\\>" in outside
