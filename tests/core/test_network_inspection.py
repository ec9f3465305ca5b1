"""Figures of a network's layers, and its answers to images and points, are what it computes."""

import numpy as np
import pytest
from support.banks import make_random_network

from lerf_core.backends.reference.network import network_outputs
from lerf_core.bank import Layer, NetworkBank
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.inspection import parameter_maps
from lerf_core.network_inspection import (
    activation_statistics,
    impulse_response,
    layer_statistics,
    point_response,
)

NETWORKS = [(8, 3, 2, 3), (4, 5, 0, 1), (12, 1, 1, 5)]


@pytest.fixture(params=NETWORKS, ids=str)
def network(request):
    return make_random_network(*request.param)


def test_layers_are_counted():
    bank = make_random_network()
    layers = list(bank.layers)
    weight = np.array(layers[1].weight)
    weight[3] = 0
    weight[0, 0, 0, 0] = 127
    layers[1] = Layer(weight, layers[1].bias, layers[1].shift)
    about = layer_statistics(NetworkBank("edited", tuple(layers)))[1]
    assert (about.layer, about.inputs, about.outputs, about.size) == (1, 8, 8, 3)
    assert about.unused == 1
    assert about.largest_weight == 127
    assert about.zeros == np.mean(weight == 0)
    assert about.at_limit == np.mean(np.abs(weight) == 127)
    assert about.largest_bias == (layers[1].bias / 2.0 ** layers[1].shift).max()


@pytest.mark.parametrize("planes", [1, 3])
@pytest.mark.parametrize("shape", [(70, 13), (1, 1), (64, 5)])
def test_channels_are_those_of_the_image(network, planes, shape):
    image = np.random.default_rng(1).integers(0, 256, (planes, *shape), np.uint8)
    last = activation_statistics(list(image), network)[-1]
    outputs = network_outputs(list(image), network, 0).reshape(15, -1)
    np.testing.assert_array_equal(last.least, outputs.min(1))
    np.testing.assert_array_equal(last.greatest, outputs.max(1))
    np.testing.assert_allclose(last.mean, outputs.mean(1))
    np.testing.assert_allclose(last.at_top, (outputs == 255).mean(1))
    lowest = np.array(network.lowest)[:, None]
    np.testing.assert_allclose(last.at_bottom, (outputs == lowest).mean(1))


def test_a_dead_channel_is_found():
    bank = make_random_network()
    first = bank.layers[0]
    weight, bias = np.array(first.weight), np.array(first.bias)
    weight[2], bias[2] = 0, 0
    weight[5], bias[5] = 0, 1 << 20
    layers = (Layer(weight, bias, first.shift), *bank.layers[1:])
    image = np.random.default_rng(2).integers(0, 256, (40, 40), np.uint8)
    about = activation_statistics([image], NetworkBank("dead", layers))[0]
    assert about.dead == 2
    assert about.saturated == 1
    assert (about.least[2], about.least[5]) == (bank.zero, 255)


def test_the_impulse_is_that_of_an_image(network):
    reach = network.full_reach
    side = 4 * reach + 5
    flat, odd = np.full((2, side, side), 90, np.uint8)
    odd[side // 2, side // 2] = 130
    before, after = (parameter_maps(image, bank=network) for image in (flat, odd))
    middle = slice(side // 2 - reach, side // 2 + reach + 1)
    response = impulse_response(network, 90, 40)
    assert response.shape == (6, 2 * reach + 1, 2 * reach + 1)
    assert response.any()
    for values, name in zip(response, network.kind.values, strict=True):
        change = after.parameters[name] - before.parameters[name]
        np.testing.assert_allclose(values, change[middle, middle], atol=1e-6)
        change[middle, middle] = 0
        assert not change.any()  # nothing farther away sees it


def test_the_point_is_that_of_an_image(network):
    side = 2 * network.full_reach + 3
    response = point_response(network, (0, 100, 255))
    assert response.shape == (3, 3, 6)
    image = np.full((side, side), 255, np.uint8)
    image[side // 2, side // 2] = 100
    maps = parameter_maps(image, bank=network)
    for value, name in zip(response[1, 2], network.kind.values, strict=True):
        assert value == pytest.approx(maps.parameters[name][side // 2, side // 2])


def test_what_cannot_be_inspected():
    bank, plane = make_random_network(), np.zeros((4, 5), np.uint8)
    with pytest.raises(InvalidArgumentError, match="1 or 3, got 2"):
        activation_statistics([plane, plane], bank)
    with pytest.raises(InvalidArgumentError, match="one shape"):
        activation_statistics([plane, plane, plane[1:]], bank)
    with pytest.raises(InvalidTypeError, match="uint16"):
        activation_statistics([plane.astype(np.uint16)], bank)
    with pytest.raises(InvalidArgumentError, match="got 256"):
        impulse_response(bank, 255, 1)
    with pytest.raises(InvalidArgumentError, match="got -1"):
        point_response(bank, (-1, 4))
