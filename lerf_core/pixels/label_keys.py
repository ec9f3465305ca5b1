"""Labels as numbers: one unsigned integer per pixel, whatever a pixel is made of.

Two pixels have the same key where all of their channels are equal, and keys are in the order of
their values, channel by channel. NaN is one value, greater than all others; -0.0 is 0.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lerf_core.pixels.nodata import can_hold

__all__ = ["LabelKeys", "label_keys"]

Plane = npt.NDArray[Any]
Keys = npt.NDArray[np.unsignedinteger[Any]]

_MOST_BITS = 64


class LabelKeys(NamedTuple):
    """The labels of pixels.

    Attributes
    ----------
    keys : ndarray of uint8, uint16, uint32 or uint64, (rows, cols)
        C-contiguous.
    missing : ndarray of bool, (rows, cols), or None
        Where pixels are missing; None: nowhere.
    """

    keys: Keys
    missing: npt.NDArray[np.bool_] | None


def label_keys(
    planes: Sequence[Plane],
    *,
    masks: int = 0,
    alpha: int | None = None,
    clear: npt.NDArray[np.bool_] | None = None,
    nodata: float | None = None,
) -> LabelKeys:
    """Return the labels of pixels.

    Parameters
    ----------
    planes : sequence of ndarray, (rows, cols)
        The channels, and their masks where they have any; all of them together are a label.
    masks : int
        How many of the planes, the last ones, are masks of the others: not 0 where a value is
        missing.
    alpha : int, optional
        Which channel is alpha.
    clear : ndarray of bool, (rows, cols), optional
        Where alpha is 0: such pixels are missing, whatever their colours.
    nodata : float, optional
        Value of missing pixels: those of which all channels but alpha have it, or are masked.
    """
    count = len(planes) - masks
    masked = [mask != 0 for mask in planes[count:]]
    planes = list(planes[:count])
    colours = [number for number in range(count) if number != alpha]
    missing = _missing(planes, masked, colours, nodata)
    if clear is not None and clear.any():
        missing = clear if missing is None else missing | clear
    for number, mask in enumerate(masked):  # whatever stands under a mask
        planes[number] = np.where(mask, planes[number].dtype.type(0), planes[number])
    parts = [_ordered(plane) for plane in planes] + [(mask.view(np.uint8), 1) for mask in masked]
    keys, bits = parts[0]
    for part, part_bits in parts[1:]:
        if bits + part_bits > _MOST_BITS:
            (keys, bits), (part, part_bits) = _ranked(keys), _ranked(part)
        wide = _dtype_of(bits + part_bits)
        keys = keys.astype(wide) << wide.type(part_bits) | part.astype(wide)
        bits += part_bits
    return LabelKeys(np.ascontiguousarray(keys), missing)


def _missing(
    planes: Sequence[Plane], masks: Sequence[Plane], colours: Sequence[int], nodata: float | None
) -> npt.NDArray[np.bool_] | None:
    if nodata is None and not masks:
        return None
    missing = np.ones(planes[0].shape, np.bool_)
    for number in colours:
        is_missing = _equals(planes[number], nodata)
        missing &= is_missing | masks[number] if masks else is_missing
    return missing if missing.any() else None


def _equals(plane: Plane, nodata: float | None) -> npt.NDArray[np.bool_]:
    if nodata is None or not can_hold(plane.dtype, nodata):
        return np.zeros(plane.shape, np.bool_)
    if np.isnan(nodata):
        return np.isnan(plane)
    # As floats, other integers would equal it.
    equal: npt.NDArray[np.bool_] = plane == plane.dtype.type(
        nodata if plane.dtype.kind == "f" else int(nodata)
    )
    return equal


def _ordered(plane: Plane) -> tuple[Keys, int]:
    """Return unsigned integers in the order of a channel's values, and how many bits they have."""
    dtype = plane.dtype
    if dtype == np.bool_:
        return plane.view(np.uint8), 1
    if dtype.kind == "u":
        return plane, 8 * dtype.itemsize
    if dtype.itemsize > _MOST_BITS // 8:
        return _ranked(plane)
    bits = 8 * dtype.itemsize
    unsigned = np.dtype(f"u{dtype.itemsize}")
    sign = unsigned.type(1 << (bits - 1))
    if dtype.kind == "i":
        return plane.view(unsigned) ^ sign, bits
    # Floats are in the order of their bits, those below 0 in the opposite one.
    number = (plane + dtype.type(0)).view(unsigned)
    number = np.where(number & sign, ~number, number | sign)
    number[np.isnan(plane)] = np.iinfo(unsigned).max
    return number, bits


def _ranked(values: Plane) -> tuple[Keys, int]:
    """Return the ranks of values among those that there are, and how many bits they have."""
    distinct, inverse = np.unique(values, return_inverse=True)
    ranks: Keys = inverse.reshape(values.shape).astype(np.uint64)
    return ranks, max(1, int(distinct.size - 1).bit_length())


def _dtype_of(bits: int) -> np.dtype[np.unsignedinteger[Any]]:
    return np.dtype(f"u{next(size for size in (1, 2, 4, 8) if 8 * size >= bits)}")
