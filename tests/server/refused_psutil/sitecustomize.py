"""Put first on PYTHONPATH, this makes psutil refuse to tell the boot time."""

import psutil


def refuse():
    raise PermissionError(13, "Permission denied", "/proc/stat")


psutil.boot_time = refuse
