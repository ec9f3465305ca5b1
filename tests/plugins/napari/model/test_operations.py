"""Resizes that are fitted: at full size, and at the coarser levels that previews show."""

import numpy as np
import pytest
from napari.layers import Image
from support.layers import exhaust

import lerf_core
from lerf_core.errors import InvalidArgumentError
from lerf_plugins.napari.compute.results import in_memory, lazily
from lerf_plugins.napari.model.command_lines import SourceFile, resampling_command
from lerf_plugins.napari.model.layer_image import LayerImage
from lerf_plugins.napari.model.operations import ResizeOperation
from lerf_plugins.napari.model.padding import padded
from lerf_plugins.napari.model.pixel_grid import PixelGrid

FITS = [
    {"size": (30, 90), "how": "cover"},
    {"size": (90, 20), "how": "cover", "gravity": "southeast"},
    {"size": (31, 90), "how": "contain", "gravity": "west"},
    {"size": (90, 20), "how": "contain"},
    {"size": (3, 500), "how": "contain", "gravity": "east"},
    {"size": (90, 20), "how": "inside"},
    {"megapixels": 0.0035},
]


@pytest.fixture
def image():
    pixels = np.random.default_rng(1).integers(0, 256, (40, 70), dtype=np.uint8)
    return LayerImage.of(Image(pixels, name="noise"))


@pytest.mark.parametrize("fitting", FITS)
def test_pixels_and_places_are_those_of_the_fit(image, fitting):
    operation = ResizeOperation.fitted(image, fitting, None, {"fill": 9.0})
    fitted = lerf_core.fit((40, 70), **fitting)
    _, pixels = exhaust(in_memory(operation))
    options = {} if fitted.is_whole else {"crop": fitted.crop, "fill": 9.0}
    expected = lerf_core.resize(image.levels[0], fitted.shape, **options)
    np.testing.assert_array_equal(pixels, expected)
    whole = PixelGrid.of_resize((40, 70), fitted.shape)
    assert operation.grid == whole.shifted(fitted.crop.top, fitted.crop.left)


@pytest.mark.parametrize("fitting", FITS)
@pytest.mark.parametrize("times", [2, 3, 7])
def test_coarser_levels_are_off_by_half_of_their_pixels_at_most(image, fitting, times):
    operation = ResizeOperation.fitted(image, fitting, None, {})
    shape = tuple(-(-side // times) for side in operation.out_shape)
    plan, _ = operation.level_plan(shape)
    assert plan.out_shape == shape
    crop = plan.frame.crop if plan.frame else (0, shape[0], 0, shape[1])
    made = PixelGrid.of_resize((40, 70), plan.resized_shape).shifted(crop[0], crop[2])
    for axis in range(2):
        shown = operation.level_grid(shape)
        for pixel in (0, shape[axis] - 1):
            stated = shown.origin[axis] + pixel * shown.step[axis]
            actual = made.origin[axis] + pixel * made.step[axis]
            beyond = stated < 0 or stated > image.shape[axis] - 1
            assert beyond or abs(actual - stated) <= 0.51 * shown.step[axis] + 1e-9


def test_lazy_levels_of_what_is_padded(image):
    fitting = {"size": (3, 700), "how": "contain"}
    operation = ResizeOperation.fitted(image, fitting, None, {"fill": 9.0})
    _, levels = exhaust(lazily(operation))
    expected = lerf_core.resize(image.levels[0], *lerf_core.fit((40, 70), **fitting), fill=9)
    np.testing.assert_array_equal(np.asarray(levels[0]), expected)


def test_backgrounds_are_black_and_white_of_the_range(image):
    cases = {"black": 100, "white": 3000}
    for name, value in cases.items():
        _, keywords = padded(image, name, {"value_range": (100, 3000)})
        assert keywords["fill"] == (value,)
    _, keywords = padded(image, "white", {"value_range": (0, 255)})
    assert keywords["fill"] == (255,)
    with pytest.raises(InvalidArgumentError, match="needs colours, and 'noise' has none"):
        padded(image, "transparent", {})


def test_levels_that_are_fitted_otherwise_have_no_command():
    levels = [np.zeros((41, 71), np.uint8), np.zeros((21, 36), np.uint8)]
    image = LayerImage.of(Image(levels, multiscale=True))
    fitting = {"longest": 14}
    operation = ResizeOperation.fitted(image, fitting, None, {})
    assert operation.source_level == 1
    told = resampling_command(operation, image, SourceFile("/a.zarr", levels=2)).arguments
    assert told[4:] == ("--longest", "14", "--level", "1")
    cropped = ResizeOperation.fitted(image, {"size": (5, 18), "how": "cover"}, None, {})
    assert lerf_core.fit((21, 36), (5, 18), "cover") != cropped.fit
    with pytest.raises(InvalidArgumentError, match="which is fitted otherwise"):
        resampling_command(cropped, image, SourceFile("/a.zarr", levels=2))
