"""Table reads: coordinates in, features or parameters out."""

from __future__ import annotations

from math import isqrt

import numpy as np
import numpy.typing as npt

from lerf_core.bank.staged_tables import StagedTables
from lerf_core.bank.stages import turned_columns
from lerf_core.constants import LEVELS

__all__ = ["laid_out", "read_stage"]


def read_stage(
    plane: npt.NDArray[np.integer], bank: StagedTables, number: int, cell_bits: int
) -> npt.NDArray[np.int64]:
    """Read a stage's tables for every pixel.

    Parameters
    ----------
    plane : ndarray of int, (rows, cols)
        Coordinates in 0..255, times ``2**grey_bits``.
    bank : StagedTables
        The tables.
    number : int
        Stage, counted from 0.
    cell_bits : int
        ``grey_bits + log2(bank.interval)``.

    Returns
    -------
    ndarray of int64, (values, rows, cols)
        ``clip(round(sum of reads / divisor + bias), 0, 255)`` in the units of `plane`,
        rounded half to even; those of a local plane not below 1. The feature, or the parameters.
    """
    spec = bank.stages[number]
    rows, cols = plane.shape
    pad = bank.stage_reach
    padded = np.pad(plane, pad, mode="edge")
    total = np.zeros((rows, cols, len(spec.values)), dtype=np.int64)
    for read in bank.reads(number):
        pixels = [
            padded[pad + dy : pad + dy + rows, pad + dx : pad + dx + cols]
            for dy, dx in read.offsets
        ]
        columns, signs = np.transpose(turned_columns(spec.values, read.turns))
        table = bank.tables[read.table][..., columns] * signs
        total += _interpolate(table, np.stack(pixels, axis=-1), cell_bits)
    # A read is sum(weight * entry) / cell in grey levels, and cell = interval * 2**grey_bits.
    unit = (1 << cell_bits) // bank.interval
    divisor = bank.interval * np.array(spec.divisor)
    value = np.rint((total + np.array(spec.bias) * unit * divisor) / divisor)
    lowest = np.array(spec.lowest) * unit
    clipped: npt.NDArray[np.float64] = np.clip(value, lowest, LEVELS * unit)
    return clipped.astype(np.int64).transpose(2, 0, 1)


def laid_out(values: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """Put the blocks of pixels side by side.

    Parameters
    ----------
    values : ndarray, (scale**2, rows, cols)
        The levels of each pixel's block, row by row.

    Returns
    -------
    ndarray, (scale * rows, scale * cols)
    """
    _, rows, cols = values.shape
    scale = isqrt(len(values))
    blocks = values.reshape(scale, scale, rows, cols).transpose(2, 0, 3, 1)
    return blocks.reshape(scale * rows, scale * cols)


def _interpolate(
    table: npt.NDArray[np.integer], pixels: npt.NDArray[np.integer], cell_bits: int
) -> npt.NDArray[np.int64]:
    """Interpolate a table over the 4-simplex of each pixel's cell.

    Parameters
    ----------
    table : ndarray of int, (nodes, nodes, nodes, nodes, values)
    pixels : ndarray of int, (rows, cols, 4)
        Coordinates in units of which a cell spans ``2**cell_bits``.

    Returns
    -------
    ndarray of int64, (rows, cols, values)
        Sums of weights and entries; the weights sum up to ``2**cell_bits``.
    """
    node = pixels.astype(np.int64) >> cell_bits
    fraction = pixels.astype(np.int64) & ((1 << cell_bits) - 1)
    order = np.argsort(-fraction, axis=-1, kind="stable")
    ranked = np.take_along_axis(fraction, order, axis=-1)
    weight = np.full(pixels.shape[:-1], 1 << cell_bits, dtype=np.int64)
    total = np.zeros((*pixels.shape[:-1], table.shape[-1]), dtype=np.int64)
    for rank in range(5):
        lower = ranked[..., rank] if rank < 4 else np.zeros_like(weight)
        entry = table[node[..., 0], node[..., 1], node[..., 2], node[..., 3]]
        total += (weight - lower)[..., None] * entry
        if rank < 4:  # step to the next corner, along the axis of the next smaller fraction
            weight = lower
            axis = order[..., rank, None]
            np.put_along_axis(node, axis, np.take_along_axis(node, axis, axis=-1) + 1, axis=-1)
    return total
