"""What becomes of a network under encryption, in NumPy: whole numbers, tables and noise, no keys.

Pixels times whole weights give the phase of z on a circle of 2^64 steps; z in [-range, range) is half of
it. Keyswitching adds noise and the modulus switch rounds to one of 1024 slots. A function is a table of
512 whole multiples of a step, continued with the opposite sign over the other half. Outputs are sums of
table entries, and the bootstrap's noise grows with the norm of the tables' differences.
"""

import tomllib
from pathlib import Path

import numpy as np

SLOTS = 512  # of half the circle
SWITCH_NOISE = 0.012  # standard deviation of z after keyswitch and modulus switch, of the half circle
ROTATION_NOISE = 2.0**48.85  # of a rotated constant, on the circle of 2^64
PIXEL = 2.0**32  # phase of a grey level

FUNCTIONS = {
    "sine": lambda z, reach: np.sin(np.pi / 2 * z / reach),
    "sign": lambda z, reach: np.where(z < 0, -1.0, 1.0),
    "tanh": lambda z, reach: np.tanh(z),
    "relu": lambda z, reach: np.maximum(z, 0),
}


def load(folder):
    """model.toml of a folder, arrays in place of the names of their files."""
    form = tomllib.loads((Path(folder) / "model.toml").read_text(encoding="utf-8"))
    for layer in form["layers"]:
        for key in {"weights", "bias", "coefficients", "tables"} & layer.keys():
            if isinstance(layer[key], str):
                layer[key] = np.load(Path(folder) / layer[key]).astype(float)
    return form


def scores(form, images, rng=None):
    """Scores of uint8 images (n, height, width), with noise if there is a random generator."""
    given = form["input"]
    pooling, scale = given.get("pooling", 1), given.get("scale", 255)
    n, height, width = len(images), given["height"], given["width"]
    squares = images.reshape(n, height // pooling, pooling, width // pooling, pooling)
    sums = squares.sum((2, 4), dtype=np.int64).reshape(n, -1)
    layers = _fused(form["layers"])
    weights, bias = layers[0]
    if len(layers) == 1:
        return sums @ weights / (scale * pooling**2) + bias
    reach = layers[1][1]
    turn = 4 * reach / 2.0**64  # z of a step of phase
    whole = np.rint(weights / (scale * pooling**2) / (turn * PIXEL))
    z = sums @ whole * PIXEL * turn + bias
    for number, (tables, reach, bias) in enumerate(layers[1:], 1):
        last = number == len(layers) - 1
        top = _score_range(form, tables, bias) if last else layers[number + 1][1] * 2
        z = _looked_up(z, tables, reach, top, rng) + bias
    return z


def _fused(layers):
    """(weights, bias) of the first layer, then (tables, range, bias) of every lookup."""
    first, rest = layers[0], list(layers[1:])
    weights = _two_dimensional(first["weights"])
    out = [(weights, np.broadcast_to(first.get("bias", 0.0), weights.shape[1]))]
    while rest:
        layer, matrix = rest.pop(0), None
        reach, bias = layer.get("range", 1.0), layer.get("bias", 0.0)
        if "function" in layer:
            following = rest.pop(0)
            matrix, bias = _two_dimensional(following["weights"]), following.get("bias", 0.0)
        tables = _tables(layer, reach, matrix)
        out.append((tables, reach, np.broadcast_to(bias, tables.shape[2])))
    return out


def _two_dimensional(weights):
    return weights[:, None] if weights.ndim == 1 else weights


def _tables(layer, reach, matrix):
    """Values at the middles of the slots, (units, SLOTS, outputs)."""
    z = ((np.arange(SLOTS) + 0.5) / SLOTS * 2 - 1) * reach
    if "function" in layer:
        return FUNCTIONS[layer["function"]](z, reach)[None, :, None] * matrix[:, None, :]
    if "tables" in layer:
        return _between(layer["tables"])
    coefficients = layer["coefficients"]
    harmonic = np.arange(coefficients.shape[1]) // 2 * 2 + 1
    angle = np.pi / 2 * z[:, None] / reach * harmonic
    waves = np.where(np.arange(coefficients.shape[1]) % 2, np.cos(angle), np.sin(angle))
    return np.einsum("sf,ufo->uso", waves, coefficients)


def _between(values):
    """Values at the middles of as many cells, at the middles of the slots: linear, level at the ends."""
    points = values.shape[1]
    place = np.clip((np.arange(SLOTS) + 0.5) * points / SLOTS - 0.5, 0, points - 1)
    before = np.minimum(place.astype(int), points - 2)
    share = (place - before)[:, None]
    return values[:, before] * (1 - share) + values[:, before + 1] * share


def _score_range(form, tables, bias):
    """Half the circle of the scores: what the folder states, or the worst case."""
    given = form.get("output", {}).get("range")
    if given is not None:
        return float(np.max(np.abs(given)))
    return float((np.abs(tables).max(1).sum(0) + np.abs(bias)).max())


def noise_of(tables, top, step):
    """Standard deviation of each output when half the circle is `top` and tables are multiples of step."""
    whole = np.rint(tables / step)
    differences = np.diff(np.concatenate([whole, -whole[:, :1]], 1), axis=1)
    return ROTATION_NOISE * top / 2.0**63 * np.sqrt((differences**2).sum((0, 1)))


def step_for(tables, top):
    """The step, a power of two, at which rounding and the bootstrap's noise together do least."""
    steps = 2.0 ** np.arange(-14, 1)
    errors = [
        np.max(noise_of(tables, top, step) ** 2) + len(tables) * step**2 / 12 for step in steps
    ]
    return float(steps[int(np.argmin(errors))])


def _looked_up(z, tables, reach, top, rng):
    step = step_for(tables, top)
    whole = np.rint(tables / step)
    if rng is not None:
        z = z + rng.normal(0, SWITCH_NOISE * 2 * reach, z.shape)
    slot = np.floor((z / reach + 1) * SLOTS / 2).astype(np.int64)
    sign = 1.0 - 2.0 * (slot // SLOTS % 2)
    slot %= SLOTS
    out = np.zeros((len(z), tables.shape[2]))
    for unit in range(len(tables)):
        out += whole[unit, slot[:, unit]] * sign[:, unit, None]
    out *= step
    if rng is not None:
        out += rng.normal(0, 1, out.shape) * noise_of(tables, top, step)
    return out
