"""What became of each TCP connection of the node, SBI or not: who talks to whom, how much, how long; no payload."""

from dataclasses import dataclass

from collector.avro import encoder
from collector.delivery import Delivery
from collector.record import IGNORED, SBI, UNJUDGED, Head, Moved, Role
from collector.sockets import address, caller_of
from collector.workload import Workload
from schemas.identity import live_connection_id

SCHEMA = "flow"
_ENCODER = encoder("Flow", SCHEMA)  # made now: later there are no files to read
CLOSE = 7  # enum tcp_state of the kernel
RECEIVED_FIN, SENT_FIN = 1, 2  # bits of sk_shutdown (RCV_SHUTDOWN, SEND_SHUTDOWN)
ROLES = {Role.JOINED: 0, Role.CLIENT: 1, Role.SERVER: 2}  # symbols of the schema's enum FlowRole
CARRIES = {UNJUDGED: 0, SBI: 1, IGNORED: 2}  # of Carries


@dataclass(frozen=True, slots=True)
class Seer:
    """Who saw a flow; `clock_ns` is added to the kernel's monotonic times."""

    site: str
    node: str
    incarnation: str
    boot_id: str
    clock_ns: int


def sent_bytes(moved: Moved, role: Role) -> int:
    """Return the bytes of data that were sent and acknowledged.

    The kernel's count has 1 for a client's SYN and 1 for an acknowledged FIN (RFC 9293 3.4); of a connection older than
    the probes it is not known who began it: then the SYN may be counted.
    """
    fin = 1 if moved.shutdown & SENT_FIN and not moved.unacknowledged else 0
    syn = 1 if role is Role.CLIENT else 0
    return max(0, moved.acknowledged - syn - fin)


def received_bytes(moved: Moved) -> int:
    """Return the bytes of data that were received in order."""
    return max(0, moved.received - (1 if moved.shutdown & RECEIVED_FIN else 0))


def flow_of(seer: Seer, head: Head, moved: Moved, workload: Workload) -> Delivery:
    """Return what is told of a flow, ready for Kafka; its key is the connection."""
    connection_id = live_connection_id(seer.boot_id, head.key, head.key & (1 << 56) - 1)
    opened_ns = (head.key & (1 << 56) - 1) + seer.clock_ns  # to 4 ns: the low bits of a key are 0
    told_ns = head.time_ns + seer.clock_ns
    caller = caller_of(head)
    role = Role(head.role)
    values = (
        connection_id,
        seer.site,
        seer.node,
        seer.incarnation,
        opened_ns // 1_000,
        told_ns // 1_000,
        moved.state == CLOSE,
        (told_ns - opened_ns) // 1_000,
        ROLES[role],
        CARRIES.get(head.verdict, 0),
        address(head.family, head.local),
        head.local_port,
        address(head.family, head.remote),
        head.remote_port,
        sent_bytes(moved, role),
        received_bytes(moved),
        head.process_id or None,
        caller.process_name or None,
        workload.executable,
        workload.container_id,
        workload.container_name,
        workload.image,
        workload.pod_uid,
        workload.pod,
        workload.namespace,
        workload.labels,
        head.netns or None,
    )
    return Delivery(SCHEMA, connection_id.encode(), _ENCODER.encoded(values), 1)
