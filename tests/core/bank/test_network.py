"""Networks as banks: what a file holds comes back, and what cannot be computed is refused."""

import json
import pickle

import numpy as np
import pytest
from dask.tokenize import tokenize
from safetensors.numpy import save_file

from lerf_core import load_bank
from lerf_core.bank import NETWORK_KIND, Layer, NetworkBank
from lerf_core.errors import BankError
from tests.support.banks import make_random_network, random_network


@pytest.fixture
def network():
    return random_network(16)


def rewrite(bank, path, *, tensors=None, drop=(), **changes):
    """Write a network's file with parts of it replaced."""
    arrays = {key: np.array(value) for key, value in bank.tensors.items() if key not in drop}
    arrays.update(tensors or {})
    text = json.dumps({**bank.metadata, **changes})
    save_file(arrays, path, metadata={"lerf": text})
    return path


def test_file_round_trip(network, tmp_path):
    network.save(tmp_path / "network.safetensors")
    loaded = load_bank(tmp_path / "network.safetensors")
    assert isinstance(loaded, NetworkBank)
    assert loaded == network
    assert loaded.metadata == network.metadata
    assert loaded.kind is NETWORK_KIND
    for before, after in zip(network.layers, loaded.layers, strict=True):
        np.testing.assert_array_equal(before.weight, after.weight)
        np.testing.assert_array_equal(before.bias, after.bias)
        np.testing.assert_array_equal(before.shift, after.shift)


def test_it_travels(network):
    again = pickle.loads(pickle.dumps(network))
    assert again == network
    assert hash(again) == hash(network)
    assert tokenize(again) == tokenize(network)
    assert tokenize(make_random_network(seed=9)) != tokenize(network)


def test_structure(network):
    assert (network.width, network.full_reach, len(network.layers)) == (16, 4, 4)
    # 4 for 3 planes and 16 for 15 values.
    assert network.macs == 9 * (4 * 16 + 2 * 16 * 16 + 16 * 16)
    assert network.reads_colours
    assert network.outputs_of(1) == (0, 1, 2, 6, 7, 8)
    assert network.outputs_of(None) == (0, 1, 2, 12, 13, 14)
    described = network.describe()
    assert described["multiplications per pixel"] == network.macs
    assert described["reach"] == 4


def test_arrays_cannot_be_changed(network):
    with pytest.raises(ValueError, match="read-only"):
        network.layers[0].weight[0] = 0


def test_a_training_record_is_json():
    with pytest.raises(BankError, match="not JSON"):
        make_random_network(training={"array": np.zeros(3)})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "version 2 is unknown"),
        ({"kind": "lerf-p"}, "kind"),
        ({"outputs": ["rho"]}, "outputs"),
        ({"layers": 3}, "unknown: layer3"),
        ({"layers": 5}, "missing or unknown: layer4"),
        ({"layers": 10**9}, "at most"),
        ({"zero": 256}, "zero"),
        ({"leak": -1}, "leak"),
        ({"name": "other"}, "damaged"),
        ({"training": 3}, "description cannot be read"),
    ],
)
def test_descriptions_are_checked(network, tmp_path, changes, message):
    path = rewrite(network, tmp_path / "bank.safetensors", **changes)
    with pytest.raises(BankError, match=message):
        load_bank(path)


@pytest.mark.parametrize(
    ("tensor", "value", "message"),
    [
        ("layer0.weight", np.zeros((16, 4, 3, 3), np.int8), "first layer"),
        ("layer0.weight", np.zeros((16, 3, 2, 2), np.int8), "1x1, 3x3, 5x5"),
        ("layer0.weight", np.zeros((16, 3, 3, 5), np.int8), "3x5"),
        ("layer0.weight", np.zeros((16, 3, 3, 3), np.int16), "int8"),
        ("layer0.weight", np.full((16, 3, 3, 3), -128, np.int8), "-127"),
        ("layer1.weight", np.zeros((16, 16, 5, 5), np.int8), "3x3 pixels of 16"),
        ("layer1.bias", np.zeros(15, np.int32), "15 biases"),
        ("layer1.bias", np.zeros((16, 1), np.int32), "axes"),
        ("layer1.bias", np.full(16, 1 << 30, np.int32), "32 bits"),
        ("layer1.shift", np.full(16, 15, np.uint8), "at most 14"),
        ("layer3.weight", np.zeros((14, 16, 3, 3), np.int8), "14 outputs"),
    ],
)
def test_arrays_are_checked(network, tmp_path, tensor, value, message):
    path = rewrite(network, tmp_path / "bank.safetensors", tensors={tensor: value})
    with pytest.raises(BankError, match=message):
        load_bank(path)


def test_a_flipped_weight_is_noticed(network, tmp_path):
    weight = np.array(network.layers[1].weight)
    weight[0, 0, 0, 0] ^= 1
    path = rewrite(network, tmp_path / "bank.safetensors", tensors={"layer1.weight": weight})
    with pytest.raises(BankError, match="damaged"):
        load_bank(path)


def test_missing_arrays(network, tmp_path):
    path = rewrite(network, tmp_path / "bank.safetensors", drop=("layer2.shift",))
    with pytest.raises(BankError, match=r"layer2\.shift"):
        load_bank(path)


def test_widths_are_multiples_of_four():
    with pytest.raises(BankError, match="4, 8"):
        make_random_network(6)
    with pytest.raises(BankError, match="4, 8"):
        make_random_network(68)


def test_a_network_sees_more_than_a_pixel():
    with pytest.raises(BankError, match="no pixel but its own"):
        make_random_network(8, 1, 0, 1)


def test_the_widest_sums_fit():
    # 64 channels of the largest weights: 3x3 pixels of 127 * 32640 leave 32 bits.
    good = make_random_network(64, 3, 1, 3)
    wide = np.full((64, 64, 3, 3), 127, np.int8)
    layers = list(good.layers)
    layers[1] = Layer(wide, layers[1].bias, layers[1].shift)
    with pytest.raises(BankError, match="32 bits"):
        NetworkBank("wide", tuple(layers))


def test_networks_have_no_published_layout(network, tmp_path):
    with pytest.raises(BankError, match="cannot be exported"):
        network.export_folder(tmp_path / "out")
