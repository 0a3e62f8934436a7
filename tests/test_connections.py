"""All connections of a shard: verdicts, holes that are waited for, the watermark, bounds, who is the client."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.connections import Bounds, Connections, Verdict
from collector.message import Ended, Endpoints, Half, Limits, Vantage
from tests.conversation import Written, conversation, told

MS = 1_000_000
TALK = conversation(5)
TRUTH = told(5)
FOREIGN = b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n" + bytes(range(256)) * 4


def ends(number: int = 1, vantage: Vantage = Vantage.WIRE) -> Endpoints:
    """Return the ends of connection `number`."""
    return Endpoints(f"id{number}", vantage, False, "10.0.0.1", 40_000 + number, "10.0.0.2", 7777)


class Shard:
    """Connections fed by hand; a millisecond passes with each chunk."""

    def __init__(self, **bounds: int) -> None:
        self.connections = Connections(Limits(), Bounds(**bounds))
        self.now_ns = 10**18
        self.places: dict[tuple[int, bool], int] = {}
        self.taken: list[Any] = []

    def open(self, key: int = 1, from_start: bool = True, vantage: Vantage = Vantage.WIRE) -> None:
        """Open connection `key`."""
        self.connections.open(key, ends(key, vantage), self.now_ns, from_start, (0, 0) if from_start else None)

    def send(self, from_client: bool, data: bytes, key: int = 1, lost: bool = False) -> Verdict:
        """Let an end write; `lost` = nobody saw it."""
        self.now_ns += MS
        position = self.places.get((key, from_client), 0)
        self.places[key, from_client] = position + len(data)
        if lost:
            return Verdict.UNDECIDED
        return self.connections.chunk(key, from_client, position, data, self.now_ns)

    def talk(self, written: Written = TALK, key: int = 1) -> None:
        """Let a conversation pass."""
        for from_client, data in written:
            self.send(from_client, data, key)

    def take(self) -> list[Any]:
        """Return what is new."""
        fresh = self.connections.take()
        self.taken += fresh
        return fresh

    def watermark_age_ns(self) -> int:
        """Return how far the watermark is behind."""
        self.take()
        return self.now_ns - self.connections.watermark_ns(self.now_ns)

    def read(self) -> list[tuple[int, str]]:
        """End everything; return stream and path or status of all that was taken, sorted."""
        self.connections.finish(self.now_ns)
        self.take()
        return sorted((message.stream_id, gist(message)) for _, message in self.taken)


def gist(message: Any) -> str:
    """Return the path of a request, the status of a response."""
    name = b":path" if message.half == Half.REQUEST else b":status"
    return next((value.decode() for key, value in message.headers if key == name and value is not None), "")


def test_a_connection_becomes_sbi() -> None:
    shard = Shard()
    shard.open()
    verdicts = [shard.send(from_client, data) for from_client, data in TALK]
    assert verdicts[-1] is Verdict.SBI
    assert set(verdicts) <= {Verdict.UNDECIDED, Verdict.SBI}
    assert shard.read() == TRUTH


@pytest.mark.parametrize("from_start", [True, False])
def test_a_foreign_connection_is_forgotten_and_remembered_as_foreign(from_start: bool) -> None:
    shard = Shard()
    shard.open(from_start=from_start)
    verdicts = {shard.send(side, FOREIGN) for _ in range(140) for side in (True, False)}
    assert verdicts <= {Verdict.UNDECIDED, Verdict.FOREIGN}
    assert shard.send(True, FOREIGN) is Verdict.FOREIGN
    assert len(shard.connections) == 0
    assert shard.connections.traffic.by_reason["foreign_connections"] == 1
    shard.connections.close(1, shard.now_ns)
    assert shard.send(True, FOREIGN) is Verdict.ABSENT
    assert shard.read() == []


def test_what_was_never_opened_is_absent() -> None:
    shard = Shard()
    assert shard.send(True, b"PRI") is Verdict.ABSENT
    assert shard.connections.missing(1, True, 0, 5, shard.now_ns) is Verdict.ABSENT
    shard.connections.close(1, shard.now_ns)


def test_opening_again_ends_what_was_open() -> None:
    shard = Shard()
    shard.open()
    shard.talk()
    shard.open()
    shard.places.clear()
    shard.talk()
    assert shard.read() == sorted(TRUTH * 2)


def test_a_hole_is_waited_for_then_given_up() -> None:
    shard = Shard(hole_ns=50 * MS)
    shard.open()
    shard.talk(TALK[:3])
    shard.send(*TALK[3], lost=True)
    shard.talk(TALK[4:])
    shard.connections.advance(shard.now_ns)
    assert shard.connections.counters.by_reason == {}
    shard.now_ns += 60 * MS
    shard.connections.advance(shard.now_ns)
    assert shard.connections.counters.by_reason["hole_bytes"] == len(TALK[3][1])
    found = shard.read()
    assert [one for one in found if one not in TRUTH and one[1]] == []
    assert len(found) >= len(TRUTH) - 4


def test_the_end_waits_for_the_hole() -> None:
    shard = Shard()
    shard.open()
    shard.talk(TALK[:-1])
    from_client, data = TALK[-1]
    position = shard.places[1, from_client]
    shard.connections.chunk(1, from_client, position + 1, data[1:], shard.now_ns)
    shard.connections.close(1, shard.now_ns)
    assert len(shard.connections) == 1
    shard.connections.chunk(1, from_client, position, data[:1], shard.now_ns)
    assert len(shard.connections) == 0
    assert shard.read() == TRUTH


def test_bytes_behind_a_hole_are_bounded() -> None:
    shard = Shard(held_bytes=4_000, held_bytes_in_all=100_000)
    shard.open()
    shard.talk(TALK[:2])
    shard.send(True, b"x" * 10, lost=True)
    for _ in range(40):
        shard.send(True, b"\0" * 200)
    assert shard.connections.counters.by_reason["held_overflow"] >= 1
    shard.read()


def test_bytes_behind_holes_are_bounded_in_all() -> None:
    shard = Shard(held_bytes=10_000, held_bytes_in_all=15_000)
    for key in range(1, 24):
        shard.open(key)
        shard.send(True, b"?", key, lost=True)
        shard.send(True, b"\0" * 1_000, key)
    assert shard.connections.counters.by_reason["held_overflow"] == 23 - 15_000 // 1_120
    shard.read()


def test_more_connections_than_the_bound_evict_the_least_recently_used() -> None:
    shard = Shard(max_connections=10)
    for key in range(1, 11):
        shard.open(key)
        shard.talk(TALK[:4], key)
    shard.now_ns += 1_000 * MS
    shard.talk(TALK[4:], key=1)
    shard.open(11)
    assert shard.connections.counters.by_reason["connections_evicted"] == 1
    assert len(shard.connections) == 10
    assert shard.send(True, b"", 1) is not Verdict.ABSENT
    assert shard.send(True, b"", 2) is Verdict.ABSENT


def half_sent() -> tuple[Shard, bytes]:
    """Return a shard in which a request's body is under way, and the body."""
    shard = Shard(half_ns=1_000 * MS)
    shard.open()
    written = conversation(1, body_bytes=4_000)
    (body,) = [data for from_client, data in written if from_client and len(data) > 3_000]
    place = written.index((True, body))
    shard.talk(written[:place])
    shard.send(True, body[:100])
    return shard, body


