"""What tests of trainings share: photographs, and the files that are written."""

import pytest
from support.cli import write_photographs


@pytest.fixture
def photos(tmp_path):
    return write_photographs(tmp_path / "photos", 4)


@pytest.fixture
def bank(tmp_path):
    return tmp_path / "mine.safetensors"


@pytest.fixture
def checkpoint(tmp_path):
    return tmp_path / "mine.checkpoint.safetensors"
