"""Records: what the weighted mean needs of a pixel, side by side.

A record holds the feature and then the parameters, in 2, 4 or 8 slots; what is left over
holds anything. So a pixel of bytes is one word, fetched at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["empty_records", "parts"]

Records = npt.NDArray[Any]
# Parameters of a pixel by its slots: alpha; rho and sigmas; these and a plane.
_PARAMETERS = {2: 1, 4: 3, 8: 6}


def empty_records(rows: int, cols: int, parameters: int, dtype: npt.DTypeLike) -> Records:
    """Return uninitialised records, (rows, cols, slots), for a number of parameters."""
    slots = next(slots for slots, most in _PARAMETERS.items() if parameters <= most)
    return np.empty((rows, cols, slots), dtype)


def parts(records: Records) -> tuple[Records, Records]:
    """View features, (rows, cols), and parameters, (parameters, rows, cols), of records."""
    last = _PARAMETERS[records.shape[-1]] + 1
    return records[..., 0], np.moveaxis(records[..., 1:last], -1, 0)
