#!/usr/bin/env bash
# See that there is a Chromium for the browser tests: the system's, Debian's package, or
# Playwright's own. Where none can be had, the browser tests say that they were not run.
# Usage: tools/chromium.sh FOLDER_OF_PLAYWRIGHT
set -euo pipefail

[ -n "${CHROMIUM:-}" ] && exit 0
command -v chromium >/dev/null || command -v google-chrome >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Debian's Chromium …" >&2
    apt-get -qq update >&2 && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install chromium >/dev/null && exit 0
fi
"$1/playwright" install chromium >&2 || echo "No Chromium can be had here." >&2
