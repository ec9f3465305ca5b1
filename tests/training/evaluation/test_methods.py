"""Banks and checkpoints as methods of an evaluation."""

import numpy as np
import pytest
from lerf_training.evaluation.methods import bank_method

from lerf_core.errors import BankError


def test_a_checkpoint_is_a_bank(tmp_path, monkeypatch, random_bank):
    save_file = pytest.importorskip("safetensors.numpy").save_file
    path = tmp_path / "step.safetensors"
    save_file({"x": np.zeros(1, np.float32)}, path, metadata={"lerf-checkpoint": "{}"})
    monkeypatch.setattr("lerf_training.loop.restoring.bank_of_checkpoint", lambda path: random_bank)
    method = bank_method(str(path))
    assert method.name == random_bank.name
    assert method.description == f"lerf-g checkpoint {path}"


def test_a_bank_file_is_no_checkpoint(tmp_path, random_bank):
    path = tmp_path / "bank.safetensors"
    random_bank.save(path)
    assert bank_method(str(path)).description == f"lerf-g bank {path}"
    path.write_bytes(b"neither")
    with pytest.raises(BankError, match=r"bank\.safetensors"):
        bank_method(str(path))
