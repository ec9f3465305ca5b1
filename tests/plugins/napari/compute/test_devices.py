"""Which devices there are, without an import where there are none."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lerf_plugins.napari.compute import devices


@pytest.mark.skipif(sys.platform != "linux", reason="drivers of Linux")
def test_a_driver_and_torch_make_a_device_likely(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "find_spec", lambda name: name == "torch" or None)
    monkeypatch.setattr(devices, "_DRIVERS", (str(tmp_path / "nvidiactl"),))
    assert not devices.may_have_devices()
    (tmp_path / "nvidiactl").touch()
    assert devices.may_have_devices()
    monkeypatch.setattr(devices, "find_spec", lambda _: None)
    assert not devices.may_have_devices()


def test_to_ask_whether_there_may_be_some_imports_nothing():
    code = (
        "import sys; from lerf_plugins.napari.compute.devices import may_have_devices; "
        "may_have_devices(); assert not {'torch', 'napari', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_torch_lists_what_it_has(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for count, names in ((0, []), (1, ["cuda"]), (2, ["cuda:0", "cuda:1"])):
        monkeypatch.setattr(torch.cuda, "is_available", lambda count=count: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda count=count: count)
        assert devices.found_devices() == names
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert devices.found_devices() == ["mps"]


def test_a_broken_torch_has_none(monkeypatch):
    monkeypatch.setitem(sys.modules, "lerf_core.backends.torch.backend", None)
    assert devices.found_devices() == []
