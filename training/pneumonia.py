"""pneumonia: children's chest X-rays, normal or pneumonia. One score, logistic.

Pictures of one patient are never on both sides of a split, and both classes weigh the same.
"""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

import digits
import folder
import linear
import simulate
from pictures import Variation, features, varied

CLASSES = ["normal", "pneumonia"]
SIZE = 64
POOLING = 2
VARIATION = Variation(
    turn=0.12, zoom=0.12, stretch=0.12, shift=0.05, gain=0.25, offset=0.12, gamma=0.35, mirror=True
)
COPIES = 24
FOLDS = 5


def recipe():
    from networks import Recipe

    return Recipe(
        units=(32,), harmonics=2, epochs=40, batch=128, rate=2e-3, noise=0.03, plain=0.15, decay=1e-3, smooth=1e-5
    )


def patients(names):
    """Who is in the picture: person123_virus_1.jpeg, IM-0115-0001.jpeg, NORMAL2-IM-1145-0001.jpeg."""
    return np.array([re.match(r"(?:person|(?:NORMAL\d+-)?IM-)\d+", name)[0] for name in names])


def series(names):
    """Which batch of files a picture comes from: a stand-in for another hospital or year."""
    number = [int(re.search(r"(?:person|IM-)(\d+)", name)[1]) for name in names]
    return np.array([
        name.startswith("IM-") or (name.startswith("person") and n < 300) for name, n in zip(names, number)
    ])


class Xrays:
    def __init__(self, data, variation=VARIATION, count=COPIES):
        with np.load(Path(data) / "pneumonia.npz") as file:
            self.images, self.labels = file["train_images"], file["train_labels"].astype(np.int32)
            self.names = file["train_names"]
        self.patients = patients(self.names)
        self.copies = [np.round(varied(self.images, variation, seed)).astype(np.uint8) for seed in range(count)]

    def pooled(self, pooling):
        """Inputs in 0..255, uint8: of the copies (copies, n, inputs) and of the pictures as they are."""
        whole = [np.round(features(c, pooling) * 255).astype(np.uint8) for c in (*self.copies, self.images)]
        return np.stack(whole[:-1]), whole[-1]


def fit(recipe, copies, plain, labels, seen):
    """The layers of a network trained on the pictures `seen`: two scores, brought together into one."""
    import networks

    parameters = networks.train(
        recipe, copies[:, seen], plain[seen], labels[seen], 2, share=linear.balancing(labels[seen]),
        report=lambda *_: None,
    )
    last = parameters["lookups"][-1]
    last["coefficients"] = last["coefficients"][..., 1:] - last["coefficients"][..., :1]
    last["bias"] = last["bias"][1:] - last["bias"][:1]
    return digits.layers(parameters)


def scored(layers, images, pooling, top=64.0, rng=None):
    form = {"input": {"width": SIZE, "height": SIZE, "pooling": pooling}, "output": {"range": top}, "layers": layers}
    return simulate.scores(form, images, rng)[:, 0]
