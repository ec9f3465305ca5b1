"""Every backend equals the reference, bit for bit: in whole calls, and in each step.

Whole calls are drawn for each bank kind, dtype and border mode; steps for what varies below them:
validity, bounds, taps, long rows.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import strategies as draw
from support.banks import make_random_bank, random_bank
from support.combinations import each_pair_of, some_first
from support.examples import examples

from lerf_core import Displacement, rescale, resize, warp
from lerf_core.backends import BACKENDS, get_backend, reference
from lerf_core.bank import KINDS, LutBank
from lerf_core.constants import REACH_LIMIT
from lerf_core.geometry import Homography, as_inverse_map, homography_from_points, rotation
from lerf_core.pixels.values import ValueScale
from lerf_core.sampling.kernel_taps import kernel_taps
from lerf_core.sampling.kernels import COLOUR_KERNEL, KERNELS
from lerf_core.sampling.taps import AxisTaps, axis_taps, effective_filter_scale

REFERENCE = get_backend("reference")
OTHERS = [name for name in BACKENDS if name != "reference"]
UNIT_BITS = [(np.uint8, 4), (np.int32, 14)]

each_backend = pytest.mark.parametrize("name", OTHERS)
# Those that have kernels of their own for every step; torch's whole calls: torch/test_backend.py.
each_compiled = pytest.mark.parametrize("name", [name for name in OTHERS if name != "torch"])
each_kind = pytest.mark.parametrize("kind", KINDS)
each_level_dtype = pytest.mark.parametrize("dtype", ["uint8", "float32"])
each_dtype = pytest.mark.parametrize("dtype", draw.DTYPES)
each_mode = pytest.mark.parametrize("mode", draw.BORDER_MODES)
# Tables, values and borders are handled apart.
each_pair = each_pair_of(kind=list(KINDS), dtype=draw.DTYPES, mode=draw.BORDER_MODES)


def weighting_of(kind):
    return KINDS[kind].weighting


# -- whole calls ------------------------------------------------------------------------


def assert_calls_agree(name, function, *arguments, **options):
    ours = function(*arguments, engine=name, **options)
    expected = function(*arguments, engine="reference", **options)
    assert ours.dtype == expected.dtype
    np.testing.assert_array_equal(ours, expected)


@each_compiled
@each_pair
@examples(2)
@given(data=st.data())
def test_resizing(name, kind, dtype, mode, data):
    image = data.draw(draw.images(dtype))
    options = {
        "cval": data.draw(st.sampled_from([0, 0.3, 250])), "linear_light": data.draw(st.booleans()),
        "anti_aliasing": data.draw(st.sampled_from([None, False])),
        "threads": data.draw(st.sampled_from([1, 3])),
    }  # fmt: skip
    scales = data.draw(draw.SCALES), data.draw(draw.SCALES)
    image = draw.holed(image, 0) if data.draw(st.booleans()) else image
    assert_calls_agree(name, rescale, image, scales, bank=random_bank(kind), mode=mode, **options)


@pytest.mark.slow
@each_compiled
@each_pair
@examples(2)
@given(data=st.data())
def test_channels_alpha_and_nodata(name, kind, dtype, mode, data):
    image = data.draw(draw.images(dtype, channels=st.integers(1, 5)))
    image[: image.shape[0] // 2, :, -1] = 0
    nodata = data.draw(st.sampled_from([None, 0, 255]))
    assert_calls_agree(
        name, resize, image, (13, 17), bank=random_bank(kind), mode=mode, channel_axis=-1,
        nodata=nodata, value_range=data.draw(st.sampled_from([None, (-0.5, 250)])),
    )  # fmt: skip


@pytest.mark.slow
@each_compiled
@each_pair
@examples(2)
@given(data=st.data())
def test_warping(name, kind, dtype, mode, data):
    image = data.draw(draw.images(dtype, channels=st.sampled_from([1, 2])))
    image = draw.holed(image, 0) if data.draw(st.booleans()) else image
    assert_calls_agree(
        name, warp, image, data.draw(draw.homographies()), output_shape=(11, 19), mode=mode,
        bank=random_bank(kind), cval=0.4, anti_aliasing=data.draw(st.sampled_from([None, False])),
        channel_axis=-1, linear_light=data.draw(st.booleans()),
    )  # fmt: skip


@pytest.mark.slow
@each_compiled
@each_kind
@each_mode
@examples(2)
@given(image=draw.images("uint8"), field=draw.wild_fields(st.just((9, 15))))
def test_warping_by_fields_and_functions(name, kind, mode, image, field):
    for inverse in (Displacement(field), field, lambda points: points[:, ::-1] * 0.7):
        assert_calls_agree(name, warp, image, inverse, bank=random_bank(kind), mode=mode, cval=9)


@each_compiled
@each_dtype
@each_mode
@examples(2)
@given(data=st.data())
def test_warping_by_whole_pixels(name, dtype, mode, data):
    image = data.draw(draw.images(dtype, channels=st.integers(1, 4)))
    image = draw.holed(image, 0) if data.draw(st.booleans()) else image
    field = data.draw(draw.whole_fields(draw.SHAPES))
    assert_calls_agree(
        name, warp, image, field, bank=random_bank("lerf-p"), mode=mode, cval=0.4, channel_axis=-1
    )


@pytest.mark.slow
@each_compiled
@each_pair
@examples(2)
@given(data=st.data())
def test_resizing_by_the_luma_alone(name, kind, dtype, mode, data):
    image = data.draw(draw.images(dtype, channels=3, shapes=st.tuples(*[st.integers(2, 24)] * 2)))
    channel_axis = data.draw(st.sampled_from([0, -1]))
    image = np.moveaxis(image, -1, channel_axis)
    scales = data.draw(draw.SCALES), data.draw(draw.SCALES)
    assert_calls_agree(
        name, rescale, image, scales, bank=random_bank(kind), channel_axis=channel_axis, mode=mode,
        anti_aliasing=data.draw(st.sampled_from([None, False])), fast=True,
    )  # fmt: skip


@pytest.mark.slow
@each_compiled
@each_kind
@pytest.mark.parametrize("interval", some_first([32], [8, 64]))
def test_other_intervals_patterns_and_stages_are_data(name, kind, interval):
    """Tables of 33 nodes (interval 8) have no kernel: the reference serves them."""
    patterns = {"a": ((0, 0), (0, 2), (2, 0), (2, 2)), "b": ((0, 0), (1, 2), (-1, 3), (4, -2))}
    bank = make_random_bank(kind, interval=interval, patterns=patterns, prefilters=2, seed=3)
    values = np.random.default_rng(0).random((9, 14))
    for dtype in ("uint8", "uint16", "float32"):
        image = (values * (1 if dtype == "float32" else np.iinfo(dtype).max)).astype(dtype)
        assert_calls_agree(name, rescale, image, 2, bank=bank, threads=2)
        assert_calls_agree(name, warp, image, rotation(20, image.shape), bank=bank, threads=1)


@each_compiled
@each_kind
@pytest.mark.parametrize(("scale", "fast"), [(2.3, False), (2, True), (1.3, True)])
def test_threads_and_long_rows_do_not_change_a_bit(name, kind, scale, fast):
    image = np.random.default_rng(1).integers(0, 256, (150, 700, 3), dtype=np.uint8)
    options = {"bank": random_bank(kind), "channel_axis": -1, "fast": fast, "engine": name}
    alone = rescale(image, scale, threads=1, **options)
    np.testing.assert_array_equal(alone, rescale(image, scale, threads=3, **options))


@each_compiled
@each_dtype
@each_mode
@examples(6)
@given(data=st.data())
def test_fixed_kernels(name, dtype, mode, data):
    image = data.draw(draw.images(dtype, channels=st.integers(1, 5)))
    image[: image.shape[0] // 2, :, -1] = data.draw(st.sampled_from([0, 1]))
    image = draw.holed(image, 0) if data.draw(st.booleans()) else image
    options = {
        "kernel": data.draw(st.sampled_from([kernel for kernel in KERNELS if kernel != "nearest"])),
        "cval": data.draw(st.sampled_from([0, 0.3, 250])), "linear_light": data.draw(st.booleans()),
        "anti_aliasing": data.draw(st.sampled_from([None, False])), "channel_axis": -1,
        "nodata": data.draw(st.sampled_from([None, 0, 255])), "mode": mode,
        "threads": data.draw(st.sampled_from([1, 3])),
    }  # fmt: skip
    assert_calls_agree(name, resize, image, data.draw(draw.SHAPES), **options)
    matrix = data.draw(draw.homographies())
    assert_calls_agree(name, warp, image, matrix, output_shape=(11, 19), **options)


# -- values and grey levels -------------------------------------------------------------

RANGES = st.sampled_from([(0, 1), (0, 65535), (-3.7, 1000.1), (5, 4)])


def values_of(dtype, low, high, seed):
    rng = np.random.default_rng(seed)
    if dtype.kind != "f":
        return rng.integers(0, np.iinfo(dtype).max, (9, 40), dtype=dtype)
    with np.errstate(over="ignore"):
        values = ((rng.random((9, 40)) * 1.5 - 0.3) * (high - low) + low).astype(dtype)
    values[0, :3] = np.nan, np.inf, -np.inf
    return values


@each_compiled
@pytest.mark.parametrize("dtype", [*draw.DTYPES[1:], "int32", "int64", "longdouble"])
@examples(10)
@given(ends=RANGES, grey_bits=st.sampled_from([8, 9, 10]), seed=draw.SEEDS)
def test_values_become_units_and_levels(name, dtype, ends, grey_bits, seed):
    scale, backend = ValueScale(np.dtype(dtype), *ends), get_backend(name)
    values = values_of(scale.dtype, *ends, seed)
    with np.errstate(all="ignore"):
        ours = backend.to_units(scale, values, grey_bits)
        for result, expected in zip(ours, scale.to_units(values, grey_bits), strict=True):
            np.testing.assert_array_equal(result, expected)
        grey = backend.to_grey(scale, values)
        assert grey.dtype == np.float32
        np.testing.assert_array_equal(grey, REFERENCE.to_grey(scale, values))


@each_compiled
@pytest.mark.parametrize("dtype", [*draw.DTYPES, "int16"])
@examples(10)
@given(ends=RANGES, linear=st.booleans(), seed=draw.SEEDS)
def test_levels_become_values(name, dtype, ends, linear, seed):
    scale = ValueScale(np.dtype(dtype), *ends, linear_light=linear)
    grey = np.random.default_rng(seed).uniform(-70, 330, (9, 40)).astype(np.float32)
    ours = get_backend(name).from_grey(scale, grey)
    assert ours.dtype == dtype
    np.testing.assert_array_equal(ours, scale.from_grey(grey))


@pytest.mark.parametrize("name", BACKENDS)
def test_halves_round_to_even(name):
    scale = ValueScale(np.dtype("uint16"), 0, 510)
    grey = (np.arange(400, dtype=np.float32) / 4)[None]
    expected = np.rint(np.arange(400) / 2)
    np.testing.assert_array_equal(get_backend(name).from_grey(scale, grey)[0], expected)


# -- table reads ------------------------------------------------------------------------


@each_backend
@each_kind
@pytest.mark.parametrize(("dtype", "cell_bits"), UNIT_BITS)
@examples(5)
@given(shape=draw.SHAPES, seed=draw.SEEDS, threads=st.sampled_from([1, 3]), data=st.data())
def test_table_reads(name, kind, dtype, cell_bits, shape, seed, threads, data):
    rng, bank, backend = np.random.default_rng(seed), random_bank(kind), get_backend(name)
    top = 255 << (cell_bits - 4)
    plane = rng.integers(0, top + 1, shape).astype(dtype)
    if data.draw(st.booleans()):
        plane = rng.choice([0, 1, 16 << (cell_bits - 4), top], shape).astype(dtype)
    first = data.draw(st.integers(0, shape[0] - 1))
    rows = (first, data.draw(st.integers(first + 1, shape[0])))
    for number in range(len(bank.stages)):
        for part in (None, rows):
            ours = backend.host(backend.read_stage(plane, bank, number, cell_bits, threads, part))
            expected = REFERENCE.read_stage(plane, bank, number, cell_bits, 1, part)
            assert ours.dtype == dtype
            np.testing.assert_array_equal(ours, expected)
    used = 1 + len(bank.kind.values)
    remainder = rng.uniform(-9, 9, (rows[1] - first, shape[1])).astype(np.float32)
    outputs = [(np.float32, remainder), (np.float32, None)]
    if dtype == np.uint8:
        outputs = [(np.uint8, None), (np.float32, None)]
    for stored, rest in outputs:
        ours, expected = (
            one.host(one.read_packed(plane, bank, cell_bits, threads, rows, rest, stored))[
                ..., :used
            ]
            for one in (backend, REFERENCE)
        )
        assert ours.dtype == stored
        np.testing.assert_array_equal(ours, expected)


@each_compiled
@each_kind
def test_table_reads_of_long_rows_and_many_bands(name, kind):
    plane = np.random.default_rng(0).integers(0, 256, (110, 1100), dtype=np.uint8)
    bank = random_bank(kind)
    expected = REFERENCE.read_stage(plane, bank, 1, 4, 1)
    for threads in (1, 2):
        backend = get_backend(name)
        ours = backend.host(backend.read_stage(plane, bank, 1, 4, threads))
        np.testing.assert_array_equal(ours, expected)


@each_backend
@each_kind
@pytest.mark.parametrize("interval", [16, 32, 64])
@pytest.mark.parametrize("sign", [-1, 1])
def test_sums_of_the_largest_entries_do_not_overflow(name, kind, interval, sign):
    plain = make_random_bank(kind, interval=interval)
    rng = np.random.default_rng(0)
    tables = {
        table: (sign * (127 - rng.integers(0, 2, entries.shape))).astype(np.int8)
        for table, entries in plain.tables.items()
    }
    bank = LutBank("large", plain.kind, interval, plain.patterns, plain.stages, tables)
    bits = interval.bit_length() - 1
    plane = rng.integers(0, 256, (9, 270), dtype=np.uint8)
    ours, expected = (
        one.host(one.read_stage(plane, bank, 1, bits, 1)) for one in (get_backend(name), REFERENCE)
    )
    np.testing.assert_array_equal(ours, expected)


# -- overshoot bounds and the mean on a grid --------------------------------------------


@each_backend
@each_level_dtype
@examples(20)
@given(shape=draw.SHAPES, extreme=st.booleans(), seed=draw.SEEDS)
def test_overshoot_bounds(name, dtype, shape, extreme, seed):
    plane = draw.levels(np.random.default_rng(seed), shape, np.dtype(dtype), extreme=extreme)
    for threads in (1, 2):
        backend = get_backend(name)
        ours = backend.host(backend.overshoot_bounds(plane, threads))
        assert ours.dtype == plane.dtype
        np.testing.assert_array_equal(ours, REFERENCE.overshoot_bounds(plane, 1))


def assert_grids_agree(name, packed, kind, rows, cols, *, bounded, **options):
    """Compare means on a grid; bounds, if there are any, are those of the features."""
    bounds = None
    if bounded:
        bounds = REFERENCE.overshoot_bounds(packed[..., 0], 1)
        bounds = reference.bounds_along_kept_axes(bounds, rows, cols)
    options = {"validity": None, "cval": None, "cval_validity": 1.0, **options, "bounds": bounds}
    options["to_uint8"] = packed.dtype == np.uint8
    weighting = weighting_of(kind)
    results = [
        one.mean_on_grid(packed, weighting, rows, cols, **options)
        for one in (get_backend(name), REFERENCE)
    ]
    for ours, expected in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, expected)
    return results[0][0]


def grid_taps(shape, scales, *, anti_aliasing=True):
    return (
        axis_taps(size, max(1, round(size * scale)), scale, anti_aliasing=anti_aliasing)
        for size, scale in zip(shape, scales, strict=True)
    )


@each_backend
@each_kind
@each_level_dtype
@examples(25)
@given(
    shape=draw.SHAPES, scales=st.tuples(draw.SCALES, draw.SCALES), anti_aliasing=st.booleans(),
    cval=st.sampled_from([None, 0.0, 77.5, -300.0]), has_validity=st.booleans(),
    bounded=st.booleans(), extreme=st.booleans(), seed=draw.SEEDS,
)  # fmt: skip
def test_means_on_grids(
    name, kind, dtype, shape, scales, anti_aliasing, cval, has_validity, bounded, extreme, seed
):
    rng = np.random.default_rng(seed)
    packed = draw.packed_levels(rng, kind, shape, np.dtype(dtype), extreme=extreme)
    validity = draw.validities(rng, shape) if has_validity else None
    assert_grids_agree(
        name, packed, kind, *grid_taps(shape, scales, anti_aliasing=anti_aliasing), bounded=bounded,
        validity=validity, cval=cval, cval_validity=float(rng.choice([0, 1])),
    )  # fmt: skip


@each_compiled
@each_kind
@pytest.mark.parametrize("has_validity", [False, True])
@pytest.mark.parametrize("scale", [2, 3, 4, 5, 1.9])
def test_means_on_rows_of_many_segments(name, kind, scale, has_validity):
    rng = np.random.default_rng(1)
    shape = (3, 1300)
    validity = rng.random(shape, dtype=np.float32) if has_validity else None
    assert_grids_agree(
        name, draw.packed_levels(rng, kind, shape, np.dtype("uint8")), kind,
        *grid_taps(shape, (2, scale)), bounded=True, validity=validity, cval=9.0, cval_validity=0.5,
    )  # fmt: skip


def colours_of(rng, shape, dtype, *, extreme):
    """Return three channels' packed parameters, of the same rho and sigmas."""
    packed = [draw.packed_levels(rng, "lerf-p", shape, dtype, extreme=extreme) for _ in range(3)]
    for pixels in packed[1:]:
        pixels[..., 1:4] = packed[0][..., 1:4]
    return packed


