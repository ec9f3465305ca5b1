"""A small image that evaluations score."""

import numpy as np
import pytest


@pytest.fixture
def photo():
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (40, 48, 3)).astype(np.uint8)
