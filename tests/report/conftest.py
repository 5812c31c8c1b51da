"""Sample pages, and a real browser to open them in: Chromium over its debugging pipe.

The DevTools protocol (https://chromedevtools.github.io/devtools-protocol/) over file
descriptors 3 and 4, messages ended by NUL: no driver, no socket and no package is needed.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import slaeval
from slaeval.evaluation.references import load_references
from slaeval.evaluation.run_folder import Alignment, write_run
from slaeval.formats.hypotheses import read_hypotheses
from slaeval.loaders import write_sample

#: Glosses that would be markup, were they let through.
_HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img/src=x/onerror=alert(1)>",
    '"onmouseover="alert(1)',
    "'><b>",
    "&lt;b&gt;",
    "[[x]]",
    "\u202eEGNAR",
    "a\x1b[31mb",
]

#: Where the frames of the test split lie below the sample's folder.
_FRAMES = "PHOENIX-2014-T/features/fullFrame-210x260px/test"

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """Return the path of a Chromium: ``SLAEVAL_CHROMIUM``, else one on the path."""
    named = os.environ.get("SLAEVAL_CHROMIUM")
    return named or next((path for name in _NAMES if (path := shutil.which(name))), None)


class Browser:
    """One Chromium process with one page in it."""

    def __init__(self, width: int = 1280, height: int = 900) -> None:
        program = find_chromium()
        assert program is not None
        self._profile = tempfile.mkdtemp(prefix="slaeval-chromium-")
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()

        def pipes() -> None:
            # Above what is to be written to, first: either may be 3 or 4 itself.
            one, other = os.dup(to_browser), os.dup(from_browser)
            one, other = os.dup2(one, 103), os.dup2(other, 104)
            os.dup2(one, 3)
            os.dup2(other, 4)

        self._process = subprocess.Popen(
            [
                program,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-extensions",
                "--hide-scrollbars",
                f"--user-data-dir={self._profile}",
                f"--window-size={width},{height}",
                "--remote-debugging-pipe",
                "about:blank",
            ],
            preexec_fn=pipes,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._number = 0
        #: What the page said: console messages, exceptions, requests, blocked things.
        self.events: list[dict[str, Any]] = []
        self._session: str | None = None
        targets = self.send("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        self._session = self.send("Target.attachToTarget", targetId=page["targetId"], flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._session = None
        try:
            self.send("Browser.close")
            self._process.wait(10)
        except (OSError, AssertionError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)
        shutil.rmtree(self._profile, ignore_errors=True)

    def send(self, method: str, **parameters: object) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive(60)
            assert answer is not None, f"no answer to {method}"
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result

    def _receive(self, seconds: float) -> dict[str, Any] | None:
        until = time.monotonic() + seconds
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0, until - time.monotonic()))
            if not ready:
                return None
            piece = os.read(self._in, 1 << 20)
            assert piece, "the browser has gone"
            self._buffer += piece
        line, self._buffer = self._buffer.split(b"\0", 1)
        message: dict[str, Any] = json.loads(line)
        if "method" in message:
            self.events.append(message)
        return message

    def open(self, path: Path) -> float:
        """Open a file and wait until its script has run; return the seconds that took."""
        self.events.clear()
        begin = time.monotonic()
        self.send("Page.navigate", url=path.resolve().as_uri())
        self.wait(
            "document.readyState === 'complete' && 'ready' in document.documentElement.dataset"
        )
        return time.monotonic() - begin

    def run(self, script: str) -> Any:
        """Evaluate an expression in the page and return its value."""
        answer = self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, condition: str, seconds: float = 20) -> None:
        """Wait until an expression is true."""
        until = time.monotonic() + seconds
        while not self.run(condition):
            assert time.monotonic() < until, f"never true: {condition}"
            time.sleep(0.01)

    def settle(self) -> None:
        """Wait until what was asked of the page has been drawn."""
        self.run(
            "new Promise((done) => setTimeout(() => "
            "requestAnimationFrame(() => requestAnimationFrame(done)), 60))"
        )

    def key(self, key: str) -> None:
        """Press a key and let it go."""
        text = {"text": key} if len(key) == 1 else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key)

    def type(self, text: str) -> None:
        """Put text into what has the focus."""
        self.send("Input.insertText", text=text)

    def complaints(self) -> list[str]:
        """Return errors and warnings of the console, exceptions, and requests that left."""
        found = []
        for event in self.events:
            method, details = event["method"], event["params"]
            if method == "Runtime.exceptionThrown":
                found.append(json.dumps(details["exceptionDetails"]))
            elif method == "Runtime.consoleAPICalled" and details["type"] in ("error", "warning"):
                found.append(json.dumps(details["args"]))
            elif method == "Log.entryAdded" and details["entry"]["level"] in ("error", "warning"):
                found.append(details["entry"]["text"])
            elif method == "Network.requestWillBeSent":
                url = details["request"]["url"]
                if not url.startswith(("file:", "data:", "about:")):
                    found.append(f"request: {url}")
        return found

    def size(self, width: int, height: int, scale: float = 1) -> None:
        """Make the window so large."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=False,
        )

    def colours(self, scheme: str) -> None:
        """Prefer ``"light"`` or ``"dark"``."""
        self.send(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )

    def picture(self, path: Path, whole: bool = False) -> None:
        """Save what is seen as PNG."""
        answer = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def print(self, path: Path) -> None:
        """Save the page as it is printed."""
        answer = self.send(
            "Page.printToPDF", printBackground=False, paperWidth=8.27, paperHeight=11.7
        )
        path.write_bytes(base64.b64decode(answer["data"]))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests; skipped where there is none."""
    if find_chromium() is None:
        pytest.skip("no Chromium: install it, or name one in SLAEVAL_CHROMIUM")
    with Browser() as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Browser:
    """The browser, with a window of 1280 by 900 that prefers light."""
    chromium.size(1280, 900)
    chromium.colours("light")
    return chromium


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sample of each corpus under its name."""
    folder = tmp_path_factory.mktemp("samples")
    for name in ("phoenix2014t", "csl-daily", "isharah500"):
        write_sample(name, folder / name)
    return folder


