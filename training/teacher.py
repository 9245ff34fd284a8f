"""A small convolutional network whose opinions of digits the encrypted networks learn from.

It never runs on ciphertexts. What it says of a bent or blurred copy is a better target than the
label alone, because the copy may have come close to another digit.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from handwriting import SIZE

BATCH = 128
KEEP = 0.998  # of the running mean of the parameters, a step
SHAPES = {
    "wide": (5, 5, 1, 16),
    "middle": (3, 3, 16, 32),
    "narrow": (3, 3, 32, 32),
    "dense": (7 * 7 * 32, 128),
    "scores": (128, 10),
}


def _initial(seed):
    keys = jax.random.split(jax.random.PRNGKey(seed), len(SHAPES))
    parameters = {}
    for key, (name, shape) in zip(keys, SHAPES.items()):
        spread = np.sqrt(2 / np.prod(shape[:-1]))
        parameters[name] = jax.random.normal(key, shape) * spread
        parameters[name + "_bias"] = jnp.zeros(shape[-1])
    return parameters


def scores(parameters, pixels, key=None):
    """Ten scores a picture; pixels uint8 (n, 784). With a key, some dense units drop out."""
    values = (pixels.astype(jnp.float32) / 255).reshape(-1, SIZE, SIZE, 1)
    for name, stride in (("wide", 2), ("middle", 2), ("narrow", 1)):
        values = jax.lax.conv_general_dilated(
            values, parameters[name], (stride, stride), "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        values = jax.nn.relu(values + parameters[name + "_bias"])
    values = values.reshape(len(values), -1)
    values = jax.nn.relu(values @ parameters["dense"] + parameters["dense_bias"])
    if key is not None:
        values = values / 0.7 * jax.random.bernoulli(key, 0.7, values.shape)
    return values @ parameters["scores"] + parameters["scores_bias"]


def train(copies, labels, epochs, seed, rate=1.5e-3, report=print):
    """The parameters' running mean after `epochs`, each of which takes another of the copies."""
    steps = epochs * (len(labels) // BATCH)
    schedule = optax.warmup_cosine_decay_schedule(0, rate, steps // 10, steps, rate / 1000)
    optimiser = optax.adamw(schedule, weight_decay=0.02)

    def loss(parameters, pixels, targets, key):
        losses = optax.softmax_cross_entropy_with_integer_labels(
            scores(parameters, pixels, key), targets
        )
        return losses.mean()

    @jax.jit
    def step(parameters, mean, state, pixels, targets, key):
        value, slope = jax.value_and_grad(loss)(parameters, pixels, targets, key)
        change, state = optimiser.update(slope, state, parameters)
        parameters = optax.apply_updates(parameters, change)
        mean = jax.tree.map(lambda m, p: KEEP * m + (1 - KEEP) * p, mean, parameters)
        return parameters, mean, state, value

    parameters = mean = _initial(seed)
    state = optimiser.init(parameters)
    rng, key = np.random.default_rng(seed), jax.random.PRNGKey(seed + 1)
    for epoch in range(epochs):
        order = rng.permutation(len(labels))
        total = 0.0
        for start in range(0, len(order) - BATCH + 1, BATCH):
            part = np.sort(order[start : start + BATCH])
            key, drop = jax.random.split(key)
            pixels = copies[epoch % len(copies)][part]
            parameters, mean, state, value = step(
                parameters, mean, state, pixels, labels[part], drop
            )
            total += value
        report(f"teacher, epoch {epoch + 1}: loss {float(total) * BATCH / len(order):.4f}")
    return {name: np.asarray(value) for name, value in mean.items()}


def opinions(parameters, copies):
    """The teacher's scores of every copy, float16 (copies, n, 10)."""
    judge = jax.jit(lambda pixels: scores(parameters, pixels))
    out = np.empty((*copies.shape[:2], 10), np.float16)
    for number, copy in enumerate(copies):
        for start in range(0, len(copy), 1000):
            part = slice(start, start + 1000)
            out[number, part] = judge(copy[part])
    return out
