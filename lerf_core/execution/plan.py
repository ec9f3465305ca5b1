"""A resize or a warp, planned for an image of a shape and dtype, before any pixel is read.

A plan computes the whole result, or block by block what each part of it needs and is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lerf_core.bank.loading import SHRINKING_BANK, load_bank
from lerf_core.bank.model import LutBank
from lerf_core.execution.compute import apply, as_result, check_for, result_dtype
from lerf_core.execution.samplers import GridSampler, Image, Pixel, Sampler, WarpSampler
from lerf_core.geometry.maps import Displacement, InverseMap, as_inverse_map
from lerf_core.options import Options, spatial_axes, target_shape
from lerf_core.sampling.shapes import rescaled_shape
from lerf_core.sampling.windows import Block, Window, Windows
from lerf_core.validation import check_scale

__all__ = ["DEFAULTS", "Piece", "Plan", "plan_rescale", "plan_resize", "plan_warp"]

#: What keywords of `lerf_core.resize` and its likes are, but for ``mode``.
DEFAULTS: dict[str, Any] = {
    "channel_axis": None,
    "cval": 0.0,
    "anti_aliasing": None,
    "alpha": "auto",
    "method": "auto",
    "value_range": None,
    "nodata": None,
    "linear_light": False,
    "preserve_range": True,
    "fast": False,
    "threads": None,
    "engine": "numba",
}

# Blocks are not cut into pieces smaller than this, whatever they see.
_LEAST_SIDE = 16


class Piece(NamedTuple):
    """A block of the result, and the windows it needs; None: it sees nothing of the image."""

    block: Block
    windows: Windows | None


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be done to an image.

    Attributes
    ----------
    shape : tuple of int
        Of the whole image.
    dtype : numpy dtype
        Of the image.
    out_shape : (int, int)
        Rows and columns of the result.
    options : Options
    scale : (float, float) or None
        Of a resize.
    mapping : InverseMap or None
        Of a warp.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    out_shape: tuple[int, int]
    options: Options
    scale: tuple[float, float] | None = None
    mapping: InverseMap | None = None

    def __post_init__(self) -> None:
        check_for(self.pixel, self.options)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        options = tuple((one.name, getattr(self.options, one.name)) for one in fields(Options))
        pixels = (self.shape, self.dtype.str, self.out_shape)
        return ("lerf-plan", *pixels, options, self.scale, self.mapping)

    @property
    def axes(self) -> tuple[int, int]:
        """The axes of rows and columns."""
        return spatial_axes(len(self.shape), self.options.channel_axis)

    @property
    def source_shape(self) -> tuple[int, int]:
        """Rows and columns of the image."""
        rows, cols = self.axes
        return self.shape[rows], self.shape[cols]

    @property
    def result_shape(self) -> tuple[int, ...]:
        """Shape of the whole result."""
        shape = list(self.shape)
        for axis, size in zip(self.axes, self.out_shape, strict=True):
            shape[axis] = size
        return tuple(shape)

    @property
    def result_dtype(self) -> np.dtype[Any]:
        """The result's dtype."""
        return result_dtype(self.dtype, self.options)

    @property
    def pixel(self) -> Pixel:
        """What a pixel holds."""
        axis = self.options.channel_axis
        return Pixel(self.dtype.newbyteorder("="), 1 if axis is None else self.shape[axis])

    @property
    def is_copy(self) -> bool:
        """Whether nothing is resampled."""
        return self.scale == (1.0, 1.0) and self.out_shape == self.source_shape

    def compute(self, image: Image) -> Image:
        """Return the whole result."""
        if self.is_copy:
            return as_result(image, self.options)
        return apply(image, self.options, self._sampler())

    # -- block by block ---------------------------------------------------------------

    def pieces(self, block: Block, most: int | None = None) -> Iterator[Piece]:
        """Yield a block, or the pieces to cut it into, with their windows.

        Parameters
        ----------
        block : Block
        most : int, optional
            Source pixels that a piece may need. Blocks are cut no further than to 16 rows
            or columns.
        """
        windows = self._windows(block)
        small = max(block.shape) <= _LEAST_SIDE
        if windows is None or most is None or windows.area <= most or small:
            yield Piece(block, windows)
            return
        for quarter in block.quarters():
            yield from self.pieces(quarter, most)

    def compute_piece(self, piece: Piece, source: Image | None) -> Image:
        """Return a piece of the result: what it is in the whole result, bit for bit.

        Parameters
        ----------
        piece : Piece
        source : ndarray or None
            The image within the piece's windows, all other axes as they are or cut; None
            where there are no windows.
        """
        if piece.windows is None or source is None:
            raise ValueError("a piece without windows is all border: see `border`")
        if self.is_copy:
            return as_result(source, self.options)
        sampler = self._sampler(piece.block, piece.windows)
        wide, (top, bottom, left, right) = sampler.block, piece.block
        result = apply(source, self.options, sampler, is_cut=True)
        if wide == piece.block:
            return result
        part = [slice(None)] * result.ndim
        rows, cols = self.axes
        part[rows] = slice(top - wide.top, bottom - wide.top)
        part[cols] = slice(left - wide.left, right - wide.left)
        return result[tuple(part)]

    def border(self, shape: tuple[int, ...]) -> Image:
        """Return what shows where nothing of the image does, in any shape of the image's axes."""
        one = [1] * len(shape)
        if self.options.channel_axis is not None:
            one[self.options.channel_axis] = shape[self.options.channel_axis]
        # A map that leads nowhere: the same arithmetic as everywhere.
        nowhere, _ = as_inverse_map(np.full((2, 1, 1), np.nan), (1, 1), None)
        options = replace(self.options, threads=1)
        sampler = WarpSampler(nowhere, (1, 1), (1, 1), options, self.pixel)
        pixel = apply(np.zeros(one, self.dtype), options, sampler)
        return np.array(np.broadcast_to(pixel, shape))

    def _sampler(self, block: Block | None = None, windows: Windows | None = None) -> Sampler:
        known = (self.source_shape, self.out_shape)
        if self.scale is not None:
            return GridSampler(*known, self.scale, self.options, self.pixel, block)
        if self.mapping is None:
            raise ValueError("a plan needs a scale or a map")
        return WarpSampler(self.mapping, *known, self.options, self.pixel, block, windows)

    def _windows(self, block: Block) -> Windows | None:
        if self.is_copy:
            ends = (block.top, block.bottom), (block.left, block.right)
            rows, cols = (
                Window(size, 0, (run,)) for size, run in zip(self.source_shape, ends, strict=True)
            )
            return Windows(rows, cols)
        return self._sampler(block).windows


