"""Training by networks: one small network for each table, sampled into it afterwards.

This is the published way of making such tables [1]_ [2]_ [3]_. A network sees all levels of its
four pixels, where a table that is trained directly learns of each node alone, and what it
has learned reaches nodes that no photograph visits. `lerf_training.models.transfer` turns the networks into
tables and measures what that costs.

References
----------
.. [1] Li et al., "Learning Steerable Function for Efficient Image Resampling", CVPR 2023.
.. [2] Jo and Kim, "Practical Single-Image Super-Resolution Using Look-Up Table", CVPR 2021.
.. [3] Li et al., "MuLUT: Cooperating Multiple Look-Up Tables for Efficient Image
   Super-Resolution", ECCV 2022.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lerf_core.bank import LutBank, Stage
from lerf_core.constants import ENTRY_BIAS
from lerf_core.errors import InvalidArgumentError
from lerf_training.models.tables import starting_bank
from lerf_training.operations.operations import (
    StageReads,
    limited,
    quantise,
    rounded,
    stage_values,
    turned_values,
    weighted_mean,
)

__all__ = ["EntryNetwork", "NetworkModel"]

_WIDTH = 64
_BLOCKS = 4
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
        Start: entries a grey level of the first pixel...
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
        share = torch.cat([self._share(part) for part in flat.split(_CHUNK)])
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


def _dense(layer: nn.Linear, parts: Sequence[Tensor], width: int) -> Tensor:
    """A layer of concatenated parts, which are never copied together: memory stays low."""
    total = layer.bias
    for part, weight in zip(parts, layer.weight.split(width, dim=1), strict=True):
        total = torch.addmm(total, part, weight.t())
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


class NetworkModel(nn.Module):
    """A network for each table of a bank, read the way the tables are.

    Networks start as `lerf_training.models.tables.starting_bank` does, in residual form: those of the first
    stage add to the pixel's own share of the level, those of the last to the constant of a
    fixed kernel. So training begins with a sane interpolation, stage 2 sees an image from the
    first step on, and what is learned is the difference.

    Parameters
    ----------
    template : LutBank
        Structure: kind, patterns, stages and interval. Its entries are not used.
    width : int, optional
        Channels that a layer adds.
    blocks : int, optional
        Layers between the first and the last.
    seed : int, optional
        Of the initialisation.

    Attributes
    ----------
    networks : nn.ModuleList
        For each stage an nn.ModuleList of `EntryNetwork`, in the order of `keys`.
    keys : list of list of str
        For each stage the names of its tables.
    reads : list of StageReads
        For each stage which pixels index which table.

    Raises
    ------
    InvalidArgumentError
        If the width or the number of blocks makes no network.

    Examples
    --------
    >>> from lerf_training.models.tables import starting_bank
    >>> model = NetworkModel(starting_bank("lerf-l"), width=8)
    >>> model.bank("mine", {}).kind.name
    'lerf-l'
    """

    def __init__(
        self, template: LutBank, *, width: int = _WIDTH, blocks: int = _BLOCKS, seed: int = 0
    ) -> None:
        if width < 1 or blocks < 0:
            raise InvalidArgumentError(
                f"a network needs a width of at least 1 and no fewer than 0 blocks, "
                f"got {width} and {blocks}"
            )
        super().__init__()
        self.template = template
        numbers = range(len(template.stages))
        self.reads = [StageReads.of(template, number) for number in numbers]
        self.keys = [
            list(dict.fromkeys(read.table for read in template.reads(number))) for number in numbers
        ]
        generator = torch.Generator().manual_seed(seed)
        self.networks = nn.ModuleList(
            nn.ModuleList(
                EntryNetwork(
                    *_start(template, stage), width=width, blocks=blocks, generator=generator
                )
                for _ in keys
            )
            for stage, keys in zip(template.stages, self.keys, strict=True)
        )

    def forward(self, low: Tensor, first: Tensor, offset: Tensor, *, twin: bool = False) -> Tensor:
        """Values of points on low-resolution planes.

        Parameters
        ----------
        low : Tensor, (batch, rows, cols)
            Grey levels in 0..255, of the networks' dtype and on their device.
        first, offset : Tensor, (batch, points, 2)
            See `lerf_training.operations.operations.weighted_mean`.
        twin : bool, optional
            Take the weighted mean by plain torch operations; the rest always is.

        Returns
        -------
        Tensor, (batch, points)
            Grey levels.
        """
        feature, parameters = self.stages(low)
        kind = self.template.kind
        values = weighted_mean(kind.weighting, feature, parameters, first, offset, twin=twin)
        return limited(values, low, first, twin=twin) if kind.has_local_planes else values

    def stages(
        self,
        low: Tensor,
        *,
        twin: bool = False,  # noqa: ARG002 - as of TableModel, and there is no other way
    ) -> tuple[Tensor, Tensor]:
        """Feature (batch, rows, cols) and parameters (batch, rows, cols, values), in 0..255."""
        plane = low
        for number, spec in enumerate(self.template.stages):
            values = stage_values(self.read(number, plane), spec)
            if spec is not self.template.stages[-1]:
                plane = values[..., 0]
        return plane, values

    def read(self, number: int, plane: Tensor, *, whole: bool = True) -> Tensor:
        """Sum of a stage's reads for every pixel, as `lerf_training.operations.operations.read_tables` gives it.

        Parameters
        ----------
        number : int
            Stage, counted from 0.
        plane : Tensor, (batch, rows, cols)
            Grey levels in 0..255.
        whole : bool, optional
            Round entries; see `EntryNetwork.forward`.

        Returns
        -------
        Tensor, (batch, rows, cols, values)
            Differentiable by `plane` and the networks; borders by edge replication.
        """
        total = torch.zeros((), dtype=plane.dtype, device=plane.device)
        for table, pixels, turn in _gathered(plane, self.reads[number]):
            values = self.networks[number][table](pixels, whole=whole)
            total = total + turned_values(values, turn)
        return total

    def clip_entries(self) -> None:
        """Nothing to do: networks give entries in -127..127."""

    def spread_gradients(self, share: float) -> None:
        """Nothing to do: a network moves neighbouring entries together by itself."""

    def count_visits(self, steps: int) -> None:
        """Nothing to count: a network is smooth between what it has seen."""

    def bank(self, name: str, training: Mapping[str, Any]) -> LutBank:
        """The networks, sampled at the tables' nodes, as a bank."""
        from lerf_training.models.transfer import transfer

        return transfer(self, name, training)[0]


