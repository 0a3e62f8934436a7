"""streams/pairing.py as conversations: what the log says, and the transactions that follow."""

import io
import json
from typing import Any

import fastavro
import pytest

from schemas.config import Streams
from schemas.fields import FOLDER, document
from schemas.identity import content_id, orphan_transaction_id, transaction_id
from schemas.loss import HIDES_NO_MESSAGE
from streams.fold import Facts
from streams.pairing import TRANSACTIONS, Pairing
from streams.reframe import Malformed
from tests.events import batch, request, response

EVENTS = document("sbi_event_batch")
RECORD = fastavro.parse_schema(
    json.loads((FOLDER / "sbi_transaction_batch.avsc").read_text().replace(', "logicalType": "timestamp-micros"', ""))[
        "fields"
    ][-1]["type"]["items"]
)
S = 1_000_000
T0 = 1_795_300_000 * S
RULES = Streams()


class Log:
    """One partition of sbi.events and the fold that reads it; times in seconds from T0 on."""

    def __init__(self, rules: Streams = RULES, partitions: int = 1) -> None:
        self.fold = Pairing(Facts(0, {TRANSACTIONS: partitions}), rules)
        self.now_ms = T0 // 1_000
        self.sequences: dict[str, int] = {}

    def append(self, *events: Any, upto: float = 0, who: str = "i1", after_ms: int = 100, skip: int = 0, **said: Any):
        """Append a batch of a collector and return the transactions that follow."""
        self.sequences[who] = self.sequences.get(who, 0) + 1 + skip
        body = batch(self.sequences[who], list(events), T0 + round(upto * S), incarnation=who, **said)
        return self.give(body, after_ms)

    def give(self, body: bytes, after_ms: int = 100) -> list[dict[str, Any]]:
        self.now_ms += after_ms
        rows = self.fold.apply(self.now_ms, EVENTS if body else None, body)
        return [read(octets) for some in rows for octets in some.records]

    def tick(self, after_ms: int = 1_000) -> list[dict[str, Any]]:
        return self.give(b"", after_ms)


def read(octets: bytes) -> dict[str, Any]:
    return fastavro.schemaless_reader(io.BytesIO(octets), RECORD, None)


def at(seconds: float) -> int:
    return T0 + round(seconds * S)


def outcomes(rows: list[dict[str, Any]]) -> list[tuple[int, str, int]]:
    return [(row["stream_id"], row["outcome"], row["version"]) for row in rows]


def test_an_exchange_is_one_transaction_with_the_fields_of_both_halves() -> None:
    log = Log()
    asked = request(
        1, at(0), method="POST", path="/x", last_byte_us=at(0.001), body_bytes=23, missing=("authority",), supi="imsi-1"
    )
    told = response(
        1, at(0.003), status=201, last_byte_us=at(0.004), location="/x/7", producer_nf="SMF",
        missing=("via", "authority"),
    )  # fmt: skip
    (row,) = log.append(asked, told, upto=1)
    connection = content_id("c")
    assert row["transaction_id"] == transaction_id(connection, 1)
    assert (row["outcome"], row["version"], row["status"], row["deadline_ms"]) == ("success", 2, 201, 10_000)
    assert (row["request_us"], row["request_end_us"]) == (at(0), at(0.001))
    assert (row["response_us"], row["response_end_us"], row["duration_us"]) == (at(0.003), at(0.004), 2_000)
    assert (row["site"], row["node"], row["shard"], row["incarnation"]) == ("lab", "n1", 0, "i1")
    assert (row["request_body_bytes"], row["response_body_bytes"], row["request_header_bytes"]) == (23, 0, 40)
    assert (row["method"], row["path"], row["location"], row["producer_nf"]) == ("POST", "/x", "/x/7", "SMF")
    assert (row["missing"], row["supi"]) == (["authority", "via"], "imsi-1")
    assert len({row["request_event_id"], row["response_event_id"], None}) == 3


LEARNED = {"supi": "imsi-1", "supi_source": "reference", "pdu_session_id": 5, "dnn": "ims", "plmn": "00101"}
OTHER = {"supi": "imsi-2", "supi_source": "body"}
UNBOUND = {"pdu_session_id": 7, "subscriber_reference": "smf:80/nsmf-pdusession/v1/sm-contexts/7"}


