"""Networks on tensors: the reference's integers to the last bit, and straight-through gradients."""

import numpy as np
import pytest

# ruff: noqa: E402 - torch may be missing, and with it what follows
torch = pytest.importorskip("torch")

from support.banks import make_random_network
from support.combinations import each_pair_of

from lerf_core.backends.reference import network as reference
from lerf_core.backends.torch import network
from lerf_core.backends.torch.network import network_parameters
from lerf_core.bank.layered_network import INPUTS, Layer
from lerf_core.bank.network import OUTPUTS, NetworkBank
from lerf_core.errors import BankError

functional = torch.nn.functional
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
DEVICES = ("cpu", pytest.param("cuda", marks=needs_cuda))
# Grey bits of bytes and of deep images.
BITS = (0, 7)
NETWORKS = {
    "least": {"width": 4, "middle": 0, "first": 1, "last": 3},
    "small": {"width": 8, "middle": 2},
    "wide windows": {"width": 16, "middle": 1, "first": 5, "last": 5},
    "widest": {"width": 64, "middle": 2, "first": 1, "last": 5},
}


def units(shape, bits, seed=0, levels=255):
    """Random planes (planes, rows, cols) of 0..levels in units."""
    return np.random.default_rng(seed).integers(0, (levels << bits) + 1, shape)


def on_tensors(planes, bank, bits, together, device="cpu"):
    """Parameters (planes, parameters, rows, cols) in units."""
    grey = torch.from_numpy(planes / (1 << bits)).float().to(device)
    parameters = network_parameters(grey, bank, 1 << bits, together)
    return torch.stack(parameters, 1).cpu().double().numpy() * (1 << bits)


def by_reference(planes, bank, bits, together):
    found = []
    for first in range(0, len(planes), together):
        found += reference.channel_outputs(list(planes[first : first + together]), bank, bits)
    return np.array(found)


def assert_equal_to_the_reference(planes, bank, bits, together, device="cpu"):
    mine = on_tensors(planes, bank, bits, together, device)
    assert np.array_equal(mine, by_reference(planes, bank, bits, together))


