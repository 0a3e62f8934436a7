"""Keeps what an attacher needs, and one running: `python -S -m collector.tls_keeper CONTROL NAME=DESCRIPTOR...`.

CONTROL: a socket whose other end is the supervisor's. This process waits all its life, so it imports next to nothing:
what an attacher is made of is imported by the attacher, its child.
"""

import sys

from collector import privilege
from collector.tls_restart import kept


def main() -> None:
    """Give up all rights but what an attacher needs, then keep one running until the agent ends."""
    control = int(sys.argv[1])
    descriptors = {name: int(one) for name, _, one in (word.partition("=") for word in sys.argv[2:])}
    privilege.keep(privilege.CAP_SYS_PTRACE, privilege.CAP_DAC_READ_SEARCH)

    def attach() -> None:
        from collector import tls_attacher

        tls_attacher.run(control, descriptors)

    def count() -> None:
        from collector.tls_attacher import count_death

        count_death(descriptors)

    try:
        kept(attach, control, count)
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