@pytest.mark.parametrize(
    ("asked", "answered", "wanted"),
    [
        (LEARNED, OTHER, ("imsi-2", "body", None, None, None, "00101")),
        (LEARNED | {"supi_source": "alias"}, OTHER, ("imsi-2", "body", None, None, None, "00101")),
        (LEARNED, UNBOUND, (None, None, UNBOUND["subscriber_reference"], 7, None, "00101")),
        (LEARNED, LEARNED | {"dnn": None}, ("imsi-1", "reference", None, 5, "ims", "00101")),
        (LEARNED, {}, ("imsi-1", "reference", None, 5, "ims", "00101")),
        (LEARNED | {"supi_source": "path"}, OTHER, ("imsi-1", "path", None, 5, "ims", "00101")),
    ],
)
def test_an_answer_that_names_another_corrects_what_was_learned(
    asked: dict[str, Any], answered: dict[str, Any], wanted: tuple[Any, ...]
) -> None:
    (row,) = Log().append(request(1, at(0), **asked), response(1, at(0.1), **answered), upto=1)
    names = ("supi", "supi_source", "subscriber_reference", "pdu_session_id", "dnn", "plmn")
    assert tuple(row[name] for name in names) == wanted


def test_halves_may_come_in_any_order_and_batch() -> None:
    log = Log()
    assert log.append(response(1, at(0.2), last_byte_us=at(0.3)), upto=0.1) == []  # answered before it was whole
    rows = log.append(request(1, at(0.1), last_byte_us=at(0.5)), request(3, at(0.5)), upto=0.5)
    assert outcomes(rows) == [(1, "success", 2)]
    assert rows[0]["duration_us"] == -300_000
    assert outcomes(log.append(response(3, at(0.7)), upto=0.9)) == [(3, "success", 2)]


def test_without_answer_by_its_deadline_it_is_unanswered() -> None:
    log = Log()
    log.append(request(1, at(0)), request(3, at(0), max_rsp_time_ms=2_000), upto=1)
    assert outcomes(log.append(upto=2)) == []
    assert outcomes(log.append(upto=2.2)) == [(3, "unanswered", 1)]
    assert outcomes(log.append(response(1, at(9)), upto=9.5)) == [(1, "success", 2)]


def test_the_watermark_decides_not_what_another_collector_or_append_time_says() -> None:
    log = Log()
    log.append(request(1, at(0)), upto=1)
    assert log.append(request(1, at(40), "d"), upto=50, who="other", node="n2") == []
    assert log.append(upto=1.5, after_ms=50_000) == []  # late in the log, and yet it vouches for little
    assert outcomes(log.append(response(1, at(2)), upto=60)) == [(1, "success", 2)]


def test_the_deadline_is_looked_at_after_the_events_of_the_batch() -> None:
    log = Log()
    log.append(request(1, at(0)), upto=0.1)
    assert outcomes(log.append(response(1, at(9.9)), upto=30)) == [(1, "success", 2)]


@pytest.mark.parametrize(("wanted_ms", "deadline_ms"), [(0, 10_000), (-5, 10_000), (5_000, 5_000), (900_000, 60_000)])
def test_a_consumer_waits_as_long_as_it_says_but_no_longer_than_a_minute(wanted_ms: int, deadline_ms: int) -> None:
    log = Log()
    (row,) = log.append(request(1, at(0), max_rsp_time_ms=wanted_ms), response(1, at(1)), upto=2)
    assert row["deadline_ms"] == deadline_ms


def test_a_late_answer_corrects() -> None:
    log = Log()
    (before,) = [*log.append(request(1, at(0)), upto=1), *log.append(upto=11)]
    (after,) = log.append(response(1, at(12), status=200), upto=13)
    assert (before["outcome"], after["outcome"]) == ("unanswered", "late")
    assert before["version"] < after["version"]
    assert {name for name in before if before[name] == after[name]} >= {
        "transaction_id",
        "request_us",
        "request_event_id",
    }
    assert after["duration_us"] == 12 * S
    assert log.fold.counts["corrections"] == 1


