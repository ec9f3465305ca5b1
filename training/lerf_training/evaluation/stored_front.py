"""A front that is known by its results: benchmark inputs that it has enlarged, as files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.errors import FrontError
from lerf_core.fronts.base import Front, Planes
from lerf_training.data.benchmark_sets import IMAGE_SUFFIXES
from lerf_training.data.image_files import Image, read_rgb
from lerf_training.errors import DatasetError

__all__ = ["StoredFront"]


@dataclass(frozen=True, eq=False, repr=False)
class StoredFront(Front):
    """Enlargements of images, as files: those images alone can be enlarged, and as a whole.

    Attributes
    ----------
    name : str
        Of their folder.
    factor : int
        Their scale.
    files : mapping of str to Path
        Of each enlargement, by the digest of the image's pixels.
    """

    name: str
    factor: int
    files: Mapping[str, Path]

    @classmethod
    def of(cls, folder: Path, sets: Sequence[Path]) -> StoredFront:
        """Find the enlargements of the inputs of benchmark sets.

        Parameters
        ----------
        folder : Path
            Of enlargements. They lie in it as the inputs lie in a set, or in a folder of sets.
        sets : sequence of Path
            Sets, or folders of them.

        Raises
        ------
        DatasetError
            If there are none, or if they are not enlarged by one whole number.
        """
        files: dict[str, Path] = {}
        scales: dict[int, Path] = {}
        for source, enlarged in _pairs(folder, sets):
            small, large = read_rgb(source), read_rgb(enlarged)
            scales.setdefault(_scale_of(small, large, enlarged), enlarged)
            files[_digest(small)] = enlarged
        if not files:
            names = ", ".join(map(str, sets))
            raise DatasetError(
                f"{folder} holds neither tables of a cascade nor enlargements of the inputs of "
                f"{names}: these lie in it as the inputs do there, under the same names"
            )
        if len(scales) > 1:
            (one, first), (other, second), *_ = scales.items()
            raise DatasetError(f"{first} is enlarged by {one}, and {second} by {other}")
        place = folder.resolve()
        # A Set5 lies in more than one folder.
        is_set = any(place.name == each.resolve().name for each in sets)
        name = place.parent.name if is_set else place.name
        return cls(name, next(iter(scales)), files)

    @property
    def scale(self) -> int:
        """See `Front.scale`."""
        return self.factor

    @property
    def reads_colours(self) -> bool:
        """See `Front.reads_colours`: files hold all three."""
        return True

    @property
    def reach(self) -> int:
        """See `Front.reach`: images are not continued."""
        return 0

    @property
    def is_local(self) -> bool:
        """See `Front.is_local`."""
        return False

    @property
    def work(self) -> str:
        """See `Front.work`."""
        return "a file to read"

    @property
    def checksum(self) -> str:
        """See `Front.checksum`: of the images and of the files of their enlargements."""
        digest = hashlib.sha256()
        for key in sorted(self.files):
            digest.update(key.encode() + self.files[key].read_bytes())
        return f"sha256:{digest.hexdigest()}"

    def describe(self) -> dict[str, Any]:
        """See `Front.describe`."""
        return {"name": self.name, "scale": self.scale, "images": len(self.files)}

    def memory_needed(self, rows: int, cols: int, channels: int, dtype: npt.DTypeLike) -> int:
        """See `Front.memory_needed`."""
        return rows * cols * self.scale**2 * channels * np.dtype(dtype).itemsize

    def _enlarged(self, planes: Planes, threads: int) -> Planes:  # noqa: ARG002
        """See `Front.enlarge`."""
        file = self.files.get(_digest(np.moveaxis(planes, 0, -1)))
        if file is None:
            raise FrontError(
                f"front {self.name!r} holds no enlargement of this image of {planes.shape[2]}x"
                f"{planes.shape[1]} pixels; inputs that are made, and those that a border mode "
                "continues, have none"
            )
        return np.moveaxis(read_rgb(file), -1, 0)


def _pairs(folder: Path, sets: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield inputs and their enlargements: files of the same name in the same place."""
    for enlarged in sorted(folder.rglob("*")):
        if enlarged.suffix.lower() not in IMAGE_SUFFIXES or not enlarged.is_file():
            continue
        place = enlarged.relative_to(folder)
        for base in sets:
            # One of the sets may be given, and the folder of all enlargements.
            for source in (base / place, base.absolute().parent / place):
                if source.is_file() and not source.samefile(enlarged):
                    yield source, enlarged
                    break


def _scale_of(small: Image, large: Image, path: Path) -> int:
    """Return how many times an image is enlarged."""
    rows, cols = small.shape[:2]
    scale: int = max(1, large.shape[0] // rows)
    if large.shape[:2] != (scale * rows, scale * cols):
        raise DatasetError(
            f"{path}: {large.shape[1]}x{large.shape[0]} pixels are no enlargement of {cols}x{rows} "
            "by a whole number"
        )
    return scale


def _digest(image: Image) -> str:
    """Return what an image (rows, cols, 3) is known by."""
    digest = hashlib.sha256(str(image.shape).encode())
    digest.update(np.ascontiguousarray(image).tobytes())
    return digest.hexdigest()
