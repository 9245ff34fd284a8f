"""Trains a model of the zoo and writes its folder. See README.md."""

import argparse

import chest_view
import scan_type

MODELS = {"scan-type": scan_type.train, "chest-view": chest_view.train}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="folder with the .npz files")
    parser.add_argument("--out", default="models", help="the zoo; the model gets a folder in it")
    parser.add_argument("--choose", action="store_true", help="compare pooling and penalty first")
    parser.add_argument("model", choices=sorted(MODELS))
    options = parser.parse_args()
    MODELS[options.model](options.data, options.out, options.choose)


if __name__ == "__main__":
    main()
