"""Which range of values goes with what an image's values are, and what another one costs.

The tables know images that fill their 256 levels. In a range that is much too wide an image has
little contrast for them, and is smoothed. Values outside a range that is too narrow are not
clipped, but are read as the range's end: of detail among them nothing is known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.validation import check_value_range

__all__ = ["Range", "RangeOffer", "ValueSpan", "number", "offered_range", "range_words"]

Range = tuple[float, float]

# Measured: what x2 loses of the PSNR, in dB, on 20 photographs that were halved before. By how many
# times the range is wider than what the values span:
_WIDER = (1.0, 2.0, 3.0, 4.0, 8.0, 16.0)
_LOSS_OF_WIDER = (0.0, 0.02, 0.18, 0.35, 0.80, 0.90)
# By the share of values outside the range:
_OUTSIDE = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
_LOSS_OF_OUTSIDE = (0.0, 0.07, 0.13, 0.24, 0.41, 0.91, 1.77, 2.46)
#: A range is offered that gains so many dB.
LEAST_GAIN = 0.25
# Ranges that are so many times wider than the values' own are not offered.
_MOST_WIDER = 3.0
# Floats may pass a range by so much of it: by the overshoot of what was resampled before.
_OVERSHOOT = 0.01
# Share of values that are brighter, or darker, than most.
_FEW = 0.1
# Values that are kept of an image, to count those outside a range.
_KEPT = 4096


@dataclass(frozen=True, eq=False)
class ValueSpan:
    """What the values of an image span.

    Attributes
    ----------
    least, greatest : float
        Of the finite values of its colours.
    sample : ndarray of float64
        Some of them, rising.
    alpha : (float, float) or None
        Least and greatest of its alpha channel; None: it has none.
    """

    least: float
    greatest: float
    sample: npt.NDArray[np.float64]
    alpha: Range | None = None

    @classmethod
    def of(
        cls, values: npt.NDArray[Any], alpha: npt.NDArray[Any] | None = None
    ) -> ValueSpan | None:
        """Return what values span, of any shape; None: no two of them that are finite differ."""
        if values.dtype.kind == "f":
            values = values[np.isfinite(values)]
        if not values.size:
            return None
        least, greatest = float(values.min()), float(values.max())
        if not least < greatest:
            return None
        flat = values.reshape(-1)
        every = -(-flat.size // _KEPT)
        sample = np.sort(flat[::every].astype(np.float64))
        return cls(least, greatest, sample, None if alpha is None else _extremes(alpha))

    def share_outside(self, low: float, high: float) -> float:
        """Return the share of values below or above a range."""
        inside = self.sample.searchsorted(high, "right") - self.sample.searchsorted(low, "left")
        return 1 - int(inside) / self.sample.size

    def goes_with(self, low: float, high: float) -> bool:
        """Whether alpha means the same in a range: it has one value, or reaches the range's end."""
        if self.alpha is None:
            return True
        least, greatest = self.alpha
        return least == greatest or (low <= least and 0.9 * high <= greatest <= high)


def _extremes(values: npt.NDArray[Any]) -> Range | None:
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if values.size else None


@dataclass(frozen=True)
class RangeOffer:
    """A range that goes with an image's values better than the one that is taken.

    Attributes
    ----------
    low, high : float
    why : str
        In words, what the values are in the range that is taken, and what that costs.
    is_usable : bool
        Whether it goes with alpha too.
    """

    low: float
    high: float
    why: str
    is_usable: bool = True


