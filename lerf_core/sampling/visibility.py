"""Which windows of the source a block of a warp shows.

An extent is what a block shows along one source axis: the least and the largest position of its
pixels, and their largest footprint, in source pixels.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from lerf_core.constants import LEAST_FOOTPRINT
from lerf_core.geometry.maps import Homography, InverseMap
from lerf_core.sampling.borders import fold_coordinates, fold_period, is_periodic
from lerf_core.sampling.windows import Window, Windows

__all__ = ["visible_windows"]

Positions = npt.NDArray[np.float64]
Interval = tuple[float, float]
Extent = tuple[float, float, float]

# Added on both sides of an extent: the second tap, and rounding.
_SLACK = 2.0
# Depths within this part of the largest are as good as the horizon.
_LEAST_DEPTH = 1e-12
# Blocks of up to so many rows and columns at the horizon are located pixel by pixel.
_FINE = 64


def visible_windows(
    mapping: InverseMap,
    shape: tuple[int, int],
    block_shape: tuple[int, int],
    mode: str,
    *,
    margin: int,
    halo: int,
    anti_aliasing: bool,
    tap_reach: float = 1.0,
) -> Windows | None:
    """Return the windows that a block of a warp needs; None where it shows nothing of the image.

    Parameters
    ----------
    mapping : InverseMap
        The block's own: its first pixel is (0, 0).
    shape : (int, int)
        Rows and columns of the source.
    block_shape : (int, int)
        Rows and columns of the block.
    mode : str
        The border mode.
    margin : int
        Pixels by which the mode extends the image.
    halo : int
        Pixels around those of the taps that the tables read.
    anti_aliasing : bool
        Whether the support is stretched where the map shrinks.
    tap_reach : float
        How far taps lie from a position, as a part of the filter scale.
    """
    if isinstance(mapping, Homography):
        extents = _homography_extents(mapping, shape, block_shape, mode)
    else:
        extents = _map_extents(mapping, shape, block_shape, mode)
    if extents is None:
        extents = _located_extents(mapping, shape, block_shape, mode)
    if not extents:
        return None
    windows = []
    for size, (low, high, footprint) in zip(shape, extents, strict=True):
        filter_scale = max(1.0, min(footprint, size + 1.0)) if anti_aliasing else 1.0
        reach = tap_reach * filter_scale + _SLACK
        ends = [
            (math.floor(a - reach), math.ceil(b + reach) + 1)
            for a, b in _folded_intervals(low, high, size, mode, reach)
        ]
        # At least one pixel of the image: taps beyond the border are clipped to it.
        ends = [(min(a, size - 1 + margin), max(b, 1 - margin)) for a, b in ends]
        windows.append(Window.around(size, margin, halo, *ends))
    return Windows(*windows)


def _folded_intervals(
    low: float, high: float, size: int, mode: str, reach: float
) -> list[Interval]:
    """Return where a border mode puts the positions low..high of an axis: one interval, or two.

    Parameters
    ----------
    low, high : float
        In source pixels.
    size : int
        Source pixels of the axis.
    reach : float
        By modes that clip, positions are moved to this many pixels beyond the image, at most.
    """
    if not is_periodic(mode):
        first, last = np.clip((low, high), -reach, size - 1 + reach)
        return [(float(first), float(last))]
    start, period = fold_period(size, mode)
    if period == 0:
        return [(0.0, 0.0)]
    if high - low >= period:
        return [(-start, size - 1 + start)]
    first, last = (float(np.mod(end + start, period)) for end in (low, high))
    if mode == "wrap":
        if first <= last:
            return [(first - start, last - start)]
        return [(-start, last - start), (first - start, size - start)]
    # The ends, and the turning points that lie between them.
    folded = [min(end, period - end) for end in (first, last)]
    if first > last:
        folded.append(0.0)
    half = period / 2
    if (first <= half <= last) or (first > last and (half >= first or half <= last)):
        folded.append(half)
    return [(min(folded) - start, max(folded) - start)]


def _map_extents(
    mapping: InverseMap, shape: tuple[int, int], block_shape: tuple[int, int], mode: str
) -> list[Extent] | None:
    """Return the map's own extents; None where it knows none, [] where nothing shows."""
    known_extents = mapping.extents(block_shape)
    if known_extents is None:
        return None
    extents = [
        (float(low), float(high), float(footprint)) for low, high, footprint in known_extents
    ]
    if mode == "constant":
        for (low, high, footprint), size in zip(extents, shape, strict=True):
            if high <= -(0.5 + footprint / 2) or low >= size - 0.5 + footprint / 2:
                return []
    return extents


