"""Whole calls of the torch backend equal the reference's; steps: `../test_parity.py`.

On a GPU if there is one, else on the CPU.
"""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import strategies as draw
from support.banks import random_bank
from support.combinations import each_pair_of
from support.examples import examples

import lerf_core
from lerf_core import chunked, rescale, resize, warp
from lerf_core.backends import get_backend, loading
from lerf_core.bank import KINDS
from lerf_core.errors import ImageTooLargeError, InvalidArgumentError, InvalidTypeError
from lerf_core.fronts.loading import load_front
from lerf_core.geometry import rotation
from lerf_core.inspection import parameter_maps

torch = pytest.importorskip("torch")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
DTYPES = ("uint8", "uint16", "float32")
MATRIX = [[0.9, 0.1, -1], [-0.2, 1.1, 2], [0.001, 0, 1]]


@pytest.fixture(scope="module", params=DEVICES)
def device(request):
    return request.param


def assert_agree(device, function, *arguments, **options):
    ours = function(*arguments, engine="torch", device=device, **options)
    expected = function(*arguments, engine="reference", **options)
    assert type(ours) is type(expected)
    assert ours.dtype == expected.dtype
    np.testing.assert_array_equal(ours, expected)
    return ours


def noise(shape, dtype, seed=0):
    values = np.random.default_rng(seed).random(shape)
    return (values * (1 if dtype == "float32" else np.iinfo(dtype).max)).astype(dtype)


@each_pair_of(kind=list(KINDS), dtype=draw.DTYPES, mode=draw.BORDER_MODES)
@examples(1)
@given(data=st.data())
def test_resizing(device, kind, dtype, mode, data):
    image = data.draw(draw.images(dtype, channels=st.integers(1, 4)))
    options = {
        "cval": data.draw(st.sampled_from([0, 0.3, 250])), "linear_light": data.draw(st.booleans()),
        "anti_aliasing": data.draw(st.sampled_from([None, False])), "channel_axis": -1,
        "nodata": data.draw(st.sampled_from([None, 0, 255])),
    }  # fmt: skip
    image = draw.holed(image, 0) if data.draw(st.booleans()) else image
    scales = data.draw(draw.SCALES), data.draw(draw.SCALES)
    assert_agree(device, rescale, image, scales, bank=random_bank(kind), mode=mode, **options)


@pytest.mark.slow
@each_pair_of(kind=list(KINDS), dtype=DTYPES, mode=["constant", "edge", "wrap"])
def test_warping(device, kind, dtype, mode):
    image = noise((12, 15, 4), dtype)
    image[:4, :, -1] = 0
    options = {"bank": random_bank(kind), "mode": mode, "cval": 0.4, "channel_axis": -1}
    assert_agree(device, warp, image, MATRIX, output_shape=(10, 21), **options)
    field = np.random.default_rng(3).uniform(-3, 17, (2, 7, 9))
    assert_agree(device, warp, image[..., :2], field, alpha="separate", **options)


@each_pair_of(kernel=["lanczos3", "cubic", "area", "lerf-s", "nearest"], dtype=DTYPES,
              mode=["constant", "edge", "reflect"])  # fmt: skip
def test_fixed_kernels(device, kernel, dtype, mode):
    image = noise((14, 17, 4), dtype)
    image[:4, :, -1] = 0
    options = {"kernel": kernel, "mode": mode, "cval": 9, "channel_axis": -1}
    assert_agree(device, resize, image, (9, 11), **options)
    if kernel != "lerf-s":
        assert_agree(device, warp, image, MATRIX, output_shape=(10, 21), **options)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_networks_and_fronts(device, dtype, channels):
    image = noise((9, 11, channels), dtype)
    for options in ({"bank": "lerf-n"}, {"front": "lerf-x2"}):
        assert_agree(device, rescale, image, 1.7, channel_axis=-1, **options)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_fronts_are_computed_on_the_device(device, dtype):
    """By the steps that fronts have, of networks and of cascades."""
    front = load_front("lerf-x2")
    planes = noise((3, 9, 11), "uint8").astype(dtype)
    backend = get_backend("torch", device)
    ours = front.enlarged_by(backend, planes, 1)
    np.testing.assert_array_equal(ours, front.enlarged_by(get_backend("reference"), planes, 1))
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(front), "enlarged_by", lambda _, one, *rest: seen.append(one) or ours)
        rescale(np.moveaxis(planes, 0, -1), 1.7, front=front, channel_axis=-1, engine="torch",
                value_range=(0, 255),
                device=device)  # fmt: skip
    assert seen == [backend]


def test_masks_labels_and_the_luma_alone(device):
    image = noise((12, 15), "float32")
    masked = np.ma.masked_array(image, mask=image > 0.8)
    ours = assert_agree(device, rescale, masked, 1.6)
    expected = rescale(masked, 1.6, engine="reference")
    np.testing.assert_array_equal(ours.mask, expected.mask)
    assert_agree(device, resize, (image * 4).astype("int32"), (20, 9), method="majority")
    assert_agree(device, rescale, noise((12, 15, 3), "uint8"), 2, channel_axis=-1, fast=True)


