"""Fronts that are networks: what files hold comes back, and integers are the specification's."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dask.tokenize import tokenize
from safetensors.numpy import save_file

from lerf_core import load_bank
from lerf_core.backends import get_backend
from lerf_core.backends.reference.network import network_outputs
from lerf_core.bank import Layer
from lerf_core.constants import NETWORK_GREY_BITS
from lerf_core.errors import BankError, FrontError
from lerf_core.fronts.loading import load_front
from lerf_core.fronts.network import NetworkFront
from tests.support.banks import make_random_network
from tests.support.fronts import make_random_front

REFERENCE = get_backend("reference")
SCALES = (1, 2, 3, 4)


def colours(rows: int = 11, cols: int = 13, seed: int = 3) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (3, rows, cols)).astype(np.uint8)


# -- what a front is ----------------------------------------------------------------


def test_structure() -> None:
    front = make_random_front(2, 16)
    assert (front.scale, front.reach, front.width, front.reads_colours) == (2, 4, 16, True)
    assert front.macs == 9 * (4 * 16 + 2 * 16 * 16 + 16 * 16)
    assert front.outputs[:5] == ("red.0.0", "red.0.1", "red.1.0", "red.1.1", "green.0.0")
    assert front.outputs_of(1) == (4, 5, 6, 7)
    assert front.outputs_of(None) == (12, 13, 14, 15)
    described = front.describe()
    assert described["scale"] == 2
    assert described["multiplications per pixel"] == front.macs
    assert described["training method"] == "random"
    assert "layers" in front.work
    assert repr(front) == "<NetworkFront 'random-front-0': x2>"


@pytest.mark.parametrize("scale", SCALES)
def test_the_scale_is_that_of_the_outputs(scale: int) -> None:
    assert make_random_front(scale, 4).scale == scale


def test_it_travels() -> None:
    front = make_random_front()
    again = pickle.loads(pickle.dumps(front))
    assert again == front
    assert hash(again) == hash(front)
    assert tokenize(again) == tokenize(front)
    assert make_random_front(seed=9) != front
    assert front.renamed("other").name == "other"


def test_arrays_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        make_random_front().layers[0].weight[0] = 0


# -- files --------------------------------------------------------------------------


@pytest.mark.parametrize("scale", SCALES)
def test_file_round_trip(scale: int, tmp_path: Path) -> None:
    front = make_random_front(scale, zero=70, leak=2)
    path = tmp_path / "front.bin"
    front.save(path)
    loaded = load_front(path)
    assert isinstance(loaded, NetworkFront)
    assert loaded == front
    assert loaded.metadata == front.metadata
    planes = colours()
    np.testing.assert_array_equal(loaded.enlarge(planes, 1), front.enlarge(planes, 1))


def rewrite(front: NetworkFront, path: Path, drop: tuple[str, ...] = (), **changes: Any) -> Path:
    """Write a front's file with parts of it replaced."""
    arrays = {key: np.array(value) for key, value in front.tensors.items() if key not in drop}
    arrays.update(changes.pop("tensors", {}))
    save_file(arrays, path, metadata={"lerf": json.dumps({**front.metadata, **changes})})
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "version 2 is unknown"),
        ({"scale": 3}, "scale 2 must have .* got scale 3"),
        ({"scale": "2"}, "got scale '2'"),
        ({"outputs": ["red"]}, "red.0.0, red.0.1"),
        ({"layers": 3}, "unknown: layer3"),
        ({"layers": 10**9}, "at most 18"),
        ({"layers": None}, "cannot be read"),
        ({"zero": 65}, "damaged"),
        ({"leak": 8}, r"leak in 0\.\.7"),
        ({"training": 3}, "cannot be read"),
        ({"drop": ("layer1.bias",)}, "missing or unknown: layer1.bias"),
        ({"tensors": {"layer1.bias": np.zeros(3, np.int32)}}, "8 outputs, 3 biases"),
        ({"tensors": {"layer3.weight": np.zeros((15, 8, 3, 3), np.int8)}}, "15 outputs, 16 biases"),
        ({"tensors": {"layer0.weight": np.zeros((8, 3, 3, 3), np.float32)}}, "must be int8"),
        ({"tensors": {"other": np.zeros(3, np.int8)}}, "unknown: other"),
    ],
)
def test_damaged_files(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = rewrite(make_random_front(), tmp_path / "bad.safetensors", **changes)
    with pytest.raises(FrontError, match=message) as caught:
        load_front(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_cut_files(tmp_path: Path) -> None:
    path = tmp_path / "front.safetensors"
    make_random_front().save(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(FrontError, match=r"front\.safetensors"):
        load_front(path)


def test_banks_are_no_fronts_and_fronts_are_no_banks(tmp_path: Path) -> None:
    make_random_network().save(tmp_path / "bank.safetensors")
    make_random_front().save(tmp_path / "front.safetensors")
    with pytest.raises(FrontError, match="lerf-network"):
        load_front(tmp_path / "bank.safetensors")
    with pytest.raises(BankError, match="lerf-front"):
        load_bank(tmp_path / "front.safetensors")


@pytest.mark.parametrize("outputs", [0, 4 * 25, 15, 12])
def test_other_numbers_of_outputs(outputs: int) -> None:
    *layers, last = make_random_front().layers
    other = Layer(
        np.zeros((outputs, 8, 3, 3), np.int8), np.zeros(outputs, np.int32),
        np.zeros(outputs, np.uint8),
    )  # fmt: skip
    with pytest.raises(FrontError, match="4 or 16 or 36 or 64 values"):
        NetworkFront("other", (*layers, other))
    with pytest.raises(FrontError, match="2 to 18 layers"):
        NetworkFront("one", (last,))


def test_sums_that_leave_their_bits() -> None:
    first, *rest = make_random_front().layers
    large = Layer(first.weight, np.full(8, 2**30, np.int32), first.shift)
    with pytest.raises(FrontError, match="32 bits"):
        NetworkFront("large", (large, *rest))


# -- the enlargement ----------------------------------------------------------------


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("scale", SCALES)
def test_the_reference_is_the_specification(scale: int, *, deep: bool) -> None:
    front = make_random_front(scale, 4, middle=1)
    bits = NETWORK_GREY_BITS if deep else 0
    planes = colours(5, 6).astype(np.int32 if deep else np.uint8) * (1 << bits)
    outputs = network_outputs(list(planes), front, bits)
    result = REFERENCE.enlarge_by_network(planes, front, 1)
    assert result.dtype == (np.float32 if deep else np.uint8)
    changed = 0
    for channel in range(3):
        for row in range(5 * scale):
            for col in range(6 * scale):
                number = (channel * scale + row % scale) * scale + col % scale
                value = outputs[number, row // scale, col // scale]
                level = int(planes[channel, row // scale, col // scale])
                wanted = min(max(level + int(value) - (128 << bits), 0), 255 << bits)
                assert result[channel, row, col] == wanted / (1 << bits)
                changed += wanted != level
    assert changed > planes.size * scale**2 // 2


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_plane_on_its_own_is_what_is_grey_in_colours(dtype: type) -> None:
    front = make_random_front()
    plane = colours()[:1].astype(dtype)
    alone = front.enlarge(plane, 1)
    together = front.enlarge(np.repeat(plane, 3, axis=0), 1)
    for channel in together:
        np.testing.assert_array_equal(channel, alone[0])
    assert (alone != np.repeat(np.repeat(plane, 2, 1), 2, 2)).mean() > 0.5


def test_grey_surroundings_alone_take_the_outputs_of_a_plane_on_its_own() -> None:
    front = make_random_front()
    plane = colours(9, 9)[0]
    planes = np.stack([plane] * 3)
    planes[1, 4, 4] ^= 64
    result = front.enlarge(planes, 1)
    same = (result[0] == result[1]) & (result[1] == result[2])
    assert same[:6].all()
    assert same[12:].all()
    assert not same[6:12, 6:12].all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_cut_planes_give_the_same_within_reach(dtype: type, channels: int) -> None:
    front = make_random_front(3, first=5)
    planes = colours(30, 31)[:channels].astype(dtype)
    if dtype == np.float32:
        planes += 0.37
    whole = front.enlarge(planes, 1)
    cut = front.enlarge(planes[:, 4:25, 5:29], 1)
    far = 3 * front.reach
    np.testing.assert_array_equal(
        cut[:, far:-far, far:-far], whole[:, 12 + far : 75 - far, 15 + far : 87 - far]
    )
    assert (cut[:, :far] != whole[:, 12 : 12 + far, 15:87]).any()


# -- floats -------------------------------------------------------------------------


def test_deep_images_are_the_same_network_rounded_later() -> None:
    front = make_random_front(2, 8, middle=1)
    planes = colours(16, 16)
    deep = front.enlarge(planes.astype(np.float32), 1)
    assert np.abs(deep - front.enlarge(planes, 1)).mean() < 2
    assert (deep % 1 != 0).mean() > 0.5
    assert deep.min() >= 0
    assert deep.max() <= 255


def test_what_units_cannot_say_is_interpolated() -> None:
    front = make_random_front()
    planes = colours(10, 10).astype(np.float32)
    # Less than half a unit: units are the same, and the remainder is a ramp along columns.
    ramp = np.linspace(-0.003, 0.003, 10, dtype=np.float32)
    moved = front.enlarge(planes + ramp, 1) - front.enlarge(planes, 1)
    places = (np.arange(20) + 0.5) / 2 - 0.5
    wanted = np.interp(places, np.arange(10), ramp)
    np.testing.assert_allclose(moved, np.broadcast_to(wanted, moved.shape), atol=4e-5)


def test_values_beyond_the_range_are_kept() -> None:
    front = make_random_front()
    planes = np.full((3, 12, 12), 400, np.float32)
    inside = front.enlarge(np.full_like(planes, 255), 1)
    np.testing.assert_allclose(front.enlarge(planes, 1), inside + 145, atol=1e-3)
    below = front.enlarge(np.full_like(planes, -30), 1)
    np.testing.assert_allclose(below, front.enlarge(np.zeros_like(planes), 1) - 30, atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 3)])
def test_planes_smaller_than_what_is_seen(shape: tuple[int, int]) -> None:
    front = make_random_front()
    planes = colours(*shape)
    padded = np.pad(planes, ((0, 0), (8, 8), (8, 8)), mode="edge")
    wanted = front.enlarge(padded, 1)[:, 16:-16, 16:-16]
    np.testing.assert_array_equal(front.enlarge(planes, 1), wanted)


def test_memory_covers_the_result() -> None:
    front = make_random_front(4)
    for dtype, item in (("uint8", 1), ("float32", 4)):
        assert front.memory_needed(100, 200, 3, dtype) > 100 * 200 * 3 * 16 * item
