"""Checksums of what calls and command lines give, to prove a restructuring bit-equal.

    python tools/output_checksums.py record before.json [--only GLOB]
    python tools/output_checksums.py compare before.json after.json

`record` runs every case below with the `lerf_core`, `lerf_cli` and `lerf_plugins` that Python finds
first: PYTHONPATH chooses them. Cases use nothing but public entry points, and inputs that this file
makes. A case that fails is recorded by its error. `compare` lists the cases that are missing, new
or different, and exits with 1 if there are any.

Names are GROUP/CASE; `--only` takes a pattern of them, as 'cli.*' or 'filters.torch/*'.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import re
import sys
import tempfile
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

# The host asks a server for its newest version when it is imported, unless told otherwise.
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import click
import dask.array as da
import numpy as np
import numpy.typing as npt
from PIL import Image

import lerf_core
from lerf_core import chunked, geometry, metrics

Array = npt.NDArray[Any]


class Case(NamedTuple):
    """A name, and a call without arguments."""

    name: str
    run: Callable[[], Any]


# -- images -----------------------------------------------------------------------------

DTYPES = ("bool", "uint8", "uint16", "int16", "int32", "float16", "float32", "float64")
#: Axes before rows and columns, axes after them, and the channel axis.
LAYOUTS: dict[str, tuple[tuple[int, ...], tuple[int, ...], int | None]] = {
    "grey": ((), (), None),
    "LA": ((), (2,), -1),
    "RGB": ((), (3,), -1),
    "RGBA": ((), (4,), -1),
    "five": ((), (5,), -1),
    "RGB first": ((3,), (), 0),
    "RGBA first": ((4,), (), 0),
    "stack": ((2,), (), None),
    "RGB stack": ((2,), (3,), -1),
    "time and channel": ((2, 3), (), 1),
}
BANKS = (None, "analytic", "lerf-g", "lerf-l", "lerf-p")
MODES = ("edge", "constant", "symmetric", "reflect", "wrap")
SCALES: tuple[float | tuple[float, float], ...] = (
    2, 3, 1.5, 4.3, (2, 1), (1.7, 2.6), (2, 0.6), (0.4, 1.3), 0.5, 0.37, (0.25, 0.8), 1,
)  # fmt: skip
SHAPE = (13, 17)
PHOTOS = Path(__file__).resolve().parents[1] / "examples" / "photos"


def seeded(*words: object) -> np.random.Generator:
    """Return a generator that depends on words alone."""
    return np.random.default_rng(zlib.crc32(" ".join(map(str, words)).encode()))


def stored(values: Array, dtype: str) -> Array:
    """Turn values of 0..1 into a dtype's own."""
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return values > 0.5
    if kind.kind == "u":
        return np.rint(values * np.iinfo(kind).max).astype(kind)
    if kind.kind == "i":
        return np.rint((values - 0.4) * 3000).astype(kind)
    return values.astype(kind)


def picture(
    dtype: str = "uint8", layout: str = "RGB", shape: tuple[int, int] = SHAPE, seed: int = 0
) -> Array:
    """Waves, an edge and noise; alpha is clear somewhere and opaque elsewhere."""
    before, after, _ = LAYOUTS[layout]
    rng = seeded(layout, shape, seed)
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    planes = []
    for _ in range(int(np.prod(before + after))):
        a, b, c = rng.uniform(0.1, 0.9, 3)
        waves = np.sin(a * rows + 3 * c) * np.cos(b * cols)
        edge = (rows + c * cols) % 11 > 5
        planes.append(0.45 + 0.25 * waves + 0.2 * edge + rng.uniform(0, 0.1, shape))
    values = np.clip(np.array(planes), 0, 1).reshape(before + after + shape)
    if layout in {"LA", "RGBA", "RGBA first"}:
        values[-1] = np.clip(3 * values[-1] - 1, 0, 1)
    values = np.moveaxis(values, range(len(before), len(before + after)), range(-len(after), 0))
    return stored(np.ascontiguousarray(values), dtype)


