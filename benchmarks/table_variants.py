"""Train variants of tables, one stage each unless told, and score them on held-out photographs.

    python benchmarks/table_variants.py FOLDER [FOLDER ...] [--variants raw projected ...]
        [--steps 1000] [--batch 8] [--seed 0] [--csv FILE]

Every variant predicts local planes (the values of lerf-p) of the same samples in the same order, by
the same loss; tables hold floats and their sums are not rounded, so that only the form differs.
What it tells is which forms are worth building into banks (docs/figures.md, "Other forms of
tables").

raw         twelve reads of four pixels of the channel: patterns s, c, x in four turns
two-stages  the same behind a pre-filter of twelve reads
features    the same with two pre-filters, whose features the reads take by turns
projected   twelve reads of four learned projections of 7x7 pixels, started as `raw`
six         twelve reads of six pixels, 5 nodes along each
luma        `raw`, and twelve reads more of the luma
pairs       24 reads of two pixels of the channel and the same two of the luma
network     three 3x3 convolutions, 16 channels wide, of the three colours
corrected   `raw`, and what `network` adds to it; the tables go first
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

# Threads that wait would spin on the cores that others need.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from lerf_training.data.degradation import degrade_patch
from lerf_training.data.patch_options import PatchOptions
from lerf_training.data.patches import Batch, PatchSource
from lerf_training.data.photographs import Photograph, read_photograph, scan, split_share
from lerf_training.operations.overshoot_bounds import clip_overshoot
from lerf_training.operations.weighted_mean import weighted_mean
from torch import Tensor, nn

from lerf_core.backends import get_backend
from lerf_core.backends.packed import empty_packed, unpack
from lerf_core.bank.patterns import PATTERNS, QUARTER_TURNS, Offsets, rotate
from lerf_core.constants import LEVELS, LOCAL_PLANE_BIAS
from lerf_core.metrics import luma, psnr
from lerf_core.sampling.taps import axis_taps

SCALES = (2.0, 2.5, 3.0, 4.0)
# Rho, sigmas, slopes and the residual of narrow Gaussians on level planes.
START = (127.0, 53.0, 53.0, *[float(LOCAL_PLANE_BIAS)] * 3)
# Levels that a parameter moves by when an entry moves by one: planes move less.
UNITS = (6.0, 120.0, 60.0, 60.0, 12.0, 12.0)
LUMA = (0.299, 0.587, 0.114)
REACH = 3
SIX = ((0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (2, 0))
VARIANTS = (
    "raw", "two-stages", "features", "projected", "six", "luma", "pairs", "network", "corrected",
)  # fmt: skip
# Rates of entries, of projections and of a network's weights, at their height.
RATES = {"tables": 0.03, "projections": 1e-3, "network": 2e-3}


class Reads(nn.Module):
    """Sums of simplex-interpolated reads, each of a table of its own.

    Parameters
    ----------
    offsets : sequence of sequences of (plane, row, col)
        What each read takes: of which plane, and where from the pixel.
    nodes : int
        Along each axis of a table.
    values : int
        That a read gives.
    learned : bool
        Whether what indexes the tables are projections that start as these pixels.
    """

    def __init__(
        self,
        offsets: Sequence[Sequence[tuple[int, int, int]]],
        *,
        planes: int,
        nodes: int = 9,
        values: int = 6,
        learned: bool = False,
    ) -> None:
        super().__init__()
        self.reads, self.axes, self.nodes = len(offsets), len(offsets[0]), nodes
        side = 2 * REACH + 1
        weight = torch.zeros(self.reads * self.axes, planes, side, side)
        for number, read in enumerate(offsets):
            for axis, (plane, row, col) in enumerate(read):
                weight[number * self.axes + axis, plane, REACH + row, REACH + col] = 1
        self.projection = nn.Parameter(weight, requires_grad=learned)
        self.tables = nn.Parameter(torch.zeros(self.reads * nodes**self.axes, values))
        strides = nodes ** torch.arange(self.axes - 1, -1, -1)
        self.register_buffer("strides", strides)
        self.register_buffer("bases", torch.arange(self.reads) * nodes**self.axes)

    def forward(self, planes: Tensor) -> Tensor:
        """Sums (batch, rows, cols, values) of planes (batch, planes, rows, cols) in 0..1."""
        strides, bases = self.get_buffer("strides"), self.get_buffer("bases")
        padded = F.pad(planes, (REACH,) * 4, mode="replicate")
        index = F.conv2d(padded, self.projection).permute(0, 2, 3, 1)
        index = (index * (self.nodes - 1)).clamp(0, self.nodes - 1 - 1e-4)
        index = index.unflatten(-1, (self.reads, self.axes))
        whole = index.detach().floor()
        fraction, order = (index - whole).sort(dim=-1, descending=True)
        one, zero = torch.ones_like(fraction[..., :1]), torch.zeros_like(fraction[..., :1])
        weights = torch.cat([one, fraction], -1) - torch.cat([fraction, zero], -1)
        first = (whole.long() * strides).sum(-1, keepdim=True) + bases[:, None]
        corners = torch.cat([first, first + strides[order].cumsum(-1)], -1)
        total = F.embedding_bag(
            corners.reshape(-1, self.reads * (self.axes + 1)), self.tables,
            per_sample_weights=weights.reshape(-1, self.reads * (self.axes + 1)), mode="sum",
        )  # fmt: skip
        return total.unflatten(0, index.shape[:3])


class Convolutions(nn.Module):
    """A small network: three colours in; what all channels share, and each one's own, out."""

    def __init__(self, width: int = 16, layers: int = 3) -> None:
        super().__init__()
        sizes = [3, *[width] * (layers - 1), 12]
        self.layers = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="replicate")
            for inputs, outputs in pairwise(sizes)
        )
        last = self.layers[-1]
        nn.init.normal_(last.weight, std=1e-3)
        nn.init.zeros_(last.bias)

    def forward(self, colours: Tensor) -> Tensor:
        """Changes (batch, 3, rows, cols, 6) of the parameters of colours in 0..1."""
        state = 4 * (colours - 0.45)
        for layer in self.layers[:-1]:
            state = F.leaky_relu(layer(state), 1 / 8)
        state = self.layers[-1](state).permute(0, 2, 3, 1)
        shared, own = state[..., :3], state[..., 3:].unflatten(-1, (3, 3))
        own = own.permute(0, 3, 1, 2, 4)
        return torch.cat([shared[:, None].expand_as(own), own], -1)


