"""GIF: Pillow's decoder for each frame, and the frames laid over each other as browsers do."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lerf_core.errors import FileError

__all__ = ["Frame", "composed_frames", "with_clear_index"]

_EXTENSION, _IMAGE, _END = b"!", b",", b";"
_CONTROL = 0xF9
# Of the index that stands for clear pixels in files that are written.
_CLEAR = 255
# What becomes of a frame before the next is shown.
_CLEARED, _RESTORED = 2, 3


@dataclass(frozen=True)
class Frame:
    """One frame as the file stores it.

    Attributes
    ----------
    left, top, width, height : int
        Where it lies on the screen.
    palette : (256, 3) uint8 array or None
        None: grey levels.
    clear : int or None
        Index of clear pixels.
    disposal : int
        What becomes of its pixels afterwards.
    duration : float
        In milliseconds.
    is_interlaced : bool
    data : bytes
        Its indices, compressed.
    """

    left: int
    top: int
    width: int
    height: int
    palette: NDArray[np.uint8] | None
    clear: int | None
    disposal: int
    duration: float
    is_interlaced: bool
    data: bytes

    def indices(self) -> NDArray[np.uint8]:
        """Return the indices of its pixels, decoded."""
        interlace = 0x40 if self.is_interlaced else 0
        alone = b"".join([
            b"GIF89a", struct.pack("<2H3B", self.width, self.height, 0, 0, 0),
            _IMAGE, struct.pack("<4HB", 0, 0, self.width, self.height, interlace),
            self.data, _END,
        ])  # fmt: skip
        with Image.open(io.BytesIO(alone)) as image:
            # Without a palette its pixels are the indices.
            return np.array(image)


def composed_frames(
    stream: BinaryIO, count: int
) -> tuple[list[NDArray[np.uint8]], tuple[float, ...]]:
    """Return the first frames as they are seen, RGBA, and their durations in milliseconds.

    What no frame covers is clear. What a frame clears behind itself is so too where it has clear
    pixels, and else the background colour: as Pillow and libvips have it.

    Parameters
    ----------
    stream : binary file
    count : int
        Of frames.

    Raises
    ------
    FileError
        If there are fewer.
    """
    stream.seek(0)
    data = stream.read()
    frames: list[NDArray[np.uint8]] = []
    durations: list[float] = []
    canvas, background = np.empty((0, 0, 4), np.uint8), np.zeros(4, np.uint8)
    for frame in _frames(data):
        if not frames:
            canvas = np.zeros((*_screen(data, frame), 4), np.uint8)
            background = _background(data)
        before = canvas.copy() if frame.disposal == _RESTORED else canvas
        window = canvas[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width]
        # What lies beyond the screen is not seen.
        indices = frame.indices()[: window.shape[0], : window.shape[1]]
        shown = np.ones(indices.shape, np.bool_) if frame.clear is None else indices != frame.clear
        colours = indices[shown]
        window[shown, :3] = (
            colours[:, np.newaxis] if frame.palette is None else frame.palette[colours]
        )
        window[shown, 3] = 255
        frames.append(canvas.copy())
        durations.append(frame.duration)
        if frame.disposal == _CLEARED:
            window[...] = 0 if frame.clear is not None else background
        canvas = before
        if len(frames) == count:
            return frames, tuple(durations)
    raise FileError(f"damaged: {len(frames)} of {count} frames in the file")


def _screen(data: bytes, first: Frame) -> tuple[int, int]:
    """Return rows and columns of the screen, which is no smaller than the first frame."""
    cols, rows = struct.unpack_from("<2H", data, 6)
    return max(rows, first.top + first.height), max(cols, first.left + first.width)


def _background(data: bytes) -> NDArray[np.uint8]:
    """Return the background's colour, RGBA; clear where the file names none."""
    palette, _ = _palette(data, 10, 13)
    if palette is None:
        return np.zeros(4, np.uint8)
    return np.append(palette[data[11]], np.uint8(255))


def _frames(data: bytes) -> Iterator[Frame]:
    """Yield the frames of a file; damage ends the walk."""
    common, place = _palette(data, 10, 13)
    control = (0, 0, 0)
    try:
        while (kind := data[place : place + 1]) != _END:
            if kind == _EXTENSION:
                label, place = data[place + 1], place + 2
                if label == _CONTROL:
                    flags, delay, clear = struct.unpack_from("<BHB", data, place + 1)
                    control = (flags, delay, clear)
                place = _behind_blocks(data, place)
            elif kind == _IMAGE:
                left, top, cols, rows = struct.unpack_from("<4H", data, place + 1)
                flags = data[place + 9]
                own, begin = _palette(data, place + 9, place + 10)
                place = _behind_blocks(data, begin + 1)
                settings, delay, clear = control
                yield Frame(
                    left, top, cols, rows,
                    common if own is None else own,
                    clear if settings & 1 else None,
                    settings >> 2 & 7, 10.0 * delay, bool(flags & 0x40), data[begin:place],
                )  # fmt: skip
                control = (0, 0, 0)
            else:
                place += 1
    except (IndexError, struct.error):
        return


def _palette(data: bytes, flags_at: int, start: int) -> tuple[NDArray[np.uint8] | None, int]:
    """Return a palette of 256 colours, None where there is none, and where it ends."""
    flags = data[flags_at] if flags_at < len(data) else 0
    if not flags & 0x80:
        return None, start
    size = 3 << ((flags & 7) + 1)
    colours = np.zeros((256, 3), np.uint8)
    listed = np.frombuffer(data[start : start + size], np.uint8)
    colours.reshape(-1)[: listed.size] = listed
    return colours, start + size


def _behind_blocks(data: bytes, place: int) -> int:
    """Return where a chain of blocks ends, each of which begins with its length."""
    while (length := data[place]) != 0:
        place += length + 1
    return place + 1


def with_clear_index(frame: NDArray[np.uint8]) -> Image.Image:
    """Return an RGBA frame in 255 colours and one index for clear pixels, used or not.

    GIF knows clear and opaque only. Frames without such an index are cleared to the background's
    colour: a later frame would turn opaque.
    """
    is_clear = frame[..., 3] < 128
    colours = frame[..., :3].copy()
    if not is_clear.all():
        # What is not seen needs no colour of its own.
        colours[is_clear] = frame[~is_clear][0, :3]
    picture = Image.fromarray(colours).convert("P", palette=Image.Palette.ADAPTIVE, colors=_CLEAR)
    indices = np.array(picture)
    indices[is_clear] = _CLEAR
    # By way of bytes: a palette of grey levels would make another mode.
    indexed = Image.frombytes("P", picture.size, indices.tobytes())
    palette = bytes(picture.getpalette("RGB") or ())
    indexed.putpalette(palette[: 3 * _CLEAR].ljust(768, b"\0"))
    indexed.info["transparency"] = _CLEAR
    return indexed
