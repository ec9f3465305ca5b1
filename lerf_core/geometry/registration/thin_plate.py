"""Thin-plate splines: the smoothest map that takes points exactly onto others.

References
----------
Bookstein, "Principal warps: thin-plate splines and the decomposition of deformations", IEEE PAMI
11(6), 1989.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError

__all__ = ["ThinPlateSpline"]

Floats = npt.NDArray[np.float64]

# Points lie on a line where the smallest direction is less than this part of the largest.
_FLAT = 1e-9


@dataclass(frozen=True, eq=False)
class ThinPlateSpline:
    """A map of the plane; see `lerf_core.geometry.registration.transforms.PlaneTransform`.

    It is ``linear @ (u, v, 1) + sum(weights * r^2 log r)``, where r are distances from the points
    and (u, v) is a place brought to the size of 1. Build it with `through`.

    Attributes
    ----------
    points : ndarray of float64, (N, 2)
        Brought to the size of 1.
    weights : ndarray of float64, (N, 2)
    linear : ndarray of float64, (2, 3)
    middle : (float, float)
        The place that (u, v) = (0, 0) is.
    size : float
    """

    points: Floats
    weights: Floats
    linear: Floats
    middle: tuple[float, float]
    size: float
    matrix: ClassVar[None] = None
    is_smooth: ClassVar[bool] = True

    @classmethod
    def through(cls, source: npt.ArrayLike, target: npt.ArrayLike) -> ThinPlateSpline:
        """Make the spline that takes points onto others, exactly.

        Parameters
        ----------
        source, target : array_like, (N, 2)
            Three pairs of (x, y) at least; sources apart, and not on a line.

        Raises
        ------
        InvalidArgumentError
            If they fix no spline.
        """
        first, second = np.array(source, np.float64), np.array(target, np.float64)
        if len(first) < 3:
            raise InvalidArgumentError(
                f"a thin-plate spline needs at least 3 pairs of points, got {len(first)}"
            )
        if len(np.unique(first, axis=0)) < len(first):
            raise InvalidArgumentError("two points at one place fix no thin-plate spline")
        middle = first.mean(axis=0)
        spread = np.linalg.svd(first - middle, compute_uv=False)
        if not spread[1] > _FLAT * spread[0]:
            raise InvalidArgumentError("points on a line fix no thin-plate spline")
        size = float(np.abs(first - middle).max())
        points: Floats = (first - middle) / size
        count = len(first)
        system = np.zeros((count + 3, count + 3))
        differences = points[:, None] - points[None]
        system[:count, :count] = _bending((differences**2).sum(axis=2))
        system[:count, count:-1] = points
        system[:count, -1] = 1.0
        system[count:, :count] = system[:count, count:].T
        shift = second.mean(axis=0)
        values = np.zeros((count + 3, 2))
        values[:count] = second - shift
        try:
            solution = np.linalg.solve(system, values)
        except np.linalg.LinAlgError:
            raise InvalidArgumentError("the points fix no thin-plate spline") from None
        linear = np.ascontiguousarray(solution[count:].T)
        linear[:, 2] += shift
        return cls(
            points, np.array(solution[:count]), linear,
            (float(middle[0]), float(middle[1])), size,
        )  # fmt: skip

    def __call__(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """See `PlaneTransform`."""
        u, v = (x - self.middle[0]) / self.size, (y - self.middle[1]) / self.size
        (a, b, c), (d, e, f) = self.linear.tolist()
        new_x, new_y = a * u + b * v + c, d * u + e * v + f
        # Point by point, so that a place goes to the same numbers among whatever others.
        for (at_u, at_v), (to_x, to_y) in zip(
            self.points.tolist(), self.weights.tolist(), strict=True
        ):
            bent = _bending((u - at_u) ** 2 + (v - at_v) ** 2)
            new_x += to_x * bent
            new_y += to_y * bent
        return new_x, new_y


def _bending(squares: Floats) -> Floats:
    """Return r^2 log r of squares of r; 0 at 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        bent = 0.5 * squares * np.log(squares)
    return np.where(squares > 0, bent, 0.0)
