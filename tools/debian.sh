#!/usr/bin/env bash
# See that these commands are there. Where one is not, install Debian's package of that name:
# in CI, or as root where no systemd would start its service. Elsewhere, say what to do.
# Usage: tools/debian.sh COMMAND...
set -euo pipefail
PATH=$PATH:/usr/sbin

missing=()
for command in "$@"; do
    command -v "$command" >/dev/null || missing+=("$command")
done
[ ${#missing[@]} = 0 ] && exit 0
if [ "${CI:-}" != true ] && { [ "$(id -u)" != 0 ] || [ -d /run/systemd/system ] \
    || ! command -v apt-get >/dev/null; }; then
    echo "There is no ${missing[*]} here; on Debian: apt install ${missing[*]}" >&2
    exit 1
fi
echo "Installing Debian's ${missing[*]} …" >&2
apt-get -qq update >&2
DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends "${missing[@]}" >/dev/null
