"""Where an image lies in a system of coordinates, such as the earth's."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lerf_core.geometry.placement import Placement

__all__ = ["Georeference"]


@dataclass(frozen=True)
class Georeference:
    """An affine map from pixels to coordinates, and the system that these are of.

    Attributes
    ----------
    transform : tuple of 6 floats
        a, b, c, d, e, f of x = a*col + b*row + c and y = d*col + e*row + f, where the top left
        CORNER of the first pixel is (row, col) = (0, 0): rasterio's and GDAL's convention.
    keys : tuple of (code, values)
        GeoTIFF's tags that name the system: directory of keys, numbers, texts.
    """

    transform: tuple[float, float, float, float, float, float]
    keys: tuple[tuple[int, tuple[int | float, ...] | str], ...] = ()

    def moved(self, placement: Placement) -> Georeference | None:
        """Return that of a resized or warped image; None where the map is not affine."""
        if placement.matrix is None:
            return None
        a, b, c, d, e, f = self.transform
        world = np.array([[a, b, c], [d, e, f], [0.0, 0.0, 1.0]])
        (rr, rc, r0), (cr, cc, c0) = placement.matrix
        # In corners, and columns first: a centre lies half a pixel behind its corner.
        source = np.array(
            [
                [cc, cr, c0 + 0.5 - (cc + cr) / 2],
                [rc, rr, r0 + 0.5 - (rc + rr) / 2],
                [0.0, 0.0, 1.0],
            ]
        )
        (a, b, c), (d, e, f), _ = (world @ source).tolist()
        return replace(self, transform=(a, b, c, d, e, f))
