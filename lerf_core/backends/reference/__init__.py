"""The method in plain NumPy: slow, short, and the specification.

Every other backend equals this package, the numba backend bit for bit. Each step works on one
channel at a time:

1. `table_reads` reads a stage's tables for each pixel: coordinates in, values out.
2. `weights` gives the weight, and the value, that a source pixel has for an output pixel.
3. `means` weighs, for each output pixel, its neighbours by THEIR OWN functions and takes the
   mean: on a grid (resizing) or at points (warping).
4. `overshoot` bounds the means of local planes.

Around these, `coordinates` says where output pixels lie in the source, `colours` resizes by
tables for the luma alone, and `backend` puts all behind the contract of `lerf_core.backends`.

Arithmetic
----------
Stages are integer arithmetic. A coordinate counts in units of ``2**-grey_bits`` grey
levels: 1 for uint8 (``grey_bits = 0``), 1/1024 for deeper images when the tables' nodes
lie 16 levels apart; a cell of the table always spans ``2**cell_bits`` units. The weights
are float32 arithmetic in the order written here, with an exponential made of additions
and multiplications alone (`weights.exp2_steps`), so that compiled code can follow it to the
bit on any machine. Gaussian weights count relative to the first neighbour's, whose own
exponential then need not be computed.

References
----------
.. [1] Li et al., "Learning Steerable Function for Efficient Image Resampling", CVPR 2023.
.. [2] Li et al., "LeRF: Learning Resampling Function for Adaptive and Efficient Image
   Interpolation", arXiv 2407.09935.
.. [3] Takeda, Farsiu, Milanfar, "Kernel Regression for Image Processing and
   Reconstruction", IEEE Transactions on Image Processing 16(2), 2007.
"""

from lerf_core.backends.reference.colours import add_colour_differences, luma
from lerf_core.backends.reference.coordinates import source_coordinates
from lerf_core.backends.reference.means import mean_at_points, mean_on_grid
from lerf_core.backends.reference.overshoot import (
    axis_cells,
    bounds_along_kept_axes,
    overshoot_bounds,
)
from lerf_core.backends.reference.table_reads import read_stage
from lerf_core.backends.reference.weights import (
    exp2_steps,
    gaussian_exponents,
    local_plane_value,
    tap_weights,
)

__all__ = [
    "add_colour_differences",
    "axis_cells",
    "bounds_along_kept_axes",
    "exp2_steps",
    "gaussian_exponents",
    "local_plane_value",
    "luma",
    "mean_at_points",
    "mean_on_grid",
    "overshoot_bounds",
    "read_stage",
    "source_coordinates",
    "tap_weights",
]
