"""The networks of convolutions that trainings begin with."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lerf_core.bank import Layer, NetworkBank
from lerf_core.bank.layered_network import INPUTS
from lerf_core.bank.network import OUTPUTS
from lerf_core.constants import LEVELS, LOCAL_PLANE_BIAS
from lerf_core.errors import InvalidArgumentError
from lerf_core.fronts.network import NETWORK_SCALES, NetworkFront
from lerf_training.models.convolutional import ConvolutionalModel
from lerf_training.models.front import FrontModel
from lerf_training.models.layered import BIAS_UNIT, LayeredModel

__all__ = ["FRONT", "NETWORKS", "NetworkShape", "starting_front", "starting_network"]


@dataclass(frozen=True)
class NetworkShape:
    """The layers of a network.

    Attributes
    ----------
    width : int
        Channels between the layers: a multiple of 4 in 4..64.
    layers : int
        Middle layers, of 3x3 pixels: 0..16.
    first, last : {1, 3, 5}
        Rows and columns of the pixels that a value of the first and of the last layer sees.
    """

    width: int
    layers: int
    first: int = 3
    last: int = 3


#: Those that ship, by the names that `lerf train --kind` gives them.
NETWORKS = {"lerf-n": NetworkShape(24, 3), "lerf-net": NetworkShape(48, 8, first=5)}
#: That of fronts.
FRONT = NetworkShape(32, 6)
_MIDDLE_SIZE = 3
# Narrow Gaussians on level planes, as tables start (`starting_bank`): sigmas in 0..255.
_SIGMA = 53
# Weights of the first layer give activations this many times as wide as usual ones.
_CONTRAST = 4.0
# Weights of the middle layers are smaller than usual ones: each adds to what it is given.
_SHARE = 0.6
_LAST_WEIGHT = 1e-3


def starting_network(shape: NetworkShape, *, seed: int = 0) -> NetworkBank:
    """The network that training begins with: random layers, then narrow Gaussians everywhere.

    Parameters
    ----------
    shape : NetworkShape
    seed : int, optional
        Of the random weights.

    Returns
    -------
    NetworkBank

    Raises
    ------
    InvalidArgumentError
        If a network cannot have this shape.

    Examples
    --------
    >>> starting_network(NETWORKS["lerf-n"]).full_reach
    5
    """
    model = ConvolutionalModel(NetworkBank("start", _blank(shape, len(OUTPUTS))))
    _draw(model, seed)
    with torch.no_grad():
        model.biases[-1][1:3] = (_SIGMA - LOCAL_PLANE_BIAS) / BIAS_UNIT
    return model.bank("start", {})


def starting_front(shape: NetworkShape, scale: int, *, seed: int = 0) -> NetworkFront:
    """The front that training begins with: random layers, then the source's pixels repeated.

    Parameters
    ----------
    shape : NetworkShape
    scale : int
        1, 2, 3 or 4.
    seed : int, optional
        Of the random weights.

    Returns
    -------
    NetworkFront

    Raises
    ------
    InvalidArgumentError
        If a network cannot have this shape or scale.

    Examples
    --------
    >>> starting_front(FRONT, 2).macs
    61056
    """
    if scale not in NETWORK_SCALES:
        raise InvalidArgumentError(f"scale must be 1, 2, 3 or 4, got {scale}")
    outputs = (INPUTS + 1) * scale**2
    model = FrontModel(NetworkFront("start", _blank(shape, outputs)))
    _draw(model, seed)
    return model.bank("start", {})


def _blank(shape: NetworkShape, outputs: int) -> tuple[Layer, ...]:
    """Layers of a shape, all numbers 0."""
    _check(shape)
    width = shape.width
    sizes = [(width, INPUTS, shape.first), *[(width, width, _MIDDLE_SIZE)] * shape.layers]
    sizes.append((outputs, width, shape.last))
    return tuple(
        Layer(
            np.zeros((out, inputs, size, size), np.int8),
            np.zeros(out, np.int32),
            np.zeros(out, np.uint8),
        )
        for out, inputs, size in sizes
    )


def _draw(model: LayeredModel, seed: int) -> None:
    """Give a model random weights, and no biases."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for number, (weight, bias) in enumerate(zip(model.weights, model.biases, strict=True)):
            weight.copy_(_drawn(number, len(model.weights), weight.shape, generator))
            bias.zero_()


def _drawn(number: int, count: int, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Weights of a layer, as they are trained."""
    normal = torch.randn(shape, generator=generator)
    if number == count - 1:
        return normal * _LAST_WEIGHT
    usual = math.sqrt(2 / math.prod(shape[1:]))
    return normal * usual * (_SHARE if number else _CONTRAST * BIAS_UNIT / LEVELS)


def _check(shape: NetworkShape) -> None:
    if shape.width % 4 or not 4 <= shape.width <= 64:
        raise InvalidArgumentError(f"width must be a multiple of 4 in 4..64, got {shape.width}")
    if not 0 <= shape.layers <= 16:
        raise InvalidArgumentError(f"layers must lie in 0..16, got {shape.layers}")
    for name in ("first", "last"):
        if getattr(shape, name) not in {1, 3, 5}:
            raise InvalidArgumentError(f"{name} must be 1, 3 or 5, got {getattr(shape, name)}")
