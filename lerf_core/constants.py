"""The numbers that the method is made of, each in this one place.

The module imports nothing of this package, so that compiled kernels, which take their constants
from here, depend on no other file. Sections of `docs/method.md` say where each number enters.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "COLOUR_PLANES",
    "COVERAGE_BITS",
    "CROSS_STEPS",
    "CUBIC_SLOPE",
    "DEEP_CELL_BITS",
    "ENTRY_BIAS",
    "EXP2_POLYNOMIAL",
    "EXPONENT_STEPS",
    "EXPONENT_TOP",
    "FILTER_SCALE_TOLERANCE",
    "FIRST_WEIGHT",
    "GREY_UNIT",
    "KERNEL_SAMPLES",
    "KEYS_SLOPE",
    "LEAST_FOOTPRINT",
    "LEAST_VALID_SHARE",
    "LEVELS",
    "LOCAL_PLANE_BIAS",
    "LUMA_WEIGHTS",
    "MAX_POINT_TAPS",
    "NETWORK_GREY_BITS",
    "NO_CHANGE",
    "OVERSHOOT_RANGE",
    "OVERSHOOT_REACH",
    "POSITION_EPS",
    "REACH_LIMIT",
    "RESIDUAL_UNIT",
    "ROUND_F32",
    "ROUND_F64",
    "SIGMA_SCALE",
    "SLOPE_UNIT",
    "SQUARE_STEPS",
    "SUM_BITS",
    "WEIGHT_LIMIT",
    "WEIGHT_VALUES",
    "WHOLE_PIXEL_TOLERANCE",
]

F32 = np.float32

# -- tables -----------------------------------------------------------------------------

#: Grey levels of the tables' own scale: coordinates and parameters lie in 0..255.
LEVELS = 255
#: One level as a part of all, in float32.
GREY_UNIT = F32(1 / LEVELS)
#: Entries of tables are signed bytes in -127..127; entry + 127 is never negative.
ENTRY_BIAS = 127
#: A slope is ``(value - LOCAL_PLANE_BIAS) * SLOPE_UNIT`` grey levels per pixel, -63.5..63.5, a
#: residual ``(value - LOCAL_PLANE_BIAS) * RESIDUAL_UNIT`` grey levels, -31.75..31.75; values lie
#: in 1..255. The bias is even, so that rounding half to even treats both signs alike.
LOCAL_PLANE_BIAS = 128
SLOPE_UNIT = 0.5
RESIDUAL_UNIT = 0.25
#: A cell of the tables spans 2**14 units of a deep image's coordinates: compiled reads multiply
#: weights as two bytes of seven bits.
DEEP_CELL_BITS = 14

# -- networks ---------------------------------------------------------------------------

#: Networks read deep images in units of 2**-7 grey levels: activations of 0..32640 fit 16 bits.
NETWORK_GREY_BITS = 7
#: Of networks that are fronts: the output, in grey levels, for a pixel that is as its source is.
NO_CHANGE = 128
#: Networks' weights are signed bytes in -127..127, and sums have 32 bits.
WEIGHT_LIMIT = 127
SUM_BITS = 31

# -- weights ----------------------------------------------------------------------------

#: How many of the parameters each weighting takes; what comes after them is a local plane.
WEIGHT_VALUES = {"gaussian": 3, "linear": 1}
#: A Gaussian's u and v are this times sigma times the offset in pixels, sigma in 0..1.
SIGMA_SCALE = 10.0
#: 2**(m - 1) = sum of c[i] * m**i on 1..2: the polynomial of least worst-case relative error
#: (3.4e-6) among those that are exact at both ends, so that equal exponents weigh the same.
EXP2_POLYNOMIAL = tuple(
    F32(c) for c in (0.50987102, 0.312146714, 0.166617138, -0.00219061955, 0.0135557472)
)
#: Exponents count in steps of 2**-23: as integers they are then a float32's exponent field
#: and, below, the bits of a mantissa.
EXPONENT_STEPS = 1 << 23
#: Exponents stop here. The nearest neighbour's is at most 72.2, half a pixel away on both axes;
#: where another's is beyond 90, it weighs less than 2**-33 of the nearest.
EXPONENT_TOP = F32(90 * EXPONENT_STEPS)
#: What the first neighbour weighs. The others weigh 2**-122..2**58: all are normal numbers, and
#: even 128x128 neighbours that differ by 10**16 levels stay within float32's range.
FIRST_WEIGHT = F32(2.0**-32)
# u**2 / 2 and -r*u*v of the Gaussian's exponent in base 2, for parameters in 0..255.
_SQUARE = F32(np.log2(np.e) * 0.5 * SIGMA_SCALE**2 / LEVELS**2)
_CROSS = F32(-np.log2(np.e) * SIGMA_SCALE**2 / LEVELS**3)
#: The factors of sigma**2 * offset**2 and of (2 * rho - 255) * sigma_row * sigma_col * dy * dx in
#: the exponent, in steps.
SQUARE_STEPS = F32(_SQUARE * EXPONENT_STEPS)
CROSS_STEPS = F32(_CROSS * EXPONENT_STEPS)
#: 1.5 * 2**23, and 1.5 * 2**52: adding and subtracting it rounds a float32, or a float64, to an
#: integer, half to even.
ROUND_F32 = F32(12582912.0)
ROUND_F64 = 6755399441055744.0
#: How far results of local planes may leave the range of the 4x4 source pixels around, as a part
#: of it, where no pixel stands out (Lanczos overshoots a hard step by 0.1 to 0.12).
OVERSHOOT_RANGE = F32(3 / 32)
#: Pixels around a cell of four that its overshoot bounds depend on.
OVERSHOOT_REACH = 2

# -- positions --------------------------------------------------------------------------

#: Positions this close below a pixel still count as on it (the published code's margin).
POSITION_EPS = float(np.finfo(np.float32).eps)
#: Taps farther away than one pixel, times the filter scale, do not count; the margin is for
#: rounding.
REACH_LIMIT = F32(1.000001)
#: A warped pixel takes at most this many taps per axis; a larger footprint is sampled evenly
#: instead of wholly, so that strong perspective stays affordable.
MAX_POINT_TAPS = 128
#: Footprints this close above 1 (rounding in a rotation's matrix) are not shrinking.
FILTER_SCALE_TOLERANCE = 1e-6
#: Parts of a source pixel that an output pixel covers along an axis count in steps of 2**-20 of it,
#: where they are no ratios of sizes: whole numbers, of which sums are exact.
COVERAGE_BITS = 20
#: Output pixels are at least this wide, in source pixels, when their coverage is found.
LEAST_FOOTPRINT = 1e-6
#: Positions this near to a pixel's centre count as on it where a map goes from pixel to pixel, as
#: a share of the source's longer side: some steps of float32, in which grids and fields are made.
WHOLE_PIXEL_TOLERANCE = 2.0**-21

# -- fixed kernels ------------------------------------------------------------------------

#: Steps per pixel of the tables that warps read kernels from; linear in between, they stay within
#: 2e-6 of the smooth kernels.
KERNEL_SAMPLES = 1024
#: Valid shares below it count as it where colours are divided by them: less is no visible alpha of
#: 8 bits, and kernels with negative lobes have shares of 0 and below.
LEAST_VALID_SHARE = F32(2.0**-12)

# -- colours ----------------------------------------------------------------------------

#: Red, green and blue.
COLOUR_PLANES = 3
#: Weights of red, green and blue in the luma (ITU-R BT.601).
LUMA_WEIGHTS = (0.299, 0.587, 0.114)
#: Slope at distance 1 of the cubic convolution of colour differences, as OpenCV has it: sharper
#: than Keys' own.
CUBIC_SLOPE = -0.75
#: The same of Keys' own kernel, by which benchmarks shrink their images.
KEYS_SLOPE = -0.5
