"""Names that are loaded when they are first used."""

import subprocess
import sys

import pytest

import lerf_core.geometry
from lerf_core.lazy import loaded_when_used


def test_names_are_those_of_their_modules():
    from lerf_core.geometry import homography, maps

    assert lerf_core.geometry.rotation is homography.rotation
    assert lerf_core.geometry.Displacement is maps.Displacement
    assert set(lerf_core.geometry.__all__) <= set(dir(lerf_core.geometry))
    for name in lerf_core.geometry.__all__:
        assert getattr(lerf_core.geometry, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"'lerf_core.geometry' has no attribute 'nothing'"):
        lerf_core.geometry.nothing  # noqa: B018
    with pytest.raises(ImportError):
        from lerf_core.geometry import nothing  # noqa: F401


def test_a_name_is_looked_up_once(monkeypatch):
    import json

    monkeypatch.delattr(json, "JSONDecoder")
    load, _ = loaded_when_used("json", {"JSONDecoder": "decoder"})
    assert json.__dict__.get("JSONDecoder") is None
    assert load("JSONDecoder") is json.JSONDecoder


def test_nothing_is_loaded_before():
    code = (
        "import sys, lerf_core.geometry as g; assert 'numpy' not in sys.modules; "
        "g.rotation; print('lerf_core.geometry.maps' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_masked_arrays_are_told_without_importing_them():
    code = (
        "import sys, numpy as np; from lerf_core.validation import is_masked; "
        "print(is_masked(np.zeros(3)), 'numpy.ma' in sys.modules, is_masked(np.ma.zeros(3)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False True\n"
