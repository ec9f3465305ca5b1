"""Banks are compared on what trainings hold out, each by the same images."""

import numpy as np
import pytest
from lerf_training.data.patch_options import PatchOptions
from lerf_training.data.photographs import scan, split_share
from lerf_training.errors import DatasetError, MissingExtraError
from lerf_training.evaluation import held_out
from lerf_training.evaluation.baselines import baseline_method
from lerf_training.evaluation.held_out import (
    ENLARGE,
    SHRINK,
    WARP,
    Competitor,
    HeldOutOptions,
    find_held_out,
    held_out_protocol,
    score_held_out,
)
from lerf_training.evaluation.methods import Method, method_of_bank
from lerf_training.evaluation.shrinking.methods import lerf_method, shrink_method
from lerf_training.loop.validation import SCALES, Validation

import lerf_core
from lerf_core.errors import InvalidArgumentError

SQUARE = tuple((scale, scale) for scale in SCALES)


def competitor(name):
    bank = lerf_core.load_bank(name)
    return Competitor(method_of_bank(bank, name), lerf_method(name, "", bank=bank).shrink)


def flat(lists):
    return [score for scores in lists for score in scores]


def test_the_photographs_are_those_of_a_training(make_photographs):
    folder = make_photographs(30)
    every = scan([folder], PatchOptions().least)
    found = find_held_out([folder], 0.1)
    assert found.photographs == split_share(every.photographs, 0.1)[1]
    assert (len(found.photographs), found.total) == (3, 30)
    assert find_held_out([folder], None).photographs == every.photographs
    assert find_held_out([folder], None).fingerprint == every.fingerprint != found.fingerprint
    words = held_out_protocol(found, 0.1, HeldOutOptions(SQUARE), (ENLARGE, "other"))
    assert words["photographs"] == "3 of 30, held out by their digests, a share of 0.1"
    assert words["fingerprint"] == found.fingerprint
    assert ENLARGE in words
    assert not {WARP, SHRINK, "other"} & set(words)


def test_nothing_held_out_is_an_error(make_photographs, tmp_path):
    with pytest.raises(DatasetError, match="none of 1 photographs are held out"):
        find_held_out([make_photographs(1)], 0.08)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="there are no image files"):
        find_held_out([tmp_path / "empty"], 0.08)


def test_enlargements_have_the_figures_of_validation(make_photographs):
    photographs = scan([make_photographs(2, rows=130, cols=190)], 60).photographs
    for name in ("analytic", "lerf-p"):
        wanted = Validation(photographs)(lerf_core.load_bank(name))
        options = HeldOutOptions(SQUARE)
        scores = flat(score_held_out(photographs, [competitor(name)], options, [ENLARGE]))
        for scale in SCALES:
            mine = [score.psnr for score in scores if score.case == f"x{scale:g}"]
            assert np.mean(mine) == pytest.approx(wanted[f"x{scale:g}"], abs=1e-9)
        assert {score.dataset for score in scores} == {ENLARGE}
        assert all(0 < score.ssim < 1 for score in scores)


