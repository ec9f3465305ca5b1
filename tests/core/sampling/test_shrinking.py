"""The learned function for shrinking: its files, its taps, and what its results are like."""

import json

import numpy as np
import pytest

import lerf_core
from lerf_core.errors import InvalidArgumentError
from lerf_core.sampling.shrinking import (
    ShrinkingKernel,
    load_shrinking_kernel,
    shrinking_kernel,
    shrinking_taps,
)

SCALES = (0.5, 0.25, 0.37)
OVERSHOOT = 3 / 32


def shrink(image, scale=0.5, **options):
    shape = tuple(round(size * scale) for size in image.shape[:2])
    return lerf_core.resize(image, shape, kernel="lerf-s", **options)


def photo(shape=(61, 83)):
    """Return a smooth picture with noise and an edge, of 0..1."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    picture = 0.3 + 0.2 * np.sin(y / 5) * np.cos(x / 7) + 0.4 * (x + y > 70)
    return picture + np.random.default_rng(0).normal(0, 0.02, shape)


# -- files --------------------------------------------------------------------------------


def test_files_hold_all_there_is(tmp_path):
    kernel = ShrinkingKernel.of(
        "mine", [1, 0.5, -0.1, 0, 0.2, 0.1], [1, 0.4, 0.3, 0.1, 0], 0.25, 0.125, {"steps": 3}
    )
    path = tmp_path / "mine.json"
    path.write_text(kernel.to_json(), encoding="utf-8")
    read = load_shrinking_kernel(path)
    assert read == kernel
    assert (read.smooth, read.training, read.checksum) == (
        kernel.smooth, {"steps": 3}, kernel.checksum,
    )  # fmt: skip
    assert read.to_json() == kernel.to_json()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"overshoot": 0.5}, "damaged"),
        ({"sharp": [1, 0.5, 0.2, 0.1, 0]}, "damaged"),
        ({"version": 2}, "version 1"),
        ({"knots per pixel": 8}, "version 1"),
        ({"format": "lerf-bank"}, "format must be"),
        ({"sharp": [1]}, "at least 5"),
        ({"smooth": [1, 1, 1, 1]}, "spline of 4 coefficients, must have at least 5"),
        ({"smooth": [-1, 0, 0, 0, 0]}, "weigh nothing"),
        ({"widening": -1}, "negative"),
        ({"smooth": ["a", "b"]}, "not finite|no shrinking kernel"),
        ({"sharp": None}, "no shrinking kernel"),
    ],
)
def test_files_that_cannot_be_used_are_refused(change, match):
    data = json.loads(shrinking_kernel().to_json()) | change
    with pytest.raises(InvalidArgumentError, match=f"^some.json.*({match})") as caught:
        ShrinkingKernel.from_json(json.dumps(data), "some.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "1", "[" * 100_000])
def test_other_texts_are_refused(text):
    with pytest.raises(InvalidArgumentError, match=r"^some.json"):
        ShrinkingKernel.from_json(text, "some.json")


def test_missing_files_are_named(tmp_path):
    with pytest.raises(InvalidArgumentError, match=r"none\.json cannot be read"):
        load_shrinking_kernel(tmp_path / "none.json")


# -- taps ---------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", SCALES)
def test_taps_of_blocks_and_bands_are_those_of_the_whole(scale):
    size, out_size = 100, round(100 * scale)
    kernel = shrinking_kernel()

    def taps(ends=None):
        return shrinking_taps(kernel, size, out_size, scale, anti_aliasing=True, out_range=ends)

    whole = taps()
    assert (whole.before, whole.after, whole.size) == (0, 0, out_size)
    for top, bottom in ((0, out_size), (0, 3), (4, 9), (out_size - 2, out_size)):
        band, source = whole.band(top, bottom)
        for part, start in ((taps((top, bottom)), 0), (band, source.start)):
            assert part.size == bottom - top
            assert (part.before, part.after) == (int(top > 0), int(bottom < out_size))
            for name in ("sharp", "smooth", "near"):
                ours, all_of_them = getattr(part, name), getattr(whole, name)
                rows = slice(top - part.before, bottom + part.after)
                np.testing.assert_array_equal(ours.first + start, all_of_them.first[rows])
                np.testing.assert_array_equal(ours.weight, all_of_them.weight[rows])
        assert band.sharp.source_size == source.stop - source.start


# -- results ------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("value", [np.uint8(77), np.uint16(40_001), np.float32(0.1)])
def test_flat_areas_stay_exactly_flat(scale, value):
    assert (shrink(np.full((50, 60), value), scale) == value).all()
    image = np.full((80, 90), value)
    image[:, 60:] = 0
    assert (shrink(image, scale)[:, : int(30 * scale)] == value).all()


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("slope", [0, 0.3, 1, 3])
@pytest.mark.parametrize("width", [1, 2, 3, 1000])
def test_hard_edges_and_lines_hardly_overshoot(scale, slope, width):
    y, x = np.mgrid[:90, :90]
    across = x + slope * y - 30
    image = np.where((across >= 0) & (across < width), 0.75, 0.25).astype(np.float32)
    for picture in (image, image.T, 1 - image):
        result = shrink(picture, scale)
        assert result.min() >= 0.25 - 0.5 * OVERSHOOT - 1e-6
        assert result.max() <= 0.75 + 0.5 * OVERSHOOT + 1e-6


def test_black_and_white_do_not_matter():
    image = photo().astype(np.float32)
    result = shrink(image)
    for factor, offset in ((-1, 1), (300, -40), (0.01, 5)):
        changed = shrink((factor * image + offset).astype(np.float32))
        np.testing.assert_allclose(
            changed, factor * result + offset, atol=1e-5 * abs(factor) + 1e-5
        )


@pytest.mark.parametrize("scale", SCALES)
def test_flips_and_transposition_do_not_matter(scale):
    image = photo((60, 80)).astype(np.float32)
    result = shrink(image, scale)
    for change in (np.flipud, np.fliplr, np.transpose):
        np.testing.assert_allclose(shrink(change(image), scale), change(result), atol=1e-6)


def test_a_disc_of_one_colour_keeps_it():
    y, x = np.mgrid[:60, :60]
    image = np.zeros((60, 60, 4), np.uint8)
    disc = np.hypot(y - 30, x - 29) < 20
    image[disc] = (200, 90, 10, 255)
    image[~disc] = (0, 255, 99, 0)
    result = shrink(image, channel_axis=-1, alpha="premultiply")
    seen = result[..., 3] > 0
    assert 150 < seen.sum() < 900
    assert (result[seen][:, :3] == (200, 90, 10)).all()


@pytest.mark.parametrize("missing", [np.nan, -9999.0])
def test_missing_values_spoil_what_is_near_alone(missing):
    image = photo((80, 80)).astype(np.float32)
    holed = image.copy()
    holed[38:42, 38:42] = missing
    options = {} if np.isnan(missing) else {"nodata": missing}
    result, whole = shrink(holed, **options), shrink(image)
    differs = ~np.isclose(result, whole, atol=1e-5, rtol=0)
    reach = int(np.ceil(max(shrinking_kernel().radius, shrinking_kernel().smooth.radius))) + 1
    differs[19 - reach : 21 + reach, 19 - reach : 21 + reach] = False
    assert not differs.any()
    gone = np.isnan(result) if np.isnan(missing) else result == missing
    assert gone[19:21, 19:21].all()
    assert gone.sum() <= 16
    assert result[~gone].min() > 0
    assert result[~gone].max() < 1.2


def test_linear_light_is_that_of_linear_values():
    image = np.zeros((40, 40), np.uint8)
    image[:, ::2] = 255
    plain, linear = (shrink(image, 0.25, linear_light=light)[5, 5] for light in (False, True))
    assert abs(int(plain) - 128) <= 12
    assert abs(int(linear) - 188) <= 12
    assert (shrink(np.full((40, 40), 99, np.uint8), linear_light=True) == 99).all()


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_threads_and_engines_do_not_matter(dtype):
    image = (photo((150, 90)) * 200).astype(dtype)
    expected = shrink(image, 0.4, engine="reference")
    for threads in (1, 3):
        np.testing.assert_array_equal(shrink(image, 0.4, threads=threads, engine="numba"), expected)


@pytest.mark.parametrize("engine", ["reference", "numba"])
@pytest.mark.parametrize("missing", [np.nan, -9999.0])
def test_without_overshoot_what_nothing_limits_is_finite(engine, missing):
    kernel = ShrinkingKernel.of("still", [1, 0.5, 0.2, 0.1, 0] * 3, [1, 0.5, 0.3, 0.2, 0] * 3, 0, 0)
    image = np.full((60, 60), 0.5, np.float32)
    image[20:40, 20:40] = missing
    with np.errstate(all="raise"):
        result = lerf_core.resize(
            image, (30, 30), kernel=kernel, engine=engine, nodata=missing, threads=1
        )
    gone = np.isnan(result) if np.isnan(missing) else result == missing
    assert gone[12:18, 12:18].all()
    np.testing.assert_allclose(result[~gone], 0.5, atol=1e-6)
    rgba = np.zeros((60, 60, 4), np.float32)
    rgba[:20] = (0.2, 0.4, 0.6, 1)
    result = lerf_core.resize(
        rgba, (30, 30), kernel=kernel, engine=engine, channel_axis=-1, value_range=(0, 1)
    )
    assert np.isfinite(result).all()


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_alpha_below_zero_is_that_of_shifted_values(dtype):
    unsigned, info = np.dtype(f"u{dtype}"), np.iinfo(dtype)
    rng = np.random.default_rng(0)
    image = rng.integers(0, np.iinfo(unsigned).max, (40, 50, 4), unsigned, endpoint=True)
    shifted = (image.astype(np.int64) + info.min).astype(dtype)
    expected = shrink(image, channel_axis=-1).astype(np.int64)
    result = shrink(shifted, channel_axis=-1, value_range=(info.min, info.max))
    assert np.abs(result.astype(np.int64) - info.min - expected).max() <= 1