def test_late_is_late_however_the_log_was_cut() -> None:
    log = Log()
    assert outcomes(log.append(request(1, at(0)), response(1, at(12)), upto=13)) == [(1, "late", 2)]


def test_an_answer_may_correct_for_as_long_as_configured() -> None:
    log = Log()
    log.append(request(1, at(0)), upto=1)
    log.append(upto=11)
    log.tick(RULES.correction_ms + 1)
    (row,) = log.append(response(1, at(700)), upto=701)
    assert (row["request_event_id"], row["outcome"]) == (None, "success")  # nothing is known of its request any more


def test_what_the_consumer_gave_up_stays_unanswered() -> None:
    log = Log()
    gone = {"status": None, "header_bytes": 0, "header_state": "unknown", "ended": "reset"}
    log.append(request(1, at(0)), request(3, at(0)), upto=1)
    rows = log.append(response(1, at(10.001), **gone), upto=10.01)
    assert (outcomes(rows), rows[0]["response_event_id"]) == ([(1, "unanswered", 1)], None)
    assert outcomes(log.append(upto=11)) == [(3, "unanswered", 1)]
    assert log.append(response(3, at(11.2), **gone), upto=12) == []
    assert log.fold.counts["resets_after_deadline"] == 2


@pytest.mark.parametrize(
    ("ended", "outcome", "version"),
    [
        ("reset", "reset", 1),
        ("goaway", "reset", 1),
        ("closed", "reset", 1),
        ("gap", "unknown", 0),
        ("evicted", "unknown", 0),
    ],
)
def test_a_stream_may_end_without_answer(ended: str, outcome: str, version: int) -> None:
    log = Log()
    (row,) = log.append(request(1, at(0)), response(1, at(1), status=None, header_bytes=0, ended=ended), upto=2)
    assert (row["outcome"], row["version"], row["response_us"], row["response_ended"]) == (
        outcome,
        version,
        None,
        ended,
    )
    assert (row["duration_us"], row["response_event_id"] is None) == (None, False)


@pytest.mark.parametrize(("ended", "outcome"), [("reset", "reset"), ("goaway", "reset"), ("closed", "reset")])
def test_a_request_that_was_broken_off_waits_only_for_what_began_before(ended: str, outcome: str) -> None:
    log = Log()
    broken = {"last_byte_us": at(1), "ended": ended}
    assert outcomes(log.append(request(1, at(0), **broken), request(3, at(0), **broken), upto=1)) == []
    assert outcomes(log.append(response(3, at(0.9), status=413), upto=1.3)) == [(3, "client_error", 2), (1, outcome, 1)]


def test_an_answer_without_request_is_told_when_none_can_come() -> None:
    log = Log()
    assert log.append(response(7, at(1), status=503), upto=1) == []
    (row,) = log.append(upto=2)
    event = row["response_event_id"]
    assert (row["transaction_id"], row["request_event_id"]) == (orphan_transaction_id(event), None)
    assert (row["outcome"], row["request_us"], row["request_end_us"], row["duration_us"]) == (
        "server_error",
        at(1),
        None,
        None,
    )
    assert log.fold.counts["orphan_responses"] == 1


@pytest.mark.parametrize("sign", ["a batch is missing", "loss was counted", "a new incarnation began"])
def test_what_may_have_been_lost_is_unknown(sign: str) -> None:
    log = Log()
    log.append(request(1, at(0)), request(3, at(0.5)), upto=1)
    if sign == "a batch is missing":
        log.append(upto=3, skip=1)
    elif sign == "loss was counted":
        log.append(upto=3, loss={"gaps": 1})
    else:
        assert outcomes(log.append(upto=3, who="i2")) == [(1, "unknown", 0), (3, "unknown", 0)]
        assert outcomes(log.append(response(1, at(4)), upto=5, who="i2")) == [(1, "success", 2)]  # seen after all
        return
    assert outcomes(log.append(response(3, at(4)), upto=5)) == [(3, "success", 2)]  # what is known stays known
    assert outcomes(log.append(upto=12)) == [(1, "unknown", 0)]


