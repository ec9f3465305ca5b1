"""What a backend does: the steps of the method, as `lerf_core.execution` calls them.

A new backend is a class with the methods of `Backend`, and a line in `loading`. Its results must
equal those of `reference.backend.ReferenceBackend` bit for bit; `tests/core/backends` holds it to
that for every bank kind, dtype and border mode.

Conventions
-----------
- A plane is a 2-D array, (rows, cols), of one channel. ``rows`` of a stage is a pair (first, last)
  of source rows, last excluded.
- *Units*: coordinates of the tables, integers of ``2**-grey_bits`` grey levels. A cell of the
  tables spans ``2**cell_bits`` of them. uint8 images are their own units.
- *Grey levels*: the tables' own scale, 0..255.
- *Packed parameters*: features and parameters side by side; see `lerf_core.backends.packed`.
- *Validity*: a source pixel's factor of its weight, 0..1. With it a mean also has a valid share:
  the part of the weight that is valid.
- Nothing that is passed in is changed, but for the arrays named `out` and `plane` of the methods
  that write.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from lerf_core.bank.layered_network import LayeredNetwork
    from lerf_core.bank.model import LutBank
    from lerf_core.bank.network import NetworkBank
    from lerf_core.bank.staged_tables import StagedTables
    from lerf_core.geometry.maps import InverseMap
    from lerf_core.pixels.values import ValueScale
    from lerf_core.sampling.coordinates import SourceCoordinates
    from lerf_core.sampling.coverage import AxisCoverage
    from lerf_core.sampling.kernel_points import KernelTable
    from lerf_core.sampling.kernel_taps import KernelTaps
    from lerf_core.sampling.shrinking import ShrinkingTaps
    from lerf_core.sampling.taps import AxisTaps

__all__ = ["Backend"]

Plane = npt.NDArray[Any]
FloatPlane = npt.NDArray[np.float32]
Positions = npt.NDArray[np.float64]
Rows = tuple[int, int]


class Backend(Protocol):
    """The steps of the method.

    Planes that one step gives to another (units, features, packed parameters, bounds) may be of a
    type of the backend's own, which can be sliced as arrays can; `host` makes arrays of them.
    Means, values and what is written are arrays.
    """

    @property
    def band_source(self) -> int | None:
        """How many source pixels a band should have; None: as few as caches and threads like."""
        return None

    def turn(self) -> AbstractContextManager[object]:
        """Return what a thread computes a block within: it may wait there until others are done."""
        return nullcontext()

    def host(self, plane: Any) -> Plane:
        """Return what a step has given as an array in main memory, perhaps the same memory."""
        array: Plane = plane
        return array

    # -- values and grey levels --------------------------------------------------------

    def to_units(
        self, scale: ValueScale, plane: Plane, grey_bits: int
    ) -> tuple[npt.NDArray[np.int32], FloatPlane]:
        """Turn values of an image into units of ``2**-grey_bits`` grey levels.

        Returns
        -------
        units : ndarray of int32, (rows, cols)
            Of 0..255 grey levels.
        remainder : ndarray of float32, (rows, cols)
            What units cannot say, in grey levels: rounding, and values out of range.
        """

    def to_grey(self, scale: ValueScale, plane: Plane) -> FloatPlane:
        """Turn values of an image into grey levels, unclipped, float32."""

    def from_grey(self, scale: ValueScale, grey: FloatPlane) -> Plane:
        """Turn grey levels into values of the image's dtype; integers rounded and clipped."""

    # -- table reads -------------------------------------------------------------------

    def read_stage(
        self,
        plane: Plane,
        bank: StagedTables,
        number: int,
        cell_bits: int,
        threads: int,
        rows: Rows | None = None,
    ) -> Plane:
        """Read the tables of a stage: units in, features or parameters out.

        Parameters
        ----------
        plane : ndarray of uint8 or int32, (rows, cols)
            Units.
        number : int
            Stage, counted from 0.
        cell_bits : int
            log2 of the units that a cell spans: log2 of the bank's interval for bytes,
            `DEEP_CELL_BITS` for deep images.
        threads : int
            How many to use; results do not depend on it.
        rows : (int, int), optional
            Which rows to read for; None: all.

        Returns
        -------
        ndarray, (values, rows, cols)
            In units, of the plane's dtype.
        """

    def read_packed(
        self,
        plane: Plane,
        bank: LutBank,
        cell_bits: int,
        threads: int,
        rows: Rows,
        remainder: FloatPlane | None,
        dtype: npt.DTypeLike,
    ) -> Plane:
        """Read the tables of the last stage: units in, packed parameters out.

        Parameters
        ----------
        plane, bank, cell_bits, threads, rows
            As `read_stage` has them; the plane is the feature.
        remainder : ndarray of float32, (rows, cols), or None
            Of these rows; is added to the feature in packed parameters of float32.
        dtype : dtype
            uint8, for units of bytes; or float32: grey levels.

        Returns
        -------
        ndarray of `dtype`, (rows, cols, slots)
        """

    def read_blocks(
        self, plane: Plane, cascade: StagedTables, cell_bits: int, threads: int, rows: Rows
    ) -> Plane:
        """Read the tables of a cascade's last stage: units in, an enlargement out.

        Parameters
        ----------
        plane, cell_bits, threads, rows
            As `read_stage` has them.
        cascade : StagedTables
            Whose last stage gives the levels of a block of pixels (`lerf_core.bank.block_values`).

        Returns
        -------
        ndarray of uint8 or float32, (scale * rows, scale * cols)
            In grey levels: of bytes' units as they are, else float32.
        """

    # -- networks ----------------------------------------------------------------------

    def read_network(
        self,
        planes: Sequence[Plane],
        bank: NetworkBank,
        threads: int,
        rows: Rows,
        remainders: Sequence[FloatPlane] | None,
        dtype: npt.DTypeLike,
    ) -> list[Plane]:
        """Compute a network's layers: units in, packed parameters out.

        Parameters
        ----------
        planes : sequence of ndarray of uint8 or int32, (rows, cols)
            Red, green and blue, or a plane on its own; the features. Units of grey levels
            (bytes), or of ``2**-NETWORK_GREY_BITS`` levels (int32, within 0..255 levels). Beyond
            the border lie the border's pixels.
        threads : int
            How many to use; results do not depend on it.
        rows : (int, int)
            Which rows are wanted.
        remainders : sequence of ndarray of float32, (rows, cols), or None
            For each plane, of these rows, in grey levels; are added to the features in packed
            parameters of float32.
        dtype : dtype
            uint8, for units of bytes; or float32: grey levels.

        Returns
        -------
        list of ndarray of `dtype`, (rows, cols, slots)
            For each plane.
        """

    def enlarge_by_network(
        self, planes: npt.NDArray[Any], front: LayeredNetwork, threads: int
    ) -> npt.NDArray[Any]:
        """Compute a front's layers: units in, an enlargement out.

        Parameters
        ----------
        planes : ndarray of uint8 or int32, (1 or 3, rows, cols)
            As `read_network` has them.
        front : LayeredNetwork
            That gives, for each channel, scale * scale pixels (`lerf_core.fronts.network`).
        threads : int
            How many to use; results do not depend on it.

        Returns
        -------
        ndarray, (1 or 3, scale * rows, scale * cols)
            Of uint8, or, of units of int32, of float32 in grey levels.
        """

    # -- the weighted mean -------------------------------------------------------------

    def overshoot_bounds(self, plane: Plane, threads: int) -> Plane:
        """Bound how low and how high results of local planes may be.

        Parameters
        ----------
        plane : ndarray of uint8 or float32, (rows, cols)
            The source image in grey levels.

        Returns
        -------
        ndarray of the plane's dtype, (2, rows + 1, cols + 1)
            The least and the largest grey level between four source pixels; of bytes rounded
            and within 0..255.
        """

    def bounds_along_kept_axes(self, bounds: Plane, rows: AxisTaps, cols: AxisTaps) -> Plane:
        """Return the bounds of a grid whose axes of one tap are not resampled.

        As `lerf_core.backends.reference.overshoot.bounds_along_kept_axes` has them.

        Parameters
        ----------
        bounds : ndarray, (2, rows + 1, cols + 1)
            Of `overshoot_bounds`.
        rows, cols : AxisTaps
            Of the grid.

        Returns
        -------
        ndarray of the same dtype
            A row (column) less for an axis that is kept.
        """

    def mean_on_grid(
        self,
        packed: Plane,
        weighting: str,
        rows: AxisTaps,
        cols: AxisTaps,
        *,
        validity: FloatPlane | None,
        cval: float | None,
        cval_validity: float,
        bounds: Plane | None,
        to_uint8: bool,
    ) -> tuple[Plane, FloatPlane | None]:
        """Take the weighted mean of each output pixel's neighbours on a grid.

        Parameters
        ----------
        packed : ndarray of uint8 or float32, (rows, cols, slots)
            Packed parameters of the source in grey levels.
        weighting : {"gaussian", "linear"}
            Of the bank's kind.
        rows, cols : AxisTaps
            Taps of output rows and columns.
        validity : ndarray of float32, (rows, cols), or None
            None: 1 everywhere.
        cval, cval_validity : float or None, float
            Grey level and validity beyond the border; None: those of the nearest pixel.
        bounds : ndarray, (2, rows + 1, cols + 1), or None
            Overshoot bounds in grey levels, as `bounds_along_kept_axes` gives them.
        to_uint8 : bool
            Whether the mean is rounded to bytes.

        Returns
        -------
        mean : ndarray of uint8 or float32, (output rows, output cols)
            In grey levels.
        valid_share : ndarray of float32, (output rows, output cols), or None
            Share of the weight that is valid; None without validity.
        """

    def means_on_grid(
        self,
        packed: Sequence[Plane],
        weighting: str,
        rows: AxisTaps,
        cols: AxisTaps,
        *,
        cval: float | None,
        bounds: Sequence[Plane | None],
        to_uint8: bool,
    ) -> list[Plane]:
        """Take the weighted means of channels whose pixels have the same rho and sigmas.

        Parameters
        ----------
        packed, bounds
            Of each channel; see `mean_on_grid`, as for the rest. All pixels are valid.

        Returns
        -------
        list of ndarray of uint8 or float32, (output rows, output cols)
            Of each channel what `mean_on_grid` gives: one by one, unless a backend is faster.
        """
        return [
            self.mean_on_grid(
                pixels, weighting, rows, cols,
                validity=None, cval=cval, cval_validity=1.0, bounds=each, to_uint8=to_uint8,
            )[0]
            for pixels, each in zip(packed, bounds, strict=True)
        ]  # fmt: skip

    def source_coordinates(
        self,
        mapping: InverseMap,
        top: int,
        bottom: int,
        shape: tuple[int, int],
        out_shape: tuple[int, int],
        mode: str,
        *,
        anti_aliasing: bool,
        reach: float = 1.0,
    ) -> SourceCoordinates:
        """Find where output rows top..bottom-1 of a warp lie in the source.

        Parameters
        ----------
        shape, out_shape : (int, int)
            Rows and columns of source and output.
        mode : str
            The border mode.
        anti_aliasing : bool
            Whether the support is stretched where the map shrinks.
        reach : float
            How far taps lie from a position, as a part of the filter scale: by modes that clip,
            positions are moved so far beyond the image, and no farther.
        """

    def points_of(
        self,
        channels: Iterable[tuple[Plane, Plane | None]],
        count: int,
        weighting: str,
        validity: FloatPlane | None,
    ) -> Any:
        """Prepare channels that share a validity for any number of `mean_at_points`.

        Parameters
        ----------
        channels : iterable of (packed, bounds)
            Taken one after the other. Packed parameters of the source in grey levels, uint8 or
            float32, (rows, cols, slots); overshoot bounds of the same dtype in grey levels,
            (2, rows + 1, cols + 1), or None. They hold where the filter scales are 1.
        count : int
            How many there are.
        weighting : {"gaussian", "linear"}
            Of the bank's kind.
        validity : ndarray of float32, (rows, cols), or None
            None: 1 everywhere.

        Returns
        -------
        object
            What `mean_at_points` of this backend takes.
        """

    def mean_at_points(
        self,
        points: Any,
        row: Positions,
        col: Positions,
        filter_scales: tuple[Positions, Positions] | None,
        *,
        to_uint8: bool,
        visible_columns: npt.NDArray[np.int64] | None = None,
    ) -> tuple[Plane, FloatPlane | None]:
        """Take the weighted mean at scattered positions, for channels that share a validity.

        Taps beyond the border are the nearest pixel's.

        Parameters
        ----------
        points : object
            Of `points_of`.
        row, col : ndarray of float64, (output rows, output cols)
            Finite positions in source pixels.
        filter_scales : (ndarray, ndarray) of float64, (output rows, output cols), or None
            Along source rows and columns, at least 1; None: 1.
        to_uint8 : bool
            Whether the mean is rounded to bytes.
        visible_columns : ndarray of int64, (output rows, 2), optional
            First and one past the last column of each row that are wanted; results in others
            may be anything.

        Returns
        -------
        mean : ndarray of uint8 or float32, (channels, output rows, output cols)
            In grey levels.
        valid_share : ndarray of float32, (channels, output rows, output cols), or None
            Share of the weight that is valid; None without validity.
        """

    # -- labels ------------------------------------------------------------------------

    def majority_on_grid(
        self,
        keys: Plane,
        missing: npt.NDArray[np.bool_] | None,
        rows: AxisCoverage,
        cols: AxisCoverage,
    ) -> npt.NDArray[np.int64]:
        """Find the label that covers the largest part of each output pixel of a grid.

        Parameters
        ----------
        keys : ndarray of unsigned integers, (rows, cols)
            Labels of the source's pixels; see `lerf_core.pixels.label_keys`.
        missing : ndarray of bool, (rows, cols), or None
            Pixels that have no label, and win where they cover more than a half.
        rows, cols : AxisCoverage
            What output rows and columns cover.

        Returns
        -------
        ndarray of int64, (output rows, output cols)
            Flat index of a source pixel of that label.
        """

    def majority_at_points(
        self,
        keys: Plane,
        missing: npt.NDArray[np.bool_] | None,
        row: Positions,
        col: Positions,
        filter_scales: tuple[Positions, Positions] | None,
        *,
        is_cut: bool,
        visible_columns: npt.NDArray[np.int64] | None = None,
    ) -> npt.NDArray[np.int64]:
        """Find the label that covers the largest part of each output pixel of a warp.

        Parameters
        ----------
        keys, missing
            As `majority_on_grid` has them.
        row, col, filter_scales, visible_columns
            As `mean_at_points` has them.
        is_cut : bool
            Whether what lies beyond the border has no label; else it has the border's.

        Returns
        -------
        ndarray of int64, (output rows, output cols)
            Flat index of a source pixel of that label.
        """

    # -- colours -----------------------------------------------------------------------

    def luma(self, colours: Sequence[Plane]) -> Plane:
        """Return the luma of red, green and blue, (rows, cols): uint8 of uint8, else float32."""

    def add_colour_differences(
        self,
        colours: Sequence[Plane],
        luma: Plane,
        resized: FloatPlane,
        rows: KernelTaps,
        cols: KernelTaps,
        out: Plane,
    ) -> None:
        """Write a result's colours: its luma, plus the source's resized differences from luma.

        Parameters
        ----------
        colours, luma : three ndarrays, and one, of uint8 or float32, (rows, cols)
            Of the source, in grey levels.
        resized : ndarray of float32, (output rows, output cols)
            The result's luma.
        rows, cols : KernelTaps
            Of the result's rows and columns.
        out : ndarray, (output rows, output cols, 3)
            Receives the result in the source's dtype.
        """

    # -- fixed kernels -----------------------------------------------------------------

    def separable_mean(
        self,
        source: Plane,
        rows: KernelTaps,
        cols: KernelTaps,
        *,
        cval: Sequence[float] | None,
        out: Plane,
    ) -> None:
        """Write the mean that the taps of a grid's rows and columns weigh, for each channel.

        Rows of the result do not depend on each other: a band of them (`KernelTaps.band`) may be
        computed on its own.

        Parameters
        ----------
        source : ndarray of uint8, uint16 or float32, (rows, cols, channels)
            In the image's values; strided views will do, channels side by side are fast.
        rows, cols : KernelTaps
            Taps of output rows and columns.
        cval : sequence of float, or None
            Value of each channel outside the source; None: that of the nearest pixel.
        out : ndarray of uint8, uint16 or float32, (output rows, output cols, channels)
            Receives the mean; integers are rounded half to even and clipped to their range.
        """

    def kernel_mean_at_points(
        self,
        source: Plane,
        table: KernelTable,
        row: Positions,
        col: Positions,
        filter_scales: tuple[Positions, Positions] | None,
        *,
        visible_columns: npt.NDArray[np.int64],
        out: Plane,
    ) -> None:
        """Write the mean that a kernel weighs around scattered positions, for each channel.

        Taps beyond the border are the nearest pixel's.

        Parameters
        ----------
        source : ndarray of uint8, uint16 or float32, (rows, cols, channels)
        table : KernelTable
        row, col : ndarray of float64, (output rows, output cols)
            Finite positions in source pixels.
        filter_scales : (ndarray, ndarray) of float64, (output rows, output cols), or None
            Along source rows and columns, at least 1; None: 1.
        visible_columns : ndarray of int64, (output rows, 2)
            First and one past the last column of each row that are wanted; others become 0.
        out : ndarray of the source's dtype, (channels, output rows, output cols)
            Receives the mean; integers are rounded half to even and clipped to their range.
        """

    # -- the learned function for shrinking --------------------------------------------

    def shrunk_mean(
        self,
        source: Plane,
        rows: ShrinkingTaps,
        cols: ShrinkingTaps,
        widening: float,
        overshoot: float,
        *,
        cval: Sequence[float] | None,
        out: Plane,
    ) -> None:
        """Write the result of the learned function for shrinking, for each channel.

        Parameters
        ----------
        source, cval, out
            As `separable_mean` has them.
        rows, cols : ShrinkingTaps
            Taps of output rows and columns, and of the neighbours of these.
        widening, overshoot : float
            Of the `ShrinkingKernel`.
        """

    def separable_range(
        self, source: Plane, rows: KernelTaps, cols: KernelTaps, *, cval: Sequence[float] | None
    ) -> tuple[FloatPlane, FloatPlane]:
        """Return the least and the greatest source value that the taps weigh.

        Parameters
        ----------
        source : ndarray of float32, (rows, cols, channels)
        rows, cols : KernelTaps
            Taps that weigh nothing do not count.
        cval : sequence of float, or None
            Value of each channel outside the source; None: that of the nearest pixel.

        Returns
        -------
        low, high : ndarray of float32, (output rows, output cols, channels)
            Infinity and minus infinity where there is nothing but NaN, which does not count.
        """

    def limited(
        self,
        sharp: FloatPlane,
        smooth: FloatPlane,
        low: FloatPlane,
        high: FloatPlane,
        inner: tuple[slice, slice],
        widening: float,
        overshoot: float,
    ) -> FloatPlane:
        """Return the inner sharp pixels within the limits that the smooth and the source's set.

        Parameters
        ----------
        sharp, smooth, low, high : ndarray of float32, (rows, cols, channels)
            All with neighbours around the inner pixels, but at the result's ends.
        inner : (slice, slice)
            Of rows and columns.
        widening, overshoot : float
            Parts of the ranges of 3x3 smooth pixels, and from low to high, by which they are
            widened.
        """

    # -- writing -----------------------------------------------------------------------

    def halve(self, source: Plane, *, has_alpha: bool, out: Plane) -> None:
        """Write an image of half the size, rounded up: means of two by two pixels.

        Parameters
        ----------
        source : ndarray of integers, float32 or float64, (rows, cols, channels)
            C-contiguous, of the native byte order. Where a last row or column is single, it counts
            twice.
        has_alpha : bool
            The last channel is an opacity by which colours weigh in; it is averaged itself.
        out : ndarray, C-contiguous
            Receives it, of the same dtype; integers rounded, halves up.
        """

    def fill_around(self, plane: Plane, visible_columns: npt.NDArray[np.int64], value: Any) -> None:
        """Set all of a plane but the visible columns of each row, (rows, 2): first and last + 1."""

    def store_channels(self, planes: Iterable[Plane], out: Plane) -> None:
        """Write channels, (rows, cols) each, into an array, (channels, rows, cols)."""
