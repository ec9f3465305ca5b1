"""Warping a block of the result: every output pixel has its own position in the source."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lerf_core.backends.contract import Backend
from lerf_core.backends.reference.coordinates import source_coordinates
from lerf_core.execution.channels import Channel, prepare_channels
from lerf_core.execution.context import BlockContext
from lerf_core.execution.samples import Samples, read_channels
from lerf_core.geometry.maps import Homography, InverseMap, LocatedMap, SampledMap
from lerf_core.geometry.placement import Placement
from lerf_core.pixels.blending import BorderBlend
from lerf_core.pixels.masks import mask_planes
from lerf_core.sampling.borders import fold_indices, is_periodic
from lerf_core.sampling.coordinates import SourceCoordinates
from lerf_core.sampling.taps import nearest_index
from lerf_core.sampling.visibility import visible_windows
from lerf_core.sampling.windows import Block, Window, Windows

if TYPE_CHECKING:
    from lerf_core.execution.kernel_channels import KernelChannels
    from lerf_core.execution.majority import PointMajority
    from lerf_core.sampling.kernels import Kernel

__all__ = ["PERIODIC_MARGIN", "WarpBlock", "WarpResampling"]

Image = npt.NDArray[Any]
Positions = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# Pixels of a source that is not cut: its tables are read in the time that its windows take to find.
_SMALL_SOURCE = 1 << 13
# Scattered pixels that a task computes.
_BAND_POINTS = 1 << 17
#: Pixels by which an image is extended for border modes that repeat it.
PERIODIC_MARGIN = 32


@dataclass(frozen=True, eq=False)
class WarpResampling:
    """A warp by an inverse map; see `lerf_core.execution.context.Resampling`."""

    mapping: InverseMap
    scale = None

    def placement(self, shape: tuple[int, int], out_shape: tuple[int, int]) -> Placement:
        """See `lerf_core.execution.context.Resampling`."""
        return Placement(self.mapping.affine(), shape, out_shape)

    def output_block(
        self, context: BlockContext, requested: Block | None = None, windows: Windows | None = None
    ) -> WarpBlock:
        """See `lerf_core.execution.context.Resampling`."""
        return WarpBlock(context, self.mapping, requested, windows)


class WarpBlock:
    """A block of a warp; see `lerf_core.execution.context.OutputBlock`.

    Attributes
    ----------
    requested, computed : Block
        The output pixels that are asked for; the same ones are computed.
    windows : Windows or None
        Of the source; None: nothing of it is visible.
    mapping : InverseMap
        From the block's pixels, its first being (0, 0), to source positions.
    """

    def __init__(
        self,
        context: BlockContext,
        mapping: InverseMap,
        requested: Block | None = None,
        windows: Windows | None = None,
    ) -> None:
        self.context, self.mapping = context, mapping
        self.requested = self.computed = requested or context.all_pixels
        if requested is not None:
            self.mapping = mapping.of_block(
                requested.top, requested.left, requested.shape, context.out_shape
            )
        self.windows = windows or self._visible_windows(is_whole=requested is None)

    def _visible_windows(self, *, is_whole: bool) -> Windows | None:
        context, shape = self.context, self.computed.shape
        extends = is_periodic(context.mode) and not self.is_copied
        margin = self._margin() if extends else 0
        if self.takes_majority and is_periodic(context.mode):
            margin = PERIODIC_MARGIN
        is_small = not margin and context.shape[0] * context.shape[1] <= _SMALL_SOURCE
        if is_whole and (is_small or self.mapping.extents(shape) is None):
            return Windows(*(Window.whole(size, margin) for size in context.shape))
        if isinstance(self.mapping, SampledMap) and self.mapping.extents(shape) is None:
            # Positions are needed now, and again for the pixels: they are found once.
            self.mapping = LocatedMap(self.mapping.locate(0, shape[0], shape))
        return visible_windows(
            self.mapping, context.shape, shape, context.mode,
            margin=margin, halo=0 if self.is_copied else self._halo(),
            anti_aliasing=context.anti_aliasing and (self.takes_majority or not self.is_copied),
            tap_reach=self.tap_reach,
        )  # fmt: skip

    def _margin(self) -> int:
        """Return by how many pixels a border mode that repeats the image extends it."""
        if self.context.kernel is None:
            return PERIODIC_MARGIN + self.context.averaging_bank.full_reach
        return math.ceil(PERIODIC_MARGIN * self.tap_reach) + self._halo()

    def _halo(self) -> int:
        """Return how many pixels around those of the taps a result can depend on."""
        if self.context.kernel is None:
            return self.context.halo
        from lerf_core.execution.kernel_channels import CLEAR_FILL_STEPS

        # Clear pixels are filled from around, step by step.
        return CLEAR_FILL_STEPS if self.context.pixels.alpha is not None else 0

    @property
    def tap_reach(self) -> float:
        """How far taps lie from a position, as a part of the filter scale."""
        kernel = None if self.is_copied else self.context.kernel
        if kernel is None:
            return 1.0
        from lerf_core.sampling.kernel_points import kernel_table

        return kernel_table(kernel).reach

    @property
    def is_copied(self) -> bool:
        """Whether all output pixels are copies of source pixels, by the method or by the map."""
        moves_pixels = isinstance(self.mapping, Homography) and self.mapping.moves_pixels
        return self.context.pixels.is_nearest or moves_pixels

    @property
    def takes_majority(self) -> bool:
        """Whether output pixels are copies of the label that covers most of them."""
        moves_pixels = isinstance(self.mapping, Homography) and self.mapping.moves_pixels
        return self.context.pixels.is_majority and not moves_pixels

    # -- what an OutputBlock does -------------------------------------------------------

    def band_height(self, threads: int) -> int:  # noqa: ARG002 - there are many bands
        """Return how many of the block's rows a task computes."""
        height, width = self.computed.shape
        return self.context.band_height(height, width) or max(1, _BAND_POINTS // width)

    def band_writer(
        self,
        planes: Image,
        alpha_levels: tuple[float, float] | None,
        threads: int,
    ) -> WarpMeans | WarpCopies | PointMajority:
        """Prepare planes, cut to the windows; see `lerf_core.execution.context.OutputBlock`."""
        context = self.context
        if self.takes_majority:
            from lerf_core.execution.majority import PointMajority

            return PointMajority(
                list(planes), context.pixels, self.backend, self.located_in_windows,
                is_cut=context.mode == "constant",
            )  # fmt: skip
        if self.is_copied:
            return WarpCopies(self, planes)
        # A constant is blended over the result (`BorderBlend`): taps find the edge's pixels.
        mode = "edge" if context.mode == "constant" else context.mode
        if context.kernel is not None:
            from lerf_core.execution.kernel_channels import prepare_kernel_channels

            prepared = prepare_kernel_channels(planes, context.pixels, mode, alpha_levels)
            return WarpMeans(self, planes, [KernelStack(prepared, context.kernel)])
        channels = prepare_channels(
            list(planes), context.pixels, context.averaging_bank, self.backend, mode, alpha_levels
        )
        # Only channels of one validity and dtype are computed together.
        runs = groupby(channels, lambda channel: (id(channel.validity), channel.to_uint8))
        stacks = [ChannelStack(list(run), self.backend, threads) for _, run in runs]
        return WarpMeans(self, planes, stacks)

    @property
    def backend(self) -> Backend:
        """What reads the tables and takes the means."""
        return self.context.backend

    def in_windows(self, row: Any, col: Any) -> tuple[Any, Any]:
        """Bring positions in reach of the (extended) image into the windows."""
        if self.windows is None:
            raise ValueError("nothing of the image is visible in the block")
        return self.windows.rows.to_window_positions(row), self.windows.cols.to_window_positions(
            col
        )

    # -- positions of copied pixels -----------------------------------------------------

    def located(
        self, top: int, bottom: int, *, anti_aliasing: bool
    ) -> tuple[SourceCoordinates, Mask]:
        """Return where rows top..bottom-1 lie in the image, and which pixels show nothing of it."""
        context = self.context
        coordinates = source_coordinates(
            self.mapping, top, bottom, context.shape, self.computed.shape, context.mode,
            anti_aliasing=anti_aliasing,
        )  # fmt: skip
        column, visible = np.arange(self.computed.shape[1]), coordinates.visible_columns
        outside = (column < visible[:, :1]) | (column >= visible[:, 1:])
        outside.reshape(-1)[coordinates.uncovered] = True
        if context.mode == "constant":  # a pixel is visible where its centre lies on the image
            for position, size in zip(
                (coordinates.row, coordinates.col), context.shape, strict=True
            ):
                index = nearest_index(position)
                outside |= (index < 0) | (index >= size)
        return coordinates, outside

    def located_in_windows(
        self, top: int, bottom: int
    ) -> tuple[SourceCoordinates, Positions, Positions, Mask]:
        """Return coordinates, positions in the windows, and which pixels show nothing."""
        coordinates, outside = self.located(top, bottom, anti_aliasing=self.context.anti_aliasing)
        return coordinates, *self.in_windows(coordinates.row, coordinates.col), outside


# -- bands --------------------------------------------------------------------------------


class WarpMeans:
    """Weighted means at scattered positions; see `lerf_core.execution.context.BandWriter`.

    A row of the result may lie anywhere in the windows: their tables are read at once.
    """

    def __init__(
        self,
        block: WarpBlock,
        planes: Image,
        stacks: Sequence[ChannelStack | KernelStack],
    ) -> None:
        self._block, self._backend, self._planes = block, block.backend, planes
        self._blend = BorderBlend.of(block.context.pixels)
        self._border_values = self._blend.border_values()
        self._stacks = stacks

    def write(self, top: int, bottom: int, out: Image) -> None:
        """Write rows top..bottom-1."""
        block, context = self._block, self._block.context
        coordinates = self._backend.source_coordinates(
            block.mapping, top, bottom, context.shape, block.computed.shape, context.mode,
            anti_aliasing=context.anti_aliasing, reach=block.tap_reach,
        )  # fmt: skip
        row, col = block.in_windows(coordinates.row, coordinates.col)
        results: list[tuple[Image, Image | None]] = []
        for stack in self._stacks:
            results += stack.means(self._backend, coordinates, row, col)
        values = [value for value, _ in results]
        values += mask_planes(values, [share for _, share in results], context.pixels)
        self._copy(values, coordinates, row, col)
        self._blend_border(values, coordinates)
        self._backend.store_channels(values, out)

    def _copy(
        self, values: list[Image], coordinates: SourceCoordinates, row: Positions, col: Positions
    ) -> None:
        """Copy the source pixels that output pixels lie on, in place."""
        copied = coordinates.copied
        if copied.size:
            rows, cols = (
                np.clip(nearest_index(position.reshape(-1)[copied]), 0, size - 1)
                for position, size in zip((row, col), self._planes[0].shape, strict=True)
            )
            for value, plane in zip(values, self._planes, strict=True):
                value.reshape(-1)[copied] = plane[rows, cols]

    def _blend_border(self, values: list[Image], coordinates: SourceCoordinates) -> None:
        """Blend pixels that the image covers in part, or not at all, with the border, in place."""
        partial = coordinates.partially_covered
        if partial.size:
            inner = [value.reshape(-1)[partial] for value in values]
            blended = self._blend.apply(inner, coordinates.coverage)
            for value, result in zip(values, blended, strict=True):
                value.reshape(-1)[partial] = result
        for value, border in zip(values, self._border_values, strict=True):
            self._backend.fill_around(value, coordinates.visible_columns, border)
            value.reshape(-1)[coordinates.uncovered] = border


class ChannelStack:
    """Channels of one validity and dtype, read and prepared for `Backend.mean_at_points`."""

    def __init__(self, channels: Sequence[Channel], backend: Backend, threads: int) -> None:
        self._channels = channels
        first, height = channels[0], len(channels[0].plane)
        self._points = backend.points_of(
            map(_packed_and_bounds, read_channels(channels, 0, height, threads)),
            len(channels), first.bank.kind.weighting, first.validity,
        )  # fmt: skip

    def means(
        self, backend: Backend, coordinates: SourceCoordinates, row: Positions, col: Positions
    ) -> list[tuple[Image, Image | None]]:
        """Return the channels' values and valid shares at positions in the windows.

        All are (output rows, output cols).
        """
        means, valid_shares = backend.mean_at_points(
            self._points, row, col, coordinates.filter_scales,
            to_uint8=self._channels[0].to_uint8, visible_columns=coordinates.visible_columns,
        )  # fmt: skip
        shares = [None] * len(means) if valid_shares is None else valid_shares
        return [
            (channel.finish(mean, share), share)
            for channel, mean, share in zip(self._channels, means, shares, strict=True)
        ]


def _packed_and_bounds(samples: Samples) -> tuple[Image, Image | None]:
    return samples.packed, samples.overshoot_bounds


class KernelStack:
    """Channels that a fixed kernel averages, all together."""

    def __init__(self, channels: KernelChannels, kernel: Kernel) -> None:
        from lerf_core.execution.kernel_channels import AVERAGED_DTYPES
        from lerf_core.sampling.kernel_points import kernel_table

        self._channels, self._table = channels, kernel_table(kernel)
        layers = channels.layers(slice(None))
        if layers.dtype not in AVERAGED_DTYPES:
            layers = layers.astype(np.float32)
        self._layers = np.ascontiguousarray(layers)

    def means(
        self, backend: Backend, coordinates: SourceCoordinates, row: Positions, col: Positions
    ) -> list[tuple[Image, Image | None]]:
        """Return the channels' values and valid shares at positions in the windows.

        All are (output rows, output cols).
        """
        out = np.empty((self._layers.shape[-1], *row.shape), self._layers.dtype)
        backend.kernel_mean_at_points(
            self._layers, self._table, row, col, coordinates.filter_scales,
            visible_columns=coordinates.visible_columns, out=out,
        )  # fmt: skip
        visible, shares = self._channels.visible(np.moveaxis(out, 0, -1))
        return list(zip(*self._channels.finish(visible, shares), strict=True))


class WarpCopies:
    """Copies of source pixels; see `lerf_core.execution.context.BandWriter`."""

    def __init__(self, block: WarpBlock, planes: Image) -> None:
        self._block, self._planes = block, planes
        pixels, mapping = block.context.pixels, block.mapping
        self._border_values: Sequence[Any] = pixels.cvals
        if not pixels.is_nearest:
            self._border_values = BorderBlend.of(pixels).border_values()
        self._moves = mapping if isinstance(mapping, Homography) and mapping.moves_pixels else None

    def write(self, top: int, bottom: int, out: Image) -> None:
        """Copy rows top..bottom-1; where nothing of the image is visible, the border's value."""
        if self._moves is not None:
            row, col, outside = self._moved_pixels(self._moves, top, bottom)
        else:
            row, col, outside = self._nearest_pixels(top, bottom)
        # Pixels that show nothing may lie outside the windows.
        rows, cols = (
            np.clip(np.asarray(index, np.int64), 0, size - 1)
            for index, size in zip(
                self._block.in_windows(row, col), self._planes[0].shape, strict=True
            )
        )
        for plane, border, target in zip(self._planes, self._border_values, out, strict=True):
            value = plane[rows, cols]
            value[np.broadcast_to(outside, value.shape)] = border
            target[...] = value

    def _moved_pixels(
        self, mapping: Homography, top: int, bottom: int
    ) -> tuple[Indices, Indices, Mask]:
        """Return the source pixels of a map that moves whole ones, and where none is visible.

        Arrays broadcast to the band: what depends on rows alone is a column, and so on.
        """
        context, (down, right) = self._block.context, mapping.origin
        y = np.arange(down + top, down + bottom, dtype=np.int64)[:, None]
        x = np.arange(right, right + self._block.computed.shape[1], dtype=np.int64)
        indices, outside = [], np.zeros((1, 1), np.bool_)
        for axis, size in zip((1, 0), context.shape, strict=True):
            along_x, along_y, first = (int(entry) for entry in mapping.matrix[axis])
            index = np.atleast_2d(np.int64(first))
            index = index + along_x * x if along_x else index
            index = index + along_y * y if along_y else index
            if context.mode == "constant":
                outside = outside | (index < 0) | (index >= size)
            indices.append(fold_indices(index, size, context.mode))
        row, col = indices
        return row, col, outside

    def _nearest_pixels(self, top: int, bottom: int) -> tuple[Indices, Indices, Mask]:
        """Return the nearest source pixels, (rows, cols), and where none is visible."""
        coordinates, outside = self._block.located(top, bottom, anti_aliasing=False)
        rows, cols = self._block.context.shape
        row = np.clip(nearest_index(coordinates.row), 0, rows - 1)
        col = np.clip(nearest_index(coordinates.col), 0, cols - 1)
        return row, col, outside
