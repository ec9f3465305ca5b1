"""resize, contain, cover, fit, pad and transform; see `lerf_plugins.filters.pillow`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from PIL import Image

import lerf_core
from lerf_core.bank.loading import bank_for_scale
from lerf_core.errors import InvalidArgumentError
from lerf_core.geometry import moves_pixels
from lerf_plugins.filters.arguments import (
    BankSource,
    FixedKernel,
    FrontSource,
    averaging_keywords,
    check_sides,
    scale_behind,
)
from lerf_plugins.filters.pillow.arguments import (
    Box,
    as_inverse_map,
    check_copied,
    check_image,
    check_numbers,
    checked_box,
    copies_pixels,
    from_centres,
    parallelogram_matrix,
)
from lerf_plugins.filters.pillow.pixels import as_pixels, resampled, without_hues

__all__ = ["contain", "cover", "fit", "pad", "resize", "transform"]

Color = float | tuple[float, ...] | str | None


def resize(
    image: Image.Image,
    size: Sequence[int],
    resample: int | None = None,
    box: Box | None = None,
    reducing_gap: float | None = None,
    *,
    bank: BankSource = None,
    kernel: FixedKernel = None,
    front: FrontSource | None = None,
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
    bank : Bank, str, path or None
        The tables, as for `lerf_core.resize`.
    kernel : Kernel, str or None
        A fixed kernel instead of the tables, as for `lerf_core.resize`: "lanczos3" is Pillow's
        ``LANCZOS``, "cubic" its ``BICUBIC``. `resample` names none.
    front : Front, str, path or None
        What enlarges the image by a whole number first, as for `lerf_core.resize`;
        not for the modes that are copied.
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
    BankError, BankNotFoundError, FrontError
        If the bank or the front cannot be loaded.

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
    width, height = check_sides("size", size)
    check_image(image, linear_light=linear_light)
    edges = checked_box(box, image.size)
    if reducing_gap is not None and not reducing_gap >= 1:
        raise InvalidArgumentError(f"reducing_gap must be 1 or greater, got {reducing_gap!r}")
    averaging = averaging_keywords(bank, kernel, front, fast=fast)
    if copies_pixels(image, resample):
        check_copied(image, resample, kernel, front)
        return image.resize((width, height), Image.Resampling.NEAREST, edges)
    left, upper, right, lower = edges
    starts_at_pixel = left.is_integer() and upper.is_integer()
    if front is None and starts_at_pixel and (right - left, lower - upper) == (width, height):
        return image.crop((int(left), int(upper), int(right), int(lower)))
    shape = (height, width)
    options: dict[str, Any] = {"linear_light": linear_light, "anti_aliasing": anti_aliasing}
    if edges == checked_box(None, image.size):
        options["fast"] = fast and image.mode in {"RGB", "HSV"}
        resize_pixels = partial(lerf_core.resize, output_shape=shape, **options)
        return resampled(image, resize_pixels, averaging)
    steps = (right - left) / width, (lower - upper) / height
    if kernel is None:
        factors = scale_behind(averaging["front"], [1 / step for step in steps])
        averaging["bank"] = bank_for_scale(bank, factors, anti_aliased=anti_aliasing is not False)
    matrix = from_centres([[steps[0], 0, left], [0, steps[1], upper], [0, 0, 1]])
    warp = partial(lerf_core.warp, inverse_map=matrix, output_shape=shape, mode="edge", **options)
    return resampled(image, warp, averaging)


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
        `bank`, `kernel`, `front`, `fast`, `linear_light` and `anti_aliasing` of `resize`.

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
    width, height = check_sides("size", size)
    check_image(image)
    # In whole numbers until the rounding, unlike the ratios of two floats.
    if image.width * height > width * image.height:
        height = max(1, round(image.height / image.width * width))
    elif image.width * height < width * image.height:
        width = max(1, round(image.width / image.height * height))
    return resize(image, (width, height), method, **options)


def cover(
    image: Image.Image, size: Sequence[int], method: int | None = None, **options: Any
) -> Image.Image:
    """Resize an image to the smallest size that has another inside, as `PIL.ImageOps.cover` does.

    Parameters
    ----------
    image : PIL.Image.Image
        As for `resize`.
    size : (int, int)
        (width, height), one of which the result has; the other follows from the image's own.
    method : int or None
        As `resample` of `resize`.
    **options
        `bank`, `kernel`, `front`, `fast`, `linear_light` and `anti_aliasing` of `resize`.

    Returns
    -------
    PIL.Image.Image
        As of `resize`. Nothing is cropped, unlike by `fit`.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument cannot be used.

    Examples
    --------
    >>> from PIL import Image
    >>> cover(Image.new("L", (40, 30)), (100, 100)).size
    (133, 100)
    """
    width, height = check_sides("size", size)
    check_image(image)
    if image.width * height < width * image.height:
        height = round(image.height / image.width * width)
    elif image.width * height > width * image.height:
        width = round(image.width / image.height * height)
    return resize(image, (width, height), method, **options)


def pad(
    image: Image.Image,
    size: Sequence[int],
    method: int | None = None,
    color: Color = None,
    centering: Sequence[float] = (0.5, 0.5),
    **options: Any,
) -> Image.Image:
    """Resize an image to lie within a size, and pad it to that, as `PIL.ImageOps.pad` does.

    Parameters
    ----------
    image : PIL.Image.Image
        As for `resize`.
    size : (int, int)
        (width, height) of the result.
    method : int or None
        As `resample` of `resize`.
    color : color, optional
        Around the image. None: 0, which is transparent where there is alpha.
    centering : (float, float)
        Share of what is left over that lies to the left, and above.
    **options
        `bank`, `kernel`, `front`, `fast`, `linear_light` and `anti_aliasing` of `resize`.

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
    >>> pad(Image.new("L", (40, 30)), (100, 100), color=9).getpixel((50, 0))
    9
    """
    target = check_sides("size", size)
    shares = [min(max(share, 0.0), 1.0) for share in check_numbers("centering", centering, 2)[:2]]
    resized = contain(image, target, method, **options)
    if resized.size == target:
        return resized
    out = Image.new(resized.mode, target, 0 if color is None else color)
    out.info = dict(resized.info)
    if resized.palette is not None:
        palette = resized.getpalette()
        if palette is not None:
            out.putpalette(palette)
    across, down = (
        round((side - length) * share)
        for side, length, share in zip(target, resized.size, shares, strict=True)
    )
    out.paste(resized, (across, down))
    return out


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
        `bank`, `kernel`, `front`, `fast`, `linear_light` and `anti_aliasing` of `resize`.

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
    target = check_sides("size", size)
    check_image(image)
    if not 0 <= bleed < 0.5:
        raise InvalidArgumentError(f"bleed must lie in 0..0.5, got {bleed!r}")
    shares = check_numbers("centering", centering, 2)
    if len(shares) != 2 or not (min(shares) >= 0 and max(shares) <= 1):
        raise InvalidArgumentError(f"centering must be two numbers in 0..1, got {centering!r}")
    unbled = [side * (1 - 2 * bleed) for side in image.size]
    # The output's pixels are squares: as many source pixels wide as high.
    step = min(length / new for length, new in zip(unbled, target, strict=True))
    box = []
    for side, length, new, share in zip(image.size, unbled, target, shares, strict=True):
        start = side * bleed + (length - step * new) * share
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
    bank: BankSource = None,
    kernel: FixedKernel = None,
    front: FrontSource | None = None,
    linear_light: bool = False,
    anti_aliasing: bool | None = None,
) -> Image.Image:
    """Warp an image, as `PIL.Image.Image.transform` does.

    Parameters
    ----------
    image : PIL.Image.Image
        As for `resize`, and so are `bank`, `kernel`, `front` and `linear_light`.
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
    The image's outline fades over one output pixel. Maps that move whole pixels copy
    them, as in `lerf_core.warp`.

    Examples
    --------
    >>> from PIL import Image
    >>> image = Image.linear_gradient("L").rotate(90)  # the column is the value, from right
    >>> shifted = transform(image, (9, 9), Image.Transform.AFFINE, (1, 0, 10, 0, 1, 0))
    >>> image.getpixel((10, 0)) == shifted.getpixel((0, 0))
    True
    """
    width, height = check_sides("size", size)
    check_image(image, linear_light=linear_light)
    if hasattr(method, "getdata"):
        method, data = method.getdata()
    if data is None:
        raise InvalidArgumentError(f"method {method!r} needs data, got None")
    averaging = averaging_keywords(bank, kernel, front)
    if copies_pixels(image, resample):
        check_copied(image, resample, kernel, front)
    options: dict[str, Any] = {"linear_light": linear_light, "anti_aliasing": anti_aliasing}
    if method == Image.Transform.MESH:
        options |= {"bank": bank, "kernel": kernel, "front": averaging["front"]}
        return _mesh(image, (width, height), data, resample, fillcolor, options)
    inverse_map = as_inverse_map(method, data, width, height)
    matrix = inverse_map if inverse_map.ndim == 2 else parallelogram_matrix(data, width, height)
    shapes = (image.height, image.width), (height, width)
    # Pillow copies pixels of any mode as they are, hues and premultiplied colours too.
    moves = front is None and matrix is not None and moves_pixels(matrix, *shapes)
    if copies_pixels(image, resample) or moves:
        return image.transform(
            (width, height), method, data, Image.Resampling.NEAREST, fillcolor=fillcolor
        )
    cval = as_pixels(
        without_hues(Image.new(image.mode, (1, 1), 0 if fillcolor is None else fillcolor))
    )
    warp = partial(
        lerf_core.warp, inverse_map=inverse_map, output_shape=(height, width),
        cval=cval.reshape(-1).tolist(), **options,
    )  # fmt: skip
    return resampled(image, warp, averaging)


def _mesh(
    image: Image.Image,
    size: tuple[int, int],
    data: Any,
    resample: int | None,
    fillcolor: Color,
    options: dict[str, Any],
) -> Image.Image:
    """Fill boxes of the output from quadrilaterals."""
    if copies_pixels(image, resample):
        return image.transform(
            size, Image.Transform.MESH, data, Image.Resampling.NEAREST, fillcolor=fillcolor
        )
    out = Image.new(image.mode, size, 0 if fillcolor is None else fillcolor)
    out.info = dict(image.info)
    for box, quad in data:
        left, upper, right, lower = check_numbers("box of the mesh", box, 4)
        box_size = check_sides("size", (int(right - left), int(lower - upper)))
        content = transform(
            image, box_size, Image.Transform.QUAD, quad, resample, fillcolor=fillcolor, **options
        )
        out.paste(content, (int(left), int(upper)))
    return out
