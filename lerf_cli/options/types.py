"""How the texts of options are read: one function for each kind of text, and its click type.

Light: click and the standard library alone, so that ``--help`` is quick.

Convention
----------
On the command line a pair is WIDTHxHEIGHT; inside the program it is (rows, columns).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import click

# Either letter or the multiplication sign may stand between the two numbers.
_SEPARATOR = "[xX\u00d7]"
# In more pixels per side the ellipses and the arrows of an enlarged window could not be told apart.
_MAX_CROP = 160


class ParsedType(click.ParamType):  # type: ignore[type-arg]
    """Click's type of texts that a function reads.

    Parameters
    ----------
    name : str
        What help calls a value.
    parse : callable
        Takes the text; raises a ValueError that says what is wrong with it.
    """

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return what a text means, or report it; what is no text has been read before."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


# -- scales and sizes ---------------------------------------------------------------------


class ScaleFactors(NamedTuple):
    """Scale factors of the two axes; above 1 enlarges."""

    rows: float
    cols: float


class Size(NamedTuple):
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
            An absent side is rounded as `lerf_core.fit` rounds it, and is at least 1.

        Examples
        --------
        >>> Size(1920, None).shape_for((1000, 3000))
        (640, 1920)
        """
        from lerf_core import fit

        return fit(shape, (self.height, self.width)).shape


def parse_scale(text: str) -> ScaleFactors:
    """Parse ``1.5`` or ``2x1.5`` (width x height).

    Raises
    ------
    ValueError
        If the text is something else, or a factor is not finite and positive.

    Examples
    --------
    >>> parse_scale("2x1.5")
    ScaleFactors(rows=1.5, cols=2.0)
    """
    numbers = re.split(_SEPARATOR, text.strip())
    if len(numbers) > 2:
        raise ValueError(f"{text!r} is not a scale such as 1.5 or 2x1.5 (width x height)")
    try:
        factors = [float(number) for number in numbers]
    except ValueError:
        raise ValueError(f"{text!r} is not a scale such as 1.5 or 2x1.5 (width x height)") from None
    if not all(math.isfinite(factor) and factor > 0 for factor in factors):
        raise ValueError(f"{text!r} is not a scale: factors are finite and above 0")
    return ScaleFactors(rows=factors[-1], cols=factors[0])


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


def parse_megapixels(text: str) -> float:
    """Parse a number of pixels in millions: finite, and at least one pixel."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 1 <= value * 1e6 < math.inf:
        raise ValueError(f"{text!r} is not a number of megapixels such as 2 or 0.5")
    return value


def parse_density(text: str) -> tuple[float, float]:
    """Parse pixels per inch, or ACROSSxDOWN; return (x, y).

    Examples
    --------
    >>> parse_density("300")
    (300.0, 300.0)
    """
    numbers = re.split(_SEPARATOR, text.strip())
    try:
        values = [float(number) for number in numbers]
    except ValueError:
        values = []
    if not 1 <= len(values) <= 2 or not all(0 < value < math.inf for value in values):
        raise ValueError(f"{text!r} is not a density such as 300 or 300x150 (pixels per inch)")
    return values[0], values[-1]


def parse_tile(text: str) -> tuple[int, int]:
    """Parse a tile's side, or WIDTHxHEIGHT; return (rows, columns)."""
    match = re.fullmatch(rf"([0-9]{{1,6}})(?:{_SEPARATOR}([0-9]{{1,6}}))?", text.strip())
    if match is None or not int(match[1]) or match[2] == "0":
        raise ValueError(f"{text!r} is not a tile such as 512 or 512x256 (width x height)")
    return int(match[2] or match[1]), int(match[1])


