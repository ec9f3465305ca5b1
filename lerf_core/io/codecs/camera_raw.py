"""Raw files of cameras: told from images, so that their thumbnail is not taken for one."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn

from lerf_core.errors import FileError
from lerf_core.io.codec import Codec, OpenFile
from lerf_core.io.codecs.boxes import brands_of

__all__ = ["CameraRawCodec"]

# Beginnings of formats that are no TIFF, or differ from it, and where they stand.
_SIGNATURES = (
    (0, b"IIU\0"), (0, b"IIRO"), (0, b"IIRS"), (0, b"MMOR"), (0, b"IIII"), (0, b"FUJIFILMCCD-RAW"),
    (0, b"FOVb"), (0, b"\0MRM"), (6, b"HEAPCCDR"), (8, b"CR\2\0"),
)  # fmt: skip
_TIFF = {b"II*\0": "<", b"MM\0*": ">"}
_PHOTOMETRIC, _SUB_DIRECTORIES = 262, 330
_FILTER_MOSAIC, _LINEAR = 32_803, 34_892
_SHORT, _LONG, _DIRECTORY = 3, 4, 13
_ENTRY = 12
_MOST_ENTRIES, _MOST_DIRECTORIES = 1000, 20
_ADVICE = (
    "a camera's raw file: it holds the mosaic of a sensor, and a thumbnail. Develop it first, to "
    "16-bit TIFF (darktable, RawTherapee, dcraw_emu -T)"
)


class CameraRawCodec(Codec):
    """What no decoder here develops: refused, with what to do."""

    def recognizes(self, file: OpenFile) -> bool:
        """See `Codec`."""
        if any(file.head[place:].startswith(mark) for place, mark in _SIGNATURES):
            return True
        if b"crx " in brands_of(file)[:1]:
            return True
        order = _TIFF.get(file.head[:4])
        if order is None:
            return False
        return not {_FILTER_MOSAIC, _LINEAR}.isdisjoint(_photometrics(file.rewound(), order))

    def read_header(self, file: OpenFile, max_pixels: int) -> NoReturn:
        """See `Codec`."""
        del file, max_pixels
        raise FileError(_ADVICE)

    def read(
        self, file: OpenFile, max_pixels: int, *, labels: bool = False, first_only: bool = False
    ) -> NoReturn:
        """See `Codec`."""
        del file, max_pixels, labels, first_only
        raise FileError(_ADVICE)

    def open_reader(self, path: str, options: dict[str, Any]) -> NoReturn:
        """See `Codec`."""
        del options
        raise FileError(f"{path}: {_ADVICE}")


def _photometrics(stream: BinaryIO, order: str) -> Iterator[int]:
    """Yield what the first directories of a TIFF, and those below them, say of their colours."""
    stream.seek(4)
    waiting = [struct.unpack(f"{order}I", stream.read(4).ljust(4, b"\0"))[0]]
    seen: set[int] = set()
    while waiting and len(seen) < _MOST_DIRECTORIES:
        start = waiting.pop(0)
        if start in seen or start < 8:
            continue
        seen.add(start)
        entries, following = _directory(stream, order, start)
        waiting.append(following)
        for tag, kind, count, value in entries:
            if tag == _PHOTOMETRIC and kind in {_SHORT, _LONG}:
                yield struct.unpack_from(order + ("H" if kind == _SHORT else "I"), value)[0]
            elif tag == _SUB_DIRECTORIES and kind in {_LONG, _DIRECTORY}:
                below = min(count, _MOST_DIRECTORIES)
                if count > 1:
                    stream.seek(struct.unpack(f"{order}I", value)[0])
                    value = stream.read(4 * below)
                waiting += struct.unpack_from(f"{order}{len(value) // 4}I", value)


def _directory(
    stream: BinaryIO, order: str, start: int
) -> tuple[list[tuple[int, int, int, bytes]], int]:
    """Return the entries of a directory (tag, kind, count, value), and where the next begins."""
    stream.seek(start)
    count = struct.unpack(f"{order}H", stream.read(2).ljust(2, b"\0"))[0]
    if count > _MOST_ENTRIES:
        return [], 0
    data = stream.read(_ENTRY * count + 4)
    if len(data) < _ENTRY * count:
        return [], 0
    entries = [
        (*struct.unpack_from(f"{order}2HI", data, place), data[place + 8 : place + 12])
        for place in range(0, _ENTRY * count, _ENTRY)
    ]
    return entries, struct.unpack(f"{order}I", data[_ENTRY * count :].ljust(4, b"\0"))[0]
