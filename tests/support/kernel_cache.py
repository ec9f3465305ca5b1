"""The cache of compiled kernels, for several test processes at once and after changes.

numba looks at a kernel's own file alone to see whether the cached code is stale, and two
processes that compile into one cache may give two kernels one file.
"""

import ast
import contextlib
from pathlib import Path

from numba.core.caching import IndexDataCacheFile

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "lerf_core": ROOT / "lerf_core",
    "lerf_training": ROOT / "training" / "lerf_training",
}


def imports_of(path):
    """Return the project's files that a module imports where it is loaded, and all that they do."""
    found = set()
    waiting = [path]
    while waiting:
        for node in ast.parse(waiting.pop().read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.ImportFrom) or node.module is None:
                continue
            package, *names = node.module.split(".")
            if package not in PACKAGES:
                continue
            module = PACKAGES[package].joinpath(*names)
            for file in (module.with_suffix(".py"), module / "__init__.py"):
                if file.is_file() and file not in found:
                    found.add(file)
                    waiting.append(file)
    return found


def drop_stale_kernels():
    """Delete cached kernels that are older than a module they take a constant or a helper from."""
    for package in PACKAGES.values():
        for cache in package.rglob("__pycache__"):
            for source in cache.parent.glob("*.py"):
                kernels = list(cache.glob(f"{source.stem}.*.nbi"))
                if not kernels:
                    continue
                newest = max((file.stat().st_mtime for file in imports_of(source)), default=0.0)
                for kernel in kernels:
                    if kernel.stat().st_mtime < newest:
                        kernel.unlink(missing_ok=True)


def share_between_processes():
    """Let one process at a time use a cache folder, where the system has file locks."""
    try:
        import fcntl
    except ImportError:
        return

    @contextlib.contextmanager
    def locked(cache):
        with Path(cache._cache_path, ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    class SharedCacheFile(IndexDataCacheFile):
        def save(self, key, data):
            with locked(self):
                super().save(key, data)

        def load(self, key):
            with locked(self):
                return super().load(key)

    import numba.core.caching

    numba.core.caching.IndexDataCacheFile = SharedCacheFile
