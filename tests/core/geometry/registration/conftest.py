"""What tests of registrations share."""

import numpy as np
import pytest

from lerf_core.geometry.registration import read_registration


def located(inverse_map, shape):
    """Return where a map of `Registration.for_image` places all pixels, (2, rows, cols)."""
    if not isinstance(inverse_map, np.ndarray):
        return inverse_map.locate(0, shape[0], shape).positions
    rows, cols = np.mgrid[: shape[0], : shape[1]].astype(float)
    x, y, depth = np.einsum("ij,jrc->irc", inverse_map, np.stack([cols, rows, np.ones(shape)]))
    return np.stack([y / depth, x / depth])


@pytest.fixture
def positions():
    """Read a registration, and return where its pixels lie and its map."""

    def read(path, shape, *, model=None, inverse=False, **places):
        registration = read_registration(path, model=model, inverse=inverse)
        inverse_map, output_shape = registration.for_image(shape, **({"max_error": 0} | places))
        return located(inverse_map, output_shape), inverse_map

    return read
