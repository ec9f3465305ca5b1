"""The function for shrinking as a torch module: what `lerf_core` computes, differentiable.

Convention
----------
Images are (batch, rows, cols) of float32; shapes are (rows, cols). Beyond the border lies the
border's pixel. Filter scales are above 1.05: nearer to 1 `lerf_core` fades to Lanczos's kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lerf_core.backends.torch.table_reads import pad_edges
from lerf_core.constants import POSITION_EPS
from lerf_core.sampling.kernel_taps import KernelTaps
from lerf_core.sampling.shrinking import (
    KNOTS_PER_PIXEL,
    ShrinkingKernel,
    shrinking_taps,
    spline,
)
from lerf_core.sampling.taps import axis_positions

__all__ = ["ShrinkingModel"]

Floats = npt.NDArray[np.float64]

# Where the smooth kernel starts: half of its amplitude is left at 1/1.25 of the Nyquist frequency.
_SMOOTH_WIDTH = 1.25
_WIDENING = 0.5
# Decimals that are saved.
_DECIMALS = 6
# Steps of a knot at which a frequency response is sampled.
_FINE = 50


class ShrinkingModel(nn.Module):
    """The learned function for shrinking.

    Parameters
    ----------
    sharp_radius, smooth_radius : float
        In output pixels.
    overshoot : float
        Part of the range of source pixels nearby that a result may lie beyond; it is not trained.

    Attributes
    ----------
    sharp, smooth : nn.Parameter, (knots,)
        Coefficients of the splines. They start as Lanczos's kernel, and as a sinc of a lower
        cutoff in a window of its own radius.
    widening : nn.Parameter, ()
        Part of the range of 3x3 smooth pixels that a result may lie beyond.
    """

    def __init__(
        self, sharp_radius: float = 3.0, smooth_radius: float = 2.0, overshoot: float = 3 / 32
    ) -> None:
        super().__init__()
        self.sharp = nn.Parameter(_fitted(lambda x: np.sinc(x) * np.sinc(x / 3), sharp_radius))
        self.smooth = nn.Parameter(
            _fitted(lambda x: np.sinc(x / _SMOOTH_WIDTH) * np.sinc(x / smooth_radius),
                    smooth_radius)
        )  # fmt: skip
        self.widening = nn.Parameter(torch.tensor(_WIDENING))
        self.overshoot = overshoot

    @classmethod
    def of(cls, kernel: ShrinkingKernel) -> ShrinkingModel:
        """Return the model of a kernel."""
        model = cls(kernel.radius, kernel.smooth.radius, kernel.overshoot)
        with torch.no_grad():
            for parameter, part in ((model.sharp, kernel), (model.smooth, kernel.smooth)):
                parameter.copy_(torch.tensor(dict(part.parameters)["coefficients"]))
            model.widening.fill_(kernel.widening)
        return model

    def kernel(self, name: str, training: Mapping[str, Any]) -> ShrinkingKernel:
        """Return the kernel, with the record of its training."""
        sharp, smooth = (
            [round(number, _DECIMALS) for number in parameter.tolist()]
            for parameter in (self.sharp, self.smooth)
        )
        widening = round(max(0.0, self.widening.item()), _DECIMALS)
        return ShrinkingKernel.of(name, sharp, smooth, widening, self.overshoot, training)

    def forward(self, images: Tensor, shape: tuple[int, int]) -> Tensor:
        """Shrink images.

        Parameters
        ----------
        images : Tensor of float32, (batch, rows, cols)
        shape : (rows, cols)
            Of the result, smaller than `images`.

        Returns
        -------
        Tensor of float32, (batch, *shape)
            Differentiable by the parameters.
        """
        counts = len(self.sharp), len(self.smooth)
        rows, cols = (
            _axis(size, out_size, *counts)
            for size, out_size in zip(images.shape[1:], shape, strict=True)
        )
        sharp = _weights(rows.sharp, self.sharp) @ images @ _weights(cols.sharp, self.sharp).T
        smooth = _weights(rows.smooth, self.smooth) @ images @ _weights(cols.smooth, self.smooth).T
        padded = pad_edges(smooth, 1)[:, None]
        greatest = nn.functional.max_pool2d(padded, 3, 1)[:, 0]
        least = -nn.functional.max_pool2d(-padded, 3, 1)[:, 0]
        result = _bounded(sharp, least, greatest, self.widening.clamp(min=0))
        with torch.no_grad():
            low, high = (
                _extreme(_extreme(images, rows, 1, sign), cols, 2, sign) for sign in (-1, 1)
            )
        return _bounded(result, low, high, self.overshoot)

    def leakage(self) -> Tensor:
        """Energy of the sharp kernel beyond the small image's Nyquist frequency, over Lanczos's."""
        return _energy_beyond(len(self.sharp), self.sharp) / _lanczos_energy()

    def clip_widening(self) -> None:
        """Bring the widening back to 0 at least, after a step."""
        with torch.no_grad():
            self.widening.clamp_(min=0)


@lru_cache(maxsize=8)
def _beyond_nyquist(count: int) -> tuple[Tensor, Tensor]:
    """Response of each coefficient's spline to frequencies beyond the Nyquist frequency, and to 0.

    Returns
    -------
    beyond, mean : Tensor of float32, (frequencies, count) and (count,)
        Frequencies rise from 1 to 6 times the Nyquist frequency.
    """
    distance = np.arange(-_FINE * count, _FINE * count + 1) / (_FINE * KNOTS_PER_PIXEL)
    basis = np.stack([spline(distance, tuple(unit)) for unit in np.eye(count)], axis=1)
    frequency = np.linspace(0.5, 3, 251)[:, None]
    beyond = np.cos(2 * np.pi * frequency * distance) @ basis
    return torch.tensor(beyond).float(), torch.tensor(basis.sum(axis=0)).float()


def _energy_beyond(count: int, coefficients: Tensor) -> Tensor:
    beyond, mean = _beyond_nyquist(count)
    return (beyond @ coefficients / (mean @ coefficients)).square().sum()


@lru_cache(maxsize=1)
def _lanczos_energy() -> float:
    coefficients = _fitted(lambda x: np.sinc(x) * np.sinc(x / 3), 3.0)
    return float(_energy_beyond(len(coefficients), coefficients))


def _bounded(values: Tensor, low: Tensor, high: Tensor, part: Tensor | float) -> Tensor:
    """Values within a range that is widened by a part of itself."""
    step = part * (high - low)
    return torch.minimum(torch.maximum(values, low - step), high + step)


def _weights(basis: Tensor, coefficients: Tensor) -> Tensor:
    """Weights (output size, size) of a spline; those of an output pixel sum up to 1."""
    weight = basis @ coefficients
    return weight / weight.sum(1, keepdim=True)


# -- axes -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Axis:
    """What an axis weighs.

    Attributes
    ----------
    sharp, smooth : Tensor of float32, (output size, size, knots)
        What a unit of each coefficient weighs each source pixel by.
    near, counts : Tensor, (output size, taps)
        Source pixels that may bound a result, and whether they do.
    """

    sharp: Tensor
    smooth: Tensor
    near: Tensor
    counts: Tensor


@lru_cache(maxsize=256)
def _axis(size: int, out_size: int, sharp: int, smooth: int) -> _Axis:
    """Return an axis for splines of so many coefficients."""
    near = _near(size, out_size)
    return _Axis(
        _basis(size, out_size, sharp),
        _basis(size, out_size, smooth),
        torch.from_numpy(near.index),
        torch.from_numpy(near.weight != 0),
    )


def _near(size: int, out_size: int) -> KernelTaps:
    # What bounds a result is the same for all kernels.
    any_kernel = ShrinkingKernel.of("any", (1,) * 9, (1,) * 9, 0.0, 0.0)
    scale = out_size / size
    return shrinking_taps(any_kernel, size, out_size, scale, anti_aliasing=True).near


def _basis(size: int, out_size: int, count: int) -> Tensor:
    """Return weights (output size, size, count) of the splines of one coefficient each."""
    scale = out_size / size
    filter_scale = min(1 / scale, float(size))
    reach = (count - 1) / KNOTS_PER_PIXEL * filter_scale
    position = axis_positions(size, out_size, scale)
    neighbours = np.arange(-int(reach) - 2, size + int(reach) + 2)
    distance = neighbours - position[:, None]
    within = np.abs(distance) < reach - POSITION_EPS
    basis = np.zeros((out_size, size, count))
    outputs, index = np.arange(out_size)[:, None], np.clip(neighbours, 0, size - 1)
    for number, unit in enumerate(np.eye(count)):
        weight = np.where(within, spline(distance / filter_scale, tuple(unit)), 0.0)
        np.add.at(basis[..., number], (outputs, index), weight)
    return torch.from_numpy(basis.astype(np.float32))


def _extreme(images: Tensor, axis: _Axis, dim: int, sign: int) -> Tensor:
    """Least (`sign` -1) or greatest (1) source pixels that bound results along an axis."""
    index = axis.near.flatten()
    taps = (sign * images).index_select(dim, index).unflatten(dim, axis.near.shape)
    counts = axis.counts if dim == 2 else axis.counts[..., None]
    return sign * taps.masked_fill(~counts, -torch.inf).amax(dim + 1)


def _fitted(function: Callable[[Floats], Floats], radius: float) -> Tensor:
    """Return the coefficients of the spline nearest to a function."""
    count = round(radius * KNOTS_PER_PIXEL) + 1
    distance = np.linspace(0, radius, 200, endpoint=False)
    basis = np.stack([spline(distance, tuple(unit)) for unit in np.eye(count)], axis=-1)
    coefficients = np.linalg.lstsq(basis, function(distance), rcond=None)[0]
    return torch.from_numpy(coefficients.astype(np.float32))
