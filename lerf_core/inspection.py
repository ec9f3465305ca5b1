"""A bank's answer to an image: parameter maps, and the ellipses and slopes that they mean.

`lerf_core.bank.inspection`, whose names are here too, looks at the tables themselves, and
`lerf_core.network_inspection` at networks. The results are arrays; ``lerf models inspect`` draws
them.

Convention
----------
Arrays are indexed (row, col), rows downwards, and pixel centres lie at integers. Lengths are
source pixels. Angles are degrees, counter-clockwise as seen, from the column axis (to the
right).

References
----------
.. [1] Li et al., "Learning Steerable Function for Efficient Image Resampling", CVPR 2023.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.backends.packed import unpack
from lerf_core.bank.inspection import (
    SLICES,
    TableStatistics,
    edge_response,
    point_response,
    table_outcome,
    table_slice,
    table_statistics,
)
from lerf_core.bank.loading import BankSource, load_bank
from lerf_core.bank.stages import LOCAL_PLANE, SLOPES, Kind
from lerf_core.constants import LEVELS, LOCAL_PLANE_BIAS, RESIDUAL_UNIT, SIGMA_SCALE, SLOPE_UNIT
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.execution.channels import channels_first, prepare_channels
from lerf_core.execution.memory import check_memory
from lerf_core.execution.samples import read_channels
from lerf_core.options import Options
from lerf_core.pixels.format import PixelFormat
from lerf_core.pixels.luma import rgb_luma
from lerf_core.threads import thread_count
from lerf_core.validation import check_image

__all__ = [
    "COEFFICIENTS",
    "SLICES",
    "Coefficient",
    "Ellipses",
    "ParameterMaps",
    "Slopes",
    "TableStatistics",
    "edge_response",
    "ellipses",
    "luma_maps",
    "parameter_maps",
    "point_response",
    "slopes",
    "table_outcome",
    "table_slice",
    "table_statistics",
]

Map = npt.NDArray[np.float32]

#: The longest semi-axis, in source pixels, unless told otherwise: a function as wide is flat (0.97
#: and more) as far as the method's two neighbours per axis reach.
DEFAULT_LIMIT = 4.0


@dataclass(frozen=True)
class Coefficient:
    """What a parameter in 0..1 stands for in the formulas: ``factor*value + offset``.

    Attributes
    ----------
    factor, offset : float
        Of a parameter in 0..1.
    symbol : str
        The coefficient's name in the formula.
    unit : str
        "1" for a pure number; a level is a grey level of the tables, 0..255.
    """

    factor: float
    offset: float
    symbol: str
    unit: str


_SLOPE = (LEVELS * SLOPE_UNIT, -LOCAL_PLANE_BIAS * SLOPE_UNIT)

#: The coefficients of equation 5 of [1]_, of LeRF-L's tent and of LeRF-P's local planes, by the
#: parameters' names.
#:
#: References
#: ----------
#: .. [1] Li et al., "Learning Steerable Function for Efficient Image Resampling", CVPR 2023.
COEFFICIENTS: dict[str, Coefficient] = {
    "rho": Coefficient(2.0, -1.0, "r", "1"),
    "sigma_row": Coefficient(SIGMA_SCALE, 0.0, "u/dy", "1/pixel"),
    "sigma_col": Coefficient(SIGMA_SCALE, 0.0, "v/dx", "1/pixel"),
    "alpha": Coefficient(2.0, -1.0, "a", "1/pixel"),
    "slope_row": Coefficient(*_SLOPE, "g_row", "level/pixel"),
    "slope_col": Coefficient(*_SLOPE, "g_col", "level/pixel"),
    "residual": Coefficient(
        LEVELS * RESIDUAL_UNIT, -LOCAL_PLANE_BIAS * RESIDUAL_UNIT, "e", "level"
    ),
}


# -- maps of an image -------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ParameterMaps:
    """The feature and the parameters of every pixel of an image.

    Indexing cuts all maps alike: ``maps[10:20, 30:40]``, ``maps[..., 0]``.

    Attributes
    ----------
    kind : Kind
        Of the bank; its ``values`` name the parameters, its ``weighting`` their formula.
    grey : ndarray of float32
        The image in the tables' grey levels, 0..255 for the value range; shape of the image.
    feature : ndarray of float32
        The pre-filtered image that the means are taken of, in grey levels.
    parameters : mapping of str to ndarray of float32
        Each parameter of the last stage, 0..1.
    """

    kind: Kind
    grey: Map
    feature: Map
    parameters: Mapping[str, Map]

    def coefficient(self, name: str) -> Map:
        """Return a parameter as it stands in the formulas.

        rho becomes the correlation ``r = 2*rho - 1`` in -1..1, sigma_row and sigma_col the
        ``10*sigma`` of u and v (1/pixel), alpha the slope ``a = 2*alpha - 1`` (1/pixel),
        slope_row and slope_col the slopes of a pixel's local plane (grey levels per pixel, -63.5
        to 63.5; a level plane's are exactly 0) and residual the difference of the plane's level
        at the pixel from the feature (grey levels, -31.75 to 31.75). A parameter that
        `COEFFICIENTS` does not name stays in 0..1.

        Raises
        ------
        InvalidArgumentError
            If the bank has no such parameter.
        """
        if name not in self.parameters:
            raise InvalidArgumentError(
                f"a {self.kind.name} bank has the parameters {', '.join(self.parameters)}, "
                f"got {name!r}"
            )
        value = self.parameters[name]
        return _coefficient(name, value) if name in COEFFICIENTS else value

    def __getitem__(self, index: Any) -> ParameterMaps:
        parameters = {name: value[index] for name, value in self.parameters.items()}
        return ParameterMaps(self.kind, self.grey[index], self.feature[index], parameters)


def parameter_maps(
    image: npt.ArrayLike,
    *,
    bank: BankSource = None,
    channel_axis: int | None = None,
    alpha: str = "auto",
    value_range: tuple[float, float] | None = None,
    nodata: float | None = None,
    threads: int | None = None,
    engine: str = "numba",
    device: str | None = None,
) -> ParameterMaps:
    """Return the feature and the parameters that `lerf_core.resize` resamples an image by.

    They come of the same table reads. Beyond the border, pixels are the border's own, as with
    ``mode="edge"``.

    Parameters
    ----------
    image : array_like
        As for `lerf_core.resize`, and so are all other parameters: any number of axes, the
        last two that are not `channel_axis` being rows and columns. Labels (bool, and
        integers that resize copies) have no parameters.
    bank : Bank, str, path or None
        None: the default bank.
    channel_axis : int or None
        Axis of the channels. Tables give each parameters of its own; a network gives red, green
        and blue, the three channels beside alpha, one weighting and a local plane each.
    alpha : {"auto", "premultiply", "separate"}
        Whether the last channel is alpha.
    value_range : (float, float) or None
        Values at the tables' levels 0 and 255.
    nodata : float or None
        Value of pixels that do not count.
    threads : int or None
    engine, device
        As for `lerf_core.resize`.

    Returns
    -------
    ParameterMaps
        Every map is float32 of the image's shape. NaN where a pixel does not count: it is
        missing, or wholly transparent.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument cannot be used, or the image holds labels.
    BankError, BankNotFoundError
        If the bank cannot be loaded.
    ImageTooLargeError
        If the maps would not fit the memory.

    References
    ----------
    .. [1] Li et al., "Learning Steerable Function for Efficient Image Resampling", CVPR 2023,
       equation 5.

    Examples
    --------
    >>> import numpy as np
    >>> maps = parameter_maps(np.full((4, 5), 100, np.uint8), bank="analytic")
    >>> list(maps.parameters), maps.feature.shape, float(maps.feature[0, 0])
    (['rho', 'sigma_row', 'sigma_col'], (4, 5), 100.0)
    >>> round(float(maps.coefficient("sigma_row")[0, 0]), 2)
    2.71
    """
    array = check_image(image, channel_axis)
    options = Options(
        bank=load_bank(bank), channel_axis=channel_axis, alpha=alpha, value_range=value_range,
        nodata=nodata, threads=threads, engine=engine, device=device,
    )  # fmt: skip
    pixels = options.pixel_format(
        array.dtype, 1 if channel_axis is None else array.shape[channel_axis]
    )
    if pixels.is_nearest:
        hint = "" if pixels.dtype == np.bool_ else "; with a value_range they are intensities"
        raise InvalidTypeError(f"{pixels.dtype} pixels are labels, which have no parameters{hint}")
    kind = options.averaging_bank.kind
    # Grey levels, features and parameters, all twice but one, and overshoot bounds.
    maps = 3 + 2 * len(kind.values) + 2 * kind.has_local_planes
    check_memory(4 * array.size * maps, f"maps of an image of {array.shape}")
    grey = pixels.value_scale.to_grey(np.ma.getdata(array)).astype(np.float32)
    stack = np.empty((1 + len(kind.values), *array.shape), np.float32)
    _read_maps(array, stack, pixels, options)
    stack[1:] /= LEVELS
    parameters = dict(zip(kind.values, stack[1:], strict=True))
    return ParameterMaps(kind, grey, stack[0], parameters)


def _read_maps(image: npt.NDArray[Any], stack: Map, pixels: PixelFormat, options: Options) -> None:
    """Write feature and parameters, in grey levels, into ``stack`` along its first axis."""
    axis = options.channel_axis
    layers = [channels_first(np.ma.getdata(image), axis)]
    if isinstance(image, np.ma.MaskedArray):
        pixels = pixels.with_masks()
        layers.append(channels_first(np.ma.getmaskarray(image), axis))
    source = layers[0]
    target = channels_first(stack, None if axis is None else axis % image.ndim + 1)
    backend, threads = options.backend, thread_count(options.threads)
    for index in np.ndindex(*source.shape[1:-2]):
        planes = [
            plane.astype(pixels.dtype, copy=False)
            for layer in layers
            for plane in layer[(slice(None), *index)]
        ]
        channels = prepare_channels(planes, pixels, options.averaging_bank, backend, "edge")
        every = read_channels(channels, 0, channels[0].plane.shape[0], threads)
        for number, (channel, samples) in enumerate(zip(channels, every, strict=True)):
            maps = target[(number, slice(None), *index)]
            maps[0], maps[1:] = unpack(backend.host(samples.packed))
            if channel.validity is not None:
                maps[:, channel.validity == 0] = np.nan


def luma_maps(
    image: npt.ArrayLike,
    *,
    bank: BankSource = None,
    value_range: tuple[float, float] | None = None,
    nodata: float | None = None,
    threads: int | None = None,
    engine: str = "numba",
    device: str | None = None,
) -> ParameterMaps:
    """Return the maps of a colour image's luma (ITU-R BT.601).

    Tables read the luma as a plane of its own. A network reads colours together and weighs them
    alike: the luma of their features, slopes and residuals is the local plane of the luma that
    `lerf_core.resize` gives, and that is what its maps are.

    Parameters
    ----------
    image : array_like, (rows, cols, 3 or 4)
        Red, green, blue and, perhaps, opacity.
    bank, value_range, nodata, threads, engine, device
        As for `parameter_maps`.

    Returns
    -------
    ParameterMaps
        Of (rows, cols). NaN where the luma does not count: a colour is missing, or the pixel
        wholly transparent.

    Raises
    ------
    InvalidArgumentError
        If the image has not such channels; and all that `parameter_maps` raises.

    Examples
    --------
    >>> import numpy as np
    >>> maps = luma_maps(np.full((4, 5, 3), (255, 0, 0), np.uint8), bank="analytic")
    >>> maps.grey.shape, float(maps.feature[0, 0])
    ((4, 5), 76.0)
    """
    shape = np.shape(image)
    if len(shape) != 3 or shape[2] not in (3, 4):
        raise InvalidArgumentError(f"a luma is that of (rows, cols, 3 or 4), got {shape}")
    array = check_image(image, 2)
    given = load_bank(bank)
    has_alpha = array.shape[2] == 4
    keywords: dict[str, Any] = {
        "bank": given, "value_range": value_range, "nodata": nodata, "threads": threads,
        "engine": engine, "device": device, "alpha": "premultiply" if has_alpha else "separate",
    }  # fmt: skip
    if given.reads_colours:
        return _luma_of(parameter_maps(array, channel_axis=2, **keywords))
    luma = rgb_luma(array)
    if not has_alpha:
        return parameter_maps(luma, **keywords)
    return parameter_maps(np.stack([luma, array[..., 3]], 2), channel_axis=2, **keywords)[..., 0]


def _luma_of(maps: ParameterMaps) -> ParameterMaps:
    """Return the luma of maps of (rows, cols, channels) whose colours have one weighting."""
    feature = _luma(maps.feature)
    parameters = {
        name: _luma(values) if name in LOCAL_PLANE else values[..., 0].copy()
        for name, values in maps.parameters.items()
    }
    for values in parameters.values():  # a colour may be missing alone
        values[np.isnan(feature)] = np.nan
    return ParameterMaps(maps.kind, _luma(maps.grey), feature, parameters)


def _luma(values: Map) -> Map:
    # NaN where a colour is; weighed in float64, so that what all colours have comes out as it is.
    return np.asarray(rgb_luma(values.astype(np.float64)), np.float32)


def _coefficient(name: str, value: Map) -> Map:
    meaning = COEFFICIENTS[name]
    # In float32 whole numbers of 255ths come out as exact slopes and residuals.
    return np.asarray(value * np.float32(meaning.factor) + np.float32(meaning.offset), np.float32)


def _named(
    result: str,
    maps: ParameterMaps | Mapping[str, npt.ArrayLike],
    names: Sequence[str],
    dtype: npt.DTypeLike,
) -> list[npt.NDArray[Any]]:
    """Return the named parameters, or raise, saying which ones the result needs."""
    parameters = maps.parameters if isinstance(maps, ParameterMaps) else maps
    if any(name not in parameters for name in names):
        raise InvalidArgumentError(
            f"{result} need the parameters {', '.join(names)}, got {', '.join(parameters)}"
        )
    return [np.asarray(parameters[name], dtype) for name in names]


# -- ellipses ---------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Ellipses:
    """Level sets of Gaussian weighting functions, where the weight is ``exp(-1/2)``.

    Indexing cuts all arrays alike.

    Attributes
    ----------
    major, minor : ndarray of float32
        Semi-axes in source pixels, ``0 < minor <= major``, none above the limit.
    angle : ndarray of float32
        From the column axis (to the right) to the major axis, in degrees, counter-clockwise as
        seen; above -90, up to 90. A circle's is 0.
    clipped : ndarray of bool
        Where a semi-axis is longer than the limit, or infinite, before it is cut to the limit.
    """

    major: Map
    minor: Map
    angle: Map
    clipped: npt.NDArray[np.bool_]

    def __getitem__(self, index: Any) -> Ellipses:
        return Ellipses(
            self.major[index], self.minor[index], self.angle[index], self.clipped[index]
        )

    def outlines(self, points: int = 32) -> Map:
        """Return each ellipse as a closed polygon around its pixel's centre.

        Parameters
        ----------
        points : int, optional
            Corners of the polygon; the first is an end of the major axis.

        Returns
        -------
        ndarray of float32, (..., points, 2)
            (row, col) steps from the pixel's centre, in source pixels.

        Raises
        ------
        InvalidArgumentError
            If there are fewer than 3 points.
        """
        if points < 3:
            raise InvalidArgumentError(f"an outline needs at least 3 points, got {points}")
        turn = np.linspace(0, 2 * np.pi, points, endpoint=False, dtype=np.float32)
        angle = np.deg2rad(self.angle)[..., None]
        along = self.major[..., None] * np.cos(turn)
        across = self.minor[..., None] * np.sin(turn)
        right = along * np.cos(angle) - across * np.sin(angle)
        up = along * np.sin(angle) + across * np.cos(angle)
        return np.stack([-up, right], axis=-1).astype(np.float32)


def ellipses(
    maps: ParameterMaps | Mapping[str, npt.ArrayLike], *, limit: float = DEFAULT_LIMIT
) -> Ellipses:
    """Return the ellipse on which each pixel's Gaussian weighting function is ``exp(-1/2)``.

    The function is ``w = exp(-(u**2 - 2*r*u*v + v**2) / 2)`` with ``u = 10*sigma_row*dy``,
    ``v = 10*sigma_col*dx`` and ``r = 2*rho - 1`` [1]_. Its exponent is a quadratic form of
    (dy, dx) with the inverse covariance matrix ``[[a**2, -r*a*b], [-r*a*b, b**2]]``,
    ``a = 10*sigma_row``, ``b = 10*sigma_col``; the semi-axes are the inverse square roots of
    its eigenvalues.

    Convention
    ----------
    dy and dx are steps along rows (downwards) and columns (to the right), in source pixels.
    Angles are degrees from the column axis to the major axis, counter-clockwise as seen: with
    r > 0 the function is long from the top left to the bottom right, an angle below 0.

    Parameters
    ----------
    maps : ParameterMaps or mapping of str to array_like
        With rho, sigma_row and sigma_col in 0..1; further parameters do not count.
    limit : float, optional
        Longest semi-axis, in source pixels. Where ``|r|`` is 1 the major axis is infinite,
        where a sigma is 0 the axis along it: they become as long as this.

    Returns
    -------
    Ellipses
        Of the maps' shape. NaN stays NaN.

    Raises
    ------
    InvalidArgumentError
        If the maps are not those of a Gaussian kind, or the limit is not positive and finite.

    References
    ----------
    .. [1] Li et al., "Learning Steerable Function for Efficient Image Resampling", CVPR 2023,
       equation 5.

    Examples
    --------
    >>> ellipse = ellipses({"rho": 0.5, "sigma_row": 0.4, "sigma_col": 0.2})
    >>> float(ellipse.major), float(ellipse.minor), float(ellipse.angle)
    (0.5, 0.25, 0.0)
    """
    if not (np.isfinite(limit) and limit > 0):
        raise InvalidArgumentError(f"limit must be positive and finite, got {limit!r}")
    rho, a, b = _named("ellipses", maps, ("rho", "sigma_row", "sigma_col"), np.float64)
    r, a, b = 2 * rho - 1, SIGMA_SCALE * a, SIGMA_SCALE * b
    mean, half = (a * a + b * b) / 2, (a * a - b * b) / 2
    high = mean + np.hypot(half, r * a * b)
    # By the determinant: mean - hypot would lose all digits of thin ellipses.
    determinant = (a * b) ** 2 * ((1 - r) * (1 + r))
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.where(high > 0, determinant / high, np.where(np.isnan(high), np.nan, 0.0))
        major, minor = 1 / np.sqrt(low), 1 / np.sqrt(high)
    # The form is steepest along (cos t, -sin t) of (row, col), 2t = atan2(r*a*b, half): the
    # major axis stands across.
    angle = np.rad2deg(np.arctan2(r * a * b, half)) / -2
    angle = np.where(angle == -90, 90.0, angle) + 0.0  # no -0
    clipped = (major > limit) | (minor > limit)
    return Ellipses(
        np.asarray(np.minimum(major, limit), np.float32),
        np.asarray(np.minimum(minor, limit), np.float32),
        np.asarray(angle, np.float32),
        np.asarray(clipped),
    )


# -- slopes -----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Slopes:
    """The gradient of each pixel's local plane: how steeply it rises, and in which direction.

    Indexing cuts all arrays alike.

    Attributes
    ----------
    row, col : ndarray of float32
        Rise in grey levels for a step of one source pixel downwards, and to the right.
    """

    row: Map
    col: Map

    @property
    def magnitude(self) -> Map:
        """Rise in the steepest direction, in grey levels per pixel; ndarray of float32."""
        return np.hypot(self.row, self.col)

    def __getitem__(self, index: Any) -> Slopes:
        return Slopes(self.row[index], self.col[index])


def slopes(maps: ParameterMaps | Mapping[str, npt.ArrayLike]) -> Slopes:
    """Return the gradient of each pixel's local plane.

    LeRF-P takes of each neighbour not its level but its plane's value at the output's position:
    ``feature + residual + row*dy + col*dx``, which is kernel regression of order 1 [1]_.

    Convention
    ----------
    (row, col) points to where grey levels rise: rows downwards, columns to the right. Turns of
    the image turn it.

    Parameters
    ----------
    maps : ParameterMaps or mapping of str to array_like
        With slope_row and slope_col in 0..1; further parameters do not count.

    Returns
    -------
    Slopes
        float32 of the maps' shape, in grey levels (0..255 for the value range) per source pixel;
        each component lies in -63.5..63.5. A level plane has exactly 0. NaN stays NaN.

    Raises
    ------
    InvalidArgumentError
        If the maps are of a kind without slopes.

    References
    ----------
    .. [1] Takeda, Farsiu, Milanfar, "Kernel Regression for Image Processing and
       Reconstruction", IEEE Transactions on Image Processing 16(2), 2007.

    Examples
    --------
    >>> gradient = slopes({"slope_row": 128 / 255, "slope_col": [136 / 255, 120 / 255]})
    >>> gradient.row.tolist(), gradient.col.tolist(), gradient.magnitude.tolist()
    ([0.0, 0.0], [4.0, -4.0], [4.0, 4.0])
    """
    values = np.broadcast_arrays(*_named("slopes", maps, SLOPES, np.float32))
    row, col = (_coefficient(name, value) for name, value in zip(SLOPES, values, strict=True))
    return Slopes(row, col)
