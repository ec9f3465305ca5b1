"""torch's functions behind a front: on the CPU what lerf_core gives, elsewhere refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.banks import write_bank_behind_fronts
from support.fronts import ConvolutionFront

import lerf_core
from lerf_core.bank import default_bank
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


@pytest.mark.parametrize("size", [(30, 38), (40, 51), (12, 40), (10, 9)])
def test_module(size: tuple[int, int]) -> None:
    images = images_of()
    for keywords in ({}, {"kernel": "linear"}, {"bank": "lerf-g"}):
        module = filters.Interpolate(size, front=FRONT, **keywords)
        expected = lerf_core.resize(
            images, size, front=FRONT, channel_axis=1, alpha="separate", **keywords
        )
        np.testing.assert_array_equal(module(torch.from_numpy(images)).numpy(), expected)
        assert "front='convolution'" in repr(module)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(40, 51), (12, 40)])
def test_where_no_bank_is_named_it_is_the_one_behind_fronts(
    size: tuple[int, int], align_corners: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: Any = {"align_corners": align_corners, "front": FRONT}
    images = torch.from_numpy(images_of())
    before = filters.interpolate(images, size, **options)
    write_bank_behind_fronts(tmp_path, monkeypatch)
    after = filters.interpolate(images, size, **options)
    module = filters.Interpolate(size, **options)
    assert module.bank == lerf_core.load_bank("lerf-g")
    np.testing.assert_array_equal(module(images).numpy(), after.numpy())
    assert (after != before).any()
    if not align_corners:
        expected = lerf_core.resize(
            images.numpy(), size, front=FRONT, channel_axis=1, alpha="separate"
        )
        np.testing.assert_array_equal(after.numpy(), expected)
    else:
        named = filters.interpolate(images, size, bank="lerf-g", **options)
        assert (named == after).all() or min(size) < 30


def test_a_modules_own_bank_works_behind_its_front() -> None:
    images, shapes = images_of(), ((40, 51), (12, 40))
    default_bank: Any = lerf_core.load_bank(enlarged_by=2)
    halves = {name: table // 2 for name, table in default_bank.tables.items()}
    bank = replace(default_bank, tables=halves)
    trained = filters.Interpolate(scale_factor=2, bank=bank)
    for size in shapes:
        module = filters.Interpolate(size, bank="lerf-p", front=FRONT)
        module.load_state_dict(trained.state_dict())
        default = filters.Interpolate(size, front=FRONT)
        default.load_state_dict(trained.state_dict())
        expected = lerf_core.resize(images, size, bank=bank, front=FRONT, channel_axis=1)
        np.testing.assert_array_equal(module(torch.from_numpy(images)).numpy(), expected)
        first = lerf_core.resize(
            images, (min(30, size[0]), min(38, size[1])), front=FRONT, channel_axis=1
        )
        expected = lerf_core.resize(first, size, bank=bank, channel_axis=1)
        np.testing.assert_array_equal(default(torch.from_numpy(images)).numpy(), expected)


def test_aligned_corners() -> None:
    images = torch.from_numpy(images_of("float32"))
    for size, bank in (((22, 27), "analytic"), ((45, 57), default_bank(enlarged_by=2))):
        result = filters.interpolate(images, size, front=FRONT, align_corners=True)
        step = [(old - 1) / (new - 1) for old, new in zip((15, 19), size, strict=True)]
        matrix = np.diag([step[1], step[0], 1])
        expected = lerf_core.warp(
            images[0].numpy(), matrix, output_shape=size, bank=bank, front=FRONT,
            channel_axis=0, mode="edge",
        )  # fmt: skip
        np.testing.assert_allclose(result[0].numpy(), expected, atol=1e-5)


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


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
def test_no_tensors_on_other_devices() -> None:
    images = torch.from_numpy(images_of()).cuda()
    with pytest.raises(InvalidArgumentError, match=r"got some on cuda:0: hand over input\.cpu"):
        filters.interpolate(images, (30, 38), front=FRONT)


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace:DeprecationWarning")
def test_no_gradients_and_no_graphs() -> None:
    images = torch.from_numpy(images_of("float32")).requires_grad_()
    sample = filters.GridSample(front=FRONT)
    for call in (
        lambda: filters.interpolate(images, (30, 38), front=FRONT),
        lambda: filters.Interpolate((30, 38), front=FRONT)(images),
        lambda: sample(images, torch.zeros(2, 4, 5, 2)),
        lambda: filters.warp_perspective(images, torch.eye(3).repeat(2, 1, 1), (9, 9), front=FRONT),
    ):
        with pytest.raises(InvalidArgumentError, match="a front takes tensors on the CPU"):
            call()
        with torch.no_grad():
            assert call().shape[1] == 3
    for recorded in (
        lambda image: filters.interpolate(image, (30, 38), front=FRONT),
        filters.Interpolate((30, 38), front=FRONT),
        lambda image: sample(image, torch.zeros(2, 4, 5, 2)),
    ):
        with pytest.raises(InvalidArgumentError, match="recorded in a graph"):
            torch.jit.trace(recorded, images.detach())
    with pytest.raises(FrontError, match="no front is called"):
        filters.interpolate(images.detach(), (30, 38), front="none-such")
