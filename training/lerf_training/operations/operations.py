"""The method's steps as differentiable torch operations.

Each has a kernel for the CPU (numba, forward and backward written out, all cores) and a
twin in plain torch operations that runs anywhere torch does. The kernels serve float32
tensors on the CPU; everything else goes to the twin. Both give the same values, and the
same derivatives wherever the function has them.

Rounding and clipping
---------------------
The tables interpolate linearly between nodes, so derivatives by the coordinates are those
of the simplex a point lies in; on its border, of the one that the sorting picks (earlier
pixels of the pattern count as larger). Rounding passes gradients unchanged (the
straight-through estimator), clipping passes those that lead back into the range.

References
----------
.. [1] Li et al., "Learning Steerable Function for Efficient Image Resampling", CVPR 2023.
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

from lerf_core.backends import get_backend
from lerf_core.bank import LutBank, Stage, turned
from lerf_core.constants import (
    LEVELS,
    LOCAL_PLANE_BIAS,
    OVERSHOOT_RANGE,
    REACH_LIMIT,
    RESIDUAL_UNIT,
    SLOPE_UNIT,
    WEIGHT_VALUES,
)

__all__ = [
    "StageReads",
    "limited",
    "limits",
    "quantise",
    "read_tables",
    "rounded",
    "spread",
    "stage_values",
    "turned_values",
    "weighted_mean",
]

_F32 = torch.float32


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
    turns: tuple[tuple[tuple[tuple[int, int], ...], ...], ...]
    interval: int

    @classmethod
    def of(cls, bank: LutBank, stage: int) -> StageReads:
        """Reads of a bank's stage, counted from 0; tables in the bank's order."""
        tables: dict[str, list[tuple[Any, Any]]] = {}
        for read in bank.reads(stage):
            turn = turned(bank.stages[stage].values, read.turns)
            tables.setdefault(read.table, []).append((tuple(read.offsets), turn))
        offsets, turns = (
            tuple(tuple(read[part] for read in reads) for reads in tables.values())
            for part in range(2)
        )
        return cls(offsets, turns, bank.interval)

    @property
    def nodes(self) -> int:
        """Nodes along each axis of a table."""
        return 256 // self.interval + 1

    @cached_property
    def pad(self) -> int:
        """How far the reads reach."""
        return int(np.abs(np.array(self.offsets)).max())

    @cached_property
    def strides(self) -> npt.NDArray[np.uint32]:
        """Steps between nodes along the four axes of a flattened table."""
        return np.array([self.nodes**power for power in (3, 2, 1, 0)], np.uint32)

    @cached_property
    def padded_offsets(self) -> npt.NDArray[np.int64]:
        """(tables, reads, 4, 2), from the corner of a plane padded by `pad`."""
        return np.array(self.offsets, np.int64) + self.pad

    @cached_property
    def columns(self) -> npt.NDArray[np.int64]:
        """(tables, reads, values)."""
        return np.ascontiguousarray(np.array(self.turns, np.int64)[..., 0])

    @cached_property
    def signs(self) -> npt.NDArray[np.float32]:
        """(tables, reads, values), -1 or 1."""
        return np.ascontiguousarray(np.array(self.turns, np.float32)[..., 1])


# -- table reads --------------------------------------------------------------------


def read_tables(
    plane: Tensor, tables: Tensor, reads: StageReads, *, units: int = 1, twin: bool = False
) -> Tensor:
    """Sum of a stage's interpolated table reads for every pixel.

    Parameters
    ----------
    plane : Tensor, (batch, rows, cols)
        Grey levels in 0..255. The kernel takes whole units; the twin takes any.
    tables : Tensor, (tables, nodes**4, values)
        Entries, in the order of `reads`.
    reads : StageReads
        Which pixels index which table.
    units : int, optional
        Units a grey level, a power of two.
    twin : bool, optional
        Use the plain torch twin on the CPU as well.

    Returns
    -------
    Tensor, (batch, rows, cols, values)
        Differentiable by `plane` and `tables`; borders by edge replication.
    """
    if twin or plane.device.type != "cpu" or plane.dtype != _F32 or tables.dtype != _F32:
        dtype = torch.result_type(plane, tables)
        total: Tensor = _ReadTablesTwin.apply(plane.to(dtype), tables.to(dtype), reads)
        return total
    return _ReadTables.apply(plane, tables, reads, units)


class _ReadTables(torch.autograd.Function):
    """The numba kernels as one operation."""

    @staticmethod
    def forward(ctx: Any, plane: Tensor, tables: Tensor, reads: StageReads, units: int) -> Tensor:
        from lerf_training.operations.numba.reads import read_kernels

        cell = reads.interval * units
        kernel, _ = read_kernels(tables.shape[2], cell.bit_length() - 1)
        levels = plane.detach().numpy()
        # Of whole levels bytes, which are compiled for training already.
        whole = levels.astype(np.uint8) if units == 1 else (levels * units).astype(np.uint32)
        padded = np.pad(whole, ((0, 0), *[(reads.pad, reads.pad)] * 2), "edge")
        out = np.zeros((*plane.shape, tables.shape[2]), np.float32)
        entries = np.ascontiguousarray(tables.detach().numpy())
        kernel(
            padded, entries, reads.padded_offsets, reads.strides, reads.columns, reads.signs, out
        )
        out *= np.float32(1 / cell)
        ctx.reads, ctx.units, ctx.padded, ctx.entries = reads, units, padded, entries
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        from lerf_training.operations.numba.reads import read_kernels

        reads, padded, entries = ctx.reads, ctx.padded, ctx.entries
        count, cell = len(entries), reads.interval * ctx.units
        _, kernel = read_kernels(entries.shape[2], cell.bit_length() - 1)
        # Enough tasks for small machines where tables are few; a fixed number, so that
        # sums do not depend on the machine.
        parts = 2 if count < 6 else 1
        table_grad = np.zeros((parts, *entries.shape), np.float32)
        by_plane = ctx.needs_input_grad[0]
        plane_grad = np.zeros((count if by_plane else 0, *padded.shape), np.float32)
        grad = np.ascontiguousarray(grads[0].numpy()) * np.float32(1 / cell)
        kernel(
            padded, entries, reads.padded_offsets, reads.strides, reads.columns, reads.signs,
            grad, table_grad, plane_grad,
        )  # fmt: skip
        by_tables = torch.from_numpy(table_grad.sum(0) if parts > 1 else table_grad[0])
        folded = None
        if by_plane:  # a level is so many units
            total = plane_grad.sum(0) * np.float32(ctx.units)
            folded = _fold(torch.from_numpy(total), reads.pad)
        return folded, by_tables, None, None


def _fold(grad: Tensor, pad: int) -> Tensor:
    """Gradient by a plane from that by its edge-replicated padding."""
    for axis in (1, 2):
        size = grad.shape[axis] - 2 * pad
        before, inner, after = grad.split((pad, size, pad), axis)
        grad = inner.clone()
        grad.select(axis, 0).add_(before.sum(axis))
        grad.select(axis, -1).add_(after.sum(axis))
    return grad


class _ReadTablesTwin(torch.autograd.Function):
    """The same by torch operations; what the walks pass is found again for the gradients.

    Kept, it would take kilobytes a pixel.
    """

    @staticmethod
    def forward(ctx: Any, plane: Tensor, tables: Tensor, reads: StageReads) -> Tensor:
        ctx.save_for_backward(plane, tables)
        ctx.reads = reads
        cells = _Cells.of(plane, reads)
        total = tables.new_zeros((*plane.shape, tables.shape[2]))
        for number, offsets, turn in _each_read(reads):
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
        for number, offsets, turn in _each_read(reads):
            steps = list(cells.walk(offsets))
            if slopes is not None:
                table = turned_values(tables[number], turn)
                _add_slopes(cells.parts(slopes, offsets), steps, table, grad)
            if table_grad is not None:
                table_grad[number] += _entry_gradient(steps, tables[number], turn, grad)
        folded = None if slopes is None else _fold(slopes, reads.pad) / reads.interval
        return folded, table_grad, None


def _each_read(reads: StageReads) -> Iterator[tuple[int, Any, Any]]:
    """Number of the table, offsets and turn of every read."""
    for number, pairs in enumerate(zip(reads.offsets, reads.turns, strict=True)):
        for offsets, turn in zip(*pairs, strict=True):
            yield number, offsets, turn


def _entries(table: Tensor, node: Tensor) -> Tensor:
    """Rows (..., values) of a table at nodes (...)."""
    return table.index_select(0, node.flatten()).view(*node.shape, -1)


@dataclass(frozen=True)
class _Cells:
    """Where pixels lie in the cells of the tables, edges replicated.

    Attributes
    ----------
    node : Tensor of int32, (batch, padded rows, padded cols)
        Lower node.
    bits : Tensor of int
        The fraction's bits, which sort as it does; the last two are cleared.
    strides : tuple of int
        Steps between nodes along the axes.
    powers : Tensor of int32, (4,)
        The same, the last axis first.
    """

    node: Tensor
    bits: Tensor
    strides: tuple[int, ...]
    powers: Tensor
    pad: int
    dtype: torch.dtype

    @classmethod
    def of(cls, plane: Tensor, reads: StageReads) -> _Cells:
        pad, interval = reads.pad, reads.interval
        node = torch.div(plane, interval, rounding_mode="floor").clamp(0, reads.nodes - 2)
        fraction = (plane - node * interval) / interval
        node, fraction = (
            torch.nn.functional.pad(part[:, None], (pad, pad, pad, pad), mode="replicate")[:, 0]
            for part in (node, fraction)
        )
        whole = torch.int32 if plane.dtype == _F32 else torch.int64
        strides = tuple(reads.strides.tolist())
        powers = torch.tensor(strides[::-1], dtype=torch.int32, device=plane.device)
        return cls(node.int(), fraction.view(whole) & ~3, strides, powers, pad, plane.dtype)

    def parts(self, padded: Tensor, offsets: Sequence[tuple[int, int]]) -> list[Tensor]:
        """View what lies at offsets from the plane's pixels."""
        pad = self.pad
        rows, cols = (size - 2 * pad for size in padded.shape[1:])
        return [padded[:, pad + y : pad + y + rows, pad + x : pad + x + cols] for y, x in offsets]

    def walk(self, offsets: Sequence[tuple[int, int]]) -> Iterator[tuple[Tensor, Any, Any]]:
        """Yield the corners of each pixel's simplex, from the lower node on.

        Yields
        ------
        node : Tensor of int32, (batch, rows, cols)
        fraction : Tensor or float
            Of the step to it, falling; 1 at the lower node.
        axis : Tensor or None
            3 - the axis of that step.
        """
        first, *others = self.parts(self.node, offsets)
        node = first * self.strides[0]
        for part, stride in zip(others, self.strides[1:], strict=True):
            node = node.add(part, alpha=stride)
        yield node, 1.0, None
        bits = self.parts(self.bits, offsets)
        for key in _sorted([part | (3 - axis) for axis, part in enumerate(bits)]):
            axis = key & 3
            node = node + self.powers.take(axis.long())
            yield node, (key & ~3).view(self.dtype), axis


