"""The attacher's entry: `collector.tls_attacher_start CONTROL NAME=DESCRIPTOR...`, begun by the keeper."""

import sys

from collector import privilege
from collector.lean_imports import leave_out


def main() -> None:
    """Be an attacher until the agent ends, of no more modules than it needs. Raises OSError."""
    privilege.leave_no_core()
    leave_out()
    from collector import tls_attacher

    descriptors = {name: int(one) for name, _, one in (word.partition("=") for word in sys.argv[2:])}
    tls_attacher.run(int(sys.argv[1]), descriptors)
