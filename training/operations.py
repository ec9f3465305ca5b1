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

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lerf_core._engines import get_engine
from lerf_core.bank import LEVELS, PLANE_BIAS, RESIDUAL_UNIT, SLOPE_UNIT, LutBank, Stage, turned
from lerf_core.reference import OVERSHOOT_RANGE, WEIGHT_VALUES
from lerf_core.taps import REACH_LIMIT

__all__ = [
    "StageReads",
    "limited",
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


def read_tables(plane: Tensor, tables: Tensor, reads: StageReads, *, twin: bool = False) -> Tensor:
    """Sum of a stage's interpolated table reads for every pixel.

    Parameters
    ----------
    plane : Tensor, (batch, rows, cols)
        Grey levels in 0..255. The kernel takes whole levels; the twin takes any.
    tables : Tensor, (tables, nodes**4, values)
        Entries, in the order of `reads`.
    reads : StageReads
        Which pixels index which table.
    twin : bool, optional
        Use the plain torch twin on the CPU as well.

    Returns
    -------
    Tensor, (batch, rows, cols, values)
        Differentiable by `plane` and `tables`; borders by edge replication.
    """
    if twin or plane.device.type != "cpu" or plane.dtype != _F32 or tables.dtype != _F32:
        return _read_tables_twin(plane, tables, reads)
    return _ReadTables.apply(plane, tables, reads)


class _ReadTables(torch.autograd.Function):
    """The numba kernels as one operation."""

    @staticmethod
    def forward(ctx: Any, plane: Tensor, tables: Tensor, reads: StageReads) -> Tensor:
        from training._numba.reads import read_kernels

        kernel, _ = read_kernels(tables.shape[2], reads.interval.bit_length() - 1)
        padded = np.pad(
            plane.detach().numpy().astype(np.uint8), ((0, 0), *[(reads.pad, reads.pad)] * 2), "edge"
        )
        out = np.zeros((*plane.shape, tables.shape[2]), np.float32)
        entries = np.ascontiguousarray(tables.detach().numpy())
        kernel(
            padded, entries, reads.padded_offsets, reads.strides, reads.columns, reads.signs, out
        )
        out *= np.float32(1 / reads.interval)
        ctx.reads, ctx.padded, ctx.entries = reads, padded, entries
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor, None]:
        from training._numba.reads import read_kernels

        reads, padded, entries = ctx.reads, ctx.padded, ctx.entries
        count = len(entries)
        _, kernel = read_kernels(entries.shape[2], reads.interval.bit_length() - 1)
        # Enough tasks for small machines where tables are few; a fixed number, so that
        # sums do not depend on the machine.
        parts = 2 if count < 6 else 1
        table_grad = np.zeros((parts, *entries.shape), np.float32)
        by_plane = ctx.needs_input_grad[0]
        plane_grad = np.zeros((count if by_plane else 0, *padded.shape), np.float32)
        grad = grads[0].numpy() * np.float32(1 / reads.interval)
        kernel(
            padded, entries, reads.padded_offsets, reads.strides, reads.columns, reads.signs,
            grad, table_grad, plane_grad,
        )  # fmt: skip
        by_tables = torch.from_numpy(table_grad.sum(0) if parts > 1 else table_grad[0])
        folded = _fold(plane_grad.sum(0), reads.pad) if by_plane else None
        return folded, by_tables, None


def _fold(grad: npt.NDArray[np.float32], pad: int) -> Tensor:
    """Gradient by a plane from that by its edge-replicated padding."""
    for axis in (1, 2):
        grad = np.moveaxis(grad, axis, 0)
        grad[pad] += grad[:pad].sum(0)
        grad[-pad - 1] += grad[-pad:].sum(0)
        grad = np.moveaxis(grad[pad:-pad], 0, axis)
    return torch.from_numpy(np.ascontiguousarray(grad))


