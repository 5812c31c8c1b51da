"""How many frames a second one core reads, beside a bare loop and the decoder alone.

Run it as ``python tests/benchmarks/decode_speed.py [--frames N] [--rounds N]``. The pictures are
rendered for it: PNG of 210 by 260 as Phoenix has them, JPEG of 512 and 256 as CSL-Daily, H.264
of 512 by 512 as Isharah. Each is read at its own size, and shrunk to 224 and to 36.

``read_frames`` is what the project uses. The bare loop is the shortest code that gives the same
array: PIL's ``open``, ``resize`` and ``asarray``, stacked, or decord's ``get_batch``. The decoder
alone hands each frame over and keeps none, or keeps each as it came. Seconds are those of the
processor, of all threads, so that other work on the machine counts little; rounds alternate
between the four, and each counts its best. The aim is 90 % of each. Whole frames of 512 by 512
reach it beside a decoder that keeps them only: the new memory, which the system has to clear,
costs a sixth of the decoding.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

import decord
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from slaeval.console import table
from slaeval.loaders.sample.rendering import render, write_scene
from slaeval.loaders.sample.scenes import Difficulty, Scene
from slaeval.loaders.sample.signing import lexicon
from slaeval.loaders.video import VideoClip, open_footage, read_frames

Pixels = NDArray[np.uint8]

WORDS = ("HEUTE", "NORD", "REGEN", "STARK", "KALT", "MORGEN", "SUED", "SONNE")
KINDS = {
    "PNG 210x260": ("png", 210, 260),
    "JPEG 512x512": ("jpg", 512, 512),
    "JPEG 256x256": ("jpg", 256, 256),
    "mp4 512x512": ("mp4", 512, 512),
}


def bare_pictures(footage: VideoClip, size: tuple[int, int] | None) -> None:
    """Read the frames as one array with PIL and nothing else."""
    frames = []
    for name in footage.files:
        with Image.open(os.path.join(footage.path, name)) as picture:
            frames.append(np.asarray(_decoded(picture, size)))
    np.stack(frames)


def decode_pictures(footage: VideoClip, size: tuple[int, int] | None) -> Iterator[Pixels]:
    """Decode each frame, shrink it, hand it over."""
    for name in footage.files:
        with Image.open(os.path.join(footage.path, name)) as picture:
            yield np.asarray(_decoded(picture, size))


def _decoded(picture: Image.Image, size: tuple[int, int] | None) -> Image.Image:
    if size is None:
        return picture
    if picture.format == "JPEG":
        picture.draft("RGB", (2 * size[1], 2 * size[0]))
    return picture.resize(size[::-1], Image.Resampling.BILINEAR, reducing_gap=2.0)


def _reader(footage: VideoClip, size: tuple[int, int] | None) -> decord.VideoReader:
    shape = {} if size is None else {"height": size[0], "width": size[1]}
    return decord.VideoReader(footage.path, num_threads=1, **shape)


def bare_video(footage: VideoClip, size: tuple[int, int] | None) -> None:
    """Read a video in one call of decord."""
    reader = _reader(footage, size)
    reader.get_batch(range(len(reader))).asnumpy()


def decode_video(footage: VideoClip, size: tuple[int, int] | None) -> Iterator[Pixels]:
    """Decode a video and hand over frame by frame."""
    reader = _reader(footage, size)
    for _ in range(len(reader)):
        yield reader.next().asnumpy()


def none_kept(frames: Iterator[Pixels]) -> None:
    """Take frames and let each go."""
    deque(frames, 0)


def seconds(work: Callable[[], object]) -> float:
    """Return the processor's time for some work."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    signs = lexicon(WORDS)
    print(f"frames a second and core, best of {options.rounds} rounds of {options.frames} frames")
    rows = []
    with tempfile.TemporaryDirectory() as root:
        for name, (ending, width, height) in KINDS.items():
            path = "film.mp4" if ending == "mp4" else f"{width}.{ending}/{{:06d}}.{ending}"
            scene = Scene("x", "S1", WORDS, path, 1, width, height, frames=options.frames)
            write_scene(scene, root, "benchmark", 0, signs, Difficulty())
            footage = open_footage(os.path.join(root, path.split("/")[0]))
            first = next(islice(render(scene, "benchmark", 0, signs, Difficulty()), 1))
            assert read_frames(footage, indices=[0]).shape[1:] == first.shape
            video = ending == "mp4"
            for size in (None, (224, 224), (36, 36)):
                decode = decode_video if video else decode_pictures
                ways: tuple[Callable[..., object], ...] = (
                    read_frames,
                    bare_video if video else bare_pictures,
                    lambda footage, size, decode=decode: none_kept(decode(footage, size)),
                    lambda footage, size, decode=decode: list(decode(footage, size)),
                )
                best = [float("inf")] * len(ways)
                for _ in range(options.rounds):
                    for index, way in enumerate(ways):
                        best[index] = min(best[index], seconds(partial(way, footage, size)))
                ours, loop, decoder, kept = (footage.num_frames / each for each in best)
                rows.append(
                    (
                        name,
                        "whole" if size is None else f"{size[0]}",
                        *(f"{rate:,.0f}" for rate in (ours, loop, decoder, kept)),
                        *(f"{ours / rate:.0%}" for rate in (loop, decoder, kept)),
                    )
                )
    headers = ("pictures", "read as", "read_frames", "bare loop", "decoder", "keeping")
    print(table(rows, (*headers, "of the loop", "of the decoder", "of it keeping")))


if __name__ == "__main__":
    main()