def _start(template: LutBank, stage: Stage) -> tuple[float, list[float]]:
    """Slope and constant of entries that make a stage start as the starting bank does."""
    shares = [divisor / stage.reads for divisor in stage.divisor]
    if stage is not template.stages[-1]:
        return shares[0], [-stage.bias[0] * shares[0]]
    start = starting_bank(template.kind.name)
    last = start.stages[-1]
    table = next(read.table for read in start.reads(len(start.stages) - 1))
    entries = start.tables[table][0, 0, 0, 0].tolist()
    values = [
        entry * last.reads / divisor + bias
        for entry, divisor, bias in zip(entries, last.divisor, last.bias, strict=True)
    ]
    return 0.0, [
        float(round((value - bias) * share))
        for value, bias, share in zip(values, stage.bias, shares, strict=True)
    ]


def _gathered(
    plane: Tensor, reads: StageReads
) -> Iterator[tuple[int, Tensor, tuple[tuple[int, int], ...]]]:
    """Yield for each read its table's number, the pixels (batch, rows, cols, 4), and its turn."""
    pad, (rows, cols) = reads.pad, plane.shape[1:]
    padded = nn.functional.pad(plane[:, None], (pad, pad, pad, pad), mode="replicate")[:, 0]
    for table, table_reads in enumerate(reads.offsets):
        for offsets, turn in zip(table_reads, reads.turns[table], strict=True):
            parts = [
                padded[:, pad + y : pad + y + rows, pad + x : pad + x + cols] for y, x in offsets
            ]
            yield table, torch.stack(parts, dim=-1), turn
