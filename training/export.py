"""Turns a trained network's arrays into a model folder: PyTorch state dicts, scikit-learn estimators.

Neither library is needed here: a state dict is a mapping from names to arrays (`np.savez` keeps one), an
estimator is asked for its fitted attributes. Linear models, perceptrons with one shared function, and
networks with learned functions (`coefficients`) are understood. See README.md for examples.
"""

import argparse

import numpy as np

import folder

SHARED = ("relu", "tanh", "sign", "sine", "logistic")
NEGACYCLIC = "sine"
MARGIN = 1.25  # how much wider a range is than the widest pre-activation of the sample


class Refused(ValueError):
    """What was given is no network that runs on ciphertexts."""


def from_state_dict(state, function=None, sample=None, mean=0.0, deviation=1.0):
    """Layers of a PyTorch state dict: `weight` (out, in) and `bias` of linear layers, in order.

    `coefficients` (units, features, outputs), with or without `bias`, are a layer of learned functions.
    Between linear layers stands the shared `function`. Inputs are (pixel / scale - mean) / deviation.
    `sample`, inputs before that (n, inputs), sets the ranges of functions that need one.
    """
    parts = {}
    for name, value in state.items():
        prefix, _, field = name.rpartition(".")
        parts.setdefault(prefix, {})[field] = np.asarray(value, dtype=float)
    network = [_part(prefix, part) for prefix, part in parts.items()]
    return _layers(network, function, sample, mean, deviation)


def from_scikit_learn(estimator, sample=None):
    """Layers of a fitted MLPClassifier, of a linear classifier, or of a pipeline scaler + classifier."""
    mean, deviation = 0.0, 1.0
    if hasattr(estimator, "steps"):
        *before, (_, estimator) = estimator.steps
        for _, scaler in before:
            if not hasattr(scaler, "mean_") or not hasattr(scaler, "scale_"):
                raise Refused(f"{type(scaler).__name__}: of the steps before a classifier only StandardScaler")
            step_mean = 0.0 if scaler.mean_ is None else scaler.mean_
            step_deviation = 1.0 if scaler.scale_ is None else scaler.scale_
            mean, deviation = mean + deviation * step_mean, deviation * step_deviation
    if hasattr(estimator, "coefs_"):
        if estimator.out_activation_ == "logistic" and estimator.n_outputs_ > 1:
            raise Refused("several labels at once: a model has one class a picture")
        network = [(np.asarray(w), np.asarray(b)) for w, b in zip(estimator.coefs_, estimator.intercepts_)]
        function = estimator.activation if len(network) > 1 else None
    elif hasattr(estimator, "coef_"):
        network = [(np.atleast_2d(estimator.coef_).T, np.atleast_1d(estimator.intercept_))]
        function = None
    else:
        raise Refused(f"{type(estimator).__name__}: neither coefs_ nor coef_; is it fitted?")
    return _layers(network, function, sample, mean, deviation)


def _part(prefix, part):
    """(weights, bias) of a linear layer, or (coefficients, bias) of a learned one, told by dimensions."""
    known = {"weight", "bias"} if "weight" in part else {"coefficients", "bias"}
    if part.keys() - known or not part.keys() - {"bias"}:
        raise Refused(f"{prefix or 'state dict'}: {', '.join(sorted(part))}; a linear layer has weight and bias, "
                      "a learned one coefficients and bias")
    if "weight" not in part:
        coefficients = part["coefficients"]
        if coefficients.ndim != 3 or coefficients.shape[1] % 2:
            raise Refused(f"{prefix}.coefficients: shape {coefficients.shape}, not (units, 2 harmonics, outputs)")
        return coefficients, part.get("bias", np.zeros(coefficients.shape[2]))
    weights = part["weight"]
    if weights.ndim != 2:
        raise Refused(f"{prefix}.weight: {weights.ndim} dimensions; unroll a convolution into a matrix first")
    return weights.T, part.get("bias", np.zeros(len(weights)))


