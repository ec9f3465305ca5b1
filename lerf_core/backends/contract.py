"""The two engines behind one interface: the reference and its compiled twin."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lerf_core.backends.packed import joined, parts
from lerf_core.backends.reference import method as reference
from lerf_core.backends.reference.colours import CubicTaps, add_differences, luma_of
from lerf_core.backends.reference.coordinates import Place, place
from lerf_core.bank.model import LEVELS, LutBank
from lerf_core.geometry.maps import InverseMap
from lerf_core.pixels.values import ValueScale
from lerf_core.sampling.taps import AxisTaps, point_taps

__all__ = ["ENGINES", "Engine", "get_engine"]

ENGINES = ("numba", "reference")

Plane = npt.NDArray[Any]
FloatPlane = npt.NDArray[np.float32]
Positions = npt.NDArray[np.float64]
Rows = tuple[int, int]


class Engine(Protocol):
    """What `resampling` needs; the functions of `reference` say what each does.

    `grid` and `points` return the mean, rounded to uint8 where asked, and with
    confidences the trusted share of the weights, else None.
    """

    def to_units(
        self, scale: ValueScale, plane: Plane, grey_bits: int
    ) -> tuple[npt.NDArray[np.int32], FloatPlane]:
        """See `ValueScale.to_units`."""

    def to_grey(self, scale: ValueScale, plane: Plane) -> FloatPlane:
        """See `ValueScale.to_grey`; in float32."""

    def from_grey(self, scale: ValueScale, grey: FloatPlane) -> Plane:
        """See `ValueScale.from_grey`."""

    def stage(
        self,
        plane: Plane,
        bank: LutBank,
        number: int,
        cell_bits: int,
        threads: int,
        rows: Rows | None = None,
    ) -> Plane:
        """Table reads: coordinates to features or parameters, in the plane's dtype.

        Of all rows, or of rows first..last-1.
        """

    def records(
        self,
        plane: Plane,
        bank: LutBank,
        cell_bits: int,
        threads: int,
        rows: Rows,
        remainder: FloatPlane | None,
        dtype: npt.DTypeLike,
    ) -> Plane:
        """Table reads of the last stage: records (`_records`) of rows first..last-1.

        Of bytes, or in grey levels as float32; there the remainder, (rows, cols), is added to
        the feature if given.
        """

    def limits(self, plane: Plane, threads: int) -> Plane:
        """How low and how high results may be; for uint8 rounded and within 0..255."""

    def grid(
        self,
        records: Plane,
        weighting: str,
        rows: AxisTaps,
        cols: AxisTaps,
        *,
        confidence: FloatPlane | None,
        cval: float | None,
        cval_confidence: float,
        limits: Plane | None,
        to_uint8: bool,
    ) -> tuple[Plane, FloatPlane | None]:
        """Weighted mean on a grid."""

    def place(
        self,
        mapping: InverseMap,
        top: int,
        bottom: int,
        shape: tuple[int, int],
        out_shape: tuple[int, int],
        mode: str,
        *,
        smooth: bool,
    ) -> Place:
        """Where output rows lie in the source; see `_places.place`."""

    def points(
        self,
        records: Plane,
        weighting: str,
        row: Positions,
        col: Positions,
        stretches: tuple[Positions, Positions] | None,
        *,
        confidence: FloatPlane | None,
        limits: Plane | None,
        to_uint8: bool,
        shown: npt.NDArray[np.int64] | None = None,
    ) -> tuple[Plane, FloatPlane | None]:
        """Weighted mean at scattered positions, of channels that share a confidence.

        Records and limits are stacked, and so are the results. Outside the columns `shown`
        (see `_places.Place`) results may be anything.
        """

    def luma_of(self, colours: list[Plane]) -> Plane:
        """See `_colours.luma_of`."""

    def add_differences(
        self,
        colours: list[Plane],
        luma: Plane,
        resized: FloatPlane,
        rows: CubicTaps,
        cols: CubicTaps,
        out: Plane,
    ) -> None:
        """See `_colours.add_differences`."""

    def fill_around(self, plane: Plane, shown: npt.NDArray[np.int64], value: Any) -> None:
        """Set the columns of each row that are not `shown`; see `_places.Place`."""

    def store(self, planes: Iterable[Plane], out: Plane) -> None:
        """Write channels, (rows, cols) each, into an array, (channels, rows, cols)."""


class _ReferenceEngine:
    luma_of = staticmethod(luma_of)
    add_differences = staticmethod(add_differences)

    def to_units(
        self, scale: ValueScale, plane: Plane, grey_bits: int
    ) -> tuple[npt.NDArray[np.int32], FloatPlane]:
        return scale.to_units(plane, grey_bits)

    def to_grey(self, scale: ValueScale, plane: Plane) -> FloatPlane:
        return scale.to_grey(plane).astype(np.float32)

    def from_grey(self, scale: ValueScale, grey: FloatPlane) -> Plane:
        return scale.from_grey(grey)

    def stage(
        self,
        plane: Plane,
        bank: LutBank,
        number: int,
        cell_bits: int,
        threads: int,  # noqa: ARG002
        rows: Rows | None = None,
    ) -> Plane:
        first, last = rows or (0, len(plane))
        top, bottom = max(0, first - bank.reach), min(len(plane), last + bank.reach)
        values = reference.stage(plane[top:bottom], bank, number, cell_bits)
        return values[:, first - top : last - top].astype(plane.dtype)

    def records(
        self,
        plane: Plane,
        bank: LutBank,
        cell_bits: int,
        threads: int,
        rows: Rows,
        remainder: FloatPlane | None,
        dtype: npt.DTypeLike,
    ) -> Plane:
        values = self.stage(plane, bank, len(bank.stages) - 1, cell_bits, threads, rows)
        return joined(plane[slice(*rows)], values, cell_bits, bank, remainder, dtype)

    def limits(self, plane: Plane, threads: int) -> Plane:  # noqa: ARG002
        limits = reference.limits(plane)
        if plane.dtype == np.uint8:
            return np.clip(np.rint(limits), 0, LEVELS).astype(np.uint8)
        return limits

    def grid(
        self,
        records: Plane,
        weighting: str,
        rows: AxisTaps,
        cols: AxisTaps,
        *,
        to_uint8: bool,
        **border: Any,
    ) -> tuple[Plane, FloatPlane | None]:
        result = reference.resample_grid(*parts(records), weighting, rows, cols, **border)
        return _finish(result, border["confidence"], to_uint8=to_uint8)

    def place(self, *arguments: Any, smooth: bool) -> Place:
        return place(*arguments, smooth=smooth)

    def points(
        self,
        records: Plane,
        weighting: str,
        row: Positions,
        col: Positions,
        stretches: tuple[Positions, Positions] | None,
        *,
        confidence: FloatPlane | None,
        limits: Plane | None,
        to_uint8: bool,
        shown: Any = None,  # noqa: ARG002
    ) -> tuple[Plane, FloatPlane | None]:
        taps = point_taps(row, col, *(stretches or (None, None)))
        means, trusts = zip(
            *(
                reference.resample_points(
                    *parts(one), weighting, taps,
                    confidence=confidence, limits=None if limits is None else limits[number],
                )
                for number, one in enumerate(records)
            ),
            strict=True,
        )  # fmt: skip
        return _finish((np.stack(means), np.stack(trusts)), confidence, to_uint8=to_uint8)

    def fill_around(self, plane: Plane, shown: npt.NDArray[np.int64], value: Any) -> None:
        column = np.arange(plane.shape[1])
        plane[(column < shown[:, :1]) | (column >= shown[:, 1:])] = value

    def store(self, planes: Iterable[Plane], out: Plane) -> None:
        for plane, part in zip(planes, out, strict=True):
            part[...] = plane


def _finish(
    result: tuple[FloatPlane, FloatPlane], confidence: FloatPlane | None, *, to_uint8: bool
) -> tuple[Plane, FloatPlane | None]:
    mean: Plane = result[0]
    if to_uint8:
        mean = np.clip(np.rint(mean), 0, LEVELS).astype(np.uint8)
    return mean, None if confidence is None else result[1]


@cache
def get_engine(name: str) -> Engine:
    """Return an engine by name; numba is loaded when it is first wanted."""
    if name == "reference":
        return _ReferenceEngine()
    try:
        from lerf_core.backends.numba.backend import CompiledEngine
    except RuntimeError as error:
        if "locator" not in str(error):
            raise
        _keep_kernels_for_this_process()
        from lerf_core.backends.numba.backend import CompiledEngine
    return CompiledEngine()


def _keep_kernels_for_this_process() -> None:
    """Let numba cache where it can, when neither the package nor the user's cache is writable."""
    import atexit
    import shutil
    import tempfile

    from numba import config

    # Not a shared folder: cached kernels are code that whoever could write there would run.
    folder = tempfile.mkdtemp(prefix="lerf-kernels-")
    config.CACHE_DIR = folder  # type: ignore[attr-defined]
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