def _sorted(keys: list[Tensor]) -> list[Tensor]:
    """Sort four keys, falling; no two are equal: earlier pixels come first."""
    for first, second in ((0, 1), (2, 3), (0, 2), (1, 3), (1, 2)):
        larger = torch.maximum(keys[first], keys[second])
        keys[second] = torch.minimum(keys[first], keys[second])
        keys[first] = larger
    return keys


def _add_slopes(parts: list[Tensor], steps: list[Any], table: Tensor, grad: Tensor) -> None:
    """Add the gradient of a read to those of the `parts` of the padded plane that it read."""
    before = _entries(table, steps[0][0])
    for node, _, axis in steps[1:]:
        after = _entries(table, node)
        slope = ((after - before) * grad).sum(-1)
        before = after
        for number, part in enumerate(parts):
            part.addcmul_(slope, (axis == 3 - number).to(slope.dtype))


def _entry_gradient(
    steps: list[Any], table: Tensor, turn: tuple[tuple[int, int], ...], grad: Tensor
) -> Tensor:
    """Gradient (nodes**4, values) of a read by its table."""
    total = torch.zeros_like(table)
    fractions = [fraction for _, fraction, _ in steps] + [0.0]
    for (node, fraction, _), lower in zip(steps, fractions[1:], strict=True):
        weighed = grad * (fraction - lower)[..., None]
        total.index_add_(0, node.flatten(), weighed.reshape(-1, grad.shape[-1]))
    if _is_upright(turn):
        return total
    columns, signs = zip(*turn, strict=True)
    gradient = torch.empty_like(total)
    gradient[:, list(columns)] = total * total.new_tensor(signs)
    return gradient


