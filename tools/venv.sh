#!/usr/bin/env bash
# Make a virtual environment with OctoPrint and this plugin, editable, unless it is there.
# Usage: tools/venv.sh FOLDER PYTHON OCTOPRINT_VERSION [EXTRA]
set -euo pipefail

venv=$1 python=$2 octoprint=$3 extra=${4:-}
stamp=$venv/.installed${extra:+-$extra}

[ -e "$stamp" ] && [ "$stamp" -nt pyproject.toml ] && exit 0

command -v "$python" >/dev/null || { echo "There is no $python here; name one with PYTHON=…" >&2; exit 1; }
if [ ! -x "$venv/bin/python" ] && ! "$python" -m venv "$venv"; then
    echo "$python cannot make virtual environments; on Debian: apt install python3-venv" >&2
    rm -rf "$venv"
    exit 1
fi
echo "Installing OctoPrint $octoprint into $venv, a minute or two …" >&2
# OctoPrint 1.10 imports setuptools' pkg_resources without asking for it.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "OctoPrint==$octoprint" "setuptools<81" -e ".${extra:+[$extra]}" || {
    echo "OctoPrint $octoprint cannot be installed for $("$venv/bin/python" --version)." \
        "It may want an older Python: name one with PYTHON=…" >&2
    rm -rf "$venv"
    exit 1
}
touch "$stamp"
