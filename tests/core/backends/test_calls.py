"""Calls of compiled kernels: which variant they take, and what they refuse."""

import sys

import numpy as np
import pytest
from support.images import noise
from support.kernels import environment, run_python

import lerf_core
from lerf_core.backends.numba import calls, libraries
from lerf_core.backends.numba.calls import EntryPoint
from lerf_core.backends.numba.entry_points import (
    fill_rows,
    grey_rows,
    halve_integers,
    halve_with_alpha,
    pad_bytes,
    pad_plane,
)
from lerf_core.backends.numba.signatures import Array, Scalar, Tuple, variants

with_a_library = pytest.mark.skipif(
    libraries.find_library() is None, reason="no compiled kernels of these sources: make kernels"
)


def grey(plane, *line, out=None):
    out = np.empty(plane.shape, np.float32) if out is None else out
    grey_rows(plane, *(line or (0.0, 1.0)), out)
    return out


# -- variants ---------------------------------------------------------------------------


def test_variants_are_all_combinations():
    kind = Array("uint8", 2)
    assert variants(kind, [None, kind]) == ((kind, None), (kind, kind))
    assert len(variants([kind, None], [kind, None], [Tuple(()), Tuple((kind,))])) == 8


def test_dtype_dimensions_none_and_lengths_choose_a_variant(monkeypatch):
    number, plane = Scalar("int64"), Array("uint8", 2)
    kernel = EntryPoint(
        "values", "grey_rows", (plane, None), (plane, number), (plane, Tuple((number, number))),
        (Array("uint16", 2), None), (Array("uint8", 3), None),
    )  # fmt: skip
    packed = []
    monkeypatch.setattr(kernel, "_made", lambda number: calls._packed_call(
        lambda content: packed.append((number, len(content))) or 0, kernel.variants[number]
    ))  # fmt: skip
    image = noise((2, 3))
    arguments = [
        (image, None), (image, 7), (image, (1, 2)), (image.astype(np.uint16), None),
        (image[None], None),
    ]  # fmt: skip
    order = [0, 0, 1, 0, 2, 2, 1, 3, 4, 3, 0, 4, 4]
    for expected in order:
        kernel(*arguments[expected])
    words = [2, 3, 4, 2, 2]  # with the size of an object's head
    assert packed == [(k, 8 * words[k]) for k in order]


def test_variants_that_take_turns_are_looked_for_once(monkeypatch):
    class Called:
        def __getitem__(self, name):
            return lambda packed: called.append(name) or 0

    called, looked = [], []
    monkeypatch.setattr(calls, "find_library", Called)
    dtypes = ["uint8", "uint16", "float32", "float64", "int32", "int64"]
    kernel = EntryPoint("m", "any", *variants([Array(name, 2) for name in dtypes]))
    find = kernel._call_of
    monkeypatch.setattr(kernel, "_call_of", lambda args: looked.append(args) or find(args))
    for _ in range(3):
        for name in dtypes[:4]:
            kernel(np.zeros((2, 2), name))
    assert called == [f"lerf_any_{number}" for number in (0, 1, 2, 3)] * 3
    assert len(looked) == 4
    for name in dtypes * 2:  # more than are remembered
        kernel(np.zeros((2, 2), name))
    assert called[12:] == [f"lerf_any_{number}" for number in range(6)] * 2


@pytest.mark.parametrize("dtype", [">u2", ">i4", ">f8"])
def test_foreign_byte_orders_are_no_variant(dtype):
    if sys.byteorder == "big":
        pytest.skip("native here")
    with pytest.raises(TypeError, match="the kernel grey_rows has no variant for"):
        grey(np.zeros((2, 3), dtype))


