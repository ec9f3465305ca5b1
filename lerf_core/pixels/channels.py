"""From one channel of an image to what the weighted mean needs, and back.

Alpha, missing values and the border become, for every source pixel, a *confidence*: a
factor of its weight. With alpha as confidence the mean is ``sum(w*a*c) / sum(w*a)``: what
premultiplying and dividing again gives for a fixed kernel, without its loss of depth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lerf_core.backends import Backend
from lerf_core.backends.packed import unpack
from lerf_core.bank.model import LutBank
from lerf_core.constants import (
    DEEP_CELL_BITS,
    LEVELS,
    LOCAL_PLANE_BIAS,
    RESIDUAL_UNIT,
    WEIGHT_VALUES,
)
from lerf_core.pixels.values import ValueScale, decode_srgb, srgb_slope

__all__ = [
    "FILL_STEPS",
    "LIMITS_REACH",
    "Border",
    "Channel",
    "Cover",
    "Samples",
    "alpha_span",
    "find_missing",
    "prepare_alpha",
    "prepare_channel",
]

Plane = npt.NDArray[Any]
FloatPlane = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

#: Missing values show where they would carry more than this share of the weight.
_TRUST_NEEDED = np.float32(0.5)
#: Pixels around a cell of four that its limits depend on.
LIMITS_REACH = 2
#: How many times what is known grows into what is not, for each pixel that the tables reach.
FILL_STEPS = 2
# Floats this many value ranges away from 0 count as infinite.
_LARGEST = 1e30


@dataclass(frozen=True)
class Border:
    """What the taps find beyond the image.

    Attributes
    ----------
    mode : str
        A name of `numpy.pad`. Only "constant" tells them anything: by all others the image
        is extended before it comes here, or its outermost pixels are repeated.
    cval : float
        Feature beyond the border with "constant", in the image's own values.
    cval_alpha : float
        Its alpha, 0..1.
    """

    mode: str
    cval: float = 0.0
    cval_alpha: float = 1.0


class Samples(NamedTuple):
    """What the weighted mean needs of some rows of a channel.

    Attributes
    ----------
    records : ndarray, (rows, cols, slots)
        Features and parameters (`lerf_core.backends.packed`) in grey levels: bytes, or float32.
    weighting : str
        As `Backend.mean_on_grid` takes it.
    confidence : ndarray of float32 or None
        Factor of each pixel's weight.
    limits : ndarray or None
        How low and how high results may be; see `Backend.overshoot_bounds`.
    """

    records: Plane
    weighting: str
    confidence: FloatPlane | None
    limits: Plane | None


@dataclass(frozen=True)
class Channel:
    """One channel, whose tables are read when its rows are wanted.

    Attributes
    ----------
    plane : ndarray, (rows, cols)
        In the image's own values, without missing ones.
    confidence : ndarray of float32, (rows, cols), or None
        Factor of each pixel's weight.
    bank, engine
        The tables, and what reads them.
    scale : ValueScale
        Back to the image's values.
    border : dict
        ``cval`` (in grey levels) and ``cval_validity``, for `Backend.mean_on_grid`.
    missing : float or None
        What stands where too little of the weight could be trusted.
    is_alpha : bool
        Whether fully opaque and fully transparent pixels stay as they are.
    span : (float, float) or None
        Grey levels that results do not leave.
    """

    plane: Plane
    confidence: FloatPlane | None
    bank: LutBank
    engine: Backend
    scale: ValueScale
    border: dict[str, Any]
    missing: float | None
    is_alpha: bool = False
    span: tuple[float, float] | None = None

    @property
    def to_uint8(self) -> bool:
        """Whether the mean itself is the result."""
        return self.scale.is_bytes and not self.scale.linear_light

    def read(self, first: int, last: int, threads: int) -> Samples:
        """Read the tables for rows first..last-1: what the whole plane's would be."""
        records, limits = _read(
            self.plane, first, last, self.scale, self.bank, self.engine, threads
        )
        weighting = self.bank.kind.weighting
        if self.is_alpha:
            # So opaque images stay opaque, and no rim of transparency appears or vanishes.
            grey = self.scale.to_grey(self.plane[first:last])
            plain = (grey <= 0) | (grey >= LEVELS)
            feature, parameters = unpack(records)
            feature[plain] = grey[plain].astype(feature.dtype)
            parameters[WEIGHT_VALUES[weighting] :, plain] = LOCAL_PLANE_BIAS
        confidence = None if self.confidence is None else self.confidence[first:last]
        return Samples(records, weighting, confidence, limits)

    def finish(self, mean: Plane, trust: FloatPlane | None) -> Plane:
        """Return the image's values."""
        if self.span is not None and not self.to_uint8:
            mean = np.clip(mean, *self.span)
        value = mean if self.to_uint8 else self.engine.from_grey(self.scale, mean)
        if self.missing is not None and trust is not None:
            value[trust < _TRUST_NEEDED] = self.missing
        return value


