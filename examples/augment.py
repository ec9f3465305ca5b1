"""Transform an image with its mask and its keypoints for the training of a network.

python examples/augment.py [OUTPUT_FOLDER]
"""

import sys
from pathlib import Path

import imageio.v3 as iio
import numpy as np

from lerf_plugins.filters.transforms import Perspective

PHOTO = Path(__file__).parent / "photos" / "coffee.jpg"


def main() -> None:
    """Draw a random perspective and apply it to all three alike."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    folder.mkdir(parents=True, exist_ok=True)
    photo = iio.imread(PHOTO)
    row, col = np.indices(photo.shape[:2])
    mask = (np.hypot(row - 190, col - 290) < 130).astype(np.int32)
    cup = np.array([[290.0, 190.0]])  # (x, y)
    transform = Perspective(0.15, seed=7)
    sample = transform(image=photo, mask=mask, keypoints=cup)
    x, y = sample["keypoints"][0]
    print(f"the cup lies at {x:.1f}, {y:.1f}; labels {np.unique(sample['mask'])}")
    iio.imwrite(folder / "augmented.png", sample["image"])


if __name__ == "__main__":
    main()
