# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
"""What all kernels need: Triton itself, how they are launched, rounding."""

import importlib
from typing import Any

import torch

from lerf_core.constants import ROUND_F32

__all__ = ["BLOCK", "WORDS", "cdiv", "launch", "rounded", "tl", "triton"]

triton: Any = importlib.import_module("triton")
tl: Any = importlib.import_module("triton.language")

#: What a packed pixel of bytes is, by its slots: a word.
WORDS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
#: Pixels that a program works on.
BLOCK = 128
_ROUND = tl.constexpr(float(ROUND_F32))


def launch(kernel: Any, grid: tuple[int, ...], *arguments: Any, **constants: Any) -> None:
    """Run a kernel: its products and sums are not fused, as in the specification."""
    kernel[grid](*arguments, **constants, BLOCK=BLOCK, enable_fp_fusion=False)


def cdiv(count: int) -> int:
    """Return how many programs work on so many pixels."""
    return -(-count // BLOCK)


@triton.jit
def rounded(level):
    """Bytes of levels, rounded half to even."""
    level = tl.minimum(tl.maximum(level, 0.0), 255.0)
    return ((level + _ROUND) - _ROUND).to(tl.uint8)
