"""Reading image files, whole or by regions; every failure is a `FileError` of one line."""

from __future__ import annotations

import operator
import os
from pathlib import Path
from typing import TYPE_CHECKING

from lerf_core.errors import InvalidArgumentError, InvalidTypeError, SourceChangedError
from lerf_core.io.codec import (
    DecodingCodec,
    Header,
    OpenFile,
    opened,
    refuse_levels_and_series,
)
from lerf_core.io.formats import DEFAULT_MAX_PIXELS
from lerf_core.io.guards import guarded_decoding, quiet_decoders
from lerf_core.io.image import DecodedImage
from lerf_core.io.locations import local_path
from lerf_core.io.registry import codec_of_file, codec_of_path

if TYPE_CHECKING:
    from lerf_core.io.tiles.tiled_reader import TiledReader

__all__ = ["open_reader", "read_header", "read_image"]


def read_header(source: Path | bytes, max_pixels: int = DEFAULT_MAX_PIXELS) -> Header:
    """Read format, size and number of frames, without decoding pixels.

    Parameters
    ----------
    source : Path or bytes
        A file, or its data.
    max_pixels : int, optional
        Greatest number of pixels accepted, over all frames.

    Raises
    ------
    FileError
    """
    with guarded_decoding(max_pixels), opened(source) as file:
        return codec_of_file(file).read_header(file, max_pixels)


def read_image(
    source: Path | bytes, max_pixels: int = DEFAULT_MAX_PIXELS, *, labels: bool = False
) -> DecodedImage:
    """Read a file's frames, upright, and its metadata.

    Parameters
    ----------
    source : Path or bytes
        A file, or its data.
    max_pixels : int, optional
        Greatest number of pixels accepted, over all frames; checked before decoding.
    labels : bool, optional
        Keep palette indices, 1-bit pixels and a TIFF's depth as they are, instead of expanding
        them.

    Raises
    ------
    FileError
        Whatever is wrong with the file, in one line.
    """
    with guarded_decoding(max_pixels), opened(source) as file:
        before = _state(file)
        image = codec_of_file(file).read(file, max_pixels, labels=labels)
        if _state(file) != before:
            raise SourceChangedError("was changed while it was read")
        return image


def _state(file: OpenFile) -> tuple[int, int] | None:
    """Return what changes with a file: its size and time of change; None for data."""
    try:
        status = os.fstat(file.stream.fileno())
    except OSError:  # UnsupportedOperation is one
        return None
    return status.st_size, status.st_mtime_ns


def open_reader(
    path: str | os.PathLike[str],
    *,
    level: int = 0,
    series: int = 0,
    cache_bytes: int = 64 << 20,
    missing: str = "fill",
    max_decoded_bytes: int | None = None,
    labels: bool = False,
) -> TiledReader:
    """Open an image for reading by regions.

    TIFF and BigTIFF (with OME-TIFF and ImageJ's stacks) are read by tiles or strips, Zarr and
    OME-Zarr by chunks, uncompressed TIFF and .npy by the rows asked for. PNG, JPEG, WebP and the
    other formats of Pillow are decoded as a whole, at the first read.

    Parameters
    ----------
    path : str or path
        A file, a folder of Zarr, or the address of a TIFF or a Zarr such as
        "s3://bucket/image.tif" (an fsspec URL, whose own package must be installed). Of a TIFF the
        ranges are read that are needed.
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
    labels : bool, optional
        Keep the values of a TIFF as they are stored: palette indices, 1-bit pixels, any depth.

    Returns
    -------
    TiledReader

    Raises
    ------
    FileError
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
    >>> with open_reader(path) as source:
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
        "labels": bool(labels),
        "max_decoded_bytes": (
            None if max_decoded_bytes is None else _count(max_decoded_bytes, "max_decoded_bytes")
        ),
    }
    name = _as_text(path)
    # How large an image may be is a matter of memory here.
    with quiet_decoders(2**62):
        codec = codec_of_path(name)
    if isinstance(codec, DecodingCodec):
        from lerf_core.io.tiles.decoded_reader import DecodedReader

        refuse_levels_and_series(name, options)
        return DecodedReader(name, options, codec)
    return codec.open_reader(name, options)


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
