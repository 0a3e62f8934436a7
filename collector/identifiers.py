# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Whom and what something is about: the identifiers a place says, and how each is read (TS 29.571, TS 23.003)."""

import re
from functools import lru_cache
from typing import Any

import cython

from collector.identifier_grammar import bare as bare_identifier
from collector.identifier_grammar import canonical

CACHED = 8_192  # identifiers remembered
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

    def says_nothing(self) -> bool:
        """Tell whether none is said."""
        return (
            self.supi is None
            and self.suci is None
            and self.gpsi is None
            and self.pei is None
            and self.guti is None
            and self.pdu_session_id is None
            and self.snssai is None
            and self.dnn is None
            and self.plmn is None
            and self.guami is None
            and self.nf_instance is None
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
NEAR = cython.declare(cython.Py_ssize_t, 1_024)  # pairs known by their objects, a power of two
_both: dict[tuple[Identifiers, Identifiers], Identifiers] = cython.declare(dict, {})
_near_first = cython.declare(list, [None] * NEAR)
_near_second = cython.declare(list, [None] * NEAR)
_near_whole = cython.declare(list, [None] * NEAR)
KINDS = {
    "imsi": "supi", "nai": "supi", "gci": "supi", "gli": "supi", "suci": "suci", "msisdn": "gpsi", "extid": "gpsi",
    "imei": "pei", "imeisv": "pei", "mac": "pei", "eui": "pei", "5g": "guti",
}  # fmt: skip
_UE_ID = re.compile(
    r"(?:imsi-[0-9]{5,15}(?![0-9])|suci-[0-7]-|msisdn-\+?[0-9]{5,15}(?![0-9])|imei-[0-9]{14,15}|imeisv-[0-9]{16}|"
    r"5g-guti-[0-9]{5,6}[0-9a-f]{14}|(?:nai|gci|gli|extid)-.|mac(?:-[0-9a-f]{2}){6}|eui(?:-[0-9a-f]{2}){8})",
    re.IGNORECASE | re.ASCII,  # no letter is one of another script: ſ is no s
)
_FIXED = re.compile(
    r"imsi-[0-9]+|msisdn-\+?[0-9]+|imei(?:sv)?-[0-9]+|5g-guti-[0-9]{5,6}[0-9a-f]{14}", re.IGNORECASE | re.ASCII
)
_GLOBAL = re.compile(r"\+[0-9]{5,15}")  # a GPSI that says its country, as E.164 writes it
_SERVING_NETWORK = re.compile(r"mnc([0-9]{2,3})\.mcc([0-9]{3})", re.IGNORECASE)
_PLMN = re.compile(r"[0-9]{5,6}")
_OPERATOR = re.compile(r"\.mnc[0-9]{2,3}\.mcc[0-9]{3}\.gprs$")
_HEX6 = re.compile(r"[0-9a-fA-F]{6}")


@cython.ccall
def identifiers(found: dict[str, Any]) -> Identifiers:
    """Return what `found` says, by the names of the fields; NO_IDENTIFIERS if it says nothing."""
    if not found:
        return NO_IDENTIFIERS
    return identified(
        found.get("supi"),
        found.get("suci"),
        found.get("gpsi"),
        found.get("pei"),
        found.get("guti"),
        found.get("pdu_session_id"),
        found.get("snssai"),
        found.get("dnn"),
        found.get("plmn"),
        found.get("guami"),
        found.get("nf_instance"),
    )


@cython.cfunc
def identified(
    supi: str | None,
    suci: str | None,
    gpsi: str | None,
    pei: str | None,
    guti: str | None,
    pdu_session_id: Any,  # a number or None
    snssai: str | None,
    dnn: str | None,
    plmn: str | None,
    guami: str | None,
    nf_instance: str | None,
) -> Identifiers:
    """Return what these say together; NO_IDENTIFIERS if they say nothing."""
    one: Identifiers = Identifiers.__new__(Identifiers)  # a third of the time of a call of the class
    one.supi = supi
    one.suci = suci
    one.gpsi = gpsi
    one.pei = pei
    one.guti = guti
    one.pdu_session_id = pdu_session_id
    one.snssai = snssai
    one.dnn = dnn
    one.plmn = plmn
    one.guami = guami
    one.nf_instance = nf_instance
    one.told = None
    one.teller = 0
    one._hash = -1
    return NO_IDENTIFIERS if one.says_nothing() else one


def merged(*places: Identifiers) -> Identifiers:
    """Return each identifier as the first of `places` says it."""
    every = NO_IDENTIFIERS
    for place in places:
        every = both(every, place)
    return every


def both(first: Identifiers, second: Identifiers) -> Identifiers:
    """Return each identifier as `first` says it, else as `second` does; the same object each time."""
    if second is NO_IDENTIFIERS or first is second:
        return first
    if first is NO_IDENTIFIERS:
        return second
    if not cython.compiled:
        return _met_together(first, second)
    at: cython.Py_ssize_t = (
        (cython.cast(cython.size_t, cython.cast(cython.p_void, first)) >> 4) * 31
        + (cython.cast(cython.size_t, cython.cast(cython.p_void, second)) >> 4)
    ) & (NEAR - 1)
    if _near_first[at] is not first or _near_second[at] is not second:
        _near_whole[at] = _met_together(first, second)
        _near_first[at] = first
        _near_second[at] = second
    whole: Identifiers = _near_whole[at]
    return whole


@cython.cfunc
def _met_together(first: Identifiers, second: Identifiers) -> Identifiers:
    found: Identifiers | None = _both.get((first, second))
    if found is None:
        found = _joined(first, second)
        if len(_both) >= CACHED:
            _both.clear()
        _both[first, second] = found
    return found


@cython.cfunc
def _joined(first: Identifiers, second: Identifiers) -> Identifiers:
    return identified(
        second.supi if first.supi is None else first.supi,
        second.suci if first.suci is None else first.suci,
        second.gpsi if first.gpsi is None else first.gpsi,
        second.pei if first.pei is None else first.pei,
        second.guti if first.guti is None else first.guti,
        second.pdu_session_id if first.pdu_session_id is None else first.pdu_session_id,
        second.snssai if first.snssai is None else first.snssai,
        second.dnn if first.dnn is None else first.dnn,
        second.plmn if first.plmn is None else first.plmn,
        second.guami if first.guami is None else first.guami,
        second.nf_instance if first.nf_instance is None else first.nf_instance,
    )


@cython.ccall
def ue_id(text: object, bare: cython.bint = True) -> str | None:
    """Return the canonical identifier that `text` begins with, None if there is none; `bare`: one without prefix, too.

    `imsi-2089300007487-10`, a policy id of free5GC, names its subscriber.
    """
    if not isinstance(text, str):
        return None
    value: str = text
    if _is_imsi(value):
        return value
    return _ue_id(value, bare) if len(value) <= LONGEST_UE_ID and may_be_ue_id(value) else None


@cython.cfunc
@cython.exceptval(check=False)
def _is_imsi(text: str) -> cython.bint:
    """Tell whether a text is an IMSI as it is spelled canonically."""
    at: cython.Py_ssize_t = 5
    if not (10 <= len(text) <= 20 and text.startswith("imsi-")):
        return False
    while at < len(text) and "0" <= text[at] <= "9":
        at += 1
    return at == len(text)


@cython.ccall
def may_be_ue_id(text: str) -> cython.bint:
    """Tell, before any pattern is tried, whether a text may begin with an identifier: most do not."""
    if not text:
        return False
    if "0" <= text[0] <= "9" or text[0] == "+":
        return True
    dash: cython.Py_ssize_t = 0
    end: cython.Py_ssize_t = min(len(text), 7)
    while dash < end and text[dash] != "-":
        dash += 1
    return 2 < dash < end and text[:dash].lower() in KINDS


@lru_cache(CACHED)
def _ue_id(text: str, bare: bool) -> str | None:
    if _UE_ID.match(text):
        whole = canonical(text)
        if fixed := _FIXED.match(whole):
            return fixed[0]
        return whole if whole.partition("-")[0] in KINDS else None
    if _GLOBAL.fullmatch(text):
        return canonical(text)
    return bare_identifier(text.lower()) if bare else None


@cython.ccall
def pdu_session_id(value: object) -> Any:
    """Return a PDU session id, 0..255 (TS 29.571 5.4.2), from a number or digits; None if it is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 4:
        value = int(value)
    return value if type(value) is int and 0 <= value <= 255 else None


@cython.ccall
def nf_instance_id(value: object) -> str | None:
    """Return a UUID (TS 29.571 5.3.2, NfInstanceId) in lower case."""
    return _uuid(value) if isinstance(value, str) and len(value) == 36 else None


@lru_cache(1_024)
def _uuid(text: str) -> str | None:
    return text.lower() if UUID.fullmatch(text) else None


@cython.ccall
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


@cython.ccall
def dnn_text(value: object) -> str | None:
    """Return a DNN without its operator identifier (TS 23.003 9.1.2), in lower case."""
    return _dnn(value) if isinstance(value, str) and 0 < len(value) <= 255 else None


@lru_cache(1_024)
def _dnn(text: str) -> str:
    return _OPERATOR.sub("", text.lower())


@cython.ccall
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


@cython.ccall
def guami_text(value: object) -> str | None:
    """Return `mccmnc-amfid` of a GUAMI (TS 29.571 5.4.4)."""
    if not isinstance(value, dict):
        return None
    plmn, amf = plmn_text(value.get("plmnId")), value.get("amfId")
    return f"{plmn}-{amf.lower()}" if plmn and isinstance(amf, str) and _HEX6.fullmatch(amf) else None
