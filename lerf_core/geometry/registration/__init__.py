"""Registrations made by other programs, read from their files: where an image lies on another.

Convention
----------
A registration maps places of the *output* (the fixed image, the target) to places of the *input*
(the moving image, which is warped), both in physical space: (x, y), in the file's own units. A
grid says where pixels lie in it: the centre of the first one at its origin, as ITK has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lerf_core.lazy import loaded_when_used

if TYPE_CHECKING:
    from lerf_core.geometry.registration.grids import PhysicalGrid
    from lerf_core.geometry.registration.reading import (
        is_registration,
        read_registration,
        read_registrations,
    )
    from lerf_core.geometry.registration.registrations import Registration, shows

__all__ = [
    "PhysicalGrid",
    "Registration",
    "is_registration",
    "read_registration",
    "read_registrations",
    "shows",
]

_HOMES = {
    "PhysicalGrid": "grids",
    "Registration": "registrations",
    "is_registration": "reading",
    "read_registration": "reading",
    "read_registrations": "reading",
    "shows": "registrations",
}
__getattr__, __dir__ = loaded_when_used(__name__, _HOMES)
