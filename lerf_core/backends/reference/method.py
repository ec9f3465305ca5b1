"""The whole method in plain NumPy: slow, short, and the specification.

Every fast path is tested to equal this module bit for bit. One plane (one channel) at a
time:

1. `stage` reads a stage's tables for each pixel: coordinates in, values out.
2. `resample_grid` (resizing) or `resample_points` (warping) weighs, for each output
   pixel, its neighbours by THEIR OWN functions and takes the mean.

Arithmetic
----------
Stages are integer arithmetic. A coordinate counts in units of ``2**-grey_bits`` grey
levels: 1 for uint8 (``grey_bits = 0``), 1/1024 for deeper images when the tables' nodes
lie 16 levels apart; a cell of the table always spans ``2**cell_bits`` units. The weights
are float32 arithmetic in the order written here, with an exponential made of additions
and multiplications alone (`exp2_steps`), so that compiled code can follow it to the
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

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lerf_core.bank.model import LEVELS, PLANE_BIAS, RESIDUAL_UNIT, SLOPE_UNIT, LutBank, turned
from lerf_core.sampling.taps import REACH_LIMIT, AxisTaps, PointTaps

__all__ = [
    "EXP2_POLYNOMIAL",
    "EXPONENT_TOP",
    "FIRST_WEIGHT",
    "OVERSHOOT_RANGE",
    "WEIGHT_VALUES",
    "axis_cells",
    "exp2_steps",
    "limits",
    "over_one_tap",
    "plane_value",
    "resample_grid",
    "resample_points",
    "stage",
    "tap_exponents",
    "tap_weights",
]

F32 = np.float32
FloatPlane = npt.NDArray[np.float32]
AnyPlane = npt.NDArray[np.generic]

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
#: 1.5 * 2**23: adding and subtracting it rounds a float32 to an integer, half to even.
ROUND_F32 = F32(12582912.0)
#: How far results of planes may leave the range of the 4x4 source pixels around, as a part of
#: it, where no pixel stands out (Lanczos overshoots a hard step by 0.1 to 0.12).
OVERSHOOT_RANGE = F32(3 / 32)
#: How many of the parameters a weighting takes; what comes after them are planes.
WEIGHT_VALUES = {"gaussian": 3, "linear": 1}
#: u**2 / 2 and -r*u*v of the Gaussian's exponent in base 2, for parameters in 0..255.
GAUSS_SQUARE = F32(np.log2(np.e) * 0.5 * 10.0**2 / LEVELS**2)
GAUSS_CROSS = F32(-np.log2(np.e) * 10.0**2 / LEVELS**3)
#: The same in steps.
SQUARE_STEPS = F32(GAUSS_SQUARE * EXPONENT_STEPS)
CROSS_STEPS = F32(GAUSS_CROSS * EXPONENT_STEPS)


# -- stages: table reads ----------------------------------------------------------


def stage(
    plane: npt.NDArray[np.integer], bank: LutBank, number: int, cell_bits: int
) -> npt.NDArray[np.int64]:
    """Read a stage's tables for every pixel.

    Parameters
    ----------
    plane : ndarray of int, (rows, cols)
        Coordinates in 0..255, times ``2**grey_bits``.
    bank : LutBank
        The tables.
    number : int
        Stage, counted from 0.
    cell_bits : int
        ``grey_bits + log2(bank.interval)``.

    Returns
    -------
    ndarray of int64, (values, rows, cols)
        ``clip(round(sum of reads / divisor + bias), 0, 255)`` in the units of `plane`,
        rounded half to even; those of a plane not below 1. The feature, or the parameters.
    """
    spec = bank.stages[number]
    rows, cols = plane.shape
    pad = bank.reach
    padded = np.pad(plane, pad, mode="edge")
    total = np.zeros((rows, cols, len(spec.values)), dtype=np.int64)
    for read in bank.reads(number):
        pixels = [
            padded[pad + dy : pad + dy + rows, pad + dx : pad + dx + cols]
            for dy, dx in read.offsets
        ]
        columns, signs = np.transpose(turned(spec.values, read.turns))
        table = bank.tables[read.table][..., columns] * signs
        total += _interpolate(table, np.stack(pixels, axis=-1), cell_bits)
    # A read is sum(weight * entry) / cell in grey levels, and cell = interval * 2**grey_bits.
    unit = (1 << cell_bits) // bank.interval
    divisor = bank.interval * np.array(spec.divisor)
    value = np.rint((total + np.array(spec.bias) * unit * divisor) / divisor)
    lowest = np.array(spec.lowest) * unit
    clipped: npt.NDArray[np.float64] = np.clip(value, lowest, LEVELS * unit)
    return clipped.astype(np.int64).transpose(2, 0, 1)


def _interpolate(
    table: npt.NDArray[np.integer], pixels: npt.NDArray[np.integer], cell_bits: int
) -> npt.NDArray[np.int64]:
    """Interpolate a table over the 4-simplex of its cell; weights sum to ``2**cell_bits``."""
    node = pixels.astype(np.int64) >> cell_bits
    fraction = pixels.astype(np.int64) & ((1 << cell_bits) - 1)
    order = np.argsort(-fraction, axis=-1, kind="stable")
    ranked = np.take_along_axis(fraction, order, axis=-1)
    weight = np.full(pixels.shape[:-1], 1 << cell_bits, dtype=np.int64)
    total = np.zeros((*pixels.shape[:-1], table.shape[-1]), dtype=np.int64)
    for rank in range(5):
        lower = ranked[..., rank] if rank < 4 else np.zeros_like(weight)
        entry = table[node[..., 0], node[..., 1], node[..., 2], node[..., 3]]
        total += (weight - lower)[..., None] * entry
        if rank < 4:  # step to the next corner, along the axis of the next smaller fraction
            weight = lower
            axis = order[..., rank, None]
            np.put_along_axis(node, axis, np.take_along_axis(node, axis, axis=-1) + 1, axis=-1)
    return total


# -- resampling: the weighted mean ------------------------------------------------


def exp2_steps(steps: npt.NDArray[np.int32]) -> FloatPlane:
    """Return ``2**(steps / 2**23)`` for -126..126 powers of two, by fixed operations."""
    below = steps & np.int32(EXPONENT_STEPS - 1)
    mantissa = (below | F32(1).view(np.int32)).view(F32)
    power = np.full_like(mantissa, EXP2_POLYNOMIAL[-1])
    for coefficient in EXP2_POLYNOMIAL[-2::-1]:
        power = power * mantissa + coefficient
    # Raising the exponent field by n multiplies by 2**n.
    return (power.view(np.int32) + (steps - below)).view(F32)


def tap_exponents(
    parameters: npt.NDArray[np.generic], dy: FloatPlane, dx: FloatPlane
) -> FloatPlane:
    """Exponents, to base 1/2 and in steps, of the Gaussian weights; see `tap_weights`."""
    rho, sigma_row, sigma_col = parameters[:3].astype(F32)
    row, col = sigma_row * sigma_row, sigma_col * sigma_col
    cross = (rho + rho - F32(LEVELS)) * (sigma_row * sigma_col)
    tilted = row * (SQUARE_STEPS * (dy * dy)) + cross * ((CROSS_STEPS * dx) * dy)
    exponent: FloatPlane = tilted + col * (SQUARE_STEPS * (dx * dx))
    return np.minimum(exponent, EXPONENT_TOP)


def tap_weights(
    weighting: str,
    parameters: npt.NDArray[np.generic],
    dy: FloatPlane,
    dx: FloatPlane,
    first: FloatPlane | None = None,
) -> FloatPlane:
    """Weight of source pixels with the given parameters at offsets (dy, dx) to the output.

    Parameters
    ----------
    weighting : {"gaussian", "linear"}
        ``exp(-(u**2 - 2*r*u*v + v**2) / 2)`` with ``u = 10*sigma_row*dy``,
        ``v = 10*sigma_col*dx``, ``r = 2*rho - 1`` (equation 5 of [1]_); or the product of
        ``max(0, 1 - a*|d|)`` (0 beyond ``|d| = 1``) over both axes with ``a = 2*alpha - 1``.
    parameters : ndarray, (values, ...)
        In 0..255. Those of a plane, if there are any, come after the weighting's own.
    dy, dx : ndarray of float32
        Output position minus source position, in source pixels; broadcast to `parameters`.
    first : ndarray of float32, optional
        Exponents of other pixels: Gaussian weights are then scaled so that those pixels
        would weigh `FIRST_WEIGHT`.
    """
    if weighting == "linear":
        alpha = parameters[0].astype(F32)
        a = (alpha + alpha - F32(LEVELS)) * F32(1 / LEVELS)
        return _tent(a, dy) * _tent(a, dx)
    exponent = tap_exponents(parameters, dy, dx)
    if first is None:
        return exp2_steps((-exponent).astype(np.int32))
    return FIRST_WEIGHT * exp2_steps((first - exponent).astype(np.int32))


def plane_value(
    feature: FloatPlane,
    weighting: str,
    parameters: npt.NDArray[np.generic],
    dy: FloatPlane,
    dx: FloatPlane,
) -> FloatPlane:
    """What source pixels say of a point at offsets (dy, dx): their level, or their plane there.

    A local plane is kernel regression of order 1 [3]_: level plus slope times offset. Where
    the support is stretched the offset is so divided: over a large footprint slopes vanish
    and the mean is that of the levels.
    """
    plane = parameters[WEIGHT_VALUES[weighting] :]
    if len(plane) == 0:
        return feature
    slope_row, slope_col, residual = plane.astype(F32) - F32(PLANE_BIAS)
    level = feature + residual * F32(RESIDUAL_UNIT)
    level = level + (slope_col * F32(SLOPE_UNIT)) * dx
    value: FloatPlane = level + (slope_row * F32(SLOPE_UNIT)) * dy
    return value


def _tent(slope: FloatPlane, distance: FloatPlane) -> FloatPlane:
    size = np.abs(distance)
    return np.where(size <= F32(1), np.maximum(F32(1) - slope * size, F32(0)), F32(0))


def limits(plane: AnyPlane) -> FloatPlane:
    """How low and how high results of planes may be, for every cell of four source pixels.

    Planes can overshoot, and must in order to restore what a reduction has blurred: peaks
    and pits of texture. Hard edges, lines and checkerboards were never blurred. There every
    bright pixel touches another as bright, and every dark one another as dark. So results
    may leave the range of the surroundings by `OVERSHOOT_RANGE` of it, and beyond that only
    by what one of the four pixels stands out from all pairs of touching pixels around.

    Parameters
    ----------
    plane : ndarray, (rows, cols)
        The source image in grey levels.

    Returns
    -------
    ndarray of float32, (2, rows + 1, cols + 1)
        The least and the largest result in grey levels. Cell [r, c] lies between the
        pixels (r - 1, c - 1) and (r, c); its surroundings are the 4x4 pixels around,
        edges replicated.
    """
    padded = np.pad(plane.astype(F32), 2, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, (4, 4))
    top, bottom = around.max((-2, -1)), around.min((-2, -1))
    four = around[..., 1:3, 1:3]
    low_pair, high_pair = np.full_like(top, np.inf), np.full_like(top, -np.inf)
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):  # pixels that touch, also by a corner
        left = max(-dx, 0)
        one = around[..., : 4 - dy, left : 4 - max(dx, 0)]
        other = around[..., dy:, left + dx : 4 - max(dx, 0) + dx]
        low_pair = np.minimum(low_pair, np.maximum(one, other).min((-2, -1)))
        high_pair = np.maximum(high_pair, np.minimum(one, other).max((-2, -1)))
    margin = OVERSHOOT_RANGE * (top - bottom)
    low = bottom - (margin + np.maximum(low_pair - four.min((-2, -1)), 0))
    high = top + (margin + np.maximum(four.max((-2, -1)) - high_pair, 0))
    return np.stack([low, high])


class _Mean:
    """Weighted mean over taps, one after the other, as differences to the first tap.

    The difference form keeps constants exact. Taps of zero confidence (transparent or
    missing pixels) do not count; where all are such, confidence is disregarded. `first`
    holds the exponents of the first tap's Gaussian.
    """

    def __init__(self) -> None:
        self.base: FloatPlane | None = None
        self.first: FloatPlane | None = None

    def add(self, value: FloatPlane, weight: FloatPlane, confidence: FloatPlane | None) -> None:
        trusted = weight if confidence is None else weight * confidence
        if self.base is None:
            self.base = value
            self.plain, self.plain_sum = np.zeros_like(weight), np.zeros_like(weight)
            self.trusted, self.trusted_sum = np.zeros_like(weight), np.zeros_like(weight)
        difference = value - self.base
        self.plain_sum = self.plain_sum + weight
        self.plain = self.plain + weight * difference
        self.trusted_sum = self.trusted_sum + trusted
        self.trusted = self.trusted + trusted * difference

    def result(self) -> tuple[FloatPlane, FloatPlane]:
        """Return the mean and the share of the weight that could be trusted."""
        assert self.base is not None  # noqa: S101 - there is always a tap
        use = self.trusted_sum > 0
        total = np.where(use, self.trusted_sum, self.plain_sum)
        change = np.asarray(np.where(use, self.trusted, self.plain) / total, dtype=F32)
        mean: FloatPlane = self.base + change
        trust: FloatPlane = self.trusted_sum / self.plain_sum
        return mean, trust


def resample_grid(
    feature: AnyPlane,
    parameters: AnyPlane,
    weighting: str,
    rows: AxisTaps,
    cols: AxisTaps,
    *,
    confidence: FloatPlane | None = None,
    cval: float | None = None,
    cval_confidence: float = 1.0,
    limits: AnyPlane | None = None,
) -> tuple[FloatPlane, FloatPlane]:
    """Resample onto a grid: each output row and column has its own taps.

    Parameters
    ----------
    feature : ndarray, (rows, cols)
        Pre-filtered image in grey levels.
    parameters : ndarray, (values, rows, cols)
        In 0..255.
    weighting : str
        See `tap_weights`.
    rows, cols : AxisTaps
        Source indices and offsets for each output row and column.
    confidence : ndarray of float32, (rows, cols), optional
        Factor for each source pixel's weight, in 0..1.
    cval, cval_confidence : float, optional
        Feature and confidence beyond the border; None takes the nearest pixel's.
    limits : ndarray, (2, rows + 1, cols + 1), optional
        See the functions `limits` and `over_one_tap`. They hold where the support is not
        stretched, and no constant beyond the border takes part.

    Returns
    -------
    mean, trust : ndarray of float32, (output rows, output cols)
        The result in grey levels, and the trusted share of the weights.
    """
    mean = _Mean()
    for ty in range(rows.count):
        for tx in range(cols.count):
            index_row, index_col = rows.index[:, ty, None], cols.index[None, :, tx]
            _add_tap(
                mean, feature, parameters, weighting, confidence, cval, cval_confidence,
                np.broadcast_to(index_row, (rows.size, cols.size)),
                np.broadcast_to(index_col, (rows.size, cols.size)),
                rows.offset[:, ty, None], cols.offset[None, :, tx],
            )  # fmt: skip
    value, trust = mean.result()
    if limits is not None and rows.count <= 2 and cols.count <= 2:
        cell_row = axis_cells(rows, feature.shape[0], constant=cval is not None)
        cell_col = axis_cells(cols, feature.shape[1], constant=cval is not None)
        low, high = limits[:, cell_row[:, None], cell_col].astype(F32)
        held = (cell_row >= 0)[:, None] & (cell_col >= 0)
        value = np.where(held, np.clip(value, low, high), value)
    return value, trust


def over_one_tap(limits: AnyPlane, rows: AxisTaps, cols: AxisTaps) -> AnyPlane:
    """Limits where an axis is not resampled: a pixel's are the wider of the cells beside it."""
    if rows.count == 1:
        low, high = limits
        limits = np.stack([np.minimum(low[1:], low[:-1]), np.maximum(high[1:], high[:-1])])
    if cols.count == 1:
        low, high = limits
        limits = np.stack(
            [np.minimum(low[:, 1:], low[:, :-1]), np.maximum(high[:, 1:], high[:, :-1])]
        )
    return limits


