"""Networks in the place of tables: start, structure, gradients."""

import numpy as np
import pytest

# ruff: noqa: E402 - torch may be missing, and with it what follows
torch = pytest.importorskip("torch")

from lerf_training.models.entry_network import EntryNetwork
from lerf_training.models.networks import NetworkModel
from lerf_training.models.starting_bank import starting_bank
from lerf_training.models.tables import TableModel

from lerf_core.backends import reference
from lerf_core.bank import KINDS, PATTERNS, LutBank, Stage, two_stages
from lerf_core.constants import LOCAL_PLANE_BIAS
from lerf_core.errors import InvalidArgumentError

pytestmark = pytest.mark.slow

KIND_NAMES = sorted(KINDS)


@pytest.fixture(params=KIND_NAMES)
def kind(request):
    return request.param


def small(kind, **options):
    return NetworkModel(starting_bank(kind), **{"width": 8, "blocks": 2, **options})


def stirred(kind, gain=100.0, **options):
    """As after a training: entries far from the start's. In float64, so that an entry near a
    half rounds one way however many pixels are worked on at once.
    """
    model = small(kind, **options).double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("last.weight"):
                parameter *= gain
    return model


def planes(seed=0, shape=(2, 9, 11)):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape)).float()


def points(batch=2, count=40, rows=9, cols=11, seed=1):
    rng = np.random.default_rng(seed)
    first = np.stack(
        [rng.integers(-1, rows, (batch, count)), rng.integers(-1, cols, (batch, count))], -1
    )
    offset = rng.random((batch, count, 2), dtype=np.float32)
    return torch.from_numpy(first.astype(np.int32)), torch.from_numpy(offset)


def test_starts_as_the_starting_bank(kind):
    low = planes()
    model, tables = small(kind), TableModel(starting_bank(kind))
    for mine, theirs in zip(model.stages(low), tables.stages(low, compiled=False), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0)
    assert model.bank("start", {}).tables.keys() == starting_bank(kind).tables.keys()
    first, offset = points()
    torch.testing.assert_close(
        model(low, first, offset, compiled=False), tables(low, first, offset, compiled=False)
    )


def test_shapes_and_ranges(kind):
    model = stirred(kind)
    feature, parameters = model.stages(planes().double())
    assert feature.shape == (2, 9, 11)
    assert parameters.shape == (2, 9, 11, len(KINDS[kind].values))
    for values in (feature, parameters):
        assert values.min() >= 0
        assert values.max() <= 255
        assert torch.equal(values, values.round())
    assert not torch.equal(feature, planes().double())
    assert parameters.std() > 1


def test_one_network_for_each_table(kind):
    model = small(kind)
    names = [key for keys in model.names for key in keys]
    assert names == list(starting_bank(kind).tables)
    assert [len(networks) for networks in model.networks] == [3, 6]


def test_feature_turns_with_the_image(kind):
    model, low = stirred(kind), planes().double()
    feature = model.stages(low)[0]
    for turns in (1, 2, 3):
        turned = model.stages(torch.rot90(low, turns, (1, 2)))[0]
        assert torch.equal(turned, torch.rot90(feature, turns, (1, 2)))


def test_parameters_turn_with_the_image_by_half_a_turn(kind):
    model, low = stirred(kind), planes().double()
    parameters = model.stages(low)[1]
    half = model.stages(torch.rot90(low, 2, (1, 2)))[1]
    wanted = torch.rot90(parameters, 2, (1, 2))
    wanted[..., 3:5] = 2 * LOCAL_PLANE_BIAS - wanted[..., 3:5]  # slopes point the other way
    assert torch.equal(half, wanted)
    # Crossed directions have networks of their own.
    quarter = model.stages(torch.rot90(low, 1, (1, 2)))[1]
    assert not torch.equal(quarter, torch.rot90(parameters, 1, (1, 2)))


