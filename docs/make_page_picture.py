"""Make the picture of a page of `lerf compare`, docs/images/compare.webp, with Chromium.

    python docs/make_page_picture.py [--browser chromium]

A photograph is shrunk to a quarter and enlarged again; the page is opened at a detail.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).resolve().parent
PHOTO = DOCS.parent / "examples" / "photos" / "coffee.jpg"
TARGET = DOCS / "images" / "compare.webp"
#: Columns and rows of the window.
SIZE = (1000, 860)
#: The last kernel beside the last bank, at a detail.
VIEW = "left=4&right=2&split=0.42&zoom=2&x=300&y=185"


def make_page(folder: Path) -> Path:
    """Write a page with the original, nearest neighbour, Lanczos and two banks."""
    photo = Image.open(PHOTO).convert("RGB")
    original, small = folder / "original.png", folder / PHOTO.with_suffix(".png").name
    photo.save(original)
    photo.resize((photo.width // 4, photo.height // 4), Image.Resampling.BICUBIC).save(small)
    page = folder / "page.html"
    words = ["--scale", "4", "--reference", original, "--bank", "lerf-p", "--bank", "lerf-net",
             "--kernel", "lanczos3", "--kernel", "nearest"]  # fmt: skip
    command = [sys.executable, "-m", "lerf_cli", "compare", small, "-o", page, *words]
    subprocess.run(command, check=True)
    return page


def main() -> None:
    """Make the page, open it, and keep a picture of the window."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--browser", default="chromium", help="the program of Chromium")
    browser = parser.parse_args().browser
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        page, shot = make_page(folder), folder / "shot.png"
        command = [
            browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--user-data-dir={folder / 'browser'}", "--window-size={},{}".format(*SIZE),
            f"--screenshot={shot}", f"{page.as_uri()}#{VIEW}",
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
        with Image.open(shot) as picture:
            picture.convert("RGB").save(TARGET, quality=84, method=6)


if __name__ == "__main__":
    main()
