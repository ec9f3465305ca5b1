"""Animations of GIF, WebP, PNG and AVIF: their frames as they are seen, times, repetitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image

from lerf_core.io.formats import GREY, GREY_ALPHA, RGB, RGBA
from lerf_core.io.image import DecodedImage, Pixels
from lerf_core.io.metadata.model import Metadata

if TYPE_CHECKING:
    from lerf_core.io.formats import Format

__all__ = ["frame_count", "left_out", "read_frames", "save_keywords", "written_notes"]

_ANIMATED = frozenset({"GIF", "WEBP", "PNG", "AVIF"})
# One picture at several sizes.
_OF_SIZES = frozenset({"ICO", "ICNS"})
_GREY_MODES = frozenset({"1", "L", "LA"})
_GIF_TICK = 10  # milliseconds


def frame_count(image: Image.Image) -> int:
    """Return the number of an image's frames, 1 for pages and the like."""
    if image.format not in _ANIMATED:
        return 1
    return max(1, getattr(image, "n_frames", 1) - _stills(image))


def _stills(image: Image.Image) -> int:
    # What viewers without animation show may be none of the frames.
    return int(image.format == "PNG" and bool(image.info.get("default_image")))


def left_out(image: Image.Image) -> tuple[str, ...]:
    """Return a note on images in the file that are not read."""
    if image.format in _ANIMATED:
        is_left = _stills(image) and getattr(image, "n_frames", 1) > 1
        return ("the still image beside the animation left out",) if is_left else ()
    sizes = image.info.get("sizes") if image.format in _OF_SIZES else None
    if sizes is not None and len(sizes) > 1:
        return (f"the largest of {len(sizes)} sizes in the file is used",)
    images = getattr(image, "n_frames", 1)
    return (f"only the first of {images} images in the file is used",) if images > 1 else ()


def read_frames(image: Image.Image, stream: BinaryIO, count: int) -> DecodedImage:
    """Decode the first frames of an animation as they are seen, whatever each of them stores.

    Parameters
    ----------
    image : PIL.Image.Image
        As it was opened.
    stream : binary file
        What it was opened from.
    count : int
    """
    notes = left_out(image)
    if image.format == "GIF":
        from lerf_core.io.codecs.gif_frames import composed_frames

        frames, durations = composed_frames(stream, count)
        return _decoded(frames, durations, ("palette expanded to RGB", *notes))
    mode = "LA" if image.mode in _GREY_MODES else "RGBA"
    pictures: list[Pixels] = []
    times: list[float] = []
    first = _stills(image)
    for index in range(first, first + count):
        image.seek(index)
        image.load()
        pictures.append(np.asarray(image.convert(mode)))
        times.append(float(image.info.get("duration", 0)))
    return _decoded(pictures, tuple(times), notes)


def _decoded(
    frames: list[Pixels], durations: tuple[float, ...], notes: tuple[str, ...]
) -> DecodedImage:
    """Return frames with alpha where any of them is not opaque."""
    is_grey = frames[0].shape[2] == 2
    layout = GREY_ALPHA if is_grey else RGBA
    if all((frame[..., -1] == 255).all() for frame in frames):
        layout = GREY if is_grey else RGB
        frames = [
            np.ascontiguousarray(frame[..., 0] if is_grey else frame[..., :3]) for frame in frames
        ]
    return DecodedImage(frames, layout, "", Metadata(durations=durations), notes)


# -- writing ------------------------------------------------------------------------------


def save_keywords(image: DecodedImage, target: Format) -> dict[str, Any]:
    """Return what Pillow's encoders take for an animation's times and repetitions."""
    metadata = image.metadata
    durations = [round(value) for value in metadata.durations or (100.0,) * len(image.frames)]
    if target.name == "GIF":
        # Pillow cuts what is no whole tick.
        durations = [_GIF_TICK * round(value / _GIF_TICK) for value in durations]
    keywords: dict[str, Any] = {"save_all": True, "duration": durations}
    if metadata.loop is not None or target.name != "GIF":
        keywords["loop"] = metadata.loop if metadata.loop is not None else 1
    if target.name == "GIF":
        keywords["disposal"] = 2 if image.has_alpha else 1
        # Optimizing drops a clear index that no pixel has, and with it the frame's clearing.
        keywords["optimize"] = not image.has_alpha
    return keywords


def written_notes(stream: BinaryIO, image: DecodedImage, target: Format) -> tuple[str, ...]:
    """Return notes on what an encoder has made of an animation's frames and times."""
    notes: tuple[str, ...] = ()
    if target.name == "GIF" and any(time % _GIF_TICK for time in image.metadata.durations):
        notes += ("times of frames rounded to 1/100 s",)
    stream.seek(0)
    with Image.open(stream) as written:
        count = frame_count(written)
    lost = len(image.frames) - count
    if lost < 1 or target.name not in _ANIMATED:
        return notes
    if count == 1:
        return (*notes, f"{len(image.frames)} frames that are all alike became a still image")
    return (*notes, f"{lost} frames that repeat the one before joined with it, their times added")
