"""Images whose format has no tiles: decoded as a whole at the first read, then read by regions."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lerf_core.errors import FileError
from lerf_core.io.codec import Codec, opened
from lerf_core.io.guards import guarded_decoding
from lerf_core.io.tiles.pixel_file import file_fingerprint
from lerf_core.io.tiles.regions import Region
from lerf_core.io.tiles.tiled_reader import TiledReader

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DecodedReader"]

# Memory is what bounds images here, not their number of pixels.
_NO_LIMIT = 2**62


class DecodedReader(TiledReader):
    """An image that is decoded as a whole, at the first read.

    Parameters
    ----------
    path : str
    options : dict
        Of :func:`lerf_core.io.reading.open_reader`.
    codec : Codec
        Of the file's format.

    Attributes
    ----------
    header : Header
        What the file claims.

    Raises
    ------
    FileError
        Also where decoding takes more than ``max_decoded_bytes``.
    """

    def __init__(self, path: str, options: dict[str, Any], codec: Codec) -> None:
        super().__init__(path, options)
        self.storage = "whole"
        self._codec = codec
        try:
            with guarded_decoding(_NO_LIMIT), opened(Path(path)) as file:
                header = codec.read_header(file, _NO_LIMIT)
            self.fingerprint = file_fingerprint(path)
        except FileError as error:
            raise FileError(f"{path}: {error}") from error
        self.header, self.orientation = header, header.metadata.orientation
        channels = header.channels
        self.format, self.layout, self.dtype = header.format, header.layout, header.dtype
        self.shape = header.shape if channels == 1 else (*header.shape, channels)
        self.chunks, self.level_shapes = self.shape, (self.shape,)
        self.axes = "YXS"[: len(self.shape)]
        self.metadata, self._notes = header.metadata, header.notes
        if header.frames > 1:
            self._notes += (f"the first of {header.frames} frames read",)
        self._pixels: NDArray[Any] | None = None
        self._decoding = threading.Lock()
        self.limit_memory(options["cache_bytes"], options["max_decoded_bytes"])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self._options, self._codec)

    @property
    def bytes_per_read(self) -> int:
        """Bytes that decoding the image takes at its worst moment."""
        return self.header.decoding_bytes

    @property
    def decoded_chunks(self) -> int:
        """1 once the image is decoded."""
        return int(self._pixels is not None)

    @property
    def _decoding_bytes(self) -> int:
        return self.header.decoding_bytes

    def _too_large(self, needed: str, allowed: str) -> str:
        return (
            f"{self.format} is decoded as a whole and that takes {needed} of memory, {allowed} "
            "allowed: convert it to a tiled TIFF or a Zarr first"
        )

    def close(self) -> None:
        """Forget the pixels; again is no error."""
        super().close()
        self._pixels = None

    def _read_region(self, region: Region) -> NDArray[Any]:
        with self._decoding:
            if self._pixels is None:
                self._pixels = self._decoded()
            return self._pixels[region].copy()

    def _decoded(self) -> NDArray[Any]:
        try:
            with guarded_decoding(_NO_LIMIT), opened(Path(self.path)) as file:
                image = self._codec.read(file, _NO_LIMIT, first_only=True)
        except FileError as error:
            raise FileError(f"{self.path}: {error}") from error
        pixels = image.frames[0]
        if (pixels.shape, pixels.dtype) != (self.shape, self.dtype):
            raise FileError(f"{self.path}: damaged: {pixels.shape} decoded of {self.shape}")
        return pixels
