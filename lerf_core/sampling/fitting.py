"""How large an image becomes that is fitted to a size, and which part of it the result shows.

Sizes are rounded as sharp and libvips round them, digit by digit: a side is ``floor(side * (1 /
(other / new other)) + 1/2)``, each step in double precision.

Convention
----------
Shapes are (rows, columns); a crop counts in pixels of the image as it is resized, before any of it
is cut off.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from lerf_core.choices import FITS, GRAVITIES
from lerf_core.errors import InvalidArgumentError
from lerf_core.sampling.windows import Block
from lerf_core.validation import check_choice, check_count, check_number, check_output_shape

__all__ = ["Fit", "Shape", "Sides", "fit"]

Shape = tuple[int, int]
#: Rows and columns of which one may follow from the aspect ratio.
Sides = tuple[int | None, int | None]


class Fit(NamedTuple):
    """What an image is resized to, and what the result shows of it.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns that the whole image is resized to.
    crop : Block
        Rows top..bottom-1 and columns left..right-1 of that are the result. Where they reach beyond
        it (top and left below 0, bottom and right above `shape`), the result is padded.
    """

    shape: Shape
    crop: Block

    @property
    def result_shape(self) -> Shape:
        """Rows and columns of the result."""
        return self.crop.shape

    @property
    def is_whole(self) -> bool:
        """Whether the result is the whole image, with nothing around it."""
        return self.crop == (0, self.shape[0], 0, self.shape[1])


def fit(
    shape: Shape,
    size: Sides | None = None,
    how: str | None = None,
    *,
    longest: int | None = None,
    shortest: int | None = None,
    megapixels: float | None = None,
    gravity: str = "centre",
    enlarge: bool = True,
    shrink: bool = True,
) -> Fit:
    """Return what an image is resized to, to fit a size, and which part of that is the result.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image.
    size : (int or None, int or None), optional
        Rows and columns to fit; a side that is None follows from the aspect ratio. Exactly one of
        `size`, `longest`, `shortest` and `megapixels` is given.
    how : {"inside", "outside", "cover", "contain", "fill"}, optional
        For a `size` of both sides:

        - "inside": as large as fits inside; one side is the size's, the other no longer;
        - "outside": as small as has the size inside; one side is the size's, the other no shorter;
        - "cover": as "outside", and what is beyond the size is cropped away;
        - "contain": as "inside", and padded to the size;
        - "fill": both sides, whatever becomes of the aspect ratio. That is what None means.
    longest, shortest : int, optional
        The longer, or the shorter, side of the result in pixels.
    megapixels : float, optional
        The most pixels that the result may have, in millions: sides are rounded down.
    gravity : str, optional
        Which part stays of a "cover", and where the image lies in a "contain": "centre", or a point
        of the compass ("north" is the top, "southeast" the lower right corner).
    enlarge, shrink : bool, optional
        False: an axis that would grow, or shrink, keeps its length. Of both axes that grow or
        shrink together both do; with "cover" what is larger than the size is cropped, with
        "contain" what is smaller is padded all the same.

    Returns
    -------
    Fit
        ``resize(image, *fitted)`` makes the result of it.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument cannot be used.

    Notes
    -----
    An odd pixel that is left over lies, with "centre", behind the result in a "contain" and before
    it in a "cover", as in sharp.

    Examples
    --------
    >>> fit((1000, 3000), (None, 1920)).shape
    (640, 1920)
    >>> fit((300, 450), (200, 200), "cover")
    Fit(shape=(200, 300), crop=Block(top=0, bottom=200, left=50, right=250))
    >>> fit((300, 450), (200, 200), "contain").crop
    Block(top=-33, bottom=167, left=0, right=200)
    """
    shape = _checked_shape(shape)
    given = {"size": size, "longest": longest, "shortest": shortest, "megapixels": megapixels}
    names = [name for name, value in given.items() if value is not None]
    if len(names) != 1:
        got = f", got {', '.join(names)}" if names else ""
        raise InvalidArgumentError(f"give exactly one of {', '.join(given)}{got}")
    if how is not None:
        check_choice("how", how, FITS)
        if size is None:
            raise InvalidArgumentError(f"how={how!r} goes with a size, not with {names[0]}")
    check_choice("gravity", gravity, tuple(GRAVITIES))
    if not (enlarge or shrink):
        raise InvalidArgumentError("enlarge and shrink must not both be False: nothing is left")
    if megapixels is not None:
        return _whole(_within_area(shape, megapixels, enlarge=enlarge, shrink=shrink))
    if size is None:
        name, side = ("longest", longest) if shortest is None else ("shortest", shortest)
        side = check_count(name, side)
        size, how = (side, side), "inside" if shortest is None else "outside"
    sides = _checked_sides(size)
    if how == "fill" and None in sides:
        raise InvalidArgumentError(f"how='fill' needs both sides of a size, got {size!r}")
    resized = check_output_shape(
        _resized(shape, sides, how or "fill", enlarge=enlarge, shrink=shrink)
    )
    rows, cols = sides
    if rows is None or cols is None or how not in {"cover", "contain"}:
        return _whole(resized)
    bounded = min if how == "cover" else max
    shown = bounded(rows, resized[0]), bounded(cols, resized[1])
    (top, left), (height, width) = _corner(resized, shown, gravity), shown
    return Fit(resized, Block(top, top + height, left, left + width))


def _whole(shape: Shape) -> Fit:
    return Fit(shape, Block(0, shape[0], 0, shape[1]))


def _resized(shape: Shape, sides: Sides, how: str, *, enlarge: bool, shrink: bool) -> Shape:
    """Return rows and columns of the whole image after it is resized."""
    # Source pixels per pixel of the result: what sharp and libvips round after.
    steps = [size / new for size, new in zip(shape, sides, strict=True) if new is not None]
    if len(steps) == 1 or how != "fill":
        steps = [max(steps) if how in {"inside", "contain"} else min(steps)] * 2
    if not enlarge:
        steps = [max(1.0, step) for step in steps]
    if not shrink:
        steps = [min(1.0, step) for step in steps]
    rows, cols = (
        max(1, int(size * (1 / min(step, float(size))) + 0.5))
        for size, step in zip(shape, steps, strict=True)
    )
    return rows, cols


def _within_area(shape: Shape, megapixels: float, *, enlarge: bool, shrink: bool) -> Shape:
    """Return the largest rows and columns of a shape's aspect ratio within an area."""
    most = check_number("megapixels", megapixels) * 1e6
    if not 1 <= most < math.inf:
        raise InvalidArgumentError(
            f"megapixels must be finite and at least one pixel, 0.000001, got {megapixels!r}"
        )
    rows, cols = shape
    area = rows * cols
    if (area <= most and not enlarge) or (area >= most and not shrink):
        return shape
    factor = math.sqrt(most / area)
    # Rounding of the factor must not take a pixel from sides that come out whole.
    new = [max(1, math.floor(side * factor * (1 + 1e-12))) for side in shape]
    longer = 0 if rows >= cols else 1
    new[longer] = max(1, min(new[longer], math.floor(most / new[1 - longer])))
    return check_output_shape(new)


def _corner(resized: Shape, shown: Shape, gravity: str) -> tuple[int, int]:
    """Return the first row and column shown; negative where the image is padded before."""
    corner = []
    for size, new, share in zip(resized, shown, GRAVITIES[gravity], strict=True):
        over = size - new
        if share is None:
            # Half a pixel is rounded to the right, or below, by sharp.
            corner.append((over + 1) // 2)
        else:
            corner.append(int(over * share))
    return corner[0], corner[1]


def _checked_shape(shape: Shape) -> Shape:
    try:
        rows, cols = shape
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"shape must be (rows, cols), got {shape!r}") from error
    return _checked_side("rows of shape", rows), _checked_side("columns of shape", cols)


def _checked_side(name: str, side: int) -> int:
    """Return a number of pixels that a side can have."""
    side = check_count(name, side)
    check_output_shape((side, 1))
    return side


def _checked_sides(size: Sides) -> Sides:
    try:
        rows, cols = size
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"size must be (rows, cols), got {size!r}") from error
    if rows is None and cols is None:
        raise InvalidArgumentError(f"size must have rows or columns, got {size!r}")
    return (
        None if rows is None else _checked_side("rows of size", rows),
        None if cols is None else _checked_side("columns of size", cols),
    )
