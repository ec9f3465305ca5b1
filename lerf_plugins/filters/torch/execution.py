"""Which backend works on images, how many of them at a time, and what it needs of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lerf_core.backends.torch.fused import fused_kernels
from lerf_core.backends.torch.levels import GreyLevels
from lerf_core.backends.torch.network import planes_together
from lerf_core.backends.torch.packed_planes import PackedPlanes, read_planes
from lerf_core.backends.torch.source_pixels import (
    SourcePixels,
    read_network,
    read_source_pixels,
)
from lerf_core.backends.torch.table_reads import read_tables
from lerf_core.bank import LutBank, NetworkBank
from lerf_core.bank.base import Bank
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.sampling.windows import Window
from lerf_plugins.filters.torch.options import FilterOptions

__all__ = [
    "as_array",
    "at_a_time",
    "check_front",
    "chunks_of_planes",
    "in_windows",
    "is_compiled",
    "packed_planes",
    "source_pixels",
    "wants_gradient",
]

# Pixels, of source or result, that are worked on at a time: some forty values each live at once.
CHUNK = 1 << 24
# The same on the CPU, where caches are small.
CPU_CHUNK = 1 << 20
# A launch of a kernel takes no more.
_MOST_PLANES = 65535


def wants_gradient(*tensors: Tensor) -> bool:
    """Whether a result of these tensors is to be differentiable."""
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def is_compiled(images: Tensor, *others: Tensor) -> bool:
    """Whether lerf_core's compiled backend does the work: on the CPU, without gradients."""
    return images.device.type == "cpu" and not (
        images.is_floating_point() and wants_gradient(images, *others)
    )


def check_front(options: FilterOptions, images: Tensor, *others: Tensor) -> None:
    """Raise where a front would work on another device, or need a gradient.

    Raises
    ------
    InvalidArgumentError
    """
    if options.front is not None and not is_compiled(images, *others):
        if images.device.type == "cpu":
            got = "some with gradients: call it within torch.no_grad()"
        else:
            got = f"some on {images.device}: hand over input.cpu()"
        raise InvalidArgumentError(
            f"a front takes tensors on the CPU, and has no gradient; got {got}"
        )


def as_array(images: Tensor) -> Any:
    """Images on the CPU as an array, of a dtype that numpy has."""
    images = images.detach()
    halves = images.dtype in {torch.float16, torch.bfloat16}
    return (images.float() if halves else images).numpy()


def at_a_time(images: Tensor, pixels: int, together: int = 1) -> int:
    """How many planes or images of `pixels` pixels each are worked on together.

    A multiple of `together`.
    """
    chunk = CPU_CHUNK if images.device.type == "cpu" else CHUNK
    count = min(max(1, chunk // pixels), _MOST_PLANES)
    return max(1, count // together) * together


def chunks_of_planes(images: Tensor, pixels: int, bank: Bank) -> Sequence[Tensor]:
    """Planes of images (N, C, rows, cols), some at a time; none from what a bank reads together."""
    together = planes_together(bank, images.shape[1])
    chunks: Sequence[Tensor] = torch.split(
        images.flatten(0, 1), at_a_time(images, pixels, together)
    )
    return chunks


def source_pixels(
    planes: Tensor, channels: int, options: FilterOptions, bank: Bank, windows: Sequence[Window]
) -> SourcePixels:
    """Read a bank for planes (count, rows, cols), extended by the border mode.

    Parameters
    ----------
    planes : Tensor
        In the images' values.
    channels : int
        Planes of each image, which stand side by side.
    options : FilterOptions
    bank : Bank
        The one that is used.
    windows : (Window, Window)
        What of the planes' rows and columns is read.
    """
    planes = in_windows(planes, options.mode, windows)
    levels = GreyLevels.of(planes, options.value_range, bank)
    if isinstance(bank, NetworkBank):
        return read_network(levels, bank, channels)
    if not isinstance(bank, LutBank):
        raise InvalidTypeError(f"bank must be one of tables or a network, got {bank!r}")
    has_kernels = fused_kernels(planes.device) is not None
    tables = () if has_kernels else options.tables(bank, planes.device)
    return read_source_pixels(levels, bank, tables, reader=_table_reader(planes))


def packed_planes(
    planes: Tensor, channels: int, options: FilterOptions, bank: Bank, windows: Sequence[Window]
) -> PackedPlanes:
    """Read a bank for planes that want no gradient; see `source_pixels`."""
    planes = in_windows(planes, options.mode, windows)
    return read_planes(planes, options.value_range, bank, channels)


def in_windows(planes: Tensor, mode: str, windows: Sequence[Window]) -> Tensor:
    """Cut planes (count, rows, cols) to windows, extended by a border mode."""
    for axis, window in enumerate(windows, 1):
        if not window.is_whole:
            index = torch.from_numpy(window.source_indices(mode)).to(planes.device)
            planes = planes.index_select(axis, index)
    return planes


def _table_reader(planes: Tensor) -> Any:
    """What reads tables where no Triton kernels do."""
    if planes.device.type == "cpu" and wants_gradient(planes):
        # Training's reads are compiled both ways.
        from lerf_training.operations import table_reads

        return table_reads.read_tables
    return read_tables
