#!/usr/bin/env bash
# Make a virtual environment, or say plainly what is missing: make_venv.sh PYTHON FOLDER
set -euo pipefail
python=$1
venv=$2

if ! command -v "$python" >/dev/null; then
    echo "error: '$python' was not found. lerf needs Python 3.11 or newer;" \
        "install it (Debian: apt-get install python3) or name one: make PYTHON=/path/to/python" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "error: '$python' is $("$python" -V 2>&1); lerf needs Python 3.11 or newer." \
        "Name one: make PYTHON=/path/to/python3.11" >&2
    exit 1
fi
if [ -x "$venv/bin/python" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi

# Debian splits venv and ensurepip off into a package of their own.
if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    package=python3-venv
    if [ "$(command -v "$python")" != "$(command -v python3)" ]; then
        package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    fi
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing $package"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y "$package" >/dev/null
    else
        echo "error: '$python' has no venv module." \
            "Debian and Ubuntu: sudo apt-get install $package" >&2
        exit 1
    fi
fi

echo "making $venv with $("$python" -V)"
"$python" -m venv --clear "$venv"
