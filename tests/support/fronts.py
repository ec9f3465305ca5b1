"""Fronts for tests: small, exact, and such that a wrong halo, order or offset shows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from lerf_core.bank import Stage, table_name
from lerf_core.fronts.base import Front, Planes
from lerf_core.fronts.cascade import CASCADE_PATTERNS, TableCascade, cascade_stages
from lerf_core.fronts.network import NetworkFront
from tests.support.banks import random_layers

__all__ = [
    "ConvolutionFront",
    "GridFront",
    "WholeFront",
    "make_random_front",
    "noise_and_ramp",
    "random_cascade",
]

# Fractional bits of the weights.
_SHIFT = 6


@dataclass(frozen=True, eq=False, repr=False)
class ConvolutionFront(Front):
    """A convolution of random weights and a pixel shuffle; leaves constants as they are.

    Each of the ``scale**2`` results of a pixel is its own level and a sum of differences of
    those around it, weighed differently for each result, pixel and channel. A mirrored one
    enlarges a mirror image to the mirror image of what it makes of the image. One with hunger says
    that it takes so many bytes a pixel.
    """

    factor: int = 2
    colours: bool = False
    distance: int = 2
    seed: int = 0
    mirrored: bool = False
    hunger: int = 0
    name: str = "convolution"

    @property
    def scale(self) -> int:
        return self.factor

    @property
    def reads_colours(self) -> bool:
        return self.colours

    @property
    def reach(self) -> int:
        return self.distance

    @property
    def work(self) -> str:
        return "one convolution"

    @property
    def checksum(self) -> str:
        return f"test:{self.factor},{self.colours},{self.distance},{self.seed},{self.mirrored}"

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "scale": self.factor}

    def memory_needed(self, rows: int, cols: int, channels: int, dtype: Any) -> int:
        if self.hunger:
            return rows * cols * self.hunger
        return rows * cols * channels * 8 * (2 + self.factor**2) * np.dtype(dtype).itemsize

    @cached_property
    def _weights(self) -> Any:
        """Return weights in 64ths, (out, k, k, in, size, size); those of a result sum to 0."""
        channels, size = (3 if self.colours else 1), 2 * self.distance + 1
        shape = (channels, self.factor, self.factor, channels, size, size)
        weights = np.random.default_rng(self.seed).integers(-3, 4, shape)
        # No pixel within reach is without weight at its ends.
        weights[..., 0, :], weights[..., -1, :] = 2, 1
        weights[..., :, 0] += 1
        if self.mirrored:
            for axes in ((1, 4), (2, 5)):
                weights = weights + np.flip(weights, axes)
        middle = self.distance
        weights[..., middle, middle] -= weights.sum(axis=(-2, -1))
        return weights

    def _enlarged(self, planes: Planes, threads: int) -> Planes:
        k, far = self.factor, self.distance
        channels, rows, cols = planes.shape
        inputs = 3 if self.colours else 1
        padded = np.pad(planes, ((0, 0), (far, far), (far, far)), mode="edge")
        is_bytes = planes.dtype == np.uint8
        work = padded.astype(np.int64 if is_bytes else np.float32)
        result = np.empty((channels, rows, k, cols, k), work.dtype)
        for channel in range(channels):
            out = channel if self.colours else 0
            sources = range(channels) if self.colours else [channel]
            for i in range(k):
                for j in range(k):
                    total = np.zeros((rows, cols), work.dtype)
                    for number, source in zip(range(inputs), sources, strict=True):
                        for y in range(2 * far + 1):
                            for x in range(2 * far + 1):
                                weight = self._weights[out, i, j, number, y, x]
                                part = work[source, y : y + rows, x : x + cols]
                                total += part * work.dtype.type(weight)
                    level = work[channel, far : far + rows, far : far + cols]
                    change = total >> _SHIFT if is_bytes else total / np.float32(1 << _SHIFT)
                    result[channel, :, i, :, j] = level + change
        if is_bytes:
            result = np.clip(result, 0, 255)
        return result.reshape(channels, k * rows, k * cols).astype(planes.dtype)


@dataclass(frozen=True, eq=False, repr=False)
class GridFront(ConvolutionFront):
    """A convolution, then half way to the least level of the cell of a grid that a pixel is in."""

    cell: int = 4

    @property
    def reach(self) -> int:
        return self.distance + self.cell - 1

    @property
    def grid(self) -> int:
        return self.cell

    @property
    def checksum(self) -> str:
        return f"{super().checksum},{self.cell}"

    def _enlarged(self, planes: Planes, threads: int) -> Planes:
        side = self.factor * self.cell
        plain = super()._enlarged(planes, threads).astype(np.float32)
        rows, cols = plain.shape[1:]
        padded = np.pad(plain, ((0, 0), (0, -rows % side), (0, -cols % side)), mode="edge")
        cells = padded.reshape(len(plain), -(-rows // side), side, -(-cols // side), side)
        least = np.repeat(np.repeat(cells.min(axis=(2, 4)), side, 1), side, 2)[:, :rows, :cols]
        halves = (plain + least) / 2
        return (np.floor(halves) if planes.dtype == np.uint8 else halves).astype(planes.dtype)


@dataclass(frozen=True, eq=False, repr=False)
class WholeFront(ConvolutionFront):
    """A convolution, then half way to the least level of the image."""

    @property
    def is_local(self) -> bool:
        return False

    def _enlarged(self, planes: Planes, threads: int) -> Planes:
        plain = super()._enlarged(planes, threads).astype(np.float32)
        halves = (plain + plain.min(axis=(1, 2), keepdims=True)) / 2
        return (np.floor(halves) if planes.dtype == np.uint8 else halves).astype(planes.dtype)


def random_cascade(
    scale: int = 2,
    *,
    interval: int = 32,
    stages: int = 2,
    patterns: Any = CASCADE_PATTERNS,
    groups: tuple[tuple[int, ...], ...] = ((0, 1, 2, 3),),
    divisor: int | None = None,
    bias: int | None = None,
    noise: float = 25,
    seed: int = 0,
) -> TableCascade:
    """Return a cascade of random tables: noise around a pixel's own level, in every entry."""
    rng = np.random.default_rng(seed)
    names, nodes = tuple(patterns), 256 // interval + 1
    specs = tuple(
        Stage(
            names,
            groups,
            spec.values,
            divisor or spec.divisor[0],
            spec.bias[0] if bias is None else bias,
        )
        for spec in cascade_stages(scale, names, stages)
    )
    tables = {}
    for number, spec in enumerate(specs, 1):
        level = (np.arange(nodes) * interval)[:, None, None, None, None]
        share = (level - spec.bias[0]) * spec.divisor[0] / spec.reads
        for name, group in product(names, range(len(groups))):
            entries = share + rng.normal(0, noise, (nodes,) * 4 + (len(spec.values),))
            whole = np.clip(np.rint(entries), -127, 127).astype(np.int8)
            tables[table_name(number, name, group)] = whole
    return TableCascade(f"random-x{scale}", interval, patterns, specs, tables)


def make_random_front(
    scale: int = 2,
    width: int = 8,
    first: int = 3,
    middle: int = 2,
    last: int = 3,
    *,
    seed: int = 0,
    **keywords: Any,
) -> NetworkFront:
    """Return a front of random weights that changes levels by some tens, as trained ones do."""
    layers = random_layers(width, first, middle, last, outputs=4 * scale**2, seed=seed, bits=1)
    keywords = {"training": {"method": "random"}, **keywords}
    return NetworkFront(f"random-front-{seed}", layers, **keywords)


def noise_and_ramp(rows: int, cols: int, *, seed: int = 0, channels: int = 1) -> Any:
    """Return noise beside what is smooth, so that reads of all kinds of cells are met."""
    rng = np.random.default_rng(seed)
    smooth = np.add.outer(np.linspace(0, 200, rows), np.linspace(0, 55, cols))
    planes = np.where(
        np.arange(cols) < cols // 2, rng.uniform(0, 255, (channels, rows, cols)), smooth
    )
    return np.rint(planes).astype(np.uint8)
