"""Running the command line: in this process, or as a program of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from click.testing import CliRunner, Result
from PIL import Image

from lerf_cli.main import main


def run_lerf(*arguments: object, code: int = 0, stdin: bytes | None = None) -> Result:
    """Run `lerf ARGUMENTS` in this process, and check the exit status."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)
    assert result.exit_code == code, (result.output, result.exception)
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def lerf_command(*arguments: object) -> list[str]:
    """Return the command line of `lerf ARGUMENTS`, for a process of its own."""
    return [sys.executable, "-m", "lerf_cli", *map(str, arguments)]


def write_photographs(folder: Path, count: int) -> Path:
    """Write photograph-like images of 108x96 pixels, to train on; return their folder."""
    folder.mkdir()
    for number in range(count):
        rng = np.random.default_rng(number)
        coarse = Image.fromarray(rng.integers(0, 256, (16, 18, 3), np.uint8))
        coarse.resize((108, 96), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder
