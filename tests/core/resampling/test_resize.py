"""What users may rely on when they resize, stated as properties (numbers: NEEDS of users)."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.images import noise

from lerf_core import rescale, rescaled_shape, resize
from lerf_core.backends import get_backend
from lerf_core.errors import (
    BankNotFoundError,
    ImageTooLargeError,
    InvalidArgumentError,
    InvalidTypeError,
)

SIDES = st.integers(1, 40)
INTENSITIES = ["uint8", "uint16", "float16", "float32", "float64"]
SCALES = [2, 3, 4, 1.7, 0.5, 0.3, (2, 1.5), (0.4, 3)]


# -- shapes and identity ------------------------------------------------------------


@pytest.mark.parametrize("dtype", [*INTENSITIES, "bool", "int32"])
def test_the_same_shape_is_a_copy(dtype):
    image = noise((7, 5), "uint8").astype(dtype)
    out = resize(image, (7, 5))
    np.testing.assert_array_equal(out, image)
    assert out.dtype == image.dtype
    assert not np.shares_memory(out, image)


@given(shape=st.tuples(SIDES, SIDES), seed=st.integers(0, 99))
def test_an_axis_that_keeps_its_length_is_not_resampled(shape, seed):
    image = noise(shape, seed=seed)
    tall = rescale(image, (2, 1), bank="analytic")
    # Columns do not mix: each column on its own gives the same.
    for col in range(shape[1]):
        alone = rescale(np.repeat(image[:, col : col + 1], 9, axis=1), (2, 1), bank="analytic")
        assert np.abs(alone[:, 4].astype(int) - tall[:, col]).max() <= 1


@given(size=st.integers(1, 5000), factor=st.floats(0.01, 8))
def test_output_size_is_the_ceiling(size, factor):
    rows, _ = rescaled_shape((size, 1), factor)
    assert rows - 1 < size * factor + 1e-6 * size
    assert rows >= size * factor - 1e-6 * size * factor


def test_rounding_errors_add_no_pixel():
    assert rescaled_shape((10, 30), 1.1) == (11, 33)
    assert rescaled_shape((3, 7), 1 / 3) == (1, 3)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (8, 1), (5, 6)])
def test_any_shape_by_any_factor(shape, scale):
    assert rescale(noise(shape), scale).shape == rescaled_shape(shape, scale)


# -- values -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", INTENSITIES)
@pytest.mark.parametrize("scale", [2, 3, 1.7, 0.4])
@pytest.mark.parametrize("mode", ["edge", "reflect", "symmetric", "wrap"])
def test_constants_stay_constant(dtype, scale, mode):
    for level in (0, 0.25, 1):
        top = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
        image = np.full((6, 7), level * top).astype(dtype)
        out = rescale(image, scale, bank="analytic", mode=mode)
        assert (out == image[0, 0]).all()


def test_constants_stay_uniform_with_any_tables(random_banks):
    for bank in random_banks:
        out = rescale(np.full((9, 9), 140, np.uint8), 2.7, bank=bank)
        assert np.unique(out).size == 1


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64", "float16"])
def test_dtype_and_range_come_back(dtype):
    image = noise((12, 15), dtype)
    out = rescale(image, 2.5, bank="analytic")
    assert out.dtype == image.dtype
    assert image.min() <= out.min() <= out.max() <= image.max()
    # A trained pre-filter sharpens: the range is the dtype's, not the image's.
    learned = rescale(image, 2.5)
    assert learned.dtype == image.dtype
    assert abs(float(learned.mean()) - float(image.mean())) < 0.05 * float(np.ptp(image))


def test_a_u16_ramp_keeps_its_levels():
    ramp = np.tile(np.arange(0, 65536, 64, dtype=np.uint16), (5, 1))
    out = rescale(ramp, 2)[4]
    assert np.unique(out).size > 2000
    assert (np.diff(out.astype(int)) >= 0).all()


@given(scale=st.sampled_from([2, 3, 4, 1.5, 1.7, 2.9, 0.5, 0.37]), rows=st.booleans())
def test_a_ramp_shifts_by_less_than_a_hundredth_of_a_pixel(scale, rows):
    assert abs(_shift_of_a_ramp(scale, rows, "analytic", 1)) < 0.01


@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize("scale", [2, 3, 4, 1.5, 1.7, 2.9, 0.5, 0.37])
def test_the_default_bank_keeps_ramps_in_place(scale, rows):
    up, down = (_shift_of_a_ramp(scale, rows, None, way) for way in (1, -1))
    # What both share is a change of place; the rest is one of level, under a tenth of one. At
    # x3 every third pixel lies on a source pixel and takes one of the two neighbours beside it.
    assert abs(up + down) / 2 < (0.1 if scale == 3 else 0.01)
    assert abs(up - down) / 2 < 0.1


def _shift_of_a_ramp(scale, rows, bank, way):
    """Mean distance, in source pixels, of a ramp's levels from where they should lie."""
    ramp = np.tile(np.linspace(0.1, 0.9, 120)[::way], (9, 1))
    factors = (1, scale)
    out = rescale(ramp.T if rows else ramp, factors[::-1] if rows else factors, bank=bank)
    out = out.T if rows else out
    position = (out[4] - 0.1) / 0.8 * 119
    position = position if way == 1 else 119 - position
    expected = (np.arange(out.shape[1]) + 0.5) * (120 / out.shape[1]) - 0.5
    if not float(120 * scale).is_integer():
        expected = np.arange(out.shape[1]) / scale + 59.5 - (out.shape[1] - 1) / (2 * scale)
    inner = slice(out.shape[1] // 6, -out.shape[1] // 6)
    return (position - expected)[inner].mean()


# -- labels -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["bool", "int32", "int64", "uint32", "uint64"])
@pytest.mark.parametrize("scale", [2, 1.7, 0.4])
def test_labels_keep_their_values(dtype, scale):
    image = (np.random.default_rng(0).integers(0, 5, (13, 17)) * 25).astype(dtype)
    out = rescale(image, scale)
    assert out.dtype == image.dtype
    assert np.isin(np.unique(out), np.unique(image)).all()


# uint8 is read at whole levels, int8 between them as all deeper images are.
@pytest.mark.parametrize(("signed", "plain", "off"), [("int8", "uint8", 5), ("int16", "uint16", 1)])
@pytest.mark.parametrize("scale", [2, 1.7, 0.4])
def test_short_integers_with_a_sign_are_intensities(signed, plain, off, scale):
    image = noise((13, 17), plain)
    half = np.iinfo(signed).max + 1
    shifted = (image.astype(np.int32) - half).astype(signed)
    out = rescale(shifted, scale)
    assert out.dtype == signed
    wanted = rescale(image, scale).astype(np.int32) - half
    assert np.abs(out.astype(np.int32) - wanted).max() <= off


def test_nearest_on_request():
    image = noise((6, 8))
    out = rescale(image, 3, method="nearest")
    np.testing.assert_array_equal(out, image.repeat(3, 0).repeat(3, 1))
    with pytest.raises(InvalidTypeError, match="bool"):
        rescale(image > 9, 2, method="lerf")


# -- axes ---------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_the_channel_axis_may_be_anywhere(axis):
    image = noise((9, 11, 3))
    moved = np.moveaxis(image, -1, axis)
    out = rescale(moved, (2, 1.5), channel_axis=axis)
    np.testing.assert_array_equal(
        np.moveaxis(out, axis, -1), rescale(image, (2, 1.5), channel_axis=-1)
    )


def test_channels_do_not_mix(random_bank):
    image = noise((9, 8, 3))
    out = rescale(image, 2.2, channel_axis=-1, bank=random_bank)
    for channel in range(3):
        np.testing.assert_array_equal(
            out[..., channel], rescale(image[..., channel], 2.2, bank=random_bank)
        )


def test_further_axes_are_treated_plane_by_plane():
    image = noise((2, 3, 6, 7, 2), "uint16")
    out = resize(image, (9, 5), channel_axis=-1, alpha="separate")
    assert out.shape == (2, 3, 9, 5, 2)
    np.testing.assert_array_equal(out[1, 2, :, :, 1], resize(image[1, 2, :, :, 1], (9, 5)))
    whole = resize(image, (2, 3, 9, 5, 2), channel_axis=-1, alpha="separate")
    np.testing.assert_array_equal(whole, out)


def test_any_memory_layout_and_byte_order():
    image = noise((10, 14), "uint16")
    expected = rescale(image, 1.5)
    padded = np.zeros((20, 28), np.uint16)
    padded[::2, ::2] = image
    for other in (
        np.asfortranarray(image),
        padded[::2, ::2],
        image[::-1, ::-1].copy()[::-1, ::-1],
        image.astype(">u2"),
    ):
        out = rescale(other, 1.5)
        np.testing.assert_array_equal(out, expected)
        assert out.dtype == other.dtype


def test_inputs_are_not_changed_and_may_be_read_only():
    image = noise((9, 9, 4), "float32")
    image[3, 3, 0] = np.nan
    kept = image.copy()
    image.flags.writeable = False
    rescale(image, 2, channel_axis=-1, nodata=0.5)
    np.testing.assert_array_equal(image, kept)


# -- symmetry -----------------------------------------------------------------------


def test_the_feature_turns_with_the_image(random_bank):
    image = noise((13, 9))
    for name in ("numba", "reference"):
        stage = get_backend(name).read_stage
        for turns in range(4):
            turned = stage(np.ascontiguousarray(np.rot90(image, turns)), random_bank, 0, 4, 1)[0]
            upright = stage(image, random_bank, 0, 4, 1)[0]
            np.testing.assert_array_equal(turned, np.rot90(upright, turns))


@pytest.mark.parametrize("scale", [2, 4, 2.5])
def test_half_a_turn_commutes_with_resizing(random_banks, scale):
    image = noise((14, 10))
    for bank in random_banks:
        turned = np.rot90(rescale(np.rot90(image, 2), scale, bank=bank), 2)
        difference = np.abs(turned.astype(int) - rescale(image, scale, bank=bank))
        assert difference.max() <= 1
        assert np.count_nonzero(difference) <= difference.size // 100


@pytest.mark.parametrize("move", [np.rot90, np.flipud, np.fliplr, np.transpose])
def test_the_analytic_bank_has_every_symmetry(move):
    image = noise((14, 10))
    moved = rescale(move(image), 2, bank="analytic").astype(int)
    # rho is -1/255 and not 0, the nearest that a table can say.
    assert np.abs(moved - move(rescale(image, 2, bank="analytic"))).max() <= 1


# -- shrinking and borders ------------------------------------------------------------


def test_shrinking_is_anti_aliased_on_each_axis_by_its_own_scale():
    stripes = np.zeros((32, 32), np.uint8)
    stripes[:, ::2] = 255
    smooth = rescale(stripes, (2, 0.25), bank="analytic")[4:-4, 1:-1]
    assert smooth.std() < 6
    assert abs(smooth.mean() - 127.5) < 4
    assert rescale(stripes, (2, 0.31), bank="analytic")[4:-4, 1:-1].std() < 20
    assert rescale(stripes, (2, 0.31), bank="analytic", anti_aliasing=False).std() > 50
    # Rows grow by 2 whatever the columns do.
    np.testing.assert_array_equal(
        rescale(stripes.T, (0.25, 2), bank="analytic"),
        rescale(stripes, (2, 0.25), bank="analytic").T,
    )


def test_borders():
    image = noise((6, 6))
    wide = {mode: np.pad(image, 40, mode=mode) for mode in ("reflect", "symmetric", "wrap")}
    for mode, extended in wide.items():
        big = rescale(extended, 2, bank="analytic")[80:-80, 80:-80]
        np.testing.assert_array_equal(rescale(image, 2, bank="analytic", mode=mode), big)
    dark = rescale(image + 1, 2, bank="analytic", mode="constant", cval=0)
    bright = rescale(image + 1, 2, bank="analytic", mode="constant", cval=255)
    assert (dark[0] <= bright[0]).all()
    assert (dark[0] < bright[0]).any()


def test_cval_for_each_channel():
    image = np.full((5, 5, 3), 100, np.uint8)
    out = rescale(image, 2, channel_axis=-1, mode="constant", cval=(0, 100, 255))
    assert out[0, 4, 0] < 100 == out[0, 4, 1] < out[0, 4, 2]
    with pytest.raises(InvalidArgumentError, match="3 channels"):
        rescale(image, 2, channel_axis=-1, mode="constant", cval=(0, 1))


def test_sides_beyond_32767():
    image = np.tile(np.arange(40_000) % 256, (2, 1)).astype(np.uint8)
    out = rescale(image, (1, 2), bank="analytic")
    assert out.shape == (2, 80_000)
    part = rescale(image[:, -60:], (1, 2), bank="analytic")
    np.testing.assert_array_equal(out[:, -100:], part[:, -100:])


# -- errors and conduct -----------------------------------------------------------------


class OnDevice:
    """An array as CuPy has them."""

    def __dlpack_device__(self):
        return (2, 0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda i: resize(i, (0, 5)), InvalidArgumentError, r"positive.*\(0, 5\)"),
        (lambda i: resize(i, 5), InvalidArgumentError, "got 5"),
        (lambda i: resize(i, (5, 5, 5)), InvalidArgumentError, r"\(5, 5, 5\)"),
        (lambda i: resize(i, (5.5, 5)), InvalidArgumentError, "5.5"),
        (lambda i: rescale(i, 0), InvalidArgumentError, "positive and finite, got 0"),
        (lambda i: rescale(i, -2), InvalidArgumentError, "-2"),
        (lambda i: rescale(i, np.nan), InvalidArgumentError, "nan"),
        (lambda i: rescale(i, (1, 2, 3)), InvalidArgumentError, r"\(1, 2, 3\)"),
        (lambda i: rescale(i, "x"), InvalidArgumentError, "'x'"),
        (lambda i: rescale(i, 2, mode="mirror"), InvalidArgumentError, "got 'mirror'"),
        (lambda i: rescale(i, 2, alpha="no"), InvalidArgumentError, "got 'no'"),
        (lambda i: rescale(i, 2, method="cubic"), InvalidArgumentError, "got 'cubic'"),
        (lambda i: rescale(i, 2, engine="gpu"), InvalidArgumentError, "got 'gpu'"),
        (lambda i: rescale(OnDevice(), 2), InvalidTypeError, "OnDevice on a device"),
        (lambda i: rescale(i, 2, threads=0), InvalidArgumentError, "got 0"),
        (lambda i: rescale(i, 2, value_range=(1, 1)), InvalidArgumentError, "rising"),
        (lambda i: rescale(i, 2, value_range=3), InvalidArgumentError, "got 3"),
        (lambda i: rescale(i, 2, channel_axis=5), InvalidArgumentError, "got 5|axes"),
        (lambda i: rescale(i, 2, anti_aliasing="yes"), InvalidArgumentError, "'yes'"),
        (lambda i: rescale(i, 2, bank="none"), BankNotFoundError, "'none'"),
        (lambda i: resize(i, i.shape, bank="none"), BankNotFoundError, "'none'"),
        (lambda i: rescale(i[0], 2), InvalidArgumentError, "two spatial axes"),
        (lambda i: rescale(i[:0], 2), InvalidArgumentError, "empty"),
        (lambda i: rescale(i + 1j, 2), InvalidTypeError, "complex"),
        (lambda i: rescale("image", 2), InvalidTypeError, "got <U5"),
    ],
)
def test_errors_name_what_they_got(call, error, message):
    with pytest.raises(error, match=message):
        call(noise((6, 7)))


def test_sizes_are_checked_before_anything_is_allocated():
    with pytest.raises(ImageTooLargeError, match="GiB of memory"):
        rescale(noise((100, 100)), 100_000)
    with pytest.raises(MemoryError):
        resize(noise((2, 2)), (2**31 - 1, 2**31 - 1))


def test_calls_from_many_threads_agree():
    image = noise((50, 60, 3))
    expected = rescale(image, 2, channel_axis=-1)
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(rescale, image, 2, channel_axis=-1) for _ in range(24)]
    for job in jobs:
        np.testing.assert_array_equal(job.result(), expected)
