"""A socket that waits for connections at an address of IPv4 or IPv6."""

import errno
import socket

MOST_PORT = 65_535
EVERY, EVERY_OF_IPV4 = "::", "0.0.0.0"  # noqa: S104 (who configures them wants them)


def listening(address: str, port: int) -> socket.socket:
    """Return a socket that listens; `::` is every address of both kinds, as far as the system has them.

    Raises OSError: the address is taken, or none of this machine, or there is no such port.
    """
    if not 0 <= port <= MOST_PORT:
        raise OSError(errno.EINVAL, "no such port")
    both = address == EVERY and socket.has_dualstack_ipv6()
    if address == EVERY and not both:
        address = EVERY_OF_IPV4
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family, dualstack_ipv6=both)
