# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""What a document says: whom it is about, why something failed, what it refers to (SBI.md 5, 9, 10)."""

import re
from typing import Any

import cython

from collector.document import FIELDS
from collector.identifier_grammar import by_place
from collector.identifiers import KINDS, NO_IDENTIFIERS, merged
from collector.nf_profile import NfProfile, profile_of, profiles_of
from schemas.sbi.verdicts import CHARGING_ERROR, NO_NF_FOUND, OF_CHARGING, ONLY_REJECTED_NSSAI, is_failure

if cython.compiled:
    from cython.cimports.collector.identifiers import (
        Identifiers,
        dnn_text,
        guami_text,
        identified,
        identifiers,
        nf_instance_id,
        pdu_session_id,
        plmn_text,
        snssai_text,
        ue_id,
    )
else:
    from collector.identifiers import (
        Identifiers,
        dnn_text,
        guami_text,
        identified,
        identifiers,
        nf_instance_id,
        pdu_session_id,
        plmn_text,
        snssai_text,
        ue_id,
    )

# Where each member stands among those of collector.document.
_AT = {name: place for place, name in enumerate(FIELDS)}
SUPI = cython.declare(cython.int, _AT["supi"])
SUPI_OR_SUCI = cython.declare(cython.int, _AT["supiOrSuci"])
SUCI = cython.declare(cython.int, _AT["suci"])
SUBSCRIBER_IDENTIFIER = cython.declare(cython.int, _AT["subscriberIdentifier"])
UE_ID = cython.declare(cython.int, _AT["ueId"])
GPSI = cython.declare(cython.int, _AT["gpsi"])
GPSIS = cython.declare(cython.int, _AT["gpsis"])
PEI = cython.declare(cython.int, _AT["pei"])
GUTI = cython.declare(cython.int, _AT["guti"])
PDU_SESSION_ID = cython.declare(cython.int, _AT["pduSessionId"])
PDU_SESS_ID = cython.declare(cython.int, _AT["pduSessId"])
PDU_SE_ID = cython.declare(cython.int, _AT["pduSeId"])
S_NSSAI = cython.declare(cython.int, _AT["sNssai"])
SNSSAI = cython.declare(cython.int, _AT["snssai"])
SINGLE_NSSAI = cython.declare(cython.int, _AT["singleNssai"])
SLICE_INFO = cython.declare(cython.int, _AT["sliceInfo"])
DNN = cython.declare(cython.int, _AT["dnn"])
SERVING_NETWORK = cython.declare(cython.int, _AT["servingNetwork"])
SERVING_NETWORK_NAME = cython.declare(cython.int, _AT["servingNetworkName"])
SERVING_PLMN = cython.declare(cython.int, _AT["servingPlmn"])
PLMN_ID = cython.declare(cython.int, _AT["plmnId"])
GUAMI = cython.declare(cython.int, _AT["guami"])
NF_INSTANCE_ID = cython.declare(cython.int, _AT["nfInstanceId"])
AMF_INSTANCE_ID = cython.declare(cython.int, _AT["amfInstanceId"])
SMF_INSTANCE_ID = cython.declare(cython.int, _AT["smfInstanceId"])
SERVING_NF_ID = cython.declare(cython.int, _AT["servingNfId"])
CAUSE = cython.declare(cython.int, _AT["cause"])
ERROR = cython.declare(cython.int, _AT["error"])
PROBLEM_DETAILS = cython.declare(cython.int, _AT["problemDetails"])
AUTH_RESULT = cython.declare(cython.int, _AT["authResult"])
RESYNCHRONIZATION_INFO = cython.declare(cython.int, _AT["resynchronizationInfo"])
N2_SM_INFO_TYPE = cython.declare(cython.int, _AT["n2SmInfoType"])
HO_STATE = cython.declare(cython.int, _AT["hoState"])
UP_CNX_STATE = cython.declare(cython.int, _AT["upCnxState"])
STATUS_INFO = cython.declare(cython.int, _AT["statusInfo"])
DELIVERY_STATUS = cython.declare(cython.int, _AT["deliveryStatus"])
INITIAL_REGISTRATION_IND = cython.declare(cython.int, _AT["initialRegistrationInd"])
REASON = cython.declare(cython.int, _AT["reason"])
NF_INSTANCES = cython.declare(cython.int, _AT["nfInstances"])
NF_INSTANCE_LIST = cython.declare(cython.int, _AT["nfInstanceList"])
VALIDITY_PERIOD = cython.declare(cython.int, _AT["validityPeriod"])
INVOCATION_RESULT = cython.declare(cython.int, _AT["invocationResult"])
MULTIPLE_UNIT_INFORMATION = cython.declare(cython.int, _AT["multipleUnitInformation"])
REJECTED_NSSAI_IN_PLMN = cython.declare(cython.int, _AT["rejectedNssaiInPlmn"])
REJECTED_NSSAI_IN_TA = cython.declare(cython.int, _AT["rejectedNssaiInTa"])
ALLOWED_NSSAI_LIST = cython.declare(cython.int, _AT["allowedNssaiList"])
NSI_INFORMATION = cython.declare(cython.int, _AT["nsiInformation"])
NF_TYPE = cython.declare(cython.int, _AT["nfType"])
NF_STATUS = cython.declare(cython.int, _AT["nfStatus"])
FQDN = cython.declare(cython.int, _AT["fqdn"])
IPV4_ADDRESSES = cython.declare(cython.int, _AT["ipv4Addresses"])
IPV6_ADDRESSES = cython.declare(cython.int, _AT["ipv6Addresses"])
S_NSSAIS = cython.declare(cython.int, _AT["sNssais"])
HEART_BEAT_TIMER = cython.declare(cython.int, _AT["heartBeatTimer"])
NF_SERVICES = cython.declare(cython.int, _AT["nfServices"])
NF_SERVICE_LIST = cython.declare(cython.int, _AT["nfServiceList"])
NF_PROFILE = cython.declare(cython.int, _AT["nfProfile"])
REQUEST = cython.declare(cython.int, _AT["request"])
UE_CONTEXT = cython.declare(cython.int, _AT["ueContext"])
ASC_REQ_DATA = cython.declare(cython.int, _AT["ascReqData"])
N2_INFO_CONTAINER = cython.declare(cython.int, _AT["n2InfoContainer"])
PDU_SESSION_CHARGING_INFORMATION = cython.declare(cython.int, _AT["pDUSessionChargingInformation"])
OPERATIONS = cython.declare(cython.int, _AT["operations"])

