"""Matrices of warping benchmarks: read, refused, and nothing run."""

import numpy as np
import pytest
from lerf_training.data.matrix_files import read_matrix
from lerf_training.errors import DatasetError, MissingExtraError
from PIL import Image


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def noise(rows, cols, channels=3, seed=0):
    shape = (rows, cols) if channels == 1 else (rows, cols, channels)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def test_read_matrix(tmp_path):
    torch = pytest.importorskip("torch")
    matrix = np.arange(9, dtype=np.float64).reshape(3, 3)
    torch.save(torch.from_numpy(matrix), tmp_path / "m.pth")
    np.testing.assert_array_equal(read_matrix(tmp_path / "m.pth"), matrix)


class Trap:
    """Would write a file if it were unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_read_matrix_refuses(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "m.pth"
    torch.save(torch.zeros(2, 3), path)
    with pytest.raises(DatasetError, match=r"shape \(2, 3\)"):
        read_matrix(path)
    torch.save(torch.full((3, 3), float("nan")), path)
    with pytest.raises(DatasetError, match="finite"):
        read_matrix(path)
    torch.save({"a": 1}, path)
    with pytest.raises(DatasetError, match="no tensor"):
        read_matrix(path)
    path.write_bytes(b"")
    with pytest.raises(DatasetError, match="not a saved 3x3 tensor"):
        read_matrix(path)


def test_read_matrix_runs_nothing(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save(Trap(tmp_path / "trapped"), tmp_path / "m.pth")
    with pytest.raises(DatasetError, match="not a saved 3x3 tensor"):
        read_matrix(tmp_path / "m.pth")
    assert not (tmp_path / "trapped").exists()


def test_read_matrix_without_torch_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"m\.pth needs torch: pip install 'lerf\[train\]'"):
        read_matrix(tmp_path / "m.pth")
