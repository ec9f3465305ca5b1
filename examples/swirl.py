"""Turn the middle of a photograph by a field of displacements.

python examples/swirl.py [OUTPUT_FOLDER]
"""

import sys
from pathlib import Path

import imageio.v3 as iio
import numpy as np

import lerf_core

PHOTO = Path(__file__).parent / "photos" / "chelsea.png"


def main() -> None:
    """Build the field, (2, rows, cols) of (row, column) steps in pixels, and warp by it."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    folder.mkdir(parents=True, exist_ok=True)
    photo = iio.imread(PHOTO)
    row, col = np.indices(photo.shape[:2], dtype=np.float64)
    down, right = row - 130, col - 230
    distance = np.hypot(down, right)
    angle = 1.6 * np.exp(-((distance / 70) ** 2))
    turned = (
        np.cos(angle) * down - np.sin(angle) * right,
        np.sin(angle) * down + np.cos(angle) * right,
    )
    steps = np.stack([turned[0] - down, turned[1] - right])
    swirl = lerf_core.warp(photo, lerf_core.Displacement(steps), mode="reflect", channel_axis=-1)
    iio.imwrite(folder / "swirl.png", swirl)


if __name__ == "__main__":
    main()
