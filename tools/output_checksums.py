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
import importlib
import importlib.util
import itertools
import json
import os
import random
import re
import shlex
import shutil
import subprocess
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
from click.testing import CliRunner
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
KERNELS = (
    "nearest", "box", "linear", "hermite", "cubic", "cubic:b=0.2,c=0.4", "mitchell", "lanczos2",
    "lanczos3", "lanczos4", "magic-kernel-sharp-2013", "magic-kernel-sharp-2021", "area",
)  # fmt: skip
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
            method=("auto", "lerf", "nearest", "majority"), dtype=DTYPES, scale=(1.6, 0.5),
            layout=("RGB",),
        ),
        "rescale.kernel": product(
            kernel=KERNELS, dtype=("uint8", "uint16", "float32"), layout=("RGB", "RGBA"),
            scale=(2, (1.7, 0.6), 0.5),
        ),
        "rescale.kernel.modes": product(
            kernel=("lanczos3", "area"), mode=MODES, dtype=("int16", "float64"),
            linear_light=(True, False), scale=(2.5, 0.7),
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
        "warp.kernel": product(
            map=("turn", "shrink", "tilt", "positions"), kernel=KERNELS, mode=("constant", "wrap"),
            dtype=("uint8", "float32"), layout=("RGB", "RGBA"),
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
    # One step beyond the bound: which chunk comes first does not matter then.
    long = da.from_array(np.pad([[[4.5]], [[0.0]]], ((0, 0), (9, 20), (8, 26))), chunks=(2, 10, 12))
    for words, steps_of in (
        ({}, field), ({"max_displacement": 9}, field), ({"max_displacement": 0.1}, long)
    ):  # fmt: skip
        given = lerf_core.Displacement(steps_of)
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
            for function in ("as_homography", "invert"):
                call = getattr(geometry, function)
                yield Case(f"geometry/{function} {name}", partial(call, matrix))
            yield Case(
                f"geometry/moves_pixels {name}", partial(geometry.moves_pixels, matrix, SHAPE)
            )
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


# -- filters for other libraries ----------------------------------------------------------


def host(name: str) -> Any:
    """Return a module of filters; where its host is missing, that is recorded."""
    return importlib.import_module(f"lerf_plugins.filters.{name}")


def library(name: str) -> Any:
    """Return a module of another package."""
    return importlib.import_module(name)


def skimage_cases() -> Iterator[Case]:
    """`lerf_plugins.filters.skimage`."""

    def call(function: str, words: dict[str, Any]) -> Any:
        keywords = dict(words)
        layout = keywords.pop("layout", "RGB")
        image = picture(keywords.pop("dtype", "uint8"), layout)
        if "map" in keywords:
            keywords["inverse_map"] = MAPS[keywords.pop("map")]()
        if function == "rescale":
            keywords.setdefault("channel_axis", axis_of(layout))
        return getattr(host("skimage"), function)(image, **keywords)

    def transformed(name: str) -> Any:
        transform = library("skimage.transform")
        makers: dict[str, Callable[[], Any]] = {
            "AffineTransform": lambda: transform.AffineTransform(rotation=0.3, translation=(2, 1)),
            "ProjectiveTransform": lambda: transform.ProjectiveTransform(np.array(TILT)),
            "inverse": lambda: transform.ProjectiveTransform(np.array(TILT)).inverse,
            "SimilarityTransform": lambda: transform.SimilarityTransform(scale=1.3),
        }
        return host("skimage").warp(picture(), makers[name]())

    groups: dict[str, Iterator[dict[str, Any]]] = {
        "resize": itertools.chain(
            product(
                output_shape=((26, 34), (7, 8), (20, 10)), dtype=DTYPES, layout=("grey", "RGB"),
                preserve_range=(False, True),
            ),
            product(output_shape=((26, 34),), mode=MODES, dtype=("uint8", "float32"), cval=(0, 3)),
            product(
                output_shape=((26, 34), (6, 9)), order=(0, 1, 3, 6), dtype=("uint8", "float64"),
                anti_aliasing=(None, True, False),
            ),
            product(output_shape=((6, 9),), anti_aliasing_sigma=(1, (0.5, 2)), dtype=DTYPES),
            product(output_shape=((6, 9, 3), (6, 9, 4), (6,), (26.4, 34)), layout=("RGB", "grey")),
            product(output_shape=((26, 34),), clip=(False,), dtype=("int16", "float32"),
                    bank=BANKS),
        ),
        "rescale": product(
            scale=(2, 0.5, (1.3, 0.7)), dtype=("uint8", "int16", "float32"),
            layout=("grey", "RGB", "RGB first"), anti_aliasing=(None, False),
        ),
        "warp": itertools.chain(
            product(map=tuple(MAPS), dtype=("uint8", "float64"), mode=("constant", "reflect")),
            product(
                map=("turn", "positions"), order=(0, None, 3), clip=(True, False), cval=(0, 2.5),
                preserve_range=(True, False), output_shape=(None, (15, 19)),
            ),
        ),
    }  # fmt: skip
    for function, all_of in groups.items():
        for words in all_of:
            yield Case(
                f"filters.skimage/{function} {text_of(words)}", partial(call, function, words)
            )
    for name in ("AffineTransform", "ProjectiveTransform", "inverse", "SimilarityTransform"):
        yield Case(f"filters.skimage/warp {name}", partial(transformed, name))


PIL_MODES = (
    "1", "L", "P", "LA", "PA", "RGB", "RGBA", "RGBX", "La", "RGBa", "CMYK", "YCbCr", "LAB", "HSV",
    "I;16", "I", "F",
)  # fmt: skip


def pillow_image(mode: str) -> Image.Image:
    """A picture of one of Pillow's modes."""
    if mode == "I;16":
        return Image.fromarray(picture("uint16", "grey"))
    if mode in {"I", "F"}:
        return Image.fromarray(picture("int32" if mode == "I" else "float32", "grey"))
    if mode == "LA":
        return Image.fromarray(picture(layout="LA"), "LA")
    if mode in {"La", "RGBa", "RGBA"}:
        whole = Image.fromarray(picture(layout="RGBA"))
        return (
            whole if mode == "RGBA" else whole.convert("LA" if mode == "La" else mode).convert(mode)
        )
    colour = Image.fromarray(picture())
    if mode == "LAB":
        return Image.merge("LAB", colour.split())
    if mode == "PA":
        return colour.convert("P").convert("PA")
    made = colour.convert(mode)
    made.info["dpi"] = (300, 150)
    return made


def pillow_cases() -> Iterator[Case]:
    """`lerf_plugins.filters.pillow`."""
    transform = Image.Transform
    quad = (1, 1, 0, 12, 16, 13, 15, 2)
    data: dict[str, tuple[Any, Any]] = {
        "AFFINE": (transform.AFFINE, (0.9, 0.2, 1, -0.1, 1.1, 0.5)),
        "AFFINE whole": (transform.AFFINE, (1, 0, 3, 0, 1, -2)),
        "PERSPECTIVE": (transform.PERSPECTIVE, (0.9, 0.15, 1, -0.1, 1.1, 0.5, 0.004, -0.006)),
        "EXTENT": (transform.EXTENT, (2.5, 1, 12, 9.25)),
        "QUAD": (transform.QUAD, quad),
        "MESH": (transform.MESH, [((0, 0, 10, 8), quad), ((10, 8, 20, 15), quad)]),
        "nothing": (transform.AFFINE, None),
        "too few": (transform.AFFINE, (1, 2)),
        "no method": (77, (1, 2)),
    }

    def call(function: str, mode: str, *arguments: Any, **keywords: Any) -> Any:
        return getattr(host("pillow"), function)(pillow_image(mode), *arguments, **keywords)

    for mode in PIL_MODES:
        for words in product(size=((34, 26), (8, 7), (17, 13), (30, 6))):
            yield Case(
                f"filters.pillow/resize {mode} {text_of(words)}",
                partial(call, "resize", mode, **words),
            )
        for name, (method, values) in list(data.items())[:6]:
            for fill in (None, 1):
                yield Case(
                    f"filters.pillow/transform {mode} {name} fillcolor={fill}",
                    partial(
                        call, "transform", mode, (20, 15), method, values, Image.Resampling.BICUBIC,
                        fillcolor=fill,
                    ),
                )  # fmt: skip
    for name, (method, values) in data.items():
        for words in product(bank=(None, "lerf-g"), anti_aliasing=(None, False),
                             linear_light=(False, True)):  # fmt: skip
            yield Case(
                f"filters.pillow/transform {name} {text_of(words)}",
                partial(call, "transform", "RGBA", (20, 15), method, values, None, **words),
            )
    keywords: tuple[dict[str, Any], ...] = (
        {"resample": 0}, {"resample": 3}, {"resample": 99}, {"box": (1.5, 2, 11, 12.25)},
        {"box": (3, 2, 13, 12)}, {"box": (0, 0, 40, 40)}, {"box": (5, 5, 2, 9)}, {"fast": True},
        {"linear_light": True}, {"anti_aliasing": False}, {"bank": "lerf-l"},
        {"bank": "none such"}, {"reducing_gap": 0.5}, {"reducing_gap": 2.0},
    )  # fmt: skip
    for mode, words, size in itertools.product(
        ("RGB", "RGBA", "F", "HSV"), keywords, ((34, 26), (10, 10))
    ):
        yield Case(
            f"filters.pillow/resize {mode} {size} {text_of(words)}",
            partial(call, "resize", mode, size, **words),
        )
    for size in ((0, 4), (3,), (4.5, 3), "ab", (-1, 2)):
        yield Case(f"filters.pillow/resize size {size}", partial(call, "resize", "L", size))
    for mode, size in itertools.product(("RGB", "LA", "P"), ((50, 20), (20, 50), (5, 5))):
        yield Case(f"filters.pillow/contain {mode} {size}", partial(call, "contain", mode, size))
        for words in ({}, {"bleed": 0.1}, {"centering": (0.0, 1.0)}, {"fast": True}):
            yield Case(
                f"filters.pillow/fit {mode} {size} {text_of(words)}",
                partial(call, "fit", mode, size, **words),
            )


def opencv_cases() -> Iterator[Case]:
    """`lerf_plugins.filters.opencv`."""
    forward = np.array(TILT)
    x, y = positions()[1], positions()[0]
    maps: dict[str, tuple[Any, Any]] = {
        "two": (x.astype(np.float32), y.astype(np.float32)),
        "one": (np.stack([x, y], -1), None),
        "fixed": (
            np.floor(np.stack([x, y], -1)).astype(np.int16),
            seeded("fractions").integers(0, 1024, x.shape).astype(np.uint16),
        ),
        "unequal": (x, y[1:]),
    }

    def call(function: str, words: dict[str, Any], *arguments: Any) -> Any:
        keywords = dict(words)
        image = picture(keywords.pop("dtype", "uint8"), keywords.pop("layout", "RGB"))
        return getattr(host("opencv"), function)(image, *arguments, **keywords)

    layouts = ("grey", "RGB", "RGBA", "five")
    for words in itertools.chain(
        product(dsize=((34, 26), (8, 7), (30, 6)), dtype=DTYPES, layout=layouts),
        product(dsize=((34, 26), (6, 5)), interpolation=(0, 1, 2, 3, 4, 5, 6, 7), dtype=("uint8",)),
        product(dsize=(None,), fx=(0, 1.5), fy=(0.5, 2.2), dtype=("uint8", "float32")),
        product(dsize=((34, 26),), bank=BANKS, dtype=("uint8", "float64")),
        product(dsize=((8, 7),), anti_aliasing=(True, False), fast=(True, False)),
        product(dsize=((34, 26),), value_range=((0, 500), (-3, 3)), dtype=("int16", "float32")),
        product(dsize=((0, 5), (3,), "ab", (2.5, 3))),
    ):
        yield Case(f"filters.opencv/resize {text_of(words)}", partial(call, "resize", words))
    for function, matrix in (("warp_affine", forward[:2]), ("warp_perspective", forward)):
        for words in itertools.chain(
            product(dtype=("uint8", "uint16", "int16", "float32", "float64"), layout=layouts),
            product(borderMode=(0, 1, 2, 3, 4, 5, 16, 9), flags=(0, 1, 17), dtype=("uint8",)),
            product(borderValue=(0, 200, (1, 2, 3), (9, 8, 7, 6)), layout=layouts),
            product(bank=BANKS, dtype=("uint8", "float32")),
            product(anti_aliasing=(True, False), flags=(1, 33)),
        ):
            yield Case(
                f"filters.opencv/{function} {text_of(words)}",
                partial(call, function, words, matrix, (20, 15)),
            )
    for name, (map1, map2) in maps.items():
        for words in itertools.chain(
            product(dtype=("uint8", "float32"), layout=("grey", "RGBA"), interpolation=(0, 1, 33)),
            product(borderMode=(0, 1, 2, 3, 4, 5), interpolation=(2,)),
        ):
            yield Case(
                f"filters.opencv/remap {name} {text_of(words)}",
                partial(call, "remap", words, map1, map2),
            )


def dask_cases() -> Iterator[Case]:
    """`lerf_plugins.filters.dask`."""

    def blocks(words: dict[str, Any]) -> Any:
        keywords = dict(words)
        layout = keywords.pop("layout")
        image = picture(keywords.pop("dtype"), layout, (45, 52))
        held = da.from_array(image, chunks=keywords.pop("pieces", 25))
        scale = keywords.pop("scale")
        result = host("dask").rescale_blocks(held, scale, channel_axis=axis_of(layout), **keywords)
        return {"chunks": str(result.chunks), "pixels": result.compute()}

    for words in itertools.chain(
        product(scale=(2, 3), dtype=("uint8", "float32"), layout=("grey", "RGB", "RGBA")),
        product(scale=(2,), dtype=("uint8",), layout=("RGB",), mode=MODES),
        product(scale=(2,), dtype=("uint8",), layout=("RGB",), bank=BANKS, pieces=(9, 45)),
        product(scale=(1, 1.5, 0), dtype=("uint8",), layout=("RGB",)),
    ):
        yield Case(f"filters.dask/rescale_blocks {text_of(words)}", partial(blocks, words))
    for words in product(scale=(1, 2, 5), dtype=("uint8", "uint16", "float32"),
                         channels=(None, 3, 4), bank=(None, "lerf-l")):  # fmt: skip
        yield Case(
            f"filters.dask/depth {text_of(words)}", lambda words=words: host("dask").depth(**words)
        )


def xarray_record(value: Any) -> Any:
    """What a DataArray or a Dataset holds."""
    if hasattr(value, "data_vars"):
        parts = {str(name): xarray_record(one) for name, one in value.data_vars.items()}
        return {"variables": parts, "attributes": repr(value.attrs)}
    coordinates = {str(name): np.asarray(one.values) for name, one in value.coords.items()}
    return {
        "values": np.asarray(value.values), "dims": list(map(str, value.dims)),
        "coordinates": coordinates, "attributes": repr(value.attrs), "name": str(value.name),
    }  # fmt: skip


def xarray_image(dtype: str, kind: str) -> Any:
    """Return a DataArray or a Dataset of a kind."""
    xr = library("xarray")
    values = picture(dtype, "RGB", (20, 24))
    places = {"y": 100.0 - 2 * np.arange(20), "x": 5 + 0.5 * np.arange(24)}
    attributes: dict[str, Any] = {"units": "K"}
    if kind == "missing":
        values = values.copy()
        values[3:6, 2:9] = 7
        attributes |= {"_FillValue": 7}
    if kind == "geo":
        attributes |= {"transform": (0.5, 0.0, 5.0, 0.0, -2.0, 100.0), "res": (0.5, 2.0)}
    colours = xr.DataArray(values, places, ("y", "x", "band"), name="t", attrs=attributes)
    if kind == "grey":
        return colours.isel(band=0)
    if kind == "turned":
        return colours.transpose("x", "band", "y")
    if kind == "lazy":
        return colours.chunk({"y": 9, "x": 11})
    if kind == "dataset":
        return xr.Dataset({"a": colours, "b": colours.isel(band=1), "c": ("y", places["y"]),
                           "d": 5})  # fmt: skip
    return colours


def xarray_cases() -> Iterator[Case]:
    """`lerf_plugins.filters.xarray`."""

    def call(function: str, dtype: str, kind: str, *arguments: Any, **keywords: Any) -> Any:
        return xarray_record(
            getattr(host("xarray"), function)(xarray_image(dtype, kind), *arguments, **keywords)
        )

    kinds = ("colours", "grey", "missing", "geo", "turned", "lazy", "dataset")
    sizes = ({"y": 33, "x": 50}, (10, 12), {"x": 30}, {"z": 4})
    for kind, dtype in itertools.product(kinds, ("uint8", "float64", "int16")):
        for size in sizes:
            yield Case(
                f"filters.xarray/resize {kind} {dtype} {size}",
                partial(call, "resize", dtype, kind, size),
            )
        for scale in (1.7, (2, 0.5), {"y": 2}):
            yield Case(
                f"filters.xarray/rescale {kind} {dtype} {scale}",
                partial(call, "rescale", dtype, kind, scale),
            )
        for name in ("half shift", "tilt", "positions", "displacement", "function"):
            yield Case(
                f"filters.xarray/warp {kind} {dtype} {name}",
                lambda kind=kind, dtype=dtype, name=name: call("warp", dtype, kind, MAPS[name]()),
            )
    more: tuple[dict[str, Any], ...] = (
        {"channel_dim": "band"}, {"dims": ("x", "y")}, {"dims": ("y", "band")}, {"nodata": 7},
        {"value_range": "auto"}, {"value_range": (0, 100)}, {"bank": "lerf-l"}, {"mode": "wrap"},
        {"channel_dim": "none"}, {"fast": True, "channel_dim": "band"}, {"nothing": 1},
    )  # fmt: skip
    for words, dtype in itertools.product(more, ("uint8", "float32")):
        yield Case(
            f"filters.xarray/rescale {dtype} {text_of(words)}",
            partial(call, "rescale", dtype, "colours", 1.5, **words),
        )
    for words in ({"coords": {"x": np.arange(9.0)}}, {"cval": 0.5}, {"mode": "edge"}):
        yield Case(
            f"filters.xarray/warp {text_of(words)}",
            partial(call, "warp", "float32", "colours", TILT, {"x": 9}, **words),
        )


def tensor(dtype: str, *, grows: bool = False) -> Any:
    """Return two images of three channels."""
    torch = library("torch")
    values = picture("uint8" if dtype == "uint8" else "float32", "time and channel")
    made = torch.from_numpy(values).to(getattr(torch, dtype))
    return made.requires_grad_() if grows else made


def numbers(value: Any) -> Array:
    """Return a tensor as an array; bfloat16 as float32."""
    torch = library("torch")
    plain = value.detach()
    return np.asarray((plain.float() if plain.dtype == torch.bfloat16 else plain).numpy())


def grid(name: str) -> Any:
    """Return a grid of positions for two images."""
    torch = library("torch")
    thetas = {
        "turn": [[0.8, -0.6, 0.1], [0.6, 0.8, 0]],
        "shrink": [[2.5, 0, 0], [0, 1.7, 0.2]],
        "enlarge": [[0.4, 0.1, 0], [0, 0.5, 0]],
    }
    theta = torch.tensor([thetas[name]] * 2)
    made = torch.nn.functional.affine_grid(theta, (2, 3, 11, 14), align_corners=False)
    if name == "shrink":
        made[0, 2:4, 3:7] = float("nan")
    return made


def torch_cases() -> Iterator[Case]:
    """`lerf_plugins.filters.torch`, with gradients."""

    def call(function: str, dtype: str, words: dict[str, Any], *, grows: bool = False) -> Any:
        torch = library("torch")
        keywords = dict(words)
        module, image = host("torch"), tensor(dtype, grows=grows)
        arguments: list[Any] = []
        if "grid" in keywords:
            arguments = [grid(keywords.pop("grid")).to(torch.float32)]
        if "matrix" in keywords:
            arguments = [torch.tensor([keywords.pop("matrix")] * 2, dtype=torch.float64)]
        if grows and arguments:
            arguments[0].requires_grad_()
        result = getattr(module, function)(image, *arguments, **keywords)
        if not grows:
            return numbers(result)
        (
            result.double() * torch.linspace(-1, 1, result.numel()).reshape(result.shape)
        ).sum().backward()
        return [numbers(result), *(numbers(one.grad) for one in (image, *arguments))]

    groups: dict[str, Iterator[dict[str, Any]]] = {
        "interpolate": itertools.chain(
            product(size=((26, 34), (6, 9), 20), anti_aliasing=(None, False),
                    align_corners=(None, True)),
            product(scale_factor=(2, 0.5, (1.3, 0.7)), recompute_scale_factor=(None, False)),
            product(size=((26, 34),), mode=MODES, cval=(0.0, 0.5)),
            product(size=((26, 34), (5, 5)), bank=BANKS),
            product(size=((26, 34),), value_range=((0, 2), (-1, 1))),
            product(size=(None, (0, 3), "ab")),
        ),
        "grid_sample": itertools.chain(
            product(grid=("turn", "shrink", "enlarge"), align_corners=(False, True),
                    padding_mode=("zeros", "border", "reflection"), anti_aliasing=(None, False)),
            product(grid=("turn",), bank=BANKS),
            product(grid=("turn",), padding_mode=("none",)),
        ),
        "warp_perspective": product(
            matrix=(TILT, HORIZON, [[1, 1, 0], [1, 1, 0], [0, 0, 1]]), dsize=((15, 19), (8, 8)),
            padding_mode=("zeros", "border", "reflection"),
        ),
    }  # fmt: skip
    for function, all_of in groups.items():
        for words, dtype in itertools.product(
            list(all_of), ("uint8", "float32", "float16", "bfloat16")
        ):
            yield Case(
                f"filters.torch/{function} {dtype} {text_of(words)}",
                partial(call, function, dtype, words),
            )
            # Those of strong shrinking take seconds.
            slow = words.get("grid") == "shrink" or words.get("matrix") is HORIZON
            if dtype == "float32" and not slow:
                yield Case(
                    f"filters.torch/{function} gradient {text_of(words)}",
                    partial(call, function, dtype, words, grows=True),
                )

    def module(name: str, words: dict[str, Any]) -> Any:
        made = getattr(host("torch"), name)(**words)
        arguments = [grid("turn")] if name == "GridSample" else []
        state = {
            key: numbers(one) if hasattr(one, "detach") else repr(one)
            for key, one in made.state_dict().items()
        }
        return [repr(made), state, numbers(made(tensor("float32"), *arguments))]

    for bank in BANKS:
        yield Case(
            f"filters.torch/Interpolate {bank}",
            partial(module, "Interpolate", {"scale_factor": 2, "bank": bank}),
        )
        yield Case(
            f"filters.torch/GridSample {bank}",
            partial(module, "GridSample", {"padding_mode": "border", "bank": bank}),
        )


def transform_cases() -> Iterator[Case]:
    """`lerf_plugins.filters.transforms` and `.albumentations`: images, masks, boxes, points."""
    mask = (picture(layout="grey", shape=(30, 40)) // 60).astype(np.uint8)
    own: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
        "Resize": ("Resize", (45, 50), {}),
        "Resize one side": ("Resize", (None, 50), {"fast": True}),
        "Rescale": ("Rescale", (1.5,), {}),
        "Rescale drawn": ("Rescale", ((0.5, 2),), {}),
        "Affine": ("Affine", (), {"rotate": (-30, 30), "scale": (0.8, 1.3), "shear": 5}),
        "Affine fit": ("Affine", (), {"rotate": 33, "fit": True, "mode": "edge"}),
        "Affine axes": ("Affine", (), {
            "scale": {"x": (0.5, 2), "y": 1}, "translate": {"x": 0.1}, "fill": (9, 8, 7),
            "fill_mask": 3,
        }),
        "Perspective": ("Perspective", ((0.05, 0.1),), {}),
        "Warp": ("Warp", (TILT,), {"output_shape": (20, 25)}),
        "Warp inverse": ("Warp", (HORIZON,), {"inverse": True, "mode": "reflect"}),
        "wrong p": ("Resize", (4, 4), {"p": 2}),
        "wrong bank": ("Rescale", (2,), {"bank": "none such"}),
        "wrong mode": ("Affine", (), {"mode": "mirror"}),
        "limits": ("Affine", (), {"rotate": 40, "scale": 2, "min_visibility": 0.5}),
        "formats": ("Affine", (), {"rotate": 40, "box_format": "coco", "min_area": 5}),
        "p": ("Affine", (), {"rotate": 40, "p": 0.5, "bank": "lerf-l"}),
    }  # fmt: skip
    hosts: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
        "Resize": ("Resize", (45, 50), {}),
        "Resize fast": ("Resize", (60, 80), {"fast": True, "bank": "lerf-g"}),
        "RandomScale": ("RandomScale", ((-0.4, 0.9),), {"p": 1}),
        "LongestMaxSize": ("LongestMaxSize", (70,), {}),
        "SmallestMaxSize": ("SmallestMaxSize", (20,), {}),
        "Affine": ("Affine", (), {"rotate": (-30, 30), "scale": (0.8, 1.2), "p": 1}),
        "Affine fit": ("Affine", (), {"rotate": 33, "fit_output": True, "p": 1}),
        "Affine border": ("Affine", (), {
            "translate_px": {"x": (-5, 5), "y": 3}, "border_mode": 4, "keep_ratio": True, "p": 1,
        }),
        "Affine shares": ("Affine", (), {
            "translate_percent": (-0.2, 0.2), "shear": (-9, 9), "fill": 90, "fill_mask": 2, "p": 1,
        }),
        "Perspective": ("Perspective", (0.1,), {"p": 1}),
        "Warp": ("Warp", (TILT,), {"output_shape": (20, 25)}),
        "wrong p": ("Warp", (TILT,), {"p": 2}),
        "wrong border": ("Affine", (), {"border_mode": 77}),
    }  # fmt: skip
    boxes = [(3.0, 4.0, 20.0, 18.0), (25.0, 10.0, 39.0, 29.0)]
    points = [(5.0, 6.0), (30.5, 20.25)]

    def call_own(name: str, seed: int, dtype: str) -> Any:
        kind, arguments, keywords = own[name]
        made = getattr(host("transforms"), kind)(*arguments, seed=seed, **keywords)
        sample = made(
            image=picture(dtype, shape=(30, 40)), mask=mask, bboxes=boxes, labels=["a", "b"],
            keypoints=points,
        )  # fmt: skip
        return [repr(made), sample, made(picture(dtype, shape=(30, 40)))]

    def call_hosted(name: str, seed: int, dtype: str) -> Any:
        albumentations = library("albumentations")
        kind, arguments, keywords = hosts[name]
        made = getattr(host("albumentations"), kind)(*arguments, **keywords)
        compose = albumentations.Compose(
            [made], seed=seed,
            bbox_params=albumentations.BboxParams("pascal_voc", label_fields=["labels"]),
            keypoint_params=albumentations.KeypointParams("xy", remove_invisible=False),
        )  # fmt: skip
        sample = compose(
            image=picture(dtype, shape=(30, 40)), mask=mask, bboxes=boxes, labels=["a", "b"],
            keypoints=points,
        )  # fmt: skip
        return [repr(made), sample]

    for seed, dtype in itertools.product((1, 2), ("uint8", "float32")):
        for name in own:
            yield Case(
                f"filters.transforms/{name} {dtype} seed={seed}",
                partial(call_own, name, seed, dtype),
            )
        for name in hosts:
            yield Case(
                f"filters.albumentations/{name} {dtype} seed={seed}",
                partial(call_hosted, name, seed, dtype),
            )


# -- files for command lines --------------------------------------------------------------

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'


def photograph() -> Array:
    """40 rows and 56 columns of RGB, 8 bits."""
    return picture(shape=(40, 56))


def exif_block() -> Image.Exif:
    """EXIF with an orientation, sub-directories and pixel dimensions."""
    block = Image.Exif()
    block[0x010F] = "Maker of cameras"
    block[0x0112] = 6
    directory = block.get_ifd(0x8769)
    directory[0x9003] = "2024:05:06 07:08:09"
    directory[0xA002] = 56
    directory[0xA003] = 40
    block.get_ifd(0x8825)[1] = "N"
    return block


def write_pictures(folder: Path) -> None:
    """Write images of Pillow's formats and modes."""
    rgb = Image.fromarray(photograph())
    rgba = Image.fromarray(picture(layout="RGBA", shape=(40, 56)))
    grey = rgb.convert("L")
    la = rgba.convert("LA")
    makers: dict[str, Callable[[Path], Any]] = {
        "rgb.png": rgb.save, "rgba.png": rgba.save, "grey.png": grey.save, "la.png": la.save,
        "palette.png": rgb.convert("P").save, "bits.png": rgb.convert("1").save,
        "clear.png": partial(rgb.convert("P").save, transparency=3),
        "photo.jpg": partial(rgb.save, quality=90), "grey.jpg": grey.save,
        "cmyk.jpg": rgb.convert("CMYK").save, "rgb.webp": partial(rgb.save, lossless=True),
        "lossy.webp": partial(rgb.save, quality=80), "rgba.webp": partial(rgba.save, lossless=True),
        "rgb.bmp": rgb.save, "bits.bmp": rgb.convert("1").save,
        "palette.bmp": rgb.convert("P").save, "rgb.gif": rgb.save, "grey.gif": grey.save,
        "rgb.ppm": rgb.save, "grey.pgm": grey.save, "bits.pbm": rgb.convert("1").save,
        "rgb.tga": rgb.save, "rgba.tga": rgba.save, "rgb.jp2": rgb.save, "rgb.avif": rgb.save,
        "rgb.ico": rgb.save, "rgb.pcx": rgb.save, "rgb.tif": rgb.save, "rgba.tif": rgba.save,
        "lzw.tif": partial(rgb.save, compression="tiff_lzw"),
        "jpeg.tif": partial(rgb.save, compression="jpeg"),
        "packbits.tif": partial(rgb.save, compression="packbits"),
        "bits.tif": rgb.convert("1").save, "palette.tif": rgb.convert("P").save,
        "cmyk.tif": rgb.convert("CMYK").save, "la.tif": la.save,
    }  # fmt: skip
    for name, save in makers.items():
        save(folder / name)
    deep = picture("uint16", "grey", (40, 56))
    Image.fromarray(deep).save(folder / "deep.png")
    frames = [Image.fromarray(picture(shape=(20, 24), seed=number)) for number in range(3)]
    for suffix in ("gif", "webp", "png"):
        frames[0].save(
            folder / f"moving.{suffix}", save_all=True, append_images=frames[1:], loop=3,
            duration=[50, 100, 150], **({"lossless": True} if suffix == "webp" else {}),
        )  # fmt: skip
    write_metadata(folder, rgb)
    (folder / "half.jpg").write_bytes((folder / "photo.jpg").read_bytes()[:700])
    (folder / "half.png").write_bytes((folder / "rgb.png").read_bytes()[:900])
    (folder / "empty.png").write_bytes(b"")
    (folder / "words.png").write_bytes(b"no image at all")
    for number in range(3):
        place = folder / "photos" / ("more" if number == 2 else "")
        place.mkdir(parents=True, exist_ok=True)
        frames[number].save(place / f"{number}.png")
    (folder / "photos" / "notes.txt").write_text("no image", encoding="utf-8")


def write_metadata(folder: Path, rgb: Image.Image) -> None:
    """Write images with all the metadata that their formats take."""
    cms, plugin = library("PIL.ImageCms"), library("PIL.PngImagePlugin")
    icc = bytearray(cms.ImageCmsProfile(cms.createProfile("sRGB")).tobytes())
    icc[24:36] = bytes(12)  # when it was made
    words: dict[str, Any] = {"icc_profile": bytes(icc), "exif": exif_block(), "dpi": (300, 150)}
    texts = plugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
    texts.add_text("Title", "Grüße")
    texts.add(b"gAMA", (45455).to_bytes(4, "big"))
    rgb.save(folder / "told.jpg", xmp=XMP, comment=b"hi", quality=90, **words)
    rgb.save(folder / "told.png", pnginfo=texts, **words)
    rgb.save(folder / "told.webp", xmp=XMP, lossless=True, **words)
    rgb.save(folder / "told.tif", **words)
    for turn in range(1, 9):
        block = Image.Exif()
        block[0x0112] = turn
        rgb.save(folder / f"turned{turn}.png", exif=block)


def tiff_kinds() -> dict[str, tuple[Array, dict[str, Any]]]:
    """Pixels and options of TIFF files."""
    rgb, grey = picture(shape=(70, 90)), picture("uint16", "grey", (70, 90))
    rgba = picture(layout="RGBA", shape=(70, 90))
    planes = np.ascontiguousarray(np.moveaxis(rgb, -1, 0))
    stack = picture(layout="time and channel", shape=(40, 50))
    pages = np.stack([picture(layout="grey", shape=(40, 50), seed=one) for one in range(3)])
    floats = picture("float32", "grey", (70, 90)) * 3 - 1
    colours = {"photometric": "rgb"}
    zipped: dict[str, Any] = {"tile": (32, 16), "compression": "zlib"}
    apart = {"planarconfig": "separate"} | colours
    return {
        "tiled": (rgb, zipped | colours), "tiled-plain": (rgb, {"tile": (32, 16)} | colours),
        "tiled-grey": (grey, {"tile": (16, 32), "compression": "lzw", "predictor": True}),
        "tiled-float": (floats, {"tile": (16, 32), "compression": "zlib", "predictor": 3}),
        "tiled-apart": (planes, zipped | apart),
        "tiled-alpha": (rgba, zipped | colours | {"extrasamples": ["unassalpha"]}),
        "premultiplied": (rgba, zipped | colours | {"extrasamples": ["assocalpha"]}),
        "strips": (rgb, {"rowsperstrip": 16, "compression": "zlib"} | colours),
        "strips-plain": (grey, {"rowsperstrip": 16}),
        "strips-apart": (planes, {"rowsperstrip": 9, "compression": "zstd"} | apart),
        "big-endian": (grey, {"byteorder": ">", "rowsperstrip": 16}),
        "bigtiff": (grey, {"bigtiff": True, "tile": (32, 32), "compression": "zstd"}),
        "jpeg-tiles": (rgb, {"tile": (32, 32), "compression": "jpeg"} | colours),
        "pages": (pages, zipped | {"metadata": None}), "pages-plain": (pages, {"metadata": None}),
        "shaped": (stack, {}), "many": (picture(layout="five", shape=(40, 50)), {
            "photometric": "minisblack", "planarconfig": "contig",
        }),
        "white": (rgb[..., 0], {"photometric": "miniswhite"}),
        "imagej": (stack, {"imagej": True, "metadata": {"axes": "TCYX"}}),
        "imagej-rgb": (np.stack([rgb, rgb[::-1]]), {"imagej": True, "metadata": {"axes": "ZYXS"}}),
        "ome": (stack, zipped | {"ome": True, "metadata": {
            "axes": "ZCYX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": 0.25, "PhysicalSizeYUnit": "µm",
        }}),
        "ome-rgb": (rgb, zipped | colours | {"ome": True, "metadata": {"axes": "YXS"}}),
        "labels": (picture("int32", "grey", (70, 90)), zipped),
        "double": (floats.astype(np.float64), {}), "half": (floats.astype(np.float16), {}),
        "deep-rgb": (picture("uint16", shape=(70, 90)), zipped | colours),
        "told": (rgb, zipped | colours | {
            "resolution": (300, 150), "resolutionunit": "INCH", "description": "a view",
            "software": "maker", "iccprofile": b"profile" * 30, "metadata": None,
            "extratags": [(700, 1, len(XMP), XMP, True)],
        }),
        "centimetres": (rgb, colours | {"resolution": (100, 50), "resolutionunit": "CENTIMETER"}),
    }  # fmt: skip


def write_tiffs(folder: Path) -> None:
    """Write TIFF files of every kind, and a pyramid."""
    tifffile = library("tifffile")
    for name, (pixels, options) in tiff_kinds().items():
        suffix = ".ome.tif" if "ome" in options else ".tif"
        tifffile.imwrite(folder / f"{name}{suffix}", pixels, **options)
    base = picture(layout="stack", shape=(64, 96))
    words: dict[str, Any] = {"tile": (16, 16), "compression": "zlib", "photometric": "minisblack"}
    with tifffile.TiffWriter(folder / "pyramid.ome.tif") as writer:
        told = {"axes": "CYX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5,
                "Channel": {"Name": ["DAPI", "GFP"]}}  # fmt: skip
        writer.write(base, subifds=2, metadata=told, **words)
        writer.write(base[:, ::2, ::2], subfiletype=1, **words)
        writer.write(base[:, ::4, ::4], subfiletype=1, **words)
    with tifffile.TiffWriter(folder / "uneven.tif") as writer:
        for rows, cols in ((12, 16), (9, 5), (3, 3)):
            writer.write(
                picture(layout="grey", shape=(rows, cols)), photometric="minisblack", metadata=None
            )
    data = (folder / "tiled.tif").read_bytes()
    (folder / "cut.tif").write_bytes(data[:-2000])


def write_arrays(folder: Path) -> None:
    """Write .npy files, matrices and fields."""
    np.save(folder / "rgb.npy", photograph())
    np.save(folder / "grey.npy", picture("uint16", "grey", (40, 56)))
    np.save(folder / "volume.npy", picture("float32", "stack", (40, 56)))
    field = seeded("field").normal(0, 2, (2, 40, 56))
    np.save(folder / "field.npy", field)
    np.save(folder / "field_last.npy", np.moveaxis(field, 0, -1).astype(np.float32))
    places = np.stack(np.mgrid[:30, :40]).astype(np.float64)
    np.save(folder / "places.npy", places * 1.2 + field[:, :30, :40])
    library("tifffile").imwrite(folder / "field.tif", field.astype(np.float32))
    matrix = np.array([[0.9, 0.15, 4.0], [-0.1, 1.1, 2.0], [0.0004, -0.0006, 1.0]])
    np.save(folder / "matrix.npy", matrix)
    np.save(folder / "wrong.npy", np.zeros((5, 5)))
    rows = matrix.tolist()
    (folder / "matrix.json").write_text(json.dumps(rows), encoding="utf-8")
    (folder / "object.json").write_text(json.dumps({"matrix": rows[:2]}), encoding="utf-8")
    (folder / "other.json").write_text(json.dumps({"lines": rows}), encoding="utf-8")
    (folder / "half.json").write_text("[[1, 0, 3], [0", encoding="utf-8")
    lines = "\n".join(" ".join(map(str, row)) for row in rows)
    (folder / "matrix.txt").write_text(lines, encoding="utf-8")
    (folder / "prose.txt").write_text("one two three", encoding="utf-8")
    if importlib.util.find_spec("torch"):
        torch = library("torch")
        torch.save(torch.from_numpy(matrix), folder / "matrix.pth")


def write_zarrs(folder: Path) -> None:
    """Write Zarr arrays and OME-Zarr images."""
    zarr = library("zarr")
    stack = picture(layout="time and channel", shape=(40, 50))
    grey = picture("uint16", "grey", (70, 90))
    for version in (2, 3):
        array = zarr.create_array(
            folder / f"plain{version}.zarr", shape=grey.shape, chunks=(32, 32), dtype=grey.dtype,
            zarr_format=version, fill_value=7,
        )  # fmt: skip
        array[:] = grey
        array = zarr.create_array(
            folder / f"holes{version}.zarr", shape=grey.shape, chunks=(32, 32), dtype=grey.dtype,
            zarr_format=version, fill_value=7,
        )  # fmt: skip
        array[:32, :64] = grey[:32, :64]
    sharded = zarr.create_array(
        folder / "shards.zarr", shape=grey.shape, chunks=(16, 16), shards=(64, 64), dtype="uint16"
    )
    sharded[:] = grey
    axes = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"},
            {"name": "y", "type": "space", "unit": "micrometer"},
            {"name": "x", "type": "space", "unit": "micrometer"}]  # fmt: skip
    for version, words in ((2, "0.4"), (3, "0.5")):
        group = zarr.open_group(folder / f"ome{words}.zarr", mode="w", zarr_format=version)
        datasets = []
        for level in range(2):
            pixels = stack[..., :: 2**level, :: 2**level]
            made = group.create_array(
                str(level), shape=pixels.shape, chunks=(1, 1, 16, 16), dtype=pixels.dtype
            )
            made[:] = pixels
            moves = [{"type": "scale", "scale": [1, 1, 0.5 * 2**level, 0.25 * 2**level]}]
            datasets.append({"path": str(level), "coordinateTransformations": moves})
        told = {"version": words, "axes": axes, "datasets": datasets, "name": "stack"}
        ome = {"version": words, "multiscales": [told]}
        group.attrs.update({"ome": ome} if version == 3 else {"multiscales": [told]})


