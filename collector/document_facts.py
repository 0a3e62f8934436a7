"""What a document says: whom it is about, why something failed, what it refers to (SBI.md 5, 9, 10)."""

from operator import attrgetter
from typing import Any

from collector.document import Document
from collector.identifiers import (
    NO_IDENTIFIERS,
    Identifiers,
    dnn_text,
    guami_text,
    merged,
    nf_instance_id,
    pdu_session_id,
    plmn_text,
    snssai_text,
    ue_id,
)
from collector.nf_profile import NfProfile, profile_of, profiles_of

LONGEST_WORD = 128  # of a cause or verdict
LONGEST_REFERENCE = 256
NO_NF_FOUND = "NO_NF_FOUND"
SYNCH_FAILURE = "SYNCH_FAILURE"  # the UE's sequence number did not fit (TS 33.501 6.1.3.3.1): the vector is asked anew
ONLY_REJECTED_NSSAI = "ONLY_REJECTED_NSSAI"
# N1N2MessageTransferCause (TS 29.518 6.1.6.3.6) → is it a failure. An answer, though its key is `cause`.
TRANSFER_CAUSES = {
    "N1_N2_TRANSFER_INITIATED": False,
    "ATTEMPTING_TO_REACH_UE": False,
    "WAITING_FOR_ASYNCHRONOUS_TRANSFER": False,
    "N1_MSG_NOT_TRANSFERRED": True,
    "N2_MSG_NOT_TRANSFERRED": True,
}
_REFERENCES = (
    "subscriptionId", "authCtxId", "smContextRef", "pduSessionRef", "smPolicyId", "polAssoId", "bindingId",
    "appSessionId", "chargingDataRef",
)  # fmt: skip
_references = attrgetter(*_REFERENCES)
_NOTHING_TOLD = (None,) * 11
_NONE_OF_THEM = (None,) * len(_REFERENCES)


def identifiers_of(document: Document) -> Identifiers:
    """Return what the document says of UE, session, slice and network: at its top, else in what it wraps."""
    places = [identifiers_at_top(document)]
    wrapped = (document.request, document.ueContext, document.ascReqData)
    if wrapped != (None, None, None):
        places += [_found(_wrapped(one)) for one in wrapped if isinstance(one, dict)]
    if isinstance(document.n2InfoContainer, dict):
        places.append(_n2(document.n2InfoContainer))
    if isinstance(document.pDUSessionChargingInformation, dict):
        places.append(_charged(document.pDUSessionChargingInformation))
    return merged(*places) if len(places) > 1 else places[0]


def _found(found: dict[str, Any]) -> Identifiers:
    told = {name: value for name, value in found.items() if value is not None}
    return Identifiers(**told) if told else NO_IDENTIFIERS


def identifiers_at_top(d: Document) -> Identifiers:
    """Return what the document says at its top alone."""
    supi = suci = gpsi = pei = None
    for text in (d.supi, d.supiOrSuci, d.subscriberIdentifier, d.suci, d.ueId):
        if text is not None and (ue := ue_id(text)) is not None:
            kind = _kind(ue)
            if kind == "supi":
                supi = supi or ue
            elif kind == "suci":
                suci = suci or ue
            elif kind == "gpsi":
                gpsi = gpsi or ue
    if gpsi is None and (d.gpsi is not None or d.gpsis is not None):
        gpsi = _gpsi(d.gpsi, d.gpsis)
    if d.pei is not None:
        pei = _of_kind(d.pei, "pei")
    guti = None if d.guti is None else _of_kind(d.guti, "guti")
    session = d.pduSessionId if d.pduSessionId is not None else _first(d.pduSessId, d.pduSeId)
    slice_ = _first(d.sNssai, d.snssai, d.singleNssai, d.sliceInfo)
    network = _first(d.servingNetwork, d.servingNetworkName, d.servingPlmn, d.plmnId)
    instance = _first(d.nfInstanceId, d.amfInstanceId, d.smfInstanceId, d.servingNfId)
    told = (
        supi,
        suci,
        gpsi,
        pei,
        guti,
        None if session is None else pdu_session_id(session),
        None if slice_ is None else snssai_text(slice_),
        None if d.dnn is None else dnn_text(d.dnn),
        None if network is None else plmn_text(network),
        None if d.guami is None else guami_text(d.guami),
        None if instance is None else nf_instance_id(instance),
    )
    return NO_IDENTIFIERS if told == _NOTHING_TOLD else Identifiers(*told)


def _wrapped(d: dict[str, Any]) -> dict[str, Any]:
    """Return what an association's original request, a UE context or an AF request says (one level down)."""
    found: dict[str, Any] = {}
    if ue := ue_id(d.get("supi")):
        found[_kind(ue)] = ue
    found["gpsi"] = _gpsi(d.get("gpsi"), d.get("gpsiList"))
    found["pei"] = _of_kind(d.get("pei"), "pei")
    found["pdu_session_id"] = pdu_session_id(d.get("pduSessionId"))
    found["snssai"] = snssai_text(_first(d.get("sliceInfo"), d.get("snssai")))
    found["dnn"] = dnn_text(d.get("dnn"))
    found["plmn"] = plmn_text(d.get("servingPlmn"))
    found["guami"] = guami_text(d.get("guami"))
    return found


def _n2(container: dict[str, Any]) -> Identifiers:
    info = container.get("smInfo")
    if not isinstance(info, dict):
        return NO_IDENTIFIERS
    return _found(
        {"pdu_session_id": pdu_session_id(info.get("pduSessionId")), "snssai": snssai_text(info.get("sNssai"))}
    )


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