@each_backend
@each_level_dtype
@examples(25)
@given(
    shape=draw.SHAPES, scales=st.tuples(draw.SCALES, draw.SCALES), bounded=st.booleans(),
    cval=st.sampled_from([None, 0.0, 77.5, -300.0]), extreme=st.booleans(), seed=draw.SEEDS,
    rounds=st.booleans(),
)  # fmt: skip
def test_means_of_colours(name, dtype, shape, scales, bounded, cval, extreme, seed, rounds):
    packed = colours_of(np.random.default_rng(seed), shape, np.dtype(dtype), extreme=extreme)
    rows, cols = grid_taps(shape, scales)
    bounds = [
        reference.bounds_along_kept_axes(
            REFERENCE.overshoot_bounds(pixels[..., 0], 1), rows, cols
        ) if bounded else None
        for pixels in packed
    ]  # fmt: skip
    options = {"cval": cval, "bounds": bounds, "to_uint8": rounds and dtype == "uint8"}
    results = [
        one.means_on_grid(packed, "gaussian", rows, cols, **options)
        for one in (get_backend(name), REFERENCE)
    ]
    for ours, expected in zip(*results, strict=True):
        assert ours.dtype == expected.dtype
        np.testing.assert_array_equal(ours, expected)


@each_compiled
@each_level_dtype
@pytest.mark.parametrize("scale", [2, 3, 4, 5])
def test_means_of_colours_on_rows_of_many_segments(name, dtype, scale):
    shape = (4, 1300)
    packed = colours_of(np.random.default_rng(scale), shape, np.dtype(dtype), extreme=False)
    rows, cols = grid_taps(shape, (2, scale))
    options = {"cval": None, "to_uint8": dtype == "uint8"}
    options["bounds"] = [REFERENCE.overshoot_bounds(pixels[..., 0], 1) for pixels in packed]
    results = [
        one.means_on_grid(packed, "gaussian", rows, cols, **options)
        for one in (get_backend(name), REFERENCE)
    ]
    assert not np.array_equal(*results[0][:2])
    np.testing.assert_array_equal(*results)


