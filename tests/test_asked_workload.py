"""The observer asks what a process is part of; a question without an answer is not taken for one."""

import socket
import threading
from array import array

from h2.config import H2Configuration
from h2.connection import H2Connection

from collector.asked_workload import AskedWorkload
from collector.awaited_workload import ASK_NS
from collector.channel import Answer, Ask, Channel
from collector.connections import Bounds, Connections
from collector.message import NOWHERE, Limits
from collector.record import FIELDS, HEAD, Kind, Role
from collector.sockets import Sockets
from collector.workload import Caller, Workload

CALLER = Caller(7, "nf", 1, 9)
AMF = Workload(container_name="nf", pod_uid="u", pod="amf", namespace="core")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
ASKED = [(":method", "GET"), (":scheme", "http"), (":authority", "nrf"), (":path", "/nnrf-nfm/v1/nf-instances")]


def test_a_question_without_an_answer_is_asked_again() -> None:
    ours, theirs = socket.socketpair()
    asking, answering = Channel(ours), Channel(theirs)
    asked = AskedWorkload(asking)
    assert asked.of(CALLER) == NOWHERE
    assert asked.unanswered == 1
    late = answering.receive(1.0)
    assert isinstance(late, Ask)
    too_late = Answer(late.number, Workload(pod="late"))
    answering.send(too_late)  # nobody waits for it any more

    def answer() -> None:
        message = answering.receive(5.0)
        assert isinstance(message, Ask)
        answering.send(Answer(message.number, AMF))

    asked._wait_s = 5.0  # this machine may be busy
    thread = threading.Thread(target=answer)
    thread.start()
    assert asked.of(CALLER) == AMF
    thread.join()
    assert asked.of(CALLER) == AMF  # remembered: nobody answers now
    assert asked.unanswered == 1
    assert asking.receive(1.0) == too_late  # kept for who listens
    assert asked.late(too_late) == CALLER
    assert asked.late(too_late) is None
    asking.close()
    answering.close()


def record(position: int, data: bytes) -> bytes:
    """Return what the kernel side says of `data`, sent by CALLER as a client."""
    told = {
        "key": 1 << 20, "position": position, "length": len(data), "process_id": 7, "netns": 9, "cgroup": 1,
        "local_port": 40_000, "remote_port": 80, "kind": Kind.DATA, "role": Role.CLIENT, "family": 2,
        "process_name": b"nf",
    }  # fmt: skip
    return HEAD.pack(*(told.get(name, b"" if code.endswith("s") else 0) for name, code in FIELDS)) + data


def test_a_connection_that_began_without_a_workload_is_told_of_it_later() -> None:
    connections = Connections(Limits(), Bounds())
    sockets = Sockets(connections, memoryview(array("Q", bytes(8 * 65_536))), "boot", 0)
    client = H2Connection(H2Configuration(client_side=True))
    client.initiate_connection()
    position, pods = 0, []
    later = [Workload(container_id="c", pod_uid="u"), AMF, Workload(pod="another")]
    for stream in (1, 3, 5, 7):
        client.send_headers(stream, ASKED, end_stream=True)
        data = client.data_to_send()
        sockets.take([record(position, data)])
        position += len(data)
        pods += [ends.workload.pod for ends, _ in connections.take()]
        if later:
            sockets.attribute(CALLER, later.pop(0))
    assert pods == [None, None, "amf", "amf"]


def test_a_workload_that_is_not_whole_is_asked_for_again_and_again() -> None:
    connections = Connections(Limits(), Bounds())
    known = {"pods": Workload(container_id="c", pod_uid="u")}
    asked = []

    def workload_of(caller: Caller) -> Workload:
        asked.append(caller)
        return known["pods"]

    sockets = Sockets(connections, memoryview(array("Q", bytes(8 * 65_536))), "boot", 0, workload_of)
    sockets.take([record(0, PREFACE)])
    times = []
    for turn in range(1, 40):
        asked.clear()
        sockets.settle(turn * ASK_NS)
        times += [turn] * len(asked)
    assert times == [1, 3, 7, 15, 31]
    asked.clear()
    known["pods"] = AMF
    for turn in (64, 65, 66):
        sockets.settle(turn * ASK_NS)
    assert asked == [CALLER]
