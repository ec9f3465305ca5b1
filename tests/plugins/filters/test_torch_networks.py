"""The filters for torch with networks: equal to lerf_core, colours together, with gradients."""

import copy
import math
import pickle

import numpy as np
import pytest

# ruff: noqa: E402 - torch may be missing, and with it what follows
torch = pytest.importorskip("torch")

from support.banks import make_random_network
from support.combinations import each_pair_of
from support.torch_filters import TILT, TURN, assert_equal, noise, on_backend, slope

import lerf_core
from lerf_core.backends.torch import network, packed_planes, source_pixels
from lerf_core.bank import Layer, NetworkBank
from lerf_core.errors import BankError
from lerf_plugins.filters.torch import (
    GridSample,
    Interpolate,
    execution,
    grid_sample,
    interpolate,
    warp_perspective,
)
from lerf_plugins.filters.torch.bank_tensors import bank_tensors, own_bank, structure_of

functional = torch.nn.functional
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
BANK = make_random_network(middle=1, seed=7)
OTHER = make_random_network(middle=1, seed=8)


def by_core(image, size, **options):
    return lerf_core.resize(
        image.numpy(), size, channel_axis=1, alpha="separate", bank=BANK, **options
    )


# -- equal to lerf_core ---------------------------------------------------------------


@each_pair_of(
    channels=[1, 2, 3, 4], size=[(18, 26), (31, 20), (9, 26), (4, 5)],
    mode=["edge", "constant", "symmetric", "reflect", "wrap"],
    dtype=[torch.uint8, torch.float32, torch.float64], anti_aliasing=[None, False],
)  # fmt: skip
def test_resizes_are_those_of_lerf_core(device, channels, size, mode, dtype, anti_aliasing):
    image = noise((2, channels, 9, 13), dtype)
    cval = 77 if dtype == torch.uint8 else 0.3
    options = {"mode": mode, "cval": cval, "anti_aliasing": anti_aliasing}
    want = by_core(image, size, **options)
    assert_equal(interpolate(image.to(device), size, bank=BANK, **options), want)


@pytest.mark.parametrize("value_range", [(0, 255), (-2, 5), (0.4, 0.6)])
def test_values_out_of_range_survive(device, value_range):
    image = noise() * 3 - 1
    want = by_core(image, (18, 26), value_range=value_range)
    mine = interpolate(image.to(device), (18, 26), bank=BANK, value_range=value_range)
    scale = value_range[1] - value_range[0]
    np.testing.assert_allclose(mine.cpu().numpy(), want, rtol=0, atol=2e-5 * scale)


def test_missing_values_do_not_count(device):
    image = noise()
    image[0, 0, 4, 5], image[1, 2, 0, 0], image[1, 0, :4, :6] = math.nan, math.inf, math.nan
    for size in ((18, 26), (5, 6)):
        want = by_core(image, size)
        assert np.isnan(want).any()
        assert_equal(interpolate(image.to(device), size, bank=BANK), want)


@each_pair_of(
    channels=[1, 3, 4], padding_mode=["zeros", "border", "reflection"],
    align_corners=[False, True], dtype=[torch.uint8, torch.float32],
)  # fmt: skip
def test_grids_are_warps_of_lerf_core(device, channels, padding_mode, align_corners, dtype):
    image = noise((2, channels, 9, 13), dtype)
    grid = functional.affine_grid(TURN, (2, 1, 11, 15), align_corners=align_corners)
    grid[0, 0, 0] = math.nan

    def sample(image, grid):
        return grid_sample(
            image, grid, padding_mode=padding_mode, align_corners=align_corners, bank=BANK
        )

    assert_equal(sample(image.to(device), grid.to(device)), on_backend(sample, image, grid))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_homographies_are_warps_of_lerf_core(device, dtype):
    image = noise(dtype=dtype)
    mine = warp_perspective(image.to(device), TILT.to(device), (14, 16), bank=BANK)
    want = np.stack([
        lerf_core.warp(
            each, np.linalg.inv(matrix), output_shape=(14, 16), bank=BANK, channel_axis=0,
            alpha="separate",
        )
        for each, matrix in zip(image.numpy(), TILT.double().numpy(), strict=True)
    ])  # fmt: skip
    assert_equal(mine, want)


