"""Parsing of ``--scale`` and ``--size``.

Convention
----------
On the command line a pair is WIDTHxHEIGHT; inside the program it is (rows, columns).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import click

# Either letter or the multiplication sign may stand between the two numbers.
_SEPARATOR = "[xX\u00d7]"


@dataclass(frozen=True)
class Scale:
    """Scale factors of the two axes; above 1 enlarges."""

    rows: float
    cols: float


@dataclass(frozen=True)
class Size:
    """A size in pixels; an absent side follows from the aspect ratio."""

    width: int | None
    height: int | None

    def shape_for(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return the (rows, columns) this size means for an image of ``shape``.

        Parameters
        ----------
        shape : tuple of int
            (rows, columns) of the image.

        Returns
        -------
        tuple of int
            An absent side is rounded to the nearest pixel, halves up, and is at least 1.

        Examples
        --------
        >>> Size(1920, None).shape_for((1000, 3000))
        (640, 1920)
        """
        rows, cols = shape
        height = self.height if self.height is not None else _follow(rows, self.width, cols)
        width = self.width if self.width is not None else _follow(cols, self.height, rows)
        return height, width


def _follow(side: int, other_new: int | None, other: int) -> int:
    if other_new is None:
        raise ValueError("a size needs a width or a height")
    # Fractions: a float would round wrongly near halves of huge sides.
    return max(1, math.floor(Fraction(side * other_new, other) + Fraction(1, 2)))


def parse_scale(text: str) -> Scale:
    """Parse ``1.5`` or ``2x1.5`` (width x height).

    Raises
    ------
    ValueError
        If the text is something else, or a factor is not finite and positive.

    Examples
    --------
    >>> parse_scale("2x1.5")
    Scale(rows=1.5, cols=2.0)
    """
    parts = re.split(_SEPARATOR, text.strip())
    if len(parts) > 2:
        raise ValueError(f"{text!r} is not a scale such as 1.5 or 2x1.5 (width x height)")
    try:
        factors = [float(part) for part in parts]
    except ValueError:
        raise ValueError(f"{text!r} is not a scale such as 1.5 or 2x1.5 (width x height)") from None
    if not all(math.isfinite(factor) and factor > 0 for factor in factors):
        raise ValueError(f"{text!r} is not a scale: factors are finite and above 0")
    return Scale(rows=factors[-1], cols=factors[0])


def parse_size(text: str) -> Size:
    """Parse ``1920x1080``, ``1920x`` or ``x1080`` (width x height, in pixels).

    Raises
    ------
    ValueError
        If the text is something else, or a side is 0.

    Examples
    --------
    >>> parse_size("x1080")
    Size(width=None, height=1080)
    """
    match = re.fullmatch(rf"([0-9]{{0,18}}){_SEPARATOR}([0-9]{{0,18}})", text.strip())
    if match is None or not (match[1] or match[2]):
        raise ValueError(
            f"{text!r} is not a size such as 1920x1080, 1920x or x1080 (width x height)"
        )
    width, height = (int(side) if side else None for side in match.groups())
    if 0 in {width, height}:
        raise ValueError(f"{text!r} is not a size: sides are at least 1 pixel")
    return Size(width, height)


class ScaleType(click.ParamType):  # type: ignore[type-arg]
    """Click's type of ``--scale``."""

    name = "scale"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Scale:
        """Turn the text into a :class:`Scale`, or report it."""
        if isinstance(value, Scale):
            return value
        try:
            return parse_scale(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class SizeType(click.ParamType):  # type: ignore[type-arg]
    """Click's type of ``--size``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Size:
        """Turn the text into a :class:`Size`, or report it."""
        if isinstance(value, Size):
            return value
        try:
            return parse_size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
