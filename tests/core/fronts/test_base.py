"""What all fronts have in common: checks, planes on their own, equality."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from support.fronts import ConvolutionFront

from lerf_core.errors import FrontError


def planes_of(channels: int, dtype: str, shape: tuple[int, int] = (7, 9)) -> np.ndarray:
    generator = np.random.default_rng(5)
    return generator.integers(0, 256, (channels, *shape)).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_shape_and_dtype(dtype: str, scale: int) -> None:
    result = ConvolutionFront(scale).enlarge(planes_of(1, dtype), threads=1)
    assert result.shape == (1, 7 * scale, 9 * scale)
    assert result.dtype == dtype


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_plane_on_its_own_is_taken_three_times(dtype: str) -> None:
    front = ConvolutionFront(2, colours=True)
    plane = planes_of(1, dtype)
    together = front.enlarge(np.repeat(plane, 3, axis=0), threads=1)
    expected = together.astype(np.float64).mean(axis=0)
    result = front.enlarge(plane, threads=1)
    assert result.shape == (1, 14, 18)
    if dtype == "uint8":
        np.testing.assert_array_equal(result[0], np.rint(expected))
    else:
        np.testing.assert_allclose(result[0], expected, rtol=1e-6, atol=1e-4)
    # The three differ: the mean is none of them.
    assert any((plane != result[0]).any() for plane in together)


@pytest.mark.parametrize("colours", [False, True])
def test_cut_planes_give_the_same_within_reach(*, colours: bool) -> None:
    front = ConvolutionFront(2, colours)
    planes = planes_of(3 if colours else 1, "uint8", (20, 21))
    whole = front.enlarge(planes, threads=1)
    cut = front.enlarge(planes[:, 4:15, 5:17], threads=1)
    far = 2 * front.reach
    np.testing.assert_array_equal(
        cut[:, far:-far, far:-far], whole[:, 8 + far : 30 - far, 10 + far : 34 - far]
    )
    assert (cut[:, :far] != whole[:, 8 : 8 + far, 10:34]).any()


class WrongShape(ConvolutionFront):
    def _enlarged(self, planes: np.ndarray, threads: int) -> np.ndarray:
        return super()._enlarged(planes, threads)[:, 1:]


class WrongDtype(ConvolutionFront):
    def _enlarged(self, planes: np.ndarray, threads: int) -> np.ndarray:
        return super()._enlarged(planes, threads).astype(np.float64)


@pytest.mark.parametrize(("kind", "words"), [(WrongShape, r"13, 18"), (WrongDtype, "float64")])
def test_what_a_front_gives_is_checked(kind: type[ConvolutionFront], words: str) -> None:
    with pytest.raises(FrontError, match=f"must give .*14, 18.*got .*{words}"):
        kind(2).enlarge(planes_of(1, "uint8"), threads=1)


def test_equal_by_checksum() -> None:
    front, same, other = ConvolutionFront(2), ConvolutionFront(2), ConvolutionFront(2, seed=1)
    assert front == same
    assert hash(front) == hash(same)
    assert front != other
    assert front != "convolution"
    assert pickle.loads(pickle.dumps(front)) == front
    assert repr(front) == "<ConvolutionFront 'convolution': x2>"
