"""Shrinking functions of known behaviour."""

import numpy as np
import pytest
from lerf_training.evaluation.shrinking.scenes import block_means
from PIL import Image


def like(image, levels):
    """Levels in the image's dtype."""
    return np.rint(levels).astype(np.uint8) if image.dtype == np.uint8 else levels.astype("f4")


def coverage(image, shape):
    """Means over what each result pixel covers."""
    return like(image, block_means(image.astype(np.float64), shape))


def nearest(image, shape):
    """Pixel in the middle of each result pixel."""
    rows, cols = (
        ((np.arange(n) + 0.5) * size / n).astype(int)
        for n, size in zip(shape, image.shape, strict=True)
    )
    return image[np.ix_(rows, cols)]


def sharpened(image, shape):
    """By 2: weights -1/4, 3/4, 3/4, -1/4 along each axis."""
    levels = np.pad(image.astype(np.float64), 1, mode="edge")
    for axis in (0, 1):
        levels = np.moveaxis(levels, axis, 0)
        count = shape[axis]
        taps = [levels[start : start + 2 * count : 2] for start in range(4)]
        levels = np.moveaxis(0.75 * (taps[1] + taps[2]) - 0.25 * (taps[0] + taps[3]), 0, axis)
    return like(image, np.clip(levels, 0, 255))


def lanczos(image, shape):
    """Pillow's."""
    return np.asarray(Image.fromarray(image).resize(shape[::-1], Image.Resampling.LANCZOS))


@pytest.fixture
def shrinks():
    """Shrinking functions by name."""
    functions = (coverage, nearest, sharpened, lanczos)
    return {function.__name__: function for function in functions}
