"""A hand made of tubes, as an X-ray shows it."""

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from film import Film

SIDE = 24.0
CORNER = (0.0, -0.6)
# Per finger: wrist end of the metacarpal, then each joint up to the tip, in cm; radius of the flesh.
FINGERS = [
    ([(13.9, 17.2), (16.5, 14.4), (18.5, 11.9), (19.7, 9.9)], 0.95),
    ([(12.8, 16.2), (14.1, 10.9), (15, 7.0), (15.45, 4.5), (15.75, 2.6)], 0.86),
    ([(11.7, 15.9), (11.85, 10.3), (11.9, 5.9), (11.9, 3.1), (11.9, 1.1)], 0.9),
    ([(10.7, 16.1), (9.85, 10.9), (9.1, 6.9), (8.6, 4.2), (8.3, 2.3)], 0.84),
    ([(9.8, 16.6), (8.05, 12.0), (6.5, 8.9), (5.6, 7.1), (5, 5.5)], 0.74),
]
WRIST = [(13.5, 17.9, 0.66), (12.45, 17.1, 0.6), (11.4, 16.95, 0.72), (10.3, 17.4, 0.66),
         (12.7, 18.5, 0.78), (11.4, 18.35, 0.76), (10.35, 18.55, 0.58)]
PALM = [(16, 12.9), (15, 9.9), (13.7, 8.9), (9.3, 8.9), (7.6, 10.2), (7.1, 11.6), (7.6, 15),
        (8.2, 18.5), (7.7, 25), (14.8, 25), (14.6, 19.5), (15.8, 16.6)]


def hand(pixels):
    """A left hand, palm down."""
    film = Film(pixels, SIDE, CORNER)
    film.add(_flesh(pixels), 1.0)
    for joints, _ in FINGERS:
        for number, (low, high) in enumerate(zip(joints, joints[1:])):
            tip = number == len(joints) - 2
            _bone(film, low, high, (0.52, 0.42, 0.34, 0.26)[number], tip)
    for x, y, radius in WRIST:
        film.tube([(x - 0.25, y + 0.1), (x + 0.25, y)], radius, 1.7, 0.35)
    _bone(film, (12.8, 24.6), (12.5, 19.2), 0.92, False)
    _bone(film, (9.7, 24.6), (10.1, 19.4), 0.68, False)
    return film.develop(contrast=1.2, white=4.6, gamma=1.0, seed=3)


def _bone(film, low, high, radius, tip):
    low, high = np.array(low), np.array(high)
    along = np.linspace(0.035, 0.965, 40)[:, None]
    ends = np.abs(2 * along[:, 0] - 1) ** 4
    radii = radius * (0.82 + (0.5 if not tip else 0.25) * ends)
    film.tube(low + along * (high - low), radii, 2.1, 0.62)


def _flesh(pixels):
    """Thickness of the soft parts, with its weight: round fingers on a palm that thins towards its outline."""
    thickness = _palm(pixels)
    for joints, radius in FINGERS:
        end = np.array(joints[-1]) + 0.25 * (np.array(joints[-1]) - joints[-2])
        finger = Film(pixels, SIDE, CORNER)
        finger.tube([*joints[1:-1], end], np.linspace(1.25, 0.95, len(joints) - 1) * radius, 1.0)
        thickness = np.maximum(thickness, finger.attenuation)
    thumb = Film(pixels, SIDE, CORNER)
    thumb.tube(FINGERS[0][0][:2], [1.5, 1.15], 1.0)
    thickness = np.maximum(thickness, thumb.attenuation)
    return 0.8 * ndimage.gaussian_filter(thickness, pixels / 200)


def _palm(pixels):
    image = Image.new("1", (pixels, pixels))
    outline = (np.array(PALM) - CORNER) * pixels / SIDE
    ImageDraw.Draw(image).polygon([tuple(point) for point in outline], fill=1)
    smooth = ndimage.gaussian_filter(np.asarray(image, float), pixels / 45) > 0.5
    depth = ndimage.distance_transform_edt(smooth) * SIDE / pixels
    return 2.7 * np.sqrt(1 - (1 - np.minimum(depth / 1.6, 1)) ** 2)
