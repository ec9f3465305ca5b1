"""Slots of packed parameters."""

import numpy as np
import pytest

from lerf_core.backends.packed import empty_packed, slot_count, unpack
from lerf_core.bank import KINDS


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_of_bank_can_be_packed(kind):
    feature, parameters = unpack(empty_packed(2, 3, len(kind.values), np.uint8))
    assert feature.shape == (2, 3)
    assert parameters.shape == (len(kind.values), 2, 3)


@pytest.mark.parametrize("parameters", [0, 2, 4, 7])
def test_numbers_of_parameters_that_slots_cannot_tell_are_refused(parameters):
    with pytest.raises(ValueError, match=f"with 1, 3, 6 parameters, not with {parameters}"):
        slot_count(parameters)