def write_benchmarks(folder: Path) -> None:
    """Write sets to evaluate on, and photographs to train on."""
    made = folder / "made"
    made.mkdir()
    for number in range(2):
        Image.fromarray(picture(shape=(36, 48), seed=number)).save(made / f"{number}.png")
    layout = folder / "set"
    sizes = {"HR": (24, 30), "LR_bicubic/rrLR_X2.00_2.00": (12, 15),
             "LR_bicubic/rrLR_X2.00_1.50": (12, 20)}  # fmt: skip
    for part, shape in sizes.items():
        (layout / part).mkdir(parents=True)
        for name in ("a", "b"):
            image = Image.fromarray(picture(shape=shape, seed=ord(name)))
            image.save(layout / part / f"{name}.png")
    if importlib.util.find_spec("torch"):
        torch = library("torch")
        warps = folder / "warps"
        for part, shape in (("HR", (24, 30)), ("isc", (20, 26))):
            (warps / part).mkdir(parents=True)
            Image.fromarray(picture(shape=shape)).save(warps / part / "a.png")
        shift = torch.tensor([[1.0, 0, 3.5], [0, 1, 2], [0, 0, 1]], dtype=torch.float64)
        torch.save(shift, warps / "isc" / "a.pth")
    train = folder / "train"
    train.mkdir()
    for number in range(4):
        Image.fromarray(picture(shape=(96, 108), seed=number)).save(train / f"{number}.png")


