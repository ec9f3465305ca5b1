"""Models that are known by name: files that ship, and a user's own, which go first."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from lerf_core.bank.files import SUFFIX
from lerf_core.errors import BankNotFoundError

__all__ = ["Folder", "files_by_name", "path_of", "user_folder"]

#: Says where files lie; raises FileNotFoundError where there is no such folder.
Folder = Callable[[], Path]

# What a user's data folder depends on, in the environment.
_PLACES = ("LOCALAPPDATA", "USERPROFILE") if os.name == "nt" else ("XDG_DATA_HOME", "HOME")


def user_folder(variable: str, content: str) -> Path:
    """Return a folder of a user's own files.

    Parameters
    ----------
    variable : str
        Of the environment, that names it.
    content : str
        What it is called in the user's data folder otherwise.

    Raises
    ------
    BankNotFoundError
        If the user has no home folder.
    """
    if override := os.environ.get(variable):
        return Path(override)
    import platformdirs

    try:
        data = _data_folder(platformdirs.user_data_path, *map(os.environ.get, _PLACES))
    except RuntimeError as error:
        raise BankNotFoundError(f"this user has no home folder: {variable} names one") from error
    return data / content


@lru_cache(maxsize=8)
def _data_folder(data_path: Callable[..., Path], *places: str | None) -> Path:  # noqa: ARG001
    return data_path("lerf", appauthor=False)


def files_by_name(own: Folder, shipped: Folder) -> dict[str, Path]:
    """Return all files that have names; a user's own shadows a shipped one of the same name."""
    files: dict[str, Path] = {}
    for folder_of in (shipped, own):
        try:
            paths = sorted(path for path in folder_of().iterdir() if path.suffix == SUFFIX)
        except OSError:  # not there, or not for us to read
            continue
        files.update({path.stem: path for path in paths})
    return files


def path_of(
    source: str | os.PathLike[str],
    own: Folder,
    shipped: Folder,
    *,
    content: str,
    missing: Callable[[str], Exception],
) -> Path:
    """Return the file or folder that a name or a path stands for.

    Parameters
    ----------
    source : str or path
        A name goes before a file of that name in the working folder.
    own, shipped : callable
        Where a user's files, and those that ship, lie.
    content : str
        What they are, for messages.
    missing : callable
        Makes the error that is raised if nothing has that name.
    """
    if isinstance(source, str) and (named := _file_named(source, own, shipped)):
        return named
    path = Path(source)
    try:
        exists = bool(os.fspath(source)) and path.exists()
    except (OSError, ValueError):  # names that no file can have
        exists = False
    if exists:
        return path
    if isinstance(source, str) and path.name == source:
        names = ", ".join(sorted(files_by_name(own, shipped))) or "none"
        raise missing(f"no {content} is called {source!r}; there are {names}")
    raise missing(f"no {content} file or folder at {os.fspath(source)!r}")


def _file_named(name: str, own: Folder, shipped: Folder) -> Path | None:
    """Return the file that `files_by_name` has for a name, or None; no folder is listed."""
    try:
        folder = own()
    except FileNotFoundError:  # no home
        folder = None
    for path in _places(name, folder, shipped()):
        try:
            path.lstat()
        except (OSError, ValueError):  # not there; no name that a file can have
            continue
        return path
    return None


@lru_cache(maxsize=64)
def _places(name: str, *folders: Path | None) -> tuple[Path, ...]:
    """Return where a file of a name may lie; nowhere if it has folders."""
    if not name or Path(name).name != name:
        return ()
    return tuple(folder / f"{name}{SUFFIX}" for folder in folders if folder is not None)
