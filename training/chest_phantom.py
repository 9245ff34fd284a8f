"""A chest made of ellipsoids and tubes, seen from the front and from the side.

Coordinates in cm: x to the patient's left (right in a frontal film), y to the back, z down.
"""

import numpy as np
from scipy import ndimage

from film import Film

HALF, VOXELS = 18.0, 180
SOFT, BONE = 1.0, 1.9
FRAME = 31.0


def frontal(pixels):
    """The film that lies behind the chest."""
    film = _exposed(pixels, across=0, corner=(-15.5, 1.2), arms=True)
    return film.develop(contrast=1.1, white=27, gamma=1.15, seed=1)


def lateral(pixels):
    """The film at the chest's side, the patient looking to the left."""
    film = _exposed(pixels, across=1, corner=(-15.0, 1.2), arms=False)
    return film.develop(contrast=1.2, white=35, gamma=1.7, seed=2)


def _exposed(pixels, across, corner, arms):
    """The chest on film; `across` is the coordinate that runs along the film's width."""
    film = Film(pixels, FRAME, corner)
    film.add(_at(film, _soft(arms).sum(1 if across == 0 else 2)), SOFT * 2 * HALF / VOXELS)
    for curve, radii, hollow in _bones(arms):
        film.tube(curve[:, [across, 2]], radii, BONE, hollow)
    for curve, radii in _vessels():
        film.tube(curve[:, [across, 2]], radii, 0.75 * SOFT)
    return film


def _at(film, layer):
    """A layer of voxels, interpolated at the film's pixels."""
    scale = VOXELS / (2 * HALF)
    places = [film.y * scale - 0.5, (film.x + HALF) * scale - 0.5]
    return ndimage.map_coordinates(layer.astype(float), places, order=3, mode="nearest")


def _soft(arms=True):
    """Density of the soft parts, (z, y, x), 1 for tissue and 0 for air."""
    axis = (np.arange(VOXELS) + 0.5) * 2 * HALF / VOXELS
    z, y, x = np.meshgrid(axis, axis - HALF, axis - HALF, indexing="ij", sparse=True)
    level = axis[:, None, None]
    wide = np.interp(level, [0, 2.5, 4.5, 7, 12, 20, 30, 36], [5, 6, 11, 15, 15.5, 15.2, 14.5, 14.5])
    deep = np.interp(level, [0, 3, 7, 14, 20, 28, 36], [5, 5.5, 8, 10, 10.6, 10.2, 9.8])
    middle = np.interp(level, [0, 5, 12, 36], [3, 2, 0.5, 0])
    density = ((np.abs(x) / wide) ** 2.6 + (np.abs(y - middle) / deep) ** 2.2 < 1).astype(np.float32)
    if arms:
        for side in (-1, 1):
            arm = ((x - side * (14.6 + 0.1 * z)) / 4.4) ** 2 + ((y - 1) / 4.4) ** 2
            arm = arm + (np.minimum(z - 9, 0) / 5.2) ** 2 < 1
            density[np.broadcast_to(arm, density.shape)] = 1
    lungs = np.zeros(density.shape, bool)
    for side, dome in ((-1, 24.6), (1, 25.8)):
        top = np.hypot((x - side * 6.8) / 7.2, (y - 0.8) / 9.2)
        floor = dome + 0.55 * (np.abs(x - side * 7) / 3) ** 2 + 0.05 * (y + 3) * np.abs(y + 3)
        apex = 4.2 + 9.5 * top**2.6
        lungs |= (z > apex) & (z < floor) & (top < 1)
    heart = ((x - 2.2 - 0.28 * (z - 20)) / 5.6) ** 2 + ((y + 4) / 5) ** 2 + ((z - 20.2) / 6.4) ** 2 < 1
    middle_part = (np.abs(x - 0.3) < 2.4 + 0.05 * z) & (y > -8.5)
    arch = np.hypot(x - 2.6, z - 11.8) < 1.9
    lungs &= ~(heart | (middle_part & (y > -1)) | (arch & (y > -3)) | (middle_part & (z < 16) & (y > -5)))
    density[lungs] = 0.2
    airway = (np.hypot(x + 0.2, y - 1.5 - 0.12 * z) < 0.85) & (z < 13.5)
    density[np.broadcast_to(airway, density.shape)] = 0
    bubble = ((x - 6.5) / 3) ** 2 + ((y + 1) / 3.2) ** 2 + ((z - 28.6) / 1.4) ** 2 < 1
    density[np.broadcast_to(bubble, density.shape)] = 0.1
    return ndimage.gaussian_filter(density, 0.9)


