#!/usr/bin/env bash
# Resample real photographs with the installed command: demo.sh [FOLDER_OF_LERF] [OUTPUT]
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${1:-.venv/bin}
out=${2:-demo}
photos=examples/photos
mkdir -p "$out"

run() {
    printf '$ lerf'
    for word in "$@"; do
        case $word in *' '*) printf ' "%s"' "$word" ;; *) printf ' %s' "$word" ;; esac
    done
    printf '\n'
    "$bin/lerf" "$@"
}

run --version
run resize "$photos/chelsea.png" -o "$out/chelsea-x4.png" --scale 4 --overwrite
run resize "$photos/chelsea.png" -o "$out/chelsea-2x1.5.png" --scale 2x1.5 --overwrite
run resize "$photos/coffee.jpg" -o "$out/coffee-1920.jpg" --size 1920x --overwrite
run resize "$photos/coffee.jpg" -o "$out/coffee-thumbnail.jpg" --size x96 --overwrite
run warp "$photos/chelsea.png" -o "$out/chelsea-rotated.png" --rotate 15 --fit --overwrite
run warp "$photos/coffee.jpg" -o "$out/coffee-corners.png" \
    --corners "60,0 560,40 599,399 0,330" --overwrite

# Where the benchmark photographs are at hand, one of those too.
data=${LERF_DATA:-../shared/data}
benchmark=$data/bench/rrBenchmark/Set5/LR_bicubic/rrLR_X4.00_4.00/butterfly.png
if [ -f "$benchmark" ]; then
    run resize "$benchmark" -o "$out/butterfly-x4.png" --scale 4 --overwrite
fi

printf '\nWritten to %s:\n' "$out"
"$bin/python" - "$out" <<'PY'
import sys
from pathlib import Path

from PIL import Image

for path in sorted(Path(sys.argv[1]).iterdir()):
    with Image.open(path) as image:
        print(f"  {path}  {image.width}x{image.height} {image.mode}  {path.stat().st_size:,} bytes")
PY
