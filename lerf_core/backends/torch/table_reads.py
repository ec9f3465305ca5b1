"""Reads of a stage's tables on torch tensors, differentiable by pixels and by entries.

Tables interpolate linearly between nodes, so derivatives by the pixels are those of the simplex
that a point lies in; on its border, of the one that the sorting picks (earlier pixels of the
pattern count as larger). Rounding and clipping pass gradients as `straight_through` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lerf_core.backends.torch.straight_through import quantise
from lerf_core.bank import Stage, StagedTables, turned_columns
from lerf_core.constants import LEVELS

__all__ = [
    "Offsets",
    "StageReads",
    "Turn",
    "pad_edges",
    "read_tables",
    "shifted_views",
    "sorted_keys",
    "stage_tables",
    "stage_values",
    "table_names",
    "turned_values",
    "unpad_gradient",
]

#: (row, col) of the four pixels that index a table.
Offsets = Sequence[tuple[int, int]]
#: For each value of a read the column of its table, and the sign.
Turn = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class StageReads:
    """Which pixels index which table of a stage.

    Attributes
    ----------
    offsets : tuple
        For each table, for each read of it, four (row, col).
    turns : tuple
        For each table, for each read of it, what its values are: column and sign
        (`lerf_core.bank.turned`).
    interval : int
        Grey levels between two nodes.
    """

    offsets: tuple[tuple[tuple[tuple[int, int], ...], ...], ...]
    turns: tuple[tuple[Turn, ...], ...]
    interval: int

    @classmethod
    def of(cls, bank: StagedTables, stage: int) -> StageReads:
        """Reads of a bank's stage, counted from 0; tables in the order of `table_names`."""
        values = bank.stages[stage].values
        tables: dict[str, list[tuple[Any, Any]]] = {}
        for read in bank.reads(stage):
            pair = (tuple(read.offsets), turned_columns(values, read.turns))
            tables.setdefault(read.table, []).append(pair)
        offsets, turns = (
            tuple(tuple(read[member] for read in reads) for reads in tables.values())
            for member in range(2)
        )
        return cls(offsets, turns, bank.interval)

    def __iter__(self) -> Iterator[tuple[int, Offsets, Turn]]:
        """Yield the number of the table, the offsets and the turn of every read."""
        for number, reads in enumerate(zip(self.offsets, self.turns, strict=True)):
            for offsets, turn in zip(*reads, strict=True):
                yield number, offsets, turn

    @property
    def nodes(self) -> int:
        """Nodes along each axis of a table."""
        return 256 // self.interval + 1

    @cached_property
    def pad(self) -> int:
        """How many pixels the reads reach."""
        return int(np.abs(np.array(self.offsets)).max())

    @cached_property
    def strides(self) -> npt.NDArray[np.uint32]:
        """Steps between nodes along the four axes of a flattened table."""
        return np.array([self.nodes**power for power in (3, 2, 1, 0)], np.uint32)


def table_names(bank: StagedTables, stage: int) -> list[str]:
    """Names of a stage's tables in the order of their first reads; stages count from 0."""
    return list(dict.fromkeys(read.table for read in bank.reads(stage)))


def stage_tables(bank: StagedTables) -> list[Tensor]:
    """Entries of each stage, int8 (tables, nodes**4, values), tables as `table_names` has them."""
    return [
        torch.from_numpy(
            np.stack([bank.tables[name] for name in table_names(bank, stage)])
        ).flatten(1, 4)
        for stage in range(len(bank.stages))
    ]


# -- reads ----------------------------------------------------------------------------


def read_tables(plane: Tensor, tables: Tensor, reads: StageReads, *, units: int = 1) -> Tensor:  # noqa: ARG001
    """Sum of a stage's interpolated table reads for every pixel.

    Parameters
    ----------
    plane : Tensor of floats, (batch, rows, cols)
        Grey levels in 0..255, whole or not.
    tables : Tensor of floats, (tables, nodes**4, values)
        Entries, in the order of `reads`.
    reads : StageReads
        Which pixels index which table.
    units : int, optional
        Units per grey level, a power of two, that levels are whole in. Compiled reads of the same
        interface count in them; here they change nothing.

    Returns
    -------
    Tensor, (batch, rows, cols, values)
        In grey levels; differentiable by `plane` and `tables`. Beyond the border lies the
        border's pixel.
    """
    dtype = torch.result_type(plane, tables)
    total: Tensor = _ReadTables.apply(plane.to(dtype), tables.to(dtype), reads)
    return total