Verdict = tuple[str | None, bool]  # word, and whether it tells of a failure
References = tuple[tuple[str, str], ...]  # key, id
Patched = tuple[tuple[str, str | int], ...]  # path, value

LONGEST_WORD = 128  # of a cause or verdict
LONGEST_REFERENCE = 256
SYNCH_FAILURE = "SYNCH_FAILURE"  # the UE's sequence number did not fit (TS 33.501 6.1.3.3.1): the vector is asked anew
# Of which sort a registration is: initialRegistrationInd (TS 29.503 6.2.6.2.2), TransferReason (TS 29.518 6.1.6.3.8).
REGISTRATION = {True: "INITIAL_REGISTRATION", False: "NO_INITIAL_REGISTRATION"}
TRANSFER_REASONS = frozenset({"INIT_REG", "MOBI_REG", "MOBI_REG_UE_VALIDATED"})
# N1N2MessageTransferCause (TS 29.518 6.1.6.3.6) → is it a failure. An answer, though its key is `cause`.
TRANSFER_CAUSES = {
    "N1_N2_TRANSFER_INITIATED": False,
    "ATTEMPTING_TO_REACH_UE": False,
    "WAITING_FOR_ASYNCHRONOUS_TRANSFER": False,
    "N1_MSG_NOT_TRANSFERRED": True,
    "N2_MSG_NOT_TRANSFERRED": True,
}
# Without a prefix, where the member says what it is (TS 23.003 2.2, 3.3, 6.2.1, 2.10).
_DIGITS_OF = {
    "gpsi": re.compile(r"[0-9]{5,15}"),
    "pei": re.compile(r"[0-9]{14,16}"),
    "guti": re.compile(r"[0-9]{5,6}[0-9a-f]{14}", re.IGNORECASE | re.ASCII),
}
_REFERENCES = (
    "subscriptionId", "authCtxId", "smContextRef", "pduSessionRef", "smPolicyId", "polAssoId", "bindingId",
    "appSessionId", "chargingDataRef",
)  # fmt: skip


