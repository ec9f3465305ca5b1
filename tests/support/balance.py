"""The order of test files, for processes that take files whole (`--dist loadfile`).

A slow file that comes last keeps one process alone.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

__all__ = ["HEAVIEST", "slowest_first"]

#: Files that take ten seconds and more of a processor, slowest first.
HEAVIEST = (
    "tests/core/backends/test_parity.py",
    "tests/training/loop/test_trainer.py",
    "tests/docs/test_examples.py",
    "tests/cli/test_large.py",
    "tests/plugins/napari/widgets/test_corner_shapes.py",
    "tests/plugins/filters/test_torch.py",
    "tests/core/execution/test_front.py",
    "tests/core/chunked/test_chunked.py",
    "tests/core/backends/test_libraries.py",
    "tests/cli/commands/test_models_inspect.py",
    "tests/plugins/filters/test_torch_graphs.py",
    "tests/plugins/napari/preview/test_closing.py",
    "tests/cli/commands/test_train.py",
    "tests/core/backends/test_work.py",
    "tests/cli/commands/test_evaluate_shrink.py",
    "tests/plugins/napari/widgets/test_inspect.py",
    "tests/plugins/napari/compute/test_to_file.py",
    "tests/core/backends/test_unwritable.py",
    "tests/cli/commands/test_evaluate_compare.py",
    "tests/core/backends/test_points.py",
    "tests/core/backends/test_literal.py",
)


def slowest_first(items: list[Any], root: Path) -> None:
    """Sort tests by their files: the heaviest, then those of most tests; in place.

    Tests of a file stay together, in their order.
    """
    places = {root / name: place for place, name in enumerate(HEAVIEST)}
    counts = Counter(item.path for item in items)
    items.sort(
        key=lambda item: (
            places.get(item.path, len(places)), -counts[item.path], str(item.path)
        )
    )  # fmt: skip
