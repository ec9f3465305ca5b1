"""torch's functions behind a front: on the CPU what lerf_core gives, elsewhere refused."""

from __future__ import annotations

import numpy as np
import pytest
from support.fronts import ConvolutionFront

import lerf_core
from lerf_core.errors import FrontError, InvalidArgumentError

torch = pytest.importorskip("torch")
from lerf_plugins.filters import torch as filters  # noqa: E402

FRONT = ConvolutionFront(2, colours=True)


def images_of(dtype: str = "uint8") -> np.ndarray:
    values = np.random.default_rng(3).integers(0, 256, (2, 3, 15, 19))
    return (values / 255).astype(dtype) if dtype == "float32" else values.astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("size", [(30, 38), (40, 51), (12, 40), (10, 9)])
def test_interpolate(dtype: str, size: tuple[int, int]) -> None:
    images = images_of(dtype)
    for keywords in ({}, {"kernel": "linear"}, {"bank": "lerf-g"}, {"mode": "wrap"}):
        result = filters.interpolate(torch.from_numpy(images), size, front=FRONT, **keywords)
        expected = lerf_core.resize(
            images, size, front=FRONT, channel_axis=1, alpha="separate", **keywords
        )
        np.testing.assert_array_equal(result.numpy(), expected)


def test_at_its_own_size_the_front_works() -> None:
    images = torch.from_numpy(images_of())
    front = ConvolutionFront(1)
    result = filters.interpolate(images, (15, 19), front=front)
    assert (result != images).any()


def test_positions() -> None:
    images = images_of("float32")
    tensor = torch.from_numpy(images)
    turn = torch.tensor([[[0.8, -0.6, 0.1], [0.6, 0.8, 0]]] * 2)
    grid = torch.nn.functional.affine_grid(turn, (2, 3, 24, 26), align_corners=False)
    result = filters.grid_sample(tensor, grid, front=FRONT, padding_mode="border")
    cols, rows = (
        ((grid[..., axis].double() + 1) * size / 2 - 0.5).numpy()
        for axis, size in ((0, 19), (1, 15))
    )
    for image, row, col, plane in zip(images, rows, cols, result, strict=True):
        expected = lerf_core.warp(
            image, np.stack([row, col]), front=FRONT, channel_axis=0, mode="edge"
        )
        np.testing.assert_allclose(plane.numpy(), expected, atol=1e-4)
    matrix = torch.tensor([[[0.9, 0.2, 1], [-0.1, 1.1, 2], [0, 0, 1.0]]] * 2)
    warped = filters.warp_perspective(tensor, matrix, (20, 22), front=FRONT)
    inverse = lerf_core.geometry.invert(matrix[0].double().numpy())
    expected = lerf_core.warp(
        images[0], inverse, output_shape=(20, 22), front=FRONT, channel_axis=0
    )
    np.testing.assert_allclose(warped[0].numpy(), expected, atol=1e-4)


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace:DeprecationWarning")
def test_no_gradients_and_no_graphs() -> None:
    images = torch.from_numpy(images_of("float32")).requires_grad_()
    for call in (
        lambda: filters.interpolate(images, (30, 38), front=FRONT),
        lambda: filters.warp_perspective(images, torch.eye(3).repeat(2, 1, 1), (9, 9), front=FRONT),
    ):
        with pytest.raises(InvalidArgumentError, match="a front takes tensors on the CPU"):
            call()
        with torch.no_grad():
            assert call().shape[1] == 3
    with pytest.raises(InvalidArgumentError, match="recorded in a graph"):
        torch.jit.trace(
            lambda image: filters.interpolate(image, (30, 38), front=FRONT), images.detach()
        )
    with pytest.raises(FrontError, match="no front is called"):
        filters.interpolate(images.detach(), (30, 38), front="none-such")
