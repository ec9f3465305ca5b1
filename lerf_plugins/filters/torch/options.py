"""Options of the filters, and the checks of what they are given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lerf_core.backends.torch.levels import ValueRange
from lerf_core.backends.torch.table_reads import stage_tables
from lerf_core.bank import LutBank
from lerf_core.bank.base import Bank
from lerf_core.bank.loading import load_bank
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.fronts.loading import front_scale
from lerf_core.options import Options, ResamplingKeywords
from lerf_core.validation import (
    check_choice,
    check_number,
    check_output_shape,
    check_scale,
    check_value_range,
)
from lerf_plugins.filters.arguments import (
    BankSource,
    FixedKernel,
    FrontSource,
    check_averaging,
    loaded_front,
)

__all__ = [
    "PADDINGS",
    "BankSource",
    "Factor",
    "FilterOptions",
    "FixedKernel",
    "FrontSource",
    "Size",
    "check_dtype",
    "check_grid",
    "check_images",
    "check_kind",
    "check_matrices",
    "check_one_size",
    "check_tensors",
    "numpy_dtype",
    "output_size",
    "padding_border",
]

Size = int | Sequence[int] | None
Factor = float | Sequence[float] | None

#: Modes of lerf_core by the names of torch, without and with align_corners.
PADDINGS = {
    "zeros": ("constant", "constant"),
    "border": ("edge", "edge"),
    "reflection": ("symmetric", "reflect"),
}
# Dtypes of images, and what they are computed as.
_DTYPES = {
    torch.uint8: np.uint8,
    torch.uint16: np.uint16,
    torch.float16: np.float32,
    torch.bfloat16: np.float32,
    torch.float32: np.float32,
    torch.float64: np.float64,
}


@dataclass(frozen=True)
class FilterOptions:
    """What all filters share.

    Attributes
    ----------
    bank, mode, cval, anti_aliasing, value_range
        As for `lerf_core.resize`.
    kernel : Kernel, str or None
        As for `lerf_core.resize`; excludes a bank.
    own : (Bank, tuple of Tensor) or None
        A module's bank, with its tensors as `bank_tensors` has them.
    front : Front, str, path or None
        As for `lerf_core.resize`; loaded here.
    """

    bank: BankSource = None
    mode: str = "edge"
    cval: float = 0.0
    anti_aliasing: bool | None = None
    value_range: ValueRange = None
    kernel: FixedKernel = None
    own: tuple[Bank, tuple[Tensor, ...]] | None = None
    front: FrontSource | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "front", loaded_front(self.front))
        check_averaging(self.bank, self.kernel)
        Options(bank=None if self.kernel is not None else self.own_bank, **self.keywords)
        if self.value_range is not None:
            check_value_range(self.value_range, np.dtype(np.float32))
        if not math.isfinite(check_number("cval", self.cval)):
            raise InvalidArgumentError(f"cval must be finite, got {self.cval!r}")

    @property
    def own_bank(self) -> Bank:
        """The bank that is named, or the default one; a module's is its own."""
        if self.own:
            return self.own[0]
        return load_bank(self.bank, enlarged_by=front_scale(self.front))

    @property
    def keywords(self) -> ResamplingKeywords:
        """Keywords of lerf_core's functions, for images (N, C, H, W)."""
        return {
            "front": self.front,
            "mode": self.mode,
            "cval": self.cval,
            "anti_aliasing": self.anti_aliasing,
            "kernel": self.kernel,
            "value_range": self.value_range,
            "channel_axis": 1,
            "alpha": "separate",
        }

    def tables(self, bank: LutBank, device: torch.device) -> tuple[Tensor, ...]:
        """Return the tables of the bank that is used, on a device: its `stage_tables`."""
        if self.own is not None and self.own[0] is bank and self.own[1][0].device == device:
            return self.own[1]
        return _tables_on(bank, device)


@lru_cache(maxsize=16)
def _tables_on(bank: LutBank, device: torch.device) -> tuple[Tensor, ...]:
    return tuple(tables.to(device) for tables in stage_tables(bank))


def check_tensors(**tensors: Tensor) -> None:
    """Raise unless what is given by these names are tensors."""
    for name, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            raise InvalidTypeError(f"{name} must be a tensor, got {type(tensor).__name__}")


