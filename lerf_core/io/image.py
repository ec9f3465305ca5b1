"""A file's pixels together with what must survive beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lerf_core.errors import FileError
from lerf_core.io.formats import GREY, GREY_ALPHA, PALETTE, RGB, RGBA, WITH_ALPHA

Pixels = NDArray[Any]


@dataclass(frozen=True)
class Metadata:
    """What a file says about its pixels.

    Attributes
    ----------
    icc, exif, xmp : bytes or None
        The blocks as they lay in the file; ``exif`` without JPEG's prefix.
    dpi : (x, y) or None
        Resolution in pixels per inch.
    text : tuple of (key, value)
        PNG's text chunks.
    comment : bytes or None
        Comment of a JPEG or GIF.
    chunks : tuple of (name, data)
        PNG's colour chunks.
    durations : tuple of float
        Time of each frame in milliseconds.
    loop : int or None
        Repetitions of an animation, 0 for endless; None for once.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()
    comment: bytes | None = None
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    durations: tuple[float, ...] = ()
    loop: int | None = None

    def stripped(self) -> Metadata:
        """Return what ``--strip`` leaves: colour, resolution and timing, no private data."""
        return replace(self, exif=None, xmp=None, text=(), comment=None)


@dataclass(frozen=True)
class DecodedImage:
    """Frames of one file, upright.

    Attributes
    ----------
    frames : list of arrays
        Each (rows, cols) or (rows, cols, channels).
    layout : str
        Meaning of the channels; see :mod:`lerf_core.io.formats`.
    format : str
        Pillow's name of the file's format.
    metadata : Metadata
    notes : tuple of str
        What the user should know about how the file was read.
    premultiplied : bool
        Whether colours are already multiplied by alpha (a TIFF may say so).
    palette : (n, 3) uint8 array or None
        Colours of layout ``P``.
    lossless : bool
        Whether the file's format kept every pixel.
    details : dict
        What the writer of the same format needs: TIFF's photometric, compression and so on.
    """

    frames: list[Pixels]
    layout: str
    format: str
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()
    premultiplied: bool = False
    palette: NDArray[np.uint8] | None = None
    lossless: bool = True
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the first frame."""
        rows, cols = self.frames[0].shape[:2]
        return rows, cols

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""
        return self.frames[0].dtype

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is opacity."""
        return self.layout in WITH_ALPHA

    @property
    def uneven(self) -> bool:
        """Whether frames differ in size."""
        return len({frame.shape for frame in self.frames}) > 1

    def mapped(self, function: Callable[[Pixels], Pixels], **changes: Any) -> DecodedImage:
        """Return the picture with a function applied to each frame."""
        return replace(self, frames=[function(frame) for frame in self.frames], **changes)

    def noted(self, *notes: str) -> DecodedImage:
        """Return the picture with notes added."""
        return replace(self, notes=self.notes + notes)