def plan_resize(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    output_shape: Sequence[int],
    bank: LutBank | str | None,
    **keywords: Any,
) -> Plan:
    """Plan what `lerf_core.resize` does; the keywords are those of `DEFAULTS`, and ``mode``."""
    keywords = DEFAULTS | keywords
    axes = spatial_axes(len(shape), keywords["channel_axis"])
    rows, cols = target_shape(shape, axes, output_shape)
    scale = (rows / shape[axes[0]], cols / shape[axes[1]])
    options = Options(bank=_bank_for(bank, scale, keywords["anti_aliasing"]), **keywords)
    return Plan(shape, dtype, (rows, cols), options, scale=scale)


def plan_rescale(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    scale: float | tuple[float, float],
    bank: LutBank | str | None,
    **keywords: Any,
) -> Plan:
    """Plan what `lerf_core.rescale` does; the keywords are those of `plan_resize`."""
    keywords = DEFAULTS | keywords
    factors = check_scale(scale)
    rows, cols = spatial_axes(len(shape), keywords["channel_axis"])
    out_shape = rescaled_shape((shape[rows], shape[cols]), factors)
    options = Options(bank=_bank_for(bank, factors, keywords["anti_aliasing"]), **keywords)
    return Plan(shape, dtype, out_shape, options, scale=factors)


def plan_warp(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    inverse_map: npt.ArrayLike | Displacement | Callable[..., Any],
    output_shape: Sequence[int] | None,
    bank: LutBank | str | None,
    **keywords: Any,
) -> Plan:
    """Plan what `lerf_core.warp` does; the keywords are those of `plan_resize`."""
    keywords = DEFAULTS | keywords
    axes = spatial_axes(len(shape), keywords["channel_axis"])
    wanted = None if output_shape is None else target_shape(shape, axes, output_shape)
    source_shape = (shape[axes[0]], shape[axes[1]])
    mapping, out_shape = as_inverse_map(inverse_map, source_shape, wanted)
    options = Options(bank=load_bank(bank), **keywords)
    return Plan(shape, dtype, out_shape, options, mapping=mapping)


def _bank_for(
    bank: LutBank | str | None, scale: tuple[float, float], anti_aliasing: bool | None
) -> LutBank:
    """The bank that is asked for; else the one for enlarging, or for shrinking alone."""
    if bank is None and anti_aliasing is not False and max(scale) <= 1:
        return load_bank(SHRINKING_BANK)
    return load_bank(bank)
