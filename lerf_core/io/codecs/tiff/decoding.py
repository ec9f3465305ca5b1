"""From the bytes of a TIFF's strips and tiles to the values that are stored in them.

tifffile decodes most of them, Pillow's libtiff what it has no decoder for; samples of
different or unusual depths and subsampled colours are unpacked here.
"""

from __future__ import annotations

import math
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from lerf_core.errors import FileError, one_line
from lerf_core.io.codecs.tiff import codes
from lerf_core.io.pixels.depth import dtype_of_bits

if TYPE_CHECKING:
    import tifffile

    Page = tifffile.TiffPage

__all__ = [
    "SegmentDecoder", "bits_of", "decodes_to_rgb", "dtype_of", "is_for_libtiff", "is_subsampled",
    "page_values", "segment_decoder",
]  # fmt: skip

#: From a segment's bytes, its number and the JPEG tables to (depth, rows, cols, samples) values.
SegmentDecoder = Callable[[bytes, int, bytes | None], NDArray[Any]]

_TRIPLE = 24


# -- what a page says of its samples --------------------------------------------------------


def bits_of(page: Page) -> tuple[int, ...]:
    """Return the bits of each sample of a pixel."""
    samples, stated = max(1, int(page.samplesperpixel)), cast(Any, page.bitspersample)
    if not isinstance(stated, tuple):
        return (int(stated),) * samples
    # Some files list fewer than there are.
    widths = [int(bits) for bits in stated[:samples]]
    return tuple(widths + widths[-1:] * (samples - len(widths)))


def dtype_of(page: Page) -> np.dtype[Any] | None:
    """Return the type that holds a page's values; None where there is none."""
    widths = bits_of(page)
    is_unsigned = page.sampleformat in {1, 4}
    if len(set(widths)) > 1 and is_unsigned and min(widths) > 0 and max(widths) <= 32:
        return dtype_of_bits(max(widths))
    return page.dtype


def is_subsampled(page: Page) -> bool:
    """Whether a page stores fewer colours than brightnesses, and its decoder leaves that to us."""
    return (
        int(page.photometric) == codes.YCBCR
        and bool(page.is_subsampled)
        and int(page.compression) not in codes.JPEG
    )


def decodes_to_rgb(page: Page) -> bool:
    """Whether decoding a page yields RGB where it stores YCbCr."""
    return int(page.compression) in codes.JPEG and int(page.planarconfig) == 1


def is_for_libtiff(page: Page) -> bool:
    """Whether a page is stored in a way that tifffile has no decoder for."""
    import tifffile

    if page.compression == codes.OLD_JPEG:
        return True
    try:
        return int(page.compression) != 1 and tifffile.TIFF.DECOMPRESSORS[page.compression] is None
    except KeyError:
        return True


# -- segments -----------------------------------------------------------------------------


def segment_decoder(page: Page) -> SegmentDecoder:
    """Return what decodes the strips or tiles of a page.

    Raises
    ------
    FileError
        If nothing here can.
    """
    if is_subsampled(page):
        return _subsampled_decoder(page)
    if _is_jpeg_in_planes(page):
        return _planar_jpeg_decoder(page)
    if _is_unpacked_here(page):
        return _unpacking_decoder(page)
    decode = page.decode
    header = {"jpegheader": page.jpegheader} if int(page.compression) in codes.JPEG else {}

    def decoded(data: bytes, number: int, tables: bytes | None) -> NDArray[Any]:
        options = {**header, "jpegtables": tables} if header else {}
        try:
            return np.asarray(decode(data, number, **options)[0])
        except Exception:
            if int(page.compression) not in codes.DEFLATE:
                raise
            return np.asarray(decode(_trimmed(page, data, number), number)[0])

    return decoded


def _trimmed(page: Page, data: bytes, number: int) -> bytes:
    """Return deflated data without the bytes that follow the pixels."""
    *_, rows, cols, samples = _place(page, number)
    size = rows * _row_bytes(cols * samples * max(bits_of(page)))
    whole = bytes(zlib.decompressobj().decompress(data, size))
    if len(whole) < size:
        raise FileError(f"holds {len(whole)} of {size} bytes")
    return zlib.compress(whole, 0)