def _kind(ue: str) -> str:
    kind = ue.partition("-")[0]
    return {"suci": "suci", "msisdn": "gpsi", "extid": "gpsi", "5g": "guti"}.get(kind, "supi")


def _of_kind(text: object, kind: str) -> str | None:
    ue = ue_id(text, bare=False)
    if ue is None:
        return None
    is_pei = ue.startswith(("imei", "mac-", "eui-"))
    return ue if ("pei" if is_pei else _kind(ue)) == kind else None


def _gpsi(one: object, several: object) -> str | None:
    if one is None and isinstance(several, list) and several:
        one = several[0]
    return _of_kind(one, "gpsi")


def _first(*values: object) -> object:
    for value in values:
        if value is not None:
            return value
    return None


def cause_of(document: Document) -> str | None:
    """Return the application error: at the top, under `error` (SmContextUpdateError …), or OAuth2's `error`."""
    if isinstance(document.cause, str):
        return None if document.cause in TRANSFER_CAUSES else _word(document.cause)
    for place in (document.error, document.problemDetails):
        if isinstance(place, dict) and isinstance(place.get("cause"), str):
            return _word(place["cause"])
    if isinstance(document.error, str):
        return _word(document.error)  # RFC 6749 5.2
    return _word(_charging_error(document))


def verdict_of(document: Document) -> tuple[str | None, bool]:
    """Return the verdict that stands inside the document, and whether it tells of a failure (SBI.md 9)."""
    d = document
    if isinstance(d.authResult, str):
        return _word(d.authResult), d.authResult not in ("AUTHENTICATION_SUCCESS", "AUTHENTICATION_ONGOING")
    if d.resynchronizationInfo is not None:
        return SYNCH_FAILURE, False
    if isinstance(d.n2SmInfoType, str) and d.n2SmInfoType.endswith("_FAIL"):
        return _word(d.n2SmInfoType), True
    if isinstance(d.hoState, str):
        return _word(d.hoState), d.hoState == "CANCELLED"
    for state in (d.n2SmInfoType, d.upCnxState):
        if isinstance(state, str):
            return _word(state), False
    if isinstance(d.cause, str) and d.cause in TRANSFER_CAUSES:
        return d.cause, TRANSFER_CAUSES[d.cause]
    if isinstance(d.deliveryStatus, str):
        return _word(d.deliveryStatus), d.deliveryStatus == "SMS_DELIVERY_FAILED"
    if isinstance(d.statusInfo, dict) and isinstance(status := d.statusInfo.get("resourceStatus"), str):
        return _word(status), False
    return _failure_of_lists(d)


def _failure_of_lists(d: Document) -> tuple[str | None, bool]:
    if d.nfInstances == [] and d.validityPeriod is not None:
        return NO_NF_FOUND, True
    if (d.rejectedNssaiInPlmn or d.rejectedNssaiInTa) and not d.allowedNssaiList and not d.nsiInformation:
        return ONLY_REJECTED_NSSAI, True
    if isinstance(d.invocationResult, dict) and d.invocationResult.get("error"):
        return _word(_charging_error(d)) or "CHARGING_ERROR", True
    for unit in d.multipleUnitInformation if isinstance(d.multipleUnitInformation, list) else ():
        code = unit.get("resultCode") if isinstance(unit, dict) else None
        if isinstance(code, str) and code != "SUCCESS":
            return _word(code), True
    return None, False


def _charging_error(document: Document) -> object:
    """Return the cause in InvocationResult (TS 32.291 6.1.6.2.1.4)."""
    invocation = document.invocationResult
    error = invocation.get("error") if isinstance(invocation, dict) else None
    return error.get("cause") if isinstance(error, dict) else None


def _word(value: object) -> str | None:
    return value[:LONGEST_WORD] if isinstance(value, str) and value else None


def references_of(document: Document) -> tuple[tuple[str, str], ...]:
    """Return (key, id) of the resources that the document names at its top."""
    named = _references(document)
    if named == _NONE_OF_THEM:
        return ()
    pairs = zip(_REFERENCES, named, strict=True)
    return tuple((key, value) for key, value in pairs if isinstance(value, str) and 0 < len(value) <= LONGEST_REFERENCE)


def profiles_in(document: Document) -> tuple[NfProfile, ...]:
    """Return the NF profiles that the document is or holds."""
    if document.nfInstances is not None:
        return profiles_of(document.nfInstances)
    is_one = document.nfInstanceId is not None and (document.nfType is not None or document.nfStatus is not None)
    own = _as_profile(document) if is_one else document.nfProfile
    found = profile_of(own) if own is not None else None
    return (found,) if found is not None else ()


def _as_profile(d: Document) -> dict[str, Any]:
    every = {
        "nfInstanceId": d.nfInstanceId,
        "nfType": d.nfType,
        "nfStatus": d.nfStatus,
        "fqdn": d.fqdn,
        "ipv4Addresses": d.ipv4Addresses,
        "ipv6Addresses": d.ipv6Addresses,
        "sNssais": d.sNssais,
        "heartBeatTimer": d.heartBeatTimer,
        "nfServices": d.nfServices,
        "nfServiceList": d.nfServiceList,
    }
    return {key: value for key, value in every.items() if value is not None}


def patched_of(document: Document) -> tuple[tuple[str, str | int], ...]:
    """Return (path, value) of what a JSON Patch (RFC 6902) sets to a text or number."""
    if not isinstance(document.operations, list):
        return ()
    found: list[tuple[str, str | int]] = []
    for one in document.operations:
        path, value = (one.get("path"), one.get("value")) if isinstance(one, dict) else (None, None)
        if isinstance(path, str) and isinstance(value, str | int) and not isinstance(value, bool):
            found.append((path, value))
    return tuple(found)