def photo(name: str, size: tuple[int, int] = (120, 160)) -> Array:
    """The middle of a photograph of the examples, RGB."""
    with Image.open(PHOTOS / name) as image:
        pixels = np.asarray(image.convert("RGB"))
    top, left = ((one - other) // 2 for one, other in zip(pixels.shape, size, strict=False))
    return np.ascontiguousarray(pixels[top : top + size[0], left : left + size[1]])


def axis_of(layout: str) -> int | None:
    """Return the channel axis of a layout."""
    return LAYOUTS[layout][2]


def text_of(words: Mapping[str, Any]) -> str:
    """Name a case by its arguments."""
    return " ".join(f"{key}={value}" for key, value in words.items()).replace("'", "")


def product(**choices: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Every combination of choices."""
    for values in itertools.product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


def drawn(count: int, seed: str, **choices: Sequence[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """So many combinations of choices, drawn by a seed; each with a number to be named by."""
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        yield f"{number:03}", {key: rng.choice(values) for key, values in choices.items()}


# -- resize and rescale -----------------------------------------------------------------


def sampled(function: Callable[..., Any], words: dict[str, Any], *arguments: Any) -> Any:
    """Call a function of `lerf_core` for the picture of a dtype and a layout."""
    keywords = dict(words)
    layout = keywords.pop("layout", "RGB")
    image = picture(keywords.pop("dtype", "uint8"), layout, keywords.pop("shape", SHAPE))
    arguments = tuple(keywords.pop(name) for name in ("scale", "size") if name in keywords) or (
        arguments
    )
    return function(image, *arguments, channel_axis=axis_of(layout), **keywords)


def rescale_cases() -> Iterator[Case]:
    """Every dtype by layouts by scales; then one group for each option."""
    rescale = partial(sampled, lerf_core.rescale)
    some = {"scale": (2, (1.7, 0.6), 0.5)}
    groups: dict[str, Iterator[dict[str, Any]]] = {
        "rescale": product(dtype=DTYPES, layout=tuple(LAYOUTS), scale=(2, (1.7, 2.6), 0.5, 1)),
        "rescale.scales": product(scale=SCALES, dtype=("uint8", "float32"), layout=("RGB", "grey")),
        "rescale.modes": product(
            mode=MODES, dtype=("uint8", "uint16", "float32"), layout=("grey", "RGBA"), **some
        ),
        "rescale.banks": product(
            bank=BANKS, dtype=("uint8", "uint16", "float64"), layout=("grey", "RGB", "LA"), **some
        ),
        "rescale.anti_aliasing": product(
            anti_aliasing=(True, False, None), bank=(None, "lerf-g", "lerf-l"),
            scale=(0.5, (2, 0.4)), dtype=("uint8", "float32"),
        ),
        "rescale.alpha": product(
            alpha=("auto", "premultiply", "separate"), layout=("LA", "RGBA", "RGB", "RGBA first"),
            dtype=("uint8", "uint16", "float32"), scale=((1.7, 0.6),),
        ),
        "rescale.method": product(
            method=("auto", "lerf", "nearest"), dtype=DTYPES, scale=(1.6, 0.5), layout=("RGB",)
        ),
        "rescale.value_range": product(
            value_range=((0, 1), (0, 1000), (-500, 500.5), (0.2, 0.7)), scale=(2, 0.6),
            dtype=("uint8", "int16", "int32", "float32"), preserve_range=(True, False),
        ),
        "rescale.linear_light": product(
            linear_light=(True,), dtype=("uint8", "uint16", "float16", "float32"),
            layout=("grey", "LA", "RGB", "RGBA"), scale=(2, 0.5),
        ),
        "rescale.preserve_range": product(
            preserve_range=(False,), dtype=DTYPES, layout=("RGB", "LA"), scale=(2, 0.5, 1)
        ),
        "rescale.fast": product(
            fast=(True,), dtype=("uint8", "uint16", "float32"), bank=(None, "lerf-g", "lerf-l"),
            layout=("RGB", "RGB first", "RGBA"), scale=(2, (1.7, 0.6), 0.5),
        ),
        "rescale.fast.modes": product(
            fast=(True,), mode=MODES, dtype=("uint8", "float64"), scale=(2.5, 0.7)
        ),
        "rescale.threads": product(
            threads=(1, 2, None), shape=((90, 110), (3, 400)), dtype=("uint8", "float32"),
            scale=(2, 0.7),
        ),
        "rescale.reference": product(
            engine=("reference",), dtype=("uint8", "uint16", "float32"), bank=BANKS[1:],
            layout=("grey", "RGBA"), scale=(2, (1.7, 0.6)), shape=((7, 9),),
        ),
        "rescale.shapes": product(
            shape=((1, 1), (1, 9), (8, 1), (2, 2), (3, 5)), scale=(2, 0.5, (3, 0.4)), mode=MODES,
        ),
    }  # fmt: skip
    for group, all_of in groups.items():
        for words in all_of:
            yield Case(f"{group}/{text_of(words)}", partial(rescale, words))


def resize_cases() -> Iterator[Case]:
    """Many options at once, drawn; sizes of every kind; borders' values; missing values."""
    choices: dict[str, Sequence[Any]] = {
        "dtype": DTYPES,
        "layout": tuple(LAYOUTS),
        "size": ((26, 34), (20, 17), (13, 40), (9, 30), (7, 8), (30, 11), (13, 17), (1, 1)),
        "mode": MODES,
        "bank": BANKS,
        "anti_aliasing": (None, None, True, False),
        "alpha": ("auto", "auto", "separate", "premultiply"),
        "method": ("auto", "auto", "lerf", "nearest"),
        "linear_light": (False, False, True),
        "preserve_range": (True, True, False),
        "fast": (False, False, True),
        "threads": (1, 2, None),
        "engine": ("numba",),
    }
    for number, words in drawn(220, "resize", **choices):
        name = f"resize.drawn/{number} {text_of(words)}"
        yield Case(name, partial(sampled, lerf_core.resize, words))
    reference = choices | {"engine": ("reference",), "size": ((15, 20), (7, 8), (17, 9))}
    for number, words in drawn(60, "reference", **reference):
        name = f"resize.reference/{number} {text_of(words)}"
        yield Case(name, partial(sampled, lerf_core.resize, words))
    for size in ((26, 34, 3), (26, 34), [20, 20], (26.0, 34), (0, 5), (5,), (-1, 4), "ab"):
        yield Case(f"resize/size={size}", partial(sampled, lerf_core.resize, {"size": size}))
    cvals: dict[str, tuple[Any, ...]] = {
        "uint8": (0, 90, 255, 256, -1, (10, 20, 30), (1, 2), float("nan")),
        "uint16": (0, 40000, (10, 200, 60000)),
        "float32": (0.5, -3.0, float("nan"), float("inf"), (0.1, 0.2, 0.3)),
        "float64": (float("nan"), 7.5),
        "int16": (5, -200),
    }
    for dtype, values in cvals.items():
        for cval, scale in itertools.product(values, (2, 0.6)):
            words = {"dtype": dtype, "mode": "constant", "cval": cval, "scale": scale}
            yield Case(f"rescale.cval/{text_of(words)}", partial(sampled, lerf_core.rescale, words))
    for cval in ((1, 2, 3, 4), (9, 8, 7), 50, (5,)):
        words = {"layout": "RGBA", "mode": "constant", "cval": cval, "scale": 1.5}
        yield Case(f"rescale.cval/{text_of(words)}", partial(sampled, lerf_core.rescale, words))
    yield from missing_cases()
    for name, bank, scale in itertools.product(
        ("coffee.jpg", "chelsea.png"), BANKS, (1.3, 2, 3, 4, 0.45)
    ):
        for dtype in ("uint8", "uint16", "float32"):
            yield Case(
                f"photo/{name} bank={bank} scale={scale} {dtype}",
                partial(enlarged_photo, name, dtype, scale, bank),
            )


def enlarged_photo(name: str, dtype: str, scale: float, bank: str | None) -> Array:
    """A photograph, resized."""
    image = stored(photo(name, (61, 83)) / 255, dtype)
    return np.asarray(lerf_core.rescale(image, scale, bank=bank, channel_axis=-1))


def holed(dtype: str, layout: str, nodata: float) -> Array:
    """A picture with a hole, a line and single pixels of a value."""
    image = picture(dtype, layout)
    image[2:6, 3:8] = nodata
    image[9, :] = nodata
    image[11, ::5] = nodata
    if dtype.startswith("float"):
        image[7, 12] = np.inf
        image[0, 0] = np.nan
        image[12, 16] = -np.inf
    return image


def missing_cases() -> Iterator[Case]:
    """Images that miss values."""

    def run(words: dict[str, Any]) -> Any:
        keywords = dict(words)
        dtype, layout = keywords.pop("dtype"), keywords.pop("layout")
        named = keywords["nodata"]
        hole = named if named is not None else np.nan if dtype.startswith("float") else 7
        image = holed(dtype, layout, hole)
        if keywords.pop("warp", False):
            turn = geometry.rotation(20, SHAPE)
            return lerf_core.warp(image, turn, channel_axis=axis_of(layout), **keywords)
        scale = keywords.pop("scale")
        return lerf_core.rescale(image, scale, channel_axis=axis_of(layout), **keywords)

    for nodata, dtypes in ((None, ("float32", "float64", "float16")), (-3.0, ("float32",)),
                           (0, ("uint8", "uint16")), (7, ("uint8", "int16"))):  # fmt: skip
        for words in product(
            nodata=(nodata,), dtype=dtypes, layout=("grey", "RGB", "RGBA"), scale=(2, 0.5, 1.3),
            bank=(None, "lerf-g"),
        ):  # fmt: skip
            yield Case(f"missing/{text_of(words)}", partial(run, words))
        for words in product(
            nodata=(nodata,), dtype=dtypes, layout=("grey", "RGB", "LA"), warp=(True,),
            mode=("constant", "reflect"),
        ):  # fmt: skip
            yield Case(f"missing/{text_of(words)}", partial(run, words))
    for words in product(
        nodata=(None, 5), dtype=("float32",), layout=("RGB",), scale=(2,), fast=(True,),
        preserve_range=(True, False),
    ):  # fmt: skip
        yield Case(f"missing/{text_of(words)}", partial(run, words))


# -- warps ------------------------------------------------------------------------------

ROWS, COLS = SHAPE
TILT = [[0.9, 0.15, 1.0], [-0.1, 1.1, 0.5], [0.004, -0.006, 1.0]]
#: The horizon lies across the output.
HORIZON = [[1.0, 0.2, -2.0], [0.1, 0.9, 1.0], [0.05, 0.09, -1.0]]


def swirl(points: Array) -> Array:
    """Source points of output points (x, y), around a centre."""
    x, y = points.T - np.array([[8.0], [6.0]])
    angle = 0.05 * np.hypot(x, y)
    turned = np.stack([x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * 0.9], 1)
    return np.asarray(turned + np.array([8.0, 6.0]))


def holed_swirl(points: Array) -> Array:
    """The same, and nowhere for some points."""
    found = swirl(points)
    found[(points[:, 0] // 3) % 4 == 1] = np.nan
    return found


def positions(shape: tuple[int, int] = (15, 19), *, holes: bool = False) -> Array:
    """Absolute (row, col) positions."""
    rng = seeded("positions", shape)
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    found = np.stack([rows * 0.8 + cols * 0.1, cols * 0.9 - rows * 0.2]).astype(np.float64)
    found += rng.normal(0, 0.3, found.shape)
    if holes:
        found[:, 3:5, 2:9] = np.nan
        found[1, 8, 4] = np.inf
        found[0, 0] = -40
    return found


def steps(shape: tuple[int, int] = (15, 19)) -> Array:
    """A displacement field."""
    return np.asarray(seeded("steps", shape).normal(0, 1.5, (2, *shape)))


MAPS: dict[str, Callable[[], Any]] = {
    "identity": lambda: np.eye(3),
    "whole shift": lambda: [[1, 0, 3], [0, 1, -2], [0, 0, 1]],
    "half shift": lambda: [[1, 0, 0.5], [0, 1, -1.5]],
    "turn": lambda: geometry.invert(geometry.rotation(30, SHAPE)),
    "quarter turn": lambda: geometry.rotation(90, SHAPE),
    "mirror": lambda: [[-1, 0, COLS - 1], [0, 1, 0], [0, 0, 1]],
    "slant": lambda: geometry.shear(15, -8, SHAPE),
    "enlarge": lambda: [[0.4, 0, 2], [0, 0.6, 1], [0, 0, 1]],
    "shrink": lambda: [[2.7, 0, -9], [0, 1.9, -5], [0, 0, 1]],
    "shrink far": lambda: [[200, 0, -900], [3, 90, -400], [0, 0, 1]],
    "tilt": lambda: TILT,
    "horizon": lambda: HORIZON,
    "elsewhere": lambda: [[1, 0, 500], [0, 1, 900], [0, 0, 1]],
    "singular": lambda: [[1, 1, 0], [1, 1, 0], [0, 0, 1]],
    "positions": positions,
    "positions float32": lambda: positions().astype(np.float32),
    "positions with holes": lambda: positions(holes=True),
    "displacement": lambda: lerf_core.Displacement(steps()),
    "displacement float32": lambda: lerf_core.Displacement(steps().astype(np.float32)),
    "function": lambda: swirl,
    "function with holes": lambda: holed_swirl,
}


def warped(words: dict[str, Any]) -> Any:
    """Warp the picture of a dtype and a layout by a named map."""
    keywords = dict(words)
    layout = keywords.pop("layout", "RGB")
    image = picture(keywords.pop("dtype", "uint8"), layout, keywords.pop("shape", SHAPE))
    inverse = MAPS[keywords.pop("map")]()
    return lerf_core.warp(image, inverse, channel_axis=axis_of(layout), **keywords)


def warp_cases() -> Iterator[Case]:
    """Maps by dtypes and layouts, then by one option at a time, then drawn."""
    names = tuple(MAPS)
    groups: dict[str, Iterator[dict[str, Any]]] = {
        "warp": product(
            map=names, dtype=("uint8", "uint16", "float32"), layout=("grey", "RGB", "RGBA")
        ),
        "warp.dtypes": product(
            map=("turn", "tilt", "positions"), dtype=DTYPES, layout=tuple(LAYOUTS)
        ),
        "warp.modes": product(
            map=names, mode=MODES, dtype=("uint8", "float32"), bank=("lerf-g",)
        ),
        "warp.banks": product(
            map=("turn", "shrink", "displacement"), bank=BANKS, dtype=("uint8", "float64"),
            layout=("RGB", "LA"),
        ),
        "warp.cval": product(
            map=("turn", "horizon", "positions with holes"),
            cval=(0, 100, (1, 2, 3), float("nan")), dtype=("uint8", "float32"),
        ),
        "warp.output_shape": product(
            map=("turn", "tilt", "function", "positions"),
            output_shape=((5, 40), (30, 30), (1, 1), (0, 4)), dtype=("uint8", "float32"),
        ),
        "warp.anti_aliasing": product(
            map=("shrink", "shrink far", "tilt", "positions"), anti_aliasing=(True, False),
            dtype=("uint8", "float32"),
        ),
        "warp.threads": product(
            map=("turn", "function"), threads=(1, 2), shape=((90, 70),), dtype=("uint8", "float32")
        ),
        "warp.reference": product(
            map=names, engine=("reference",), dtype=("uint8", "float32"), layout=("RGBA",)
        ),
    }  # fmt: skip
    for group, all_of in groups.items():
        for words in all_of:
            yield Case(f"{group}/{text_of(words)}", partial(warped, words))
    choices: dict[str, Sequence[Any]] = {
        "map": names,
        "dtype": DTYPES,
        "layout": tuple(LAYOUTS),
        "mode": MODES,
        "bank": BANKS,
        "anti_aliasing": (None, True, False),
        "alpha": ("auto", "separate", "premultiply"),
        "method": ("auto", "lerf", "nearest"),
        "linear_light": (False, True),
        "preserve_range": (True, False),
        "value_range": (None, None, (0, 1), (-100, 3000)),
        "threads": (1, 2),
    }
    for number, words in drawn(200, "warp", **choices):
        yield Case(f"warp.drawn/{number} {text_of(words)}", partial(warped, words))


# -- lazy images, maps of parameters, banks, geometry, metrics ------------------------------


def lazy(function: Callable[..., Any], words: dict[str, Any], *arguments: Any) -> Any:
    """Compute a call of `lerf_core.chunked`; its chunks count as well."""
    keywords = dict(words)
    layout, chunk = keywords.pop("layout", "RGB"), keywords.pop("pieces", 20)
    image = picture(keywords.pop("dtype", "uint8"), layout, (45, 52))
    held = da.from_array(image, chunks=chunk)
    result = function(held, *arguments, channel_axis=axis_of(layout), **keywords)
    return {"chunks": str(result.chunks), "pixels": result.compute()}


def chunked_cases() -> Iterator[Case]:
    """Lazy resizes and warps."""
    for words in product(dtype=("uint8", "float32"), layout=("grey", "RGB", "RGBA", "RGB stack"),
                         pieces=(20, (-1))):  # fmt: skip
        for scale in (2, 0.6, (1.3, 0.5)):
            name = f"chunked/rescale {scale} {text_of(words)}"
            yield Case(name, partial(lazy, chunked.rescale, words, scale))
    more: tuple[dict[str, Any], ...] = (
        {"mode": "wrap"}, {"mode": "reflect", "chunks": 7}, {"mode": "constant", "cval": 9},
        {"bank": "lerf-l"}, {"bank": "analytic"}, {"fast": True}, {"linear_light": True},
        {"window_limit": 200}, {"chunks": (13, 31)}, {"chunks": "auto"}, {"chunks": -3},
        {"method": "nearest"}, {"nodata": 3}, {"nothing": 1}, {"preserve_range": False},
        {"alpha": "separate", "layout": "RGBA", "dtype": "float32"}, {"threads": 2},
    )  # fmt: skip
    for words in more:
        name = f"chunked/resize {text_of(words)}"
        yield Case(name, partial(lazy, chunked.resize, words, (60, 70)))
    for name, make in MAPS.items():
        for words in ({}, {"mode": "edge", "chunks": 11}, {"dtype": "float32", "layout": "RGBA"}):
            yield Case(
                f"chunked/warp {name} {text_of(words)}",
                lambda make=make, words=words: lazy(chunked.warp, words, make()),
            )
    field = da.from_array(steps((30, 35)), chunks=(2, 10, 12))
    for words in ({}, {"max_displacement": 9}, {"max_displacement": 0.1}):
        given = lerf_core.Displacement(field)
        yield Case(
            f"chunked/warp lazy displacement {text_of(words)}",
            partial(lazy, chunked.warp, words, given),
        )
    lazy_places = da.from_array(positions((30, 35)), chunks=(1, 10, 12))
    yield Case("chunked/warp lazy positions", partial(lazy, chunked.warp, {}, lazy_places))
    for bad in (np.zeros((4, 4)), da.zeros((4, 4), chunks=2, dtype="complex64")):
        yield Case(
            f"chunked/not for {type(bad).__name__} {bad.dtype}",
            partial(chunked.rescale, bad, 2),
        )


def maps_of(words: dict[str, Any]) -> Any:
    """Every array of `parameter_maps`."""
    keywords = dict(words)
    layout = keywords.pop("layout")
    dtype = keywords.pop("dtype")
    image = picture(dtype, layout)
    if keywords.pop("holes", False):
        image = holed(dtype, layout, 7)
    maps = lerf_core.parameter_maps(image, channel_axis=axis_of(layout), **keywords)
    return {
        "kind": maps.kind.name,
        "grey": maps.grey,
        "feature": maps.feature,
        "parameters": maps.parameters,
        "coefficients": {name: maps.coefficient(name) for name in maps.parameters},
        "part": maps[..., 2:5].feature,
    }


def parameter_cases() -> Iterator[Case]:
    """Maps of parameters."""
    for words in product(
        bank=BANKS, dtype=("uint8", "uint16", "float32"), layout=("grey", "RGB", "RGBA", "stack")
    ):
        yield Case(f"parameter_maps/{text_of(words)}", partial(maps_of, words))
    base = {"dtype": "float32", "layout": "RGB", "bank": "lerf-p"}
    for more in (
        {"holes": True}, {"holes": True, "nodata": 7}, {"value_range": (0.2, 0.8)}, {"threads": 2},
        {"dtype": "int16"}, {"dtype": "int16", "value_range": (-1000, 1000)}, {"dtype": "bool"},
        {"engine": "reference"}, {"engine": "none"}, {"alpha": "separate", "layout": "RGBA"},
        {"layout": "time and channel"},
    ):  # fmt: skip
        words = base | more
        yield Case(f"parameter_maps/{text_of(words)}", partial(maps_of, words))


def bank_of(bank: Any) -> Any:
    """What a bank says of itself, and its tables."""
    return {
        "description": json.dumps(bank.describe(), default=str),
        "checksum": bank.checksum,
        "bytes": bank.nbytes,
        "tables": dict(bank.tables),
    }


def bank_cases() -> Iterator[Case]:
    """Banks by name and by rule."""
    for name in BANKS:
        yield Case(f"banks/load {name}", lambda name=name: bank_of(lerf_core.load_bank(name)))
    for name in ("none such", "./lerf-p", "/nowhere/a.safetensors", 7):
        yield Case(f"banks/load {name}", partial(lerf_core.load_bank, name))
    yield Case("banks/available", lambda: sorted(lerf_core.available_banks()))
    yield Case("banks/analytic", lambda: bank_of(lerf_core.analytic_bank()))
    yield Case("banks/default", lambda: lerf_core.DEFAULT_BANK)
    for shape, scale in itertools.product(((10, 10), (7, 13)), SCALES):
        yield Case(
            f"rescaled_shape/{shape} {scale}", partial(lerf_core.rescaled_shape, shape, scale)
        )


def geometry_cases() -> Iterator[Case]:
    """Matrices."""
    for name, make in MAPS.items():
        if isinstance(made := make() if name != "singular" else HORIZON, list | np.ndarray):
            matrix = np.asarray(made, np.float64)
            for function in ("as_homography", "invert", "moves_pixels"):
                call = getattr(geometry, function)
                yield Case(f"geometry/{function} {name}", partial(call, matrix))
            yield Case(f"geometry/fit_output {name}", partial(geometry.fit_output, matrix, SHAPE))
            points = seeded("points").normal(5, 9, (6, 2))
            yield Case(
                f"geometry/transform_points {name}",
                partial(geometry.transform_points, matrix, points),
            )
    for degrees in (0, 17.5, 90, -90, 180, 271, float("nan")):
        yield Case(f"geometry/rotation {degrees}", partial(geometry.rotation, degrees, SHAPE))
    for pair in ((0, 0), (12, 0), (-5, 30), (90, 0)):
        yield Case(f"geometry/shear {pair}", partial(geometry.shear, *pair, SHAPE))
    yield Case("geometry/corners", partial(geometry.corners, SHAPE))
    square = geometry.corners(SHAPE)
    moved = square + seeded("moved").normal(0, 2, (4, 2))
    many = seeded("many").normal(0, 9, (20, 2))
    pairs = {
        "four": (square, moved),
        "twenty": (many, geometry.transform_points(TILT, many) + 0.01),
        "three": (square[:3], moved[:3]),
        "on a line": ([(0, 0), (1, 1), (2, 2), (3, 0)], moved),
        "unequal": (square, many),
        "one point": (np.zeros((4, 2)), moved),
        "words": ("abcd", moved),
    }
    for name, (source, target) in pairs.items():
        yield Case(
            f"geometry/homography_from_points {name}",
            partial(lerf_core.homography_from_points, source, target),
        )


def metric_cases() -> Iterator[Case]:
    """Figures."""
    one, other = picture(shape=(24, 30)), picture(shape=(24, 30), seed=1)
    mask = one[..., 0] > 100
    calls: dict[str, Callable[[], Any]] = {
        "luma": lambda: metrics.luma(one),
        "luma of floats": lambda: metrics.luma(one / 3.7),
        "luma of grey": lambda: metrics.luma(one[..., 0]),
        "psnr": lambda: metrics.psnr(one, other),
        "psnr shaved": lambda: metrics.psnr(one, other, shave=3),
        "psnr shaved away": lambda: metrics.psnr(one, other, shave=30),
        "psnr of equals": lambda: metrics.psnr(one, one),
        "psnr of floats": lambda: metrics.psnr(one / 255, other / 255, data_range=1),
        "psnr of shapes": lambda: metrics.psnr(one, other[1:]),
        "psnr of nothing": lambda: metrics.psnr(one[:0], other[:0]),
        "psnr data_range": lambda: metrics.psnr(one, other, data_range=0),
        "masked_psnr": lambda: metrics.masked_psnr(one, other, mask),
        "masked_psnr colours": lambda: metrics.masked_psnr(one, other, one > 9),
        "masked_psnr of nothing": lambda: metrics.masked_psnr(one, other, mask & False),
        "ssim": lambda: metrics.ssim(one[..., 0], other[..., 1]),
        "ssim of floats": lambda: metrics.ssim(
            one[..., 0] / 255, other[..., 1] / 255, data_range=1
        ),
        "ssim of colours": lambda: metrics.ssim(one, other),
        "ssim of little": lambda: metrics.ssim(one[:9, :9, 0], other[:9, :9, 0]),
    }
    yield from (Case(f"metrics/{name}", call) for name, call in calls.items())


def error_cases() -> Iterator[Case]:
    """Arguments that cannot be used."""
    image = picture()
    bad: tuple[dict[str, Any], ...] = (
        {"mode": "mirror"}, {"mode": 3}, {"bank": "none such"}, {"bank": 3.5}, {"bank": ""},
        {"channel_axis": 5}, {"channel_axis": "last"}, {"channel_axis": None}, {"cval": "black"},
        {"cval": (1, 2)}, {"cval": None}, {"alpha": "maybe"}, {"method": "cubic"},
        {"value_range": (1, 0)}, {"value_range": (0, float("inf"))}, {"value_range": 5},
        {"value_range": (1, 1)}, {"nodata": "none"}, {"threads": 0}, {"threads": -1},
        {"threads": 1.5}, {"engine": "cuda"}, {"anti_aliasing": "yes"}, {"linear_light": 2},
        {"fast": "no"}, {"channel_axis": 0}, {"channel_axis": 1}, {"preserve_range": None},
    )  # fmt: skip
    for words in bad:
        keywords = {"channel_axis": -1} | words
        yield Case(
            f"errors/rescale {text_of(words)}", partial(lerf_core.rescale, image, 2, **keywords)
        )
        keywords.pop("fast", None)
        yield Case(
            f"errors/warp {text_of(words)}", partial(lerf_core.warp, image, TILT, **keywords)
        )
    for scale in (0, -1, float("nan"), float("inf"), (1, 2, 3), "2", None, 1e9, (2, 0), 1e-9):
        yield Case(f"errors/scale {scale}", partial(lerf_core.rescale, image, scale))
    images: dict[str, Any] = {
        "complex": np.zeros((4, 4), complex), "words": np.array([["a"]]), "line": np.zeros(5),
        "empty": np.zeros((0, 5)), "scalar": 3, "none": None, "lists": [[1, 2], [3, 4]],
        "ragged": [[1], [2, 3]], "object": np.array([[None]]), "no channels": np.zeros((4, 4, 0)),
        "int8": picture().astype(np.int8), "uint32": picture().astype(np.uint32),
        "uint64": picture().astype(np.uint64), "int64": picture().astype(np.int64),
        "big endian": picture("uint16").astype(">u2"), "strided": picture(shape=(26, 34))[::2, ::2],
        "backwards": picture("float32")[::-1, ::-1], "read only": frozen(picture()),
        "fortran": np.asfortranarray(picture()), "longdouble": picture().astype(np.longdouble),
        "masked": np.ma.masked_less(picture(), 90), "narrow": picture(shape=(30, 3))[..., 0],
    }  # fmt: skip
    for name, one in images.items():
        axis = -1 if getattr(one, "ndim", 0) == 3 else None
        call = partial(lerf_core.rescale, one, 1.5, channel_axis=axis)
        yield Case(f"images/rescale {name}", call)
        yield Case(f"images/warp {name}", partial(lerf_core.warp, one, TILT, channel_axis=axis))
    maps: dict[str, Any] = {
        "shape": np.zeros((4, 4)), "words": "identity", "none": None, "field": np.zeros((3, 5, 5)),
        "nan matrix": np.full((3, 3), np.nan), "complex": np.eye(3) * 1j,
        "displacement": lerf_core.Displacement(np.zeros((5, 5))), "empty": np.zeros((2, 0, 5)),
        "function of a shape": lambda points: points[:3], "function of words": lambda _: "abc",
        "far": np.full((2, 3, 3), 1e300),
    }  # fmt: skip
    for name, one in maps.items():
        yield Case(f"errors/map {name}", partial(lerf_core.warp, image, one, channel_axis=-1))


def frozen(array: Array) -> Array:
    """An array that cannot be written to."""
    array.flags.writeable = False
    return array


# @FILTERS@

# @CLI@
# -- recording --------------------------------------------------------------------------


def digest(data: bytes) -> str:
    """Return the checksum of bytes."""
    return hashlib.sha256(data).hexdigest()


def record_of(value: Any) -> Any:
    """Return what of a value goes into the record, as JSON data."""
    if isinstance(value, np.ndarray):
        plain = np.ascontiguousarray(value)
        return {
            "sha256": digest(plain.tobytes()), "dtype": str(value.dtype), "shape": list(value.shape)
        }  # fmt: skip
    if isinstance(value, Image.Image):
        pixels = record_of(np.asarray(value))
        palette = digest(bytes(value.getpalette() or ()))
        return pixels | {"mode": value.mode, "palette": palette, "info": repr(value.info)}
    if isinstance(value, Mapping):
        return {str(key): record_of(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [record_of(one) for one in value]
    if isinstance(value, bytes):
        return {"sha256": digest(value), "bytes": len(value)}
    if value is None or isinstance(value, str | bool | int):
        return value
    return plain_text(repr(value))


def plain_text(text: str) -> str:
    """Return a message without what differs between machines, folders and runs."""
    for place, word in PLACES.items():
        text = text.replace(place, word)
    return re.sub(r" at 0x[0-9a-f]+", " at 0x...", text)


#: Folders, and what stands for them in the record; filled when they are known.
PLACES: dict[str, str] = {}


def outcome(case: Case) -> Any:
    """Run a case; return its record."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result: Any = {"result": record_of(case.run())}
        except Exception as error:  # noqa: BLE001 - errors are compared, whichever they are
            result = {"error": plain_text(f"{type(error).__name__}: {error}")}
    # Those of the libraries beneath come at a first import, or when a module is compiled.
    words = sorted({
        plain_text(f"{one.category.__name__}: {one.message}")
        for one in caught
        if not issubclass(one.category, DeprecationWarning | PendingDeprecationWarning
                          | ImportWarning | ResourceWarning | FutureWarning)
    })  # fmt: skip
    return result | ({"warnings": words} if words else {})


def all_cases() -> Iterator[Case]:
    """Every case, group by group."""
    for group in (
        rescale_cases, resize_cases, warp_cases, chunked_cases, parameter_cases, bank_cases,
        geometry_cases, metric_cases, error_cases,
    ):  # fmt: skip
        yield from group()


@click.group()
def main() -> None:
    """Record checksums of outputs, and compare two records."""


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--only", default="*", metavar="GLOB", help="Cases to run.")
def record(file: Path, only: str) -> None:
    """Run the cases, and write what they give into FILE."""
    start = time.perf_counter()
    home = Path(lerf_core.__file__).parents[1]
    click.echo(f"lerf of {home}", err=True)
    found: dict[str, Any] = {}
    spent: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="lerf-checksums-") as name:
        folder = Path(name).resolve()
        PLACES.update({
            str(folder): "<tmp>", str(bank_folder()): "<banks>", str(home): "<lerf>",
            str(PHOTOS.parents[1]): "<lerf>", sys.prefix: "<python>",
        })  # fmt: skip
        for case in all_cases():
            if case.name in found:
                raise click.ClickException(f"two cases are called {case.name!r}")
            if fnmatchcase(case.name, only):
                before = time.perf_counter()
                found[case.name] = outcome(case)
                spent[case.name.split("/")[0]] += time.perf_counter() - before
    file.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    for group, number in Counter(name.split("/")[0] for name in found).items():
        errors = sum("error" in one for name, one in found.items() if name.split("/")[0] == group)
        click.echo(f"{number:6} {group} ({errors} errors, {spent[group]:.1f} s)")
    click.echo(f"{len(found):6} cases in {time.perf_counter() - start:.0f} s -> {file}")


def bank_folder() -> Path:
    """Return where the shipped banks lie."""
    return next(iter(lerf_core.available_banks().values())).parent


@main.command()
@click.argument("before", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("after", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def compare(before: Path, after: Path) -> None:
    """List what differs between two records; exit with 1 if anything does."""
    one, other = (json.loads(path.read_text(encoding="utf-8")) for path in (before, after))
    missing = sorted(one.keys() - other.keys())
    new = sorted(other.keys() - one.keys())
    different = [name for name in sorted(one.keys() & other.keys()) if one[name] != other[name]]
    for word, names in (("missing", missing), ("new", new)):
        for name in names:
            click.echo(f"{word}: {name}")
    for name in different:
        click.echo(f"different: {name}")
        for place, first, second in differences(one[name], other[name]):
            click.echo(f"    {place}:\n      - {first}\n      + {second}")
    same = len(one.keys() & other.keys()) - len(different)
    click.echo(f"{same} equal, {len(different)} different, {len(missing)} missing, {len(new)} new")
    sys.exit(1 if different or missing or new else 0)


def differences(one: Any, other: Any, place: str = "") -> Iterator[tuple[str, str, str]]:
    """Where two records differ, and what is there."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            nothing = "(nothing)"
            yield from differences(one.get(key, nothing), other.get(key, nothing), f"{place}/{key}")
    elif one != other:
        yield place, json.dumps(one)[:1000], json.dumps(other)[:1000]


if __name__ == "__main__":
    main()
