"""Networks that people have, as fronts: read by the library spandrel (``lerf[front]``).

Nothing here is imported before a network is asked for: torch and spandrel take their time.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lerf_core.errors import FrontError
from lerf_core.fronts.spandrel.kinds import kind_of

if TYPE_CHECKING:
    from lerf_core.fronts.spandrel.front import SpandrelFront

__all__ = ["load_network"]


def load_network(path: Path, *, device: str = "cpu") -> SpandrelFront:
    """Load a network for super-resolution, or for restoration, from a file of its weights.

    Parameters
    ----------
    path : path
        A file of PyTorch (``.pth``, ``.pt``, ``.ckpt``) or ``.safetensors``, told apart by what it
        holds. Code in it is refused, and never run.
    device : str, optional
        Where the network runs, in torch's words: ``"cpu"``, ``"cuda"``, ``"cuda:1"``.

    Returns
    -------
    SpandrelFront

    Raises
    ------
    FrontError
        If the file is no network, or is damaged, or holds code; if its architecture is not known,
        does not enlarge images, or has other channels than grey or red, green and blue; if there
        is no such device; if torch or spandrel are not installed.
    OSError
        If the file cannot be read.
    """
    kind = kind_of(path)
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise FrontError(_missing(path, "torch")) from error
    from lerf_core.fronts.spandrel.library import spandrel_library

    try:
        spandrel_library()
    except ImportError as error:
        raise FrontError(_missing(path, "spandrel")) from error
    from lerf_core.fronts.spandrel.front import SpandrelFront
    from lerf_core.fronts.spandrel.weights import read_weights

    return SpandrelFront.from_weights(path.stem, read_weights(path, kind), str(path), device=device)


def _missing(path: Path, library: str) -> str:
    return (
        f"{path} is a network, and {library} is not installed, which reads it: "
        "pip install 'lerf[front]'"
    )