def test_large_images_take_several_bands(device, monkeypatch):
    from lerf_core.backends.torch import integer_reads, packed_planes
    from lerf_core.backends.torch.backend import TorchBackend

    monkeypatch.setattr(TorchBackend, "band_source", 200)
    monkeypatch.setattr(integer_reads, "_CPU_CHUNK", 100)
    monkeypatch.setattr(packed_planes, "_CPU_CHUNK", 150)
    image = noise((40, 23, 3), "uint8")
    assert_agree(device, rescale, image, (1.7, 2), channel_axis=-1)
    assert_agree(device, warp, image, rotation(30, image.shape), channel_axis=-1)


class NoDoubles(TorchDispatchMode):
    """Refuses float64, which Apple's devices have not."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **kwargs or {})
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float64:
                raise AssertionError(f"{function} gives float64")
        return result


@pytest.mark.parametrize("options", [{}, {"bank": "lerf-l"}, {"kernel": "lanczos3"},
                                     {"kernel": "lerf-s"}, {"bank": "lerf-n"}])  # fmt: skip
@pytest.mark.parametrize("dtype", DTYPES)
def test_resizes_take_no_float64(options, dtype):
    if options == {"bank": "lerf-n"} and dtype != "uint8":
        pytest.skip("deep networks do")
    image, scale = noise((9, 11, 3), dtype), 0.6 if options.get("kernel") == "lerf-s" else 1.7
    keywords = options | {"channel_axis": -1}
    with NoDoubles():
        ours = rescale(image, scale, engine="torch", device="cpu", threads=1, **keywords)
    np.testing.assert_array_equal(ours, rescale(image, scale, **keywords))


def test_parameter_maps(device):
    image = noise((9, 11, 3), "uint8")
    ours, expected = (
        parameter_maps(image, channel_axis=-1, engine=engine, device=where)
        for engine, where in (("torch", device), ("numba", None))
    )
    np.testing.assert_array_equal(ours.feature, expected.feature)
    for name, values in expected.parameters.items():
        np.testing.assert_array_equal(ours.parameters[name], values)


def test_chunks_give_what_the_whole_gives(device):
    da = pytest.importorskip("dask.array")
    image = noise((40, 50, 3), "uint8")
    options = {"channel_axis": -1, "engine": "torch", "device": device}
    lazy = chunked.rescale(da.from_array(image, chunks=(20, 25, 3)), 1.6, **options)
    expected = rescale(image, 1.6, channel_axis=-1)
    for each in (lazy, pickle.loads(pickle.dumps(lazy))):
        np.testing.assert_array_equal(each.compute(), expected)


def test_images_may_be_read_only_and_of_any_layout(device):
    image = noise((9, 11, 3), "uint16")
    expected = rescale(image, 2, channel_axis=-1)
    image.flags.writeable = False
    for each in (image, np.asfortranarray(image), image.astype(">u2")):
        ours = rescale(each, 2, channel_axis=-1, engine="torch", device=device)
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("options", [{}, {"kernel": "cubic"}])
@pytest.mark.parametrize("shape", [(1, 5, 6), (3, 1, 6), (3, 5, 1), (1, 1, 1)])
def test_axes_of_one_element_may_be_turned_around(device, shape, options):
    image = noise(shape, "uint16")[::-1, ::-1, ::-1]
    assert_agree(device, rescale, image, (2, 1.5), channel_axis=0, **options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"device": "cpu"}, InvalidArgumentError, "needs engine 'torch', got engine 'numba'"),
        ({"engine": "torch", "device": "toaster"}, InvalidArgumentError, ".toaster. is no device"),
        ({"engine": "torch", "device": "cuda:77"}, InvalidArgumentError, "no device .cuda:77."),
        ({"engine": "torch", "device": "meta"}, InvalidArgumentError, "'meta' is no device"),
        ({"engine": "torch", "device": ""}, InvalidArgumentError, "'' is no device"),
        ({"engine": "torch", "device": "vulkan"}, InvalidArgumentError, "^.{1,160}$"),
        ({"engine": "torch", "device": 0}, InvalidTypeError, "device must be a string, got 0"),
    ],
)  # fmt: skip
def test_devices_that_are_not_there(options, error, message):
    with pytest.raises(error, match=message):
        lerf_core.rescale(noise((4, 5), "uint8"), 2, **options)


def test_a_device_without_memory_is_told(monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB")

    from lerf_core.backends.torch import packed_planes

    monkeypatch.setattr(packed_planes, "grid_mean", full)
    with pytest.raises(ImageTooLargeError, match="memory of device 'cpu' does not suffice"):
        lerf_core.rescale(noise((4, 5), "uint8"), 2, engine="torch", device="cpu")


def test_torch_is_asked_for_where_it_is_missing(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name="torch")

    monkeypatch.setattr(loading, "import_module", absent)
    with pytest.raises(InvalidArgumentError, match=r"pip install 'lerf\[torch\]'"):
        loading.get_backend.__wrapped__("torch")
