"""Networks of spandrel as fronts: what they give, by tiles or whole, anywhere."""

import pickle
from importlib.util import find_spec

import numpy as np
import pytest

torch = pytest.importorskip("torch")
if find_spec("spandrel") is None:  # importing it may need what stands in for torchvision
    pytest.skip("spandrel is not installed", allow_module_level=True)

from dask.base import tokenize  # noqa: E402
from support.networks import NETWORKS, front_of, network  # noqa: E402

from lerf_core.errors import FrontError, ImageTooLargeError  # noqa: E402
from lerf_core.fronts.spandrel import front as module  # noqa: E402
from lerf_core.fronts.spandrel.front import SpandrelFront  # noqa: E402

LOCAL = sorted(set(NETWORKS) - {"whole"})
# Grey levels by which floats may differ where a network sees another part of the image.
FLOAT_ERROR = 2e-3


@pytest.fixture(scope="module", params=LOCAL)
def local(request):
    return front_of(request.param)


@pytest.fixture(scope="module")
def compact():
    return front_of("compact")


def planes_of(front, rows=70, cols=83, dtype=np.float32, seed=0):
    channels = 3 if front.reads_colours else 1
    random = np.random.default_rng(seed)
    planes = random.uniform(0, 255, (channels, rows, cols))
    planes[:, 20:40, 10:60] = random.uniform(0, 255, (channels, 1, 1))  # a surface with edges
    return planes.astype(dtype)


@pytest.mark.parametrize(("name", "scale", "channels"), [("compact", 2, 3), ("grey", 3, 1)])
def test_grey_levels_are_what_the_network_gives(name, scale, channels):
    front = front_of(name)
    assert (front.scale, front.reads_colours) == (scale, channels == 3)
    planes = planes_of(front)
    with torch.inference_mode():
        given = network(name)(torch.from_numpy(planes / 255)[None])[0].clamp(0, 1).numpy() * 255
    values = front.enlarge(planes, 1)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, given, atol=1e-3)
    assert given.std() > 10  # a picture, which could differ
    levels = planes.astype(np.uint8)
    expected = np.rint(front.enlarge(levels.astype(np.float32), 1))
    np.testing.assert_array_equal(front.enlarge(levels, 1), expected.astype(np.uint8))


def test_depth_beyond_bytes_is_kept(compact):
    planes = planes_of(compact)
    finer = planes + np.float32(0.3)
    change = compact.enlarge(finer, 1) - compact.enlarge(planes, 1)
    assert 0 < np.abs(change).mean() < 1


def test_values_beyond_the_range_are_clipped(compact):
    planes = planes_of(compact) * 3 - 255
    inside = planes.clip(0, 255)
    np.testing.assert_array_equal(compact.enlarge(planes, 1), compact.enlarge(inside, 1))


def test_grey_networks_read_each_plane_alone():
    front = front_of("grey")
    planes = np.random.default_rng(1).integers(0, 256, (3, 20, 24), np.uint8)
    alone = [front.enlarge(plane[None], 1)[0] for plane in planes]
    np.testing.assert_array_equal(front.enlarge(planes, 1), alone)


def test_planes_stay_as_they_are(compact):
    planes = planes_of(compact)
    planes.setflags(write=False)
    before = planes.copy()
    compact.enlarge(planes, 1)
    np.testing.assert_array_equal(planes, before)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_tiles_give_what_the_whole_gives(local, dtype):
    planes = planes_of(local, 101, 115, dtype)
    tiled = local.within(0)
    small = tiled.memory_needed(10**5, 10**5, 1, np.uint8)
    assert small < local.memory_needed(10**5, 10**5, 1, np.uint8)
    whole, parts = local.enlarge(planes, 1), tiled.enlarge(planes, 1)
    assert whole.std() > 0.01
    if dtype == np.uint8:
        # A value that lies between two levels may be rounded either way.
        difference = np.abs(whole.astype(int) - parts)
        assert difference.max() <= 1
        assert (difference > 0).mean() < 1e-3
    else:
        np.testing.assert_allclose(parts, whole, atol=FLOAT_ERROR, rtol=0)


@pytest.mark.parametrize("corner", [(0, 0), (3, 0), (0, 4), (2, 5)])
def test_parts_that_begin_in_the_grid_give_what_the_whole_gives(local, corner):
    planes = planes_of(local, 101, 115)
    k, reach = local.scale, local.reach
    top, left = (local.grid * steps for steps in corner)
    whole = local.enlarge(planes, 1)[:, k * top :, k * left :]
    part = local.enlarge(planes[:, top:, left:], 1)
    rows, cols = (k * reach if first else 0 for first in (top, left))
    np.testing.assert_allclose(
        part[:, rows:, cols:], whole[:, rows:, cols:], atol=FLOAT_ERROR, rtol=0
    )


@pytest.mark.parametrize("name", ["compact", "grey", "esrgan", "restoration"])
def test_pixels_within_reach_do_count(name):
    front = front_of(name)
    planes = planes_of(front)
    k, near, first = front.scale, front.reach - 1, 20
    whole = front.enlarge(planes, 1)[:, :, k * (first + near) :]
    part = front.enlarge(planes[:, :, first:], 1)[:, :, k * near :]
    assert np.abs(whole - part).max() > 0


