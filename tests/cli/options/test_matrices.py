"""Matrices, corners and fields from every source."""

from __future__ import annotations

import json
import os
import pickle
import sys

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from lerf_cli.options.matrices import read_field, read_matrix, read_points
from lerf_core.errors import FileError

MATRIX = np.array([[1.5, 0.25, -3], [0, 2, 1e-3], [1e-5, 0, 1]])
NUMBERS = st.floats(-1e6, 1e6)


@given(st.lists(NUMBERS, min_size=9, max_size=9), st.sampled_from([" ", ",", ", ", "\n", " ; "]))
def test_nine_numbers(values, separator):
    text = separator.join(map(repr, values))
    np.testing.assert_array_equal(read_matrix(text), np.reshape(values, (3, 3)))


def test_six_numbers_are_two_rows():
    np.testing.assert_array_equal(read_matrix("1 0 5, 0 1 0"), [[1, 0, 5], [0, 1, 0]])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("flat.json", json.dumps(MATRIX.ravel().tolist())),
        ("nested.json", json.dumps(MATRIX.tolist())),
        ("named.json", json.dumps({"matrix": MATRIX.tolist(), "made by": "hand"})),
        ("plain.txt", "\n".join(" ".join(map(repr, row)) for row in MATRIX.tolist())),
        ("commas.csv", "\ufeff" + ",".join(map(repr, MATRIX.ravel().tolist()))),
    ],
)
def test_text_files(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(read_matrix(str(path)), MATRIX)


def test_npy(tmp_path):
    np.save(tmp_path / "m.npy", MATRIX)
    np.testing.assert_array_equal(read_matrix(str(tmp_path / "m.npy")), MATRIX)


def test_a_pickle_is_not_opened(tmp_path):
    np.save(tmp_path / "m.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(FileError, match=r"no readable \.npy"):
        read_matrix(str(tmp_path / "m.npy"))


def test_pth_without_torch_says_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "m.pth").write_bytes(b"any")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(FileError, match=r"needs torch .*lerf\[train\]"):
        read_matrix(str(tmp_path / "m.pth"))


def test_pth_is_read_safely(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save(torch.from_numpy(MATRIX), tmp_path / "m.pth")
    np.testing.assert_array_equal(read_matrix(str(tmp_path / "m.pth")), MATRIX)
    torch.save(print, tmp_path / "evil.pth")
    with pytest.raises(FileError, match="other than tensors"):
        read_matrix(str(tmp_path / "evil.pth"))


def test_a_malicious_pth_runs_nothing_and_no_warning_leaks(tmp_path):
    torch = pytest.importorskip("torch")
    trap = tmp_path / "sprung"

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(trap),)

    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Evil()))
    torch.save(Evil(), tmp_path / "zip.pth")
    torch.save({"matrix": Evil()}, tmp_path / "dict.pth")
    for name in ("plain", "zip", "dict"):
        with pytest.raises(FileError, match="other than tensors"):
            read_matrix(str(tmp_path / f"{name}.pth"))
    assert not trap.exists()


def test_tensors_of_every_kind(tmp_path):
    torch = pytest.importorskip("torch")
    eye = torch.eye(3)
    kinds = [eye.half(), eye.bfloat16(), eye.int(), eye.to_sparse(), eye.requires_grad_()]
    for value in (*kinds, {"matrix": eye}):
        torch.save(value, tmp_path / "m.pth")
        np.testing.assert_array_equal(read_matrix(str(tmp_path / "m.pth")), np.eye(3))
    torch.save({"other": eye}, tmp_path / "m.pth")
    with pytest.raises(FileError, match="no tensor"):
        read_matrix(str(tmp_path / "m.pth"))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", b"[1, 2", "no valid JSON"),
        ("b.json", b'{"homography": []}', "no entry 'matrix'"),
        ("c.json", b"[[1, 2], [3]]", "not a list of numbers"),
        ("d.txt", b"1 2 3", "9 numbers"),
        ("e.txt", b"one two", "something other than numbers"),
        ("f.txt", b"\xff\xfe\x00", "no JSON, text"),
        ("g.npy", b"garbage", "no readable .npy"),
        ("h.txt", b" ", "something other than numbers"),
        ("i.json", b"[" * 100_000, "no valid JSON"),
        ("j.txt", b"1 " * 600_000, "too long"),
    ],
)
def test_bad_matrix_files(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileError, match=words) as caught:
        read_matrix(str(tmp_path / name))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["1 2 3", "nowhere.json", "", "1 2 3 4 5 6 7 8 9 10"])
def test_bad_matrix_texts(text):
    with pytest.raises(FileError):
        read_matrix(text)


def test_points():
    np.testing.assert_array_equal(
        read_points("0,0 9,1 8.5,7 -1,6"), [[0, 0], [9, 1], [8.5, 7], [-1, 6]]
    )
    for text in ("0,0 1,1 2,2", "a,b", "nan,0 1,1 2,2 3,3"):
        with pytest.raises(FileError, match="not four points"):
            read_points(text)


@pytest.mark.parametrize("suffix", ["npy", "tif"])
@pytest.mark.parametrize("order", ["rc", "xy"])
@pytest.mark.parametrize("last", [False, True])
def test_fields(tmp_path, rng, suffix, order, last):
    field = rng.random((2, 5, 7)).astype(np.float32)
    stored = np.moveaxis(field, 0, -1) if last else field
    path = tmp_path / f"f.{suffix}"
    if suffix == "npy":
        np.save(path, stored)
    else:
        tifffile.imwrite(path, stored, photometric="minisblack")
    expected = field[::-1] if order == "xy" else field
    np.testing.assert_array_equal(read_field(path, order), expected)


@pytest.mark.parametrize("shape", [(5, 7), (3, 5, 7), (2, 5, 7, 1)])
def test_fields_of_other_shapes(tmp_path, shape):
    np.save(tmp_path / "f.npy", np.zeros(shape))
    with pytest.raises(FileError, match="a field is"):
        read_field(tmp_path / "f.npy", "rc")


def test_bad_fields(tmp_path):
    np.save(tmp_path / "s.npy", np.zeros((2, 3, 3), "U1"))
    (tmp_path / "b.tif").write_bytes(b"II*\0garbage")
    for name in ("s.npy", "b.tif", "none.npy"):
        with pytest.raises(FileError):
            read_field(tmp_path / name, "rc")


def test_fields_in_npy_are_not_loaded_as_a_whole(tmp_path):
    from lerf_cli.options.matrices import read_field

    steps = np.random.default_rng(0).random((20, 30, 2)).astype(np.float32)
    np.save(tmp_path / "field.npy", steps)
    field = read_field(tmp_path / "field.npy", "xy")
    np.testing.assert_array_equal(field, np.moveaxis(steps, -1, 0)[::-1])
    while not isinstance(field, np.memmap):
        field = field.base
    assert field.filename.name == "field.npy"
