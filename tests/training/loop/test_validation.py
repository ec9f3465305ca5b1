"""Validation while training: the bank that would be saved, on photographs held out."""

import numpy as np
import pytest
from lerf_training.data.photographs import scan
from lerf_training.loop.validation import SCALES, Validation
from PIL import Image

import lerf_core
from lerf_core.metrics import luma, psnr


def test_figures_are_those_of_the_resized_middle(make_photographs, random_bank):
    folder = make_photographs(2, rows=130, cols=190)
    mine = Validation(scan([folder], 60).photographs)(random_bank)
    wanted = []
    for number in range(2):
        # The largest multiples of 60: 120 rows and 180 columns, in the middle.
        high = np.asarray(Image.open(folder / f"{number}.png"))[5:125, 5:185]
        low = Image.fromarray(high).resize((90, 60), Image.Resampling.BICUBIC)
        twice = lerf_core.rescale(np.asarray(low), 2, bank=random_bank, channel_axis=-1)
        wanted.append(psnr(luma(high), luma(twice), shave=2))
    # Pillow rounds twice on bytes, validation once.
    assert mine["x2"] == pytest.approx(np.mean(wanted), abs=0.1)
    assert mine["mean"] == pytest.approx(np.mean([mine[f"x{scale:g}"] for scale in SCALES]))


def test_large_photographs_are_scored_on_a_crop(make_photographs):
    folder = make_photographs(1, rows=200, cols=250)
    photographs = scan([folder], 60).photographs
    whole = Validation(photographs)("analytic")
    crop = Validation(photographs, crop=60)("analytic")
    assert whole != crop
    assert whole == Validation(photographs, crop=1000)("analytic")


def test_a_better_bank_scores_higher(make_photographs, random_bank):
    validation = Validation(scan([make_photographs(3)], 60).photographs)
    assert len(validation) == 3
    assert validation("analytic")["mean"] > validation(random_bank)["mean"] + 1


def test_without_photographs_there_are_no_figures(make_photographs):
    assert Validation(())("analytic") == {}
    small = Validation(scan([make_photographs(1, rows=59, cols=90)], 50).photographs)
    assert len(small) == 0
    assert small("analytic") == {}


def test_a_perfect_result_is_a_finite_figure(tmp_path):
    Image.new("RGB", (80, 80), (9, 99, 199)).save(tmp_path / "flat.png")
    figures = Validation(scan([tmp_path], 60).photographs)("analytic")
    assert set(figures.values()) == {99.0}
