"""Softmax regression with an L2 penalty, and the figures by which models are compared."""

import numpy as np
from scipy.optimize import minimize


def fit(inputs, labels, classes, penalty, share=None, iterations=500):
    """Weights (d, classes) and biases (classes,) that minimise cross entropy + penalty/2 |W|^2.

    `share` is the weight of each picture; all count the same without it.
    """
    inputs = inputs.astype(np.float32, copy=False)
    n, d = inputs.shape
    share = np.full(n, 1 / n) if share is None else share / share.sum()
    share = share.astype(np.float32)
    targets = np.eye(classes, dtype=np.float32)[labels]
    mean = inputs.mean(0)  # centred inputs make the problem rounder; undone at the end

    def loss(flat):
        flat = flat.astype(np.float32)
        weights, biases = flat[: d * classes].reshape(d, classes), flat[d * classes :]
        logs = log_softmax(inputs @ weights + (biases - mean @ weights))
        error = (np.exp(logs) - targets) * share[:, None]
        total = error.sum(0)
        value = -(share @ (logs * targets).sum(1)) + penalty / 2 * (weights * weights).sum()
        slope = inputs.T @ error - np.outer(mean, total) + penalty * weights
        return float(value), np.concatenate([slope.ravel(), total]).astype(float)

    options = {"maxiter": iterations, "maxcor": 20}
    start = np.zeros(d * classes + classes)
    flat = minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x
    weights, biases = flat[: d * classes].reshape(d, classes), flat[d * classes :]
    return weights, biases - mean @ weights


def log_softmax(scores):
    scores = scores - scores.max(1, keepdims=True)
    return scores - np.log(np.exp(scores).sum(1, keepdims=True))


def accuracy(scores, labels):
    return float((scores.argmax(1) == labels).mean())


def balanced_accuracy(scores, labels):
    """The mean over the classes of the share told right."""
    right = scores.argmax(1) == labels
    return float(np.mean([right[labels == c].mean() for c in np.unique(labels)]))


def log_loss(scores, labels, share=None):
    """Mean of -log of the probability given to the true class: low if probabilities are honest."""
    losses = -log_softmax(scores)[np.arange(len(labels)), labels]
    return float(np.average(losses, weights=share))


def temperature(scores, labels, share=None):
    """The number that scores are best divided by, so that probabilities mean what they say."""
    candidates = np.exp(np.linspace(np.log(0.25), np.log(4), 141))
    losses = [log_loss(scores / t, labels, share) for t in candidates]
    return float(candidates[int(np.argmin(losses))])


def balancing(labels):
    """Weights of the pictures that make every class count the same."""
    counts = np.bincount(labels)
    return 1.0 / counts[labels]


def folds(labels, groups, count, seed):
    """A fold for each picture: pictures of one group share it, and classes are spread evenly."""
    rng = np.random.default_rng(seed)
    fold = np.empty(len(labels), dtype=int)
    rarest = np.argsort(np.bincount(labels), kind="stable")
    done = set()
    for label in rarest:
        members = [g for g in np.unique(groups[labels == label]) if g not in done]
        for position, group in enumerate(rng.permutation(members)):
            fold[groups == group] = position % count
        done.update(members)
    return fold
