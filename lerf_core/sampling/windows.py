"""What part of an image a block of the result depends on.

Convention
----------
A block is a rectangle of output pixels. A window is the part of a source axis that it
needs, in the image's coordinates: pixels before 0 and after the last are those by which a
border mode extends the image. Computed from its window alone, a block is bit for bit what
it is in the whole result: windows end a halo away from whatever is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lerf_core.geometry.maps import Homography, InverseMap
from lerf_core.sampling.borders import fold_coordinates, fold_indices, fold_period, is_periodic

__all__ = ["Block", "Window", "Windows", "seen_windows"]

Indices = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]

# Added on both sides of what is seen: the second tap, and rounding.
_SLACK = 2.0
# Depths within this part of the largest are as good as the horizon.
_LEAST_DEPTH = 1e-12
# Blocks of up to so many rows and columns at the horizon are located pixel by pixel.
_FINE = 64


class Block(NamedTuple):
    """Output rows top..bottom-1 and columns left..right-1."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.bottom - self.top, self.right - self.left

    def quarters(self) -> Iterator[Block]:
        """Cut both sides of more than one pixel in half."""
        rows = _halves(self.top, self.bottom)
        for top, bottom in rows:
            for left, right in _halves(self.left, self.right):
                yield Block(top, bottom, left, right)


def _halves(first: int, last: int) -> list[tuple[int, int]]:
    middle = (first + last) // 2
    return [(first, middle), (middle, last)] if first < middle else [(first, last)]


@dataclass(frozen=True)
class Window:
    """The part of a source axis that a block needs.

    Attributes
    ----------
    size : int
        Pixels of the image's axis.
    margin : int
        Pixels by which the border mode extends the image at either end.
    runs : tuple of (first, stop)
        In order, within -margin..size+margin; two where a block lies over the seam of
        mode "wrap".
    """

    size: int
    margin: int
    runs: tuple[tuple[int, int], ...]

    @classmethod
    def whole(cls, size: int, margin: int = 0) -> Window:
        """All of an axis."""
        return cls(size, margin, ((-margin, size + margin),))

    @classmethod
    def around(cls, size: int, margin: int, halo: int, *runs: tuple[int, int]) -> Window:
        """Runs widened by a halo, within the extended image; those that meet become one."""
        wide = [(max(a - halo, -margin), min(b + halo, size + margin)) for a, b in sorted(runs)]
        merged = wide[:1]
        for first, stop in wide[1:]:
            if first <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(stop, merged[-1][1])
            else:
                merged.append((first, stop))
        return cls(size, margin, tuple(merged))

    def __len__(self) -> int:
        return sum(stop - first for first, stop in self.runs)

    @property
    def is_whole(self) -> bool:
        """Whether the window is the image itself."""
        return self.runs == ((0, self.size),)

    @property
    def first(self) -> int:
        """The first pixel."""
        return self.runs[0][0]

    def sources(self, mode: str) -> Indices:
        """Return the image's pixel at each place of the window."""
        index = np.concatenate([np.arange(*run, dtype=np.int64) for run in self.runs])
        return fold_indices(index, self.size, mode) if self.margin else index

    def indices(self, index: Indices) -> Indices:
        """Bring indices of the extended image into a window of one run."""
        moved: Indices = index - self.first if self.first else index
        return moved

    def positions(self, position: Floats) -> Floats:
        """Bring positions in reach of the extended image into the window, exactly."""
        if self.margin:  # rounds, in every window alike
            position = position + self.margin
        start = self.first + self.margin
        if len(self.runs) == 1:
            return position - start if start else position
        (_, end), (second, _) = self.runs
        gap = second - end
        late = position >= (end + second) / 2 + self.margin
        place: Floats = np.where(late, position - (start + gap), position - start)
        return place


