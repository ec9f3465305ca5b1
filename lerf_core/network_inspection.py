"""What a network's layers hold, what they make of an image, and of a single pixel.

Arrays and figures alone; ``lerf models inspect`` draws them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lerf_core.backends.reference.network import layer_outputs
from lerf_core.bank.layered_network import INPUTS
from lerf_core.bank.network import NetworkBank
from lerf_core.constants import LEVELS, WEIGHT_LIMIT
from lerf_core.errors import InvalidArgumentError, InvalidTypeError

__all__ = [
    "RESPONSE_LEVELS",
    "ChannelStatistics",
    "LayerStatistics",
    "activation_statistics",
    "impulse_response",
    "layer_statistics",
    "point_response",
]

Map = npt.NDArray[np.float32]
Planes = Sequence[npt.NDArray[np.uint8]]

#: Grey levels of a pixel, and of its surroundings, that `point_response` looks at.
RESPONSE_LEVELS = (0, 51, 102, 153, 204, 255)
# Rows of an image that are computed at once: activations take some hundred bytes per pixel.
_BAND_ROWS = 64


@dataclass(frozen=True)
class LayerStatistics:
    """What a layer holds.

    Attributes
    ----------
    layer : int
        Its number, from 0.
    inputs, outputs, size : int
        Channels that it reads and gives; rows and columns that it sees.
    least_weight, largest_weight : int
        Of -127..127.
    zeros, at_limit : float
        Shares of the weights that are 0, and that are -127 or 127.
    unused : int
        Channels given that no input plays a part in.
    least_shift, largest_shift : int
        Bits that sums are shifted by.
    least_bias, largest_bias : float
        In levels of the layer's results: bias over ``2**shift``.
    """

    layer: int
    inputs: int
    outputs: int
    size: int
    least_weight: int
    largest_weight: int
    zeros: float
    at_limit: float
    unused: int
    least_shift: int
    largest_shift: int
    least_bias: float
    largest_bias: float


@dataclass(frozen=True, eq=False)
class ChannelStatistics:
    """What the channels of a layer's results are on an image.

    Attributes
    ----------
    layer : int
        Its number, from 0.
    least, greatest : ndarray of int64, (channels,)
        Of 0..255.
    mean : ndarray of float64, (channels,)
    at_bottom, at_top : ndarray of float64, (channels,)
        Share of the pixels at the least and at the greatest that there can be.
    """

    layer: int
    least: npt.NDArray[np.int64]
    greatest: npt.NDArray[np.int64]
    mean: npt.NDArray[np.float64]
    at_bottom: npt.NDArray[np.float64]
    at_top: npt.NDArray[np.float64]

    @property
    def dead(self) -> int:
        """Number of channels that are the same at all pixels."""
        return int((self.least == self.greatest).sum())

    @property
    def saturated(self) -> int:
        """Number of channels of which more than half of the pixels are at an end of the range."""
        return int((self.at_bottom + self.at_top > 0.5).sum())


def layer_statistics(bank: NetworkBank) -> list[LayerStatistics]:
    """Return what each layer of a network holds."""
    statistics = []
    for number, layer in enumerate(bank.layers):
        weight = layer.weight.astype(np.int64)
        bias = layer.bias / np.exp2(layer.shift.astype(np.float64))
        statistics.append(
            LayerStatistics(
                layer=number,
                inputs=layer.inputs,
                outputs=layer.outputs,
                size=layer.size,
                least_weight=int(weight.min()),
                largest_weight=int(weight.max()),
                zeros=float((weight == 0).mean()),
                at_limit=float((np.abs(weight) == WEIGHT_LIMIT).mean()),
                unused=int((weight == 0).all(axis=(1, 2, 3)).sum()),
                least_shift=int(layer.shift.min()),
                largest_shift=int(layer.shift.max()),
                least_bias=float(bias.min()),
                largest_bias=float(bias.max()),
            )
        )
    return statistics


def activation_statistics(planes: Planes, bank: NetworkBank) -> list[ChannelStatistics]:
    """Return what the channels of each layer are on an image.

    Parameters
    ----------
    planes : sequence of ndarray of uint8, (rows, cols)
        Red, green and blue, or a plane on its own.
    bank : NetworkBank

    Returns
    -------
    list of ChannelStatistics
        Of each layer; the last one's channels are `lerf_core.bank.network.OUTPUTS`.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If there is another number of planes, they are of unlike shapes, or no bytes.
    """
    _check_planes(planes)
    height, width = planes[0].shape
    counted = [_Counted(0) for _ in bank.layers[1:]]
    counted.append(_Counted(np.array(bank.lowest)[:, None, None]))
    for top in range(0, height, _BAND_ROWS):
        bottom = min(height, top + _BAND_ROWS)
        source = _extended(planes, bank.full_reach, top, bottom)
        reach = bank.full_reach
        for layer, counts, state in zip(
            bank.layers, counted, layer_outputs(source, bank, 0), strict=True
        ):
            reach -= layer.reach
            counts.add(state[:, reach : reach + bottom - top, reach : reach + width])
    return [counts.statistics(number) for number, counts in enumerate(counted)]


def impulse_response(bank: NetworkBank, level: int = 128, step: int = 64) -> Map:
    """Return how parameters change around a pixel that stands out of flat surroundings.

    Parameters
    ----------
    bank : NetworkBank
        Its grey form is asked.
    level, step : int
        Grey levels of the surroundings, and by how many the pixel is brighter.

    Returns
    -------
    ndarray of float32, (values, rows, cols)
        For each parameter of the bank's kind, in 0..1, what it is more than in flat
        surroundings, at each pixel that lies ``bank.full_reach`` rows or columns away at most; the
        pixel itself is in the middle.

    Raises
    ------
    InvalidArgumentError
        If a level lies outside 0..255.
    """
    for value in (level, level + step):
        _check_level(value)
    reach = bank.full_reach
    patch = np.full((4 * reach + 1, 4 * reach + 1), level, np.int64)
    patch[2 * reach, 2 * reach] += step
    outputs = _grey_outputs(patch, bank)
    # The corners see the pixel at most at an edge of what they see: flat lies beside them.
    flat = _grey_outputs(np.full((2 * reach + 1, 2 * reach + 1), level, np.int64), bank)
    return ((outputs - flat) / LEVELS).astype(np.float32)


def point_response(bank: NetworkBank, levels: Sequence[int] = RESPONSE_LEVELS) -> Map:
    """Return the parameters of a pixel in flat surroundings.

    Parameters
    ----------
    bank : NetworkBank
        Its grey form is asked.
    levels : sequence of int
        Grey levels of the pixel, and of its surroundings.

    Returns
    -------
    ndarray of float32, (levels, levels, values)
        For the pixel's level along rows and its surroundings' along columns each parameter of
        the bank's kind, 0..1.

    Raises
    ------
    InvalidArgumentError
        If a level lies outside 0..255.
    """
    for level in levels:
        _check_level(level)
    reach = bank.full_reach
    values = np.empty((len(levels), len(levels), len(bank.kind.values)), np.float32)
    for row, own in enumerate(levels):
        for col, around in enumerate(levels):
            patch = np.full((2 * reach + 1, 2 * reach + 1), around, np.int64)
            patch[reach, reach] = own
            values[row, col] = _grey_outputs(patch, bank)[:, 0, 0] / LEVELS
    return values


# -- planes -----------------------------------------------------------------------


class _Counted:
    """Sums over the bands of an image."""

    def __init__(self, lowest: int | npt.NDArray[np.int64]) -> None:
        self._lowest = lowest
        self._bands: list[npt.NDArray[np.float64]] = []
        self._pixels = 0

    def add(self, state: npt.NDArray[np.int64]) -> None:
        """Count a layer's results, (channels, rows, cols)."""
        at_bottom, at_top = state == self._lowest, state == LEVELS
        figures = [state.min((1, 2)), state.max((1, 2))]
        figures += [values.sum((1, 2)) for values in (state, at_bottom, at_top)]
        self._pixels += state[0].size
        self._bands.append(np.stack(figures).astype(np.float64))

    def statistics(self, layer: int) -> ChannelStatistics:
        """Return what has been counted, of the layer of that number."""
        least, greatest, total, bottom, top = np.stack(self._bands, axis=1)
        count = self._pixels
        return ChannelStatistics(
            layer,
            least.min(0).astype(np.int64),
            greatest.max(0).astype(np.int64),
            total.sum(0) / count,
            bottom.sum(0) / count,
            top.sum(0) / count,
        )


