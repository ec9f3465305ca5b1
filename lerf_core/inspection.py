"""What a bank says: the parameter maps of an image, the ellipses they mean, slices of tables.

Arrays alone; ``lerf models inspect`` draws them.

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

from lerf_core._engines import get_engine
from lerf_core._options import Options, spatial_axes
from lerf_core._parallel import thread_count
from lerf_core._planes import Border
from lerf_core._validation import check_image, check_memory, check_value_range
from lerf_core._values import ValueScale
from lerf_core.bank import ENTRY_BIAS, LEVELS, Kind, LutBank, analytic_bank, table_name
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.loading import load_bank
from lerf_core.resampling import _prepare

__all__ = [
    "COEFFICIENTS",
    "SLICES",
    "Coefficient",
    "Ellipses",
    "ParameterMaps",
    "TableStatistics",
    "ellipses",
    "parameter_maps",
    "point_response",
    "table_outcome",
    "table_slice",
    "table_statistics",
]

Map = npt.NDArray[np.float32]

#: Semi-axes end here unless told otherwise: a function as wide is flat (0.97 and more) as far
#: as the method's two neighbours an axis reach.
DEFAULT_LIMIT = 4.0


@dataclass(frozen=True)
class Coefficient:
    """What a parameter in 0..1 stands for in the weighting function: ``factor*value + offset``.

    Attributes
    ----------
    factor, offset : float
    symbol : str
        The coefficient's name in the formula.
    unit : str
        "1" for a pure number.
    """

    factor: float
    offset: float
    symbol: str
    unit: str


#: The coefficients of equation 5 of [1]_ and of LeRF-L's tent, by the parameters' names.
#:
#: References
#: ----------
#: .. [1] Li et al., "Learning Steerable Function for Efficient Image Resampling", CVPR 2023.
COEFFICIENTS: dict[str, Coefficient] = {
    "rho": Coefficient(2.0, -1.0, "r", "1"),
    "sigma_row": Coefficient(10.0, 0.0, "u/dy", "1/pixel"),
    "sigma_col": Coefficient(10.0, 0.0, "v/dx", "1/pixel"),
    "alpha": Coefficient(2.0, -1.0, "a", "1/pixel"),
}


# -- maps of an image -------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ParameterMaps:
    """What the tables say of every pixel of an image.

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
        """Return a parameter as it stands in the weighting function.

        rho becomes the correlation ``r = 2*rho - 1`` in -1..1, sigma_row and sigma_col the
        ``10*sigma`` of u and v (1/pixel), alpha the slope ``a = 2*alpha - 1`` (1/pixel). A
        parameter that `COEFFICIENTS` does not name stays in 0..1.

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
        meaning = COEFFICIENTS.get(name)
        value = self.parameters[name]
        if meaning is None:
            return value
        return value * np.float32(meaning.factor) + np.float32(meaning.offset)

    def __getitem__(self, index: Any) -> ParameterMaps:
        parameters = {name: value[index] for name, value in self.parameters.items()}
        return ParameterMaps(self.kind, self.grey[index], self.feature[index], parameters)


def parameter_maps(
    image: npt.ArrayLike,
    *,
    bank: LutBank | str | None = None,
    channel_axis: int | None = None,
    alpha: str = "auto",
    value_range: tuple[float, float] | None = None,
    nodata: float | None = None,
    threads: int | None = None,
    engine: str = "numba",
) -> ParameterMaps:
    """Return the feature and the parameters that `lerf_core.resize` resamples an image by.

    Computed by the same table reads; what lies beyond the border is the border's own, as
    with ``mode="edge"``.

    Parameters
    ----------
    image : array_like
        As for `lerf_core.resize`, and so are all other parameters: any number of axes, the
        last two that are not `channel_axis` being rows and columns. Labels (bool, and
        integers that resize copies) have no parameters.
    bank : LutBank, str, path or None
        None: the default bank.
    channel_axis : int or None
        Axis of the channels; each has parameters of its own.
    alpha : {"auto", "premultiply", "separate"}
        Whether the last channel is alpha.
    value_range : (float, float) or None
        Values at the tables' levels 0 and 255.
    nodata : float or None
        Value of pixels that do not count.
    threads : int or None
    engine : {"numba", "reference"}

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
        bank=load_bank(bank), channel_axis=channel_axis, mode="edge", cval=0.0,
        anti_aliasing=None, alpha=alpha, method="auto", value_range=value_range, nodata=nodata,
        linear_light=False, preserve_range=True, threads=threads, engine=engine,
    )  # fmt: skip
    native = array.dtype.newbyteorder("=")
    if options.is_nearest(native):
        hint = "" if native == np.bool_ else "; with a value_range they are intensities"
        raise InvalidTypeError(f"{native} pixels are labels, which have no parameters{hint}")
    scale = ValueScale(native, *check_value_range(value_range, native))
    names = options.bank.kind.values
    check_memory(4 * array.size * (3 + 2 * len(names)), f"maps of an image of {array.shape}")
    grey = scale.to_grey(array).astype(np.float32)
    stack = np.empty((1 + len(names), *array.shape), np.float32)
    _fill_maps(array, stack, scale, options)
    stack[1:] /= LEVELS
    parameters = dict(zip(names, stack[1:], strict=True))
    return ParameterMaps(options.bank.kind, grey, stack[0], parameters)


