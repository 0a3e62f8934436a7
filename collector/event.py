# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""An event put together in the order of the schema's SbiEvent: as a tuple of values, or at once in Avro.

The octets are those that collector.avro makes of the tuple, which a test holds, at a quarter of the cost: no tuple, no
objects for numbers, and what stands in every event of a connection, an operation or a subscriber is written once.
"""

from collections.abc import Mapping
from typing import Any

import cython

from collector.message import Ended, Half, HeaderState
from collector.unread import inferred, missing
from schemas.sbi.causes import list_of

if cython.compiled:
    from cython.cimports.collector.asked import Asked, Ends
    from cython.cimports.collector.halves import Message
    from cython.cimports.collector.octets import (
        begin,
        mark,
        put_again,
        put_key,
        put_long,
        put_optional_bytes,
        put_optional_key,
        put_optional_long,
        put_optional_text,
        put_text,
        since,
        written,
    )
    from cython.cimports.collector.read import Read
    from cython.cimports.collector.request_target import Matched
    from cython.cimports.collector.sbi_headers import Fields
    from cython.cimports.collector.subject import Subject
    from cython.cimports.collector.told import Told
else:
    from collector.asked import Asked, Ends
    from collector.halves import Message
    from collector.octets import (
        begin,
        mark,
        put_again,
        put_key,
        put_long,
        put_optional_bytes,
        put_optional_key,
        put_optional_long,
        put_optional_text,
        put_text,
        since,
        written,
    )
    from collector.read import Read
    from collector.request_target import Matched
    from collector.sbi_headers import Fields
    from collector.subject import Subject
    from collector.told import Told

CLOSED = int(Ended.CLOSED)
EXACT = cython.declare(object, HeaderState.EXACT)
RESPONSE = cython.declare(object, Half.RESPONSE)
NO_OTHERS: dict[str, str] = {}
REQUEST_ID = cython.declare(cython.int, 0)  # places of the keys of an exchange (collector.hop)
RESPONSE_ID = cython.declare(cython.int, 1)
EXCHANGE_KEY = cython.declare(cython.int, 2)
REQUEST_KEY = cython.declare(cython.int, 3)
MET = cython.declare(cython.Py_ssize_t, 512)  # NFs known by their object, a power of two
_MET = cython.declare(list, [None] * MET)
_MET_OCTETS = cython.declare(list, [None] * MET)


@cython.cfunc
def event_values(
    ends: Ends,
    message: Message,
    asked: Asked,
    fields: Fields,
    body: Read,
    subject: Subject,
    told: Told,
    reference: str | None,
    captured: bytes | None,
    cause: str | None,
    result: str | None,
    origin: str | None,
) -> tuple[Any, ...]:
    """Return the event as a tuple; `reference` and `captured` as they may leave the node."""
    request: Fields = asked.fields
    matched: Matched = asked.matched
    said = matched.said
    is_response: cython.bint = message.half is RESPONSE
    ended = message.ended
    consumer = cython.cast(tuple, asked.consumer)
    producer = cython.cast(tuple, asked.producer)
    exact: cython.bint = message.header_state is EXACT
    return (
        _key_of(asked, RESPONSE_ID if is_response else REQUEST_ID),
        1 if is_response else 0,
        ends.connection_id,
        ends.vantage,
        ends.tls,
        0 if message.http_version == "h2" else 1,
        ends.client_address,
        ends.client_port,
        ends.server_address,
        ends.server_port,
        message.stream_id,
        message.first_byte_ns // 1_000,
        message.headers_ns // 1_000,
        message.last_byte_ns // 1_000,
        CLOSED if ended is None else ended,
        message.header_state,
        () if exact else missing(message),
        () if exact else inferred(message),
        request.method,
        asked.text,
        request.authority,
        fields.status,
        fields.content_type,
        request.user_agent,
        fields.server,
        fields.via,
        fields.location,
        fields.retry_after,
        message.header_bytes,
        message.body_bytes,
        len(message.body),
        body.state,
        captured,
        said[0],
        said[1],
        said[2],
        said[3],
        said[4],
        said[5],
        consumer[0],
        consumer[1],
        consumer[2],
        producer[0],
        producer[1],
        producer[2],
        told.supi,
        subject.source,
        reference,
        told.gpsi,
        told.pei,
        told.session,
        told.snssai,
        told.dnn,
        told.plmn,
        told.guami,
        cause,
        result,
        origin,
        fields.priority,
        fields.max_rsp_time_ms,
        fields.sender_timestamp_us,
        fields.correlation_info,
        fields.target_api_root,
        request.callback,
        fields.others if fields.others is not None else NO_OTHERS,
        _key_of(asked, EXCHANGE_KEY),
        _key_of(asked, REQUEST_KEY) or None,
        request.retransmission,
        ends.process_id,
        ends.process_name,
        ends.container_id,
        ends.pod,
        ends.namespace,
        ends.netns,
        ends.executable,
        ends.container_name,
        ends.image,
        ends.pod_uid,
        ends.labels,
        fields.authorization_scheme,
        None if cause is None else list_of(said[0], cause),
        fields.facts if fields.facts is not None else NO_OTHERS,
    )


@cython.cfunc
def event_octets(
    ends: Ends,
    message: Message,
    asked: Asked,
    fields: Fields,
    body: Read,
    subject: Subject,
    told: Told,
    reference: str | None,
    captured: bytes | None,
    cause: str | None,
    result: str | None,
    origin: str | None,
) -> bytes:
    """Return the event in Avro's binary encoding (Avro 1.11); raises UnicodeEncodeError for a lone surrogate."""
    matched: Matched = asked.matched
    if not ends.octets_before:
        _keep_ends(ends)
    if not matched.octets:
        _keep_operation(matched)
    if not told.octets:
        _keep_told(told)
    begin()
    _write_exchange(ends, message, asked)
    _write_header_block(asked.fields, asked.text, fields)
    put_long(message.header_bytes)
    put_long(message.body_bytes)
    put_long(len(message.body))
    put_long(body.state)
    put_optional_bytes(captured)
    put_again(matched.octets)
    _write_nf(cython.cast(tuple, asked.consumer))
    _write_nf(cython.cast(tuple, asked.producer))
    put_optional_text(told.supi)
    put_optional_text(subject.source)
    put_optional_text(reference)
    put_again(told.octets)
    put_optional_text(cause)
    put_optional_text(result)
    put_optional_text(origin)
    put_optional_long(fields.priority)
    put_optional_long(fields.max_rsp_time_ms)
    put_optional_long(fields.sender_timestamp_us)
    put_optional_text(fields.correlation_info)
    put_optional_text(fields.target_api_root)
    put_optional_text(asked.fields.callback)
    _write_texts(fields.others)
    put_key(asked.keys, EXCHANGE_KEY)
    put_optional_key(asked.keys, REQUEST_KEY)
    put_long(-1 if asked.fields.retransmission else 0)  # a boolean: 1 is the varint of -1
    put_again(ends.octets_behind)
    put_optional_text(fields.authorization_scheme)
    put_optional_text(None if cause is None else list_of(matched.said[0], cause))
    _write_texts(fields.facts)
    return written()


