"""Writes a model as the folder that the product reads: model.toml and NumPy files."""

import json
from pathlib import Path

import numpy as np


def write(out, card, size, pooling, weights, biases):
    """Writes `out`/model.toml, w.npy of shape (pooled pixels, scores) and b.npy of shape (scores,).

    Inputs are pixel / 255, so the folder says `scale = 255`. Kept in float32, the bytes of a run
    do not depend on the last bits of a float64.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / "w.npy", weights.astype(np.float32))
    np.save(out / "b.npy", np.atleast_1d(biases).astype(np.float32))
    lines = [f"{key} = {_value(card[key])}" for key in _TEXTS if key in card]
    lines += ["", "[input]", f"width = {size}", f"height = {size}", "scale = 255"]
    if pooling > 1:
        lines += [f"pooling = {pooling}"]
    lines += ["", "[accuracy]"]
    lines += [f"{key} = {_value(value)}" for key, value in card["accuracy"].items()]
    lines += ["", "[[layers]]", 'kind = "linear"', 'weights = "w.npy"', 'bias = "b.npy"', ""]
    (out / "model.toml").write_text("\n".join(lines), encoding="utf-8")


_TEXTS = ("title", "purpose", "classes", "notice", "provenance", "licence")


def _value(value):
    # TOML's basic strings, numbers and lists of strings are JSON's.
    return json.dumps(value, ensure_ascii=False)
