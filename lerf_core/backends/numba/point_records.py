"""What means at scattered positions read: the records of all pixels of some channels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.backends.numba.entry_points import (
    byte_plane_records,
    byte_records,
    float_records,
    pad_plane,
)
from lerf_core.backends.numba.layouts import RECORDS
from lerf_core.backends.packed import as_words, slot_count
from lerf_core.constants import WEIGHT_VALUES

__all__ = ["PointRecords", "point_records"]

Plane = npt.NDArray[Any]
FloatPlane = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PointRecords:
    """Records of channels, and the validity that these share.

    Attributes
    ----------
    records : ndarray of int32 or float32, (channels, rows + 2, cols + 2, words)
    layout : tuple of int
        Has as many items as the number of the records' layout says.
    validity : ndarray of float32, (rows + 2, cols + 2), or None
    """

    records: Plane
    layout: tuple[int, ...]
    validity: FloatPlane | None


def point_records(
    channels: Iterable[tuple[Plane, Plane | None]],
    count: int,
    weighting: str,
    validity: FloatPlane | None,
) -> PointRecords:
    """Make the records of channels; arguments as `Backend.points_of` has them."""
    records, number, following = np.empty(0, np.int32), 0, iter(channels)
    for channel in range(count):
        packed, bounds = next(following)
        if channel == 0:
            number = _layout_number(packed, weighting)
            rows, cols, _ = packed.shape
            layout = RECORDS[number]
            dtype = np.int32 if layout.is_bytes else np.float32
            records = np.empty((count, rows + 2, cols + 2, layout.words), dtype)
        _write_records(np.ascontiguousarray(packed), bounds, number, records[channel])
        del packed, bounds  # before the next one is made
    padded = None
    if validity is not None:
        padded = np.empty([size + 2 for size in validity.shape], np.float32)
        pad_plane(np.ascontiguousarray(validity), padded)
    return PointRecords(records, (0,) * number, padded)


def _layout_number(packed: Plane, weighting: str) -> int:
    has_local_plane = packed.shape[-1] > slot_count(WEIGHT_VALUES[weighting])
    wanted = weighting, has_local_plane, packed.dtype == np.uint8
    return next(number for number, layout in RECORDS.items() if layout[:3] == wanted)


def _write_records(packed: Plane, bounds: Plane | None, number: int, out: Plane) -> None:
    layout = RECORDS[number]
    if bounds is None:
        bounds = np.empty((2, 0, 0), packed.dtype)
    bounds = np.ascontiguousarray(bounds)
    if not layout.is_bytes:
        float_records(packed, layout.weighting == "gaussian", bounds, out)
    elif layout.has_local_plane:
        byte_plane_records(as_words(packed), bounds, out)
    else:
        byte_records(packed, out)
