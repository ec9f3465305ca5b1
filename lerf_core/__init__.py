"""lerf_core: resize and warp images by learned resampling functions from look-up tables.

>>> import numpy as np
>>> import lerf_core
>>> lerf_core.rescale(np.zeros((4, 6), np.uint8), 2).shape
(8, 12)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lerf_core.lazy import loaded_when_used

if TYPE_CHECKING:
    __version__: str

    from lerf_core import chunked, errors, geometry, inspection, metrics
    from lerf_core.backends.first_run import first_run_message
    from lerf_core.bank.analytic import analytic_bank
    from lerf_core.bank.base import Bank
    from lerf_core.bank.loading import DEFAULT_BANK, available_banks, load_bank, user_bank_folder
    from lerf_core.bank.model import LutBank
    from lerf_core.bank.network import NetworkBank
    from lerf_core.fronts.base import Front
    from lerf_core.fronts.loading import available_fronts, load_front
    from lerf_core.geometry import Displacement, homography_from_points
    from lerf_core.inspection import parameter_maps
    from lerf_core.resampling import rescale, resize, warp
    from lerf_core.sampling.fitting import Fit, fit
    from lerf_core.sampling.kernels import Kernel
    from lerf_core.sampling.named_kernels import get_kernel
    from lerf_core.sampling.shapes import rescaled_shape

__all__ = [
    "DEFAULT_BANK",
    "Bank",
    "Displacement",
    "Fit",
    "Front",
    "Kernel",
    "LutBank",
    "NetworkBank",
    "__version__",
    "analytic_bank",
    "available_banks",
    "available_fronts",
    "chunked",
    "errors",
    "first_run_message",
    "fit",
    "geometry",
    "get_kernel",
    "homography_from_points",
    "inspection",
    "load_bank",
    "load_front",
    "metrics",
    "parameter_maps",
    "rescale",
    "rescaled_shape",
    "resize",
    "user_bank_folder",
    "warp",
]

_HOMES = {
    "Bank": "bank.base",
    "DEFAULT_BANK": "bank.loading",
    "Displacement": "geometry.maps",
    "Fit": "sampling.fitting",
    "Front": "fronts.base",
    "Kernel": "sampling.kernels",
    "LutBank": "bank.model",
    "NetworkBank": "bank.network",
    "analytic_bank": "bank.analytic",
    "available_banks": "bank.loading",
    "available_fronts": "fronts.loading",
    "chunked": "",
    "errors": "",
    "first_run_message": "backends.first_run",
    "fit": "sampling.fitting",
    "geometry": "",
    "get_kernel": "sampling.named_kernels",
    "homography_from_points": "geometry.homography",
    "inspection": "",
    "load_bank": "bank.loading",
    "load_front": "fronts.loading",
    "metrics": "",
    "parameter_maps": "inspection",
    "rescale": "resampling",
    "rescaled_shape": "sampling.shapes",
    "resize": "resampling",
    "user_bank_folder": "bank.loading",
    "warp": "resampling",
}
_load, __dir__ = loaded_when_used(__name__, {**_HOMES, "__version__": ""})


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used, so that the import itself costs nothing."""
    if name == "__version__":
        globals()[name] = _installed_version()
        return globals()[name]
    return _load(name)


def _installed_version() -> str:
    """Return the version of the installed distribution; "0+unknown" where there is none."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("lerf")
    except PackageNotFoundError:
        return "0+unknown"
