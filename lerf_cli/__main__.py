"""``python -m lerf_cli`` is ``lerf``."""

from __future__ import annotations

from lerf_cli.main import main

if __name__ == "__main__":
    main(prog_name="lerf")
