"""From CIELAB to sRGB, for formats that hold no CIELAB."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lerf_core.io.formats import RGB
from lerf_core.io.image import DecodedImage, Pixels

__all__ = ["ENCODINGS", "as_srgb"]

#: How numbers stand for L, a and b, by TIFF's photometric interpretation: 8 is CIELAB (with a and
#: b from the middle on), 9 ICCLAB, 10 ITULAB. Of each channel the values of code 0, and of the
#: greatest code of 8 and of 16 bits.
ENCODINGS = {
    8: ((0, 100, 100), (-128, 127, 128 - 1 / 256), (-128, 127, 128 - 1 / 256)),
    9: ((0, 100, 100 * 65535 / 65280), (-128, 127, 128 - 1 / 256), (-128, 127, 128 - 1 / 256)),
    10: ((0, 100, 100), (-85, 85, 85), (-75, 125, 125)),
}
_CIELAB = 8
_NOTE = "CIELAB converted to sRGB"
# The white of ICC's connection space, D50, which CIELAB in files refers to.
_WHITE = np.array([0.9642, 1.0, 0.8249])
# From XYZ under D50 to linear sRGB, adapted after Bradford.
_TO_SRGB = np.array([
    [3.1338561, -1.6168667, -0.4906146],
    [-0.9787684, 1.9161415, 0.0334540],
    [0.0719453, -0.2289914, 1.4052427],
])  # fmt: skip
# CIE's kappa and epsilon.
_SLOPE, _KNEE = 24389 / 27, 216 / 24389
# Pixels that are converted at once, for the memory of their floats.
_BLOCK = 1 << 18


def as_srgb(image: DecodedImage) -> DecodedImage:
    """Return a CIELAB image as sRGB of the same depth, with a note.

    Parameters
    ----------
    image : DecodedImage
        Of the layout CIELAB: (rows, cols, 3) integers whose a and b are counted from the middle,
        or floats that are L, a and b themselves (0 to 100, about -128 to 127).

    Returns
    -------
    DecodedImage
        RGB; floats from 0 to 1. A profile of the CIELAB image is left out.
    """
    photometric = image.details.get("photometric", _CIELAB)
    return image.mapped(
        lambda frame: _converted(frame, photometric),
        layout=RGB,
        metadata=replace(image.metadata, icc=None),
        details={**image.details, "photometric": 2},
    ).noted(_NOTE)


def _converted(frame: Pixels, photometric: int) -> Pixels:
    out = np.empty(frame.shape, frame.dtype)
    is_float = frame.dtype.kind == "f"
    top = 1.0 if is_float else float(np.iinfo(frame.dtype).max)
    step = max(1, _BLOCK // max(1, frame.shape[1]))
    for first in range(0, len(frame), step):
        block = frame[first : first + step].astype(np.float64)
        if not is_float:
            block = _decoded(block, top, photometric, is_deep=frame.dtype.itemsize > 1)
        rgb = _srgb_of_lab(block) * top
        out[first : first + step] = rgb if is_float else np.rint(rgb)
    return out


def _decoded(
    codes: NDArray[np.float64], top: float, photometric: int, *, is_deep: bool
) -> NDArray[np.float64]:
    """Return L, a and b that integers stand for."""
    channels = ENCODINGS.get(photometric, ENCODINGS[_CIELAB])
    low = np.array([channel[0] for channel in channels])
    high = np.array([channel[1 + is_deep] for channel in channels])
    values: NDArray[np.float64] = low + codes * ((high - low) / top)
    return values


def _srgb_of_lab(lab: NDArray[np.float64]) -> NDArray[Any]:
    """Return sRGB from 0 to 1, clipped, of (..., 3) L, a and b."""
    middle = (lab[..., 0] + 16) / 116
    roots = np.stack([middle + lab[..., 1] / 500, middle, middle - lab[..., 2] / 200], axis=-1)
    cubes = roots**3
    xyz = np.where(cubes > _KNEE, cubes, (116 * roots - 16) / _SLOPE) * _WHITE
    linear = np.clip(xyz @ _TO_SRGB.T, 0, 1)
    bright = 1.055 * np.power(linear, 1 / 2.4) - 0.055
    return np.asarray(np.where(linear <= 0.0031308, 12.92 * linear, bright))