def _grey_outputs(patch: npt.NDArray[np.int64], bank: NetworkBank) -> npt.NDArray[np.int64]:
    """Return the parameters, (values, rows, cols), of a plane wider by the network's reach."""
    source = np.repeat(patch[None], INPUTS, axis=0)
    *_, outputs = layer_outputs(source, bank, 0)
    return outputs[list(bank.outputs_of(None))]


def _extended(planes: Planes, reach: int, top: int, bottom: int) -> npt.NDArray[np.int64]:
    """Return rows top..bottom-1 of planes with what lies around them."""
    height, width = planes[0].shape
    rows = np.clip(np.arange(top - reach, bottom + reach), 0, height - 1)
    cols = np.clip(np.arange(-reach, width + reach), 0, width - 1)
    every = planes if len(planes) == INPUTS else [planes[0]] * INPUTS
    return np.stack([plane[np.ix_(rows, cols)] for plane in every]).astype(np.int64)


def _check_planes(planes: Planes) -> None:
    if len(planes) not in (1, INPUTS):
        raise InvalidArgumentError(f"planes must be 1 or {INPUTS}, got {len(planes)}")
    shapes = {plane.shape for plane in planes}
    if len(shapes) > 1 or planes[0].ndim != 2 or not planes[0].size:
        raise InvalidArgumentError(f"planes must be of one shape (rows, cols), got {shapes}")
    if any(plane.dtype != np.uint8 for plane in planes):
        raise InvalidTypeError(f"planes must be of uint8, got {planes[0].dtype}")


def _check_level(level: int) -> None:
    if not 0 <= level <= LEVELS:
        raise InvalidArgumentError(f"levels must lie in 0..{LEVELS}, got {level}")
