"""resize, rescale and warp of dask arrays: lazy, and chunk by chunk."""

from lerf_core.chunked.functions import rescale, resize, warp

__all__ = ["rescale", "resize", "warp"]
