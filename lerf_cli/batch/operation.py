"""What a command does to an image."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from lerf_cli.options.values import ResamplingOptions
from lerf_core.execution.plan import Plan

Shape = tuple[int, int]


class ImageOperation(Protocol):
    """A resampling that can be planned for images of any shape and dtype."""

    @property
    def resampling(self) -> ResamplingOptions:
        """How pixels are resampled."""

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
