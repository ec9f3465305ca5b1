"""Images of half the size: means of two by two pixels, for the levels of pyramids."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["halved"]

Image = npt.NDArray[Any]


def halved(source: Image, *, has_alpha: bool) -> Image:
    """Return means of two by two pixels; see `Backend.halve`."""
    corners = _corners(source)
    if has_alpha:
        return _weighted(corners, source.dtype)
    if source.dtype.kind == "f":
        a, b, c, d = corners
        with np.errstate(over="ignore", invalid="ignore"):
            total: Image = (a + b) + (c + d)
        return total / 4
    # Quarters, and what they leave, apart: sums might overflow. Halves are rounded up.
    rest = np.sum([corner & 3 for corner in corners], axis=0, dtype=source.dtype) + 2
    quarters = np.sum([corner >> 2 for corner in corners], axis=0, dtype=source.dtype)
    mean: Image = quarters + (rest >> 2)
    return mean.astype(source.dtype, copy=False)


def _corners(source: Image) -> list[Image]:
    """Return the pixels of each position in two by two; the last row and column count twice."""
    rows, cols, _ = source.shape
    whole = np.pad(source, [(0, rows % 2), (0, cols % 2), (0, 0)], mode="edge")
    return [whole[y::2, x::2] for y in (0, 1) for x in (0, 1)]


def _weighted(corners: list[Image], dtype: np.dtype[Any]) -> Image:
    """Return means weighted by the last channel, which is averaged itself."""
    real = dtype if dtype.kind == "f" else np.float64
    a, b, c, d = (corner[..., -1:].astype(real) for corner in corners)
    colours = [corner[..., :-1].astype(np.float64) for corner in corners]
    weight = (a + b) + (c + d)
    clear = ~(weight > 0)  # any colour is as good
    a, b, c, d = (np.where(clear, 1.0, part.astype(np.float64)) for part in (a, b, c, d))
    total = np.where(clear, 4.0, weight.astype(np.float64))
    upper, lower = a * colours[0] + b * colours[1], c * colours[2] + d * colours[3]
    mean = np.concatenate([(upper + lower) / total, weight / 4], axis=-1)
    return (np.trunc(mean + 0.5) if dtype.kind in "iu" else mean).astype(dtype)