@pytest.mark.parametrize(
    ("scale", "low", "high"),
    [
        ((6.0, 6.0), (20, 30), (120, 180)),
        ((8.0, 8.0), (15, 22), (120, 176)),
        ((1.5, 1.5), (80, 120), (120, 180)),
        ((3.0, 2.0), (40, 90), (120, 180)),
        ((1.75, 1.3), (68, 130), (119, 169)),
    ],
)
def test_other_scales_have_crops_that_suit_them(make_photographs, scale, low, high):
    photographs = scan([make_photographs(1, rows=130, cols=190)], 60).photographs
    seen = []

    def rescale(image, asked):
        seen.append((image.shape, asked))
        return np.zeros((*high, 3), np.uint8)

    spy = Competitor(Method("spy", "", rescale, None), None)
    (scores,) = score_held_out(photographs, [spy], HeldOutOptions((scale,)), [ENLARGE])
    assert seen == [((*low, 3), scale)]
    assert lerf_core.rescaled_shape(low, scale) == high
    assert len(scores) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scales": ((2.7182818, 2.0),)}, "no crop suits a scale of 2.71828"),
        ({"scales": ((0.5, 2.0),)}, "x2x0.5 does not enlarge"),
        ({"scales": ((float("nan"), 2.0),)}, "does not enlarge"),
        ({"scales": SQUARE, "factors": (1.0,)}, "factors to shrink by are above 1, got 1"),
        ({"scales": SQUARE, "crop": 59}, "crops have 60 pixels at least"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        HeldOutOptions(**options)


def test_a_scale_beyond_the_photograph_names_it(make_photographs):
    photographs = scan([make_photographs(1, rows=70, cols=70)], 60).photographs
    options = HeldOutOptions(((61.0, 61.0),))
    with pytest.raises(DatasetError, match=r"0\.png: a crop of 60x60 pixels is too small for x61"):
        flat(score_held_out(photographs, [competitor("analytic")], options, [ENLARGE]))


def test_round_trips_go_through_the_shrinking_bank(make_photographs):
    photographs = scan([make_photographs(1, rows=130, cols=190)], 60).photographs
    pillow = Competitor(baseline_method("pillow-bicubic"), shrink_method("pillow-bicubic").shrink)
    never = Competitor(baseline_method("pillow-lanczos"), None)
    options = HeldOutOptions(SQUARE, factors=(2.0, 3.5))
    (scores,) = score_held_out(photographs, [pillow, never], options, [SHRINK])
    assert [(score.case, score.method) for score in scores] == [
        ("by 2", "pillow-bicubic"),
        ("by 3.5", "pillow-bicubic"),
    ]
    assert scores[0].psnr > scores[1].psnr


# -- warps --------------------------------------------------------------------------------


@pytest.fixture
def photographs(make_photographs):
    return scan([make_photographs(1, rows=330, cols=420)], 60).photographs


def test_warps_are_the_same_for_every_method_and_run(photographs):
    pytest.importorskip("numba")
    seen = []

    def spy(image, matrix, shape):
        seen.append((image.copy(), matrix, shape))
        return np.zeros((*shape, 3), np.uint8)

    def unused(image, scale):
        raise AssertionError

    spies = [Competitor(Method(name, "", unused, spy), None) for name in "ab"]
    spies.append(Competitor(baseline_method("pillow-lanczos"), None))  # does not warp
    options = HeldOutOptions(SQUARE, warps=2)
    scores = flat(score_held_out(photographs, spies, options, [WARP]))
    assert [score.method for score in scores] == ["a", "b"] * 4
    assert [score.case for score in scores[::4]] == ["x1.3..4", "x4..6"]
    assert len({score.image for score in scores}) == 2
    for first, second in zip(seen[::2], seen[1::2], strict=True):
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])
    first = list(seen)
    seen.clear()
    flat(score_held_out(photographs, spies, options, [WARP]))
    for before, now in zip(first, seen, strict=True):
        np.testing.assert_array_equal(before[0], now[0])
        np.testing.assert_array_equal(before[1], now[1])


def test_warps_put_sources_where_they_came_from(photographs):
    """On smooth photographs a right matrix gives back nearly all; one pixel beside, less."""
    pytest.importorskip("numba")
    bank = competitor("lerf-p")

    def beside(image, matrix, shape):
        shift = np.array([[1.0, 0, 2], [0, 1, 0], [0, 0, 1]])
        return bank.method.warp(image, shift @ matrix, shape)

    shifted = Competitor(Method("beside", "", bank.method.rescale, beside), None)
    scores = flat(score_held_out(photographs, [bank, shifted], HeldOutOptions(SQUARE), [WARP]))
    right = np.array([score.psnr for score in scores if score.method == "lerf-p"])
    wrong = np.array([score.psnr for score in scores if score.method == "beside"])
    assert len(right) == len(wrong) == 8
    assert right.mean() > wrong.mean() + 1


def test_warps_need_numba(photographs, monkeypatch):
    monkeypatch.setattr(held_out.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"random homographies needs numba.*lerf\[train\]"):
        score_held_out(photographs, [], HeldOutOptions(SQUARE), [WARP])
    assert list(score_held_out(photographs, [], HeldOutOptions(SQUARE), [ENLARGE])) == [[]]
