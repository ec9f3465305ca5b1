"""Training samples in batches: a function of the seed and the step alone.

Each of a batch's patches is cut from a random photograph at a random place, one channel or all
three together, turned and mirrored at random, and made small by anti-aliased bicubic, either by a
scale (the same or not along both axes) or by a homography. The points are pixels of the
high-resolution image; where they lie in the patch follows `lerf_core.sampling`, as in an
application. A front, where there is one, enlarges the patches, and points lie on what it gives.

Convention
----------
Positions are (row, col); the centre of a patch's first pixel is 0.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lerf_training.data.patch_front import PatchFront
from lerf_training.data.patch_options import PATCH_MARGIN, PatchOptions
from lerf_training.data.patch_sampler import PatchSampler
from lerf_training.data.photograph_groups import PhotographGroups
from lerf_training.data.photographs import Photograph

__all__ = ["Batch", "PatchSource"]

Plane = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Batch:
    """One step's samples.

    Attributes
    ----------
    low : ndarray of uint8, (batch, size, size) or (batch, 3, size, size)
        Low-resolution patches, of one plane or of three; parts of their enlargements by a front.
    first : ndarray of int32, (batch, points, 2)
        Row and column of the first of each point's 2x2 neighbours.
    offset : ndarray of float32, (batch, points, 2)
        From that neighbour to the point, in pixels of the patch.
    target : ndarray of float32, (batch, points) or (batch, 3, points), or (batch, rows, cols)
        What the points should be, in grey levels; or the enlargement.
    """

    low: Plane
    first: npt.NDArray[np.int32]
    offset: Floats
    target: Floats


class PatchSource:
    """Batches of samples from photographs, by step.

    Parameters
    ----------
    photographs : sequence of Photograph
        To train on.
    options : PatchOptions
        How samples are drawn.
    seed : int
        With the step, decides everything.
    colours, margin, block, front : optional
        See `PatchSampler`.
    memory, steps_per_group : int
        See `lerf_training.data.photograph_groups`.

    Raises
    ------
    InvalidArgumentError
        If patches are too small for the margin.
    """

    def __init__(
        self,
        photographs: Sequence[Photograph],
        options: PatchOptions,
        seed: int,
        *,
        colours: bool = False,
        margin: float = PATCH_MARGIN,
        block: int | None = None,
        front: PatchFront | None = None,
        memory: int = 1 << 30,
        steps_per_group: int = 500,
    ) -> None:
        self.options, self.seed = options, seed
        self.sampler = PatchSampler(
            options, colours=colours, margin=margin, block=block, front=front
        )
        self.groups = PhotographGroups(
            photographs,
            options,
            seed,
            least=options.least_for(self.sampler.front.source_size),
            memory=memory,
            steps_per_group=steps_per_group,
        )

    def batch(self, step: int) -> Batch:
        """Return the samples of a step."""
        images = self.groups.at_step(step)
        areas = np.array([image[0][0].size for image in images], dtype=np.float64)
        areas /= areas.sum()
        rng = np.random.default_rng([self.seed, 0, step])
        samples = [self.sampler.draw(images, areas, rng) for _ in range(self.options.batch)]
        return Batch(*map(np.stack, zip(*samples, strict=True)))

    def batches(self, start: int, stop: int, *, ahead: int = 6) -> Generator[Batch]:
        """Batches of steps start..stop-1 in order, made ahead by a thread of their own."""
        ready: queue.Queue[Batch | BaseException] = queue.Queue(ahead)
        stopped = threading.Event()

        def work() -> None:
            try:
                for step in range(start, stop):
                    if not _offer(ready, self.batch(step), stopped):
                        return
            except BaseException as error:  # noqa: BLE001 - raised where the batches are taken
                _offer(ready, error, stopped)

        thread = threading.Thread(target=work, name="patches", daemon=True)
        thread.start()
        try:
            for _ in range(start, stop):
                item = ready.get()
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stopped.set()
            thread.join()

    def close(self) -> None:
        """Stop loading."""
        self.groups.close()


def _offer(
    ready: queue.Queue[Batch | BaseException], item: Batch | BaseException, stopped: threading.Event
) -> bool:
    """Put an item, unless nobody takes items any more."""
    while not stopped.is_set():
        try:
            ready.put(item, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False
