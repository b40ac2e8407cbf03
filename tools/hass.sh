#!/usr/bin/env bash
# Create a virtual environment with a Home Assistant that starts without internet, unless it
# exists.
# Usage: tools/hass.sh FOLDER PYTHON VERSION
set -euo pipefail

venv=$1 python=$2 version=$3
tools=$(dirname "$0")
stamp=$venv/.installed-$version

[ -e "$stamp" ] && exit
"$tools/debian.sh" "$(basename "$python")=$python"
trap '[ -e "$stamp" ] || rm -rf "$venv"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
rm -rf "$venv"
"$python" -m venv "$venv"
echo "Installing Home Assistant $version into $venv, two minutes or three …" >&2
pip() { "$venv/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }
pip install "homeassistant==$version" || {
    echo "Home Assistant $version cannot be installed for $("$venv/bin/python" --version)." \
        "Name another Python or version with HA_PYTHON=… HA_VERSION=…" >&2
    exit 1
}
# Home Assistant would install the requirements of its integrations at its start.
mapfile -t requirements < <(
    "$venv/bin/python" "$tools/hass_requirements.py" config mqtt onboarding
)
pip install "${requirements[@]}"
touch "$stamp"
