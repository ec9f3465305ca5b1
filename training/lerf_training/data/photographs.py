"""Photographs to train on: any folder of images, in memory that stays within a budget.

Which image is trained on at which step is a function of the seed and the step alone, so
that a run continues where it stopped, whatever the timing.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_training.errors import DatasetError

__all__ = ["Folder", "Photograph", "Skipped", "read_photograph", "scan", "split"]

Image = npt.NDArray[np.uint8]

_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        "png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif", "ppm", "pgm", "pnm", "jp2",
        "avif", "tga",
    )
)  # fmt: skip
#: A photograph of more pixels is trained on in its middle part of about as many.
MAX_PIXELS = 24_000_000
_BITS_TAG = 258
# Pillow's modes whose values are grey levels or colours as they stand.
_PLAIN_MODES = frozenset({"1", "L", "LA", "RGB", "RGBA", "I", "I;16", "I;16B", "I;16L", "F"})


@dataclass(frozen=True)
class Photograph:
    """A usable file: its path, size and a digest of its bytes."""

    path: Path
    rows: int
    cols: int
    digest: str

    @property
    def nbytes(self) -> int:
        """Bytes in memory, as red, green, blue and luma."""
        return 4 * min(self.rows * self.cols, MAX_PIXELS)


@dataclass(frozen=True)
class Skipped:
    """A file that was left out, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Folder:
    """What a scan found.

    Attributes
    ----------
    photographs : tuple of Photograph
        In order of their relative paths.
    skipped : tuple of Skipped
        Image files that cannot be used.
    """

    photographs: tuple[Photograph, ...]
    skipped: tuple[Skipped, ...]

    @property
    def fingerprint(self) -> str:
        """``sha256:`` and the digest of the files' bytes; names and order do not matter."""
        return fingerprint(self.photographs)


def fingerprint(photographs: Sequence[Photograph]) -> str:
    """``sha256:`` and the digest of the photographs' digests, sorted."""
    digest = hashlib.sha256()
    for one in sorted(photograph.digest for photograph in photographs):
        digest.update(bytes.fromhex(one))
    return f"sha256:{digest.hexdigest()}"


def scan(
    folders: Sequence[str | Path],
    least: int,
    scanned: Callable[[int, int], None] | None = None,
) -> Folder:
    """Find the images of folders, and decode each once to see that it is sound.

    Parameters
    ----------
    folders : sequence of path
        Searched with their subfolders; files may be given as well.
    least : int
        Rows and columns that an image must have.
    scanned : callable, optional
        Called with the files looked at so far and their number.

    Returns
    -------
    Folder
        Twins, files of equal bytes, are counted once and skipped after.

    Raises
    ------
    DatasetError
        If a folder does not exist or nothing in them can be used.
    """
    files = _image_files(folders)
    found: list[Photograph] = []
    skipped: list[Skipped] = []
    seen: dict[str, Path] = {}
    for count, path in enumerate(files, 1):
        one = _looked_at(path, least)
        if isinstance(one, Photograph) and one.digest in seen:
            one = Skipped(path, f"{path}: the same file as {seen[one.digest]}")
        if isinstance(one, Photograph):
            seen[one.digest] = path
            found.append(one)
        else:
            skipped.append(one)
        if scanned is not None:
            scanned(count, len(files))
    if not found:
        names = ", ".join(map(str, folders))
        if skipped:
            first = f"all {len(skipped)} files were skipped; the first: {skipped[0].reason}"
        else:
            first = "there are no image files"
        raise DatasetError(f"nothing to train on in {names}: {first}")
    return Folder(tuple(found), tuple(skipped))


def _looked_at(path: Path, least: int) -> Photograph | Skipped:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows, cols = read_photograph(path).shape[:2]
    except DatasetError as error:
        return Skipped(path, str(error))
    except OSError as error:
        return Skipped(path, f"{path}: {error}")
    if min(rows, cols) < least:
        reason = f"{path}: {cols}x{rows} pixels; at least {least}x{least} are needed"
        return Skipped(path, reason)
    return Photograph(path, rows, cols, digest)


