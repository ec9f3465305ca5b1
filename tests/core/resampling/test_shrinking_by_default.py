"""Which function resizes what shrinks, and that nothing shows where functions change."""

import dask.array as da
import numpy as np
import pytest

import lerf_core
from lerf_core import chunked
from lerf_core.errors import InvalidArgumentError
from lerf_core.execution.planning import plan_resize
from lerf_core.sampling.shrinking import shrinking_kernel


def photograph(rows, cols, channels=None, seed=0):
    """A smooth random image with edges, uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :cols] / 9
    count = channels or 1
    planes = [
        127 + 60 * np.sin(x * (1 + k / 3)) * np.cos(y) + 50 * (x + k > y)
        + rng.normal(0, 4, (rows, cols))
        for k in range(count)
    ]  # fmt: skip
    image = np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)
    return image if channels else image[..., 0]


@pytest.mark.parametrize("shape", [(20, 31), (40, 31), (9, 62)])
def test_shrinking_takes_the_learned_function(shape):
    image = photograph(40, 62)
    given = lerf_core.resize(image, shape)
    np.testing.assert_array_equal(given, lerf_core.resize(image, shape, kernel="lerf-s"))
    assert (given != lerf_core.resize(image, shape, bank="lerf-p")).any()
    assert (given != lerf_core.resize(image, shape, bank="analytic")).any()


def test_a_factor_shrinks_like_a_size():
    image = photograph(40, 62, 3)
    by_factor = lerf_core.rescale(image, 0.5, channel_axis=-1)
    np.testing.assert_array_equal(by_factor, lerf_core.resize(image, (20, 31), channel_axis=-1))


def test_fast_and_lerf_change_nothing_where_all_shrinks():
    image = photograph(40, 62, 3)
    plain = lerf_core.resize(image, (20, 31), channel_axis=-1)
    for options in ({"fast": True}, {"method": "lerf"}):
        given = lerf_core.resize(image, (20, 31), channel_axis=-1, **options)
        np.testing.assert_array_equal(given, plain)


def test_without_anti_aliasing_tables_shrink():
    image = photograph(40, 62)
    given = lerf_core.resize(image, (20, 31), anti_aliasing=False)
    expected = lerf_core.resize(image, (20, 31), anti_aliasing=False, bank="lerf-p")
    np.testing.assert_array_equal(given, expected)


@pytest.mark.parametrize("method", ["nearest", "majority"])
def test_labels_are_copied(method):
    labels = (photograph(40, 62) // 50).astype(np.int32)
    given = lerf_core.resize(labels, (17, 80), method=method)
    assert np.isin(given, labels).all()


# -- one axis up, the other down ----------------------------------------------------------


def image_of(kind):
    image = photograph(48, 36, 4)
    if kind == "grey":
        return image[..., 0], None
    if kind == "rgb":
        return image[..., :3], -1
    if kind == "rgba":
        image[..., 3] = np.where(image[..., 3] > 120, 255, 0)
        return image, -1
    if kind == "uint16":
        return image[..., :3].astype(np.uint16) * 257, -1
    values = image[..., 0].astype(np.float32) / 255
    values[10:13, 20:22] = np.nan
    return values, None


@pytest.mark.parametrize("kind", ["grey", "rgb", "rgba", "uint16", "nan"])
@pytest.mark.parametrize("shape", [(20, 80), (100, 15)])
def test_what_shrinks_goes_before_what_grows(kind, shape):
    image, axis = image_of(kind)
    between = tuple(map(min, shape, image.shape))
    small = lerf_core.resize(image, between, channel_axis=axis)
    expected = lerf_core.resize(small, shape, channel_axis=axis)
    np.testing.assert_array_equal(lerf_core.resize(image, shape, channel_axis=axis), expected)


@pytest.mark.parametrize("mode", ["edge", "reflect", "wrap", "constant"])
@pytest.mark.parametrize("kind", ["rgb", "rgba", "nan"])
@pytest.mark.parametrize("shape", [(20, 80), (100, 15), (21, 17)])
def test_chunks_equal_the_whole(kind, shape, mode):
    image, axis = image_of(kind)
    keywords = {"channel_axis": axis, "mode": mode}
    whole = lerf_core.resize(image, shape, **keywords)
    chunks = (20, 17, -1) if axis else (20, 17)
    lazy = chunked.resize(da.from_array(image, chunks=chunks), shape, chunks=13, **keywords)
    np.testing.assert_array_equal(lazy.compute(), whole)


def test_masked_arrays_shrink_one_axis_and_grow_along_the_other():
    image = photograph(40, 30)
    mask = np.zeros(image.shape, bool)
    mask[:, 20:] = True
    given = lerf_core.resize(np.ma.MaskedArray(image, mask), (20, 60))
    assert given.shape == (20, 60)
    assert not given.mask[:, :39].any()
    assert given.mask[:, 41:].all()


# -- near scale 1 --------------------------------------------------------------------------


def test_scale_1_is_reached_without_a_step():
    """At the centre, where positions are those of pixels, the result nears the image."""
    image = photograph(601, 601)
    centre = image[295:306, 295:306].astype(float)
    errors = []
    for size in (599, 593, 585):
        shrunk = lerf_core.resize(image, (size, size))
        middle = size // 2
        part = shrunk[middle - 5 : middle + 6, middle - 5 : middle + 6]
        errors.append(np.sqrt(np.mean((part - centre) ** 2)))
    assert errors[0] < 0.5
    assert errors == sorted(errors)


def test_a_kept_axis_is_the_limit_of_one_that_nearly_keeps_its_length():
    image = photograph(400, 601)
    kept = lerf_core.resize(image, (200, 601)).astype(float)
    nearly = lerf_core.resize(image, (200, 599)).astype(float)
    difference = kept[:, 295:306] - nearly[:, 294:305]
    assert np.abs(difference).max() <= 2


def test_warps_change_without_a_seam_where_the_local_scale_crosses_1():
    """But where overshoot bounds end: they hold for what is not stretched alone."""
    image = photograph(300, 300)

    def scaled(factor):
        shift = 150 * (1 - factor)
        matrix = [[factor, 0, 0.37 + shift], [0, factor, 0.43 + shift], [0, 0, 1]]
        result = lerf_core.warp(image, matrix, mode="edge", bank="lerf-g")
        return result[145:156, 145:156].astype(float)

    assert np.abs(scaled(1 - 1e-4) - scaled(1 + 1e-4)).max() <= 2


# -- what cannot be -------------------------------------------------------------------------


def test_the_learned_function_shrinks_alone():
    image = photograph(20, 20)
    with pytest.raises(InvalidArgumentError, match="kernel lerf-s shrinks images, got scale 2"):
        lerf_core.resize(image, (40, 10), kernel="lerf-s")
    with pytest.raises(InvalidArgumentError, match="warps take a fixed kernel"):
        lerf_core.warp(image, np.eye(3), kernel="lerf-s")
    with pytest.raises(InvalidArgumentError, match="exclude each other"):
        lerf_core.resize(image, (10, 10), kernel="lerf-s", bank="lerf-p")


def test_a_kernel_from_a_file_is_read_once(tmp_path):
    """Blocks are computed later and elsewhere, where the file need not be."""
    path = tmp_path / "mine.json"
    path.write_text(shrinking_kernel().to_json(), encoding="utf-8")
    image = photograph(40, 62)
    plan = plan_resize(image.shape, image.dtype, (20, 31), None, kernel=str(path), method="lerf")
    path.unlink()
    np.testing.assert_array_equal(plan.compute(image), lerf_core.resize(image, (20, 31)))
