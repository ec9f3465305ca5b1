"""The neighbours of output pixels in the source, as torch tensors.

Convention
----------
Positions are (row, col) in source pixels, the centre of the first pixel is 0. `pixels` are the
flattened rows and columns of one image, or of several, one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lerf_core.backends.reference.overshoot import axis_cells
from lerf_core.backends.torch.overshoot_bounds import Bounds, bounds_along_kept_axis
from lerf_core.constants import MAX_POINT_TAPS, POSITION_EPS, REACH_LIMIT
from lerf_core.sampling.taps import AxisTaps

__all__ = ["GridTaps", "NeighbourTaps", "PointTaps", "Tap", "Taps"]


class Tap(NamedTuple):
    """One neighbour of every output pixel; all broadcast to the output.

    Attributes
    ----------
    index : Tensor of int64
        The number of its pixel.
    dy, dx : Tensor of floats
        From it to the output pixel, divided by the filter scale.
    in_reach : Tensor of bool or None
        Where it takes part; None: everywhere.
    beyond_border : Tensor of bool or None
        Where the constant of the border stands for its level.
    """

    index: Tensor
    dy: Tensor
    dx: Tensor
    in_reach: Tensor | None = None
    beyond_border: Tensor | None = None


class Taps:
    """The neighbours of output pixels.

    Attributes
    ----------
    positions : tuple of Tensor
        What the offsets follow, and results may be differentiated by.
    cval : float or None
        Grey level beyond the border; None: the border pixel's.
    cval_validity : float
        Validity beyond the border, where that level stands.
    """

    positions: tuple[Tensor, ...] = ()
    cval: float | None = None
    cval_validity: float = 1.0

    def each(self, *positions: Tensor) -> Iterator[Tap]:
        """Yield the taps, one after the other, for these `positions`."""
        raise NotImplementedError

    def select_bounds(self, bounds: Bounds) -> Bounds | None:
        """Overshoot bounds of every output pixel, of those of cells; None: nothing is bound."""
        raise NotImplementedError

    def select_cells(self, bounds: Bounds) -> Bounds | None:
        """Do the same of `lerf_core.backends.reference`'s `bounds_along_kept_axes`."""
        raise NotImplementedError

    def fused_mean(
        self,
        kernels: Any,  # noqa: ARG002
        terms: Tensor,  # noqa: ARG002
        *,
        linear: bool,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor] | None:
        """Return weighted mean and sum of weights by `fused_kernels`; None where they have none."""
        return None

    def fused_gradients(
        self, kernels: Any, terms: Tensor, share: Tensor, mean: Tensor, *, linear: bool,
        by_terms: bool,
    ) -> list[Tensor | None]:  # fmt: skip
        """Return the gradients of `fused_mean` by terms and by positions.

        Parameters
        ----------
        share : Tensor, (planes, *output)
            The gradient by the mean, divided by the sum of the weights.
        mean : Tensor, (planes, *output)
        by_terms : bool
            Whether those by the terms are wanted; else None stands for them.
        """
        raise NotImplementedError