def _is_upright(turn: tuple[tuple[int, int], ...]) -> bool:
    return all(pair == (column, 1) for column, pair in enumerate(turn))


def turned_values(values: Tensor, turn: tuple[tuple[int, int], ...]) -> Tensor:
    """Values (..., values) of a turned read, by `StageReads.turns`."""
    if _is_upright(turn):
        return values
    columns, signs = zip(*turn, strict=True)
    return values[..., list(columns)] * values.new_tensor(signs)


# -- rounding and clipping ----------------------------------------------------------


class _Quantise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, values: Tensor, low: float | Tensor, high: float | Tensor, whole: bool
    ) -> Tensor:
        ctx.save_for_backward(values)
        ctx.range = low, high
        return (torch.round(values) if whole else values).clamp(min=low).clamp(max=high)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (values,), (low, high), grad = ctx.saved_tensors, ctx.range, grads[0]
        # A step goes against the gradient: block what leads farther out.
        out = ((values < low) & (grad > 0)) | ((values > high) & (grad < 0))
        return grad.masked_fill(out, 0), None, None, None


def quantise(
    values: Tensor, *, low: float | Tensor = 0.0, high: float | Tensor = LEVELS, whole: bool = True
) -> Tensor:
    """Round half to even and clip, passing gradients that do not lead out of the range."""
    quantised: Tensor = _Quantise.apply(values, low, high, whole)
    return quantised


