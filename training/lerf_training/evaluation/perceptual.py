"""Perceptual distances, by packages that bring all they need: nothing is downloaded.

Convention
----------
Images are uint8, (rows, cols, 3), sRGB. Less is better; 0 for equal images.
"""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lerf_core.errors import InvalidArgumentError
from lerf_training.data.image_files import Image
from lerf_training.errors import DatasetError, MissingExtraError
from lerf_training.evaluation.shrinking.round_trips import flip, has_flip

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PERCEPTUAL_MEASURES", "PerceptualMeasure", "perceptual_measure"]

#: Names of the measures, installed or not.
PERCEPTUAL_MEASURES = ("flip", "st-lpips")

# The package of ST-LPIPS; of it the weights alone are read.
_PACKAGE, _EXTRA = "stlpips_pytorch", "perceptual"
_WEIGHTS = ("weights", "vST0.0", "alex_shift_tolerant.pth")
# By their names there: convolutions with what they are padded by, and the layers' weights.
_CONVOLUTIONS = {"slice1.0": 2, "slice2.5": 2, "slice3.9": 1, "slice4.11": 1, "slice5.13": 1}
# Before the first convolution's ReLU, and before these convolutions, the image is halved.
_FIRST, _POOLED = "slice1.0", frozenset({"slice2.5", "slice3.9"})
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_EPS = 1e-10
# What torch raises for a file that is no checkpoint, or another one.
_UNREADABLE = (
    OSError, EOFError, KeyError, RuntimeError, AttributeError, TypeError, ValueError,
    pickle.UnpicklingError,
)  # fmt: skip
# Rows and columns below which the network has nothing left to look at.
_LEAST_SIDE = 32


@dataclass(frozen=True)
class PerceptualMeasure:
    """A distance between two images.

    Attributes
    ----------
    name : str
        As printed.
    description : str
        What it is, for the record.
    distance : callable
        ``distance(reference, test)``.
    """

    name: str
    description: str
    distance: Callable[[Image, Image], float]


def perceptual_measure(name: str) -> PerceptualMeasure:
    """Measure by its name, ready to be called.

    FLIP [1]_ is its authors' package. ST-LPIPS [2]_ is LPIPS [3]_ by a network that does not mind
    shifts by a pixel, here on AlexNet: the one of its family whose package holds the weights.

    Parameters
    ----------
    name : {'flip', 'st-lpips'}

    Returns
    -------
    PerceptualMeasure

    Raises
    ------
    InvalidArgumentError
        If the name is not known.
    MissingExtraError
        If its package, or torch, is not installed.
    DatasetError
        If the package does not hold the weights.

    References
    ----------
    .. [1] Andersson et al., "FLIP: A Difference Evaluator for Alternating Images", Proceedings of
       the ACM on Computer Graphics and Interactive Techniques 3(2), 2020.
    .. [2] Ghildyal and Liu, "Shift-tolerant Perceptual Similarity Metric", ECCV 2022.
    .. [3] Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
       CVPR 2018.
    """
    if name == "flip":
        if not has_flip():
            raise MissingExtraError("FLIP", "flip-evaluator", "evaluate")
        return PerceptualMeasure(name, "FLIP, mean error at 67 pixels per degree", flip)
    if name == "st-lpips":
        return PerceptualMeasure(name, "ST-LPIPS, AlexNet, weights of 2022", _st_lpips())
    raise InvalidArgumentError(
        f"no perceptual measure {name!r}; there are {', '.join(PERCEPTUAL_MEASURES)}"
    )


# -- ST-LPIPS -----------------------------------------------------------------------------


def _st_lpips() -> Callable[[Image, Image], float]:
    for module, package in ((_PACKAGE, "stlpips-pytorch"), ("torch", "torch")):
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError("ST-LPIPS", package, _EXTRA)
    weights = _read_weights()

    def distance(reference: Image, test: Image) -> float:
        import torch

        if reference.shape != test.shape or min(reference.shape[:2]) < _LEAST_SIDE:
            raise InvalidArgumentError(
                f"ST-LPIPS takes two images of one size, {_LEAST_SIDE} pixels a side at least, "
                f"got {reference.shape[1]}x{reference.shape[0]} and {test.shape[1]}x{test.shape[0]}"
            )
        with torch.inference_mode():
            total = 0.0
            pairs = zip(*(_features(image, weights) for image in (reference, test)), strict=True)
            for number, (expected, got) in enumerate(pairs):
                change = torch.square(_unit(expected) - _unit(got))
                total += float((change * weights[f"lin{number}.model.1.weight"]).sum(1).mean())
        return total

    return distance


def _read_weights() -> dict[str, Tensor]:
    import torch

    spec = importlib.util.find_spec(_PACKAGE)
    folders = spec.submodule_search_locations if spec is not None else None
    path = Path(next(iter(folders or [""])), *_WEIGHTS)
    try:
        weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        needed = [f"net.{name}.{what}" for name in _CONVOLUTIONS for what in ("weight", "bias")]
        needed += [f"lin{number}.model.1.weight" for number in range(len(_CONVOLUTIONS))]
        return {name: weights[name].float() for name in needed}
    except _UNREADABLE as error:
        raise DatasetError(f"{path} holds no weights of ST-LPIPS: {error}") from error


def _features(image: Image, weights: dict[str, Tensor]) -> list[Tensor]:
    """What the five convolutions see, after their ReLUs: (1, channels, rows, cols) each."""
    import torch
    from torch.nn import functional

    values = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 127.5 - 1
    shift, scale = (torch.tensor(numbers)[:, None, None] for numbers in (_SHIFT, _SCALE))
    values = (values - shift) / scale
    seen = []
    for name, padding in _CONVOLUTIONS.items():
        if name in _POOLED:
            values = _halved(functional.max_pool2d(values, 3, stride=1))
        kernel, bias = (weights[f"net.{name}.{what}"] for what in ("weight", "bias"))
        values = functional.conv2d(values, kernel, bias, padding=padding)
        values = functional.relu(_halved(values) if name == _FIRST else values)
        seen.append(values)
    return seen


def _halved(values: Tensor) -> Tensor:
    """Every other value of a blurred array, two pixels beyond its border at first."""
    import torch
    from torch.nn import functional

    line = torch.tensor([0.25, 0.5, 0.25])
    channels = values.shape[1]
    blur = (line[:, None] * line).expand(channels, 1, 3, 3)
    padded = functional.pad(values, (2, 2, 2, 2), mode="reflect")
    return functional.conv2d(padded, blur, stride=2, groups=channels)


def _unit(values: Tensor) -> Any:
    return values / (values.square().sum(dim=1, keepdim=True).sqrt() + _EPS)
