"""How a message becomes an event: what its headers say, which operation it is, who asks whom, its ids."""

from typing import Any

from collector.batch import Event
from collector.catalogue import NOTHING, Catalogue, Match
from collector.halves import Message
from collector.message import Ended, Endpoints, Half, HeaderState
from collector.network_function import SERVICE, USER_AGENT, instance_in, type_of_agent
from collector.sbi_headers import SbiHeaders, read_headers, timestamp_us
from schemas.config import Collector
from schemas.fields import fields_of
from schemas.identity import REQUEST, RESPONSE, event_id, exchange_key

NAMES = tuple(name for name, _ in fields_of("sbi_event_batch", "SbiEvent"))
HTTP_VERSIONS = {"h2": 0, "http1": 1}
BODY_NONE = 0
# Which field of the event holds which header field, by half.
OF_REQUEST = {
    ":method": "method",
    ":path": "path",
    ":authority": "authority",
    "content-type": "content_type",
    "user-agent": "user_agent",
    "via": "via",
    "3gpp-sbi-message-priority": "priority",
    "3gpp-sbi-max-rsp-time": "max_rsp_time_ms",
    "3gpp-sbi-sender-timestamp": "sender_timestamp_us",
    "3gpp-sbi-correlation-info": "correlation_info",
    "3gpp-sbi-target-apiroot": "target_api_root",
    "3gpp-sbi-callback": "callback",
}
OF_RESPONSE = {
    ":status": "status",
    "content-type": "content_type",
    "server": "server",
    "via": "via",
    "location": "location",
    "retry-after": "retry_after",
    "3gpp-sbi-message-priority": "priority",
    "3gpp-sbi-sender-timestamp": "sender_timestamp_us",
    "3gpp-sbi-correlation-info": "correlation_info",
    "3gpp-sbi-target-apiroot": "target_api_root",
}


class Meaning:
    """Makes events of messages, for one shard."""

    def __init__(self, config: Collector) -> None:
        """Load the catalogue."""
        self._config = config
        self._catalogue = Catalogue()

    def event(self, endpoints: Endpoints, message: Message) -> Event:
        """Return the event of `message`; a response carries what its request says of operation and ends."""
        fields: dict[str, Any] = dict.fromkeys(NAMES)
        request = message if message.half == Half.REQUEST else message.request
        asked = read_headers(request) if request is not None else SbiHeaders()
        said = asked if request is message else read_headers(message)
        fields |= _frame(endpoints, message) | _request_fields(asked) | _own_fields(said)
        fields |= {"missing": _missing(message, said), "inferred": _inferred(message)}
        fields |= self._operation(asked) | _ends(endpoints)
        fields["exchange_key"] = exchange_key(
            endpoints.client_address, endpoints.client_port, message.stream_id, fields["method"], fields["path"]
        )
        return tuple(fields[name] for name in NAMES)

    def _operation(self, asked: SbiHeaders) -> dict[str, Any]:
        method, path = asked.values.get(":method"), asked.values.get(":path")
        match: Match = self._catalogue.find(method or "", path) if path is not None else NOTHING
        agent = asked.values.get("user-agent")
        consumer = type_of_agent(agent) if agent else None
        return {
            "service": match.service,
            "operation": match.operation,
            "operation_id": match.operation_id,
            "operation_source": match.operation_source,
            "api_version": match.api_version,
            "resource": match.resource,
            "consumer_nf": consumer,
            "consumer_nf_source": USER_AGENT if consumer else None,
            "consumer_nf_instance": instance_in(agent) if agent and consumer else None,
            "producer_nf": match.producer_nf,
            "producer_nf_source": SERVICE if match.producer_nf else None,
        }


def _frame(endpoints: Endpoints, message: Message) -> dict[str, Any]:
    half = REQUEST if message.half == Half.REQUEST else RESPONSE
    return {
        "event_id": event_id(endpoints.connection_id, message.stream_id, half),
        "half": int(message.half),
        "connection_id": endpoints.connection_id,
        "vantage": int(endpoints.vantage),
        "tls": endpoints.tls,
        "http_version": HTTP_VERSIONS[message.http_version],
        "client_address": endpoints.client_address,
        "client_port": endpoints.client_port,
        "server_address": endpoints.server_address,
        "server_port": endpoints.server_port,
        "stream_id": message.stream_id,
        "first_byte_us": message.first_byte_ns // 1_000,
        "headers_us": message.headers_ns // 1_000,
        "last_byte_us": message.last_byte_ns // 1_000,
        "ended": int(Ended.CLOSED if message.ended is None else message.ended),
        "header_state": int(message.header_state),
        "header_bytes": message.header_bytes,
        "body_bytes": message.body_bytes,
        "body_captured_bytes": len(message.body),
        "body_state": BODY_NONE,
    }


def _request_fields(asked: SbiHeaders) -> dict[str, Any]:
    return {
        "method": asked.values.get(":method"),
        "path": asked.values.get(":path"),
        "authority": asked.values.get(":authority", asked.values.get("host")),
        "user_agent": asked.values.get("user-agent"),
        "callback": asked.values.get("3gpp-sbi-callback"),
        "retransmission": "retrans=true" in asked.values.get("3gpp-sbi-request-info", ""),
    }


def _own_fields(said: SbiHeaders) -> dict[str, Any]:
    kind = said.values.get("content-type")
    return {
        "status": said.number(":status", 999),
        "content_type": kind.partition(";")[0].strip().lower() if kind is not None else None,
        "server": said.values.get("server"),
        "via": said.values.get("via"),
        "location": said.values.get("location"),
        "retry_after": said.values.get("retry-after"),
        "priority": said.number("3gpp-sbi-message-priority", 31),
        "max_rsp_time_ms": said.number("3gpp-sbi-max-rsp-time", 99_999),
        "sender_timestamp_us": timestamp_us(said.values.get("3gpp-sbi-sender-timestamp", "")),
        "correlation_info": said.values.get("3gpp-sbi-correlation-info"),
        "target_api_root": said.values.get("3gpp-sbi-target-apiroot"),
        "sbi_headers": said.others(),
    }


def _ends(endpoints: Endpoints) -> dict[str, Any]:
    return {
        "process_id": endpoints.process_id,
        "process_name": endpoints.process_name,
        "container_id": endpoints.container_id,
        "pod": endpoints.pod,
        "namespace": endpoints.namespace,
        "netns": endpoints.netns,
    }


def _missing(message: Message, said: SbiHeaders) -> tuple[str, ...]:
    """Return the fields of the event that the header block may have held and that could not be read."""
    if message.header_state == HeaderState.EXACT:
        return ()
    own = OF_REQUEST if message.half == Half.REQUEST else OF_RESPONSE
    return tuple(field for name, field in own.items() if name not in said.values)


def _inferred(message: Message) -> tuple[str, ...]:
    own = OF_REQUEST if message.half == Half.REQUEST else OF_RESPONSE
    return tuple(own.get(name, name) for name in message.inferred)
