"""The examples of docs/filters.md run as they stand."""

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "filters.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(
    r"^### (.+?)$(?:(?!^##).)*?^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL
)
HOSTS = {
    "scikit-image": "skimage",
    "OpenCV": "lerf_core",
    "Pillow": "PIL",
    "PyTorch": "torch",
    "Albumentations": "albumentations",
    "xarray": "xarray",
    "dask": "dask",
}


@pytest.mark.parametrize(("host", "code"), EXAMPLES, ids=[host for host, _ in EXAMPLES])
def test_example(host, code, monkeypatch):
    # It would ask for news of itself.
    monkeypatch.setitem(os.environ, "NO_ALBUMENTATIONS_UPDATE", "1")
    pytest.importorskip(HOSTS.get(host, "lerf_core"), reason=f"{host} is not installed")
    monkeypatch.chdir(ROOT)
    exec(compile(code, f"docs/filters.md: {host}", "exec"), {})


def test_every_host_has_an_example():
    assert {host for host, _ in EXAMPLES} >= set(HOSTS)
    assert len(EXAMPLES) == PAGE.count("```python")
