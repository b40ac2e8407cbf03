#!/usr/bin/env bash
# Create a virtual environment with OctoPrint and this plugin, editable, unless it exists.
# Usage: tools/venv.sh FOLDER PYTHON OCTOPRINT_VERSION EXTRA|"" [PACKAGE[=WHAT_IT_BRINGS]...]
# PACKAGE is a Debian package, see tools/debian.sh.
set -euo pipefail

venv=$1 python=$2 octoprint=$3 extra=$4
shift 4
tools=$(dirname "$0")
stamp=$venv/.installed${extra:+-$extra}

is_current() { [ -e "$stamp" ] && [ "$stamp" -nt pyproject.toml ]; }

# The Debian package of the chosen Python with this suffix, and the path of one of its files.
python_package() {
    "$python" - "$1" "$2" <<'PYTHON'
import os, sys, sysconfig

suffix, file = sys.argv[1:]
is_default = os.path.realpath(sys.executable) == os.path.realpath("/usr/bin/python3")
name = "python3" if is_default else "python3.%d" % sys.version_info[1]
print("%s-%s=%s" % (name, suffix, file.format(**sysconfig.get_paths())))
PYTHON
}

has_c_library() { gcc -E -include stdio.h - </dev/null >/dev/null 2>&1; }

remove_half_made() {
    if [ -n "${installing:-}" ]; then
        kill -INT -- "-$installing" 2>/dev/null || true
        wait "$installing" 2>/dev/null || true
    fi
    is_current || rm -rf "$venv"
}

"$tools/debian.sh" "$(basename "$python")=$python"
is_current && exec "$tools/debian.sh" "$@"
# One of OctoPrint's dependencies has to be compiled.
"$tools/debian.sh" gcc libc6-dev="$(has_c_library && echo gcc || echo /usr/include/stdio.h)" \
    "$(python_package dev '{include}/Python.h')" \
    "$(python_package venv '{stdlib}/ensurepip/__init__.py')" "$@"

trap remove_half_made EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# Without any stamp, it is left over from an interrupted installation.
compgen -G "$venv/.installed*" >/dev/null || rm -rf "$venv"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
echo "Installing OctoPrint $octoprint into $venv, a minute or two …" >&2
# Runs in a separate process group, so that the traps can end all of it.
set -m
# OctoPrint 1.10 imports setuptools' pkg_resources without requiring setuptools.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "OctoPrint==$octoprint" "setuptools<81" -e ".${extra:+[$extra]}" &
installing=$!
set +m
wait "$installing" || {
    echo "OctoPrint $octoprint cannot be installed for $("$venv/bin/python" --version)." \
        "It may want an older Python: name one with PYTHON=…" >&2
    exit 1
}
installing=
touch "$stamp"
