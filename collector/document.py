"""The members of SBI documents that anybody reads; whatever else a document holds is skipped at 1 ns an octet."""
# ruff: noqa: N815 (the names are those of the OpenAPI files)

from typing import Any

import msgspec
from msgspec.structs import astuple

MOST_PATCHES = 32


class Document(msgspec.Struct):
    """A JSON object by the members read; each may be of any type, as nobody checked it."""

    supi: Any = None
    supiOrSuci: Any = None
    suci: Any = None
    subscriberIdentifier: Any = None
    ueId: Any = None
    gpsi: Any = None
    gpsis: Any = None
    pei: Any = None
    guti: Any = None
    pduSessionId: Any = None
    pduSessId: Any = None
    pduSeId: Any = None
    sNssai: Any = None
    snssai: Any = None
    singleNssai: Any = None
    sliceInfo: Any = None
    dnn: Any = None
    servingNetwork: Any = None
    servingNetworkName: Any = None
    servingPlmn: Any = None
    plmnId: Any = None
    guami: Any = None
    nfInstanceId: Any = None
    amfInstanceId: Any = None
    smfInstanceId: Any = None
    servingNfId: Any = None
    cause: Any = None
    error: Any = None
    problemDetails: Any = None
    remoteError: Any = None
    authResult: Any = None
    resynchronizationInfo: Any = None
    n2SmInfoType: Any = None
    hoState: Any = None
    upCnxState: Any = None
    statusInfo: Any = None
    deliveryStatus: Any = None
    initialRegistrationInd: Any = None
    reason: Any = None
    nfInstances: Any = None
    nfInstanceList: Any = None
    validityPeriod: Any = None
    invocationResult: Any = None
    multipleUnitInformation: Any = None
    rejectedNssaiInPlmn: Any = None
    rejectedNssaiInTa: Any = None
    allowedNssaiList: Any = None
    nsiInformation: Any = None
    nfType: Any = None
    nfStatus: Any = None
    fqdn: Any = None
    ipv4Addresses: Any = None
    ipv6Addresses: Any = None
    sNssais: Any = None
    heartBeatTimer: Any = None
    nfServices: Any = None
    nfServiceList: Any = None
    nfProfile: Any = None
    request: Any = None
    ueContext: Any = None
    ascReqData: Any = None
    n2InfoContainer: Any = None
    pDUSessionChargingInformation: Any = None
    subscriptionId: Any = None
    authCtxId: Any = None
    smContextRef: Any = None
    pduSessionRef: Any = None
    smPolicyId: Any = None
    polAssoId: Any = None
    bindingId: Any = None
    appSessionId: Any = None
    chargingDataRef: Any = None
    operations: Any = None  # of a JSON Patch (RFC 6902), which is an array


# What a member may tell of, each a bit, so that nobody looks for what is not there.
OF_WHOM, OF_CAUSE, OF_VERDICT, OF_REFERENCES, OF_NFS, OF_CHANGES, OF_WRAPPED = 1, 2, 4, 8, 16, 32, 64
_TOLD = {
    OF_WHOM: "supi supiOrSuci suci subscriberIdentifier ueId gpsi gpsis pei guti pduSessionId pduSessId pduSeId sNssai "
    "snssai singleNssai sliceInfo dnn servingNetwork servingNetworkName servingPlmn plmnId guami nfInstanceId "
    "amfInstanceId smfInstanceId servingNfId",
    OF_WRAPPED: "request ueContext ascReqData n2InfoContainer pDUSessionChargingInformation",
    OF_CAUSE: "cause error problemDetails invocationResult",
    OF_VERDICT: "cause authResult resynchronizationInfo n2SmInfoType hoState upCnxState statusInfo deliveryStatus "
    "initialRegistrationInd reason nfInstances validityPeriod rejectedNssaiInPlmn rejectedNssaiInTa invocationResult "
    "multipleUnitInformation",
    OF_REFERENCES: "subscriptionId authCtxId smContextRef pduSessionRef smPolicyId polAssoId bindingId appSessionId "
    "chargingDataRef",
    OF_NFS: "nfInstances nfInstanceId nfProfile",
    OF_CHANGES: "operations",
}
GROUPS = bytes(
    sum(group for group, names in _TOLD.items() if name in names.split()) for name in Document.__struct_fields__
)

FIELDS = Document.__struct_fields__
_OBJECT = msgspec.json.Decoder(Document)
_ANY = msgspec.json.Decoder()


def members_of(text: bytes) -> list[Any]:
    """Return the members of a JSON object, or of the one object that an array holds, in the order of FIELDS.

    Raises msgspec.DecodeError or UnicodeDecodeError for what is no JSON, RecursionError for one nested too deeply.
    """
    return list(astuple(_object(text)))


def _object(text: bytes) -> Document:
    if text[:1] == b"{":
        return _OBJECT.decode(text)
    listed = _ANY.decode(text)
    if not isinstance(listed, list) or not listed:
        return Document()
    if all(isinstance(one, dict) and "op" in one for one in listed[:MOST_PATCHES]):
        return Document(operations=listed[:MOST_PATCHES])
    return msgspec.convert(listed[0], Document) if len(listed) == 1 and isinstance(listed[0], dict) else Document()
