"""The filters for torch equal lerf_core, place pixels as torch does, and have its gradients."""

import copy
import math
import pickle

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

# ruff: noqa: E402 - torch may be missing, and with it what follows
torch = pytest.importorskip("torch")

from support import strategies as draw
from support.banks import random_bank
from support.combinations import each_pair_of
from support.torch_filters import TILT, TURN, assert_equal, noise, on_backend, slope

import lerf_core
from lerf_core import geometry
from lerf_core.backends.torch import fused
from lerf_core.errors import BankError, InvalidArgumentError, InvalidTypeError
from lerf_plugins.filters.torch import (
    GridSample,
    Interpolate,
    execution,
    grid_sample,
    interpolate,
    warp_perspective,
)
from lerf_plugins.filters.torch.options import PADDINGS

functional = torch.nn.functional

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
CUDA = pytest.param("cuda", marks=needs_cuda)
# The same without kernels of its own.
PLAIN = pytest.param("plain cuda", marks=needs_cuda)
DEVICES = ("cpu", CUDA, PLAIN)
BANKS = ("lerf-p", "lerf-g", "lerf-l")


def photo(size=24, seed=0):
    """Waves and an edge, in 0.15..0.85."""
    y, x = np.mgrid[:size, :size] / size
    rng = np.random.default_rng(seed)
    waves = [np.sin(9 * rng.normal() * x + 9 * rng.normal() * y + 6 * rng.random()) for _ in "abc"]
    return torch.from_numpy((0.5 + 0.25 * np.stack(waves) + 0.1 * (x > 0.6))[None]).float()


# -- equal to lerf_core -------------------------------------------------------------


@each_pair_of(
    bank=[None, *BANKS], size=[(18, 26), (31, 20), (9, 26), (4, 5)],
    dtype=[torch.uint8, torch.float32],
)  # fmt: skip
def test_sizes_are_those_of_lerf_core(device, bank, size, dtype):
    image = noise(dtype=dtype)
    want = lerf_core.resize(image.numpy(), size, bank=bank, channel_axis=1, alpha="separate")
    assert_equal(interpolate(image.to(device), size, bank=bank), want)


@each_pair_of(
    size=[(20, 17), (5, 5)], mode=["constant", "symmetric", "reflect", "wrap"],
    dtype=[torch.uint8, torch.float64],
)  # fmt: skip
def test_borders_are_those_of_lerf_core(device, size, mode, dtype):
    image, cval = noise(dtype=dtype), 77 if dtype == torch.uint8 else 0.3
    options = {"bank": "lerf-p", "mode": mode, "cval": cval}
    want = lerf_core.resize(image.numpy(), size, channel_axis=1, alpha="separate", **options)
    assert_equal(interpolate(image.to(device), size, **options), want)


