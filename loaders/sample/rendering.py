"""Rendered signing: a simple figure, filmed before a background, written as a corpus stores it.

A figure has a head, a torso, two arms with elbows and two hands; the signer determines its
colours, size, pace and handedness, the sample its background, light and camera. The pictures are a
deterministic function of corpus, seed and sample id. Shapes are painted from their signed
distance, so edges are smooth at any size; noise is coarse, so that PNG files stay small.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from slaeval.errors import SlaevalError
from slaeval.loaders.sample.scenes import Difficulty, Scene
from slaeval.loaders.sample.signing import Lexicon, Manner, Poses, generator, lexicon, perform

__all__ = ["Look", "look_of", "render", "render_scenes", "write_scene"]

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Colour = tuple[float, float, float]
Box = tuple[int, int, int, int]

_SKINS = ((236, 200, 176), (222, 178, 148), (198, 150, 118), (160, 112, 82), (118, 80, 58))
_HAIRS = ((40, 30, 26), (92, 62, 40), (178, 140, 84), (120, 120, 124), (16, 16, 20))


@dataclass(frozen=True)
class Look:
    """What is the same in all samples of a signer."""

    skin: Colour
    hair: Colour
    shirt: Colour
    size: float
    left_handed: bool
    offset: tuple[float, float]
    manner: Manner


def _distance(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the distance of two colours, weighted towards brightness."""
    red, green, blue = (x - y for x, y in zip(a, b, strict=True))
    return abs(0.3 * red + 0.6 * green + 0.1 * blue) + 0.3 * (abs(red) + abs(green) + abs(blue)) / 3


def _contrasting(rng: np.random.Generator, other: Colour, difficulty: Difficulty) -> Colour:
    """Draw a colour against which a hand of another colour is visible."""
    colour = (0.0, 0.0, 0.0)
    for _ in range(200):
        base = rng.uniform(*difficulty.brightness)
        spread = rng.uniform(-difficulty.tint, difficulty.tint, 3)
        red, green, blue = np.clip(base + spread, 10, 245)
        colour = (float(red), float(green), float(blue))
        if _distance(colour, other) >= difficulty.hand_contrast:
            break
    return colour


def look_of(corpus: str, seed: int, signer: str, difficulty: Difficulty) -> Look:
    """Draw the look of a signer."""
    rng = generator("look", corpus, seed, signer)
    tint = rng.uniform(0.92, 1.05)
    red, green, blue = (
        min(250.0, value * tint) for value in _SKINS[rng.integers(difficulty.skins)]
    )
    skin = (red, green, blue)
    hair = _HAIRS[rng.integers(len(_HAIRS))]
    return Look(
        skin=skin,
        hair=tuple(float(value) for value in hair),  # type: ignore[arg-type]
        shirt=_contrasting(rng, skin, difficulty),
        size=1 + rng.uniform(-1, 1) * difficulty.size,
        left_handed=bool(rng.random() < 0.3),
        offset=(
            rng.uniform(-1, 1) * difficulty.camera_shift,
            rng.uniform(-1, 1) * difficulty.camera_shift,
        ),
        manner=Manner(
            tempo=1 + rng.uniform(-1, 1) * difficulty.tempo,
            amplitude=1 + rng.uniform(-1, 1) * difficulty.amplitude,
        ),
    )


