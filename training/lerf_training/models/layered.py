"""Quantised layers as a torch module: made from a network, trained, turned back into one.

The forward pass is the network of `lerf_core` (docs/method.md): integers held in floats. Weights
are rounded to 8 bits with a power of two for each output, sums are rounded to whole numbers, and
activations and outputs are clipped as there; gradients pass through what is rounded. Sums of
products are exact in float64, and in float32 up to 2**24; in bfloat16 a sum is rounded to 8 bits,
which training sees on processors that have it, and no file.

What is trained are the weights of centred inputs: the zero of the activations, and a middle grey of
the image, are taken off before a layer and put into its bias when a network is made.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn

from lerf_core.backends.torch.network import grey_surroundings
from lerf_core.backends.torch.straight_through import quantise, rounded
from lerf_core.bank.layered_network import INPUTS, MOST_SHIFT, Layer, LayeredNetwork
from lerf_core.constants import LEVELS, NETWORK_GREY_BITS, SUM_BITS, WEIGHT_LIMIT
from lerf_training.models.trained_model import TrainedModel

__all__ = ["BIAS_UNIT", "LayeredModel", "fast_dtype"]

#: Grey level that stands for zero in the input of training: the mean of photographs.
_MIDDLE_GREY = 115
#: Biases are trained in so many steps of an activation: their Adam steps count as those of weights.
BIAS_UNIT = 32
# Compiled logarithms of powers of two may lie just below whole numbers.
_NEARLY = 2e-6
# What sums of grey levels may reach, so that those of deep images stay within their bits; the last
# term is for what the rounding of weights may add.
_SUM_LIMIT = float((1 << SUM_BITS) - (1 << 25)) / (1 << NETWORK_GREY_BITS)


class LayeredModel(TrainedModel):
    """The layers of a network, with their weights as parameters.

    Parameters
    ----------
    start : LayeredNetwork
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
    #: What is added to the outputs in training.
    middle = 0

    def __init__(self, start: LayeredNetwork) -> None:
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

    def _centre(self, number: int) -> int:
        """What is taken off the inputs of a layer in training."""
        return _MIDDLE_GREY if number == 0 else self.template.zero

    def _constant(self, number: int) -> int:
        """What is added to the outputs of a layer in training."""
        return self.middle if number == len(self.template.layers) - 1 else 0

    # -- the forward pass -----------------------------------------------------------

    def outputs(self, low: Tensor) -> tuple[Tensor, Tensor]:
        """What the channels share, and what is each one's own.

        Parameters
        ----------
        low : Tensor, (batch, 3, rows, cols)
            Whole grey levels in 0..255, of the model's dtype and on its device.

        Returns
        -------
        shared : Tensor, (batch, rows - 2 reach, cols - 2 reach, shared outputs)
        own : Tensor, (batch, rows - 2 reach, cols - 2 reach, 3, own outputs)
            In 0..255; where the surroundings are grey those of a plane on its own.
        """
        sums = self._outputs(low.contiguous(memory_format=torch.channels_last))
        values = quantise(sums, low=self.get_buffer("_lowest"), high=LEVELS, whole=False)
        shared = self.template.shared
        # The channels' own, or the fourth for all.
        own = values[..., shared:].unflatten(-1, (INPUTS + 1, -1))
        inner = slice(self.reach, -self.reach)
        is_grey = grey_surroundings(low)[:, inner, inner, None, None]
        return values[..., :shared], torch.where(is_grey, own[..., 3:, :], own[..., :3, :])

    def sums(self, low: Tensor) -> Tensor:
        """Outputs (batch, rows - 2 reach, cols - 2 reach, count) of the last layer, not clipped.

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
        return torch.exp2(shift.clamp(0, MOST_SHIFT))

    def whole_layers(self) -> tuple[Layer, ...]:
        """The layers of the network: the whole weights that the forward pass takes."""
        return tuple(self._whole_layer(number) for number in range(len(self.weights)))

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
