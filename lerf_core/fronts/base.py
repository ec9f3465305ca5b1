"""What fronts of every form have in common.

A front enlarges an image by a fixed whole number; a bank or a kernel then takes the result to
whatever scale or map is asked for. Networks for super-resolution and cascades of tables are fronts.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lerf_core.constants import COLOUR_PLANES
from lerf_core.errors import FrontError

if TYPE_CHECKING:
    from lerf_core.backends.contract import Backend

__all__ = ["Front", "Planes"]

#: (channels, rows, cols) in grey levels, uint8 or float32.
Planes = npt.NDArray[Any]


class Front(ABC):
    """What enlarges planes by a whole number; immutable, and known by its checksum.

    Attributes
    ----------
    name : str
        Short name, for people.
    """

    name: str

    @property
    @abstractmethod
    def scale(self) -> int:
        """Pixels of the enlargement per source pixel, along each axis; 1 or more."""

    @property
    @abstractmethod
    def reads_colours(self) -> bool:
        """Whether red, green and blue are read together; else each channel alone."""

    @property
    @abstractmethod
    def reach(self) -> int:
        """How far from a pixel lie those that its part of the enlargement depends on.

        In source pixels, along each axis. Planes cut that far from a pixel give the same there as
        whole ones: bit for bit, or within the rounding of floats where a front computes in them.
        """

    @property
    def grid(self) -> int:
        """Planes that are cut begin at multiples of it, counted from the image's first pixel.

        In source pixels, along each axis. More than 1 where what a front gives depends on where
        pixels lie in a grid: networks that look at windows, or that work on shuffled pixels.
        """
        return 1

    @property
    def is_local(self) -> bool:
        """Whether parts can be enlarged alone; else each pixel depends on the whole image.

        Where not, `reach` says how far around it an image is continued, and what is missing filled.
        """
        return True

    def on(self, device: str) -> Front:
        """Return the same front on another device.

        Parameters
        ----------
        device : str
            In torch's words: ``"cpu"``, ``"cuda"``, ``"cuda:1"``.

        Raises
        ------
        FrontError
            If it does not run there, or if there is no such device.
        """
        if device != "cpu":
            raise FrontError(
                f"front {self.name!r} runs on the CPU alone, got device {device!r}: other devices "
                "are for networks of torch"
            )
        return self

    @property
    def memory_kept(self) -> int:
        """Bytes that it takes before any image: its weights, and the libraries that it runs by."""
        return 0

    @property
    @abstractmethod
    def work(self) -> str:
        """What it costs per source pixel, in a few words, for people."""

    @property
    @abstractmethod
    def checksum(self) -> str:
        """A digest of all that results depend on; fronts are equal where theirs are."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return what a person wants to know of the front, in a sensible order."""

    @abstractmethod
    def memory_needed(self, rows: int, cols: int, channels: int, dtype: npt.DTypeLike) -> int:
        """Estimate the bytes that `enlarge` takes at once, its result included.

        Parameters
        ----------
        rows, cols : int
            Of the planes.
        channels : int
            1 or 3.
        dtype : uint8 or float32
        """

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to one ``.safetensors`` file that `load_front` reads, whole or not at all.

        Raises
        ------
        FrontError
            If there is no such file of it.
        OSError
            If the file cannot be written.
        """
        raise FrontError(f"front {self.name!r} has no form in a file: {os.fspath(path)!r}")

    def reads_together(self, colours: int) -> bool:
        """Whether so many channels, alpha not counted, are read together: three as colours."""
        return self.reads_colours and colours == COLOUR_PLANES

    def enlarge(self, planes: Planes, threads: int) -> Planes:
        """Enlarge planes.

        At the ends of the planes the front repeats their edges, or does what its network does
        there: callers cut off ``scale * reach`` pixels wherever an image goes on.

        Parameters
        ----------
        planes : ndarray of uint8 or float32, (1 or 3, rows, cols)
            Grey levels 0..255, of floats possibly beyond them. Red, green and blue for fronts that
            read colours; these take a plane on its own by `_enlarged_alone`.
        threads : int
            How many may be used.

        Returns
        -------
        ndarray, (channels, scale * rows, scale * cols)
            Of the same dtype. Floats are not rounded.

        Raises
        ------
        FrontError
            If what the front gives is of another shape or dtype.
        """
        shape = (len(planes), self.scale * planes.shape[1], self.scale * planes.shape[2])
        is_alone = self.reads_colours and len(planes) == 1
        result = (self._enlarged_alone if is_alone else self._enlarged)(planes, threads)
        if result.shape != shape or result.dtype != planes.dtype:
            raise FrontError(
                f"front {self.name!r} must give {shape} of {planes.dtype}, "
                f"got {result.shape} of {result.dtype}"
            )
        return result

    def enlarged_by(self, backend: Backend, planes: Planes, threads: int) -> Planes:  # noqa: ARG002
        """Enlarge planes by a backend; all give the same bits.

        Networks of torch compute where they are (`on`), whatever the backend is.

        Parameters
        ----------
        backend : Backend
        planes, threads
            As `enlarge` has them.
        """
        return self.enlarge(planes, threads)

    @abstractmethod
    def _enlarged(self, planes: Planes, threads: int) -> Planes:
        """Enlarge planes: three where colours are read together, else one or more, each alone."""

    def _enlarged_alone(self, planes: Planes, threads: int) -> Planes:
        """Enlarge a plane on its own where colours are read together.

        It is taken three times, and the mean of the results is its own.
        """
        colours = np.broadcast_to(planes, (COLOUR_PLANES, *planes.shape[1:]))
        return _mean_of_colours(self._enlarged(colours, threads))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Front) and self.checksum == other.checksum

    def __hash__(self) -> int:
        return hash(self.checksum)

    def __dask_tokenize__(self) -> str:
        return self.checksum

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}: x{self.scale}>"


def _mean_of_colours(planes: Planes) -> Planes:
    """Return the mean of three planes, (1, rows, cols), bytes rounded."""
    if planes.dtype == np.uint8:
        total = planes.sum(axis=0, dtype=np.uint16, keepdims=True)
        rounded: Planes = ((total + 1) // COLOUR_PLANES).astype(np.uint8)
        return rounded
    red, green, blue = planes
    mean: Planes = (red + green + blue)[None] / np.float32(COLOUR_PLANES)
    return mean
