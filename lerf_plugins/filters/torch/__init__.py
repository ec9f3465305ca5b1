"""lerf beside torch.nn.functional: interpolate, grid_sample, warp_perspective, and modules."""

from lerf_plugins.filters.torch.functions import (
    GridSample,
    Interpolate,
    grid_sample,
    interpolate,
    warp_perspective,
)

__all__ = ["GridSample", "Interpolate", "grid_sample", "interpolate", "warp_perspective"]
