"""How many examples hypothesis draws of a test."""

from __future__ import annotations

import os

import hypothesis

__all__ = ["EXAMPLES_FACTOR", "examples"]

#: So many times as many examples; `make test-long` sets it.
EXAMPLES_FACTOR = int(os.environ.get("LERF_TEST_EXAMPLES", "1"))


def examples(count: int) -> hypothesis.settings:
    """Let hypothesis draw so many examples of a test in `make test`, and more in test-long."""
    return hypothesis.settings(max_examples=count * EXAMPLES_FACTOR)