def test_the_watermark_waits_for_the_oldest_open_half() -> None:
    shard, body = half_sent()
    shard.now_ns += 300 * MS
    assert shard.watermark_age_ns() >= 300 * MS
    shard.send(True, body[100:])
    assert shard.watermark_age_ns() == 0


def test_a_half_open_too_long_times_out() -> None:
    shard, _ = half_sent()
    assert shard.watermark_age_ns() == MS
    shard.now_ns += 2_000 * MS
    shard.connections.advance(shard.now_ns)
    assert shard.watermark_age_ns() == 0
    assert [message.ended for _, message in shard.taken] == [Ended.TIMEOUT]


def test_the_watermark_waits_for_bytes_behind_a_hole() -> None:
    shard = Shard()
    shard.open()
    shard.talk(TALK[:2])
    assert shard.watermark_age_ns() == 0
    shard.send(*TALK[2], lost=True)
    shard.send(True, TALK[3][1])
    shard.now_ns += 200 * MS
    assert shard.watermark_age_ns() == 200 * MS


def test_no_message_begins_before_a_watermark_given_earlier() -> None:
    shard = Shard()
    shard.open()
    promised = 0
    for from_client, data in TALK:
        for i in range(0, len(data), 7):
            shard.send(from_client, data[i : i + 7])
            assert all(message.first_byte_ns >= promised for _, message in shard.take())
            promised = shard.connections.watermark_ns(shard.now_ns)
    shard.read()
    assert sorted((message.stream_id, gist(message)) for _, message in shard.taken) == TRUTH