def axis_cells(taps: AxisTaps, size: int, *, constant: bool) -> npt.NDArray[np.int64]:
    """Cells of an axis of `over_one_tap`; -1 where a constant beyond the border takes part."""
    cells = np.clip(taps.index[:, 0], -1, size - 1) + 1 if taps.count == 2 else taps.index[:, 0]
    beyond = (taps.index < 0) | (taps.index >= size)
    return np.where(beyond.any(1), -1, cells) if constant else cells


def resample_points(
    feature: AnyPlane,
    parameters: AnyPlane,
    weighting: str,
    points: PointTaps,
    *,
    confidence: FloatPlane | None = None,
    limits: AnyPlane | None = None,
) -> tuple[FloatPlane, FloatPlane]:
    """Resample at scattered source positions; arguments and results as `resample_grid`.

    Taps beyond the border are the nearest pixel's.
    """
    mean = _Mean()
    for ty in range(int(points.row_count.max(initial=1))):
        for tx in range(int(points.col_count.max(initial=1))):
            used = (ty < points.row_count) & (tx < points.col_count)
            index_row = points.row_first + ty * points.row_step
            index_col = points.col_first + tx * points.col_step
            dy = ((points.row - index_row) * points.row_scale).astype(F32)
            dx = ((points.col - index_col) * points.col_scale).astype(F32)
            _add_tap(
                mean, feature, parameters, weighting, confidence, None, 1.0,
                index_row, index_col, dy, dx, used,
            )  # fmt: skip
    value, trust = mean.result()
    if limits is not None:
        row, col = (
            np.clip(first, -1, size - 1) + 1
            for first, size in zip((points.row_first, points.col_first), feature.shape, strict=True)
        )
        low, high = limits[:, row, col].astype(F32)
        near = (points.row_count == 2) & (points.col_count == 2)
        value = np.where(near, np.clip(value, low, high), value)
    return value, trust


