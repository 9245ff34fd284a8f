"""Fast checks on made-up data: python -m unittest discover -s training."""

import json
import tempfile
import tomllib
import unittest
from pathlib import Path

import numpy as np

import chest_phantom
import folder
import hand_phantom
import linear
from pictures import Variation, features, prepare, straightened, varied


class Pictures(unittest.TestCase):
    def test_prepare_is_an_exact_mean_over_black(self):
        rgba = np.zeros((4, 6, 4), np.uint8)
        rgba[..., 0], rgba[..., 3] = 255, 255
        np.testing.assert_array_equal(prepare(rgba, 3, 2), np.full((2, 3), 76))  # 0.299 * 255
        rgba[..., :3], rgba[:, ::2, 3] = 255, 0
        np.testing.assert_array_equal(prepare(rgba, 3, 2), np.full((2, 3), 128))

    def test_prepare_weighs_by_area_whatever_the_sizes(self):
        rng = np.random.default_rng(0)
        grey = rng.integers(0, 256, (7, 5), dtype=np.uint8)
        rgba = np.dstack([grey] * 3 + [np.full_like(grey, 255)])
        fine = np.kron(grey.astype(float), np.ones((3, 4)))  # 21 x 20, a multiple of 3 x 4
        expected = fine.reshape(3, 7, 4, 5).mean((1, 3))
        np.testing.assert_array_less(np.abs(prepare(rgba, 4, 3) - expected), 0.5 + 1e-9)
        np.testing.assert_array_equal(prepare(rgba, 5, 7), grey)

    def test_handwriting_is_made_upright_as_the_product_does(self):
        image = (np.arange(30) ** 2 * 7 % 256).astype(np.uint8).reshape(1, 5, 6)
        # crates/fhe tests the same file.
        data = Path(__file__).parent.parent / "crates/fhe/tests/data/straightened.in"
        expected = json.loads(data.read_text(encoding="utf-8"))
        np.testing.assert_array_equal(straightened(image).ravel(), expected)
        np.testing.assert_array_equal(straightened(np.zeros((1, 5, 5), np.uint8)), np.zeros((1, 5, 5)))

    def test_features_are_means_of_squares(self):
        image = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)
        np.testing.assert_allclose(features(image, 2)[0] * 255, [2.5, 4.5, 10.5, 12.5], rtol=1e-6)

    def test_no_variation_changes_nothing(self):
        images = np.random.default_rng(0).integers(0, 256, (2, 8, 8), dtype=np.uint8)
        np.testing.assert_allclose(varied(images, Variation(), 1), images, atol=1e-3)
        self.assertGreater(np.abs(varied(images, Variation(turn=0.5), 1) - images).max(), 1)


class Linear(unittest.TestCase):
    def setUp(self):
        rng = np.random.default_rng(1)
        self.labels = rng.integers(0, 3, 300)
        centres = np.array([[2.0, 0], [0, 2.0], [-2.0, -2.0]])
        self.inputs = centres[self.labels] + rng.normal(0, 0.7, (300, 2))

    def test_a_fit_tells_clouds_apart_and_a_penalty_shrinks_it(self):
        weights, biases = linear.fit(self.inputs, self.labels, 3, 1e-3)
        self.assertGreater(linear.accuracy(self.inputs @ weights + biases, self.labels), 0.95)
        shrunk, _ = linear.fit(self.inputs, self.labels, 3, 1.0)
        self.assertLess(np.abs(shrunk).sum(), np.abs(weights).sum() / 4)

    def test_the_slope_vanishes_where_the_fit_stops(self):
        weights, biases = linear.fit(self.inputs, self.labels, 3, 0.01)
        share = np.exp(linear.log_softmax(self.inputs @ weights + biases))
        error = (share - np.eye(3)[self.labels]) / len(self.labels)
        self.assertLess(np.abs(self.inputs.T @ error + 0.01 * weights).max(), 1e-3)
        self.assertLess(np.abs(error.sum(0)).max(), 1e-3)

    def test_a_temperature_undoes_a_scale(self):
        weights, biases = linear.fit(self.inputs, self.labels, 3, 1e-4)
        scores = self.inputs @ weights + biases
        before = linear.temperature(scores, self.labels)
        self.assertAlmostEqual(linear.temperature(2 * scores, self.labels) / before, 2, delta=0.1)

    def test_a_group_is_never_on_both_sides(self):
        rng = np.random.default_rng(2)
        groups, labels = rng.integers(0, 40, 300), rng.integers(0, 2, 300)
        fold = linear.folds(labels, groups, 5, seed=0)
        self.assertEqual(sorted(np.unique(fold)), [0, 1, 2, 3, 4])
        for group in np.unique(groups):
            self.assertEqual(len(np.unique(fold[groups == group])), 1)

    def test_balanced_accuracy_is_that_of_the_classes(self):
        scores = np.array([[1.0, 0.0]] * 10)
        labels = np.array([0] * 9 + [1])
        self.assertAlmostEqual(linear.accuracy(scores, labels), 0.9)
        self.assertAlmostEqual(linear.balanced_accuracy(scores, labels), 0.5)


class Folder(unittest.TestCase):
    def test_a_folder_reads_back(self):
        card = {
            "title": 'A "title"',
            "purpose": "Größe",
            "classes": ["a", "b"],
            "accuracy": {"value": 0.5, "images": 2, "data": "two"},
        }
        with tempfile.TemporaryDirectory() as out:
            folder.write(out, card, 8, 4, [folder.linear(np.ones((4, 1)), 0.25)])
            form = tomllib.loads((Path(out) / "model.toml").read_text(encoding="utf-8"))
            weights, bias = np.load(Path(out) / "w.npy"), np.load(Path(out) / "b.npy")
        self.assertEqual((form["title"], form["purpose"]), (card["title"], card["purpose"]))
        self.assertEqual(form["input"], {"width": 8, "height": 8, "scale": 255, "pooling": 4})
        self.assertEqual(form["layers"][0]["weights"], "w.npy")
        self.assertEqual((weights.shape, weights.dtype, bias[0]), ((4, 1), np.float32, 0.25))


class Samples(unittest.TestCase):
    def test_the_same_picture_comes_out_every_time(self):
        for draw in (chest_phantom.frontal, chest_phantom.lateral, hand_phantom.hand):
            film = draw(48)
            self.assertEqual((film.shape, film.dtype), ((48, 48), np.uint8))
            self.assertGreater(film.std(), 25)
            np.testing.assert_array_equal(film, draw(48))


if __name__ == "__main__":
    unittest.main()
