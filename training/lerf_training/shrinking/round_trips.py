"""What small images are enlarged by in a training: fixed kernels, and tables."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from lerf_core.backends.torch.straight_through import quantise
from lerf_core.bank import LutBank
from lerf_core.bank.loading import load_bank
from lerf_core.errors import BankError
from lerf_core.sampling.kernel_taps import kernel_taps
from lerf_core.sampling.kernels import KERNELS
from lerf_core.sampling.taps import axis_taps
from lerf_training.models.tables import TableModel

__all__ = ["RoundTrips", "fixed_weights"]

# Squared levels: a patch counts by its relative error, down to this one.
_BALANCE = 20.0
# Pillow's bicubic and Lanczos.
_FIXED = ("catmull-rom", "lanczos3")
# The bank of tables; a network would take a training's time.
_LEARNED = "lerf-p"


class RoundTrips:
    """Loss of small images: the error of what they are enlarged to.

    Parameters
    ----------
    weights : (float, float, float)
        What bicubic, Lanczos and the tables of lerf-p count.

    Raises
    ------
    BankError
        If a network stands in the place of these tables.
    """

    def __init__(self, weights: tuple[float, float, float]) -> None:
        *fixed, learned = weights
        self._fixed = [(kernel, weight) for kernel, weight in zip(_FIXED, fixed, strict=True)
                       if weight]  # fmt: skip
        self._learned = learned
        self._tables = TableModel(_tables()).requires_grad_(False) if learned else None

    def loss(self, small: Tensor, images: Tensor) -> Tensor:
        """Return the weighted sum of relative errors.

        Parameters
        ----------
        small, images : Tensor of float32, (batch, size, size)
            Grey levels on 0..255.
        """
        size, source = small.shape[1], images.shape[1]
        total = small.new_zeros(())
        for kernel, weight in self._fixed:
            matrix = fixed_weights(kernel, size, source)
            total = total + weight * _relative_error(matrix @ small @ matrix.T, images)
        if self._tables is not None:
            first, offset = _points(size, source)
            batch = len(small)
            # Its tables are read at whole levels; what a small image is saved as.
            enlarged = self._tables(
                quantise(small),
                first.expand(batch, -1, -1).contiguous(),
                offset.expand(batch, -1, -1).contiguous(),
            )
            total = total + self._learned * _relative_error(enlarged.view_as(images), images)
        return total


def _tables() -> LutBank:
    bank = load_bank(_LEARNED)
    if not isinstance(bank, LutBank):
        raise BankError(f"round trips take a bank of tables, and {_LEARNED!r} here is a network")
    return bank


def _relative_error(enlarged: Tensor, images: Tensor) -> Tensor:
    error = ((enlarged - images) ** 2).mean((1, 2))
    return (error / (error.detach() + _BALANCE)).mean()


@lru_cache(maxsize=512)
def fixed_weights(kernel: str, size: int, out_size: int) -> Tensor:
    """Weights (out_size, size) of a fixed kernel; beyond the border lies the border's pixel."""
    taps = kernel_taps(KERNELS[kernel], size, out_size, out_size / size, anti_aliasing=True)
    weights = np.zeros((out_size, size), np.float32)
    np.add.at(weights, (np.arange(out_size)[:, None], taps.index), taps.weight)
    return torch.from_numpy(weights)


@lru_cache(maxsize=256)
def _points(size: int, out_size: int) -> tuple[Tensor, Tensor]:
    """First neighbours and offsets, (1, out_size**2, 2), of all pixels of an enlargement."""
    taps = axis_taps(size, out_size, out_size / size, anti_aliasing=True)
    first, offset = (
        np.stack(np.meshgrid(values, values, indexing="ij"), -1).reshape(1, -1, 2)
        for values in (taps.index[:, 0].astype(np.int32), taps.offset[:, 0])
    )
    return torch.from_numpy(first), torch.from_numpy(offset)
