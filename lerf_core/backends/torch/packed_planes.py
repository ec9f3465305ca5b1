"""The steps on batches of planes without gradients: units in, packed parameters, levels out.

Arithmetic and results are the reference's: `lerf_core.backends.torch.backend` has these steps
behind the contract, the filters for images on a device. On CUDA each step is one Triton kernel
(`fused_kernels`), elsewhere torch's own operations.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lerf_core.backends.known_stages import constant_values, is_identity
from lerf_core.backends.packed import parameter_count, slot_count
from lerf_core.backends.torch.fused import fused_kernels
from lerf_core.backends.torch.integer_reads import StageLayout, read_units
from lerf_core.backends.torch.levels import (
    GreyLevels,
    ValueRange,
    are_levels,
    deep_units,
    farthest_value,
    value_range_of,
)
from lerf_core.backends.torch.network import network_outputs, planes_together
from lerf_core.backends.torch.overshoot_bounds import bounds_along_kept_axis, overshoot_bounds
from lerf_core.backends.torch.taps import GridTaps, PointTaps, Taps
from lerf_core.backends.torch.weighted_mean import mean_and_share, mean_terms
from lerf_core.bank.base import Bank
from lerf_core.bank.layered_network import LayeredNetwork
from lerf_core.bank.model import LutBank
from lerf_core.bank.network import NetworkBank
from lerf_core.bank.staged_tables import StagedTables
from lerf_core.constants import LEVELS
from lerf_core.errors import InvalidTypeError

__all__ = [
    "PackedPlanes",
    "along_kept_axes",
    "bounds_of_cells",
    "grid_mean",
    "pack_planes",
    "points_mean",
    "read_network_packed",
    "read_packed",
    "read_planes",
    "read_stage",
]

# Output pixels, times planes, that torch's operations work on at a time.
_CHUNK = 1 << 24
# The same on the CPU, where caches are small.
_CPU_CHUNK = 1 << 19
# Output pixels of a plane that kernels can count.
_MOST_FUSED = (1 << 31) - 129


class PackedPlanes(NamedTuple):
    """What the weighted mean needs of the source pixels of some planes.

    Attributes
    ----------
    packed : Tensor of uint8 or float32, (planes, rows, cols, slots)
        Features and parameters in grey levels; see `lerf_core.backends.packed`.
    weighting : str
        "gaussian" or "linear".
    validity : Tensor of float32, (rows, cols) or (planes, rows, cols), or None
        Factor of each pixel's weight; None: 1.
    bounds : Tensor of uint8 or float32, (planes, 2, rows + 1, cols + 1), or None
        Overshoot bounds in grey levels.
    """

    packed: Tensor
    weighting: str
    validity: Tensor | None = None
    bounds: Tensor | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the source."""
        return self.packed.shape[1], self.packed.shape[2]

    @property
    def parameters(self) -> int:
        """How many parameters a pixel has."""
        return parameter_count(self.packed.shape[-1])

    def part(self, first: int, last: int) -> PackedPlanes:
        """Planes first..last-1."""
        chosen = slice(first, last)
        validity = self.validity
        if validity is not None and validity.ndim == 3:
            validity = validity[chosen]
        bounds = None if self.bounds is None else self.bounds[chosen]
        return PackedPlanes(self.packed[chosen], self.weighting, validity, bounds)

    def terms(self) -> Tensor:
        """What torch's operations take the mean of; see `weighted_mean.mean_terms`."""
        feature, *values = self.packed[..., : self.parameters + 1].float().unbind(-1)
        return mean_terms(feature, values, self.weighting).flatten(2)


# -- reads ----------------------------------------------------------------------------------


def read_stage(plane: Tensor, bank: StagedTables, number: int, cell_bits: int) -> Tensor:
    """Values of a stage, (planes, values, rows, cols), in the plane's units and dtype.

    Parameters
    ----------
    plane : Tensor of uint8 or int32, (planes, rows, cols)
        Units. Beyond the border lie the border's pixels.
    bank : StagedTables
    number : int
        Stage, counted from 0.
    cell_bits : int
        log2 of the units that a cell of the tables spans.
    """
    layout = StageLayout.of(bank, number, plane.device)
    kernels = fused_kernels(plane.device)
    if kernels is not None:
        values: Tensor = kernels.read_units(plane, layout, cell_bits)
        return values
    return read_units(plane, layout, cell_bits)


