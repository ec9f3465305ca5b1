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

    def cut(self, crop: tuple[int, int, int, int]) -> Placement:
        """Return the placement of a part of the result, or of more than it.

        Parameters
        ----------
        crop : (top, bottom, left, right)
            In pixels of the result; rows and columns beyond it lie where they would.
        """
        top, bottom, left, right = crop
        matrix = None
        if self.matrix is not None:
            matrix = self.matrix.copy()
            matrix[:, 2] += self.matrix[:, :2] @ (top, left)
        return Placement(matrix, self.before, (bottom - top, right - left))

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
    def to_result(self) -> AffineMatrix | None:
        """The map from (row, col, 1) of the source to (row, col) of the result, or None."""
        if self.matrix is None:
            return None
        square = self.matrix[:, :2]
        if abs(np.linalg.det(square)) <= _TOLERANCE * float(np.abs(square).max()) ** 2:
            return None
        inverse = np.linalg.inv(square)
        return np.column_stack([inverse, -inverse @ self.matrix[:, 2]])

    @property
    def is_scaling(self) -> bool:
        """Whether it shows the whole source, scaled along its rows and its columns."""
        if self.matrix is None or self.steps is None or self.source_axes != (0, 1):
            return False
        for axis, step in enumerate(self.steps):
            # A whole number of pixels leaves up to half of one over, at either end.
            slack = 0.51 * max(1.0, step)
            start = float(self.matrix[axis, 2]) - step / 2
            stop = start + step * self.after[axis]
            is_mirrored = self.matrix[axis, axis] < 0
            off = max(abs(start + 0.5), abs(stop - self.before[axis] + 0.5))
            if is_mirrored or off > slack:
                return False
        return True

    @property
    def is_part(self) -> bool:
        """Whether it shows the source, or a part of it, scaled and neither turned nor mirrored."""
        if self.matrix is None or self.source_axes != (0, 1):
            return False
        return bool(self.matrix[0, 0] > 0 and self.matrix[1, 1] > 0)

    def moved_point(self, row: float, col: float) -> tuple[float, float] | None:
        """Return where a point of the source lies in the result; None: nowhere."""
        inverse = self.to_result
        if inverse is None:
            return None
        new_row, new_col = (float(place) for place in inverse @ [row, col, 1])
        rows, cols = self.after
        inside = -0.5 <= new_row <= rows - 0.5 and -0.5 <= new_col <= cols - 0.5
        return (new_row, new_col) if inside else None

    def moved_lengths(self, down: float, across: float) -> tuple[float, float] | None:
        """Return lengths along rows and columns of the result, of such lengths of the source.

        Numbers of pixels, that is; None where rows and columns do not stay such, or exchange.
        """
        steps, axes = self.steps, self.source_axes
        if steps is None or axes is None or not all(steps):
            return None
        along = (down, across)
        return along[axes[0]] / steps[0], along[axes[1]] / steps[1]

    def moved_area(self, values: list[float]) -> list[int] | None:
        """Return an area in the result, in EXIF's way; None where it has no true place there.

        Parameters
        ----------
        values : list of float
            x and y of the centre, in pixels from 0; then nothing, a diameter, or width and height.
        """
        if not 2 <= len(values) <= 4:
            return None
        centre = self.moved_point(values[1], values[0])
        if centre is None:
            return None
        rows, cols = self.after
        place = [min(max(0, round(centre[1])), cols - 1), min(max(0, round(centre[0])), rows - 1)]
        if len(values) == 2:
            return place
        lengths = self.moved_lengths(values[-1], values[2])
        if lengths is None:
            return None
        down, across = lengths
        if len(values) == 3:
            return [*place, max(1, round(math.sqrt(down * across)))]
        return [*place, max(1, round(across)), max(1, round(down))]

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
