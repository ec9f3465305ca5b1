"""Files damaged at random: refused in one line, or done; no hang, traceback or partial result."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "mutated_files.py"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the tool forks")
def test_files_damaged_at_random(tmp_path):
    result = subprocess.run(
        [sys.executable, TOOL, "--count", "140", "--seed", "2", "--keep", tmp_path / "faults"],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    assert "140 files, 0 faults" in result.stdout