def read_packed(
    plane: Tensor,
    bank: StagedTables,
    cell_bits: int,
    remainder: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:
    """Packed parameters, (planes, rows, cols, slots), of a bank's last stage.

    Parameters
    ----------
    plane, cell_bits
        As `read_stage` has them; the plane is the feature.
    remainder : Tensor of float32, (planes, rows, cols), or None
        In grey levels; is added to the feature.
    dtype : torch.dtype
        uint8, for units of bytes; or float32: grey levels.
    """
    number = len(bank.stages) - 1
    kernels = fused_kernels(plane.device)
    if kernels is not None:
        layout = StageLayout.of(bank, number, plane.device)
        packed: Tensor = kernels.read_packed(plane, layout, cell_bits, remainder, dtype)
        return packed
    level = (1 << cell_bits) // bank.interval
    return pack_planes(plane, read_stage(plane, bank, number, cell_bits), level, remainder, dtype)


def read_network_packed(
    planes: Tensor,
    network: LayeredNetwork,
    grey_bits: int,
    remainder: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:
    """Packed parameters, (planes, rows, cols, slots), of a network's layers.

    Parameters
    ----------
    planes : Tensor of uint8 or int32, (images, 3 or 1, rows, cols)
        Units of ``2**-grey_bits`` grey levels: red, green and blue, or planes on their own.
    network : LayeredNetwork
    grey_bits : int
    remainder : Tensor of float32, (images, 3 or 1, rows, cols), or None
    dtype : torch.dtype
        As `read_packed` has it.
    """
    values = network_outputs(planes, network, grey_bits).flatten(0, 1)
    flat = None if remainder is None else remainder.flatten(0, 1)
    return pack_planes(planes.flatten(0, 1), values, 1 << grey_bits, flat, dtype)


def read_planes(planes: Tensor, value_range: ValueRange, bank: Bank, channels: int) -> PackedPlanes:
    """Read a bank for planes of images.

    Parameters
    ----------
    planes : Tensor, (planes, rows, cols)
        In the images' values; those of an image stand side by side.
    value_range : (float, float) or None
        Values at grey levels 0 and 255; None: those of the dtype.
    bank : Bank
        Of tables, or a network.
    channels : int
        Planes of each image.

    Returns
    -------
    PackedPlanes
        Of bytes where the image's bytes are grey levels; bounds are those of cells.

    Raises
    ------
    InvalidTypeError
        If the bank is of another form.
    """
    remainder = validity = None
    if are_levels(planes.dtype, value_range):
        units, grey, level, dtype = planes, planes, 1, torch.uint8
    else:
        level, dtype = deep_units(bank), torch.float32
        grey, units, remainder, validity = _deep_levels(planes, value_range, bank)
    if isinstance(bank, NetworkBank):
        shape = (-1, planes_together(bank, channels))
        rest = None if remainder is None else remainder.unflatten(0, shape)
        grey_bits = level.bit_length() - 1
        packed = read_network_packed(units.unflatten(0, shape), bank, grey_bits, rest, dtype)
    elif isinstance(bank, LutBank):
        packed = _read_tables(units, bank, level, remainder, dtype)
    else:
        raise InvalidTypeError(f"bank must be one of tables or a network, got {bank!r}")
    bounds = bounds_of_cells(grey) if bank.kind.has_local_planes else None
    return PackedPlanes(packed, bank.kind.weighting, validity, bounds)


def _deep_levels(
    planes: Tensor, value_range: ValueRange, bank: Bank
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Grey levels, units, remainders and validities; None: all are valid."""
    kernels, units = fused_kernels(planes.device), deep_units(bank)
    if kernels is not None:
        ends = value_range_of(planes.dtype, value_range)
        found = kernels.to_units(planes, ends, farthest_value(planes.dtype, *ends), units)
        if found is not None:
            return *found, None
    levels = GreyLevels.of(planes, value_range, bank)
    validity = None if levels.validity is None else levels.validity.float()
    return levels.grey, (levels.whole * units).int(), levels.remainder, validity


def _read_tables(
    units: Tensor, bank: LutBank, level: int, remainder: Tensor | None, dtype: torch.dtype
) -> Tensor:
    """Packed parameters of all stages; those that are known beforehand are not read."""
    cell_bits, last = (level * bank.interval).bit_length() - 1, len(bank.stages) - 1
    for number in range(last):
        if not is_identity(bank, number):
            units = read_stage(units, bank, number, cell_bits)[:, 0]
    constants = constant_values(bank, last, cell_bits)
    if constants is None:
        return read_packed(units, bank, cell_bits, remainder, dtype)
    values = torch.from_numpy(constants).int().to(units.device)[:, None, None]
    spread = values.expand(len(units), -1, *units.shape[1:])
    return pack_planes(units, spread, level, remainder, dtype)


def pack_planes(
    feature: Tensor, values: Tensor, level: int, remainder: Tensor | None, dtype: torch.dtype
) -> Tensor:
    """Pack features and parameters as `lerf_core.backends.packed.pack` does.

    Parameters
    ----------
    feature : Tensor of integers, (planes, rows, cols)
    values : Tensor of integers, (planes, parameters, rows, cols)
    level : int
        How many units of both are a grey level.
    remainder : Tensor of float32, (planes, rows, cols), or None
    dtype : torch.dtype

    Returns
    -------
    Tensor of `dtype`, (planes, rows, cols, slots)
    """
    parameters = values.shape[1]
    packed = feature.new_zeros((*feature.shape, slot_count(parameters)), dtype=dtype)
    packed[..., 0] = feature
    packed[..., 1 : parameters + 1] = values.movedim(1, -1)
    if dtype == torch.float32:
        packed.mul_(1 / level)
    if remainder is not None:
        packed[..., 0] += remainder
    return packed


def bounds_of_cells(plane: Tensor) -> Tensor:
    """Overshoot bounds, (planes, 2, rows + 1, cols + 1), as `Backend.overshoot_bounds` has them.

    Parameters
    ----------
    plane : Tensor of uint8 or float32, (planes, rows, cols)
        The source in grey levels.
    """
    kernels = fused_kernels(plane.device)
    if kernels is not None:
        found: Tensor = kernels.overshoot_bounds(plane)
        return found
    bounds = torch.stack(overshoot_bounds(plane.float()), 1)
    return _to_bytes(bounds) if plane.dtype == torch.uint8 else bounds


def _to_bytes(levels: Tensor) -> Tensor:
    return levels.round().clamp(0, LEVELS).to(torch.uint8)


def along_kept_axes(bounds: Tensor, counts: Sequence[int]) -> Tensor:
    """Bounds (planes, 2, rows, cols) of a grid with axes of so many taps, of those of cells.

    As `lerf_core.backends.reference.overshoot.bounds_along_kept_axes` has them.
    """
    if 1 not in counts:
        return bounds
    low, high = bounds.unbind(1)
    for axis, count in enumerate(counts, 1):
        if count == 1:
            low, high = bounds_along_kept_axis((low, high), axis)
    return torch.stack([low, high], 1)


# -- means ----------------------------------------------------------------------------------


def grid_mean(
    planes: PackedPlanes, taps: GridTaps, *, to_uint8: bool
) -> tuple[Tensor, Tensor | None]:
    """Weighted mean on a grid.

    Parameters
    ----------
    planes : PackedPlanes
        Bounds are those of `lerf_core.backends.reference.overshoot.bounds_along_kept_axes`.
    taps : GridTaps
    to_uint8 : bool
        Whether the mean is rounded to bytes.

    Returns
    -------
    mean : Tensor of uint8 or float32, (planes, output rows, output cols)
        In grey levels.
    valid_share : Tensor of float32, of that shape, or None
        Share of the weight that is valid; None without validity.
    """
    rows, cols = taps.out_shape
    kernels = fused_kernels(planes.packed.device)
    if kernels is not None and rows * cols <= _MOST_FUSED:
        fused: tuple[Tensor, Tensor | None] = kernels.packed_grid_mean(
            planes, taps, to_uint8=to_uint8
        )
        return fused
    height = max(1, _chunk(planes) // max(1, cols * len(planes.packed)))
    parts = (taps.part(top, min(top + height, rows)) for top in range(0, rows, height))
    return _means(planes, parts, to_uint8=to_uint8)


def points_mean(
    planes: PackedPlanes,
    row: Tensor,
    col: Tensor,
    filter_scales: Sequence[Tensor] | None,
    *,
    to_uint8: bool,
) -> tuple[Tensor, Tensor | None]:
    """Weighted mean at scattered positions; see `grid_mean`.

    Parameters
    ----------
    planes : PackedPlanes
        Those of an image stand side by side. Bounds are those of cells.
    row, col : Tensor of float64, (images, points)
        In source pixels. Taps beyond the border are the nearest pixel's.
    filter_scales : (Tensor, Tensor) of float64, (images, points), or None
        Along rows and columns, at least 1; None: 1.
    to_uint8 : bool

    Returns
    -------
    mean, valid_share : Tensor, (planes, points)
    """
    if not row.numel():
        empty = planes.packed.new_empty((len(planes.packed), 0), dtype=torch.float32)
        mean = empty.to(torch.uint8) if to_uint8 else empty
        return mean, None if planes.validity is None else empty
    kernels = fused_kernels(planes.packed.device)
    scales = filter_scales or (torch.ones_like(row), torch.ones_like(col))
    if kernels is not None:
        fused: tuple[Tensor, Tensor | None] = kernels.packed_points_mean(
            planes, (row, col), scales, to_uint8=to_uint8
        )
        return fused
    channels = len(planes.packed) // len(row)
    results = [
        _image_points_mean(
            planes.part(number * channels, (number + 1) * channels), row[number], col[number],
            [scale[number] for scale in scales], to_uint8=to_uint8,
        )
        for number in range(len(row))
    ]  # fmt: skip
    if len(results) == 1:
        return results[0]
    means, shares = zip(*results, strict=True)
    return torch.cat(means), None if planes.validity is None else torch.cat(shares)


def _image_points_mean(
    planes: PackedPlanes, row: Tensor, col: Tensor, scales: Sequence[Tensor], *, to_uint8: bool
) -> tuple[Tensor, Tensor | None]:
    """Means of one image's planes at positions (points,), by torch's operations."""
    start = torch.zeros(row.shape, dtype=torch.int64, device=row.device)
    taps = PointTaps(row, col, scales, start, planes.shape)
    size = max(1, _chunk(planes) // len(planes.packed))
    groups = taps.groups()
    if groups == [None] and len(row) <= size:
        return _means(planes, iter([taps]), to_uint8=to_uint8)
    every = torch.arange(len(row), device=row.device)
    numbers = [part for group in groups for part in (every if group is None else group).split(size)]
    found = _means(planes, map(taps.chosen, numbers), to_uint8=to_uint8)
    order = torch.cat(numbers)
    mean, share = (_scattered(each, order) for each in found)
    if mean is None:
        raise ValueError("a mean has values")
    return mean, share


def _scattered(values: Tensor | None, order: Tensor) -> Tensor | None:
    """Put values (planes, points) where their numbers say."""
    if values is None:
        return None
    out = torch.empty_like(values)
    out[:, order] = values
    return out


def _chunk(planes: PackedPlanes) -> int:
    return _CPU_CHUNK if planes.packed.device.type == "cpu" else _CHUNK


def _means(
    planes: PackedPlanes, parts: Iterator[Any], *, to_uint8: bool
) -> tuple[Tensor, Tensor | None]:
    """Means by torch's operations, of some output pixels at a time."""
    terms = planes.terms()
    validity = planes.validity
    if validity is not None:
        validity = validity.reshape(-1, math.prod(planes.shape)).expand(len(terms), -1)
    bounds = None if planes.bounds is None else planes.bounds.float().unbind(1)
    means, shares = [], []
    for taps in parts:
        mean, share = _mean(terms, planes.weighting, taps, validity, bounds)
        means.append(_to_bytes(mean) if to_uint8 else mean)
        if share is not None:
            shares.append(share)
    share = torch.cat(shares, 1) if shares else None
    return (means[0] if len(means) == 1 else torch.cat(means, 1)), share


def _mean(
    terms: Tensor,
    weighting: str,
    taps: Taps,
    validity: Tensor | None,
    bounds: tuple[Tensor, ...] | None,
) -> tuple[Tensor, Tensor | None]:
    mean, _, share = mean_and_share(terms, validity, weighting, taps, taps.positions)
    if bounds is not None:
        selected = taps.select_cells((bounds[0], bounds[1]))
        if selected is not None:
            mean = torch.minimum(torch.maximum(mean, selected[0]), selected[1])
    return mean, None if validity is None else share
