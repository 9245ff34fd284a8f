"""Trains a model of the zoo and writes its folder. See README.md."""

import argparse
import os
from functools import partial

# One thread: a run gives the same weights again, and leaves the other cores alone.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

import chest_view  # noqa: E402
import digits  # noqa: E402
import pneumonia  # noqa: E402
import scan_type  # noqa: E402

MODELS = {
    "scan-type": scan_type.train,
    "chest-view": chest_view.train,
    "pneumonia": pneumonia.train,
    **{name: partial(digits.train, name) for name in digits.TITLES},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="folder with the .npz files")
    parser.add_argument("--out", default="models", help="the zoo; the model gets a folder in it")
    parser.add_argument("--work", help="where copies of digits and the teacher are kept: 1.7 GB")
    parser.add_argument("--choose", action="store_true", help="compare on data held out of training first")
    parser.add_argument("model", choices=sorted(MODELS))
    options = parser.parse_args()
    if options.model in digits.TITLES and options.work is None:
        parser.error("digits need --work")
    extra = [options.work] if options.model in digits.TITLES else []
    MODELS[options.model](options.data, options.out, *extra, options.choose)


if __name__ == "__main__":
    main()
