"""How many numbers the kernels in use handle at once."""

from __future__ import annotations

from lerf_core.backends.numba.libraries import find_library

__all__ = ["lanes_of_kernels"]


def lanes_of_kernels() -> int:
    """Return how many float32 numbers kernels handle at once."""
    library = find_library()
    if library:
        return library.level.lanes
    from lerf_core.backends.numba.kernels.lanes import LANES

    return LANES
