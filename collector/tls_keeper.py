"""Keeps what an attacher needs, and one running: `python -S -m collector.tls_keeper CONTROL NAME=DESCRIPTOR...`.

CONTROL: a socket whose other end is the supervisor's. This process waits all its life, so it imports next to nothing:
what an attacher is made of is imported by the attacher, its child.
"""

import mmap
import sys

from collector import privilege
from collector.tls_restart import kept

TLS_DEATHS = 16  # collector.record's: importing it takes memory for good


def main() -> None:
    """Give up all rights but what an attacher needs, then keep one running until the agent ends."""
    control = int(sys.argv[1])
    descriptors = {name: int(one) for name, _, one in (word.partition("=") for word in sys.argv[2:])}
    privilege.keep(privilege.CAP_SYS_PTRACE, privilege.CAP_DAC_READ_SEARCH)

    def attach() -> None:
        from collector.lean_imports import leave_out

        leave_out()
        from collector import tls_attacher

        tls_attacher.run(control, descriptors)

    def count() -> None:
        count_death(descriptors["counters"])

    try:
        kept(attach, control, count)
    except KeyboardInterrupt:
        pass


def count_death(counters: int) -> None:
    """Let the kernel side's counters, a map of words, tell that an attacher died. Raises OSError."""
    with mmap.mmap(counters, mmap.PAGESIZE) as mapped, memoryview(mapped) as octets, octets.cast("Q") as words:
        words[TLS_DEATHS] += 1


if __name__ == "__main__":
    main()
