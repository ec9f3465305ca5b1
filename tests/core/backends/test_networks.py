"""The reference of networks equals the specification's words, pixel by pixel in Python integers."""

from functools import cache

import numpy as np
import pytest

from lerf_core.backends import get_backend
from lerf_core.backends.packed import unpack
from lerf_core.backends.reference.network import (
    channel_outputs,
    grey_surroundings,
    network_outputs,
)
from lerf_core.bank.network import OUTPUTS
from lerf_core.constants import NETWORK_GREY_BITS
from tests.support.banks import make_random_network, random_network

STRUCTURES = [(4, 3, 1, 3), (8, 5, 0, 1), (4, 1, 2, 5)]


def literal_outputs(planes, bank, grey_bits):
    """What docs/method.md says, in loops."""
    height, width = planes[0].shape
    top = 255 << grey_bits

    @cache
    def state(number, channel, row, col):
        """Activation that layer `number` reads; the source for the first."""
        if number == 0:
            plane = planes[channel if len(planes) == 3 else 0]
            return int(plane[min(max(row, 0), height - 1), min(max(col, 0), width - 1)])
        value = summed(number - 1, channel, row, col)
        value = max(value, value >> bank.leak)
        before = bank.zero << grey_bits if number == 1 else state(number - 1, channel, row, col)
        return min(max(before + value, 0), top)

    def summed(number, output, row, col):
        layer = bank.layers[number]
        total = int(layer.bias[output]) << grey_bits
        for channel in range(layer.inputs):
            for dy in range(layer.size):
                for dx in range(layer.size):
                    weight = int(layer.weight[output, channel, dy, dx])
                    at = row + dy - layer.size // 2, col + dx - layer.size // 2
                    total += weight * state(number, channel, *at)
        shift = int(layer.shift[output])
        return (total + ((1 << shift) >> 1)) >> shift

    last = len(bank.layers) - 1
    out = np.empty((len(OUTPUTS), height, width), np.int64)
    for output, name in enumerate(OUTPUTS):
        lowest = 0 if name in ("rho", "sigma_row", "sigma_col") else 1 << grey_bits
        for row in range(height):
            for col in range(width):
                out[output, row, col] = min(max(summed(last, output, row, col), lowest), top)
    return out


@pytest.mark.parametrize("planes", [1, 3])
@pytest.mark.parametrize("grey_bits", [0, NETWORK_GREY_BITS])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_the_reference_is_the_specification(structure, grey_bits, planes):
    bank = make_random_network(*structure, seed=3)
    rng = np.random.default_rng(0)
    source = [rng.integers(0, (255 << grey_bits) + 1, (5, 4)) for _ in range(planes)]
    expected = literal_outputs(source, bank, grey_bits)
    assert len(np.unique(expected)) > 20
    np.testing.assert_array_equal(network_outputs(source, bank, grey_bits), expected)


def test_leak_and_zero_are_those_of_the_bank():
    rng = np.random.default_rng(0)
    source = [rng.integers(0, 256, (4, 5)) for _ in range(3)]
    results = []
    for keywords in ({}, {"zero": 20}, {"leak": 1}):
        bank = make_random_network(4, 3, 1, 3, **keywords)
        results.append(network_outputs(source, bank, 0))
        np.testing.assert_array_equal(results[-1], literal_outputs(source, bank, 0))
    assert not any(np.array_equal(results[0], other) for other in results[1:])


def test_rows_and_bands_do_not_matter(monkeypatch):
    bank = random_network(16)
    rng = np.random.default_rng(1)
    source = [rng.integers(0, 256, (40, 23)) for _ in range(3)]
    whole = network_outputs(source, bank, 0)
    np.testing.assert_array_equal(network_outputs(source, bank, 0, (7, 19)), whole[:, 7:19])
    monkeypatch.setattr("lerf_core.backends.reference.network._BAND_PIXELS", 60)
    np.testing.assert_array_equal(network_outputs(source, bank, 0), whole)


@pytest.mark.parametrize("engine", ["numba", "reference"])
def test_packed_parameters_are_those_of_the_channel(engine):
    bank = random_network(16)
    rng = np.random.default_rng(2)
    planes = [rng.integers(0, 256, (9, 11)).astype(np.uint8) for _ in range(3)]
    outputs = network_outputs(planes, bank, 0)
    backend = get_backend(engine)
    packed = backend.read_network(planes, bank, 1, (2, 8), None, np.uint8)
    for number, (plane, pixels) in enumerate(zip(planes, packed, strict=True)):
        feature, parameters = unpack(pixels)
        np.testing.assert_array_equal(feature, plane[2:8])
        chosen = [0, 1, 2, *range(3 + 3 * number, 6 + 3 * number)]
        np.testing.assert_array_equal(parameters, outputs[chosen, 2:8])
    (grey,) = backend.read_network(planes[:1], bank, 1, (0, 9), None, np.uint8)
    alone = network_outputs(planes[:1], bank, 0)[[0, 1, 2, 12, 13, 14]]
    np.testing.assert_array_equal(unpack(grey)[1], alone)


