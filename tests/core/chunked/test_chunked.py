"""dask arrays: every chunk is what it is in the whole result, and reads what it needs alone."""

import pickle
import warnings

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import strategies
from support.banks import random_network
from support.examples import examples
from support.images import MODES, wide_noise

import lerf_core
from lerf_core import Displacement, chunked
from lerf_core.errors import InvalidArgumentError, InvalidTypeError

SIDES = st.integers(1, 60)
SCALES = st.one_of(st.sampled_from([0.5, 1.0, 2.0, 3.0]), st.floats(0.2, 4.0))


@st.composite
def cut_up(draw, size):
    """Uneven lengths of chunks, single pixels among them."""
    if size == 1:
        return (1,)
    cuts = draw(st.lists(st.integers(1, size - 1), max_size=4, unique=True))
    ends = [0, *sorted(cuts), size]
    return tuple(int(length) for length in np.diff(ends))


whole_images = st.builds(
    wide_noise, st.tuples(SIDES, SIDES, st.integers(1, 4)),
    st.sampled_from(["uint8", "float32"]), st.integers(0, 99),
)  # fmt: skip


def any_bank(random_banks, number):
    """A bank of tables, or a network, which reads colours together."""
    banks = [*random_banks, random_network(8, 3, 1), random_network(4, 5, 0, 1)]
    return banks[number % len(banks)]


def as_dask(image, rows, cols):
    chunks = (rows, cols, *image.shape[2:])
    return da.from_array(image, chunks=chunks)


def assert_same(lazy, whole):
    assert lazy.shape == whole.shape
    assert lazy.dtype == whole.dtype
    assert type(lazy._meta) is np.ndarray
    for block in lazy.to_delayed().ravel()[:1]:
        assert block.compute(scheduler="sync").dtype == whole.dtype
    np.testing.assert_array_equal(lazy.compute(scheduler="sync"), whole)


# -- equal to the whole ------------------------------------------------------------


@examples(10)
@given(
    data=st.data(), shape=st.tuples(SIDES, SIDES), scales=st.tuples(SCALES, SCALES),
    mode=st.sampled_from(MODES), channels=st.sampled_from([1, 2, 3, 4]),
    method=st.sampled_from(["lerf", "lerf", "nearest", "majority"]), smooth=st.booleans(),
    fast=st.booleans(),
    dtype=st.sampled_from(["uint8", "uint8", "uint16", "float32"]), seed=st.integers(0, 99),
)  # fmt: skip
def test_rescale_for_every_chunking(
    random_banks, data, shape, scales, mode, channels, method, smooth, fast, dtype, seed
):
    image = wide_noise((*shape, channels), dtype, seed)
    if dtype == "float32" and channels in (2, 4):
        image[..., -1] = np.clip(image[..., -1], 0, 1)
    options = {
        "bank": any_bank(random_banks, seed), "channel_axis": -1, "mode": mode, "cval": 0.3,
        "anti_aliasing": smooth, "method": method, "fast": fast,
    }  # fmt: skip
    whole = lerf_core.rescale(image, scales, **options)
    lazy = chunked.rescale(
        as_dask(image, data.draw(cut_up(shape[0])), data.draw(cut_up(shape[1]))), scales,
        chunks=tuple(data.draw(cut_up(size)) for size in whole.shape[:2]), **options,
    )  # fmt: skip
    assert_same(lazy, whole)


