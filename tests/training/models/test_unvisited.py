"""Entries that training saw seldom or never."""

import pytest

torch = pytest.importorskip("torch")

from lerf_training.models.unvisited import fill_unvisited  # noqa: E402


def grid(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_well_visited_entries_stay_as_trained():
    change = grid(2, 5, 5, 5, 5, 3)
    filled = fill_unvisited(change, torch.full((2, 5, 5, 5, 5), 1e6))
    assert (filled - change).abs().max() < 1e-2


def test_without_visits_nothing_changes():
    assert not fill_unvisited(grid(1, 5, 5, 5, 5, 1), torch.zeros(1, 5, 5, 5, 5)).any()


def test_a_hole_takes_on_what_surrounds_it():
    change = torch.full((1, 5, 5, 5, 5, 1), 8.0)
    visits = torch.full((1, 5, 5, 5, 5), 1e6)
    change[0, 2, 2, 2, 2], visits[0, 2, 2, 2, 2] = -100.0, 0.0
    assert abs(fill_unvisited(change, visits)[0, 2, 2, 2, 2].item() - 8) < 0.1


def test_a_rare_outlier_is_drawn_to_its_neighbours_and_a_frequent_one_is_not():
    change = torch.zeros(1, 5, 5, 5, 5, 1)
    visits = torch.full((1, 5, 5, 5, 5), 1e6)
    change[0, 2, 2, 2, 2] = 100.0
    frequent = fill_unvisited(change, visits)[0, 2, 2, 2, 2].item()
    visits[0, 2, 2, 2, 2] = 1.0
    rare = fill_unvisited(change, visits)[0, 2, 2, 2, 2].item()
    assert frequent > 99
    assert rare < 5


def test_far_from_everything_seen_the_start_remains():
    change, visits = torch.zeros(1, 17, 17, 17, 17, 1), torch.zeros(1, 17, 17, 17, 17)
    change[0, 0, 0, 0, 0], visits[0, 0, 0, 0, 0] = 50.0, 1e6
    filled = fill_unvisited(change, visits)
    assert filled[0, 0, 0, 0, 0] > 40
    assert filled[0, -1, -1, -1, -1].abs() < 0.01


def test_tables_and_values_are_apart():
    change, visits = grid(3, 5, 5, 5, 5, 2), torch.full((3, 5, 5, 5, 5), 4.0)
    whole = fill_unvisited(change, visits)
    alone = fill_unvisited(change[1:2, ..., 1:], visits[1:2])
    torch.testing.assert_close(whole[1:2, ..., 1:], alone)
