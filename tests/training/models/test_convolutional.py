"""Networks of convolutions: exact sums are the reference's, and a bank comes back as it was."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

# ruff: noqa: E402 - torch may be missing, and with it what follows
torch = pytest.importorskip("torch")

from lerf_training.models import convolutional
from lerf_training.models.convolutional import ConvolutionalModel
from lerf_training.models.layered import BIAS_UNIT, fast_dtype
from lerf_training.models.starting_network import NETWORKS, NetworkShape, starting_network
from support.banks import make_random_network

import lerf_core
from lerf_core.backends.reference.network import network_outputs
from lerf_core.bank import NetworkBank
from lerf_core.errors import InvalidArgumentError

STRUCTURES = [(8, 3, 2, 3), (4, 5, 0, 1), (16, 1, 1, 5)]


def image(rows, cols, seed=0):
    """Planes (3, rows, cols) of noise beside a ramp."""
    rng = np.random.default_rng(seed)
    planes = rng.integers(0, 256, (3, rows, cols)).astype(np.uint8)
    planes[:, :, cols // 2 :] = planes[:, :, cols // 2 :] // 8 + 90
    return planes


def padded(planes, reach):
    return np.pad(planes, ((0, 0), (reach, reach), (reach, reach)), mode="edge")


def same_layers(one, other):
    return all(
        np.array_equal(getattr(mine, part), getattr(others, part))
        for mine, others in zip(one.layers, other.layers, strict=True)
        for part in ("weight", "bias", "shift")
    )


# -- the same integers --------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_exact_sums_are_the_references_bit_for_bit(structure, dtype):
    bank = make_random_network(*structure, seed=2)
    planes = image(14, 18)
    wanted = network_outputs(list(planes), bank, 0)
    low = torch.from_numpy(padded(planes, bank.full_reach))[None].to(dtype)
    model = ConvolutionalModel(bank).to(dtype)
    grey_planes = np.repeat(planes[:1], 3, axis=0)
    alone = network_outputs([planes[0]], bank, 0)[list(bank.outputs_of(None))]
    grey_low = torch.from_numpy(padded(grey_planes, bank.full_reach))[None].to(dtype)
    with torch.no_grad():
        colours = model.local_planes(low)[0].numpy()
        grey = model.local_planes(grey_low)[0].numpy()
    for channel in range(3):
        own = np.moveaxis(wanted[list(bank.outputs_of(channel))], 0, -1)
        np.testing.assert_array_equal(colours[channel], own)
        np.testing.assert_array_equal(grey[channel], np.moveaxis(alone, 0, -1))
    assert np.ptp(wanted, axis=(1, 2)).min() > 20


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_changed_weights_are_the_banks_that_they_make(dtype):
    """What training sees of weights between whole ones is what their bank computes."""
    model = ConvolutionalModel(make_random_network(8, 3, 2, 3, seed=5))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight, bias in zip(model.weights, model.biases, strict=True):
            weight.mul_(1 + 0.4 * torch.randn(weight.shape, generator=generator))
            bias.add_(0.3 * torch.randn(bias.shape, generator=generator))
    bank = model.bank("changed", {})
    assert not same_layers(bank, model.template)
    planes = image(12, 12, seed=3)
    low = torch.from_numpy(padded(planes, bank.full_reach))[None].to(dtype)
    with torch.no_grad():
        sums = model.to(dtype).sums(low)[0].permute(2, 0, 1).numpy()
    lowest = np.array(bank.lowest)[:, None, None]
    np.testing.assert_array_equal(
        np.clip(sums, lowest, 255), network_outputs(list(planes), bank, 0)
    )


@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_bank_comes_back_as_it_was(structure):
    bank = make_random_network(*structure, seed=4, zero=50, leak=2)
    again = ConvolutionalModel(bank).bank(bank.name, bank.training)
    assert same_layers(ConvolutionalModel(again).bank("x", {}), again)
    assert (again.zero, again.leak) == (50, 2)
    # Weights that would fit one bit more get it; what they give is the same.
    planes = image(9, 11)
    np.testing.assert_array_equal(
        network_outputs(list(planes), again, 0), network_outputs(list(planes), bank, 0)
    )


def test_weights_that_fill_their_bits_stay_as_they_are():
    layers = []
    for layer in make_random_network(8, 3, 1, 3, seed=6).layers:
        weight = layer.weight.copy()
        weight[:, 0, 0, 0] = np.where(np.arange(len(weight)) % 2, 127, -64)
        weight[::2] //= 2
        weight[::2, 0, 0, 0] = -64
        layers.append(replace(layer, weight=weight))
    bank = NetworkBank("full", tuple(layers))
    assert same_layers(ConvolutionalModel(bank).bank("again", {}), bank)


def test_weights_of_any_size_make_a_bank_whose_sums_fit():
    model = ConvolutionalModel(make_random_network(64, 5, 1, 5))
    generator = torch.Generator().manual_seed(1)
    for factor in (0.0, 1e-6, 1.0, 20.0):
        with torch.no_grad():
            for weight, bias in zip(model.weights, model.biases, strict=True):
                weight.copy_(factor * torch.sign(torch.randn(weight.shape, generator=generator)))
                bias.copy_(50 * torch.randn(bias.shape, generator=generator))
        assert model.bank("any", {}).width == 64


# -- points -------------------------------------------------------------------------


def points_of(rows, cols, scale, reach, like):
    """First neighbours and offsets of an enlargement's pixels, of a patch with a border."""
    from lerf_core.sampling.taps import axis_taps

    axes = [axis_taps(size, size * scale, scale, anti_aliasing=True) for size in (rows, cols)]
    first = np.stack(np.meshgrid(*[axis.index[:, 0] for axis in axes], indexing="ij"), -1)
    offset = np.stack(np.meshgrid(*[axis.offset[:, 0] for axis in axes], indexing="ij"), -1)
    return (
        torch.from_numpy(first.reshape(1, -1, 2).astype(np.int32)) + reach,
        torch.from_numpy(offset.reshape(1, -1, 2).astype(np.float32)).to(like),
    )


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("compiled", [True, False])
def test_values_are_those_of_the_bank(grey, compiled):
    bank = make_random_network(8, 3, 1, 3, seed=7)
    planes = image(10, 12, seed=1)
    if grey:
        planes = np.repeat(planes[:1], 3, axis=0)
    low = torch.from_numpy(padded(planes, bank.full_reach))[None].float()
    first, offset = points_of(10, 12, 3, bank.full_reach, low)
    with torch.no_grad():
        values = ConvolutionalModel(bank)(low, first, offset, compiled=compiled)
    values = values.numpy().reshape(3, 30, 36)
    source = planes[0] if grey else np.moveaxis(planes, 0, -1)
    wanted = lerf_core.resize(source, (30, 36), bank=bank, channel_axis=None if grey else -1)
    for channel in range(3):
        own = wanted if grey else wanted[..., channel]
        # The bounds of the border's cells are those of the patch, which goes on there.
        inner = (slice(3, -3), slice(3, -3))
        assert np.abs(values[channel].clip(0, 255)[inner] - own[inner]).max() <= 0.51


