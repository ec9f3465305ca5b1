"""Ground control points as QGIS's georeferencer saves them (.points).

Convention
----------
In the file y of the image is negative downwards, and pixels are counted from the first one's
corner; here points are (col, row, x, y), as in `lerf_core.geometry.control_points`.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import NamedTuple

from lerf_core.errors import FileError, one_line

__all__ = ["ControlPoints", "read_control_points"]

# Bytes; a longer file is of another kind.
_MOST_BYTES = 1 << 26
_SYSTEM = "#crs:"
_COLUMNS = (("mapx",), ("mapy",), ("sourcex", "pixelx"), ("sourcey", "pixely"))


class ControlPoints(NamedTuple):
    """Points of an image whose places are known.

    Attributes
    ----------
    points : tuple of (col, row, x, y)
    system : str
        Of the places, as the file says it; "" where it does not.
    """

    points: tuple[tuple[float, float, float, float], ...]
    system: str


def read_control_points(path: str | Path) -> ControlPoints:
    """Read the points of a file that are switched on.

    Raises
    ------
    FileError
        If it cannot be read, or is another file.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise FileError(f"{path}: {one_line(error)}") from error
    if len(data) > _MOST_BYTES:
        raise FileError(f"{path} is too long to be control points")
    lines = [line.strip() for line in data.decode("utf-8-sig", errors="replace").splitlines()]
    system = next((line[len(_SYSTEM) :].strip() for line in lines if _is_system(line)), "")
    rows = [line.lstrip("#") for line in lines if line and not _is_system(line)]
    try:
        head, *table = csv.reader(rows)
    except (ValueError, csv.Error):
        head, table = [], []
    names = [name.strip().lower() for name in head]
    columns = [next((names.index(n) for n in each if n in names), -1) for each in _COLUMNS]
    if min(columns, default=-1) < 0:
        raise FileError(f"{path} has no columns mapX, mapY, sourceX and sourceY: QGIS's .points do")
    enable = names.index("enable") if "enable" in names else None
    points = []
    for number, row in enumerate(table, 1):
        try:
            if enable is not None and not float(row[enable]):
                continue
            x, y, col, negative_row = (float(row[column]) for column in columns)
            if not all(map(math.isfinite, (x, y, col, negative_row))):
                raise ValueError("not finite")
        except (ValueError, IndexError):
            raise FileError(f"{path}: point {number} is not four numbers") from None
        points.append((col, -negative_row, x, y))
    return ControlPoints(tuple(points), system)


def _is_system(line: str) -> bool:
    return line.lower().startswith(_SYSTEM)