@pytest.mark.slow
@examples(12)
@given(
    data=st.data(), zoom=st.floats(0.05, 3), turn=st.floats(-3.2, 3.2),
    shift=st.tuples(st.floats(-60, 100), st.floats(-60, 100)),
    perspective=st.tuples(st.floats(-0.03, 0.03), st.floats(-0.03, 0.03)),
    mode=st.sampled_from(MODES), channels=st.sampled_from([1, 3, 4]), smooth=st.booleans(),
    method=st.sampled_from(["lerf", "lerf", "nearest", "majority"]),
    limit=st.sampled_from([300, 10**6]),
    dtype=st.sampled_from(["uint8", "uint8", "float32"]), seed=st.integers(0, 99),
)  # fmt: skip
def test_homographies_for_every_chunking(
    random_banks, data, zoom, turn, shift, perspective, mode, channels, smooth, method, limit,
    dtype, seed,
):  # fmt: skip
    cos, sin = zoom * np.cos(turn), zoom * np.sin(turn)
    matrix = np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]], [*perspective, 1]])
    image = wide_noise((47, 61, channels), dtype, seed)
    if dtype == "float32" and channels == 4:
        image[..., -1] = np.clip(image[..., -1], 0, 1)
    options = {
        "bank": any_bank(random_banks, seed), "channel_axis": -1, "mode": mode, "cval": 0.3,
        "anti_aliasing": smooth, "output_shape": (39, 52), "method": method,
    }  # fmt: skip
    lazy = chunked.warp(
        as_dask(image, data.draw(cut_up(47)), data.draw(cut_up(61))), matrix, window_limit=limit,
        chunks=(data.draw(cut_up(39)), data.draw(cut_up(52))), **options,
    )  # fmt: skip
    assert_same(lazy, lerf_core.warp(image, matrix, **options))