class GridTaps(Taps):
    """Taps of a resize.

    Parameters
    ----------
    rows, cols : AxisTaps
        As `lerf_core.sampling` has them.
    shape : (int, int)
        Rows and columns of the source.
    cval : float or None
        Grey level beyond the border; None: the border pixel's.
    device : torch.device
        Where the planes are.
    cval_validity : float, optional
        Validity beyond the border.
    """

    def __init__(
        self,
        rows: AxisTaps,
        cols: AxisTaps,
        shape: tuple[int, int],
        cval: float | None,
        device: torch.device,
        cval_validity: float = 1.0,
    ) -> None:
        self.axes, self.shape, self.cval, self.device = (rows, cols), shape, cval, device
        self.cval_validity = cval_validity

    @property
    def out_shape(self) -> tuple[int, int]:
        """Rows and columns of the output."""
        return self.axes[0].size, self.axes[1].size

    def part(self, top: int, bottom: int) -> GridTaps:
        """Return the taps of output rows top..bottom-1."""
        rows, cols = self.axes
        part = rows.part(top, bottom)
        return GridTaps(part, cols, self.shape, self.cval, self.device, self.cval_validity)

    def each(self, *positions: Tensor) -> Iterator[Tap]:  # noqa: ARG002 - it has none
        """See `Taps.each`."""
        rows, cols = (
            list(self._axis(taps, size, axis))
            for axis, (taps, size) in enumerate(zip(self.axes, self.shape, strict=True))
        )
        for row, dy, in_row, beyond_row in rows:
            for col, dx, in_col, beyond_col in cols:
                in_reach = in_row & in_col if self._may_be_far else None
                beyond = None if self.cval is None else beyond_row | beyond_col
                yield Tap(row * self.shape[1] + col, dy, dx, in_reach, beyond)

    @cached_property
    def _may_be_far(self) -> bool:
        return any(bool((abs(taps.offset) > REACH_LIMIT).any()) for taps in self.axes)

    def _axis(self, taps: AxisTaps, size: int, axis: int) -> Iterator[tuple[Tensor, ...]]:
        """Index, offset, what lies in reach, and what beyond the border, of each tap."""
        shape = (-1, 1) if axis == 0 else (1, -1)
        whole, offset = _axis_tensors(taps, self.device)
        for tap, distance in zip(whole.long(), offset, strict=True):
            index = tap.clamp(0, size - 1)
            members = (index, distance, distance.abs() <= REACH_LIMIT.item(), tap != index)
            yield tuple(member.view(shape) for member in members)

    def fused_mean(self, kernels: Any, terms: Tensor, *, linear: bool) -> tuple[Tensor, Tensor]:
        """See `Taps.fused_mean`."""
        mean: tuple[Tensor, Tensor] = kernels.grid_mean(
            terms, self.arrays, self.shape, self.cval, linear=linear
        )
        return mean

    def fused_gradients(
        self, kernels: Any, terms: Tensor, share: Tensor, mean: Tensor, *, linear: bool,
        by_terms: bool,
    ) -> list[Tensor | None]:  # fmt: skip
        """See `Taps.fused_gradients`."""
        if not by_terms:
            return [None]
        return [
            kernels.grid_gradients(
                terms, self.arrays, self.shape, self.cval, share, mean, linear=linear
            )
        ]

    @cached_property
    def arrays(self) -> list[tuple[Tensor, Tensor]]:
        """Of rows and of columns indices (int32) and offsets (float32), (taps, size) each."""
        return [_axis_tensors(taps, self.device) for taps in self.axes]

    @cached_property
    def cells(self) -> list[Tensor]:
        """Which bounds hold for rows and for columns, int32; -1: none. See `axis_cells`."""
        return [
            _axis_cells(taps, size, self.cval is not None, self.device)
            for taps, size in zip(self.axes, self.shape, strict=True)
        ]

    @property
    def is_bound(self) -> bool:
        """Whether bounds hold: not where a filter scale is above 1."""
        return all(taps.count <= 2 for taps in self.axes)

    def select_bounds(self, bounds: Bounds) -> Bounds | None:
        """See `Taps.select_bounds`."""
        if not self.is_bound:
            return None
        for axis, taps in enumerate(self.axes, 1):
            if taps.count == 1:
                bounds = bounds_along_kept_axis(bounds, axis)
        return self.select_cells(bounds)

    def select_cells(self, bounds: Bounds) -> Bounds | None:
        """See `Taps.select_cells`."""
        if not self.is_bound:
            return None
        low, high = bounds
        for axis, cells in enumerate(self.cells, 1):
            index = cells.clamp(min=0)
            low, high = low.index_select(axis, index), high.index_select(axis, index)
        if self.cval is None:
            return low, high
        down, across = (cells < 0 for cells in self.cells)
        return _unbound(low, high, down[:, None] | across)


