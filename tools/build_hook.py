"""Building the package compiles its kernels: hatchling's hook for wheels and editable installs.

A wheel holds a library for each CPU level of this machine's architecture (some minutes), a checkout
gets that of this processor. ``LERF_BUILD_KERNELS=0`` leaves them out: such an install compiles at
run time where numba is installed, or computes with NumPy.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# The versions whose compiler's interface the build speaks.
NUMBA = "numba>=0.66"
LINKER = "ziglang>=0.13"
MACHINES = ("x86_64", "amd64", "arm64", "aarch64")


class KernelHook(BuildHookInterface):
    """Compiles kernels before files are collected."""

    def dependencies(self) -> list[str]:
        """Return what the build environment needs besides hatchling."""
        if not self._is_wanted():
            return []
        has_linker = os.environ.get("CC") or any(map(shutil.which, ("cc", "gcc", "clang")))
        return [NUMBA] if has_linker else [NUMBA, LINKER]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say what the wheel is for.

        Raises
        ------
        RuntimeError
            If kernels cannot be compiled.
        """
        if not self._is_wanted():
            return
        command = [sys.executable, "-m", "lerf_core.backends.numba.building.build"]
        if version != "editable":
            command.append("--all")
        path = os.pathsep.join([self.root, *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            command, cwd=self.root, env=os.environ | {"PYTHONPATH": path}, check=False
        )
        if done.returncode:
            message = (
                "the kernels could not be compiled (see above); LERF_BUILD_KERNELS=0 installs "
                "without them"
            )
            raise RuntimeError(message)
        if version != "editable":
            build_data["pure_python"] = False
            # No library is tied to a version of Python.
            tag = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["tag"] = f"py3-none-{os.environ.get('LERF_WHEEL_PLATFORM', tag)}"

    def _is_wanted(self) -> bool:
        is_known = platform.machine().lower() in MACHINES
        return (
            self.target_name == "wheel" and is_known and os.environ.get("LERF_BUILD_KERNELS") != "0"
        )
