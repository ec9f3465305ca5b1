"""Backends by their names, loaded when they are first wanted."""

from __future__ import annotations

import logging
from functools import cache
from importlib import import_module
from typing import Any

from lerf_core.backends.contract import Backend
from lerf_core.backends.numba.libraries import kernel_trouble, missing_kernels
from lerf_core.errors import InvalidArgumentError

__all__ = ["BACKENDS", "get_backend"]

_LOGGER = logging.getLogger(__name__)

# Module and class of each backend, loaded when it is first asked for.
_CLASSES = {
    "numba": ("lerf_core.backends.numba.backend", "NumbaBackend"),
    "reference": ("lerf_core.backends.reference.backend", "ReferenceBackend"),
    "torch": ("lerf_core.backends.torch.backend", "TorchBackend"),
}
#: Names of backends: what the public keyword ``engine=`` takes.
BACKENDS = tuple(_CLASSES)


@cache
def get_backend(name: str, device: str | None = None) -> Backend:
    """Return a backend by its name, one of `BACKENDS`; it is loaded when it is first wanted.

    `device` is where "torch" works, as torch names it; None: a GPU if there is one.

    Where the compiled kernels of ``"numba"`` are neither there nor can be made, the specification
    stands in, which gives the same results slowly; that is told once, as is a damaged library.

    Raises
    ------
    InvalidArgumentError
        If ``LERF_KERNELS`` names what cannot be had, torch is not installed, or there is no such
        device.
    """
    if name == "torch":
        return _torch_backend(device)
    if name == "numba":
        if trouble := missing_kernels():
            name = "reference"
        else:
            trouble = kernel_trouble()
        if trouble:
            _LOGGER.warning("%s", trouble)
    backend: Backend = _class_of(name)()
    return backend


def _class_of(name: str) -> Any:
    module, class_name = _CLASSES[name]
    return getattr(import_module(module), class_name)


def _torch_backend(device: str | None) -> Backend:
    try:
        backend_class = _class_of("torch")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise InvalidArgumentError(
            "engine 'torch' needs the package torch: pip install 'lerf[torch]'"
        ) from error
    backend: Backend = backend_class(device)
    return backend