@each_compiled
def test_columns_of_no_phase_give_what_those_of_phases_give(name):
    rng = np.random.default_rng(2)
    packed = draw.packed_levels(rng, "lerf-p", (6, 600), np.dtype("uint8"))
    rows, cols = grid_taps((6, 600), (2, 2))
    fewer = AxisTaps(cols.index[:-1], cols.offset[:-1])  # not as many for each source pixel
    by_phases, by_columns = (
        assert_grids_agree(name, packed, "lerf-p", rows, taps, bounded=True, cval=3.0)
        for taps in (cols, fewer)
    )
    np.testing.assert_array_equal(by_phases[:, :-1], by_columns)


@each_backend
@pytest.mark.parametrize("scale", [4, 0.3])
def test_means_stay_finite_far_outside_the_levels(name, scale):
    rng = np.random.default_rng(3)
    packed = draw.packed_levels(rng, "lerf-g", (8, 9), np.dtype("float32"), extreme=True)
    packed[..., 0] = rng.uniform(-1e9, 1e9, (8, 9))
    taps = grid_taps((8, 9), (scale, scale))
    assert np.isfinite(assert_grids_agree(name, packed, "lerf-g", *taps, bounded=False)).all()


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("scale", [2, 3, 1.7, 0.4])
def test_bytes_stay_within_one_level_of_exact_weights(name, scale):
    rng = np.random.default_rng(4)
    shape = (60, 50)
    packed = np.zeros((*shape, 4), np.uint8)
    packed[..., 0] = np.clip(rng.normal(128, 25, shape), 0, 255)
    packed[..., 1:] = rng.integers(30, 226, (*shape, 3))
    rows, cols = grid_taps(shape, (scale, scale))
    ours, _ = get_backend(name).mean_on_grid(
        packed, "gaussian", rows, cols, validity=None, cval=None, cval_validity=1.0, bounds=None,
        to_uint8=True,
    )  # fmt: skip
    total = weighted = 0.0
    for ty, tx in np.ndindex(rows.count, cols.count):
        row = np.clip(rows.index[:, ty, None], 0, shape[0] - 1)
        col = np.clip(cols.index[None, :, tx], 0, shape[1] - 1)
        dy, dx = rows.offset[:, ty, None].astype(float), cols.offset[None, :, tx].astype(float)
        level = packed[row, col, 0].astype(float)
        rho, sigma_row, sigma_col = np.moveaxis(packed[row, col, 1:], -1, 0) / 255.0
        u, v = 10 * sigma_row * dy, 10 * sigma_col * dx
        weight = np.exp(-(u * u - 2 * (2 * rho - 1) * u * v + v * v) / 2)
        weight = weight * ((abs(dy) <= REACH_LIMIT) & (abs(dx) <= REACH_LIMIT))
        total, weighted = total + weight, weighted + weight * level
    difference = np.abs(ours - np.rint(weighted / total))
    assert difference.max() <= 1
    # Noise with random parameters; for photographs one in 10,000 (test_literal).
    assert np.count_nonzero(difference) <= max(1, difference.size // 3_000)


# -- the mean at points -----------------------------------------------------------------


def assert_points_agree(name, kind, dtype, shape, out_shape, channels, seed, *, valid, scaled):
    rng = np.random.default_rng(seed)
    packed = draw.packed_levels(rng, kind, (channels, *shape), np.dtype(dtype))
    row, col = draw.positions(rng, shape, out_shape)
    filter_scales = None
    if scaled:
        filter_scales = tuple(
            effective_filter_scale(rng.uniform(0.5, 3, out_shape)) for _ in range(2)
        )
        for scale in filter_scales:
            scale[: out_shape[0] // 2] = 1
            scale[-1, :2] = rng.choice([4.5, 9.7])
    bounds = None
    if kind == "lerf-p":
        bounds = np.stack([REFERENCE.overshoot_bounds(plane, 1) for plane in packed[..., 0]])
    validity = draw.validities(rng, shape) if valid else None
    results = []
    for one in (get_backend(name), REFERENCE):
        pairs = zip(packed, itertools.repeat(None) if bounds is None else bounds, strict=False)
        points = one.points_of(pairs, channels, weighting_of(kind), validity)
        results.append(
            one.mean_at_points(points, row, col, filter_scales, to_uint8=dtype == "uint8")
        )
    for ours, expected in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, expected)


@each_backend
@each_kind
@each_level_dtype
@examples(10)
@given(
    shape=draw.SHAPES, channels=st.integers(1, 3), valid=st.booleans(), scaled=st.booleans(),
    seed=draw.SEEDS,
)  # fmt: skip
def test_means_at_points(name, kind, dtype, shape, channels, valid, scaled, seed):
    assert_points_agree(
        name, kind, dtype, shape, (4, 37), channels, seed, valid=valid, scaled=scaled
    )


@each_compiled
@each_kind
@each_level_dtype
@pytest.mark.parametrize("valid", [False, True])
@pytest.mark.parametrize("scaled", [False, True])
def test_means_at_points_of_several_segments(name, kind, dtype, valid, scaled):
    assert_points_agree(name, kind, dtype, (90, 70), (6, 600), 3, 5, valid=valid, scaled=scaled)


@each_backend
@pytest.mark.parametrize("scaled", [False, True])
def test_only_visible_columns_are_computed(name, scaled):
    """Unwanted columns may be anything; the numba backend makes them 0."""
    rng = np.random.default_rng(3)
    packed = draw.packed_levels(rng, "lerf-g", (2, 30, 40), np.dtype("uint8"))
    row, col = draw.positions(rng, (30, 40), (3, 700))
    visible_columns = np.array([[10, 650], [5, 5], [0, 700]])
    column = np.arange(700)
    visible = (column >= visible_columns[:, :1]) & (column < visible_columns[:, 1:])
    backend, validity = get_backend(name), np.full((30, 40), 0.5, np.float32)
    points = backend.points_of([(plane, None) for plane in packed], 2, "gaussian", validity)
    results = [
        backend.mean_at_points(
            points, row, col, (row * 0 + 1.5, col * 0 + 1) if scaled else None,
            to_uint8=True, visible_columns=columns,
        )
        for columns in (None, visible_columns)
    ]  # fmt: skip
    for whole, part in zip(*results, strict=True):
        np.testing.assert_array_equal(part, np.where(visible, whole, 0))


# -- source coordinates -----------------------------------------------------------------


def assert_coordinates_agree(
    name, mapping, shape, out_shape, mode, *, anti_aliasing=True, bands=None
):
    middle = max(out_shape[0] // 2, 1)
    for top, bottom in bands or ((0, middle), (middle - 1, out_shape[0])):
        ours, expected = (
            one.source_coordinates(
                mapping, top, bottom, shape, out_shape, mode, anti_aliasing=anti_aliasing
            )
            for one in (get_backend(name), REFERENCE)
        )
        for field, value in vars(expected).items():
            if value is None:
                assert getattr(ours, field) is None, field
            else:
                np.testing.assert_array_equal(getattr(ours, field), value, field)


@each_compiled
@each_mode
@examples(12)
@given(
    shape=draw.SHAPES, anti_aliasing=st.booleans(), seed=draw.SEEDS,
    size=st.sampled_from([0.1, 0.5, 1.0, 3.0]), bend=st.sampled_from([0.0, 1e-4, 1e-2, 0.1]),
)  # fmt: skip
def test_coordinates_of_homographies(name, mode, shape, anti_aliasing, seed, size, bend):
    rng = np.random.default_rng(seed)
    matrix = np.eye(3) * [size, size, 1]
    matrix[:2, :2] += rng.normal(0, size / 3, (2, 2))
    matrix[:2, 2] = rng.normal(0, 10, 2)
    matrix[2, :2] = rng.normal(0, bend, 2)
    mapping = Homography.from_inverse(matrix, shape)
    assert_coordinates_agree(name, mapping, shape, (21, 330), mode, anti_aliasing=anti_aliasing)


@each_compiled
@each_mode
@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 180, 270.0])
def test_coordinates_of_turns(name, mode, degrees):
    mapping = Homography.from_inverse(rotation(degrees, (60, 300)), (60, 300))
    assert_coordinates_agree(name, mapping, (60, 300), (60, 300), mode)