@dataclass(frozen=True)
class Cover:
    """Fades a warped image into the constant around it.

    Attributes
    ----------
    scale : ValueScale
        Of the image.
    cvals : list of float
        The constant, a value a channel.
    alpha : int or None
        Which channel is alpha; colours blend by it.
    nodata : float or None
        No constant to blend with: a missing value changes at half coverage.
    """

    scale: ValueScale
    cvals: list[float]
    alpha: int | None
    nodata: float | None

    def apply(self, values: list[Plane], share: npt.NDArray[np.float64]) -> list[Plane]:
        """Return the channels' values, (count,) each, blended where `share` < 1 is covered."""
        weight: npt.NDArray[np.float64] = share
        total = np.ones_like(share)
        if self.alpha is not None:
            # Associated alpha: both colours weigh by what is seen of them.
            opacity, around = (
                np.clip(self.scale.to_grey(value) / LEVELS, 0, 1)
                for value in (values[self.alpha], self.cvals[self.alpha])
            )
            weight, total = share * opacity, share * opacity + (1 - share) * around
        blended = []
        for channel, (value, cval) in enumerate(zip(values, self.cvals, strict=True)):
            if _not_finite(cval) or cval == self.nodata:
                new = np.where(share < _TRUST_NEEDED, cval, value).astype(value.dtype)
            else:
                part = share if channel == self.alpha else _part(weight, total, share)
                before = np.where(part > 0, value.astype(np.float64) * part, 0.0)
                new = self.scale.fit(before + cval * (1 - part))
            blended.append(new)
        return blended