@cython.ccall
def identifiers_of(m: list[Any]) -> Identifiers:
    """Return what the document says of UE, session, slice and network: at its top, else in what it wraps."""
    places = [identifiers_at_top(m)]
    wrapped = (m[REQUEST], m[UE_CONTEXT], m[ASC_REQ_DATA])
    if wrapped != (None, None, None):
        places += [_found(_wrapped(one)) for one in wrapped if isinstance(one, dict)]
    if isinstance(m[N2_INFO_CONTAINER], dict):
        places.append(_n2(m[N2_INFO_CONTAINER]))
    if isinstance(m[PDU_SESSION_CHARGING_INFORMATION], dict):
        places.append(_charged(m[PDU_SESSION_CHARGING_INFORMATION]))
    return merged(*places) if len(places) > 1 else places[0]


@cython.cfunc
def _found(found: dict[str, Any]) -> Identifiers:
    return identifiers({name: value for name, value in found.items() if value is not None})


@cython.ccall
def identifiers_at_top(m: list[Any]) -> Identifiers:
    """Return what the document says at its top alone."""
    supi: str | None = None
    suci: str | None = None
    gpsi: str | None = None
    pei: str | None = None
    for text in (m[SUPI], m[SUPI_OR_SUCI], m[SUBSCRIBER_IDENTIFIER], m[SUCI], m[UE_ID]):
        if text is not None and (ue := ue_id(text)) is not None:
            kind = _kind(ue)
            if kind == "supi":
                supi = supi or ue
            elif kind == "suci":
                suci = suci or ue
            elif kind == "gpsi":
                gpsi = gpsi or ue
            elif kind == "pei":
                pei = pei or ue
    if gpsi is None and (m[GPSI] is not None or m[GPSIS] is not None):
        gpsi = _gpsi(m[GPSI], m[GPSIS])
    if pei is None and m[PEI] is not None:
        pei = _of_kind(m[PEI], "pei")
    guti = None if m[GUTI] is None else _of_kind(m[GUTI], "guti")
    session = _either(m[PDU_SESSION_ID], _either(m[PDU_SESS_ID], m[PDU_SE_ID]))
    slice_ = _either(_either(m[S_NSSAI], m[SNSSAI]), _either(m[SINGLE_NSSAI], m[SLICE_INFO]))
    network = _either(_either(m[SERVING_NETWORK], m[SERVING_NETWORK_NAME]), _either(m[SERVING_PLMN], m[PLMN_ID]))
    instance = _either(_either(m[NF_INSTANCE_ID], m[AMF_INSTANCE_ID]), _either(m[SMF_INSTANCE_ID], m[SERVING_NF_ID]))
    return identified(
        supi,
        suci,
        gpsi,
        pei,
        guti,
        None if session is None else pdu_session_id(session),
        None if slice_ is None else snssai_text(slice_),
        None if m[DNN] is None else dnn_text(m[DNN]),
        None if network is None else plmn_text(network),
        None if m[GUAMI] is None else guami_text(m[GUAMI]),
        None if instance is None else nf_instance_id(instance),
    )


@cython.cfunc
def _wrapped(d: dict[str, Any]) -> dict[str, Any]:
    """Return what an association's original request, a UE context or an AF request says (one level down)."""
    found: dict[str, Any] = {}
    if ue := ue_id(d.get("supi")):
        found[_kind(ue)] = ue
    found["gpsi"] = found.get("gpsi") or _gpsi(d.get("gpsi"), d.get("gpsiList"))
    found["pei"] = found.get("pei") or _of_kind(d.get("pei"), "pei")
    found["pdu_session_id"] = pdu_session_id(d.get("pduSessionId"))
    found["snssai"] = snssai_text(_either(d.get("sliceInfo"), d.get("snssai")))
    found["dnn"] = dnn_text(d.get("dnn"))
    found["plmn"] = plmn_text(d.get("servingPlmn"))
    found["guami"] = guami_text(d.get("guami"))
    return found


