"""Where the pixels of a result lie in its source, as what files say of places needs it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Placement"]

# Two directions or lengths that differ by less are the same: matrices carry rounding.
_TOLERANCE = 1e-9

AffineMatrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Placement:
    """An affine map from the pixels of a result to those of its source; or none, where it is not.

    Convention
    ----------
    Positions are (row, col), pixel centres at integers.

    Attributes
    ----------
    matrix : ndarray of float64, (2, 3), or None
        From (row, col, 1) of the result to (row, col) of the source. None: the map is not affine.
    before, after : (int, int)
        Rows and columns of the source, and of the result.
    """

    matrix: AffineMatrix | None
    before: tuple[int, int]
    after: tuple[int, int]

    @classmethod
    def of_resize(
        cls, scale: tuple[float, float], before: tuple[int, int], after: tuple[int, int]
    ) -> Placement:
        """Return the placement of a resize: centres of source and result lie on each other.

        Parameters
        ----------
        scale : (row, col)
            Pixels of the result per pixel of the source.
        before, after : (int, int)
            Rows and columns of the source, and of the result.
        """
        matrix = np.zeros((2, 3))
        for axis, factor in enumerate(scale):
            matrix[axis, axis] = 1 / factor
            matrix[axis, 2] = (before[axis] - 1) / 2 - (after[axis] - 1) / (2 * factor)
        return cls(matrix, before, after)

    @property
    def steps(self) -> tuple[float, float] | None:
        """Source pixels between neighbouring rows, and columns, of the result; None: not affine."""
        if self.matrix is None:
            return None
        down, across = (math.hypot(*self.matrix[:, axis]) for axis in (0, 1))
        return down, across

    @property
    def source_axes(self) -> tuple[int, int] | None:
        """The source's axis that the result's rows, and its columns, run along: 0 rows, 1 columns.

        None where they run along neither: where the result is turned by no quarter, or slanted.
        """
        if self.matrix is None:
            return None
        size = np.abs(self.matrix[:, :2])
        largest = float(size.max())
        if max(size[0, 1], size[1, 0]) <= _TOLERANCE * largest:
            return 0, 1
        if max(size[0, 0], size[1, 1]) <= _TOLERANCE * largest:
            return 1, 0
        return None

    @property
    def is_similarity(self) -> bool:
        """Whether it turns, mirrors, moves and scales alike in all directions."""
        if self.matrix is None:
            return False
        square = self.matrix[:, :2].T @ self.matrix[:, :2]
        scale = max(square[0, 0], square[1, 1])
        off = max(abs(square[0, 1]), abs(square[0, 0] - square[1, 1]))
        return bool(off <= _TOLERANCE * scale)

    @property
    def is_identity(self) -> bool:
        """Whether every pixel stays where it is, in an image of the same size."""
        return (
            self.matrix is not None
            and self.before == self.after
            and np.array_equal(self.matrix, np.eye(2, 3))
        )