def _add_tap(
    mean: _Mean,
    feature: AnyPlane,
    parameters: AnyPlane,
    weighting: str,
    confidence: FloatPlane | None,
    cval: float | None,
    cval_confidence: float,
    index_row: npt.NDArray[np.int64],
    index_col: npt.NDArray[np.int64],
    dy: FloatPlane,
    dx: FloatPlane,
    used: npt.NDArray[np.bool_] | None = None,
) -> None:
    height, width = feature.shape
    row = np.clip(index_row, 0, height - 1)
    col = np.clip(index_col, 0, width - 1)
    outside = (row != index_row) | (col != index_col)
    here = parameters[:, row, col]
    value = plane_value(feature[row, col].astype(F32), weighting, here, dy, dx)
    trust = None if confidence is None else confidence[row, col]
    if cval is not None:
        value = np.where(outside, F32(cval), value)
        if trust is not None:
            trust = np.where(outside, F32(cval_confidence), trust)
    if mean.first is None and weighting == "gaussian":
        mean.first = tap_exponents(here, dy, dx)
    weight = tap_weights(weighting, here, dy, dx, mean.first)
    near = (np.abs(dy) <= REACH_LIMIT) & (np.abs(dx) <= REACH_LIMIT)
    weight = np.where(near if used is None else near & used, weight, F32(0))
    mean.add(value, weight, trust)