@cython.cfunc
def _n2(container: dict[str, Any]) -> Identifiers:
    info = container.get("smInfo")
    if not isinstance(info, dict):
        return NO_IDENTIFIERS
    return _found(
        {"pdu_session_id": pdu_session_id(info.get("pduSessionId")), "snssai": snssai_text(info.get("sNssai"))}
    )


@cython.cfunc
def _charged(information: dict[str, Any]) -> Identifiers:
    """Return what PDUSessionChargingInformation says (TS 32.291 6.1.6.2.2.1)."""
    session, user = information.get("pduSessionInformation"), information.get("userInformation")
    found: dict[str, Any] = {}
    if isinstance(session, dict):
        slicing = session.get("networkSlicingInfo")
        found["pdu_session_id"] = pdu_session_id(session.get("pduSessionID"))
        found["dnn"] = dnn_text(session.get("dnnId"))
        found["snssai"] = snssai_text(slicing.get("sNSSAI")) if isinstance(slicing, dict) else None
    if isinstance(user, dict):
        found["gpsi"], found["pei"] = _of_kind(user.get("servedGPSI"), "gpsi"), _of_kind(user.get("servedPEI"), "pei")
    return _found(found)


@cython.cfunc
def _kind(ue: str) -> str:
    if ue.startswith("imsi-"):
        return "supi"
    return KINDS[ue.partition("-")[0]]


@cython.cfunc
def _of_kind(text: object, kind: str) -> str | None:
    """Return the identifier of a member that holds one kind alone: there digits without a prefix are of that kind."""
    ue = ue_id(text, bare=False)
    if ue is None and isinstance(text, str) and _DIGITS_OF[kind].fullmatch(text):
        ue = by_place(text.lower(), kind)
    return ue if ue is not None and _kind(ue) == kind else None


@cython.cfunc
def _gpsi(one: object, several: object) -> str | None:
    if one is None and isinstance(several, list) and several:
        one = several[0]
    return _of_kind(one, "gpsi")


@cython.cfunc
def _either(first: object, second: object) -> object:
    return second if first is None else first


@cython.ccall
def cause_of(m: list[Any]) -> str | None:
    """Return the application error: at the top, under `error` (SmContextUpdateError …), or OAuth2's `error`."""
    if isinstance(m[CAUSE], str):
        return None if m[CAUSE] in TRANSFER_CAUSES else _word(m[CAUSE])
    for place in (m[ERROR], m[PROBLEM_DETAILS]):
        if isinstance(place, dict) and isinstance(place.get("cause"), str):
            return _word(place["cause"])
    if isinstance(m[ERROR], str):
        return _word(m[ERROR])  # RFC 6749 5.2
    return _word(_charging_error(m))


@cython.ccall
def verdict_of(m: list[Any]) -> Verdict:
    """Return the verdict that stands inside the document, and whether it tells of a failure (SBI.md 9)."""
    if isinstance(m[AUTH_RESULT], str):
        return _word(m[AUTH_RESULT]), is_failure(m[AUTH_RESULT])
    if m[RESYNCHRONIZATION_INFO] is not None:
        return SYNCH_FAILURE, False
    if isinstance(m[N2_SM_INFO_TYPE], str) and m[N2_SM_INFO_TYPE].endswith("_FAIL"):
        return _word(m[N2_SM_INFO_TYPE]), True
    if isinstance(m[HO_STATE], str):
        return _word(m[HO_STATE]), m[HO_STATE] == "CANCELLED"
    for state in (m[N2_SM_INFO_TYPE], m[UP_CNX_STATE]):
        if isinstance(state, str):
            return _word(state), False
    if isinstance(m[CAUSE], str) and m[CAUSE] in TRANSFER_CAUSES:
        return m[CAUSE], TRANSFER_CAUSES[m[CAUSE]]
    if isinstance(m[DELIVERY_STATUS], str):
        return _word(m[DELIVERY_STATUS]), m[DELIVERY_STATUS] == "SMS_DELIVERY_FAILED"
    if isinstance(m[STATUS_INFO], dict) and isinstance(status := m[STATUS_INFO].get("resourceStatus"), str):
        return _word(status), False
    if isinstance(m[INITIAL_REGISTRATION_IND], bool):
        return REGISTRATION[m[INITIAL_REGISTRATION_IND]], False
    if isinstance(m[REASON], str) and m[REASON] in TRANSFER_REASONS:
        return m[REASON], False
    return _failure_of_lists(m)


