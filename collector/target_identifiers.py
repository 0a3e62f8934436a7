# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Whom and what a request is about, as its path, query and header fields say (sbi_identifiers.csv of SBI.md)."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import cython
import msgspec

if cython.compiled:
    from cython.cimports.collector.identifiers import (
        Identifiers,
        dnn_text,
        guami_text,
        identifiers,
        may_be_ue_id,
        nf_instance_id,
        pdu_session_id,
        plmn_text,
        snssai_text,
        ue_id,
    )
    from cython.cimports.collector.percent import decoded
else:
    from collector.identifiers import (
        Identifiers,
        dnn_text,
        guami_text,
        identifiers,
        may_be_ue_id,
        nf_instance_id,
        pdu_session_id,
        plmn_text,
        snssai_text,
        ue_id,
    )
    from collector.percent import decoded

from collector.identifier_grammar import TRANSLATION, by_place
from collector.identifiers import KINDS

CACHED = 8_192  # paths remembered
LONGEST_PATH = 1_024  # of those
_paths: dict[str, Identifiers] = cython.declare(dict, {})
LONGEST_SERVICE = 64  # characters of a segment remembered
DISCOVERY = "3gpp-sbi-discovery-"
CORRELATION = "3gpp-sbi-correlation-info"
# Places of UE ids without a prefix: what stands before them in the path; "" = directly after the version.
_UE_PLACES = frozenset(
    {
        "subscription-data", "ue-contexts", "ues", "exposure-data", "mt-sm-infos", "mo-sm-infos", "imsi", "callback",
        "smcontextstatus",
    }
)  # fmt: skip
_UE_SERVICES = re.compile(
    r"(?:nudm|nhss)-[a-z-]+|nausf-(?:sor|upu)protection|namf-loc|n5g-ddnmf-disc|nmnpf-npstatus", re.IGNORECASE
)
_VERSION = re.compile(r"v[0-9]{1,2}")
_PDU_PLACES = frozenset({"smf-registrations", "session-management-data", "sm-context-status", "smcontextstatus"})
_UE_AND_PDU_PLACES = frozenset({"smcontextstatus"})  # free5GC: the UE, and behind it the session
_PLMN_PLACE = re.compile(r"/([0-9]{3}-?[0-9]{2,3})/(?:provisioned-data|ue-policy-set)(?:/|$)")
# Parameters of queries (TS 29.510 6.2.3.2.3.1 and others) and discovery headers, and what they say.
WHOM = cython.declare(cython.int, 1)
DNN = cython.declare(cython.int, 2)
SNSSAI = cython.declare(cython.int, 3)
PLMN = cython.declare(cython.int, 4)
GUAMI = cython.declare(cython.int, 5)
NF = cython.declare(cython.int, 6)
_PARAMETERS = {
    "supi": 1, "ue-id": 1, "gpsi": 1, "pei": 1, "suci": 1, "msisdn": 1, "dnn": 2,
    "single-nssai": 3, "snssai": 3, "snssais": 3, "slice-info-request-for-pdu-session": 3, "sNssai": 3,
    "plmn-id": 4, "serving-plmn": 4, "tai": 4, "target-plmn-list": 4, "guami": 5,
    "nf-id": 6, "requester-nf-instance-id": 6, "nf-instance-id": 6,
}  # fmt: skip


@cython.ccall
def identifiers_of_path(path: str) -> Identifiers:
    """Return what a request target (RFC 9113 8.3.1 :path) or a callback URI says, query included."""
    said: Identifiers | None = _paths.get(path)
    if said is None:
        said = _read_path(path)
        if len(path) <= LONGEST_PATH:
            if len(_paths) >= CACHED:
                _paths.clear()
            _paths[path] = said
    return said


@cython.cfunc
def _read_path(path: str) -> Identifiers:
    resource, _, query = path.partition("?")
    found: dict[str, Any] = {}
    octets: bytes = resource.encode("utf-8", "surrogatepass")
    if _may_tell(octets, len(octets)):
        _take_segments(found, resource)
    if query:
        _take_query(found, query)
    return identifiers(found)


@cython.cfunc
@cython.exceptval(check=False)
def _may_tell(p: cython.p_const_uchar, end: cython.Py_ssize_t) -> cython.bint:
    """Tell whether a path may hold an identifier: half of all do not, and need not be taken apart.

    Each begins with a digit, a plus or with a word of three to six letters and a hyphen, or has the length of a UUID.
    """
    at: cython.Py_ssize_t
    begin: cython.Py_ssize_t = 0
    is_first_hyphen: cython.bint = True
    for at in range(end):
        if p[at] == 37:
            return True
        if p[at] == 47:
            if at - begin == 36:
                return True
            begin = at + 1
            is_first_hyphen = True
        elif p[at] == 45:
            if is_first_hyphen and 2 < at - begin < 7 and _is_kind(p, at):
                return True
            is_first_hyphen = False
        elif at == begin and (48 <= p[at] <= 57 or p[at] == 43):
            return True
    return end - begin == 36