def stage_values(total: Tensor, stage: Stage, *, whole: bool = True, units: int = 1) -> Tensor:
    """What a stage gives for the sums (..., values) of its reads; see `lerf_core.backends.reference.read_stage`.

    Parameters
    ----------
    total : Tensor, (..., values)
        In grey levels.
    stage : Stage
        Whose divisors and biases apply.
    whole : bool, optional
        Round to whole units.
    units : int, optional
        Units a grey level; the values are in levels all the same.
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


def rounded(tables: Tensor) -> Tensor:
    """Entries as a bank saves them, whole numbers; gradients pass unchanged."""
    return tables + (torch.round(tables) - tables).detach()


# -- the weighted mean --------------------------------------------------------------


def weighted_mean(
    weighting: str,
    feature: Tensor,
    parameters: Tensor,
    first: Tensor,
    offset: Tensor,
    *,
    twin: bool = False,
) -> Tensor:
    """Mean of each point's 2x2 neighbours, weighed by their own functions.

    Parameters
    ----------
    weighting : {'gaussian', 'linear'}
        See `lerf_core.backends.reference.weights.tap_weights`.
    feature : Tensor, (batch, rows, cols)
        Grey levels.
    parameters : Tensor, (batch, rows, cols, values)
        In 0..255.
    first : Tensor of int32, (batch, points, 2)
        Row and column of the first neighbour, in -1..size - 1; edges are replicated.
    offset : Tensor, (batch, points, 2)
        From it to the point.
    twin : bool, optional
        Use the plain torch twin on the CPU as well.

    Returns
    -------
    Tensor, (batch, points)
        Differentiable by `feature` and `parameters`.
    """
    plain = feature.device.type != "cpu" or feature.dtype != _F32 or parameters.dtype != _F32
    if twin or plain:
        return _weighted_mean_twin(weighting, feature, parameters, first, offset)
    return _WeightedMean.apply(feature, parameters, first, offset, weighting)


def _limit(weighting: str) -> np.float32:
    """Distance beyond which a neighbour does not count."""
    return np.float32(1) if weighting == "linear" else REACH_LIMIT


class _WeightedMean(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, feature: Tensor, parameters: Tensor, first: Tensor, offset: Tensor, weighting: str
    ) -> Tensor:
        from lerf_training.operations.numba import resample

        linear = weighting == "linear"
        kernel: Any = resample.linear_forward if linear else resample.gaussian_forward
        arrays = [
            np.ascontiguousarray(tensor.detach().numpy())
            for tensor in (feature, parameters, first, offset)
        ]
        out = np.empty(first.shape[:2], np.float32)
        kernel(*arrays, _limit(weighting), out)
        ctx.arrays, ctx.out, ctx.weighting = arrays, out, weighting
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        from lerf_training.operations.numba import resample

        linear = ctx.weighting == "linear"
        kernel: Any = resample.linear_backward if linear else resample.gaussian_backward
        feature_grad, parameter_grad = (np.zeros_like(array) for array in ctx.arrays[:2])
        grad = np.ascontiguousarray(grads[0].numpy())
        kernel(*ctx.arrays, _limit(ctx.weighting), ctx.out, grad, feature_grad, parameter_grad)
        return torch.from_numpy(feature_grad), torch.from_numpy(parameter_grad), None, None, None


def _weighted_mean_twin(
    weighting: str, feature: Tensor, parameters: Tensor, first: Tensor, offset: Tensor
) -> Tensor:
    batch, rows, cols = feature.shape
    item = torch.arange(batch, device=feature.device)[:, None]
    limit = float(_limit(weighting))
    total = torch.zeros_like(offset[..., 0])
    mean = torch.zeros_like(total)
    for tap in ((0, 0), (0, 1), (1, 0), (1, 1)):
        y = (first[..., 0].long() + tap[0]).clamp(0, rows - 1)
        x = (first[..., 1].long() + tap[1]).clamp(0, cols - 1)
        dy, dx = offset[..., 0] - tap[0], offset[..., 1] - tap[1]
        here = parameters[item, y, x].unbind(-1)
        weight = _tap_weight(weighting, here, dy, dx)
        near = (dy.abs() <= limit) & (dx.abs() <= limit)
        weight = torch.where(near, weight, torch.zeros_like(weight))
        total = total + weight
        value = feature[item, y, x]
        plane = here[WEIGHT_VALUES[weighting] :]
        if plane:
            row, col, residual = (part - LOCAL_PLANE_BIAS for part in plane)
            value = value + residual * RESIDUAL_UNIT + (row * dy + col * dx) * SLOPE_UNIT
        mean = mean + weight * value
    return mean / total


def _tap_weight(weighting: str, parameters: Sequence[Tensor], dy: Tensor, dx: Tensor) -> Tensor:
    if weighting == "linear":
        slope = 2 * parameters[0] / LEVELS - 1
        return (1 - slope * dy.abs()).clamp(min=0) * (1 - slope * dx.abs()).clamp(min=0)
    rho, sigma_row, sigma_col = parameters[:3]
    slant = 2 * rho / LEVELS - 1
    u, v = 10 / LEVELS * sigma_row * dy, 10 / LEVELS * sigma_col * dx
    return torch.exp(slant * u * v - (u * u + v * v) / 2)


# -- limits -------------------------------------------------------------------------


def limited(values: Tensor, plane: Tensor, first: Tensor, *, twin: bool = False) -> Tensor:
    """Values of points between the limits of planes; see `lerf_core.backends.reference.overshoot`.

    Parameters
    ----------
    values : Tensor, (batch, points)
        Of `weighted_mean`.
    plane : Tensor, (batch, rows, cols)
        What the points lie on, in grey levels.
    first : Tensor of int32, (batch, points, 2)
        As for `weighted_mean`.
    twin : bool, optional
        Find the limits by plain torch operations on the CPU as well.

    Returns
    -------
    Tensor, (batch, points)
        Gradients pass where they do not lead farther out, as those of `quantise`.
    """
    batch, rows, cols = plane.shape
    bounds = limits(plane, twin=twin)
    item = torch.arange(batch, device=plane.device)[:, None]
    cell = (item * (rows + 1) + first[..., 0] + 1) * (cols + 1) + first[..., 1] + 1
    low, high = (bound.flatten()[cell] for bound in bounds)
    clipped: Tensor = _Quantise.apply(values, low, high, False)
    return clipped


def limits(plane: Tensor, *, twin: bool = False) -> tuple[Tensor, Tensor]:
    """Find the limits of planes' results; see `lerf_core.backends.reference.overshoot`.

    Parameters
    ----------
    plane : Tensor, (batch, rows, cols)
        What results lie on, in grey levels.
    twin : bool, optional
        Use plain torch operations on the CPU as well.

    Returns
    -------
    low, high : Tensor, (batch, rows + 1, cols + 1)
        Constants: they have no gradient.
    """
    with torch.no_grad():
        if twin or plane.device.type != "cpu" or plane.dtype != _F32:
            return _limits_twin(plane)
        engine = get_backend("numba")
        low, high = np.stack(
            [engine.overshoot_bounds(one, 1) for one in plane.detach().numpy()], axis=1
        )
        return torch.from_numpy(low), torch.from_numpy(high)


def _limits_twin(plane: Tensor) -> tuple[Tensor, Tensor]:
    padded = torch.nn.functional.pad(plane[:, None], (2, 2, 2, 2), mode="replicate")
    top, peak = _largest(padded)
    bottom, pit = _largest(-padded)
    margin = float(OVERSHOOT_RANGE) * (top + bottom)
    return -bottom - (margin + pit), top + (margin + peak)


def _largest(padded: Tensor) -> tuple[Tensor, Tensor]:
    """Largest pixel of each 4x4 window, and what the four in its middle stand out from pairs."""

    def windows(values: Tensor, rows: int, cols: int) -> Tensor:
        return torch.nn.functional.max_pool2d(values, (rows, cols), stride=1)[:, 0]

    upper, lower = padded[:, :, :-1], padded[:, :, 1:]
    pairs = (
        windows(torch.minimum(upper, lower), 3, 4),
        windows(torch.minimum(padded[..., :-1], padded[..., 1:]), 4, 3),
        windows(torch.minimum(upper[..., :-1], lower[..., 1:]), 3, 3),
        windows(torch.minimum(upper[..., 1:], lower[..., :-1]), 3, 3),
    )
    four = windows(padded[..., 1:-1, 1:-1], 2, 2)
    return windows(padded, 4, 4), (four - torch.stack(pairs).amax(0)).clamp(min=0)


# -- gradients of neighbouring entries ----------------------------------------------


def spread(grad: Tensor, nodes: int, share: float, *, twin: bool = False) -> None:
    """Give a share of every gradient to the nodes around it, in place.

    Neighbouring entries want much the same change: a step along spread gradients moves them
    together and carries well-visited entries' evidence to seldom visited ones. It is a change of
    metric, not of the optimum: along each axis a two-sided exponential filter.

    Parameters
    ----------
    grad : Tensor, (tables, nodes**4, values)
        Gradient by a stage's tables; changed.
    nodes : int
        Nodes along each axis.
    share : float
        Of a node's gradient that goes one node on, in 0..1.
    twin : bool, optional
        Use plain torch operations on the CPU as well.
    """
    if not (twin or grad.device.type != "cpu" or grad.dtype != _F32):
        from lerf_training.operations.numba.spread import spread as kernel

        kernel(grad.numpy(), nodes, share)
        return
    grid = grad.view(grad.shape[0], nodes, nodes, nodes, nodes, -1)
    for axis in range(4, 0, -1):
        lines = grid.unbind(axis)
        for here, before in zip(lines[1:], lines, strict=False):
            here.add_(before, alpha=share)
        for here, after in zip(lines[-2::-1], lines[:0:-1], strict=True):
            here.add_(after, alpha=share)