def offered_range(
    span: ValueSpan | None, taken: Range, dtype: np.dtype[Any], *, is_rgb: bool = False
) -> RangeOffer | None:
    """Return a range to offer in place of the one that is taken; None: it makes no difference.

    Parameters
    ----------
    span : ValueSpan or None
    taken : (float, float)
    dtype : dtype
        Of the image.
    is_rgb : bool
        Whether its values are colours: dark ones are no reason for a range of their own.

    Returns
    -------
    RangeOffer or None
        The smallest range of 8 bits or more that holds the values (0 to 1 for floats up to 1); if
        that is much wider than they span, or they have a sign, their own.
    """
    if span is None:
        return None
    usual = check_value_range(None, dtype)
    if taken != usual and span.alpha is not None and not _has_room(span.alpha, taken[1]):
        why = f"Alpha reaches {number(span.alpha[1])}, of {range_words(*taken)}"
        return RangeOffer(*usual, f"{why}: transparency is lost")
    low, high = _holding(span, dtype, is_rgb=is_rgb)
    if (low, high) == taken:
        return None
    width = span.greatest - span.least
    outside = span.share_outside(*taken)
    loss = _loss_of_wider((taken[1] - taken[0]) / width) + _loss_of_outside(outside)
    # Where a few values are far beyond the others, a range that holds them is too wide for these.
    most = width
    if outside > 0:
        first, last = np.quantile(span.sample, (_FEW, 1 - _FEW))
        most = max(float(last - first), 1e-9 * width)
    gain = loss - _loss_of_wider((high - low) / most)
    if gain < LEAST_GAIN:
        return None
    why = f"{_why(span, taken, outside)}: detail is lost"
    if span.goes_with(low, high):
        return RangeOffer(low, high, why)
    why += f". Alpha reaches {number(span.alpha[1] if span.alpha else high)}: scale both alike"
    return RangeOffer(low, high, why, is_usable=False)


def _has_room(alpha: Range, high: float) -> bool:
    """Whether alpha, if it varies, is neither cut at a range's end nor next to nothing of it."""
    least, greatest = alpha
    return least == greatest or high / 16 < greatest <= high


def _loss_of_wider(ratio: float) -> float:
    return float(np.interp(math.log2(max(ratio, 1.0)), np.log2(_WIDER), _LOSS_OF_WIDER))


def _loss_of_outside(share: float) -> float:
    return float(np.interp(share, _OUTSIDE, _LOSS_OF_OUTSIDE))


def _holding(span: ValueSpan, dtype: np.dtype[Any], *, is_rgb: bool) -> Range:
    """Return the range of whole bits that holds the values, or their own."""
    least, greatest = span.least, span.greatest
    width = greatest - least
    slack = 1.0
    if dtype.kind == "f":
        slack += _OVERSHOOT
        least = 0.0 if -_OVERSHOOT * width < least < 0 else least
    if least >= 0:
        bits = max(8, math.ceil(math.log2(greatest / slack + 1)))
        low, high = 0.0, float(2**bits - 1)
        if dtype.kind == "f" and greatest <= slack:
            high = 1.0
        # Colours of 8 bits stay so, however dark they are.
        is_usual = is_rgb and high == (1.0 if dtype.kind == "f" else 255.0)
        if is_usual or high <= _MOST_WIDER * width:
            return low, high
    if dtype.kind != "f":
        return (0.0 if 0 <= least <= 0.1 * width else least), greatest
    # Outwards to two digits of what they span.
    unit = 10.0 ** (math.floor(math.log10(width)) - 1)
    low = 0.0 if 0 <= least <= 0.1 * width else math.floor(least / unit) * unit
    return float(f"{low:.6g}"), float(f"{math.ceil(greatest / unit) * unit:.6g}")


def _why(span: ValueSpan, taken: Range, outside: float) -> str:
    low, high = taken
    if _loss_of_outside(outside) >= _loss_of_wider((high - low) / (span.greatest - span.least)):
        is_below = low - span.least > span.greatest - high
        end = f"down to {number(span.least)}" if is_below else f"up to {number(span.greatest)}"
        share = "Most" if outside > 0.9 else f"{100 * outside:.0f} %"
        return f"{share} of the values lie outside {range_words(low, high)}, {end}"
    if low == 0 and span.least >= 0 and span.greatest < high / 2:
        return f"Values reach {number(span.greatest)} of {number(high)}"
    values = range_words(span.least, span.greatest)
    return f"Values lie in {values}, of {range_words(low, high)}"


def range_words(low: float, high: float) -> str:
    """Return "0 to 4095"."""
    return f"{number(low)} to {number(high)}"


def number(value: float) -> str:
    """Return a value as short as it is understood."""
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e7 else f"{value:.4g}"
