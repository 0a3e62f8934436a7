"""`sbiscope down`: end the local stack in order; what it stored stays."""

import argparse
import os
import signal
import time
from pathlib import Path

from schemas.refusal import Refusal

LONGEST_S = 120.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `down` takes: nothing but the configuration."""


def run(options: argparse.Namespace) -> int:
    """End the stack and return when nothing of it is left; none being up is fine."""
    from deploy.stack.layout import layout
    from deploy.stack.state import holder
    from schemas.config import load

    place = layout(load(options.config).stack)
    pid = holder(place)
    if pid is None:
        print("no stack is up")
        return 0
    _signal(pid, signal.SIGTERM)
    began = time.monotonic()
    while holder(place) == pid:
        if time.monotonic() - began > LONGEST_S:
            _signal(pid, signal.SIGKILL)  # its parts die with it
        time.sleep(0.05)
    while _runs(pid) and time.monotonic() - began < LONGEST_S:
        time.sleep(0.01)
    print(f"stopped; data and logs stay in {os.path.relpath(place.root)}")
    return 0


def _runs(pid: int) -> bool:
    """Tell whether a process has not ended yet; one that nobody has buried has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
    except PermissionError as error:
        raise Refusal("cannot end the stack", f"process {pid} is another user's", "ask its owner") from error