def _layers(network, function, sample, mean, deviation):
    if function == "identity":
        network, function = [_product(network)], None
    if function is not None and function not in SHARED:
        raise Refused(f"{function}: not one of {', '.join(SHARED)}")
    if network[0][0].ndim != 2:
        raise Refused("the first layer has to be linear: functions are of one number each")
    network = _without_logistic(network, function)
    weights, bias = _unscaled(*network[0], mean, deviation)
    layers = [folder.linear(weights, bias)]
    values = None if sample is None else np.asarray(sample, dtype=float) @ weights + bias
    for before, (values_of, bias) in zip(network, network[1:]):
        if values_of.shape[0] != before[0].shape[-1]:
            raise Refused(f"a layer of {before[0].shape[-1]} outputs before one of {values_of.shape[0]} inputs")
        if values_of.ndim == 3:
            layers.append(folder.lookup(bias, coefficients=values_of))
            values = None if values is None else _learned(values, values_of) + bias
            continue
        if function is None:
            raise Refused("two linear layers in a row: name the function between them")
        layers += [_shared(function, values, len(layers)), folder.linear(values_of, bias)]
        values = None if values is None else _applied(function, values) @ values_of + bias
    return layers


def _product(network):
    """Linear layers in a row are one."""
    weights, bias = network[0]
    for matrix, add in network[1:]:
        weights, bias = weights @ matrix, bias @ matrix + add
    return weights, bias


def _without_logistic(network, function):
    """logistic(z) = (1 + tanh(z / 2)) / 2, taken into the matrices around it."""
    if function != "logistic":
        return network
    out, last = [], len(network) - 1
    for number, (weights, bias) in enumerate(network):
        if number > 0:
            weights, bias = weights / 2, bias + weights.sum(0) / 2
        out.append((weights, bias) if number == last else (weights / 2, bias / 2))
    return out


def _unscaled(weights, bias, mean, deviation):
    """Weights for inputs as they are, from weights for (input - mean) / deviation."""
    weights = weights / np.broadcast_to(deviation, len(weights))[:, None]
    return weights, bias - np.broadcast_to(mean, len(weights)) @ weights


def _shared(function, values, number):
    if function == NEGACYCLIC:
        return folder.lookup(function=function, range=float(np.pi / 2))  # so that it is sin(z)
    if values is None:
        raise Refused(f"layer {number}: {function} needs a sample of inputs, which tells how far z goes")
    name = "tanh" if function == "logistic" else function
    return folder.lookup(function=name, range=float(MARGIN * np.abs(values).max()), measured=True)


def _applied(function, values):
    functions = {"relu": lambda z: np.maximum(z, 0), "sine": np.sin, "sign": lambda z: np.where(z < 0, -1.0, 1.0)}
    return functions.get(function, np.tanh)(values)


def _learned(values, coefficients):
    odd = np.arange(coefficients.shape[1]) // 2 * 2 + 1
    angle = np.pi / 2 * values[..., None] * odd
    waves = np.where(np.arange(len(odd)) % 2, np.cos(angle), np.sin(angle))
    return np.einsum("nuf,ufo->no", waves, coefficients)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("state", help=".npz of a state dict")
    parser.add_argument("--function", choices=SHARED, help="between linear layers")
    parser.add_argument("--sample", help=".npz with an array `images`, uint8, as the network sees them")
    parser.add_argument("--mean", type=float, default=0.0, help="taken from pixel / scale")
    parser.add_argument("--deviation", type=float, default=1.0, help="it is divided by this then")
    parser.add_argument("--size", required=True, help="of the picture, such as 28x28")
    parser.add_argument("--scale", type=float, default=255)
    parser.add_argument("--classes", required=True, help="separated by commas, in the order of the scores")
    parser.add_argument("--title", required=True)
    parser.add_argument("--purpose", required=True)
    parser.add_argument("--out", required=True, help="the model's folder")
    options = parser.parse_args()
    sample = None
    if options.sample:
        with np.load(options.sample) as file:
            images = file["images"]
        sample = images.reshape(len(images), -1) / options.scale
    with np.load(options.state) as state:
        layers = from_state_dict(dict(state), options.function, sample, options.mean, options.deviation)
    card = {"title": options.title, "purpose": options.purpose, "classes": options.classes.split(",")}
    size = tuple(int(side) for side in options.size.split("x"))
    folder.write(options.out, card, size, 1, layers, options.scale)


if __name__ == "__main__":
    main()
