"""Chunks of results behind a front: bit for bit what they are in the whole."""

from __future__ import annotations

import pickle
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
from support.banks import make_random_bank
from support.combinations import each_pair_of
from support.fronts import ConvolutionFront
from support.images import MODES

import lerf_core
from lerf_core import Displacement, chunked
from lerf_core.errors import InvalidArgumentError, InvalidTypeError

FRONT = ConvolutionFront(2, colours=True)


def image_of(channels: int, dtype: str = "uint8") -> np.ndarray:
    values = np.random.default_rng(3).integers(0, 256, (45, 53, channels))
    return values.astype(dtype) / 255 if dtype == "float32" else values.astype(dtype)


def steps_of(shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(4).normal(0, 1.5, (2, *shape)).clip(-4, 4)


@each_pair_of(mode=MODES, channels=[3, 4], scale=[2.0, 3.3, (0.6, 1.7)])
def test_resizes(mode: str, channels: int, scale: Any) -> None:
    image = image_of(channels)
    lazy = da.from_array(image, chunks=(17, 20, 1))
    keywords = {"channel_axis": -1, "mode": mode, "front": FRONT}
    result = chunked.rescale(lazy, scale, chunks=40, **keywords)
    np.testing.assert_array_equal(result.compute(), lerf_core.rescale(image, scale, **keywords))


@each_pair_of(mode=MODES, kind=["matrix", "field", "dask", "bounded", "function"], channels=[3, 4])
def test_warps(mode: str, kind: str, channels: int) -> None:
    image, shape = image_of(channels), (50, 61)
    lazy = da.from_array(image, chunks=(17, 20, -1))
    steps = steps_of(shape)
    keywords = {"channel_axis": -1, "mode": mode, "front": FRONT}
    given: Any
    if kind == "matrix":
        given = expected = [[0.7, 0.2, -3], [-0.1, 0.8, 6], [0.001, 0, 1]]
        keywords["output_shape"] = shape
    elif kind == "function":
        given = expected = lambda points: points * 0.8 + np.sin(points[:, ::-1] / 5)
        keywords["output_shape"] = shape
    else:
        expected = Displacement(steps)
        given = (
            Displacement(da.from_array(steps, chunks=(1, 20, 23))) if kind != "field" else expected
        )
    bound = {"max_displacement": 4.0} if kind == "bounded" else {}
    result = chunked.warp(lazy, given, chunks=31, window_limit=900, **bound, **keywords)
    np.testing.assert_array_equal(result.compute(), lerf_core.warp(image, expected, **keywords))


def test_masked_and_missing() -> None:
    image = image_of(3)
    mask = np.zeros(image.shape, bool)
    mask[10:20, 12:30] = True
    masked = np.ma.MaskedArray(image, mask)
    keywords = {"channel_axis": -1, "front": FRONT}
    lazy = da.from_array(masked, chunks=(17, 20, -1), asarray=False)
    result = chunked.rescale(lazy, 2.3, chunks=30, **keywords).compute()
    expected = lerf_core.rescale(masked, 2.3, **keywords)
    np.testing.assert_array_equal(np.ma.getmaskarray(result), np.ma.getmaskarray(expected))
    np.testing.assert_array_equal(result.filled(0), expected.filled(0))
    values = image_of(3, "float32")
    values[10:20, 12:30] = np.nan
    lazy = da.from_array(values, chunks=(17, 20, -1))
    result = chunked.rescale(lazy, 2.3, chunks=30, **keywords).compute()
    np.testing.assert_array_equal(result, lerf_core.rescale(values, 2.3, **keywords))


def test_a_front_has_part_in_the_name_and_travels() -> None:
    lazy = da.from_array(image_of(3), chunks=(17, 20, -1), name="image")
    names = {
        chunked.rescale(lazy, 2, channel_axis=-1, front=front).name
        for front in (None, FRONT, ConvolutionFront(2), ConvolutionFront(2, seed=1))
    }
    assert len(names) == 4
    result = chunked.rescale(lazy, 2, channel_axis=-1, front=FRONT)
    with dask.config.set(scheduler="synchronous"):
        again = pickle.loads(pickle.dumps(result)).compute()
    np.testing.assert_array_equal(again, result.compute())


def test_banks_of_one_name_are_told_apart() -> None:
    lazy = da.from_array(image_of(3), chunks=(17, 20, -1), name="image")
    banks = [make_random_bank("lerf-g", seed=seed).renamed("same") for seed in (1, 2)]
    names = {chunked.rescale(lazy, 2, channel_axis=-1, bank=bank).name for bank in banks}
    assert len(names) == 2


def test_what_cannot_be_done() -> None:
    with pytest.raises(InvalidTypeError, match="a front enlarges intensities"):
        chunked.rescale(da.zeros((9, 9), dtype=np.int64), 2, front=FRONT)
    with pytest.raises(InvalidArgumentError, match="exclude each other"):
        chunked.rescale(da.zeros((9, 9)), 2, front=FRONT, method="nearest")
