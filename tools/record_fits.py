"""Record how sharp and libvips fit images to sizes, and count how often lerf does the same.

    npm install sharp                     # in any folder
    pip install 'pyvips[binary]'
    python tools/record_fits.py --node-modules FOLDER/node_modules                # count
    python tools/record_fits.py --node-modules FOLDER/node_modules --write        # and record

A thousand random sizes are fitted by sharp in every way, with and without growing and shrinking,
and by `vips_thumbnail` in the ways that it has; sharp makes the images. A line counts each way.
Further images, which one side keeps from being resized, show which part sharp cuts out and where it
pads. ``--write`` keeps a share of the results in tests/core/sampling/fits.csv, which the tests
compare with; its comment names the versions.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lerf_core import fit
from lerf_core.choices import FITS, GRAVITIES

_RECORD = Path(__file__).parents[1] / "tests/core/sampling/fits.csv"
_COLUMNS = ("rows", "cols", "size_rows", "size_cols", "how", "limit", "gravity",
            "sharp", "libvips")  # fmt: skip
_SIDES = (1, 300)
_LIMITS = ("", "no-enlarge", "no-shrink")

# Reads cases as JSON, one per line; writes a line for each: rows, columns, and the first pixel's
# row and column in the image that was resized, which its values count.
_SHARP = """
const sharp = require('sharp');
const cases = require('fs').readFileSync(0, 'utf8').trim().split('\\n').map(JSON.parse);
(async () => {
  console.log(JSON.stringify(sharp.versions));
  for (const c of cases) {
    const data = Buffer.alloc(c.rows * c.cols * 3, 0);
    if (c.counted) for (let y = 0; y < c.rows; y++) for (let x = 0; x < c.cols; x++) {
      data[3 * (y * c.cols + x)] = y + 1; data[3 * (y * c.cols + x) + 1] = x + 1;
    }
    const options = {
      fit: c.how, width: c.size_cols || null, height: c.size_rows || null,
      withoutEnlargement: c.limit == 'no-enlarge', withoutReduction: c.limit == 'no-shrink',
      position: c.gravity || 'centre', background: '#000',
    };
    const raw = { width: c.cols, height: c.rows, channels: 3 };
    const made = await sharp(data, { raw }).resize(options).raw()
      .toBuffer({ resolveWithObject: true });
    const { width, height } = made.info;
    let place = [];
    if (c.counted) for (let y = 0; y < height && !place.length; y++)
      for (let x = 0; x < width; x++) {
        const at = made.info.channels * (y * width + x);
        if (made.data[at]) { place = [made.data[at] - 1 - y, made.data[at + 1] - 1 - x]; break; }
      }
    console.log(JSON.stringify([height, width, ...place]));
  }
})();
"""


class Case(NamedTuple):
    """An image and what it is fitted to; sides of 0 follow from the aspect ratio."""

    rows: int
    cols: int
    size_rows: int
    size_cols: int
    how: str
    limit: str = ""
    gravity: str = ""

    def fitted(self) -> list[int]:
        """Return rows and columns of lerf's result; where a gravity is named, its corner too."""
        result = fit(
            (self.rows, self.cols), (self.size_rows or None, self.size_cols or None), self.how,
            gravity=self.gravity or "centre",
            enlarge=self.limit != "no-enlarge", shrink=self.limit != "no-shrink",
        )  # fmt: skip
        corner = [result.crop.top, result.crop.left] if self.gravity else []
        return [*result.result_shape, *corner]


