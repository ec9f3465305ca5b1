"""PNG, JPEG, WebP and what else Pillow reads: decoded as a whole.

These formats have no tiles: a row is found by decoding all before it, and the decoders at hand
give the image at once. They are read here where that fits the memory allowed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from lerf_core.errors import FileError, one_line
from lerf_core.io.pixel_file import file_fingerprint, readable_bytes
from lerf_core.io.tiled_reader import Region, TiledReader

__all__ = ["DecodedReader"]

_ORIENTATION = 274
_TURNED = frozenset({5, 6, 7, 8})
# Mode, to the mode it is converted to where that differs.
_CONVERTED = {"P": "RGB", "PA": "RGBA", "1": "L", "YCbCr": "RGB", "HSV": "RGB", "RGBX": "RGB"}
_SAMPLES = {"LA": 2, "La": 2, "RGB": 3, "RGBA": 4, "RGBa": 4, "CMYK": 4, "LAB": 3}
_DTYPES = {"I": "i4", "F": "f4", "I;16": "u2", "I;16B": "u2", "I;16L": "u2", "I;16N": "u2"}
# Pillow's own bytes a pixel, where they are not 4.
_PILLOW_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
_PNG_SAMPLES = {2: 3, 4: 2, 6: 4}
_PNG = b"\x89PNG\r\n\x1a\n"
_BOMB_CHECK = threading.Lock()


@dataclass(frozen=True)
class _Header:
    format: str
    mode: str
    target: str
    size: tuple[int, int]
    orientation: int
    frames: int
    deep_samples: int
    dpi: tuple[float, float] | None
    icc: bytes | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the upright image."""
        cols, rows = self.size
        sides = (cols, rows) if self.orientation in _TURNED else (rows, cols)
        samples = self.deep_samples or _SAMPLES.get(self.target, 1)
        return sides if samples == 1 else (*sides, samples)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Native."""
        return np.dtype("u2" if self.deep_samples else _DTYPES.get(self.target, "u1"))

    @property
    def memory(self) -> int:
        """Bytes at the worst moment of decoding."""
        pixels = self.size[0] * self.size[1]
        array = pixels * max(1, self.shape[2:][0] if self.shape[2:] else 1) * self.dtype.itemsize
        if self.deep_samples:
            return 2 * array
        held = pixels * _PILLOW_BYTES.get(self.mode, 4)
        if self.target != self.mode:
            held += pixels * _PILLOW_BYTES.get(self.target, 4)
        # Pillow hands the pixels over as a list of pieces, then joined.
        return held + 2 * array


class DecodedReader(TiledReader):
    """An image that is decoded as a whole, at the first read.

    Parameters
    ----------
    path : str
    options : dict
        Of :func:`lerf_core.io.reading.open_reader`.

    Raises
    ------
    FileError
        Also where decoding takes more than ``max_decoded_bytes``.
    """

    def __init__(self, path: str, options: dict[str, Any]) -> None:
        super().__init__(path, options)
        self._header = header = _read_header(path)
        allowed = options["max_decoded_bytes"]
        if allowed is not None and header.memory > allowed:
            raise FileError(
                f"{path}: {header.format} is decoded as a whole and that takes "
                f"{readable_bytes(header.memory)} of memory, {readable_bytes(allowed)} allowed: "
                "convert it to a tiled TIFF or a Zarr first"
            )
        self.format = header.format
        self.shape, self.dtype = header.shape, header.dtype
        self.chunks, self.level_shapes = self.shape, (self.shape,)
        self.axes = "YXS"[: len(self.shape)]
        self.has_alpha = header.deep_samples in {2, 4} or header.target in {
            "LA", "La", "RGBA", "RGBa",
        }  # fmt: skip
        self.is_premultiplied = header.target in {"La", "RGBa"}
        self.resolution_dpi, self.icc = header.dpi, header.icc
        self.info = {"mode": header.mode, "orientation": header.orientation}
        if header.mode == "P":
            self.notes += (f"palette expanded to {header.target}",)
        if header.mode == "1":
            self.notes += ("1-bit expanded to 8-bit grey",)
        if header.frames > 1:
            self.notes += (f"the first of {header.frames} frames read",)
        self.fingerprint = file_fingerprint(path)
        self._pixels: NDArray[Any] | None = None
        self._decoding = threading.Lock()

    @property
    def bytes_per_read(self) -> int:
        """Bytes that decoding the image takes at its worst moment."""
        return self._header.memory

    @property
    def decoded_chunks(self) -> int:
        """1 once the image is decoded."""
        return int(self._pixels is not None)

    def close(self) -> None:
        """Forget the pixels; again is no error."""
        super().close()
        self._pixels = None

    def _read_region(self, region: Region) -> NDArray[Any]:
        with self._decoding:
            if self._pixels is None:
                self._pixels = _decode(self.path, self._header)
            pixels = self._pixels
        return pixels[region].copy()


@contextmanager
def _opened(path: str) -> Iterator[Image.Image]:
    """Open an image; that it is large is known and checked elsewhere."""
    try:
        with _BOMB_CHECK:
            before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                image = Image.open(path)
            finally:
                Image.MAX_IMAGE_PIXELS = before
        with image:
            yield image
    except UnidentifiedImageError as error:
        raise FileError(f"{path}: no image of a known format") from error
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path}: {one_line(error.strerror or error)}") from error
    except Exception as error:
        raise FileError(f"{path}: damaged: {one_line(error)}") from error


def _read_header(path: str) -> _Header:
    with _opened(path) as image:
        mode = image.mode
        target = _CONVERTED.get(mode, mode)
        if mode == "P" and "transparency" in image.info:
            target = "RGBA"
        if target not in _SAMPLES and target not in _DTYPES and target != "L":
            raise FileError(f"{path}: pixels of mode {mode} are not supported")
        if min(image.size) < 1:
            raise FileError(f"{path}: declares an image without pixels: {image.size}")
        dpi = image.info.get("dpi")
        return _Header(
            format=image.format or "image",
            mode=mode,
            target=target,
            size=image.size,
            orientation=_orientation(path, image),
            frames=int(getattr(image, "n_frames", 1)),
            deep_samples=_deep_samples(path),
            dpi=(float(dpi[0]), float(dpi[1])) if dpi and all(dpi) else None,
            icc=image.info.get("icc_profile") or None,
        )


def _orientation(path: str, image: Image.Image) -> int:
    if image.format == "PNG":
        # Pillow would decode all pixels to look behind them.
        exif = Image.Exif()
        exif.load(_png_exif(path))
    else:
        exif = image.getexif()
    value = exif.get(_ORIENTATION, 1)
    return value if value in range(1, 9) else 1


def _png_exif(path: str) -> bytes:
    with Path(path).open("rb") as file:
        file.seek(len(_PNG))
        while len(head := file.read(8)) == 8:
            length = int.from_bytes(head[:4], "big")
            if head[4:] == b"eXIf":
                return b"Exif\0\0" + file.read(length)
            # The chunk's checksum comes after it.
            file.seek(length + 4, 1)
    return b""


def _deep_samples(path: str) -> int:
    """Return the samples of a PNG of 16-bit colours, which Pillow cuts to 8 bits; else 0."""
    with Path(path).open("rb") as file:
        head = file.read(26)
    png = head[:8] == _PNG and head[12:16] == b"IHDR" and len(head) == 26
    return _PNG_SAMPLES.get(head[25], 0) if png and head[24] == 16 else 0


def _decode(path: str, header: _Header) -> NDArray[Any]:
    pixels = _upright(
        _decode_deep(path) if header.deep_samples else _by_pillow(path, header), header
    )
    if pixels.shape != header.shape:
        raise FileError(f"{path}: damaged: {pixels.shape} decoded of {header.shape}")
    return pixels.astype(header.dtype, copy=False)


def _upright(pixels: NDArray[Any], header: _Header) -> NDArray[Any]:
    """Return a view of pixels as EXIF says they are to be seen."""
    orientation = header.orientation
    if orientation in _TURNED:
        pixels = pixels.swapaxes(0, 1)
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    return pixels[:, ::-1] if orientation in {2, 3, 6, 7} else pixels


def _by_pillow(path: str, header: _Header) -> NDArray[Any]:
    with _opened(path) as image:
        return np.asarray(image if header.target == image.mode else image.convert(header.target))


def _decode_deep(path: str) -> NDArray[Any]:
    try:
        import imagecodecs
    except ImportError as error:
        raise FileError(
            f"{path}: 16-bit colours of a PNG need the package imagecodecs: "
            "pip install 'lerf[large]'"
        ) from error
    try:
        return np.asarray(imagecodecs.png_decode(Path(path).read_bytes()))
    except Exception as error:
        raise FileError(f"{path}: damaged: {one_line(error)}") from error