def parse_window(text: str) -> tuple[int, int, int, int]:
    """Parse ``X,Y,WIDTHxHEIGHT`` in pixels; return left, top, width and height."""
    match = re.fullmatch(r"(\d{1,9}),(\d{1,9}),(\d{1,9})[xX](\d{1,9})", text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a window such as 10,20,48x48 (x,y,WxH)")
    x, y, width, height = map(int, match.groups())
    if not (width and height):
        raise ValueError(f"{text!r}: sides are at least 1 pixel")
    return x, y, width, height


def parse_crop(text: str) -> tuple[int, int, int, int]:
    """Parse a window that is enlarged for the eye; see `parse_window`."""
    x, y, width, height = parse_window(text)
    if max(width, height) > _MAX_CROP:
        raise ValueError(f"{text!r}: sides are 1 to {_MAX_CROP} pixels")
    return x, y, width, height


def parse_region(text: str) -> tuple[tuple[int | None, int | None], tuple[int | None, int | None]]:
    """Parse ``TOP:BOTTOM,LEFT:RIGHT``, rows and columns as Python's slices; ends may be left out.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> parse_region("10:50,:80")
    ((10, 50), (None, 80))
    """
    match = re.fullmatch(r"(\d{0,18}):(\d{0,18}),(\d{0,18}):(\d{0,18})", text.replace(" ", ""))
    if match is None:
        raise ValueError(f"{text!r} is not a region such as 10:50,20:80 (rows, columns)")
    top, bottom, left, right = (int(side) if side else None for side in match.groups())
    return (top, bottom), (left, right)


# -- numbers ------------------------------------------------------------------------------


def parse_numbers(
    text: str, counts: tuple[int, ...] = (), *, nan: bool = False
) -> tuple[float, ...]:
    """Parse finite numbers separated by commas or blanks.

    Parameters
    ----------
    text : str
    counts : tuple of int, optional
        How many there may be; empty: any number of them.
    nan : bool, optional
        Whether ``nan`` is a number too.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> parse_numbers("1, 2.5", (2,))
    (1.0, 2.5)
    """
    try:
        numbers = tuple(float(word) for word in text.replace(",", " ").split())
    except ValueError:
        raise ValueError(f"{text!r} is not a list of numbers") from None
    allowed = [math.isfinite(number) or (nan and math.isnan(number)) for number in numbers]
    if not numbers or not all(allowed):
        raise ValueError(f"{text!r} is not a list of finite numbers")
    if counts and len(numbers) not in counts:
        wanted = " or ".join(map(str, counts))
        raise ValueError(f"{text!r} holds {len(numbers)} numbers instead of {wanted}")
    return numbers


def parse_number(text: str) -> float:
    """Parse a number, or ``nan``."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None


def parse_nodata(text: str) -> float | str:
    """Parse a number, or ``nan``; ``none`` stays what it is."""
    if text == "none":
        return text
    try:
        return int(text)
    except ValueError:
        return parse_number(text)


def parse_range(text: str) -> tuple[float, float] | str:
    """Parse ``LO,HI``, two ascending numbers; ``auto`` stays what it is."""
    if text == "auto":
        return text
    low, high = parse_numbers(text, (2,))
    if not low < high:
        raise ValueError(f"{text!r} is not ascending")
    return low, high


def parse_bytes(text: str) -> int:
    """Parse a number of bytes such as 768M or 1.5G; the letters count in powers of 1024."""
    match = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if match is None or float(match[1]) == 0:
        raise ValueError(f"{text!r} is not a size such as 768M or 1.5G")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))


def parse_background(text: str) -> tuple[int, int, int] | str:
    """Parse a colour; ``transparent`` stays what it is."""
    return text if text == "transparent" else parse_colour(text)


def parse_colour(text: str) -> tuple[int, int, int]:
    """Parse a colour's name or #RRGGBB; return 8-bit red, green and blue."""
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        raise ValueError(f"{text!r} is not a colour such as white or #ffcc00") from None
    return red, green, blue


def parse_device(text: str) -> str:
    """Check the name of a device that torch computes on.

    Raises
    ------
    ValueError
        If it is another one.
    """
    from lerf_core.validation import check_device_name

    check_device_name(text)
    return text


# -- click's types ------------------------------------------------------------------------

SCALE = ParsedType("scale", parse_scale)
SIZE = ParsedType("size", parse_size)
TILE = ParsedType("tile", parse_tile)
WINDOW = ParsedType("window", parse_window)
CROP = ParsedType("crop", parse_crop)
REGION = ParsedType("region", parse_region)
NODATA = ParsedType("number", parse_nodata)
RANGE = ParsedType("range", parse_range)
BYTES = ParsedType("size", parse_bytes)
BACKGROUND = ParsedType("colour", parse_background)
MEGAPIXELS = ParsedType("megapixels", parse_megapixels)
DENSITY = ParsedType("density", parse_density)
DEVICE = ParsedType("device", parse_device)


def parse_pixel_size(text: str) -> tuple[float, ...] | str:
    """Parse one or two sides of a pixel, or a unit of length, by its name in OME-Zarr or symbol.

    Raises
    ------
    ValueError
        If the text is something else, or a side is not above 0.

    Examples
    --------
    >>> parse_pixel_size("0.5,1"), parse_pixel_size("um")
    ((0.5, 1.0), 'micrometer')
    """
    from lerf_core.io.metadata.units import is_length, unit_of

    unit = unit_of(text)
    if is_length(unit):
        return unit
    try:
        sides = parse_numbers(text, (1, 2))
    except ValueError:
        raise ValueError(f"{text!r} is neither sides of a pixel nor a unit such as um") from None
    if not min(sides) > 0:
        raise ValueError("sides of a pixel are above 0")
    return sides


def numbers_type(*counts: int, nan: bool = False) -> ParsedType:
    """Return the type of lists of numbers; the arguments are those of `parse_numbers`."""
    return ParsedType("numbers", partial(parse_numbers, counts=counts, nan=nan))
