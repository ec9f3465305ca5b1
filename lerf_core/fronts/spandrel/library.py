"""The library spandrel, imported also where its torchvision does not load."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

__all__ = ["spandrel_library"]

_STAND_INS = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")


@cache
def spandrel_library() -> Any:
    """Return the module ``spandrel``.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import torchvision  # noqa: F401
        except (ImportError, RuntimeError, OSError):
            # As with a torch for the CPU alone beside the registry's torchvision. Two architectures
            # turn and normalise images by it, for inpainting and for faces: no fronts.
            with _torchvision_stood_in_for():
                import spandrel
        else:
            import spandrel
    return spandrel


@contextmanager
def _torchvision_stood_in_for() -> Iterator[None]:
    known = {name: sys.modules.get(name) for name in _STAND_INS}
    sys.modules.update({name: _StandIn(name) for name in _STAND_INS})
    try:
        yield
    finally:
        for name, module in known.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module


class _StandIn(ModuleType):
    """Has every name, as something that cannot be called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Unusable()


class _Unusable:
    def __getattr__(self, name: str) -> _Unusable:
        return self