class Windows(NamedTuple):
    """The windows of rows and columns."""

    rows: Window
    cols: Window

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of source pixels."""
        return len(self.rows), len(self.cols)

    @property
    def area(self) -> int:
        """Number of source pixels."""
        return len(self.rows) * len(self.cols)

    def cut(self, plane: npt.NDArray[Any], mode: str) -> npt.NDArray[Any]:
        """Take the windows out of whole planes, (..., rows, cols)."""
        for axis, window in zip((-2, -1), self, strict=True):
            if window.is_whole:
                continue
            if window.margin == 0 and len(window.runs) == 1:
                part = [slice(None)] * plane.ndim
                part[axis] = slice(*window.runs[0])
                plane = plane[tuple(part)]
            else:
                plane = np.take(plane, window.sources(mode), axis=axis)
        return plane


# -- what a warp sees -------------------------------------------------------------


def seen_windows(
    mapping: InverseMap,
    shape: tuple[int, int],
    block_shape: tuple[int, int],
    mode: str,
    *,
    margin: int,
    halo: int,
    smooth: bool,
) -> Windows | None:
    """Return the windows that a block of a warp needs; None where it sees nothing.

    Parameters
    ----------
    mapping : InverseMap
        Of the block: its first pixel is (0, 0).
    shape : (int, int)
        Rows and columns of the source.
    block_shape : (int, int)
        Of the block.
    mode : str
        What lies beyond the border.
    margin : int
        Pixels by which it extends the image.
    halo : int
        Pixels around those seen that the tables look at.
    smooth : bool
        Whether supports stretch where the map shrinks.
    """
    if isinstance(mapping, Homography):
        found = _seen_by_homography(mapping, shape, block_shape, mode)
    else:
        found = _seen_within_bounds(mapping, shape, block_shape, mode)
    if found is None:
        found = _seen_by_positions(mapping, shape, block_shape, mode)
    if not found:
        return None
    windows = []
    for size, (low, high, span) in zip(shape, found, strict=True):
        reach = max(1.0, min(span, size + 1.0)) if smooth else 1.0
        reach += _SLACK
        ends = [
            (math.floor(a - reach), math.ceil(b + reach) + 1)
            for a, b in _folded_intervals(low, high, size, mode, reach)
        ]
        # At least a pixel of the image: taps beyond the border are led to it.
        ends = [(min(a, size - 1 + margin), max(b, 1 - margin)) for a, b in ends]
        windows.append(Window.around(size, margin, halo, *ends))
    return Windows(*windows)


def _folded_intervals(
    low: float, high: float, size: int, mode: str, reach: float
) -> list[Interval]:
    """Return where a mode puts the positions between two: one interval, or two."""
    if not is_periodic(mode):
        first, last = np.clip((low, high), -reach, size - 1 + reach)
        return [(float(first), float(last))]
    centre, period = fold_period(size, mode)
    if period == 0:
        return [(0.0, 0.0)]
    if high - low >= period:
        return [(-centre, size - 1 + centre)]
    first, last = (float(np.mod(end + centre, period)) for end in (low, high))
    if mode == "wrap":
        if first <= last:
            return [(first - centre, last - centre)]
        return [(-centre, last - centre), (first - centre, size - centre)]
    # The ends, and the turning points that lie between them.
    turned = [min(end, period - end) for end in (first, last)]
    if first > last:
        turned.append(0.0)
    half = period / 2
    if (first <= half <= last) or (first > last and (half >= first or half <= last)):
        turned.append(half)
    return [(min(turned) - centre, max(turned) - centre)]


def _seen_within_bounds(
    mapping: InverseMap, shape: tuple[int, int], block_shape: tuple[int, int], mode: str
) -> list[tuple[float, float, float]] | None:
    """As `_seen_by_positions`, from the map's bounds; None where it knows none."""
    bounds = mapping.bounds(block_shape)
    if bounds is None:
        return None
    found = [(float(low), float(high), float(span)) for low, high, span in bounds]
    if mode == "constant":
        for (low, high, span), size in zip(found, shape, strict=True):
            if high <= -(0.5 + span / 2) or low >= size - 0.5 + span / 2:
                return []
    return found


