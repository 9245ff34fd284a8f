"""Draws the sample pictures that the page offers. No picture of anybody is in them."""

import argparse
from pathlib import Path

from PIL import Image

import chest_phantom
import hand_phantom

PIXELS = 384
SAMPLES = {
    "chest-frontal": chest_phantom.frontal,
    "chest-lateral": chest_phantom.lateral,
    "hand": hand_phantom.hand,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="frontend/samples")
    out = Path(parser.parse_args().out)
    out.mkdir(parents=True, exist_ok=True)
    for name, draw in SAMPLES.items():
        Image.fromarray(draw(PIXELS)).save(out / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
