"""Arrays of any library: results of lerf_core, given back as they came."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import lerf_core  # noqa: E402
from lerf_core.errors import InvalidArgumentError, InvalidTypeError  # noqa: E402
from lerf_plugins.filters.arrays import resize, warp  # noqa: E402
from lerf_plugins.filters.torch import execution  # noqa: E402

MATRIX = [[0.9, 0.1, -1], [-0.2, 1.1, 2], [0.001, 0, 1]]


class Exported:
    """An array of a library that speaks DLPack alone."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **keywords):
        return self.array.__dlpack__(**keywords)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __array_namespace__(self):
        return Library


class Library:
    @staticmethod
    def from_dlpack(other):
        return Exported(np.from_dlpack(other))


def noise(shape, dtype):
    values = np.random.default_rng(0).random(shape)
    top = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    return (values * top).astype(dtype)


@pytest.fixture(params=[False, True], ids=["engine", "torch"])
def _device_steps(request, monkeypatch):
    """Also by the steps that a device takes."""
    if request.param:
        monkeypatch.setattr(execution, "is_compiled", lambda *_: False)


each_layout = pytest.mark.parametrize(
    ("shape", "axis"),
    [((11, 13), None), ((11, 13, 3), -1), ((3, 11, 13), 0), ((2, 4, 11, 13), 1),
     ((2, 11, 13), None), ((2, 11, 13, 3), 3), ((11, 2, 13), 1)],
)  # fmt: skip


@each_layout
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.usefixtures("_device_steps")
def test_integers_are_those_of_lerf_core(shape, axis, dtype):
    image = noise(shape, dtype)
    options = {"channel_axis": axis}
    for ours, expected in (
        (resize(image, (20, 9), **options),
         lerf_core.resize(image, (20, 9), alpha="separate", **options)),
        (warp(image, MATRIX, cval=7, **options),
         lerf_core.warp(image, MATRIX, cval=7, alpha="separate", **options)),
    ):  # fmt: skip
        assert ours.dtype == dtype
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("options", [{"bank": "lerf-n"}, {"kernel": "lanczos3"},
                                     {"mode": "constant", "cval": 0.4}])  # fmt: skip
@pytest.mark.usefixtures("_device_steps")
def test_floats_are_those_of_lerf_core(options):
    image = noise((11, 13, 3), "float32")
    keywords = options | {"channel_axis": -1}
    expected = lerf_core.resize(image, (20, 31), alpha="separate", **keywords)
    np.testing.assert_allclose(resize(image, (20, 31), **keywords), expected, atol=1e-5)


@pytest.mark.usefixtures("_device_steps")
def test_positions(tmp_path):
    image = noise((11, 13), "uint16")
    rng = np.random.default_rng(1)
    field = np.stack([rng.uniform(-2, 12, (6, 8)), rng.uniform(-2, 14, (6, 8))])
    expected = lerf_core.warp(image, field, mode="edge")
    np.testing.assert_array_equal(warp(image, field, mode="edge"), expected)
    tensor = warp(torch.from_numpy(image), torch.from_numpy(field), mode="edge")
    np.testing.assert_array_equal(tensor.numpy(), expected)


def test_what_comes_is_what_goes():
    image = noise((11, 13, 3), "uint8")
    expected = resize(image, (20, 9), channel_axis=-1)
    assert isinstance(expected, np.ndarray)
    tensor = resize(torch.from_numpy(image), (20, 9), channel_axis=-1)
    assert isinstance(tensor, torch.Tensor)
    assert tensor.is_contiguous()
    other = resize(Exported(image), (20, 9), channel_axis=-1)
    assert isinstance(other, Exported)
    for each in (tensor.numpy(), other.array):
        np.testing.assert_array_equal(each, expected)


def test_any_layout_of_memory():
    image = noise((11, 13), "uint16")
    expected = resize(image, (20, 9))
    locked = image.copy()
    locked.flags.writeable = False
    wide = np.zeros((11, 26), "uint16")
    wide[:, ::2] = image
    turned = image[::-1, ::-1].copy()[::-1, ::-1]
    for each in (
        locked, wide[:, ::2], turned, np.asfortranarray(image), image.astype(">u2"),
    ):  # fmt: skip
        result = resize(each, (20, 9))
        assert result.dtype == each.dtype
        np.testing.assert_array_equal(result, expected)


def test_an_axis_of_one_element_that_is_turned_around():
    image = noise((1, 13), "uint16")
    assert image[::-1].strides[0] < 0
    np.testing.assert_array_equal(resize(image[::-1], (4, 9)), resize(image, (4, 9)))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda i: resize([[1, 2]], (3, 3)), InvalidTypeError, "got list"),
        (lambda i: resize(i[0], (3, 3)), InvalidArgumentError, "two spatial axes"),
        (lambda i: resize(i[:0], (3, 3)), InvalidArgumentError, "image is empty"),
        (lambda i: resize(i[None], (3, 3), channel_axis=5), InvalidArgumentError, "got 5"),
        (lambda i: resize(i[None], (3, 3), channel_axis=0.5), InvalidTypeError, "channel_axis"),
        (lambda i: resize(np.ma.masked_equal(i, 3), (3, 3)), InvalidTypeError, "masked"),
        (lambda i: resize(torch.from_numpy(i).to_sparse(), (3, 3)), InvalidTypeError, "sparse"),
        (lambda i: resize(torch.from_numpy(i).to("meta"), (3, 3)), InvalidTypeError, "meta"),
        (lambda i: resize(i.astype("int32"), (3, 3)), InvalidTypeError, "image must be .*int32"),
        (lambda i: resize(i.astype("complex64"), (3, 3)), InvalidTypeError, "complex64"),
        (lambda i: resize(i.astype(str), (3, 3)), InvalidTypeError, "<U"),
        (lambda i: resize(i, (0, 3)), InvalidArgumentError, "0"),
        (lambda i: resize(i, (3, 3), bank="lerf-p", kernel="area"), InvalidArgumentError,
         "exclude"),
        (lambda i: warp(i, np.zeros((3, 3))), InvalidArgumentError, "invertible"),
        (lambda i: warp(i, None), InvalidTypeError, "inverse_map must be an array"),
        (lambda i: warp(i, [[1, 2], [3]]), InvalidArgumentError, "inverse_map must be a matrix"),
        (lambda i: warp(i, np.eye(3, dtype=complex)), InvalidTypeError, "complex128"),
        (lambda i: warp(i, np.zeros((4, 3))), InvalidArgumentError, r"\(4, 3\)"),
        (lambda i: warp(i, np.zeros((2, 4, 3)), output_shape=(4, 4)), InvalidArgumentError,
         r"\(4, 3\), got \(4, 4\)"),
    ],
)  # fmt: skip
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call(noise((5, 6), "uint8"))
