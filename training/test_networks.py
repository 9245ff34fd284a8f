"""Fast checks of what trains, simulates and exports networks: python -m unittest discover -s training."""

import importlib.util
import tempfile
import unittest
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

import export
import folder
import handwriting
import pneumonia
import simulate

CARD = {"title": "t", "purpose": "p", "classes": ["a", "b", "c"]}
WITH_JAX = importlib.util.find_spec("jax") is not None


def written(layers, size, card=CARD):
    """The layers as they read back from a folder."""
    with tempfile.TemporaryDirectory() as out:
        folder.write(out, card, size, 1, layers)
        return simulate.load(out)


class Handwriting(unittest.TestCase):
    def setUp(self):
        self.images = np.zeros((3, 28, 28), np.uint8)
        self.images[:, 8:20, 12:16] = 255

    def test_a_still_hand_copies(self):
        still = handwriting.Hand(0, 0, 0, 0, 0)
        copy = handwriting.varied(self.images, still, np.random.default_rng(0))
        np.testing.assert_array_equal(copy, self.images)

    def test_copies_differ_but_keep_the_ink(self):
        copies = handwriting.copies(self.images, handwriting.Hand(), 2, seed=0)
        self.assertEqual((copies.shape, copies.dtype), ((2, 3, 784), np.uint8))
        self.assertFalse(np.array_equal(copies[0], copies[1]))
        ink = copies.sum(2, dtype=float) / self.images.sum((1, 2), dtype=float)
        self.assertTrue(np.all((ink > 0.6) & (ink < 1.5)), ink)

    def test_the_same_seed_gives_the_same_copies(self):
        first, second = (handwriting.copies(self.images, handwriting.Hand(), 1, seed=3) for _ in range(2))
        np.testing.assert_array_equal(first, second)


class Simulate(unittest.TestCase):
    def setUp(self):
        rng = np.random.default_rng(0)
        self.images = rng.integers(0, 256, (50, 4, 4), dtype=np.uint8)
        self.first = folder.linear(rng.normal(0, 0.3, (16, 6)), rng.normal(0, 0.2, 6))
        self.second = folder.lookup(rng.normal(0, 1, 3), coefficients=rng.normal(0, 0.5, (6, 4, 3)))
        self.form = written([self.first, self.second], 4)
        self.inputs = self.images.reshape(50, 16) / 255
        self.z = self.inputs @ self.first["weights"] + self.first["bias"]

    def expected(self, z):
        return export._learned(z, self.second["coefficients"]) + self.second["bias"]

    def test_without_noise_it_is_the_network_but_for_slots_and_steps(self):
        told = simulate.scores(self.form, self.images)
        np.testing.assert_allclose(told, self.expected(self.z), atol=0.1)
        self.assertGreater(np.corrcoef(told.ravel(), self.expected(self.z).ravel())[0, 1], 0.999)

    def test_functions_continue_with_the_opposite_sign(self):
        form = written([folder.linear(np.full((16, 1), 1.0), 0.0), folder.lookup(coefficients=np.ones((1, 2, 3)))], 4)
        far = written([folder.linear(np.full((16, 1), 1.0), 2.0), folder.lookup(coefficients=np.ones((1, 2, 3)))], 4)
        near = simulate.scores(form, self.images)
        np.testing.assert_allclose(simulate.scores(far, self.images), -near, atol=1e-9)

    def test_measured_noise_is_the_predicted(self):
        images = np.repeat(self.images[:1], 4000, axis=0)
        told = simulate.scores(self.form, images, np.random.default_rng(1))
        z = self.z[:1] + np.random.default_rng(2).normal(0, 2 * simulate.SWITCH_NOISE, (4000, 6))
        self.assertGreater(told.std(0).min(), 0)
        np.testing.assert_allclose(told.std(0), self.expected(z).std(0), rtol=0.1)

    def test_noise_grows_with_the_functions_slopes(self):
        tables = simulate._tables(self.form["layers"][1], 1.0, None)
        calm, steep = simulate.noise_of(tables, 32, 1 / 32), simulate.noise_of(3 * tables, 32, 1 / 32)
        self.assertTrue(np.all(steep > 1.5 * calm))

    def test_tables_are_read_between_their_points(self):
        points = (np.arange(64) + 0.5) / 32 - 1
        values = 0.5 * np.sin(np.pi / 2 * points)[None, :, None] * np.ones((6, 1, 3))
        form = written([self.first, folder.lookup(tables=values)], 4)
        expected = 0.5 * np.sin(np.pi / 2 * self.z).sum(1, keepdims=True) * np.ones(3)
        np.testing.assert_allclose(simulate.scores(form, self.images), expected, atol=0.1)

    def test_two_lookup_layers_chain(self):
        middle = folder.lookup(np.zeros(6), coefficients=np.random.default_rng(3).normal(0, 0.1, (6, 4, 6)))
        form = written([self.first, middle, self.second], 4)
        expected = self.expected(export._learned(self.z, middle["coefficients"]))
        np.testing.assert_allclose(simulate.scores(form, self.images), expected, atol=0.25)


