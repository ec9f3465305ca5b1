"""Open a large image of any kind for reading by regions."""

from __future__ import annotations

import operator
import os
from pathlib import Path, PurePosixPath

from lerf_core.errors import InvalidArgumentError, InvalidTypeError, TiledFileError
from lerf_core.io.locations import local_path
from lerf_core.io.npy_source import NpySource, is_npy
from lerf_core.io.source import Source, SourceIndexError
from lerf_core.io.source_file import one_line
from lerf_core.io.tiff_source import TiffSource, is_tiff

__all__ = ["Source", "SourceIndexError", "is_tiled_format", "memory_needed", "open_source"]

_FILE_SUFFIXES = frozenset({".tif", ".tiff", ".npy", ".png", ".jpg", ".jpeg", ".webp"})
_ZARR_DOCUMENTS = ("zarr.json", ".zarray", ".zgroup", ".zattrs")


def open_source(
    path: str | os.PathLike[str],
    *,
    level: int = 0,
    series: int = 0,
    cache_bytes: int = 64 << 20,
    missing: str = "fill",
    max_decoded_bytes: int | None = None,
) -> Source:
    """Open an image for reading by regions.

    TIFF and BigTIFF (with OME-TIFF and ImageJ's stacks) are read by tiles or strips, Zarr and
    OME-Zarr by chunks, uncompressed TIFF and .npy by the rows asked for. PNG, JPEG, WebP and the
    other formats of Pillow are decoded as a whole, at the first read.

    Parameters
    ----------
    path : str or path
        A file, a folder of Zarr, or the address of a Zarr such as "s3://bucket/image.zarr" (an
        fsspec URL, whose own package must be installed).
    level : int, optional
        Of a pyramid: 0 is the full image.
    series : int, optional
        Which image of a file with several.
    cache_bytes : int, optional
        Bound of the decoded chunks that are kept, shared by all threads.
    missing : {"fill", "error"}, optional
        What to do where a tile or chunk was never written: give the file's fill value, or raise.
    max_decoded_bytes : int or None, optional
        Most memory that one decoding may take: of a whole image where the format has no tiles,
        else of one chunk. None for no bound.

    Returns
    -------
    Source

    Raises
    ------
    TiledFileError
        If the file is missing, damaged, of an unknown kind, without that level or series, or too
        large to be decoded.
    InvalidArgumentError, InvalidTypeError
        If an option cannot be used.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "ramp.npy"
    >>> np.save(path, np.arange(12).reshape(3, 4))
    >>> with open_source(path) as source:
    ...     source[1:, ::1].tolist()
    [[4, 5, 6, 7], [8, 9, 10, 11]]
    """
    if missing not in {"fill", "error"}:
        raise InvalidArgumentError(f'missing must be "fill" or "error", got {missing!r}')
    options = {
        "level": _count(level, "level"),
        "series": _count(series, "series"),
        "cache_bytes": _count(cache_bytes, "cache_bytes"),
        "missing": missing,
        "max_decoded_bytes": (
            None if max_decoded_bytes is None else _count(max_decoded_bytes, "max_decoded_bytes")
        ),
    }
    name = _as_text(path)
    kind = _kind(name)
    if kind == "zarr":
        from lerf_core.io.zarr_source import ZarrSource

        return ZarrSource(name, options)
    if kind == "tiff":
        return TiffSource(name, options)
    if options["level"] or options["series"]:
        raise TiledFileError(
            f"{name}: level {level}, series {series} asked, and the format has one image"
        )
    if kind == "npy":
        return NpySource(name, options)
    from lerf_core.io.raster_source import RasterSource

    return RasterSource(name, options)


def is_tiled_format(path: str | os.PathLike[str]) -> bool:
    """Tell whether a path is read by parts: TIFF, .npy, a folder or address of Zarr.

    Looks at names and first bytes alone; nothing is raised for a path that cannot be read.
    """
    try:
        return _kind(_as_text(path)) != "raster"
    except TiledFileError:
        return False


def memory_needed(path: str | os.PathLike[str]) -> int:
    """Return the bytes of memory that the least read of an image takes, from its header.

    Of PNG, JPEG and the like that is decoding all of it, of tiled formats one chunk.

    Raises
    ------
    TiledFileError
    """
    name = _as_text(path)
    if _kind(name) == "raster":
        from lerf_core.io.raster_source import raster_memory

        return raster_memory(name)
    with open_source(name) as source:
        return source.bytes_per_read


def _as_text(path: str | os.PathLike[str]) -> str:
    try:
        name = os.fspath(path)
    except TypeError:
        name = None
    if not isinstance(name, str):
        raise InvalidTypeError(f"a path is text or a path object, got {type(path).__name__}")
    return local_path(name)  # a folder of this machine needs no fsspec


def _count(value: int, name: str) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if isinstance(value, bool) or number < 0:
        raise InvalidArgumentError(f"{name} must be an integer of at least 0, got {value!r}")
    return number


def _kind(name: str) -> str:
    """Return how a path is read: "zarr", "tiff", "npy" or "raster"."""
    if "://" in name:
        if PurePosixPath(name.partition("?")[0]).suffix.lower() in _FILE_SUFFIXES:
            raise TiledFileError(f"{name}: addresses are read for Zarr alone: download it first")
        return "zarr"
    path = Path(name)
    if path.is_dir():
        if any((path / document).is_file() for document in _ZARR_DOCUMENTS):
            return "zarr"
        raise TiledFileError(
            f"{name}: a folder that is no Zarr: zarr.json, .zarray and .zgroup miss"
        )
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise TiledFileError(f"{name}: {one_line(error.strerror or error)}") from error
    if not head:
        raise TiledFileError(f"{name}: an empty file")
    if is_tiff(head):
        return "tiff"
    return "npy" if is_npy(head) else "raster"
