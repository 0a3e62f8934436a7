# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Whom and what a message is about: identifiers read from path, query and headers (TS 29.571, sbi_identifiers.csv)."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import cython
import msgspec

from collector.identifier_grammar import BARE_SUPI, canonical

CACHED = 8_192  # paths remembered
LONGEST_PATH = 1_024  # of those
LONGEST_UE_ID = 512
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@cython.no_gc  # holds texts alone
@cython.final
@cython.cclass
class Identifiers:
    """What one place says; identifiers plain and canonical. What is said twice and differently stays as first said.

    suci: concealed; one of the null scheme is the SUPI. pdu_session_id: 0..255. snssai: sst or sst-sd. dnn: without
    operator part, lower case. plmn: serving network, mccmnc. guami: mccmnc-amfid. told, teller: how an event tells
    them, and the number of who made it so; no part of what is said.
    """

    def __init__(
        self,
        supi: str | None = None,
        suci: str | None = None,
        gpsi: str | None = None,
        pei: str | None = None,
        guti: str | None = None,
        pdu_session_id: int | None = None,
        snssai: str | None = None,
        dnn: str | None = None,
        plmn: str | None = None,
        guami: str | None = None,
        nf_instance: str | None = None,
    ) -> None:
        """Say these; never changed thereafter."""
        self.supi = supi
        self.suci = suci
        self.gpsi = gpsi
        self.pei = pei
        self.guti = guti
        self.pdu_session_id = pdu_session_id
        self.snssai = snssai
        self.dnn = dnn
        self.plmn = plmn
        self.guami = guami
        self.nf_instance = nf_instance
        self.told: Any = None
        self.teller = 0
        self._hash = -1

    def said(self) -> tuple[Any, ...]:
        """Return all, in order."""
        return (
            self.supi,
            self.suci,
            self.gpsi,
            self.pei,
            self.guti,
            self.pdu_session_id,
            self.snssai,
            self.dnn,
            self.plmn,
            self.guami,
            self.nf_instance,
        )

    def __eq__(self, other: object) -> bool:
        """Tell whether both say the same."""
        return self is other or (isinstance(other, Identifiers) and self.said() == other.said())

    def __hash__(self) -> int:
        """Return a number of what is said, worked out once."""
        if self._hash == -1:
            self._hash = hash(self.said())
        return self._hash

    def __repr__(self) -> str:
        """Return what is said, in words."""
        return f"Identifiers{self.said()}"

    @property
    def names_subscriber(self) -> bool:
        """True if a UE is named, by whatever identifier."""
        return bool(self.supi or self.suci or self.gpsi or self.pei or self.guti)


NO_IDENTIFIERS = Identifiers()
_both: dict[tuple[Identifiers, Identifiers], Identifiers] = {}
_KINDS = {
    "imsi": "supi", "nai": "supi", "gci": "supi", "gli": "supi", "suci": "suci", "msisdn": "gpsi", "extid": "gpsi",
    "imei": "pei", "imeisv": "pei", "mac": "pei", "eui": "pei", "5g": "guti",
}  # fmt: skip
_UE_ID = re.compile(
    r"(?:imsi-[0-9]{5,15}(?![0-9])|suci-[0-7]-|msisdn-\+?[0-9]{5,15}(?![0-9])|imei-[0-9]{14,15}|imeisv-[0-9]{16}|"
    r"5g-guti-[0-9]{5,6}[0-9a-f]{14}|(?:nai|gci|gli|extid)-.|mac(?:-[0-9a-f]{2}){6}|eui(?:-[0-9a-f]{2}){8})",
    re.IGNORECASE,
)
_FIXED = re.compile(r"imsi-[0-9]+|msisdn-\+?[0-9]+|imei(?:sv)?-[0-9]+|5g-guti-[0-9]{5,6}[0-9a-f]{14}", re.IGNORECASE)
# Places of UE ids without a prefix: what stands before them in the path; "" = directly after the version.
_UE_PLACES = frozenset(
    {"subscription-data", "ue-contexts", "ues", "exposure-data", "mt-sm-infos", "mo-sm-infos", "imsi", "callback"}
)
_UE_SERVICES = re.compile(r"(?:nudm|nhss)-[a-z-]+|nausf-(?:sor|upu)protection|namf-loc|n5g-ddnmf-disc", re.IGNORECASE)
_VERSION = re.compile(r"v[0-9]{1,2}")
_PDU_PLACES = frozenset({"smf-registrations", "session-management-data", "sm-context-status", "smcontextstatus"})
_PLMN_PLACE = re.compile(r"/([0-9]{3}-?[0-9]{2,3})/(?:provisioned-data|ue-policy-set)(?:/|$)")
_SERVING_NETWORK = re.compile(r"mnc([0-9]{2,3})\.mcc([0-9]{3})", re.IGNORECASE)
_PLMN = re.compile(r"[0-9]{5,6}")
_OPERATOR = re.compile(r"\.mnc[0-9]{2,3}\.mcc[0-9]{3}\.gprs$")
_HEX6 = re.compile(r"[0-9a-fA-F]{6}")
_SNSSAI_KEYS = ("single-nssai", "snssai", "snssais", "slice-info-request-for-pdu-session", "sNssai")
_PLMN_KEYS = ("plmn-id", "serving-plmn", "tai", "target-plmn-list")
_NF_KEYS = ("nf-id", "requester-nf-instance-id", "nf-instance-id")


