"""Procedures that the recorded captures lack, from the octets on: true HTTP/2 of the h2 library, then decoded."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import pytest

from deploy.cli import main
from tests import engine, generate
from tests.test_decode import lines, sbiscope
from tests.wire import ACK, SYN, ethernet, pcap, segment

SUPI = "imsi-001010000000001"
SERVER, SCP_PORT = "10.0.0.2", 7777
T0_NS = 1_795_000_000 * 10**9
HOST = "http://10.0.0.2:7777"
Headers = list[tuple[str, str]]


@dataclass
class Wire:
    """One HTTP/2 connection; `packets` is what a capture holds of it."""

    packets: list[tuple[int, bytes]] = field(default_factory=list)
    now_ns: int = T0_NS

    def __post_init__(self) -> None:
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.sent = [1, 1]
        self.segment(True, flags=SYN)
        self.segment(False, flags=SYN | ACK)
        self.client.initiate_connection()
        self.server.initiate_connection()
        self.flush()

    def segment(self, from_client: bool, octets: bytes = b"", flags: int = ACK) -> None:
        ends = (("10.0.0.1", 40_001), (SERVER, SCP_PORT))
        source, target = ends if from_client else ends[::-1]
        at, acknowledged = self.sent[not from_client], self.sent[from_client]
        number = at - 1 if flags & SYN else at
        self.packets.append((self.now_ns, ethernet(segment(source, target, number, octets, flags, acknowledged))))
        self.sent[not from_client] += len(octets)
        self.now_ns += 100_000

    def flush(self) -> None:
        while (asked := self.client.data_to_send()) or (answered := self.server.data_to_send()):
            if asked:
                self.segment(True, asked)
                self.server.receive_data(asked)
            elif answered:
                self.segment(False, answered)
                self.client.receive_data(answered)

    def exchange(self, words: str, asked: str = "", answered: str = "", location: str = "") -> None:
        """`words`: NF type of the consumer, method, path, status or `-` where no answer comes."""
        consumer, method, path, status = words.split()
        stream = self.client.get_next_available_stream_id()
        self.client.send_headers(stream, self.request(consumer, method, path, asked), end_stream=not asked)
        if asked:
            self.client.send_data(stream, asked.encode(), end_stream=True)
        self.flush()
        if status == "-":
            return
        headers: Headers = [(":status", status)]
        kind = "application/problem+json" if status >= "400" else "application/json"
        headers += [("content-type", kind)] if answered else []
        headers += [("location", HOST + location)] if location else []
        self.server.send_headers(stream, headers, end_stream=not answered)
        if answered:
            self.server.send_data(stream, answered.encode(), end_stream=True)
        self.flush()

    def request(self, consumer: str, method: str, path: str, body: str) -> Headers:
        headers = [(":method", method), (":scheme", "http"), (":authority", HOST[7:]), (":path", path)]
        return headers + [("user-agent", consumer)] + ([("content-type", "application/json")] if body else [])

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


def sm_context(wire: Wire, session: int = 5) -> None:
    """Let the SMF have a context: what follows on it names no subscriber."""
    body = {"supi": SUPI, "pduSessionId": session, "dnn": "internet", "sNssai": {"sst": 1},
            "smContextStatusUri": f"{HOST}/amf/sm-status/{session}"}  # fmt: skip
    context = f"/nsmf-pdusession/v1/sm-contexts/{session}"
    wire.exchange("AMF POST /nsmf-pdusession/v1/sm-contexts 201", json.dumps(body), "{}", location=context)
    n1n2 = {"pduSessionId": session, "n1n2FailureTxfNotifURI": f"{HOST}/smf/n1n2-failure/{session}"}
    wire.exchange(
        f"SMF POST /namf-comm/v1/ue-contexts/{SUPI}/n1-n2-messages 200",
        json.dumps(n1n2),
        '{"cause":"N1_N2_TRANSFER_INITIATED"}',
    )
    wire.exchange(f"AMF POST {context}/modify 204", '{"n2SmInfoType":"PDU_RES_SETUP_RSP"}')
    wire.sleep(30)


def update(wire: Wire, asked: dict[str, Any], answered: dict[str, Any] | None = None, session: int = 5) -> None:
    path, answer = f"/nsmf-pdusession/v1/sm-contexts/{session}/modify", json.dumps(answered) if answered else ""
    wire.exchange(f"AMF POST {path} {200 if answered else 204}", json.dumps(asked), answer)


def paged(wire: Wire) -> None:
    wire.exchange(
        f"SMF POST /namf-comm/v1/ue-contexts/{SUPI}/n1-n2-messages 202",
        f'{{"pduSessionId":5,"n1n2FailureTxfNotifURI":"{HOST}/smf/n1n2-failure/5"}}',
        '{"cause":"ATTEMPTING_TO_REACH_UE"}',
    )


def xn_handover(wire: Wire) -> None:
    sm_context(wire)
    asked = {"n2SmInfoType": "PATH_SWITCH_REQ", "toBeSwitched": True}
    update(wire, asked, {"n2SmInfoType": "PATH_SWITCH_REQ_ACK"})
    wire.sleep(30)
    update(wire, asked, {"n2SmInfoType": "PATH_SWITCH_REQ_FAIL"})
    wire.sleep(30)
    update(wire, {"n2SmInfoType": "PATH_SWITCH_SETUP_FAIL", "failedToBeSwitched": True})


def n2_handover(wire: Wire) -> None:
    """Between AMFs (TS 23.502 4.9.1.3): one that is done, one that the target refuses, one that is given up."""
    sm_context(wire)
    create = json.dumps({"ueContext": {"supi": SUPI}, "n2NotifyUri": f"{HOST}/amf/handover/1"})
    wire.exchange(f"AMF PUT /namf-comm/v1/ue-contexts/{SUPI} 201", create, "{}")
    update(wire, {"hoState": "PREPARING"}, {"hoState": "PREPARING"})
    update(wire, {"hoState": "PREPARED"}, {"hoState": "PREPARED"})
    wire.exchange("AMF POST /amf/handover/1 204", '{"notifyReason":"HANDOVER_COMPLETED"}')
    update(wire, {"hoState": "COMPLETED"}, {"hoState": "COMPLETED"})
    wire.sleep(60)
    wire.exchange(
        f"AMF PUT /namf-comm/v1/ue-contexts/{SUPI} 403", create, '{"error":{"status":403,"cause":"HANDOVER_FAILURE"}}'
    )
    wire.sleep(60)
    for state in ("PREPARING", "PREPARED", "COMPLETED"):
        update(wire, {"hoState": state}, {"hoState": state})
    wire.sleep(60)
    update(wire, {"hoState": "PREPARING", "n2SmInfoType": "HANDOVER_REQUIRED"}, {"hoState": "PREPARING"})
    update(wire, {"hoState": "CANCELLED"}, {"hoState": "CANCELLED"})


def service_request(wire: Wire) -> None:
    sm_context(wire)
    paged(wire)
    update(wire, {"upCnxState": "ACTIVATING"}, {"upCnxState": "ACTIVATING", "n2SmInfoType": "PDU_RES_SETUP_REQ"})
    update(wire, {"n2SmInfoType": "PDU_RES_SETUP_RSP"}, {"upCnxState": "ACTIVATED"})
    wire.sleep(30)
    paged(wire)
    wire.exchange("AMF POST /smf/n1n2-failure/5 204", '{"cause":"UE_NOT_RESPONDING"}')
    wire.sleep(30)
    update(wire, {"upCnxState": "ACTIVATING"}, {"upCnxState": "ACTIVATING", "n2SmInfoType": "PDU_RES_SETUP_REQ"})
    update(wire, {"n2SmInfoType": "PDU_RES_SETUP_FAIL"}, {"upCnxState": "DEACTIVATED"})


def establishment(wire: Wire) -> None:
    """The answer to the RAN's success or failure may hold the state of the user plane (TS 29.502 5.2.2.3)."""
    for verdict, state in (("PDU_RES_SETUP_RSP", "ACTIVATED"), ("PDU_RES_SETUP_FAIL", "DEACTIVATED")):
        body = {"supi": SUPI, "pduSessionId": 5, "dnn": "internet", "sNssai": {"sst": 1}}
        context = "/nsmf-pdusession/v1/sm-contexts/5"
        wire.exchange("AMF POST /nsmf-pdusession/v1/sm-contexts 201", json.dumps(body), "{}", location=context)
        wire.exchange(f"SMF POST /namf-comm/v1/ue-contexts/{SUPI}/n1-n2-messages 200", '{"pduSessionId":5}', "{}")
        update(wire, {"n2SmInfoType": verdict}, {"upCnxState": state})
        wire.sleep(30)


