"""Photographs to train on: any folder of images, in memory that stays within a budget.

Which image is trained on at which step is a function of the seed and the step alone, so
that a run continues where it stopped, whatever the timing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lerf_training.data.image_files import Image, read_rgb_of_any_depth
from lerf_training.errors import DatasetError

__all__ = [
    "Folder",
    "Photograph",
    "Skipped",
    "fingerprint",
    "read_photograph",
    "scan",
    "split",
    "split_share",
]

_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        "png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif", "ppm", "pgm", "pnm", "jp2",
        "avif", "tga",
    )
)  # fmt: skip
#: A photograph of more pixels is trained on in its middle part of about as many.
MAX_PIXELS = 24_000_000
# Photographs that are held out at most.
_MOST_HELD_OUT = 40


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
    for text in sorted(photograph.digest for photograph in photographs):
        digest.update(bytes.fromhex(text))
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
    photographs: list[Photograph] = []
    skipped: list[Skipped] = []
    paths_of: dict[str, Path] = {}
    for count, path in enumerate(files, 1):
        entry = _inspected(path, least)
        if isinstance(entry, Photograph) and entry.digest in paths_of:
            entry = Skipped(path, f"{path}: the same file as {paths_of[entry.digest]}")
        if isinstance(entry, Photograph):
            paths_of[entry.digest] = path
            photographs.append(entry)
        else:
            skipped.append(entry)
        if scanned is not None:
            scanned(count, len(files))
    if not photographs:
        names = ", ".join(map(str, folders))
        reason = "there are no image files"
        if skipped:
            reason = f"all {len(skipped)} files were skipped; the first: {skipped[0].reason}"
        raise DatasetError(f"nothing to train on in {names}: {reason}")
    return Folder(tuple(photographs), tuple(skipped))


def _inspected(path: Path, least: int) -> Photograph | Skipped:
    """Decode a file, and say whether it can be trained on."""
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
    chosen = set(sorted(photograph.digest for photograph in photographs)[:held_out])
    train = tuple(photograph for photograph in photographs if photograph.digest not in chosen)
    held = tuple(photograph for photograph in photographs if photograph.digest in chosen)
    return train, held


def split_share(
    photographs: Sequence[Photograph], share: float
) -> tuple[tuple[Photograph, ...], tuple[Photograph, ...]]:
    """Divide photographs as `split` does: hold out a share, one to 40, of more than one."""
    if not share or len(photographs) < 2:
        return tuple(photographs), ()
    count = max(1, round(share * len(photographs)))
    return split(photographs, min(_MOST_HELD_OUT, count, len(photographs) - 1))


def read_photograph(path: Path) -> Image:
    """8-bit RGB of a photograph, or of its middle part where it has more than `MAX_PIXELS`.

    Parameters
    ----------
    path : Path
        A file of any format that `lerf_core.io` reads; of several images the first.

    Returns
    -------
    ndarray of uint8, (rows, cols, 3)

    Raises
    ------
    DatasetError
        If the file cannot be decoded.
    """
    pixels = read_rgb_of_any_depth(path)
    rows, cols = pixels.shape[:2]
    if rows * cols <= MAX_PIXELS:
        return pixels
    factor = (MAX_PIXELS / (rows * cols)) ** 0.5
    height, width = max(1, int(rows * factor)), max(1, int(cols * factor))
    top, left = (rows - height) // 2, (cols - width) // 2
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])


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
