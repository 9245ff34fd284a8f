"""digits-fast, digits, digits-best: handwritten digits with few bootstraps.

The last 5000 training images choose recipes and are trained on only once those are settled; the
validation images measure, and choose nothing.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

import folder
import handwriting
import linear
import pictures
import simulate

CLASSES = [str(digit) for digit in range(10)]
COPIES = 32
TEACHER_EPOCHS = 14
HELD_OUT = 5000
REPEATS = 5  # of the simulated noise
TITLES = {
    "digits-fast": "Handwritten digits, fast",
    "digits": "Handwritten digits",
    "digits-best": "Handwritten digits, best",
}


def recipes():
    from networks import Recipe  # JAX is only needed to train

    common = Recipe(units=(64,), harmonics=6, epochs=80, noise=0.025, plain=0.3, taught=0.9)
    return {
        "digits-fast": replace(common, units=(32,), harmonics=7, epochs=100, plain=0.4),
        "digits": common,
        "digits-best": replace(common, units=(128,), harmonics=5),
    }


class Lesson:
    """The images, their copies and what the teacher says of them; kept in a working folder."""

    def __init__(self, data, work):
        with np.load(Path(data) / "digits.npz") as file:
            self.written = file["train_images"]
            self.plain = _straight(self.written)
            self.labels = file["train_labels"].astype(np.int32)
            self.unseen, self.truth = pictures.straightened(file["val_images"]), file["val_labels"].astype(int)
        work = Path(work)
        work.mkdir(parents=True, exist_ok=True)
        self.copies = self._copies(work / "digits-copies.npy")
        self.opinions = self._opinions(work / "digits-teacher.npz", work / "digits-opinions.npy")

    def _copies(self, path):
        if not path.exists():
            print(f"drawing {COPIES} copies of each digit", flush=True)
            half = path.with_suffix(".half")
            drawn = handwriting.copies(self.written, handwriting.Hand(), COPIES, 0, half)
            for copy in range(COPIES):
                drawn[copy] = _straight(drawn[copy])
            drawn.flush()
            half.rename(path)
        return np.load(path, mmap_mode="r")

    def _opinions(self, parameters, path):
        import teacher

        if not parameters.exists():
            seen = len(self.labels) - HELD_OUT
            fitted = teacher.train(
                self.copies[:, :seen], self.labels[:seen], TEACHER_EPOCHS, seed=0
            )
            np.savez(parameters, **fitted)
        with np.load(parameters) as file:
            fitted = dict(file)
        if not path.exists():
            judged = teacher.opinions(fitted, self.copies), teacher.opinions(fitted, self.plain[None])
            np.save(path, np.concatenate(judged))
        opinions = np.load(path, mmap_mode="r")
        for name, part in (("trained on", slice(0, -HELD_OUT)), ("held out", slice(-HELD_OUT, None))):
            value = linear.accuracy(opinions[-1, part], self.labels[part])
            print(f"teacher, plain images {name}: {value:.4f}", flush=True)
        return opinions


def _straight(images):
    """As the owner's machine hands digits over, flat; a thousand in one go."""
    images = images.reshape(-1, handwriting.SIZE, handwriting.SIZE)
    parts = [pictures.straightened(images[start:][:1000]) for start in range(0, len(images), 1000)]
    return np.concatenate(parts).reshape(len(images), -1)


def train(name, data, out, work, choose):
    """Trains and writes a model; with `choose`, trains without the images held out and tells them."""
    import networks

    lesson, recipe = Lesson(data, work), recipes()[name]
    seen = len(lesson.labels) - (HELD_OUT if choose else 0)
    parameters = networks.train(
        recipe, lesson.copies, lesson.plain[:seen], lesson.labels[:seen], len(CLASSES), lesson.opinions,
        report=_reporter(lesson if choose else None),
    )
    form = {"input": INPUT, "layers": layers(parameters)}
    images = lesson.plain.reshape(-1, handwriting.SIZE, handwriting.SIZE)
    widest = np.abs(simulate.scores(form, images[:10000])).max()
    reach = float(np.ceil(1.5 * widest))
    form["output"] = {"range": reach, "tolerance": round(0.3 * reach, 2)}
    measure(form, images[-HELD_OUT:], lesson.labels[-HELD_OUT:], "last of train")
    if choose:
        return
    clear, noisy = measure(form, lesson.unseen, lesson.truth, "validation")
    card = _card(name, clear, noisy, len(lesson.truth), form["output"])
    folder.write(Path(out) / name, card, handwriting.SIZE, 1, form["layers"], straighten=True)


INPUT = {"width": handwriting.SIZE, "height": handwriting.SIZE}


def layers(parameters):
    out = [folder.linear(parameters["weights"], parameters["bias"])]
    for lookup in parameters["lookups"]:
        out.append(folder.lookup(lookup["bias"], coefficients=lookup["coefficients"]))
    return out


def measure(form, images, labels, name):
    """Accuracy without and with simulated noise, the latter a mean of several draws."""
    clear = linear.accuracy(simulate.scores(form, images), labels)
    draws = [simulate.scores(form, images, np.random.default_rng(seed)) for seed in range(REPEATS)]
    noisy = float(np.mean([linear.accuracy(draw, labels) for draw in draws]))
    print(f"{name}: accuracy {clear:.4f}, with the noise of encryption {noisy:.4f}", flush=True)
    return clear, noisy


def _reporter(lesson):
    from networks import scores

    def report(epoch, loss, parameters):
        if epoch % 10 == 9:
            line = f"epoch {epoch + 1}: loss {loss:.4f}"
            if lesson is not None:
                told = scores(parameters, lesson.plain[-HELD_OUT:] / np.float32(255))
                line += f", held out {linear.accuracy(np.asarray(told), lesson.labels[-HELD_OUT:]):.4f}"
            print(line, flush=True)

    return report


def _card(name, clear, noisy, count, output):
    return {
        "title": TITLES[name],
        "purpose": "Tells which digit is written, white on black.",
        "classes": CLASSES,
        "notice": "For demonstration. Every picture gets one of the ten digits, also one that is none.",
        "provenance": "Trained by training/digits.py on the 60000 training images of MNIST, by Yann LeCun and "
        "Corinna Cortes, under CC BY-SA 3.0.",
        "licence": "CC-BY-SA-3.0",
        "output": output,
        "accuracy": {
            "value": round(noisy, 4),
            "images": count,
            "data": f"the first {count} images of MNIST's test set, with the noise of encryption simulated "
            f"({clear:.2%} without)",
        },
    }