@pytest.mark.parametrize(("name", "grid"), [("windows", 8), ("shuffled", 4), ("compact", 1)])
def test_grids(name, grid):
    front = front_of(name)
    assert front.grid == grid
    planes = planes_of(front)
    k, first = front.scale, grid + 1
    whole = front.enlarge(planes, 1)[:, :, k * (first + front.reach) :]
    part = front.enlarge(planes[:, :, first:], 1)[:, :, k * front.reach :]
    assert (np.abs(whole - part).max() > FLOAT_ERROR) == (grid > 1)


def test_networks_that_see_the_whole_image():
    front = front_of("whole")
    assert not front.is_local
    assert front.describe()["reach"] == "the whole image"
    planes = planes_of(front)
    np.testing.assert_array_equal(front.within(0).enlarge(planes, 1), front.enlarge(planes, 1))
    assert front.memory_needed(9000, 9000, 3, np.uint8) > 8e7 * front.within(0)._bytes_per_pixel


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (13, 17), (2, 3)])
def test_any_size(local, shape):
    planes = planes_of(local, 64, 64)[:, : shape[0], : shape[1]]
    values = local.enlarge(planes, 1)
    assert values.shape[1:] == (local.scale * shape[0], local.scale * shape[1])
    assert np.isfinite(values).all()


def test_threads_are_those_asked_for(compact):
    seen = []
    hook = compact._descriptor.model.register_forward_hook(
        lambda *_: seen.append((torch.get_num_threads(), torch.is_grad_enabled()))
    )
    before = torch.get_num_threads()
    compact.enlarge(planes_of(compact), before + 1)
    hook.remove()
    assert seen == [(before + 1, False)]
    assert torch.get_num_threads() == before


def test_results_repeat(local):
    planes = planes_of(local)
    np.testing.assert_array_equal(local.enlarge(planes, 1), local.enlarge(planes, 1))


def test_fronts_travel(monkeypatch):
    front = front_of("windows")
    planes = planes_of(front)
    expected = front.enlarge(planes, 1)
    assert front.grid == 8
    packed = pickle.dumps(front)
    # What was measured goes along.
    monkeypatch.setattr(module, "measured_field", None)
    copy = pickle.loads(packed)
    assert (copy, hash(copy), tokenize(copy)) == (front, hash(front), tokenize(front))
    assert (copy.reach, copy.grid, copy.checksum) == (front.reach, front.grid, front.checksum)
    np.testing.assert_array_equal(copy.enlarge(planes, 1), expected)
    assert len(packed) < 1.5 * sum(value.nbytes for value in front.weights.values()) + 10_000


def test_equality_is_that_of_weights(compact):
    assert front_of("compact") == compact
    other = front_of("compact", seed=1)
    assert other != compact
    assert tokenize(other) != tokenize(compact)
    assert compact.within(1000) != compact  # its floats may be rounded otherwise


def test_memory_follows_the_image_up_to_a_tile(compact):
    def work(rows, cols):
        return compact.memory_needed(rows, cols, 3, np.uint8) - 3 * rows * cols * (4 + 4)

    assert work(64, 64) < work(400, 400) < work(3000, 3000) == work(10**5, 10**5)
    assert work(10**5, 10**5) <= 4 << 30
    assert compact.within(10**8).memory_needed(10**5, 10**5, 3, np.uint8) - 8 * 3 * 10**10 <= 10**8
    assert compact.memory_kept > sum(value.nbytes for value in compact.weights.values())


def test_too_little_memory_is_an_error_in_words(compact, monkeypatch):
    def fail(_image):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")

    front = pickle.loads(pickle.dumps(compact))
    assert front._bytes_per_pixel > 0
    monkeypatch.setitem(front.__dict__, "_descriptor", Descriptor(front._descriptor, fail))
    with pytest.raises(ImageTooLargeError, match=r"needs about .* GiB for 70 rows by 83 columns"):
        front.enlarge(planes_of(compact), 1)


class Descriptor:
    """Another one, that runs something else."""

    def __init__(self, other, run):
        self._other, self._run = other, run

    def __getattr__(self, name):
        return getattr(self._other, name)

    def __call__(self, image):
        return self._run(image)


@pytest.mark.parametrize("device", ["nonsense", "cuda:77", "", "meta"])
def test_devices_that_are_not_there(compact, device):
    with pytest.raises(FrontError, match="front 'compact' cannot") as caught:
        compact.on(device)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA")
def test_cuda(local):
    planes = planes_of(local)
    there = local.on("cuda")
    np.testing.assert_allclose(
        there.enlarge(planes, 1), local.enlarge(planes, 1), atol=FLOAT_ERROR, rtol=0
    )


def test_descriptions():
    facts = front_of("windows").describe()
    assert facts["architecture"] == "SwinIR"
    assert (facts["scale"], facts["grid"]) == (2, "8 pixels")
    assert facts["least size"].startswith("16 pixels")
    assert front_of("shuffled").describe()["pads sizes to"] == "multiples of 4"
    assert front_of("restoration").describe()["purpose"] == "restoration"
    assert isinstance(front_of("grey"), SpandrelFront)
