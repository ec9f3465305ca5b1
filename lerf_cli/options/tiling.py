"""Options of work that is done tile by tile. Light: imports no image library."""

from __future__ import annotations

import os
from dataclasses import dataclass

__all__ = ["LargeSettings", "tiled_format"]


@dataclass(frozen=True)
class LargeSettings:
    """Options of tiled work.

    Attributes
    ----------
    memory : int or None
        Bytes that the program may take.
    tile : (rows, cols) or None
        Of the output.
    compression : str or None
    pyramid : int or None
        Levels to write.
    level : int
        Pyramid level of the input.
    missing : str
        "fill" or "error": what a chunk that a Zarr lacks is.
    resume : bool
    scheduler : str or None
        Address of a dask scheduler.
    workers : int or None
        Processes of a cluster of this program's own.
    """

    memory: int | None = None
    tile: tuple[int, int] | None = None
    compression: str | None = None
    pyramid: int | None = None
    level: int = 0
    missing: str = "fill"
    resume: bool = False
    scheduler: str | None = None
    workers: int | None = None

    @property
    def is_asked(self) -> bool:
        """Whether an option asks for tiled work, whatever the size."""
        return self != LargeSettings(memory=self.memory)

    @property
    def cluster(self) -> bool:
        """Whether other processes compute."""
        return self.scheduler is not None or self.workers is not None


def tiled_format(name: str) -> str | None:
    """Return the format that an output's name means, if it can be written tile by tile."""
    lower = name.lower().rstrip("/")
    if lower.endswith((".ome.tif", ".ome.tiff", ".ome.btf")):
        return "OME-TIFF"
    if lower.endswith(".zarr"):
        return "OME-Zarr"
    return {".tif": "TIFF", ".tiff": "TIFF", ".btf": "TIFF", ".tf8": "TIFF", ".npy": "NPY"}.get(
        os.path.splitext(lower)[1]  # noqa: PTH122 - it may be a URL
    )