def write_inputs(folder: Path) -> None:
    """Write every file that a command line reads."""
    folder.mkdir()
    write_pictures(folder)
    write_tiffs(folder)
    write_arrays(folder)
    write_zarrs(folder)
    write_benchmarks(folder)


# -- command lines ------------------------------------------------------------------------

#: The identity of an OME image, which is another in each run.
IDENTITY = rb"urn:uuid:[0-9a-fA-F-]{36}"
#: Where in a TIFF its parts lie: threads write them in the order in which they are done.
TIFF_OFFSETS = {273, 324, 330}


class Runner:
    """Runs command lines in a folder of their own, beside the inputs, which all of them share."""

    def __init__(self, folder: Path) -> None:
        self.inputs = folder / "in"
        self.work = folder / "work"

    def __call__(
        self, *lines: str, stdin: str | None = None, process: bool = False
    ) -> dict[str, Any]:
        """Run lines one after the other; record what they say, and the files that they leave.

        Parameters
        ----------
        *lines : str
            Words as a shell takes them; '@' is the folder of inputs.
        stdin : str, optional
            An input to read from standard input.
        process : bool
            Run in processes of their own.
        """
        if not self.inputs.exists():
            write_inputs(self.inputs)
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        os.environ["LERF_BANKS"] = str(self.work / "banks")
        before, data = Path.cwd(), (self.inputs / stdin).read_bytes() if stdin else None
        os.chdir(self.work)
        try:
            run = self._process if process else self._call
            said = [run(shlex.split(line.replace("@", "../in/")), data) for line in lines]
        finally:
            os.chdir(before)
            del os.environ["LERF_BANKS"]
        return {"said": said, "files": self._files()}

    @staticmethod
    def _call(words: list[str], data: bytes | None) -> dict[str, Any]:
        command = importlib.import_module("lerf_cli.main").main
        result = CliRunner().invoke(command, words, input=data, prog_name="lerf")
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return said(result.exit_code, result.stdout_bytes, result.stderr_bytes)

    @staticmethod
    def _process(words: list[str], data: bytes | None) -> dict[str, Any]:
        line = [sys.executable, "-m", "lerf_cli", *words]
        done = subprocess.run(line, input=data or b"", capture_output=True, check=False)
        return said(done.returncode, done.stdout, done.stderr)

    def _files(self) -> dict[str, Any]:
        """Return the checksum of each file; a Zarr is one, of names and bytes."""
        found: dict[str, Any] = {}
        stores: dict[str, list[bytes]] = {}
        for path in sorted(self.work.rglob("*")):
            if not path.is_file():
                continue
            name = path.relative_to(self.work).as_posix()
            store = re.match(r"(.*?\.zarr)/", name)
            if store:
                text = f"{name}\n{digest(steady(path.read_bytes()))}"
                stores.setdefault(store[1], []).append(text.encode())
            else:
                found[name] = file_record(path)
        for name, parts in stores.items():
            found[name] = {"sha256": digest(b"\n".join(parts)), "files": len(parts)}
        return found


