"""Fields of displacements in MetaImages (.mha, .mhd), as ITK writes them.

Convention
----------
ITK's: vectors (x, y) in physical space, from a place of the output to one of the input.
"""

from __future__ import annotations

import math
import re
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.errors import FileError, InvalidArgumentError, one_line
from lerf_core.geometry.registration.grids import PhysicalGrid, planar_grid

__all__ = ["START", "field_of_meta_image"]

#: What a header begins with.
START = re.compile(rb"\s*(?:ObjectType|NDims|Comment|ObjectSubType)\s*=")
_DTYPES = {
    "MET_FLOAT": "f4", "MET_DOUBLE": "f8", "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2",
    "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4",
}  # fmt: skip
# Bytes that a header may take.
_MOST_HEADER = 1 << 16
_MOST_AXES = 3

Values = npt.NDArray[np.floating[Any]]


def field_of_meta_image(path: Path) -> tuple[Values, PhysicalGrid]:
    """Return the vectors of a MetaImage, and where they lie.

    Returns
    -------
    field : ndarray of float, (rows, cols, 2)
        Steps along x and y. What is not compressed is read as it is looked at.
    grid : PhysicalGrid

    Raises
    ------
    FileError
        If it is no field in a plane.
    """
    entries, header_bytes = _header(path)
    sizes = [int(size) for size in _numbers(path, entries, "DimSize")]
    (channels,) = _numbers(path, entries, "ElementNumberOfChannels", default=[1.0])[:1] or (0.0,)
    axes = len(sizes)
    if not 2 <= axes <= _MOST_AXES or any(size != 1 for size in sizes[2:]) or min(sizes) < 1:
        raise FileError(
            f"{path} is of {' x '.join(map(str, sizes))} pixels: a field lies in a plane"
        )
    if channels not in {2, 3}:
        raise FileError(f"{path} has {channels:g} values a pixel: a field has x and y, and z 0")
    values = _values(path, entries, header_bytes, (sizes[1], sizes[0], int(channels)))
    if channels == 3 and np.any(values[..., 2]):
        raise FileError(f"{path} has steps along z: a field lies in a plane")
    grid = _grid(path, entries, axes, (sizes[1], sizes[0]))
    return values[..., :2], grid


def _header(path: Path) -> tuple[dict[str, str], int]:
    """Return the entries of the header, and where it ends."""
    with path.open("rb") as file:
        data = file.read(_MOST_HEADER)
    entries: dict[str, str] = {}
    at = 0
    while "ElementDataFile" not in entries:
        end = data.find(b"\n", at)
        line = data[at:] if end < 0 else data[at:end]
        key, equals, value = line.decode("latin-1").partition("=")
        if not equals:
            raise FileError(f"{path} is a damaged MetaImage: its header has no ElementDataFile")
        entries[key.strip()] = value.strip()
        at = len(data) if end < 0 else end + 1
    return entries, at


def _numbers(
    path: Path, entries: dict[str, str], *names: str, default: list[float] | None = None
) -> list[float]:
    """Return the numbers of the first of some entries that is there."""
    for name in names:
        if name in entries:
            try:
                return [float(word) for word in entries[name].split()]
            except ValueError:
                raise FileError(f"{path}: {name} are no numbers") from None
    if default is None:
        raise FileError(f"{path} is a damaged MetaImage: it has no {names[0]}")
    return default


def _grid(path: Path, entries: dict[str, str], axes: int, shape: tuple[int, int]) -> PhysicalGrid:
    spacing = _numbers(path, entries, "ElementSpacing", "ElementSize", default=[1.0] * axes)
    origin = _numbers(path, entries, "Offset", "Position", "Origin", default=[0.0] * axes)
    direction = _numbers(
        path, entries, "TransformMatrix", "Rotation", "Orientation",
        default=np.eye(axes).ravel().tolist(),
    )  # fmt: skip
    try:
        # Written axis by axis: columns of the matrix.
        return planar_grid(spacing, origin, np.reshape(direction, (axes, axes)).T, shape)
    except (ValueError, IndexError, InvalidArgumentError) as error:
        raise FileError(f"{path}: {one_line(error)}") from None


def _values(
    path: Path, entries: dict[str, str], header_bytes: int, shape: tuple[int, int, int]
) -> Values:
    """Return the pixels, (rows, cols, channels)."""
    kind = entries.get("ElementType", "")
    if kind not in _DTYPES:
        raise FileError(f"{path}: values of type {kind or 'unknown'} are no steps")
    big_endian = entries.get("BinaryDataByteOrderMSB", entries.get("ElementByteOrderMSB", "False"))
    dtype = np.dtype(_DTYPES[kind]).newbyteorder(">" if _is_true(big_endian) else "<")
    if not _is_true(entries.get("BinaryData", "True")):
        raise FileError(f"{path}: pixels as text are not supported")
    name = entries["ElementDataFile"]
    if name.split(" ")[0] == "LIST" or "%" in name:
        raise FileError(f"{path}: pixels in several files are not supported")
    data_path = path if name.upper() == "LOCAL" else path.parent / name
    start = header_bytes if data_path == path else 0
    needed = math.prod(shape) * dtype.itemsize
    if needed > sys.maxsize:
        raise FileError(f"{path} would have {needed} bytes of pixels")
    try:
        size = data_path.stat().st_size
        skipped = int(entries.get("HeaderSize", "0"))
        start = size - needed if skipped == -1 else start + skipped
        if _is_true(entries.get("CompressedData", "False")):
            with data_path.open("rb") as file:
                file.seek(start)
                data = _inflated(path, file.read(), needed)
            return np.frombuffer(data, dtype).reshape(shape)
        if start < 0 or size - start < needed:
            raise FileError(f"{path} ends early: {data_path.name} has {size} bytes")
        return np.memmap(data_path, dtype, "r", start, shape)
    except FileError:
        raise
    except (OSError, ValueError) as error:
        raise FileError(f"{path}: pixels of {name}: {one_line(error)}") from None


def _inflated(path: Path, data: bytes, needed: int) -> bytes:
    """Return decompressed bytes, and no more than are needed."""
    try:
        # 32 more than the window: zlib's head, or gzip's.
        inflated = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(data, needed)
    except zlib.error:
        raise FileError(f"{path} is damaged: its pixels cannot be decompressed") from None
    if len(inflated) < needed:
        raise FileError(f"{path} ends early: {len(inflated)} of {needed} bytes of pixels")
    return inflated


def _is_true(word: str) -> bool:
    return word.strip().lower() in {"true", "1", "t", "yes"}
