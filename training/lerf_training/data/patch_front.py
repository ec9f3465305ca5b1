"""What a front makes of patches, where a bank is trained behind it.

Convention
----------
Matrices take (x, y, 1), pixel centres at integers. The *kept* patch is what a bank reads: the part
of the enlargement that the borders of the patch that was enlarged do not tell on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lerf_core.fronts.base import Front
from lerf_core.geometry.enlarged import enlargement_matrix
from lerf_core.geometry.homography import Matrix

__all__ = ["PatchFront"]

Planes = npt.NDArray[np.uint8]
# What is cut off of patches that a front sees as a whole, as it sees images: where their borders
# tell most. In pixels of the patch.
_BORDER_OF_WHOLE = 16


@dataclass(frozen=True)
class PatchFront:
    """A front before patches of a size; or none, which leaves them as they are.

    Attributes
    ----------
    front : Front or None
        For one that sees whole images a patch is an image; less of its border is cut off than the
        front could reach.
    size : int
        Rows and columns of the kept patch.
    threads : int
        That the front may use.
    """

    front: Front | None
    size: int
    threads: int = 1

    @property
    def scale(self) -> int:
        """Pixels of the enlargement per pixel of the patch that is enlarged, along each axis."""
        return 1 if self.front is None else self.front.scale

    @property
    def reach(self) -> int:
        """Pixels of the patch that is enlarged, at each side, that are not kept."""
        if self.front is None:
            return 0
        reach = self.front.reach
        return reach if self.front.is_local else min(reach, _BORDER_OF_WHOLE)

    @property
    def source_size(self) -> int:
        """Rows and columns of the patch that is enlarged."""
        grid = 1 if self.front is None else self.front.grid
        needed = 2 * self.reach - (-self.size // self.scale)
        return -(-needed // grid) * grid

    @property
    def reads_colours(self) -> bool:
        """Whether red, green and blue are read together."""
        return self.front is not None and self.front.reads_colours

    @property
    def matrix(self) -> Matrix:
        """From the kept patch to the patch that is enlarged."""
        first = float(self.scale * self.reach)
        shift = np.array([[1.0, 0.0, first], [0.0, 1.0, first], [0.0, 0.0, 1.0]])
        matrix: Matrix = np.linalg.solve(enlargement_matrix(self.scale), shift)
        return matrix

    def enlarged(self, planes: Planes) -> Planes:
        """Return the kept part of the enlargement of a patch.

        Parameters
        ----------
        planes : ndarray of uint8, (channels, source_size, source_size)
            One, or three that are red, green and blue.

        Returns
        -------
        ndarray of uint8, (channels, size, size)
        """
        if self.front is None:
            return planes
        first = self.scale * self.reach
        kept = slice(first, first + self.size)
        enlarged = self.front.enlarge(np.ascontiguousarray(planes), self.threads)
        return np.ascontiguousarray(enlarged[:, kept, kept])
