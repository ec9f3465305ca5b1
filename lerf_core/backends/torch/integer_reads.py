"""Table reads in units, of whole numbers throughout: equal on every device, without gradients.

`table_reads` computes the same in floats, with gradients.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from lerf_core.backends.torch.table_reads import (
    StageReads,
    pad_edges,
    shifted_views,
    stage_tables,
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
        unit a level (`finished` says how they count).
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
    def of(bank: StagedTables, number: int, device: torch.device) -> StageLayout:
        """Layout of a bank's stage, counted from 0; the last ones are kept."""
        return _layout(bank, number, device)

    def is_wide(self, cell: int) -> bool:
        """Whether finishing the sums for a cell of so many units takes more than 32 bits."""
        return bool(self.widest * cell >= _MOST_PRODUCT)

    @property
    def nodes(self) -> int:
        """Nodes along each axis of a table."""
        return self.reads.nodes


@lru_cache(maxsize=32)
def _layout(bank: StagedTables, number: int, device: torch.device) -> StageLayout:
    reads, stage = StageReads.of(bank, number), bank.stages[number]
    values = len(stage.values)
    slots = 1 << (values - 1).bit_length()
    offsets = torch.tensor(reads.offsets, dtype=torch.int32).flatten(0, 1)
    tables = stage_tables(bank)[number]
    turned = []
    for table, _, turn in reads:
        columns, signs = zip(*turn, strict=True)
        turned.append(tables[table][:, list(columns)] * torch.tensor(signs, dtype=torch.int8))
    finish = torch.ones((3, slots), dtype=torch.int32)
    finish[:, :values] = torch.tensor([stage.divisor, stage.bias, stage.lowest])
    padded = functional.pad(torch.cat(turned), (0, slots - values)).contiguous()
    widest = max(
        abs(divisor) * max(LEVELS, abs(bias))
        for divisor, bias in zip(stage.divisor, stage.bias, strict=True)
    )
    offsets, padded, finish = (tensor.to(device) for tensor in (offsets, padded, finish))
    return StageLayout(reads, offsets, padded, finish, values, widest)


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
    total: Tensor | None = None
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
        for key in [*_falling(keys), None]:
            below: Tensor | int = 0 if key is None else key >> 2
            entries = layout.tables.index_select(0, at.flatten()).view(*at.shape, -1).int()
            term = entries * (above - below)[..., None]  # type: ignore[index]
            total = term if total is None else total.add_(term)
            if key is not None:
                at, above = at + powers[key & 3], below
    return finished(total, layout, cell_bits)[..., : layout.values]


def finished(total: Tensor | None, layout: StageLayout, cell_bits: int) -> Tensor:
    """Values (..., slots) of a stage, of the sums of its reads: rounded half to even, clipped."""
    if total is None:
        raise ValueError("a stage has reads")
    interval = layout.reads.interval
    unit = (1 << cell_bits) // interval
    divisor, bias, lowest = layout.finish.long().unbind(0)
    divisor = divisor * interval
    doubled = 2 * (total.long() + bias * unit * divisor) + divisor
    value = torch.div(doubled, 2 * divisor, rounding_mode="floor")
    value = value - ((doubled == 2 * divisor * value) & (value % 2 == 1)).long()
    return torch.maximum(value, lowest * unit).clamp(max=LEVELS * unit)


def _falling(keys: list[Tensor]) -> list[Tensor]:
    """Sort four keys, falling; no two are equal."""
    for first, second in ((0, 1), (2, 3), (0, 2), (1, 3), (1, 2)):
        larger = torch.maximum(keys[first], keys[second])
        keys[second] = torch.minimum(keys[first], keys[second])
        keys[first] = larger
    return keys