class _ReadTables(torch.autograd.Function):
    """The walks through simplices are taken again for the gradients.

    Kept, what they pass would take kilobytes per pixel.
    """

    @staticmethod
    def forward(ctx: Any, plane: Tensor, tables: Tensor, reads: StageReads) -> Tensor:
        ctx.save_for_backward(plane, tables)
        ctx.reads = reads
        cells = _Cells.of(plane, reads)
        total = tables.new_zeros((*plane.shape, tables.shape[2]))
        for number, offsets, turn in reads:
            table = turned_values(tables[number], turn)
            corners = cells.walk(offsets)
            node, above, _ = next(corners)
            for following, fraction, _ in corners:
                total.addcmul_(_entries(table, node), (above - fraction)[..., None])
                node, above = following, fraction
            total.addcmul_(_entries(table, node), above[..., None])
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (plane, tables), reads, grad = ctx.saved_tensors, ctx.reads, grads[0]
        by_plane, by_tables = ctx.needs_input_grad[:2]
        cells = _Cells.of(plane, reads)
        slopes = torch.zeros_like(cells.bits, dtype=plane.dtype) if by_plane else None
        table_grad = torch.zeros_like(tables) if by_tables else None
        for number, offsets, turn in reads:
            corners = list(cells.walk(offsets))
            if slopes is not None:
                table = turned_values(tables[number], turn)
                _add_slopes(shifted_views(slopes, offsets, reads.pad), corners, table, grad)
            if table_grad is not None:
                table_grad[number] += _entry_gradient(corners, tables[number], turn, grad)
        plane_grad = None
        if slopes is not None:
            plane_grad = unpad_gradient(slopes, reads.pad) / reads.interval
        return plane_grad, table_grad, None


def pad_edges(planes: Tensor, pad: int) -> Tensor:
    """Planes (batch, rows, cols) with `pad` copies of their edges on all sides."""
    padded: Tensor = torch.nn.functional.pad(
        planes[:, None], (pad, pad, pad, pad), mode="replicate"
    )[:, 0]
    return padded


def unpad_gradient(grad: Tensor, pad: int) -> Tensor:
    """Gradient by planes from that by what `pad_edges` made of them."""
    for axis in (1, 2):
        size = grad.shape[axis] - 2 * pad
        before, inner, after = grad.split((pad, size, pad), axis)
        grad = inner.clone()
        grad.select(axis, 0).add_(before.sum(axis))
        grad.select(axis, -1).add_(after.sum(axis))
    return grad


def shifted_views(padded: Tensor, offsets: Offsets, pad: int) -> list[Tensor]:
    """Views (batch, rows, cols) of padded planes: what lies at each offset from every pixel."""
    rows, cols = (size - 2 * pad for size in padded.shape[1:])
    return [padded[:, pad + y : pad + y + rows, pad + x : pad + x + cols] for y, x in offsets]


@dataclass(frozen=True)
class _Cells:
    """Where pixels lie in the cells of the tables, edges replicated.

    Attributes
    ----------
    node : Tensor of int32, (batch, padded rows, padded cols)
        Lower node.
    bits : Tensor of int, (batch, padded rows, padded cols)
        The fraction's bits, which sort as it does; the last two are cleared.
    strides : tuple of int
        Steps between nodes along the axes.
    powers : Tensor of int32, (4,)
        The same, the last axis first.
    pad : int
        Pixels of padding on each side.
    dtype : torch.dtype
        Of the planes.
    """

    node: Tensor
    bits: Tensor
    strides: tuple[int, ...]
    powers: Tensor
    pad: int
    dtype: torch.dtype

    @classmethod
    def of(cls, plane: Tensor, reads: StageReads) -> _Cells:
        interval = reads.interval
        node = torch.div(plane, interval, rounding_mode="floor").clamp(0, reads.nodes - 2)
        fraction = pad_edges((plane - node * interval) / interval, reads.pad)
        bits = fraction.view(torch.int32 if plane.dtype == torch.float32 else torch.int64)
        strides = tuple(reads.strides.tolist())
        powers = torch.tensor(strides[::-1], dtype=torch.int32, device=plane.device)
        node = pad_edges(node, reads.pad).int()
        return cls(node, bits & ~3, strides, powers, reads.pad, plane.dtype)

    def walk(self, offsets: Offsets) -> Iterator[tuple[Tensor, Any, Any]]:
        """Yield the corners of each pixel's simplex, from the lower node on.

        Yields
        ------
        node : Tensor of int32, (batch, rows, cols)
        fraction : Tensor or float
            Of the step to it, falling; 1 at the lower node.
        axis : Tensor or None
            3 - the axis of that step.
        """
        first, *others = shifted_views(self.node, offsets, self.pad)
        node = first * self.strides[0]
        for lower, stride in zip(others, self.strides[1:], strict=True):
            node = node.add(lower, alpha=stride)
        yield node, 1.0, None
        fractions = shifted_views(self.bits, offsets, self.pad)
        for key in sorted_keys([bits | (3 - axis) for axis, bits in enumerate(fractions)]):
            axis = key & 3
            node = node + self.powers.take(axis.long())
            yield node, (key & ~3).view(self.dtype), axis