@lru_cache(maxsize=64)
def _axis_tensors(taps: AxisTaps, device: torch.device) -> tuple[Tensor, Tensor]:
    """Indices and offsets of an axis' taps, (taps, size); the axes of images come again."""
    index = np.ascontiguousarray(taps.index.T, np.int32)
    offset = np.ascontiguousarray(taps.offset.T)
    return _on_device(index, device), _on_device(offset, device)


@lru_cache(maxsize=64)
def _axis_cells(taps: AxisTaps, size: int, constant: bool, device: torch.device) -> Tensor:
    cells = axis_cells(taps, size, constant=constant)
    return _on_device(cells.astype(np.int32), device)


def _on_device(array: npt.NDArray[Any], device: torch.device) -> Tensor:
    # A transpose of a row is contiguous: it would not be a copy.
    return torch.from_numpy(array if array.flags.writeable else array.copy()).to(device)


class _ScatteredTaps(Taps):
    """Taps of scattered output pixels, whose bounds are those of the cell they lie in.

    Attributes
    ----------
    start : Tensor of int64
        The first pixel of each output pixel's image, among all pixels.
    first : (Tensor, Tensor) of int64
        Row and column of the first tap of each output pixel.
    shape : (int, int)
        Rows and columns of an image.
    """

    start: Tensor
    first: tuple[Tensor, Tensor]
    shape: tuple[int, int]

    def select_cells(self, bounds: Bounds) -> Bounds | None:
        """See `Taps.select_cells`; all axes are resampled."""
        low, high = bounds
        return self.select_bounds((low.flatten(1), high.flatten(1)))

    def _pixel(self, row: Tensor, col: Tensor) -> Tensor:
        """Number of the pixel at a row and column, or of the border's nearest one."""
        rows, cols = self.shape
        return self.start + row.clamp(0, rows - 1) * cols + col.clamp(0, cols - 1)

    def select_bounds(self, bounds: Bounds) -> Bounds:
        """See `Taps.select_bounds`; those of cells are flattened as the pixels are."""
        rows, cols = self.shape
        image = torch.div(self.start, rows * cols, rounding_mode="floor")
        row, col = (
            first.clamp(-1, size - 1) + 1
            for first, size in zip(self.first, self.shape, strict=True)
        )
        cell = ((image * (rows + 1) + row) * (cols + 1) + col).flatten()
        low, high = (
            bound.index_select(-1, cell).view(*bound.shape[:-1], *row.shape) for bound in bounds
        )
        return low, high


