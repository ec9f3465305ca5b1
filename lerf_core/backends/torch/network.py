"""A network's layers on torch tensors: units of the source in, parameters out.

Results are those of `lerf_core.backends.reference.network`, bit for bit, on any device and with any
of torch's settings: all that they are made of are whole numbers that the dtype at hand holds.

- Sums are matrix products. A convolution's algorithm may transform its factors (Winograd's,
  Fourier's) and then rounds; products and sums of numbers that fit do not.
- Factors have at most 8 bits: activations of deep images go in two parts. The reduced precisions
  that torch may be told to use (TF32, bfloat16 on the CPU) hold them, and sum up in float32.
- Of bytes, the sum of a window's absolute products and of its bias stays below 2**24: float32 holds
  every partial sum, in any order. `NetworkBank` refuses others, whose sums of deep images could
  leave 32 bits. Those of the two parts are joined in float64.

Layers are computed tile by tile, and once more for gradients: memory grows neither with the image
nor with the number of layers.

Convention
----------
Activations are (channels, pixels): the pixels of a tile, row by row and image by image. Pixels that
a layer sees lie at fixed distances from the first one, so that its inputs are views. Where a
window goes beyond a row or an image its result is none; later layers lead none of them back
inside.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor
from torch.autograd.function import once_differentiable

from lerf_core.backends.torch.straight_through import quantise
from lerf_core.backends.torch.table_reads import pad_edges, unpad_gradient
from lerf_core.bank.base import Bank
from lerf_core.bank.layered_network import INPUTS, Layer, LayeredNetwork
from lerf_core.bank.network import NetworkBank
from lerf_core.constants import COLOUR_PLANES, LEVELS

__all__ = ["grey_surroundings", "network_outputs", "network_parameters", "planes_together"]

# Pixels of a tile, with those around: some kilobytes of each live at a time.
_TILE_PIXELS = 1 << 18
# The same on the CPU, where caches are small.
_CPU_TILE_PIXELS = 1 << 16
# Activations of deep images are split into these bits and those above: both are below 256.
_LOW_STEPS = 1 << 7


def network_parameters(plane: Tensor, bank: NetworkBank, units: int, together: int) -> list[Tensor]:
    """Parameters of each pixel, in the order of the bank's kind.

    Parameters
    ----------
    plane : Tensor of float32, (planes, rows, cols)
        Grey levels, whole units each. Beyond the border lie the border's pixels.
    bank : NetworkBank
    units : int
        Units per grey level, a power of two.
    together : int
        Planes that are read together, and stand side by side: `INPUTS`, red, green and blue; or 1.

    Returns
    -------
    list of Tensor of float32, (planes, rows, cols)
        In 0..255; differentiable by `plane`. Roundings are passed straight through; activations
        that are clipped pass nothing, parameters as by `straight_through.quantise`.
    """
    planes = (plane * units).unflatten(0, (-1, together))
    values = _outputs(planes, bank, units.bit_length() - 1) / units
    return list(values.flatten(0, 1).unbind(1))


def network_outputs(planes: Tensor, network: LayeredNetwork, grey_bits: int) -> Tensor:
    """Outputs of each channel's pixels: `lerf_core.backends.reference`'s `channel_outputs`.

    Parameters
    ----------
    planes : Tensor of uint8 or int32, (images, 3 or 1, rows, cols)
        Units of ``2**-grey_bits`` grey levels: red, green and blue, or planes on their own. Beyond
        the border lie the border's pixels.
    network : LayeredNetwork
    grey_bits : int

    Returns
    -------
    Tensor of int32, (images, 3 or 1, outputs, rows, cols)
        In the order of `LayeredNetwork.outputs_of`, in units.
    """
    with torch.no_grad():
        return _outputs(planes.float(), network, grey_bits).int()


def _outputs(planes: Tensor, bank: LayeredNetwork, grey_bits: int) -> Tensor:
    """Outputs (images, 3 or 1, outputs, rows, cols), in units that are whole floats."""
    together = planes.shape[1]
    network = _Network.of(bank, grey_bits, together == INPUTS, planes.device)
    values = _Outputs.apply(planes, network)
    place = {output: number for number, output in enumerate(network.outputs)}

    def of(channel: int | None) -> Tensor:
        return values[:, [place[output] for output in bank.outputs_of(channel)]]

    alone = of(None)
    if together != INPUTS:
        return alone[:, None]
    is_grey = grey_surroundings(planes.detach())[:, None]
    return torch.stack([torch.where(is_grey, alone, of(channel)) for channel in range(INPUTS)], 1)


def planes_together(bank: Bank, channels: int) -> int:
    """Return how many planes of an image a bank reads together: its three channels, or 1."""
    return COLOUR_PLANES if bank.reads_colours and channels == COLOUR_PLANES else 1


def grey_surroundings(planes: Tensor) -> Tensor:
    """Where red, green and blue are the same in a pixel and in the eight around it.

    Parameters
    ----------
    planes : Tensor, (images, 3, rows, cols)

    Returns
    -------
    Tensor of bool, (images, rows, cols)
        As `lerf_core.backends.reference.network.grey_surroundings` has it.
    """
    red, green, blue = planes.unbind(1)
    differs = ((red != green) | (green != blue)).float()
    return F.max_pool2d(differs[:, None], 3, stride=1, padding=1)[:, 0] == 0


# -- layers -------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Products:
    """A layer's numbers on a device.

    Attributes
    ----------
    weight : Tensor of float32, (outputs, taps * inputs)
    offset : Tensor, (outputs, 1)
        Is added to the sums, of their dtype: float32 for bytes, float64 for deep images.
    factor : Tensor of float32, (outputs, 1)
        ``2**-shift``.
    size : int
        Rows and columns that it sees.
    top : int
        The largest activation.
    leak : float or None
        Slope of negative values; None: those of the last layer, which are not clipped here.
    base : int or None
        Is added to the values; None: the activations are that are read, in a window's middle.
    split : bool
        Whether activations have more than 8 bits.
    """

    weight: Tensor
    offset: Tensor
    factor: Tensor
    size: int
    top: int
    leak: float | None
    base: int | None
    split: bool

    @classmethod
    def of(
        cls,
        layer: Layer,
        grey_bits: int,
        device: torch.device,
        *,
        leak: float | None,
        base: int | None,
    ) -> _Products:
        """Numbers of a layer for activations of 0..255 times ``2**grey_bits``."""
        shift = layer.shift.astype(np.int64)
        offset = (layer.bias.astype(np.int64) << grey_bits) + ((1 << shift) >> 1)

        def column(values: npt.NDArray[Any], dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.tensor(values.reshape(len(offset), -1), dtype=dtype, device=device)

        return cls(
            column(layer.weight.transpose(0, 2, 3, 1)),
            column(offset, torch.float64 if grey_bits else torch.float32),
            column(2.0**-shift), layer.size, LEVELS << grey_bits, leak, base,
            split=grey_bits > 0,
        )  # fmt: skip

    def middle(self, pitch: int) -> int:
        """Distance of a window's middle from its first pixel, in rows of `pitch` pixels."""
        return (self.size // 2) * (pitch + 1)

    def sums(self, state: Tensor, pitch: int) -> Tensor:
        """Sums of products, a new tensor (outputs, pixels)."""
        if self.split:
            high = torch.floor(state * (1 / _LOW_STEPS))
            low = state - high * _LOW_STEPS
            sums = self._products(high, pitch).double().mul_(_LOW_STEPS)
            return sums.add_(self._products(low, pitch))
        return self._products(state, pitch)

    def _products(self, state: Tensor, pitch: int) -> Tensor:
        return self.weight @ torch.cat(self._views(state, pitch))

    def _views(self, state: Tensor, pitch: int) -> list[Tensor]:
        """Views (channels, pixels) of what windows see, tap by tap."""
        count = state.shape[1] - 2 * self.middle(pitch)
        steps = range(self.size)
        return [state[:, dy * pitch + dx :][:, :count] for dy in steps for dx in steps]

    def gradient(self, grad: Tensor, shape: torch.Size, pitch: int) -> Tensor:
        """Gradient by the activations, of a shape, from that by the sums."""
        total = grad.new_zeros(shape)
        by_taps = self.weight.T @ grad
        views = self._views(total, pitch)
        for view, by_tap in zip(views, by_taps.chunk(len(views)), strict=True):
            view.add_(by_tap)
        return total


class _Activate(torch.autograd.Function):
    """A layer: activations (inputs, pixels) in, activations (outputs, fewer pixels) out."""

    @staticmethod
    def forward(ctx: Any, state: Tensor, layer: _Products, pitch: int) -> Tensor:
        value = layer.sums(state, pitch).add_(layer.offset).mul_(layer.factor).floor_()
        negative = value < 0
        if layer.leak is not None:
            value = torch.where(negative, torch.floor(value * layer.leak), value)
        if layer.base is None:
            value = value + state[:, layer.middle(pitch) :][:, : value.shape[1]]
        elif layer.base:
            value = value + layer.base
        clipped = value if layer.leak is None else value.clamp(0, layer.top)
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(negative, value != clipped)
            ctx.layer, ctx.pitch, ctx.shape = layer, pitch, state.shape
        return clipped.float()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (negative, is_clipped), layer, pitch = ctx.saved_tensors, ctx.layer, ctx.pitch
        # Not by the gradient's sign: it may come from two tiles, a part from each.
        grad = grads[0].masked_fill(is_clipped, 0)
        slope = layer.factor
        if layer.leak is not None:
            slope = torch.where(negative, slope * layer.leak, slope)
        total = layer.gradient(grad * slope, ctx.shape, pitch)
        if layer.base is None:
            total[:, layer.middle(pitch) :][:, : grad.shape[1]] += grad
        return total, None, None


# -- networks -----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Network:
    """A network's layers on a device.

    Attributes
    ----------
    layers : tuple of _Products
    low : Tensor of float32, (outputs, 1)
        The least results.
    outputs : tuple of int
        Which of `lerf_core.bank.network.OUTPUTS` the last layer gives here.
    reach : int
        Pixels that are seen around each.
    """

    layers: tuple[_Products, ...]
    low: Tensor
    outputs: tuple[int, ...]
    reach: int

    @staticmethod
    @lru_cache(maxsize=32)
    def of(bank: LayeredNetwork, grey_bits: int, colours: bool, device: torch.device) -> _Network:
        """Layers of a bank; of the outputs all, or those of a plane on its own."""
        channels = (*range(INPUTS), None) if colours else (None,)
        outputs = tuple(sorted({k for channel in channels for k in bank.outputs_of(channel)}))
        chosen = list(outputs)
        first, *middle, last = bank.layers
        head = Layer(last.weight[chosen], last.bias[chosen], last.shift[chosen])
        leak, zero = 2.0**-bank.leak, bank.zero << grey_bits
        low = torch.tensor([[bank.lowest[output] << grey_bits] for output in outputs])
        layers = (
            _Products.of(first, grey_bits, device, leak=leak, base=zero),
            *(_Products.of(each, grey_bits, device, leak=leak, base=None) for each in middle),
            _Products.of(head, grey_bits, device, leak=None, base=0),
        )
        return _Network(layers, low.float().to(device), outputs, bank.full_reach)

    def compute(self, source: Tensor) -> Tensor:
        """Outputs (outputs, images, rows, cols) of padded planes (images, 1 or 3, rows, cols)."""
        count, _, rows, pitch = source.shape
        state = source.expand(-1, INPUTS, -1, -1).transpose(0, 1).reshape(INPUTS, -1)
        for layer in self.layers:
            state = _Activate.apply(state, layer, pitch)
        state = quantise(state, low=self.low, high=self.layers[-1].top, whole=False)
        shape = (len(state), count, rows - 2 * self.reach, pitch - 2 * self.reach)
        return state.as_strided(shape, (state.shape[1], rows * pitch, pitch, 1))


class _Outputs(torch.autograd.Function):
    """Outputs (images, outputs, rows, cols) of planes (images, 1 or 3, rows, cols), in units."""

    @staticmethod
    def forward(ctx: Any, planes: Tensor, network: _Network) -> Tensor:
        ctx.save_for_backward(planes)
        ctx.network = network
        count, _, rows, cols = planes.shape
        out = planes.new_empty((count, len(network.outputs), rows, cols))
        padded = _padded(planes, network.reach)
        for tile in _tiles(planes, network.reach):
            values = network.compute(padded[tile.seen])
            out[tile.pixels] = values.transpose(0, 1)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (planes,), network, grad = ctx.saved_tensors, ctx.network, grads[0]
        padded = _padded(planes, network.reach)
        total = torch.zeros_like(padded)
        # What the forward pass was called in is over: autocast may be on, gradients are off.
        with torch.autocast(planes.device.type, enabled=False):
            for tile in _tiles(planes, network.reach):
                seen = padded[tile.seen].detach().requires_grad_()
                with torch.enable_grad():
                    values = network.compute(seen)
                by_values = grad[tile.pixels].transpose(0, 1)
                total[tile.seen] += torch.autograd.grad(values, seen, by_values)[0]
        inner = unpad_gradient(total.flatten(0, 1), network.reach)
        return inner.view(planes.shape), None


def _padded(planes: Tensor, reach: int) -> Tensor:
    return pad_edges(planes.flatten(0, 1), reach).unflatten(0, planes.shape[:2])


class _Tile(NamedTuple):
    """A part of some images, as indices of (images, channels, rows, cols).

    Attributes
    ----------
    pixels : tuple of slice
        Of the planes.
    seen : tuple of slice
        What these depend on, of the padded planes.
    """

    pixels: tuple[slice, ...]
    seen: tuple[slice, ...]


def _tiles(planes: Tensor, reach: int) -> Iterator[_Tile]:
    """Yield tiles of planes (images, channels, rows, cols), of about as many pixels each."""
    count, _, rows, cols = planes.shape
    pixels = _CPU_TILE_PIXELS if planes.device.type == "cpu" else _TILE_PIXELS
    around = 2 * reach
    width = min(cols, max(1, math.isqrt(pixels) - around))
    height = min(rows, max(1, pixels // (width + around) - around))
    step = max(1, pixels // ((height + around) * (width + around)))
    steps = ((count, step), (rows, height), (cols, width))
    for starts in itertools.product(*(range(0, size, length) for size, length in steps)):
        images, down, across = (
            slice(start, min(start + length, size))
            for start, (size, length) in zip(starts, steps, strict=True)
        )
        wider = (slice(part.start, part.stop + around) for part in (down, across))
        yield _Tile((images, slice(None), down, across), (images, slice(None), *wider))
