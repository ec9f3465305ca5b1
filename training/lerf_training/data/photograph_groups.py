"""Photographs in memory: all of them, or groups that follow each other within a budget."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from lerf_core.constants import LUMA_WEIGHTS
from lerf_training.data.degradation import degrade_patch
from lerf_training.data.patch_options import PatchOptions
from lerf_training.data.photographs import Photograph, read_photograph

__all__ = ["PhotographGroups"]

Planes = npt.NDArray[np.uint8]
# Rows that the luma is computed of at a time: floats take four times the memory.
_BAND = 64


class PhotographGroups:
    """Decoded photographs by the step that trains on them.

    Parameters
    ----------
    photographs : sequence of Photograph
        To train on.
    options : PatchOptions
        Whether copies of half the size are wanted.
    seed : int
        Decides which photographs are together.
    least : int
        Rows and columns that a copy of half the size must have.
    memory : int
        Bytes that decoded photographs may take. More photographs than fit are trained on
        in groups, one group in memory and the next on its way.
    steps_per_group : int
        Steps that a group stays.
    """

    def __init__(
        self,
        photographs: Sequence[Photograph],
        options: PatchOptions,
        seed: int,
        *,
        least: int,
        memory: int,
        steps_per_group: int,
    ) -> None:
        self.photographs = tuple(photographs)
        self._options, self._seed, self._steps = options, seed, steps_per_group
        self._least = least
        self._size = self._group_size(memory)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="photographs")
        self._groups: dict[int, Future[list[list[Planes]]]] = {}

    def _group_size(self, memory: int) -> int:
        """Return the number of photographs per group, so that two groups fit."""
        share = 1.25 if self._options.reduced else 1.0  # copies of half the size
        largest = int(share * max(photograph.nbytes for photograph in self.photographs))
        total = int(share * sum(photograph.nbytes for photograph in self.photographs))
        if total <= memory:
            return len(self.photographs)
        return max(1, min(len(self.photographs), memory // (2 * largest)))

    def members(self, group: int) -> list[Photograph]:
        """Photographs of a group: epochs are permutations, cut into groups."""
        count = len(self.photographs)
        per_epoch = -(-count // self._size)
        epoch, number = divmod(group, per_epoch)
        order = np.random.default_rng([self._seed, 1, epoch]).permutation(count)
        chosen = order[number * self._size : (number + 1) * self._size]
        return [self.photographs[i] for i in chosen]

    def at_step(self, step: int) -> list[list[Planes]]:
        """Decoded photographs of a step's group; the next group is asked for.

        Returns
        -------
        list of list of ndarray of uint8, (4, rows, cols)
            Of each photograph red, green, blue and luma; and the same of its copy of half the
            size, where one is wanted and the photograph is large enough.
        """
        if self._size == len(self.photographs):
            wanted = [0]
        else:
            group = step // self._steps
            wanted = [group, group + 1]
        for old in set(self._groups) - set(wanted):
            del self._groups[old]
        for group in wanted:
            if group not in self._groups:
                self._groups[group] = self._pool.submit(self._load, group)
        return self._groups[wanted[0]].result()

    def _load(self, group: int) -> list[list[Planes]]:
        return [self._sizes_of(read_photograph(member.path)) for member in self.members(group)]

    def _sizes_of(self, image: Planes) -> list[Planes]:
        """Planes of a photograph and, where it is large enough, of its copy of half the size."""
        sizes = [_with_luma(image)]
        if self._options.reduced and min(image.shape[:2]) // 2 >= self._least:
            rows, cols = image.shape[0] // 2, image.shape[1] // 2
            box = (0, 0, 2 * cols, 2 * rows)
            half = [degrade_patch(image[..., channel], box, (rows, cols)) for channel in range(3)]
            sizes.append(_with_luma(np.stack(half, axis=-1)))
        return sizes

    def close(self) -> None:
        """Stop loading."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _with_luma(image: Planes) -> Planes:
    """Planes (4, rows, cols): red, green, blue, and the luma of ITU-R BT.601 in full range."""
    # In float32, for speed: halves round otherwise than in `lerf_core.pixels.luma`.
    weights = np.array(LUMA_WEIGHTS, np.float32)
    planes = np.empty((4, *image.shape[:2]), np.uint8)
    planes[:3] = image.transpose(2, 0, 1)
    for top in range(0, len(image), _BAND):
        band = image[top : top + _BAND].astype(np.float32)
        planes[3, top : top + _BAND] = np.rint(band @ weights)
    return planes