class PointTaps(_ScatteredTaps):
    """Taps of positions that have about as many of them.

    Parameters
    ----------
    row, col : Tensor of float64, (points,)
        Positions, within reach of the image.
    filter_scales : (Tensor, Tensor)
        Along rows and columns, at least 1.
    start : Tensor of int64, (points,)
        The first pixel of each point's image, among all pixels.
    shape : (int, int)
        Rows and columns of an image.
    """

    def __init__(
        self,
        row: Tensor,
        col: Tensor,
        filter_scales: Sequence[Tensor],
        start: Tensor,
        shape: tuple[int, int],
    ) -> None:
        self.positions = (row, col)
        self.filter_scales, self.start, self.shape = filter_scales, start, shape
        rows, cols = (
            self._axis_taps(position.detach(), scale)
            for position, scale in zip(self.positions, filter_scales, strict=True)
        )
        self.first, self.count, self.step = zip(rows, cols, strict=True)

    @staticmethod
    def _axis_taps(position: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """First tap along an axis, number of taps, and pixels from one to the next."""
        first = torch.ceil(position - scale - POSITION_EPS).long()
        support = torch.floor(2 * scale + POSITION_EPS) + 1
        count = torch.where(scale > 1, support, torch.full_like(support, 2)).long()
        step = (count + (MAX_POINT_TAPS - 1)) // MAX_POINT_TAPS
        return first, (count + step - 1) // step, step

    def groups(self) -> list[Tensor | None]:
        """Points that have about as many taps, by their numbers; None: all of them."""
        most = torch.maximum(*self.count)
        largest = int(most.max())
        if largest <= 2:
            return [None]
        groups, low = [], 0
        high = 2
        while low < largest:
            chosen = torch.nonzero((most > low) & (most <= high))[:, 0]
            if len(chosen):
                groups.append(chosen)
            low, high = high, high + max(1, high // 2)
        return list(groups)

    def chosen(self, points: Tensor) -> PointTaps:
        """Return the taps of some of the points, by their numbers."""
        row, col = (position[points] for position in self.positions)
        scales = [scale[points] for scale in self.filter_scales]
        return PointTaps(row, col, scales, self.start[points], self.shape)

    def each(self, *positions: Tensor) -> Iterator[Tap]:
        """See `Taps.each`."""
        down, across = (int(count.max()) for count in self.count)
        for ty in range(down):
            for tx in range(across):
                # Gradients are found tap by tap: each has a graph of its own.
                row, dy = self._tap(0, ty, positions[0])
                col, dx = self._tap(1, tx, positions[1])
                in_reach = _in_reach(dy, dx) & (ty < self.count[0]) & (tx < self.count[1])
                yield Tap(self._pixel(row, col), dy, dx, in_reach)

    def _tap(self, axis: int, number: int, position: Tensor) -> tuple[Tensor, Tensor]:
        index = self.first[axis] + number * self.step[axis]
        return index, ((position - index) * (1.0 / self.filter_scales[axis])).float()

    def fused_mean(self, kernels: Any, terms: Tensor, *, linear: bool) -> tuple[Tensor, Tensor]:
        """See `Taps.fused_mean`."""
        mean: tuple[Tensor, Tensor] = kernels.points_mean(
            terms, self.positions, self.filter_scales, self.start, self.shape, linear=linear
        )
        return mean

    def fused_gradients(
        self, kernels: Any, terms: Tensor, share: Tensor, mean: Tensor, *, linear: bool,
        by_terms: bool,
    ) -> list[Tensor | None]:  # fmt: skip
        """See `Taps.fused_gradients`."""
        return list(
            kernels.points_gradients(
                terms, self.positions, self.filter_scales, self.start, self.shape, share, mean,
                linear=linear, by_terms=by_terms,
            )
        )  # fmt: skip

    def select_bounds(self, bounds: Bounds) -> Bounds:
        """See `Taps.select_bounds`; points of a filter scale above 1 are not bound."""
        low, high = super().select_bounds(bounds)
        return _unbound(low, high, torch.maximum(*self.count) > 2)


class NeighbourTaps(_ScatteredTaps):
    """The 2x2 neighbours of points whose first ones are known.

    Parameters
    ----------
    first : Tensor of int, (batch, points, 2)
        Row and column of each point's first neighbour, in -1..size - 1, in the image of its batch.
    offset : Tensor of floats, (batch, points, 2)
        From it to the point.
    shape : (int, int)
        Rows and columns of an image.
    """

    def __init__(self, first: Tensor, offset: Tensor, shape: tuple[int, int]) -> None:
        row, col = first.long().unbind(-1)
        self.first, self.offset, self.shape = (row, col), offset.unbind(-1), shape
        images = torch.arange(len(first), device=first.device)[:, None] * math.prod(shape)
        self.start = images.expand_as(row)

    def each(self, *positions: Tensor) -> Iterator[Tap]:  # noqa: ARG002 - it has none
        """See `Taps.each`."""
        for ty, tx in ((0, 0), (0, 1), (1, 0), (1, 1)):
            index = self._pixel(self.first[0] + ty, self.first[1] + tx)
            dy, dx = self.offset[0] - ty, self.offset[1] - tx
            yield Tap(index, dy, dx, _in_reach(dy, dx))


def _in_reach(dy: Tensor, dx: Tensor) -> Tensor:
    return (dy.abs() <= REACH_LIMIT.item()) & (dx.abs() <= REACH_LIMIT.item())


def _unbound(low: Tensor, high: Tensor, where: Tensor) -> Bounds:
    """Bounds, infinite where a mask says so."""
    return low.masked_fill(where, -math.inf), high.masked_fill(where, math.inf)
