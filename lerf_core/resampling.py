"""resize, rescale and warp of images in memory: validate, plan, compute.

Convention
----------
Images are indexed (row, col). Pixel centres lie at integers, and resizing keeps the
centres of source and result together (`lerf_core.sampling.taps`). Matrices act on (x, y) = (col,
row); coordinate arrays are (row, col) (`lerf_core.geometry`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from lerf_core.bank.loading import BankSource
from lerf_core.execution.masked import masked_plan, stacked, unstacked
from lerf_core.execution.memory import check_memory
from lerf_core.execution.plan import Plan
from lerf_core.execution.planning import plan_rescale, plan_resize, plan_warp
from lerf_core.options import ResamplingKeywords, complete_keywords, with_keywords
from lerf_core.pixels.likely_range import warn_of_range
from lerf_core.validation import check_image, is_masked

if TYPE_CHECKING:
    from lerf_core.execution.frame import Fill
    from lerf_core.geometry.maps import Displacement, ReadyMap

    MaskedImage = np.ma.MaskedArray[Any, np.dtype[Any]]

__all__ = ["compute_whole", "rescale", "resize", "warp"]

Image = npt.NDArray[Any]


@with_keywords()
def resize(
    image: npt.ArrayLike,
    output_shape: Sequence[int],
    crop: Sequence[int] | None = None,
    *,
    fill: Fill | None = None,
    bank: BankSource = None,
    **keywords: Unpack[ResamplingKeywords],
) -> Image:
    """Resize an image to a given number of rows and columns.

    Parameters
    ----------
    image : array_like
        Any number of axes; the last two that are not `channel_axis` are rows and columns,
        and every plane before them is resized on its own. bool, integers or floats. Of a masked
        array the masked values are missing, and the result is masked where they would carry more
        than half of the weight; with alpha, where it is transparent.
    output_shape : sequence of int
        (rows, cols); or the shape of the whole result.
    crop : (int, int, int, int), optional
        Top, bottom, left and right of the part of that to return: rows top..bottom-1 and columns
        left..right-1, bit for bit what they are in the whole, of which the rest is not computed.
        `lerf_core.fit` gives both. Where it reaches beyond, the result is `fill`.
    fill : float or sequence of float, optional
        Value around the image, or one per channel. None: clear where there is alpha, else `nodata`
        if given, else 0; masked, of a masked array.
    bank : Bank, str, path or None
        Learned tables or a network, or where to load it from (`load_bank`). Tables read each
        channel alone; a network reads the three channels beside alpha together, as red, green
        and blue, and other numbers of channels one by one. None: the default bank, which may be
        another one behind a front (`lerf_core.bank.default_bank`), for axes that grow, and for
        those that shrink the learned function for shrinking (`lerf_core.sampling.shrinking`),
        unless anti-aliasing is switched off; what shrinks goes first. A bank that is named does
        both.
    front : Front, str, path or None
        What enlarges the image by a whole number k first, or where to load it from
        (`load_front`); bank or kernel then take the enlargement to the result, by k times less.
        It sees the image's values as grey levels 0..255, with missing and transparent pixels
        filled in, and red, green and blue together if it was made so and there are three channels
        beside alpha. Alpha is enlarged by the bank or kernel, values beyond the range linearly;
        pixels are missing where the nearest of the image is. Not for labels, nor with a method or
        kernel that copies pixels.
    channel_axis : int or None
        Axis of the colour channels, never resampled. None: the image has no such axis.
    mode : {"edge", "constant", "symmetric", "reflect", "wrap"}
        What lies beyond the border, by the names of `numpy.pad`. "constant" with `cval` 0
        is what the published evaluation does; it darkens the outermost pixels.
    cval : float or sequence of float
        Value beyond the border for "constant"; one, or one per channel.
    anti_aliasing : bool or None
        Stretch the support by the inverse scale along axes that shrink. None: yes.
    alpha : {"auto", "premultiply", "separate"}
        "premultiply": the last channel is alpha, and colours weigh in by it. "separate":
        all channels are independent. "auto": premultiply for 2 and 4 channels.
    method : {"auto", "lerf", "nearest", "majority"}
        "nearest" copies pixels, so that labels and masks keep their values. "auto": that
        for bool and for integers of more than 16 bits without a `value_range`. "majority":
        each output pixel is of the label that covers the largest part of it, all channels of
        a pixel being its label; of several the nearest pixel's, or else the smallest.
    kernel : str, Kernel or None
        Average by a fixed kernel, not a bank: "nearest" (copies), "box", "linear", "hermite",
        "cubic" (Keys' kernel of slope -0.5; "cubic:b=0.2,c=0.4" sets Mitchell and Netravali's
        parameters), "catmull-rom", "mitchell", "lanczos2", "lanczos3", "lanczos4",
        "magic-kernel-sharp-2013", "magic-kernel-sharp-2021", "area" (each source pixel by how
        much of it the output pixel covers); "bilinear", "bicubic" and "lanczos" are other names.
        Or a `lerf_core.Kernel`. Not with a `bank`, `fast`, or a method that says otherwise.
    value_range : (float, float) or None
        Values at the bank's darkest and brightest level. None: the dtype's
        range for integers, (0, 1) for floats. Values outside it are kept, not clipped. Floats
        of which most are above 1, and none above 65535, are warned of (`ValueRangeWarning`).
    nodata : float or None
        Pixels of this value are left out of the means; results are `nodata` where such pixels
        would carry more than half of the weight. Floats that are not finite are treated so
        always (NaN comes out, or `nodata` if given). With alpha, such pixels are
        transparent.
    linear_light : bool
        Values are sRGB-encoded; take the means in linear light.
    preserve_range : bool
        False returns floats with `value_range` mapped to 0..1, as scikit-image does; `cval`
        and `nodata` stay in the image's own values.
    fast : bool
        Read the bank for the luma alone, and resize the colours' differences from it by cubic
        convolution: by tables less than half of the work for some 0.1 dB. For images of three
        channels without missing values, in encoded light and with any `mode` but "constant";
        others are resized in full.
    threads : int or None
        None: as many as the process may use.
    engine : {"numba", "reference", "torch"}
        "reference" is plain NumPy: slow. "torch" works on a GPU, or wherever else torch can
        (``pip install 'lerf[torch]'``). All give the same result.
    device : str or None
        Of engine "torch", as torch names it: "cpu", "cuda", "cuda:1", "mps". None: a GPU if there
        is one. Of `lerf_core.chunked` the device of whoever computes a chunk.

    Returns
    -------
    ndarray
        Of the image's dtype (see `preserve_range`). uint8 images follow the published
        integer arithmetic; deeper ones are never rounded to 8 bits. float64 is computed to
        float32 precision.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument cannot be used.
    BankError, BankNotFoundError, FrontError
        If the bank or the front cannot be loaded.
    ImageTooLargeError
        If the result would not fit the memory; raised before anything is allocated.

    Notes
    -----
    An axis that keeps its length is not resampled, and an image that keeps its shape is
    returned as a copy; behind a front so is the enlargement, where the result has its shape.

    Of a `crop` only what it shows of the image is looked at: with ``fast=True`` a float image that
    misses values elsewhere may differ there from the whole result.

    References
    ----------
    Li et al., "Learning Steerable Function for Efficient Image Resampling", CVPR 2023.

    Examples
    --------
    >>> import numpy as np
    >>> resize(np.full((4, 6), 7, np.uint8), (8, 9)).shape
    (8, 9)
    """
    keywords = complete_keywords(resize, keywords)
    array = check_image(image, keywords["channel_axis"])
    framing: dict[str, Any] = {"crop": crop, "fill": fill}
    plan = plan_resize(array.shape, array.dtype, output_shape, bank, **framing, **keywords)
    _warn_of_range(plan, array)
    return compute_whole(plan, array)


@with_keywords()
def rescale(
    image: npt.ArrayLike,
    scale: float | tuple[float, float],
    *,
    bank: BankSource = None,
    **keywords: Unpack[ResamplingKeywords],
) -> Image:
    """Resize an image by a factor, or by one for the rows and one for the columns.

    Parameters
    ----------
    image : array_like
        As for `resize`, and so are all other parameters.
    scale : float or (float, float)
        Factor of the number of (rows, cols); positive. The result has
        ``rescaled_shape(shape, scale)``, and pixel o lies at
        ``o/scale + (size-1)/2 - (out_size-1)/(2*scale)``.

    Returns
    -------
    ndarray
        Of the image's dtype.

    Examples
    --------
    >>> import numpy as np
    >>> rescale(np.zeros((10, 10, 3), np.uint8), 1.5, channel_axis=-1).shape
    (15, 15, 3)
    """
    keywords = complete_keywords(rescale, keywords)
    array = check_image(image, keywords["channel_axis"])
    plan = plan_rescale(array.shape, array.dtype, scale, bank, **keywords)
    _warn_of_range(plan, array)
    return compute_whole(plan, array)


@with_keywords(changed={"mode": "constant"}, without=["fast"])
def warp(
    image: npt.ArrayLike,
    inverse_map: npt.ArrayLike | Displacement | ReadyMap | Callable[..., Any],
    *,
    output_shape: Sequence[int] | None = None,
    bank: BankSource = None,
    **keywords: Unpack[ResamplingKeywords],
) -> Image:
    """Warp an image by any map from output pixels to source positions.

    Parameters
    ----------
    image : array_like
        As for `resize`, and so are the parameters not described here.
    inverse_map : array_like, Displacement, Reprojection or callable
        Where each output pixel lies in the source, pixel centres at integers:

        - a 3x3 homography or 2x3 affine matrix from output (x, y, 1) to source (x, y);
        - an array (2, rows, cols) of absolute source (row, col) positions;
        - a `Displacement`: (row, col) steps from each pixel's own position;
        - a `lerf_core.geometry.Reprojection`, from one map projection to another;
        - a callable from (N, 2) output (x, y) points to (N, 2) source points; it is called
          for blocks of rows, from several threads at a time.

        NaN positions, and points beyond the horizon of a homography, lie nowhere: they
        become `cval` in every mode.
    output_shape : sequence of int, optional
        (rows, cols). None: that of the coordinates, or else that of the image.
    mode : {"constant", "edge", "symmetric", "reflect", "wrap"}
        What lies beyond the border. "constant" fades into `cval` over one pixel, centred
        on the image's outline (with `cval` NaN or `nodata`: changes there).
    anti_aliasing : bool or None
        Stretch the support where an output pixel spans more than one source pixel, along
        each source axis by the local scale. None: yes. Footprints of more than 128 pixels
        along an axis are sampled evenly.

    Returns
    -------
    ndarray
        Of the image's dtype.

    See Also
    --------
    lerf_core.geometry.homography_from_points, lerf_core.geometry.invert

    Examples
    --------
    >>> import numpy as np
    >>> shift = [[1, 0, 2], [0, 1, 0], [0, 0, 1]]  # output x shows source x + 2
    >>> image = np.arange(0, 120, 10, dtype=np.uint8).reshape(1, -1).repeat(3, axis=0)
    >>> int(warp(image, shift, method="nearest")[1, 0])
    20
    """
    keywords = complete_keywords(warp, keywords)
    array = check_image(image, keywords["channel_axis"])
    plan = plan_warp(array.shape, array.dtype, inverse_map, output_shape, bank, **keywords)
    _warn_of_range(plan, array)
    return compute_whole(plan, array)


def _warn_of_range(plan: Plan, image: Image) -> None:
    if plan.options.value_range is None and plan.uses_value_range:
        if is_masked(image):
            image = image.filled(np.nan) if image.dtype.kind == "f" else np.ma.getdata(image)
        warn_of_range(image, plan.pixels.nodata)


def compute_whole(plan: Plan, image: Image) -> Image:
    """Compute a whole result, if neither it nor what is needed to make it passes the memory.

    Parameters
    ----------
    plan : Plan
    image : ndarray
        Of a masked array the result is one, too.
    """
    _ = plan.options.backend  # raises where there is no such device, copies or not
    if is_masked(image):
        return _compute_masked(plan, image)
    check_memory(plan.memory_needed(), f"an image of {plan.out_shape}")
    return plan.compute(image)


def _compute_masked(plan: Plan, image: MaskedImage) -> MaskedImage:
    whole = masked_plan(plan)
    check_memory(whole.memory_needed(), f"a masked image of {plan.out_shape}")
    layers = stacked(plan, np.ma.getdata(image), np.ma.getmaskarray(image), np)
    data, mask = unstacked(plan, whole.compute(layers))
    keeps_type = data.dtype == image.dtype
    with np.errstate(over="ignore"):  # numpy's own fill_value is beyond float16
        return np.ma.MaskedArray(
            np.ascontiguousarray(data), np.ascontiguousarray(mask),
            fill_value=image.fill_value if keeps_type else None,
        )  # fmt: skip
