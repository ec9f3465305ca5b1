"""Small photographs to train on."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def photograph(seed: int, rows: int = 96, cols: int = 110) -> np.ndarray:
    """Something between flat and noise: blurred noise, edges, a ramp."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :cols]
    coarse = Image.fromarray(rng.integers(0, 256, (rows // 6 + 2, cols // 6 + 2, 3), np.uint8))
    image = np.asarray(coarse.resize((cols, rows), Image.Resampling.BICUBIC)).astype(float)
    slanted = (y + x * rng.uniform(0.3, 2)) % 40 > 20
    image[slanted] = 0.6 * image[slanted] + 60
    return np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def make_photographs(tmp_path):
    """Write photographs into a folder of that name."""

    def make(count: int = 4, name: str = "photos", start: int = 0, **size: int) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        for number in range(start, start + count):
            Image.fromarray(photograph(number, **size)).save(folder / f"{number}.png")
        return folder

    return make
