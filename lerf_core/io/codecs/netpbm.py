"""The formats of Netpbm: PBM, PGM, PPM and PAM of 1 to 16 bits per sample, and PFM of floats."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from lerf_core.errors import FileError
from lerf_core.io.codec import DecodingCodec, Encoding, Header, OpenFile
from lerf_core.io.formats import CMYK, GREY, GREY_ALPHA, MULTI, RGB, RGBA, Format
from lerf_core.io.guards import check_samples
from lerf_core.io.image import DecodedImage, Pixels, channels_of
from lerf_core.io.metadata.model import Metadata
from lerf_core.io.pixels.depth import dtype_of_bits, expanded, expansion_note, stored_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NetpbmCodec"]

# A header is short; comments may make it longer, and more than this is no header.
_LONGEST_HEADER = 1 << 20
_LONGEST_SIDE = 2**31 - 1
_GREATEST_TOP = 65_535
_LONGEST_NUMBER = 10
_MAGIC = re.compile(rb"P(?:[1-6Ff][\s#]|7\n)")
_COMMENT = re.compile(rb"#[^\r\n]*")
_WORD = re.compile(rb"(?:\s+|#[^\r\n]*[\r\n])+([^\s#]+)(?=\s)")
_STRAY = re.compile(rb"[^0-9\s]")
_TOO_SHORT = "damaged: the file ends before its pixels do"
_PAM_LAYOUTS = {
    "BLACKANDWHITE": GREY, "GRAYSCALE": GREY, "RGB": RGB, "CMYK": CMYK,
    "BLACKANDWHITE_ALPHA": GREY_ALPHA, "GRAYSCALE_ALPHA": GREY_ALPHA, "RGB_ALPHA": RGBA,
}  # fmt: skip
_PAM_NAMES = {
    GREY: "GRAYSCALE", GREY_ALPHA: "GRAYSCALE_ALPHA", RGB: "RGB", RGBA: "RGB_ALPHA", CMYK: "CMYK",
}  # fmt: skip
_LAYOUTS_OF_DEPTH = {1: GREY, 2: GREY_ALPHA, 3: RGB, 4: RGBA}


@dataclass(frozen=True)
class _Raster:
    """What a header says.

    Attributes
    ----------
    kind : str
        "P1" to "P7", "PF" or "Pf".
    shape : (rows, columns)
    channels : int
    layout : str
    top : int
        The value of white; 0 for floats.
    start : int
        Of the pixels in the file.
    scale : float
        PFM's: negative for little-endian samples.
    """

    kind: str
    shape: tuple[int, int]
    channels: int
    layout: str
    top: int
    start: int
    scale: float = 1.0

    @property
    def format(self) -> str:
        return {"P7": "PAM", "PF": "PFM", "Pf": "PFM"}.get(self.kind, "PPM")

    @property
    def stored(self) -> np.dtype[Any]:
        """Type of the samples in the file, where they are not text or bits."""
        if self.format == "PFM":
            return np.dtype("<f4" if self.scale < 0 else ">f4")
        return np.dtype(np.uint8 if self.top < 256 else ">u2")

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples as they are read."""
        if self.format == "PFM":
            return np.dtype(np.float32)
        return dtype_of_bits(self.top.bit_length())

    @property
    def is_bilevel(self) -> bool:
        return self.top == 1 and self.layout == GREY

    @property
    def array_shape(self) -> tuple[int, ...]:
        return self.shape if self.channels == 1 else (*self.shape, self.channels)

    @property
    def metadata(self) -> Metadata:
        is_whole = self.top == (1 << self.top.bit_length()) - 1
        return Metadata(bits=stored_bits(self.top.bit_length(), self.dtype) if is_whole else None)

    def notes(self) -> tuple[str, ...]:
        if self.format == "PFM":
            factor = abs(self.scale)
            return (f"PFM's scale factor of {factor:g} not applied",) if factor != 1 else ()
        if self.is_bilevel:
            return ("1-bit expanded to 8-bit grey",)
        note = expansion_note(self.top, self.dtype)
        return (note,) if note else ()