def sorted_keys(keys: list[Tensor]) -> list[Tensor]:
    """Sort four keys, falling; no two are equal: earlier pixels come first."""
    for first, second in ((0, 1), (2, 3), (0, 2), (1, 3), (1, 2)):
        larger = torch.maximum(keys[first], keys[second])
        keys[second] = torch.minimum(keys[first], keys[second])
        keys[first] = larger
    return keys


def _entries(table: Tensor, node: Tensor) -> Tensor:
    """Rows (..., values) of a table at nodes (...)."""
    return table.index_select(0, node.flatten()).view(*node.shape, -1)


def _add_slopes(views: list[Tensor], corners: list[Any], table: Tensor, grad: Tensor) -> None:
    """Add the gradient of a read to those of the pixels that it read, `views` of padded planes."""
    before = _entries(table, corners[0][0])
    for node, _, axis in corners[1:]:
        after = _entries(table, node)
        slope = ((after - before) * grad).sum(-1)
        before = after
        for number, view in enumerate(views):
            view.addcmul_(slope, (axis == 3 - number).to(slope.dtype))


def _entry_gradient(corners: list[Any], table: Tensor, turn: Turn, grad: Tensor) -> Tensor:
    """Gradient (nodes**4, values) of a read by its table."""
    total = torch.zeros_like(table)
    fractions = [fraction for _, fraction, _ in corners] + [0.0]
    for (node, fraction, _), lower in zip(corners, fractions[1:], strict=True):
        weighed = grad * (fraction - lower)[..., None]
        total.index_add_(0, node.flatten(), weighed.reshape(-1, grad.shape[-1]))
    if _is_upright(turn):
        return total
    columns, signs = zip(*turn, strict=True)
    gradient = torch.empty_like(total)
    gradient[:, list(columns)] = total * total.new_tensor(signs)
    return gradient


def _is_upright(turn: Turn) -> bool:
    return all(pair == (column, 1) for column, pair in enumerate(turn))


def turned_values(values: Tensor, turn: Turn) -> Tensor:
    """Values (..., values) of a turned read, by `StageReads.turns`."""
    if _is_upright(turn):
        return values
    columns, signs = zip(*turn, strict=True)
    return values[..., list(columns)] * values.new_tensor(signs)


# -- values ---------------------------------------------------------------------------


def stage_values(total: Tensor, stage: Stage, *, whole: bool = True, units: int = 1) -> Tensor:
    """What a stage gives for the sums of its reads; see `lerf_core.backends.reference`.

    Parameters
    ----------
    total : Tensor of floats, (..., values)
        In grey levels.
    stage : Stage
        Whose divisors and biases apply.
    whole : bool, optional
        Round to whole units.
    units : int, optional
        Units per grey level.

    Returns
    -------
    Tensor, (..., values)
        In grey levels, 0..255, whatever the units.
    """
    if units == 1:
        value = total / total.new_tensor(stage.divisor) + total.new_tensor(stage.bias)
        return quantise(value, low=total.new_tensor(stage.lowest), whole=whole)
    # Halves of so fine units need more than float32 has.
    exact = total.double()
    value = exact / exact.new_tensor(stage.divisor) + exact.new_tensor(stage.bias)
    low = exact.new_tensor(stage.lowest) * units
    value = quantise(value * units, low=low, high=LEVELS * units, whole=whole) / units
    return value.to(total.dtype)
