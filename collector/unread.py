"""Which fields of an event its header block may have held unread, and which were inferred (DESIGN 4)."""

from collector.halves import Message
from collector.message import Half, HeaderState

OF_BOTH = {
    "content-type": "content_type",
    "via": "via",
    "3gpp-sbi-message-priority": "priority",
    "3gpp-sbi-sender-timestamp": "sender_timestamp_us",
    "3gpp-sbi-correlation-info": "correlation_info",
    "3gpp-sbi-target-apiroot": "target_api_root",
}
OF_REQUEST = OF_BOTH | {
    ":method": "method",
    ":path": "path",
    ":authority": "authority",
    "user-agent": "user_agent",
    "3gpp-sbi-max-rsp-time": "max_rsp_time_ms",
    "3gpp-sbi-callback": "callback",
    "3gpp-sbi-request-info": "retransmission",
    "authorization": "authorization_scheme",
}
OF_RESPONSE = OF_BOTH | {
    ":status": "status",
    "server": "server",
    "location": "location",
    "retry-after": "retry_after",
}
SAME_FIELD = {"host": ":authority"}
OTHERS = "sbi_headers"


def missing(message: Message) -> tuple[str, ...]:
    """Return the fields of the event that the header block may have held, in the order above.

    A name that was not read may be any that was not met; a value that was not read is missing under its name.
    """
    if message.header_state == HeaderState.EXACT:
        return ()
    places = OF_REQUEST if message.half == Half.REQUEST else OF_RESPONSE
    read = {_name(name) for name, value in message.headers if name is not None and value is not None}
    valueless = {_name(name) for name, value in message.headers if name is not None and value is None}
    nameless = any(name is None for name, _ in message.headers)
    told = valueless | {name for name in message.missing if name in places}
    if nameless or not told:
        fields = [field for name, field in places.items() if name not in read]
        return (*fields, OTHERS)
    others = any(name.startswith("3gpp-sbi-") and name not in places for name in told)
    return (*(field for name, field in places.items() if name in told - read), *((OTHERS,) if others else ()))


def inferred(message: Message) -> tuple[str, ...]:
    """Return the fields of the event that repair filled in; names that no field has are left out."""
    if not message.inferred:
        return ()
    places = OF_REQUEST if message.half == Half.REQUEST else OF_RESPONSE
    fields = (places.get(name) or (OTHERS if name.startswith("3gpp-sbi-") else None) for name in message.inferred)
    return tuple(dict.fromkeys(field for field in fields if field))


def _name(name: bytes) -> str:
    text = name.decode("utf-8", "backslashreplace")
    return SAME_FIELD.get(text, text)
