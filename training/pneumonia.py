"""pneumonia: children's chest X-rays, normal or pneumonia. One score, logistic.

Pictures of one patient are never on both sides of a split, and both classes weigh the same.
"""

import re
from pathlib import Path

import numpy as np

import digits
import folder
import linear
import simulate
from pictures import Variation, features, varied

CLASSES = ["normal", "pneumonia"]
SIZE = 64
VARIATION = Variation(
    turn=0.12, zoom=0.12, stretch=0.12, shift=0.05, gain=0.25, offset=0.12, gamma=0.35, mirror=True
)
COPIES = 8
FOLDS = 5
SCORE_RANGE = 32.0  # half the circle of scores
PENALTY = 3e-3  # of linear models
# Pooling and the units of each lookup layer, none for a linear model.
CANDIDATES = ((4, ()), (4, (16,)), (4, (32,)), (2, (16,)), (2, (32,)), (2, (32, 8)))
CHOSEN = (4, (32,))  # what --choose compares it with is above


def recipe(units):
    from networks import Recipe

    return Recipe(
        units=units, harmonics=2, epochs=120, batch=128, rate=2e-3, plain=0.15, decay=2e-4, smooth=1e-5, keep=0.99
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
        self.patients, self.series = patients(self.names), series(self.names)
        self.copies = [np.round(varied(self.images, variation, seed)).astype(np.uint8) for seed in range(count)]

    def pooled(self, pooling):
        """Inputs in 0..255, uint8: of the copies (copies, n, inputs) and of the pictures as they are."""
        whole = [np.round(features(c, pooling) * 255).astype(np.uint8) for c in (*self.copies, self.images)]
        return np.stack(whole[:-1]), whole[-1]


def fit(units, inputs, labels, seen):
    """The layers of a model trained on the pictures `seen`: two scores, brought together into one."""
    copies, plain = inputs
    labels = labels[seen]
    if not units:
        pictures = np.concatenate([*copies[:, seen], plain[seen]]).astype(np.float32) / 255
        repeated = np.tile(labels, len(copies) + 1)
        weights, bias = linear.fit(pictures, repeated, 2, PENALTY, linear.balancing(repeated), iterations=200)
        return [folder.linear(weights[:, 1:] - weights[:, :1], bias[1:] - bias[:1])]
    import networks

    parameters = networks.train(
        recipe(units), copies[:, seen], plain[seen], labels, 2, share=linear.balancing(labels),
        report=lambda *_: None,
    )
    last = parameters["lookups"][-1]
    last["coefficients"] = last["coefficients"][..., 1:] - last["coefficients"][..., :1]
    last["bias"] = last["bias"][1:] - last["bias"][:1]
    return digits.layers(parameters)


def scored(layers, images, pooling, rng=None):
    """The score of each picture, with simulated noise if there is a random generator."""
    return simulate.scores(form(layers, pooling), images, rng)[:, 0]


def form(layers, pooling):
    return {
        "input": {"width": SIZE, "height": SIZE, "pooling": pooling},
        "output": {"range": SCORE_RANGE},
        "layers": layers,
    }


def train(data, out, choose):
    xrays = Xrays(data)
    pooling, units = _choose(xrays) if choose else CHOSEN
    inputs = xrays.pooled(pooling)
    scores = _cross_validate(xrays, inputs, pooling, units)
    value, balanced = tell(f"{pooling}, {units}: patients held out", scores, xrays.labels)
    layers = fit(units, inputs, xrays.labels, ~xrays.series)
    told = scored(layers, xrays.images[xrays.series], pooling, np.random.default_rng(0))
    tell("another series of files", told, xrays.labels[xrays.series])
    both = np.column_stack([np.zeros_like(scores), scores])
    heat = linear.temperature(both, xrays.labels, linear.balancing(xrays.labels))
    print(f"temperature {heat:.3f}")
    layers = fit(units, inputs, xrays.labels, np.ones(len(scores), bool))
    for field in {"weights", "coefficients", "bias"} & layers[-1].keys():
        layers[-1][field] = layers[-1][field] / heat
    card = _card(value, balanced, len(scores), len(np.unique(xrays.patients)))
    folder.write(Path(out) / "pneumonia", card, SIZE, pooling, layers)


def _cross_validate(xrays, inputs, pooling, units):
    """A score of every picture, by a model that has not seen its patient, with simulated noise."""
    fold = linear.folds(xrays.labels, xrays.patients, FOLDS, seed=0)
    scores = np.empty(len(fold))
    for number in range(FOLDS):
        unseen = fold == number
        layers = fit(units, inputs, xrays.labels, ~unseen)
        scores[unseen] = scored(layers, xrays.images[unseen], pooling, np.random.default_rng(number))
    return scores


def _choose(xrays):
    """The candidate with the best balanced accuracy of patients held out."""
    found = []
    for pooling, units in CANDIDATES:
        scores = _cross_validate(xrays, xrays.pooled(pooling), pooling, units)
        found.append(tell(f"{pooling}, {units}", scores, xrays.labels)[1])
    return CANDIDATES[int(np.argmax(found))]


def tell(name, scores, labels):
    """Prints and returns accuracy and balanced accuracy."""
    both = np.column_stack([np.zeros_like(scores), scores])
    value, balanced = linear.accuracy(both, labels), linear.balanced_accuracy(both, labels)
    ill, well = (scores[labels == 1] > 0).mean(), (scores[labels == 0] <= 0).mean()
    print(f"{name}: accuracy {value:.4f}, balanced {balanced:.4f}, "
          f"of the ill {ill:.4f}, of the healthy {well:.4f}", flush=True)
    return value, balanced


def _card(value, balanced, images, count):
    return {
        "title": "Pneumonia in children",
        "purpose": "Tells a child's frontal chest X-ray with pneumonia from a normal one.",
        "classes": CLASSES,
        "notice": "Not for clinical use. Trained on children of one hospital; X-rays from elsewhere are told "
        "wrong more often.",
        "provenance": f"Trained by training/pneumonia.py on {images} chest X-rays of children, by Daniel Kermany, "
        "Kang Zhang and Michael Goldbaum, 2018, Guangzhou Women and Children's Medical Center, under CC BY 4.0.",
        "licence": "CC-BY-4.0",
        "output": {"range": SCORE_RANGE},
        "accuracy": {
            "value": round(value, 4),
            "balanced": round(balanced, 4),
            "images": images,
            "data": f"{images} X-rays of {count} patients, each told by a network that had not seen the patient "
            "(cross-validation), with the noise of encryption simulated",
        },
    }