@cython.cfunc
@cython.exceptval(check=False)
def _is_kind(p: cython.p_const_uchar, end: cython.Py_ssize_t) -> cython.bint:
    """Tell whether a word that is over at `end` may be the kind of an identifier, by its last three letters."""
    last: cython.uint = (p[end - 3] & 31) << 10 | (p[end - 2] & 31) << 5 | p[end - 1] & 31
    found: cython.int = _LAST[last]
    return found != 0


def _last_letters() -> bytes:
    table = bytearray(32_768)
    for kind in KINDS:
        if len(kind) > 2:  # 5g begins with a digit
            first, second, third = (ord(letter) & 31 for letter in kind[-3:])
            table[first << 10 | second << 5 | third] = 1
    return bytes(table)


_LAST_BYTES = cython.declare(bytes, _last_letters())
_LAST = cython.declare(cython.p_const_uchar)
_LAST = _LAST_BYTES


@cython.cfunc
def _take_segments(found: dict[str, Any], resource: str) -> cython.void:
    before, service = "", ""
    for raw in resource.split("/"):
        if not raw:
            continue
        segment: str = decoded(raw)
        low = segment.lower()
        if may_be_ue_id(low):
            is_place: cython.bint = before in _UE_PLACES or (_is_version(before) and _is_of_ues(service))
            if is_place and low.isdigit() and low.isascii():
                segment = by_place(low, TRANSLATION if TRANSLATION in resource else f"{service}/{before}")
            _take_ue_id(found, segment, is_place)
        session: Any = pdu_session_id(segment) if len(segment) < 4 else None
        if session is not None and _is_pdu_place(service, before, low):
            found.setdefault("pdu_session_id", session)
        if before == "nf-instances":
            found.setdefault("nf_instance", nf_instance_id(segment))
        service, before = before, low
    if ("/provisioned-data" in resource or "/ue-policy-set" in resource) and (plmn := _PLMN_PLACE.search(resource)):
        found["plmn"] = plmn[1].replace("-", "")


@cython.cfunc
def _is_pdu_place(service: str, before: str, segment: str) -> cython.bint:
    if before in _PDU_PLACES or service in _UE_AND_PDU_PLACES:
        return True
    return before.startswith("imsi-") and "callback" in segment


@cython.cfunc
def _is_version(text: str) -> cython.bint:
    return text[:1] == "v" and _VERSION.fullmatch(text) is not None


def _is_of_ues(service: str) -> bool:
    return _cached_service(service) if len(service) <= LONGEST_SERVICE else _is_of_service(service)


def _is_of_service(service: str) -> bool:
    return _UE_SERVICES.fullmatch(service) is not None


_cached_service = lru_cache(1_024)(_is_of_service)


def identifiers_of_headers(values: Mapping[str, str]) -> Identifiers:
    """Return what header fields say, names in lower case: Correlation-Info and the discovery parameters."""
    found: dict[str, Any] = {}
    if correlation := values.get(CORRELATION):
        for part in correlation.split(";"):
            _take_ue_id(found, decoded(part.strip()), False)
    for name, value in values.items():
        if name.startswith(DISCOVERY):
            _take_parameter(found, name.removeprefix(DISCOVERY), decoded(value))  # TS 29.500 5.2.3.1
    return identifiers(found)


@cython.cfunc
def _take_ue_id(found: dict[str, Any], text: str, bare: cython.bint) -> cython.void:
    ue: str | None = ue_id(text, bare)
    if ue is not None:
        found.setdefault(KINDS[ue.partition("-")[0]], ue)


@cython.cfunc
def _take_query(found: dict[str, Any], query: str) -> cython.void:
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name in _PARAMETERS:
            _take_parameter(found, name, decoded(value))


@cython.cfunc
def _take_parameter(found: dict[str, Any], name: str, value: str) -> cython.void:
    says: cython.int = _PARAMETERS.get(name, 0)
    if says == WHOM:
        text = by_place(value, name) if value.isdigit() and value.isascii() else value
        _take_ue_id(found, text, name == "supi" or name == "ue-id")
    elif says == DNN:
        found.setdefault("dnn", dnn_text(value))
    elif says == SNSSAI:
        found.setdefault("snssai", snssai_text(_json(value)))
    elif says == PLMN:
        found.setdefault("plmn", plmn_text(_json(value)))
    elif says == GUAMI:
        found.setdefault("guami", guami_text(_json(value)))
    elif says == NF:
        found.setdefault("nf_instance", nf_instance_id(value))


def _json(value: str) -> Any:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return value