def _seen_by_positions(
    mapping: InverseMap, shape: tuple[int, int], block_shape: tuple[int, int], mode: str
) -> list[tuple[float, float, float]]:
    """Least and largest position and largest span an axis, from every position; [] for none."""
    positions, spans = mapping.locate(0, block_shape[0], block_shape)
    spans = np.where(np.isfinite(spans), spans, 1.0)
    seen = np.isfinite(positions).all(axis=0)
    if mode == "constant":
        for position, span, size in zip(positions, spans, shape, strict=True):
            # A pixel of half of this width beyond the outline shows some of the image.
            beyond = 0.5 + np.maximum(span, 1e-6) / 2
            with np.errstate(invalid="ignore"):
                seen &= (position > -beyond) & (position < size - 1 + beyond)
    if not seen.any():
        return []
    if is_periodic(mode):
        # Exactly where they are taken from: maps may wander over many periods.
        positions = np.stack([
            fold_coordinates(np.where(seen, position, 0.0), size, mode, 1.0)
            for position, size in zip(positions, shape, strict=True)
        ])  # fmt: skip
    return [
        (float(position[seen].min()), float(position[seen].max()), float(span[seen].max()))
        for position, span in zip(positions, spans, strict=True)
    ]


def _seen_by_homography(
    mapping: Homography, shape: tuple[int, int], block_shape: tuple[int, int], mode: str
) -> list[tuple[float, float, float]] | None:
    """As `_seen_by_positions`, from the corners; None for a small block at the horizon."""
    bounds = mapping.bounds(block_shape)
    if bounds is None:
        return _seen_at_horizon(mapping, shape, block_shape)
    found = [(float(low), float(high), float(span)) for low, high, span in bounds]
    if mode != "constant":
        return found
    if all(low >= 0 and high < size for size, (low, high, _) in zip(shape, found, strict=True)):
        return found
    # Twice: spans decide how far beyond the outline something of the image shows, and are
    # smaller in what is left.
    for _ in range(2):
        polygon = _clipped_block(mapping, shape, block_shape, [1 + span / 2 for *_, span in found])
        if len(polygon) == 0:
            return []
        found = mapping.extremes(polygon)
    return found


def _seen_at_horizon(
    mapping: Homography, shape: tuple[int, int], block_shape: tuple[int, int]
) -> list[tuple[float, float, float]] | None:
    """Nothing beyond it; all of the image for large blocks on it, which may be cut further."""
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * np.subtract(block_shape[::-1], 1)
    depth = mapping.moved_matrix[2]
    largest = np.abs(depth) @ np.array([*np.subtract(block_shape[::-1], 1), 1.0])
    if (corners @ depth[:2] + depth[2]).max() < -_LEAST_DEPTH * largest:
        return []
    if max(block_shape) > _FINE:
        return [(0.0, size - 1.0, size + 1.0) for size in shape]
    return None


def _clipped_block(
    mapping: Homography,
    shape: tuple[int, int],
    block_shape: tuple[int, int],
    beyond: list[float],
) -> Floats:
    """Corners (x, y) of the part of a block that shows the source, in order; none: empty.

    In front of the horizon a/d >= low is a >= low * d, which is linear in x and y: the part is
    the block clipped by half-planes (Sutherland and Hodgman 1974).
    """
    bottom, right = block_shape[0] - 1.0, block_shape[1] - 1.0
    polygon = np.array([[0.0, 0.0], [right, 0.0], [right, bottom], [0.0, bottom]])
    m = mapping.moved_matrix
    depth = m[2]
    planes: list[Floats] = []
    for line, size, more in zip((m[1], m[0]), shape, beyond, strict=True):
        planes += [line + more * depth, (size - 1 + more) * depth - line]
    for plane in planes:
        polygon = _clip(polygon, plane)
        if len(polygon) == 0:
            break
    return polygon


def _clip(polygon: Floats, plane: Floats) -> Floats:
    """Clip a convex polygon by ``plane @ (x, y, 1) >= 0``."""
    value = polygon @ plane[:2] + plane[2]
    corners: list[Floats] = []
    for here, there, a, b in zip(
        polygon, np.roll(polygon, -1, axis=0), value, np.roll(value, -1), strict=True
    ):
        if a >= 0:
            corners.append(here)
        if (a >= 0) != (b >= 0):
            corners.append(here + (there - here) * (a / (a - b)))
    return np.array(corners).reshape(-1, 2)