def modification(wire: Wire) -> None:
    """Asked for by the PCF (TS 23.502 4.3.3.2): one that is done, one that the RAN refuses."""
    sm_context(wire)
    policy = {"supi": SUPI, "pduSessionId": 5, "dnn": "internet", "notificationUri": f"{HOST}/smf/policy/5"}
    where = "/npcf-smpolicycontrol/v1/sm-policies"
    wire.exchange(f"SMF POST {where} 201", json.dumps(policy), "{}", location=f"{where}/5")
    wire.sleep(30)
    for verdict in ("PDU_RES_MOD_RSP", "PDU_RES_MOD_FAIL"):
        wire.exchange("PCF POST /smf/policy/5/update 204", '{"resourceUri":"x"}')
        wire.exchange(
            f"SMF POST /namf-comm/v1/ue-contexts/{SUPI}/n1-n2-messages 200",
            '{"pduSessionId":5}',
            '{"cause":"N1_N2_TRANSFER_INITIATED"}',
        )
        update(wire, {"n2SmInfoType": verdict})
        wire.sleep(30)


def release(wire: Wire) -> None:
    """Asked for by the PCF: /terminate, the command to the UE, its answer, the notification (TS 23.502 4.3.4.2)."""
    sm_context(wire)
    policy = {"supi": SUPI, "pduSessionId": 5, "dnn": "internet", "notificationUri": f"{HOST}/smf/policy/5"}
    where = "/npcf-smpolicycontrol/v1/sm-policies"
    wire.exchange(f"SMF POST {where} 201", json.dumps(policy), "{}", location=f"{where}/5")
    wire.sleep(30)
    wire.exchange("PCF POST /smf/policy/5/terminate 204", '{"resourceUri":"x","cause":"UNSPECIFIED"}')
    update(wire, {"n2SmInfoType": "PDU_RES_REL_RSP"})
    wire.exchange("SMF POST /amf/sm-status/5 204", '{"statusInfo":{"resourceStatus":"RELEASED"}}')
    wire.exchange(f"SMF POST {where}/5/delete 204", "{}")


