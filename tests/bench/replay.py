"""Batches of events made of octets: one is encoded, then only its ids and times go on; millions of events a minute.

Encoding an event as the tests do takes longer than all stages together need for it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from schemas.identity import content_id
from streams.fold import zigzag
from tests.bench.bench_pairing import T0, said
from tests.events import NAMES, Event, batch, request, response

IDS = ("event_id", "connection_id", "exchange_key", "request_key")
STREAM = 20_001  # so many octets as streams of a connection in use
ANSWER_US = 400
Message = tuple[int, int, bytes]  # collector, append time in ms, body


class Template:
    """What one collector writes in a flush: exchanges at even distances, the last of each `lost` without an answer."""

    def __init__(self, node: str, exchanges: int, flush_us: int, lost: int) -> None:
        self._node = node
        self._flush_us = flush_us
        events = list(_events(node, exchanges, flush_us, lost))
        ids = {str(event[NAMES.index(name)]).encode() for event in events for name in IDS}
        self._times = {zigzag(int(event[NAMES.index("first_byte_us")])): event for event in events}
        octets = batch(1, events, T0, node)[len(batch(1, [], T0, node)) - 1 :]
        slots = b"|".join(map(re.escape, [*ids, *self._times]))
        self._parts = re.split(b"(" + slots + b")", octets)
        self._ids = sorted(ids)
        self.events = len(events)

    def body(self, turn: int, run: int) -> bytes:
        """Return the batch of a turn, counted from 0; `run` tells this collector's ids from those of the others."""
        begin_us = turn * self._flush_us
        first = (run << 64) + turn * len(self._ids)
        filled = {old: b"%032x" % (first + place) for place, old in enumerate(self._ids)}
        for old, event in self._times.items():
            filled[old] = zigzag(begin_us + int(event[NAMES.index("first_byte_us")]))
        parts = self._parts.copy()
        parts[1::2] = [filled[one] for one in parts[1::2]]
        reached_us = T0 + begin_us + self._flush_us
        head = batch(turn + 1, [], reached_us, self._node, clock_us=reached_us)[:-1]
        return b"".join((head, *parts))


def _events(node: str, exchanges: int, flush_us: int, lost: int) -> Iterator[Event]:
    for number in range(exchanges):
        stream, at_us = STREAM + 2 * number, T0 + flush_us * number // exchanges
        about: Mapping[str, Any] = {
            **said(number),
            "vantage": "client",
            "request_key": content_id(node, str(number)),
            "sender_timestamp_us": None,
        }
        yield request(stream, at_us, node, **about)
        if (number + 1) % lost:
            yield response(stream, at_us + ANSWER_US, node, **{**about, "status": 200})


def messages(events: int, collectors: int, flush_s: float, rate: int, lost: int) -> Iterator[Message]:
    """Yield what `collectors` write at `rate` exchanges a second together, each flushing every `flush_s`."""
    flush_us, each = round(flush_s * 1e6), round(rate * flush_s / collectors)
    templates = [Template(f"n{number}", each, flush_us, lost) for number in range(collectors)]
    turn = sent = 0
    while sent < events:
        append_ms = (T0 + (turn + 1) * flush_us) // 1_000
        for number, template in enumerate(templates):
            yield number, append_ms, template.body(turn, number + 1)
            sent += template.events
        turn += 1