@pytest.fixture(scope="session")
def runs(samples: Path) -> tuple[Path, Path]:
    """Two runs on the Phoenix 2014 T sample, of both its hypotheses, with frames to look at.

    A sample has 12 frames for each gloss of the hypothesis; the grey level of frame n is 2 n.
    """
    folder = samples / "phoenix2014t"
    corpus = slaeval.load_corpus("phoenix2014t", folder, "test")
    task = load_references("phoenix2014t", "test", root=folder)
    made = []
    for name in ("hyp", "hyp_b"):
        said = read_hypotheses(str(folder / f"{name}.ctm")).words
        rows = []
        for sample in corpus:
            glosses = said.get(sample.id, [])
            pictures = Path(corpus.root) / _FRAMES / sample.id
            if name == "hyp":
                pictures.mkdir(parents=True)
                for frame in range(max(1, 12 * len(glosses))):
                    grey = Image.new("RGB", (42, 52), (2 * frame,) * 3)
                    grey.save(pictures / f"images{frame + 1:04d}.png")
            rows.append(
                Alignment(
                    sample.id,
                    12 * len(glosses),
                    glosses,
                    [(12 * n, 12 * n + 12) for n in range(len(glosses))],
                    [0.5] * len(glosses),
                    sample.signer or "",
                    list(sample.glosses),
                )
            )
        out = samples / f"run_{name}"
        out.mkdir()
        settings = {
            "dataset": "phoenix2014t",
            "setup": corpus.setup,
            "split": "test",
            "root": corpus.root,
            "skipped": {},
        }
        write_run(str(out), rows, task, "official", settings)
        made.append(out)
    return made[0], made[1]


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[str]]:
    """Hypotheses and references of glosses, ids and a file name that look like markup."""
    folder = tmp_path_factory.mktemp("hostile")
    reference, hypothesis = folder / "ref.tsv", folder / "<b>hyp&amp;.tsv"
    for path, words in ((reference, _HOSTILE), (hypothesis, [*_HOSTILE[::-1], "{{x}}"])):
        rows = [f"{id}\t{' '.join(words)}\n" for id in ("<i>1</i>", '"2"', "s3")]
        path.write_text("".join(rows), "utf-8")
    return hypothesis, reference, _HOSTILE
