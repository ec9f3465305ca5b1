"""A network's layers: units of the source in, parameters or an enlargement out.

All of it is integer arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isqrt

import numpy as np
import numpy.typing as npt

from lerf_core.bank.layered_network import INPUTS, Layer, LayeredNetwork
from lerf_core.constants import LEVELS, NO_CHANGE

__all__ = [
    "channel_outputs",
    "grey_surroundings",
    "layer_outputs",
    "network_enlargement",
    "network_outputs",
    "scale_of",
]

Activations = npt.NDArray[np.int64]
# Pixels that layers are computed for at once: activations take some hundred bytes of each.
_BAND_PIXELS = 1 << 16


def network_outputs(
    planes: Sequence[npt.NDArray[np.integer]],
    network: LayeredNetwork,
    grey_bits: int,
    rows: tuple[int, int] | None = None,
) -> npt.NDArray[np.int64]:
    """Compute what the last layer gives for every pixel.

    Parameters
    ----------
    planes : sequence of ndarray of int, (rows, cols)
        Red, green and blue, or a plane on its own, in 0..255 times ``2**grey_bits``. Beyond the
        border lie the border's pixels.
    network : LayeredNetwork
    grey_bits : int
    rows : (int, int), optional
        The first, and one past the last, row that is wanted; None: all.

    Returns
    -------
    ndarray of int64, (outputs, rows, cols)
        In the order of `LayeredNetwork.outputs`, in 0..255 times ``2**grey_bits``.
    """
    first, last = rows or (0, len(planes[0]))
    height, width = planes[0].shape
    reach = network.full_reach
    out = np.empty((network.layers[-1].outputs, last - first, width), np.int64)
    cols = np.clip(np.arange(-reach, width + reach), 0, width - 1)
    band = max(1, _BAND_PIXELS // width)
    for top in range(first, last, band):
        bottom = min(top + band, last)
        lines = np.clip(np.arange(top - reach, bottom + reach), 0, height - 1)
        source = np.stack([plane[np.ix_(lines, cols)] for plane in planes]).astype(np.int64)
        if len(source) != INPUTS:
            source = np.repeat(source, INPUTS, axis=0)
        out[:, top - first : bottom - first] = _outputs(source, network, grey_bits)
    return out


def channel_outputs(
    planes: Sequence[npt.NDArray[np.integer]],
    network: LayeredNetwork,
    grey_bits: int,
    rows: tuple[int, int] | None = None,
) -> list[npt.NDArray[np.int64]]:
    """Compute the outputs of each plane's pixels.

    Parameters
    ----------
    planes, network, grey_bits, rows
        As `network_outputs` has them.

    Returns
    -------
    list of ndarray of int64, (outputs, rows, cols)
        In the order of `LayeredNetwork.outputs_of`.
    """
    outputs = network_outputs(planes, network, grey_bits, rows)
    alone = outputs[list(network.outputs_of(None))]
    if len(planes) != INPUTS:
        return [alone]
    is_grey = grey_surroundings(planes, rows)
    return [
        np.where(is_grey, alone, outputs[list(network.outputs_of(channel))])
        for channel in range(INPUTS)
    ]


def network_enlargement(
    planes: Sequence[npt.NDArray[np.integer]],
    front: LayeredNetwork,
    grey_bits: int,
    rows: tuple[int, int] | None = None,
) -> npt.NDArray[np.int64]:
    """Enlarge planes.

    Parameters
    ----------
    planes, front, grey_bits, rows
        As `network_outputs` has them; rows are those of the source.

    Returns
    -------
    ndarray of int64, (planes, scale * rows, scale * cols)
        In 0..255 times ``2**grey_bits``.
    """
    first, last = rows or (0, len(planes[0]))
    changes = channel_outputs(planes, front, grey_bits, (first, last))
    scale, cols = scale_of(front), planes[0].shape[1]
    sources = np.stack([plane[first:last] for plane in planes]).astype(np.int64)
    middle = NO_CHANGE << grey_bits
    levels = np.clip(sources[:, None] + np.stack(changes) - middle, 0, LEVELS << grey_bits)
    blocks = levels.reshape(len(planes), scale, scale, last - first, cols)
    return blocks.transpose(0, 3, 1, 4, 2).reshape(
        len(planes), scale * (last - first), scale * cols
    )


def scale_of(front: LayeredNetwork) -> int:
    """Return how many times a network enlarges."""
    return isqrt(len(front.outputs_of(None)))


def grey_surroundings(
    planes: Sequence[npt.NDArray[np.integer]], rows: tuple[int, int] | None = None
) -> npt.NDArray[np.bool_]:
    """Return where red, green and blue are the same in a pixel and in the eight around it.

    All three channels of such a pixel take the outputs for a plane on its own, so that what is
    grey stays grey.

    Parameters
    ----------
    planes : sequence of ndarray of int, (rows, cols)
        Red, green and blue, in units. Beyond the border lie the border's pixels.
    rows : (int, int), optional
        The first, and one past the last, row that is wanted; None: all.

    Returns
    -------
    ndarray of bool, (rows, cols)
    """
    first, last = rows or (0, len(planes[0]))
    above, below = max(0, first - 1), min(len(planes[0]), last + 1)
    red, green, blue = (plane[above:below] for plane in planes)
    is_grey = np.pad((red == green) & (green == blue), 1, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(is_grey, (3, 3))
    around: npt.NDArray[np.bool_] = np.all(windows, axis=(2, 3))
    return around[first - above : last - above]


def _outputs(source: Activations, network: LayeredNetwork, grey_bits: int) -> Activations:
    """Compute all layers of planes that are wider by the network's reach on all sides."""
    outputs = source
    for state in layer_outputs(source, network, grey_bits):
        outputs = state
    return outputs


