"""LeRF-P: each source pixel is a local plane, a level with a slope."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.images import MODES, ramp, step

import lerf_core
from lerf_core import geometry
from lerf_core.backends import BACKENDS, get_backend, reference
from lerf_core.backends.packed import empty_packed, unpack
from lerf_core.bank import KINDS, LutBank, Stage, analytic_bank, turned_columns, two_stages
from lerf_core.bank.patterns import PATTERNS, QUARTER_TURNS
from lerf_core.constants import LOCAL_PLANE_BIAS
from lerf_core.errors import BankError
from lerf_core.execution.channels import prepare_channel
from lerf_core.execution.samples import read_channel
from lerf_core.pixels.values import ValueScale, decode_srgb
from lerf_core.sampling.taps import AxisTaps

pytestmark = pytest.mark.slow

KIND = KINDS["lerf-p"]
FIRST = two_stages(KIND, tuple(PATTERNS))[0]


def planted_bank(*, slopes=True, residual=0, groups=((0, 2), (1, 3))):
    """A bank with the slopes of central differences and one residual, on a fixed Gaussian.

    Pattern S in its own frame: pixel 1 lies one column on from pixel 0. Two turns see the
    differences to the left and to the right, the other two those up and down.
    """
    divisor, bias = (8, 8, 8, 1, 1, 4), (127, 127, 127, *[LOCAL_PLANE_BIAS] * 3)
    last = Stage(("s",), groups, KIND.values, divisor, bias)
    start = analytic_bank()
    node = np.arange(start.nodes)
    step = np.clip(16 * (node[None, :] - node[:, None]), -112, 112)[:, :, None, None]
    table = np.zeros((start.nodes,) * 4 + (len(KIND.values),), np.int8)
    table[..., 1:3] = -116  # sigma 0.27
    table[..., 4] = step if slopes else 0
    table[..., 5] = residual
    tables = {key: value for key, value in start.tables.items() if key.startswith("stage1")}
    tables |= {f"stage2.s.{group}": table for group in range(len(groups))}
    return LutBank("planted", KIND, 16, PATTERNS, (FIRST, last), tables)


@pytest.mark.parametrize("engine", ["numba", "reference"])
@pytest.mark.parametrize(("slope_row", "slope_col"), [(0, 3), (4, 0), (2, -1), (-3, 2)])
def test_slopes_point_where_the_image_rises(engine, slope_row, slope_col):
    image = ramp((20, 24), slope_row, slope_col, level=120).astype(np.float32)
    options = {"engine": engine, "value_range": (0, 255)}
    result = lerf_core.rescale(image, 4, bank=planted_bank(), **options)[8:-8, 8:-8]
    rows, cols = (((np.arange(size * 4) + 0.5) / 4 - 0.5)[8:-8] for size in image.shape)
    exact = 120 + slope_row * rows[:, None] + slope_col * cols
    assert np.abs(result - exact).max() <= 1e-3
    level = lerf_core.rescale(image, 4, bank=planted_bank(slopes=False), **options)[8:-8, 8:-8]
    assert np.abs(level - exact).max() > 0.1


def test_slopes_are_in_source_pixels_under_any_map():
    """A ramp that is turned, sheared and enlarged stays the plane that it is."""
    image = ramp((40, 40), 2, 3).astype(np.uint8)
    angle = 0.4
    matrix = np.array(
        [
            [0.3 * np.cos(angle), -0.4 * np.sin(angle), 15.0],
            [0.3 * np.sin(angle), 0.4 * np.cos(angle), 12.0],
            [1e-4, -2e-4, 1.0],
        ]
    )
    result = lerf_core.warp(image, matrix, output_shape=(30, 30), bank=planted_bank())
    cols, rows = np.meshgrid(np.arange(30.0), np.arange(30.0))
    x, y, w = np.tensordot(matrix, np.stack([cols, rows, np.ones_like(rows)]), 1)
    assert np.abs(result - (20 + 2 * y / w + 3 * x / w)).max() <= 0.5


def test_residual_raises_the_level_by_quarters():
    image = np.random.default_rng(2).uniform(60, 180, (12, 12)).astype(np.float32)
    # 4 reads of 3, over 4: 3 quarters of a level.
    with_residual, without = (
        lerf_core.rescale(image, 2, bank=planted_bank(residual=r), value_range=(0, 255))
        for r in (3, 0)
    )
    np.testing.assert_allclose(np.median(with_residual - without), 0.75, atol=1e-4)


@pytest.mark.parametrize("turns", QUARTER_TURNS)
def test_parameters_turn_with_the_image(make_random_bank, turns):
    """With one table for all turns, the tables of a turned image are the turned ones."""
    source = make_random_bank("lerf-p")
    stage = source.stages[-1]
    together = Stage(stage.patterns, (QUARTER_TURNS,), stage.values, stage.divisor, stage.bias)
    tables = {key: table for key, table in source.tables.items() if not key.endswith(".1")}
    bank = LutBank("one", KIND, 16, PATTERNS, (source.stages[0], together), tables)
    plane = np.random.default_rng(3).integers(0, 256, (9, 12))
    upright = reference.read_stage(plane, bank, 1, 4)
    # rot90 turns counter-clockwise: (row, col) on the image becomes (-col, row) on the turned.
    seen = reference.read_stage(np.rot90(plane, turns), bank, 1, 4)
    for value, (column, sign) in enumerate(turned_columns(stage.values, turns)):
        mine = np.rot90(seen[column], -turns)
        if value in (3, 4):
            mine = sign * (mine - LOCAL_PLANE_BIAS) + LOCAL_PLANE_BIAS
        np.testing.assert_array_equal(mine, upright[value])


def test_slopes_vanish_on_flat_areas_of_every_level(make_random_bank):
    bank = make_random_bank("lerf-p")
    plane = np.repeat(np.arange(256)[:, None, None], 3, 1).repeat(3, 2)
    for flat in plane[::5]:
        slopes = reference.read_stage(flat, bank, 1, 4)[3:5]
        assert (slopes == LOCAL_PLANE_BIAS).all()


def test_slopes_of_both_signs_are_clipped_and_rounded_alike(make_random_bank):
    source = make_random_bank("lerf-p")
    stage = source.stages[-1]
    steep = Stage(stage.patterns, stage.rotation_groups, stage.values, 1, stage.bias)
    bank = LutBank("steep", KIND, 16, PATTERNS, (source.stages[0], steep), source.tables)
    plane = np.random.default_rng(4).integers(0, 256, (12, 12))
    for each in (bank, source):
        slopes = reference.read_stage(plane, each, 1, 4)[3:5]
        turned_round = reference.read_stage(plane[::-1, ::-1], each, 1, 4)[3:5, ::-1, ::-1]
        np.testing.assert_array_equal(slopes - LOCAL_PLANE_BIAS, LOCAL_PLANE_BIAS - turned_round)
        assert slopes.min() >= 1
    assert reference.read_stage(plane, bank, 1, 4)[3:5].min() == 1


def test_opaque_areas_stay_opaque(make_random_bank):
    image = np.zeros((16, 16, 4), np.uint8)
    image[..., :3] = np.random.default_rng(6).integers(0, 256, (16, 16, 3))
    image[:, 8:, 3] = 255
    alpha = lerf_core.rescale(image, 3, bank=make_random_bank("lerf-p"), channel_axis=-1)[..., 3]
    assert (alpha[:, 27:] == 255).all()
    assert (alpha[:, :21] == 0).all()


def test_linear_light_follows_the_chain_rule():
    """Levels, residuals and slopes in linear light are those of the decoded plane."""
    image = ramp((12, 12), 3, 5, level=30).astype(np.uint8)
    bank = planted_bank(residual=5)
    scale = ValueScale(image.dtype, 0, 255)
    backend = get_backend("numba")
    plain, linear = (
        read_channel(
            prepare_channel(image, replace(scale, linear_light=light), bank, backend, "edge"),
            0,
            len(image),
            1,
        )
        for light in (False, True)
    )

    def plane(read, dy, dx):
        offsets = np.full((12, 12), dy, np.float32), np.full((12, 12), dx, np.float32)
        feature, parameters = unpack(read.packed)
        return reference.local_plane_value(
            feature.astype(np.float32), "gaussian", parameters, *offsets
        )

    def decoded(grey):
        return decode_srgb(grey.astype(np.float64) / 255) * 255

    np.testing.assert_allclose(plane(linear, 0, 0), decoded(plane(plain, 0, 0)), atol=1e-3)
    for dy, dx in ((0.01, 0), (0, 0.01), (0.01, -0.01)):
        mine = plane(linear, dy, dx) - plane(linear, 0, 0)
        wanted = decoded(plane(plain, dy, dx)) - decoded(plane(plain, 0, 0))
        np.testing.assert_allclose(mine, wanted, rtol=0.02, atol=2e-4)
        assert np.abs(wanted).min() > 1e-3
    np.testing.assert_allclose(
        linear.overshoot_bounds, decoded(plain.overshoot_bounds), rtol=1e-6, atol=1e-4
    )


def test_slopes_fade_where_the_support_is_stretched():
    """Shrinking by anti-aliasing: over a wide support a step does not ring."""
    image = np.zeros((64, 64), np.uint8) + 60
    image[:, 30:] = 190
    result = lerf_core.rescale(image, 0.25, bank=planted_bank(), anti_aliasing=True)
    assert result.min() >= 60 - 8
    assert result.max() <= 190 + 8
    flat = lerf_core.rescale(image, 0.25, bank=planted_bank(slopes=False), anti_aliasing=True)
    assert np.abs(result.astype(int) - flat).max() <= 16


@pytest.mark.parametrize("mode", MODES)
def test_borders_are_the_same_by_both_engines(mode, make_random_bank):
    image = np.random.default_rng(7).integers(0, 256, (7, 9), dtype=np.uint8)
    for bank in (planted_bank(), make_random_bank("lerf-p")):
        mine, theirs = (
            lerf_core.rescale(image, 2.5, bank=bank, mode=mode, cval=90, engine=engine)
            for engine in ("numba", "reference")
        )
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("engine", BACKENDS)
def test_a_constant_beyond_the_border_has_no_slope(engine):
    """Its level counts as it is, however the border's own pixels lean."""
    records = empty_packed(1, 2, 6, np.uint8)
    feature, parameters = unpack(records)
    parameters[:3] = 0
    parameters[3:] = LOCAL_PLANE_BIAS
    parameters[4] = LOCAL_PLANE_BIAS + 40  # 20 levels a pixel along the columns
    feature[:] = 100, 120
    rows = AxisTaps(np.zeros((1, 1), np.int64), np.zeros((1, 1), np.float32))
    cols = AxisTaps(np.array([[-1, 0]]), np.array([[0.75, -0.25]], np.float32))
    given = {"validity": None, "bounds": None, "cval_validity": 1.0, "to_uint8": False}
    value, _ = get_backend(engine).mean_on_grid(records, "gaussian", rows, cols, cval=60.0, **given)
    # Two equal weights: 60, and 100 less a quarter of the slope.
    assert value.item() == pytest.approx((60 + 95) / 2)


