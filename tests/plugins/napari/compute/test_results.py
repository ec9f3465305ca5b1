"""Results in memory are what lerf_core gives."""

import numpy as np
import pytest
from napari.layers import Image, Labels
from support.layers import exhaust, resize_operation

import lerf_core
from lerf_core.errors import ImageTooLargeError
from lerf_plugins.napari.compute import results


def test_in_memory(photo, monkeypatch):
    monkeypatch.setattr(results, "TILE", 32)
    operation = resize_operation(Image(photo), (100, 125))
    steps, result = exhaust(results.in_memory(operation))
    np.testing.assert_array_equal(result, lerf_core.resize(photo, (100, 125), channel_axis=-1))
    assert [step.done for step in steps] == list(range(17))
    assert {step.total for step in steps} == {16}


def test_stack_in_memory():
    stack = np.random.default_rng(0).integers(100, 4000, (2, 3, 20, 26), np.uint16)
    keywords = {"value_range": (100.0, 4000.0), "method": "lerf"}
    _, result = exhaust(results.in_memory(resize_operation(Image(stack), (33, 40), **keywords)))
    np.testing.assert_array_equal(result, lerf_core.resize(stack, (33, 40), **keywords))


def test_labels_in_memory():
    labels = np.random.default_rng(0).integers(0, 5, (20, 26)).astype(np.int32)
    operation = resize_operation(Labels(labels), (33, 50), method="nearest")
    _, result = exhaust(results.in_memory(operation))
    assert result.dtype == np.int32
    np.testing.assert_array_equal(result, lerf_core.resize(labels, (33, 50), method="nearest"))


def test_too_large_is_told_before_anything_is_allocated(photo):
    operation = resize_operation(Image(photo), (2**30, 2**30))
    with pytest.raises(ImageTooLargeError, match="1073741824 x 1073741824 x 3"):
        next(results.in_memory(operation))
