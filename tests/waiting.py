from __future__ import annotations

import time
from typing import Callable, TypeVar

Result = TypeVar("Result")


def wait_for(condition: Callable[[], Result], timeout_seconds: float = 30) -> Result:
    """What ``condition`` gives as soon as that is true."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"{condition} gave {result!r} for {timeout_seconds} s")
        time.sleep(0.05)