@each_compiled
@each_mode
def test_coordinates_from_the_horizon_to_close_by(name, mode):
    corners = [(0, 0), (511, 0), (511, 511), (0, 511)]
    matrix = homography_from_points([(900, 300), (1100, 300), (2500, 1500), (-500, 1500)], corners)
    mapping = Homography.from_inverse(matrix, (512, 512))
    # Rows above the horizon, rows that shrink and rows that enlarge.
    bands = [(top, top + 4) for top in (180, 290, 900, 1400)]
    assert_coordinates_agree(name, mapping, (512, 512), (2000, 2000), mode, bands=bands)


@each_compiled
@each_mode
@examples(8)
@given(shape=draw.SHAPES, anti_aliasing=st.booleans(), field=draw.wild_fields(draw.SHAPES))
def test_coordinates_of_fields_and_functions(name, mode, shape, anti_aliasing, field):
    assert_fields_agree(name, mode, shape, anti_aliasing, field)


@each_compiled
@each_mode
@examples(25)
@given(shape=draw.SHAPES, anti_aliasing=st.booleans(), field=draw.whole_fields(draw.SHAPES))
def test_coordinates_of_whole_pixels(name, mode, shape, anti_aliasing, field):
    assert_fields_agree(name, mode, shape, anti_aliasing, field)