def test_deep_images_agree_with_bytes():
    image = np.random.default_rng(8).integers(40, 200, (12, 12)).astype(np.uint8)
    bank = planted_bank()
    shallow = lerf_core.rescale(image, 3, bank=bank)
    deep = lerf_core.rescale(image.astype(np.uint16) * 257, 3, bank=bank)
    assert np.abs(deep / 257 - shallow).max() < 1.2
    shifted = lerf_core.warp(
        image.astype(np.float32) / 255, geometry.Displacement(np.full((2, 12, 12), 0.3)), bank=bank
    )
    assert shifted.dtype == np.float32


def test_a_plane_must_have_its_bias():
    bank = planted_bank()
    first, last = bank.stages
    wrong = Stage(last.patterns, last.rotation_groups, last.values, last.divisor, 127)
    with pytest.raises(BankError, match="slope_row of stage 2 must have bias 128"):
        LutBank("wrong", KIND, 16, PATTERNS, (first, wrong), bank.tables)
    short = Stage(last.patterns, last.rotation_groups, last.values, (8, 8), last.bias)
    with pytest.raises(BankError, match="a divisor and a bias for each"):
        LutBank("wrong", KIND, 16, PATTERNS, (first, short), bank.tables)


def test_banks_of_planes_travel_through_files(tmp_path, make_random_bank):
    bank = make_random_bank("lerf-p")
    bank.save(tmp_path / "planes.safetensors")
    again = lerf_core.load_bank(tmp_path / "planes.safetensors")
    assert again == bank
    assert again.stages == bank.stages
    assert again.kind.has_local_planes


