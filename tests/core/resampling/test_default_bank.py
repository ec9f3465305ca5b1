"""Which bank is used where none is named: behind a front another one, if there is one."""

import numpy as np
import pytest
from support.banks import write_bank_behind_fronts
from support.fronts import ConvolutionFront

import lerf_core
from lerf_core.bank import BANK_BEHIND_FRONTS, DEFAULT_BANK, default_bank, load_bank

FRONT = ConvolutionFront(2)
IMAGE = np.random.default_rng(3).integers(0, 256, (14, 17), np.uint8)
INVERSE = np.array([[0.3, 0.02, 1], [-0.03, 0.35, 2], [0.001, 0, 1]])
CALLS = {
    "resize": lambda **keywords: lerf_core.resize(IMAGE, (40, 50), **keywords),
    "rescale": lambda **keywords: lerf_core.rescale(IMAGE, 2.7, **keywords),
    "an axis shrinks": lambda **keywords: lerf_core.rescale(IMAGE, (1.4, 3), **keywords),
    "warp": lambda **keywords: lerf_core.warp(IMAGE, INVERSE, output_shape=(40, 45), **keywords),
    "chunked": lambda **keywords: np.asarray(chunked().rescale(lazy(), 2.7, **keywords)),
}


def chunked():
    return pytest.importorskip("lerf_core.chunked")


def lazy():
    return pytest.importorskip("dask.array").from_array(IMAGE, chunks=9)


@pytest.fixture
def no_own_banks(monkeypatch, tmp_path):
    monkeypatch.setenv("LERF_BANKS", str(tmp_path / "none"))


@pytest.fixture
def own_bank(monkeypatch, tmp_path):
    return write_bank_behind_fronts(tmp_path, monkeypatch)


def test_names_of_default_banks(own_bank):
    assert (default_bank(), default_bank(enlarged_by=2)) == (DEFAULT_BANK, BANK_BEHIND_FRONTS)
    assert load_bank(enlarged_by=2) == own_bank
    assert load_bank() == load_bank(DEFAULT_BANK)
    assert load_bank("lerf-l", enlarged_by=2) == load_bank("lerf-l")


@pytest.mark.usefixtures("no_own_banks")
def test_the_default_behind_fronts_can_be_loaded():
    bank = load_bank(enlarged_by=2)
    assert bank.name == BANK_BEHIND_FRONTS
    assert bank.follows_front
    assert not load_bank().follows_front


@pytest.mark.parametrize("call", CALLS)
def test_behind_a_front_another_bank_is_used(own_bank, call):
    resampled = CALLS[call]
    behind = resampled(front=FRONT)
    if call == "an axis shrinks":
        # Rows by the learned function; columns by the bank, which is not that of images alone.
        assert (behind != resampled(front=FRONT, bank=own_bank)).any()
        rows = lerf_core.rescale(IMAGE, (1.4, 2), front=FRONT)
        np.testing.assert_array_equal(behind, lerf_core.rescale(rows, (1, 1.5), bank=own_bank))
    else:
        np.testing.assert_array_equal(behind, resampled(front=FRONT, bank=own_bank))
    assert (behind != resampled(front=FRONT, bank=DEFAULT_BANK)).any()
    if call != "an axis shrinks":
        np.testing.assert_array_equal(resampled(), resampled(bank=DEFAULT_BANK))


@pytest.mark.usefixtures("own_bank")
def test_a_kernel_that_is_named_needs_no_bank():
    named = {"front": FRONT, "kernel": "lanczos3"}
    enlarged = FRONT.enlarge(IMAGE[None], 1)[0]
    expected = lerf_core.rescale(enlarged, 1.5, kernel="lanczos3")
    np.testing.assert_array_equal(lerf_core.rescale(IMAGE, 3, **named), expected)


@pytest.mark.usefixtures("own_bank")
def test_behind_a_front_that_restores_the_bank_is_that_of_images():
    restored = lerf_core.rescale(IMAGE, 2.7, front=ConvolutionFront(1))
    expected = lerf_core.rescale(IMAGE, 2.7, front=ConvolutionFront(1), bank=DEFAULT_BANK)
    np.testing.assert_array_equal(restored, expected)
