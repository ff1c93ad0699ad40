"""Waiting for what another process does."""

import time
from typing import Callable

TIMEOUT = 60


def eventually(condition: Callable[[], bool]) -> bool:
    """True as soon as the condition is; false when it has not become so in time."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
