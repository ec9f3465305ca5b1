"""Cubic convolution, by which ``fast=True`` resizes colour differences.

References
----------
.. [1] R. Keys, "Cubic Convolution Interpolation for Digital Image Processing", IEEE
   Transactions on Acoustics, Speech, and Signal Processing 29(6), 1981.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lerf_core.constants import CUBIC_SLOPE

__all__ = ["COLOUR_KERNEL", "CubicKernel", "cubic_kernel"]


@dataclass(frozen=True)
class CubicKernel:
    """Keys' kernel [1]_; see `lerf_core.sampling.kernel_taps.SamplingKernel`.

    Attributes
    ----------
    slope : float
        Of the kernel at distance 1: -0.5 for Keys' own.
    """

    slope: float
    radius: float = 2.0
    is_area: bool = False

    def weights(
        self, distance: npt.NDArray[np.float64], filter_scale: float
    ) -> npt.NDArray[np.float64]:
        """Return weights at distances in source pixels."""
        return cubic_kernel(distance / filter_scale, self.slope)


#: Of colour differences.
COLOUR_KERNEL = CubicKernel(CUBIC_SLOPE)


def cubic_kernel(distance: npt.NDArray[np.float64], slope: float) -> npt.NDArray[np.float64]:
    """Return Keys' kernel [1]_ at distances in pixels; it reaches two pixels to both sides.

    Parameters
    ----------
    distance : ndarray of float64
    slope : float
        Of the kernel at distance 1: -0.5 for Keys' own.
    """
    d, a = np.abs(distance), slope
    inner = ((a + 2) * d - (a + 3)) * d * d + 1
    outer = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, inner, np.where(d < 2, outer, 0.0))
