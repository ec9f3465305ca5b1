"""What the blocks of a result have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lerf_core.bank.base import Bank
from lerf_core.constants import OVERSHOOT_REACH
from lerf_core.pixels.format import PixelFormat
from lerf_core.pixels.missing import FILL_STEPS
from lerf_core.sampling.windows import Block

if TYPE_CHECKING:
    from lerf_core.sampling.kernels import Kernel

__all__ = ["BlockContext"]


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
