"""Differences are taken image by image."""

import math

import pytest
from lerf_training.evaluation.gains import MEAN, gains
from lerf_training.evaluation.scores import Score


def row_of(rows, case, method):
    (row,) = [row for row in rows if (row.case, row.method) == (case, method)]
    return row


def test_gains_are_paired():
    figures = {"a": (30.0, 40.0, 20.0), "b": (31.0, 40.0, 19.5)}
    scores = [
        Score("enlarge", "x2", method, f"photo {number}", psnr, 0.5)
        for number in (2, 0, 1)
        for method in "ab"
        for psnr in figures[method][number : number + 1]
    ]
    rows = gains(scores, "a")
    base, other = rows
    assert (base.method, base.images, base.psnr, base.ssim) == ("a", 3, 30.0, 0.5)
    assert base.gain is base.error is base.better is base.worst is None
    assert other.gain == pytest.approx(0.5 / 3)
    # Of 1, 0 and -0.5: the standard deviation over the root of their number.
    assert other.error == pytest.approx(
        math.sqrt((0.8333**2 + 0.1667**2 + 0.6667**2) / 2 / 3), 1e-3
    )
    assert (other.better, other.worse) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert (other.worst, other.worst_image) == (-0.5, "photo 2")


def test_means_over_cases_are_of_images_that_have_all():
    scores = [
        Score("warp", case, method, image, psnr)
        for case, image, first, second in (
            ("near", "p", 30.0, 32.0),
            ("near", "q", 20.0, 20.0),
            ("far", "p", 10.0, 9.0),
        )
        for method, psnr in (("a", first), ("b", second))
    ]
    rows = gains(scores, "a")
    mean = row_of(rows, MEAN, "b")
    assert (mean.images, mean.psnr, mean.gain, mean.ssim) == (1, 20.5, 0.5, None)
    assert mean.error is None
    assert row_of(rows, "near", "b").images == 2
    # One case has no mean of its own.
    assert len(gains(scores[:2], "a")) == 2


def test_images_without_an_error_count_as_99_decibels():
    scores = [
        Score("s", "x2", method, image, psnr)
        for image, first, second in (("i", math.inf, 40.0), ("j", math.inf, math.inf))
        for method, psnr in (("a", first), ("b", second))
    ]
    base, other = gains(scores, "a")
    assert base.psnr == 99.0
    assert (other.gain, other.better, other.worse) == (-29.5, 0.0, 0.5)


def test_methods_that_the_base_does_not_meet_have_means_alone():
    (row,) = gains([Score("s", "x2", "b", "i", 30.0)], "a")
    assert (row.psnr, row.gain) == (30.0, None)
    assert gains([], "a") == []
