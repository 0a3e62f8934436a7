"""How the tests watch a conversation: in any chunks, joined anywhere, with holes; and compare with the truth."""

import random
from itertools import groupby

from collector.connection import Connection, Message
from collector.message import HeaderState, Limits
from collector.selection import EVERYTHING, Selection
from tests.traffic import Conversation, Half

Event = tuple[bool, bytes | int]  # octets of one direction, or how many are missing (0 = not known)


def observe(
    events: list[Event], from_start: bool = True, limits: Limits | None = None, selection: Selection = EVERYTHING
) -> tuple[Connection, list]:
    """Give events to a connection, one a microsecond; return it and its messages."""
    connection = Connection(limits or Limits(), from_start, selection=selection)
    messages: list[Message] = []
    time_ns = 0
    for time_ns, (from_client, given) in enumerate(events, 1):
        if isinstance(given, int):
            connection.gap(from_client, given, time_ns * 1000)
        else:
            connection.feed(from_client, given, time_ns * 1000)
        if taken := connection.take():
            messages += taken
    connection.close(time_ns * 1000 + 1000)
    return connection, messages + connection.take()


def cut(conversation: Conversation, rnd: random.Random, longest: int) -> list[Event]:
    """Return the frames joined where one end sent several, and cut to chunks of 1 to `longest` octets."""
    events: list[Event] = []
    for side, frames in groupby(conversation.frames, key=lambda sent: sent[0]):
        octets, at = b"".join(data for _, data in frames), 0
        while at < len(octets):
            end = at + 1 + int(rnd.random() * longest)  # randint takes four times as long, and half of a fuzzer's time
            events.append((side, octets[at:end]))
            at = end
    return events


def join(events: list[Event], rnd: random.Random) -> list[Event]:
    """Return what is seen by an observer that joins at a random octet."""
    late = events[rnd.randrange(len(events)) :]
    side, first = late[0]
    assert isinstance(first, bytes)
    return [(side, first[rnd.randrange(len(first)) :]), *late[1:]]


def lose(events: list[Event], rnd: random.Random, share: float) -> list[Event]:
    """Replace random octets of random chunks by gaps, some of unknown length."""
    kept: list[Event] = []
    for side, data in events:
        if rnd.random() >= share:
            kept.append((side, data))
            continue
        first = rnd.randint(0, len(data))
        last = len(data) if rnd.random() < 0.5 else rnd.randint(first, len(data))
        if first == last:
            kept.append((side, data))
            continue
        if first:
            kept.append((side, data[:first]))
        kept.append((side, 0 if rnd.random() < 0.2 else last - first))
        if last < len(data):
            kept.append((side, data[last:]))
    return kept


def summary(messages: list[Message]) -> list[tuple]:
    """Return what must not depend on how octets were cut, by stream and half."""
    return sorted(
        (
            m.stream_id,
            m.half,
            m.headers,
            m.trailers or [],
            m.body,
            m.body_bytes,
            m.header_bytes,
            m.ended,
            m.header_state,
            m.missing,
        )
        for m in messages
    )


def check_whole(conversation: Conversation, messages: list[Message]) -> None:
    """A conversation seen whole is told exactly."""
    told = {(m.stream_id, int(m.half)): m for m in messages}
    assert len(told) == len(messages)
    assert told.keys() == conversation.truth.keys()
    for key, half in conversation.truth.items():
        message = told[key]
        assert message.ended.name.lower() == half.ended, key
        if half.heads:
            assert message.header_state is HeaderState.EXACT
            assert message.headers == half.heads[-1]
        assert message.trailers == half.trailers
        assert message.body == half.body[:16_384]
        assert message.body_bytes == len(half.body)
        if key[1]:
            assert message.request is not None
            assert message.request.headers == conversation.truth[key[0], 0].heads[-1]


def check_partly(conversation: Conversation, messages: list[Message]) -> None:
    """Whatever is told of a conversation seen in part is true; every half ends once."""
    keys = [(m.stream_id, int(m.half)) for m in messages]
    assert len(set(keys)) == len(keys), "a half ended twice"
    names: dict[tuple[int, int], bytes] = {}
    for message in messages:
        half = conversation.truth.get((message.stream_id, int(message.half)))
        assert half is not None, f"no such half: {message.stream_id} {message.half!r}"
        assert message.ended is not None
        assert message.first_byte_ns <= message.headers_ns
        assert message.first_byte_ns <= message.last_byte_ns
        _check_fields(message, half, names)
        assert half.body.startswith(message.body)
        assert message.body_bytes <= len(half.body)
        if message.ended.name == "COMPLETE":
            assert message.body_bytes == len(half.body)


def _check_fields(message: Message, half: Half, names: dict[tuple[int, int], bytes]) -> None:
    """Fields are those of a head, in order, each exact or unknown; one identity has one name."""
    blocks = half.heads + ([half.trailers] if half.trailers and not any(n for n, _ in message.headers) else [])
    heads = [head for head in blocks if _agree(message.headers, head)]
    assert not message.headers or heads, (message.headers, half.heads)
    if message.trailers:
        assert half.trailers is not None
        assert _agree(message.trailers, half.trailers)
    if message.header_state is HeaderState.EXACT:
        assert message.headers in half.heads
        assert not message.missing
    if len(heads) == 1:
        sender = int(message.half) if message.stream_id % 2 else 1  # promised requests come from the server
        for position, identity in message.unknown:
            true_name = heads[0][position][0]
            assert names.setdefault((sender, identity), true_name) == true_name, "one identity, two names"


def _agree(fields: list, truth: list) -> bool:
    return len(fields) == len(truth) and all(
        (name is None or name == true_name) and (value is None or value == true_value)
        for (name, value), (true_name, true_value) in zip(fields, truth, strict=True)
    )
