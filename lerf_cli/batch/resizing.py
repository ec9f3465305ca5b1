"""The operation of ``lerf resize``: by factors, or to a size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lerf_cli.batch.operation import SameForAll
from lerf_cli.options.fitting import Fitting, Target
from lerf_cli.options.types import ScaleFactors, Size

if TYPE_CHECKING:
    import numpy as np

    from lerf_cli.batch.operation import ImageOperation
    from lerf_cli.options.values import ResamplingOptions
    from lerf_core.execution.plan import Plan

__all__ = ["ResizeOperation", "come_out_alike"]


@dataclass(frozen=True)
class ResizeOperation(SameForAll):
    """Resizing by scale factors or to a size, whichever there is."""

    resampling: ResamplingOptions
    target: Target

    def output_shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return the (rows, columns) that an image of ``shape`` becomes."""
        import lerf_core

        if isinstance(self.target, Size):
            return self.target.shape_for(shape)
        if isinstance(self.target, Fitting):
            return self.target.of(shape).result_shape
        rows, cols = lerf_core.rescaled_shape(shape, (self.target.rows, self.target.cols))
        return rows, cols

    def plan(self, shape: tuple[int, ...], dtype: np.dtype[Any], keywords: dict[str, Any]) -> Plan:
        """Return the plan for an image of a shape and dtype; see `ImageOperation`."""
        from lerf_core.execution.planning import plan_rescale, plan_resize
        from lerf_core.sampling.shapes import spatial_axes

        fill = keywords.get("fill")
        keywords = {name: value for name, value in keywords.items() if name != "fill"}
        if isinstance(self.target, ScaleFactors):
            factors = (self.target.rows, self.target.cols)
            return plan_rescale(shape, dtype, factors, **keywords)
        rows, cols = spatial_axes(len(shape), keywords["channel_axis"])
        sides = shape[rows], shape[cols]
        if isinstance(self.target, Size):
            return plan_resize(shape, dtype, self.target.shape_for(sides), **keywords)
        fit = self.target.of(sides)
        return plan_resize(shape, dtype, fit.shape, crop=fit.crop, fill=fill, **keywords)


def come_out_alike(
    operation: ImageOperation, other: ImageOperation, shape: tuple[int, int]
) -> bool:
    """Tell whether two resizes of one run make the same of an image of (rows, columns) `shape`."""
    if not (isinstance(operation, ResizeOperation) and isinstance(other, ResizeOperation)):
        return False
    first, second = operation.target, other.target
    if isinstance(first, Fitting) and isinstance(second, Fitting):
        return first.of(shape) == second.of(shape)
    return first == second
