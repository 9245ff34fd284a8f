"""Pictures as the product sees them, and the changes that training makes to them.

The product turns any picture into 8-bit grey (BT.601 in thousandths, transparency over black),
stretches it to the model's frame by area, and rounds once. `prepare` is that, number for number.
`straightened` is what it does then for a model whose folder says `straighten`, number for number too.
A model then sees pixel / 255, averaged over squares if its folder says `pooling`.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

LUMA = np.array([299, 587, 114])


def prepare(rgba, width, height):
    """RGBA of any size, uint8 (h, w, 4), as grey of the model's frame, uint8 (height, width)."""
    rgba = np.asarray(rgba, dtype=np.int64)
    grey = (rgba[..., :3] @ LUMA) * rgba[..., 3]
    sums = _overlaps(grey.shape[0], height).T @ grey @ _overlaps(grey.shape[1], width)
    whole = grey.size * 1000 * 255
    return ((sums + whole // 2) // whole).astype(np.uint8)


def _overlaps(source, frame):
    """How much each of `source` cells overlaps each of `frame`, the whole being source * frame."""
    starts = np.arange(source)[:, None] * frame
    frame_starts = np.arange(frame)[None, :] * source
    ends = np.minimum(starts + frame, frame_starts + source)
    return np.maximum(ends - np.maximum(starts, frame_starts), 0)


SPREAD = 0.122, 0.194  # standard deviation of handwriting, across and down, shares of the frame


def straightened(images):
    """Handwriting made upright, in the middle, half-way to a common size: uint8 (n, h, w), in one go."""
    n, height, width = images.shape
    weights, row, column = images.astype(np.int64), np.arange(height), np.arange(width)
    rows, columns = weights.sum(2), weights.sum(1)
    mass, y, x = np.maximum(rows.sum(1), 1), rows @ row, columns @ column
    downward = mass * (rows @ row**2) - y * y
    across = mass * (columns @ column**2) - x * x
    both = mass * ((weights @ column) @ row) - x * y
    slant = np.clip(np.where(downward == 0, 0.0, both / np.maximum(downward, 1)), -1, 1)
    square = mass.astype(float) * mass
    downward, across, both = downward / square, across / square, both / square
    across = across - slant * (2 * both - slant * downward)
    tall = _half_way(downward, SPREAD[1] * height)[:, None]
    wide = _half_way(across, SPREAD[0] * width)[:, None, None]
    down = (row - (height - 1) / 2) * tall
    from_y = (y / mass)[:, None] + down
    from_x = ((x / mass)[:, None] + slant[:, None] * down)[:, :, None] + (column - (width - 1) / 2) * wide
    out = _between(images, from_x, np.broadcast_to(from_y[:, :, None], from_x.shape))
    return np.floor(out + 0.5).astype(np.uint8)


def _half_way(variance, common):
    """How many old pixels a new one is."""
    return np.sqrt(np.clip(np.sqrt(np.maximum(variance, 0)) / common, 2 / 3, 3 / 2))


def _between(images, x, y):
    """Bilinear interpolation in each image, black beyond its edges."""
    n, height, width = images.shape
    frame = np.zeros((n, height + 2, width + 2))
    frame[:, 1:-1, 1:-1] = images
    left, top = np.floor(x), np.floor(y)
    dx, dy = x - left, y - top
    first = np.arange(n)[:, None, None]

    def grey(row, column):
        return frame[first, np.clip(row + 1, 0, height + 1), np.clip(column + 1, 0, width + 1)]

    row, column = top.astype(np.int64), left.astype(np.int64)
    upper = grey(row, column) * (1 - dx) + grey(row, column + 1) * dx
    lower = grey(row + 1, column) * (1 - dx) + grey(row + 1, column + 1) * dx
    return upper * (1 - dy) + lower * dy


def features(images, pooling):
    """What the model multiplies with its weights: (n, h, w) in 0..255 as (n, h/p * w/p) in 0..1."""
    n, h, w = images.shape
    squares = images.reshape(n, h // pooling, pooling, w // pooling, pooling)
    return squares.mean((2, 4), dtype=np.float32).reshape(n, -1) / np.float32(255)


@dataclass(frozen=True)
class Variation:
    """How far training varies a picture. Lengths are shares of the picture's side."""

    turn: float = 0.0  # radians
    zoom: float = 0.0  # natural logarithm of the scale
    stretch: float = 0.0  # natural logarithm of width to height
    shift: float = 0.0
    gain: float = 0.0
    offset: float = 0.0
    gamma: float = 0.0  # natural logarithm of the exponent
    mirror: bool = False


def varied(images, variation, seed):
    """Each picture once more, moved and lit a little differently; float32 in 0..255."""
    rng = np.random.default_rng(seed)
    return np.stack([_vary(image, variation, rng) for image in images])


def _vary(image, v, rng):
    if v.mirror and rng.random() < 0.5:
        image = image[:, ::-1]
    angle = rng.uniform(-v.turn, v.turn)
    scale = np.exp(rng.uniform(-v.zoom, v.zoom))
    stretch = np.exp(rng.uniform(-v.stretch, v.stretch) / 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.diag([scale * stretch, scale / stretch])
    centre = (np.array(image.shape) - 1) / 2
    move = centre - matrix @ centre + rng.uniform(-v.shift, v.shift, 2) * image.shape
    grey = image.astype(np.float32) / 255
    grey = ndimage.affine_transform(grey, matrix, move, order=1, mode="nearest")
    grey = np.clip(grey, 0, 1) ** np.exp(rng.uniform(-v.gamma, v.gamma))
    grey = grey * (1 + rng.uniform(-v.gain, v.gain)) + rng.uniform(-v.offset, v.offset)
    return (255 * np.clip(grey, 0, 1)).astype(np.float32)
