"""Pillow's resize, transform, contain and fit by lerf's tables.

Arguments and their order are those of `PIL.Image.Image.resize` and ``transform`` and of
`PIL.ImageOps.contain` and ``fit``, with the image in front. The result has the image's mode and
``info`` (resolution, colour profile, EXIF, transparency); of an animation it is the current frame.

=========================================== ==================================================
Mode                                        What happens
=========================================== ==================================================
L, RGB, RGBX, CMYK, YCbCr, LAB, I;16, F, I  channels apart
LA, RGBA                                    colours weighted by alpha
La, RGBa                                    channels apart, colours kept to their alpha
HSV                                         as RGB, and back: hues go round in a circle
1, P, PA                                    nearest pixels, by Pillow: values stand for colours
=========================================== ==================================================

Convention
----------
Sizes are (width, height). Points, boxes and the data of `transform` are (x, y) with (0, 0) in the
*upper left corner* of the first pixel, whose centre is (0.5, 0.5): half a pixel more than
elsewhere in lerf. `transform` takes the map from output to source.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

import lerf_core
from lerf_core.bank.loading import SHRINKING_BANK
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.geometry import as_homography, moves_pixels

__all__ = ["contain", "fit", "resize", "transform"]

Bank = lerf_core.LutBank | str | None
Box = Sequence[float]
Color = float | tuple[float, ...] | str | None
Pixels = npt.NDArray[Any]

_COPIED = ("1", "P", "PA")
_APART = ("L", "RGB", "RGBX", "CMYK", "YCbCr", "LAB", "La", "RGBa")
_WITH_ALPHA = ("LA", "RGBA")
_DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
# Premultiplied: no colour exceeds its alpha.
_PREMULTIPLIED = ("La", "RGBa")
# Whose values are sRGB's.
_ENCODED = ("L", "LA", "RGB", "RGBA", "RGBX")
# NumPy sees a* and b* as signed bytes; lerf needs them in one piece.
_LAB_SIGN = 128


def resize(
    image: Image.Image,
    size: Sequence[int],
    resample: int | None = None,
    box: Box | None = None,
    reducing_gap: float | None = None,
    *,
    bank: Bank = None,
    fast: bool = False,
    linear_light: bool = False,
    anti_aliasing: bool | None = None,
) -> Image.Image:
    """Resize an image, as `PIL.Image.Image.resize` does.

    Parameters
    ----------
    image : PIL.Image.Image
        Of any of Pillow's modes (see the module).
    size : (int, int)
        (width, height) of the result in pixels.
    resample : int or None
        ``Image.Resampling.NEAREST``: pixels are copied, by Pillow. Any other, or None: lerf's
        resampler.
    box : (float, float, float, float), optional
        (left, upper, right, lower) edges of the part to show, in pixels. None: all.
    reducing_gap : float, optional
        Without effect; at least 1.
    bank : LutBank, str, path or None
        The tables, as for `lerf_core.resize`.
    fast : bool
        Less work for RGB without a `box`, as in `lerf_core.resize`.
    linear_light : bool
        Take the means in linear light; for L, LA, RGB, RGBA, RGBX and HSV.
    anti_aliasing : bool or None
        Take the mean over all pixels that an output pixel spans. None: yes, as Pillow does.

    Returns
    -------
    PIL.Image.Image
        A new image of the same mode and ``info``.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument cannot be used.
    BankError, BankNotFoundError
        If the bank cannot be loaded.

    Notes
    -----
    The tables' darkest and brightest level are the image's least and greatest value for I, and
    for F unless all lie between 0 and 1. These two are computed to float32 precision.

    Examples
    --------
    >>> from PIL import Image
    >>> result = resize(Image.new("RGBA", (4, 6)), (8, 9))
    >>> result.mode, result.size
    ('RGBA', (8, 9))
    """
    width, height = _checked_size(size)
    _check_image(image, linear_light=linear_light)
    edges = _checked_box(box, image.size)
    if reducing_gap is not None and not reducing_gap >= 1:
        raise InvalidArgumentError(f"reducing_gap must be 1 or greater, got {reducing_gap!r}")
    if _copies(image, resample):
        return image.resize((width, height), Image.Resampling.NEAREST, edges)
    left, upper, right, lower = edges
    whole = left.is_integer() and upper.is_integer()
    if whole and (right - left, lower - upper) == (width, height):
        return image.crop((int(left), int(upper), int(right), int(lower)))
    keywords: dict[str, Any] = {
        "bank": bank, "linear_light": linear_light, "anti_aliasing": anti_aliasing,
    }  # fmt: skip
    if edges == _checked_box(None, image.size):
        return _with_pixels(image, "resize", (height, width), keywords | {"fast": fast})
    steps = (right - left) / width, (lower - upper) / height
    if bank is None and anti_aliasing is not False and min(steps) >= 1:
        keywords["bank"] = SHRINKING_BANK
    matrix = _centred([[steps[0], 0, left], [0, steps[1], upper], [0, 0, 1]])
    keywords |= {"output_shape": (height, width), "mode": "edge"}
    return _with_pixels(image, "warp", matrix, keywords)


def contain(
    image: Image.Image, size: Sequence[int], method: int | None = None, **options: Any
) -> Image.Image:
    """Resize an image to the largest size within another, as `PIL.ImageOps.contain` does.

    Parameters
    ----------
    image : PIL.Image.Image
        As for `resize`.
    size : (int, int)
        (width, height), one of which the result has; the other follows from the image's own.
    method : int or None
        As `resample` of `resize`.
    **options
        `bank`, `fast`, `linear_light` and `anti_aliasing` of `resize`.

    Returns
    -------
    PIL.Image.Image
        As of `resize`; at least a pixel wide and high.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument cannot be used.

    Examples
    --------
    >>> from PIL import Image
    >>> contain(Image.new("L", (40, 30)), (100, 100)).size
    (100, 75)
    """
    width, height = _checked_size(size)
    _check_image(image)
    # In whole numbers until the rounding, unlike the ratios of two floats.
    if image.width * height > width * image.height:
        height = max(1, round(image.height / image.width * width))
    elif image.width * height < width * image.height:
        width = max(1, round(image.width / image.height * height))
    return resize(image, (width, height), method, **options)


def fit(
    image: Image.Image,
    size: Sequence[int],
    method: int | None = None,
    bleed: float = 0.0,
    centering: Sequence[float] = (0.5, 0.5),
    **options: Any,
) -> Image.Image:
    """Resize an image and crop it to a size, as `PIL.ImageOps.fit` does.

    Parameters
    ----------
    image : PIL.Image.Image
        As for `resize`.
    size : (int, int)
        (width, height) of the result.
    method : int or None
        As `resample` of `resize`.
    bleed : float
        Share of the image to leave out at each edge, from 0 and below 0.5.
    centering : (float, float)
        Which part to keep, along x and y: 0 the left or upper one, 1 the right or lower one.
    **options
        `bank`, `fast`, `linear_light` and `anti_aliasing` of `resize`.

    Returns
    -------
    PIL.Image.Image
        As of `resize`.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument cannot be used.

    Examples
    --------
    >>> from PIL import Image
    >>> fit(Image.new("L", (40, 30)), (50, 50)).size
    (50, 50)
    """
    target = _checked_size(size)
    _check_image(image)
    if not 0 <= bleed < 0.5:
        raise InvalidArgumentError(f"bleed must lie in 0..0.5, got {bleed!r}")
    places = _numbers("centering", centering, 2)
    if len(places) != 2 or not (min(places) >= 0 and max(places) <= 1):
        raise InvalidArgumentError(f"centering must be two numbers in 0..1, got {centering!r}")
    live = [side * (1 - 2 * bleed) for side in image.size]
    # The output's pixels are squares: as many source pixels wide as high.
    step = min(side / new for side, new in zip(live, target, strict=True))
    box = []
    for side, left, new, place in zip(image.size, live, target, places, strict=True):
        start = side * bleed + (left - step * new) * place
        box.append((max(0.0, start), min(float(side), start + step * new)))
    (left, right), (upper, lower) = box
    return resize(image, target, method, (left, upper, right, lower), **options)


def transform(
    image: Image.Image,
    size: Sequence[int],
    method: Any,
    data: Sequence[Any] | None = None,
    resample: int | None = None,
    fill: int = 1,  # noqa: ARG001
    fillcolor: Color = None,
    *,
    bank: Bank = None,
    linear_light: bool = False,
    anti_aliasing: bool | None = None,
) -> Image.Image:
    """Warp an image, as `PIL.Image.Image.transform` does.

    Parameters
    ----------
    image : PIL.Image.Image
        As for `resize`, and so are `bank` and `linear_light`.
    size : (int, int)
        (width, height) of the result in pixels.
    method : Image.Transform, or an object with ``getdata``
        ``AFFINE``, ``EXTENT``, ``PERSPECTIVE``, ``QUAD`` or ``MESH``; an object gives the
        method and the data.
    data : sequence
        What of the source the output shows, in Pillow's coordinates:

        - ``AFFINE``: (a, b, c, d, e, f); output (x, y) shows source (ax + by + c, dx + ey + f);
        - ``PERSPECTIVE``: (a, ..., h); the same divided by gx + hy + 1;
        - ``EXTENT``: (x0, y0, x1, y1), a rectangle;
        - ``QUAD``: (x, y) of the upper left, lower left, lower right and upper right corners;
        - ``MESH``: pairs of an output box and a ``QUAD``.
    resample : int or None
        ``Image.Resampling.NEAREST`` (Pillow's default): pixels are copied, by Pillow. Any
        other, or None: lerf's resampler.
    fill : int
        Without effect, as in Pillow.
    fillcolor : color, optional
        Shown around the image. None: 0, which is transparent where there is alpha.
    anti_aliasing : bool or None
        Take the mean over all pixels that an output pixel spans, which Pillow does not.
        None: yes.

    Returns
    -------
    PIL.Image.Image
        A new image of the same mode and ``info``.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument cannot be used.

    Notes
    -----
    The image's outline fades over one output pixel. A map that moves whole pixels copies them.

    Examples
    --------
    >>> from PIL import Image
    >>> image = Image.linear_gradient("L").rotate(90)  # the column is the value, from right
    >>> shifted = transform(image, (9, 9), Image.Transform.AFFINE, (1, 0, 10, 0, 1, 0))
    >>> image.getpixel((10, 0)) == shifted.getpixel((0, 0))
    True
    """
    width, height = _checked_size(size)
    _check_image(image, linear_light=linear_light)
    if hasattr(method, "getdata"):
        method, data = method.getdata()
    if data is None:
        raise InvalidArgumentError(f"method {method!r} needs data, got None")
    options = {"bank": bank, "linear_light": linear_light, "anti_aliasing": anti_aliasing}
    if method == Image.Transform.MESH:
        return _mesh(image, (width, height), data, resample, fillcolor, options)
    where = _as_map(method, data, width, height)
    is_matrix = where.ndim == 2
    if _copies(image, resample) or (is_matrix and moves_pixels(where)):
        return image.transform(
            (width, height), method, data, Image.Resampling.NEAREST, fillcolor=fillcolor
        )
    keywords = options | {"output_shape": (height, width)}
    return _with_pixels(image, "warp", where, keywords, fillcolor)


# -- arguments ----------------------------------------------------------------------


def _check_image(image: object, *, linear_light: bool = False) -> None:
    if not isinstance(image, Image.Image):
        raise InvalidTypeError(f"image must be a PIL image, got {type(image).__name__}")
    if image.mode not in (*_COPIED, *_APART, *_WITH_ALPHA, *_DEEP, "HSV"):
        raise InvalidArgumentError(f"image has a mode that is not known: {image.mode!r}")
    if linear_light and image.mode not in (*_ENCODED, "HSV"):
        raise InvalidArgumentError(
            f"linear_light is for the modes {', '.join(_ENCODED)} and HSV, got {image.mode!r}"
        )
    if 0 in image.size:
        raise InvalidArgumentError(f"image is empty: size {image.size}")


def _checked_size(size: Any) -> tuple[int, int]:
    try:
        width, height = (operator.index(side) for side in size)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"size must be (width, height) in whole pixels, got {size!r}"
        ) from error
    if min(width, height) < 1:
        raise InvalidArgumentError(f"size must be positive, got {size!r}")
    return width, height


def _numbers(name: str, values: Any, count: int) -> list[float]:
    """Return at least `count` finite numbers as floats."""
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"{name} must be {count} numbers, got {values!r}") from error
    if len(numbers) < count or not np.isfinite(numbers).all():
        raise InvalidArgumentError(f"{name} must be {count} finite numbers, got {values!r}")
    return numbers


def _checked_box(box: Box | None, size: tuple[int, int]) -> tuple[float, float, float, float]:
    if box is None:
        return 0.0, 0.0, float(size[0]), float(size[1])
    numbers = _numbers("box", box, 4)
    if len(numbers) != 4:
        raise InvalidArgumentError(f"box must be 4 numbers, got {box!r}")
    left, upper, right, lower = numbers
    if not (0 <= left < right <= size[0] and 0 <= upper < lower <= size[1]):
        raise InvalidArgumentError(
            f"box must be (left, upper, right, lower) within an image of {size}, got {box!r}"
        )
    return left, upper, right, lower


def _copies(image: Image.Image, resample: int | None) -> bool:
    """Whether pixels are copied."""
    if resample is not None:
        try:
            resample = Image.Resampling(resample)
        except ValueError as error:
            raise InvalidArgumentError(
                f"resample must be one of Image.Resampling, got {resample!r}"
            ) from error
    return image.mode in _COPIED or resample == Image.Resampling.NEAREST


# -- maps ---------------------------------------------------------------------------


def _centred(matrix: Sequence[Sequence[float]]) -> npt.NDArray[np.float64]:
    """Turn a matrix of corners' coordinates into one of centres'."""
    shift = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    back = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    return as_homography(back @ np.asarray(matrix, dtype=np.float64) @ shift)


def _as_map(method: Any, data: Any, width: int, height: int) -> npt.NDArray[np.float64]:
    """Return a matrix, or source (row, col) positions (2, rows, cols)."""
    if method == Image.Transform.AFFINE:
        a, b, c, d, e, f = _numbers("data", data, 6)[:6]
        return _centred([[a, b, c], [d, e, f], [0, 0, 1]])
    if method == Image.Transform.PERSPECTIVE:
        a, b, c, d, e, f, g, h = _numbers("data", data, 8)[:8]
        return _centred([[a, b, c], [d, e, f], [g, h, 1]])
    if method == Image.Transform.EXTENT:
        x0, y0, x1, y1 = _numbers("data", data, 4)[:4]
        return _centred([[(x1 - x0) / width, 0, x0], [0, (y1 - y0) / height, y0], [0, 0, 1]])
    if method == Image.Transform.QUAD:
        corners = np.array(_numbers("data", data, 8)[:8]).reshape(4, 2)
        return _between(corners, width, height)
    raise InvalidArgumentError(
        "method must be AFFINE, EXTENT, PERSPECTIVE, QUAD or MESH of Image.Transform, or have "
        f"getdata, got {method!r}"
    )


def _between(corners: npt.NDArray[np.float64], width: int, height: int) -> npt.NDArray[np.float64]:
    """Interpolate between a quadrilateral's corners: upper left, and round by the left."""
    right = ((np.arange(width) + 0.5) / width)[None, :, None]
    down = ((np.arange(height) + 0.5) / height)[:, None, None]
    upper = corners[0] * (1 - right) + corners[3] * right
    lower = corners[1] * (1 - right) + corners[2] * right
    points = upper * (1 - down) + lower * down - 0.5
    return np.ascontiguousarray(np.moveaxis(points[..., ::-1], -1, 0))


def _mesh(
    image: Image.Image,
    size: tuple[int, int],
    data: Any,
    resample: int | None,
    fillcolor: Color,
    options: dict[str, Any],
) -> Image.Image:
    """Fill boxes of the output from quadrilaterals."""
    if _copies(image, resample):
        return image.transform(
            size, Image.Transform.MESH, data, Image.Resampling.NEAREST, fillcolor=fillcolor
        )
    out = Image.new(image.mode, size, 0 if fillcolor is None else fillcolor)
    out.info = dict(image.info)
    for box, quad in data:
        left, upper, right, lower = _numbers("box of the mesh", box, 4)
        part = _checked_size((int(right - left), int(lower - upper)))
        shown = transform(
            image, part, Image.Transform.QUAD, quad, resample, fillcolor=fillcolor, **options
        )
        out.paste(shown, (int(left), int(upper)))
    return out


# -- pixels -------------------------------------------------------------------------


def _with_pixels(
    image: Image.Image,
    function: str,
    where: Any,
    keywords: dict[str, Any],
    fillcolor: Color = None,
) -> Image.Image:
    """Resize or warp an image's pixels; return an image of its mode and info."""
    mode = image.mode
    source, cval = image, None
    if function == "warp" and "mode" not in keywords:
        cval = Image.new(mode, (1, 1), 0 if fillcolor is None else fillcolor)
    if mode == "HSV":
        source, cval = image.convert("RGB"), cval and cval.convert("RGB")
    if function == "resize" and source.mode != "RGB":
        keywords = keywords | {"fast": False}
    if cval is not None:
        keywords = keywords | {"cval": _pixels(cval).reshape(-1).tolist()}
    pixels = _pixels(source)
    out = getattr(lerf_core, function)(pixels, where, **keywords, **_values(source, pixels))
    made = _as_image(out, source.mode)
    if mode != source.mode:
        made = made.convert(mode)
    made.info = dict(image.info)
    return made


def _pixels(image: Image.Image) -> Pixels:
    pixels = np.asarray(image)
    if image.mode == "LAB":
        pixels = pixels ^ np.array([0, _LAB_SIGN, _LAB_SIGN], np.uint8)
    return pixels


def _as_image(pixels: Pixels, mode: str) -> Image.Image:
    if mode == "LAB":
        pixels = pixels ^ np.array([0, _LAB_SIGN, _LAB_SIGN], np.uint8)
    if mode in _PREMULTIPLIED:
        pixels = np.minimum(pixels, pixels[..., -1:])
    height, width = pixels.shape[:2]
    return Image.frombytes(mode, (width, height), pixels.tobytes())


def _values(image: Image.Image, pixels: Pixels) -> dict[str, Any]:
    """Return what lerf_core is to know of an image's values and channels."""
    found: dict[str, Any] = {"method": "lerf"}
    if pixels.ndim == 3:
        alpha = "premultiply" if image.mode in _WITH_ALPHA else "separate"
        found |= {"channel_axis": -1, "alpha": alpha}
    if image.mode not in {"I", "F"}:
        return found
    values = pixels[np.isfinite(pixels)]
    if values.size:
        low, high = float(values.min()), float(values.max())
        if image.mode == "I" or low < 0 or high > 1:
            high = high if low < high else low + max(1.0, abs(low))
            found["value_range"] = (low, high)
    return found