@pytest.mark.parametrize("reason", [*sorted(HIDES_NO_MESSAGE), "requests_forgotten"])
def test_what_hid_no_message_leaves_no_doubt_also_of_an_older_collector(reason: str) -> None:
    log = Log()
    log.append(request(1, at(0)), upto=1)
    log.append(upto=3, loss={reason: 1})
    assert outcomes(log.append(upto=12, loss={reason: 1})) == [(1, "unanswered", 1)]


def test_what_began_after_the_loss_is_not_in_doubt() -> None:
    log = Log()
    log.append(upto=1)
    log.append(upto=2, clock_us=at(3), loss={"gaps": 7})
    log.append(request(1, at(2.9)), request(3, at(3.1)), upto=4, loss={"gaps": 7})
    assert outcomes(log.append(upto=14, loss={"gaps": 7})) == [(1, "unknown", 0), (3, "unanswered", 1)]


def test_a_collector_that_fell_silent_leaves_unknown() -> None:
    log = Log()
    log.append(request(1, at(0)), upto=1)
    log.append(upto=1, who="other", node="n2", after_ms=30_000)
    assert log.tick(30_000) == []
    assert outcomes(log.tick()) == [(1, "unknown", 0)]
    assert outcomes(log.append(response(1, at(2)), upto=3)) == [(1, "success", 2)]


def test_the_end_closes_what_is_open() -> None:
    log = Log()
    log.append(request(1, at(0), max_rsp_time_ms=1_000), request(3, at(0)), response(9, at(1.99)), upto=0.1)
    rows = log.append(upto=2, final=True)
    assert outcomes(rows) == [(1, "unanswered", 1), (3, "unknown", 0), (9, "success", 2)]


def test_repeated_batches_are_dropped() -> None:
    log = Log()
    body = batch(1, [request(1, at(0)), response(1, at(1))], at(2))
    assert len(log.give(body)) == 1
    assert log.give(body) == []
    assert log.give(batch(2, [request(3, at(2))], at(3))) == []
    assert log.give(body) == []
    assert (log.fold.counts["batches_repeated"], log.fold.counts["batches"]) == (2, 2)


