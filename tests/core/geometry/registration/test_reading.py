"""Registration files of every kind: how they are told apart, and matrices among them."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

import lerf_core
from lerf_core import chunked
from lerf_core.errors import FileError, InvalidArgumentError
from lerf_core.geometry.matrix_files import save_matrix
from lerf_core.geometry.registration import (
    PhysicalGrid,
    is_registration,
    read_registration,
    shows,
)

FORWARD = np.array([[0.9, 0.1, 5], [-0.2, 1.1, 3], [0.0001, 0, 1]])
TRANSLATION = """#Insight Transform File V1.0
#Transform 0
Transform: TranslationTransform_double_2_2
Parameters: 3 2
FixedParameters:
"""
# The head of a vector of 6 numbers, which are missing.
MATLAB = bytes(4) + b"\6\0\0\0\1" + bytes(7) + b"\x1b\0\0\0AffineTransform_double_2_2\0"
META_IMAGE = """NDims = 2
DimSize = 2 2
ElementNumberOfChannels = 2
ElementType = MET_FLOAT
"""


@pytest.mark.parametrize("suffix", ["json", "txt", "csv", "npy"])
def test_matrices_are_forward(tmp_path, suffix):
    path = tmp_path / f"m.{suffix}"
    save_matrix(path, FORWARD)
    inverse_map, shape = read_registration(path).for_image((30, 40))
    np.testing.assert_allclose(inverse_map, np.linalg.inv(FORWARD), atol=1e-12)
    assert shape == (30, 40)
    inverse_map, _ = read_registration(path, inverse=True).for_image((30, 40))
    np.testing.assert_allclose(inverse_map, FORWARD, atol=1e-12)
    assert not is_registration(path)


def test_the_plugin_s_files_say_the_size(tmp_path):
    save_matrix(tmp_path / "m.json", FORWARD, entries={"result_size": [50, 20]})
    registration = read_registration(tmp_path / "m.json")
    assert registration.for_image((30, 40))[1] == (20, 50)
    assert registration.for_image((30, 40), output_shape=(5, 6))[1] == (5, 6)
    (tmp_path / "m.json").write_text(json.dumps({"matrix": FORWARD.tolist(), "result_size": [0]}))
    with pytest.raises(FileError, match="result_size must be"):
        read_registration(tmp_path / "m.json")


def test_matrices_count_in_pixels(tmp_path):
    save_matrix(tmp_path / "m.txt", FORWARD)
    registration = read_registration(tmp_path / "m.txt")
    with pytest.raises(InvalidArgumentError, match="counts in pixels"):
        registration.for_image((30, 40), pixel_size=(1, 1))
    with pytest.raises(InvalidArgumentError, match="affine is for landmarks"):
        read_registration(tmp_path / "m.txt", model="affine")
    with pytest.raises(InvalidArgumentError, match="model"):
        read_registration(tmp_path / "m.txt", model="bent")


def test_kinds_do_not_depend_on_names(tmp_path):
    path = tmp_path / "anything"
    path.write_text(TRANSLATION)
    assert is_registration(path)
    np.testing.assert_array_equal(
        read_registration(path).for_image((3, 4))[0], [[1, 0, 3], [0, 1, 2], [0, 0, 1]]
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no registration that is known"),
        (b"some text", "no registration that is known"),
        (b"1 2 3", "has shape 3: 9 numbers"),
        (b"1 0 0 2 0 0 0 0 1", "singular"),
        (b"[[1, 2], [3", "no valid JSON"),
        (b'{"a": 1}', "no entry 'matrix'"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "no registration that is known"),
        (b"\x1f\x8b" + bytes(50), "no registration that is known"),
        (b"\x93NUMPY", "no readable .npy file"),
        (b"#Insight Transform File V1.0\n", "holds no transform"),
        (b"#Insight Transform File V1.0\nTransform: x\n", "'x', which is no transform of ITK's"),
        (TRANSLATION.encode().replace(b"3 2", b"3"), "takes 2 parameters and 0 fixed ones"),
        (TRANSLATION.encode().replace(b"3 2", b"3 y"), "Parameters of Trans.* are no numbers"),
        (TRANSLATION.encode().replace(b"3 2", b"3 inf"), "not finite"),
        (TRANSLATION.encode() * 2, "holds 2 transforms, and no composite"),
        (MATLAB, "damaged MATLAB file"),
        (MATLAB.replace(b"\6", b"\0"), "takes 6 parameters and 2 fixed ones, and has 0 and 0"),
        (b"NDims = 2\n", "its header has no ElementDataFile"),
        (b"NDims = 2\nDimSize = 2 2\nElementDataFile = LOCAL\n", "has 1 values a pixel"),
        (b"NDims = 2\nDimSize = 2 x\nElementDataFile = LOCAL\n", "DimSize are no numbers"),
        (META_IMAGE.encode() + b"ElementDataFile = gone.raw\n", "pixels of gone.raw: No such file"),
    ],
)
def test_files_that_are_refused(tmp_path, data, words):
    path = tmp_path / "file.npy" if data.startswith(b"\x93") else tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(FileError, match=words) as caught:
        read_registration(path)
    assert "\n" not in str(caught.value)
    assert not is_registration(path)


def test_missing_files(tmp_path):
    with pytest.raises(FileError, match="gone: No such file"):
        read_registration(tmp_path / "gone")


@pytest.mark.parametrize(
    "grid", [{"spacing": (0, 1)}, {"origin": (np.nan, 0)}, {"direction": (1, 1, 1, 1)},
             {"shape": (0, 4)}],
)  # fmt: skip
def test_grids_that_are_none(grid):
    with pytest.raises(InvalidArgumentError):
        PhysicalGrid(**grid)


# -- maps ---------------------------------------------------------------------------------


def meta_image(path, steps):
    """Write a field of steps (rows, cols, 2) along x and y."""
    rows, cols, _ = steps.shape
    head = (
        f"ObjectType = Image\nNDims = 2\nDimSize = {cols} {rows}\nElementNumberOfChannels = 2\n"
        "ElementType = MET_DOUBLE\nElementDataFile = LOCAL\n"
    )
    path.write_bytes(head.encode() + np.ascontiguousarray(steps, "<f8").tobytes())
    return path


@pytest.fixture
def nonlinear(tmp_path):
    """Return a field and a spline, for images of 60 x 70."""
    steps = np.random.default_rng(3).normal(0, 2, (60, 70, 2))
    path = tmp_path / "points.txt"
    rng = np.random.default_rng(4)
    points = rng.uniform(0, 60, (7, 2))
    np.savetxt(path, np.hstack([points, points + rng.normal(0, 3, (7, 2))]))
    return [
        read_registration(meta_image(tmp_path / "f.mha", steps)),
        read_registration(path, model="thin-plate"),
    ]


def test_a_field_is_the_displacement_that_it_holds(tmp_path):
    steps = np.random.default_rng(5).normal(0, 2, (20, 30, 2))
    inverse_map, shape = read_registration(meta_image(tmp_path / "f.mha", steps)).for_image(
        (20, 30)
    )
    image = np.random.default_rng(6).random((20, 30))
    expected = lerf_core.warp(image, lerf_core.Displacement(np.moveaxis(steps, -1, 0)[::-1]))
    np.testing.assert_array_equal(lerf_core.warp(image, inverse_map, output_shape=shape), expected)


@pytest.mark.parametrize(("shift", "is_seen"), [(0, True), (28, True), (1300, False)])
def test_outputs_that_show_nothing(tmp_path, nonlinear, shift, is_seen):
    """A speck of an image is seen between the points of a lattice."""
    save_matrix(tmp_path / "m.txt", [[0.001, 0, 0.5 + shift], [0, 0.001, 0.7], [0, 0, 1]])
    inverse_map, _ = read_registration(tmp_path / "m.txt").for_image((60, 70))
    assert shows(inverse_map, (1000, 1000), (60, 70)) == is_seen
    for registration in nonlinear:
        inverse_map, shape = registration.for_image((60, 70), origin=(shift, 0))
        assert shows(inverse_map, shape, (60, 70)) == is_seen


def test_whole_steps_copy_pixels(tmp_path):
    steps = np.zeros((20, 30, 2))
    steps[..., 0] = 4
    registration = read_registration(meta_image(tmp_path / "f.mha", steps))
    image = np.random.default_rng(6).integers(0, 256, (20, 30), dtype=np.uint8)
    inverse_map, shape = registration.for_image(image.shape)
    result = lerf_core.warp(image, inverse_map, output_shape=shape)
    np.testing.assert_array_equal(result[:, :-4], image[:, 4:])


def test_blocks_are_the_whole_s(nonlinear):
    image = np.random.default_rng(7).random((60, 70), dtype=np.float32)
    da = pytest.importorskip("dask.array")
    for registration in nonlinear:
        inverse_map, shape = registration.for_image(image.shape)
        whole = lerf_core.warp(image, inverse_map, output_shape=shape)
        assert whole.shape == (60, 70)
        assert np.ptp(whole) > 0.5
        lazy = chunked.warp(da.from_array(image, chunks=32), inverse_map, output_shape=shape)
        np.testing.assert_array_equal(lazy.compute(scheduler="synchronous"), whole)
        arrived = pickle.loads(pickle.dumps(inverse_map))
        np.testing.assert_array_equal(lerf_core.warp(image, arrived, output_shape=shape), whole)
