"""Makes the process believe in another boot of the host, when first on PYTHONPATH.

``BOOT_ID`` is what the kernel calls it, ``BOOTED_AT`` when it was, on the real clock that
counts from the real boot.
"""

import os
import pathlib
import time

BOOT_ID_FILE = "/proc/sys/kernel/random/boot_id"

real_clock = time.clock_gettime
real_read_text = pathlib.Path.read_text
booted_at = float(os.environ["BOOTED_AT"])


def clock_gettime(clock):
    return real_clock(clock) - (booted_at if clock == time.CLOCK_BOOTTIME else 0)


def read_text(self, *args, **kwargs):
    if str(self) == BOOT_ID_FILE:
        return os.environ["BOOT_ID"]
    return real_read_text(self, *args, **kwargs)


time.clock_gettime = clock_gettime
pathlib.Path.read_text = read_text
