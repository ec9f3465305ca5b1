"""Matrices from files."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerf_core.errors import FileError, MatrixFileError
from lerf_core.geometry.matrix_files import (
    as_matrix,
    load_entries,
    load_matrix,
    numbers_in,
    save_matrix,
)

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


# -- writing -----------------------------------------------------------------------------

SUFFIXES = (".json", ".txt", ".csv", ".npy", ".JSON", ".Npy")
finite = st.floats(allow_nan=False, allow_infinity=False)


@given(
    numbers=st.one_of(st.lists(finite, min_size=9, max_size=9), st.lists(finite, min_size=6,
                                                                         max_size=6)),
    suffix=st.sampled_from(SUFFIXES),
)  # fmt: skip
def test_all_bits_of_all_numbers_come_back(tmp_path_factory, numbers, suffix):
    path = tmp_path_factory.mktemp("matrix") / f"m{suffix}"
    matrix = np.reshape(numbers, (-1, 3))
    save_matrix(path, matrix)
    loaded = load_matrix(path)
    assert loaded.shape == matrix.shape
    assert loaded.tobytes() == matrix.tobytes()  # the sign of zero as well
    assert list(path.parent.iterdir()) == [path]


def test_extreme_numbers(tmp_path):
    bits = [0x0000000000000001, 0x7FEFFFFFFFFFFFFF, 0x8000000000000000, 0x3FF0000000000001]
    numbers = [struct.unpack("<d", struct.pack("<Q", word))[0] for word in bits]
    matrix = np.reshape([*numbers, 0.1, 1 / 3, -1e-308, 2.0**53 + 2, -0.0], (3, 3))
    for suffix in SUFFIXES:
        save_matrix(tmp_path / f"m{suffix}", matrix)
        assert load_matrix(tmp_path / f"m{suffix}").tobytes() == matrix.tobytes()


def test_what_json_says_beside_the_matrix(tmp_path):
    entries = {"source_size": [7, 5], "name": 'a "quoted" \u00e4\n', "matrix_of": None}
    save_matrix(tmp_path / "m.json", MATRIX, entries=entries)
    assert json.loads((tmp_path / "m.json").read_text()) == {"matrix": MATRIX} | entries
    assert load_entries(tmp_path / "m.json") == entries
    np.testing.assert_array_equal(load_matrix(tmp_path / "m.json"), MATRIX)
    save_matrix(tmp_path / "m.txt", MATRIX, entries=entries)
    assert load_entries(tmp_path / "m.txt") == {}
    (tmp_path / "list.json").write_text(json.dumps(MATRIX))
    assert load_entries(tmp_path / "list.json") == {}


def test_an_existing_file_is_replaced_whole(tmp_path):
    path = tmp_path / "m.txt"
    path.write_text("something longer than what comes after it, by far and away, " * 9)
    save_matrix(path, MATRIX)
    np.testing.assert_array_equal(load_matrix(path), MATRIX)
    with pytest.raises(MatrixFileError, match="finite"):
        save_matrix(path, np.full((3, 3), np.inf))
    np.testing.assert_array_equal(load_matrix(path), MATRIX)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["m.pth", "m", "m.tif", "m.json.gz", ".json"])
def test_other_suffixes_are_refused(tmp_path, name):
    with pytest.raises(MatrixFileError, match=r"saved as \.json, \.txt, \.csv or \.npy"):
        save_matrix(tmp_path / name, MATRIX)
    assert not list(tmp_path.iterdir())


def test_what_is_no_matrix_is_not_saved(tmp_path):
    for value in ([[1, 2], [3, 4]], np.nan, [[np.nan] * 3] * 3, "text", np.eye(4)):
        with pytest.raises(MatrixFileError):
            save_matrix(tmp_path / "m.json", value)
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_written(tmp_path):
    with pytest.raises(FileError, match=r"cannot write .*nowhere"):
        save_matrix(tmp_path / "nowhere" / "m.json", MATRIX)
    (tmp_path / "m.json").mkdir()
    with pytest.raises(FileError, match="cannot write"):
        save_matrix(tmp_path / "m.json", MATRIX)
