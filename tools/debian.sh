#!/usr/bin/env bash
# See that what these Debian packages bring is there. What is not: as root, install it;
# otherwise name the command that does.
# Usage: tools/debian.sh [--services] PACKAGE[=WHAT_IT_BRINGS]...
# WHAT_IT_BRINGS is a command or the path of a file; without it, the command named like the package.
# --services: the packages start services, so root installs them only where no systemd is running.
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
echo "Installing ${missing[*]} …" >&2
apt-get -qq update >&2
DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends "${missing[@]}" >/dev/null