def merged(*places: Identifiers) -> Identifiers:
    """Return each identifier as the first of `places` says it."""
    every = NO_IDENTIFIERS
    for place in places:
        every = both(every, place)
    return every


def both(first: Identifiers, second: Identifiers) -> Identifiers:
    """Return each identifier as `first` says it, else as `second` does."""
    if second is NO_IDENTIFIERS or first is second:
        return first
    if first is NO_IDENTIFIERS:
        return second
    found: Identifiers | None = _both.get((first, second))
    if found is None:
        found = _joined(first, second)
        if len(_both) >= CACHED:
            _both.clear()
        _both[first, second] = found
    return found


def _joined(first: Identifiers, second: Identifiers) -> Identifiers:
    pairs = zip(first.said(), second.said(), strict=True)
    return Identifiers(*[one if one is not None else other for one, other in pairs])


def identifiers_of_path(path: str) -> Identifiers:
    """Return what a request target (RFC 9113 8.3.1 :path) or a callback URI says, query included."""
    return _cached_path(path) if len(path) <= LONGEST_PATH else _read_path(path)


def _read_path(path: str) -> Identifiers:
    resource, _, query = path.partition("?")
    segments = [unquote(segment) if "%" in segment else segment for segment in resource.split("/") if segment]
    found: dict[str, Any] = {}
    before, service = "", ""
    for segment in segments:
        low = segment.lower()
        _take_ue_id(found, segment, before in _UE_PLACES or bool(_VERSION.fullmatch(before) and _is_of_ues(service)))
        if before in _PDU_PLACES or (before.startswith("imsi-") and "callback" in low):
            found.setdefault("pdu_session_id", pdu_session_id(segment))
        if before == "nf-instances":
            found.setdefault("nf_instance", nf_instance_id(segment))
        service, before = before, low
    if plmn := _PLMN_PLACE.search(resource):
        found["plmn"] = plmn[1].replace("-", "")
    if query:
        _take_query(found, query)
    return Identifiers(**found) if found else NO_IDENTIFIERS


_cached_path = lru_cache(CACHED)(_read_path)


def _is_of_ues(service: str) -> bool:
    return _UE_SERVICES.fullmatch(service) is not None


def identifiers_of_headers(values: Mapping[str, str]) -> Identifiers:
    """Return what header fields say, names in lower case: Correlation-Info and the discovery parameters."""
    found: dict[str, Any] = {}
    if correlation := values.get("3gpp-sbi-correlation-info"):
        for part in correlation.split(";"):
            _take_ue_id(found, unquote(part.strip()), False)
    prefix = "3gpp-sbi-discovery-"
    for name, value in values.items():
        if name.startswith(prefix):
            _take_parameter(found, name.removeprefix(prefix), value)
    return Identifiers(**found) if found else NO_IDENTIFIERS


def _take_ue_id(found: dict[str, Any], text: str, bare: bool) -> None:
    if ue := ue_id(text, bare):
        found.setdefault(_KINDS[ue.partition("-")[0]], ue)


def ue_id(text: object, bare: bool = True) -> str | None:
    """Return the canonical identifier that `text` begins with, None if there is none; `bare`: digits alone are one.

    `imsi-2089300007487-10`, a policy id of free5GC, names its subscriber.
    """
    return _ue_id(text, bare) if isinstance(text, str) and len(text) <= LONGEST_UE_ID else None


@lru_cache(CACHED)
def _ue_id(text: str, bare: bool) -> str | None:
    if _UE_ID.match(text):
        whole = canonical(text)
        if fixed := _FIXED.match(whole):
            return fixed[0]
        return whole if whole.partition("-")[0] in _KINDS else None
    return canonical(text) if bare and BARE_SUPI.fullmatch(text) else None


