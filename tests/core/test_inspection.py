"""Parameter maps are what resize resamples by; ellipses are level sets of the functions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.banks import random_network

import lerf_core
from lerf_core import inspection
from lerf_core.backends import reference
from lerf_core.bank import KINDS, LOCAL_PLANE, SLOPES, LutBank, two_stages
from lerf_core.constants import LOCAL_PLANE_BIAS, RESIDUAL_UNIT, SLOPE_UNIT
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.inspection import ellipses, luma_maps, parameter_maps, slopes
from lerf_core.pixels.luma import rgb_luma
from lerf_core.sampling.taps import axis_taps

SHAPE = (13, 17)


@pytest.fixture
def image():
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    noise = np.random.default_rng(3).integers(0, 90, SHAPE)
    return (rows * 6 + cols * 5 + noise).astype(np.uint8)


@pytest.fixture(scope="module")
def planted():
    """A LeRF-P bank of central differences: half of what the next pixels differ; residual 2."""
    plain = lerf_core.analytic_bank()
    kind = KINDS["lerf-p"]
    first, last = two_stages(kind, tuple(plain.patterns))
    # Of the reads of the run alone, each adds a quarter of its first step: 16 entries a node.
    last = replace(last, divisor=[1 if name in LOCAL_PLANE else 12 for name in kind.values])
    node = np.arange(plain.nodes)
    tables = dict(plain.tables)
    for read in plain.reads(1):
        tables[read.table] = table = np.zeros((plain.nodes,) * 4 + (len(kind.values),), np.int8)
        if ".c." in read.table:
            step = np.clip(16 * (node[None, :] - node[:, None]), -127, 127)
            table[..., kind.values.index("slope_col")] = step[:, :, None, None]
            table[..., kind.values.index("residual")] = 2
    return LutBank("planted", kind, plain.interval, plain.patterns, (first, last), tables)


def same(one, other):
    assert one.parameters.keys() == other.parameters.keys()
    np.testing.assert_array_equal(one.grey, other.grey)
    np.testing.assert_array_equal(one.feature, other.feature)
    for name, values in one.parameters.items():
        np.testing.assert_array_equal(values, other.parameters[name])


# -- maps -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_maps_give_what_resize_gives(random_banks, image, dtype):
    image = image if dtype == np.uint8 else (image / 255).astype(dtype)
    for bank in random_banks:
        maps = parameter_maps(image, bank=bank)
        parameters = np.stack([maps.parameters[name] for name in bank.kind.values]) * np.float32(
            255
        )
        if dtype == np.uint8:  # as the bytes they are
            parameters = np.rint(parameters)
        taps = [axis_taps(n, 2 * n, 2.0, anti_aliasing=True) for n in SHAPE]
        limits = reference.overshoot_bounds(maps.grey) if bank.kind.has_local_planes else None
        given = (maps.feature, parameters, bank.kind.weighting, *taps)
        mean, _ = reference.mean_on_grid(*given, bounds=limits)
        expected = lerf_core.rescale(image, 2, bank=bank)
        if dtype == np.uint8:
            np.testing.assert_array_equal(np.clip(np.rint(mean), 0, 255), expected)
        else:
            np.testing.assert_allclose(mean / 255, expected, atol=1e-5)


@pytest.fixture
def colours(image):
    return np.stack([image, image.T[: SHAPE[0], : SHAPE[1]].repeat(2, 1)[:, : SHAPE[1]],
                     255 - image // 2], 2)  # fmt: skip


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_network_weighs_colours_alike(colours, dtype):
    bank = random_network()
    factor = {np.uint8: 1, np.uint16: 257, np.float32: np.float32(1 / 255)}[dtype]
    image = (colours.astype(np.float32) * factor).astype(dtype)
    maps = parameter_maps(image, bank=bank, channel_axis=2)
    for name in ("rho", "sigma_row", "sigma_col"):
        values = maps.parameters[name]
        np.testing.assert_array_equal(values[..., 1], values[..., 0])
        np.testing.assert_array_equal(values[..., 2], values[..., 0])
    assert np.any(maps.parameters["residual"][..., 1] != maps.parameters["residual"][..., 0])
    np.testing.assert_allclose(maps.feature, maps.grey, atol=1e-4)
    # As planes of their own, channels are read otherwise.
    alone = parameter_maps(image[..., 1], bank=bank)
    assert np.any(alone.parameters["rho"] != maps.parameters["rho"][..., 1])


@pytest.mark.parametrize("channels", [3, 4])
def test_the_luma_by_tables_is_a_plane(random_bank, colours, channels):
    opacity = np.where(np.arange(SHAPE[1]) < 5, 0, 200).astype(np.uint8)
    opaque = np.concatenate([colours, np.broadcast_to(opacity[:, None], (*SHAPE, 1))], 2)
    maps = luma_maps(opaque[..., :channels], bank=random_bank)
    luma = rgb_luma(colours)
    if channels == 3:
        same(maps, parameter_maps(luma, bank=random_bank))
        return
    both = np.stack([luma, opaque[..., 3]], 2)
    same(maps, parameter_maps(both, bank=random_bank, channel_axis=2)[..., 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_luma_by_a_network_is_that_of_the_result(colours, dtype):
    bank = random_network()
    image = colours if dtype == np.uint8 else (colours / 255).astype(dtype)
    maps = luma_maps(image, bank=bank)
    parts = parameter_maps(image, bank=bank, channel_axis=2)
    weights = (0.299, 0.587, 0.114)
    for name in LOCAL_PLANE:
        expected = parts.parameters[name] @ weights
        np.testing.assert_allclose(maps.parameters[name], expected, atol=1e-6)
    np.testing.assert_array_equal(maps.parameters["rho"], parts.parameters["rho"][..., 0])
    np.testing.assert_allclose(maps.feature, parts.feature @ weights, atol=1e-4)
    # Weighed alike, the means of local planes are as linear as their luma: but for the bounds.
    taps = [axis_taps(n, 2 * n, 2.0, anti_aliasing=True) for n in SHAPE]

    def mean(each):
        values = np.stack([each.parameters[name] for name in bank.kind.values]) * np.float32(255)
        return reference.mean_on_grid(each.feature, values, "gaussian", *taps)[0]

    channels = np.stack([mean(parts[..., k]) for k in range(3)], 2)
    np.testing.assert_allclose(mean(maps), channels @ weights, atol=2e-3)


def test_flat_colours_have_level_planes():
    flat = np.full((9, 9, 3), (200, 100, 50), np.uint8)
    bank = random_network()
    head = bank.layers[-1]
    still = replace(head, weight=0 * head.weight, bias=head.bias * 0 + (128 << int(head.shift[0])))
    maps = luma_maps(flat, bank=replace(bank, layers=(*bank.layers[:-1], still)))
    for name in LOCAL_PLANE:
        assert not maps.coefficient(name).any()


def test_a_colour_that_is_missing_has_no_luma(colours):
    image = colours.astype(np.float32) / 255
    image[3, 4, 1] = np.nan
    for bank in (random_network(), "lerf-p"):
        maps = luma_maps(image, bank=bank)
        for values in (maps.feature, *maps.parameters.values()):
            assert np.isnan(values[3, 4])
            assert np.isnan(values).sum() == 1


def test_no_luma_of_other_images(image):
    for shape in ((13, 17), (13, 17, 2), (2, 13, 17, 3)):
        with pytest.raises(InvalidArgumentError, match="luma"):
            luma_maps(np.zeros(shape, np.uint8))


def test_the_engines_agree(random_banks, image):
    for bank in random_banks:
        for pixels in (image, image.astype(np.uint16) * 200):
            compiled = parameter_maps(pixels, bank=bank, threads=1)
            same(compiled, parameter_maps(pixels, bank=bank, engine="reference"))


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "f2", "f4", "f8", ">f8"])
def test_every_depth_of_a_picture_has_the_same_maps(random_bank, image, dtype):
    bytes_ = parameter_maps(image, bank=random_bank)
    factor = {"u": 257 if dtype[-1] == "2" else 1, "f": 1 / 255}[dtype.strip("<>")[0]]
    maps = parameter_maps((image * np.float64(factor)).astype(dtype), bank=random_bank)
    assert maps.feature.dtype == np.float32
    # Bytes round the feature to whole levels before they read on.
    np.testing.assert_allclose(maps.grey, image, atol=0.1)
    np.testing.assert_allclose(maps.feature, bytes_.feature, atol=2)
    for values in maps.parameters.values():
        assert values.dtype == np.float32
        assert values.shape == SHAPE
        assert values.min() >= 0
        assert values.max() <= 1


def test_labels_have_no_parameters(image):
    with pytest.raises(InvalidTypeError, match="bool"):
        parameter_maps(image > 9)
    with pytest.raises(InvalidTypeError, match="value_range"):
        parameter_maps(image.astype(np.int32))
    deep = parameter_maps(image.astype(np.int32), value_range=(0, 255), bank="analytic")
    np.testing.assert_array_equal(deep.feature, image)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_channels_are_independent_and_stay_where_they_are(random_bank, image, axis):
    stack = np.stack([image, 255 - image, image[::-1]], axis=axis)
    maps = parameter_maps(stack, bank=random_bank, channel_axis=axis)
    assert maps.feature.shape == stack.shape
    for channel in range(3):
        index = [slice(None)] * 3
        index[axis] = channel
        same(maps[tuple(index)], parameter_maps(stack[tuple(index)], bank=random_bank))


def test_leading_axes_are_planes(random_bank, image):
    volume = np.stack([image, image.T[:13, :13].repeat(2, axis=1)[:, :17]])
    maps = parameter_maps(volume, bank=random_bank)
    for number in range(2):
        same(maps[number], parameter_maps(volume[number], bank=random_bank))


def test_pixels_that_do_not_count_are_nan(random_bank, image):
    missing = (image / 255).astype(np.float32)
    missing[4, 5] = np.nan
    maps = parameter_maps(missing, bank=random_bank)
    assert np.isnan(maps.feature[4, 5])
    assert np.isnan(maps.feature).sum() == 1
    assert np.isnan(maps.parameters["rho"]).sum() == 1
    alpha = np.full(SHAPE, 255, np.uint8)
    alpha[:, :3] = 0
    maps = parameter_maps(np.dstack([image, alpha]), bank=random_bank, channel_axis=-1)
    assert np.isnan(maps.feature[:, :3, 0]).all()
    assert np.isfinite(maps.feature[:, 3:, 0]).all()
    np.testing.assert_array_equal(maps.feature[..., 1], alpha)


def test_turns_of_the_image_turn_the_maps(random_bank, image):
    maps, square = parameter_maps(image, bank=random_bank), image[:13, :13]
    same(parameter_maps(np.rot90(image, 2), bank=random_bank), maps[::-1, ::-1])
    # A pre-filter shares its tables between all turns, the parameters between opposite ones.
    turned = parameter_maps(np.rot90(square), bank=random_bank)
    plain = parameter_maps(square, bank=random_bank)
    np.testing.assert_array_equal(turned.feature, np.rot90(plain.feature))


def test_planes_have_functions_too(make_random_bank, image):
    bank = make_random_bank("lerf-p")
    maps = parameter_maps(image, bank=bank)
    assert tuple(maps.parameters) == bank.kind.values
    weights = {name: maps.parameters[name] for name in ("rho", "sigma_row", "sigma_col")}
    np.testing.assert_array_equal(ellipses(maps).major, ellipses(weights).major)
    assert len(inspection.table_statistics(bank)) == 3 + 6 * len(bank.kind.values)


def test_coefficients():
    maps = parameter_maps(np.zeros((2, 2), np.uint8), bank="analytic")
    given = replace(maps, parameters={"rho": np.float32([[0, 0.5, 1]]), "other": np.float32([0.3])})
    np.testing.assert_array_equal(given.coefficient("rho"), [[-1, 0, 1]])
    np.testing.assert_array_equal(given.coefficient("other"), np.float32([0.3]))
    assert maps.coefficient("sigma_row")[0, 0] == pytest.approx(10 * 69 / 255)
    with pytest.raises(InvalidArgumentError, match="alpha"):
        maps.coefficient("alpha")


def test_every_slope_and_residual_is_exact():
    value = np.arange(1, 256, dtype=np.float32)
    maps = parameter_maps(np.zeros((1, 1), np.uint8), bank="analytic")
    given = replace(maps, parameters=dict.fromkeys(LOCAL_PLANE, value / np.float32(255)))
    for name in LOCAL_PLANE:
        unit = SLOPE_UNIT if name in SLOPES else RESIDUAL_UNIT
        np.testing.assert_array_equal(given.coefficient(name), (value - LOCAL_PLANE_BIAS) * unit)
        assert inspection.COEFFICIENTS[name].unit.startswith("level")


# -- slopes -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_ramp_has_its_slope(planted, dtype):
    rows, cols = np.mgrid[:12, :14]
    ramp = 40 + 2 * rows - 6 * cols + 60
    image = {"u1": ramp, "u2": ramp * 257, "f4": ramp / 255}[np.dtype(dtype).str[1:]].astype(dtype)
    maps = parameter_maps(image, bank=planted)
    gradient = slopes(maps)[1:-1, 1:-1]  # beyond the border the image goes on level
    exact = dtype != np.float32
    np.testing.assert_allclose(gradient.row, 2, atol=0 if exact else 1e-3)
    np.testing.assert_allclose(gradient.col, -6, atol=0 if exact else 1e-3)
    np.testing.assert_allclose(gradient.magnitude, np.sqrt(40), rtol=1e-3)
    np.testing.assert_allclose(maps.coefficient("residual"), 2, atol=0 if exact else 1e-3)
    assert gradient.row.dtype == gradient.magnitude.dtype == np.float32


@pytest.mark.parametrize("level", [0, 77, 255])
def test_a_flat_image_is_exactly_level(planted, make_random_bank, level):
    for bank in (planted, make_random_bank("lerf-p")):
        for dtype in (np.uint8, np.uint16):
            flat = np.full((5, 6), level * (257 if dtype == np.uint16 else 1), dtype)
            gradient = slopes(parameter_maps(flat, bank=bank))
            assert not gradient.row.any()
            assert not gradient.col.any()
            assert not gradient.magnitude.any()


def test_turns_of_the_image_turn_the_slopes(planted, make_random_bank, image):
    square = image[:13, :13]
    plain = slopes(parameter_maps(square, bank=planted))
    turned = slopes(parameter_maps(np.rot90(square), bank=planted))
    assert plain.magnitude.max() > 20
    np.testing.assert_array_equal(turned.row, np.rot90(-plain.col))
    np.testing.assert_array_equal(turned.col, np.rot90(plain.row))
    # Opposite reads share a table whatever the bank.
    bank = make_random_bank("lerf-p")
    plain = slopes(parameter_maps(image, bank=bank))
    opposite = slopes(parameter_maps(np.rot90(image, 2), bank=bank))[::-1, ::-1]
    np.testing.assert_array_equal(opposite.row, -plain.row)
    np.testing.assert_array_equal(opposite.col, -plain.col)


def test_slopes_of_what_is_missing_or_has_none(planted, image):
    missing = (image / 255).astype(np.float32)
    missing[4, 5] = np.nan
    gradient = slopes(parameter_maps(missing, bank=planted))
    for values in (gradient.row, gradient.col, gradient.magnitude):
        np.testing.assert_array_equal(np.isnan(values), np.isnan(missing))
    assert gradient[4:5, 2:6].magnitude.shape == (1, 4)
    with pytest.raises(InvalidArgumentError, match="sigma_col"):
        slopes(parameter_maps(image, bank="analytic"))


# -- ellipses ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rho", "sigma_row", "sigma_col", "major", "minor", "angle"),
    [
        (0.5, 0.25, 0.25, 0.4, 0.4, 0),  # a circle: 1 / 2.5 pixels
        (0.5, 0.5, 0.1, 1.0, 0.2, 0),  # steep along rows: long along columns
        (0.5, 0.1, 0.5, 1.0, 0.2, 90),
        # a = b = 1: eigenvalues 1 - r and 1 + r along the diagonals.
        (0.875, 0.1, 0.1, 2.0, 1 / np.sqrt(1.75), -45),
        (0.125, 0.1, 0.1, 2.0, 1 / np.sqrt(1.75), 45),
        # Degenerate: infinite, and clipped to 4 pixels.
        (1.0, 0.1, 0.1, 4.0, 1 / np.sqrt(2), -45),
        (0.0, 0.1, 0.1, 4.0, 1 / np.sqrt(2), 45),
        (0.7, 0.0, 0.2, 4.0, 0.5, 90),
        (0.7, 0.2, 0.0, 4.0, 0.5, 0),
        (0.3, 0.0, 0.0, 4.0, 4.0, 0),
    ],
)
def test_known_ellipses(rho, sigma_row, sigma_col, major, minor, angle):
    ellipse = ellipses({"rho": [rho], "sigma_row": [sigma_row], "sigma_col": [sigma_col]})
    assert ellipse.major[0] == pytest.approx(major, rel=1e-6)
    assert ellipse.minor[0] == pytest.approx(minor, rel=1e-6)
    assert ellipse.angle[0] == pytest.approx(angle, abs=1e-5)
    assert bool(ellipse.clipped[0]) == (major == 4)


def parameters(shape=(5, 5), seed=0):
    rng = np.random.default_rng(seed)
    return {
        "rho": rng.uniform(0.02, 0.98, shape).astype(np.float32),
        "sigma_row": rng.uniform(0.1, 1, shape).astype(np.float32),
        "sigma_col": rng.uniform(0.1, 1, shape).astype(np.float32),
    }


def test_outlines_lie_where_the_weight_is_exp_of_minus_a_half():
    given = parameters()
    steps = ellipses(given, limit=100).outlines(24)
    assert steps.shape == (5, 5, 24, 2)
    values = np.stack([np.broadcast_to(one[..., None], (5, 5, 24)) * 255 for one in given.values()])
    weight = reference.tap_weights("gaussian", values, steps[..., 0].copy(), steps[..., 1].copy())
    np.testing.assert_allclose(weight, np.exp(-0.5), rtol=2e-4)
    with pytest.raises(InvalidArgumentError, match="2"):
        ellipses(given).outlines(2)


def test_a_quarter_turn_turns_the_ellipses():
    given = parameters()
    plain = ellipses(given)
    # dy becomes dx, and dx becomes -dy: the correlation changes its sign.
    turned = ellipses(
        {
            "rho": np.rot90(1 - given["rho"]),
            "sigma_row": np.rot90(given["sigma_col"]),
            "sigma_col": np.rot90(given["sigma_row"]),
        }
    )
    np.testing.assert_allclose(turned.major, np.rot90(plain.major), rtol=1e-5)
    np.testing.assert_allclose(turned.minor, np.rot90(plain.minor), rtol=1e-5)
    difference = (turned.angle - np.rot90(plain.angle)) % 180
    np.testing.assert_allclose(difference, 90, atol=1e-3)


def test_ellipses_refuse_what_they_cannot_draw(random_banks):
    maps = parameter_maps(np.zeros((3, 3), np.uint8), bank=random_banks[1])
    with pytest.raises(InvalidArgumentError, match="alpha"):
        ellipses(maps)
    for limit in (0, -1, np.inf, np.nan):
        with pytest.raises(InvalidArgumentError, match="limit"):
            ellipses(parameters(), limit=limit)


def test_nan_stays_nan():
    given = parameters()
    given["rho"][1, 2] = np.nan
    given["sigma_row"][1, 2] = np.nan
    ellipse = ellipses(given)
    assert np.isnan(ellipse.major).sum() == np.isnan(ellipse.angle).sum() == 1
    assert not ellipse.clipped[1, 2]
    assert ellipse[1, 2].angle.shape == ()


# -- tables -----------------------------------------------------------------------


def test_a_point_response_is_the_stage_of_such_an_image(random_banks):
    for bank in random_banks:
        for stage in range(len(bank.stages)):
            response = inspection.point_response(bank, stage)
            image = np.full((9, 9), 5 * 16)
            image[4, 4] = 11 * 16
            given = reference.read_stage(image, bank, stage, 4)[:, 4, 4]
            expected = response[11, 5] * (255 if stage else 1)
            assert np.abs(given - expected).max() <= 0.5 + 1e-3
        with pytest.raises(InvalidArgumentError, match="stage"):
            inspection.point_response(bank, len(bank.stages))


def test_an_edge_response_is_the_stage_of_such_an_image(random_banks):
    for bank in random_banks:
        for stage in range(len(bank.stages)):
            response = inspection.edge_response(bank, stage)
            image = np.full((9, 9), 11 * 16)
            image[:, 5:] = 5 * 16
            given = reference.read_stage(image, bank, stage, 4)[:, 4, 4]
            expected = response[11, 5] * (255 if stage else 1)
            assert np.abs(given - expected).max() <= 0.5 + 1e-3
        with pytest.raises(InvalidArgumentError, match="-1"):
            inspection.edge_response(bank, -1)


def test_slopes_of_points_and_edges(planted):
    columns = [planted.kind.values.index(name) for name in SLOPES]
    to_level = inspection.COEFFICIENTS["slope_col"]

    def of(response):
        return response[..., columns] * np.float32(to_level.factor) + np.float32(to_level.offset)

    assert not of(inspection.point_response(planted, 1)).any()
    row, col = np.moveaxis(of(inspection.edge_response(planted, 1)), -1, 0)
    assert not row.any()
    assert col[7, 9] == 16  # half of the step of two nodes
    assert col[9, 7] == -16
    # The table alone, as the upright read has it: all twelve reads would say so.
    cut = of(inspection.table_slice(planted, "stage2.c.0", (0, 1, 1, 1)))
    assert cut[7, 7].tolist() == [0, 0]
    assert cut[7, 9, 1] == 12 * 32 * SLOPE_UNIT


def test_each_value_has_its_own_divisor(planted):
    outcome = inspection.table_outcome(planted, "stage2.c.1")[2, 3, 0, 0]
    expected = [127, 127, 127, 128, 128 + 12 * 16, 128 + 12 * 2]
    np.testing.assert_allclose(outcome * 255, expected, rtol=1e-6)
    # The analytic bank's divisor, but it has no planes.
    found = inspection.table_statistics(planted)[3:9]
    assert [one.unvisited is None for one in found] == [one.value in LOCAL_PLANE for one in found]


def test_slices(random_bank):
    table = random_bank.tables["stage2.c.1"]
    cut = inspection.table_slice(random_bank, "stage2.c.1", (0, 1, 0, 1))
    assert cut.shape == (17, 17, 3)
    entry = table[3, 8, 3, 8].astype(np.float64)
    np.testing.assert_allclose(cut[3, 8], (entry + 127) / 255, rtol=1e-6)
    for wrong in ((0, 1, 1), (0, 1, 2, 1)):
        with pytest.raises(InvalidArgumentError, match="four"):
            inspection.table_slice(random_bank, "stage2.c.1", wrong)
    with pytest.raises(InvalidArgumentError, match="stage3"):
        inspection.table_outcome(random_bank, "stage3.c.1")


def test_statistics_count_what_training_changed(random_bank):
    plain = lerf_core.analytic_bank()
    assert all(one.unvisited == 1 for one in inspection.table_statistics(plain))
    tables = {name: table.copy() for name, table in plain.tables.items()}
    tables["stage1.s.0"][0, 0, 0, 0] = 127
    tables["stage2.x.1"][:8, ..., 2] = -127
    changed = replace(plain, tables=tables)
    found = {(one.table, one.value): one for one in inspection.table_statistics(changed)}
    first, last = found["stage1.s.0", "feature"], found["stage2.x.1", "sigma_col"]
    assert first.unvisited == 1 - 1 / 17**4
    assert (first.clipped, first.maximum, first.largest_step) == (1 / 17**4, 127, 127)
    assert last.clipped == 8 / 17
    assert last.unvisited == pytest.approx(9 / 17)
    assert found["stage2.x.1", "rho"].unvisited == 1
    same_start = inspection.table_statistics(random_bank, start=random_bank)
    assert all(one.unvisited == 1 for one in same_start)


def test_statistics_without_a_known_start(random_banks):
    found = inspection.table_statistics(random_banks[1])
    assert [one.unvisited is None for one in found] == [False] * 3 + [True] * 6
    with pytest.raises(InvalidArgumentError, match="start"):
        inspection.table_statistics(random_banks[1], start=random_banks[0])
