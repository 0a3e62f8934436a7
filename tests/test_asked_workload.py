"""The observer asks what a process is part of; a question without an answer is not taken for one."""

import socket
import threading

from collector.asked_workload import AskedWorkload
from collector.channel import Answer, Ask, Channel
from collector.message import NOWHERE
from collector.workload import Caller, Workload

CALLER = Caller(7, "nf", 1, 9)
AMF = Workload(pod="amf", namespace="core")


def test_a_question_without_an_answer_is_asked_again() -> None:
    ours, theirs = socket.socketpair()
    asking, answering = Channel(ours), Channel(theirs)
    asked = AskedWorkload(asking)
    assert asked.of(CALLER) == NOWHERE
    assert asked.unanswered == 1
    late = answering.receive(1.0)
    assert isinstance(late, Ask)
    answering.send(Answer(late.number, Workload(pod="late")))  # nobody waits for it any more

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
    asking.close()
    answering.close()