def without_backend(function, *arguments, **options):
    """What torch's operations give on the CPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execution, "is_compiled", lambda *_: False)
        return function(*arguments, **options)


@each_pair_of(
    bank=["lerf-p", "lerf-l"], padding_mode=["zeros", "border", "reflection"],
    align_corners=[False, True], dtype=[torch.uint8, torch.float32],
)  # fmt: skip
def test_grids_are_warps_of_lerf_core(device, bank, padding_mode, align_corners, dtype):
    image = noise(dtype=dtype)
    grid = functional.affine_grid(TURN, (2, 3, 11, 15), align_corners=align_corners)
    grid[0, 0, 0] = math.nan
    grid[1, 3, 4, 0] = math.inf

    def sample(image, grid):
        return grid_sample(
            image, grid, padding_mode=padding_mode, align_corners=align_corners, bank=bank
        )

    assert_equal(sample(image.to(device), grid.to(device)), on_backend(sample, image, grid))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("bank", BANKS)
def test_homographies_are_warps_of_lerf_core(device, bank, dtype):
    image = noise(dtype=dtype)
    mine = warp_perspective(image.to(device), TILT.to(device), (14, 16), bank=bank)
    want = np.stack([
        lerf_core.warp(
            one, np.linalg.inv(matrix), output_shape=(14, 16), bank=bank, channel_axis=0,
            alpha="separate",
        )
        for one, matrix in zip(image.numpy(), TILT.double().numpy(), strict=True)
    ])  # fmt: skip
    assert_equal(mine, want)


@pytest.mark.parametrize("size", [(18, 31), (4, 13), (1, 2)])
def test_aligned_corners_are_warps_of_lerf_core(device, size):
    image = noise()
    resize = lambda image: interpolate(image, size, align_corners=True)  # noqa: E731
    assert_equal(resize(image.to(device)), on_backend(resize, image))


@pytest.mark.parametrize("value_range", [(0, 1), (-2, 5), (0.4, 0.6)])
def test_values_out_of_range_survive(device, value_range):
    image = noise() * 3 - 1
    want = lerf_core.resize(
        image.numpy(), (18, 26), value_range=value_range, channel_axis=1, alpha="separate"
    )
    mine = interpolate(image.to(device), scale_factor=2, value_range=value_range).cpu().numpy()
    np.testing.assert_allclose(mine, want, rtol=0, atol=2e-5 * (value_range[1] - value_range[0]))


def test_missing_values_do_not_count(device):
    image = noise()
    image[0, 0, 4, 5], image[1, 2, 0, 0], image[1, 0, :4, :6] = math.nan, math.inf, math.nan
    for size in ((18, 26), (5, 6)):
        want = lerf_core.resize(image.numpy(), size, channel_axis=1, alpha="separate")
        mine = interpolate(image.to(device), size)
        assert np.isnan(want).any()
        assert_equal(mine, want)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_16_bit_floats_are_computed_in_float32(device, dtype):
    image = noise(dtype=dtype)
    mine = interpolate(image.to(device), scale_factor=2)
    assert mine.dtype == dtype
    exact = interpolate(image.float(), scale_factor=2)
    torch.testing.assert_close(mine.cpu().float(), exact, rtol=0, atol=4e-3)


def test_chunks_change_nothing(device, monkeypatch):
    image = noise((5, 2, 7, 6))
    grid = functional.affine_grid(TURN[:1].expand(5, -1, -1), (5, 2, 9, 9), align_corners=False)
    whole = interpolate(image.to(device), (9, 20)), grid_sample(image.to(device), grid.to(device))
    for name in ("CHUNK", "CPU_CHUNK"):
        monkeypatch.setattr(execution, name, 400)
    parts = interpolate(image.to(device), (9, 20)), grid_sample(image.to(device), grid.to(device))
    assert all(map(torch.equal, whole, parts))


def test_the_backend_serves_the_cpu_where_no_gradient_is_wanted(monkeypatch):
    image = noise().requires_grad_()
    with torch.no_grad():
        mine = interpolate(image, scale_factor=2)
    want = lerf_core.resize(image.detach().numpy(), (18, 26), channel_axis=1, alpha="separate")
    assert np.array_equal(mine.numpy(), want)
    assert not mine.requires_grad
    assert not interpolate(noise(dtype=torch.uint8), scale_factor=2).requires_grad
    assert interpolate(image, scale_factor=2).requires_grad


# -- equal to the reference on whatever is drawn ------------------------------------------


def drawn_tensor(data, dtype):
    """Images (1, channels, rows, cols), floats with missing values one time in two."""
    image = data.draw(draw.images(dtype, channels=st.integers(1, 2)))
    image = draw.holed(image, 0) if data.draw(st.booleans()) else image
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, -1, 0))[None])


@pytest.mark.slow
@each_pair_of(kind=list(draw.KINDS), mode=draw.BORDER_MODES, dtype=["uint8", "float32", "float64"])
@hypothesis.settings(max_examples=3)
@hypothesis.given(data=st.data())
def test_drawn_images_are_resized_as_by_the_reference(kind, mode, dtype, data):
    image, bank = drawn_tensor(data, dtype), random_bank(kind)
    size = tuple(max(1, round(side * data.draw(draw.SCALES))) for side in image.shape[2:])
    options = {
        "bank": bank, "mode": mode, "cval": 0.4,
        "anti_aliasing": data.draw(st.sampled_from([None, False])),
    }  # fmt: skip
    want = lerf_core.resize(
        image.numpy(), size, channel_axis=1, alpha="separate", engine="reference", **options
    )
    assert_equal(without_backend(interpolate, image, size, **options), want)


@pytest.mark.slow
@each_pair_of(kind=list(draw.KINDS), padding_mode=list(PADDINGS), dtype=["uint8", "float32"])
@hypothesis.settings(max_examples=3)
@hypothesis.given(data=st.data())
def test_drawn_images_are_warped_as_by_the_reference(kind, padding_mode, dtype, data):
    image, bank = drawn_tensor(data, dtype), random_bank(kind)
    forward = data.draw(draw.homographies())
    options = {"bank": bank, "anti_aliasing": data.draw(st.sampled_from([None, False]))}
    want = lerf_core.warp(
        image[0].numpy(), geometry.invert(forward), output_shape=(11, 19), channel_axis=0,
        mode=PADDINGS[padding_mode][False], alpha="separate", engine="reference", **options,
    )[None]  # fmt: skip
    mine = without_backend(
        warp_perspective, image, torch.from_numpy(forward)[None], (11, 19),
        padding_mode=padding_mode, **options,
    )  # fmt: skip
    assert_equal(mine, want)


# -- as torch has it ------------------------------------------------------------------


@pytest.mark.parametrize(
    "given", [{"size": 7}, {"size": (5, 30)}, {"scale_factor": 1.7}, {"scale_factor": (0.4, 2.3)}]
)
def test_shapes_are_those_of_torch(given):
    image = noise()
    theirs = functional.interpolate(image, **given, mode="bilinear")
    assert interpolate(image, **given).shape == theirs.shape


@pytest.mark.parametrize("align_corners", [False, True])
def test_pixel_centres_are_those_of_torch(align_corners):
    ramp = (0.2 + 0.6 * torch.arange(24.0) / 23).expand(1, 1, 24, 24).contiguous()
    theirs = functional.interpolate(ramp, (55, 55), mode="bilinear", align_corners=align_corners)
    mine = interpolate(ramp, (55, 55), align_corners=align_corners)
    inner = (..., slice(6, -6))
    # A pixel of the ramp is 0.026.
    torch.testing.assert_close(mine[inner], theirs[inner], rtol=0, atol=4e-3)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
def test_grids_lie_where_torch_has_them(padding_mode, align_corners):
    y, x = torch.meshgrid(torch.arange(20.0), torch.arange(24.0), indexing="ij")
    image = (0.2 + 0.015 * x + 0.01 * y)[None, None]
    theta = torch.tensor([[[1.1, 0.2, 0.1], [-0.2, 1.2, 0.0]]])
    grid = functional.affine_grid(theta, (1, 1, 21, 25), align_corners=align_corners)
    options = {"padding_mode": padding_mode, "align_corners": align_corners}
    theirs = functional.grid_sample(image, grid, **options)
    mine = grid_sample(image, grid, **options)
    error = (mine - theirs).abs()[0]
    # Around the border supports differ; torch fades by the source's pixels, not by its own.
    inner = grid.abs().amax(-1) < 0.85
    assert float(error[inner].max()) < 4e-3
    assert float(error.max()) < (0.15 if padding_mode == "zeros" else 0.03)


def test_a_forward_matrix_moves_the_image_where_it_says():
    image = torch.zeros(1, 1, 12, 12)
    image[0, 0, 3, 4] = 1
    shift = torch.tensor([[[1.0, 0, 5], [0, 1, 2], [0, 0, 1]]])
    moved = warp_perspective(image, shift, (12, 12))
    assert divmod(int(moved.argmax()), 12) == (5, 9)


def test_an_image_that_keeps_its_shape_is_copied():
    image = noise()
    for align_corners in (False, True):
        same = interpolate(image, scale_factor=1, align_corners=align_corners)
        assert torch.equal(same, image)
        assert same.data_ptr() != image.data_ptr()


def test_no_images_give_none():
    assert interpolate(torch.zeros(0, 3, 4, 4), scale_factor=2).shape == (0, 3, 8, 8)
    assert grid_sample(torch.zeros(2, 0, 4, 4), torch.zeros(2, 5, 6, 2)).shape == (2, 0, 5, 6)
    assert warp_perspective(torch.zeros(0, 1, 4, 4), TILT[:0], (3, 3)).shape == (0, 1, 3, 3)


# -- gradients ------------------------------------------------------------------------


def projection(shape, device, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator).to(device)


@pytest.mark.parametrize("size", [(48, 48), (37, 11)])
@pytest.mark.parametrize("bank", BANKS)
def test_image_gradients_are_differences(device, bank, size):
    image = photo().to(device).requires_grad_()
    weight = projection((1, 3, *size), device)
    loss = lambda image: (interpolate(image, size, bank=bank) * weight).sum()  # noqa: E731
    loss(image).backward()
    # Along itself a projection grows fastest: its slope is no sum that cancels. Steps of half
    # a level, over roundings and small against the tables' cells.
    direction = image.grad.sign()
    expected = slope(loss, image.detach(), direction, 0.002)
    assert float((image.grad * direction).sum()) == pytest.approx(expected, rel=0.04)
    assert bool((image.grad != 0).all())


@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("bank", BANKS)
def test_grid_gradients_are_differences(device, bank, padding_mode):
    image = photo().to(device)
    # Away from where another pixel becomes the nearest: results may step there. Some lie outside.
    rng = np.random.default_rng(2)
    pixels = rng.integers(-2, 25, (1, 20, 20, 2)) + rng.uniform(0.1, 0.9, (1, 20, 20, 2))
    grid = torch.from_numpy((2 * pixels + 1) / 24 - 1).to(device).requires_grad_()
    weight = projection((1, 3, 20, 20), device)

    def loss(grid):
        # Supports that stretch count as constants.
        options = {"padding_mode": padding_mode, "anti_aliasing": False}
        return (grid_sample(image, grid, bank=bank, **options) * weight).sum()

    loss(grid).backward()
    direction = grid.grad.sign()
    expected = slope(loss, grid.detach(), direction, 1e-4)
    assert float((grid.grad * direction).sum()) == pytest.approx(expected, rel=0.02)


def test_matrix_gradients_are_differences(device):
    image = photo().to(device)
    matrix = TILT[:1].double().to(device).requires_grad_()
    weight = projection((1, 3, 20, 20), device)

    def loss(matrix):
        # Of a bank whose results hardly step where another pixel becomes the nearest.
        options = {"bank": "lerf-p", "anti_aliasing": False}
        return (warp_perspective(image, matrix, (20, 20), **options) * weight).sum()

    loss(matrix).backward()
    for number in (0, 2, 4, 6):
        direction = torch.zeros(9, dtype=torch.float64, device=device)
        direction[number] = 1
        direction = direction.view(1, 3, 3)
        expected = slope(loss, matrix.detach(), direction, 1e-4 if number < 6 else 1e-5)
        found = float((matrix.grad * direction).sum())
        assert found == pytest.approx(expected, rel=0.1, abs=0.02 * float(matrix.grad.abs().max()))


@needs_cuda
def test_there_are_kernels_where_triton_is():
    pytest.importorskip("triton")
    assert fused.fused_kernels(torch.device("cuda")) is not None


@pytest.mark.slow
def test_what_lies_beyond_the_horizon_spoils_no_gradient(device):
    matrix = torch.tensor([[[0.9, 0.2, 1.0], [0.1, 1.2, -2.0], [0.08, 0.05, 1.0]]])
    image = photo().to(device).requires_grad_()
    matrix = matrix.to(device).requires_grad_()
    moved = warp_perspective(image, matrix, (40, 40))
    assert bool((moved == 0).any())
    moved.square().sum().backward()
    assert bool(matrix.grad.isfinite().all() and image.grad.isfinite().all())
    assert float(matrix.grad.abs().sum()) > 0


@pytest.mark.parametrize("device", [CUDA, PLAIN], indirect=True)
@pytest.mark.parametrize("bank", BANKS)
def test_gradients_are_the_same_on_cuda(bank, device):
    found = []
    for place in ("cpu", device):
        image = photo().to(place).requires_grad_()
        grid = functional.affine_grid(TURN[1:], (1, 3, 20, 20), align_corners=False)
        grid = grid.to(place).requires_grad_()
        weight = projection((1, 3, 48, 48), place)
        one = (interpolate(image, scale_factor=2, bank=bank) * weight).sum()
        other = (grid_sample(image, grid, bank=bank) * weight[..., :20, :20]).sum()
        (one + other).backward()
        found.append((image.grad.cpu(), grid.grad.cpu()))
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4 * float(theirs.abs().max()))


def test_values_out_of_range_have_gradients(device):
    image = (photo() * 4 - 1).to(device).requires_grad_()
    interpolate(image, scale_factor=2).sum().backward()
    # Every pixel's share of the enlargement: four pixels.
    assert float(image.grad.mean()) == pytest.approx(4, rel=0.02)


def test_an_image_is_found_by_its_enlargement(device):
    target = interpolate(photo().to(device), scale_factor=2)
    image = torch.full((1, 3, 24, 24), 0.5, device=device, requires_grad=True)
    optimiser = torch.optim.Adam([image], lr=0.05)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = (interpolate(image, scale_factor=2) - target).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.02 * losses[0]


def test_gradients_reach_16_bit_and_double_images(device):
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        image = photo(12).to(device, dtype).requires_grad_()
        interpolate(image, (18, 18)).sum().backward()
        assert image.grad.dtype == dtype
        assert float(image.grad.double().mean()) == pytest.approx(18**2 / 12**2, rel=0.03)


def test_autocast_changes_nothing(device):
    image = photo(12).to(device).requires_grad_()
    plain = interpolate(image, scale_factor=2)
    with torch.autocast(device, dtype=torch.bfloat16):
        cast = interpolate(image, scale_factor=2)
    assert torch.equal(plain, cast)


# -- modules --------------------------------------------------------------------------


@pytest.mark.parametrize("bank", [None, "lerf-l"])
@pytest.mark.parametrize("size", [(18, 26), (4, 5)])
def test_modules_are_the_functions(device, size, bank):
    image = noise().to(device)
    module = Interpolate(size, bank=bank).to(device)
    assert torch.equal(module(image), interpolate(image, size, bank=bank))
    grid = functional.affine_grid(TURN, (2, 3, 7, 7), align_corners=True).to(device)
    sampler = GridSample(padding_mode="border", align_corners=True, bank=bank).to(device)
    theirs = grid_sample(image, grid, padding_mode="border", align_corners=True, bank=bank)
    assert torch.equal(sampler(image, grid), theirs)


@pytest.mark.parametrize("through", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_modules_are_copied_and_pickled(through):
    module = through(Interpolate(scale_factor=2, bank="lerf-g"))
    assert torch.equal(module(noise()), interpolate(noise(), scale_factor=2, bank="lerf-g"))


def test_half_modules_keep_their_tables():
    module = Interpolate(scale_factor=2).half()
    assert not any(one.is_floating_point() for one in module.buffers())
    assert not list(module.parameters())


def test_the_tables_are_state(make_random_bank, device):
    image = noise().to(device)
    bank = make_random_bank("lerf-g")
    trained = Interpolate(scale_factor=2, bank=bank).to(device)
    other = Interpolate(scale_factor=2, bank=make_random_bank("lerf-g", seed=5)).to(device)
    assert not torch.equal(other(image), trained(image))
    other.load_state_dict(trained.state_dict())
    assert torch.equal(other(image), trained(image))
    # The backend's tables follow.
    assert all(np.array_equal(other.bank.tables[key], bank.tables[key]) for key in bank.tables)


def test_state_of_another_structure_is_refused(make_random_bank):
    state = Interpolate(scale_factor=2, bank=make_random_bank("lerf-g")).state_dict()
    module = Interpolate(scale_factor=2, bank=make_random_bank("lerf-g", interval=32))
    with pytest.raises((BankError, RuntimeError), match=r"structure|size mismatch"):
        module.load_state_dict(state)
    state = Interpolate(scale_factor=2, bank="lerf-g").state_dict()
    with pytest.raises(BankError, match="another structure"):
        module.load_state_dict(state)


# -- refusals -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (interpolate, InvalidArgumentError, "either size or scale_factor"),
        (lambda x: interpolate(x, 4, 2), InvalidArgumentError, "either size or scale_factor"),
        (lambda x: interpolate(x, 0), InvalidArgumentError, "0"),
        (lambda x: interpolate(x, scale_factor=-1), InvalidArgumentError, "-1"),
        (lambda x: interpolate(x, scale_factor=0.01), InvalidArgumentError, "0.01"),
        (lambda x: interpolate(x, 4, mode="bicubic"), InvalidArgumentError, "bicubic"),
        (lambda x: interpolate(x, 4, cval=math.nan), InvalidArgumentError, "nan"),
        (lambda x: interpolate(x, 4, value_range=(1, 0)), InvalidArgumentError, "1"),
        (lambda x: interpolate(x[0], 4), InvalidArgumentError, r"\(3, 9, 13\)"),
        (lambda x: interpolate(x.long(), 4), InvalidTypeError, "int64"),
        (lambda x: interpolate(x.numpy(), 4), InvalidTypeError, "ndarray"),
        (
            lambda x: interpolate(x, scale_factor=1.3, recompute_scale_factor=False),
            InvalidArgumentError,
            "1.3",
        ),
        (
            lambda x: interpolate(x, 4, mode="constant", align_corners=True),
            InvalidArgumentError,
            "align_corners",
        ),
        (lambda x: grid_sample(x, torch.zeros(2, 4, 4)), InvalidArgumentError, r"\(2, 4, 4\)"),
        (lambda x: grid_sample(x, torch.zeros(1, 4, 4, 2)), InvalidArgumentError, r"\(1, 4, 4, 2"),
        (lambda x: grid_sample(x, torch.zeros(2, 4, 4, 2).int()), InvalidTypeError, "int32"),
        (
            lambda x: grid_sample(x, torch.zeros(2, 4, 4, 2), padding_mode="wrap"),
            InvalidArgumentError,
            "wrap",
        ),
        (lambda x: warp_perspective(x, torch.eye(3), (4, 4)), InvalidArgumentError, r"\(3, 3\)"),
        (
            lambda x: warp_perspective(x, torch.zeros(2, 3, 3), (4, 4)),
            InvalidArgumentError,
            "singular",
        ),
        (lambda x: Interpolate(), InvalidArgumentError, "either"),
        (lambda x: GridSample(padding_mode="wrap"), InvalidArgumentError, "wrap"),
    ],
)
def test_what_cannot_be_used_is_refused(call, error, match):
    with pytest.raises(error, match=match):
        call(noise())