def _read_tables_twin(plane: Tensor, tables: Tensor, reads: StageReads) -> Tensor:
    pad, (rows, cols) = reads.pad, plane.shape[1:]
    padded = torch.nn.functional.pad(plane[:, None], (pad, pad, pad, pad), mode="replicate")[:, 0]
    strides = torch.tensor(reads.strides.astype(np.int64), device=plane.device)
    total = torch.zeros((), dtype=tables.dtype, device=plane.device)
    for number, table_reads in enumerate(reads.offsets):
        for offsets, turn in zip(table_reads, reads.turns[number], strict=True):
            pixels = torch.stack(
                [padded[:, pad + y : pad + y + rows, pad + x : pad + x + cols] for y, x in offsets],
                dim=-1,
            )
            value = _interpolate(tables[number], pixels, strides, reads.interval)
            total = total + turned_values(value, turn)
    return total


def turned_values(values: Tensor, turn: tuple[tuple[int, int], ...]) -> Tensor:
    """Values (..., values) of a turned read, by `StageReads.turns`."""
    if all(pair == (column, 1) for column, pair in enumerate(turn)):
        return values
    columns, signs = zip(*turn, strict=True)
    return values[..., list(columns)] * values.new_tensor(signs)


def _interpolate(table: Tensor, pixels: Tensor, strides: Tensor, interval: int) -> Tensor:
    """Interpolate over the 4-simplex of each cell; pixels (..., 4), result (..., values)."""
    node = torch.div(pixels.detach(), interval, rounding_mode="floor").clamp(0, 256 // interval - 1)
    fraction = (pixels - node * interval) / interval
    ranked, order = torch.sort(fraction, dim=-1, descending=True, stable=True)
    index = (node.long() * strides).sum(-1)
    value = (1 - ranked[..., 0, None]) * table[index]
    for rank in range(4):
        index = index + strides[order[..., rank]]
        lower = ranked[..., rank + 1] if rank < 3 else torch.zeros_like(ranked[..., 0])
        value = value + (ranked[..., rank] - lower)[..., None] * table[index]
    return value


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
    values: Tensor, *, low: float | Tensor = 0.0, high: float = LEVELS, whole: bool = True
) -> Tensor:
    """Round half to even and clip, passing gradients that do not lead out of the range."""
    return _Quantise.apply(values, low, high, whole)


def stage_values(total: Tensor, stage: Stage, *, whole: bool = True) -> Tensor:
    """What a stage gives for the sums (..., values) of its reads; see `reference.stage`."""
    value = total / total.new_tensor(stage.divisor) + total.new_tensor(stage.bias)
    return quantise(value, low=total.new_tensor(stage.lowest), whole=whole)


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
        See `lerf_core.reference.tap_weights`.
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
        from training._numba import resample

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
        from training._numba import resample

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
            row, col, residual = (part - PLANE_BIAS for part in plane)
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
    """Values of points between the limits of planes; see `lerf_core.reference.limits`.

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
    with torch.no_grad():
        if twin or plane.device.type != "cpu" or plane.dtype != _F32:
            bounds = _limits_twin(plane)
        else:
            engine = get_engine("numba")
            bounds = torch.from_numpy(
                np.stack([engine.limits(one, 1) for one in plane.detach().numpy()], axis=1)
            )
        item = torch.arange(batch, device=plane.device)[:, None]
        cell = (item * (rows + 1) + first[..., 0] + 1) * (cols + 1) + first[..., 1] + 1
        low, high = (bound.flatten()[cell] for bound in bounds)
    clipped: Tensor = _Quantise.apply(values, low, high, False)
    return clipped


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
        from training._numba.spread import spread as kernel

        kernel(grad.numpy(), nodes, share)
        return
    grid = grad.view(grad.shape[0], nodes, nodes, nodes, nodes, -1)
    for axis in range(4, 0, -1):
        lines = grid.unbind(axis)
        for here, before in zip(lines[1:], lines, strict=False):
            here.add_(before, alpha=share)
        for here, after in zip(lines[-2::-1], lines[:0:-1], strict=True):
            here.add_(after, alpha=share)
