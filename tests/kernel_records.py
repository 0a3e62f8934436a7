"""A conversation as the kernel side puts it into the ring: one record for each call of one end's socket."""

from collections.abc import Iterable

from collector.record import HEAD, Head, Kind, Role
from tests.conversation import Written

LOCAL, REMOTE, NAME = (
    bytes([10, 0, 0, 1]).ljust(16, b"\0"),
    bytes([10, 0, 0, 2]).ljust(16, b"\0"),
    b"amf".ljust(16, b"\0"),
)
STEP_NS = 1_000


def records(written: Written, key: int, role: Role = Role.CLIENT) -> list[bytes]:
    """Return what one end's socket brings, `key` a multiple of 4."""
    places, found = {True: 0, False: 0}, []
    for number, (from_client, data) in enumerate(written, 1):
        is_received = from_client == (role == Role.SERVER)
        found.append(record(key, Kind.DATA, is_received, places[from_client], data, number * STEP_NS, role))
        places[from_client] += len(data)
    return found


def record(
    key: int,
    kind: Kind,
    direction: int = 0,
    position: int = 0,
    data: bytes = b"",
    time_ns: int = STEP_NS,
    role: Role = Role.CLIENT,
) -> bytes:
    """Return one record; its slot among the verdicts follows from the key."""
    ports = (40_000, 7777) if role == Role.CLIENT else (7777, 40_000)
    about = Head(
        time_ns, key, position, 1, len(data), key // 4, 0, 0, *ports, kind, direction, role, 2, LOCAL, REMOTE, NAME,
        0, 0, 0, b"\0",
    )  # fmt: skip
    return HEAD.pack(*about) + data


def octets(written: Iterable[tuple[bool, bytes]], from_client: bool) -> bytes:
    """Return what one end wrote."""
    return b"".join(data for side, data in written if side == from_client)
