"""The constant around a warped image, and how the image fades into it."""

import numpy as np
from support.images import scaling

from lerf_core import warp
from lerf_core.geometry import invert, rotation


def test_constant_border_fades_over_the_outline_and_leaves_the_inside_alone():
    image = np.full((10, 10), 200, np.uint8)
    out = warp(image, scaling(4, 4), output_shape=(40, 40))
    assert (out == 200).all()  # nothing outside is seen
    shifted = warp(image, [[1, 0, -3.25], [0, 1, 0]], output_shape=(10, 16))
    # Source x = output x - 3.25; the image covers 0.75 of output pixel 3.
    assert shifted[5].tolist() == [0, 0, 0, 150] + [200] * 9 + [50, 0, 0]


def test_transparent_surroundings_do_not_bleed_into_colours():
    image = np.zeros((12, 12, 4), np.uint8)
    image[...] = (250, 10, 90, 255)
    out = warp(image, invert(rotation(30, (12, 12))), channel_axis=-1)
    shows = out[..., 3] > 0
    assert 0 < (out[..., 3] == 0).sum() < out[..., 3].size
    assert ((out[..., 3] > 0) & (out[..., 3] < 255)).any()
    assert np.abs(out[shows][:, :3].astype(int) - (250, 10, 90)).max() <= 1


def test_opaque_background_blends_by_alpha():
    image = np.full((8, 8, 2), 255, np.uint8)
    out = warp(image, [[1, 0, -0.5], [0, 1, 0]], channel_axis=-1, cval=(0, 255))
    assert out[4, 0].tolist() == [128, 255]
    half = warp(image, [[1, 0, -0.5], [0, 1, 0]], channel_axis=-1, cval=(0, 0))
    assert half[4, 0].tolist() == [255, 128]


def test_cval_beyond_the_dtype_is_its_end():
    image = np.full((4, 4), 100, np.uint8)
    away = [[1, 0, -50], [0, 1, 0]]
    assert (warp(image, away, cval=300) == 255).all()
    assert (warp(image, away, cval=-5) == 0).all()
    assert (warp(image.astype(np.int32), away, cval=1e300) == 2**31 - 1).all()
