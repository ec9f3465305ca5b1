"""Packed parameters: all that the weighted mean needs of a source pixel, side by side.

The last axis has 2, 4 or 8 slots: the feature, then the parameters in the order of the bank's
kind; slots that are left over hold anything. So a pixel of bytes is one word, fetched at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.bank.model import LutBank

__all__ = ["empty_packed", "pack", "slot_count", "unpack"]

Packed = npt.NDArray[Any]
# How many parameters go into so many slots: alpha; rho and sigmas; these and a local plane.
_PARAMETERS = {2: 1, 4: 3, 8: 6}


def slot_count(parameters: int) -> int:
    """Return how many slots a pixel of so many parameters has: 2, 4 or 8."""
    return next(slots for slots, most in _PARAMETERS.items() if parameters <= most)


def empty_packed(rows: int, cols: int, parameters: int, dtype: npt.DTypeLike) -> Packed:
    """Return an uninitialised array, (rows, cols, slots), for a number of parameters."""
    return np.empty((rows, cols, slot_count(parameters)), dtype)


def unpack(packed: Packed) -> tuple[Packed, Packed]:
    """Return views of the features, (rows, cols), and the parameters, (parameters, rows, cols)."""
    last = _PARAMETERS[packed.shape[-1]] + 1
    return packed[..., 0], np.moveaxis(packed[..., 1:last], -1, 0)


def pack(
    units: npt.NDArray[np.integer],
    values: npt.NDArray[np.integer],
    cell_bits: int,
    bank: LutBank,
    remainder: npt.NDArray[np.float32] | None,
    dtype: npt.DTypeLike,
) -> Packed:
    """Pack a feature and the values of the last stage.

    Parameters
    ----------
    units : ndarray of int, (rows, cols)
        The feature, in units of which a cell of the tables spans ``2**cell_bits``.
    values : ndarray of int, (parameters, rows, cols)
        The parameters, in the same units.
    cell_bits, bank
        What the units are.
    remainder : ndarray of float32, (rows, cols), or None
        In grey levels; is added to the feature.
    dtype : dtype
        uint8: units are stored as they are. float32: in grey levels.

    Returns
    -------
    ndarray of `dtype`, (rows, cols, slots)
    """
    rows, cols = units.shape
    packed = empty_packed(rows, cols, len(values), dtype)
    feature, parameters = unpack(packed)
    feature[:], parameters[: len(values)] = units, values
    if packed.dtype == np.float32:
        to_level = np.float32(bank.interval / (1 << cell_bits))
        feature *= to_level
        parameters *= to_level
    if remainder is not None:
        feature += remainder
    return packed