def _sizes(count: int, seed: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield rows and columns of images and of sizes: evenly by their logarithm, or small."""
    rng = np.random.default_rng(seed)
    low, high = np.log(_SIDES)
    for number in range(count):
        sides = np.exp(rng.uniform(low, high, 4)).astype(int)
        if number % 4 == 0:  # halves of pixels, which are rounded by the last digits
            sides = rng.integers(1, 25, 4)
        rows, cols, size_rows, size_cols = (int(side) for side in sides)
        yield rows, cols, size_rows, size_cols


def _cases_of(sides: tuple[int, int, int, int], *, is_drawn: bool) -> Iterator[Case]:
    rows, cols, size_rows, size_cols = sides
    longest = 1000
    for limit in _LIMITS:
        for how in FITS:
            yield Case(rows, cols, size_rows, size_cols, how, limit)
        for size in ((size_rows, 0), (0, size_cols)):
            other = max(size[0] * cols / rows, size[1] * rows / cols)
            if is_drawn and other < longest:
                yield Case(rows, cols, *size, "inside", limit)


def _placed_cases(count: int, seed: int) -> Iterator[Case]:
    """Yield cases in which nothing is resized, but for what is cut off or added along one axis."""
    rng = np.random.default_rng(seed)
    gravities = list(GRAVITIES)
    for number in range(count):
        kept, other, new = (int(side) for side in rng.integers(1, 60, 3))
        how = "cover" if new < other else "contain"
        gravity = gravities[number % len(gravities)]
        if rng.random() < 0.5:
            yield Case(kept, other, kept, new, how, "", gravity)
        else:
            yield Case(other, kept, new, kept, how, "", gravity)


def _by_sharp(cases: list[Case], modules: Path) -> tuple[dict[str, str], list[list[int]]]:
    lines = [json.dumps({**case._asdict(), "counted": bool(case.gravity)}) for case in cases]
    result = subprocess.run(
        ["node", "-e", _SHARP],
        input="\n".join(lines), capture_output=True, text=True, check=True,
        env={**os.environ, "NODE_PATH": str(modules.resolve())},
    )  # fmt: skip
    versions, *made = (json.loads(line) for line in result.stdout.splitlines())
    return versions, made


def _by_libvips(case: Case) -> list[int] | None:
    """Return rows and columns of `vips_thumbnail`'s result; None where it has no such way."""
    import pyvips

    if case.gravity or case.how not in {"inside", "cover", "fill"}:
        return None
    directions = {"": "both", "no-enlarge": "down", "no-shrink": "up"}
    options: dict[str, Any] = {"size": directions[case.limit]}
    if case.how == "fill":
        if case.limit:
            return None
        options["size"] = "force"
    if case.how == "cover":
        options["crop"] = "centre"
    image = pyvips.Image.black(case.cols, case.rows)
    unbounded = 10_000_000
    width, height = case.size_cols or unbounded, case.size_rows or unbounded
    made = image.thumbnail_image(width, height=height, **options)
    return [made.height, made.width]


def _words(numbers: list[int] | None) -> str:
    return "" if numbers is None else " ".join(map(str, numbers))


def main() -> int:
    """Compare, tell, and record if asked to; 1 where lerf differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--node-modules", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=23)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    import pyvips

    sizes = list(_sizes(given.count, given.seed))
    groups = [list(_cases_of(sides, is_drawn=True)) for sides in sizes]
    placed = list(_placed_cases(given.count // 5, given.seed))
    cases = [case for group in groups for case in group] + placed
    versions, by_sharp = _by_sharp(cases, given.node_modules)
    by_libvips = [_by_libvips(case) for case in cases]
    counts: Counter[tuple[str, str, str, bool]] = Counter()
    for case, *others in zip(cases, by_sharp, by_libvips, strict=True):
        way = f"{case.how} {'placed' if case.gravity else ''}{case.limit}".strip()
        if 0 in (case.size_rows, case.size_cols):
            way = f"one side {case.limit}".strip()
        for name, result in zip(("sharp", "libvips"), others, strict=True):
            if result is None:
                continue
            own = case.fitted()
            counts[name, way, "", own == result] += 1
            if own != result:
                print(f"{name}: {case}: {result}, lerf {own}")
    names = f"sharp {versions['sharp']}, libvips {pyvips.version(0)}.{pyvips.version(1)}." + str(
        pyvips.version(2)
    )
    for name, way in sorted({key[:2] for key in counts}):
        equal, other = counts[name, way, "", True], counts[name, way, "", False]
        print(f"{name:8} {way:20} {equal} of {equal + other} equal")
    print(names)
    if given.write:
        _write(groups, placed, dict(zip(cases, zip(by_sharp, by_libvips, strict=True),
                                        strict=True)), names, given.seed)  # fmt: skip
    return int(any(not key[3] and count for key, count in counts.items()))


def _write(
    groups: list[list[Case]],
    placed: list[Case],
    results: dict[Case, tuple[list[int], list[int] | None]],
    names: str,
    seed: int,
) -> None:
    """Record one way for each size, in turns, and all that are placed."""
    rng = np.random.default_rng(seed)
    kept = [group[int(rng.integers(len(group)))] for group in groups]
    with _RECORD.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# tools/record_fits.py: {names}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for case in kept + placed:
            sharp, libvips = results[case]
            writer.writerow([*(value or "" for value in case), _words(sharp), _words(libvips)])


if __name__ == "__main__":
    sys.exit(main())
