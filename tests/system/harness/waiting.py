"""Waiting for conditions, with a deadline that only a hang reaches."""
import socket
import time

DEADLINE = 30.0  # seconds; a loaded machine with sanitizers is slow


def _look(condition):
    try:
        return condition()
    except (FileNotFoundError, ProcessLookupError):
        return None


def wait_until(condition, what, deadline=DEADLINE, pause=0.01):
    """Returns what `condition()` returns as soon as it is true; a file that it does not find
    is not there yet, nor a process. AssertionError at the deadline; `what` may be a callable,
    for a text that tells the state at the end."""
    end = time.monotonic() + deadline
    while True:
        value = _look(condition)
        if value:
            return value
        if time.monotonic() > end:
            text = what() if callable(what) else what
            raise AssertionError(f"not within {deadline:g} s: {text}")
        time.sleep(pause)
        pause = min(pause * 1.2, 0.2)


def free_port():
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listening(port):
    """Is there a server on this TCP port of 127.0.0.1?"""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
