"""What a command does to an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

if TYPE_CHECKING:
    import numpy as np

    from lerf_cli.options.values import ResamplingOptions
    from lerf_core.execution.plan import Plan
    from lerf_core.geometry.placement import Placement
    from lerf_core.io.metadata.model import Metadata

__all__ = ["ImageOperation", "SameForAll"]

Shape = tuple[int, int]


class ImageOperation(Protocol):
    """A resampling that can be planned for images of any shape and dtype."""

    @property
    def resampling(self) -> ResamplingOptions:
        """How pixels are resampled."""

    @property
    def needs_tiles(self) -> bool:
        """Whether files are done tile by tile, whatever their size."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of it."""

    def for_file(self, metadata: Metadata, shape: Shape) -> ImageOperation:
        """Return what is done to an image of (rows, columns) of which a file says so much.

        Raises
        ------
        FileError
            If it does not go with the file.
        """

    def output_shape(self, shape: Shape) -> Shape:
        """Return the (rows, columns) that an image of (rows, columns) ``shape`` becomes."""

    def plan(self, shape: tuple[int, ...], dtype: np.dtype[Any], keywords: dict[str, Any]) -> Plan:
        """Return the plan for an image.

        Parameters
        ----------
        shape : tuple of int
            All axes of the image.
        dtype : numpy dtype
        keywords : dict
            The resampler's keywords, ``bank`` and ``channel_axis`` among them.
        """

    def moved(self, metadata: Metadata, placement: Placement) -> tuple[Metadata, tuple[str, ...]]:
        """Return the metadata of a result, and notes; see `Metadata.moved`."""


class SameForAll:
    """Base of operations that are the same for all files, whatever these say of themselves."""

    needs_tiles: ClassVar[bool] = False
    notes: tuple[str, ...] = ()

    def for_file(self, metadata: Metadata, shape: Shape) -> Self:
        """See `ImageOperation.for_file`."""
        del metadata, shape
        return self

    def moved(self, metadata: Metadata, placement: Placement) -> tuple[Metadata, tuple[str, ...]]:
        """See `ImageOperation.moved`."""
        return metadata.moved(placement)