def test_a_collector_that_was_forgotten_and_comes_again_is_the_new_one_after_a_restart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was told of the forgotten one may still be corrected, so the state has both."""
    monkeypatch.setattr("streams.collectors.MAX_INCARNATIONS", 1)
    log = Log()
    log.append(request(1, at(0)), who="i1", upto=1)
    assert outcomes(log.append(who="i2", upto=1, node="n2")) == [(1, "unknown", 0)]
    log.append(who="i1", upto=2)
    state = log.fold.dump()
    log.fold = Pairing(Facts(0, {TRANSACTIONS: 1}), RULES)
    log.fold.load(state)
    log.sequences["i1"] -= 1
    log.append(request(3, at(1.5)), who="i1", upto=2)
    assert log.fold.counts["batches_repeated"] == 1


@pytest.mark.parametrize("order", [(1, 3, 2, 4), (2, 1, 3, 4), (3, 1, 2, 4), (1, 4, 3, 2), (4, 3, 2, 1)])
def test_batches_out_of_their_order_are_loss_and_make_no_unanswered(order: tuple[int, ...]) -> None:
    """A writer keeps to its order; where the log has another, what comes behind is taken for lost, and said so."""
    log = Log()
    bodies = {
        1: batch(1, [request(1, at(0)), request(3, at(0))], at(1)),
        2: batch(2, [response(1, at(1.5)), request(5, at(1.5))], at(2)),
        3: batch(3, [response(3, at(2.5)), request(7, at(2.5))], at(3)),
        4: batch(4, [response(5, at(3.5)), response(7, at(3.5))], at(4)),
    }
    told = [row for number in order for row in log.give(bodies[number])] + log.give(batch(9, [], at(60)))
    assert {row["outcome"] for row in told} <= {"success", "unknown"}
    counts = log.fold.counts
    assert counts["batches_repeated"] >= 1
    assert counts["batches"] + counts["batches_lost"] == 9
    assert counts["batches"] + counts["batches_repeated"] == 5


def test_a_half_that_came_twice_counts_once() -> None:
    log = Log()
    log.append(request(1, at(0)), request(1, at(0)), upto=0)
    assert len(log.append(response(1, at(1)), upto=2)) == 1
    assert log.fold.counts["halves_repeated"] == 1


def test_open_exchanges_are_bounded_and_the_oldest_goes_first() -> None:
    log = Log(Streams(max_open_exchanges=5))
    rows = log.append(*(request(1 + 2 * i, at(0)) for i in range(8)), upto=0)
    assert outcomes(rows) == [(1, "unknown", 0), (3, "unknown", 0), (5, "unknown", 0)]
    assert log.fold.counts["evicted"] == 3
    assert outcomes(log.append(response(7, at(1)), upto=1)) == [(7, "success", 2)]


def test_a_promise_that_was_broken_makes_no_unanswered() -> None:
    log = Log()
    log.append(upto=5)
    log.append(request(1, at(1)), upto=6)
    assert outcomes(log.append(upto=20)) == [(1, "unknown", 0)]
    assert log.fold.counts["halves_after_watermark"] == 1


def test_the_output_partition_follows_from_the_row() -> None:
    log = Log(partitions=7)
    events = [
        one
        for i in range(23)
        for one in (request(1, at(0), f"c{i}", supi=f"imsi-{i % 3}"), response(1, at(1), f"c{i}"))
    ]
    log.append(*events, upto=2)
    again = Log(partitions=7)
    again.append(*reversed(events), upto=2)
    assert log.fold.numbering.last == again.fold.numbering.last
    assert len(log.fold.numbering.last) <= 3


def test_a_message_that_cannot_be_read_changes_nothing() -> None:
    log = Log()
    body = batch(1, [request(1, at(0)), response(1, at(1))], at(2))
    before = log.fold.dump()
    for cut in range(1, len(body)):
        with pytest.raises(Malformed):
            log.fold.apply(log.now_ms, EVENTS, body[:cut])
    with pytest.raises(Malformed):
        log.fold.apply(log.now_ms, {"type": "record", "name": "Other", "fields": []}, body)
    assert log.fold.dump() == before
    assert len(log.give(body)) == 1


def changed(drop: frozenset[str] = frozenset(), add: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """Return the schema of another release: without some fields of an event, or with more."""
    schema = json.loads((FOLDER / "sbi_event_batch.avsc").read_text())
    record = schema["fields"][-1]["type"]["items"]
    record["fields"] = [field for field in record["fields"] if field["name"] not in drop] + list(add)
    return schema


def encoded(schema: dict[str, Any], *events: Any) -> bytes:
    """Return a batch as a writer of `schema` writes it."""
    body = io.BytesIO(batch(1, list(events), at(5)))
    out = io.BytesIO()
    known = fastavro.schemaless_reader(body, fastavro.parse_schema(document("sbi_event_batch")), None)
    for event in known["events"]:
        event["colour"] = "green"
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), known)
    return out.getvalue()


@pytest.mark.parametrize(
    "schema",
    [
        changed(drop=frozenset({"subscriber_reference", "netns", "missing", "sbi_headers", "pod_labels"})),
        changed(add=({"name": "colour", "type": "string", "default": ""},)),
    ],
    ids=["an older release", "a newer release"],
)
def test_another_release_may_have_written_the_events(schema: dict[str, Any]) -> None:
    fold = Pairing(Facts(0, {TRANSACTIONS: 1}), RULES)
    exchange = request(1, at(0), path="/x", supi="imsi-1"), response(1, at(1), status=201)
    (rows,) = fold.apply(0, schema, encoded(schema, *exchange, request(3, at(2))))
    row = read(rows.records[0])
    assert (row["path"], row["supi"], row["status"], row["missing"], row["netns"]) == ("/x", "imsi-1", 201, [], None)
    again = Pairing(Facts(0, {TRANSACTIONS: 1}), RULES)
    again.load(fold.dump())  # and what waits is read by its own writer's schema still
    (rows,) = again.apply(1, EVENTS, batch(2, [response(3, at(3))], at(9)))
    assert read(rows.records[0])["status"] == 200


def test_a_schema_without_what_a_transaction_needs_is_refused() -> None:
    schema = changed(drop=frozenset({"exchange_key"}))
    with pytest.raises(Malformed, match="exchange_key"):
        Pairing(Facts(0, {TRANSACTIONS: 1}), RULES).apply(0, schema, b"x")
