"""Compute one corner of an image that no memory would hold.

python examples/lazy_mosaic.py [OUTPUT_FOLDER]
"""

import sys
from pathlib import Path

import dask.array as da
import imageio.v3 as iio
import numpy as np

from lerf_core import chunked, geometry

SIDE = 100_000


def rings(block_info: dict) -> np.ndarray:
    """Return a chunk of concentric rings around the first pixel of the whole image."""
    (top, bottom), (left, right) = block_info[None]["array-location"]
    row, col = np.ogrid[top:bottom, left:right]
    return (127.5 + 127.5 * np.sin(np.hypot(row, col) / 6)).astype(np.uint8)


def main() -> None:
    """Enlarge and turn 10 gigapixels lazily; each chunk asks for its own part of the source."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    folder.mkdir(parents=True, exist_ok=True)
    image = da.map_blocks(rings, chunks=da.core.normalize_chunks(1024, (SIDE, SIDE)), dtype="uint8")
    twice = chunked.rescale(image, 2)
    turned = chunked.warp(twice, geometry.rotation(3, twice.shape))
    print(f"{turned.nbytes / 1e9:.0f} GB in {turned.npartitions} chunks; computing one corner")
    iio.imwrite(folder / "mosaic-corner.png", twice[:400, :600].compute())


if __name__ == "__main__":
    main()
