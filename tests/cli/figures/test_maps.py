"""The figures of parameter maps say what the maps say."""

from __future__ import annotations

import numpy as np
import pytest

import lerf_core
from lerf_cli.figures.crop import Crop, busiest_crop
from lerf_cli.figures.maps import arrow_figure, drawn_maps, ellipse_figure, map_figure, map_sheet
from lerf_cli.figures.plotting import UNKNOWN, ColourScale, as_image
from lerf_core.inspection import Slopes, ellipses


def white_maps(rows, cols):
    return lerf_core.parameter_maps(np.full((rows, cols), 255, np.uint8), bank="analytic")


def marks(figure, shape):
    """Where something is drawn on a white crop: (row, col) in pixels of the crop; its colours."""
    (axes,) = figure.axes
    box = axes.get_window_extent()
    picture = np.asarray(as_image(figure))
    top, bottom = (round(picture.shape[0] - y) for y in (box.y1, box.y0))
    left, right = round(box.x0), round(box.x1)
    inside = picture[top + 2 : bottom - 2, left + 2 : right - 2]  # without the frame
    drawn = (inside.min(axis=2) < 160) & (np.ptp(inside, axis=2) > 60)
    zoom = np.array([box.height / shape[0], box.width / shape[1]])
    return (np.argwhere(drawn) + 2.5) / zoom, inside[drawn]


def test_the_busiest_window_holds_the_edges():
    grey = np.zeros((90, 120), np.float32)
    grey[60:80:2, 70:100] = 200
    crop = busiest_crop(grey, 32)
    assert (crop.width, crop.height) == (32, 32)
    assert crop.x <= 70
    assert crop.x + 32 >= 100
    assert crop.y <= 60
    assert busiest_crop(grey[:5, :7], 32) == Crop(0, 0, 7, 5)


def test_both_slopes_have_one_scale_about_zero(make_random_bank):
    noise = np.random.default_rng(5).integers(0, 256, (9, 11)).astype(np.uint8)
    maps = lerf_core.parameter_maps(noise, bank=make_random_bank("lerf-p"))
    panels = drawn_maps(maps)
    row, col = panels["slope_row"], panels["slope_col"]
    assert row.scale == col.scale
    assert row.scale.low == -row.scale.high < 0
    np.testing.assert_array_equal(row.values, maps.coefficient("slope_row"))
    np.testing.assert_array_equal(col.values, maps.coefficient("slope_col"))
    assert panels["residual"].scale.low == -panels["residual"].scale.high


def test_a_map_is_drawn_with_its_values_and_its_scale():
    noise = np.random.default_rng(6).integers(0, 256, (9, 11)).astype(np.uint8)
    maps = lerf_core.parameter_maps(noise, bank="lerf-g")
    (axes,) = map_figure(maps, "rho").axes
    (image,), (bar,) = axes.images, axes.child_axes
    np.testing.assert_array_equal(image.get_array(), maps.coefficient("rho"))
    assert bar.get_ylim() == (image.norm.vmin, image.norm.vmax)
    assert axes.get_title(loc="left") == "rho, as r = 2 rho - 1"


def test_large_maps_are_reduced_to_means():
    wave = np.tile(np.array([10, 30], np.uint8), (2, 3000))
    maps = lerf_core.parameter_maps(wave, bank="analytic")
    (image,) = map_figure(maps, "image").axes[0].images
    assert image.get_array().shape[1] <= 3000
    assert image.get_array().mean() == pytest.approx(20)
    assert list(image.get_extent()) == [0, 6000, 2, 0]


def test_colours():
    scale = ColourScale("RdBu_r", -2, 2)
    painted = scale.colour_map(scale.norm(np.ma.masked_invalid([-9, -2, 0, 2, np.nan])), bytes=True)
    assert painted[0].tolist() == painted[1].tolist() == [5, 48, 97, 255]
    assert painted[2].tolist()[:3] == pytest.approx([247, 247, 247], abs=2)
    assert painted[4].tolist() == [*bytes.fromhex(UNKNOWN[1:]), 255]
    # A constant lies in the middle of its scale.
    assert ColourScale("viridis", 3, 3).norm(3) == 0.5


def test_an_ellipse_lies_where_it_points():
    values = {name: np.full((3, 3), np.nan) for name in ("rho", "sigma_row", "sigma_col")}
    for name, value in zip(values, (0.5, 0.5, 0.1), strict=True):
        values[name][1, 1] = value  # one pixel long to either side, a fifth up and down
    figure = ellipse_figure(white_maps(3, 3), ellipses(values), Crop(0, 0, 3, 3))
    drawn, _ = marks(figure, (3, 3))
    assert np.ptp(drawn[:, 1]) == pytest.approx(2, abs=0.03)
    assert np.ptp(drawn[:, 0]) == pytest.approx(0.4, abs=0.03)
    assert drawn.mean(axis=0) == pytest.approx([1.5, 1.5], abs=0.01)


