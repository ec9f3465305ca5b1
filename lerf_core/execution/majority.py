"""Bands of labels: every output pixel is a copy of one of the label that covers most of it.

See `lerf_core.execution.context.BandWriter`. All channels of a pixel are its label, so that none
arises that was not there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.backends.contract import Backend
from lerf_core.pixels.format import PixelFormat
from lerf_core.pixels.label_keys import LabelKeys, label_keys
from lerf_core.sampling.coordinates import SourceCoordinates
from lerf_core.sampling.coverage import AxisCoverage

__all__ = ["GridMajority", "PointMajority"]

Image = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]


class GridMajority:
    """Labels on a grid.

    Parameters
    ----------
    planes : sequence of ndarray, (rows, cols)
        The channels within a block's windows.
    pixels : PixelFormat
    backend : Backend
    rows, cols : AxisCoverage
        What the block's rows and columns cover, counted in the windows.
    """

    def __init__(
        self,
        planes: Sequence[Image],
        pixels: PixelFormat,
        backend: Backend,
        rows: AxisCoverage,
        cols: AxisCoverage,
    ) -> None:
        self._planes, self._pixels, self._backend = planes, pixels, backend
        self._rows, self._cols = rows, cols

    def write(self, top: int, bottom: int, out: Image) -> None:
        """Copy pixels of the labels of rows top..bottom-1."""
        rows, source = self._rows.band(top, bottom)
        planes = [plane[source] for plane in self._planes]
        labels = _labels(planes, self._pixels)
        index = self._backend.majority_on_grid(*labels, rows, self._cols)
        for plane, target in zip(planes, out, strict=True):
            target[...] = np.ascontiguousarray(plane).reshape(-1)[index]


class PointMajority:
    """Labels at the scattered positions of a warp.

    Parameters
    ----------
    planes : sequence of ndarray, (rows, cols)
        The channels within a block's windows.
    pixels : PixelFormat
    backend : Backend
    located : callable
        Gives, for rows top..bottom-1 of the block, the coordinates in the image, the positions in
        the windows along rows and columns, and where nothing of the image is visible.
    is_cut : bool
        Whether what lies beyond the border has no label; else it has the border's.
    """

    def __init__(
        self,
        planes: Sequence[Image],
        pixels: PixelFormat,
        backend: Backend,
        located: Callable[[int, int], tuple[SourceCoordinates, Any, Any, Image]],
        *,
        is_cut: bool,
    ) -> None:
        self._planes = [np.ascontiguousarray(plane) for plane in planes]
        self._labels = _labels(self._planes, pixels)
        self._border_values, self._backend = pixels.cvals, backend
        self._located, self._is_cut = located, is_cut

    def write(self, top: int, bottom: int, out: Image) -> None:
        """Copy pixels of the labels of rows top..bottom-1; around the image, the border's value."""
        coordinates, row, col, outside = self._located(top, bottom)
        index = self._backend.majority_at_points(
            *self._labels, row, col, coordinates.filter_scales,
            is_cut=self._is_cut, visible_columns=coordinates.visible_columns,
        )  # fmt: skip
        for plane, border, target in zip(self._planes, self._border_values, out, strict=True):
            value = plane.reshape(-1)[index]
            value[outside] = border
            target[...] = value


def _labels(planes: Sequence[Image], pixels: PixelFormat) -> LabelKeys:
    alpha, clear = pixels.alpha, None
    if alpha is not None:
        clear = pixels.value_scale.to_opacity(planes[alpha]) == 0
    return label_keys(planes, masks=pixels.masks, alpha=alpha, clear=clear, nodata=pixels.nodata)
