"""Maps that are costly to evaluate: exact on a lattice, and interpolated between its points.

The output is cut into cells. Within a cell the source's rows and columns are polynomials of degree
2 along both axes, through the exact positions of its corners, the middles of its sides and its own
middle. Where these are off by more than is allowed, at four points in between, the cell is cut
into smaller ones, in the end into single pixels, which are exact. Cells lie where they do in the
whole output: a block locates its pixels to the same bit as any other that holds them.

Convention
----------
That of `lerf_core.geometry.maps`.
"""

# ruff: noqa: ARG002 - a map of its own gives of its arguments what it needs

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from lerf_core.geometry.maps import Located, Positions, ReadyMap

__all__ = ["DEFAULT_MAX_ERROR", "InterpolatedMap"]

Shape = tuple[int, int]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: Source pixels that positions may be off by, unless told otherwise.
DEFAULT_MAX_ERROR = 0.05
# Output pixels a side of the largest cells, and into how many along a side a cell is cut.
_CELL, _CUT = 64, 4
# Cells of so many pixels a side are cut into pixels.
_SMALLEST = 4
# Errors are largest near the points they are taken at; this leaves room for what is between.
_SAFETY = 0.5
# Where a cell is located exactly, in parts of its side: nine points to go through, four to check.
_NODES = np.array([0.0, 0.5, 1.0])
_CHECKS = np.array([0.25, 0.75])
# Far beyond any image.
_NOWHERE = -1e15
# Pixels that are located exactly at once.
_AT_ONCE = 1 << 18


class _Lattice(NamedTuple):
    """The cells that a block touches.

    Attributes
    ----------
    first : (int, int)
        Row and column of the first cell among those of the whole output.
    coefficients : ndarray of float64, (2, 3, 3, rows, cols)
        Of each cell's polynomials: of source rows and columns; powers of the way down the cell,
        and across, in parts of its side.
    pixels : dict
        By (row, col) of a cell among these, where no polynomial is good enough: positions and
        footprints of its pixels, (4, side, side).
    """

    first: tuple[int, int]
    coefficients: Floats
    pixels: dict[tuple[int, int], Floats]