@pytest.mark.parametrize(
    "arguments",
    [
        (np.zeros((2, 3), np.complex64), 0.0, 1.0, np.empty((2, 3), np.float32)),
        (np.zeros((2, 3), np.float16), 0.0, 1.0, np.empty((2, 3), np.float32)),
        (np.zeros((2, 3), object), 0.0, 1.0, np.empty((2, 3), np.float32)),
        (np.zeros((2, 3), "M8[s]"), 0.0, 1.0, np.empty((2, 3), np.float32)),
        (np.zeros((2, 3, 1), np.uint8), 0.0, 1.0, np.empty((2, 3), np.float32)),
        (np.uint8(5), 0.0, 1.0, np.empty((2, 3), np.float32)),
        ([[1, 2]], 0.0, 1.0, np.empty((2, 3), np.float32)),
        (None, 0.0, 1.0, np.empty((2, 3), np.float32)),
        (np.zeros((2, 3), np.uint8), None, 1.0, np.empty((2, 3), np.float32)),
        (np.zeros((2, 3), np.uint8), np.zeros(()), 1.0, np.empty((2, 3), np.float32)),
        (np.zeros((2, 3), np.uint8), (0.0,), 1.0, np.empty((2, 3), np.float32)),
        (np.zeros((2, 3), np.uint8), 0.0, 1.0, np.empty((2, 3), np.float64)),
        (np.zeros((2, 3), np.uint8), 0.0, 1.0),
        (np.zeros((2, 3), np.uint8), 0.0, 1.0, np.empty((2, 3), np.float32), 4),
        (),
    ],
)
def test_other_types_are_refused(arguments):
    with pytest.raises(TypeError, match="the kernel grey_rows has no variant for"):
        grey_rows(*arguments)


@pytest.mark.parametrize("which", [0, 1])
def test_other_orders_are_refused(which):
    for strided in (
        np.zeros((6, 4), np.float32).T, np.zeros((4, 12), np.float32)[:, ::2],
        np.zeros((4, 6), np.float32)[::-1], np.broadcast_to(np.float32(3), (4, 6)),
    ):  # fmt: skip
        arrays = [np.zeros((4, 6), np.float32), np.zeros((6, 8), np.float32)]
        arrays[which] = strided
        with pytest.raises(TypeError, match=f"the kernel pad_plane takes argument {which} in C or"):
            pad_plane(*arrays)


@with_a_library
@pytest.mark.parametrize("wrong", ["1", 1j, b"1", [1]])
def test_other_numbers_are_refused(wrong):
    with pytest.raises(TypeError, match="a number of the kernel grey_rows has a wrong type"):
        grey(noise((2, 3)), wrong, 1.0)


@with_a_library
@pytest.mark.parametrize("wrong", [1.5, 1 << 63, -(1 << 63) - 1, "1"])
def test_numbers_that_are_no_integers_are_refused(wrong):
    with pytest.raises(TypeError, match="a number of the kernel pad_bytes has a wrong type"):
        pad_bytes(noise((2, 3)), wrong, 1, 1, np.empty((4, 5), np.uint8))


# -- arrays -----------------------------------------------------------------------------


def test_arrays_that_are_strided_where_a_kernel_allows_it():
    image = noise((40, 60))
    for strided in (image, image[::2, 1::3], image[::-1, ::-1], image.T, image[3:4, 5:6],
                    np.broadcast_to(image[:1], (9, 60)), np.asfortranarray(image)):  # fmt: skip
        out = np.empty((len(strided) + 2, strided.shape[1] + 2), np.uint8)
        pad_bytes(strided, 0, 1, 1, out)
        np.testing.assert_array_equal(out, np.pad(strided, 1, mode="edge"))


def test_arrays_of_any_class_and_offset():
    image = noise((5, 7)).astype(np.float32)
    frozen = image.copy()
    frozen.flags.writeable = False
    room = np.zeros(image.nbytes + 1, np.uint8)
    unaligned = room[1:].view(np.float32).reshape(image.shape)
    unaligned[...] = image
    assert not unaligned.flags.aligned
    for given in (frozen, image.view(np.matrix), np.ma.masked_array(image), unaligned,
                  np.frombuffer(image.tobytes(), np.float32).reshape(image.shape)):  # fmt: skip
        np.testing.assert_array_equal(grey(given), image)


def test_strides_that_do_not_count():
    """Of axes of length 1, and of empty arrays, NumPy lets strides be anything."""
    row = np.lib.stride_tricks.as_strided(noise((9,)), (1, 9), (12345, 1))
    column = np.lib.stride_tricks.as_strided(noise((9,)), (9, 1), (1, 777))
    for given in (row, column):
        assert given.flags.c_contiguous
        np.testing.assert_array_equal(grey(given), given)
        np.testing.assert_array_equal(halved(given[..., None]), halved(given.copy()[..., None]))
    for shape in ((0, 5), (5, 0), (0, 0)):
        assert grey(np.empty(shape, np.uint8)).shape == shape


