"""Networks of convolutions as a torch module: made from a bank, trained, turned back into a bank.

The forward pass is the network of `lerf_core` (docs/method.md): integers held in floats. Weights
are rounded to 8 bits with a power of two for each output, sums are rounded to whole numbers, and
activations and parameters are clipped as there; gradients pass through what is rounded. Sums of
products are exact in float64, and in float32 up to 2**24; in bfloat16 a sum is rounded to 8 bits,
which training sees on processors that have it, and no bank.

What is trained are the weights of centred inputs: the zero of the activations, and a middle grey of
the image, are taken off before a layer and put into its bias when a bank is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn

from lerf_core.backends.torch.network import grey_surroundings
from lerf_core.backends.torch.straight_through import quantise, rounded
from lerf_core.bank import LOCAL_PLANE, Layer, NetworkBank
from lerf_core.bank.network import INPUTS, OUTPUTS
from lerf_core.constants import (
    LEVELS,
    LOCAL_PLANE_BIAS,
    NETWORK_GREY_BITS,
    SUM_BITS,
    WEIGHT_LIMIT,
)
from lerf_training.models.trained_model import TrainedModel
from lerf_training.operations.overshoot_bounds import clip_overshoot
from lerf_training.operations.weighted_mean import weighted_mean

__all__ = ["BIAS_UNIT", "ConvolutionalModel", "fast_dtype"]

#: Grey level that stands for zero in the input of training: the mean of photographs.
_MIDDLE_GREY = 115
#: Biases are trained in so many steps of an activation: their Adam steps count as those of weights.
BIAS_UNIT = 32
# Outputs that the channels have in common: rho and both sigmas.
_SHARED = len(OUTPUTS) - (INPUTS + 1) * len(LOCAL_PLANE)
_MOST_SHIFT = 14
# Compiled logarithms of powers of two may lie just below whole numbers.
_NEARLY = 2e-6
# What sums of grey levels may reach, so that those of deep images stay within their bits; the last
# term is for what the rounding of weights may add.
_SUM_LIMIT = float((1 << SUM_BITS) - (1 << 25)) / (1 << NETWORK_GREY_BITS)
# Pixels that points keep from the outputs' border: one that lies on a pixel reads the one before.
_INSIDE = 1 / 64


class ConvolutionalModel(TrainedModel):
    """The network of a bank, with its weights as parameters.

    Parameters
    ----------
    start : NetworkBank
        Structure and starting weights.

    Attributes
    ----------
    weights : nn.ParameterList
        For each layer (out, in, size, size), floats: whole weights over powers of two.
    biases : nn.ParameterList
        For each layer (out,), in units of `BIAS_UNIT` steps of an activation.
    dtype : torch.dtype
        What sums of products are made in while training; see `fast_dtype`.
    """

    colours = True

    def __init__(self, start: NetworkBank) -> None:
        super().__init__()
        self.template = start
        self.reach = start.full_reach
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for number, layer in enumerate(start.layers):
            weight, bias = _trained(layer, self._centre(number), self._constant(number))
            self.weights.append(nn.Parameter(torch.from_numpy(weight)))
            self.biases.append(nn.Parameter(torch.from_numpy(bias)))
        self.dtype = torch.float32
        self._outputs: Callable[[Tensor], Tensor] = self.sums
        lowest = torch.tensor(start.lowest, dtype=torch.float32)
        self.register_buffer("_lowest", lowest, persistent=False)

    @property
    def margin(self) -> float:
        """Pixels that points keep from a patch's border."""
        return self.reach + _INSIDE

    def _centre(self, number: int) -> int:
        """What is taken off the inputs of a layer in training."""
        return _MIDDLE_GREY if number == 0 else self.template.zero

    def _constant(self, number: int) -> int:
        """What is added to the outputs of a layer in training."""
        return LOCAL_PLANE_BIAS if number == len(self.template.layers) - 1 else 0

    # -- the forward pass -----------------------------------------------------------

    def forward(
        self, low: Tensor, first: Tensor, offset: Tensor, *, compiled: bool = True
    ) -> Tensor:
        """Values of points on low-resolution patches of three planes.

        Parameters
        ----------
        low : Tensor, (batch, 3, rows, cols)
            Whole grey levels in 0..255, of the model's dtype and on its device.
        first, offset : Tensor, (batch, points, 2)
            See `lerf_training.operations.weighted_mean`; points keep `margin` from the border.
        compiled : bool, optional
            Use the compiled kernels where they can.

        Returns
        -------
        Tensor, (batch, 3, points)
            Grey levels; with exact sums equal to the bank's up to float32 rounding of the mean.
        """
        rows, cols = (size - self.reach for size in low.shape[2:])
        parameters = self.local_planes(low).flatten(0, 1)
        planes = low.flatten(0, 1)
        feature = planes[:, self.reach : rows, self.reach : cols].contiguous()
        first, offset = first.repeat_interleave(3, 0), offset.repeat_interleave(3, 0)
        values = weighted_mean(
            self.template.kind.weighting, feature, parameters, first - self.reach, offset,
            compiled=compiled,
        )  # fmt: skip
        values = clip_overshoot(values, planes, first, compiled=compiled)
        return values.unflatten(0, (-1, 3))

    def local_planes(self, low: Tensor) -> Tensor:
        """Parameters (batch, 3, rows - 2 reach, cols - 2 reach, 6) of each channel, in 0..255.

        Parameters
        ----------
        low : Tensor, (batch, 3, rows, cols)
        """
        sums = self._outputs(low.contiguous(memory_format=torch.channels_last))
        values = quantise(sums, low=self.get_buffer("_lowest"), high=LEVELS, whole=False)
        shared, planes = values[..., :_SHARED], values[..., _SHARED:].unflatten(-1, (4, -1))
        # The channels' own, or the fourth for all.
        inner = slice(self.reach, -self.reach)
        is_grey = grey_surroundings(low)[:, inner, inner, None, None]
        own = torch.where(is_grey, planes[..., 3:, :], planes[..., :3, :])
        own = own.permute(0, 3, 1, 2, 4)
        return torch.cat([shared[:, None].expand(*own.shape[:-1], -1), own], dim=-1).contiguous()

    def sums(self, low: Tensor) -> Tensor:
        """Outputs (batch, rows - 2 reach, cols - 2 reach, 15) of the last layer, before clipping.

        Parameters
        ----------
        low : Tensor of float32 or float64, (batch, 3, rows, cols)
            Whole grey levels in 0..255; in float64 all sums are exact.
        """
        zero, leak = self.template.zero, 2.0**-self.template.leak
        last = len(self.weights) - 1
        state = low
        for number in range(last + 1):
            total = self._layer(number, state - self._centre(0) if number == 0 else state)
            if number == last:
                return total.permute(0, 2, 3, 1)
            total = torch.where(total >= 0, total, _floor(total * leak))
            if number:
                size = self.weights[number].shape[-1] // 2
                total = total + state[..., size : -size or None, size : -size or None]
            # Without their zero, activations run from -zero on.
            state = total.clamp(-zero, LEVELS - zero)
        return state

    def _layer(self, number: int, state: Tensor) -> Tensor:
        """Whole sums of a layer, in the dtype of its input."""
        weight, bias = self.weights[number], self.biases[number]
        scale = self._scale(number, weight, bias)
        whole = rounded(weight * scale[:, None, None, None])
        weight = whole.clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT) / scale[:, None, None, None]
        bias = rounded(bias * BIAS_UNIT * scale) / scale + self._constant(number)
        dtype = self.dtype if state.dtype == torch.float32 else state.dtype
        total = F.conv2d(state.to(dtype), weight.to(dtype)).to(state.dtype)
        return _floor(total + bias[:, None, None] + 0.5)

    def _scale(self, number: int, weight: Tensor, bias: Tensor) -> Tensor:
        """Powers of two (out,) by which the weights of each output are whole numbers.

        As large as 8 bits of the largest weight, and 32 bits of the sums, allow.
        """
        weight, bias = weight.detach(), bias.detach() * BIAS_UNIT + self._constant(number)
        largest = weight.abs().amax((1, 2, 3)).clamp(min=1e-8)
        whole_bias = (bias - self._centre(number) * weight.sum((1, 2, 3))).abs()
        reached = weight.abs().sum((1, 2, 3)) * LEVELS + whole_bias
        room = _SUM_LIMIT / reached.clamp(min=1e-8)
        shift = torch.floor(torch.log2(torch.minimum(WEIGHT_LIMIT / largest, room)) + _NEARLY)
        return torch.exp2(shift.clamp(0, _MOST_SHIFT))

    # -- banks ----------------------------------------------------------------------

    def bank(self, name: str, training: Mapping[str, Any]) -> NetworkBank:
        """See `TrainedModel.bank`: the whole weights that the forward pass takes."""
        start = self.template
        layers = tuple(self._whole_layer(number) for number in range(len(start.layers)))
        return NetworkBank(name, layers, training, zero=start.zero, leak=start.leak)

    def _whole_layer(self, number: int) -> Layer:
        weight, bias = (
            group[number].detach().float().cpu() for group in (self.weights, self.biases)
        )
        scale = self._scale(number, weight, bias)
        whole = torch.round(weight * scale[:, None, None, None])
        whole = whole.clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT).to(torch.int64)
        constant = torch.round(bias * BIAS_UNIT * scale) + self._constant(number) * scale
        moved = constant.to(torch.int64) - self._centre(number) * whole.sum((1, 2, 3))
        shift = torch.log2(scale)
        return Layer(
            whole.to(torch.int8).numpy(),
            moved.to(torch.int32).numpy(),
            shift.to(torch.uint8).numpy(),
        )

    # -- speed ----------------------------------------------------------------------

    def prepare(self, batch: int, size: int, *, compiled: bool) -> None:
        """See `TrainedModel.prepare`: sums in `fast_dtype`, compiled where a compiler is.

        Either rounds other sums than the exact ones; banks are made of the weights alone.
        """
        device = self.biases[0].device
        self.dtype = fast_dtype(device)
        if not compiled:
            return
        self._outputs = torch.compile(self.sums, dynamic=False)
        low = torch.zeros(batch, 3, size, size, device=device)
        try:
            self._outputs(low.contiguous(memory_format=torch.channels_last)).sum().backward()
        except Exception:  # noqa: BLE001 - whatever the lack of a compiler raises
            self._outputs = self.sums
        self.zero_grad(set_to_none=True)


def fast_dtype(device: torch.device) -> torch.dtype:
    """What products are summed fastest in on a device: bfloat16 where it computes by it.

    Whole numbers up to 256 are exact in bfloat16, and so are activations and weights.
    """
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        fast = any(getattr(torch.cpu, name, bool)() for name in names)
    else:
        fast = False
    return torch.bfloat16 if fast else torch.float32


def _floor(values: Tensor) -> Tensor:
    """Whole numbers below; gradients pass unchanged."""
    return values + (torch.floor(values) - values).detach()


def _trained(
    layer: Layer, centre: int, constant: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Weight and bias as they are trained, of those of a bank's layer."""
    scale = np.exp2(layer.shift.astype(np.float64))
    weight = layer.weight / scale[:, None, None, None]
    bias = layer.bias + centre * layer.weight.sum((1, 2, 3), dtype=np.int64)
    bias = (bias / scale - constant) / BIAS_UNIT
    return weight.astype(np.float32), bias.astype(np.float32)
