"""Fronts that see a grid of windows, or the whole image: what blocks of a result ask them for."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest
from support.combinations import each_pair_first
from support.fronts import GridFront, WholeFront

from lerf_core import chunked, rescale, warp
from lerf_core.errors import FrontError
from lerf_core.execution.planning import plan_rescale, plan_warp
from lerf_core.sampling.windows import Block

MODES = ("edge", "constant", "symmetric", "reflect", "wrap")


def image_of(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def by_blocks(plan: Any, image: np.ndarray, side: int) -> np.ndarray:
    """Compute a result block by block, each from its windows of the image alone."""
    out = np.empty(plan.result_shape, plan.result_dtype)
    rows, cols = plan.out_shape
    for top in range(0, rows, side):
        for left in range(0, cols, side):
            block = Block(top, min(top + side, rows), left, min(left + side, cols))
            output = plan.output_block(block)
            part = out[block.top : block.bottom, block.left : block.right]
            if output.windows is None:
                part[...] = plan.border(part.shape)
            else:
                window = output.windows.cut(image, plan.options.mode).copy()
                part[...] = plan.compute_block(output, window)
    return out


@each_pair_first(mode=MODES, scale=[2.0, 3.3, 0.8], cell=[3, 4])
def test_blocks_of_a_resize(mode: str, scale: float, cell: int) -> None:
    image, front = image_of((41, 50)), GridFront(2, cell=cell)
    plan = plan_rescale(image.shape, image.dtype, scale, None, mode=mode, front=front)
    np.testing.assert_array_equal(by_blocks(plan, image, 11), plan.compute(image))


@pytest.mark.parametrize("mode", MODES)
def test_blocks_of_a_warp(mode: str) -> None:
    image, front = image_of((41, 50)), GridFront(2)
    matrix = np.array([[0.8, -0.3, -9.0], [0.25, 0.9, -13.0], [0.002, 0.001, 1]])
    plan = plan_warp(image.shape, image.dtype, matrix, (60, 70), None, mode=mode, front=front)
    np.testing.assert_array_equal(by_blocks(plan, image, 13), plan.compute(image))


def test_blocks_over_the_seam() -> None:
    """Both runs of a window begin in the grid, in what is read as well."""
    image = image_of((90, 103))
    shift = [[0.5, 0, -20.0], [0, 0.5, -14.0], [0, 0, 1]]
    plan = plan_warp(
        image.shape, image.dtype, shift, (80, 90), None, mode="wrap", front=GridFront(2, cell=5)
    )
    runs = [len(w.runs) for w in plan.output_block(Block(20, 36, 30, 50)).windows or ()]
    assert max(runs) == 2
    np.testing.assert_array_equal(by_blocks(plan, image, 16), plan.compute(image))


@pytest.mark.parametrize("mode", ["edge", "wrap"])
def test_the_grid_is_counted_from_the_first_pixel(mode: str) -> None:
    image, front = image_of((24, 32)), GridFront(2, cell=4)
    extended = np.pad(image, 16, mode=mode)
    expected = front.enlarge((image if mode == "edge" else extended)[None], 1)[0]
    if mode == "wrap":
        expected = expected[32:-32, 32:-32]
    np.testing.assert_array_equal(rescale(image, 2, front=front, mode=mode), expected)


def test_chunks() -> None:
    image, front = image_of((70, 80)), GridFront(2, cell=8)
    lazy = chunked.rescale(da.from_array(image, (19, 23)), 2.5, front=front)
    np.testing.assert_array_equal(lazy.compute(), rescale(image, 2.5, front=front))


def test_what_sees_the_whole_image_is_given_the_whole_image() -> None:
    image, front = image_of((30, 40)), WholeFront(2)
    np.testing.assert_array_equal(rescale(image, 2, front=front), front.enlarge(image[None], 1)[0])
    # Also where a result needs a corner of it.
    corner = [[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]]
    np.testing.assert_array_equal(
        warp(image, corner, front=front, output_shape=(20, 30)),
        front.enlarge(image[None], 1)[0, :20, :30],
    )


def test_what_sees_the_whole_image_is_not_cut() -> None:
    image, front = image_of((30, 40)), WholeFront(2)
    array = da.from_array(image, (16, 16))
    with pytest.raises(FrontError, match="sees the whole image") as caught:
        chunked.rescale(array, 3, front=front).compute()
    assert "\n" not in str(caught.value)
    whole = chunked.rescale(array, 3, front=front, chunks=(90, 120))
    np.testing.assert_array_equal(whole.compute(), rescale(image, 3, front=front))
