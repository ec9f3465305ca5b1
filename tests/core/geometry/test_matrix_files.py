"""Matrices from files."""

import numpy as np
import pytest

from lerf_core.errors import MatrixFileError
from lerf_core.geometry.matrix_files import as_matrix, load_matrix, numbers_in

MATRIX = [[1.0, 0.5, 3], [0, 2, -1], [0, 0.001, 1]]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.json", "[[1, 0.5, 3], [0, 2, -1], [0, 0.001, 1]]"),
        ("m.json", '{"matrix": [1, 0.5, 3, 0, 2, -1, 0, 0.001, 1]}'),
        ("m.txt", "1 .5 3\n0 2 -1\n0 1e-3 1\n"),
        ("m.csv", "\ufeff1,0.5,3\r\n0,2,-1\r\n0,0.001,1"),
    ],
)
def test_text(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(load_matrix(tmp_path / name), MATRIX)


def test_npy(tmp_path):
    np.save(tmp_path / "m.npy", np.array(MATRIX)[:2])
    np.testing.assert_array_equal(load_matrix(str(tmp_path / "m.npy")), MATRIX[:2])


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("m.txt", b"1 2 three", "other than numbers"),
        ("m.txt", b"1 2 3", "shape 3"),
        ("m.txt", b"", "other than numbers"),
        ("m.json", b"[1, 2", "no valid JSON"),
        ("m.json", b"{}", "no entry 'matrix'"),
        ("m.json", b'["a"]', "list of numbers"),
        ("m.npy", b"nothing", "readable .npy"),
        ("m.bin", b"\xff\xfe\x00", "no JSON, text"),
        ("m.txt", b"1 " * 2**20, "too long"),
    ],
)
def test_what_is_no_matrix(tmp_path, name, data, words):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(MatrixFileError, match=words):
        load_matrix(tmp_path / name)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_matrix(tmp_path / "none.txt")


def test_numbers():
    assert numbers_in("1, 2;3 4") == [1, 2, 3, 4]
    assert numbers_in("") is None
    with pytest.raises(MatrixFileError, match="the matrix has shape 2x2"):
        as_matrix([[1, 2], [3, 4]], "the matrix")
