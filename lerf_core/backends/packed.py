"""Records: what the weighted mean needs of a pixel, side by side.

A record holds the feature and then the parameters, in 2, 4 or 8 slots; what is left over
holds anything. So a pixel of bytes is one word, fetched at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.bank.model import LutBank

__all__ = ["empty_records", "joined", "parts", "slot_count"]

Records = npt.NDArray[Any]
# Parameters of a pixel by its slots: alpha; rho and sigmas; these and a plane.
_PARAMETERS = {2: 1, 4: 3, 8: 6}


def slot_count(parameters: int) -> int:
    """Return how many slots a record of so many parameters has."""
    return next(slots for slots, most in _PARAMETERS.items() if parameters <= most)


def empty_records(rows: int, cols: int, parameters: int, dtype: npt.DTypeLike) -> Records:
    """Return uninitialised records, (rows, cols, slots), for a number of parameters."""
    return np.empty((rows, cols, slot_count(parameters)), dtype)


def parts(records: Records) -> tuple[Records, Records]:
    """View features, (rows, cols), and parameters, (parameters, rows, cols), of records."""
    last = _PARAMETERS[records.shape[-1]] + 1
    return records[..., 0], np.moveaxis(records[..., 1:last], -1, 0)


def joined(
    units: npt.NDArray[np.integer],
    values: npt.NDArray[np.integer],
    cell_bits: int,
    bank: LutBank,
    remainder: npt.NDArray[np.float32] | None,
    dtype: npt.DTypeLike,
) -> Records:
    """Return records of a feature and of the last stage's values; see `Engine.records`.

    Parameters
    ----------
    units : ndarray, (rows, cols)
        The feature, in the units of the reads.
    values : ndarray, (parameters, rows, cols)
        In these units as well.
    """
    rows, cols = units.shape
    records = empty_records(rows, cols, len(values), dtype)
    feature, parameters = parts(records)
    feature[:], parameters[: len(values)] = units, values
    if records.dtype == np.float32:
        to_level = np.float32(bank.interval / (1 << cell_bits))
        feature *= to_level
        parameters *= to_level
    if remainder is not None:
        feature += remainder
    return records
