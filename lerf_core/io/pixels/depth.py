"""Samples of fewer bits than their dtype has: their values span the dtype once they are read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["dtype_of_bits", "expanded", "expansion_note", "stored_bits"]

# Values of this many bits are looked up in a table: one read per sample.
_TABLE_BITS = 16


def dtype_of_bits(bits: int) -> np.dtype[Any]:
    """Return the unsigned type, of at most 64 bits, that holds samples of so many bits."""
    return np.dtype(next(f"uint{size}" for size in (8, 16, 32, 64) if bits <= size))


def stored_bits(bits: int, dtype: np.dtype[Any]) -> int | None:
    """Return the bits per sample of a file for its metadata: None where its type says them."""
    return bits if dtype.kind == "u" and bits != 8 * dtype.itemsize else None


def expanded(values: NDArray[Any], top: int, dtype: np.dtype[Any] | None = None) -> NDArray[Any]:
    """Return samples of 0 to `top` scaled to the whole range of an unsigned type.

    Parameters
    ----------
    values : array of unsigned integers
        Greater ones count as `top`.
    top : int
        The value of white, 2**31 at most: 4095 for 12 bits.
    dtype : numpy.dtype, optional
        Of the result; that of `values` by default.

    Returns
    -------
    array
        ``values * greatest / top``, rounded to the nearest integer; `values` where nothing is to
        be done.

    Examples
    --------
    >>> expanded(np.array([0, 7, 15], np.uint8), 15).tolist()
    [0, 119, 255]
    >>> expanded(np.array([0, 2048, 4095], np.uint16), 4095).tolist()
    [0, 32776, 65535]
    """
    target = values.dtype if dtype is None else dtype
    greatest = int(np.iinfo(target).max)
    if target == values.dtype and top == greatest:
        return values
    stored = 8 * values.dtype.itemsize
    if stored <= _TABLE_BITS:
        table = np.minimum(np.arange(1 << stored, dtype=np.uint64), np.uint64(top))
        scaled: NDArray[Any] = _scaled(table, top, greatest).astype(target)[values]
        return scaled
    out = np.empty(values.shape, target)
    for row, line in zip(out, values, strict=True):
        row[...] = _scaled(np.minimum(line, top).astype(np.uint64), top, greatest)
    return out


def _scaled(values: NDArray[np.uint64], top: int, greatest: int) -> NDArray[np.uint64]:
    return (values * np.uint64(greatest) + np.uint64(top // 2)) // np.uint64(top)


def expansion_note(top: int, dtype: np.dtype[Any]) -> str:
    """Return the note on samples of 0 to `top` that span a wider type; "" where they fill it."""
    target = 8 * dtype.itemsize
    bits = top.bit_length()
    if bits == target and top == 2**bits - 1:
        return ""
    source = f"{bits}-bit samples" if top == 2**bits - 1 else f"samples of 0..{top}"
    return f"{source} expanded to {target} bits"