@cython.cfunc
def _key_of(asked: Asked, which: cython.int) -> str:
    """Return one of the keys of an exchange, "" if it is not there."""
    keys: bytes = asked.keys
    return keys[32 * which : 32 * which + 32].decode("ascii")


@cython.cfunc
@cython.exceptval(-1)
def _write_exchange(ends: Ends, message: Message, asked: Asked) -> cython.int:
    """Write which half of which exchange, when, and how much of it was read."""
    is_response: cython.bint = message.half is RESPONSE
    exact: cython.bint = message.header_state is EXACT
    ended = message.ended
    put_key(asked.keys, RESPONSE_ID if is_response else REQUEST_ID)
    put_long(is_response)
    put_again(ends.octets_before)
    put_long(0 if message.http_version == "h2" else 1)
    put_again(ends.octets)
    put_long(message.stream_id)
    put_long(message.first_byte_ns // 1_000)
    put_long(message.headers_ns // 1_000)
    put_long(message.last_byte_ns // 1_000)
    put_long(CLOSED if ended is None else ended)
    put_long(message.header_state)
    if exact:
        put_long(0)
        put_long(0)
    else:
        _write_unread(message)
    return 0


@cython.cfunc
@cython.exceptval(-1)
def _write_unread(message: Message) -> cython.int:
    _write_names(missing(message))
    _write_names(inferred(message))
    return 0


@cython.cfunc
@cython.exceptval(-1)
def _write_header_block(request: Fields, target: str | None, fields: Fields) -> cython.int:
    put_optional_text(request.method)
    put_optional_text(target)
    put_optional_text(request.authority)
    put_optional_long(fields.status)
    put_optional_text(fields.content_type)
    put_optional_text(request.user_agent)
    put_optional_text(fields.server)
    put_optional_text(fields.via)
    put_optional_text(fields.location)
    put_optional_text(fields.retry_after)
    return 0


@cython.cfunc
@cython.exceptval(-1)
def _write_nf(end: tuple[str | None, ...]) -> cython.int:
    """Write type, source and instance of a collector.network_function.End, those met lately as they were written."""
    at: cython.Py_ssize_t = 0
    if cython.compiled:
        at = (cython.cast(cython.size_t, cython.cast(cython.p_void, end)) >> 4) & (MET - 1)
        if _MET[at] is end:
            put_again(_MET_OCTETS[at])
            return 0
    where: cython.Py_ssize_t = mark()
    put_optional_text(end[0])
    put_optional_text(end[1])
    put_optional_text(end[2])
    if cython.compiled:
        _MET[at] = end
        _MET_OCTETS[at] = since(where)
    return 0


@cython.cfunc
@cython.exceptval(-1)
def _write_names(names: tuple[str, ...]) -> cython.int:
    if names:
        put_long(len(names))
        for name in names:
            put_text(name)
    put_long(0)
    return 0


@cython.cfunc
@cython.exceptval(-1)
def _write_texts(texts: Mapping[str, str] | None) -> cython.int:
    if texts is not None and texts:
        put_long(len(texts))
        for key, value in texts.items():
            put_text(key)
            put_text(value)
    put_long(0)
    return 0


@cython.cfunc
@cython.exceptval(-1)
def _keep_ends(ends: Ends) -> cython.int:
    """Keep what stands in every event of a connection."""
    begin()
    put_text(ends.connection_id)
    put_long(ends.vantage)
    put_long(-1 if ends.tls else 0)
    ends.octets_before = written()
    begin()
    put_text(ends.client_address)
    put_long(ends.client_port)
    put_text(ends.server_address)
    put_long(ends.server_port)
    ends.octets = written()
    begin()
    put_optional_long(ends.process_id)
    put_optional_text(ends.process_name)
    put_optional_text(ends.container_id)
    put_optional_text(ends.pod)
    put_optional_text(ends.namespace)
    put_optional_long(ends.netns)
    put_optional_text(ends.executable)
    put_optional_text(ends.container_name)
    put_optional_text(ends.image)
    put_optional_text(ends.pod_uid)
    _write_texts(ends.labels)
    ends.octets_behind = written()
    return 0


@cython.cfunc
@cython.exceptval(-1)
def _keep_operation(matched: Matched) -> cython.int:
    begin()
    for part in matched.said:
        put_optional_text(part)
    matched.octets = written()
    return 0


@cython.cfunc
@cython.exceptval(-1)
def _keep_told(told: Told) -> cython.int:
    begin()
    put_optional_text(told.gpsi)
    put_optional_text(told.pei)
    put_optional_long(told.session)
    put_optional_text(told.snssai)
    put_optional_text(told.dnn)
    put_optional_text(told.plmn)
    put_optional_text(told.guami)
    told.octets = written()
    return 0
