"""Trains networks of lookup layers: linear over the pixels, then functions learned per unit and output.

A unit's pre-activation z goes through one bootstrap, and every output of the layer may have a function
of its own of it: a sum of odd harmonics sin and cos of pi z / 2 (2d + 1), which are negacyclic, as a
bootstrap's functions have to be. What a bootstrap does to z is noise here.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax

STEPS = 32  # optimiser steps a call, if there are as many images


@dataclass(frozen=True)
class Recipe:
    """A network's shape and how it is trained."""

    units: tuple  # one bootstrap each; (96, 32) is two lookup layers
    harmonics: int = 4
    epochs: int = 100
    batch: int = 256
    rate: float = 2.5e-3
    spread: float = 0.2  # of the pre-activations at the start
    noise: float = 0.03  # of every pre-activation, in z
    score_noise: float = 0.15
    smooth: float = 0.0  # penalty on the functions' slopes
    decay: float = 0.0  # of the first layer's weights
    plain: float = 0.4  # share of the images that are taken as they are
    ending: float = 0.15  # share of the epochs, the last, that take all images as they are
    taught: float = 0.0  # share of the teacher's opinion in the loss
    heat: float = 2.0  # temperature at which opinions are compared
    keep: float = 0.999  # of the running mean of the parameters, a step
    seed: int = 0


