"""What the package hands on."""

import pytest

import lerf_core


def test_public_names_are_there():
    for name in lerf_core.__all__:
        assert getattr(lerf_core, name) is not None
    assert set(lerf_core.__all__) <= set(dir(lerf_core))
    with pytest.raises(AttributeError, match="nothing"):
        lerf_core.nothing  # noqa: B018
