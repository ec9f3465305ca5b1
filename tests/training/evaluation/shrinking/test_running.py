"""Every method meets every photograph and every drawn scene, and means are means."""

import numpy as np
import pytest
from lerf_training.errors import DatasetError
from lerf_training.evaluation.shrinking.flicker import Flicker
from lerf_training.evaluation.shrinking.means import MeanShift
from lerf_training.evaluation.shrinking.methods import ShrinkMethod, shrink_method
from lerf_training.evaluation.shrinking.round_trips import ENLARGERS, RoundTrip, jpeg_bytes
from lerf_training.evaluation.shrinking.running import (
    PhotoScore,
    ShrinkCase,
    evaluate_drawn,
    evaluate_photos,
    photo_means,
    shrink_protocol,
)
from PIL import Image

from lerf_core.metrics import luma, psnr


@pytest.fixture
def case(tmp_path, photo):
    path = tmp_path / "a.png"
    large = Image.fromarray(photo).resize((97, 80), Image.Resampling.BICUBIC)
    large.save(path)
    return ShrinkCase("set", "a", path, 2.0)


def test_photographs_are_shrunk_and_enlarged_again(case):
    methods = [shrink_method("pillow-lanczos"), shrink_method("pillow-bicubic")]
    seen = []
    scores = list(evaluate_photos([case], methods, observe=seen.append))
    assert [score.method for score in scores] == ["pillow-lanczos", "pillow-bicubic"]
    (photo,) = seen
    assert photo.source.shape == (80, 96, 3)
    assert [score for score, _ in photo.results] == scores
    for (score, small), method in zip(photo.results, methods, strict=True):
        np.testing.assert_array_equal(small, method.shrink(photo.source, (40, 48)))
        again = np.asarray(Image.fromarray(small).resize((96, 80), Image.Resampling.BICUBIC))
        expected = psnr(luma(photo.source), luma(again))
        assert score.round_trips["pillow-bicubic"].psnr == pytest.approx(expected)
        assert score.jpeg_bytes == jpeg_bytes(small)
    assert scores[0].jpeg_ratio == 1
    assert scores[1].jpeg_ratio == scores[1].jpeg_bytes / scores[0].jpeg_bytes


def test_methods_that_give_other_sizes_are_named(case):
    wrong = ShrinkMethod("wrong", "", lambda image, shape: image[::3, ::3])
    with pytest.raises(DatasetError, match=r"a\.png by 2: wrong gave shape \(27, 32, 3\)"):
        list(evaluate_photos([case], [wrong]))


def test_drawn_scenes_meet_every_method_and_factor():
    methods = [shrink_method("pillow-box"), shrink_method("pillow-lanczos")]
    scores = list(evaluate_drawn([2.0, 1.5], methods))
    assert [(score.case, score.method) for score in scores] == [
        (case, method) for case in ("by 2", "by 1.5") for method in ("pillow-box", "pillow-lanczos")
    ]
    box, lanczos = scores[:2]
    assert max(entry.largest for entry in box.overshoots) == 0
    assert max(entry.largest for entry in lanczos.overshoots) > 0.09
    assert lanczos.zone_plate.beyond < box.zone_plate.beyond
    assert lanczos.edge_rise > box.edge_rise


def score(image, psnr_, shift, *, flip=None):
    trips = dict.fromkeys(ENLARGERS, RoundTrip(psnr_, psnr_ / 100, flip))
    return PhotoScore(
        "set", "by 2", "m", image, trips, MeanShift(shift, shift, shift, -shift), Flicker(0.1, 1.0),
        1000 * shift, shift,
    )  # fmt: skip


def test_means_are_means_and_the_largest_shift_the_largest():
    (mean,) = photo_means([score("a", 30.0, 1.0, flip=0.1), score("b", 40.0, 3.0, flip=0.3)])
    assert mean.image == "mean of 2"
    trip = mean.round_trips["lerf"]
    assert (trip.psnr, trip.ssim, trip.flip) == pytest.approx((35, 0.35, 0.2))
    assert mean.means.largest == 3
    assert mean.means.rms == pytest.approx(np.sqrt(5))
    assert mean.means.smooth == pytest.approx(np.sqrt(5))
    assert mean.means.whole == -2
    assert (mean.jpeg_bytes, mean.jpeg_ratio) == (2000, 2)


def test_means_of_perfect_and_unmeasured_figures():
    (mean,) = photo_means([score("a", np.inf, 1.0), score("b", np.inf, 1.0)])
    assert mean.round_trips["lerf"].psnr == np.inf
    assert mean.round_trips["lerf"].flip is None


def test_the_protocol_names_what_is_measured():
    assert "flip" in shrink_protocol(with_flip=True)
    assert "flip" not in shrink_protocol(with_flip=False)