def initial(recipe, inputs, outputs, size):
    """Parameters to start from; `size` is the root mean square of an input."""
    rng = np.random.default_rng(recipe.seed)
    first, features = recipe.units[0], 2 * recipe.harmonics
    scale = recipe.spread / (size * np.sqrt(inputs))
    fading = 1 / (1 + np.arange(features) // 2)
    lookups = []
    for before, after in zip(recipe.units, (*recipe.units[1:], outputs)):
        reach = 0.1 if after == outputs else 0.5 / np.sqrt(before)
        coefficients = rng.normal(0, reach, (before, features, after)) * fading[:, None]
        lookups.append({"coefficients": coefficients, "bias": np.zeros(after)})
    parameters = {
        "weights": rng.normal(0, scale, (inputs, first)),
        "bias": rng.uniform(-0.5, 0.5, first),
        "lookups": lookups,
    }
    return jax.tree.map(np.float32, parameters)


def harmonics(z, count):
    """(n, units) to (n, 2 count * units): sin and cos of odd multiples of pi z / 2 in turn."""
    sin, cos = jnp.sin(jnp.pi / 2 * z), jnp.cos(jnp.pi / 2 * z)
    sin_2, cos_2 = 2 * sin * cos, 1 - 2 * sin * sin
    out = [sin, cos]
    for _ in range(count - 1):
        sin, cos = sin * cos_2 + cos * sin_2, cos * cos_2 - sin * sin_2
        out += [sin, cos]
    return jnp.concatenate(out, -1)


def scores(parameters, inputs, key=None, noise=0.0):
    """Scores of inputs in 0..1; with a key, noise is added to every pre-activation."""
    values = inputs @ parameters["weights"] + parameters["bias"]
    for lookup in parameters["lookups"]:
        if key is not None:
            key, draw = jax.random.split(key)
            values = values + noise * jax.random.normal(draw, values.shape)
        _, features, outputs = lookup["coefficients"].shape
        matrix = lookup["coefficients"].transpose(1, 0, 2).reshape(-1, outputs)
        values = harmonics(values, features // 2) @ matrix + lookup["bias"]
    return values


def slopes(parameters):
    """Sum over all functions of their mean squared slopes: what a bootstrap's own noise grows with."""
    total = 0.0
    for lookup in parameters["lookups"]:
        multiple = 1 + 2 * (np.arange(lookup["coefficients"].shape[1]) // 2)
        total += ((lookup["coefficients"] * multiple[:, None]) ** 2).sum()
    return total


def train(recipe, copies, plain, labels, outputs, opinions=None, share=None, report=print):
    """Trains on one of the copies an epoch, with some of its images as they are.

    `copies` (copies, n, pixels) and `plain` (n, pixels) are uint8, `opinions` the teacher's scores of
    the copies and, as the last entry, of the plain images; `share` weighs the images. Returns the
    running mean of the parameters, as NumPy arrays.
    """
    n = len(labels)
    chunk = min(n // recipe.batch, STEPS) * recipe.batch
    calls = n // chunk
    steps = recipe.epochs * calls * chunk // recipe.batch
    size = float(np.sqrt(np.mean((plain[:1000] / 255.0) ** 2)))
    parameters = mean = initial(recipe, plain.shape[1], outputs, size)
    schedule = optax.warmup_cosine_decay_schedule(
        0, recipe.rate, min(500, steps // 10), steps, recipe.rate / 1000
    )
    # Muon for the first layer's matrix, Adam for the rest: as good as Adam alone after twice the epochs.
    muon = optax.contrib.muon(schedule, adam_learning_rate=schedule, adam_b2=0.995)
    optimiser = optax.chain(optax.clip_by_global_norm(5.0), muon)
    run = _runner(recipe, optimiser, outputs)
    state = optimiser.init(parameters)
    share = np.ones(n, np.float32) if share is None else (share / share.mean()).astype(np.float32)
    rng, key = np.random.default_rng(recipe.seed), jax.random.PRNGKey(recipe.seed + 1)
    ending = (1 - recipe.ending) * recipe.epochs
    for epoch in range(recipe.epochs):
        order, copy = rng.permutation(n), (epoch + 5 * recipe.seed) % len(copies)
        for call in range(calls):
            part = order[call * chunk :][:chunk]
            untouched = rng.random(len(part)) < (1 if epoch >= ending else recipe.plain)
            batch = _batch(recipe, part, untouched, copies[copy], plain, labels, share)
            if opinions is not None:
                batch["opinions"] = _chunked(recipe, _mixed(part, untouched, opinions[copy], opinions[-1]))
            key, draw = jax.random.split(key)
            parameters, mean, state, loss = run(parameters, mean, state, batch, draw)
        report(epoch, float(loss), mean)
    return jax.tree.map(np.asarray, mean)


def _batch(recipe, part, untouched, copy, plain, labels, share):
    arrays = {"pixels": _mixed(part, untouched, copy, plain), "labels": labels[part], "share": share[part]}
    return {name: _chunked(recipe, array) for name, array in arrays.items()}


def _mixed(part, untouched, varied, plain):
    """Rows of `varied`, but of `plain` where untouched."""
    out = varied[part]
    out[untouched] = plain[part[untouched]]
    return out


def _chunked(recipe, array):
    return array.reshape(-1, recipe.batch, *array.shape[1:])


def _runner(recipe, optimiser, outputs):
    """A compiled function that does a step for each batch of a call."""

    def loss(parameters, batch, key):
        first, second = jax.random.split(key)
        inputs = batch["pixels"].astype(jnp.float32) / 255
        out = scores(parameters, inputs, first, recipe.noise)
        out = out + recipe.score_noise * jax.random.normal(second, out.shape)
        losses = optax.softmax_cross_entropy_with_integer_labels(out, batch["labels"])
        if recipe.taught:
            wanted = jax.nn.softmax(batch["opinions"].astype(jnp.float32) / recipe.heat)
            told = recipe.heat**2 * optax.softmax_cross_entropy(out / recipe.heat, wanted)
            losses = (1 - recipe.taught) * losses + recipe.taught * told
        penalty = recipe.smooth * slopes(parameters)
        penalty += recipe.decay * (parameters["weights"] ** 2).sum()
        return (losses * batch["share"]).mean() + penalty

    def step(carry, batch):
        parameters, mean, state, key = carry
        key, draw = jax.random.split(key)
        value, slope = jax.value_and_grad(loss)(parameters, batch, draw)
        change, state = optimiser.update(slope, state, parameters)
        parameters = optax.apply_updates(parameters, change)
        keep = recipe.keep
        mean = jax.tree.map(lambda m, p: keep * m + (1 - keep) * p, mean, parameters)
        return (parameters, mean, state, key), value

    @jax.jit
    def run(parameters, mean, state, batch, key):
        carry, values = jax.lax.scan(step, (parameters, mean, state, key), batch)
        return *carry[:3], values.mean()

    return run
