"""Connections that began before their workload was known: who is asked, when, how often, and who is told."""

from collector.awaited_workload import ASK_NS, LONGEST_ASK_NS, MOST_ASKED, MOST_WAITING, AwaitedWorkloads
from collector.message import NOWHERE
from collector.workload import Caller, Workload

TURN = ASK_NS
AMF = Workload(container_name="nf", pod_uid="u", pod="amf", namespace="core")
NOT_WHOLE = Workload(container_id="c", pod_uid="u")


class Node:
    """What the supervisor would say, which connections are open, and what was asked and told."""

    def __init__(self, says: Workload = NOT_WHOLE) -> None:
        self.says = says
        self.open: set[int] = set()
        self.asked: list[int] = []
        self.told: list[tuple[int, Workload]] = []
        self.awaited = AwaitedWorkloads(self.workload_of, self.attribute)

    def workload_of(self, caller: Caller) -> Workload:
        self.asked.append(caller.process_id)
        return self.says

    def attribute(self, key: int, workload: Workload) -> bool:
        self.told.append((key, workload))
        return key in self.open

    def wait(self, key: int, process_id: int, now_ns: int = 0) -> None:
        self.open.add(key)
        self.awaited.wait(key, caller(process_id), now_ns)

    def asked_by(self, now_ns: int) -> list[int]:
        self.asked.clear()
        self.awaited.settle(now_ns)
        return list(self.asked)


def caller(process_id: int) -> Caller:
    return Caller(process_id, "nf", 1, 9)


def test_every_connection_of_a_caller_is_told_and_a_whole_workload_ends_the_waiting() -> None:
    node = Node()
    for key, process_id in ((1, 7), (2, 7), (3, 8)):
        node.wait(key, process_id)
    node.awaited.told(caller(7), NOT_WHOLE)
    assert (node.told, len(node.awaited)) == ([(1, NOT_WHOLE), (2, NOT_WHOLE)], 3)
    node.awaited.told(caller(7), AMF)
    assert (node.told[2:], len(node.awaited)) == ([(1, AMF), (2, AMF)], 1)
    node.awaited.told(caller(9), AMF)  # never waited
    assert node.asked_by(TURN) == [8]


def test_a_closed_connection_waits_no_more() -> None:
    node = Node()
    node.wait(1, 7)
    node.wait(2, 7)
    node.open.remove(1)
    assert node.asked_by(TURN) == [7]
    assert len(node.awaited) == 1
    node.open.remove(2)
    assert (node.asked_by(3 * TURN), len(node.awaited)) == ([7], 0)
    assert node.asked_by(99 * TURN) == []


def test_who_waits_is_not_put_off_by_who_comes() -> None:
    node = Node()
    node.wait(1, 7)
    for number in range(2, 12):
        node.wait(number, 7 + number, number * TURN // 10)
    assert node.asked_by(TURN - 1) == []
    assert node.asked_by(TURN)[0] == 7


def test_who_comes_is_asked_for_soon_though_the_others_are_asked_for_seldom() -> None:
    node = Node()
    node.wait(1, 7)
    for turn in (1, 3, 7, 15):
        assert node.asked_by(turn * TURN) == [7]
    node.wait(2, 8, 16 * TURN)
    assert node.asked_by(17 * TURN) == [7, 8]


def test_a_round_is_taken_in_turns_and_ends_before_the_next_is_due() -> None:
    node = Node()
    for number in range(2 * MOST_ASKED + 3):
        node.wait(number, number)
    assert [len(node.asked_by(TURN + turn)) for turn in range(4)] == [MOST_ASKED, MOST_ASKED, 3, 0]
    assert len(node.asked_by(TURN + 2 + 2 * TURN)) == MOST_ASKED


def test_who_was_told_meanwhile_is_not_asked() -> None:
    node = Node()
    for number in range(MOST_ASKED + 2):
        node.wait(number, number)
    node.asked_by(TURN)
    node.awaited.told(caller(MOST_ASKED), AMF)
    assert node.asked_by(TURN + 1) == [MOST_ASKED + 1]


def test_a_supervisor_without_time_is_left_alone_until_the_next_round() -> None:
    node = Node(says=NOWHERE)
    for number in range(3):
        node.wait(number, number)
    assert node.asked_by(TURN) == [0]
    assert node.told == []
    assert node.asked_by(2 * TURN) == []
    node.says = AMF
    assert node.asked_by(3 * TURN) == [0, 1, 2]
    assert len(node.awaited) == 0


def test_the_rounds_come_ever_more_seldom_up_to_a_bound() -> None:
    node = Node()
    node.wait(1, 7)
    at_ns, before = TURN, 0
    gaps = []
    for _ in range(10):
        while not node.asked_by(at_ns):
            at_ns += TURN
        gaps.append((at_ns - before) // TURN)
        before = at_ns
    assert gaps == [1, 2, 4, 8, 16, 32, 64, 128, 256, LONGEST_ASK_NS // TURN]


def test_no_more_than_a_bound_wait_and_the_oldest_leave() -> None:
    node = Node()
    for number in range(MOST_WAITING + 5):
        node.wait(number, number // 3)
        node.wait(number, number // 3)  # again: counted once
    assert len(node.awaited) == MOST_WAITING
    node.awaited.told(caller(0), AMF)
    node.awaited.told(caller(1), AMF)
    assert [key for key, _ in node.told] == [5]
