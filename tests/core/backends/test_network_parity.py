"""Networks by every backend equal the reference, bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import strategies as draw
from support.banks import make_random_network, random_network

from lerf_core.backends import BACKENDS, get_backend
from lerf_core.backends.numba import networks
from lerf_core.backends.packed import unpack
from lerf_core.bank.layered_network import Layer
from lerf_core.bank.network import NetworkBank
from lerf_core.constants import LEVELS, NETWORK_GREY_BITS, SUM_BITS, WEIGHT_LIMIT

REFERENCE = get_backend("reference")
#: Width, the first layer's size, middle layers, the last layer's size.
STRUCTURES = [
    (16, 3, 4, 3), (48, 5, 2, 3), (4, 1, 0, 3), (20, 3, 1, 5), (64, 5, 1, 1), (12, 1, 3, 3),
]  # fmt: skip
TOP = {np.uint8: LEVELS, np.int32: LEVELS << NETWORK_GREY_BITS}

each_backend = pytest.mark.parametrize("name", [name for name in BACKENDS if name != "reference"])
each_dtype = pytest.mark.parametrize("dtype", TOP)
each_form = pytest.mark.parametrize("count", [1, 3])


def planes_of(rng, shape, count, dtype, *, extreme=False, step=(1, 1)):
    """Return planes of noise, or of few levels; views with steps of more than one, if wanted."""
    rows, cols = (size * skip for size, skip in zip(shape, step, strict=True))
    levels = np.array([0, 1, TOP[dtype] // 2, TOP[dtype]]) if extreme else TOP[dtype] + 1
    planes = (rng.choice(levels, (rows, cols)).astype(dtype) for _ in range(count))
    return [plane[:: step[0], :: step[1]] for plane in planes]


def assert_networks_agree(name, planes, bank, rows=None, remainders=None, threads=1, stored=None):
    rows = rows or (0, len(planes[0]))
    deep = planes[0].dtype != np.uint8
    stored = stored or (np.float32 if deep else np.uint8)
    ours, expected = (
        [
            one.host(each)
            for each in one.read_network(planes, bank, threads, rows, remainders, stored)
        ]
        for one in (get_backend(name), REFERENCE)
    )
    for packed, other in zip(ours, expected, strict=True):
        assert packed.dtype == stored
        assert packed.shape == other.shape
        for values, other_values in zip(unpack(packed), unpack(other), strict=True):
            np.testing.assert_array_equal(values, other_values)
    return ours


@each_backend
@each_dtype
@each_form
@pytest.mark.parametrize("structure", STRUCTURES)
@settings(max_examples=6)
@given(
    shape=draw.SHAPES, extreme=st.booleans(), seed=draw.SEEDS, threads=st.sampled_from([1, 3]),
    step=st.sampled_from([(1, 1), (1, 3), (2, 1), (2, 4)]), data=st.data(),
)  # fmt: skip
def test_networks(name, dtype, count, structure, shape, extreme, seed, threads, step, data):
    rng = np.random.default_rng(seed)
    planes = planes_of(rng, shape, count, dtype, extreme=extreme, step=step)
    first = data.draw(st.integers(0, shape[0] - 1))
    rows = (first, data.draw(st.integers(first + 1, shape[0])))
    remainders = [
        rng.uniform(-9, 9, (rows[1] - first, shape[1])).astype(np.float32) for _ in planes
    ]
    wanted = [(np.float32, remainders), (np.float32, None)]
    if dtype == np.uint8:
        wanted = [(np.uint8, None), (np.float32, None)]
    for stored, rest in wanted:
        assert_networks_agree(name, planes, random_network(*structure), rows, rest, threads, stored)


@each_backend
@each_dtype
@each_form
@pytest.mark.parametrize("width", range(4, 65, 4))
def test_networks_of_each_width(name, dtype, count, width):
    rng = np.random.default_rng(width)
    planes = planes_of(rng, (5, 37), count, dtype)
    assert_networks_agree(name, planes, random_network(width, 3, 1, 3))


@each_backend
@each_dtype
@pytest.mark.parametrize(("middle", "threads"), [(16, 1), (3, 2), (0, 5)])
def test_networks_of_long_rows_and_many_tasks(name, dtype, middle, threads):
    rng = np.random.default_rng(middle)
    bank = random_network(8, 3, middle, 3)
    ours = assert_networks_agree(name, planes_of(rng, (50, 700), 3, dtype), bank, threads=threads)
    assert len(np.unique(unpack(ours[0])[1])) > 100


@each_backend
@each_dtype
@each_form
@pytest.mark.parametrize("segment", [1, 5, 16, 33])
def test_segments_of_columns_are_as_one(monkeypatch, name, dtype, count, segment):
    monkeypatch.setattr(networks, "_RINGS", 0)
    monkeypatch.setattr(networks, "_LEAST_SEGMENT", segment)
    planes = planes_of(np.random.default_rng(segment), (6, 71), count, dtype)
    assert_networks_agree(name, planes, random_network(16, 5, 2, 3))


@each_backend
@each_dtype
@pytest.mark.parametrize("segment", [1, 7, 512])
@settings(max_examples=8)
@given(shape=draw.SHAPES, seed=draw.SEEDS, share=st.sampled_from([0, 0.02, 0.2]), data=st.data())
def test_what_is_grey_in_colours(name, dtype, segment, shape, seed, share, data):
    rng = np.random.default_rng(seed)
    planes = planes_of(rng, shape, 3, dtype, step=data.draw(st.sampled_from([(1, 1), (2, 3)])))
    # Grey but for a share of the pixels, of which one channel differs.
    other = rng.integers(0, 3, shape)
    for number, plane in enumerate(planes[1:], 1):
        keeps = (other == number) & (rng.random(shape) < share)
        plane[~keeps] = planes[0][~keeps]
    first = data.draw(st.integers(0, shape[0] - 1))
    rows = (first, data.draw(st.integers(first + 1, shape[0])))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "_RINGS", 0)
        patch.setattr(networks, "_LEAST_SEGMENT", segment)
        assert_networks_agree(name, planes, random_network(16), rows, threads=2)


def extreme_network(width, *, shift, leak, sign):
    """Return a network with the largest sums that a network may have."""
    rng = np.random.default_rng(shift)

    def layer(inputs, outputs, size):
        shape = (outputs, inputs, size, size)
        most = ((1 << SUM_BITS) - (1 << 22)) // TOP[np.int32]
        weight = min(WEIGHT_LIMIT, most // (inputs * size * size))
        signs = np.full(shape, sign) if sign else rng.choice([-1, 1], shape)
        room = (1 << SUM_BITS) - (1 << 22) - weight * inputs * size * size * TOP[np.int32]
        bias = rng.choice([-1, 1], outputs) * (room >> NETWORK_GREY_BITS)
        return Layer(
            (weight * signs).astype(np.int8), bias.astype(np.int32),
            rng.choice([shift, 14], outputs).astype(np.uint8),
        )  # fmt: skip

    layers = layer(3, width, 5), layer(width, width, 3), layer(width, 15, 5)
    return NetworkBank("extreme", layers, {}, zero=255, leak=leak)


@each_backend
@each_dtype
@each_form
@pytest.mark.parametrize("sign", [-1, 0, 1])
@pytest.mark.parametrize(("shift", "leak"), [(0, 0), (0, 7), (1, 7), (7, 3), (9, 1)])
def test_the_largest_sums(name, dtype, count, sign, shift, leak):
    rng = np.random.default_rng(0)
    bank = extreme_network(32, shift=shift, leak=leak, sign=sign)
    for extreme in (False, True):
        planes = planes_of(rng, (6, 19), count, dtype, extreme=extreme)
        assert_networks_agree(name, planes, bank)
    full = [np.full((3, 5), TOP[dtype], dtype)] * count
    assert_networks_agree(name, full, bank)


@each_backend
def test_planes_are_left_as_they_are(name):
    planes = planes_of(np.random.default_rng(0), (7, 9), 3, np.uint8)
    before = [plane.copy() for plane in planes]
    for plane in planes:
        plane.flags.writeable = False
    get_backend(name).read_network(planes, random_network(8), 2, (1, 5), None, np.uint8)
    np.testing.assert_array_equal(planes, before)


@each_backend
def test_banks_do_not_mix(name):
    """What is packed of one bank is not used for another one of its shape."""
    planes = planes_of(np.random.default_rng(0), (7, 9), 1, np.uint8)
    for seed in range(20):
        assert_networks_agree(name, planes, make_random_network(4, 3, 0, 1, seed=seed))