def file_record(path: Path) -> Any:
    """Record a file by its bytes; by what it means where these tell of times or threads."""
    data = path.read_bytes()
    if data[:4] in {b"II+\0", b"MM\0+"}:
        return {"BigTIFF": tiff_record(path)}
    if path.suffix == ".avif":
        with Image.open(path) as image:
            return {
                "AVIF": [
                    record_of(frame) for frame in library("PIL.ImageSequence").all_frames(image)
                ]
            }
    if path.suffix == ".safetensors":
        return {"safetensors": tensors_record(path)}
    if data.startswith(b"step,seconds,"):
        data = re.sub(rb"(?m)^(\d+),[0-9.]+,", rb"\1,...,", data)
    data = steady(data)
    return {"sha256": digest(data), "bytes": len(data)}


def steady(data: bytes) -> bytes:
    """Return a file's bytes without what differs between runs."""
    if data.startswith(b"\x1f\x8b"):
        data = data[:4] + bytes(4) + data[8:]  # gzip's time
    for place, word in PLACES.items():
        data = data.replace(place.encode(), word.encode())
    return re.sub(IDENTITY, b"...", data)


def tensors_record(path: Path) -> dict[str, Any]:
    """Record what a bank or a checkpoint holds."""
    with library("safetensors").safe_open(path, framework="numpy") as file:
        told = repr(sorted((file.metadata() or {}).items()))
        found = {key: record_of(file.get_tensor(key)) for key in sorted(file.keys())}
    told = re.sub(r'"(seconds|minutes)": [0-9.e+-]+', r'"\1": ...', plain_text(told))
    return {"told": told, "tensors": found}


