"""Small images, and a way to run the command in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image, ImageCms, TiffImagePlugin

import lerf_core
from lerf_cli.main import main

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def own_bank_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: Any) -> Path:
    """Keep the banks of whoever runs the tests out of them."""
    folder = tmp_path_factory.mktemp("banks")
    monkeypatch.setenv("LERF_BANKS", str(folder))
    return folder


@pytest.fixture(autouse=True)
def no_first_run(monkeypatch: Any) -> None:
    """Say the same on a fresh checkout, where no kernel is compiled yet."""
    monkeypatch.setattr(lerf_core, "first_run_message", lambda: None)


@pytest.fixture
def run() -> Run:
    """Run `lerf ARGUMENTS`, and check the exit status."""

    def invoke(*arguments: object, code: int = 0, stdin: bytes | None = None) -> Result:
        result = CliRunner().invoke(main, [str(one) for one in arguments], input=stdin)
        assert result.exit_code == code, (result.output, result.exception)
        assert "Traceback" not in result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return invoke


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def rgb(rng: np.random.Generator) -> np.ndarray:
    """A smooth, non-square, colourful image of 10 rows and 14 columns."""
    rows, cols = np.mgrid[:10, :14]
    planes = [rows * 20 + 30, cols * 15 + 20, (rows + cols) * 9 + 10]
    return (np.stack(planes, axis=2) + rng.integers(0, 9, (10, 14, 3))).astype(np.uint8)


@pytest.fixture(scope="session")
def icc() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture
def exif() -> Image.Exif:
    """EXIF with an orientation, sub-directories and pixel dimensions."""
    block = Image.Exif()
    block[0x010F] = "Maker of cameras"
    block[0x0112] = 6
    directory = block.get_ifd(0x8769)
    directory[0x9003] = "2024:05:06 07:08:09"
    directory[0x829A] = TiffImagePlugin.IFDRational(1, 250)
    directory[0xA002] = 14
    directory[0xA003] = 10
    block.get_ifd(0x8825)[1] = "N"
    return block


def pixels_of(path: Path) -> np.ndarray:
    """Decode by Pillow alone, for formats in which it is no part of what is tested."""
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture
def pixels() -> Callable[[Path], np.ndarray]:
    return pixels_of