def halved(image):
    rows, cols, channels = image.shape
    out = np.empty((-(-rows // 2), -(-cols // 2), channels), image.dtype)
    halve_integers(image, out)
    return out


@pytest.mark.parametrize("flag", [True, False, np.True_, np.False_])
def test_flags_reach_kernels(flag):
    image = np.array([[[1, 0], [9, 255]]], np.uint8)
    out = np.empty((1, 1, 2), np.uint8)
    halve_with_alpha(image, out, flag)
    np.testing.assert_array_equal(out, [[[9, 128 if flag else 127]]])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("value", [0, 200, 255])
def test_numbers_reach_kernels(dtype, value):
    plane = np.ones((2, 4), dtype)
    fill_rows(plane, np.array([[1, 3], [0, 0]]), plane.dtype.type(value))
    np.testing.assert_array_equal(plane, [[value, 1, 1, value], [value] * 4])


# -- images -----------------------------------------------------------------------------


def layouts(image):
    """Yield the image in all ways that its pixels may lie."""
    frozen = image.copy()
    frozen.flags.writeable = False
    yield frozen
    yield image.astype(image.dtype.newbyteorder())
    yield np.asfortranarray(image)
    yield image[::-1, ::-1].copy()[::-1, ::-1]
    wide = np.zeros((image.shape[0] * 2, image.shape[1] * 3, *image.shape[2:]), image.dtype)
    wide[::2, ::3] = image
    yield wide[::2, ::3]
    yield np.frombuffer(b"x" + image.tobytes(), image.dtype, offset=1).reshape(image.shape)
    fields = np.zeros(image.shape, [("before", "u1"), ("value", image.dtype)])
    fields["value"] = image
    yield fields["value"]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("channels", [None, 3])
@pytest.mark.parametrize("scale", [2, 0.5, 1.7, 0.6])
def test_images_of_any_order(dtype, channels, scale):
    shape = (12, 18) if channels is None else (12, 18, channels)
    image, axis = noise(shape, dtype), None if channels is None else -1
    matrix = np.array([[0.8, 0.1, 1], [0, 0.7, 0.3], [0, 0, 1]])
    calls_of = [
        lambda array: lerf_core.rescale(array, scale, channel_axis=axis),
        lambda array: lerf_core.rescale(array, scale, channel_axis=axis, kernel="lanczos3"),
        lambda array: lerf_core.warp(array, matrix, channel_axis=axis),
    ]
    for function in calls_of:
        expected = function(image)
        for number, given in enumerate(layouts(image)):
            before = given.copy()
            ours = function(given)
            np.testing.assert_array_equal(ours, expected, f"layout {number}")
            assert ours.dtype.newbyteorder("=") == expected.dtype
            np.testing.assert_array_equal(given, before)


@pytest.mark.parametrize("cval", [1e39, -1e300, np.finfo(np.float64).max])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_beyond_what_kernels_compute_with(cval, dtype):
    image = noise((6, 7), dtype)
    matrix = np.array([[0.5, 0, -3], [0, 0.5, -2], [0, 0, 1]])
    with np.errstate(over="ignore", invalid="ignore"):
        for options in ({}, {"kernel": "cubic"}):
            results = [
                lerf_core.warp(image, matrix, mode="constant", cval=cval, engine=name, **options)
                for name in ("numba", "reference")
            ]
            np.testing.assert_array_equal(*results)
            results = [
                lerf_core.rescale(image, 1.5, mode="constant", cval=cval, engine=name, **options)
                for name in ("numba", "reference")
            ]
            np.testing.assert_array_equal(*results)


# -- memory -----------------------------------------------------------------------------

SHORT = """
import resource, sys
import numpy as np
from lerf_core.backends.numba.entry_points import overshoot_rows

width = 1 << 20
plane, out = np.zeros((5, width + 3), np.float32), np.zeros((2, 2, width), np.float32)
overshoot_rows(plane, 0, 1, out)
expected = out.copy()
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
before = resource.getrlimit(resource.RLIMIT_AS)
for _ in range(3):
    # The kernel wants some dozen megabytes.
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 20), before[1]))
    try:
        overshoot_rows(plane, 0, 1, out)
    except MemoryError as error:
        print(type(error).__name__)
    else:
        print("enough memory")
    resource.setrlimit(resource.RLIMIT_AS, before)
overshoot_rows(plane, 0, 1, out)
assert (out == expected).all()
"""


@with_a_library
@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux how much memory is in use")
def test_a_kernel_without_memory_is_a_memory_error():
    done = run_python(SHORT, env=environment(MALLOC_TRIM_THRESHOLD_=0))
    assert done.stdout.split() == ["MemoryError"] * 3
    assert done.stderr == ""
