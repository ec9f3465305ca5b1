"""The figures of tables say what the tables say."""

from __future__ import annotations

import numpy as np
import pytest
from support.combinations import some_first

import lerf_core
from lerf_cli.figures.tables import stage_figure, table_sheet
from lerf_core.bank.inspection import point_response, table_slice, table_statistics

pytestmark = pytest.mark.slow


def images_of(figure):
    return [axes.images[0] for axes in figure.axes if axes.images]


def test_the_identity_is_drawn_as_no_change():
    bank = lerf_core.analytic_bank()
    images = images_of(stage_figure(bank, 0, table_statistics(bank)))
    assert len(images) == 1 + 2 * 3  # the response, and two slices of each pattern
    for image in images:
        assert (np.abs(image.get_array()) <= 1 + 1e-4).all()
        assert image.norm.vmin == -image.norm.vmax


@pytest.mark.parametrize("kind", some_first(["lerf-p"], ["lerf-g", "lerf-l"]))
def test_every_value_of_every_table_is_drawn(make_random_bank, kind):
    bank = make_random_bank(kind)
    statistics = table_statistics(bank)
    figure = table_sheet(bank, statistics)
    responses = sum(len(stage.values) for stage in bank.stages)
    assert len(images_of(figure)) == responses + 2 * len(statistics)
    histograms = [axes for axes in figure.axes if axes.patches and not axes.images]
    assert len(histograms) == len(statistics)
    # The pixels of the patterns: four for each slice.
    assert len(figure.artists) == 4 * 2 * len(statistics)
    words = "\n".join(text.get_text() for text in figure.texts)
    for about in statistics:
        assert f"{about.table}  " in words
    assert f"Tables of {bank.name} ({kind})" in words


def test_slices_and_responses_are_those_of_the_bank(make_random_bank):
    bank = make_random_bank("lerf-l")
    images = images_of(stage_figure(bank, 1, table_statistics(bank)))
    np.testing.assert_array_equal(images[0].get_array(), point_response(bank, 1)[..., 0])
    first = table_slice(bank, "stage2.s.0", (0, 1, 1, 1))[..., 0]
    np.testing.assert_array_equal(images[1].get_array(), first)