def _row_bytes(bits: int) -> int:
    return -(-bits // 8)


def _place(page: Page, number: int) -> tuple[int, int, int, int, int, int]:
    """Return plane, row and column of a segment, and its rows, columns and samples."""
    rows, cols = page.imagelength, page.imagewidth
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    if page.is_tiled:
        height, width = page.tilelength, page.tilewidth
        across = -(-cols // width)
        plane, number = divmod(number, -(-rows // height) * across)
        row, col = divmod(number, across)
        return plane, row * height, col * width, height, width, samples
    height = page.rowsperstrip or rows
    plane, number = divmod(number, -(-rows // height))
    row = number * height
    return plane, row, 0, min(height, rows - row), cols, samples


def _uncompressed(page: Page, data: bytes, size: int) -> bytes:
    """Return the bytes of a segment as they were before compression, at least `size`."""
    import imagecodecs
    import tifffile

    compression = int(page.compression)
    if page.fillorder == codes.LOW_BITS_FIRST:
        data = bytes(imagecodecs.bitorder_decode(data))
    if compression in codes.DEFLATE:
        data = bytes(zlib.decompressobj().decompress(data, size))
    elif compression != 1:
        if compression not in codes.OF_BYTES:
            kind = getattr(page.compression, "name", str(page.compression))
            raise FileError(f"TIFF compression {kind} of {_kind_words(page)} is not supported")
        data = bytes(tifffile.TIFF.DECOMPRESSORS[page.compression](data))
    if len(data) < size:
        raise FileError(f"holds {len(data)} of {size} bytes")
    return data


def _kind_words(page: Page) -> str:
    if is_subsampled(page):
        return "subsampled YCbCr"
    return f"samples of {', '.join(map(str, bits_of(page)))} bits"


def _is_unpacked_here(page: Page) -> bool:
    """Whether samples differ in depth, or have three bytes (tifffile swaps those of big-endian)."""
    widths = bits_of(page)
    has_triples = set(widths) == {_TRIPLE} and page.dtype is not None and page.dtype.kind == "u"
    return dtype_of(page) is not None and (len(set(widths)) > 1 or has_triples)


def _unpacking_decoder(page: Page) -> SegmentDecoder:
    if int(page.predictor) != 1 or getattr(page, "imagedepth", 1) > 1:
        raise FileError(f"a predictor with {_kind_words(page)} is not supported")
    widths, dtype = bits_of(page), dtype_of(page)
    is_little = page.parent.byteorder == "<"

    def decoded(data: bytes, number: int, tables: bytes | None) -> NDArray[Any]:
        del tables
        plane, *_, rows, cols, samples = _place(page, number)
        stored = widths if samples > 1 else widths[plane : plane + 1]
        row_bytes = _row_bytes(cols * sum(stored))
        raw = _uncompressed(page, data, rows * row_bytes)
        values = np.frombuffer(raw, np.uint8, rows * row_bytes).reshape(rows, row_bytes)
        return _unpacked(values, cols, stored, is_little=is_little).astype(dtype)[np.newaxis]

    return decoded


def _unpacked(
    rows: NDArray[np.uint8], cols: int, widths: tuple[int, ...], *, is_little: bool
) -> NDArray[np.uint32]:
    """Return the samples in rows of packed bits.

    Parameters
    ----------
    rows : (rows, bytes) uint8 array
    cols : int
    widths : tuple of int
        Bits of each sample of a pixel.
    is_little : bool
        Whether numbers of several bytes have the low byte first.
    """
    total = sum(widths)
    bits = np.unpackbits(rows, axis=1)[:, : cols * total].reshape(len(rows), cols, total)
    # Others, of 24 bits too, have the high bit first in every file.
    are_numbers = set(widths) <= {8, 16, 32}
    out = np.empty((len(rows), cols, len(widths)), np.uint32)
    first = 0
    for number, width in enumerate(widths):
        sample = bits[..., first : first + width]
        if is_little and are_numbers:
            swapped = sample.reshape(*sample.shape[:2], width // 8, 8)[:, :, ::-1]
            sample = swapped.reshape(sample.shape)
        out[..., number] = sample @ (np.uint32(1) << np.arange(width, dtype=np.uint32)[::-1])
        first += width
    return out


def _subsampled_decoder(page: Page) -> SegmentDecoder:
    if (
        page.planarconfig != 1 or page.predictor != 1
        or set(bits_of(page)) != {8} or page.samplesperpixel != 3
    ):  # fmt: skip
        raise FileError("subsampled YCbCr is supported as 3 interleaved samples of 8 bits alone")
    across, down = page.subsampling or (2, 2)
    if across not in {1, 2, 4} or down not in {1, 2, 4}:
        raise FileError(f"damaged: YCbCr subsampled by {across} and {down}")

    def decoded(data: bytes, number: int, tables: bytes | None) -> NDArray[Any]:
        del tables
        *_, rows, cols, _ = _place(page, number)
        grid = -(-rows // down), -(-cols // across), down * across + 2
        raw = _uncompressed(page, data, math.prod(grid))
        units = np.frombuffer(raw, np.uint8, math.prod(grid)).reshape(grid)
        out = np.empty((grid[0], down, grid[1], across, 3), np.uint8)
        # A unit has the brightnesses of a few pixels, row by row, and the colour of all.
        out[..., 0] = units[..., :-2].reshape(*grid[:2], down, across).swapaxes(1, 2)
        out[..., 1:] = units[:, np.newaxis, :, np.newaxis, -2:]
        whole = out.reshape(grid[0] * down, grid[1] * across, 3)
        return whole[np.newaxis, :rows, :cols]

    return decoded


def _is_jpeg_in_planes(page: Page) -> bool:
    """Whether each sample is a grey JPEG of its own, of which tifffile expects colours."""
    is_jpeg = int(page.compression) in codes.JPEG and page.compression != codes.OLD_JPEG
    return is_jpeg and int(page.planarconfig) == 2 and int(page.samplesperpixel) > 1


def _planar_jpeg_decoder(page: Page) -> SegmentDecoder:
    import imagecodecs

    bits, steps = bits_of(page)[0], (1, 1)
    if int(page.photometric) == codes.YCBCR:
        steps = page.subsampling or (2, 2)

    def decoded(data: bytes, number: int, tables: bytes | None) -> NDArray[Any]:
        plane, *_, rows, cols, _ = _place(page, number)
        values = imagecodecs.jpeg_decode(data, tables=tables, bitspersample=bits)
        if plane and (len(values) < rows or values.shape[1] < cols):
            values = values.repeat(steps[1], axis=0).repeat(steps[0], axis=1)
        return values[np.newaxis, :rows, :cols, np.newaxis]

    return decoded


# -- whole pages --------------------------------------------------------------------------


def page_values(stream: BinaryIO, page: Page) -> NDArray[Any]:
    """Decode a page: (rows, cols) or (rows, cols, samples) values as they are stored.

    Raises
    ------
    FileError
        If nothing here can.
    """
    values: NDArray[Any]
    if is_for_libtiff(page):
        try:
            return _by_libtiff(stream, page)
        except (FileError, OSError):
            if page.compression != codes.OLD_JPEG:
                raise
        values = page.asarray()
    elif is_subsampled(page) or _is_unpacked_here(page) or _is_jpeg_in_planes(page):
        values = _by_segments(page)
    else:
        try:
            values = page.asarray()
        except Exception:
            if int(page.compression) not in codes.DEFLATE:
                raise
            values = _by_segments(page)
    return np.moveaxis(values, 0, -1) if page.axes == "SYX" else values


def _by_segments(page: Page) -> NDArray[Any]:
    decode = segment_decoder(page)
    out = np.full(page.shaped, page.nodata, dtype_of(page))
    segments: Any = page.parent.filehandle.read_segments(page.dataoffsets, page.databytecounts)
    for data, number in segments:
        if data is None:
            continue
        plane, row, col, *_ = _place(page, number)
        if plane >= page.shaped[0] or row >= page.imagelength:
            break
        try:
            values = decode(data, number, page.jpegtables)
        except Exception as error:
            raise FileError(f"damaged: strip or tile {number}: {one_line(error)}") from error
        target = out[plane, :, row : row + values.shape[1], col : col + values.shape[2]]
        target[...] = values[:, : target.shape[1], : target.shape[2]]
    return out.reshape(page.shape)


def _by_libtiff(stream: BinaryIO, page: Page) -> NDArray[Any]:
    """Decode a page by Pillow's libtiff, samples last, or say that nothing here can."""
    try:
        stream.seek(0)
        image = Image.open(stream)
        image.seek(page.index)
        with _libtiff_silenced():
            image.load()
        values = np.array(image)
    except (UnidentifiedImageError, KeyError, ValueError, EOFError):
        values = None
    shape = (*page.shape[1:], page.shape[0]) if page.axes == "SYX" else page.shape
    if values is None or values.shape != shape or values.dtype != page.dtype:
        kind = getattr(page.compression, "name", str(page.compression))
        raise FileError(f"TIFF compression {kind} of {page.dtype} pixels is not supported")
    # Pillow spreads and inverts what it reads: back to what is stored.
    if int(page.photometric) == codes.MINISWHITE and values.dtype.kind in "bu":
        values = ~values
    if values.dtype == np.uint8 and int(page.photometric) != codes.PALETTE:
        values //= np.uint8(255 // (2 ** min(8, bits_of(page)[0]) - 1))
    return values


@contextmanager
def _libtiff_silenced() -> Iterator[None]:
    """Hold back what libtiff prints by itself: the error that follows says it in one line."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device, not a path
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
