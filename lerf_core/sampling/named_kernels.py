"""Kernels by their names: fixed ones, with parameters, and learned functions for shrinking."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lerf_core.choices import KERNEL_ALIASES, KERNEL_NAMES, LEARNED_KERNEL
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.sampling.kernels import KERNELS, Kernel

__all__ = ["get_kernel"]


def get_kernel(kernel: Kernel | str) -> Kernel:
    """Return a kernel by its name.

    Parameters
    ----------
    kernel : Kernel or str
        One of `KERNELS`, or of their other names in `KERNEL_ALIASES`; "cubic" may be followed by
        its parameters: "cubic:b=0.2,c=0.4". "lerf-s", or a file whose name ends with ``.json``: a
        learned function for shrinking (`lerf_core.sampling.shrinking`). A kernel is returned as it
        is.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If there is no such kernel, or it has no such parameter.

    Examples
    --------
    >>> get_kernel("bicubic").name
    'cubic'
    >>> str(get_kernel("cubic:c=0.75"))
    'cubic:b=0.0,c=0.75'
    """
    if isinstance(kernel, Kernel):
        return kernel
    if not isinstance(kernel, str):
        raise InvalidTypeError(f"kernel must be a name or a Kernel, got {kernel!r}")
    if kernel == LEARNED_KERNEL or kernel.endswith(".json"):
        from lerf_core.sampling.shrinking import load_shrinking_kernel, shrinking_kernel

        return shrinking_kernel() if kernel == LEARNED_KERNEL else load_shrinking_kernel(kernel)
    name, colon, values = kernel.partition(":")
    found = KERNELS.get(KERNEL_ALIASES.get(name, name))
    if found is None:
        raise InvalidArgumentError(
            f"kernel must be one of {', '.join(KERNEL_NAMES)}, got {kernel!r}"
        )
    return _with_parameters(found, kernel, values) if colon else found


def _with_parameters(kernel: Kernel, asked: str, values: str) -> Kernel:
    """Return a kernel with parameters as ``b=0.2,c=0.4`` sets them."""
    if kernel.name != "cubic":
        raise InvalidArgumentError(f"only the kernel cubic has parameters (b, c), got {asked!r}")
    parameters = dict(kernel.parameters)
    for setting in values.split(","):
        name, _, value = setting.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if name.strip() not in parameters or not np.isfinite(number):
            raise InvalidArgumentError(
                f"parameters of the kernel cubic are b and c (cubic:b=0.2,c=0.4), got {asked!r}"
            )
        parameters[name.strip()] = number
    return replace(kernel, parameters=tuple(parameters.items()))
