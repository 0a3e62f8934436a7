"""What the demo's network functions say: requests of an AMF, answers of its producers (after TS 23.502 4.2, 4.3).

Everything follows from the number of the exchange, so both sides and the tests know it.
"""

import json
from dataclasses import dataclass

DOMAIN = "5gc.mnc070.mcc999.3gppnetwork.org"  # TS 23.003 28.2; MCC 999 is for internal use (E.212)
AMF_ID, AUSF_ID = "5c0d8e3a-6f5e-41f0-9d1e-0a2b3c4d5e6f", "7e1f9b4c-2a3d-41f0-8c5b-1f2e3d4c5b6a"
UNKNOWN_EACH = 17  # each so-manieth subscriber is not known to the UDM
BUSY_EACH = 29  # each so-manieth finds no room at the SMF
PROBLEM = "application/problem+json"  # TS 29.501 5.2.4: RFC 9457


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the AMF and what a producer answers."""

    producer: str
    method: str
    path: str
    body: bytes
    status: int
    answer: bytes
    location: str = ""

    @property
    def authority(self) -> str:
        """The producer's host name."""
        return f"{self.producer}.{DOMAIN}"


def request(number: int) -> Request:
    """Return exchange `number` from 0 on: ten make a subscriber's registration and session."""
    subscriber, step = divmod(number, len(STEPS))
    return STEPS[step](subscriber)


def supi(subscriber: int) -> str:
    """Return the SUPI of a subscriber (TS 23.003 2.2A)."""
    return f"imsi-99970{subscriber:010d}"


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _problem(status: int, cause: str) -> bytes:
    return _json({"status": status, "cause": cause})


def _discover(_: int) -> Request:
    found = {"nfInstanceId": AUSF_ID, "nfType": "AUSF", "nfStatus": "REGISTERED", "fqdn": f"ausf.{DOMAIN}"}
    path = "/nnrf-disc/v1/nf-instances?target-nf-type=AUSF&requester-nf-type=AMF"
    return Request("nrf", "GET", path, b"", 200, _json({"validityPeriod": 30, "nfInstances": [found]}))


def _authenticate(subscriber: int) -> Request:
    asked = {"supiOrSuci": supi(subscriber), "servingNetworkName": "5G:mnc070.mcc999.3gppnetwork.org"}
    confirmation = f"http://ausf.{DOMAIN}/nausf-auth/v1/ue-authentications/{subscriber}/5g-aka-confirmation"
    answer = {"authType": "5G_AKA", "_links": {"5g-aka": {"href": confirmation}}}
    location = f"http://ausf.{DOMAIN}/nausf-auth/v1/ue-authentications/{subscriber}"
    return Request("ausf", "POST", "/nausf-auth/v1/ue-authentications", _json(asked), 201, _json(answer), location)


def _confirm(subscriber: int) -> Request:
    path = f"/nausf-auth/v1/ue-authentications/{subscriber}/5g-aka-confirmation"
    answer = {"authResult": "AUTHENTICATION_SUCCESS", "supi": supi(subscriber)}
    return Request("ausf", "PUT", path, _json({"resStar": f"{subscriber:032x}"}), 200, _json(answer))


def _register(subscriber: int) -> Request:
    path = f"/nudm-uecm/v1/{supi(subscriber)}/registrations/amf-3gpp-access"
    body = {"amfInstanceId": AMF_ID, "deregCallbackUri": f"http://amf.{DOMAIN}/dereg/{subscriber}", "ratType": "NR"}
    return Request("udm", "PUT", path, _json(body), 201, _json(body), f"http://udm.{DOMAIN}{path}")


def _access_data(subscriber: int) -> Request:
    path = f"/nudm-sdm/v2/{supi(subscriber)}/am-data"
    if subscriber % UNKNOWN_EACH == UNKNOWN_EACH - 1:
        return Request("udm", "GET", path, b"", 404, _problem(404, "USER_NOT_FOUND"))
    rates = {"uplink": "1 Gbps", "downlink": "2 Gbps"}
    answer = {"subscribedUeAmbr": rates, "nssai": {"defaultSingleNssais": [{"sst": 1}]}}
    return Request("udm", "GET", path, b"", 200, _json(answer))


def _session_data(subscriber: int) -> Request:
    path = f"/nudm-sdm/v2/{supi(subscriber)}/smf-select-data"
    answer = {"subscribedSnssaiInfos": {"1": {"dnnInfos": [{"dnn": "internet"}]}}}
    return Request("udm", "GET", path, b"", 200, _json(answer))


def _policy(subscriber: int) -> Request:
    body = {"notificationUri": f"http://amf.{DOMAIN}/policy/{subscriber}", "supi": supi(subscriber), "suppFeat": "0"}
    location = f"http://pcf.{DOMAIN}/npcf-am-policy-control/v1/policies/{subscriber}"
    return Request("pcf", "POST", "/npcf-am-policy-control/v1/policies", _json(body), 201, _json(body), location)


def _create_session(subscriber: int) -> Request:
    body = {
        "supi": supi(subscriber),
        "pduSessionId": 1,
        "dnn": "internet",
        "sNssai": {"sst": 1},
        "servingNfId": AMF_ID,
        "servingNetwork": {"mcc": "999", "mnc": "70"},
        "requestType": "INITIAL_REQUEST",
        "anType": "3GPP_ACCESS",
        "smContextStatusUri": f"http://amf.{DOMAIN}/namf-callback/v1/sm-context-status/{subscriber}",
    }
    path = "/nsmf-pdusession/v1/sm-contexts"
    if subscriber % BUSY_EACH == BUSY_EACH - 1:
        return Request("smf", "POST", path, _json(body), 503, _problem(503, "INSUFFICIENT_RESOURCES"))
    location = f"http://smf.{DOMAIN}{path}/{subscriber}"
    return Request("smf", "POST", path, _json(body), 201, _json({"pduSessionId": 1, "sNssai": {"sst": 1}}), location)


def _modify_session(subscriber: int) -> Request:
    path = f"/nsmf-pdusession/v1/sm-contexts/{subscriber}/modify"
    return Request("smf", "POST", path, _json({"upCnxState": "ACTIVATING"}), 200, _json({"upCnxState": "ACTIVATING"}))


def _heartbeat(subscriber: int) -> Request:
    path = f"/nnrf-nfm/v1/nf-instances/{AMF_ID}"
    body = [{"op": "replace", "path": "/load", "value": subscriber % 100}]
    return Request("nrf", "PATCH", path, _json(body), 204, b"")


STEPS = (
    _discover,
    _authenticate,
    _confirm,
    _register,
    _access_data,
    _session_data,
    _policy,
    _create_session,
    _modify_session,
    _heartbeat,
)
