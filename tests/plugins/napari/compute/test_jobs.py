"""Work in the background, in a real viewer."""

import pytest
from support.layers import in_a_window

from lerf_plugins.napari.compute.jobs import BackgroundJob
from lerf_plugins.napari.compute.results import Step

pytestmark = pytest.mark.usefixtures("display")


@in_a_window
def test_many_steps_at_once(viewer, until, told):
    """A bar handles waiting events, in which further steps arrive."""
    seen, results = [], []

    def work():
        for number in range(3000):
            yield Step(number, 3000)
        return "the end"

    job = BackgroundJob(seen.append, told.append)
    job.start(work, "many steps", results.append)
    until(lambda: not job.is_running)
    assert results == ["the end"]
    assert seen[-1] is None
    assert seen[-2] == Step(2999, 3000)
    assert not told