def pattern_reads(plane: int, patterns: Sequence[Offsets]) -> list[list[tuple[int, int, int]]]:
    """Reads of patterns in four turns, of one plane."""
    return [
        [(plane, *offset) for offset in rotate(pattern, turns)]
        for pattern in patterns
        for turns in QUARTER_TURNS
    ]


class Variant(nn.Module):
    """Parameters of every pixel and channel, by one of the forms that this script names."""

    def __init__(self, name: str) -> None:
        super().__init__()
        patterns = list(PATTERNS.values())
        raw, luma_reads = pattern_reads(0, patterns), pattern_reads(1, patterns)
        self.network = Convolutions() if name in ("network", "corrected") else None
        self.features: Reads | None = None
        self.tables: Reads | None = None
        if name == "six":
            reads = pattern_reads(0, [SIX, (*PATTERNS["c"], (1, 0), (-1, 0)),
                                      (*PATTERNS["x"], (0, 1), (1, 0))])  # fmt: skip
            self.tables = Reads(reads, planes=2, nodes=5)
        elif name == "luma":
            self.tables = Reads([*raw, *luma_reads], planes=2)
        elif name == "pairs":
            reads = [
                [(plane, *offset) for plane in (0, 1) for offset in (read[0][1:], read[far][1:])]
                for read in raw
                for far in (1, 3)
            ]
            self.tables = Reads(reads, planes=2)
        elif name in ("two-stages", "features"):
            count = 2 if name == "features" else 1
            self.features = Reads(raw, planes=2, values=count)
            reads = [
                [(number % count, *offset[1:]) for offset in read]
                for number, read in enumerate(raw)
            ]
            self.tables = Reads(reads, planes=count)
        elif name != "network":
            self.tables = Reads(raw, planes=2, learned=name == "projected")
        self.register_buffer("start", torch.tensor(START))
        self.register_buffer("units", torch.tensor(UNITS))

    def parameters_of(self, colours: Tensor) -> Tensor:
        """Parameters (batch, 3, rows, cols, 6) in 0..255 of colours (batch, 3, rows, cols)."""
        scaled = colours / LEVELS
        total: Any = 0
        if self.tables is not None:
            grey = (scaled * torch.tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
            planes = torch.stack([scaled, grey.expand_as(scaled)], 2).flatten(0, 1)
            if self.features is not None:
                change = self.features(planes).permute(0, 3, 1, 2)
                planes = planes[:, :1] + change / 4
            total = self.tables(planes).unflatten(0, (-1, 3))
        if self.network is not None:
            total = total + self.network(scaled)
        values = self.get_buffer("start") + total * self.get_buffer("units")
        low = torch.tensor([0.0, 0, 0, 1, 1, 1])
        # Gradients of what is clipped pass where they lead back.
        clipped = torch.minimum(torch.maximum(values, low), torch.tensor(float(LEVELS)))
        return values + (clipped - values).detach()

    def forward(self, low: Tensor, first: Tensor, offset: Tensor) -> Tensor:
        """Values (batch, 3, points), as of `lerf_training`'s models."""
        parameters = self.parameters_of(low).flatten(0, 1).contiguous()
        planes = low.flatten(0, 1)
        first, offset = first.repeat_interleave(3, 0), offset.repeat_interleave(3, 0)
        values = weighted_mean("gaussian", planes, parameters, first, offset)
        return clip_overshoot(values, planes, first).unflatten(0, (-1, 3))


class HeldOut:
    """Mean PSNR-Y on the middle parts of photographs."""

    def __init__(self, photographs: Sequence[Photograph], crop: int = 240) -> None:
        self.cases = []
        for photograph in photographs:
            image = read_photograph(photograph.path)
            rows, cols = (min(size, crop) // 60 * 60 for size in image.shape[:2])
            top, left = (image.shape[0] - rows) // 2, (image.shape[1] - cols) // 2
            high = np.ascontiguousarray(image[top : top + rows, left : left + cols])
            for scale in SCALES:
                shape = round(rows / scale), round(cols / scale)
                planes = [degrade_patch(high[..., c], (0, 0, cols, rows), shape) for c in range(3)]
                self.cases.append((scale, high, np.stack(planes)))

    def score(self, variant: Variant) -> dict[float, float]:
        """Mean PSNR-Y in dB at each scale."""
        backend = get_backend("numba")
        figures: dict[float, list[float]] = {scale: [] for scale in SCALES}
        for scale, high, low in self.cases:
            with torch.no_grad():
                parameters = variant.parameters_of(torch.from_numpy(low).float()[None])[0].numpy()
            rows, cols = (
                axis_taps(size, out, out / size, anti_aliasing=True)
                for size, out in zip(low.shape[1:], high.shape[:2], strict=True)
            )
            result = np.empty(high.shape, np.uint8)
            for channel, plane in enumerate(low):
                packed = empty_packed(plane.shape[0], plane.shape[1], 6, np.uint8)
                feature, values = unpack(packed)
                feature[:] = plane
                values[:] = np.rint(parameters[channel].transpose(2, 0, 1))
                result[..., channel] = backend.mean_on_grid(
                    packed, "gaussian", rows, cols, validity=None, cval=None, cval_validity=1.0,
                    bounds=backend.overshoot_bounds(plane, 1), to_uint8=True,
                )[0]  # fmt: skip
            figures[scale].append(psnr(luma(high), luma(result), shave=math.floor(scale)))
        return {scale: fmean(values) for scale, values in figures.items()}


def train(variant: Variant, batches: Sequence[Batch] | Any, steps: int, *, freeze: bool) -> None:
    """Train for a number of steps; the rate falls along half a cosine."""
    groups: dict[str, list[nn.Parameter]] = {name: [] for name in RATES}
    for name, parameter in variant.named_parameters():
        kind = next((kind for kind in ("network", "projection") if kind in name), "tables")
        kind = "projections" if kind == "projection" else kind
        if parameter.requires_grad and not (freeze and kind != "network"):
            groups[kind].append(parameter)
    optimizer = torch.optim.Adam(
        [{"params": group, "lr": RATES[name], "base": RATES[name]}
         for name, group in groups.items() if group],
        betas=(0.9, 0.99),
    )  # fmt: skip
    for step, batch in enumerate(batches):
        share = min(1.0, (step + 1) / 50) * (1 + math.cos(math.pi * step / steps)) / 2
        for group in optimizer.param_groups:
            group["lr"] = group["base"] * share
        low, first, offset, target = map(
            torch.from_numpy, (batch.low, batch.first, batch.offset, batch.target)
        )
        error = ((variant(low.float(), first, offset) - target) ** 2).flatten(1).mean(1)
        optimizer.zero_grad(set_to_none=True)
        torch.log(30 + error).mean().backward()
        optimizer.step()


def main() -> None:
    """Parse the arguments, train, score, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--variants", nargs="+", default=VARIANTS, choices=VARIANTS)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--csv", type=Path)
    args = parser.parse_args()
    options = PatchOptions(batch=args.batch, points=2500, scale_range=(1.2, 6.0))
    photographs = scan(args.folders, options.least).photographs
    to_train, held_out = split_share(photographs, 0.08)
    validation = HeldOut(held_out)
    rows: list[dict[str, Any]] = []
    for name in args.variants:
        torch.manual_seed(args.seed)
        variant = Variant(name)
        begun = time.perf_counter()
        # What is trained in turns has as many steps in all.
        parts = [(False, args.steps)]
        if name == "corrected":
            parts = [(False, args.steps // 2), (True, args.steps - args.steps // 2)]
            network, variant.network = variant.network, None
        at = 0
        for freeze, steps in parts:
            if freeze:
                variant.network = network
            source = PatchSource(to_train, options, args.seed, colours=True)
            train(variant, source.batches(at, at + steps), steps, freeze=freeze)
            source.close()
            at += steps
        scores = validation.score(variant)
        mean, seconds = fmean(scores.values()), time.perf_counter() - begun
        each = " ".join(f"x{scale:g} {value:.3f}" for scale, value in scores.items())
        print(f"{name:11} mean {mean:.3f} dB  {each}  ({seconds:.0f} s)", flush=True)
        figures = {f"x{scale:g}": value for scale, value in scores.items()}
        rows.append({"variant": name, "mean": mean, **figures, "seconds": seconds})
    if args.csv:
        with args.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
