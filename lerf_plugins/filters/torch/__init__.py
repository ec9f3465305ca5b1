"""lerf beside torch.nn.functional: interpolate, grid_sample, warp_perspective, and modules."""

from lerf_plugins.filters.torch.functions import grid_sample, interpolate, warp_perspective
from lerf_plugins.filters.torch.modules import GridSample, Interpolate

__all__ = ["GridSample", "Interpolate", "grid_sample", "interpolate", "warp_perspective"]