def sms(wire: Wire) -> None:
    at = f"/nsmsf-sms/v2/ue-contexts/{SUPI}"
    wire.exchange(f"AMF PUT {at} 201", f'{{"supi":"{SUPI}"}}', "{}")
    for delivery in ("SMS_DELIVERY_COMPLETED", "SMS_DELIVERY_FAILED"):
        wire.exchange(f"AMF POST {at}/sendsms 200", '{"smsRecordId":"1"}', f'{{"deliveryStatus":"{delivery}"}}')
    wire.exchange(f"SMS_GMSC POST {at}/send-mt-sms 200", "{}", "{}")
    wire.exchange(f"AMF DELETE {at} 503")


def charging(wire: Wire) -> None:
    at = "/nchf-convergedcharging/v3/chargingdata"
    body = json.dumps({"subscriberIdentifier": SUPI, "notifyUri": f"{HOST}/smf/charging/5"})
    wire.exchange(f"SMF POST {at} 201", body, "{}", location=f"{at}/77")
    denied = '{"multipleUnitInformation":[{"resultCode":"QUOTA_LIMIT_REACHED"}]}'
    wire.exchange(f"SMF POST {at}/77/update 200", "{}", denied)
    wire.exchange("CHF POST /smf/charging/5 204", '{"notificationType":"REAUTHORIZATION"}')
    wire.exchange(f"SMF POST {at}/77/release 204", "{}")


def slices(wire: Wire) -> None:
    at = "/nnssf-nsselection/v2/network-slice-information?nf-type=AMF"
    wire.exchange(f"AMF GET {at} 200", "", '{"allowedNssaiList":[{"allowedSnssaiList":[],"accessType":"3GPP_ACCESS"}]}')
    wire.exchange(f"AMF GET {at} 200", "", '{"rejectedNssaiInPlmn":[{"sst":1}]}')


def subscriber_data(wire: Wire) -> None:
    at = f"/nudm-sdm/v2/{SUPI}/sdm-subscriptions"
    body = json.dumps({"nfInstanceId": "x", "callbackReference": f"{HOST}/amf/sdm/1", "monitoredResourceUris": []})
    wire.exchange(f"AMF POST {at} 201", body, "{}", location=f"{at}/9")
    wire.exchange("UDM POST /amf/sdm/1 204", f'{{"notifyItems":[{{"resourceId":"{SUPI}/am-data"}}]}}')
    wire.exchange("UDM POST /amf/sdm/1 500", f'{{"notifyItems":[{{"resourceId":"{SUPI}/am-data"}}]}}')
    wire.exchange(f"AMF DELETE {at}/9 204")