class Export(unittest.TestCase):
    def setUp(self):
        rng = np.random.default_rng(0)
        self.images = rng.integers(0, 256, (80, 5, 5), dtype=np.uint8)
        self.inputs = self.images.reshape(80, 25) / 255
        shapes = (25, 8), (8, 7), (7, 3)
        self.matrices = [rng.normal(0, 1 / np.sqrt(s[0]), s) for s in shapes]
        self.biases = [rng.normal(0, 0.3, s[1]) for s in shapes]

    def perceptron(self, function, inputs):
        for weights, bias in zip(self.matrices[:-1], self.biases[:-1]):
            inputs = function(inputs @ weights + bias)
        return inputs @ self.matrices[-1] + self.biases[-1]

    def state(self):
        names = {}
        for number, (weights, bias) in enumerate(zip(self.matrices, self.biases)):
            names[f"{2 * number}.weight"], names[f"{2 * number}.bias"] = weights.T, bias
        return names

    def close(self, layers, expected, atol=0.12):
        told = simulate.scores(written(layers, 5), self.images)
        np.testing.assert_allclose(told, expected, atol=atol)

    def test_state_dicts_with_every_shared_function(self):
        functions = {
            "tanh": np.tanh,
            "relu": lambda z: np.maximum(z, 0),
            "sine": np.sin,
            "logistic": lambda z: 1 / (1 + np.exp(-z)),
        }
        for name, function in functions.items():
            with self.subTest(name):
                layers = export.from_state_dict(self.state(), name, sample=self.inputs)
                self.close(layers, self.perceptron(function, self.inputs))

    def test_normalised_inputs_go_into_the_weights(self):
        layers = export.from_state_dict(self.state(), "tanh", self.inputs, mean=0.3, deviation=0.5)
        self.close(layers, self.perceptron(np.tanh, (self.inputs - 0.3) / 0.5))

    def test_learned_functions_of_a_state_dict(self):
        rng = np.random.default_rng(4)
        coefficients = rng.normal(0, 0.3, (8, 4, 3))
        state = {"first.weight": self.matrices[0].T, "first.bias": self.biases[0], "last.coefficients": coefficients}
        z = self.inputs @ self.matrices[0] + self.biases[0]
        self.close(export.from_state_dict(state), export._learned(z, coefficients))

    def test_a_scikit_learn_pipeline(self):
        classifier = SimpleNamespace(
            coefs_=self.matrices, intercepts_=self.biases, activation="relu", out_activation_="softmax", n_outputs_=3
        )
        scaler = SimpleNamespace(mean_=np.full(25, 0.4), scale_=np.linspace(0.5, 1, 25))
        pipeline = SimpleNamespace(steps=[("scale", scaler), ("network", classifier)])
        layers = export.from_scikit_learn(pipeline, self.inputs)
        scaled = (self.inputs - scaler.mean_) / scaler.scale_
        self.close(layers, self.perceptron(lambda z: np.maximum(z, 0), scaled), atol=0.3)

    def test_a_logistic_regression_is_one_layer(self):
        model = SimpleNamespace(coef_=np.ones((1, 25)), intercept_=np.array([0.5]))
        (layer,) = export.from_scikit_learn(model)
        np.testing.assert_allclose(layer["weights"], np.ones((25, 1)))
        self.assertEqual((layer["kind"], layer["bias"]), ("linear", 0.5))

    def test_what_is_no_such_network_is_refused(self):
        cases = [
            (self.state(), None, "name the function"),
            (self.state(), "tanh", "sample"),
            (self.state(), "swish", "not one of"),
            ({"0.weight": np.ones((4, 3, 3, 3))}, None, "convolution"),
            ({"0.running_mean": np.ones(4)}, None, "running_mean"),
            ({"0.coefficients": np.ones((4, 2, 3))}, None, "first layer"),
            ({"0.weight": np.ones((4, 25)), "1.weight": np.ones((3, 5))}, "sine", "4 outputs"),
        ]
        for state, function, message in cases:
            with self.subTest(message), self.assertRaisesRegex(export.Refused, message):
                export.from_state_dict(state, function)
        with self.assertRaisesRegex(export.Refused, "fitted"):
            export.from_scikit_learn(SimpleNamespace())


class Patients(unittest.TestCase):
    def test_names_tell_patients(self):
        names = ["person9_bacteria_38.jpeg", "person9_virus_2.jpeg", "IM-0115-0001.jpeg", "IM-0115-0001-0002.jpeg",
                 "NORMAL2-IM-1145-0001.jpeg"]
        told = ["person9", "person9", "IM-0115", "IM-0115", "NORMAL2-IM-1145"]
        self.assertEqual(pneumonia.patients(names).tolist(), told)


@unittest.skipUnless(WITH_JAX, "JAX is only needed to train")
class Networks(unittest.TestCase):
    def test_training_learns_what_no_linear_model_can(self):
        import networks

        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (2048, 4), dtype=np.uint8)
        labels = ((images[:, 0] > 127) ^ (images[:, 1] > 127)).astype(np.int32)
        recipe = networks.Recipe(units=(8,), harmonics=2, epochs=30, batch=64, rate=2e-2, keep=0.9)
        told = []
        for units in ((8,), (8, 4)):
            parameters = networks.train(
                replace(recipe, units=units), images[None], images, labels, 2, report=lambda *_: None
            )
            told = np.asarray(networks.scores(parameters, images / np.float32(255)))
            self.assertGreater((told.argmax(1) == labels).mean(), 0.93)

    def test_its_functions_are_those_that_are_written(self):
        import networks

        recipe = networks.Recipe(units=(5, 4), harmonics=3)
        parameters = networks.initial(recipe, 16, 3, size=0.5)
        images = np.random.default_rng(1).integers(0, 256, (20, 4, 4), dtype=np.uint8)
        told = networks.scores(parameters, images.reshape(20, 16) / np.float32(255))
        import digits

        form = written(digits.layers(parameters), 4)
        np.testing.assert_allclose(simulate.scores(form, images), told, atol=0.05)


if __name__ == "__main__":
    unittest.main()
