"""The contract of a file format: how its files are told, read and written.

A format is one module, or one folder, with a subclass of `Codec` and a line in
:mod:`lerf_core.io.registry`. What a codec does not override, its format cannot do.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from lerf_core.errors import FileError
from lerf_core.io.image import DecodedImage, channels_of
from lerf_core.io.metadata.model import Metadata
from lerf_core.io.metadata.orientation import TRANSPOSED

if TYPE_CHECKING:
    from lerf_core.io.formats import Format
    from lerf_core.io.results.claims import Claim
    from lerf_core.io.tiles.tiled_reader import TiledReader
    from lerf_core.io.tiles.tiled_writer import TiledWriter, WriterSpec

__all__ = [
    "Codec",
    "DecodingCodec",
    "Encoding",
    "Header",
    "OpenFile",
    "opened",
    "refuse_levels_and_series",
]


@dataclass(frozen=True)
class OpenFile:
    """A file that is open for reading.

    Attributes
    ----------
    stream : binary file
        Seekable.
    head : bytes
        Its first bytes, 32 at most.
    suffix : str
        Of its name, in lower case with the dot; "" where it has none.
    """

    stream: BinaryIO
    head: bytes
    suffix: str = ""

    def rewound(self) -> BinaryIO:
        """Return the stream, at its start."""
        self.stream.seek(0)
        return self.stream

    def __enter__(self) -> OpenFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.stream.close()


@dataclass(frozen=True)
class Header:
    """What a file claims before its pixels are decoded.

    Attributes
    ----------
    format : str
        Pillow's name of the format.
    shape : (rows, columns)
        Of the upright image.
    frames : int
        Frames or pages that are read as a whole.
    layout : str
        Meaning of the channels of a pixel as it is read, see :mod:`lerf_core.io.formats`; "" where
        it is known from the pixels alone.
    dtype : numpy.dtype
    metadata : Metadata
        Of the upright image.
    notes : tuple of str
        On how the first frame is read.
    decoding_bytes : int
        Memory that decoding the first frame takes at its worst moment.
    samples : int
        Per pixel as it is read; 0: those of the layout.
    is_decoded : bool
        Whether the first frame's pixels were decoded to know all this.
    """

    format: str
    shape: tuple[int, int]
    frames: int
    layout: str = ""
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.uint8))
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()
    decoding_bytes: int = 0
    samples: int = 0
    is_decoded: bool = False

    @property
    def channels(self) -> int:
        """Samples per pixel as it is read."""
        return self.samples or channels_of(self.layout)

    def turned_upright(self, orientation: int) -> Header:
        """Return the header of an image that EXIF's orientation, 1 to 8, says to be turned."""
        metadata, notes = self.metadata.turned_upright(orientation, self.shape)
        shape = self.shape[::-1] if orientation in TRANSPOSED else self.shape
        return replace(self, shape=shape, metadata=metadata, notes=self.notes + notes)


@dataclass(frozen=True)
class Encoding:
    """How files are to be written.

    Attributes
    ----------
    depth : str or None
        ``8``, ``16`` or ``float``; None keeps the depth.
    background : (red, green, blue) or None
        Colour to lay under transparent pixels; None keeps alpha.
    quality : int or None
        1 to 100 for lossy formats; None is 95, and lossless WebP where the input was lossless.
    strip : bool
        Leave EXIF, XMP, texts and comments out.
    value_range : (lo, hi) or None
        Values of float pixels that ``depth`` maps to black and white.
    dpi : (x, y) or None
        Pixels per inch that are told; None keeps those of the input.
    """

    depth: str | None = None
    background: tuple[int, int, int] | None = None
    quality: int | None = None
    strip: bool = False
    value_range: tuple[float, float] | None = None
    dpi: tuple[float, float] | None = None


class Codec:
    """A file format, or the formats of one library: read and written whole, and by tiles.

    Codecs have no state. Errors are `FileError`, or whatever the decoder beneath raises: the
    functions of :mod:`lerf_core.io.reading` and :mod:`lerf_core.io.writing` turn it into one line.
    """

    def recognizes(self, file: OpenFile) -> bool:
        """Tell whether a file is of this format, by its first bytes."""
        raise NotImplementedError

    def read_header(self, file: OpenFile, max_pixels: int) -> Header:
        """Read what a file claims, without decoding pixels.

        Parameters
        ----------
        file : OpenFile
        max_pixels : int
            More than this, over all frames, is refused.
        """
        raise NotImplementedError

    def read(
        self, file: OpenFile, max_pixels: int, *, labels: bool = False, first_only: bool = False
    ) -> DecodedImage:
        """Read a file's frames, upright, and its metadata.

        Parameters
        ----------
        file : OpenFile
        max_pixels : int
            More than this, over all frames, is refused before decoding.
        labels : bool, optional
            Keep palette indices and 1-bit pixels as they are, instead of expanding them.
        first_only : bool, optional
            Read the first frame of an animation alone.
        """
        raise NotImplementedError

    def write(
        self, stream: BinaryIO, image: DecodedImage, target: Format, encoding: Encoding
    ) -> tuple[str, ...]:
        """Write an image whole, its metadata as they are.

        Parameters
        ----------
        stream : binary file
            Readable and seekable.
        image : DecodedImage
        target : Format
            One of this codec.
        encoding : Encoding
            Of which quality matters here alone.

        Returns
        -------
        tuple of str
            Notes on what the encoder has made of it.
        """
        raise NotImplementedError

    def open_reader(self, path: str, options: dict[str, Any]) -> TiledReader:
        """Open a file for reading by regions.

        Parameters
        ----------
        path : str
        options : dict
            The keywords of :func:`lerf_core.io.reading.open_reader`.
        """
        raise NotImplementedError

    def open_writer(
        self, path: str, spec: WriterSpec, claim: Claim, *, resume: bool, overwrite: bool
    ) -> TiledWriter:
        """Begin to write a file by tiles, or go on with it; see `lerf_core.io.writing`.

        Parameters
        ----------
        path : str
        spec : WriterSpec
        claim : Claim
            On the path.
        resume, overwrite : bool
        """
        raise NotImplementedError


class DecodingCodec(Codec):
    """A format without tiles: read by regions, it is decoded as a whole.

    Its reader is `lerf_core.io.tiles.decoded_reader.DecodedReader`.
    """


def refuse_levels_and_series(path: str, options: dict[str, Any]) -> None:
    """Refuse levels and series of formats that have one image.

    Raises
    ------
    FileError
    """
    level, series = options["level"], options["series"]
    if level or series:
        raise FileError(
            f"{path}: level {level}, series {series} asked, and the format has one image"
        )


def opened(source: Path | bytes) -> OpenFile:
    """Open a path, or the data of a file.

    Raises
    ------
    FileError
        If it is empty.
    """
    stream: BinaryIO = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
    head = stream.read(32)
    stream.seek(0)
    if not head:
        stream.close()
        raise FileError("is empty")
    return OpenFile(stream, head, "" if isinstance(source, bytes) else source.suffix.lower())
