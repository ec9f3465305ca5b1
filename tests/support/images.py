"""Images that tests resample."""

import numpy as np

#: What may lie beyond the border of an image.
MODES = ["edge", "constant", "reflect", "symmetric", "wrap"]


def noise(shape, dtype="uint8", seed=0):
    """Return uniform noise over all of a dtype's values; floats over 0..1."""
    values = np.random.default_rng(seed).random(shape)
    top = np.iinfo(dtype).max if np.dtype(dtype).kind in "iu" else 1
    return (values * top).astype(dtype)


def wide_noise(shape, dtype, seed):
    """Return uniform noise; that of floats leaves 0..1 on both sides."""
    values = np.random.default_rng(seed).random(shape)
    if np.dtype(dtype).kind == "f":
        return (values * 1.4 - 0.2).astype(dtype)
    return (values * np.iinfo(dtype).max).round().astype(dtype)


def ramp(shape, slope_row, slope_col, level=20.0):
    """Return a plane that rises by so much per row and per column from a level at the top left."""
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    return level + slope_row * rows + slope_col * cols


def step(low, high, size=16, angle=0.0):
    """Return a hard edge through the middle of a square, (size, size) of uint8."""
    rows, cols = np.mgrid[:size, :size] - size / 2 + 0.5
    return np.where(np.cos(angle) * cols + np.sin(angle) * rows > 0, high, low).astype(np.uint8)


def scaling(rows, cols):
    """Return the inverse matrix of a resize by (rows, cols), centres aligned."""
    return np.array([[1 / cols, 0, 0.5 / cols - 0.5], [0, 1 / rows, 0.5 / rows - 0.5], [0, 0, 1]])


def blob(shape, x, y, sigma=2.0):
    """Return a Gaussian about (x, y), float32 (rows, cols), that tells where pixels have gone."""
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    return np.exp(-((cols - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2)).astype(np.float32)


def centroid(image):
    """Return the (x, y) of an image's centre of mass."""
    rows, cols = np.mgrid[: image.shape[0], : image.shape[1]]
    weight = image.astype(np.float64) / image.sum(dtype=np.float64)
    return (cols * weight).sum(), (rows * weight).sum()
