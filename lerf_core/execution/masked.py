"""Masked arrays: their masks go along as channels, and come out as the masks of the results."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from lerf_core.execution.plan import Plan

__all__ = ["masked_plan", "stacked", "unstacked"]

# Of NumPy or of dask; both know the same functions.
Array = TypeVar("Array", bound=Any)


def masked_plan(plan: Plan) -> Plan:
    """Return the plan for an image whose masks are channels: as many as it has, behind them."""
    axis, shape = plan.options.channel_axis, list(plan.shape)
    if axis is None:
        shape.append(2)
        options = replace(plan.options, channel_axis=-1)
        return replace(plan, shape=tuple(shape), options=options, is_masked=True)
    shape[axis] *= 2
    return replace(plan, shape=tuple(shape), is_masked=True)


def stacked(plan: Plan, data: Array, mask: Array, library: Any) -> Array:
    """Return an image with its mask behind its channels.

    Parameters
    ----------
    plan : Plan
        For the image.
    data, mask : array
        Of equal shape.
    library : module
        numpy, or dask.array.
    """
    axis, parts = plan.options.channel_axis, [data, mask.astype(data.dtype)]
    result: Array = library.stack(parts, -1) if axis is None else library.concatenate(parts, axis)
    return result


def unstacked(plan: Plan, result: Array) -> tuple[Array, Array]:
    """Return data and mask of a result; the plan is that for the image."""
    axis = plan.options.channel_axis
    if axis is None:
        return result[..., 0], result[..., 1] != 0
    count = plan.shape[axis]
    before = (slice(None),) * (axis % result.ndim)
    return result[(*before, slice(0, count))], result[(*before, slice(count, None))] != 0