@pytest.mark.parametrize("size", [(18, 31), (4, 13)])
def test_aligned_corners_are_warps_of_lerf_core(device, size):
    image = noise(dtype=torch.uint8)
    resize = lambda image: interpolate(image, size, align_corners=True, bank=BANK)  # noqa: E731
    assert_equal(resize(image.to(device)), on_backend(resize, image))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_16_bit_floats_are_computed_in_float32(device, dtype):
    image = noise(dtype=dtype)
    mine = interpolate(image.to(device), scale_factor=2, bank=BANK)
    assert mine.dtype == dtype
    exact = interpolate(image.float(), scale_factor=2, bank=BANK)
    torch.testing.assert_close(mine.cpu().float(), exact, rtol=0, atol=4e-3)


def test_three_channels_are_colours_and_no_other_number(device):
    image = noise((1, 4, 9, 13), torch.uint8).to(device)
    enlarge = Interpolate(scale_factor=2, bank=BANK).to(device)
    alone = torch.cat([enlarge(image[:, [k]]) for k in range(4)], 1)
    assert torch.equal(enlarge(image), alone)
    assert torch.equal(enlarge(image[:, :2]), alone[:, :2])
    assert not torch.equal(enlarge(image[:, :3]), alone[:, :3])


@pytest.mark.parametrize("channels", [2, 3])
def test_chunks_change_nothing(device, channels, monkeypatch):
    image = noise((5, channels, 7, 6)).to(device)
    grid = functional.affine_grid(TURN[:1].expand(5, 2, 3), (5, 3, 9, 9), align_corners=False)

    def results():
        sampled = grid_sample(image, grid.to(device), bank=BANK)
        return interpolate(image, (9, 20), bank=BANK), sampled

    whole = results()
    sizes, split = [], torch.split
    monkeypatch.setattr(torch, "split", lambda *given: sizes.append(given[1]) or split(*given))
    for name in ("CHUNK", "CPU_CHUNK"):
        monkeypatch.setattr(execution, name, 900)
    for name in ("_TILE_PIXELS", "_CPU_TILE_PIXELS"):
        monkeypatch.setattr(network, name, 100)
    assert all(map(torch.equal, whole, results()))
    # Five planes of 180 pixels fit; three of an image stand together.
    assert sizes[0] == {2: 5, 3: 3}[channels]


# -- gradients ------------------------------------------------------------------------


def smooth_network():
    """A network of small answers, so that differences of results are their gradients."""
    layers = [Layer(layer.weight // 4, layer.bias // 4, layer.shift) for layer in BANK.layers[:-1]]
    last = BANK.layers[-1]
    layers.append(
        Layer(last.weight // 8, last.bias // 8 + (112 << last.shift.astype(np.int32)), last.shift)
    )
    return NetworkBank("smooth", tuple(layers))


def photo(size=24):
    """Waves in 0.15..0.85."""
    y, x = np.mgrid[:size, :size] / size
    waves = [np.sin(a * x + b * y) for a, b in ((9, 4), (3, 11), (-7, 5))]
    return torch.from_numpy(0.5 + 0.3 * np.stack(waves)[None]).float()


def projection(shape, device, seed=3):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(48, 48), (37, 11)])
def test_image_gradients_are_differences(device, channels, size, monkeypatch):
    # Gradients have bounds for constants, differences move them.
    monkeypatch.setattr(source_pixels, "overshoot_bounds", lambda _: None)
    monkeypatch.setattr(packed_planes, "bounds_of_cells", lambda _: None)
    bank = smooth_network()
    image = photo()[:, :channels].to(device).requires_grad_()
    weight = projection((1, channels, *size), device)
    loss = lambda image: (interpolate(image, size, bank=bank) * weight).sum()  # noqa: E731
    loss(image).backward()
    direction = image.grad.sign()
    expected = slope(loss, image.detach(), direction, 0.002)
    assert float((image.grad * direction).sum()) == pytest.approx(expected, rel=0.005)
    assert bool((image.grad != 0).all())


def test_a_colour_has_gradients_of_the_others(device):
    image = photo(12).to(device).requires_grad_()
    interpolate(image, scale_factor=2, bank=smooth_network())[:, 0].square().sum().backward()
    assert all(float(image.grad[:, k].abs().max()) > 0 for k in range(3))


def test_positions_have_gradients(device):
    image, bank = photo().to(device), smooth_network()
    rng = np.random.default_rng(2)
    pixels = rng.integers(2, 20, (1, 20, 20, 2)) + rng.uniform(0.1, 0.9, (1, 20, 20, 2))
    grid = torch.from_numpy((2 * pixels + 1) / 24 - 1).to(device).requires_grad_()
    weight = projection((1, 3, 20, 20), device)
    loss = lambda grid: (  # noqa: E731
        grid_sample(image, grid, bank=bank, anti_aliasing=False) * weight
    ).sum()
    loss(grid).backward()
    direction = grid.grad.sign()
    expected = slope(loss, grid.detach(), direction, 1e-4)
    assert float((grid.grad * direction).sum()) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("place", [pytest.param("cuda", marks=needs_cuda)])
def test_gradients_are_the_same_on_cuda(place):
    found = []
    for where in ("cpu", place):
        image = photo().to(where).requires_grad_()
        weight = projection((1, 3, 48, 48), where)
        (interpolate(image, scale_factor=2, bank=BANK) * weight).sum().backward()
        found.append(image.grad.cpu())
    size = float(found[0].abs().max())
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-4 * size)