def test_gradients_reach_every_layer():
    model = ConvolutionalModel(starting_network(NetworkShape(8, 2), seed=1))
    planes = torch.from_numpy(np.stack([padded(image(12, 12, seed), 4) for seed in range(2)]))
    low = planes.float()
    low[1] = low[1, :1]  # the outputs for a plane on its own have gradients by what is grey
    first = torch.randint(5, 13, (2, 50, 2), dtype=torch.int32)
    offset = torch.rand(2, 50, 2)
    model(low, first, offset).square().sum().backward()
    for parameter in model.parameters():
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().max() > 0


# -- speed --------------------------------------------------------------------------


def test_sums_are_made_in_what_the_device_is_fast_in():
    model = ConvolutionalModel(make_random_network())
    model.prepare(2, 20, compiled=False)
    assert model.dtype == fast_dtype(torch.device("cpu"))
    assert fast_dtype(torch.device("meta")) == torch.float32
    planes = torch.from_numpy(padded(image(12, 12), 4))[None].float()
    with torch.no_grad():
        exact = ConvolutionalModel(make_random_network()).sums(planes)
        fast = model.sums(planes)
    # Sums of some hundred levels are rounded to eight bits, layer after layer.
    assert (fast - exact).abs().mean() < 0.1 * exact.std()


