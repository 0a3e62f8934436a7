"""Keeps an attacher running: when it dies another one begins, after a pause that grows; each death is counted.

`collector.tls_keeper CONTROL COUNTERS PROGRAM [WORD...]`: as collector/tls_keeper.c, for who has no compiler. It holds
the descriptors and the rights that an attacher needs: nobody else could begin another.
"""

import ctypes
import mmap
import os
import select
import sys
import time

from collector import c_memory

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 30.0
CALM_S = 60.0  # so long without a death: the next one is the first again
# Of the kernel side's counters; collector.record's: importing it takes memory for good.
TLS_DEATHS, TLS_PROBED = 16, 29
PR_SET_PDEATHSIG, SIGKILL = 1, 9  # prctl(2), signal(7): the module signal is half a megabyte
NOT_STARTED = 127


def kept(control: int, counters: int, command: list[str]) -> None:
    """Run `command` until it ends in order or the other end of socket `control` closes; count each other end.

    A death that cannot be counted is told: the next attacher matters more.
    """
    deaths = 0
    while True:
        began_s = time.monotonic()
        child = _begun(command)
        c_memory.let_go_of_code()  # an attacher lives long
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status == 0 or _ends(control, 0.0):
            return
        _count(counters)
        deaths = 1 if time.monotonic() - began_s > CALM_S else deaths + 1
        pause_s = min(FIRST_PAUSE_S * 2 ** (deaths - 1), LONGEST_PAUSE_S)
        how = f"ended with {status}" if status > 0 else f"was ended by signal {-status}"
        told = f"sbiscope: the attacher of TLS {how}; another begins in {pause_s:g} s, TLS until then is not seen"
        print(told, file=sys.stderr, flush=True)
        if _ends(control, pause_s):
            return


def _begun(command: list[str]) -> int:
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
        if os.getppid() == parent:
            os.execv(command[0], command)  # noqa: S606  (no shell)
    finally:
        os._exit(NOT_STARTED)


def _count(counters: int) -> None:
    try:
        with mmap.mmap(counters, mmap.PAGESIZE) as mapped, memoryview(mapped) as octets, octets.cast("Q") as words:
            words[TLS_DEATHS] += 1
            words[TLS_PROBED] = 0  # its probes have ended with it
    except OSError as error:
        told = f"sbiscope: a death of the attacher of TLS was not counted: {error.strerror}"
        print(told, file=sys.stderr, flush=True)


def _ends(control: int, wait_s: float) -> bool:
    """Tell whether the agent ends: nothing is ever sent this way, so what can be read is the end."""
    return bool(select.select([control], [], [], wait_s)[0])


def main() -> None:
    """Keep one running until the agent ends."""
    kept(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
