"""The pairing fold: batches of events in, transactions and KPI deltas out, one state a partition of sbi.events.

Time is each collector's own watermark; append time only tells who has fallen silent (DESIGN 6). What is not told yet
is bounded: the oldest in log order goes first, and is told as `unknown`.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.config import Streams
from schemas.identity import orphan_transaction_id, transaction_id
from streams.batch_header import Header
from streams.collectors import Collector, Collectors
from streams.fold import Facts, Held, Numbering, Rows, zigzag
from streams.half import Half, Layout, text_of
from streams.kpi_cells import Deltas
from streams.outcome import BROKEN_OFF, CUT_OFF, WITHOUT_ANSWER, Asked, Ended, Outcome, of_answer, version_of
from streams.pairing_state import dump, load
from streams.transaction import compose
from streams.transaction_row import Row
from streams.transaction_table import prepare

TRANSACTIONS = "sbi.transactions"
COUNTS = (
    "batches",
    "events",
    "batches_repeated",  # sequence not above the last one taken
    "batches_lost",  # missing in the sequence
    "halves_repeated",  # of a half that is known already
    "halves_after_watermark",  # begun before a promise that said otherwise: a fault of the collector
    "orphan_responses",
    "resets_after_deadline",  # the consumer gave up what was unanswered anyway
    "evicted",
    "corrections",
)


@dataclass(slots=True)
class Told:
    """A request told as `unanswered` or `unknown` that an answer may still correct, and when in append time."""

    request: Half
    at_ms: int


class Pairing:
    """Pairs the halves of one partition of sbi.events (streams.fold.Fold)."""

    def __init__(self, facts: Facts, rules: Streams) -> None:
        """Without sbi.kpi-deltas among the outputs no KPIs are counted."""
        self.facts = facts
        self.rules = rules
        self.collectors = Collectors()
        self.layouts: dict[int, Layout] = {}
        self.requests: OrderedDict[bytes, Half] = OrderedDict()
        self.responses: OrderedDict[bytes, Half] = OrderedDict()
        self.told: OrderedDict[bytes, Told] = OrderedDict()
        self.numbering = Numbering()
        self.deltas = Deltas(facts)
        self.counts = dict.fromkeys(COUNTS, 0)
        self.append_time_ms = 0
        self._rows: dict[int, list[bytes]] = {}

    def apply(self, append_time_ms: int, schema: Mapping[str, Any] | None, body: bytes) -> list[Rows]:
        """Take the next message (streams.fold.Fold)."""
        batch = self._layout(schema).batch(body) if schema is not None and body else None
        rows = self.deltas.due(append_time_ms, self.collectors, self.numbering)
        self.append_time_ms = append_time_ms
        if batch is not None:
            self._batch(*batch)
        for collector in self.collectors.silent(append_time_ms, self.rules.silent_collector_ms):
            self._end(collector)
        self._forget()
        rows += [self.numbering.rows(TRANSACTIONS, *item) for item in sorted(self._rows.items())]
        self._rows = {}
        return rows

    def pass_over(self) -> None:
        """Nothing to do: the collectors' sequences tell which batches are missing."""

    def held(self) -> Held:
        """Return what waits, and the oldest promise of a living collector (streams.fold.Holding)."""
        living = self.collectors.living
        waiting = {
            "open_requests": len(self.requests),
            "responses_without_request": len(self.responses),
            "correctable": len(self.told),
            "collectors": len(living),
        }
        return Held(waiting, min((one.watermark_us for one in living.values() if one.watermark_us), default=None))

    def dump(self) -> bytes:
        """Return the state."""
        return dump(self)

    def load(self, state: bytes) -> None:
        """Become what `dump` was called on."""
        load(self, state)

    def layout_of(self, schema: Mapping[str, Any]) -> Layout:
        """Return the layout of a writer's schema; raises Malformed where it is none of SbiEventBatch."""
        return self._layout(schema)

    def _layout(self, schema: Mapping[str, Any]) -> Layout:
        layout = self.layouts.get(id(schema))
        if layout is None:
            layout = self.layouts[id(schema)] = prepare(Layout(schema))  # it keeps the schema, so its id stays its own
        return layout

    # Batches and collectors

    def _batch(self, header: Header, halves: list[Half]) -> None:
        collector, before = self.collectors.of(header, _place)
        if header.sequence <= collector.sequence:
            self.counts["batches_repeated"] += 1
            return
        if before is not None:
            if not before.over:
                self._end(before)
            self.deltas.was_blind(collector, before.clock_us, header.watermark_us)
        self.counts["batches"] += 1
        self.counts["events"] += len(halves)
        self.counts["batches_lost"] += header.sequence - collector.sequence - 1
        latest_us = max((half.last_byte_us for half in halves), default=0)
        clock_us = header.clock_us or max(header.watermark_us, latest_us)
        blind = collector.take(header, clock_us)
        self.collectors.heard(collector, self.append_time_ms)
        if blind is not None:
            self.deltas.was_blind(collector, *blind)
        for half in halves:
            self._half(half, collector)
        reached_us = header.watermark_us + 1 if header.final else header.watermark_us  # nothing begun then can follow
        collector.watermark_us = max(collector.watermark_us, reached_us)
        self._expire(collector)
        if header.final:
            self._end(collector)
        if (forgotten := self.collectors.forget_oldest()) is not None:
            self._end(forgotten)

    def _half(self, half: Half, collector: Collector) -> None:
        half.collector = collector
        if half.first_byte_us < collector.watermark_us:
            half.doubtful = True
            self.counts["halves_after_watermark"] += 1
        if half.is_request:
            self._request(half)
        else:
            self._response(half)

    def _expire(self, collector: Collector) -> None:
        """Tell what the watermark has passed: requests without answer, answers without request."""
        for half in collector.requests.due(collector.watermark_us):
            if half.octets and half.outcome < 0:
                self._give_up(half)
        for half in collector.responses.due(collector.watermark_us):
            if half.octets:
                self._orphan(half)

    def _end(self, collector: Collector) -> None:
        """Let an incarnation be over: what it left open is unknown, unless its watermark says better."""
        self.collectors.end(collector)
        self._expire(collector)
        for half in collector.requests.all():
            if half.octets and half.outcome < 0:
                half.doubtful = half.doubtful or self._until_us(half) >= collector.watermark_us
                self._give_up(half)
        for half in collector.responses.all():
            if half.octets:
                self._orphan(half)
        self.deltas.ended(collector)

    # Requests and responses

    def wait_for_answer(self, request: Half) -> None:
        """Keep a request until its answer comes or its collector's watermark passes its deadline."""
        self.requests[request.key] = request
        request.collector.requests.add(request, self._until_us(request))

    def wait_for_request(self, response: Half) -> None:
        """Keep an answer until its request comes (an answer may end first, RFC 9113 8.1) or cannot come any more."""
        self.responses[response.key] = response
        response.collector.responses.add(response, response.first_byte_us)

    def remember(self, request: Half, at_ms: int) -> None:
        """Keep a request that was told without answer, for its correction."""
        self.told[request.key] = Told(request, at_ms)

    def _request(self, half: Half) -> None:
        if half.key in self.requests or half.key in self.told:
            self.counts["halves_repeated"] += 1
            return
        response = self.responses.pop(half.key, None)
        if response is not None:
            self._pair(half, response)
            return
        self.wait_for_answer(half)

    def _response(self, half: Half) -> None:
        request = self.requests.pop(half.key, None)
        if request is not None:
            self._pair(request, half)
        elif (told := self.told.get(half.key)) is not None:
            self._correct(told.request, half)
        elif half.key in self.responses:
            self.counts["halves_repeated"] += 1
        else:
            self.wait_for_request(half)

    def _pair(self, request: Half, response: Half) -> None:
        """Tell an exchange whose request was not told before."""
        if not response.has_headers and response.first_byte_us > self._deadline_us(request):
            self.counts["resets_after_deadline"] += 1
            self._give_up(request)
        else:
            self._tell(request, response, self._outcome(request, response))
            request.octets = b""
        response.octets = b""

    def _correct(self, request: Half, response: Half) -> None:
        """Tell the same transaction in a higher version: an answer to what was told as unanswered or unknown."""
        outcome = self._outcome(request, response)
        late_reset = not response.has_headers and response.first_byte_us > self._deadline_us(request)
        known = version_of(Outcome(request.outcome), answered=False)
        if late_reset or version_of(outcome, response.has_headers) <= known:
            self.counts["resets_after_deadline"] += 1
        else:
            self.counts["corrections"] += 1
            self._tell(request, response, outcome)
            del self.told[request.key]
            request.octets = b""
        response.octets = b""

    def _outcome(self, request: Half, response: Half) -> Outcome:
        if not response.has_headers:
            return BROKEN_OFF[Ended(response.ended)]
        if response.first_byte_us > self._deadline_us(request):
            return Outcome.LATE
        return _answered(request, response)

    def _give_up(self, request: Half) -> None:
        """Tell a request without answer."""
        self.requests.pop(request.key, None)
        doubtful = request.doubtful or request.first_byte_us <= request.collector.doubt_until_us
        outcome = Outcome.UNKNOWN if doubtful else WITHOUT_ANSWER[Ended(request.ended)]
        self._tell(request, None, outcome)
        if outcome is Outcome.RESET:
            request.octets = b""
        else:
            request.outcome = outcome
            self.remember(request, self.append_time_ms)

    def _orphan(self, response: Half) -> None:
        """Tell an answer whose request was not seen."""
        del self.responses[response.key]
        self.counts["orphan_responses"] += 1
        outcome = _answered(None, response) if response.has_headers else BROKEN_OFF[Ended(response.ended)]
        self._tell(None, response, outcome)
        response.octets = b""

    def _tell(self, request: Half | None, response: Half | None, outcome: Outcome) -> None:
        row = self._row(request, response, outcome)
        partition = row.spread_over(self.facts.outputs[TRANSACTIONS])
        self._rows.setdefault(partition, []).append(row.octets)
        if request is None:
            return
        if request.outcome >= 0:
            self.deltas.count(request.collector, self._row(request, None, Outcome(request.outcome)), -1)
        self.deltas.count(request.collector, row, 1)

    def _row(self, request: Half | None, response: Half | None, outcome: Outcome) -> Row:
        half = request if request is not None else response
        assert half is not None
        version = version_of(outcome, response is not None and response.has_headers)
        deadline_ms = self._deadline_ms(request) if request is not None else self.rules.default_deadline_ms
        identity = _transaction_id(half) if request is not None else orphan_transaction_id(half.event_id())
        return compose(request, response, outcome, version, deadline_ms, half.collector.place, identity)

    def _deadline_ms(self, request: Half) -> int:
        """Return how long the consumer waits (TS 29.500 6.11.2, 3gpp-Sbi-Max-Rsp-Time)."""
        wanted = request.max_rsp_time_ms
        return min(wanted if wanted > 0 else self.rules.default_deadline_ms, self.rules.max_deadline_ms)

    def _deadline_us(self, request: Half) -> int:
        return request.first_byte_us + self._deadline_ms(request) * 1_000

    def _until_us(self, request: Half) -> int:
        """Return when an answer in time has begun at latest."""
        deadline_us = self._deadline_us(request)
        return min(deadline_us, request.last_byte_us) if request.ended in CUT_OFF else deadline_us

    def _forget(self) -> None:
        """Keep to the bounds."""
        while self.told:
            told = next(iter(self.told.values()))
            if self.append_time_ms - told.at_ms <= self.rules.correction_ms:
                break
            self._forget_told()
        while len(self.requests) + len(self.told) + len(self.responses) > self.rules.max_open_exchanges:
            self.counts["evicted"] += 1
            if self.told:
                self._forget_told()
            elif self.requests:
                oldest = next(iter(self.requests.values()))
                oldest.doubtful = True
                self._give_up(oldest)
                self._forget_told()
            else:
                self._orphan(next(iter(self.responses.values())))

    def _forget_told(self) -> None:
        _, told = self.told.popitem(last=False)
        told.request.octets = b""


def _place(header: Header) -> bytes:
    """Return site, node, shard, incarnation as Avro."""
    site, node, incarnation = (text.encode() for text in (header.site, header.node, header.incarnation))
    return b"".join(
        (zigzag(len(site)), site, zigzag(len(node)), node, zigzag(header.shard), zigzag(len(incarnation)), incarnation)
    )


def _transaction_id(half: Half) -> str:
    return transaction_id(half.connection_id(), half.stream_id())


def _answered(request: Half | None, response: Half) -> Outcome:
    """Return the outcome of an exchange answered in time; only error statuses need the request's meaning."""
    if response.status < 300:
        return of_answer(response.status, response.ended, text_of(response, "result"), Asked())
    asked = Asked(
        *(text_of(response, name) or text_of(request, name) for name in ("method", "service", "operation", "cause"))
    )
    return of_answer(response.status, response.ended, None, asked)
