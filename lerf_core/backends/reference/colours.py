"""Resizing by tables for the brightness alone (``fast=True``).

A colour channel is the luma plus a difference. The luma is resized by the tables, the
differences by cubic convolution, which no tables slow down; eyes see little of what
that loses. In bytes the luma is rounded for the tables, and what the rounding leaves is in
the differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lerf_core.constants import LEVELS, LUMA_WEIGHTS

if TYPE_CHECKING:
    from lerf_core.sampling.kernel_taps import KernelTaps

__all__ = ["add_colour_differences", "luma"]

Plane = npt.NDArray[Any]
FloatPlane = npt.NDArray[np.float32]

_RED, _GREEN, _BLUE = (np.float32(weight) for weight in LUMA_WEIGHTS)


def luma(colours: Sequence[Plane]) -> Plane:
    """Return the luma (ITU-R BT.601) of red, green and blue.

    Parameters
    ----------
    colours : three ndarrays of uint8 or float32, (rows, cols)
        In grey levels.

    Returns
    -------
    ndarray, (rows, cols)
        Of bytes rounded to uint8, else float32.
    """
    red, green, blue = (colour.astype(np.float32) for colour in colours)
    level: FloatPlane = (_RED * red + _GREEN * green) + _BLUE * blue
    return np.rint(level).astype(np.uint8) if colours[0].dtype == np.uint8 else level


def add_colour_differences(
    colours: Sequence[Plane],
    luma: Plane,
    resized: FloatPlane,
    rows: KernelTaps,
    cols: KernelTaps,
    out: Plane,
) -> None:
    """Write the result's colours: its luma, and the resized differences of the source's colours.

    Parameters
    ----------
    colours, luma : ndarray of uint8 or float32, (rows, cols)
        Of the source, in grey levels.
    resized : ndarray of float32, (output rows, output cols)
        The result's luma.
    rows, cols : KernelTaps
        Of the result's rows and columns.
    out : ndarray, (output rows, output cols, channels)
        Receives the result, in the source's dtype, for bytes rounded and clipped. The
        arithmetic is float32: first along the columns, then along the rows, summed in the
        order of the taps.
    """
    for channel, colour in enumerate(colours):
        difference = colour.astype(np.float32) - luma.astype(np.float32)
        down = _sum([rows.weight[:, k, None] * difference[i] for k, i in enumerate(rows.index.T)])
        across = _sum([cols.weight[:, k] * down[:, i] for k, i in enumerate(cols.index.T)])
        value: Plane = resized + across
        if colour.dtype == np.uint8:
            value = np.clip(np.rint(value), 0, LEVELS)
        out[..., channel] = value


def _sum(terms: list[FloatPlane]) -> FloatPlane:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