def test_an_image_is_found_by_its_enlargement(device):
    bank = smooth_network()
    target = interpolate(photo(16).to(device), scale_factor=2, bank=bank)
    image = torch.full((1, 3, 16, 16), 0.5, device=device, requires_grad=True)
    optimiser = torch.optim.Adam([image], lr=0.05)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = (interpolate(image, scale_factor=2, bank=bank) - target).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.02 * losses[0]


# -- modules --------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(18, 26), (4, 5)])
def test_modules_are_the_functions(device, size):
    image = noise().to(device)
    module = Interpolate(size, bank=BANK).to(device)
    assert torch.equal(module(image), interpolate(image, size, bank=BANK))
    grid = functional.affine_grid(TURN, (2, 3, 7, 7), align_corners=True).to(device)
    sampler = GridSample(padding_mode="border", align_corners=True, bank=BANK).to(device)
    theirs = grid_sample(image, grid, padding_mode="border", align_corners=True, bank=BANK)
    assert torch.equal(sampler(image, grid), theirs)


def test_weights_are_buffers_without_gradients():
    module = Interpolate(scale_factor=2, bank=BANK)
    assert not list(module.parameters())
    buffers = dict(module.named_buffers())
    assert list(buffers) == [
        f"layer{number}_{part}" for number in range(3) for part in ("weight", "bias", "shift")
    ]
    for name, values in BANK.tensors.items():
        assert np.array_equal(buffers[name.replace(".", "_")].numpy(), values)