def _take_query(found: dict[str, Any], query: str) -> None:
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        _take_parameter(found, name, unquote(value) if "%" in value else value)


def _take_parameter(found: dict[str, Any], name: str, value: str) -> None:
    """Take a query parameter (TS 29.510 6.2.3.2.3.1 and others) or the discovery header of that name."""
    if name in ("supi", "ue-id", "gpsi", "pei", "suci", "msisdn"):
        _take_bare_parameter(found, name, value)
    elif name == "dnn":
        found.setdefault("dnn", dnn_text(value))
    elif name in _SNSSAI_KEYS:
        found.setdefault("snssai", snssai_text(_json(value)))
    elif name in _PLMN_KEYS:
        found.setdefault("plmn", plmn_text(_json(value)))
    elif name == "guami":
        found.setdefault("guami", guami_text(_json(value)))
    elif name in _NF_KEYS:
        found.setdefault("nf_instance", nf_instance_id(value))


def _take_bare_parameter(found: dict[str, Any], name: str, value: str) -> None:
    prefix = {"gpsi": "msisdn-", "msisdn": "msisdn-", "pei": "imei-"}.get(name, "")
    _take_ue_id(found, prefix + value if value.isdigit() else value, name in ("supi", "ue-id"))


def _json(value: str) -> Any:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return value


def pdu_session_id(value: object) -> int | None:
    """Return a PDU session id, 0..255 (TS 29.571 5.4.2), from a number or digits."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 4:
        value = int(value)
    return value if type(value) is int and 0 <= value <= 255 else None


def nf_instance_id(value: object) -> str | None:
    """Return a UUID (TS 29.571 5.3.2, NfInstanceId) in lower case."""
    return _uuid(value) if isinstance(value, str) and len(value) == 36 else None


@lru_cache(1_024)
def _uuid(text: str) -> str | None:
    return text.lower() if UUID.fullmatch(text) else None


def snssai_text(value: object) -> str | None:
    """Return `sst` or `sst-sd` of an S-NSSAI, of a list that holds one alone, or of what wraps it (query JSON)."""
    if isinstance(value, list):
        return snssai_text(value[0]) if len(value) == 1 else None
    if not isinstance(value, dict):
        return None
    sst, sd = value.get("sst"), value.get("sd")
    if type(sst) is not int or not 0 <= sst <= 255:
        wrapped = value.get("sNssai")
        return snssai_text(wrapped) if isinstance(wrapped, dict) and "sst" in wrapped else None
    return f"{sst}-{sd.lower()}" if isinstance(sd, str) and _HEX6.fullmatch(sd) else str(sst)


def dnn_text(value: object) -> str | None:
    """Return a DNN without its operator identifier (TS 23.003 9.1.2), in lower case."""
    return _dnn(value) if isinstance(value, str) and 0 < len(value) <= 255 else None


@lru_cache(1_024)
def _dnn(text: str) -> str:
    return _OPERATOR.sub("", text.lower())


def plmn_text(value: object) -> str | None:
    """Return `mccmnc` of a PlmnId, of what holds one as plmnId, of a serving network name or of digits."""
    if isinstance(value, str):
        return _plmn(value) if len(value) < 100 else None
    if isinstance(value, dict):
        mcc, mnc = value.get("mcc"), value.get("mnc")
        if isinstance(mcc, str) and isinstance(mnc, str):
            return _plmn(mcc + mnc) if len(mcc) + len(mnc) < 7 else None
        inner = value.get("plmnId")
        return plmn_text(inner) if isinstance(inner, dict) and "mcc" in inner else None
    if isinstance(value, list):
        return plmn_text(value[0]) if len(value) == 1 and isinstance(value[0], dict) else None
    return _plmn(str(value)) if type(value) is int and 9_999 < value < 1_000_000 else None


@lru_cache(1_024)
def _plmn(text: str) -> str | None:
    if name := _SERVING_NETWORK.search(text):
        return name[2] + (name[1][1:] if name[1].startswith("0") and len(name[1]) == 3 else name[1])
    return text if _PLMN.fullmatch(text) else None


def guami_text(value: object) -> str | None:
    """Return `mccmnc-amfid` of a GUAMI (TS 29.571 5.4.4)."""
    if not isinstance(value, dict):
        return None
    plmn, amf = plmn_text(value.get("plmnId")), value.get("amfId")
    return f"{plmn}-{amf.lower()}" if plmn and isinstance(amf, str) and _HEX6.fullmatch(amf) else None
