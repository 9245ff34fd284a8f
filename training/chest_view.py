"""chest-view: frontal or lateral chest X-ray. One linear layer, one score, logistic."""

from pathlib import Path

import numpy as np

import folder
import linear
from pictures import Variation, features, varied

CLASSES = ["lateral", "frontal"]
SIZE = 128
VARIATION = Variation(
    turn=0.15, zoom=0.15, stretch=0.15, shift=0.08, gain=0.25, offset=0.1, gamma=0.4, mirror=True
)
COPIES = 24
FOLDS = 5
REPEATS = 4
CHOSEN = (8, 1e-2)  # pooling and penalty: what --choose finds
# A pooled pixel's weight is the sum of pooling^2 weights, so the same pull is pooling^2 smaller.
POOLINGS = (16, 8, 4, 2)
PULLS = (1.28, 0.64, 0.32, 0.16)


def train(data, out, choose):
    with np.load(Path(data) / "chest_view.npz") as file:
        images, patients = file["images"], file["patient"]
        labels = 1 - file["labels"].astype(int)  # the data say 1 for lateral, the model for frontal
    copies = [images] + [varied(images, VARIATION, seed) for seed in range(COPIES)]
    pooling, penalty = _choose(copies, labels, patients) if choose else CHOSEN
    inputs = _inputs(copies, pooling)
    runs = _cross_validate(inputs, labels, patients, penalty)
    scores, truth = np.concatenate(runs), np.tile(labels, REPEATS)
    heat = linear.temperature(scores, truth, linear.balancing(truth))
    value, balanced = linear.accuracy(scores, truth), linear.balanced_accuracy(scores, truth)
    print(f"patients held out: accuracy {value:.4f}, balanced {balanced:.4f}, temperature {heat:.3f}")
    for run in runs:
        wrong = run.argmax(1) != labels
        print(f"  wrong: {wrong[labels == 0].sum()} of {(labels == 0).sum()} lateral, "
              f"{wrong[labels == 1].sum()} of {(labels == 1).sum()} frontal")
    weights, biases = _fit(inputs, labels, penalty)
    one_score = (weights[:, 1:] - weights[:, :1]) / heat, (biases[1:] - biases[:1]) / heat
    card = _card(value, balanced, len(labels), len(np.unique(patients)))
    folder.write(Path(out) / "chest-view", card, SIZE, pooling, [folder.linear(*one_score)])


def _inputs(copies, pooling):
    """(copies, pictures, features); the first copy is the pictures as they are."""
    return np.stack([features(copy, pooling) for copy in copies])


def _fit(inputs, labels, penalty):
    labels = np.tile(labels, len(inputs))
    flat = inputs.reshape(-1, inputs.shape[-1])
    return linear.fit(flat, labels, len(CLASSES), penalty, linear.balancing(labels))


def _cross_validate(inputs, labels, patients, penalty):
    """For each repeat, scores of every picture by a model that has not seen its patient."""
    runs = []
    for repeat in range(REPEATS):
        fold = linear.folds(labels, patients, FOLDS, seed=repeat)
        scores = np.empty((len(labels), len(CLASSES)))
        for number in range(FOLDS):
            seen = fold != number
            weights, biases = _fit(inputs[:, seen], labels[seen], penalty)
            scores[~seen] = inputs[0, ~seen] @ weights + biases
        runs.append(scores)
    return runs


def _choose(copies, labels, patients):
    best, truth = None, np.tile(labels, REPEATS)
    for pooling in POOLINGS:
        inputs = _inputs(copies, pooling)
        for pull in PULLS:
            scores = np.concatenate(_cross_validate(inputs, labels, patients, pull / pooling**2))
            balanced = linear.balanced_accuracy(scores, truth)
            loss = linear.log_loss(scores, truth, linear.balancing(truth))
            print(f"pooling {pooling}, penalty {pull / pooling**2:g}: balanced {balanced:.4f}, "
                  f"accuracy {linear.accuracy(scores, truth):.4f}, log loss {loss:.4f}", flush=True)
            if best is None or (balanced, -loss) > best[0]:
                best = (balanced, -loss), (pooling, pull / pooling**2)
    return best[1]


def _card(value, balanced, images, patients):
    return {
        "title": "Chest X-ray view",
        "purpose": "Tells frontal from lateral chest X-rays.",
        "classes": CLASSES,
        "notice": "Research demonstration only: not a medical device, not for commercial use.",
        "provenance": "Trained by training/chest_view.py on 375 chest X-rays of a collection of public "
        "cases, 36 of them lateral; every picture has a licence of its own, some forbid commercial use, "
        "some have none.",
        "licence": "Research demonstration only; some of the pictures trained on are CC BY-NC",
        "accuracy": {
            "value": round(value, 4),
            "balanced": round(balanced, 4),
            "images": images,
            "data": f"{images} X-rays of {patients} patients, each told by a model that had not seen "
            "the patient (cross-validation)",
        },
    }