def check_images(images: Tensor) -> Tensor:
    """Return images that can be resampled, (N, C, H, W), or raise."""
    if 0 in check_kind(images).shape[2:]:
        raise _no_images(images)
    return images


def check_kind(images: Tensor) -> Tensor:
    """Return images of any number of pixels, (N, C, H, W), or raise."""
    check_tensors(input=images)
    check_dtype(images, "input")
    if images.layout is not torch.strided or images.is_nested:
        kind = "a nested tensor" if images.is_nested else f"a tensor of layout {images.layout}"
        raise InvalidTypeError(f"input must be dense, got {kind}")
    if images.ndim != 4:
        raise _no_images(images)
    return images


def check_dtype(images: Tensor, name: str) -> None:
    """Raise unless images are of a dtype that can be resampled; `name` is what errors call them."""
    if images.dtype not in _DTYPES:
        names = ", ".join(str(dtype).removeprefix("torch.") for dtype in _DTYPES)
        raise InvalidTypeError(f"{name} must be one of {names}, got {images.dtype}")


def _no_images(images: Tensor) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"input must be (N, C, H, W) with pixels, got shape {tuple(images.shape)}"
    )


def numpy_dtype(images: Tensor) -> np.dtype[Any]:
    """The dtype that images are computed as."""
    return np.dtype(_DTYPES[images.dtype])


def check_one_size(size: Size, scale_factor: Factor) -> None:
    """Raise unless one of the two is given."""
    if (size is None) == (scale_factor is None):
        raise InvalidArgumentError(
            f"give either size or scale_factor, got {size!r} and {scale_factor!r}"
        )


def output_size(
    images: Tensor, size: Size, scale_factor: Factor, recompute: bool | None
) -> tuple[int, int]:
    """Rows and columns of a result."""
    check_one_size(size, scale_factor)
    if size is not None:
        if recompute:
            raise InvalidArgumentError(
                f"recompute_scale_factor needs a scale_factor, got size {size}"
            )
        return check_output_shape((size, size) if isinstance(size, int) else size)
    factors = check_scale(scale_factor)
    exact = [side * factor for side, factor in zip(images.shape[2:], factors, strict=True)]
    rows, cols = (math.floor(side) for side in exact)
    if recompute is False and [rows, cols] != exact:
        raise InvalidArgumentError(
            f"recompute_scale_factor=False needs whole sizes, got {scale_factor!r} of "
            f"{tuple(images.shape[2:])}: {exact}"
        )
    if not (rows and cols):
        raise InvalidArgumentError(
            f"scale_factor {scale_factor!r} leaves nothing of {tuple(images.shape[2:])} pixels"
        )
    return check_output_shape((rows, cols))


def padding_border(padding_mode: str, *, align_corners: bool = False) -> str:
    """The mode of lerf_core that one of torch's padding modes means."""
    check_choice("padding_mode", padding_mode, tuple(PADDINGS))
    return PADDINGS[padding_mode][align_corners]


def check_grid(images: Tensor, grid: Tensor) -> None:
    """Raise unless a grid (N, rows, cols, 2) goes with images."""
    if not isinstance(grid, torch.Tensor) or not grid.is_floating_point():
        got = getattr(grid, "dtype", type(grid).__name__)
        raise InvalidTypeError(f"grid must be a tensor of floats, got {got}")
    if grid.ndim != 4 or grid.shape[3] != 2 or 0 in grid.shape[1:] or len(grid) != len(images):
        raise InvalidArgumentError(
            f"grid must be ({len(images)}, rows, cols, 2), got shape {tuple(grid.shape)}"
        )
    if grid.device != images.device:
        raise InvalidArgumentError(f"grid is on {grid.device}, input on {images.device}")


def check_matrices(images: Tensor, matrix: Tensor) -> None:
    """Raise unless matrices (N, 3, 3) go with images."""
    if not isinstance(matrix, torch.Tensor) or matrix.shape != (len(images), 3, 3):
        shape = tuple(getattr(matrix, "shape", ()))
        raise InvalidArgumentError(f"matrix must be ({len(images)}, 3, 3), got shape {shape}")
