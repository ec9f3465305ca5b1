"""A browser without a window, where the machine has Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# A browser that hangs ends here; what it does takes seconds.
_MOST_SECONDS = 120


def dom_of(page: Path, folder: Path, *, hash_text: str = "", size: str = "1000,800") -> str:
    """Return the document of a page once its scripts have run; skip the test without a browser.

    Parameters
    ----------
    page : Path
    folder : Path
        For what the browser keeps.
    hash_text : str, optional
        What follows # in the address.
    size : str, optional
        Of the window.
    """
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("no Chromium here")
    command = [
        program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-extensions",
        "--no-first-run", f"--user-data-dir={folder / 'browser'}", f"--window-size={size}",
        "--virtual-time-budget=3000", "--dump-dom", f"{page.as_uri()}#{hash_text}",
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_MOST_SECONDS, check=False,
        env=os.environ | {"HOME": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
