"""Packed parameters: all that the weighted mean needs of a source pixel, side by side.

The last axis has 2, 4 or 8 slots: the feature, then the parameters in the order of the bank's
kind; a slot that is left over holds anything. So a pixel of bytes is one word, fetched at once.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["as_words", "empty_packed", "pack", "parameter_count", "slot_count", "unpack"]

Packed = npt.NDArray[Any]
# Slots by number of parameters: alpha; rho and sigmas; these and a local plane.
_SLOTS = {1: 2, 3: 4, 6: 8}
_PARAMETERS = {slots: parameters for parameters, slots in _SLOTS.items()}


def slot_count(parameters: int) -> int:
    """Return how many slots a pixel has, 2, 4 or 8, for its number of parameters.

    Raises
    ------
    ValueError
        If no kind of bank has that many: views by `unpack` could not tell them from the slots.
    """
    if parameters not in _SLOTS:
        counts = ", ".join(map(str, _SLOTS))
        raise ValueError(f"pixels are packed with {counts} parameters, not with {parameters}")
    return _SLOTS[parameters]


def parameter_count(slots: int) -> int:
    """Return how many parameters a pixel of so many slots has."""
    return _PARAMETERS[slots]


def empty_packed(rows: int, cols: int, parameters: int, dtype: npt.DTypeLike) -> Packed:
    """Return an uninitialised array, (rows, cols, slots); see `slot_count`."""
    return np.empty((rows, cols, slot_count(parameters)), dtype)


def unpack(packed: Packed) -> tuple[Packed, Packed]:
    """Return views of the features, (rows, cols), and the parameters, (parameters, rows, cols)."""
    last = parameter_count(packed.shape[-1]) + 1
    return packed[..., 0], packed[..., 1:last].transpose(2, 0, 1)


def pack(
    units: npt.NDArray[np.integer],
    values: npt.NDArray[np.integer],
    level: int,
    remainder: npt.NDArray[np.float32] | None,
    dtype: npt.DTypeLike,
) -> Packed:
    """Pack a feature and the values of the last stage.

    Parameters
    ----------
    units : ndarray of int, (rows, cols)
        The feature.
    values : ndarray of int, (parameters, rows, cols)
        The parameters.
    level : int
        How many units of both are a grey level.
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
    feature[:], parameters[:] = units, values
    if packed.dtype == np.float32:
        to_level = np.float32(1 / level)
        feature *= to_level
        parameters *= to_level
    if remainder is not None:
        feature += remainder
    return packed


def as_words(packed: Packed) -> Packed:
    """View packed parameters of bytes as one word per pixel; floats are returned as they are.

    Parameters
    ----------
    packed : ndarray of uint8 or float32, (..., slots)
        C-contiguous, with 2, 4 or 8 slots.

    Returns
    -------
    ndarray of uint16, uint32 or uint64, (...), or `packed`
        Slot k is the byte of weight ``256**k``.
    """
    if packed.dtype != np.uint8:
        return packed
    words = packed.view(f"u{packed.shape[-1]}")[..., 0]
    return words if sys.byteorder == "little" else words.byteswap()