def tiff_record(path: Path) -> list[Any]:
    """Record each page of a TIFF, and the levels beneath: tags and pixels."""
    with library("tifffile").TiffFile(path) as file:
        pages = [page for one in file.pages for page in (one.aspage(), *(one.pages or ()))]
        return [
            {
                "tags": {
                    f"{tag.code} {tag.name}": steady(repr(tag.value).encode()).decode()
                    for tag in page.tags
                    if tag.code not in TIFF_OFFSETS
                },
                "pixels": record_of(page.asarray()),
            }
            for page in pages
        ]


def said(code: int, out: bytes, err: bytes) -> dict[str, Any]:
    """Record what a command line ended with and wrote."""
    try:
        text: Any = plain_text(out.decode())
    except UnicodeDecodeError:
        text = record_of(out)
    # Said where no kernel has been compiled yet.
    lines = [line for line in err.decode().splitlines() if not line.startswith("First run:")]
    return {"exit": code, "stdout": text, "stderr": plain_text("\n".join(lines))}


TARGETS = ("png", "jpg", "webp", "tif", "bmp", "gif", "ppm", "tga", "jp2", "avif")
SOURCES = (
    "rgb.png", "rgba.png", "grey.png", "la.png", "palette.png", "bits.png", "clear.png", "deep.png",
    "photo.jpg", "grey.jpg", "cmyk.jpg", "rgb.webp", "lossy.webp", "rgba.webp", "rgb.bmp",
    "bits.bmp", "palette.bmp", "rgb.gif", "grey.gif", "rgb.ppm", "grey.pgm", "rgb.tga", "rgba.tga",
    "rgb.jp2", "rgb.avif", "rgb.tif", "rgba.tif", "lzw.tif", "jpeg.tif", "packbits.tif", "bits.tif",
    "palette.tif", "cmyk.tif", "la.tif", "moving.gif", "moving.webp", "moving.png", "told.jpg",
    "told.png", "told.webp", "told.tif", "uneven.tif",
)  # fmt: skip
RESIZE_OPTIONS = (
    "", "--bank lerf-l", "--bank analytic", "--border reflect", "--border wrap",
    "--border constant", "--border constant --cval 90", "--border constant --cval 9,8,7",
    "--border constant --cval 300", "--alpha separate", "--linear", "--labels", "--nodata 3",
    "--no-anti-aliasing", "--range 10,200", "--range auto", "--threads 1", "--fast", "--depth 16",
    "--kernel lanczos3", "--kernel area --linear", "--kernel cubic:b=0.2,c=0.4",
    "--depth float", "--depth 8", "--background white", "--background #ff8000", "--strip", "-q",
    "-v", "--max-pixels 100",
)  # fmt: skip


