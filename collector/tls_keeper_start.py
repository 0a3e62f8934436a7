"""Gives up all rights but what an attacher needs and becomes the keeper, which begins attachers.

`collector.tls_keeper_start CONTROL NAME=DESCRIPTOR...`. CONTROL: a socket whose other end is the supervisor's.
"""

import os
import signal
import sys

from collector import privilege
from collector.own_process import command

COMPILED = os.path.join(os.path.dirname(__file__), "tls_keeper")  # noqa: PTH118, PTH120  (of collector/tls_keeper.c)


def main() -> None:
    """Be the keeper as compiled, else as Python has it. Raises OSError, Refusal."""
    control, *given = sys.argv[1:]
    counters = dict(word.split("=") for word in given)["counters"]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # of a terminal, for all its processes: the supervisor decides
    privilege.keep(privilege.CAP_SYS_PTRACE, privilege.CAP_DAC_READ_SEARCH)
    privilege.hand_on()
    words = [control, counters, *command("collector.tls_attacher_start", control, *given)]
    if os.access(COMPILED, os.X_OK):
        os.execv(COMPILED, [COMPILED, *words])  # noqa: S606  (no shell)
    os.execv(sys.executable, command("collector.tls_keeper", *words))  # noqa: S606
