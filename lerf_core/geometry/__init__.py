"""Matrices, fields and functions between the pixels of two images.

Convention
----------
Points and matrices are in (x, y) = (col, row) order; x grows to the right, y downwards;
the centre of the first pixel is (0, 0). A *forward* matrix maps source to output, an
*inverse* one output to source: ``warp`` takes the inverse, as scikit-image does. Arrays
of coordinates are in (row, col) order, as arrays are indexed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lerf_core.lazy import loaded_when_used

if TYPE_CHECKING:
    from lerf_core.geometry.homography import (
        as_homography,
        corners,
        fit_output,
        homography_from_points,
        invert,
        moves_pixels,
        rotation,
        shear,
        transform_points,
    )
    from lerf_core.geometry.maps import (
        BoundedMap,
        Displacement,
        Homography,
        InverseMap,
        ReadyMap,
        SampledMap,
        as_inverse_map,
        field_map,
    )
    from lerf_core.geometry.registration.reading import read_registration
    from lerf_core.geometry.registration.registrations import Registration
    from lerf_core.geometry.reprojection import Grid, Reprojection

__all__ = [
    "BoundedMap",
    "Displacement",
    "Grid",
    "Homography",
    "InverseMap",
    "ReadyMap",
    "Registration",
    "Reprojection",
    "SampledMap",
    "as_homography",
    "as_inverse_map",
    "corners",
    "field_map",
    "fit_output",
    "homography_from_points",
    "invert",
    "moves_pixels",
    "read_registration",
    "rotation",
    "shear",
    "transform_points",
]

_HOMES = {
    "BoundedMap": "maps",
    "Displacement": "maps",
    "Grid": "reprojection",
    "Homography": "maps",
    "InverseMap": "maps",
    "ReadyMap": "maps",
    "Registration": "registration.registrations",
    "Reprojection": "reprojection",
    "SampledMap": "maps",
    "as_homography": "homography",
    "as_inverse_map": "maps",
    "corners": "homography",
    "field_map": "maps",
    "fit_output": "homography",
    "homography_from_points": "homography",
    "invert": "homography",
    "moves_pixels": "homography",
    "read_registration": "registration.reading",
    "rotation": "homography",
    "shear": "homography",
    "transform_points": "homography",
}
__getattr__, __dir__ = loaded_when_used(__name__, _HOMES)
