"""Enlarge a photograph by the banks that ship, and measure how close each comes to the original.

python examples/enlarge.py [OUTPUT_FOLDER]
"""

import sys
from pathlib import Path

import imageio.v3 as iio

import lerf_core
from lerf_core import metrics

PHOTO = Path(__file__).parent / "photos" / "chelsea.png"


def main() -> None:
    """Shrink the photograph to a third, enlarge it again, print PSNR, save the results."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    folder.mkdir(parents=True, exist_ok=True)
    photo = iio.imread(PHOTO)[:300, :450]  # sides that 3 divides
    small = lerf_core.rescale(photo, 1 / 3, channel_axis=-1)
    options = {name: {"bank": name} for name in lerf_core.available_banks()}
    options["lerf-p, fast"] = {"bank": "lerf-p", "fast": True}
    for name, keywords in options.items():
        large = lerf_core.resize(small, photo.shape[:2], channel_axis=-1, **keywords)
        quality = metrics.psnr(metrics.luma(photo), metrics.luma(large))
        print(f"{name:14} {quality:.2f} dB")
        iio.imwrite(folder / f"enlarged-{name.replace(', ', '-')}.png", large)


if __name__ == "__main__":
    main()
