"""A bank in a file."""

import pytest


@pytest.fixture
def saved(tmp_path, random_bank):
    path = tmp_path / "bank.safetensors"
    random_bank.save(path)
    return path
