"""Makes psutil refuse what ``REFUSED`` names, when first on PYTHONPATH.

``Process`` refuses only this process's age: OctoPrint needs the rest.
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
