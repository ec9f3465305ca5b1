"""Table reads in units, of whole numbers throughout: equal on every device, without gradients.

`table_reads` computes the same in floats, with gradients.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lerf_core.backends.torch.table_reads import (
    StageReads,
    pad_edges,
    shifted_views,
    sorted_keys,
    table_names,
)
from lerf_core.bank.staged_tables import StagedTables
from lerf_core.constants import LEVELS

__all__ = ["StageLayout", "read_units"]

# Pixels that are read at a time: some forty values of each live at once.
_CHUNK = 1 << 22
# The same on the CPU, where caches are small.
_CPU_CHUNK = 1 << 18
# A product that leaves 32 bits room for the sums.
_MOST_PRODUCT = 1 << 28


class StageLayout(NamedTuple):
    """How a stage is read, on a device.

    Attributes
    ----------
    reads : StageReads
    offsets : Tensor of int32, (reads, 4, 2)
        (row, col) of the four pixels that index each read's table.
    tables : Tensor of int8, (reads * nodes**4, slots)
        A table for every read, turned; slots are a power of two, those beyond the values 0.
    finish : Tensor of int32, (3, slots)
        Divisor and bias of the sums, and the lowest value, of each slot: in units of a cell of one
        unit a level (`_finished` says how they count).
    values : int
        Values of a read.
    widest : int
        The largest product of a divisor with its bias, or with the range of levels.
    """

    reads: StageReads
    offsets: Tensor
    tables: Tensor
    finish: Tensor
    values: int
    widest: int

    @staticmethod
    @lru_cache(maxsize=32)
    def of(bank: StagedTables, number: int, device: torch.device) -> StageLayout:
        """Layout of a bank's stage, counted from 0; the last ones are kept."""
        reads, stage = StageReads.of(bank, number), bank.stages[number]
        values = len(stage.values)
        slots = 1 << (values - 1).bit_length()
        tables = [bank.tables[name] for name in table_names(bank, number)]
        turned = np.zeros((len(list(reads)), reads.nodes**4, slots), np.int8)
        for each, (table, _, turn) in zip(turned, reads, strict=True):
            columns, signs = np.transpose(turn)
            each[:, :values] = tables[table].reshape(len(each), -1)[:, columns] * signs
        finish = np.ones((3, slots), np.int32)
        finish[:, :values] = stage.divisor, stage.bias, stage.lowest
        widest = max(
            abs(divisor) * max(LEVELS, abs(bias))
            for divisor, bias in zip(stage.divisor, stage.bias, strict=True)
        )
        offsets = torch.tensor(reads.offsets, dtype=torch.int32).flatten(0, 1)
        return StageLayout(
            reads, offsets.to(device), torch.from_numpy(turned).flatten(0, 1).to(device),
            torch.from_numpy(finish).to(device), values, widest,
        )  # fmt: skip

    def is_wide(self, cell: int) -> bool:
        """Whether finishing the sums for a cell of so many units takes more than 32 bits."""
        return bool(self.widest * cell >= _MOST_PRODUCT)

    @property
    def nodes(self) -> int:
        """Nodes along each axis of a table."""
        return self.reads.nodes


def read_units(plane: Tensor, layout: StageLayout, cell_bits: int) -> Tensor:
    """Read a stage for every pixel: `lerf_core.backends.reference`'s `read_stage`.

    Parameters
    ----------
    plane : Tensor of uint8 or int32, (planes, rows, cols)
        Units. Beyond the border lie the border's pixels.
    layout : StageLayout
    cell_bits : int
        log2 of the units that a cell of the tables spans.

    Returns
    -------
    Tensor of the same dtype, (planes, values, rows, cols)
    """
    count, rows, cols = plane.shape
    chunk = _CPU_CHUNK if plane.device.type == "cpu" else _CHUNK
    height, pad = max(1, chunk // max(1, count * cols)), layout.reads.pad
    # There is no replicating padding of integers.
    padded = pad_edges(plane.float(), pad).int()
    out = plane.new_empty((count, layout.values, rows, cols))
    for top in range(0, rows, height):
        band = padded[:, top : top + height + 2 * pad]
        out[:, :, top : top + height] = _read_band(band, layout, cell_bits).movedim(-1, 1)
    return out


def _read_band(padded: Tensor, layout: StageLayout, cell_bits: int) -> Tensor:
    """Values (planes, rows, cols, values) of padded units of int32."""
    reads, nodes = layout.reads, layout.nodes
    whole = 1 << cell_bits
    node, fraction = padded >> cell_bits, padded & (whole - 1)
    size = nodes**4
    powers = torch.tensor([1, nodes, nodes**2, nodes**3], dtype=torch.int32, device=padded.device)
    shape = (len(padded), *(side - 2 * reads.pad for side in padded.shape[1:]))
    total = padded.new_zeros((*shape, layout.tables.shape[1]))
    for number, (_, offsets, _) in enumerate(reads):
        at = torch.full((), number * size, dtype=torch.int32, device=padded.device)
        for lower, stride in zip(
            shifted_views(node, offsets, reads.pad), reads.strides.tolist(), strict=True
        ):
            at = at + lower * stride
        above: Tensor | int = whole
        # Earlier pixels come first among equals: their axis counts as the larger.
        keys = [
            each * 4 + (3 - axis)
            for axis, each in enumerate(shifted_views(fraction, offsets, reads.pad))
        ]
        for key in [*sorted_keys(keys), None]:
            below: Tensor | int = 0 if key is None else key >> 2
            entries = layout.tables.index_select(0, at.flatten()).view(*at.shape, -1).int()
            total.add_(entries * (above - below)[..., None])  # type: ignore[index]
            if key is not None:
                at, above = at + powers[key & 3], below
    return _finished(total, layout, cell_bits)[..., : layout.values]


def _finished(total: Tensor, layout: StageLayout, cell_bits: int) -> Tensor:
    """Values (..., slots) of a stage, of the sums of its reads: rounded half to even, clipped."""
    interval = layout.reads.interval
    unit = (1 << cell_bits) // interval
    divisor, bias, lowest = layout.finish.long().unbind(0)
    divisor = divisor * interval
    doubled = 2 * (total.long() + bias * unit * divisor) + divisor
    value = torch.div(doubled, 2 * divisor, rounding_mode="floor")
    value = value - ((doubled == 2 * divisor * value) & (value % 2 == 1)).long()
    return torch.maximum(value, lowest * unit).clamp(max=LEVELS * unit)
