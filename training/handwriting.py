"""Digits written once more: turned, scaled, slanted, moved and bent a little differently.

A network sees every digit many times. Copies are drawn once, before training, into a file of uint8:
drawing them anew at each step would cost more than the step.
"""

from dataclasses import dataclass

import numpy as np

SIZE = 28
BATCH = 1000


@dataclass(frozen=True)
class Hand:
    """How far a copy may stray from what was written."""

    turn: float = 0.22  # radians
    zoom: float = 0.12  # natural logarithm of the scale, each way
    slant: float = 0.2
    shift: float = 1.6  # pixels
    bend: float = 2.2  # pixels, standard deviation at the knots of the grid that bends


def copies(images, hand, count, seed, path=None):
    """`count` copies of all images, uint8 (count, n, pixels); on disk if a path is given."""
    shape = (count, len(images), SIZE * SIZE)
    if path is None:
        out = np.empty(shape, np.uint8)
    else:
        out = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    for copy in range(count):
        rng = np.random.default_rng([seed, copy])
        for start in range(0, len(images), BATCH):
            part = slice(start, start + BATCH)
            out[copy, part] = varied(images[part], hand, rng).reshape(-1, SIZE * SIZE)
    return out


def varied(images, hand, rng):
    """Each image once more, uint8 (n, 28, 28)."""
    n = len(images)
    y, x = _places(n, hand, rng)
    return np.round(_sample(images.astype(np.float32), y, x)).astype(np.uint8)


def _places(n, hand, rng):
    """Where in the old image every pixel of the new one comes from, (n, 28, 28) each."""
    axis = np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2
    y, x = np.meshgrid(axis, axis, indexing="ij")
    uniform = lambda reach: rng.uniform(-reach, reach, (n, 1, 1)).astype(np.float32)
    angle, high, wide = uniform(hand.turn), np.exp(uniform(hand.zoom)), np.exp(uniform(hand.zoom))
    slant, down, right = uniform(hand.slant), uniform(hand.shift), uniform(hand.shift)
    bend_y, bend_x = _bends(n, axis, hand.bend, rng)
    cos, sin = np.cos(angle), np.sin(angle)
    from_y = (cos * y + sin * x) * high + down + bend_y
    from_x = (cos * x - sin * y + slant * y) * wide + right + bend_x
    return from_y + (SIZE - 1) / 2, from_x + (SIZE - 1) / 2


def _bends(n, axis, strength, rng):
    """Smooth displacements: a coarse grid of random ones, blended by bells 4 pixels wide."""
    knots = np.linspace(-16, 16, 7, dtype=np.float32)
    bells = np.exp(-((axis[:, None] - knots) ** 2) / (2 * 4.0**2))
    bells /= bells.sum(1, keepdims=True)
    grid = rng.standard_normal((2, n, 7, 7), dtype=np.float32) * np.float32(strength)
    return bells @ grid @ bells.T


def _sample(images, y, x):
    """Bilinear interpolation, black outside of the image."""
    n = len(images)
    frame = np.zeros((n, SIZE + 2, SIZE + 2), np.float32)
    frame[:, 1:-1, 1:-1] = images
    side = SIZE + 2
    y = np.clip(y + 1, 0, side - 1.001)
    x = np.clip(x + 1, 0, side - 1.001)
    row, column = y.astype(np.int32), x.astype(np.int32)
    dy, dx = y - row, x - column
    at = row * side + column + (np.arange(n, dtype=np.int32) * side * side)[:, None, None]
    flat = frame.ravel()
    upper = flat[at] * (1 - dx) + flat[at + 1] * dx
    lower = flat[at + side] * (1 - dx) + flat[at + side + 1] * dx
    return upper * (1 - dy) + lower * dy