# -- overshoot bounds -----------------------------------------------------------------------


def steep(bank):
    """The bank with planes as steep as can be."""
    *others, last = bank.stages
    return replace(bank, stages=(*others, replace(last, divisor=(12, 12, 12, 1, 1, 1))))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 2), (23, 300), (60, 31)])
def test_compiled_limits_equal_the_reference(shape, dtype):
    rng = np.random.default_rng(9)
    for plane in (rng.integers(0, 256, shape), rng.choice([0, 100, 255], shape)):
        planes = [get_backend(name).overshoot_bounds(plane.astype(dtype), 2) for name in BACKENDS]
        assert planes[0].shape == (2, shape[0] + 1, shape[1] + 1)
        assert planes[0].dtype == dtype
        np.testing.assert_array_equal(*planes)


def test_limits_are_tight_where_the_brightest_pixels_touch_and_loose_at_a_peak():
    low, high = reference.overshoot_bounds(step(50, 150))
    assert high.max() == 150 + 3 / 32 * 100
    assert low.min() == 50 - 3 / 32 * 100
    peak = np.full((9, 9), 50.0)
    peak[4, 4] = 60
    low, high = reference.overshoot_bounds(peak)
    assert high[4, 4] == 60 + 3 / 32 * 10 + 10
    assert high[3, 3] == 60 + 3 / 32 * 10  # the peak is not one of the four
    assert low[4, 4] == 50 - 3 / 32 * 10
    flat_low, flat_high = reference.overshoot_bounds(np.full((5, 6), 77.0))
    assert (flat_low == 77).all()
    assert (flat_high == 77).all()