# How to turn an image of each EXIF orientation upright.
_UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}
TURNED = frozenset({5, 6, 7, 8})


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Return pixels as they are meant to be seen.

    Parameters
    ----------
    pixels : (rows, cols, ...) array
    orientation : int
        EXIF's 1 to 8; anything else counts as 1.
    """
    return np.ascontiguousarray(_UPRIGHT.get(orientation, _UPRIGHT[1])(pixels))


def opaque_value(dtype: np.dtype[Any]) -> float:
    """Return the value of full opacity: the integers' top, or 1."""
    if dtype == np.bool_:
        return 1
    return int(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0


def with_alpha(picture: DecodedImage) -> DecodedImage:
    """Return the picture with an opaque alpha channel, added where there is none.

    Raises
    ------
    FileError
        If the channels leave alpha no place (CMYK, many channels).
    """
    if picture.has_alpha:
        return picture
    if picture.layout not in {GREY, RGB}:
        raise FileError(f"--border transparent needs grey or RGB, and this is {picture.layout}")

    def add(frame: Pixels) -> Pixels:
        colours = frame[..., np.newaxis] if frame.ndim == 2 else frame
        alpha = np.full((*colours.shape[:2], 1), opaque_value(frame.dtype), frame.dtype)
        return np.concatenate([colours, alpha], axis=2)

    return picture.mapped(add, layout=GREY_ALPHA if picture.layout == GREY else RGBA)


DEPTHS: dict[str, np.dtype[Any]] = {
    "8": np.dtype(np.uint8),
    "16": np.dtype(np.uint16),
    "float": np.dtype(np.float32),
}


def converted(
    picture: DecodedImage, depth: str, value_range: tuple[float, float] | None = None
) -> DecodedImage:
    """Return the picture at another depth, values mapped linearly.

    Parameters
    ----------
    picture : DecodedImage
    depth : str
        ``8``, ``16`` or ``float`` (float32, 0 to 1).
    value_range : (lo, hi), optional
        Values of a float picture that become black and white; 0 and 1 by default. Where given for
        integers, the same.

    Raises
    ------
    FileError
        If a palette's indices would be converted.
    """
    target = DEPTHS[depth]
    if picture.dtype == target or (depth == "float" and picture.dtype.kind == "f"):
        return picture
    if picture.layout == PALETTE:
        raise FileError("--depth does not go with palette indices (--labels)")
    opaque, top = float(opaque_value(picture.dtype)), float(opaque_value(target))
    lo, hi = value_range or (0.0, opaque)
    outside = 0

    def convert(frame: Pixels) -> Pixels:
        nonlocal outside
        black, white = np.full(frame.shape[2:], lo), np.full(frame.shape[2:], hi)
        if picture.has_alpha:
            # The range is one of colours: opacity has its own.
            black[-1], white[-1] = 0.0, opaque
        # Row by row blocks: a whole float64 copy would be eight times an 8-bit image.
        out = np.empty(frame.shape, target)
        step = max(1, (1 << 20) // max(1, frame[0].size))
        for first in range(0, len(frame), step):
            part = (frame[first : first + step].astype(np.float64) - black) / (white - black)
            part *= top
            if target.kind != "f":
                # By half a level or more: less is rounding.
                outside += int(np.count_nonzero((part < -0.5) | (part >= top + 0.5)))
                part = np.rint(np.clip(np.nan_to_num(part, nan=0.0), 0, top))
            out[first : first + step] = part
        return out

    result = picture.mapped(convert)
    if not outside:
        return result
    share = 100 * outside / sum(frame.size for frame in picture.frames)
    return result.noted(f"{share:.2g}% of the values lie outside {lo:g}..{hi:g}: clipped (--range)")


def flattened(picture: DecodedImage, colour: Sequence[int]) -> DecodedImage:
    """Return the picture without alpha, laid over a colour.

    Parameters
    ----------
    picture : DecodedImage
        Returned as it is where it has no alpha.
    colour : (red, green, blue)
        8-bit values. A colour that is not grey turns a grey picture into RGB.
    """
    if not picture.has_alpha:
        return picture
    top = float(opaque_value(picture.dtype))
    grey = picture.layout == GREY_ALPHA and len(set(colour)) == 1
    back = np.asarray(colour[:1] if grey else colour, np.float64) * (top / 255)

    def flatten(frame: Pixels) -> Pixels:
        out = np.empty((*frame.shape[:2], len(back)), frame.dtype)
        for row, line in zip(out, frame, strict=True):
            alpha = line[..., -1:].astype(np.float64) / top
            colours = line[..., :-1].astype(np.float64)
            if not picture.premultiplied:
                colours *= alpha
            mixed = colours + (1 - alpha) * back
            row[:] = mixed if frame.dtype.kind == "f" else np.rint(np.clip(mixed, 0, top))
        return out[..., 0] if grey else out

    metadata = picture.metadata
    notes: tuple[str, ...] = ()
    if picture.layout == GREY_ALPHA and not grey and metadata.icc is not None:
        metadata = replace(metadata, icc=None)
        notes = ("grey ICC profile dropped: the background makes the image RGB",)
    return picture.mapped(
        flatten, layout=GREY if grey else RGB, metadata=metadata, premultiplied=False
    ).noted(*notes)


def unmultiplied(picture: DecodedImage) -> DecodedImage:
    """Return the picture with colours that are not multiplied by alpha."""
    if not picture.premultiplied:
        return picture
    top = float(opaque_value(picture.dtype))

    def divide(frame: Pixels) -> Pixels:
        alpha = frame[..., -1:].astype(np.float64) / top
        colours = np.divide(
            frame[..., :-1], alpha, out=np.zeros(frame[..., :-1].shape), where=alpha > 0
        )
        if frame.dtype.kind != "f":
            colours = np.rint(np.clip(colours, 0, top))
        return np.concatenate([colours.astype(frame.dtype), frame[..., -1:]], axis=2)

    return picture.mapped(divide, premultiplied=False)


def finite_range(picture: DecodedImage) -> tuple[float, float]:
    """Return the least and greatest finite colour value over all frames.

    Raises
    ------
    FileError
        If there is no finite value, or only one value.
    """
    lo, hi = np.inf, -np.inf
    for frame in picture.frames:
        colours = frame[..., :-1] if picture.has_alpha else frame
        finite = colours[np.isfinite(colours)] if colours.dtype.kind == "f" else colours
        if finite.size:
            lo, hi = min(lo, float(finite.min())), max(hi, float(finite.max()))
    if not lo < hi:
        raise FileError("--range auto needs two different finite values in the image")
    return lo, hi
