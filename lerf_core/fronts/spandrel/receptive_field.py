"""What a pixel of a network's result depends on, measured on the network itself.

Two measurements, each along rows and along columns of a narrow strip:

- *structure*: pixels that are no numbers make all that depends on them no numbers, whatever the
  weights; no dependence stays hidden behind weights or activations that happen to be 0;
- *influence*: where the structure reaches far, how near other surroundings have to come before
  they change a result by more than `TOLERANCE`.

Windows of attention, and pixels that are shuffled into channels, give a network a grid: an image
shifted by its period gives the same result, shifted, and one shifted otherwise does not.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["TOLERANCE", "ReceptiveField", "measured_bytes_per_pixel", "measured_field"]

#: The greatest change of a result by surroundings that count for nothing, of its greatest value: a
#: few roundings of float32; of a result up to 1 that is 1/400 of a grey level.
TOLERANCE = 1e-5

#: From (1, channels, rows, cols) to (1, channels, scale * rows, scale * cols), in 0..1.
Network = Callable[[torch.Tensor], torch.Tensor]

# What roundings of float32 leave of a difference, relative to the greatest value: in deep networks
# they go on as far as the structure reaches.
_ROUNDING = TOLERANCE / 4
# Pixels of strips, multiples of all likely grids.
_LENGTHS = (256, 768)
_DISTURBED = 64
# A structure that reaches no farther than this is taken as it is.
_NEAR = 48
# Influence fades; other images, and wider ones, may differ more than those of the measurement.
_SAFETY = 1.25
_PERIODS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64)


@dataclass(frozen=True)
class ReceptiveField:
    """What pixels depend on.

    Attributes
    ----------
    grid : int
        In source pixels, along each axis: parts that begin at multiples of it give what the whole
        gives.
    reach : int or None
        How far, in source pixels along each axis, other pixels count; None: all of them count.
    is_exact : bool
        Whether those beyond have no influence at all.
    """

    grid: int
    reach: int | None
    is_exact: bool


def measured_field(network: Network, channels: int, scale: int, *, breadth: int) -> ReceptiveField:
    """Measure what a network's results depend on.

    Parameters
    ----------
    network : callable
    channels : int
    scale : int
        Pixels of the result per pixel.
    breadth : int
        Pixels across a strip.
    """
    whole = ReceptiveField(1, None, is_exact=True)
    strips = [_Strips(network, channels, scale, breadth, axis) for axis in (-2, -1)]
    structures = [_structure(strip) for strip in strips]
    near = all(least is not None and least <= _NEAR for least in structures)
    reaches, periods = [], []
    for strip, structure in zip(strips, structures, strict=True):
        reach = structure if near else _influence(strip)
        if reach is None:
            return whole
        period = _period(strip, reach)
        if period is None:
            return whole
        reaches.append(reach if structure is None else min(reach, structure))
        periods.append(period)
    grid = math.lcm(*periods)
    # Distances were counted from the ends of a cell of the grid.
    exact = None not in structures and reaches == structures
    return ReceptiveField(grid, max(reaches) + grid - 1, is_exact=exact)


class _Strips:
    """Runs a network on strips along an axis, -2 or -1, and gives (channels, breadth, length)."""

    def __init__(
        self, network: Network, channels: int, scale: int, breadth: int, axis: int
    ) -> None:
        self.scale = scale
        # One axis looks out of noise onto surfaces, the other the other way round.
        self.kinds = ("noise", "surfaces")[:: -1 if axis == -1 else 1]
        self._network, self._channels, self._breadth = network, channels, breadth
        self._axis = axis
        self._random = torch.Generator().manual_seed(0)

    def content(self, length: int, kind: str = "noise") -> torch.Tensor:
        """Return a strip of noise, or of surfaces and edges."""
        shape = (self._channels, self._breadth, length)
        strip = torch.rand(shape, generator=self._random)
        if kind == "surfaces":
            pieces = torch.rand((self._channels, 1, -(-length // 16)), generator=self._random)
            strip = 0.05 * strip + 0.95 * pieces.repeat_interleave(16, -1)[..., :length]
        return strip

    def run(self, strip: torch.Tensor) -> torch.Tensor:
        image = strip if self._axis == -1 else strip.transpose(-2, -1).contiguous()
        result = self._network(image[None])[0]
        return result if self._axis == -1 else result.transpose(-2, -1)


def _structure(strips: _Strips) -> int | None:
    """Return how far a pixel has any influence, in source pixels; None: farther than measured."""
    k, length = strips.scale, _LENGTHS[0]
    first = (length - _DISTURBED) // 2 // _DISTURBED * _DISTURBED
    stop = first + _DISTURBED
    strip = strips.content(length)
    strip[..., first:stop] = math.nan
    columns = torch.isnan(strips.run(strip)).any(dim=0).any(dim=0).nonzero().flatten()
    if len(columns) == 0:
        return None
    low, high = int(columns[0]), int(columns[-1]) + 1
    if low == 0 or high == k * length:
        return None
    before, after = int(first - low // k), int(-(-high // k) - stop)
    return max(before, after, 0)


def _influence(strips: _Strips) -> int | None:
    """Return how far other surroundings change results by more than `TOLERANCE`, in pixels."""
    k = strips.scale
    for length in _LENGTHS:
        first, stop = length // 6, length - length // 6
        strip, changed = (strips.content(length, kind) for kind in strips.kinds)
        changed[..., first:stop] = strip[..., first:stop]
        result, other = (strips.run(each)[..., k * first : k * stop] for each in (strip, changed))
        difference = (result - other).abs().amax(dim=(0, 1)) / result.abs().max()
        reach = math.ceil(_SAFETY * -(-_depth(difference) // k))
        # What sees the whole image, however little, is left with a difference everywhere.
        middle = difference[len(difference) * 3 // 8 : len(difference) * 5 // 8]
        if 2 * reach < stop - first and middle.max() <= _ROUNDING:
            return reach
    return None


def _depth(difference: torch.Tensor) -> int:
    """Return how far from the nearer end columns differ by more than `TOLERANCE`."""
    columns = (difference > TOLERANCE).nonzero().flatten()
    if len(columns) == 0:
        return 0
    ends = torch.minimum(columns + 1, len(difference) - columns)
    return int(ends.max())


def _period(strips: _Strips, reach: int) -> int | None:
    """Return how many pixels a strip has to be cut by to give the same results; None: none."""
    k = strips.scale
    length = -(-2 * reach // _DISTURBED) * _DISTURBED + 2 * _DISTURBED
    for period in _PERIODS:
        # Networks that fill up their ends to whole windows have nothing to fill up after the cut.
        strip = strips.content(length + period)
        whole = strips.run(strip)[..., k * (period + reach) :]
        cut = strips.run(strip[..., period:])[..., k * reach :]
        if (whole - cut).abs().max() <= TOLERANCE * whole.abs().max():
            return period
    return None


def measured_bytes_per_pixel(run: Callable[[], Any], pixels: int) -> int:
    """Measure the bytes that a network's activations take at once, per source pixel.

    Parameters
    ----------
    run : callable
        Runs the network on an image.
    pixels : int
        Of that image.
    """
    with _ActivationTracker() as tracker:
        run()
    return -(-int(tracker.peak) // pixels)


class _ActivationTracker(TorchDispatchMode):  # type: ignore[misc, unused-ignore]
    """Adds up the storages that are alive, and what an operation copies into its own layout."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._alive: dict[int, int] = {}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        results = function(*args, **(kwargs or {}))
        copied = sum(_nbytes(leaf) for leaf in tree_leaves(args) if isinstance(leaf, torch.Tensor))
        for leaf in tree_leaves(results):
            if isinstance(leaf, torch.Tensor):
                self._keep(leaf)
                copied += _nbytes(leaf)
        self.peak = max(self.peak, sum(self._alive.values()) + copied)
        return results

    def _keep(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        address = storage.data_ptr()
        if address not in self._alive:
            self._alive[address] = storage.nbytes()
            weakref.finalize(storage, self._alive.pop, address, None)


def _nbytes(tensor: torch.Tensor) -> int:
    return int(tensor.nbytes)
