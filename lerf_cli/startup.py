"""A quick start: no search for garbage among modules."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator

__all__ = ["loading_modules"]


@contextlib.contextmanager
def loading_modules() -> Iterator[None]:
    """Import modules within a ``with``, and do not look for garbage among what they are made of.

    All that stays as long as the process does. Python's collector would go through it again and
    again while it grows, and once more at the end: a sixth of a short command. For programs: in
    this process, it leaves alone for good what is there once new modules have come.
    """
    before, was_enabled = len(sys.modules), gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > before:
            gc.freeze()
        if was_enabled:
            gc.enable()