def _bones(arms=True):
    """Curves (n, 3), radii and how hollow: spine, ribs, breastbone, collarbones, upper arms."""
    for z in np.arange(-0.5, 36, 2.55):
        y = 5.8 + 1.2 * np.sin((z - 4) / 32 * np.pi)
        body = np.array([[-1.35, y, z], [1.35, y, z]])
        yield np.vstack([body, body[::-1] + [0, 0, 0.9]]), np.full(4, 1.0), 0.45
        yield np.array([[0, y + 2, z + 1], [0, y + 3.2, z + 2.2]]), np.array([0.45, 0.35]), 0.3
    for number in range(10):
        start = 4.6 + 2.45 * number
        wide = np.interp(number, [0, 1, 3, 6, 9], [5.5, 8.2, 11.6, 13.4, 13.2])
        deep = np.interp(number, [0, 2, 5, 9], [4.6, 6.6, 8.2, 8.2])
        drop = np.interp(number, [0, 4, 9], [3.2, 7.5, 9.5])
        angle = np.linspace(0.12, np.interp(number, [0, 6, 9], [2.5, 2.35, 1.9]), 60)
        for side in (-1, 1):
            x = side * (0.6 + wide * np.sin(angle))
            y = 7.2 - deep * (1 - np.cos(angle))
            z = start + drop * (1 - np.cos(angle)) / 2 - 0.8 * np.sin(angle)
            yield np.column_stack([x, y, z]), np.linspace(0.5, 0.4, 60), 0.78
    yield np.array([[0, -6.9, 8.5], [0, -8.3, 13], [0, -8.9, 19]]), np.array([0.9, 0.6, 0.6]), 0.75
    for side in (-1, 1):
        along = np.linspace(0, 1, 30)
        x, z = side * (1.6 + 12 * along), 7.3 - 2.6 * along + 0.7 * np.sin(2 * np.pi * along)
        yield np.column_stack([x, -5 + 4 * along, z]), np.full(30, 0.6), 0.75
        if arms:
            arm = np.array([[15.2, 0, 6.3], [16.4, 0, 9.5], [17, 0, 16], [17.6, 0, 24]]) * [side, 1, 1]
            yield arm, np.array([2.0, 1.3, 1.05, 1.05]), 0.75


def _vessels():
    """What branches from the roots of the lungs: curves (n, 3) and radii."""
    rng = np.random.default_rng(7)
    for side in (-1, 1):
        for _ in range(26):
            point = np.array([side * 3.6, 1.0, 15.0 + rng.uniform(-1.5, 2.0)])
            angle = rng.uniform(-1.3, 1.25)
            way = np.array([side * np.cos(angle), rng.uniform(-0.7, 0.6), np.sin(angle)])
            yield from _branch(rng, point, way, rng.uniform(0.24, 0.36), 3)


def _branch(rng, point, way, radius, depth):
    steps = np.cumsum(np.vstack([point, *(way * 0.5 + rng.normal(0, 0.09, 3) for _ in range(6))]), axis=0)
    inside = np.abs(steps[:, 0]) < 12.5 - 0.05 * (steps[:, 2] - 16) ** 2
    steps = steps[: max(2, int(inside.argmin()) if not inside.all() else len(steps))]
    yield steps, np.linspace(radius, 0.7 * radius, len(steps))
    if depth and len(steps) > 5:
        for turn in (-0.45, 0.4):
            cos, sin = np.cos(turn + rng.normal(0, 0.15)), np.sin(turn)
            turned = np.array([cos * way[0] - sin * way[2], way[1] * 0.9, sin * way[0] + cos * way[2]])
            yield from _branch(rng, steps[-1], turned, 0.66 * radius, depth - 1)