class NetpbmCodec(DecodingCodec):
    """PBM, PGM, PPM, PAM and PFM: of several images in a file the first."""

    def recognizes(self, file: OpenFile) -> bool:
        """See `Codec`."""
        return _MAGIC.match(file.head) is not None

    def read_header(self, file: OpenFile, max_pixels: int) -> Header:
        """See `Codec`."""
        raster = _raster(file.rewound(), max_pixels)
        size = math.prod(raster.array_shape)
        # The file's bytes, of texts several per sample, and the pixels before and after scaling.
        decoding_bytes = size * 3 * max(4, raster.dtype.itemsize)
        return Header(
            raster.format, raster.shape, 1, raster.layout, raster.dtype, raster.metadata,
            raster.notes(), decoding_bytes=decoding_bytes, samples=raster.channels,
        )  # fmt: skip

    def read(
        self, file: OpenFile, max_pixels: int, *, labels: bool = False, first_only: bool = False
    ) -> DecodedImage:
        """See `Codec`; labels are as they are stored."""
        del first_only
        stream = file.rewound()
        raster = _raster(stream, max_pixels)
        stream.seek(raster.start)
        pixels, rest = _samples(raster, stream)
        notes = raster.notes()
        if labels:
            pixels = pixels.astype(np.bool_) if raster.is_bilevel else pixels
            notes = ()
        elif raster.top:
            pixels = expanded(pixels, raster.top)
        if rest.lstrip()[:1] == b"P":
            notes += ("only the first of several images in the file is used",)
        return DecodedImage([pixels], raster.layout, raster.format, raster.metadata, notes)

    def write(
        self, stream: BinaryIO, image: DecodedImage, target: Format, encoding: Encoding
    ) -> tuple[str, ...]:
        """See `Codec`."""
        del encoding
        pixels = image.frames[0]
        rows, cols = pixels.shape[:2]
        channels = 1 if pixels.ndim == 2 else pixels.shape[2]
        if target.name == "PFM":
            kind = "Pf" if channels == 1 else "PF"
            stream.write(f"{kind}\n{cols} {rows}\n-1.0\n".encode())
            pixels = pixels[::-1].astype("<f4")
        else:
            top = 1 if pixels.dtype == np.bool_ else np.iinfo(pixels.dtype).max
            if target.name == "PAM":
                stream.write(_pam_header(image.layout, rows, cols, channels, top).encode())
            else:
                kind = "P5" if channels == 1 else "P6"
                stream.write(f"{kind}\n{cols} {rows}\n{top}\n".encode())
            pixels = pixels.astype(">u2" if top == _GREATEST_TOP else np.uint8)
        stream.write(np.ascontiguousarray(pixels).data.cast("B"))
        return ()


def _pam_header(layout: str, rows: int, cols: int, channels: int, top: int) -> str:
    kind = "BLACKANDWHITE" if top == 1 and layout == GREY else _PAM_NAMES.get(layout)
    lines = [f"WIDTH {cols}", f"HEIGHT {rows}", f"DEPTH {channels}", f"MAXVAL {top}"]
    if kind is not None:
        lines.append(f"TUPLTYPE {kind}")
    return "\n".join(["P7", *lines, "ENDHDR\n"])


# -- headers ------------------------------------------------------------------------------


def _raster(stream: BinaryIO, max_pixels: int) -> _Raster:
    """Return what a file's header says.

    Raises
    ------
    FileError
        If it is damaged, or claims too many pixels.
    """
    data = stream.read(_LONGEST_HEADER)
    kind = data[:2].decode("ascii")
    raster = _pam_raster(data) if kind == "P7" else _plain_raster(kind, data)
    rows, cols = raster.shape
    if not (1 <= rows <= _LONGEST_SIDE and 1 <= cols <= _LONGEST_SIDE and raster.channels > 0):
        raise FileError("declares an image without pixels")
    if raster.format != "PFM" and not 1 <= raster.top <= _GREATEST_TOP:
        raise FileError(f"damaged: a greatest value of {raster.top}, and 1 to 65,535 can be")
    check_samples(rows * cols, raster.channels, max_pixels, "claims")
    return raster


def _plain_raster(kind: str, data: bytes) -> _Raster:
    """Return what the header of any kind but PAM says: numbers between spaces and comments."""
    is_bilevel = kind in {"P1", "P4"}
    tokens, end = _tokens(data, 2 if is_bilevel else 3)
    shape = (_number(tokens[1]), _number(tokens[0]))
    channels, layout = (3, RGB) if kind in {"P3", "P6", "PF"} else (1, GREY)
    if kind in {"PF", "Pf"}:
        return _Raster(kind, shape, channels, layout, 0, end, _scale(tokens[2]))
    return _Raster(kind, shape, channels, layout, 1 if is_bilevel else _number(tokens[2]), end)


