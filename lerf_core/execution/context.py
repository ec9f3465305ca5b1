"""What the blocks of a result have in common: their context, and what each of them can do.

A plan (`lerf_core.execution.plan`) asks its resampling for blocks, and them for their rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy.typing as npt

from lerf_core.backends.contract import Backend
from lerf_core.backends.loading import get_backend
from lerf_core.bank.base import Bank
from lerf_core.constants import OVERSHOOT_REACH
from lerf_core.pixels.format import PixelFormat
from lerf_core.pixels.missing import FILL_STEPS
from lerf_core.sampling.windows import Block, Window, Windows

if TYPE_CHECKING:
    from lerf_core.geometry.placement import Placement
    from lerf_core.sampling.kernels import Kernel

__all__ = ["BandWriter", "BlockContext", "CopiedBlock", "OutputBlock", "Resampling"]

Image = npt.NDArray[Any]


class BlockContext(NamedTuple):
    """What all blocks of a result share.

    Attributes
    ----------
    shape, out_shape : (int, int)
        Rows and columns of the source, and of the whole result.
    pixels : PixelFormat
        Of the source.
    mode : str
        The border mode.
    anti_aliasing : bool
        Whether the support is stretched where the image shrinks.
    fast : bool
        Whether colours may be resized as differences from the luma.
    bank : Bank or None
        None: pixels are averaged by the kernel, or copied.
    kernel : Kernel or None
        None: pixels are averaged by the bank, or copied.
    engine : str
        Name of the backend.
    device : str or None
        Where it works; see `get_backend`.
    """

    shape: tuple[int, int]
    out_shape: tuple[int, int]
    pixels: PixelFormat
    mode: str
    anti_aliasing: bool
    fast: bool
    bank: Bank | None
    kernel: Kernel | None
    engine: str
    device: str | None = None

    @property
    def backend(self) -> Backend:
        """What does the steps."""
        return get_backend(self.engine, self.device)

    def band_height(self, rows: int, pixels_per_row: float) -> int | None:
        """Return how many output rows a band has that a backend wants large.

        Parameters
        ----------
        rows : int
            Output rows of the block.
        pixels_per_row : float
            Source pixels that an output row takes.

        Returns
        -------
        int or None
            None: bands are as small as suits the caller.
        """
        wanted = self.backend.band_source
        return None if wanted is None else max(1, min(rows, int(wanted / pixels_per_row)))

    @property
    def all_pixels(self) -> Block:
        """All output pixels."""
        return Block(0, self.out_shape[0], 0, self.out_shape[1])

    @property
    def averaging_bank(self) -> Bank:
        """The bank, where there is one."""
        if self.bank is None:
            raise ValueError(f"kernel {self.kernel} has no bank")
        return self.bank

    @property
    def halo(self) -> int:
        """Source pixels around those of the taps that a result by tables can depend on."""
        reach = self.averaging_bank.full_reach
        halo = max(reach, OVERSHOOT_REACH)
        # Missing and transparent pixels are filled from around, step by step.
        return halo + FILL_STEPS * reach if self.pixels.can_miss else halo


class BandWriter(Protocol):
    """Computes bands of a block's rows, for every channel of one plane of an image."""

    def write(self, top: int, bottom: int, out: Image) -> None:
        """Compute rows top..bottom-1 of the block into an array of (channels, rows, cols).

        Bands do not depend on each other: several threads may compute them at once.
        """


class OutputBlock(Protocol):
    """A block of output pixels: what it needs of the image, and how its rows are computed."""

    @property
    def requested(self) -> Block:
        """The output pixels that are asked for."""

    @property
    def computed(self) -> Block:
        """Those that are computed: the requested ones, perhaps with columns around them."""

    @property
    def windows(self) -> Windows | None:
        """The part of the image's planes that they depend on; None: nothing of it is visible."""

    def band_height(self, threads: int) -> int:
        """Return how many of the block's rows a task computes."""

    def band_writer(
        self,
        planes: Image,
        alpha_levels: tuple[float, float] | None,
        threads: int,
    ) -> BandWriter:
        """Prepare the channels of one plane; return what computes bands of the block's rows.

        Parameters
        ----------
        planes : ndarray, (channels, rows, cols)
            The plane of the image, cut to the windows, of the dtype that is computed with; a view
            of whatever layout, as channels side by side.
        alpha_levels : (float, float) or None
            Grey levels that alpha is clipped to.
        threads : int
            How many may be used before bands are computed.
        """


class Resampling(Protocol):
    """Where output pixels lie in the source: a resize, or a warp."""

    @property
    def scale(self) -> tuple[float, float] | None:
        """Factors of rows and columns; None: a warp."""

    def placement(self, shape: tuple[int, int], out_shape: tuple[int, int]) -> Placement:
        """Return where the pixels of a result of (rows, columns) lie in a source of them."""

    def output_block(
        self, context: BlockContext, requested: Block | None = None, windows: Windows | None = None
    ) -> OutputBlock:
        """Return a block of the result; of all of it unless pixels are requested.

        Parameters
        ----------
        context : BlockContext
        requested : Block, optional
            The output pixels that are asked for.
        windows : Windows, optional
            Those of the same block, if they have been found before.
        """


class CopiedBlock:
    """A block of an image that is not resampled; see `OutputBlock`."""

    def __init__(self, context: BlockContext, requested: Block | None) -> None:
        self.requested = self.computed = requested or context.all_pixels
        top, bottom, left, right = self.computed
        rows, cols = context.shape
        self.windows = Windows(Window(rows, 0, ((top, bottom),)), Window(cols, 0, ((left, right),)))