def test_without_a_compiler_the_passes_stay_as_they_are(monkeypatch):
    def broken(_function, **_options):
        def fail(*_arguments):
            raise RuntimeError("no compiler")

        return fail

    monkeypatch.setattr(convolutional.torch, "compile", broken)
    model = ConvolutionalModel(make_random_network())
    state = {key: value.clone() for key, value in model.state_dict().items()}
    model.prepare(1, 20, compiled=True)
    low = torch.from_numpy(padded(image(6, 6), 4))[None].float()
    assert model.local_planes(low).shape == (1, 3, 6, 6, 6)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


@pytest.mark.long
@pytest.mark.skipif(shutil.which("g++") is None, reason="no compiler")
@pytest.mark.filterwarnings("ignore")
def test_compiled_passes_give_nearly_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_COMPILE_THREADS", "1")
    bank = make_random_network(4, 3, 1, 3)
    plain, compiled = ConvolutionalModel(bank), ConvolutionalModel(bank)
    compiled.prepare(1, 14, compiled=True)
    compiled.dtype = plain.dtype
    assert compiled._outputs != compiled.sums
    assert compiled.state_dict().keys() == plain.state_dict().keys()
    low = torch.from_numpy(image(14, 14))[None].float()
    gradients = []
    for model in (plain, compiled):
        planes = model.local_planes(low)
        planes.square().mean().backward()
        gradients.append(model.weights[0].grad.clone())
    assert (planes - plain.local_planes(low)).abs().mean() < 1
    assert torch.allclose(*gradients, rtol=0.1, atol=0.1 * float(gradients[0].abs().max()))
    assert same_layers(compiled.bank("x", {}), plain.bank("x", {}))


# -- starts -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reach", "macs"), [("lerf-n", 5, 19_872), ("lerf-net", 11, 177_600)]
)
def test_networks_that_ship_have_the_size_they_should(name, reach, macs):
    start = starting_network(NETWORKS[name])
    assert (start.full_reach, start.macs) == (reach, macs)


def test_a_start_is_a_narrow_gaussian_on_level_planes():
    start = starting_network(NetworkShape(8, 3), seed=3)
    outputs = network_outputs(list(image(8, 9)), start, 0)
    np.testing.assert_allclose(outputs[[0, *range(3, 15)]], 128, atol=12)
    np.testing.assert_allclose(outputs[1:3], 53, atol=12)
    assert same_layers(start, starting_network(NetworkShape(8, 3), seed=3))
    assert not same_layers(start, starting_network(NetworkShape(8, 3), seed=4))
    assert ConvolutionalModel(start).biases[-1][1].item() == pytest.approx(
        (53 - 128) / BIAS_UNIT, abs=0.1
    )


@pytest.mark.parametrize(
    ("shape", "named"),
    [
        (NetworkShape(6, 2), "width .* got 6"),
        (NetworkShape(0, 2), "width .* got 0"),
        (NetworkShape(68, 2), "width .* got 68"),
        (NetworkShape(8, 17), "layers .* got 17"),
        (NetworkShape(8, -1), "layers .* got -1"),
        (NetworkShape(8, 2, first=2), "first .* got 2"),
        (NetworkShape(8, 2, last=7), "last .* got 7"),
    ],
)
def test_layers_that_cannot_be_are_refused(shape, named):
    with pytest.raises(InvalidArgumentError, match=named):
        starting_network(shape)
