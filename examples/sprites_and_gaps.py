"""Alpha without fringes, missing values that stay missing, and means in linear light.

python examples/sprites_and_gaps.py [OUTPUT_FOLDER]
"""

import sys
from pathlib import Path

import imageio.v3 as iio
import numpy as np

import lerf_core

PHOTO = Path(__file__).parent / "photos" / "chelsea.png"


def main() -> None:
    """Enlarge a round cut-out, resample heights with a gap, shrink in linear light."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    folder.mkdir(parents=True, exist_ok=True)
    photo = iio.imread(PHOTO)

    eye = photo[90:150, 150:210]
    row, col = np.indices(eye.shape[:2])
    opacity = np.where(np.hypot(row - 30, col - 30) < 28, 255, 0).astype(np.uint8)
    sprite = np.dstack([eye, opacity])
    # Colours weigh by their opacity: those of transparent pixels leave no rim.
    iio.imwrite(folder / "sprite.png", lerf_core.rescale(sprite, 4, channel_axis=-1))

    heights = np.hypot(*np.indices((120, 160))).astype(np.float32)
    heights[40:60, 70:100] = -9999
    finer = lerf_core.rescale(heights, 2, value_range=(0, 200), nodata=-9999)
    print(f"missing: {np.mean(heights == -9999):.2%} before, {np.mean(finer == -9999):.2%} after")

    half = lerf_core.rescale(photo, 0.5, channel_axis=-1, linear_light=True)
    iio.imwrite(folder / "half-in-linear-light.png", half)


if __name__ == "__main__":
    main()