def _fill_maps(array: npt.NDArray[Any], stack: Map, scale: ValueScale, options: Options) -> None:
    """Write the feature and the parameters, in grey levels, into ``stack`` along its first axis."""
    order = spatial_axes(array.ndim, options.channel_axis)
    front = [] if options.channel_axis is None else [options.channel_axis % array.ndim]
    rest = [axis for axis in range(array.ndim) if axis not in (*order, *front)]
    source = array.transpose(*front, *rest, *order)
    target = stack.transpose(0, *(axis + 1 for axis in (*front, *rest, *order)))
    if not front:
        source, target = source[None], target[:, None]
    channels, *leading = source.shape[:-2]
    opacity = options.alpha_channel(channels)
    cvals = options.cvals(channels, scale.dtype)
    engine, threads = get_engine(options.engine), thread_count(options.threads)
    for index in np.ndindex(*leading):
        planes = [source[(channel, *index)].astype(scale.dtype) for channel in range(channels)]
        prepared = _prepare(planes, scale, options, cvals, opacity, Border("edge"), engine, threads)
        for number, channel in enumerate(prepared):
            place = target[(slice(None), number, *index)]
            place[0], place[1:] = channel.feature, channel.parameters
            if channel.confidence is not None:
                place[:, channel.confidence == 0] = np.nan


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
        Where a semi-axis is longer than the limit in truth, or infinite.
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
    >>> found = ellipses({"rho": 0.5, "sigma_row": 0.4, "sigma_col": 0.2})
    >>> float(found.major), float(found.minor), float(found.angle)
    (0.5, 0.25, 0.0)
    """
    if not (np.isfinite(limit) and limit > 0):
        raise InvalidArgumentError(f"limit must be positive and finite, got {limit!r}")
    given = maps.parameters if isinstance(maps, ParameterMaps) else maps
    needed = ("rho", "sigma_row", "sigma_col")
    if any(name not in given for name in needed):
        raise InvalidArgumentError(
            f"ellipses need the parameters {', '.join(needed)}, got {', '.join(given)}"
        )
    rho, a, b = (np.asarray(given[name], np.float64) for name in needed)
    r, a, b = 2 * rho - 1, 10 * a, 10 * b
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


# -- tables -----------------------------------------------------------------------

#: Slices of a table by two grey levels, 0 or 1, for each of a pattern's four pixels: a point
#: before its surroundings, and an edge between the pattern's halves.
SLICES: dict[str, tuple[int, int, int, int]] = {"point": (0, 1, 1, 1), "edge": (0, 0, 1, 1)}


@dataclass(frozen=True)
class TableStatistics:
    """What the entries of one value of a table are like.

    Attributes
    ----------
    table, value : str
        Which.
    minimum, median, maximum : float
        Of the entries, which lie in -127..127.
    clipped : float
        Share of the entries at -127 or 127.
    unvisited : float or None
        Share of the entries that equal the start's; None where no start is known.
    step, largest_step : float
        Mean and greatest difference between neighbouring nodes along an axis, in entries.
    """

    table: str
    value: str
    minimum: float
    median: float
    maximum: float
    clipped: float
    unvisited: float | None
    step: float
    largest_step: float


def table_outcome(bank: LutBank, table: str) -> Map:
    """Return what a stage would give if all its reads said the same as one entry.

    Parameters
    ----------
    bank : LutBank
    table : str
        A name in ``bank.tables``.

    Returns
    -------
    ndarray of float32, (nodes, nodes, nodes, nodes, values)
        The feature in grey levels, or the parameters in 0..1; not clipped.

    Raises
    ------
    InvalidArgumentError
        If the bank has no such table.

    Examples
    --------
    >>> outcome = table_outcome(analytic_bank(), "stage1.s.0")
    >>> float(outcome[3, 0, 0, 0, 0])  # the identity: three nodes are 48 grey levels
    48.0
    """
    if table not in bank.tables:
        raise InvalidArgumentError(f"the tables are {', '.join(bank.tables)}, got {table!r}")
    number = _stage_of(table)
    stage = bank.stages[number]
    value = bank.tables[table].astype(np.float32) * np.float32(stage.reads / stage.divisor)
    value += np.float32(stage.bias)
    return value / np.float32(LEVELS) if number == len(bank.stages) - 1 else value


def _stage_of(table: str) -> int:
    """Return the stage of a table, counted from 0."""
    return int(table.partition(".")[0].removeprefix("stage")) - 1


def table_slice(bank: LutBank, table: str, which: Sequence[int]) -> Map:
    """Cut a table by two grey levels.

    Parameters
    ----------
    bank : LutBank
    table : str
        A name in ``bank.tables``.
    which : sequence of int
        For each of the pattern's four pixels whether it has the first level (0), that of the
        result's rows, or the second (1), that of its columns; see `SLICES`.

    Returns
    -------
    ndarray of float32, (nodes, nodes, values)
        `table_outcome` there; node n is the grey level ``n * bank.interval``.

    Raises
    ------
    InvalidArgumentError
        If the bank has no such table, or `which` is not four of 0 and 1.

    Examples
    --------
    >>> cut = table_slice(analytic_bank(), "stage1.s.0", SLICES["point"])
    >>> cut.shape, float(cut[3, :, 0].max())
    ((17, 17, 1), 48.0)
    """
    if len(which) != 4 or any(one not in (0, 1) for one in which):
        raise InvalidArgumentError(f"which must be four of 0 and 1, got {which!r}")
    levels = np.ogrid[: bank.nodes, : bank.nodes]
    index = tuple(levels[one] for one in which)
    cut: Map = table_outcome(bank, table)[index]
    return cut


def point_response(bank: LutBank, stage: int) -> Map:
    """Return what a whole stage gives at a pixel in flat surroundings.

    All its reads then see the same two levels, so this is the stage's answer to an image of
    one odd pixel, at the nodes.

    Parameters
    ----------
    bank : LutBank
    stage : int
        Counted from 0.

    Returns
    -------
    ndarray of float32, (nodes, nodes, values)
        For the pixel's level along rows and its surroundings' along columns (node n is ``n *
        bank.interval``): the feature in grey levels, or the parameters in 0..1; clipped to
        their range, not rounded.

    Raises
    ------
    InvalidArgumentError
        If the bank has no such stage.

    Examples
    --------
    >>> float(point_response(analytic_bank(), 0)[3, 8, 0])
    48.0
    """
    if not 0 <= stage < len(bank.stages):
        raise InvalidArgumentError(f"stage must lie in 0..{len(bank.stages) - 1}, got {stage}")
    names = [read.table for read in bank.reads(stage)]
    mean = np.mean([table_slice(bank, name, SLICES["point"]) for name in names], axis=0)
    return np.asarray(np.clip(mean, 0, 1 if stage == len(bank.stages) - 1 else LEVELS), np.float32)


def table_statistics(bank: LutBank, start: LutBank | None = None) -> list[TableStatistics]:
    """Describe the entries of each value of each table.

    Parameters
    ----------
    bank : LutBank
    start : LutBank or None
        The bank that training set out from, of the same stages and interval. None: the
        identity for features and, for the parameters that it has, the analytic bank.

    Returns
    -------
    list of TableStatistics
        In the order of stages, patterns, rotation groups and values.

    Raises
    ------
    InvalidArgumentError
        If the start's tables do not match the bank's.

    Examples
    --------
    >>> first = table_statistics(analytic_bank())[0]
    >>> first.table, first.value, first.unvisited, first.step
    ('stage1.s.0', 'feature', 1.0, 1.0)
    """
    found = []
    for name, table in bank.tables.items():
        number = _stage_of(name)
        for place, value in enumerate(bank.stages[number].values):
            entries = table[..., place].astype(np.int16)
            initial = _initial(bank, start, name, number, place)
            steps = [np.abs(np.diff(entries, axis=axis)) for axis in range(4)]
            found.append(
                TableStatistics(
                    name,
                    value,
                    float(entries.min()),
                    float(np.median(entries)),
                    float(entries.max()),
                    float(np.mean(np.abs(entries) == ENTRY_BIAS)),
                    None if initial is None else float(np.mean(entries == initial)),
                    float(np.mean([step.mean() for step in steps])),
                    float(max(step.max() for step in steps)),
                )
            )
    return found


def _initial(
    bank: LutBank, start: LutBank | None, table: str, number: int, place: int
) -> npt.NDArray[Any] | None:
    """Return the entries that training set out from, or None where they are not known."""
    if start is not None:
        other = start.tables.get(table)
        if other is None or other.shape != bank.tables[table].shape:
            raise InvalidArgumentError(
                f"{start.name!r} is no start of {bank.name!r}: table {table!r} does not match"
            )
        return np.asarray(other[..., place])
    stage = bank.stages[number]
    if number < len(bank.stages) - 1:
        level = np.arange(bank.nodes) * (bank.interval * stage.divisor / stage.reads)
        return np.asarray(np.rint(level)[:, None, None, None])
    plain = analytic_bank()
    last = plain.stages[-1]
    same = (stage.divisor / stage.reads, stage.bias) == (last.divisor / last.reads, last.bias)
    if stage.values[place] not in last.values or not same:
        return None
    constant = plain.tables[table_name(len(plain.stages), last.patterns[0], 0)][0, 0, 0, 0]
    return np.asarray(constant[last.values.index(stage.values[place])])
