"""Keeps the attacher running: when it dies another one begins, after a pause that grows; each death is counted."""

import ctypes
import os
import select
import sys
import time
from collections.abc import Callable

from collector import c_memory

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 30.0
CALM_S = 60.0  # so long without a death: the next one is the first again
PR_SET_PDEATHSIG, SIGKILL = 1, 9  # prctl(2), signal(7): the module signal is half a megabyte


def kept(run: Callable[[], None], control: int, count: Callable[[], None]) -> None:
    """Run `run` in a child until it ends in order or the other end of socket `control` closes; `count` each other end.

    A death that cannot be counted is told: the next attacher matters more.

    This process keeps the descriptors and the right that an attacher needs: nobody else could start another.
    """
    deaths = 0
    while True:
        began_s = time.monotonic()
        child = _forked(run)
        c_memory.let_go_of_code()  # an attacher lives long
        status = os.waitstatus_to_exitcode(_waited(child))
        if status == 0 or _ends(control, 0.0):
            return
        _counted(count)
        deaths = 1 if time.monotonic() - began_s > CALM_S else deaths + 1
        pause_s = min(FIRST_PAUSE_S * 2 ** (deaths - 1), LONGEST_PAUSE_S)
        how = f"ended with {status}" if status > 0 else f"was ended by signal {-status}"
        told = f"sbiscope: the attacher of TLS {how}; another begins in {pause_s:g} s, TLS until then is not seen"
        print(told, file=sys.stderr, flush=True)
        if _ends(control, pause_s):
            return


def _forked(run: Callable[[], None]) -> int:
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
        if os.getppid() == parent:
            run()
        status = 0
    except Exception as error:  # noqa: BLE001 (whatever it is: told, and tried again)
        print(f"sbiscope: the attacher of TLS failed: {error!r}", file=sys.stderr, flush=True)
    finally:
        os._exit(status)


def _counted(count: Callable[[], None]) -> None:
    try:
        count()
    except Exception as error:  # noqa: BLE001 (whatever it is: TLS goes on being followed)
        print(f"sbiscope: a death of the attacher of TLS was not counted: {error!r}", file=sys.stderr, flush=True)


def _waited(child: int) -> int:
    return os.waitpid(child, 0)[1]


def _ends(control: int, wait_s: float) -> bool:
    """Tell whether the agent ends: nothing is ever sent this way, so what can be read is the end."""
    return bool(select.select([control], [], [], wait_s)[0])
