import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.images import noise, scaling

from lerf_core import Displacement, rescale, warp
from lerf_core.errors import ImageTooLargeError, InvalidArgumentError
from lerf_core.geometry import invert, rotation


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("scales", [(2, 2), (4, 1.5), (2.5, 3.5), (0.5, 0.25)])
@pytest.mark.parametrize("mode", ["edge", "symmetric", "wrap"])
def test_a_scaling_matrix_warps_as_rescale_does(random_bank, dtype, scales, mode):
    image = noise((16, 24), dtype)
    resized = rescale(image, scales, bank=random_bank, mode=mode)
    warped = warp(image, scaling(*scales), output_shape=resized.shape, bank=random_bank, mode=mode)
    top = np.iinfo(dtype).max if dtype != "float32" else 1
    difference = np.abs(warped.astype(float) - resized) / top
    # Positions agree to rounding: a level of 8 bits may tip over.
    assert difference.max() <= 1.01 / 255
    assert (difference > 1e-4).mean() < 0.001


def test_borders_beyond_the_image():
    image = np.arange(8, dtype=np.uint8).reshape(1, 8) * 20 + np.zeros((5, 1), np.uint8)
    away = [[1, 0, -8], [0, 1, 0]]
    options = {"output_shape": (5, 24), "method": "nearest"}
    row = image[2]
    constant = warp(image, away, cval=9, **options)[2]
    assert constant.tolist() == [9] * 8 + row.tolist() + [9] * 8
    assert warp(image, away, mode="wrap", **options)[2].tolist() == row.tolist() * 3
    mirrored = warp(image, away, mode="symmetric", **options)[2].tolist()
    assert mirrored == row[::-1].tolist() + row.tolist() + row[::-1].tolist()
    edge = warp(image, away, mode="edge", **options)[2].tolist()
    assert edge == [row[0]] * 8 + row.tolist() + [row[-1]] * 8
    reflected = warp(image, away, mode="reflect", **options)[2]
    np.testing.assert_array_equal(reflected, np.pad(row, 10, mode="reflect")[2:-2])


@given(
    st.sampled_from(["wrap", "symmetric", "reflect", "edge"]),
    st.integers(-60, 60),
    st.integers(-60, 60),
)
def test_far_positions_are_those_of_the_extended_image(mode, dy, dx):
    image = noise((7, 9))
    out = warp(image, [[1, 0, dx + 0.3], [0, 1, dy + 0.4]], mode=mode, bank="analytic")
    extended = np.pad(image, 80, mode=mode)
    expected = warp(
        extended, [[1, 0, dx + 80.3], [0, 1, dy + 80.4]], output_shape=(7, 9), bank="analytic"
    )
    assert np.abs(out.astype(int) - expected).max() <= 1


def test_shrinking_by_a_warp_is_anti_aliased():
    image = np.zeros((64, 64), np.uint8)
    image[::2, 1::2] = image[1::2, ::2] = 255
    small = scaling(0.125, 0.125)
    smooth = warp(image, small, output_shape=(8, 8), bank="analytic")
    assert np.abs(smooth[1:-1, 1:-1].astype(int) - 128).max() <= 2
    turned = warp(
        image, small @ rotation(20, (8, 8)), output_shape=(8, 8), bank="analytic", mode="wrap"
    )
    assert np.abs(turned.astype(int) - 128).max() <= 12
    odd = scaling(1 / 7, 1 / 7)  # centres on pixels
    sharp = warp(image, odd, output_shape=(9, 9), bank="analytic", anti_aliasing=False)
    assert sharp.std() > 50
    assert warp(image, odd, output_shape=(9, 9), bank="analytic").std() < 12


def test_strong_shrinking_stays_smooth():
    image = noise((3000, 3000))
    out = warp(image, scaling(1 / 500, 1 / 500), output_shape=(6, 6), bank="analytic")
    assert np.abs(out.astype(int) - 127).max() < 12


def test_growing_is_untouched_by_anti_aliasing():
    image = noise((20, 20))
    matrix = np.array([[0.6, 0.1, 2], [-0.1, 0.7, 3], [0.001, 0, 1]])
    np.testing.assert_array_equal(warp(image, matrix), warp(image, matrix, anti_aliasing=False))
    turn = invert(rotation(33, (20, 20)))
    np.testing.assert_array_equal(warp(image, turn), warp(image, turn, anti_aliasing=False))


def test_labels_and_masks_keep_their_values():
    labels = (noise((20, 20)) // 50).astype(np.int32) + 5
    out = warp(labels, invert(rotation(25, (20, 20))), cval=-1)
    assert np.isin(np.unique(out), [-1, *np.unique(labels)]).all()
    assert -1 in out
    mask = warp(labels > 7, invert(rotation(25, (20, 20))))
    assert mask.dtype == np.bool_


def test_labels_show_wherever_their_centre_lies_on_the_image():
    labels = np.arange(1, 10, dtype=np.int32).reshape(3, 3)
    out = warp(labels, [[1, 0, -0.4], [0, 1, -0.4]], output_shape=(5, 5))
    np.testing.assert_array_equal(out[:3, :3], labels)
    assert (out[3:] == 0).all()
    assert (out[:, 3:] == 0).all()


def test_fields_may_hold_nan_and_infinity():
    image = noise((10, 10))
    field = np.zeros((2, 6, 6))
    field[:, 0, 0] = np.nan
    field[0, 1, 1] = np.inf
    field[1, 2, 2] = -1e300
    for mode in ("constant", "edge", "wrap", "reflect", "symmetric"):
        out = warp(image, Displacement(field), mode=mode, cval=77)
        assert out[0, 0] == out[1, 1] == 77
        assert out[3, 3] != 77


def test_channels_and_planes_warp_alike():
    image = noise((2, 11, 9, 3))
    matrix = [[0.9, 0.1, 0], [-0.1, 0.9, 1]]
    out = warp(image, matrix, channel_axis=-1, output_shape=(7, 13))
    assert out.shape == (2, 7, 13, 3)
    np.testing.assert_array_equal(
        out[1, :, :, 2], warp(image[1, :, :, 2], matrix, output_shape=(7, 13))
    )


def test_sizes_are_checked_before_anything_is_allocated():
    with pytest.raises(ImageTooLargeError, match="GiB"):
        warp(noise((4, 4)), np.eye(3), output_shape=(2_000_000, 2_000_000))
    with pytest.raises(InvalidArgumentError, match=r"\(0, 4\)"):
        warp(noise((4, 4)), np.eye(3), output_shape=(0, 4))
