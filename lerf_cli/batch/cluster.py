"""The dask cluster that tiled work runs on, where one is asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lerf_cli.options.values import TilingOptions
from lerf_core.errors import FileError, one_line

__all__ = ["connected"]

# Seconds that a scheduler has to answer, and its first worker to appear.
_CONNECTION_TIMEOUT = 20


@contextmanager
def connected(options: TilingOptions, tell: Callable[[str], None]) -> Iterator[Any]:
    """Connect to the scheduler, or start a cluster, that was asked for; None for neither."""
    if not options.cluster:
        yield None
        return
    try:
        import distributed
    except ModuleNotFoundError as error:
        raise FileError(
            "--scheduler and --workers need dask.distributed: pip install 'lerf[large]'"
        ) from error
    # A scheduler that dies is told of in one line; the client logs how it noticed, page by page.
    for name in ("distributed", "distributed.client", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    if options.scheduler is not None:
        try:
            client = distributed.Client(options.scheduler, timeout=_CONNECTION_TIMEOUT)
        except (OSError, ValueError, TypeError) as error:
            raise FileError(
                f"no scheduler answers at {options.scheduler}: {one_line(error)}"
            ) from error
        with client:
            if not client.nthreads():
                client.wait_for_workers(1, timeout=_CONNECTION_TIMEOUT)
            yield client
        return
    with (
        distributed.LocalCluster(
            n_workers=options.workers,
            threads_per_worker=1,
            memory_limit=0,  # blocks are small enough; a limit would kill what it cannot help
            dashboard_address=":0",
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        if client.dashboard_link:
            tell(f"dashboard at {client.dashboard_link}")
        yield client