class _Canvas:
    """A picture to paint shapes on, each in the box it covers."""

    def __init__(self, picture: Image.Image) -> None:
        self.picture = picture

    def box(
        self, left: float, top: float, right: float, bottom: float
    ) -> tuple[Box, Floats, Floats] | None:
        """Return a box clipped to the picture, and the coordinates of pixel centres within it."""
        x0, x1 = max(0, int(left) - 1), min(self.picture.width, int(right) + 2)
        y0, y1 = max(0, int(top) - 1), min(self.picture.height, int(bottom) + 2)
        if x0 >= x1 or y0 >= y1:
            return None
        xs = np.arange(x0, x1, dtype=np.float32)[None, :] + np.float32(0.5)
        ys = np.arange(y0, y1, dtype=np.float32)[:, None] + np.float32(0.5)
        return (x0, y0, x1, y1), xs, ys

    def paint(self, box: Box, distance: Floats, colour: Colour) -> None:
        """Paint where the distance from a shape's edge is negative."""
        cover = (np.float32(0.5) - distance).clip(0, 1) * np.float32(255)
        red, green, blue = (int(value) for value in colour)
        self.picture.paste((red, green, blue), box, Image.fromarray(cover.astype(np.uint8)))

    def capsule(
        self, a: tuple[float, float], b: tuple[float, float], ra: float, rb: float, colour: Colour
    ) -> None:
        """Paint a thick line whose radius goes from `ra` to `rb`."""
        radius = max(ra, rb)
        found = self.box(
            min(a[0], b[0]) - radius,
            min(a[1], b[1]) - radius,
            max(a[0], b[0]) + radius,
            max(a[1], b[1]) + radius,
        )
        if found is not None:
            box, xs, ys = found
            distance, along = _segment(xs, ys, a, b)
            self.paint(box, distance - (np.float32(ra) + along * np.float32(rb - ra)), colour)

    def ellipse(
        self, x: float, y: float, rx: float, ry: float, tilt: float, colour: Colour
    ) -> None:
        """Paint an ellipse; its edge is smooth, its distance approximate."""
        radius = max(rx, ry)
        found = self.box(x - radius, y - radius, x + radius, y + radius)
        if found is not None:
            box, xs, ys = found
            cos, sin = np.float32(np.cos(tilt)), np.float32(np.sin(tilt))
            dx, dy = xs - np.float32(x), ys - np.float32(y)
            u, v = (dx * cos + dy * sin) / np.float32(rx), (dy * cos - dx * sin) / np.float32(ry)
            self.paint(box, (np.sqrt(u * u + v * v) - 1) * np.float32(min(rx, ry)), colour)


