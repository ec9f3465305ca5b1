#!/usr/bin/env bash
# Install what a napari window needs on Debian and Ubuntu: a virtual display, software OpenGL and
# Qt's libraries. Does nothing where they are installed; fails where it may not install them.
set -euo pipefail
packages=(
    xvfb xauth libgl1 libgl1-mesa-dri libegl1 libopengl0 libglib2.0-0 libfontconfig1 libdbus-1-3
    libxkbcommon0 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1
    libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0
)
if command -v dpkg-query >/dev/null; then
    if dpkg-query -W -f '${Status}\n' "${packages[@]}" 2>/dev/null |
        awk '$3 == "installed" { n++ } END { exit n != '"${#packages[@]}"' }'; then
        exit 0
    fi
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "to be installed: ${packages[*]}" >&2
    exit 1
fi
echo "installing a virtual display"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${packages[@]}" >/dev/null
