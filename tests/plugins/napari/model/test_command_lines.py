"""From operations to the words of the command line."""

import shlex

import numpy as np
import pytest
from napari.layers import Image

from lerf_core.errors import InvalidArgumentError
from lerf_plugins.napari.model import maps
from lerf_plugins.napari.model.command_lines import (
    SourceFile,
    inspect_command,
    resampling_command,
    source_path,
)
from lerf_plugins.napari.model.layer_image import LayerImage
from lerf_plugins.napari.model.operations import LayerOperation, ResizeOperation


@pytest.fixture
def image():
    return LayerImage.of(Image(np.zeros((40, 70), np.uint8), name="it's"))


def words_of(operation, image, source=None, **options):
    command = resampling_command(operation, image, source or SourceFile("/a b/c.tif"), **options)
    assert shlex.split(command.text) == ["lerf", *command.arguments]
    return command.arguments


def test_what_is_the_default_is_left_out(image):
    operation = ResizeOperation(image, (20, 30), None, {"mode": "edge", "anti_aliasing": True})
    expected = ("resize", "/a b/c.tif", "-o", "{stem}_resized.tif", "--size", "30x20")
    assert words_of(operation, image) == expected
    source = SourceFile("/data/x.zarr/", has_missing=True, levels=3)
    assert words_of(operation, image, source)[3:] == (
        "{stem}_resized.zarr", "--size", "30x20", "--nodata", "none",
    )  # fmt: skip


def test_all_digits_of_a_matrix(image):
    forward = np.array([[1 / 3, -1e-17, 5], [0.1, 2**0.5, -(2.0**60)], [1e-300, 0, 1]])
    sampling = {"bank": None, "keywords": {"mode": "constant"}}
    operation = maps.warped(image, forward, density=1, fit=False, sampling=sampling)
    words = words_of(operation, image)
    numbers = words[words.index("--matrix") + 1]
    given = np.reshape([float(word) for word in numbers.split()], (3, 3))
    np.testing.assert_array_equal(given, operation.forward)
    np.testing.assert_array_equal(given, forward)
    # A file that holds them is named, and no other.
    saved = ("/m.json", operation.forward)
    assert "/m.json" in words_of(operation, image, saved=saved)
    other = ("/m.json", operation.forward + np.eye(3) * 1e-9)
    assert words_of(operation, image, saved=other) == words


@pytest.mark.parametrize(
    ("dtype", "cval", "told"),
    [
        (np.uint8, 300, "255"), (np.uint8, -5, None), (np.int16, -1e5, "-32768"),
        (np.float32, float("nan"), "nan"), (np.float32, 0.1, "0.1"), (np.uint8, 7.0, "7"),
    ],
)  # fmt: skip
def test_fill_values_are_those_of_the_type(dtype, cval, told):
    image = LayerImage.of(Image(np.zeros((9, 9), dtype)))
    operation = ResizeOperation(image, (4, 5), None, {"mode": "constant", "cval": cval})
    words = words_of(operation, image)
    assert ("--cval" in words) == (told is not None)
    assert told is None or words[words.index("--cval") + 1] == told


def test_ranges_that_are_the_types_own_are_left_out(image):
    for value_range, told in (((0, 255), False), ((0, 4095), True), ((-0.5, 1.25), True)):
        operation = ResizeOperation(image, (4, 5), None, {"value_range": value_range})
        words = words_of(operation, image)
        assert ("--range" in words) == told
    assert words[-1] == "-0.5,1.25"


def test_what_cannot_be_said(image):
    longer = LayerImage.of(Image(np.zeros((9, 9), np.int32)))
    with pytest.raises(InvalidArgumentError, match="labels to the command line"):
        resampling_command(ResizeOperation(longer, (4, 5)), longer, SourceFile())
    both = ResizeOperation(image, (4, 5), None, {"kernel": "cubic", "fast": True})
    with pytest.raises(InvalidArgumentError, match="a kernel has none"):
        resampling_command(both, image, SourceFile())
    with pytest.raises((InvalidArgumentError, NotImplementedError)):
        resampling_command(LayerOperation(image, (4, 5)), image, SourceFile())


def test_placeholders_are_told(image):
    command = resampling_command(ResizeOperation(image, (4, 5)), image, SourceFile())
    assert command.arguments[1] == "IMAGE.tif"
    assert command.note == "IMAGE.tif stands for 'it's', which has no file: save the layer first"
    stack = LayerImage.of(Image(np.zeros((3, 9, 9), np.uint8)))
    command = resampling_command(ResizeOperation(stack, (4, 5)), stack, SourceFile())
    assert "colours of 3 or 4 planes" in command.note
    assert source_path(Image(np.zeros((3, 3)))) is None


def test_planes_and_regions_of_an_inspection():
    stack = LayerImage.of(Image(np.zeros((4, 5, 9, 8), np.uint16)))
    region = (slice(2, 9), slice(0, 8))
    command = inspect_command(stack, (2, 3), region, "lerf-g", (0, 4095), SourceFile("/s.ome.tif"))
    assert command.arguments == (
        "inspect", "/s.ome.tif", "-o", "s.ome_parameters.tif", "--region", "2:9,0:8",
        "--page", "13", "--bank", "lerf-g", "--range", "0,4095",
    )  # fmt: skip
