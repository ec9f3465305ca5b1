"""PNG files of 16 bits a channel, and the chunks that Pillow does not hand on.

Pillow 13 decodes 16-bit RGB, RGBA and grey-alpha PNG to 8 bits, and cannot write them. Its decoder
keeps the high byte of each big-endian sample; told that the samples are little-endian it keeps the
low one. Two decodes therefore give all 16 bits, with every filter and interlacing done in C.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from lerf_core.errors import FileError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_CHUNKS = frozenset({b"cHRM", b"gAMA", b"sRGB", b"cICP"})
_GREY, _RGB, _GREY_ALPHA, _RGBA = 0, 2, 4, 6
_COLOUR_TYPES = {1: _GREY, 2: _GREY_ALPHA, 3: _RGB, 4: _RGBA}
# Rows filtered at a time: enough to vectorise, little enough to stay small.
_BLOCK_ROWS = 64


def bit_depth(head: bytes) -> int:
    """Return the bits a channel that a PNG's first 26 bytes declare, or 0 for no PNG."""
    return head[24] if head[:8] == SIGNATURE and head[12:16] == b"IHDR" and len(head) > 25 else 0


def colour_chunks(file: BinaryIO) -> list[tuple[bytes, bytes]]:
    """Return a PNG's gamma, chromaticity, sRGB and code-point chunks as they stand.

    Parameters
    ----------
    file : binary file
        At the start of the PNG; read up to its first image data.

    Returns
    -------
    list of (name, data)
    """
    file.read(len(SIGNATURE))
    found = []
    while len(header := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", header)
        if name in {b"IDAT", b"IEND"}:
            break
        if name in COLOUR_CHUNKS and length < 1024:
            found.append((name, file.read(length)))
            file.read(4)
        else:
            file.seek(length + 4, 1)
    return found


def decode(file: BinaryIO) -> tuple[NDArray[np.uint16], Image.Image]:
    """Decode a 16-bit PNG without losing its low bytes.

    Parameters
    ----------
    file : binary file
        At the start of the PNG; seekable.

    Returns
    -------
    pixels : (rows, cols) or (rows, cols, channels) array of uint16
    image : PIL.Image.Image
        The loaded image, for its metadata.

    Raises
    ------
    FileError
        If this Pillow decodes such files in a way that is not known.
    """
    start = file.tell()
    image = Image.open(file)
    colour_type = _declared_colour_type(file, start)
    if colour_type == _GREY and image.mode == "I;16":
        return np.asarray(image).astype(np.uint16), image
    if colour_type == _GREY_ALPHA:
        # Two 16-bit samples are as wide as four 8-bit ones: take the bytes as they are.
        quads = _decode_as(image, "LA;16B", "RGBA")
        return _joined(quads[..., 0::2], quads[..., 1::2]), image
    channels = "RGB" if colour_type == _RGB else "RGBA"
    high = _decode_as(image, f"{channels};16B", f"{channels};16B")
    file.seek(start)
    low = _decode_as(Image.open(file), f"{channels};16B", f"{channels};16L")
    return _joined(high, low), image


def _joined(high: NDArray[np.uint8], low: NDArray[np.uint8]) -> NDArray[np.uint16]:
    whole = high.astype(np.uint16)
    whole <<= 8
    whole |= low
    return whole


def _declared_colour_type(file: BinaryIO, start: int) -> int:
    position = file.tell()
    file.seek(start + 25)
    value = file.read(1)[0]
    file.seek(position)
    return value


def _decode_as(image: Image.Image, expected: str, rawmode: str) -> NDArray[np.uint8]:
    tiles = image.tile if isinstance(image, ImageFile.ImageFile) else []
    if len(tiles) != 1 or tiles[0].args != expected or image.mode not in {"RGB", "RGBA"}:
        raise FileError("this version of Pillow reads 16-bit PNG in an unknown way")
    image.tile = [tiles[0]._replace(args=rawmode)]  # type: ignore[attr-defined]
    image.load()
    return np.asarray(image)


def encode(
    file: BinaryIO,
    pixels: NDArray[np.uint16],
    chunks: Iterable[tuple[bytes, bytes]] = (),
    level: int = 6,
) -> None:
    """Write a 16-bit PNG.

    Parameters
    ----------
    file : binary file
    pixels : (rows, cols) or (rows, cols, channels) array of uint16
        1 to 4 channels: grey, grey and alpha, RGB, RGBA.
    chunks : iterable of (name, data), optional
        Chunks to put before the image data, in order.
    level : int, optional
        Effort of the compression, 0 to 9.
    """
    samples = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
    rows, cols, channels = samples.shape
    file.write(SIGNATURE)
    header = struct.pack(">IIBBBBB", cols, rows, 16, _COLOUR_TYPES[channels], 0, 0, 0)
    _put(file, b"IHDR", header)
    for name, data in chunks:
        _put(file, name, data)
    packer = zlib.compressobj(level)
    for block in _filtered_blocks(samples):
        if data := packer.compress(block):
            _put(file, b"IDAT", data)
    _put(file, b"IDAT", packer.flush())
    _put(file, b"IEND", b"")


def _put(file: BinaryIO, name: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + name + data)
    file.write(struct.pack(">I", zlib.crc32(name + data)))


def _filtered_blocks(samples: NDArray[np.uint16]) -> Iterator[bytes]:
    rows, cols, channels = samples.shape
    pixel, stride = 2 * channels, 2 * channels * cols
    above = np.zeros((1, stride), np.uint8)
    for first in range(0, rows, _BLOCK_ROWS):
        block = samples[first : first + _BLOCK_ROWS].astype(">u2")
        here = np.ascontiguousarray(block).view(np.uint8).reshape(-1, stride)
        up = np.concatenate([above, here[:-1]])
        above = here[-1:]
        yield _best_filters(here, up, pixel).tobytes()


def _best_filters(here: NDArray[np.uint8], up: NDArray[np.uint8], pixel: int) -> NDArray[np.uint8]:
    """Filter each row by the rule of the PNG specification: least sum of magnitudes."""
    left, corner = np.zeros_like(here), np.zeros_like(here)
    left[:, pixel:], corner[:, pixel:] = here[:, :-pixel], up[:, :-pixel]
    a, b, c = left.astype(np.int16), up.astype(np.int16), corner.astype(np.int16)
    to_a, to_b, to_c = abs(b - c), abs(a - c), abs(a + b - 2 * c)
    paeth = np.where((to_a <= to_b) & (to_a <= to_c), a, np.where(to_b <= to_c, b, c))
    guesses = [np.zeros_like(a), a, b, (a + b) >> 1, paeth]
    best = np.zeros((len(here), 1 + here.shape[1]), np.uint8)
    least = np.full(len(here), np.iinfo(np.int64).max)
    for kind, guess in enumerate(guesses):
        rest = here - guess.astype(np.uint8)
        cost = np.minimum(rest, -rest).sum(axis=1, dtype=np.int64)
        better = cost < least
        least = np.where(better, cost, least)
        best[better, 0] = kind
        best[better, 1:] = rest[better]
    return best
