"""TIFF files of kinds that libraries do not write: any bits per sample, any tag, damaged links."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import imagecodecs
import numpy as np

SHORT, LONG, RATIONAL = 3, 4, 5
_FORMS = {1: "B", 2: "B", SHORT: "H", LONG: "I", RATIONAL: "I"}
_NONE, _LZW, _DEFLATE, _PACKBITS = 1, 5, 8, 32773
_ENCODERS = {
    _NONE: bytes,
    _LZW: imagecodecs.lzw_encode,
    _DEFLATE: zlib.compress,
    _PACKBITS: imagecodecs.packbits_encode,
}
#: A tag: its code, type and values.
Tag = tuple[int, int, Sequence[int]]


def packed(values: np.ndarray, bits: Sequence[int], order: str = "<") -> bytes:
    """Return (rows, cols, samples) values as rows of packed bits.

    Samples of 8, 16 and 32 bits are written in a byte order, others with the high bit first.
    """
    data = b""
    for row in values:
        text = ""
        for pixel in row:
            for value, width in zip(pixel, bits, strict=True):
                number = int(value)
                if order == "<" and set(bits) <= {8, 16, 32}:
                    number = int.from_bytes(number.to_bytes(width // 8, "big"), "little")
                text += format(number, f"0{width}b")
        text += "0" * (-len(text) % 8)
        data += bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))
    return data


def write_packed(
    path: Path,
    values: np.ndarray,
    bits: int | Sequence[int],
    *,
    order: str = "<",
    tile: tuple[int, int] | None = None,
    rows_per_strip: int | None = None,
    separate: bool = False,
    compression: int = _NONE,
    low_bits_first: bool = False,
    tags: Sequence[Tag] = (),
) -> Path:
    """Write (rows, cols) or (rows, cols, samples) values with any number of bits each.

    Parameters
    ----------
    path : Path
    values : array
    bits : int or sequence of int
        Per sample, one for all or each its own.
    order : str, optional
        "<" or ">", of the file.
    tile : (rows, cols), optional
        None: strips.
    rows_per_strip : int, optional
    separate : bool, optional
        Whether each sample is a plane of its own.
    compression : int, optional
        TIFF's number.
    low_bits_first : bool, optional
        Whether the lowest bit of a byte comes first.
    tags : sequence of Tag, optional
        Further ones, or others than those that follow from the values (photometric is 1).
    """
    cubic = values.reshape(*values.shape[:2], -1)
    rows, cols, samples = cubic.shape
    widths = [bits] * samples if isinstance(bits, int) else list(bits)
    height, width = tile or (rows_per_strip or rows, cols)
    planes = (
        [(cubic[..., at : at + 1], widths[at : at + 1]) for at in range(samples)]
        if separate
        else [(cubic, widths)]
    )
    chunks = []
    for plane, plane_widths in planes:
        for row in range(0, rows, height):
            for col in range(0, cols, width):
                chunk = plane[row : row + height, col : col + width]
                if tile:
                    missing = [(0, height - chunk.shape[0]), (0, width - chunk.shape[1]), (0, 0)]
                    chunk = np.pad(chunk, missing)
                chunks.append(packed(chunk, plane_widths, order))
    structure = [(322, SHORT, [width]), (323, SHORT, [height])] if tile else [(278, LONG, [height])]
    wanted: list[Tag] = [
        (256, LONG, [cols]), (257, LONG, [rows]), (258, SHORT, widths), (259, SHORT, [compression]),
        (262, SHORT, [1]), (266, SHORT, [2 if low_bits_first else 1]), (277, SHORT, [samples]),
        (284, SHORT, [2 if separate else 1]), *structure, *tags,
    ]  # fmt: skip
    return write_chunks(path, chunks, wanted, order=order, is_tiled=tile is not None)


def write_chunks(
    path: Path,
    chunks: Sequence[bytes],
    tags: Sequence[Tag],
    *,
    order: str = "<",
    is_tiled: bool = False,
    next_directory: int = 0,
    behind: bytes = b"",
) -> Path:
    """Write a TIFF of one page from the uncompressed bytes of its strips or tiles.

    Parameters
    ----------
    path : Path
    chunks : sequence of bytes
    tags : sequence of Tag
        The last of a code counts.
    order : str, optional
    is_tiled : bool, optional
    next_directory : int, optional
        Offset of the directory that is said to follow; the page's own is at 8.
    behind : bytes, optional
        What follows the data of each chunk.
    """
    entries = {code: (kind, list(values)) for code, kind, values in tags}
    encode = _ENCODERS[entries[259][1][0]]
    stored = [bytes(encode(chunk)) + behind for chunk in chunks]
    if entries.get(266, (SHORT, [1]))[1] == [2]:
        stored = [bytes(imagecodecs.bitorder_encode(chunk)) for chunk in stored]
    offsets, counts = (324, 325) if is_tiled else (273, 279)
    entries[counts] = (LONG, [len(chunk) for chunk in stored])
    entries[offsets] = (LONG, [0] * len(stored))
    directory = 8
    end = directory + 2 + 12 * len(entries) + 4
    sizes = {
        code: struct.calcsize(_FORMS[kind]) * len(values)
        for code, (kind, values) in entries.items()
    }
    first = end + sum(size + size % 2 for size in sizes.values() if size > 4)
    positions = np.cumsum([0, *map(len, stored)])[:-1] + first
    entries[offsets] = (LONG, positions.tolist())
    body, further = b"", b""
    for code in sorted(entries):
        kind, values = entries[code]
        count = len(values) // 2 if kind == RATIONAL else len(values)
        data = struct.pack(f"{order}{len(values)}{_FORMS[kind]}", *values)
        if len(data) > 4:
            place = struct.pack(f"{order}I", end + len(further))
            further += data + b"\0" * (len(data) % 2)
            data = place
        body += struct.pack(f"{order}HHI", code, kind, count) + data.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", directory)
    path.write_bytes(
        head + struct.pack(f"{order}H", len(entries)) + body
        + struct.pack(f"{order}I", next_directory) + further + b"".join(stored)
    )  # fmt: skip
    return path
