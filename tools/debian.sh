#!/usr/bin/env bash
# See that these commands are there; where one is not, install Debian's package of that name.
# Usage: tools/debian.sh COMMAND...
set -euo pipefail
PATH=$PATH:/usr/sbin

missing=()
for command in "$@"; do
    command -v "$command" >/dev/null || missing+=("$command")
done
[ ${#missing[@]} = 0 ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "There is no ${missing[*]} here; on Debian: apt install ${missing[*]}" >&2
    exit 1
fi
echo "Installing Debian's ${missing[*]} …" >&2
apt-get -qq update >&2
DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends "${missing[@]}" >/dev/null
