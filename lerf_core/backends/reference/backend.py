"""The reference backend: the specification behind the contract."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.backends.contract import Backend, FloatPlane, Plane, Positions, Rows
from lerf_core.backends.packed import pack, unpack
from lerf_core.backends.reference import (
    halving,
    majority,
    means,
    network,
    overshoot,
    table_reads,
)
from lerf_core.backends.reference.colours import add_colour_differences, luma
from lerf_core.backends.reference.coordinates import source_coordinates
from lerf_core.backends.reference.kernel_points import kernel_mean_at_points
from lerf_core.backends.reference.separable import separable_mean
from lerf_core.backends.reference.shrinking import limited, separable_range, shrunk_mean
from lerf_core.bank.layered_network import LayeredNetwork
from lerf_core.bank.model import LutBank
from lerf_core.bank.network import NetworkBank
from lerf_core.bank.staged_tables import StagedTables
from lerf_core.constants import LEVELS, NETWORK_GREY_BITS
from lerf_core.pixels.values import ValueScale
from lerf_core.sampling.taps import AxisTaps, point_taps
from lerf_core.threads import bands

__all__ = ["ReferenceBackend"]

# Rows of a source that are enlarged at once.
_BAND_ROWS = 64
# Packed parameters and bounds of each channel, weighting, validity.
_Points = tuple[list[tuple[Plane, Plane | None]], str, FloatPlane | None]


class ReferenceBackend(Backend):
    """Every step by the functions of `lerf_core.backends.reference`."""

    luma = staticmethod(luma)
    add_colour_differences = staticmethod(add_colour_differences)
    source_coordinates = staticmethod(source_coordinates)
    separable_mean = staticmethod(separable_mean)
    kernel_mean_at_points = staticmethod(kernel_mean_at_points)
    shrunk_mean = staticmethod(shrunk_mean)
    separable_range = staticmethod(separable_range)
    limited = staticmethod(limited)

    def to_units(
        self, scale: ValueScale, plane: Plane, grey_bits: int
    ) -> tuple[npt.NDArray[np.int32], FloatPlane]:
        """Turn values into units and remainders, by `ValueScale.to_units`."""
        return scale.to_units(plane, grey_bits)

    def to_grey(self, scale: ValueScale, plane: Plane) -> FloatPlane:
        """Turn values into grey levels, by `ValueScale.to_grey`."""
        return scale.to_grey(plane).astype(np.float32)

    def from_grey(self, scale: ValueScale, grey: FloatPlane) -> Plane:
        """Turn grey levels into values, by `ValueScale.from_grey`."""
        return scale.from_grey(grey)

    def read_stage(
        self,
        plane: Plane,
        bank: StagedTables,
        number: int,
        cell_bits: int,
        threads: int,  # noqa: ARG002
        rows: Rows | None = None,
    ) -> Plane:
        """Read a stage, by `table_reads.read_stage`, of the rows and those within reach."""
        first, last = rows or (0, len(plane))
        top, bottom = max(0, first - bank.stage_reach), min(len(plane), last + bank.stage_reach)
        values = table_reads.read_stage(plane[top:bottom], bank, number, cell_bits)
        return values[:, first - top : last - top].astype(plane.dtype)

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
        """Read the last stage and pack its values, by `packed.pack`."""
        values = self.read_stage(plane, bank, len(bank.stages) - 1, cell_bits, threads, rows)
        level = (1 << cell_bits) // bank.interval
        return pack(plane[slice(*rows)], values, level, remainder, dtype)

    def read_blocks(
        self, plane: Plane, cascade: StagedTables, cell_bits: int, threads: int, rows: Rows
    ) -> Plane:
        """Read the last stage, by `read_stage`, and lay out its blocks."""
        values = self.read_stage(plane, cascade, len(cascade.stages) - 1, cell_bits, threads, rows)
        blocks = table_reads.laid_out(values)
        if plane.dtype == np.uint8:
            return blocks
        level = (1 << cell_bits) // cascade.interval
        return blocks.astype(np.float32) * np.float32(1 / level)

    def read_network(
        self,
        planes: Sequence[Plane],
        bank: NetworkBank,
        threads: int,  # noqa: ARG002
        rows: Rows,
        remainders: Sequence[FloatPlane] | None,
        dtype: npt.DTypeLike,
    ) -> list[Plane]:
        """Compute a network's layers, by `network.network_outputs`, and pack what they give."""
        grey_bits = 0 if planes[0].dtype == np.uint8 else NETWORK_GREY_BITS
        parameters = network.channel_outputs(planes, bank, grey_bits, rows)
        return [
            pack(plane[slice(*rows)], values, 1 << grey_bits,
                 None if remainders is None else remainders[number], dtype)
            for number, (plane, values) in enumerate(zip(planes, parameters, strict=True))
        ]  # fmt: skip

    def enlarge_by_network(
        self,
        planes: npt.NDArray[Any],
        front: LayeredNetwork,
        threads: int,  # noqa: ARG002
    ) -> npt.NDArray[Any]:
        """Enlarge, by `network.network_enlargement`, by bands of rows."""
        count, rows, cols = planes.shape
        is_bytes, scale = planes.dtype == np.uint8, network.scale_of(front)
        out = np.empty((count, scale * rows, scale * cols), np.uint8 if is_bytes else np.float32)
        grey_bits = 0 if is_bytes else NETWORK_GREY_BITS
        for first, last in bands(rows, _BAND_ROWS):
            levels = network.network_enlargement(list(planes), front, grey_bits, (first, last))
            band = out[:, scale * first : scale * last]
            band[:] = levels if is_bytes else levels / (1 << grey_bits)
        return out

    def overshoot_bounds(self, plane: Plane, threads: int) -> Plane:  # noqa: ARG002
        """Bound results, by `overshoot.overshoot_bounds`; those of bytes rounded and clipped."""
        bounds = overshoot.overshoot_bounds(plane)
        return _to_bytes(bounds) if plane.dtype == np.uint8 else bounds

    bounds_along_kept_axes = staticmethod(overshoot.bounds_along_kept_axes)

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
        """Take the mean, by `means.mean_on_grid`."""
        mean, valid_share = means.mean_on_grid(
            *unpack(packed), weighting, rows, cols,
            validity=validity, cval=cval, cval_validity=cval_validity, bounds=bounds,
        )  # fmt: skip
        return _to_bytes(mean) if to_uint8 else mean, None if validity is None else valid_share

    def points_of(
        self,
        channels: Iterable[tuple[Plane, Plane | None]],
        count: int,  # noqa: ARG002
        weighting: str,
        validity: FloatPlane | None,
    ) -> _Points:
        """Keep the channels as they are."""
        return list(channels), weighting, validity

    def mean_at_points(
        self,
        points: _Points,
        row: Positions,
        col: Positions,
        filter_scales: tuple[Positions, Positions] | None,
        *,
        to_uint8: bool,
        visible_columns: npt.NDArray[np.int64] | None = None,  # noqa: ARG002
    ) -> tuple[Plane, FloatPlane | None]:
        """Take the mean of each channel, by `means.mean_at_points`."""
        channels, weighting, validity = points
        row_scale, col_scale = filter_scales or (None, None)
        rows, cols = point_taps(row, row_scale), point_taps(col, col_scale)
        results = [
            means.mean_at_points(
                *unpack(packed), weighting, rows, cols, validity=validity, bounds=bounds
            )
            for packed, bounds in channels
        ]
        mean, valid_share = (np.stack(planes) for planes in zip(*results, strict=True))
        return _to_bytes(mean) if to_uint8 else mean, None if validity is None else valid_share

    majority_on_grid = staticmethod(majority.majority_on_grid)

    def majority_at_points(
        self,
        keys: Plane,
        missing: npt.NDArray[np.bool_] | None,
        row: Positions,
        col: Positions,
        filter_scales: tuple[Positions, Positions] | None,
        *,
        is_cut: bool,
        visible_columns: npt.NDArray[np.int64] | None = None,  # noqa: ARG002
    ) -> npt.NDArray[np.int64]:
        """Find labels, by `majority.majority_at_points`."""
        return majority.majority_at_points(keys, missing, row, col, filter_scales, is_cut=is_cut)

    def halve(self, source: Plane, *, has_alpha: bool, out: Plane) -> None:
        """Halve an image, by `halving.halved`."""
        out[...] = halving.halved(source, has_alpha=has_alpha)

    def fill_around(self, plane: Plane, visible_columns: npt.NDArray[np.int64], value: Any) -> None:
        """Set what lies around the visible columns."""
        column = np.arange(plane.shape[1])
        plane[(column < visible_columns[:, :1]) | (column >= visible_columns[:, 1:])] = value

    def store_channels(self, planes: Iterable[Plane], out: Plane) -> None:
        """Write channels one by one."""
        for plane, channel in zip(planes, out, strict=True):
            channel[...] = plane


def _to_bytes(levels: Plane) -> npt.NDArray[np.uint8]:
    """Round levels half to even, and clip them to 0..255."""
    return np.clip(np.rint(levels), 0, LEVELS).astype(np.uint8)
