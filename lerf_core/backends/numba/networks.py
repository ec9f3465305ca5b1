"""Networks by the compiled kernels: units in, packed parameters or an enlargement out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import isqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lerf_core.backends.numba.entry_points import network_rows, pack_convolution
from lerf_core.backends.numba.layouts import SHARED_OUTPUTS
from lerf_core.backends.packed import as_words, empty_packed
from lerf_core.bank.layered_network import INPUTS, LayeredNetwork
from lerf_core.bank.network import NetworkBank
from lerf_core.constants import NETWORK_GREY_BITS
from lerf_core.threads import bands, run_all

if TYPE_CHECKING:
    from lerf_core.backends.contract import FloatPlane, Plane, Rows

__all__ = ["enlarge_by_network", "read_network"]

# Bytes of all rows that layers keep, so that they stay in the second cache.
_RINGS = 3 << 18
_LEAST_SEGMENT = 512
# Rows of a task at least, as a multiple of those that its neighbours compute as well.
_LEAST_TASK = 2
# Outputs of the last layer are computed by 15, and at last by 6 or 15; or by 6, and at last by 3.
_HEAD_BLOCKS, _LAST_HEADS = 15, (0, 6)


class _Packed(NamedTuple):
    """A network as `kernels.network.network_rows` takes it."""

    sizes: npt.NDArray[np.int64]
    channels: npt.NDArray[np.int64]
    weights: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.int32]
    ring: int
    """Bytes of a column of the rows that layers keep."""


def read_network(
    planes: Sequence[Plane],
    bank: NetworkBank,
    threads: int,
    rows: Rows,
    remainders: Sequence[FloatPlane] | None,
    dtype: npt.DTypeLike,
) -> list[Plane]:
    """Return packed parameters of one or of three planes; see `Backend.read_network`."""
    first, last = rows
    packed = [
        empty_packed(last - first, planes[0].shape[1], 2 * SHARED_OUTPUTS, dtype) for _ in planes
    ]
    _compute(planes, bank, threads, rows, remainders, [as_words(one) for one in packed])
    return packed


def enlarge_by_network(
    planes: npt.NDArray[Any], front: LayeredNetwork, threads: int
) -> npt.NDArray[Any]:
    """Return the enlargement of one or of three planes; see `Backend.enlarge_by_network`."""
    count, rows, cols = planes.shape
    scale = isqrt(len(front.outputs_of(None)))
    dtype = np.uint8 if planes.dtype == np.uint8 else np.float32
    enlarged = np.empty((count, scale * rows, scale * cols), dtype)
    out = [plane.reshape(rows, scale, cols, scale) for plane in enlarged]
    _compute(list(planes), front, threads, (0, rows), None, out)
    return enlarged


def _compute(
    planes: Sequence[Plane],
    network: LayeredNetwork,
    threads: int,
    rows: Rows,
    remainders: Sequence[FloatPlane] | None,
    out: Sequence[npt.NDArray[Any]],
) -> None:
    """Compute a network's layers, and write what the kernel makes of each plane."""
    is_deep, count = planes[0].dtype != np.uint8, len(planes)
    packed = _packed(network, is_deep=is_deep, is_colour=count > 1)
    first, last = rows
    rest: Sequence[FloatPlane] = [np.empty((last - first, 0), np.float32)] * count
    if remainders is not None:
        rest = [np.ascontiguousarray(remainder) for remainder in remainders]
    # In the grey form, one for all three.
    red, green, blue = (planes[k % count] for k in range(3))
    rest = [rest[k % count] for k in range(3)]
    out = [out[k % count] for k in range(3)]
    segment = _segment(planes[0].shape[1], packed.ring)
    own = len(network.outputs_of(None)) - network.shared

    def compute_band(top: int, bottom: int) -> None:
        band = slice(top, bottom)
        network_rows(
            red, green, blue, packed.sizes, packed.channels, packed.weights, packed.starts,
            packed.numbers, network.leak, network.zero, NETWORK_GREY_BITS if is_deep else 0,
            network.shared, own, count, first + top, first + bottom, segment,
            tuple(array[band] for array in rest), tuple(array[band] for array in out),
        )  # fmt: skip

    if threads == 1:
        compute_band(0, last - first)
    else:
        # As few tasks as there are threads: each computes rows of its neighbours as well.
        height = max(-(-(last - first) // threads), _LEAST_TASK * network.full_reach)
        run_all(compute_band, bands(last - first, height), threads)


def _segment(cols: int, ring: int) -> int:
    """Return how many columns are computed at once: all, or parts of about the same size."""
    most = max(_RINGS // ring, _LEAST_SEGMENT)
    return -(-cols // -(-cols // most))


@lru_cache(maxsize=16)
def _packed(network: LayeredNetwork, *, is_deep: bool, is_colour: bool) -> _Packed:
    """Pack a network's weights and numbers; of the last layer the outputs that are wanted."""
    bits = NETWORK_GREY_BITS if is_deep else 0
    like = np.empty(0, np.int32 if is_deep else np.uint8)
    channels = (*range(INPUTS), None) if is_colour else (None,)
    # Without repeats: what all channels share comes first.
    head = list(dict.fromkeys(k for channel in channels for k in network.outputs_of(channel)))
    weights, starts, numbers, start, ring = [], [], [], 0, 0
    for layer in network.layers:
        is_head = layer is network.layers[-1]
        wanted = head if is_head else list(range(layer.outputs))
        weight, bias, shift = (
            layer.weight[wanted], layer.bias[wanted], layer.shift[wanted].astype(np.int32)
        )  # fmt: skip
        lowest = np.array(network.lowest, np.int32)[wanted] if is_head else np.zeros_like(bias)
        if is_head:
            # Outputs that nobody reads fill the last block.
            weight, bias, shift, lowest = (
                _filled(array, _head_outputs(len(head))) for array in (weight, bias, shift, lowest)
            )
        numbers.append(((bias << bits) + ((1 << shift) >> 1), shift, lowest << bits))
        # Words of two inputs, or of four.
        packed = np.empty(4 * len(weight) * layer.size**2 * -(-layer.inputs // 2), np.uint8)
        pack_convolution(like, weight, is_head, packed)
        weights.append(packed)
        starts.append(start)
        start += packed.size
        ring += layer.size * layer.inputs * (2 if is_deep else 1)
    return _Packed(
        np.array([layer.size for layer in network.layers]),
        np.array([*(layer.inputs for layer in network.layers), _head_outputs(len(head))]),
        np.concatenate(weights), np.array(starts),
        np.concatenate(numbers, axis=1, dtype=np.int32), ring,
    )  # fmt: skip


def _head_outputs(least: int) -> int:
    """Return how many outputs of the last layer fill blocks of outputs, at least so many."""
    return next(
        count for count in range(least, least + _HEAD_BLOCKS) if count % _HEAD_BLOCKS in _LAST_HEADS
    )


def _filled(array: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
    """Return an array of so many outputs, zeros behind those that it has."""
    filled = np.zeros((count, *array.shape[1:]), array.dtype)
    filled[: len(array)] = array
    return filled
