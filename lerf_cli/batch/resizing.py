"""The operation of ``lerf resize``: by factors, or to a size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lerf_cli.batch.operation import SameForAll
from lerf_cli.options.types import ScaleFactors, Size

if TYPE_CHECKING:
    import numpy as np

    from lerf_cli.options.values import ResamplingOptions
    from lerf_core.execution.plan import Plan

__all__ = ["ResizeOperation"]


@dataclass(frozen=True)
class ResizeOperation(SameForAll):
    """Resizing by scale factors or to a size, whichever there is."""

    resampling: ResamplingOptions
    target: ScaleFactors | Size

    def output_shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return the (rows, columns) that an image of ``shape`` becomes."""
        import lerf_core

        if isinstance(self.target, Size):
            return self.target.shape_for(shape)
        rows, cols = lerf_core.rescaled_shape(shape, (self.target.rows, self.target.cols))
        return rows, cols

    def plan(self, shape: tuple[int, ...], dtype: np.dtype[Any], keywords: dict[str, Any]) -> Plan:
        """Return the plan for an image of a shape and dtype; see `ImageOperation`."""
        from lerf_core.execution.planning import plan_rescale, plan_resize
        from lerf_core.sampling.shapes import spatial_axes

        if isinstance(self.target, ScaleFactors):
            factors = (self.target.rows, self.target.cols)
            return plan_rescale(shape, dtype, factors, **keywords)
        rows, cols = spatial_axes(len(shape), keywords["channel_axis"])
        output_shape = self.target.shape_for((shape[rows], shape[cols]))
        return plan_resize(shape, dtype, output_shape, **keywords)
