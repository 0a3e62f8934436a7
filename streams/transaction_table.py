"""Which half of an exchange each field of a transaction comes from: one table, and the plan it makes of a schema."""

import enum

from schemas.fields import fields_of, record_fields
from streams.batch_header import Header
from streams.half import Layout
from streams.reframe import Malformed

FIELDS = fields_of("sbi_transaction_batch", "SbiTransaction")
NAMES = tuple(name for name, _ in FIELDS)
OURS = {
    record: {name: kind.replace("int", "long") for name, kind in fields_of("sbi_event_batch", record)}
    for record in ("SbiEventBatch", "SbiEvent")
}
HEADER = frozenset(Header.__slots__) - {"clock_us"}  # which a release before had not
ABSENT = 255  # in a plan: events of this writer have no such field


class From(enum.IntEnum):
    """Where a field comes from. The first six are passed on as bytes, the rest is computed."""

    COPY = 0  # the request, else the response
    REQUEST_FIRST = 1  # the request unless null there
    RESPONSE_FIRST = 2
    REQUEST = 3  # null without a request
    RESPONSE = 4
    BOTH = 5  # the entries of both
    PLACE = 6  # site, node, shard, incarnation, from the batch
    SKIP = 7  # written with the field before
    TRANSACTION_ID = 8
    VERSION = 9
    OUTCOME = 10
    REQUEST_US = 11
    RESPONSE_US = 12
    DURATION_US = 13
    DEADLINE_MS = 14
    TO_PROXY = 15
    ACCESS_TOKEN = 16
    OVERLOAD = 17  # of the answer
    CONSUMER_OVERLOAD = 18  # of the request
    REQUEST_FACTS = 19  # empty without a request
    RESPONSE_FACTS = 20


# What is not here is REQUEST_FIRST where it may be null, else COPY, from the event's field of the same name.
SOURCES: dict[str, tuple[From, str]] = {
    "transaction_id": (From.TRANSACTION_ID, ""),
    "version": (From.VERSION, ""),
    "outcome": (From.OUTCOME, ""),
    "request_event_id": (From.REQUEST, "event_id"),
    "response_event_id": (From.RESPONSE, "event_id"),
    "site": (From.PLACE, ""),
    "node": (From.SKIP, ""),
    "shard": (From.SKIP, ""),
    "incarnation": (From.SKIP, ""),
    "request_us": (From.REQUEST_US, ""),
    "request_end_us": (From.REQUEST, "last_byte_us"),
    "response_us": (From.RESPONSE_US, ""),
    "response_end_us": (From.RESPONSE, "last_byte_us"),
    "duration_us": (From.DURATION_US, ""),
    "deadline_ms": (From.DEADLINE_MS, ""),
    "to_proxy": (From.TO_PROXY, ""),
    "request_header_state": (From.REQUEST, "header_state"),
    "response_header_state": (From.RESPONSE, "header_state"),
    "request_ended": (From.REQUEST, "ended"),
    "response_ended": (From.RESPONSE, "ended"),
    "missing": (From.BOTH, "missing"),
    "inferred": (From.BOTH, "inferred"),
    "request_header_bytes": (From.REQUEST, "header_bytes"),
    "request_body_bytes": (From.REQUEST, "body_bytes"),
    "response_header_bytes": (From.RESPONSE, "header_bytes"),
    "response_body_bytes": (From.RESPONSE, "body_bytes"),
    "status": (From.RESPONSE_FIRST, "status"),
    "cause": (From.RESPONSE_FIRST, "cause"),
    "result": (From.RESPONSE_FIRST, "result"),
    "error_origin": (From.RESPONSE_FIRST, "error_origin"),
    "producer_nf": (From.RESPONSE_FIRST, "producer_nf"),
    "producer_nf_source": (From.RESPONSE_FIRST, "producer_nf_source"),
    "producer_nf_instance": (From.RESPONSE_FIRST, "producer_nf_instance"),
    "server": (From.RESPONSE_FIRST, "server"),
    "location": (From.RESPONSE_FIRST, "location"),
    "retry_after": (From.RESPONSE_FIRST, "retry_after"),
    "access_token": (From.ACCESS_TOKEN, "authorization_scheme"),
    "overload_reduction_percent": (From.OVERLOAD, "sbi_headers"),
    "consumer_overload_reduction_percent": (From.CONSUMER_OVERLOAD, "sbi_headers"),
    "cause_list": (From.RESPONSE_FIRST, "cause_list"),
    "request_header_facts": (From.REQUEST_FACTS, "header_facts"),
    "response_header_facts": (From.RESPONSE_FACTS, "header_facts"),
}
ORIGINS = bytes(SOURCES.get(name, (int(kind.startswith("null|")), ""))[0] for name, kind in FIELDS)

CELL = (
    "operation",
    "consumer_nf",
    "producer_nf",
    "producer_nf_instance",
    "snssai",
    "dnn",
    "plmn",
    "to_proxy",
    "vantage",
    "server_address",
    "server_port",
    "client_address",
)
"""The fields of a transaction that a KPI is kept by, in the order in which KpiCell has them."""


def prepare(layout: Layout) -> Layout:
    """Return `layout` with the place of each field's source in its events (`streams.transaction.compose` needs it).

    Raises Malformed where a transaction cannot be made of them: its octets are theirs.
    """
    for record, ours in OURS.items():
        theirs = record_fields(layout.schema, record)
        for name, kind in theirs:
            if not isinstance(name, str) or ours.get(name, kind) != kind.replace("int", "long"):
                raise Malformed(f"its {name} is {kind}, and not what it is here")
        if record == "SbiEventBatch" and (missing := HEADER - dict(theirs).keys()):
            raise Malformed(f"its batches have no {min(missing)}")
    places = {name: place for place, name in enumerate(layout.names)}
    plan: list[int] = []
    for name, kind in FIELDS:
        origin, source = SOURCES.get(name, (From.COPY, name))
        place = places.get(source, ABSENT)
        if place == ABSENT and origin <= From.BOTH and not kind.startswith(("null|", "array<", "map<")):
            raise Malformed(f"its events have no {source}")
        plan.append(place)
    layout.plan = bytes(plan)
    return layout