def _tokens(data: bytes, count: int) -> tuple[list[bytes], int]:
    """Return the first words behind the magic number, and where the pixels begin."""
    words: list[bytes] = []
    position = 2
    while len(words) < count:
        match = _WORD.match(data, position)
        if match is None:
            raise FileError("damaged: its header has no end")
        words.append(match[1])
        position = match.end()
    # A single white space ends the header.
    return words, position + 1


def _pam_raster(data: bytes) -> _Raster:
    header, mark, _ = data.partition(b"\nENDHDR\n")
    if not mark:
        raise FileError("damaged: its header has no end")
    fields: dict[str, str] = {}
    for line in header.decode("latin-1").splitlines()[1:]:
        name, _, value = line.strip().partition(" ")
        if name and not name.startswith("#"):
            fields[name] = value.strip()
    try:
        cols, rows, channels, top = (
            _number(fields[name].encode()) for name in ("WIDTH", "HEIGHT", "DEPTH", "MAXVAL")
        )
    except KeyError as error:
        raise FileError(f"damaged: its header lacks {error.args[0]}") from error
    layout = _PAM_LAYOUTS.get(fields.get("TUPLTYPE", ""), "")
    if not layout or channels_of(layout) != channels:
        layout = _LAYOUTS_OF_DEPTH.get(channels, MULTI)
    return _Raster("P7", (rows, cols), channels, layout, top, len(header) + len(mark))


def _number(text: bytes) -> int:
    if not text.isdigit() or len(text) > _LONGEST_NUMBER:
        raise FileError(f"damaged: its header holds {text[:20]!r} in place of a number")
    return int(text)


def _scale(text: bytes) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not math.isfinite(scale) or scale == 0:
        raise FileError(f"damaged: its header holds {text[:20]!r} in place of a scale")
    return scale


# -- pixels -------------------------------------------------------------------------------


def _samples(raster: _Raster, stream: BinaryIO) -> tuple[Pixels, bytes]:
    """Return the samples as they are stored, white being `top`, and some bytes behind them.

    Raises
    ------
    FileError
        If they are incomplete.
    """
    size = math.prod(raster.array_shape)
    if raster.kind in {"P1", "P2", "P3"}:
        return _written_samples(raster, _COMMENT.sub(b"", stream.read()), size), b""
    rows, cols = raster.shape
    if raster.kind == "P4":
        data = _exactly(stream, rows * -(-cols // 8)).reshape(rows, -1)
        # A set bit is black.
        return 1 - np.unpackbits(data, axis=1, count=cols), stream.read(16)
    stored = _exactly(stream, size * raster.stored.itemsize).view(raster.stored)
    pixels = stored.reshape(raster.array_shape).astype(raster.dtype, copy=False)
    if raster.format == "PFM":
        pixels = np.ascontiguousarray(pixels[::-1])
    return pixels, stream.read(16)


def _written_samples(raster: _Raster, text: bytes, size: int) -> Pixels:
    """Return the samples of a file that writes them as decimal numbers."""
    if raster.kind == "P1":
        digits = np.frombuffer(text, np.uint8)
        bits = digits[(digits == ord("0")) | (digits == ord("1"))]
        values = 1 - (bits - ord("0"))
    else:
        stray = _STRAY.search(text)
        numbers = text[: stray.start()].strip() if stray else text.strip()
        values = np.fromstring(numbers, np.float64, sep=" ")[:size] if numbers else np.empty(0)
        if values.size and values.max() > _GREATEST_TOP:
            raise FileError("damaged: a sample above 65,535")
    if values.size < size:
        raise FileError("damaged: samples are missing, or no numbers")
    samples: Pixels = values[:size].astype(raster.dtype)
    return samples.reshape(raster.array_shape)


def _exactly(stream: BinaryIO, count: int) -> NDArray[np.uint8]:
    data = stream.read(count)
    if len(data) < count:
        raise FileError(_TOO_SHORT)
    return np.frombuffer(data, np.uint8)