def format_cases(run: Runner) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every format read and written, with options."""
    for source in SOURCES:
        suffix = source.split(".")[1]
        yield f"same format {source}", partial(run, f"resize @{source} -o out.{suffix} --scale 1.5")
        for target in TARGETS:
            if target != suffix:
                yield (
                    f"{source} to {target}",
                    partial(run, f"resize @{source} -o out.{target} --scale 0.8x1.2"),
                )
    for source in ("bits.pbm", "rgb.ico", "rgb.pcx"):
        yield f"read only {source}", partial(run, f"resize @{source} -o out.png --scale 2")
    for source, options in itertools.product(
        ("rgb.png", "rgba.png", "deep.png", "tiled-float.tif", "photo.jpg"), RESIZE_OPTIONS
    ):
        suffix = source.split(".")[1]
        yield (
            f"options {source} {options}",
            partial(run, f"resize @{source} -o out.{suffix} --scale 1.7x0.6 {options}"),
        )
    for source, target in itertools.product(
        ("told.jpg", "told.png", "told.webp", "told.tif"), ("jpg", "png", "webp", "tif")
    ):
        yield (
            f"strip {source} to {target}",
            partial(run, f"resize @{source} -o out.{target} --scale 1 --strip"),
        )
    for turn in range(1, 9):
        yield f"orientation {turn}", partial(run, f"resize @turned{turn}.png -o o.png --size 60x")
    for size in ("100x80", "100x", "x30", "0x4", "wide", "10x10x10"):
        yield f"size {size}", partial(run, f"resize @rgb.png -o o.png --size {size}")
    for scale in ("2", "2x1.5", "0.3", "1", "0", "-1", "nan", "1x2x3", "1e9", "2\u00d73"):
        yield f"scale {scale}", partial(run, f"resize @rgb.png -o o.png --scale {scale}")
    for target, quality in itertools.product(("jpg", "webp", "avif", "png"), (30, 100, 101)):
        yield (
            f"quality {target} {quality}",
            partial(run, f"resize @rgb.png -o o.{target} --scale 1 --quality {quality}"),
        )
    for name in ("webp", "tiff", "jpeg", "tif", "exr"):
        yield f"format {name}", partial(run, f"resize @rgb.png -o o --format {name} --scale 1")


def batch_cases(run: Runner) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Folders, patterns, pipes, dry runs, outputs that exist, damaged files."""
    lines: dict[str, tuple[str, ...]] = {
        "folder": ("resize @photos -o out/ --scale 2",),
        "folder verbose": ("resize @photos -o out/ --scale 2 -v",),
        "recursive": ("resize @photos -o out/ --scale 2 --recursive",),
        "several": ("resize @rgb.png @photo.jpg @photos -o out --size x30",),
        "pattern": (
            "resize @rgb.png @photo.jpg -o 'out/{stem}_{width}x{height}_{bank}.{ext}' --scale 2",
        ),
        "pattern of parents": ("resize @photos -o 'o/{parent}-{name}' --scale 1 --recursive",),
        "wrong pattern": ("resize @rgb.png -o 'o/{what}.png' --scale 1",),
        "two of one name": ("resize @rgb.png @rgb.bmp -o 'o/{stem}.png' --scale 1",),
        "another format": ("resize @rgb.png @photo.jpg -o o/ --format webp --scale 1",),
        "over itself": ("resize @rgb.png -o @rgb.png --scale 1 --overwrite",),
        "exists": ("resize @rgb.png -o a.png --scale 1", "resize @rgb.png -o a.png --scale 2"),
        "overwrite": (
            "resize @rgb.png -o a.png --scale 1", "resize @rgb.png -o a.png --scale 2 --overwrite",
        ),
        "skip": (
            "resize @rgb.png -o a.png --scale 1",
            "resize @rgb.png @photo.jpg -o ./ --scale 2 -v",
            "resize @rgb.png @photo.jpg -o ./ --scale 3 --skip-existing -v",
        ),
        "no input": ("resize @none.png -o a.png --scale 1",),
        "one of three fails": ("resize @rgb.png @half.png @photo.jpg -o o/ --scale 1",),
        "animation": ("resize @moving.gif @moving.png @moving.webp -o o/ --scale 2 --labels",),
    }  # fmt: skip
    for name, one in lines.items():
        yield name, partial(run, *one)
        yield f"{name}, dry", partial(run, *one[:-1], f"{one[-1]} --dry-run")
    for name in ("half.jpg", "half.png", "empty.png", "words.png", "cut.tif", "prose.txt"):
        yield f"damaged {name}", partial(run, f"resize @{name} -o o.png --scale 1")
        yield (
            f"damaged {name} by tiles",
            partial(run, f"resize @{name} -o o.tif --scale 1 --tile 16"),
        )
    for name in ("rgb.png", "photo.jpg", "moving.gif", "rgba.tif", "half.png"):
        yield f"pipe {name}", partial(run, "resize - -o - --scale 2", stdin=name)
        yield (
            f"pipe {name} to webp",
            partial(run, "warp - -o - --rotate 10 --format webp", stdin=name),
        )
    yield "pipe to file", partial(run, "resize - -o o.png --scale 2", stdin="rgb.png")
    yield "pipe from file", partial(run, "resize @photo.jpg -o - --scale 2")


