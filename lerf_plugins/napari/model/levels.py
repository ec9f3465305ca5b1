"""The arrays that a layer's levels are: NumPy, dask, or anything that is sliced like them."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["as_dask", "plain_array", "with_alpha"]


def plain_array(level: Any) -> Any:
    """Return the array within an xarray DataArray; others as they are."""
    is_data_array = hasattr(level, "dims") and hasattr(level, "coords")
    return level.data if is_data_array else level


def as_dask(level: Any) -> Any:
    """Return an array as a dask array, of its own chunks where it has some."""
    import dask.array as da

    if isinstance(level, da.Array):
        return level
    return da.from_array(level, chunks=getattr(level, "chunks", None) or "auto")


def with_alpha(level: Any) -> Any:
    """Return colours (..., 3) with an opaque alpha channel; lazy unless they are NumPy's."""
    opaque: float = 1.0 if np.dtype(level.dtype).kind == "f" else np.iinfo(level.dtype).max
    shape = (*level.shape[:-1], 1)
    if isinstance(level, np.ndarray):
        return np.concatenate([level, np.full(shape, opaque, level.dtype)], axis=-1)
    import dask.array as da

    level = as_dask(level)
    alpha = da.full(shape, opaque, dtype=level.dtype, chunks=(*level.chunks[:-1], 1))
    return da.concatenate([level, alpha], axis=-1)