def layer_outputs(
    source: Activations, network: LayeredNetwork, grey_bits: int
) -> Iterator[Activations]:
    """Compute the layers one after the other.

    Parameters
    ----------
    source : ndarray of int64, (`INPUTS`, rows, cols)
        In 0..255 times ``2**grey_bits``; wider than what is wanted by the network's reach on all
        sides.
    network : LayeredNetwork
    grey_bits : int

    Yields
    ------
    ndarray of int64, (channels, rows, cols)
        The activations of each layer, in 0..255 times ``2**grey_bits``, each narrower by the
        layer's reach on all sides; of the last layer the outputs.
    """
    first, *middle, last = network.layers
    top = LEVELS << grey_bits
    state = np.clip(
        _activated(source, first, network.leak, grey_bits) + (network.zero << grey_bits), 0, top
    )
    yield state
    for layer in middle:
        change = _activated(state, layer, network.leak, grey_bits)
        state = np.clip(state[:, 1:-1, 1:-1] + change, 0, top)
        yield state
    lowest = np.array(network.lowest)[:, None, None] << grey_bits
    yield np.clip(_shifted(state, last, grey_bits), lowest, top)


def _activated(state: Activations, layer: Layer, leak: int, grey_bits: int) -> Activations:
    value = _shifted(state, layer, grey_bits)
    leaky: Activations = np.maximum(value, value >> leak)
    return leaky


def _shifted(state: Activations, layer: Layer, grey_bits: int) -> Activations:
    """Sum up a layer's products; shift the sums, halves up."""
    size, (_, height, width) = layer.size, state.shape
    shape = layer.outputs, height - size + 1, width - size + 1
    # Whole numbers below 2**53: float64 products and sums are exact, and fast.
    total = np.zeros((shape[0], shape[1] * shape[2]))
    weight = layer.weight.astype(np.float64)
    for dy in range(size):
        for dx in range(size):
            tap = state[:, dy : dy + shape[1], dx : dx + shape[2]].reshape(len(state), -1)
            total += weight[:, :, dy, dx] @ tap.astype(np.float64)
    shift = layer.shift.astype(np.int64)[:, None, None]
    bias = layer.bias.astype(np.int64)[:, None, None] << grey_bits
    half = (1 << shift) >> 1
    sums: Activations = total.astype(np.int64).reshape(shape)
    shifted: Activations = (sums + bias + half) >> shift
    return shifted