def test_seed_decides_the_start_and_torchs_own_generator_is_left_alone(kind):
    state = torch.random.get_rng_state()
    one, same, other = small(kind, seed=3), small(kind, seed=3), small(kind, seed=4)
    assert torch.equal(state, torch.random.get_rng_state())
    for mine, theirs in zip(one.parameters(), same.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert not torch.equal(one.networks[0][0].last.weight, other.networks[0][0].last.weight)
    low = planes()
    assert torch.equal(one.stages(low)[1], same.stages(low)[1])


def test_gradients_reach_every_parameter(kind):
    model, low = small(kind), planes()
    first, offset = points()
    model(low, first, offset, compiled=False).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def test_gradients_by_pixels_are_those_of_the_unrounded_networks():
    network = EntryNetwork(
        0.25, [0.0], width=6, blocks=2, generator=torch.Generator().manual_seed(0)
    ).double()
    with torch.no_grad():
        network.last.weight *= 100
    pixels = torch.rand(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 255
    pixels.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda values: network(values, whole=False), (pixels,))
    exact = torch.autograd.grad(network(pixels, whole=False).sum(), pixels)[0]
    through = torch.autograd.grad(network(pixels).sum(), pixels)[0]
    torch.testing.assert_close(through, exact)


def test_dense_layers_read_all_channels_before_them():
    network = EntryNetwork(
        0.0, [1.0, 2.0], width=5, blocks=3, generator=torch.Generator().manual_seed(0)
    )
    pixels = torch.rand(7, 4) * 255
    channels = torch.relu(network.layers[0](pixels / 256))
    for layer in network.layers[1:]:
        channels = torch.cat([channels, torch.relu(layer(channels))], dim=-1)
    expected = torch.tensor([1.0, 2.0]) + 127 * torch.tanh(network.last(channels))
    torch.testing.assert_close(network(pixels, whole=False), expected)


def test_entries_stay_in_a_signed_byte():
    network = EntryNetwork(
        0.25, [100.0], width=8, blocks=1, generator=torch.Generator().manual_seed(0)
    )
    with torch.no_grad():
        network.last.bias.fill_(5.0)
    pixels = torch.rand(50, 4) * 255
    assert network(pixels).max() == 127


def test_a_few_steps_lower_the_loss(kind):
    model, low = small(kind), planes(shape=(2, 9, 11))
    first, offset = points()
    with torch.no_grad():
        target = 0.5 * small(kind)(low, first, offset, compiled=False) + 30
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(12):
        loss = (model(low, first, offset, compiled=False) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        model.clip_entries()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_nothing_is_tied_to_the_cpu(kind):
    model = small(kind).to("meta")
    low = torch.empty(2, 9, 11, device="meta")
    first, offset = (tensor.to("meta") for tensor in points())
    values = model(low, first, offset)
    assert values.device.type == "meta"
    assert values.shape == (2, 40)


def test_other_structures():
    kind = KINDS["lerf-g"]
    patterns = {"s": PATTERNS["s"], "y": ((0, 0), (1, 2), (2, 1), (2, 2))}
    base, last = two_stages(kind, tuple(patterns))
    stages = (base, Stage(("y",), ((0, 1, 2, 3),), ("feature",), 1, 0), last)
    nodes, tables = 5, {}
    for number, stage in enumerate(stages, 1):
        for pattern in stage.patterns:
            for group in range(len(stage.rotation_groups)):
                shape = (nodes,) * 4 + (len(stage.values),)
                tables[f"stage{number}.{pattern}.{group}"] = np.zeros(shape, np.int8)
    template = LutBank("three", kind, 64, patterns, stages, tables)
    model = NetworkModel(template, width=8, blocks=1)
    low = planes(shape=(1, 8, 8))
    feature, parameters = model.stages(low)
    assert torch.equal(feature, low)
    expected = TableModel(starting_bank("lerf-g")).stages(low, compiled=False)[1]
    assert torch.equal(parameters, expected)
    bank = model.bank("three", {})
    plane = low[0].numpy().astype(np.int64)
    assert np.array_equal(reference.read_stage(plane, bank, 0, 6)[0], plane)


@pytest.mark.parametrize("options", [{"width": 0}, {"blocks": -1}])
def test_sizes_that_make_no_network_are_refused(options):
    with pytest.raises(InvalidArgumentError, match="width of at least 1"):
        NetworkModel(starting_bank("lerf-g"), **options)