@pytest.mark.slow
@examples(8)
@given(
    data=st.data(), kind=st.sampled_from(["absolute", "displacement", "bounded", "callable"]),
    lazy_field=st.booleans(), wild=st.floats(0, 30), mode=st.sampled_from(MODES),
    smooth=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_fields_for_every_chunking(random_banks, data, kind, lazy_field, wild, mode, smooth, seed):
    rng = np.random.default_rng(seed)
    image = wide_noise((40, 50), "uint8", seed)
    steps = rng.normal(0, wild, (2, 33, 45))
    steps[:, rng.random((33, 45)) < 0.05] = np.nan
    positions = steps + np.mgrid[:33, :45]
    options = {
        "bank": any_bank(random_banks, seed), "mode": mode, "cval": 7, "anti_aliasing": smooth,
    }  # fmt: skip
    extra = {}
    if kind == "callable":

        def where(points):
            x, y = np.rint(points).astype(int).T
            return positions[::-1, y, x].T

        given_map, lazy_map = where, where
        options["output_shape"] = (33, 45)
    else:
        field = positions if kind == "absolute" else steps
        lazy = da.from_array(field, chunks=(1, 10, 17)) if lazy_field else field
        given_map = field if kind == "absolute" else Displacement(field)
        lazy_map = lazy if kind == "absolute" else Displacement(lazy)
        if kind == "bounded":
            extra["max_displacement"] = float(np.nanmax(np.abs(steps)))
    result = chunked.warp(
        as_dask(image, data.draw(cut_up(40)), data.draw(cut_up(50))), lazy_map, window_limit=500,
        chunks=(data.draw(cut_up(33)), data.draw(cut_up(45))), **options, **extra,
    )  # fmt: skip
    assert_same(result, lerf_core.warp(image, given_map, **options))


def test_missing_values_are_filled_alike(random_banks):
    rng = np.random.default_rng(3)
    image = rng.random((90, 80), np.float32)
    image[rng.random(image.shape) < 0.3] = np.nan
    image[20:60, 30:65] = np.nan
    for mode in MODES:
        options = {"bank": random_banks[0], "mode": mode}
        whole = lerf_core.rescale(image, 1.7, **options)
        assert_same(chunked.rescale(as_dask(image, 13, 17), 1.7, chunks=19, **options), whole)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_time_z_and_channels_stay_where_they_are(axis):
    image = wide_noise((2, 3, 21, 25), "uint8", 0)
    image = np.moveaxis(np.stack([image, 255 - image, image // 2], -1), -1, axis)
    lazy = da.from_array(image, chunks=(1, 2, 2, 9, 11))
    whole = lerf_core.rescale(image, 1.5, channel_axis=axis)
    result = chunked.rescale(lazy, 1.5, channel_axis=axis, chunks=14)
    assert_same(result, whole)
    channels = axis % 5
    assert len(result.chunks[channels]) == 1
    others = [i for i in range(5) if i != channels][:-2]
    assert all(result.chunks[i] == lazy.chunks[i] for i in others)


def test_labels_unit_range_and_copies():
    labels = wide_noise((20, 30), "uint16", 1).astype(np.int64)
    assert_same(chunked.resize(as_dask(labels, 7, 7), (33, 41)), lerf_core.resize(labels, (33, 41)))
    image = wide_noise((20, 30), "uint8", 1)
    for shape in [(20, 30), (25, 30)]:
        whole = lerf_core.resize(image, shape, preserve_range=False)
        assert_same(chunked.resize(as_dask(image, 7, 7), shape, preserve_range=False), whole)


def test_threads_of_dask_and_of_kernels_do_not_multiply(monkeypatch):
    from lerf_core.execution import plan

    threads = []
    run_all = plan.run_all
    monkeypatch.setattr(
        plan, "run_all", lambda *given: (threads.append(given[-1]), run_all(*given))[1]
    )
    chunked.rescale(da.zeros((600, 600), dtype="uint8", chunks=300), 2).compute(scheduler="threads")
    assert set(threads) == {1}


@examples(8)
@given(
    image=whole_images, field=strategies.whole_fields(st.tuples(SIDES, SIDES)),
    mode=st.sampled_from(MODES), is_relative=st.booleans(), data=st.data(),
)  # fmt: skip
def test_whole_pixels(image, field, mode, is_relative, data):
    ys, xs = (data.draw(cut_up(size)) for size in image.shape[:2])
    inverse = Displacement(field) if is_relative else field
    kept = {"mode": mode, "channel_axis": -1, "cval": 0.5}
    lazy_field = da.from_array(field, chunks=(1, 7, 9))
    lazy_inverse = Displacement(lazy_field) if is_relative else lazy_field
    whole = lerf_core.warp(image, inverse, **kept)
    source = as_dask(image, ys, xs)
    for given_map in (inverse, lazy_inverse):
        assert_same(chunked.warp(source, given_map, chunks=(11, 6), **kept), whole)


def test_whole_pixels_are_copied():
    image = wide_noise((40, 50, 3), "uint16", 2)
    source = as_dask(image, (13, 27), (50,))
    kept = {"channel_axis": -1, "chunks": 9}
    turned = chunked.warp(source, [[0, -1, 49], [1, 0, 0]], output_shape=(50, 40), **kept)
    assert_same(turned, np.rot90(image))
    still = Displacement(da.zeros((2, 40, 50), chunks=(2, 8, 11)))
    assert_same(chunked.warp(source, still, **kept), image)
    assert_same(chunked.warp(source, still, max_displacement=0, **kept), image)
    assert_same(chunked.rescale(source, 1 + 1e-15, **kept), image)


# -- only what is needed ------------------------------------------------------------


class Watched:
    """An array of any size that tells what is read of it."""

    def __init__(self, shape, dtype="uint8"):
        self.shape, self.dtype, self.ndim = shape, np.dtype(dtype), len(shape)
        self.reads = []

    def __getitem__(self, index):
        sides = [range(*part.indices(size)) for part, size in zip(index, self.shape, strict=True)]
        self.reads.append([(side[0], side[-1] + 1) for side in sides])
        # A view of a single value: chunks of gigabytes take no memory.
        return np.broadcast_to(np.ones((), self.dtype), [len(side) for side in sides])


@pytest.mark.slow
def test_one_chunk_of_many_terabytes():
    source = Watched((700_480, 700_480), "float64")
    image = da.from_array(source, chunks=50_030, asarray=False)
    turned = [[0, 1, 0], [-1, 0, 700_479], [0, 0, 1]]
    options = {"window_limit": 1 << 28}
    for lazy in [
        chunked.rescale(image, 2, chunks=100_060, **options),
        chunked.warp(image, turned, chunks=50_030, **options),
    ]:
        assert lazy.nbytes >= 3.9e12
        corner = lazy[-3:, -3:].compute(scheduler="sync")
        assert (corner == 1).all()
    # Of 225 chunks: one and those that touch it, in two asks.
    assert len(source.reads) <= 2 * 9


def test_a_chunk_reads_its_window_alone():
    source = Watched((4000, 4000))
    image = da.from_array(source, chunks=100, asarray=False)
    chunked.rescale(image, 2, chunks=200).blocks[7, 9].compute(scheduler="sync")
    rows = {read[0] for read in source.reads}
    cols = {read[1] for read in source.reads}
    assert rows == {(600, 700), (700, 800), (800, 900)}
    assert cols == {(800, 900), (900, 1000), (1000, 1100)}


def test_chunks_that_see_nothing_read_nothing():
    source = Watched((1000, 1000))
    image = da.from_array(source, chunks=100, asarray=False)
    away = [[1, 0, 5000], [0, 1, 0], [0, 0, 1]]
    result = chunked.warp(image, away, cval=9, chunks=250).compute(scheduler="sync")
    assert (result == 9).all()
    assert not source.reads


@pytest.mark.parametrize("mode", MODES)
def test_beyond_the_horizon_nothing_is_read(mode):
    source = Watched((1000, 1000))
    image = da.from_array(source, chunks=1000, asarray=False)
    matrix = [[1, 0, 0], [0, 1, 0], [0, -0.0041, 1]]  # rows from 244 on lie beyond
    lazy = chunked.warp(image, matrix, cval=9, chunks=250, mode=mode)
    assert (lazy.blocks[1:].compute(scheduler="sync") == 9).all()
    assert not source.reads


def test_windows_keep_to_their_limit():
    image = da.ones((2000, 2000), dtype="uint8", chunks=500)
    matrix = np.diag([20.0, 20, 1])  # 100 output pixels see all of it
    small = chunked.warp(image, matrix, output_shape=(100, 100), window_limit=300_000)
    pieces = [value for key, value in dict(small.dask).items() if "-piece" in str(key[0])]
    assert len(pieces) == 16
    whole = chunked.warp(image, matrix, output_shape=(100, 100))
    assert len(small.dask) > len(whole.dask)
    np.testing.assert_array_equal(small, whole)


def test_a_bounded_field_is_not_read_before_the_result_is():
    def fail(block):
        raise AssertionError("computed")

    image = da.ones((64, 64), dtype="uint8", chunks=16)
    steps = da.zeros((2, 64, 64), chunks=(2, 16, 16))
    never = steps.map_blocks(fail, meta=np.empty((0, 0, 0)))
    chunked.warp(image, Displacement(never), max_displacement=2)
    with pytest.raises(AssertionError, match="computed"):
        chunked.warp(image, Displacement(never))
    wrong = chunked.warp(image, Displacement(steps + 3), max_displacement=2)
    with pytest.raises(InvalidArgumentError, match="3 pixels, beyond max_displacement 2"):
        wrong.compute(scheduler="sync")


@pytest.mark.parametrize("alpha", ["premultiply", "separate"])
@pytest.mark.parametrize("options", [{}, {"mode": "constant", "cval": 9}, {"linear_light": True}])
def test_shrunk_colours_with_alpha_are_those_of_the_whole(alpha, options):
    image = wide_noise((70, 90, 4), "uint8", 0)
    # Opaque, clear, and between: several chunks hold one of them alone.
    image[:40, :50, 3], image[40:, 20:, 3] = 255, 0
    keywords = {"channel_axis": -1, "alpha": alpha, **options}
    whole = lerf_core.resize(image, (33, 41), **keywords)
    lazy = chunked.resize(as_dask(image, 30, 25), (33, 41), chunks=(7, 13), **keywords)
    assert_same(lazy, whole)
    assert 0 < np.count_nonzero(whole[..., 3]) < whole[..., 3].size


# -- graphs ------------------------------------------------------------


def test_graphs_grow_with_the_chunks_of_the_result():
    image = da.zeros((3, 5000, 5000), dtype="uint8", chunks=(3, 100, 100))
    for lazy in [
        chunked.rescale(image, 2, chunks=1000),
        chunked.warp(image, np.diag([2.0, 2, 1]), chunks=1000),
    ]:
        own = len(lazy.dask) - len(image.dask)
        assert own <= lazy.npartitions + 1


def test_names_tell_everything_apart():
    image = da.from_array(wide_noise((60, 60, 3), "uint8", 0), chunks=(30, 30, 3))
    variants = [
        {}, {"scale": 2.5}, {"bank": "lerf-l"}, {"mode": "reflect"}, {"cval": 3},
        {"anti_aliasing": False}, {"alpha": "separate"}, {"method": "nearest"},
        {"value_range": (0, 200)}, {"nodata": 5}, {"linear_light": True}, {"fast": True},
        {"preserve_range": False}, {"chunks": 40}, {"window_limit": 500}, {"engine": "reference"},
        {"channel_axis": 0},
    ]  # fmt: skip

    def name(image=image, **options):
        options = {"scale": 2, "channel_axis": -1} | options
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return chunked.rescale(image, **options).name

    names = [name(**options) for options in variants]
    names.append(name(image + 1))
    assert len(set(names)) == len(names)
    assert names == [*[name(**options) for options in variants], name(image + 1)]
    turned = [chunked.warp(image, np.eye(3) + np.eye(3, k=1) * k, channel_axis=-1) for k in (0, 1)]
    assert turned[0].name != turned[1].name


@pytest.mark.parametrize("bank", [None, random_network(8, 3, 1)], ids=["tables", "network"])
def test_graphs_travel(bank):
    image = wide_noise((50, 40, 3), "uint8", 0)
    options = {"bank": bank, "channel_axis": -1}
    lazy = chunked.rescale(as_dask(image, 20, 20), 2, **options)
    again = pickle.loads(pickle.dumps(lazy))
    np.testing.assert_array_equal(again.compute(), lerf_core.rescale(image, 2, **options))
    np.testing.assert_array_equal(lazy.compute(scheduler="processes"), again.compute())


def test_default_chunks_follow_the_image_and_dasks_limit():
    image = da.zeros((2000, 3000), dtype="uint8", chunks=(500, 1000))
    assert chunked.rescale(image, 2).chunks == ((1000,) * 4, (2000,) * 3)
    with dask.config.set({"array.chunk-size": "1MiB"}):
        rows, cols = chunked.rescale(image, 2).chunks
    assert max(rows) * max(cols) <= 1 << 20
    assert chunked.warp(image, np.eye(3)).chunks == image.chunks


# -- what is refused ------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chunks": 0}, "chunks"),
        ({"chunks": (1, 2, 3)}, "chunks"),
        ({"chunks": "many"}, "chunks"),
        ({"window_limit": 0}, "window_limit"),
        ({"mode": "mirror"}, "mode"),
        ({"cval": "black"}, "cval"),
        ({"method": "cubic"}, "method"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises((InvalidArgumentError, InvalidTypeError), match=message):
        chunked.rescale(da.zeros((20, 20), dtype="uint8"), 2, **options)


def test_bad_images():
    with pytest.raises(InvalidTypeError, match="dask"):
        chunked.rescale(np.zeros((4, 4), np.uint8), 2)
    with pytest.raises(InvalidTypeError, match=r"lerf_core\.chunked"):
        lerf_core.rescale(da.zeros((4, 4), dtype="uint8"), 2)
    unknown = da.zeros((20, 20), dtype="uint8", chunks=5)
    unknown = unknown[da.ones(20, chunks=5) > 0]
    with pytest.raises(InvalidArgumentError, match="unknown size"):
        chunked.rescale(unknown, 2)
    with pytest.raises(TypeError, match="unknown keyword arguments: smoothing"):
        chunked.rescale(da.zeros((4, 4), dtype="uint8"), 2, smoothing=1)
    with pytest.raises(InvalidArgumentError, match="max_displacement"):
        chunked.warp(da.zeros((4, 4), dtype="uint8"), np.eye(3), max_displacement=2)
