"""Where an image lies in a system of coordinates, such as the earth's."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lerf_core.geometry.placement import Placement

__all__ = ["Georeference"]

_Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Georeference:
    """Where pixels lie, by an affine map or by points, and the system that coordinates are of.

    Attributes
    ----------
    transform : tuple of 6 floats, or None
        a, b, c, d, e, f of x = a*col + b*row + c and y = d*col + e*row + f, where the top left
        CORNER of the first pixel is (row, col) = (0, 0): rasterio's and GDAL's convention. None:
        not known.
    keys : tuple of (code, values)
        GeoTIFF's tags that name the system: directory of keys, numbers, texts.
    points : tuple of (col, row, x, y, z)
        Ground control points, where there is no transform; pixels in corners, as above.
    """

    transform: tuple[float, float, float, float, float, float] | None = None
    keys: tuple[tuple[int, tuple[int | float, ...] | str], ...] = ()
    points: tuple[tuple[float, float, float, float, float], ...] = ()

    @property
    def is_placed(self) -> bool:
        """Whether it says where pixels lie, and not only in what system."""
        return self.transform is not None or bool(self.points)

    def bounds(self, shape: tuple[int, int]) -> tuple[float, float, float, float] | None:
        """Return the least x and y and the greatest x and y of an image's corners; None: not known.

        Parameters
        ----------
        shape : (rows, columns)
            Of the image.

        Examples
        --------
        >>> Georeference((0.5, 0.0, 6.0, 0.0, -0.5, 47.0)).bounds((10, 20))
        (6.0, 42.0, 16.0, 47.0)
        """
        if self.transform is None:
            return None
        a, b, c, d, e, f = self.transform
        corners = [(col, row) for col in (0, shape[1]) for row in (0, shape[0])]
        across = [a * col + b * row + c for col, row in corners]
        down = [d * col + e * row + f for col, row in corners]
        return min(across), min(down), max(across), max(down)

    def moved(self, placement: Placement) -> Georeference | None:
        """Return that of a resized or warped image; None where the map is not affine."""
        if placement.matrix is None:
            return None
        (rr, rc, r0), (cr, cc, c0) = placement.matrix
        # In corners, and columns first: a centre lies half a pixel behind its corner.
        source = np.array(
            [
                [cc, cr, c0 + 0.5 - (cc + cr) / 2],
                [rc, rr, r0 + 0.5 - (rc + rr) / 2],
                [0.0, 0.0, 1.0],
            ]
        )
        if self.points and abs(np.linalg.det(source)) < np.finfo(float).tiny:
            return None
        return self._seen_through(source)

    def at_level(self, steps: tuple[float, float]) -> Georeference:
        """Return that of a pyramid level.

        Parameters
        ----------
        steps : (row, col)
            Pixels of this image per pixel of the level; both begin at the same corner.
        """
        return self._seen_through(np.diag([steps[1], steps[0], 1.0]))

    def _seen_through(self, source: _Matrix) -> Georeference:
        """Return that of a result whose (col, row, 1) a matrix maps to this image's, in corners."""
        transform = self.transform
        if transform is not None:
            a, b, c, d, e, f = transform
            world = np.array([[a, b, c], [d, e, f], [0.0, 0.0, 1.0]])
            (a, b, c), (d, e, f), _ = (world @ source).tolist()
            transform = (a, b, c, d, e, f)
        points = []
        for col, row, *place in self.points:
            new_col, new_row, _ = np.linalg.solve(source, [col, row, 1.0]).tolist()
            points.append((new_col, new_row, *place))
        return replace(self, transform=transform, points=tuple(points))
