"""Which detail is shown side by side, and how the picture is laid out."""

import numpy as np
import pytest
from lerf_training.evaluation.scores import Comparison, Score

from lerf_cli.figures.evaluation import find_detail, side_by_side


def compared(high, results, *, case="x2", mask=None):
    scores = [
        (Score("bench/Set", case, f"method-{number}", "image", 30.0, 0.9), result)
        for number, result in enumerate(results)
    ]
    return Comparison("bench/Set", case, "image", high, mask, scores)


@pytest.fixture
def flat():
    return np.full((200, 300, 3), 128, np.uint8)


def test_the_detail_holds_the_largest_error(flat):
    wrong = flat.copy()
    wrong[150:160, 220:235] += 90
    wrong[20:30, 20:30] += 40
    rows, cols = find_detail(compared(flat, [flat, wrong]))
    assert (rows.stop - rows.start, cols.stop - cols.start) == (64, 64)
    assert rows.start <= 150
    assert rows.stop >= 160
    assert cols.start <= 220
    assert cols.stop >= 235


def test_what_does_not_count_is_not_shown(flat):
    wrong = flat.copy()
    wrong[150:160, 220:235] += 90
    wrong[20:30, 20:30] += 40
    mask = np.ones(flat.shape[:2], bool)
    mask[100:] = False
    rows, cols = find_detail(compared(flat, [wrong], case="isc", mask=mask))
    assert rows.start <= 20
    assert cols.start <= 20


@pytest.mark.parametrize(("case", "side"), [("x1.5", 64), ("x3", 96), ("x2x4", 128), ("x16", 192)])
def test_details_are_larger_at_larger_scales(flat, case, side):
    rows, cols = find_detail(compared(flat, [flat], case=case))
    assert (rows.stop - rows.start, cols.stop - cols.start) == (side, side)


def test_details_stay_within_small_images_and_common_sizes(flat):
    high, low = flat[:20, :70], flat[:18, :80]
    rows, cols = find_detail(compared(high, [low]))
    assert (rows.stop - rows.start, cols.stop - cols.start) == (18, 64)
    assert rows.stop <= 18
    assert cols.stop <= 70


def test_pixels_of_the_detail_are_whole_squares(flat):
    noise = np.random.default_rng(1).integers(0, 256, flat.shape).astype(np.uint8)
    comparison = compared(flat, [noise])
    window = find_detail(comparison)
    picture = np.asarray(side_by_side(comparison, "PSNR-Y"))
    expected = noise[window].repeat(6, axis=0).repeat(6, axis=1)
    # The last panel ends at the right margin.
    found = picture[28 : 28 + 384, -28 - 384 : -28]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("count", [1, 4, 5, 9])
def test_every_method_has_a_panel(flat, count):
    colours = [np.full_like(flat, 10 + 20 * number) for number in range(count)]
    picture = np.asarray(side_by_side(compared(flat, colours), "PSNR-Y"))
    for colour in colours:
        assert (picture == colour[0, 0]).all(axis=-1).sum() > 380 * 380


def test_a_long_name_does_not_leave_its_panel(flat):
    comparison = compared(flat, [flat])
    score, result = comparison.results[0]
    long = Score(score.dataset, score.case, "W" * 90, score.image, float("inf"))
    comparison.results[0] = (long, result)
    picture = np.asarray(side_by_side(comparison, "mPSNR"))
    assert (picture[:, -27:] == 255).all()


# -- shrunk results -------------------------------------------------------------------------


def shrunk(high, results):
    comparison = compared(high, results, case="by 2")
    return Comparison(
        comparison.dataset, comparison.case, comparison.image, high,
        results=comparison.results, is_shrunk=True,
    )  # fmt: skip


def test_the_detail_of_shrunk_results_lies_in_their_pixels(flat):
    wrong = flat[::2, ::2].copy()
    wrong[80:90, 100:110] += 90
    rows, cols = find_detail(shrunk(flat, [flat[::2, ::2], wrong]))
    assert (rows.stop - rows.start, cols.stop - cols.start) == (64, 64)
    assert rows.start <= 80
    assert rows.stop >= 90
    assert cols.start <= 100
    assert cols.stop >= 110


def test_the_source_is_shown_where_the_results_are(flat):
    source = flat.copy()
    source[150:190, 210:250] = (255, 0, 0)
    small = source[::2, ::2].copy()
    small[75:95, 105:125] = (0, 0, 255)
    picture = np.asarray(side_by_side(shrunk(source, [small]), "PSNR-Y"))
    # Both panels show the square at one place and size, 6 pixels per result pixel.
    red = np.argwhere((picture == (255, 0, 0)).all(axis=-1)[:, -28 - 2 * 384 - 18 :])
    blue = np.argwhere((picture == (0, 0, 255)).all(axis=-1))
    assert len(blue) == (20 * 6) ** 2
    assert red[:, 0].min() == blue[:, 0].min()
    assert len(red) == len(blue)
