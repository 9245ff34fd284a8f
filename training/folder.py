"""Writes a model as the folder that the product reads: model.toml and NumPy files."""

import json
from pathlib import Path

import numpy as np


def linear(weights, bias):
    """A linear layer; weights (inputs, outputs), bias (outputs,)."""
    return {"kind": "linear", "weights": weights, "bias": np.atleast_1d(bias)}


def lookup(bias=None, **functions):
    """A lookup layer: `coefficients`, `tables` or the name of a shared `function`; maybe a `range`."""
    layer = {"kind": "lookup", **functions}
    return layer if bias is None else {**layer, "bias": np.atleast_1d(bias)}


def write(out, card, size, pooling, layers, scale=255, straighten=False):
    """Writes `out`/model.toml and a file for each array of the layers.

    `size` is (width, height), or one number for both. Inputs are pixel / scale, of pictures made upright
    if `straighten`. Kept in float32, the
    bytes of a run do not depend on the last bits of a float64.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    width, height = (size, size) if np.isscalar(size) else size
    lines = [f"{key} = {_value(card[key])}" for key in _TEXTS if key in card]
    lines += ["", "[input]", f"width = {width}", f"height = {height}", f"scale = {scale}"]
    if pooling > 1:
        lines += [f"pooling = {pooling}"]
    if straighten:
        lines += ["straighten = true"]
    for section in ("output", "accuracy"):
        if section in card:
            lines += ["", f"[{section}]"]
            lines += [f"{key} = {_value(value)}" for key, value in card[section].items()]
    for number, layer in enumerate(layers, 1):
        lines += ["", "[[layers]]"]
        lines += [f"{key} = {_value(value)}" for key, value in _saved(out, layer, number, len(layers))]
    (out / "model.toml").write_text("\n".join([*lines, ""]), encoding="utf-8")


_TEXTS = ("title", "purpose", "classes", "notice", "provenance", "licence")
_LETTERS = {"weights": "w", "bias": "b", "coefficients": "c", "tables": "t"}


def _saved(out, layer, number, layers):
    """The layer's fields, arrays replaced by the files that they have gone to."""
    for key, value in layer.items():
        if key in _LETTERS:
            name = f"{_LETTERS[key]}{number if layers > 1 else ''}.npy"
            np.save(out / name, np.ascontiguousarray(value, dtype=np.float32))
            value = name
        yield key, value


def _value(value):
    # TOML's basic strings, numbers and lists of strings are JSON's.
    return json.dumps(value, ensure_ascii=False)
