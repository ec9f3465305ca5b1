"""Decoders' limits and silence, of several threads at once."""

from __future__ import annotations

import logging
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from lerf_core.io.guards import quiet_decoders, quiet_libraries


def test_all_is_as_before_whoever_leaves_last():
    filters, limit = list(warnings.filters), Image.MAX_IMAGE_PIXELS
    level = logging.getLogger("PIL").level
    entered, left = threading.Event(), threading.Event()

    def within() -> None:
        with quiet_libraries():
            entered.set()
            assert left.wait(60)
            warnings.warn("not told", stacklevel=1)

    with ThreadPoolExecutor(1) as pool:
        with quiet_libraries():
            other = pool.submit(within)
            assert entered.wait(60)
        assert logging.getLogger("PIL").level > logging.CRITICAL
        left.set()
        other.result()
    assert list(warnings.filters) == filters
    assert logging.getLogger("PIL").level == level
    assert limit == Image.MAX_IMAGE_PIXELS


def test_a_limit_is_of_one_thread_and_silence_of_all():
    order = []

    def limited() -> None:
        with quiet_decoders(10):
            order.append(Image.MAX_IMAGE_PIXELS)

    def silent() -> None:
        with quiet_libraries():
            order.append("silent")

    with ThreadPoolExecutor(2) as pool:
        with quiet_decoders(1000):
            waiting = pool.submit(limited)
            pool.submit(silent).result(60)
            assert Image.MAX_IMAGE_PIXELS == 500
            assert not waiting.done()
            with quiet_decoders(2000):
                assert Image.MAX_IMAGE_PIXELS == 1000
        waiting.result(60)
    assert order == ["silent", 5]


def test_errors_end_the_silence():
    filters = list(warnings.filters)
    with pytest.raises(ValueError, match="once"), quiet_decoders(10):
        raise ValueError("once")
    assert list(warnings.filters) == filters
