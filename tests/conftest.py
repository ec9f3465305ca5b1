"""Fixtures and settings shared by every test."""

import os
from pathlib import Path
from typing import Any

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[1]

# No deadlines: the first call of a kernel compiles it. Derandomised: a red run can be repeated.
hypothesis.settings.register_profile("lerf", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("lerf")

NO_DATA = "the benchmark data are missing (LERF_DATA, or ../shared/data beside the project)"


def find_shared_data() -> Path | None:
    """Return the folder of benchmark data, or None where there is none."""
    named = os.environ.get("LERF_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    return folder if (folder / "bench").is_dir() else None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder that holds `bench` and `upstream`; the test is skipped where it is missing."""
    folder = find_shared_data()
    if folder is None:
        pytest.skip(NO_DATA)
    return folder


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many tests did not run for want of data."""
    skipped = terminalreporter.stats.get("skipped", [])
    count = sum(NO_DATA in str(report.longrepr) for report in skipped)
    if count:
        terminalreporter.write_line(f"{count} tests skipped: {NO_DATA}", yellow=True)
