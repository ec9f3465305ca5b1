"""TIFFs whose pages a description orders, read whole: planes of the image at its full size."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lerf_core.errors import FileError
from lerf_core.io.codec import Header, OpenFile
from lerf_core.io.codecs.tiff.opening import opened_tiff
from lerf_core.io.codecs.tiff.physical import is_structured
from lerf_core.io.codecs.tiff.reader import TiffReader
from lerf_core.io.codecs.tiff.tags import orientation_of
from lerf_core.io.guards import check_samples
from lerf_core.io.image import DecodedImage

__all__ = ["read", "read_header"]

_CACHE_BYTES = 64 << 20
_LOSSY = frozenset({"jpeg", "ojpeg"})


def read_header(file: OpenFile, max_pixels: int) -> Header | None:
    """Return what a described TIFF claims; None for a TIFF of pages."""
    with opened_tiff(file.rewound()) as opened:
        try:
            series = opened.handle.series[0] if is_structured(opened.handle) else None
        except Exception:  # noqa: BLE001 - tifffile's view of a damaged description
            series = None
        if series is None or not {"Y", "X"} <= set(series.axes):
            return None
        lengths = dict(zip(series.axes, map(int, series.shape), strict=True))
        shape = lengths.pop("Y"), lengths.pop("X")
        samples = lengths.pop("S", 1)
        frames = math.prod(lengths.values())
        check_samples(shape[0] * shape[1] * frames, samples, max_pixels, "claims")
        header = Header("TIFF", shape, frames, samples=samples)
        return header.turned_upright(orientation_of(series.keyframe))


def read(file: OpenFile, max_pixels: int, *, labels: bool = False) -> DecodedImage | None:
    """Read the first stack of a described TIFF, a frame per plane; None for a TIFF of pages.

    See `lerf_core.io.codec.Codec.read`.
    """
    if read_header(file, max_pixels) is None:
        return None
    options = {
        "level": 0, "series": 0, "cache_bytes": _CACHE_BYTES, "missing": "fill",
        "max_decoded_bytes": None, "labels": labels,
    }  # fmt: skip
    try:
        return _decoded(file, options)
    except FileError:
        return None  # page by page it can be read, or fails in plainer words


def _decoded(file: OpenFile, options: dict[str, Any]) -> DecodedImage:
    with _path_of(file.rewound()) as path, TiffReader(path, options) as reader:
        pixels, axes = reader[(slice(None),) * reader.ndim], reader.axes
        tail = [axes.index(letter) for letter in "YXS" if letter in axes]
        order = [axis for axis in range(len(axes)) if axis not in tail] + tail
        planes = pixels.transpose(order).reshape(-1, *(pixels.shape[axis] for axis in tail))
        return DecodedImage(
            [np.ascontiguousarray(plane) for plane in planes], reader.layout, "TIFF",
            reader.metadata, reader.notes, premultiplied=reader.is_premultiplied,
            palette=reader.details.get("palette"), details=reader.details,
            lossless=reader.details.get("compression") not in _LOSSY,
        )  # fmt: skip


@contextmanager
def _path_of(stream: BinaryIO) -> Iterator[str]:
    """Yield a path under which the data of a stream lie: their own, or a temporary file's."""
    name = getattr(stream, "name", None)
    if isinstance(name, str) and Path(name).is_file():
        yield os.path.abspath(name)  # noqa: PTH100
        return
    with tempfile.TemporaryDirectory(prefix="lerf-") as folder:
        path = Path(folder) / "in.tif"
        path.write_bytes(stream.read())
        yield str(path)
