"""Names of a package that are loaded when they are first used: importing it costs nothing."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["loaded_when_used"]


def loaded_when_used(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the functions ``__getattr__`` and ``__dir__`` of a package (PEP 562).

    Type checkers need the names too: the package imports them within ``if TYPE_CHECKING``.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    homes : mapping of str to str
        Each name, and the module within the package that defines it; "" for a module of that name.

    Examples
    --------
    >>> load, names = loaded_when_used("json", {"JSONDecoder": "decoder", "tool": ""})
    >>> load("JSONDecoder").__module__
    'json.decoder'
    >>> "tool" in names()
    True
    """

    def __getattr__(name: str) -> Any:  # noqa: N807
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(f"{package}.{homes[name] or name}")
        value = getattr(module, name) if homes[name] else module
        setattr(sys.modules[package], name, value)
        return value

    def __dir__() -> list[str]:  # noqa: N807
        return sorted({*vars(sys.modules[package]), *homes})

    return __getattr__, __dir__
