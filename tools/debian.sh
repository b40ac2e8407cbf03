#!/usr/bin/env bash
# Check that Debian packages are installed. Root installs missing packages; other users get the
# command to do so.
# Usage: tools/debian.sh [--services] PACKAGE[=WHAT_IT_BRINGS]...
# WHAT_IT_BRINGS is a command or a file of the package; by default, the command of its name.
# --services: the packages start services, so root installs them only if systemd is not running.
set -euo pipefail
PATH=$PATH:/usr/sbin

services=
[ "${1:-}" = --services ] && services=1 && shift

missing=()
for package in "$@"; do
    command -v "${package#*=}" >/dev/null || [ -e "${package#*=}" ] || missing+=("${package%%=*}")
done
[ ${#missing[@]} = 0 ] && exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null \
    || { [ -n "$services" ] && [ -d /run/systemd/system ] && [ "${CI:-}" != true ]; }; then
    echo "Missing here: ${missing[*]}; on Debian, type: sudo apt install ${missing[*]}" >&2
    exit 1
fi
# A second installation at the same time would fail.
exec 9</var/lib/apt
flock 9
echo "Installing ${missing[*]} …" >&2
apt-get -qq update >&2 9<&-
DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends "${missing[@]}" >/dev/null 9<&-
