"""The steps as one Triton kernel each, in place of hundreds of torch's operations.

Triton comes with torch's builds for CUDA; where it is missing, torch's operations do the work. The
arithmetic is the same, operation by operation: products and sums are not fused. Without a GPU
Triton interprets the kernels (``TRITON_INTERPRET=1``), which is how they are tested everywhere.

=============  =====================================================================================
module         kernels
=============  =====================================================================================
``levels``     values of deep images in units of grey levels
``reads``      a stage's table reads: sums for gradients, units, packed parameters; their slopes
``bounds``     overshoot bounds of cells
``means``      the weighted mean on grids and at points: of terms (gradients) or packed parameters
``gradients``  of the mean, by terms and by positions
=============  =====================================================================================
"""

from lerf_core.backends.torch.triton_kernels.bounds import overshoot_bounds
from lerf_core.backends.torch.triton_kernels.gradients import grid_gradients, points_gradients
from lerf_core.backends.torch.triton_kernels.levels import to_units
from lerf_core.backends.torch.triton_kernels.means import (
    grid_mean,
    packed_grid_mean,
    packed_points_mean,
    points_mean,
)
from lerf_core.backends.torch.triton_kernels.reads import (
    read_packed,
    read_slopes,
    read_sums,
    read_units,
)

__all__ = [
    "grid_gradients",
    "grid_mean",
    "overshoot_bounds",
    "packed_grid_mean",
    "packed_points_mean",
    "points_gradients",
    "points_mean",
    "read_packed",
    "read_slopes",
    "read_sums",
    "read_units",
    "to_units",
]