@pytest.mark.parametrize("angle", [0, 0.3, np.pi / 4, 1.2])
@pytest.mark.parametrize("levels", [(50, 200), (100, 120), (180, 90)])
@pytest.mark.parametrize("scale", [2, 2.6, 4])
def test_no_tables_make_a_hard_edge_overshoot_by_more_than_a_tenth(
    make_random_bank, levels, angle, scale
):
    """By any tables: these are random, and as steep as can be."""
    bank = steep(make_random_bank("lerf-p"))
    image = step(*levels, angle=angle)
    height = 3 / 32 * abs(levels[1] - levels[0]) + 0.5
    matrix = np.diag([1 / scale, 1 / scale, 1.0])
    for result in (
        lerf_core.rescale(image, scale, bank=bank),
        lerf_core.rescale(image, (scale, 1), bank=bank),
        lerf_core.warp(image, matrix, output_shape=(40, 40), bank=bank, mode="edge"),
    ):
        assert result.max() <= max(levels) + height
        assert result.min() >= min(levels) - height
        assert np.ptp(result) > 0


def test_limits_follow_into_deep_images(make_random_bank):
    bank = steep(make_random_bank("lerf-p"))
    image = step(100, 120)
    deep = lerf_core.rescale(image.astype(np.float64) / 255, 3, bank=bank) * 255
    assert deep.max() == pytest.approx(120 + 3 / 32 * 20, abs=1e-3)
    assert deep.min() == pytest.approx(100 - 3 / 32 * 20, abs=1e-3)


@pytest.mark.parametrize("engine", BACKENDS)
def test_along_one_axis_results_turn_with_the_image_by_half_a_turn(make_random_bank, engine):
    """Limits do not favour a side where an axis is left as it is."""
    image = np.random.default_rng(1).choice([60, 61, 120, 200], (14, 12)).astype(np.float32)
    bank = make_random_bank("lerf-p")
    for scale in ((2, 1), (1, 2)):
        upright, turned_round = (
            lerf_core.rescale(each, scale, bank=bank, engine=engine, value_range=(0, 255))
            for each in (image, image[::-1, ::-1])
        )
        np.testing.assert_allclose(turned_round[::-1, ::-1], upright, atol=1e-3)


@pytest.mark.parametrize("engine", BACKENDS)
def test_where_no_constant_takes_part_limits_are_those_of_the_edge(make_random_bank, engine):
    image = np.random.default_rng(1).choice([60, 61, 120, 200], (9, 12)).astype(np.uint8)
    bank = make_random_bank("lerf-p")
    edge, constant = (
        lerf_core.rescale(image, (1, 2), bank=bank, mode=mode, cval=0, engine=engine)
        for mode in ("edge", "constant")
    )
    np.testing.assert_array_equal(edge[:, 2:-2], constant[:, 2:-2])


def test_alpha_stays_between_clear_and_opaque(make_random_bank):
    ramp_of_alpha = np.tile(np.linspace(0, 1, 12, dtype=np.float32) ** 3, (12, 1))
    image = np.dstack([np.full((12, 12), 0.5, np.float32), ramp_of_alpha])
    for mode in ("edge", "constant"):
        result = lerf_core.rescale(
            image, 3, bank=make_random_bank("lerf-p"), channel_axis=-1, mode=mode, cval=(0, 1)
        )
        assert result[..., 1].min() >= 0
        assert result[..., 1].max() <= 1


def test_a_constant_beyond_the_border_is_not_limited():
    image = np.full((8, 8), 200, np.uint8)
    result = lerf_core.rescale(image, 4, bank=planted_bank(), mode="constant", cval=0)
    assert (result[0] < 150).all()
    assert (result[8:-8, 8:-8] == 200).all()
