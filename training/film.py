"""X-rays of things that do not exist: attenuation along the beam, summed and put on film.

Lengths are centimetres. Bones are hollow tubes along curves, so their edges come out bright, as the
cortex of a real bone does; soft parts are what a beam has to cross of a volume.
"""

import numpy as np
from scipy.spatial import cKDTree


class Film:
    """The attenuation that adds up behind every pixel of a frame of `side` cm from `corner` on."""

    def __init__(self, pixels, side, corner=(0.0, 0.0)):
        self.pixels, self.side = pixels, side
        axis = (np.arange(pixels) + 0.5) * side / pixels
        self.x, self.y = np.meshgrid(axis + corner[0], axis + corner[1])
        self.attenuation = np.zeros((pixels, pixels))

    def add(self, thickness, density):
        """A layer of this thickness at every pixel."""
        self.attenuation += density * thickness

    def tube(self, curve, radii, density, hollow=0.0):
        """A tube along a curve of points (n, 2); `hollow` is how much its marrow lacks."""
        points, radii = _dense(np.asarray(curve, float), radii, self.side / self.pixels / 2)
        low, high = points.min(0) - radii.max(), points.max(0) + radii.max()
        near = (self.x >= low[0]) & (self.x <= high[0]) & (self.y >= low[1]) & (self.y <= high[1])
        distance, nearest = cKDTree(points).query(np.column_stack([self.x[near], self.y[near]]))
        radius = radii[nearest]
        wall = _chord(radius, distance) - hollow * _chord(0.68 * radius, distance)
        self.attenuation[near] += density * wall

    def develop(self, contrast, white, gamma, seed):
        """Grey pixels: more attenuation, whiter film; `white` is the attenuation that comes out white."""
        rng = np.random.default_rng(seed)
        grey = 1 - np.exp(-contrast * np.maximum(self.attenuation, 0) / white)
        grey = (grey / (1 - np.exp(-contrast))) ** gamma + rng.normal(0, 0.004, grey.shape)
        return np.round(255 * np.clip(grey, 0, 1)).astype(np.uint8)


def _chord(radius, distance):
    return 2 * np.sqrt(np.maximum(radius**2 - distance**2, 0))


def _dense(points, radii, step):
    """The curve with points so close that a tube along it shows none of them."""
    radii = np.broadcast_to(np.asarray(radii, float), len(points))
    lengths = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.linspace(0, lengths[-1], max(2, int(lengths[-1] / step)))
    columns = [np.interp(at, lengths, column) for column in (*points.T, radii)]
    return np.column_stack(columns[:2]), columns[2]