def assert_fields_agree(name, mode, shape, anti_aliasing, field):
    with np.errstate(over="ignore"):
        narrow = field.astype(np.float32)
    maps = (
        Displacement(field), field, Displacement(narrow), lambda points: points[:, ::-1] * 0.7 - 3,
    )  # fmt: skip
    for inverse in maps:
        mapping, _ = as_inverse_map(inverse, shape, field.shape[1:])
        assert_coordinates_agree(
            name, mapping, shape, field.shape[1:], mode, anti_aliasing=anti_aliasing
        )


# -- colours and writing ----------------------------------------------------------------


@each_compiled
@each_level_dtype
@examples(15)
@given(shape=draw.SHAPES, scales=st.tuples(draw.SCALES, draw.SCALES), seed=draw.SEEDS)
def test_luma_and_colour_differences(name, dtype, shape, scales, seed):
    rng, backend = np.random.default_rng(seed), get_backend(name)
    colours = [draw.levels(rng, shape, np.dtype(dtype), extreme=seed % 2 == 0) for _ in range(3)]
    luma = backend.luma(colours)
    assert luma.dtype == dtype
    np.testing.assert_array_equal(luma, REFERENCE.luma(colours))
    rows, cols = (
        kernel_taps(COLOUR_KERNEL, size, max(1, round(size * scale)), scale, anti_aliasing=True)
        for size, scale in zip(shape, scales, strict=True)
    )
    resized = rng.uniform(-20, 275, (len(rows.first), len(cols.first))).astype(np.float32)
    results = [np.empty((*resized.shape, 3), dtype) for _ in range(2)]
    for one, out in zip((backend, REFERENCE), results, strict=True):
        one.add_colour_differences(colours, luma, resized, rows, cols, out)
    np.testing.assert_array_equal(*results)


@each_compiled
@pytest.mark.parametrize("dtype", [*draw.DTYPES, "int64", "bool"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_writing(name, dtype, channels):
    rng = np.random.default_rng(channels)
    planes = rng.integers(0, 2, (channels, 5, 7)).astype(dtype)
    visible_columns = np.array([[0, 7], [2, 2], [1, 6], [0, 3], [6, 7]])
    around = planes.dtype.type(1)
    results = []
    for backend in (get_backend(name), REFERENCE):
        for shape, moved in (((channels, 5, 7), 0), ((5, 7, channels), -1)):
            out = np.zeros(shape, dtype)
            backend.store_channels(list(planes), np.moveaxis(out, moved, 0))
            np.testing.assert_array_equal(np.moveaxis(out, moved, 0), planes)
        plane = planes[0].copy()
        backend.fill_around(plane, visible_columns, around)
        results.append(plane)
    np.testing.assert_array_equal(*results)