@pytest.mark.parametrize("engine", ["numba", "reference"])
def test_deep_parameters_are_in_grey_levels(engine):
    bank = random_network(16)
    rng = np.random.default_rng(2)
    planes = [rng.integers(0, 32641, (9, 11)).astype(np.int32) for _ in range(3)]
    remainders = [rng.normal(0, 1, (9, 11)).astype(np.float32) for _ in range(3)]
    outputs = network_outputs(planes, bank, NETWORK_GREY_BITS)
    packed = get_backend(engine).read_network(planes, bank, 1, (0, 9), remainders, np.float32)
    for number, pixels in enumerate(packed):
        feature, parameters = unpack(pixels)
        assert feature.dtype == np.float32
        level = planes[number].astype(np.float32) / np.float32(128)
        np.testing.assert_array_equal(feature, level + remainders[number])
        chosen = [0, 1, 2, *range(3 + 3 * number, 6 + 3 * number)]
        np.testing.assert_array_equal(parameters, outputs[chosen].astype(np.float32) / 128)


def test_deep_images_of_whole_levels_are_near_to_bytes():
    # The same sums, rounded later: at most some steps of a byte, here and there.
    bank = random_network(16, 3, 2, 3)
    rng = np.random.default_rng(5)
    planes = [rng.integers(0, 256, (20, 20)) for _ in range(3)]
    as_bytes = network_outputs(planes, bank, 0)
    deep = network_outputs(
        [plane << NETWORK_GREY_BITS for plane in planes], bank, NETWORK_GREY_BITS
    )
    difference = np.abs(as_bytes - deep / (1 << NETWORK_GREY_BITS))
    assert np.median(difference) < 1
    assert 0 < difference.max() < 16


def test_grey_surroundings_are_pixels_and_the_eight_around():
    planes = [np.full((9, 12), 100), np.full((9, 12), 100), np.full((9, 12), 100)]
    planes[2][4, 5] = 101
    planes[0][8, 11] = 99
    expected = np.ones((9, 12), np.bool_)
    expected[3:6, 4:7] = False
    expected[7:, 10:] = False
    np.testing.assert_array_equal(grey_surroundings(planes), expected)
    np.testing.assert_array_equal(grey_surroundings(planes, (3, 9)), expected[3:9])
    np.testing.assert_array_equal(grey_surroundings([plane[:1, :1] for plane in planes]), [[True]])


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
@pytest.mark.parametrize("engine", ["numba", "reference"])
def test_grey_parts_of_colours_take_the_outputs_of_a_plane_on_its_own(engine, dtype):
    bank = random_network(16)
    rng = np.random.default_rng(3)
    plane = rng.integers(0, 256, (17, 40))
    planes = [plane.copy() for _ in range(3)]
    planes[1][4:7, 3:9] += 1
    planes[2][:, 20] = 7
    planes[0][16, 39] = 0
    planes = [np.clip(each, 0, 255).astype(dtype) for each in planes]
    to = np.uint8 if dtype == np.uint8 else np.float32
    grey_bits = 0 if dtype == np.uint8 else NETWORK_GREY_BITS
    expected = channel_outputs(planes, bank, grey_bits)
    is_grey = grey_surroundings(planes)
    assert 0.3 < is_grey.mean() < 0.9
    outputs = network_outputs(planes, bank, grey_bits)
    for channel in range(3):
        alone, own = (outputs[list(bank.outputs_of(each))] for each in (None, channel))
        np.testing.assert_array_equal(expected[channel][:, is_grey], alone[:, is_grey])
        np.testing.assert_array_equal(expected[channel][:, ~is_grey], own[:, ~is_grey])
    backend = get_backend(engine)
    for rows in ((0, 17), (3, 9), (16, 17)):
        packed = backend.read_network(planes, bank, 1, rows, None, to)
        for channel, pixels in enumerate(packed):
            wanted = expected[channel][:, slice(*rows)] / (1 << grey_bits)
            np.testing.assert_array_equal(unpack(pixels)[1], wanted)
