"""Transform parameters of elastix, beside where transformix places pixels."""

from __future__ import annotations

import numpy as np
import pytest
from support.elastix_files import write_all

from lerf_core.errors import FileError, InvalidArgumentError
from lerf_core.geometry.registration import read_registration

# The input that transformix was given: 50 rows of 60 pixels.
INPUT = {"pixel_size": (0.6, 0.7), "origin": (1.0, -3.0)}
# Pixels (row, col) of the output, and by the file where among the input's (row, col) transformix of
# SimpleITK-SimpleElastix 3.0.0a1 places them; its fields are float32.
PIXELS = ([0, 39, 17, 5], [0, 0, 23, 48])
POSITIONS = {
    "translation.txt": [(0.42857, 5.83333), (44.77733, 0.642), (21.4002, 22.64136),
                        (9.53717, 44.96794)],
    "euler.txt": [(5.0228, 1.34324), (49.37156, 6.53458), (22.71419, 22.67704),
                  (7.28568, 41.80896)],
    "similarity.txt": [(-1.82741, 10.0989), (45.67698, -4.05261), (23.35058, 24.3582),
                       (13.59356, 50.91675)],
    "affine.txt": [(6.32724, 0.58022), (46.01864, 11.46471), (21.33519, 26.1114),
                   (6.62959, 45.35652)],
    "bspline.txt": [(6.22399, 0.78795), (46.17873, 11.78639), (21.47816, 26.46285),
                    (6.97428, 45.50863)],
    "added.txt": [(6.60138, 0.3599), (46.73774, 10.20613), (21.47526, 25.8212),
                  (6.2762, 45.80176)],
}  # fmt: skip


@pytest.fixture
def files(tmp_path):
    return write_all(tmp_path)


@pytest.mark.parametrize("name", POSITIONS)
def test_places_are_those_of_transformix(files, positions, name):
    found, _ = positions(files[name], (50, 60), **INPUT)
    assert found.shape == (2, 40, 50)
    np.testing.assert_allclose(found[:, *PIXELS].T, POSITIONS[name], atol=1e-5)


def test_the_input_can_be_the_fixed_image(files):
    """Inverted, the input's pixels lie where the file says the output's do."""
    there = read_registration(files["affine.txt"]).for_image((50, 60), **INPUT)[0]
    back, shape = read_registration(files["affine.txt"], inverse=True).for_image(
        (40, 50), output_pixel_size=INPUT["pixel_size"], output_origin=INPUT["origin"]
    )
    assert shape == (40, 50)
    product = there @ back
    np.testing.assert_allclose(product / product[2, 2], np.eye(3), atol=1e-12)


def test_the_input_s_pixel_size_is_not_guessed(files):
    registration = read_registration(files["affine.txt"])
    with pytest.raises(InvalidArgumentError, match=r"pixels of 0\.5 x 0\.8: the input's pixel si"):
        registration.for_image((50, 60))
    with pytest.raises(InvalidArgumentError, match="says where the output's pixels lie"):
        registration.for_image((50, 60), pixel_size=(1, 1), output_pixel_size=(1, 1))


def test_another_size_keeps_the_places(files):
    registration = read_registration(files["euler.txt"])
    own, _ = registration.for_image((50, 60), **INPUT)
    other, shape = registration.for_image((50, 60), output_shape=(7, 9), **INPUT)
    assert shape == (7, 9)
    np.testing.assert_array_equal(own, other)


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("euler.txt", "(FixedImageDimension 2)", "(FixedImageDimension 3)", "of 3 dimensions"),
        ("euler.txt", '"EulerTransform"', '"EulerStackTransform"', "EulerStackTransform is not su"),
        ("euler.txt", "-0.2 0.5 1.25", "-0.2 0.5", "takes 3 numbers, and has 2"),
        ("euler.txt", "-0.2 0.5", "nan 0.5", "not finite"),
        ("euler.txt", "-0.2 0.5", "x 0.5", "are no numbers"),
        ("euler.txt", "(CenterOfRotationPoint 12.7 14.2)", "", "no entry CenterOfRotationPoint"),
        ("euler.txt", "translation.txt", "gone.txt", "builds on gone.txt, which cannot be read"),
        ("euler.txt", "translation.txt", "euler.txt", "go around, or are too many"),
        ("euler.txt", '"Compose"', '"Multiply"', "by Compose or Add, got 'Multiply'"),
        ("affine.txt", "1.1 0.1 -0.05 0.9", "1 2 2 4", "singular"),
        ("euler.txt", "(Spacing 0.5 0.8)", "(Spacing 0 0.8)", "sides of a pixel are above 0"),
        ("euler.txt", "(Index 0 0)", "(Index 4 0)", "does not begin at Index 0 0"),
        ("bspline.txt", "SplineOrder 3", "SplineOrder 2", "cubic and not cyclic"),
        ("bspline.txt", "(GridSize 7 7)", "(GridSize 7 6)", "takes 84 numbers, and has 98"),
    ],
)
def test_files_that_are_refused(files, name, old, new, words):
    text = files[name].read_text()
    assert old in text
    files[name].write_text(text.replace(old, new))
    with pytest.raises(FileError, match=words) as caught:
        read_registration(files[name])
    assert "\n" not in str(caught.value)
