"""Between values of torch images and the tables' grey levels: `lerf_core.pixels` on tensors."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from lerf_core.backends.torch.straight_through import rounded
from lerf_core.bank.base import Bank
from lerf_core.bank.model import LutBank
from lerf_core.constants import DEEP_CELL_BITS, LEVELS, NETWORK_GREY_BITS
from lerf_core.pixels.missing import FILL_STEPS, VALID_SHARE_NEEDED

__all__ = [
    "GreyLevels",
    "ValueRange",
    "are_levels",
    "deep_units",
    "farthest_value",
    "from_grey",
    "levels_to_values",
    "missing_beyond",
    "value_range_of",
    "whole_values",
]

#: Values at grey levels 0 and 255; None: those of the dtype.
ValueRange = tuple[float, float] | None
# Floats this many value ranges away from 0 count as infinite.
_LARGEST = 1e30


def value_range_of(dtype: torch.dtype, value_range: ValueRange) -> tuple[float, float]:
    """The range that is given, or the dtype's own: that of integers, (0, 1) for floats."""
    if value_range is not None:
        return value_range
    return (0.0, 1.0) if dtype.is_floating_point else (0.0, float(torch.iinfo(dtype).max))


def are_levels(dtype: torch.dtype, value_range: ValueRange) -> bool:
    """Whether values are bytes that are grey levels as they stand."""
    return dtype == torch.uint8 and value_range_of(dtype, value_range) == (0, LEVELS)


class GreyLevels(NamedTuple):
    """Planes of an image in a bank's grey levels.

    Attributes
    ----------
    grey : Tensor of float32, (planes, rows, cols)
        Unclipped.
    whole : Tensor of float32, (planes, rows, cols)
        What the bank reads: whole units in 0..255.
    remainder : Tensor of float32, (planes, rows, cols), or None
        What these cannot say; added to the feature.
    units : int
        Units per grey level.
    validity : Tensor of bool, (planes, rows, cols), or None
        Where values are not missing; None: everywhere.
    """

    grey: Tensor
    whole: Tensor
    remainder: Tensor | None
    units: int
    validity: Tensor | None = None

    @classmethod
    def of(cls, planes: Tensor, value_range: ValueRange, bank: Bank) -> GreyLevels:
        """Levels of planes; bytes without a range of their own are levels as they stand."""
        low, high = value_range_of(planes.dtype, value_range)
        if are_levels(planes.dtype, value_range):
            grey = planes.float()
            return cls(grey, grey, None, 1)
        validity = None
        if planes.is_floating_point():
            planes, validity = _filled(planes, low, high, bank)
        units = deep_units(bank)
        grey = (planes.double() - low) * (LEVELS / (high - low))
        exact = rounded(grey.clamp(0, LEVELS) * units) / units
        return cls(grey.float(), exact.float(), (grey - exact).float(), units, validity)


def deep_units(bank: Bank) -> int:
    """Units per grey level of all images but bytes."""
    if isinstance(bank, LutBank):
        return (1 << DEEP_CELL_BITS) // bank.interval
    return 1 << NETWORK_GREY_BITS


def missing_beyond(planes: Tensor, low: float, high: float) -> Tensor:
    """Where values of floats are missing: they are not finite, or out of all proportion."""
    return ~(planes.detach().abs() <= farthest_value(planes.dtype, low, high))


def farthest_value(dtype: torch.dtype, low: float, high: float) -> float:
    """The largest value that is not missing."""
    largest = torch.finfo(dtype).max if dtype.is_floating_point else torch.inf
    return float(min(_LARGEST * (high - low), largest))


def _filled(planes: Tensor, low: float, high: float, bank: Bank) -> tuple[Tensor, Tensor | None]:
    """Grow valid values into missing ones, as `lerf_core.pixels`; validity None: all are valid."""
    validity = ~missing_beyond(planes, low, high)
    if bool(validity.all()):
        return planes, None
    value = torch.where(validity, planes, planes.new_full((), low)).double()[:, None]
    filled = validity[:, None]
    for _ in range(FILL_STEPS * bank.full_reach):
        count = _sum_around(filled.double())
        grown = ~filled & (count > 0.5)
        value = torch.where(grown, _sum_around(value * filled) / count.clamp(min=1), value)
        filled = filled | grown
    # In the precision that `lerf_core` fills images of this dtype in.
    precision = torch.float64 if planes.dtype == torch.float64 else torch.float32
    return value[:, 0].to(precision), validity


def _sum_around(planes: Tensor) -> Tensor:
    total: Tensor = functional.avg_pool2d(planes, 3, 1, 1, divisor_override=1)
    return total


def from_grey(grey: Tensor, dtype: torch.dtype, value_range: ValueRange) -> Tensor:
    """Values of a dtype from grey levels; integers rounded and clipped."""
    if dtype in {torch.float64, torch.uint16}:
        grey = grey.double()
    low, high = value_range_of(dtype, value_range)
    if (low, high) != (0, LEVELS):
        grey = grey * ((high - low) / LEVELS) + low
    return grey.to(dtype) if dtype.is_floating_point else whole_values(grey, dtype)


def whole_values(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Integers of a dtype: rounded half to even, and clipped."""
    return torch.round(values).clamp(0, torch.iinfo(dtype).max).to(dtype)


def levels_to_values(
    mean: Tensor, valid_share: Tensor | None, dtype: torch.dtype, value_range: ValueRange
) -> Tensor:
    """Values of a dtype from means in grey levels, NaN where too little of the weight is valid.

    Means of bytes are values as they stand.
    """
    if mean.dtype == torch.uint8:
        return mean
    if valid_share is not None:
        mean = mean.masked_fill(valid_share < float(VALID_SHARE_NEEDED), torch.nan)
    return from_grey(mean, dtype, value_range)
