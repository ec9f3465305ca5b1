"""A resize or a warp, planned for an image of a shape and dtype, before any pixel is read.

A plan computes the whole result, which is one block of it, or any other block from the windows of
the image that the block depends on. Either way the steps are these, for each plane of an image:

1. cut the windows out of it (the whole: extended as the border mode says);
2. prepare its channels: value range, alpha, missing values;
3. for each band of output rows, read the tables, take the weighted means, bring them back to the
   image's values, and store them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lerf_core.execution.channels import channels_first
from lerf_core.execution.context import BlockContext, CopiedBlock, OutputBlock, Resampling
from lerf_core.geometry.placement import Placement
from lerf_core.options import Options
from lerf_core.pixels.alpha import alpha_levels
from lerf_core.pixels.format import PixelFormat
from lerf_core.sampling.shapes import spatial_axes
from lerf_core.sampling.windows import Block, Windows
from lerf_core.threads import bands, run_all, thread_count, useful_threads

if TYPE_CHECKING:
    from lerf_core.execution.frame import Frame

__all__ = ["LEAST_SIDE", "AnyBlock", "Plan"]

Image = npt.NDArray[Any]

#: Rows or columns: blocks are not cut into smaller pieces, however many source pixels they need.
LEAST_SIDE = 16
# Pixels whose features and parameters a thread holds while a band of a resize is averaged.
_BAND_PIXELS = 1 << 20


#: A block of any plan; framed ones hold one of the others.
AnyBlock = OutputBlock | CopiedBlock


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
    resampling : Resampling
        Where output pixels lie in the source.
    is_masked : bool
        Whether the latter half of the channels are masks of the others.
    frame : Frame, optional
        Which part of what the image is resized to the result is, where it is not the whole.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If the options do not go with such an image.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    out_shape: tuple[int, int]
    options: Options
    resampling: Resampling
    is_masked: bool = False
    frame: Frame | None = None

    def __post_init__(self) -> None:
        _ = self.pixels, self.fill  # raises, if the options do not fit

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        options = tuple(getattr(self.options, field.name) for field in fields(Options))
        image = (self.shape, self.dtype.str, self.out_shape, self.is_masked)
        framed = () if self.frame is None else (self.frame,)
        return ("lerf-plan", *image, options, self.resampling, *framed)

    # -- shapes and pixels --------------------------------------------------------------

    @cached_property
    def axes(self) -> tuple[int, int]:
        """The axes of rows and columns."""
        return spatial_axes(len(self.shape), self.options.channel_axis)

    @cached_property
    def source_shape(self) -> tuple[int, int]:
        """Rows and columns of the image."""
        rows, cols = self.axes
        return self.shape[rows], self.shape[cols]

    @property
    def resized_shape(self) -> tuple[int, int]:
        """Rows and columns of the whole image after it is resized, of which a frame shows part."""
        return self.out_shape if self.frame is None else self.frame.whole

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
        return self.pixels.result_dtype

    @cached_property
    def pixels(self) -> PixelFormat:
        """How the image's pixels are understood."""
        axis = self.options.channel_axis
        count = 1 if axis is None else self.shape[axis]
        if self.is_masked:
            return self.options.pixel_format(self.dtype, count // 2).with_masks()
        return self.options.pixel_format(self.dtype, count)

    @property
    def scale(self) -> tuple[float, float] | None:
        """Factors of rows and columns; None: a warp."""
        return self.resampling.scale

    @property
    def placement(self) -> Placement:
        """Where the result's pixels lie in the image."""
        placement = self.resampling.placement(self.source_shape, self.resized_shape)
        return placement if self.frame is None else placement.cut(self.frame.crop)

    @cached_property
    def fill(self) -> tuple[float, ...]:
        """What surrounds the image in its frame: the value of each channel, masks included."""
        return () if self.frame is None else self.frame.values(self.pixels)

    @property
    def uses_value_range(self) -> bool:
        """Whether results depend on which values are black and white."""
        options, pixels = self.options, self.pixels
        if options.front is not None:
            return True
        if options.fixed_kernel is None:
            return not pixels.is_nearest
        return pixels.alpha is not None or options.linear_light or not options.preserve_range

    @property
    def is_copy(self) -> bool:
        """Whether nothing is resampled, and nothing enlarged."""
        if self.options.front is not None:
            return False
        return self.scale == (1.0, 1.0) and self.resized_shape == self.source_shape

    def memory_needed(self) -> int:
        """Estimate the bytes that the whole result and the work on it take, without the image."""
        pixels = self.pixels
        rows, cols = self.source_shape
        planes = math.prod(self.shape) // (rows * cols)
        work, front = 0, self.options.loaded_front
        if front is not None:
            from lerf_core.execution.memory import memory_to_enlarge

            area = rows * cols * front.scale**2
            if self.scale is not None:  # rows are averaged band by band
                area = min(area, thread_count(self.options.threads) * _BAND_PIXELS)
            work = memory_to_enlarge(front, (rows, cols), pixels)
            work += area * pixels.channels * self._work_bytes()
        elif not pixels.is_nearest:
            work = rows * cols * pixels.channels * self._work_bytes()
        itemsize = self.dtype.itemsize if self.options.preserve_range else 8
        result = math.prod(self.out_shape) * planes * itemsize
        return result + work + 64 * sum(self.out_shape)

    def _work_bytes(self) -> int:
        """Estimate the bytes that the work on a source value takes, bands of rows apart."""
        options, pixels = self.options, self.pixels
        if options.fixed_kernel is not None:
            # A copy with missing values filled, and what is invalid, float32.
            return self.dtype.itemsize + 4 if pixels.can_miss else 0
        # Feature, parameters and overshoot bounds: bytes, or float32.
        kind = options.averaging_bank.kind
        is_bytes = self.dtype == np.uint8 and options.value_range is None
        itemsize = 1 if is_bytes and not options.linear_light else 4
        if self.scale is None and kind.has_local_planes and itemsize == 1:
            return 16  # a warp unpacks bytes once for all output pixels
        # Colours that a warp reads together lie side by side, until each is unpacked.
        together = 8 if self.scale is None and options.averaging_bank.reads_colours else 0
        return itemsize * (2 + len(kind.values) + 2 * kind.has_local_planes) + together

    # -- blocks -------------------------------------------------------------------------

    def output_block(
        self, requested: Block | None = None, windows: Windows | None = None
    ) -> AnyBlock:
        """Return a block of the result; see `Resampling.output_block`."""
        if self.frame is None:
            return self._block(requested, windows)
        from lerf_core.execution.frame import FramedBlock

        requested = requested or Block(0, self.out_shape[0], 0, self.out_shape[1])
        shown, front = self.frame.shown(requested), self.options.loaded_front
        if shown is None:
            return FramedBlock(None, self.frame, requested, self.fill)
        if front is not None and not front.is_local and requested.shape == self.out_shape:
            shown = None  # it sees the whole image anyway
        return FramedBlock(self._block(shown, windows), self.frame, requested, self.fill)

    def _block(self, requested: Block | None, windows: Windows | None) -> AnyBlock:
        """Return a block of the resized image, which has no frame yet."""
        if self.is_copy:
            return CopiedBlock(self.context, requested)
        return self.resampling.output_block(self.context, requested, windows)

    def pieces(self, requested: Block, window_limit: int | None = None) -> Iterator[AnyBlock]:
        """Yield a block of the result, or the pieces to cut it into.

        Parameters
        ----------
        requested : Block
        window_limit : int, optional
            Source pixels that a piece may need, behind a front those of the enlargement; None: any
            number. Blocks are cut no further than to 16 rows or columns.
        """
        output = self.output_block(requested)
        front, limit = self.options.loaded_front, window_limit
        if limit is not None and front is not None:
            limit //= front.scale**2
        fits = limit is None or output.windows is None or output.windows.area <= limit
        if fits or max(requested.shape) <= LEAST_SIDE:
            yield output
            return
        for quarter in requested.quarters():
            yield from self.pieces(quarter, window_limit)

    @cached_property
    def context(self) -> BlockContext:
        """What all blocks of the result share."""
        options = self.options
        return BlockContext(
            shape=self.source_shape,
            out_shape=self.resized_shape,
            pixels=self.pixels,
            mode=options.mode,
            anti_aliasing=options.anti_aliasing is None or bool(options.anti_aliasing),
            fast=bool(options.fast),
            bank=options.bank,
            kernel=options.fixed_kernel,
            engine=options.engine,
            device=options.device,
        )

    # -- results ------------------------------------------------------------------------

    def compute(self, image: Image) -> Image:
        """Return the whole result of the whole image."""
        output = self.output_block()
        return self._requested_of(output, self._result_of(output, image, is_cut=False))

    def compute_block(self, output: AnyBlock, image: Image) -> Image:
        """Return a block of the result: what it is in the whole result, bit for bit.

        Parameters
        ----------
        output : OutputBlock
            One of this plan's, with windows.
        image : ndarray
            The image within these windows; all other axes as they are, or cut.
        """
        with self.options.backend.turn():
            return self._requested_of(output, self._result_of(output, image, is_cut=True))

    def _requested_of(self, output: AnyBlock, result: Image) -> Image:
        """Return the pixels that are requested of those that are computed."""
        (top, _, left, _), requested = output.computed, output.requested
        if requested == output.computed:
            return result
        index = [slice(None)] * result.ndim
        rows, cols = self.axes
        index[rows] = slice(requested.top - top, requested.bottom - top)
        index[cols] = slice(requested.left - left, requested.right - left)
        return result[tuple(index)]

    def border(self, shape: tuple[int, ...]) -> Image:
        """Return a result in which nothing of the image is visible.

        Parameters
        ----------
        shape : tuple of int
            Of the result, which has the image's axes.
        """
        pixels = self.pixels
        if self.frame is not None:
            values = np.array(self.fill)
        elif pixels.is_nearest:
            values = np.array(pixels.cvals).astype(pixels.value_scale.dtype)
        else:
            from lerf_core.pixels.blending import BorderBlend

            values = np.array(BorderBlend.of(pixels).border_values())
        out = np.empty(shape, pixels.result_dtype)
        np.moveaxis(channels_first(out, self.options.channel_axis), 0, -1)[...] = values
        return self._in_result_range(out)

    def _result_of(self, output: AnyBlock, image: Image, *, is_cut: bool) -> Image:
        """Resample every plane and put the image together again.

        `is_cut` tells whether the image is cut to the block's windows already.
        """
        channel_axis, pixels = self.options.channel_axis, self.pixels
        shape = list(image.shape)
        for axis, size in zip(self.axes, output.computed.shape, strict=True):
            shape[axis] = size
        if output.windows is None:
            return self.border(tuple(shape))
        if isinstance(output, CopiedBlock):
            out = image.astype(pixels.result_dtype)
        else:
            out = np.empty(shape, pixels.result_dtype)
            source, target = (channels_first(array, channel_axis) for array in (image, out))
            if self.is_copy:
                self._copy_framed(output, source, target, is_cut=is_cut)
            else:
                self._compute_planes(output, source, target, is_cut=is_cut)
        return self._in_result_range(out)

    def _copy_framed(self, output: OutputBlock, source: Image, out: Image, *, is_cut: bool) -> None:
        """Copy what a frame shows of an image, (channels, ..., rows, cols), that is no larger."""
        from lerf_core.execution.frame import FramedBlock

        if not isinstance(output, FramedBlock) or output.windows is None:
            raise TypeError("a copy without a frame is no resample")
        output.put(source if is_cut else output.windows.cut(source, self.options.mode), out)

    def _in_result_range(self, out: Image) -> Image:
        """Return a result with its values, but no masks, mapped as the options say, in place."""
        pixels = self.pixels
        if not self.options.preserve_range:
            values = channels_first(out, self.options.channel_axis)
            pixels.to_unit_range(values[: pixels.channels - pixels.masks])
        return out

    def _compute_planes(
        self, output: OutputBlock, source: Image, out: Image, *, is_cut: bool
    ) -> None:
        """Compute the planes of an image, (channels, ..., rows, cols): small ones side by side."""
        every = slice(None)
        planes: list[Any] = [(every, *index) for index in product(*map(range, source.shape[1:-2]))]
        if not planes:
            return
        threads = thread_count(self.options.threads)
        values = (source.size + out.size) // len(planes)
        # Fronts have enough to do for all threads, however small the image is.
        within = threads if self.options.front is not None else useful_threads(threads, values)
        beside = useful_threads(threads, values * len(planes)) if within == 1 else 1

        def compute(first: int, last: int) -> None:
            for plane in planes[first:last]:
                self._compute_plane(output, source[plane], out[plane], within, is_cut=is_cut)

        run_all(compute, bands(len(planes), -(-len(planes) // (3 * beside))), beside)

    def _compute_plane(
        self, output: OutputBlock, source: Image, out: Image, threads: int, *, is_cut: bool
    ) -> None:
        """Take the steps for one plane, (channels, rows, cols), of the image and the result."""
        pixels = self.pixels
        clip = None
        if pixels.alpha is not None and not pixels.is_nearest:
            clip = alpha_levels(source[pixels.alpha], pixels.value_scale)
        if output.windows is not None and not is_cut:
            source = output.windows.cut(source, self.options.mode)
        # A view where it can be: bands copy what they read.
        source = source.astype(pixels.value_scale.dtype, copy=False)
        writer = output.band_writer(source, clip, threads)
        heights = bands(output.computed.shape[0], output.band_height(threads))
        tasks = ((top, bottom, out[:, top:bottom]) for top, bottom in heights)
        run_all(writer.write, tasks, threads)
