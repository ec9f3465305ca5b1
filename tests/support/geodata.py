"""Small GeoTIFF files, and where the pixels of a result lie, read from raw tags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile

SHORT, ASCII, DOUBLE = 3, 2, 12
# Two-dimensional geographic coordinates, WGS 84, with a text and a number behind the directory.
KEYS = (1, 1, 0, 4, 1024, 0, 1, 2, 2048, 0, 1, 4326, 2049, 34737, 7, 0, 2059, 34736, 1, 0)
FLATTENING = 298.257223563
DEGREE_QUARTERS = (0.25, 0.0, 6.0, 0.0, -0.25, 47.0)
BANDS = """<GDALMetadata>
  <Item name="DESCRIPTION" sample="0" role="description">Höhe</Item>
  <Item name="SCALE" sample="0" role="scale">0.1</Item>
  <Item name="STATISTICS_MAXIMUM" sample="0">812</Item>
  <Item name="OVR_RESAMPLING_ALG">AVERAGE</Item>
</GDALMetadata>
"""


def keys(*, is_point: bool = False) -> list[tuple[Any, ...]]:
    """Return the tags that name a system of coordinates."""
    directory = (*KEYS[:3], 5, *KEYS[4:8], 1025, 0, 1, 2 if is_point else 1, *KEYS[8:])
    return [
        (34735, SHORT, len(directory), directory, True),
        (34736, DOUBLE, 1, FLATTENING, True),
        (34737, ASCII, 0, b"WGS 84|\0", True),
    ]


def placed_by_scale(transform: tuple[float, ...], shift: float = 0.0) -> list[tuple[Any, ...]]:
    """Return the tags that place a north-up image; with a shift, by pixels' centres."""
    a, _, c, _, e, f = transform
    ties = (0.0, 0.0, 0.0, c + shift * a, f + shift * e, 0.0)
    return [(33550, DOUBLE, 3, (a, -e, 0.0), True), (33922, DOUBLE, 6, ties, True)]


def placed_by_matrix(transform: tuple[float, ...]) -> list[tuple[Any, ...]]:
    """Return the tag that places an image of any direction."""
    a, b, c, d, e, f = transform
    rows = (a, b, 0, c, d, e, 0, f, 0, 0, 0, 0, 0, 0, 0, 1)
    return [(34264, DOUBLE, 16, tuple(map(float, rows)), True)]


def text_tag(code: int, text: str) -> tuple[Any, ...]:
    """Return a tag with a text."""
    return (code, ASCII, 0, text.encode() + b"\0", True)


def write_geotiff(
    path: Path, pixels: np.ndarray, *tags: tuple[Any, ...], nodata: str | None = None,
    transform: tuple[float, ...] = DEGREE_QUARTERS, **words: Any,
) -> Path:  # fmt: skip
    """Write a GeoTIFF; placed by a transform unless tags do that."""
    extra = list(tags)
    codes = {tag[0] for tag in extra}
    if 34735 not in codes:
        extra += keys()
    if not codes & {33550, 33922, 34264}:
        extra += placed_by_scale(transform)
    if nodata is not None:
        extra.append(text_tag(42113, nodata))
    options = {"photometric": "minisblack"} | words
    tifffile.imwrite(path, pixels, metadata=None, extratags=extra, **options)
    return path


def tags_of(path: Path) -> dict[int, Any]:
    """Return the values of the first page's tags."""
    with tifffile.TiffFile(path) as handle:
        return {tag.code: tag.value for tag in handle.pages[0].tags.values()}


def transform_of(path: Path) -> tuple[float, ...] | None:
    """Return a, b, c, d, e, f of a TIFF, from corners of pixels; None where it says nothing."""
    tags = tags_of(path)
    directory = tags.get(34735, ())
    shift = 0.5 if (1025, 0, 1, 2) in list(zip(*[iter(directory)] * 4, strict=True)) else 0.0
    if 34264 in tags:
        a, b, _, c, d, e, _, f = tags[34264][:8]
    elif 33550 in tags:
        (a, minus_e, _), (col, row, _, x, y, _) = tags[33550], tags[33922]
        b, d, e = 0.0, 0.0, -minus_e
        c, f = x - a * col, y - e * row
    else:
        return None
    return a, b, c - shift * (a + b), d, e, f - shift * (d + e)


def centre_of_brightness(pixels: np.ndarray, transform: tuple[float, ...]) -> tuple[float, float]:
    """Return the coordinates of an image's centre of gravity above its median."""
    weight = pixels.astype(float) - np.median(pixels)
    weight[weight < weight.max() / 4] = 0
    rows, cols = np.indices(pixels.shape) + 0.5
    row, col = ((weight * at).sum() / weight.sum() for at in (rows, cols))
    a, b, c, d, e, f = transform
    return a * col + b * row + c, d * col + e * row + f