def warp_line_cases(run: Runner) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Warps of every way, with options."""
    shown = ("rgb.png", "rgba.png", "deep.png", "tiled-float.tif")
    ways = (
        "--rotate 10", "--rotate 90", "--rotate -33.3 --fit", "--rotate nan", "--shear 10",
        "--shear 10,5 --fit", "--shear 90", "--corners '0,0 50,4 48,38 2,35'",
        "--corners '0,0 50,4 48,38'", "--corners '0,0 1,1 2,2 3,3'",
        "--matrix '1 0 12.5 0 1 -3 0 0 1'", "--matrix '1 0 12, 0 1 -3'", "--matrix '1 2 3'",
        "--matrix '1 0 12, 0 1 -3' --inverse", "--matrix @matrix.npy", "--matrix @matrix.json",
        "--matrix @matrix.txt --inverse", "--matrix @matrix.pth", "--matrix @object.json --fit",
        "--matrix @other.json", "--matrix @half.json", "--matrix @prose.txt",
        "--matrix @wrong.npy", "--matrix none.json", "--field @field.npy",
        "--field @field_last.npy", "--field @field.tif", "--field @field.npy --field-order xy",
        "--field @places.npy --field-kind absolute", "--field @wrong.npy", "--field none.npy",
        "--rotate 20 --size 80x60", "--matrix @matrix.json --size 30x",
        "--field @field.npy --fit", "--rotate 3 --shear 4", "--rotate 3 --inverse",
        "--rotate 3 --field-order xy", "--rotate 5 --size 5x5 --fit", "",
    )  # fmt: skip
    for way in ways:
        yield f"way {way}", partial(run, f"warp @rgb.png -o o.png {way}")
    options = (
        "--border edge", "--border reflect", "--border symmetric", "--border wrap",
        "--border transparent", "--cval 100", "--cval 1,2,3", "--cval nan", "--alpha separate",
        "--linear", "--labels", "--nodata 3", "--no-anti-aliasing", "--range auto", "--depth 16",
        "--background white", "--bank lerf-g", "--threads 2", "--dry-run", "-v", "--strip",
    )  # fmt: skip
    for source, option in itertools.product(shown, options):
        suffix = source.split(".")[1]
        yield (
            f"options {source} {option}",
            partial(run, f"warp @{source} -o o.{suffix} --rotate 15 {option}"),
        )
    for source in ("moving.gif", "palette.png", "bits.png", "cmyk.tif", "told.jpg", "pages.tif"):
        yield f"way --rotate {source}", partial(run, f"warp @{source} -o o.tif --rotate 7 --fit")


def tiled_cases(run: Runner) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Work tile by tile."""
    names = [
        f"{name}{'.ome' if 'ome' in options else ''}.tif"
        for name, (_, options) in tiff_kinds().items()
    ]
    zarrs = ("plain2.zarr", "plain3.zarr", "shards.zarr", "holes2.zarr", "holes3.zarr",
             "ome0.4.zarr", "ome0.5.zarr")  # fmt: skip
    for name in (*names, "pyramid.ome.tif", "uneven.tif", "bits.tif", "palette.tif", "cmyk.tif",
                 "rgba.tif", "rgb.png", "photo.jpg", "deep.png"):  # fmt: skip
        for target in ("tif", "ome.tif", "zarr"):
            yield (
                f"{name} to {target}",
                partial(run, f"resize @{name} -o o.{target} --scale 1.5 --tile 32 --pyramid 2"),
            )
        yield f"{name} in one piece", partial(run, f"resize @{name} -o o.tif --scale 1.5")
        yield f"{name} turned", partial(run, f"warp @{name} -o o.tif --rotate 15 --tile 48x32")
    for name, target in itertools.product(
        (*zarrs, "rgb.npy", "grey.npy", "volume.npy"), ("tif", "zarr", "npy", "png")
    ):
        yield f"{name} to {target}", partial(run, f"resize @{name} -o o.{target} --scale 1.3x0.7")
        yield f"{name} turned to {target}", partial(run, f"warp @{name} -o o.{target} --rotate 30")
    options = (
        *RESIZE_OPTIONS, "--compression none", "--compression zstd", "--compression lzw",
        "--compression deflate", "--compression lz4", "--pyramid 1", "--pyramid 3", "--level 1",
        "--memory 768M", "--memory 10M", "--memory none", "--missing error", "--tile 20",
        "--tile 64x32", "--tile 0", "--resume", "--dry-run",
    )  # fmt: skip
    for source, option in itertools.product(
        ("tiled.tif", "tiled-alpha.tif", "tiled-float.tif", "ome.ome.tif"), options
    ):
        tile = "" if "--tile" in option else "--tile 32"
        yield (
            f"options {source} {option}",
            partial(run, f"resize @{source} -o o.tif --scale 1.7x0.6 {tile} {option}"),
        )
    for source, option in itertools.product(
        ("tiled-alpha.tif", "ome0.4.zarr", "holes3.zarr"),
        ("", "--level 1", "--level 7", "--missing error", "--compression none",
         "--compression zstd", "--compression gzip", "--compression lzw", "--pyramid 2", "--labels",
         "--depth float", "--tile 20", "--dry-run", "-v", "--border transparent"),
    ):  # fmt: skip
        for command in ("resize --scale 1.5", "warp --rotate 20"):
            word, rest = command.split(" ", 1)
            yield (
                f"options {source} to zarr {command} {option}",
                partial(run, f"{word} @{source} -o o.zarr {rest} {option}"),
            )
    for way in ("--field @field.npy", "--field @field.tif", "--matrix @matrix.json --fit",
                "--corners '0,0 50,4 48,38 2,35'", "--shear 10,5 --fit",
                "--field @places.npy --field-kind absolute"):  # fmt: skip
        yield f"warp {way}", partial(run, f"warp @tiled.tif -o o.tif --tile 32 {way}")
    yield "zarr there and back", partial(
        run, "resize @tiled.tif -o a.zarr --scale 2", "resize a.zarr -o b.ome.tif --scale 0.5",
        "resize @tiled.tif -o a.zarr --scale 2",
        "resize @tiled.tif -o a.zarr --scale 1 --overwrite",
        "resize a.zarr -o c.png --scale 1",
    )  # fmt: skip
    yield (
        "a cluster",
        partial(run, "resize @tiled.tif -o a.zarr --scale 2 --workers 1 --tile 64", process=True),
    )
    yield (
        "two clusters",
        partial(
            run, "resize @tiled.tif -o a.zarr --scale 2 --workers 1 --scheduler tcp://nowhere:1"
        ),
    )


