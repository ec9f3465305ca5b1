"""Small images, and a way to run the command in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from support.cli import run_lerf
from support.files import icc_profile, smooth_rgb

import lerf_core

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def own_bank_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: Any) -> Path:
    """Keep the banks of whoever runs the tests out of them."""
    folder = tmp_path_factory.mktemp("banks")
    monkeypatch.setenv("LERF_BANKS", str(folder))
    return folder


@pytest.fixture(autouse=True)
def own_front_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: Any) -> Path:
    """Keep the fronts of whoever runs the tests out of them."""
    folder = tmp_path_factory.mktemp("fronts")
    monkeypatch.setenv("LERF_FRONTS", str(folder))
    return folder


@pytest.fixture(autouse=True)
def no_first_run(monkeypatch: Any) -> None:
    """Say the same on a fresh checkout, where no kernel is compiled yet."""
    monkeypatch.setattr(lerf_core, "first_run_message", lambda: None)


@pytest.fixture
def run() -> Run:
    """Run `lerf ARGUMENTS` in this process, and check the exit status."""
    return run_lerf


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def rgb() -> np.ndarray:
    """A smooth, non-square, colourful image of 10 rows and 14 columns."""
    return smooth_rgb()


@pytest.fixture(scope="session")
def icc() -> bytes:
    return icc_profile()


def pixels_of(path: Path) -> np.ndarray:
    """Decode by Pillow alone, for formats in which it is no part of what is tested."""
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture
def pixels() -> Callable[[Path], np.ndarray]:
    return pixels_of
