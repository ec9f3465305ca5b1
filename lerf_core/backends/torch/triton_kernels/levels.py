# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
# ruff: noqa: N803 - constants of kernels are written as constants
"""Values of deep images in units of grey levels."""

import torch
from torch import Tensor

from lerf_core.backends.torch.triton_kernels.launching import cdiv, launch, tl, triton
from lerf_core.constants import LEVELS, ROUND_F64

__all__ = ["to_units"]

_ROUND, _TOP = tl.constexpr(float(ROUND_F64)), tl.constexpr(float(LEVELS))


@triton.jit
def _units_kernel(values, ends, grey, units, remainder, missing, count, UNITS: tl.constexpr,
                  FLOATS: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = i < count
    low, factor, farthest = tl.load(ends), tl.load(ends + 1), tl.load(ends + 2)
    value = tl.load(values + i, mask=mask, other=0).to(tl.float64)
    if FLOATS:
        is_missing = mask & ~(tl.abs(value) <= farthest)
        tl.atomic_or(missing, tl.max(is_missing.to(tl.int32), 0))
        value = tl.where(is_missing, low, value)
    level = (value - low) * factor
    clipped = tl.minimum(tl.maximum(level, 0.0), _TOP) * UNITS
    whole = (clipped + _ROUND) - _ROUND
    tl.store(grey + i, level.to(tl.float32), mask=mask)
    tl.store(units + i, whole.to(tl.int32), mask=mask)
    tl.store(remainder + i, (level - whole * (1.0 / UNITS)).to(tl.float32), mask=mask)


def to_units(
    planes: Tensor, ends: tuple[float, float], farthest: float, units: int
) -> tuple[Tensor, Tensor, Tensor] | None:
    """Grey levels, units and remainders, as `levels.GreyLevels` has them.

    Parameters
    ----------
    planes : Tensor, (planes, rows, cols)
        In the image's values.
    ends : (float, float)
        Values at grey levels 0 and 255.
    farthest : float
        Beyond it, values of floats are missing.
    units : int
        Units per grey level, a power of two.

    Returns
    -------
    grey : Tensor of float32
    units : Tensor of int32
    remainder : Tensor of float32
        All of the planes' shape. None instead of the three where a value is missing.
    """
    low, high = ends
    numbers = torch.tensor([low, LEVELS / (high - low), farthest], dtype=torch.float64)
    grey = torch.empty_like(planes, dtype=torch.float32, memory_format=torch.contiguous_format)
    whole, remainder = torch.empty_like(grey, dtype=torch.int32), torch.empty_like(grey)
    missing = torch.zeros((1,), dtype=torch.int32, device=planes.device)
    launch(
        _units_kernel, (cdiv(planes.numel()),), planes.contiguous(), numbers.to(planes.device),
        grey, whole, remainder, missing, planes.numel(), UNITS=units,
        FLOATS=planes.is_floating_point(),
    )  # fmt: skip
    if planes.is_floating_point() and bool(missing):
        return None
    return grey, whole, remainder
