"""Conversions of depth: values, and the one that means missing."""

from __future__ import annotations

import numpy as np
import pytest

from lerf_core.io.formats import GREY, GREY_ALPHA
from lerf_core.io.image import DecodedImage
from lerf_core.io.metadata.model import Metadata
from lerf_core.io.pixels.conversions import converted, range_of


def image_of(pixels: np.ndarray, nodata: float | None, layout: str = GREY) -> DecodedImage:
    return DecodedImage([pixels], layout, "TIFF", Metadata(nodata=nodata))


def test_missing_values_are_converted_apart():
    pixels = np.array([[-9999, 0, 0.1], [500, 1000, -9999]], np.float32)
    out = converted(image_of(pixels, -9999), "8", (0, 1000))
    assert out.frames[0].tolist() == [[0, 1, 1], [128, 255, 0]]
    assert out.metadata.nodata == 0
    assert out.notes == ()


def test_a_missing_value_within_the_range_is_scaled_with_it():
    pixels = np.array([[200, 199, 201]], np.uint8)
    out = converted(image_of(pixels, 200), "16")
    assert out.metadata.nodata == 200 * 257
    assert out.frames[0].tolist() == [[200 * 257, 199 * 257, 201 * 257]]
    out = converted(image_of(np.array([[51400, 51401, 51143]], np.uint16), 51400), "8")
    assert out.frames[0].tolist() == [[200, 199, 199]]


def test_missing_values_of_floats_that_are_no_numbers():
    pixels = np.array([[np.nan, 0, 1]], np.float64)
    out = converted(image_of(pixels, np.nan), "8")
    assert out.frames[0].tolist() == [[0, 1, 255]]
    assert out.metadata.nodata == 0


def test_a_value_that_pixels_cannot_have_moves_nothing():
    pixels = np.array([[0, 1, 255]], np.uint8)
    out = converted(image_of(pixels, -9999), "16")
    assert out.frames[0].tolist() == [[0, 257, 65535]]
    assert out.metadata.nodata is None


def test_opacity_is_never_missing():
    pixels = np.array([[[7, 7], [0, 255]]], np.uint8)
    out = converted(image_of(pixels, 7, GREY_ALPHA), "float")
    np.testing.assert_allclose(out.frames[0], [[[7 / 255, 7 / 255], [0, 1]]])
    assert out.metadata.nodata == pytest.approx(7 / 255)


def test_the_range_is_one_of_valid_values():
    assert range_of([np.array([-9999.0, 3, np.nan, 8])], -9999) == (3, 8)
