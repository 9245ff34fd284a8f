"""scan-type: which of six kinds of scan a picture is. One linear layer, softmax."""

from pathlib import Path

import numpy as np

import folder
import linear
from pictures import Variation, features, varied

CLASSES = ["abdomen CT", "breast MRI", "chest CT", "chest X-ray", "hand X-ray", "head CT"]
SIZE = 64
VARIATION = Variation(
    turn=0.1, zoom=0.08, shift=0.04, gain=0.05, offset=0.015, gamma=0.08, mirror=True
)
COPIES = 8
FOLDS = 5
CHOSEN = (4, 3e-5)  # pooling and penalty: what --choose finds
POOLINGS = (8, 4, 2)
PENALTIES = (1e-4, 3e-5, 1e-5)


def train(data, out, choose):
    with np.load(Path(data) / "scan_type.npz") as file:
        images, labels = file["train_images"], file["train_labels"].astype(int)
        held_out, truth = file["val_images"], file["val_labels"].astype(int)
    copies = [images] + [varied(images, VARIATION, seed) for seed in range(COPIES)]
    pooling, penalty = _choose(copies, labels) if choose else CHOSEN
    inputs = _inputs(copies, pooling)
    scores = _cross_validate(inputs, labels, penalty)
    heat = linear.temperature(scores, labels)
    print(f"cross-validation: accuracy {linear.accuracy(scores, labels):.4f}, temperature {heat:.3f}")
    weights, biases = _fit(inputs, labels, penalty)
    weights, biases = weights / heat, biases / heat
    scores = features(held_out, pooling) @ weights + biases
    value = linear.accuracy(scores, truth)
    loss = linear.log_loss(scores, truth)
    print(f"held out: accuracy {value:.4f} on {len(truth)}, log loss {loss:.4f}")
    layers = [folder.linear(weights, biases)]
    folder.write(Path(out) / "scan-type", _card(value, len(truth)), SIZE, pooling, layers)


def _inputs(copies, pooling):
    """(copies, pictures, features); the first copy is the pictures as they are."""
    return np.stack([features(copy, pooling) for copy in copies])


def _fit(inputs, labels, penalty):
    flat = inputs.reshape(-1, inputs.shape[-1])
    return linear.fit(flat, np.tile(labels, len(inputs)), len(CLASSES), penalty)


def _cross_validate(inputs, labels, penalty):
    """Scores of every training picture by a model that has seen neither it nor a copy of it."""
    fold = linear.folds(labels, np.arange(len(labels)), FOLDS, seed=0)
    scores = np.empty((len(labels), len(CLASSES)))
    for number in range(FOLDS):
        seen = fold != number
        weights, biases = _fit(inputs[:, seen], labels[seen], penalty)
        scores[~seen] = inputs[0, ~seen] @ weights + biases
    return scores


def _choose(copies, labels):
    best = None
    for pooling in POOLINGS:
        inputs = _inputs(copies, pooling)
        for penalty in PENALTIES:
            scores = _cross_validate(inputs, labels, penalty)
            value, loss = linear.accuracy(scores, labels), linear.log_loss(scores, labels)
            print(f"pooling {pooling}, penalty {penalty:g}: accuracy {value:.4f}, "
                  f"log loss {loss:.4f}", flush=True)
            if best is None or loss < best[0]:
                best = loss, (pooling, penalty)
    return best[1]


def _card(value, count):
    return {
        "title": "Kind of scan",
        "purpose": "Tells six kinds of medical scan apart: abdomen, chest and head CT, breast MRI, "
        "X-rays of chest and hand.",
        "classes": CLASSES,
        "notice": "For demonstration, not for diagnosis. Every picture gets one of the six names, "
        "also one that is no scan.",
        "provenance": "Trained by training/scan_type.py on 6000 pictures of MedNIST, made available "
        "by Dr. Bradley J. Erickson, Department of Radiology, Mayo Clinic, under CC BY-SA 4.0.",
        "licence": "CC-BY-SA-4.0",
        "accuracy": {
            "value": round(value, 4),
            "images": count,
            "data": f"{count} pictures of MedNIST that were not trained on",
        },
    }