@dataclass(frozen=True, eq=False)
class InterpolatedMap(ReadyMap):
    """Base of maps that are exact on a lattice alone; see `lerf_core.geometry.maps.InverseMap`.

    Attributes
    ----------
    max_error : float
        Source pixels that a position may be off by; 0: every pixel is exact.
    origin : (int, int)
        Row and column of the map's first pixel in the output that it is part of.
    """

    max_error: float = field(default=DEFAULT_MAX_ERROR, kw_only=True)
    origin: tuple[int, int] = field(default=(0, 0), kw_only=True)

    @abstractmethod
    def exact(self, rows: Floats, cols: Floats) -> Positions:
        """Return source (row, col) of points of the whole output, (2, ...); NaN for nowhere."""

    def steps(self, steps: Floats) -> Floats:
        """Return differences of positions, (2, ...), without jumps; of maps that jump."""
        return steps

    def of_block(self, top: int, left: int, shape: Shape, out_shape: Shape) -> Self:
        """See `InverseMap.of_block`."""
        return replace(self, origin=(top, left))

    def locate(self, top: int, bottom: int, shape: Shape) -> Located:
        """See `InverseMap.locate`; footprints are the polynomials' own derivatives."""
        lattice, (down, across) = self._lattice(shape), self.origin
        rows, cols = np.arange(down + top, down + bottom), np.arange(across, across + shape[1])
        row_cell, below = np.divmod(rows, _CELL)
        located = _evaluated(
            lattice.coefficients[:, :, :, row_cell - lattice.first[0]], below / _CELL
        )
        start = across - lattice.first[1] * _CELL
        located = np.ascontiguousarray(located[:, :, start : start + len(cols)])
        for (row, col), pixels in lattice.pixels.items():
            cell_top, cell_left = _CELL * (lattice.first[0] + row), _CELL * (lattice.first[1] + col)
            (out_rows, in_rows), (out_cols, in_cols) = (
                _overlap(int(index[0]), len(index), begin)
                for index, begin in ((rows, cell_top), (cols, cell_left))
            )
            if out_rows.start < out_rows.stop:
                located[:, out_rows, out_cols] = pixels[:, in_rows, in_cols]
        if not self.max_error:  # footprints may be off a little
            located[:2] = self.exact(
                *np.meshgrid(*(index.astype(np.float64) for index in (rows, cols)), indexing="ij")
            )
        return Located(located[:2], located[2:], None)

    def extents(self, shape: Shape) -> Positions | None:
        """See `InverseMap.extents`; bounds by the polynomials' control points."""
        lattice = self._lattice(shape)
        low, high, footprint = np.full(2, np.inf), np.full(2, -np.inf), np.zeros(2)
        inside = [
            _inside(lattice.coefficients.shape[3 + axis], lattice.first[axis], first, size)
            for axis, (first, size) in enumerate(zip(self.origin, shape, strict=True))
        ]
        control, slope = _bounds(lattice.coefficients, *inside)
        for bound in (control, slope):
            for row, col in lattice.pixels:
                bound[..., row, col] = np.nan
        if np.isfinite(control).any():
            low, high = (
                choose(control.reshape(2, -1), axis=1) for choose in (np.nanmin, np.nanmax)
            )
            footprint = np.nanmax(slope.reshape(2, -1), axis=1)
        for (row, col), pixels in lattice.pixels.items():
            (_, in_rows), (_, in_cols) = (
                _overlap(first, size, _CELL * (begin + number))
                for first, size, begin, number in zip(
                    self.origin, shape, lattice.first, (row, col), strict=True
                )
            )
            values = pixels[:, in_rows, in_cols].reshape(4, -1)
            values = values[:, np.isfinite(values).all(axis=0)]
            if values.size:
                low = np.minimum(low, values[:2].min(axis=1))
                high = np.maximum(high, values[:2].max(axis=1))
                footprint = np.maximum(footprint, values[2:].max(axis=1))
        if not np.isfinite(low).all():
            low = high = np.full(2, _NOWHERE)
        return np.stack([low, high, footprint], axis=1)

    # -- cells ------------------------------------------------------------------------------

    def _lattice(self, shape: Shape) -> _Lattice:
        """Return the cells of a block of a shape; made once."""
        kept: tuple[Shape, _Lattice] | None = self.__dict__.get("_kept")
        if kept is not None and kept[0] == shape:
            return kept[1]
        first = (self.origin[0] // _CELL, self.origin[1] // _CELL)
        counts = [
            (begin + size - 1) // _CELL - cell + 1
            for begin, size, cell in zip(self.origin, shape, first, strict=True)
        ]
        row, col = (index.ravel() for index in np.indices(counts))
        tops, lefts = (first[0] + row) * _CELL, (first[1] + col) * _CELL
        coefficients, is_good = self._fitted(tops, lefts, _CELL)
        pixels = self._pixels(tops[~is_good], lefts[~is_good], _CELL)
        lattice = _Lattice(
            first,
            coefficients.reshape(2, 3, 3, *counts),
            {
                (int(row[cell]), int(col[cell])): values
                for cell, values in zip(np.flatnonzero(~is_good), pixels, strict=True)
            },
        )
        object.__setattr__(self, "_kept", (shape, lattice))  # no field: no part of what it is
        return lattice

    def __getstate__(self) -> dict[str, Any]:
        """Leave the cells behind: they are made again where the map arrives."""
        return {name: value for name, value in self.__dict__.items() if name != "_kept"}

    def _fitted(self, tops: Indices, lefts: Indices, side: int) -> tuple[Floats, Mask]:
        """Return the polynomials of cells, and which are good enough.

        Parameters
        ----------
        tops, lefts : ndarray of int64, (count,)
            Output row and column of each cell's first pixel.
        side : int

        Returns
        -------
        coefficients : ndarray of float64, (2, 3, 3, count)
            NaN for cells that come from nowhere.
        is_good : ndarray of bool, (count,)
        """
        points = [(down, across) for points in (_NODES, _CHECKS) for down in points
                  for across in points]  # fmt: skip
        down, across = np.array(points).T[:, :, None]
        positions = self.exact(tops + side * down, lefts + side * across)
        nodes, checks = positions[:, :9].reshape(2, 3, 3, -1), positions[:, 9:]
        coefficients = _through(_through(nodes, axis=1), axis=2)
        with np.errstate(invalid="ignore", over="ignore"):
            off = _value(_value(coefficients[:, :, :, None], down[9:], 1), across[9:], 1) - checks
            error = np.sqrt((off * off).sum(axis=0)).max(axis=0)
            is_good = error <= _SAFETY * (self.max_error or DEFAULT_MAX_ERROR)
        return coefficients, is_good | np.isnan(positions).all(axis=(0, 1))

    def _pixels(self, tops: Indices, lefts: Indices, side: int) -> Floats:
        """Return positions and footprints of the pixels of cells, (count, 4, side, side)."""
        out = np.empty((len(tops), 4, side, side))
        if side <= _SMALLEST:
            step = max(1, _AT_ONCE // side**2)
            for first in range(0, len(tops), step):
                part = slice(first, first + step)
                out[part] = self._exact_pixels(tops[part], lefts[part], side)
            return out
        small = side // _CUT
        row, col = (index.ravel() for index in np.indices((_CUT, _CUT)))
        cell = np.repeat(np.arange(len(tops)), _CUT * _CUT)
        row, col = np.tile(row, len(tops)), np.tile(col, len(tops))
        small_tops, small_lefts = tops[cell] + small * row, lefts[cell] + small * col
        coefficients, is_good = self._fitted(small_tops, small_lefts, small)
        parts = np.empty((len(cell), 4, small, small))
        way = np.arange(small) / small
        located = _evaluated(
            np.repeat(coefficients[:, :, :, None, is_good], small, axis=3), way, side=small
        )
        parts[is_good] = located.reshape(4, small, -1, small).transpose(2, 0, 1, 3)
        parts[~is_good] = self._pixels(small_tops[~is_good], small_lefts[~is_good], small)
        view = out.reshape(len(tops), 4, _CUT, small, _CUT, small)
        view[cell, :, row, :, col] = parts
        return out

    def _exact_pixels(self, tops: Indices, lefts: Indices, side: int) -> Floats:
        """Return what `_pixels` does, every pixel located on its own, and half a pixel around."""
        way = np.arange(side)
        rows = (tops[:, None] + way)[:, :, None] + np.zeros(side)
        cols = (lefts[:, None] + way)[:, None, :] + np.zeros(side)[:, None]
        positions = self.exact(rows, cols)
        squares = np.zeros_like(positions)
        for down, across in ((0.5, 0.0), (0.0, 0.5)):
            ends = (self.exact(rows + sign * down, cols + sign * across) for sign in (1, -1))
            squares += self.steps(np.subtract(*ends)) ** 2
        return np.concatenate([positions, np.sqrt(squares)]).transpose(1, 0, 2, 3)


def _through(values: Floats, axis: int) -> Floats:
    """Return the coefficients of parabolas through values at 0, 1/2 and 1, along an axis."""
    start, middle, end = np.moveaxis(values, axis, 0)
    slope = 4 * middle - 3 * start - end
    return np.stack([start, slope, 2 * (start - 2 * middle + end)], axis=axis)


def _value(coefficients: Floats, way: Any, axis: int) -> Floats:
    """Return the value of parabolas whose coefficients lie along an axis."""
    start, slope, bend = np.moveaxis(coefficients, axis, 0)
    value: Floats = start + way * (slope + way * bend)
    return value


def _evaluated(coefficients: Floats, down: Floats, side: int = _CELL) -> Floats:
    """Return positions and footprints of rows of cells, (4, rows, cells * side).

    Parameters
    ----------
    coefficients : ndarray of float64, (2, 3, 3, rows, cells)
        Of the cells of each row.
    down : ndarray of float64, (rows,)
        How far down its cells each row lies.
    side : int
        Pixels of a cell.
    """
    _, _, _, rows, cells = coefficients.shape
    down, across = down[:, None], np.arange(side) / side
    out = np.empty((4, rows, cells, side))
    for axis in (0, 1):
        start, slope, bend = coefficients[axis]
        at, changes = start + down * (slope + down * bend), slope + 2 * down * bend
        (a, b, c), (d, e, f) = at[..., None], changes[..., None]
        twice = across * c
        out[axis] = a + across * (b + twice)
        along, beside = b + 2 * twice, d + across * (e + across * f)
        out[axis + 2] = np.sqrt(along * along + beside * beside) / side
    return out.reshape(4, rows, cells * side)


def _inside(count: int, first_cell: int, first: int, size: int) -> tuple[Floats, Floats]:
    """Return from where to where a block lies in each of its cells, in parts of a side."""
    begins = (first_cell + np.arange(count)) * _CELL
    start, stop = np.maximum(begins, first), np.minimum(begins + _CELL, first + size) - 1
    return (start - begins) / _CELL, (stop - begins) / _CELL


def _bounds(
    coefficients: Floats, rows: tuple[Floats, Floats], cols: tuple[Floats, Floats]
) -> tuple[Floats, Floats]:
    """Return control points of cells' polynomials, cut to a part of them, and largest footprints.

    A polynomial lies between the least and the greatest of its control points (Bernstein), and so
    does its derivative, whose control points are differences of these.

    Returns
    -------
    control : ndarray of float64, (2, 3, 3, rows, cols)
    footprint : ndarray of float64, (2, rows, cols)
    """
    (top, bottom), (left, right) = rows, cols
    down = [way[:, None] for way in (top, (top + bottom) / 2, bottom)]
    across = [left, (left + right) / 2, right]
    values = np.stack([_value(coefficients, way, 1) for way in down], axis=1)
    values = np.stack([_value(values, way, 2) for way in across], axis=2)
    with np.errstate(invalid="ignore"):
        for axis in (1, 2):
            start, middle, end = np.moveaxis(values, axis, 0)
            values = np.stack([start, 2 * middle - (start + end) / 2, end], axis=axis)
        squares = np.zeros((2, *coefficients.shape[3:]))
        for axis, (first, last) in ((1, (top[:, None], bottom[:, None])), (2, (left, right))):
            length = np.maximum(last - first, 1 / _CELL) * _CELL
            steps = 2 * np.abs(np.diff(values, axis=axis)).max(axis=(1, 2)) / length
            single = np.abs(_slopes(coefficients, axis)) / _CELL
            squares += np.where(last > first, steps, single) ** 2
    return values, np.sqrt(squares)


def _slopes(coefficients: Floats, axis: int) -> Floats:
    """Return the largest slope of polynomials along an axis, over all of their cells."""
    slope, bend = np.moveaxis(coefficients, axis, 0)[1:]
    other: Floats = np.abs(slope).sum(axis=1) + 2 * np.abs(bend).sum(axis=1)
    return other


def _overlap(first: int, count: int, begin: int) -> tuple[slice, slice]:
    """Return where a cell that begins at a pixel lies in a run of pixels, and these in the cell."""
    start, stop = max(first, begin), min(first + count, begin + _CELL)
    return slice(start - first, stop - first), slice(start - begin, stop - begin)
