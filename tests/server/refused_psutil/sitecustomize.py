"""Put first on PYTHONPATH, this makes psutil refuse what ``REFUSED`` names.

``Process`` means the age of the own process: OctoPrint itself needs the rest of it.
"""

import os

import psutil


def refuse(*_):
    raise PermissionError(13, "Permission denied", "/proc")


for name in os.environ["REFUSED"].split():
    if name == "Process":
        psutil.Process.create_time = refuse
    else:
        setattr(psutil, name, refuse)