@pytest.mark.parametrize("row", [-3, 0, 5])
@pytest.mark.parametrize("col", [-4, 0, 4])
def test_an_arrow_goes_from_the_centre_to_where_the_level_rises(row, col):
    slopes = Slopes(*np.zeros((2, 3, 3), np.float32))
    slopes.row[1, 1], slopes.col[1, 1] = row, col
    slopes.row[0, 0] = np.nan
    drawn, _ = marks(arrow_figure(white_maps(3, 3), slopes, Crop(0, 0, 3, 3)), (3, 3))
    if row == col == 0:
        assert len(drawn) == 0
        return
    # It is steeper than nearly all pixels: as long as arrows are, just short of a pixel.
    along = np.array([row, col]) / np.hypot(row, col)
    steps = (drawn - 1.5) @ along
    assert steps.max() == pytest.approx(0.92, abs=0.03)
    assert steps.min() == pytest.approx(0, abs=0.05)
    aside = (drawn - 1.5) @ (along[1], -along[0])
    assert np.abs(aside).max() < 0.25
    assert aside.mean() == pytest.approx(0, abs=0.01)
    # The head is at the tip.
    assert np.ptp(aside[steps > 0.5]) > 2 * np.ptp(aside[steps < 0.4])


def test_arrows_are_as_long_as_slopes_are_steep():
    slopes = Slopes(*np.zeros((2, 1, 40), np.float32))
    slopes.col[0, ::2] = 8
    slopes.col[0, [0, 2, 38]] = 2, 4, 60
    figure = arrow_figure(white_maps(1, 40), slopes, Crop(0, 0, 40, 1))
    (axes,) = figure.axes
    # The few that are steeper are drawn as long.
    assert axes.get_title(loc="left").endswith("longest arrow = 8 levels/pixel")
    drawn, colours = marks(figure, (1, 40))
    for pixel, length in ((0, 0.23), (2, 0.46), (4, 0.92), (38, 0.92)):
        columns = drawn[(drawn[:, 1] > pixel) & (drawn[:, 1] < pixel + 2), 1]
        assert columns.max() - (pixel + 0.5) == pytest.approx(length, abs=0.06)
    steep = drawn[:, 1] > 38
    assert (colours[steep, 0] > colours[steep, 2]).all()  # orange
    assert (colours[~steep, 0] < colours[~steep, 2]).all()  # blue
    (note,) = axes.texts
    assert "1 are steeper than drawn, up to 60 levels/pixel" in note.get_text()


@pytest.mark.parametrize("rise", [(4, 0), (0, -4), (-3, 4), (3, 3)])
def test_arrows_on_a_ramp_point_up_the_ramp(rise):
    rows, cols = np.mgrid[:7, :7]
    ramp = 120 + rise[0] * rows + rise[1] * cols
    slopes = Slopes(*map(np.float32, np.gradient(ramp)))
    away = (rows % 2 == 1) | (cols % 2 == 1)  # every other pixel's, so that none overlap
    slopes.row[away] = slopes.col[away] = 0
    drawn, _ = marks(arrow_figure(white_maps(7, 7), slopes, Crop(0, 0, 7, 7)), (7, 7))
    for pixel in ((2, 2), (2, 4), (4, 2), (4, 4)):
        steps = drawn - pixel - 0.5
        steps = steps[np.abs(steps).max(axis=1) < 1]
        tip = pixel + np.rint(steps[np.hypot(*steps.T).argmax()]).astype(int)
        assert ramp[tuple(tip)] > ramp[pixel]


@pytest.mark.parametrize(("kind", "titles"), [("lerf-g", 7), ("lerf-l", 6), ("lerf-p", 11)])
def test_the_sheet_shows_every_map_the_window_and_the_figures(make_random_bank, kind, titles):
    noise = np.random.default_rng(5).integers(0, 256, (60, 70)).astype(np.uint8)
    maps = lerf_core.parameter_maps(noise, bank=make_random_bank(kind))
    found = ellipses(maps) if kind != "lerf-l" else None
    slopes = lerf_core.inspection.slopes(maps) if kind == "lerf-p" else None
    statistics = {"image": {"min": 0.0, "median": None, "max": 123.456}}
    crop = Crop(3, 4, 20, 30)
    figure = map_sheet(maps, statistics, crop, found, slopes, "a title", "a subtitle")
    named = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert len(named) == titles
    mark = named[0].patches[-1]
    assert (mark.get_xy(), mark.get_width(), mark.get_height()) == ((3, 4), 20, 30)
    (table,) = [table for axes in figure.axes for table in axes.tables]
    cells = [cell.get_text().get_text() for _, cell in sorted(table.get_celld().items())]
    assert cells == ["", "min", "median", "max", "image", "0.000", "-", "123.5"]
    assert [text.get_text() for text in figure.texts] == ["a title", "a subtitle"]
