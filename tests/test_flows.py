"""collector/flows.py: what the kernel's counters mean as octets of data."""

import io
from typing import Any

import fastavro
import pytest

from collector.flows import Seer, flow_of, received_bytes, sent_bytes
from collector.record import Head, Moved, Role
from collector.workload import Workload
from schemas.fields import document

SEER = Seer("lab", "n1", "boot:1", "boot", 1_000_000_000_000)
CLOSE, ESTABLISHED, CLOSE_WAIT = 7, 1, 8


@pytest.mark.parametrize(
    ("moved", "role", "sent", "received"),
    [
        (Moved(101, 50, 0, ESTABLISHED, ESTABLISHED, 0, 0), Role.CLIENT, 100, 50),  # its SYN counts
        (Moved(100, 50, 0, ESTABLISHED, ESTABLISHED, 0, 0), Role.SERVER, 100, 50),
        (Moved(102, 51, 0, CLOSE, 4, 3, 0), Role.CLIENT, 100, 50),  # both closed, its FIN was acknowledged
        (Moved(101, 51, 1, CLOSE, 9, 3, 0), Role.CLIENT, 100, 50),  # its FIN was not
        (Moved(100, 51, 0, CLOSE_WAIT, CLOSE_WAIT, 1, 0), Role.SERVER, 100, 50),
        (Moved(61, 0, 40, CLOSE, ESTABLISHED, 0, 0), Role.CLIENT, 60, 0),  # reset while 40 were under way
        (Moved(0, 0, 1, CLOSE, 2, 2, 0), Role.CLIENT, 0, 0),  # never answered
    ],
)
def test_syn_and_fin_are_no_data(moved: Moved, role: Role, sent: int, received: int) -> None:
    assert (sent_bytes(moved, role), received_bytes(moved)) == (sent, received)


def head(**changes: Any) -> Head:
    local, remote = bytes([10, 0, 0, 1]).ljust(16, b"\0"), bytes([10, 0, 0, 2]).ljust(16, b"\0")
    name = b"postgres".ljust(16, b"\0")
    known = Head(
        5_000_000_000, 2_000_000_000, 0, 77, 24, 3, 41, 4_026, 43_210, 5_432, 4, 0, 1, 2, local, remote, name, 0, 0, 2,
        bytes(5),
    )  # fmt: skip
    return known._replace(**changes)


def read(octets: bytes) -> dict[str, Any]:
    return dict(fastavro.schemaless_reader(io.BytesIO(octets), dict(document("flow")), None))


def test_a_flow_is_told_with_its_ends_and_its_workload() -> None:
    moved = Moved(1_002, 501, 0, CLOSE, 4, 3, 0)
    told = flow_of(SEER, head(), moved, Workload("/usr/bin/postgres", pod="db-0", namespace="core"))
    row = read(told.body)
    assert row["connection_id"].encode() == told.key
    assert (row["role"], row["carries"], row["closed"]) == ("client", "other", True)
    assert (row["local_address"], row["local_port"]) == ("10.0.0.1", 43_210)
    assert (row["remote_address"], row["remote_port"]) == ("10.0.0.2", 5_432)
    assert (row["sent_bytes"], row["received_bytes"], row["duration_us"]) == (1_000, 500, 3_000_000)
    assert (row["process_id"], row["process_name"], row["pod"], row["namespace"]) == (41, "postgres", "db-0", "core")


def test_a_flow_nobody_used_has_no_process() -> None:
    row = read(flow_of(SEER, head(process_id=0, process_name=bytes(16)), Moved(0, 0, 0, 7, 2, 0, 0), Workload()).body)
    assert (row["process_id"], row["process_name"], row["pod"]) == (None, None, None)
