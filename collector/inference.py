"""What follows from a message for the fields of it that were not read: the rules and their limits."""

import re

from collector.catalogue import CATALOGUE, NEAREST_VERSION, Catalogue
from collector.halves import Message
from collector.network_function import type_of_agent
from collector.value_grammar import (
    ORIGINATION_TIMESTAMP,
    OTHER,
    REQUESTER_NF_TYPE,
    TARGET_NF_ID,
    TARGET_NF_TYPE,
    candidates,
)

METHOD, SCHEME, AUTHORITY, PATH, STATUS = b":method", b":scheme", b":authority", b":path", b":status"
PSEUDO = frozenset((METHOD, SCHEME, AUTHORITY, PATH, STATUS))
CREATED = b"201"
METHODS = ("POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ROOT = re.compile(rb"https?://([^/]+)")
# Operations that answer with a Location and another success: 202 (TS 29.518 5.2.2.3.1), 303 (TS 29.514, 29.554).
NOT_ONLY_CREATED = (b"/n1-n2-messages", b"/app-sessions", b"/bdtpolicies")
# Begin of the body of a redirection: RedirectResponse or ProblemDetails (TS 29.571 5.2.4.1, 5.2.4.35), or nothing.
NO_RESOURCE = re.compile(rb'\s*\{?\s*(?:"(?:cause|targetScp|targetSepp|type|title|status|detail|instance)"|\Z)')
STATUS_CODE = re.compile(rb"[1-5][0-9]{2}\Z")
JSON_PATCH = re.compile(rb'\s*\[\s*\{\s*"(?:op|path|value|from)"\s*:')
# Services whose requests may have an Origination-Timestamp (TS 29.502, 29.512).
ORIGINATED = (b"/nsmf-pdusession/", b"/npcf-smpolicycontrol/")


def value_of(message: Message | None, name: bytes) -> bytes | None:
    """Return the value of the first field called so; None if it is not known."""
    for field_name, value in [] if message is None else message.headers:
        if field_name == name and value is not None:
            return value
    return None


def names_by_value(message: Message, value: bytes, catalogue: Catalogue) -> frozenset[bytes]:
    """Return the headers that `value` can stand in, in this message."""
    if value.isdigit() and int(value[:12]) == message.body_bytes:
        return frozenset()  # it can be Content-Length, named by an entry of the dynamic table
    names = candidates(message.half, value)
    if ORIGINATION_TIMESTAMP in names:
        return names - _not_originated(value_of(message, PATH))
    if TARGET_NF_TYPE in names:
        return _nf_type(message, value, names, catalogue)
    if TARGET_NF_ID in names and (value_of(message, STATUS) or b"")[:1] == b"2":
        return names - {TARGET_NF_ID}  # which goes with a redirection only
    return names


def _not_originated(path: bytes | None) -> frozenset[bytes]:
    originated = path is None or any(service in path for service in ORIGINATED)
    return frozenset() if originated else frozenset((ORIGINATION_TIMESTAMP,))


def _nf_type(message: Message, value: bytes, names: frozenset[bytes], catalogue: Catalogue) -> frozenset[bytes]:
    """Tell a target from a requester: the NF type that offers the path's service is no consumer of another type."""
    path = value_of(message, PATH)
    producer = catalogue.find(None, path.decode(errors="replace")).producer_nf if path is not None else None
    agent = value_of(message, b"user-agent")
    consumer = type_of_agent(agent.decode(errors="replace")) if agent is not None else None
    if producer is None or producer == consumer:
        return names
    if value == producer.encode():
        return names - ({OTHER} if consumer is None else {OTHER, REQUESTER_NF_TYPE})
    return names - {TARGET_NF_TYPE}


def creates(response: Message) -> bool:
    """Tell whether a response can only be a 201, by its Location and body.

    The Location of a new resource lies below the collection it was made in, or is what was put (TS 29.501 4.4.2); that
    of a redirection (307, 308; TS 29.500 6.10.9) is the request's own resource elsewhere, without it in the body.
    Measured: the 1,250 responses of our captures with such a Location are 201.
    """
    location, path = _path(value_of(response, b"location")), value_of(response.request, PATH)
    method = value_of(response.request, METHOD)
    if location is None or path is None or method not in (None, b"POST", b"PUT"):
        return False
    if path.endswith(NOT_ONLY_CREATED):
        return False
    if location.startswith(path + b"/"):
        return True
    has_resource = not NO_RESOURCE.match(response.body)
    if location == path:
        return has_resource and method != b"POST"
    # Open5GS 2.4 posted sm-policies and named them policies.
    return has_resource and method == b"POST" and _api(location) is not None and _api(location) == _api(path)


def _api(path: bytes) -> bytes | None:
    found = re.match(rb"/[a-z0-9-]+/v[0-9]+/", path)
    return found[0] if found else None


def _path(uri: bytes | None) -> bytes | None:
    found = re.match(rb"(?:https?://[^/]+)?(/[^?#]*)\Z", uri or b"")
    return found[1] if found else None


def status_of(response: Message, first: bytes | None) -> bytes | None:
    """Return the status of a response whose first field, with the value `first` if that was read, has no name.

    That field is `:status` (RFC 9113 8.3.2): there is no other pseudo-header, and it comes first.
    """
    if first is not None:
        return first if STATUS_CODE.match(first) else None
    return CREATED if creates(response) else None


def method_of(response: Message, status: bytes | None, others: set[bytes], catalogue: Catalogue) -> bytes | None:
    """Return the method of the request that `response` answers, if only one is possible; `others`: it is none of these.

    A resource is made by POST or PUT, and where the path itself names it, by PUT. Else the API's methods decide, as far
    as the exchange succeeded: with a body between PUT and PATCH, without one in either direction DELETE alone is left
    (RFC 9110 9.3.4, RFC 5789 2). Where the API posts they decide nothing: Open5GS puts auth-events, TS 29.503 posts.
    Measured: right for all 337 requests of our captures that it decides.
    """
    request = response.request
    path = value_of(request, PATH)
    if request is None or path is None or status is None or status[:1] != b"2":
        return None
    location = _path(value_of(response, b"location")) or b""
    if status == CREATED and location == path:
        return b"PUT"
    if b"POST" not in others:
        return None
    if status == CREATED:
        return b"PUT" if location.startswith(path + b"/") else None
    offered = _offered(path.decode(errors="replace"), catalogue)
    if "POST" in offered or "OPTIONS" in offered:
        return None
    if request.body_bytes == 0:
        return b"DELETE" if status == b"204" and "DELETE" in offered else None
    with_body = offered & {"PUT", "PATCH"}
    return with_body.pop().encode() if len(with_body) == 1 else None


def _offered(path: str, catalogue: Catalogue) -> set[str]:
    """Return the methods that the API has for a path and that change something."""
    known = (CATALOGUE, NEAREST_VERSION)
    return {method for method in METHODS if catalogue.find(method, path).operation_source in known}


def target_roots(response: Message) -> list[int]:
    """Return the nameless fields of the request that are its 3gpp-Sbi-Target-apiRoot, by identity.

    The new resource lies at that root, while the request went to another authority, a proxy (TS 29.500 6.10.2.5).
    """
    request, location = response.request, value_of(response, b"location")
    if request is None or location is None:
        return []
    authority = value_of(request, AUTHORITY)
    found = []
    for at, identity in request.unknown:
        value = request.headers[at][1] or b""
        root = ROOT.match(value)
        elsewhere = root is not None and authority not in (None, root[1])
        if elsewhere and location.startswith(value.rstrip(b"/") + b"/"):
            found.append(identity)
    return found


def pseudo_by_value(request: Message, value: bytes | None) -> bytes | None:
    """Return which of the missing pseudo-headers a value is of."""
    if value is None:
        return None
    if value[:1] == b"/":
        found = PATH
    elif value in (b"http", b"https"):
        found = SCHEME
    elif value.isalpha() and value.isupper():
        found = METHOD
    else:
        found = AUTHORITY
    return found if found.decode() in request.missing else None


def leading(message: Message) -> list[tuple[int, int]]:
    """Return those of `unknown` that are pseudo-headers: they stand before all others (RFC 9113 8.3)."""
    known = [at for at, (name, _) in enumerate(message.headers) if name in PSEUDO]
    last = known[-1] if known else 0
    return [(at, identity) for at, identity in message.unknown if at < last or at == 0]