def _located_extents(
    mapping: InverseMap, shape: tuple[int, int], block_shape: tuple[int, int], mode: str
) -> list[Extent]:
    """Return the extents by locating every pixel; [] where nothing of the image shows."""
    positions, footprints, _ = mapping.locate(0, block_shape[0], block_shape)
    footprints = np.where(np.isfinite(footprints), footprints, 1.0)
    visible = np.isfinite(positions).all(axis=0)
    if mode == "constant":
        for position, footprint, size in zip(positions, footprints, shape, strict=True):
            # A pixel up to half its width beyond the outline shows some of the image.
            beyond = 0.5 + np.maximum(footprint, LEAST_FOOTPRINT) / 2
            with np.errstate(invalid="ignore"):
                visible &= (position > -beyond) & (position < size - 1 + beyond)
    if not visible.any():
        return []
    if is_periodic(mode):
        # Exactly where they are taken from: maps may wander over many periods.
        positions = np.stack([
            fold_coordinates(np.where(visible, position, 0.0), size, mode, 1.0)
            for position, size in zip(positions, shape, strict=True)
        ])  # fmt: skip
    return [
        (
            float(position[visible].min()),
            float(position[visible].max()),
            float(footprint[visible].max()),
        )
        for position, footprint in zip(positions, footprints, strict=True)
    ]


def _homography_extents(
    mapping: Homography, shape: tuple[int, int], block_shape: tuple[int, int], mode: str
) -> list[Extent] | None:
    """Return the extents by the corners; None for a small block at the horizon, [] for nothing."""
    known_extents = mapping.extents(block_shape)
    if known_extents is None:
        return _horizon_extents(mapping, shape, block_shape)
    extents = [
        (float(low), float(high), float(footprint)) for low, high, footprint in known_extents
    ]
    if mode != "constant":
        return extents
    if all(low >= 0 and high < size for size, (low, high, _) in zip(shape, extents, strict=True)):
        return extents
    # Twice: footprints decide how far beyond the outline something of the image shows, and are
    # smaller in the clipped block.
    for _ in range(2):
        polygon = _clipped_block(
            mapping, shape, block_shape, [1 + footprint / 2 for *_, footprint in extents]
        )
        if len(polygon) == 0:
            return []
        extents = mapping.polygon_extents(polygon)
    return extents


def _horizon_extents(
    mapping: Homography, shape: tuple[int, int], block_shape: tuple[int, int]
) -> list[Extent] | None:
    """Return the extents of a block on the horizon or beyond it: nothing shows beyond it.

    Large blocks on it show all of the image, as far as is known: they may be cut further. None for
    small ones.
    """
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * np.subtract(block_shape[::-1], 1)
    depth = mapping.block_matrix[2]
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
) -> Positions:
    """Return the corners (x, y), in order, of the part of a block that shows the source.

    In front of the horizon a/d >= low is a >= low * d, which is linear in x and y: the part is
    the block clipped by half-planes (Sutherland and Hodgman 1974).
    """
    bottom, right = block_shape[0] - 1.0, block_shape[1] - 1.0
    polygon = np.array([[0.0, 0.0], [right, 0.0], [right, bottom], [0.0, bottom]])
    m = mapping.block_matrix
    depth = m[2]
    half_planes: list[Positions] = []
    for line, size, margin in zip((m[1], m[0]), shape, beyond, strict=True):
        half_planes += [line + margin * depth, (size - 1 + margin) * depth - line]
    for half_plane in half_planes:
        polygon = _clip(polygon, half_plane)
        if len(polygon) == 0:
            break
    return polygon


def _clip(polygon: Positions, half_plane: Positions) -> Positions:
    """Return a convex polygon, (corners, 2), clipped by ``half_plane @ (x, y, 1) >= 0``."""
    value = polygon @ half_plane[:2] + half_plane[2]
    corners: list[Positions] = []
    for corner, next_corner, a, b in zip(
        polygon, np.roll(polygon, -1, axis=0), value, np.roll(value, -1), strict=True
    ):
        if a >= 0:
            corners.append(corner)
        if (a >= 0) != (b >= 0):
            corners.append(corner + (next_corner - corner) * (a / (a - b)))
    return np.array(corners).reshape(-1, 2)