def _part(
    weight: npt.NDArray[np.float64], total: npt.NDArray[np.float64], share: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """What the image's colour has of the weight; where nothing weighs, all if any is covered."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, weight / total, share > 0)


def prepare_channel(
    plane: Plane,
    scale: ValueScale,
    bank: LutBank,
    border: Border,
    engine: Backend,
    alpha: FloatPlane | None = None,
    nodata: float | None = None,
) -> Channel:
    """Find what of a channel can be trusted, and fill in the rest for the reads.

    Parameters
    ----------
    plane : ndarray, (rows, cols)
        In the image's own values.
    alpha : ndarray of float32, (rows, cols), optional
        The channel's alpha in 0..1.
        Transparent wherever a value is missing.
    nodata : float, optional
        Value of pixels that do not count. Floats that are not finite never count.
    """
    confidence, missing = alpha, None
    if alpha is None:
        unknown, missing = find_missing(plane, scale, nodata)
        confidence = None if unknown is None else (~unknown).astype(np.float32)
    if confidence is not None and not (confidence > 0).all():
        passes = FILL_STEPS * bank.reach * len(bank.stages)
        plane = _fill(plane, confidence > 0, passes, scale)
    elif confidence is not None and border.mode != "constant" and (confidence == 1).all():
        confidence = None  # the same result by the faster kernel
    if confidence is None and border.mode == "constant" and _not_finite(border.cval):
        confidence = np.ones(plane.shape, np.float32)
        missing = border.cval
    ends = _ends(scale, border)
    return Channel(plane, confidence, bank, engine, scale, ends, missing)


def alpha_span(plane: Plane, scale: ValueScale) -> tuple[float, float] | None:
    """Grey levels that an alpha channel does not leave: there is nothing more than opaque."""
    if scale.is_bytes:
        return None
    low, high = scale.to_grey(plane.min()), scale.to_grey(plane.max())
    return min(0.0, float(low)), max(float(LEVELS), float(high))


def prepare_alpha(
    plane: Plane,
    scale: ValueScale,
    bank: LutBank,
    border: Border,
    engine: Backend,
    span: tuple[float, float] | None,
) -> Channel:
    """Prepare an alpha channel; the plane is finite, and `span` is `alpha_span`'s."""
    scale = replace(scale, linear_light=False)
    ends = _ends(scale, border)
    return Channel(plane, None, bank, engine, scale, ends, None, is_alpha=True, span=span)


def _ends(scale: ValueScale, border: Border) -> dict[str, Any]:
    """What `Backend.mean_on_grid` finds beyond the border."""
    cval, trust = None, border.cval_alpha
    if border.mode == "constant":
        cval = 0.0
        if _not_finite(border.cval):
            trust = 0.0
        else:
            grey = scale.to_grey(border.cval)
            if scale.linear_light:
                grey = decode_srgb(grey / LEVELS) * LEVELS
            cval = float(grey)
    return {"cval": cval, "cval_validity": trust}


def _read(
    plane: Plane,
    first: int,
    last: int,
    scale: ValueScale,
    bank: LutBank,
    engine: Backend,
    threads: int,
) -> tuple[Plane, Plane | None]:
    """Read the tables for rows first..last-1 of a plane.

    Returns
    -------
    records, limits
        See `Samples`.
    """
    interval_bits = bank.interval.bit_length() - 1
    stages, rows = len(bank.stages), len(plane)
    halo = max(bank.reach * stages, LIMITS_REACH)
    # Edges are repeated at the plane's own, which the halo keeps away from all others.
    top, bottom = max(0, first - halo), min(rows, last + halo)
    plane = plane[top:bottom]
    remainder: FloatPlane | None = None
    if scale.is_bytes:
        cell_bits, grey_bits = interval_bits, 0
        units: Plane = plane
    else:
        cell_bits, grey_bits = DEEP_CELL_BITS, DEEP_CELL_BITS - interval_bits
        units, remainder = engine.to_units(scale, plane, grey_bits)
        remainder = remainder[first - top : last - top]
    limits: Plane | None = None
    if bank.kind.has_local_planes:
        above, below = max(0, first - LIMITS_REACH), min(rows, last + LIMITS_REACH)
        near = slice(above - top, below - top)
        grey = units[near] if scale.is_bytes else engine.to_grey(scale, plane[near])
        limits = engine.overshoot_bounds(grey, threads)[:, first - above : last - above + 1]
    for number in range(stages - 1):
        halo = bank.reach * (stages - 1 - number)
        above, below = max(0, first - halo), min(rows, last + halo)
        window = (above - top, below - top)
        units, top = engine.read_stage(units, bank, number, cell_bits, threads, window)[0], above
    inner = (first - top, last - top)
    dtype = np.uint8 if scale.is_bytes and not scale.linear_light else np.float32
    records = engine.read_packed(units, bank, cell_bits, threads, inner, remainder, dtype)
    if scale.linear_light:
        _to_linear_light(*unpack(records), bank)
        if limits is not None:
            linear = decode_srgb(limits.astype(np.float64) / LEVELS) * LEVELS
            limits = linear.astype(np.float32)
    return records, limits


def _to_linear_light(feature: Plane, parameters: Plane, bank: LutBank) -> None:
    """Decode levels; slopes follow by the chain rule, and residuals are decoded with the level."""
    encoded = feature.astype(np.float64) / LEVELS
    if bank.kind.has_local_planes:
        plane = parameters[WEIGHT_VALUES[bank.kind.weighting] :] - np.float32(LOCAL_PLANE_BIAS)
        encoded += plane[2] * (RESIDUAL_UNIT / LEVELS)
        plane[:2] *= srgb_slope(encoded)
        plane[2] = 0
        parameters[WEIGHT_VALUES[bank.kind.weighting] :] = plane + np.float32(LOCAL_PLANE_BIAS)
    feature[:] = decode_srgb(encoded) * LEVELS


def find_missing(
    plane: Plane, scale: ValueScale, nodata: float | None
) -> tuple[Mask | None, float | None]:
    """Return where values are missing (None: nowhere), and what marks them in the result."""
    mask: Mask | None = None
    missing: float | None = None
    if plane.dtype.kind == "f":
        # Beyond this float32 arithmetic overflows: as good as infinite.
        far = min(_LARGEST * (scale.high - scale.low), float(np.finfo(plane.dtype).max))
        mask, missing = ~(np.abs(plane) <= plane.dtype.type(far)), float("nan")
    if nodata is not None and not np.isnan(nodata):
        equal = plane == nodata
        mask = equal if mask is None else mask | equal
        missing = nodata
    if mask is None or not mask.any():
        return None, missing
    return mask, missing


def _not_finite(value: float) -> bool:
    return not np.isfinite(value)


def _fill(plane: Plane, known: Mask, passes: int, scale: ValueScale) -> Plane:
    """Grow known values into unknown pixels, by means of known neighbours, `passes` times.

    Table reads that reach into unknown pixels then see their surroundings go on. What
    lies farther away is never read for a known pixel, and is left at the low end.
    """
    value = np.pad(np.where(known, plane, scale.low).astype(np.float64), 1)
    known = np.pad(known, 1)
    for _ in range(passes):
        near = known[:-2] | known[1:-1] | known[2:]
        near = near[:, :-2] | near[:, 1:-1] | near[:, 2:]
        rows, cols = np.nonzero(near & ~known[1:-1, 1:-1])
        if rows.size == 0:
            break
        total, count = np.zeros(rows.size), np.zeros(rows.size)
        for dy in range(3):
            for dx in range(3):
                there = known[rows + dy, cols + dx]
                total += np.where(there, value[rows + dy, cols + dx], 0.0)
                count += there
        value[rows + 1, cols + 1] = total / count
        known[rows + 1, cols + 1] = True
    inner = value[1:-1, 1:-1]
    return (np.rint(inner) if plane.dtype.kind in "iu" else inner).astype(plane.dtype)
