"""Straighten a rectangle that was photographed aslant.

python examples/straighten_page.py [OUTPUT_FOLDER]
"""

import sys
from pathlib import Path

import imageio.v3 as iio

import lerf_core

PHOTO = Path(__file__).parent / "photos" / "coffee.jpg"


def main() -> None:
    """Map four points (x, y) of the photograph to the corners of an upright picture."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    folder.mkdir(parents=True, exist_ok=True)
    photo = iio.imread(PHOTO)
    rows, cols = 300, 400
    seen = [(120, 60), (520, 30), (560, 370), (90, 340)]
    upright = [(0, 0), (cols - 1, 0), (cols - 1, rows - 1), (0, rows - 1)]
    # From the photograph to the result; `warp` asks for the way back.
    forward = lerf_core.homography_from_points(seen, upright)
    inverse = lerf_core.geometry.invert(forward)
    page = lerf_core.warp(photo, inverse, output_shape=(rows, cols), channel_axis=-1)
    iio.imwrite(folder / "straightened.png", page)


if __name__ == "__main__":
    main()
