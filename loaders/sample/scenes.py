"""What is to be rendered for a sample corpus: one signed sentence, and how hard it is to read."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Difficulty", "Scene"]


@dataclass(frozen=True)
class Scene:
    """One sample to render.

    Attributes
    ----------
    id, signer : str
        Which sample, and who signs it.
    glosses : tuple of str
        Raw, as annotated.
    path : str
        Below the corpus's folder: a video file, or a pattern of frame files such as
        ``images{:04d}.png``.
    first : int
        Number of the first frame in the pattern.
    width, height : int
        Size of the pictures.
    fps : float
        Frame rate of a video file.
    frames : int or None
        Exact number of frames, if the annotation states it.
    """

    id: str
    signer: str
    glosses: tuple[str, ...]
    path: str
    first: int = 0
    width: int = 210
    height: int = 260
    fps: float = 25.0
    frames: int | None = None


@dataclass(frozen=True)
class Difficulty:
    """How much a rendered sample varies in everything but the signs themselves.

    Lengths are in units of the body (1 is about the width of the picture), brightness in levels
    of 255, time in frames at 25 frames per second.

    Attributes
    ----------
    sign_frames, transition_frames, rest_frames : tuple of int
        Least and most frames of a sign, between two signs, and at rest at either end.
    tempo, size, amplitude : float
        How much signers differ in speed, in size and in range of movement, as a fraction.
    amplitude_jitter, place_jitter, angle_jitter : float
        The same from one instance of a sign to the next: fraction, length, radians.
    tremor : float
        Movement of the hands from frame to frame.
    coarticulation : float
        Weight of the two neighbouring frames in each pose; 0 is none.
    sway : float
        Slow movement of the whole body.
    camera_shift, camera_drift : float
        Changes of the signer's position, from sample to sample and during one.
    background_contrast : float
        Difference in brightness between the parts of a background.
    hand : float
        Radius of a hand: not a difficulty in itself, but the scale for the others.
    hand_contrast : float
        Least distance in colour between skin and what may be behind it.
    skins : int
        Number of skin tones, from the lightest.
    brightness, tint : (float, float) and float
        Of shirts and backgrounds: range of levels, and spread between red, green and blue.
    light, flicker : float
        Change of light from sample to sample and from frame to frame, as a fraction.
    noise, noise_cell : float
        Coarse noise, new in each frame: levels, and side of its cells.
    dapple, dapple_cell : float
        Patches of light that come and go within a few frames: levels, and side.
    distractors : int
        Moving objects of about a hand's size in the background.
    distractor_contrast : float
        Their distance in brightness from the background.
    """

    sign_frames: tuple[int, int] = (5, 7)
    transition_frames: tuple[int, int] = (1, 2)
    rest_frames: tuple[int, int] = (1, 2)
    tempo: float = 0.12
    size: float = 0.07
    amplitude: float = 0.10
    amplitude_jitter: float = 0.08
    place_jitter: float = 0.015
    angle_jitter: float = 0.10
    tremor: float = 0.003
    coarticulation: float = 0.15
    sway: float = 0.010
    camera_shift: float = 0.015
    camera_drift: float = 0.012
    background_contrast: float = 20.0
    hand: float = 0.08
    hand_contrast: float = 70.0
    skins: int = 5
    brightness: tuple[float, float] = (30.0, 90.0)
    tint: float = 15.0
    light: float = 0.12
    flicker: float = 0.03
    noise: float = 5.0
    noise_cell: float = 0.04
    dapple: float = 8.0
    dapple_cell: float = 0.17
    distractors: int = 1
    distractor_contrast: float = 60.0
