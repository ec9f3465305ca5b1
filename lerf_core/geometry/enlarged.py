"""Maps to the pixels of an enlargement, in place of those of the source that was enlarged.

Convention
----------
That of `lerf_core.geometry.maps`. In an enlargement by a whole number k, position p of its source
is ``k * (p + 0.5) - 0.5``: outlines lie on each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError
from lerf_core.geometry.homography import Matrix, as_homography
from lerf_core.geometry.maps import (
    Homography,
    InverseMap,
    Located,
    Positions,
    ReadyMap,
    SampledMap,
)
from lerf_core.geometry.whole_pixels import pixel_tolerance

__all__ = ["ReflectedMap", "enlargement_matrix", "homography_to_enlargement", "map_to_enlargement"]

Shape = tuple[int, int]


def enlargement_matrix(factor: int) -> Matrix:
    """Return the matrix from (x, y, 1) of a source to its enlargement's.

    Examples
    --------
    >>> enlargement_matrix(2).tolist()
    [[2.0, 0.0, 0.5], [0.0, 2.0, 0.5], [0.0, 0.0, 1.0]]
    """
    middle = (factor - 1) / 2
    return np.array([[factor, 0.0, middle], [0.0, factor, middle], [0.0, 0.0, 1.0]])


def homography_to_enlargement(
    inverse: npt.ArrayLike, shape: Shape, out_shape: Shape, factor: int
) -> Homography:
    """Return the map of a matrix to the pixels of the enlargement of its source.

    Parameters
    ----------
    inverse : array_like, (3, 3) or (2, 3)
        From output (x, y, 1) to source (x, y, depth).
    shape, out_shape : (int, int)
        Rows and columns of the source, and of the output.
    factor : int
    """
    matrix = enlargement_matrix(factor) @ as_homography(inverse)
    return Homography.from_inverse(matrix, (factor * shape[0], factor * shape[1]), out_shape)


def map_to_enlargement(mapping: InverseMap, shape: Shape, factor: int) -> InverseMap:
    """Return a map by positions to the pixels of the enlargement of its source.

    Parameters
    ----------
    mapping : InverseMap
        To the source.
    shape : (int, int)
        Rows and columns of the source.
    factor : int
    """
    if isinstance(mapping, ReadyMap):
        return _EnlargedReadyMap(mapping, factor)
    if not isinstance(mapping, SampledMap):
        raise InvalidArgumentError(f"{type(mapping).__name__} is no map by positions")
    tolerance = pixel_tolerance((factor * shape[0], factor * shape[1]))
    return _EnlargedMap(
        mapping, factor, origin=mapping.origin, out_shape=mapping.out_shape, tolerance=tolerance
    )


@dataclass(frozen=True, eq=False)
class _EnlargedMap(SampledMap):
    """A map by positions, to the pixels of an enlargement.

    Attributes
    ----------
    source_map : SampledMap
        To the source's pixels.
    factor : int
    """

    source_map: SampledMap
    factor: int

    def positions(self, top: int, bottom: int, left: int, right: int) -> Positions:
        """See `SampledMap.positions`."""
        positions = self.source_map.positions(top, bottom, left, right)
        positions *= self.factor
        positions += (self.factor - 1) / 2
        return positions

    def extents(self, shape: Shape) -> Positions | None:
        """See `InverseMap.extents`."""
        return _enlarged_extents(self.source_map.extents(shape), self.factor)

    def of_block(self, top: int, left: int, shape: Shape, out_shape: Shape) -> _EnlargedMap:
        """See `InverseMap.of_block`."""
        block = self.source_map.of_block(top, left, shape, out_shape)
        return replace(self, source_map=block, origin=(top, left), out_shape=out_shape)


@dataclass(frozen=True, eq=False)
class _EnlargedReadyMap:
    """A map that locates its pixels itself, to the pixels of an enlargement.

    Attributes
    ----------
    source_map : ReadyMap
        To the source's pixels.
    factor : int
    """

    source_map: ReadyMap
    factor: int

    def locate(self, top: int, bottom: int, shape: Shape) -> Located:
        """See `InverseMap.locate`."""
        positions, footprints, _ = self.source_map.locate(top, bottom, shape)
        enlarged = positions * self.factor + (self.factor - 1) / 2
        return Located(enlarged, footprints * self.factor, None)

    def extents(self, shape: Shape) -> Positions | None:
        """See `InverseMap.extents`."""
        return _enlarged_extents(self.source_map.extents(shape), self.factor)

    def affine(self) -> Positions | None:
        """See `InverseMap.affine`; the map to the source says it."""
        return None

    def of_block(self, top: int, left: int, shape: Shape, out_shape: Shape) -> _EnlargedReadyMap:
        """See `InverseMap.of_block`."""
        return replace(self, source_map=self.source_map.of_block(top, left, shape, out_shape))


def _enlarged_extents(extents: Positions | None, factor: int) -> Positions | None:
    """Return extents in the pixels of an enlargement."""
    if extents is None:
        return None
    extents = extents * factor
    extents[:, :2] += (factor - 1) / 2
    return extents


@dataclass(frozen=True, eq=False)
class ReflectedMap:
    """A map whose positions are mirrored as border mode "reflect" mirrors the source.

    The mode mirrors about the centres of the source's outermost pixels, and these are no centres
    of the enlargement's pixels.

    Attributes
    ----------
    mapping : InverseMap
        To the pixels of the enlargement.
    shape : (int, int)
        Rows and columns of the source.
    factor : int
        Of the enlargement.
    """

    mapping: InverseMap
    shape: Shape
    factor: int

    def locate(self, top: int, bottom: int, shape: Shape) -> Located:
        """See `InverseMap.locate`."""
        positions, footprints, copied = self.mapping.locate(top, bottom, shape)
        mirrored = [
            self._mirrored(position, size)
            for position, size in zip(positions, self.shape, strict=True)
        ]
        return Located(np.stack(mirrored), footprints, copied)

    def extents(self, shape: Shape) -> Positions | None:
        """See `InverseMap.extents`."""
        extents = self.mapping.extents(shape)
        if extents is None or not np.isfinite(extents).all():
            return None
        mirrored = [
            (*self._mirrored_interval(low, high, size), footprint)
            for (low, high, footprint), size in zip(extents.tolist(), self.shape, strict=True)
        ]
        return np.array(mirrored)

    def affine(self) -> Positions | None:
        """See `InverseMap.affine`; the map to the source says it."""
        return None

    def of_block(self, top: int, left: int, shape: Shape, out_shape: Shape) -> ReflectedMap:
        """See `InverseMap.of_block`."""
        return replace(self, mapping=self.mapping.of_block(top, left, shape, out_shape))

    def _axis(self, size: int) -> tuple[float, float]:
        """Return where the centre of the source's first pixel lies, and how far its last."""
        return (self.factor - 1) / 2, self.factor * (size - 1.0)

    def _mirrored(self, position: Positions, size: int) -> Positions:
        first, length = self._axis(size)
        if not length:  # beyond a single pixel lies nothing else
            return np.clip(position, 0, self.factor - 1)
        with np.errstate(invalid="ignore"):
            folded = np.mod(position - first, 2 * length)
            folded = np.minimum(folded, 2 * length - folded) + first
            inside = (position >= first) & (position <= first + length)
        return np.where(inside, position, folded)

    def _mirrored_interval(self, low: float, high: float, size: int) -> tuple[float, float]:
        """Return the least and the greatest of what an interval of positions becomes."""
        first, length = self._axis(size)
        if not length or high - low >= 2 * length:
            return min(first, 0.0), max(first + length, self.factor - 1.0)
        ends = self._mirrored(np.array([low, high]), size).tolist()
        turn = math.ceil((low - first) / length)
        while first + turn * length <= high:
            ends.append(first + length * (turn % 2))
            turn += 1
        return min(ends), max(ends)