@pytest.mark.parametrize("through", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_modules_are_copied_and_pickled(through):
    module = through(Interpolate(scale_factor=2, bank=BANK))
    assert torch.equal(module(noise()), interpolate(noise(), scale_factor=2, bank=BANK))


def test_state_is_loaded(device):
    image = noise().to(device)
    trained = Interpolate(scale_factor=2, bank=BANK).to(device)
    other = Interpolate(scale_factor=2, bank=OTHER).to(device)
    assert not torch.equal(other(image), trained(image))
    other.load_state_dict(trained.state_dict())
    assert torch.equal(other(image), trained(image))
    assert all(
        np.array_equal(mine.weight, theirs.weight)
        for mine, theirs in zip(other.bank.layers, BANK.layers, strict=True)
    )


@pytest.mark.parametrize(
    "structure",
    [
        make_random_network(middle=2),
        make_random_network(width=12, middle=1),
        NetworkBank("leaky", BANK.layers, leak=2),
        NetworkBank("low", BANK.layers, zero=0),
        "lerf-p",
    ],
    ids=["layers", "width", "leak", "zero", "tables"],
)
def test_state_of_another_structure_is_refused(structure):
    state = Interpolate(scale_factor=2, bank=structure).state_dict()
    module = Interpolate(scale_factor=2, bank=BANK)
    with pytest.raises((BankError, RuntimeError), match=r"structure|size mismatch|Unexpected key"):
        module.load_state_dict(state)


def test_state_that_is_no_network_is_refused():
    module = Interpolate(scale_factor=2, bank=BANK)
    state = module.state_dict()
    state["layer1_shift"] = torch.full_like(state["layer1_shift"], 15)
    with pytest.raises(BankError, match="shifts of layer 1 must be at most 14, got 15"):
        module.load_state_dict(state)


def test_tensors_are_banks_again():
    again = own_bank(structure_of(BANK), list(bank_tensors(BANK).values()))
    assert again == BANK
    assert again is own_bank(structure_of(BANK), list(bank_tensors(BANK).values()))


# -- graphs ---------------------------------------------------------------------------


pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def gradient_of(function, image):
    leaf = image.clone().requires_grad_()
    result = function(leaf)
    (result * projection(result.shape, "cpu")).sum().backward()
    return leaf.grad


def test_traces_hold_the_network(tmp_path):
    module, other = Interpolate(scale_factor=2, bank=BANK), noise((1, 3, 11, 7), seed=1)
    traced = torch.jit.trace(module, noise())
    traced.save(tmp_path / "traced.pt")
    for graph in (traced, torch.jit.load(tmp_path / "traced.pt")):
        for image in (noise(), other, noise(dtype=torch.uint8)):
            assert torch.equal(graph(image), module(image))
    torch.testing.assert_close(
        gradient_of(traced, other), gradient_of(module, other), rtol=0, atol=1e-4
    )


def test_traced_functions_name_their_network(tmp_path):
    BANK.save(tmp_path / "own.safetensors")
    for given in (BANK, str(tmp_path / "own.safetensors")):
        enlarge = lambda x: interpolate(x, scale_factor=2, bank=given)  # noqa: B023, E731
        traced = torch.jit.trace(enlarge, noise())
        other = noise((1, 3, 11, 7), seed=1)
        assert torch.equal(traced(other), interpolate(other, scale_factor=2, bank=BANK))


@pytest.mark.parametrize("scale", [2, 0.5])
def test_weights_that_change_are_seen(scale):
    module = Interpolate(scale_factor=scale, bank=BANK)
    other = Interpolate(scale_factor=scale, bank=OTHER)
    before, after = module(noise()), other(noise())
    assert not torch.equal(before, after)
    traced = torch.jit.trace(module, noise())
    tensors = {name: tensor.clone() for name, tensor in other.named_buffers()}
    assert torch.equal(torch.func.functional_call(module, tensors, (noise(),)), after)
    assert torch.equal(module(noise()), before)
    for name, tensor in traced.named_buffers():
        tensor.copy_(tensors[name])
    assert torch.equal(traced(noise()), after)


@pytest.mark.slow
def test_exports_and_compiled_calls(tmp_path):
    module, other = Interpolate(scale_factor=2, bank=BANK), noise((3, 3, 11, 7), seed=1)
    sides = {0: torch.export.Dim("count"), 2: torch.export.Dim("rows"), 3: torch.export.Dim("cols")}
    exported = torch.export.export(module, (noise(),), dynamic_shapes=(sides,))
    torch.export.save(exported, tmp_path / "exported.pt2")
    assert torch.equal(torch.export.load(tmp_path / "exported.pt2").module()(other), module(other))
    torch._dynamo.reset()
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    assert torch.equal(compiled(other), module(other))
    torch.testing.assert_close(
        gradient_of(compiled, other), gradient_of(module, other), rtol=0, atol=1e-4
    )


def test_transforms_of_func():
    module = Interpolate(scale_factor=2, bank=BANK)
    batch = torch.stack([noise(), noise(seed=1)])
    alone = torch.stack([module(images) for images in batch])
    assert torch.equal(torch.vmap(module)(batch), alone)
    weight = projection(alone[0].shape, "cpu")
    gradient = torch.func.grad(lambda images: (module(images) * weight).sum())(batch[1])
    torch.testing.assert_close(gradient, gradient_of(module, batch[1]), rtol=0, atol=1e-4)
    on_meta = Interpolate(scale_factor=2, bank=BANK).to("meta")(noise().to("meta"))
    assert on_meta.shape == (2, 3, 18, 26)


def test_autocast_changes_nothing(device):
    image = photo(12).to(device).requires_grad_()
    plain = interpolate(image, scale_factor=2, bank=BANK)
    with torch.autocast(device, dtype=torch.bfloat16):
        cast = interpolate(image, scale_factor=2, bank=BANK)
    assert torch.equal(plain, cast)
