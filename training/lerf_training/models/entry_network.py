"""A small network in place of a table's entries."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lerf_core.backends.torch.straight_through import quantise, rounded
from lerf_core.constants import ENTRY_BIAS

__all__ = ["EntryNetwork"]

# Levels of the networks' inputs: the grid of nodes spans 0..1.
_SPAN = 256.0
# Of the last layer against He's: the start deviates by a small part of an entry, which
# rounds to nothing, and yet gradients pass to the layers before.
_LAST_GAIN = 1e-3
# Pixels that are worked on at once: bounds the memory that whole photographs take.
_CHUNK = 1 << 16


class EntryNetwork(nn.Module):
    """A table as a function of its four pixels.

    A dense layer from 4 pixels to `width` channels, `blocks` layers that each add `width`
    channels to those before (all with ReLU), and a last one to the entry's values. Its tanh
    times 127 is added to a start that is linear in the first pixel, and the sum clipped to
    -127..127.

    Parameters
    ----------
    slope : float
        Start: entries per grey level of the first pixel...
    constant : sequence of float
        ... and at level 0, one for each value.
    width, blocks : int
        Size.
    generator : torch.Generator
        Of He's initialisation; on the CPU.
    """

    slope: Tensor
    constant: Tensor

    def __init__(
        self,
        slope: float,
        constant: Sequence[float],
        *,
        width: int,
        blocks: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("slope", torch.tensor(slope))
        self.register_buffer("constant", torch.tensor(constant))
        inputs = [4, *(width * (block + 1) for block in range(blocks))]
        self.layers = nn.ModuleList(_he_layer(count, width, generator) for count in inputs)
        self.last = _he_layer(width * len(inputs), len(constant), generator, gain=_LAST_GAIN)

    def forward(self, pixels: Tensor, *, whole: bool = True) -> Tensor:
        """Entries of a table.

        Parameters
        ----------
        pixels : Tensor, (..., 4)
            Grey levels in 0..256, in the pattern's order.
        whole : bool, optional
            Round the network's share, passing gradients unchanged. The start stays as it is:
            a table interpolates it exactly, rounding it at every level would leave a
            quarter of the grey levels.

        Returns
        -------
        Tensor, (..., values)
            In -127..127; whole at a table's nodes.
        """
        flat = pixels.reshape(-1, 4)
        share = torch.cat([self._share(chunk) for chunk in flat.split(_CHUNK)])
        share = share.reshape(*pixels.shape[:-1], -1)
        start = self.slope * pixels[..., :1] + self.constant
        entries = start + (rounded(share) if whole else share)
        return quantise(entries, low=-ENTRY_BIAS, high=ENTRY_BIAS, whole=False)

    def _share(self, pixels: Tensor) -> Tensor:
        """What the network adds to the start; pixels (count, 4), result (count, values)."""
        channels = [torch.relu_(self.layers[0](pixels / _SPAN))]
        for layer in self.layers[1:]:
            channels.append(torch.relu_(_dense(layer, channels, self.width)))
        return ENTRY_BIAS * torch.tanh(_dense(self.last, channels, self.width))


def _dense(layer: nn.Linear, channels: Sequence[Tensor], width: int) -> Tensor:
    """A layer of concatenated channels, never copied together: memory stays low."""
    total = layer.bias
    for values, weight in zip(channels, layer.weight.split(width, dim=1), strict=True):
        total = torch.addmm(total, values, weight.t())
    return total


def _he_layer(
    inputs: int, outputs: int, generator: torch.Generator, *, gain: float = 1.0
) -> nn.Linear:
    # torch's own initialisation would draw from its global generator.
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
    nn.init.zeros_(layer.bias)
    with torch.no_grad():
        layer.weight *= gain
    return layer