def test_bytes_the_kernel_could_not_copy_are_a_gap() -> None:
    shard = Shard()
    shard.open()
    shard.talk(TALK[:3])
    from_client, data = TALK[3]
    place = shard.places.get((1, from_client), 0)
    shard.connections.missing(1, from_client, place, len(data), shard.now_ns)
    shard.places[1, from_client] = place + len(data)
    shard.talk(TALK[4:])
    assert shard.connections.counters.by_reason["missing_bytes"] == len(data)
    assert [one for one in shard.read() if one not in TRUTH and one[1]] == []


@pytest.mark.parametrize(
    ("vantage", "seen"),
    [(Vantage.WIRE, Vantage.WIRE), (Vantage.CLIENT, Vantage.SERVER), (Vantage.SERVER, Vantage.CLIENT)],
)
def test_a_wrong_guess_of_the_client_is_corrected(vantage: Vantage, seen: Vantage) -> None:
    shard = Shard()
    shard.open(from_start=False, vantage=vantage)
    shard.talk([(not from_client, data) for from_client, data in TALK])
    assert shard.read() == TRUTH
    assert {(one.vantage, one.client_port, one.server_port) for one, _ in shard.taken} == {(seen, 7777, 40_001)}


@pytest.mark.parametrize("order", [lambda keys: keys, reversed], ids=["in order", "reversed"])
def test_connections_do_not_disturb_each_other(order: Callable[[Any], Any]) -> None:
    shard = Shard()
    keys = range(1, 24)
    for key in keys:
        shard.open(key)
    for one in TALK:
        for key in order(keys):
            shard.talk([one], key)
    assert shard.read() == sorted(TRUTH * 23)
    assert len({one.connection_id for one, _ in shard.taken}) == 23


def test_one_that_proves_foreign_while_its_first_bytes_wait_is_no_longer_looked_at() -> None:
    shard = Shard()
    shard.open()
    assert shard.send(True, b"PRI") is Verdict.UNDECIDED
    shard.take()
    assert shard.send(True, FOREIGN) is Verdict.FOREIGN
    shard.connections.advance(shard.now_ns + 10**11)
    assert shard.take() == []
    assert shard.watermark_age_ns() == 0


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(1, 3), st.booleans(), st.integers(0, 40)), max_size=80))
def test_whatever_order_things_come_in_nothing_fails_and_the_watermark_never_falls(
    steps: list[tuple[int, int, bool, int]],
) -> None:
    """Connections 1 and 2 talk SBI, 3 something else; their bytes come, are lost, come late; they end and come back."""
    shard = Shard(max_connections=2, held_bytes=3_000, hole_ns=20 * MS, half_ns=50 * MS)
    late: list[tuple[int, bool, int, bytes]] = []
    said, mark = {1: 0, 2: 0, 3: 0}, 0
    for act, key, from_start, number in steps:
        from_client, data = TALK[said[key] % len(TALK)] if key < 3 else (from_start, FOREIGN[number : 3 * number + 1])
        if act < 3:
            said[key] += 1
            position = shard.places.get((key, from_client), 0)
            if shard.connections.chunk(key, from_client, position, b"", shard.now_ns) is Verdict.ABSENT:
                shard.open(key, from_start)
            shard.send(from_client, data, key, lost=act == 2)
            if act == 2:
                late.append((key, from_client, position, data))
        elif act == 3 and late:
            shard.connections.chunk(*late.pop(number % len(late)), shard.now_ns)
        elif act == 4:
            shard.connections.missing(
                key, from_client, shard.places.get((key, from_client), 0), 1 + number, shard.now_ns
            )
        elif act == 5:
            shard.connections.close(key, shard.now_ns)
        elif act == 6:
            shard.now_ns += number * MS
        else:
            shard.connections.advance(shard.now_ns)
            shard.take()
            now = shard.connections.watermark_ns(shard.now_ns)
            assert mark <= now <= shard.now_ns
            mark = now
    shard.connections.finish(shard.now_ns)
    shard.take()
    assert len(shard.connections) == 0
    assert shard.watermark_age_ns() == 0
