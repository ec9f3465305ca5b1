"""The windows that show where two banks differ are found by the rule that the script states."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(DOCS))
    try:
        yield importlib.import_module("make_differences")
    finally:
        sys.path.remove(str(DOCS))


@pytest.fixture
def compared(script):
    """Return a function: errors of 40 levels of the first and of the second bank in two corners."""

    def make(*, second):
        high = np.full((60, 80, 3), 100, np.uint8)
        wrong = [high.copy(), high.copy()]
        wrong[0][20:30, 50:60] += 40
        if second:
            wrong[1][40:50, 10:20] += 30
        return script.Comparison(high, *wrong)

    return make


def test_windows_hold_the_greatest_gain_and_the_greatest_loss(script, compared):
    windows = script.chosen_windows(compared(second=True), 10, 4)
    assert windows == {
        "greatest gain": (slice(20, 30), slice(50, 60)),
        "greatest loss": (slice(40, 50), slice(10, 20)),
    }


def test_where_nothing_is_lost_it_is_called_so(script, compared):
    windows = script.chosen_windows(compared(second=False), 10, 4)
    assert list(windows) == ["greatest gain", "least gain"]


def test_windows_keep_away_from_the_border(script, compared):
    comparison = compared(second=True)
    comparison.first[:4] = 255
    rows, cols = script.chosen_windows(comparison, 10, 4)["greatest gain"]
    assert (rows, cols) == (slice(20, 30), slice(50, 60))
    with pytest.raises(ValueError, match="no window of 56 pixels"):
        script.chosen_windows(comparison, 56, 4)


def test_maps_are_blue_where_the_second_bank_is_nearer(script, compared):
    colours = script.coloured(compared(second=True).nearer()).astype(int)
    assert (colours[0, 0] == 255).all()
    assert colours[25, 55, 2] > colours[25, 55, 0]
    assert colours[45, 15, 0] > colours[45, 15, 2]


@pytest.mark.slow
def test_the_script_draws_a_photograph(script, tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(2)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    coarse.resize((96, 72), Image.Resampling.BICUBIC).save(tmp_path / "photo.png")
    out = tmp_path / "new" / "d.png"
    arguments = ["make_differences.py", "analytic", "lerf-p", "--scale", "2", "--side", "24"]
    arguments += ["--photo", str(tmp_path / "photo.png"), "--output", str(out)]
    monkeypatch.setattr(sys, "argv", arguments)
    script.main()
    assert "photo, greatest gain, 24x24 at (" in capsys.readouterr().out
    with Image.open(out) as picture:
        assert picture.width == 4 * (24 * script.ZOOM + 8) + 8
    monkeypatch.setattr(sys, "argv", [*arguments[:1], "analytic", "no such bank"])
    with pytest.raises(SystemExit):
        script.main()
    assert "no such bank" in capsys.readouterr().err
