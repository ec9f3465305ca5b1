"""Libraries of object code, linked by the system's C compiler or by that of ziglang."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

__all__ = ["LinkError", "link", "linker"]


# What code may call of the system.
_LIBRARIES = [] if sys.platform == "win32" else ["-lm"]


class LinkError(RuntimeError):
    """There is no linker, or it failed."""


def linker() -> list[str]:
    """Return the command that links: ``CC``, a C compiler on the path, or ziglang's.

    Raises
    ------
    LinkError
        If there is none.
    """
    if os.environ.get("CC"):
        return shlex.split(os.environ["CC"])
    for name in ("cc", "gcc", "clang"):
        if found := shutil.which(name):
            return [found]
    if find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    message = "compiled kernels want a linker: a C compiler, or `pip install ziglang`"
    raise LinkError(message)


def link(objects: Iterable[tuple[str, bytes]], path: Path) -> None:
    """Write a library of object files, as a whole or not at all.

    Parameters
    ----------
    objects : iterable of (str, bytes)
        Names and contents.
    path : Path

    Raises
    ------
    LinkError
        If there is no linker, or it fails: also where code refers to what is not there.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for name, content in objects:
            files.append(Path(folder) / f"{name}.o")
            files[-1].write_bytes(content)
        # A file of names: the command line would be too long for Windows.
        names = Path(folder) / "objects.txt"
        names.write_text("\n".join(f'"{file.as_posix()}"' for file in files), "utf-8")
        made = Path(folder) / path.name
        command = [*linker(), "-shared", *_options(), "-o", str(made), f"@{names}", *_LIBRARIES]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            message = f"{shlex.join(command)} failed: {run.stderr.strip()[-2000:]}"
            raise LinkError(message)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        shutil.copyfile(made, beside)
        beside.replace(path)


def _options() -> list[str]:
    if sys.platform == "darwin":
        return ["-Wl,-x"]
    if sys.platform == "win32":
        return []
    # Nothing may be left to be found at run time, and nothing is there to be debugged.
    return ["-Wl,-z,defs", "-Wl,--strip-all", "-Wl,-z,noexecstack"]
