"""Simulates long uptimes in a process whose PYTHONPATH begins with this folder.

``HOST_SECONDS`` and ``OCTOPRINT_SECONDS`` are the uptimes. Both clocks jump ahead by
``PRINTER_SECONDS`` when the file ``JUMP_FILE`` appears, as they do after a host has slept.
"""

import os
import time
from pathlib import Path

import psutil

HOST_SECONDS = float(os.environ["HOST_SECONDS"])
OCTOPRINT_SECONDS = float(os.environ["OCTOPRINT_SECONDS"])
PRINTER_SECONDS = float(os.environ["PRINTER_SECONDS"])
JUMP_FILE = Path(os.environ["JUMP_FILE"])

real_time = time.time
real_clock = time.clock_gettime
started = real_time()
host_is_older_by = HOST_SECONDS - real_clock(time.CLOCK_BOOTTIME)


def to_come():
    return 0 if JUMP_FILE.exists() else PRINTER_SECONDS


time.time = lambda: real_time() - to_come()
time.clock_gettime = lambda clock: (
    real_clock(clock) + (host_is_older_by - to_come() if clock == time.CLOCK_BOOTTIME else 0)
)
psutil.boot_time = lambda: started - HOST_SECONDS
psutil.Process.create_time = lambda process: started - OCTOPRINT_SECONDS