def _segment(
    xs: Floats, ys: Floats, a: tuple[float, float], b: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Return the distance of points from a line segment, and their position along it."""
    dx, dy = np.float32(b[0] - a[0]), np.float32(b[1] - a[1])
    px, py = xs - np.float32(a[0]), ys - np.float32(a[1])
    length = dx * dx + dy * dy + np.float32(1e-6)
    along: Floats = np.clip((px * dx + py * dy) / length, np.float32(0), np.float32(1))
    u, v = px - along * dx, py - along * dy
    distance: Floats = np.sqrt(u * u + v * v)
    return distance, along


def _hand(
    canvas: _Canvas,
    x: float,
    y: float,
    shape: NDArray[np.float64],
    radius: float,
    colours: tuple[Colour, Colour],
) -> None:
    """Paint a hand with a dark rim."""
    rx, ry, roundness, hole, finger, spread, middle = (float(value) for value in shape)
    reach = radius * 2.0
    found = canvas.box(x - reach, y - reach, x + reach, y + reach)
    if found is None:
        return
    box, xs, ys = found
    dx, dy = (xs - np.float32(x)) / np.float32(radius), (ys - np.float32(y)) / np.float32(radius)
    corner = min(rx, ry) * roundness
    qx, qy = np.abs(dx) - np.float32(rx - corner), np.abs(dy) - np.float32(ry - corner)
    outside = np.sqrt(np.maximum(qx, 0) ** 2 + np.maximum(qy, 0) ** 2)
    palm = outside + np.minimum(np.maximum(qx, qy), 0) - np.float32(corner)
    if hole > 0.05:
        palm = np.maximum(palm, np.float32(hole) - np.sqrt(dx * dx + dy * dy))
    for length, angle in ((finger, -spread), (finger, spread), (middle, 0.0)):
        if length > 0.5:
            tip = (length * np.sin(angle), -length * np.cos(angle))
            palm = np.minimum(palm, _segment(dx, dy, (0.0, 0.0), tip)[0] - np.float32(0.27))
    distance = palm * np.float32(radius)
    rim = np.float32(radius * 0.16)
    canvas.paint(box, distance - rim, colours[1])
    canvas.paint(box, distance, colours[0])


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(250.0, max(value * factor, 0.0)) for value in colour)
    return red, green, blue


class _Figure:
    """A signer, placed in a picture."""

    def __init__(self, look: Look, unit: float, hand: float, x: float, y: float) -> None:
        self.look = look
        self.unit = unit * look.size
        self.hand = hand * self.unit
        self.x, self.y = x, y
        self.side = -1.0 if look.left_handed else 1.0

    def at(self, x: float, y: float) -> tuple[float, float]:
        return self.x + x * self.unit, self.y - y * self.unit

    def draw(
        self,
        canvas: _Canvas,
        hands: NDArray[np.float64],
        shapes: NDArray[np.float64],
        tilt: float,
    ) -> None:
        """Paint one pose, from back to front."""
        unit, look = self.unit, self.look
        dark = _shade(look.shirt, 0.82)
        hip = self.at(0.0, -0.62)
        canvas.capsule(self.at(0.0, -0.10), hip, 0.165 * unit, 0.15 * unit, look.shirt)
        canvas.capsule(
            self.at(-0.13, -0.02), self.at(0.13, -0.02), 0.06 * unit, 0.06 * unit, look.shirt
        )
        canvas.capsule(
            self.at(0, 0.0), self.at(0, 0.12), 0.05 * unit, 0.045 * unit, _shade(look.skin, 0.85)
        )
        self._head(canvas, tilt)
        # The picture's x of the dominant hand is its outward x times the side.
        for side, hand, shape in (
            (-self.side, hands[1], shapes[1]),
            (self.side, hands[0], shapes[0]),
        ):
            x, y = float(hand[0]) * side, float(hand[1])
            shoulder = (0.15 * side, -0.03)
            elbow = _elbow(shoulder, (x, y), side)
            canvas.capsule(self.at(*shoulder), self.at(*elbow), 0.055 * unit, 0.045 * unit, dark)
            canvas.capsule(self.at(*elbow), self.at(x, y), 0.042 * unit, 0.032 * unit, dark)
            _hand(canvas, *self.at(x, y), shape, self.hand, (look.skin, _shade(look.skin, 0.45)))

    def _head(self, canvas: _Canvas, tilt: float) -> None:
        unit, look = self.unit, self.look
        tilt = tilt * self.side

        def on_head(x: float, y: float) -> tuple[float, float]:
            cos, sin = np.cos(tilt), np.sin(tilt)
            return self.at(x * cos + y * sin, 0.10 + y * cos - x * sin)

        canvas.ellipse(*on_head(0, 0.145), 0.108 * unit, 0.125 * unit, tilt, look.hair)
        canvas.ellipse(
            *on_head(0, 0.115), 0.088 * unit, 0.112 * unit, tilt, _shade(look.skin, 0.93)
        )
        for x in (-0.035, 0.035):
            eye = on_head(x, 0.135)
            canvas.ellipse(*eye, 0.012 * unit, 0.012 * unit, 0.0, (30.0, 26.0, 26.0))
        mouth = on_head(-0.025, 0.065), on_head(0.025, 0.065)
        canvas.capsule(*mouth, 0.008 * unit, 0.008 * unit, _shade(look.skin, 0.6))


def _elbow(
    shoulder: tuple[float, float], hand: tuple[float, float], side: float
) -> tuple[float, float]:
    """Return where the elbow is: further outward and down the nearer the hand is."""
    dx, dy = hand[0] - shoulder[0], hand[1] - shoulder[1]
    away = np.hypot(dx, dy)
    bend = 0.5 * np.sqrt(max(0.46**2 - away**2, 0.0))
    middle = (shoulder[0] + dx / 2, shoulder[1] + dy / 2)
    direction = np.array([0.6 * side, -0.8])
    return middle[0] + direction[0] * bend, middle[1] + direction[1] * bend


def _background(
    rng: np.random.Generator, width: int, height: int, skin: Colour, difficulty: Difficulty
) -> Pixels:
    """Paint a plain, graded, striped or blocky background."""
    base = np.array(_contrasting(rng, skin, difficulty), np.float32)
    kind = rng.choice(("plain", "gradient", "stripes", "blocks"))
    swing = difficulty.background_contrast * rng.uniform(0.5, 1.0)
    if kind == "plain":
        level = np.zeros((height, width), np.float32)
    elif kind == "gradient":
        slope = np.linspace(-swing, swing, height, dtype=np.float32)
        level = np.repeat(slope[:, None], width, axis=1)
    elif kind == "stripes":
        count = int(rng.integers(3, 9))
        stripes = rng.uniform(-swing, swing, count + 1)
        place = (np.arange(width) * count // width + 0).astype(int)
        level = np.repeat(stripes[place][None].astype(np.float32), height, axis=0)
    else:
        across, down = int(rng.integers(3, 7)), int(rng.integers(4, 9))
        blocks = rng.uniform(-swing, swing, (down, across)).astype(np.float32)
        level = blocks[
            (np.arange(height) * down // height)[:, None],
            (np.arange(width) * across // width)[None, :],
        ]
    painted: Pixels = np.clip(base + level[..., None], 0, 255).astype(np.uint8)
    return painted


def _wander(rng: np.random.Generator, count: int, pace: float) -> NDArray[np.float64]:
    """Return a smooth path through [-1, 1] in two dimensions [count, 2]."""
    time = np.arange(count)[:, None] * pace * rng.uniform(0.6, 1.4, 2)
    way: NDArray[np.float64] = np.sin(time + rng.uniform(0, 2 * np.pi, 2))
    return way


def render(
    scene: Scene, corpus: str, seed: int, signs: Lexicon, difficulty: Difficulty
) -> Iterator[Pixels]:
    """Yield the frames of a sample, uint8 [height, width, 3].

    Raises
    ------
    KeyError
        A gloss has no sign.
    """
    rng = generator("scene", corpus, seed, scene.id)
    look = look_of(corpus, seed, scene.signer, difficulty)
    poses = perform(scene.glosses, signs, rng, difficulty, look.manner, scene.frames)
    yield from _film(scene, poses, look, rng, difficulty)


def _film(
    scene: Scene, poses: Poses, look: Look, rng: np.random.Generator, difficulty: Difficulty
) -> Iterator[Pixels]:
    width, height = scene.width, scene.height
    count = len(poses.tilt)
    unit = min(width, 0.92 * height)  # all of a pose fits in
    margin = int(np.ceil(difficulty.camera_drift * unit)) + 1
    background = _background(rng, width + 2 * margin, height + 2 * margin, look.skin, difficulty)
    stand = rng.uniform(-1, 1, 2) * difficulty.camera_shift + look.offset
    camera = _wander(rng, count, 0.05) * difficulty.camera_drift * unit
    sway = _wander(rng, count, 0.12) * difficulty.sway * unit
    light = 1 + rng.uniform(-1, 1) * difficulty.light
    flicker = light * (1 + rng.normal(0, difficulty.flicker, count).clip(-3, 3))
    things = [
        (
            _wander(rng, count, rng.uniform(0.08, 0.25)),
            _shade(
                _mean(background), 1 + rng.choice((-1, 1)) * difficulty.distractor_contrast / 128
            ),
            rng.uniform(0.7, 1.2) * difficulty.hand * unit,
        )
        for _ in range(difficulty.distractors)
    ]
    patches = _Patches(rng, width, height, difficulty)
    film = Image.fromarray(background)
    for index in range(count):
        x, y = (int(value) for value in np.round(camera[index]))
        left, top = margin + x, margin + y
        canvas = _Canvas(film.crop((left, top, left + width, top + height)))
        for way, colour, radius in things:
            thing = (0.5 + 0.5 * way[index]) * (width, height)
            canvas.ellipse(thing[0] - x, thing[1] - y, radius, radius, 0.0, colour)
        figure = _Figure(
            look,
            unit,
            difficulty.hand,
            width * (0.5 + stand[0]) + sway[index, 0] - x,
            height * 0.53 + stand[1] * unit + 0.5 * sway[index, 1] - y,
        )
        figure.draw(canvas, poses.hands[index], poses.shapes[index], float(poses.tilt[index]))
        table = np.minimum(np.round(np.arange(256) * flicker[index]), 255).astype(int).tolist()
        lit = canvas.picture.point(table * 3)
        yield patches.on(np.asarray(lit))


def _mean(pixels: Pixels) -> Colour:
    red, green, blue = pixels.reshape(-1, 3).mean(axis=0)
    return float(red), float(green), float(blue)


class _Patches:
    """Changes of brightness in patches: large ones that fade in and out, small ones as noise."""

    def __init__(
        self, rng: np.random.Generator, width: int, height: int, difficulty: Difficulty
    ) -> None:
        self.rng, self.difficulty = rng, difficulty
        self.large = _lattice(width, height, max(4, round(difficulty.dapple_cell * width)))
        self.small = _lattice(width, height, max(2, round(difficulty.noise_cell * width)))
        self.level = rng.normal(0, 1, _cells(self.large))

    def on(self, pixels: Pixels) -> Pixels:
        """Return the next frame's pixels [height, width, 3] with their brightness changed."""
        self.level = 0.8 * self.level + 0.6 * self.rng.normal(0, 1, self.level.shape)
        large = np.round(self.level.clip(-2, 2) * self.difficulty.dapple).astype(np.int16)
        grain = round(self.difficulty.noise)
        small = self.rng.integers(-grain, grain + 1, _cells(self.small), np.int16)
        change = _spread(large, self.large)
        change += _spread(small, self.small)
        # The three channels of a row on one axis: a last axis of three would be slow.
        change += pixels.reshape(change.shape)
        changed: Pixels = change.clip(0, 255).astype(np.uint8).reshape(pixels.shape)
        return changed


_Lattice = tuple[NDArray[np.intp], NDArray[np.intp]]


def _lattice(width: int, height: int, cell: int) -> _Lattice:
    """Return the row and column of the cell of each value of a picture [height, width * 3]."""
    return np.arange(height) // cell, np.arange(width).repeat(3) // cell


def _cells(lattice: _Lattice) -> tuple[int, int]:
    return int(lattice[0][-1]) + 1, int(lattice[1][-1]) + 1


def _spread(levels: NDArray[np.int16], lattice: _Lattice) -> NDArray[np.int16]:
    return levels.take(lattice[1], axis=1).take(lattice[0], axis=0)


def write_scene(
    scene: Scene, root: str, corpus: str, seed: int, signs: Lexicon, difficulty: Difficulty
) -> int:
    """Render a sample and write it below `root`; return the number of its frames."""
    path = os.path.join(root, *scene.path.split("/"))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    frames = render(scene, corpus, seed, signs, difficulty)
    if path.endswith(".mp4"):
        return _write_video(path, frames, scene)
    settings: dict[str, Any] = {"quality": 75} if path.endswith(".jpg") else {"compress_level": 2}
    count = 0
    for count, pixels in enumerate(frames, 1):
        Image.fromarray(pixels).save(path.format(scene.first + count - 1), **settings)
    return count


def _write_video(path: str, frames: Iterator[Pixels], scene: Scene) -> int:
    import av

    with av.open(path, "w") as container:
        # One thread: x264's output depends on the number of threads.
        options = {"preset": "ultrafast", "crf": "23", "threads": "1"}
        stream = container.add_stream("libx264", rate=round(scene.fps), options=options)
        stream.width, stream.height, stream.pix_fmt = scene.width, scene.height, "yuv420p"
        count = 0
        for pixels in frames:
            count += 1
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return count


def render_scenes(
    scenes: Sequence[Scene],
    root: str,
    corpus: str,
    seed: int,
    glosses: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
    difficulty: Difficulty | None = None,
) -> None:
    """Render samples and write them below a folder.

    Large sets are split between two worker processes, which does not change the output. The
    workers are plain processes, not forks: forking is unsafe once other threads run, and
    :mod:`multiprocessing`'s other start methods import the caller's script again.

    Parameters
    ----------
    scenes : sequence of Scene
        What to render.
    root : str
        The corpus's folder.
    corpus : str
        Its name; with `seed` and the sample's id it seeds everything drawn.
    seed : int
        Seed of the sample corpus.
    glosses : sequence of str
        All words of the corpus, in the order in which they get their signs.
    progress : callable, optional
        Called with the number of samples done and their total.
    difficulty : Difficulty, optional
        The default one if not given.

    Raises
    ------
    SlaevalError
        A worker failed; its last words are in the message.
    OSError
        A picture cannot be written.
    """
    difficulty = difficulty or Difficulty()
    report = progress or (lambda done, of: None)
    workers = min(2, os.cpu_count() or 1, 1 + len(scenes) // 24)
    if workers == 1:
        signs = lexicon(glosses)
        for done, scene in enumerate(scenes, 1):
            write_scene(scene, root, corpus, seed, signs, difficulty)
            report(done, len(scenes))
        return
    jobs = [
        {
            "scenes": [asdict(scene) for scene in scenes[index::workers]],
            "root": root,
            "corpus": corpus,
            "seed": seed,
            "glosses": list(glosses),
            "difficulty": asdict(difficulty),
        }
        for index in range(workers)
    ]
    failures = _in_processes(jobs, lambda done: report(done, len(scenes)))
    if failures:
        raise SlaevalError(f"{root}: rendering failed: {failures[0]}")


def _in_processes(jobs: Sequence[dict[str, Any]], report: Callable[[int], None]) -> list[str]:
    """Run each job in a worker process and return the errors of those that failed."""
    import threading

    done = 0
    lock = threading.Lock()
    failures: list[str] = []
    processes: list[subprocess.Popen[str]] = []

    def follow(process: subprocess.Popen[str], job: str) -> None:
        nonlocal done
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with process.stdin:
                process.stdin.write(job)
        except OSError:
            pass  # it ended before reading its job: its exit code is checked below
        for _ in process.stdout:
            with lock:
                done += 1
                report(done)
        process.stdout.close()
        assert process.stderr is not None
        message = process.stderr.read().strip()
        process.stderr.close()
        if process.wait():
            failures.append(message.rsplit("\n", 1)[-1] or f"it ended with {process.returncode}")

    try:
        threads = []
        for job in jobs:
            process = _worker()
            processes.append(process)
            thread = threading.Thread(target=follow, args=(process, json.dumps(job)), daemon=True)
            thread.start()
            threads.append(thread)
        for thread in threads:
            thread.join()
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
    return failures


def _worker() -> subprocess.Popen[str]:
    """Start a process that runs :func:`_work`."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path))
    environment.update({"OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"})
    return subprocess.Popen(
        [sys.executable, "-c", "from slaeval.loaders.sample.rendering import _work; _work()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment,
    )


def _work() -> None:
    """Render the job on standard input; print a line to standard output for each sample."""
    job = json.load(sys.stdin)
    settings: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in job["difficulty"].items()
    }
    difficulty = Difficulty(**settings)
    signs = lexicon(job["glosses"])
    for described in job["scenes"]:
        described["glosses"] = tuple(described["glosses"])
        scene = Scene(**described)
        write_scene(scene, job["root"], job["corpus"], job["seed"], signs, difficulty)
        print(flush=True)