def _failure_of_lists(m: list[Any]) -> tuple[str | None, bool]:
    # SearchResult alone has a number there; nothing found is an empty list, of free5GC null, or no list at all.
    if type(m[VALIDITY_PERIOD]) is int and not m[NF_INSTANCES] and not m[NF_INSTANCE_LIST]:
        return NO_NF_FOUND, True
    if (m[REJECTED_NSSAI_IN_PLMN] or m[REJECTED_NSSAI_IN_TA]) and not m[ALLOWED_NSSAI_LIST] and not m[NSI_INFORMATION]:
        return ONLY_REJECTED_NSSAI, True
    if isinstance(m[INVOCATION_RESULT], dict) and m[INVOCATION_RESULT].get("error"):
        return _charging_failure(_charging_error(m)), True
    for unit in m[MULTIPLE_UNIT_INFORMATION] if isinstance(m[MULTIPLE_UNIT_INFORMATION], list) else ():
        code = unit.get("resultCode") if isinstance(unit, dict) else None
        if isinstance(code, str) and code != "SUCCESS":
            return _charging_failure(code), True
    return None, False


def _charging_failure(said: object) -> str:
    """Return the word of a charging failure; one that nobody knows would not be known as a failure."""
    return said if isinstance(said, str) and said in OF_CHARGING else CHARGING_ERROR


def _charging_error(m: list[Any]) -> object:
    """Return the cause in InvocationResult (TS 32.291 6.1.6.2.1.4)."""
    invocation = m[INVOCATION_RESULT]
    error = invocation.get("error") if isinstance(invocation, dict) else None
    return error.get("cause") if isinstance(error, dict) else None


@cython.cfunc
def _word(value: object) -> str | None:
    return value[:LONGEST_WORD] if isinstance(value, str) and value else None


@cython.ccall
def references_of(m: list[Any]) -> References:
    """Return (key, id) of the resources that the document names at its top."""
    found: list[tuple[str, str]] = []
    for key in _REFERENCES:
        value = m[_AT[key]]
        if isinstance(value, str) and 0 < len(value) <= LONGEST_REFERENCE:
            found.append((key, value))
    return tuple(found)


def profiles_in(m: list[Any]) -> tuple[NfProfile, ...]:
    """Return the NF profiles that the document is or holds."""
    if m[NF_INSTANCES] is not None:
        return profiles_of(m[NF_INSTANCES])
    is_one = m[NF_INSTANCE_ID] is not None and (m[NF_TYPE] is not None or m[NF_STATUS] is not None)
    own = _as_profile(m) if is_one else m[NF_PROFILE]
    found = profile_of(own) if own is not None else None
    return (found,) if found is not None else ()


def _as_profile(m: list[Any]) -> dict[str, Any]:
    every = {
        "nfInstanceId": m[NF_INSTANCE_ID],
        "nfType": m[NF_TYPE],
        "nfStatus": m[NF_STATUS],
        "fqdn": m[FQDN],
        "ipv4Addresses": m[IPV4_ADDRESSES],
        "ipv6Addresses": m[IPV6_ADDRESSES],
        "sNssais": m[S_NSSAIS],
        "heartBeatTimer": m[HEART_BEAT_TIMER],
        "nfServices": m[NF_SERVICES],
        "nfServiceList": m[NF_SERVICE_LIST],
    }
    return {key: value for key, value in every.items() if value is not None}


@cython.ccall
def patched_of(m: list[Any]) -> Patched:
    """Return (path, value) of what a JSON Patch (RFC 6902) sets to a text or number, neither of absurd length."""
    if not isinstance(m[OPERATIONS], list):
        return ()
    found: list[tuple[str, str | int]] = []
    for one in m[OPERATIONS]:
        path, value = (one.get("path"), one.get("value")) if isinstance(one, dict) else (None, None)
        if not isinstance(path, str) or len(path) > LONGEST_REFERENCE or isinstance(value, bool):
            continue
        if isinstance(value, int) or (isinstance(value, str) and len(value) <= LONGEST_WORD):
            found.append((path, value))
    return tuple(found)
