"""``kernel=`` in the filters of torch: equal to `lerf_core`'s, differentiable, recorded right."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from support.combinations import each_pair_of  # noqa: E402

import lerf_core  # noqa: E402
from lerf_core.errors import InvalidArgumentError  # noqa: E402
from lerf_core.sampling.kernels import Kernel, linear  # noqa: E402
from lerf_plugins.filters.torch import (  # noqa: E402
    GridSample,
    Interpolate,
    grid_sample,
    interpolate,
    resizing,
    warp_perspective,
    warping,
)

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
DEVICES = ["cpu", pytest.param("cuda", marks=needs_cuda)]
KERNELS = ("nearest", "box", "linear", "lanczos3", "mitchell", "magic-kernel-sharp-2021", "area")
RNG = np.random.default_rng(18)
BYTES = RNG.integers(0, 256, (2, 3, 23, 29), dtype=np.uint8)
FLOATS = RNG.random((2, 3, 23, 29))
TURN = np.array([[[0.9, 0.3, 1.5], [-0.2, 0.7, 4.0], [0.001, 0.004, 1.0]]] * 2)


@pytest.fixture
def by_torch(monkeypatch):
    """Torch operations do the work on the CPU as well."""
    for module in (resizing, warping):
        monkeypatch.setattr(module.execution, "is_compiled", lambda *_: False)


def images(dtype, *, missing=False):
    array = BYTES.copy() if dtype == "uint8" else FLOATS.astype(dtype)
    if missing:
        array[0, 1, 4:9, 5:12] = np.nan
        array[1, 2, 0, 0] = np.inf
    return array


def check(result, expected):
    result = result.cpu().numpy()
    assert result.dtype == expected.dtype
    if result.dtype == np.uint8:
        np.testing.assert_array_equal(result, expected)
    else:
        np.testing.assert_allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
@each_pair_of(
    kernel=[*KERNELS, "lerf-s"], dtype=["uint8", "float32", "float64"],
    mode=["edge", "constant", "wrap"],
)  # fmt: skip
def test_interpolate(by_torch, kernel, dtype, mode, device):
    size = (11, 17) if kernel == "lerf-s" else (12, 47)
    for missing in (False, True):
        array = images(dtype, missing=missing and dtype != "uint8")
        options = {"kernel": kernel, "mode": mode, "cval": 0.25}
        result = interpolate(torch.from_numpy(array).to(device), size, **options)
        expected = lerf_core.resize(array, size, channel_axis=1, alpha="separate", **options)
        check(result, expected)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("size", [(11, 17), (40, 17), (11, 50), (23, 12)])
def test_interpolate_by_default(by_torch, size, dtype, device):
    array = images(dtype, missing=dtype != "uint8")
    expected = lerf_core.resize(array, size, channel_axis=1, alpha="separate")
    check(interpolate(torch.from_numpy(array).to(device), size), expected)
    check(Interpolate(size).to(device)(torch.from_numpy(array).to(device)), expected)


@pytest.mark.parametrize("device", DEVICES)
@each_pair_of(kernel=KERNELS, dtype=["uint8", "float32"], padding=["zeros", "border", "reflection"])
def test_warp_perspective(by_torch, kernel, dtype, padding, device):
    mode = {"zeros": "constant", "border": "edge", "reflection": "symmetric"}[padding]
    array = images(dtype, missing=dtype != "uint8")
    result = warp_perspective(
        torch.from_numpy(array).to(device), torch.from_numpy(TURN).to(device), (20, 26),
        padding_mode=padding, kernel=kernel,
    )  # fmt: skip
    expected = [
        lerf_core.warp(
            one, np.linalg.inv(TURN[0]), output_shape=(20, 26), channel_axis=0, alpha="separate",
            mode=mode, kernel=kernel,
        )
        for one in array
    ]  # fmt: skip
    check(result, np.stack(expected))


def test_compiled_and_torch_are_equal(monkeypatch):
    grid = torch.from_numpy(RNG.random((2, 14, 15, 2)).astype(np.float32) * 2 - 1)
    for dtype in ("uint8", "float32"):
        tensor = torch.from_numpy(images(dtype))
        compiled = [
            interpolate(tensor, (12, 47), kernel="lanczos3"),
            interpolate(tensor, (12, 47), kernel="lanczos3", align_corners=True),
            grid_sample(tensor, grid, kernel="lanczos3", align_corners=True),
        ]
        with monkeypatch.context() as patch:
            patch.setattr(resizing.execution, "is_compiled", lambda *_: False)
            by_torch = [
                Interpolate((12, 47), kernel="lanczos3")(tensor),
                interpolate(tensor, (12, 47), kernel="lanczos3", align_corners=True),
                GridSample(kernel="lanczos3", align_corners=True)(tensor, grid),
            ]
        for one, other in zip(compiled, by_torch, strict=True):
            check(other, one.numpy())


@pytest.mark.parametrize("kernel", ["lanczos3", "area", "nearest"])
def test_gradients_by_images(kernel):
    tensor = torch.rand(1, 1, 7, 8, dtype=torch.float64, requires_grad=True)
    grid = torch.rand(1, 5, 6, 2, dtype=torch.float64) * 1.6 - 0.8
    calls = (
        lambda image: interpolate(image, (5, 11), kernel=kernel),
        lambda image: grid_sample(image, grid, kernel=kernel),
    )
    for call in calls:
        result = call(tensor)
        direction, towards = torch.rand_like(result), torch.rand_like(tensor)
        (gradient,) = torch.autograd.grad(result, tensor, direction)
        # All is linear in the image.
        change = (call(tensor.detach() + towards) - result.detach()) * direction
        assert float((gradient * towards).sum()) == pytest.approx(float(change.sum()), abs=1e-4)


def test_gradients_of_the_learned_function_and_by_grids():
    tensor = torch.rand(1, 1, 30, 30, requires_grad=True)
    interpolate(tensor, (12, 13)).sum().backward()
    assert float(tensor.grad.sum()) == pytest.approx(156, rel=0.05)
    ramp = torch.arange(12.0).expand(1, 1, 12, 12) / 12
    grid = (torch.rand(1, 4, 4, 2) - 0.5).requires_grad_()
    # Pixels of such a grid are wide: they would be blended with zeros.
    options = {"anti_aliasing": False, "padding_mode": "border"}
    grid_sample(ramp, grid, kernel="linear", **options).sum().backward()
    np.testing.assert_allclose(grid.grad[..., 0], 0.5, atol=1e-3)
    np.testing.assert_allclose(grid.grad[..., 1], 0, atol=1e-3)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_recorded_calls():
    tensor = torch.from_numpy(images("float32"))
    traced = torch.jit.trace(
        lambda image: interpolate(image, scale_factor=0.5, kernel="lanczos2"), tensor
    )
    larger = torch.rand(1, 3, 40, 44)
    torch.testing.assert_close(
        traced(larger), interpolate(larger, scale_factor=0.5, kernel="lanczos2")
    )
    program = torch.export.export(Interpolate(scale_factor=0.5, kernel="lerf-s"), (tensor,))
    torch.testing.assert_close(
        program.module()(tensor), interpolate(tensor, scale_factor=0.5, kernel="lerf-s")
    )
    own = Kernel("my-own", 1.0, linear)
    interpolate(tensor, scale_factor=0.5, kernel=own)
    with pytest.raises(InvalidArgumentError, match="cannot be recorded"):
        torch.vmap(lambda image: interpolate(image, scale_factor=0.5, kernel=own))(tensor[None])


def test_modules_of_a_kernel_have_no_tables():
    module = Interpolate(scale_factor=2, kernel="mitchell")
    assert list(module.buffers()) == []
    assert repr(module) == "Interpolate(scale_factor=2, kernel='mitchell', mode='edge')"
    module.load_state_dict(Interpolate(scale_factor=3, kernel="mitchell").state_dict())


def test_what_excludes_each_other():
    tensor = torch.rand(1, 1, 8, 8)
    with pytest.raises(InvalidArgumentError, match="bank and kernel exclude"):
        interpolate(tensor, 5, bank="lerf-g", kernel="area")
    with pytest.raises(InvalidArgumentError, match="bank and kernel exclude"):
        Interpolate(5, bank="lerf-g", kernel="area")
    with pytest.raises(InvalidArgumentError, match="kernel lerf-s shrinks"):
        interpolate(tensor, 12, kernel="lerf-s")
    with pytest.raises(InvalidArgumentError, match="kernel lerf-s shrinks"):
        interpolate(tensor, 5, kernel="lerf-s", align_corners=True)
    with pytest.raises(InvalidArgumentError, match="kernel must be one of"):
        grid_sample(tensor, torch.zeros(1, 2, 2, 2), kernel="sinc")