@pytest.mark.parametrize("device", DEVICES)
@each_pair_of(
    name=list(NETWORKS), bits=BITS, together=[1, 3], shape=[(1, 1), (1, 9), (5, 2), (14, 23)]
)
def test_parameters_are_those_of_the_reference(device, name, bits, together, shape):
    bank = make_random_network(**NETWORKS[name], seed=len(name))
    planes = units((2 * INPUTS, *shape), bits)
    planes[0], planes[1] = 0, 255 << bits
    assert_equal_to_the_reference(planes, bank, bits, together, device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("bits", BITS)
def test_what_is_grey_in_colours_stays_grey(device, bits):
    bank, planes = make_random_network(middle=1), units((INPUTS, 12, 14), bits)
    planes[1, :, :8] = planes[2, :, :8] = planes[0, :, :8]
    planes[2, 5, 0] ^= 1
    mine = on_tensors(planes, bank, bits, INPUTS, device)
    same = (mine[0] == mine[1]).all(0) & (mine[1] == mine[2]).all(0)
    assert same[:4, :7].all()
    assert same[7:, :7].all()
    assert not same[:, 7:].all()
    assert_equal_to_the_reference(planes, bank, bits, INPUTS, device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize(("zero", "leak"), [(0, 0), (255, 7), (100, 1)])
def test_zero_and_leak_are_the_banks(device, bits, zero, leak):
    layers = make_random_network(middle=1, seed=5).layers
    bank = NetworkBank("other", layers, zero=zero, leak=leak)
    assert_equal_to_the_reference(units((3, 8, 9), bits), bank, bits, INPUTS, device)


def heaviest_network():
    """Sums about as large as a bank may have, of which the last bits decide what its outputs are.

    Of planes of 0..1 grey level all activations are 250 and a little more. Half of the outputs have
    sums close to 2**23, which the bias brings back; of the others partial sums are as large, or
    larger in another order. No bit is shifted out.
    """
    rng, width, size = np.random.default_rng(0), 64, 5
    first = np.zeros((width, INPUTS, 1, 1), np.int8)
    first[range(INPUTS), range(INPUTS)] = 1
    head = rng.choice([19, 21], (len(OUTPUTS), width, size, size))
    head[1::2] = rng.choice([39, 41], head[1::2].shape)
    head[1::2, width // 2 :] *= -1
    means = 250 * head.sum((1, 2, 3)) + head[:, :INPUTS].sum((1, 2, 3)) // 2
    none = np.zeros(width, np.uint8)
    layers = (
        Layer(first, np.full(width, 250, np.int32), none),
        Layer(head.astype(np.int8), (128 - means).astype(np.int32), none[: len(head)]),
    )
    return NetworkBank("heaviest", layers, zero=0)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("bits", BITS)
def test_the_largest_sums_are_exact(device, bits):
    bank, planes = heaviest_network(), units((3, 12, 15), bits, levels=1)
    outputs = by_reference(planes, bank, bits, INPUTS)
    within = (outputs > 1 << bits) & (outputs < 255 << bits)
    assert 0.1 < within.mean() < 0.9
    assert_equal_to_the_reference(planes, bank, bits, INPUTS, device)


def test_banks_whose_sums_float32_does_not_hold_are_refused():
    """What the products rely on, and do not ask again."""
    first, last = heaviest_network().layers
    weight = np.full_like(last.weight, 127)
    assert np.abs(weight[0].astype(np.int64)).sum() * 255 >= 1 << 24
    with pytest.raises(BankError, match="could leave 32 bits"):
        NetworkBank("too heavy", (first, Layer(weight, last.bias, last.shift)))
    weight = np.ones_like(last.weight)
    bias = np.full_like(last.bias, (1 << 24) - 255 * weight[0].size)
    with pytest.raises(BankError, match="could leave 32 bits"):
        NetworkBank("too high", (first, Layer(weight, bias, last.shift)))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("bits", BITS)
def test_reduced_precisions_change_nothing(device, bits):
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")  # TF32, and on the CPU bfloat16
    try:
        networks = ((make_random_network(**NETWORKS["widest"]), 255), (heaviest_network(), 1))
        for bank, levels in networks:
            planes = units((3, 40, 50), bits, levels=levels)
            assert_equal_to_the_reference(planes, bank, bits, INPUTS, device)
    finally:
        torch.set_float32_matmul_precision(before)


# -- gradients ------------------------------------------------------------------------


def floor_through(value):
    return value + (torch.floor(value) - value).detach()


def clip_through(value, low, high):
    """Clip; what is within the range passes the gradient, and what leads back into it."""
    clipped = value.clamp(low, high)
    if not value.requires_grad:
        return clipped

    def block(grad):
        blocked = ((value < low) & (grad > 0)) | ((value > high) & (grad < 0))
        return grad.masked_fill(blocked, 0)

    through = value + (clipped - value).detach()
    through.register_hook(block)
    return through


def by_convolutions(planes, bank, bits):
    """All layers in float64, with torch's convolutions and their gradients."""
    top = 255 << bits
    reach = bank.full_reach
    state = functional.pad(planes, (reach,) * 4, mode="replicate")

    def shifted(state, layer):
        weight = torch.from_numpy(layer.weight.astype(np.float64))
        bias = torch.from_numpy((layer.bias.astype(np.float64)) * (1 << bits))
        factor = torch.from_numpy(2.0 ** -layer.shift.astype(np.float64))[:, None, None]
        total = functional.conv2d(state, weight) + bias[:, None, None]
        return floor_through(total * factor + 0.5 * (factor < 1))

    def leaked(value):
        return torch.where(value < 0, floor_through(value * 2.0**-bank.leak), value)

    first, *middle, last = bank.layers
    state = (leaked(shifted(state, first)) + (bank.zero << bits)).clamp(0, top)
    for layer in middle:
        change = leaked(shifted(state, layer))
        state = (state[..., 1:-1, 1:-1] + change).clamp(0, top)
    value = shifted(state, last)
    lowest = torch.tensor(bank.lowest)[:, None, None] << bits
    ends = [clip_through(value[:, k], int(lowest[k]), top) for k in range(len(OUTPUTS))]
    return torch.stack(ends, 1)


@pytest.mark.parametrize("device", DEVICES)
@each_pair_of(name=["least", "small", "wide windows"], bits=BITS, together=[1, 3])
def test_gradients_are_those_of_convolutions_without_rounding(device, name, bits, together):
    bank = make_random_network(**NETWORKS[name], seed=3)
    planes = units((2 * INPUTS, 9, 11), bits, seed=2)
    planes[:, 2:6] //= 8  # not all outputs are at the ends of their range
    wide = torch.from_numpy(planes / (1 << bits)).requires_grad_()
    grouped = wide.unflatten(0, (-1, together)) * (1 << bits)
    theirs = by_convolutions(grouped.expand(-1, INPUTS, -1, -1), bank, bits) / (1 << bits)
    channels = range(INPUTS) if together == INPUTS else [None]
    theirs = torch.stack([theirs[:, list(bank.outputs_of(channel))] for channel in channels], 1)
    theirs = theirs.flatten(0, 1)
    mine = torch.from_numpy(planes / (1 << bits)).float().to(device).requires_grad_()
    values = torch.stack(network_parameters(mine, bank, 1 << bits, together), 1)
    assert torch.equal(values.detach().cpu().double(), theirs.detach())
    weight = torch.randn(theirs.shape, generator=torch.Generator().manual_seed(1)).double()
    (theirs * weight).sum().backward()
    (values * weight.to(values)).sum().backward()
    size = float(wide.grad.abs().max())
    assert size > 0
    np.testing.assert_allclose(mine.grad.cpu(), wide.grad, rtol=0, atol=1e-5 * size)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("together", [1, 3])
@pytest.mark.parametrize("size", [1, 200, 700])
def test_tiles_change_nothing(device, together, size, monkeypatch):
    bank = make_random_network(middle=1)
    planes = units((6, 31, 9), 0)
    grey = torch.from_numpy(planes).float().to(device)

    def results():
        leaf = grey.clone().requires_grad_()
        values = torch.stack(network_parameters(leaf, bank, 1, together))
        (values * torch.arange(9.0, device=device)).sum().backward()
        return values.detach(), leaf.grad

    whole = results()
    tiles, compute = [], network._Network.compute

    def counted(self, source):
        tiles.append(source.numel() // source.shape[1])
        return compute(self, source)

    monkeypatch.setattr(network._Network, "compute", counted)
    for name in ("_TILE_PIXELS", "_CPU_TILE_PIXELS"):
        monkeypatch.setattr(network, name, size)
    parts = results()
    assert torch.equal(whole[0], parts[0])
    torch.testing.assert_close(whole[1], parts[1], rtol=1e-4, atol=1e-4)
    assert len(tiles) > 2
    assert max(tiles) <= max(size, (1 + 2 * bank.full_reach) ** 2)


@pytest.mark.parametrize("device", DEVICES)
def test_autocast_does_not_touch_gradients(device):
    bank = make_random_network()
    planes = torch.from_numpy(units((3, 9, 12), 7) / 128).float().to(device)

    def gradient(*, autocast):
        leaf = planes.clone().requires_grad_()
        total = sum(value.sum() for value in network_parameters(leaf, bank, 128, INPUTS))
        with torch.autocast(device, torch.bfloat16, enabled=autocast):
            total.backward()
        return leaf.grad

    assert torch.equal(gradient(autocast=False), gradient(autocast=True))