def split(
    photographs: Sequence[Photograph], held_out: int
) -> tuple[tuple[Photograph, ...], tuple[Photograph, ...]]:
    """Divide photographs into those to train on and `held_out` to validate on.

    The digests of the files decide, so that a photograph stays on its side when others are
    added or renamed.

    Raises
    ------
    DatasetError
        If nothing would be left to train on.
    """
    if not 0 <= held_out < len(photographs):
        raise DatasetError(
            f"{held_out} of {len(photographs)} images cannot be held out for validation"
        )
    chosen = {one.digest for one in sorted(photographs, key=lambda one: one.digest)[:held_out]}
    train = tuple(one for one in photographs if one.digest not in chosen)
    return train, tuple(one for one in photographs if one.digest in chosen)


def read_photograph(path: Path) -> Image:
    """8-bit RGB of an image file, as it is meant to be seen.

    Parameters
    ----------
    path : Path
        A file of any format that imageio reads; of several images the first.

    Returns
    -------
    ndarray of uint8, (rows, cols, 3)
        Orientation applied, grey repeated, alpha left out, 16-bit and float rounded to 8.

    Raises
    ------
    DatasetError
        If the file cannot be decoded.
    """
    try:
        with warnings.catch_warnings():
            # Decoders warn of harmless metadata; what they cannot decode they raise.
            warnings.simplefilter("ignore")
            pixels = _decoded(path)
    except Exception as error:
        raise DatasetError(f"{path}: {' '.join(str(error).split())[:200]}") from error
    try:
        return _middle(_as_rgb(_as_bytes(np.asarray(pixels))))
    except ValueError as error:
        raise DatasetError(f"{path}: {error}") from error


def _decoded(path: Path) -> npt.NDArray[Any]:
    import imageio.v3 as iio
    import tifffile
    from PIL import Image as Pillow
    from PIL import UnidentifiedImageError

    mode = None
    try:
        with Pillow.open(path) as image:
            bits = image.tag_v2.get(_BITS_TAG, 8) if image.format == "TIFF" else 8  # type: ignore[attr-defined]
            deep = max(np.atleast_1d(bits)) > 8
            if image.mode not in _PLAIN_MODES:
                mode = "RGB"
    except UnidentifiedImageError:
        if path.suffix.lower() not in {".tif", ".tiff"}:
            raise
        deep = True
    if deep:  # Pillow would cut colours to 8 bits, and knows few kinds of float
        return np.asarray(tifffile.imread(path, key=0))
    return np.asarray(iio.imread(path, index=0, plugin="pillow", rotate=True, mode=mode))


def _image_files(folders: Sequence[str | Path]) -> list[Path]:
    files: list[Path] = []
    for folder in map(Path, folders):
        if folder.is_file():
            files.append(folder)
        elif folder.is_dir():
            inside = (path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
            files += sorted(path for path in inside if path.is_file())
        else:
            raise DatasetError(f"{folder} is no folder")
    return list(dict.fromkeys(files))


def _as_bytes(pixels: npt.NDArray[np.generic]) -> Image:
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8, copy=False)
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype == np.uint16:
        rounded: Image = np.rint(pixels.astype(np.float32) / 257).astype(np.uint8)
        return rounded
    if np.issubdtype(pixels.dtype, np.floating):
        if not np.isfinite(pixels).all() or pixels.min() < 0 or pixels.max() > 1:
            raise ValueError("float images must lie in 0..1")
        scaled: Image = np.rint(pixels * 255).astype(np.uint8)
        return scaled
    raise ValueError(f"images of {pixels.dtype} are not supported")


def _as_rgb(pixels: Image) -> Image:
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 2, 3, 4):
        raise ValueError(f"no image of grey or RGB: shape {pixels.shape}")
    colours = pixels[..., :1] if pixels.shape[2] <= 2 else pixels[..., :3]
    rgb: Image = np.ascontiguousarray(np.broadcast_to(colours, (*pixels.shape[:2], 3)))
    return rgb


def _middle(pixels: Image) -> Image:
    rows, cols = pixels.shape[:2]
    if rows * cols <= MAX_PIXELS:
        return pixels
    factor = (MAX_PIXELS / (rows * cols)) ** 0.5
    height, width = max(1, int(rows * factor)), max(1, int(cols * factor))
    top, left = (rows - height) // 2, (cols - width) // 2
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])
