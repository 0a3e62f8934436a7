"""What the kernel's table of TCP sockets says (/proc/net/tcp, tcp6): who is connected to whom, who listens."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

LISTEN = 10  # enum tcp_state of the kernel
OPEN = frozenset({1, 4, 5, 8, 9, 11})  # ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK, CLOSING


@dataclass(frozen=True, slots=True)
class TcpSocket:
    """One line; `inode` tells the socket among the files of processes, 0 where no process has it any more."""

    local_address: str
    local_port: int
    remote_address: str
    remote_port: int
    state: int
    inode: int


def sockets_in(table: str) -> Iterator[TcpSocket]:
    """Give the sockets of a table; a line that is none, such as its head, is passed over."""
    for line in table.splitlines():
        fields = line.split()
        try:
            local, remote, state, inode = _end(fields[1]), _end(fields[2]), int(fields[3], 16), int(fields[9])
        except (IndexError, ValueError):
            continue
        yield TcpSocket(*local, *remote, state, inode)


def _end(text: str) -> tuple[str, int]:
    """Return address and port of `0100007F:1F90`: words of the address in the machine's order, the port as a number."""
    address, colon, port = text.partition(":")
    if not colon or len(address) not in (8, 32):
        raise ValueError(text)
    words = (int(address[at : at + 8], 16) for at in range(0, len(address), 8))
    found = ip_address(struct.pack(f"={len(address) // 8}I", *words))
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return str(found), int(port, 16)