def model_cases(run: Runner) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Banks: listed, described, copied, drawn."""
    for line in ("models", "models list", "models list --json", "models info none",
                 "models info", "models inspect lerf-g", "models inspect lerf-g --separate --json",
                 "models inspect lerf-g @rgb.png --start analytic --json",
                 "models inspect lerf-g -o a.jpg", "models inspect lerf-g --npz a.txt",
                 "models inspect lerf-g --crop 1,2,3x4 --json", "models export lerf-g",
                 "models inspect none --json"):  # fmt: skip
        yield line, partial(run, line)
    for bank in BANKS[1:]:
        for line in (
            "models info {}", "models info {} --json", "models inspect {} -o o.png",
            "models inspect {} -o o/ --separate --json", "models inspect {} --npz o.npz",
            "models inspect {} @rgb.png -o o.png", "models inspect {} @rgb.png -o o/ --separate",
            "models inspect {} @rgba.png --json --npz o.npz --channel g",
            "models inspect {} @tiled-float.tif -o o.png --range auto --crop 10,20,30x20",
            "models inspect {} @deep.png --json", "models inspect {} @cmyk.tif --json",
            "models inspect {} @moving.gif --json --crop 1,2,300x4",
            "models inspect {} --start lerf-g --json",
        ):  # fmt: skip
            yield line.format(bank), partial(run, line.format(bank))
        yield f"export and import {bank}", partial(
            run, f"models export {bank} tables", f"models import tables --name mine-{bank}",
            "models list", f"models info mine-{bank}", f"models export {bank} tables",
            f"resize @rgb.png -o o.png --scale 2 --bank mine-{bank}",
            "resize @rgb.png -o p.png --scale 2 --bank tables",
            f"models import banks/mine-{bank}.safetensors --name mine-{bank}",
            f"models import banks/mine-{bank}.safetensors --name 'no name'",
        )  # fmt: skip


def evaluation_cases(run: Runner) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Evaluations, and tiny trainings."""
    files = "--json a.json --csv a.csv --quiet"
    for line in (
        f"evaluate sr @made {files}", f"evaluate sr @made --scale 2,1.5 --bank lerf-g {files}",
        f"evaluate sr @set {files}", f"evaluate sr @set --make-inputs --border constant {files}",
        f"evaluate sr @set --bank lerf-l --baseline pillow-bicubic --save-images out {files}",
        "evaluate sr @set --baseline all --side-by-side out -q", "evaluate sr @train/none",
        "evaluate sr @photos --scale 2x1.5 -q --threads 1", "evaluate sr @made --scale 0",
        "evaluate sr @made @made", "evaluate sr @made --baseline none", "evaluate sr",
        "evaluate sr @made --bank none", f"evaluate warp @warps {files}",
        f"evaluate warp @warps --no-anti-aliasing --bank lerf-g --baseline all {files}",
        "evaluate warp @warps --save-images out --side-by-side beside -q", "evaluate warp @made",
        "evaluate sr @made --json none/a.json",
    ):  # fmt: skip
        yield line, partial(run, line)
    tiny = "--batch 2 --patch 20 --points 64 --threads 1 --quiet"
    for kind in ("lerf-g", "lerf-l", "lerf-p"):
        yield (
            f"train {kind}",
            partial(
                run, f"train @train -o a.safetensors --kind {kind} --steps 5 --curve a.csv {tiny}"
            ),
        )
    yield "train on", partial(
        run, f"train @train -o a.safetensors --kind lerf-l --steps 4 {tiny} --jpeg 0.3 --seed 3",
        "resize @rgb.png -o o.png --scale 2 --bank a.safetensors",
        "train --resume a.checkpoint.safetensors -o b.safetensors --threads 1 -q",
        f"finetune a.safetensors @train -o c.safetensors --steps 3 {tiny}",
        "train --resume a.checkpoint.safetensors -o d.safetensors --steps 9",
    )  # fmt: skip
    yield "train networks", partial(
        run, f"train @train -o a.safetensors --kind lerf-l --network --width 4 --steps 2 {tiny}",
        "transfer a.checkpoint.safetensors -o b.safetensors --json b.json",
        "transfer a.checkpoint.safetensors -o c.safetensors --sample @made --name mine",
        "transfer a.safetensors -o d.safetensors",
    )  # fmt: skip
    for line in ("train", "train @train", "train @photos/more -o a.safetensors --steps 1",
                 "train @none -o a.safetensors --steps 1", "finetune none @train -o a.safetensors",
                 "train @train -o a.safetensors --steps 1 --minutes 2", "transfer @rgb.png -o a",
                 "train @train -o none/a.safetensors",
                 "train @train -o a --kind lerf-x"):  # fmt: skip
        yield line, partial(run, line)


def usage_cases(run: Runner) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Help, and wrong usage."""
    commands = ("", "resize", "warp", "models", "models list", "models info", "models import",
                "models export", "models inspect", "evaluate", "evaluate sr", "evaluate warp",
                "train", "finetune", "transfer")  # fmt: skip
    for command in commands:
        yield f"{command} --help", partial(run, f"{command} --help")
    wrong = (
        "none", "resize", "resize @rgb.png", "resize @rgb.png -o a.png",
        "resize @rgb.png -o a.png --scale 2 --size 3x3", "resize @rgb.png -o a.png --scale 2 -q -v",
        "resize @rgb.png -o a.png --scale 2 --overwrite --skip-existing",
        "resize @rgb.png -o a.png --scale 2 --cval 3", "resize @rgb.png -o a.xyz --scale 2",
        "resize @rgb.png -o a.png --scale 2 --labels --linear", "resize --none",
        "resize @rgb.png -o a.png --scale 2 --bank none",
        "resize @rgb.png -o a.png --scale 2 --bank @rgb.png",
        "resize @rgb.png -o a.png --scale 2 --border mirror",
        "resize @rgb.png -o a.png --scale 2 --range 5,1",
        "resize @rgb.png -o a.png --scale 2 --range 5",
        "resize @rgb.png -o a.png --scale 2 --nodata none",
        "resize @rgb.png -o a.png --scale 2 --background mauvish",
        "resize @rgb.png -o a.png --scale 2 --threads 0",
        "resize @rgb.png -o a.png --scale 2 --fast --labels",
        "resize @rgb.png -o a.png --scale 2 --fast --linear",
        "resize @rgb.png -o a.png --scale 2 --fast --border constant",
        "resize @rgb.png -o a.png --scale 2 --fast --nodata 3",
        "resize @grey.png -o a.png --scale 2 --fast",
        "resize @rgb.png -o a.png --scale 2 --tile 16",
        "resize @rgb.png -o none/a.png --scale 2", "resize @photos -o a.png --scale 2",
        "resize @rgb.png @photo.jpg -o a.png --scale 2",
        "resize @rgb.png -o a.png --scale 2 --de 8",
    )  # fmt: skip
    for line in wrong:
        yield line, partial(run, line)
    for line in ("--help", "resize @rgb.png -o o.png --scale 2 -v", "models list --json",
                 "warp @rgba.tif -o o.tif --rotate 5 --tile 32",
                 "resize @half.png -o o.png --scale 2",
                 "evaluate sr @made --baseline scikit-image-bicubic -q", "resize"):  # fmt: skip
        yield f"process {line}", partial(run, line, process=True)
    yield "process pipe", partial(run, "resize - -o - --scale 2", stdin="photo.jpg", process=True)


def command_cases(folder: Path) -> Iterator[Case]:
    """Every command line."""
    run = Runner(folder)
    groups = {
        "cli.formats": format_cases, "cli.batch": batch_cases, "cli.warp": warp_line_cases,
        "cli.tiled": tiled_cases, "cli.models": model_cases, "cli.evaluation": evaluation_cases,
        "cli.usage": usage_cases,
    }  # fmt: skip
    for group, cases in groups.items():
        for name, call in cases(run):
            yield Case(f"{group}/{name}", call)


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
    text = re.sub(r"\([0-9.]+ s\)", "(... s)", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:...", text)
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
            # Further lines tell of the inside.
            words = f"{type(error).__name__}: {error}".splitlines()[0]
            result = {"error": plain_text(words)}
    # Those of the libraries beneath come at a first import, or when a module is compiled.
    told = sorted({
        plain_text(f"{one.category.__name__}: {one.message}")
        for one in caught
        if not issubclass(one.category, DeprecationWarning | PendingDeprecationWarning
                          | ImportWarning | ResourceWarning | FutureWarning)
    })  # fmt: skip
    return result | ({"warnings": told} if told else {})


def all_cases(folder: Path) -> Iterator[Case]:
    """Every case, group by group."""
    for group in (
        rescale_cases, resize_cases, warp_cases, chunked_cases, parameter_cases, bank_cases,
        geometry_cases, metric_cases, error_cases, skimage_cases, pillow_cases, opencv_cases,
        dask_cases, xarray_cases, torch_cases, transform_cases,
    ):  # fmt: skip
        yield from group()
    yield from command_cases(folder)


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
            str(folder): "<tmp>", sys.prefix: "<python>", str(bank_folder()): "<banks>",
            str(home): "<lerf>", str(PHOTOS.parents[1]): "<lerf>",
        })  # fmt: skip
        for case in all_cases(folder):
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
