"""Files that are loaded as fronts of the tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from lerf_core.fronts import loading
from lerf_core.fronts.base import Front

__all__ = ["write_front"]


def write_front(folder: Path, monkeypatch: pytest.MonkeyPatch, front: Front) -> Path:
    """Write a file that is loaded as a front, as long as the test runs."""
    monkeypatch.setitem(loading._LOADERS, f"test-{front.name}", lambda _: front)
    path = folder / f"{front.name}.safetensors"
    text = f'{{"format": "test-{front.name}"}}'
    save_file({"a": np.zeros(1, np.int8)}, path, metadata={"lerf": text})
    return path
