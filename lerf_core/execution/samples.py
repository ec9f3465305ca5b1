"""Reading a bank: features, parameters and overshoot bounds of some rows of channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lerf_core.backends.packed import unpack
from lerf_core.bank.base import Bank
from lerf_core.bank.model import LutBank
from lerf_core.bank.network import NetworkBank
from lerf_core.constants import (
    DEEP_CELL_BITS,
    LEVELS,
    LOCAL_PLANE_BIAS,
    NETWORK_GREY_BITS,
    OVERSHOOT_REACH,
    RESIDUAL_UNIT,
    WEIGHT_VALUES,
)
from lerf_core.execution.channels import Channel
from lerf_core.pixels.values import decode_srgb, srgb_slope

__all__ = ["Samples", "read_channel", "read_channels"]

Plane = npt.NDArray[Any]
FloatPlane = npt.NDArray[np.float32]


class Samples(NamedTuple):
    """What the weighted mean needs of some rows of a channel.

    Attributes
    ----------
    packed : ndarray of uint8 or float32, (rows, cols, slots)
        Features and parameters, in grey levels; see `lerf_core.backends.packed`.
    weighting : str
        Of the bank's kind.
    validity : ndarray of float32, (rows, cols), or None
        Factor of each pixel's weight; None: 1.
    overshoot_bounds : ndarray of uint8 or float32, (2, rows + 1, cols + 1), or None
        Overshoot bounds of local planes, in grey levels.
    """

    packed: Plane
    weighting: str
    validity: FloatPlane | None
    overshoot_bounds: Plane | None


def read_channels(
    channels: Sequence[Channel], first: int, last: int, threads: int
) -> Iterator[Samples]:
    """Read the bank for rows first..last-1 of channels: bit for bit as of the whole planes.

    Parameters
    ----------
    channels : sequence of Channel
        Those that a bank reads together stand side by side; not all of them need to be wanted.
    first, last : int
    threads : int
        How many to use; results do not depend on it.

    Yields
    ------
    Samples
        Of each channel, in their order.
    """
    for _, group in groupby(channels, lambda channel: id(channel.colours or channel)):
        together = list(group)
        if isinstance(together[0].bank, NetworkBank):
            packed = _read_network(together, first, last, threads)
        else:
            packed = iter([_read_tables(together[0], first, last, threads)])
        # No name holds a channel's while the next one is read.
        yield from (
            _finished(channel, item, first, last, threads)
            for channel, item in zip(together, packed, strict=True)
        )


def read_channel(channel: Channel, first: int, last: int, threads: int) -> Samples:
    """Read the bank for rows first..last-1 of a channel; see `read_channels`."""
    (samples,) = read_channels([channel], first, last, threads)
    return samples


def _finished(channel: Channel, packed: Plane, first: int, last: int, threads: int) -> Samples:
    """Add bounds and validity to packed parameters; decode them to linear light."""
    bank, scale, backend = channel.bank, channel.value_scale, channel.backend
    if scale.linear_light or channel.is_alpha:
        packed = backend.host(packed)
    bounds = (
        _overshoot_bounds(channel, first, last, threads) if bank.kind.has_local_planes else None
    )
    if scale.linear_light:
        _decode_to_linear(*unpack(packed), bank)
        if bounds is not None:
            encoded = backend.host(bounds).astype(np.float64)
            linear = decode_srgb(encoded / LEVELS) * LEVELS
            bounds = linear.astype(np.float32)
    weighting = bank.kind.weighting
    if channel.is_alpha:
        # So opaque images stay opaque, and no rim of transparency appears or vanishes.
        grey = scale.to_grey(channel.plane[first:last])
        extreme = (grey <= 0) | (grey >= LEVELS)
        feature, parameters = unpack(packed)
        feature[extreme] = grey[extreme].astype(feature.dtype)
        parameters[WEIGHT_VALUES[weighting] :, extreme] = LOCAL_PLANE_BIAS
    validity = None if channel.validity is None else channel.validity[first:last]
    return Samples(packed, weighting, validity, bounds)


def _overshoot_bounds(channel: Channel, first: int, last: int, threads: int) -> Plane:
    """Return the bounds of rows first..last-1 and of the cells around them."""
    above, below = _widened(channel, first, last, OVERSHOOT_REACH)
    rows = channel.plane[above:below]
    backend = channel.backend
    scale = channel.value_scale
    grey = rows if scale.is_bytes else backend.to_grey(scale, rows)
    bounds = backend.overshoot_bounds(grey, threads)
    return bounds[:, first - above : last - above + 1]


def _read_tables(channel: Channel, first: int, last: int, threads: int) -> Plane:
    """Read all stages of tables; return packed parameters."""
    bank, backend, scale = channel.bank, channel.backend, channel.value_scale
    if not isinstance(bank, LutBank):
        raise TypeError(f"{bank!r} has no tables")
    interval_bits = bank.interval.bit_length() - 1
    # Edges are repeated at the plane's own, which the halo keeps away from all others.
    top, bottom = _widened(channel, first, last, bank.full_reach)
    units: Plane = channel.plane[top:bottom]
    remainder: FloatPlane | None = None
    cell_bits = interval_bits
    if not scale.is_bytes:
        cell_bits = DEEP_CELL_BITS
        units, remainder = backend.to_units(scale, units, DEEP_CELL_BITS - interval_bits)
        remainder = remainder[first - top : last - top]
    for number in range(len(bank.stages) - 1):
        above, below = _widened(channel, first, last, bank.reach * (len(bank.stages) - 1 - number))
        wanted = (above - top, below - top)
        units = backend.read_stage(units, bank, number, cell_bits, threads, wanted)[0]
        top = above
    wanted = (first - top, last - top)
    dtype = _packed_dtype(channel)
    return backend.read_packed(units, bank, cell_bits, threads, wanted, remainder, dtype)


def _read_network(
    channels: Sequence[Channel], first: int, last: int, threads: int
) -> Iterator[Plane]:
    """Compute a network's layers for channels that it reads together; yield packed parameters."""
    channel = channels[0]
    bank, backend, scale = channel.bank, channel.backend, channel.value_scale
    if not isinstance(bank, NetworkBank):
        raise TypeError(f"{bank!r} is no network")
    top, bottom = _widened(channel, first, last, bank.full_reach)
    sources = (channel.plane,) if channel.colours is None else channel.colours.planes
    planes: list[Plane] = [source[top:bottom] for source in sources]
    remainders: list[FloatPlane] | None = None
    if not scale.is_bytes:
        pairs = [backend.to_units(scale, plane, NETWORK_GREY_BITS) for plane in planes]
        planes = [units for units, _ in pairs]
        remainders = [remainder[first - top : last - top] for _, remainder in pairs]
    rows, dtype = (first - top, last - top), _packed_dtype(channel)
    packed = dict(enumerate(backend.read_network(planes, bank, threads, rows, remainders, dtype)))
    # Nothing is held longer than it is wanted: a warp reads the whole image at once.
    del planes, remainders
    for wanted in channels:
        # Of the planes as they are: the channels of a validity alone may be wanted.
        number = next(k for k, source in enumerate(sources) if source is wanted.plane)
        yield packed.pop(number)


def _packed_dtype(channel: Channel) -> type[np.generic]:
    return np.uint8 if channel.to_uint8 else np.float32


def _widened(channel: Channel, first: int, last: int, rows: int) -> tuple[int, int]:
    """Return rows first..last-1 with as many around as the plane has of `rows`."""
    return max(0, first - rows), min(len(channel.plane), last + rows)


def _decode_to_linear(feature: Plane, parameters: Plane, bank: Bank) -> None:
    """Turn sRGB-encoded levels into linear light, in place.

    Residuals are decoded with the level; slopes follow by the chain rule.
    """
    encoded = feature.astype(np.float64) / LEVELS
    if bank.kind.has_local_planes:
        first = WEIGHT_VALUES[bank.kind.weighting]
        local_plane = parameters[first:] - np.float32(LOCAL_PLANE_BIAS)
        encoded += local_plane[2] * (RESIDUAL_UNIT / LEVELS)
        local_plane[:2] *= srgb_slope(encoded)
        local_plane[2] = 0
        parameters[first:] = local_plane + np.float32(LOCAL_PLANE_BIAS)
    feature[:] = decode_srgb(encoded) * LEVELS
