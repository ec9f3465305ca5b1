"""What there is to say before the engine works for the first time."""

from __future__ import annotations

from collections.abc import Callable

from lerf_core.errors import LerfError

__all__ = ["tell_of_first_run"]


def tell_of_first_run(tell: Callable[[str], None]) -> None:
    """Say, if it is so, that kernels are compiled first; what cannot be had, the work will say."""
    from lerf_core import first_run_message

    try:
        message = first_run_message()
    except LerfError:
        return
    if message:
        tell(message)