def policies(wire: Wire) -> None:
    at = "/npcf-am-policy-control/v1/policies"
    body = json.dumps({"supi": SUPI, "notificationUri": f"{HOST}/amf/am-policy/1"})
    wire.exchange(f"AMF POST {at} 201", body, "{}", location=f"{at}/3")
    wire.exchange(f"AMF POST {at}/3/update 200", "{}", "{}")
    wire.exchange("PCF POST /amf/am-policy/1/update 204", '{"resourceUri":"x"}')
    wire.exchange("PCF POST /amf/am-policy/1/terminate 204", '{"resourceUri":"x"}')
    wire.exchange(f"AMF DELETE {at}/3 404", "", '{"status":404}')


@pytest.mark.parametrize(
    ("written", "kind", "wanted"),
    [
        (xn_handover, "xn_handover", ["success", "failed switch", "failed switch"]),
        (n2_handover, "n2_handover", ["success", "failed create_context", "success", "failed completed"]),
        (service_request, "service_request", ["success", "failed not_reached", "failed set_up"]),
        (establishment, "pdu_session_establishment", ["success", "failed set_up"]),
        (modification, "pdu_session_modification", ["success", "failed modified"]),
        (release, "pdu_session_release", ["success"]),
        (sms, "sms_over_nas", ["success", "success", "failed uplink", "success", "failed deactivate"]),
        (charging, "charging", ["success", "failed update", "success", "success"]),
        (slices, "slice_selection", ["success", "failed select"]),
        (subscriber_data, "udm_sdm_subscription", ["success", "success", "failed notify", "success"]),
        (policies, "policy_association", ["success", "success", "success", "success", "success"]),
    ],
)
def test_from_octets_to_procedures(written: Any, kind: str, wanted: list[str], tmp_path: Path) -> None:
    wire = Wire()
    written(wire)
    wire.sleep(120)
    wire.exchange("AMF GET /nnrf-disc/v1/nf-instances?target-nf-type=SMF 200", "", "{}")  # the capture goes on
    path = tmp_path / "written.pcap"
    path.write_bytes(pcap(wire.packets))
    rows = lines(sbiscope("decode", "--procedures", "--plain-identifiers", path))
    assert {row["supi"] for row in rows} <= {SUPI, None}
    assert {row["supi"] for row in rows if row["kind"] != "slice_selection"} <= {SUPI}
    own = sorted((row for row in rows if row["kind"] == kind), key=lambda row: row["begin_us"])
    assert [" ".join(filter(None, (row["outcome"], row["failed_step"]))) for row in own] == wanted


def concealed(wire: Wire) -> None:
    """What the AMF's node alone sees of a registration with a concealed SUCI (TS 33.501 6.1.2, 6.12)."""
    at = "/nausf-auth/v1/ue-authentications"
    suci = "suci-0-001-01-0-1-1-9f1c3a7755aa04e1b2c3d4e5f60718293a4b5c6d7e8f90a1"
    body = json.dumps({"supiOrSuci": suci, "servingNetworkName": "5G:mnc001.mcc001.3gppnetwork.org"})
    wire.exchange(f"AMF POST {at} 201", body, '{"authType":"5G_AKA"}', location=f"{at}/7")
    result = json.dumps({"authResult": "AUTHENTICATION_SUCCESS", "supi": SUPI})
    wire.exchange(f"AMF PUT {at}/7/5g-aka-confirmation 200", '{"resStar":"0"}', result)


@pytest.mark.stack
def test_the_ladder_holds_what_came_before_the_subscriber_was_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wire, path = Wire(), tmp_path / "written.pcap"
    concealed(wire)
    path.write_bytes(pcap(wire.packets))
    account, client = engine.emptied()
    rows = lines(sbiscope("decode", "--transactions", path))
    assert [row["supi"] is None for row in sorted(rows, key=lambda row: row["request_us"])] == [True, False]
    generate.insert(client, [generate.encode_batch(rows)])
    engine.told(monkeypatch, account.database)
    drawn = []
    for words in (("--capture", str(path)), ("--from", "2020-01-01", "--to", "2030-01-01")):
        assert main(["trace", SUPI, "--format", "json", *words]) == 0
        drawn.append(json.loads(capsys.readouterr().out)["arrows"])
    assert [arrow["label"] for arrow in drawn[0]] == [
        "Nausf_UEAuthentication_Authenticate", "Nausf_UEAuthentication_Authenticate(5G-AKA confirmation)",
    ]  # fmt: skip
    assert drawn[0] == drawn[1]
