"""Matrix files that the Warp widget loads, other programs' among them."""

import numpy as np
import pytest
from support.elastix_files import write_all

from lerf_core.errors import MatrixFileError
from lerf_plugins.napari.model.saved_matrices import load_warp

SHIFT = """#Insight Transform File V1.0
Transform: TranslationTransform_double_2_2
Parameters: 3 2
FixedParameters:
"""


def test_transforms_of_itk_are_turned_around(tmp_path):
    """They say where the output comes from; the widget asks where the layer goes."""
    (tmp_path / "t.tfm").write_text(SHIFT)
    saved = load_warp(tmp_path / "t.tfm")
    np.testing.assert_array_equal(saved.matrix, [[1, 0, -3], [0, 1, -2], [0, 0, 1]])
    assert not saved.is_complete


def test_elastix_says_the_size(tmp_path):
    path = write_all(tmp_path)["euler.txt"]
    with pytest.raises(MatrixFileError, match="the input's pixel size has to be given"):
        load_warp(path)
    path.write_text(path.read_text().replace("(Spacing 0.5 0.8)", "(Spacing 1 1)"))
    assert load_warp(path).out_shape == (40, 50)


def test_landmarks(tmp_path):
    (tmp_path / "l.txt").write_text("0 0 5 6\n9 0 14 6\n0 9 5 15\n")
    np.testing.assert_allclose(
        load_warp(tmp_path / "l.txt").matrix, [[1, 0, 5], [0, 1, 6], [0, 0, 1]], atol=1e-12
    )


def test_what_is_no_matrix_is_told(tmp_path):
    path = write_all(tmp_path)["bspline.txt"]
    path.write_text(path.read_text().replace("(Spacing 0.5 0.8)", "(Spacing 1 1)"))
    with pytest.raises(MatrixFileError, match="is no matrix: lerf warp --registration goes by it"):
        load_warp(path)
    (tmp_path / "words").write_text("some words")
    with pytest.raises(MatrixFileError, match="something other than numbers"):
        load_warp(tmp_path / "words")
