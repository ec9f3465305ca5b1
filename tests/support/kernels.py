"""Compiled kernels in tests: processes of their own that have certain ones."""

from __future__ import annotations

import os
import subprocess
import sys

__all__ = ["WITHOUT_NUMBA", "environment", "run_python"]

#: Statements after which numba cannot be imported.
WITHOUT_NUMBA = 'import sys\nsys.modules["numba"] = None\n'


def environment(kernels: str = "", **variables: object) -> dict[str, str]:
    """Return this process's environment, with other kernels (``LERF_KERNELS``) and variables."""
    return {**os.environ, "LERF_KERNELS": kernels, **{k: str(v) for k, v in variables.items()}}


def run_python(
    script: str, *arguments: object, env: dict[str, str] | None = None, code: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, and check the exit status."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *map(str, arguments)],
        env=environment() if env is None else env,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done
