"""How long a test waits for what is sure to happen: until it has, however busy the machine is with other things."""

import time

PATIENCE = 300
"""Seconds after which something that did not happen is a failure."""


def wait_until(so, told=lambda: "", every=0.02):
    """Wait until `so()` is true; gives what it gave. If it never is, the failure says what `told()` tells."""
    until = time.monotonic() + PATIENCE
    while not (found := so()):
        assert time.monotonic() < until, told()
        time.sleep(every)
    return found
