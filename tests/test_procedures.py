"""The procedure fold: conversations, each with what must become of it; captures against a list made by hand."""

import collections
import csv
import io
import itertools
import json
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.fields import document, fields_of
from schemas.plain import without_logical_types
from streams.fold import Facts, Jump, batch_body
from streams.procedure_kinds import kinds, read
from streams.procedure_row import SCHEMA
from streams.procedures import LONGEST_MS, MAX_SUBSCRIBERS, PROCEDURES, PROCEDURES_JSON, SETTLE_MS, Procedures
from streams.reframe import Malformed
from tests import tshark
from tests.test_decode import lines, sbiscope

BATCH = document("sbi_transaction_batch")
RECORD = fastavro.parse_schema(without_logical_types(BATCH["fields"][-1]["type"]["items"]))
EMPTY: dict[str, Any] = {"string": "", "int": 0, "long": 0, "boolean": False, "array<string>": [], "map<string>": {}}
BLANK = {name: EMPTY.get(kind) for name, kind in fields_of("sbi_transaction_batch", "SbiTransaction")}
T0 = 1_795_000_000_000_000
GOLDEN = Path(__file__).parent / "golden" / "procedures.tsv"

AUTHENTICATE = "Nausf_UEAuthentication_Authenticate"
# name: (operation, consumer, producer, result, pdu session)
SHORT: dict[str, tuple[str, str, str, str | None, int | None]] = {
    "auth": ("Nausf_UEAuthentication_Authenticate", "AMF", "AUSF", None, None),
    "resync": ("Nausf_UEAuthentication_Authenticate", "AMF", "AUSF", "SYNCH_FAILURE", None),
    "vector": ("Nudm_UEAuthentication_Get", "AUSF", "UDM", None, None),
    "confirm": (f"{AUTHENTICATE}(5G-AKA confirmation)", "AMF", "AUSF", "AUTHENTICATION_SUCCESS", None),
    "round": (f"{AUTHENTICATE}(EAP session)", "AMF", "AUSF", "AUTHENTICATION_ONGOING", None),
    "eap": (f"{AUTHENTICATE}(EAP session)", "AMF", "AUSF", "AUTHENTICATION_SUCCESS", None),
    "eap_fail": (f"{AUTHENTICATE}(EAP session)", "AMF", "AUSF", "AUTHENTICATION_FAILURE", None),
    "old_amf": ("Nudm_UECM_DeregistrationNotification", "UDM", "AMF", None, None),
    "uecm": ("Nudm_UECM_Registration", "AMF", "UDM", None, None),
    "sdm": ("Nudm_SDM_Get", "AMF", "UDM", None, None),
    "initial": ("Nudm_UECM_Registration", "AMF", "UDM", "INITIAL_REGISTRATION", None),
    "not_initial": ("Nudm_UECM_Registration", "AMF", "UDM", "NO_INITIAL_REGISTRATION", None),
    "moves": ("Namf_Communication_UEContextTransfer", "AMF", "AMF", "MOBI_REG", None),
    "begins": ("Namf_Communication_UEContextTransfer", "AMF", "AMF", "INIT_REG", None),
    "am_data": ("Nudm_SDM_Get", "AMF", "UDM", None, None),
    "smf_data": ("Nudm_SDM_Get", "AMF", "UDM", None, None),
    "sms_data": ("Nudm_SDM_Get", "AMF", "UDM", None, None),
    "policy": ("Npcf_AMPolicyControl_Create", "AMF", "PCF", None, None),
    "sm_policy": ("Npcf_SMPolicyControl_Create", "SMF", "PCF", None, 5),
    "decision": ("Npcf_SMPolicyControl_UpdateNotify", "PCF", "SMF", None, 5),
    "decision6": ("Npcf_SMPolicyControl_UpdateNotify", "PCF", "SMF", None, 6),
    "modified": ("Nsmf_PDUSession_UpdateSMContext", "AMF", "SMF", "PDU_RES_MOD_RSP", 5),
    "subscribe": ("Nudm_SDM_Subscribe", "AMF", "UDM", None, None),
    "notify": ("Nudm_SDM_Notification", "UDM", "AMF", None, None),
    "nf_register": ("Nnrf_NFManagement_NFRegister", "AMF", "NRF", None, None),
    "unsubscribe": ("Nudm_SDM_Unsubscribe", "AMF", "UDM", None, None),
    "purge": ("Nudm_UECM_Update(or Deregistration when purgeFlag=true)", "AMF", "UDM", None, None),
    "create": ("Nsmf_PDUSession_CreateSMContext", "AMF", "SMF", None, 5),
    "n1n2": ("Namf_Communication_N1N2MessageTransfer", "SMF", "AMF", "N1_N2_TRANSFER_INITIATED", 5),
    "page": ("Namf_Communication_N1N2MessageTransfer", "SMF", "AMF", "ATTEMPTING_TO_REACH_UE", 5),
    "setup": ("Nsmf_PDUSession_UpdateSMContext", "AMF", "SMF", "PDU_RES_SETUP_RSP", 5),
    "setup_fail": ("Nsmf_PDUSession_UpdateSMContext", "AMF", "SMF", "PDU_RES_SETUP_FAIL", 5),
    "activate": ("Nsmf_PDUSession_UpdateSMContext", "AMF", "SMF", "ACTIVATING", 5),
    "unreached": ("Namf_Communication_N1N2TransferFailureNotification", "SMF", "AMF", None, 5),
    "release": ("Nsmf_PDUSession_ReleaseSMContext", "AMF", "SMF", None, 5),
    "command": ("Nsmf_PDUSession_UpdateSMContext", "AMF", "SMF", "PDU_RES_REL_CMD", 5),
    "status": ("Nsmf_PDUSession_SMContextStatusNotify", "SMF", "AMF", "RELEASED", 5),
    "preparing": ("Nsmf_PDUSession_UpdateSMContext", "AMF", "SMF", "PREPARING", 5),
    "preparing6": ("Nsmf_PDUSession_UpdateSMContext", "AMF", "SMF", "PREPARING", 6),
    "prepared": ("Nsmf_PDUSession_UpdateSMContext", "AMF", "SMF", "PREPARED", 5),
    "not_allocated6": ("Nsmf_PDUSession_UpdateSMContext", "AMF", "SMF", "HANDOVER_RES_ALLOC_FAIL", 6),
    "create_context": ("Namf_Communication_CreateUEContext", "AMF", "AMF", None, None),
    "arrived": ("Namf_Communication_N2InfoNotify(handover)", "AMF", "AMF", None, None),
    "completed": ("Nsmf_PDUSession_UpdateSMContext", "AMF", "SMF", "COMPLETED", 5),
    "completed6": ("Nsmf_PDUSession_UpdateSMContext", "AMF", "SMF", "COMPLETED", 6),
    "cancelled": ("Nsmf_PDUSession_UpdateSMContext", "AMF", "SMF", "CANCELLED", 5),
    "switched": ("Nsmf_PDUSession_UpdateSMContext", "AMF", "SMF", "PATH_SWITCH_REQ_ACK", 5),
    "not_switched": ("Nsmf_PDUSession_UpdateSMContext", "AMF", "SMF", "PATH_SWITCH_REQ_FAIL", 5),
    "sms": ("Nsmsf_SMService_UplinkSMS", "AMF", "SMSF", "SMS_DELIVERY_FAILED", None),
    "charge": ("Nchf_ConvergedCharging_Create", "SMF", "CHF", None, 5),
    "slice": ("Nnssf_NSSelection_Get", "AMF", "NSSF", None, None),
}  # fmt: skip
RESOURCES = {"am_data": "/{supi}/am-data", "smf_data": "/{supi}/smf-select-data", "sms_data": "/{supi}/sms-data"}


def row(words: str, number: int, **said: Any) -> dict[str, Any]:
    """Return a transaction: `[S.s:]name[=status|=none|=unknown]`, seconds after T0 (default: 10 ms apart)."""
    at, _, rest = words.rpartition(":")
    name, _, status = rest.partition("=")
    operation, consumer, producer, result, session = SHORT[name]
    request_us = T0 + (round(float(at) * 1e6) if at else number * 10_000)
    code = None if status in ("none", "unknown") else int(status or 200)
    outcome = {"none": "unanswered", "unknown": "unknown"}.get(status) or (
        "success" if int(status or 200) < 300 else "redirect" if int(status) < 400
        else "server_error" if int(status) >= 500 else "client_error"
    )  # fmt: skip
    one = BLANK | {
        "transaction_id": f"t{number}", "version": 2, "outcome": outcome, "request_event_id": "e", "vantage": "server",
        "http_version": "h2", "request_us": request_us, "deadline_ms": 10_000, "status": code, "operation": operation,
        "consumer_nf": consumer, "producer_nf": producer, "result": result, "pdu_session_id": session,
        "supi": "imsi-1" if name != "slice" else None, "exchange_key": f"x{number}", "request_key": f"k{number}",
        "incarnation": "boot:1", "snssai": "1", "resource": RESOURCES.get(name),
    }  # fmt: skip
    if code is not None:
        one |= {"response_us": request_us + 2_000, "response_end_us": request_us + 2_000, "duration_us": 2_000}
    return one | said


def said(text: str) -> list[dict[str, Any]]:
    return [row(words, number) for number, words in enumerate(text.split())]


class Stage:
    """One fold and what it gave."""

    def __init__(self) -> None:
        self.fold = Procedures(Facts(0, {PROCEDURES: 2, PROCEDURES_JSON: 1}))
        self.sent = 0
        self.rows: list[dict[str, Any]] = []
        self.texts: list[bytes] = []

    def give(self, rows: list[dict[str, Any]], at_ms: int) -> None:
        octets = []
        for one in rows:
            out = io.BytesIO()
            fastavro.schemaless_writer(out, RECORD, one)
            octets.append(out.getvalue())
        self._take(self.fold.apply(at_ms, BATCH, batch_body(0, self.sent + 1, octets)))
        self.sent += len(rows)

    def tick(self, at_ms: int) -> None:
        self._take(self.fold.apply(at_ms, None, b""))

    def restart(self) -> None:
        state = self.fold.dump()
        self.fold = Procedures(self.fold.facts)
        self.fold.load(state)
        assert self.fold.dump() == state

    def _take(self, out: list[Any]) -> None:
        for rows in out:
            if rows.topic == PROCEDURES:
                self.rows += [fastavro.schemaless_reader(io.BytesIO(one), SCHEMA, None) for one in rows.records]  # type: ignore[misc]
            else:
                self.texts += rows.records


def told(rows: list[dict[str, Any]], of: str = "") -> list[str]:
    """Return the procedures as words: outcome, and the step where it failed; `of`: of one kind alone."""
    stage = Stage()
    stage.give(rows, 1_000)
    for second in range(1, 120):
        stage.tick(1_000 + second * 1_000)
    assert sorted(map(json.loads, stage.texts), key=str) == sorted(stage.rows, key=str)
    assert not stage.fold._subscribers
    return [
        " ".join(filter(None, (one["outcome"], one["failed_step"])))
        for one in sorted(stage.rows, key=lambda one: (one["begin_us"], one["procedure_id"]))
        if not of or one["kind"] == of
    ]


@pytest.mark.parametrize(
    ("kind", "conversation", "wanted"),
    [
        ("ue_registration", "auth vector confirm uecm sdm", ["success"]),
        ("ue_registration", "auth vector confirm uecm sdm policy=403", ["partial am_policy"]),
        ("ue_registration", "auth resync confirm uecm sdm", ["success"]),  # TS 33.501 6.1.3.3.1
        ("ue_registration", "auth resync auth confirm uecm sdm", ["superseded", "success"]),
        ("ue_registration", "auth=404", ["failed authenticate"]),
        ("ue_registration", "0:auth=404 0.001:vector=404", ["failed authenticate"]),
        ("ue_registration", "auth confirm uecm=503 uecm sdm", ["success"]),  # another UDM did it
        ("ue_registration", "auth confirm uecm=503", ["failed register"]),
        ("ue_registration", "auth confirm uecm=none", ["failed register"]),
        ("ue_registration", "auth confirm uecm=unknown", ["incomplete"]),
        ("ue_registration", "auth", ["abandoned"]),
        ("ue_registration", "0:auth 20:confirm 20.1:uecm 20.2:sdm", ["abandoned", "success"]),  # after T3510
        ("ue_registration", "auth round 6:round 12:eap 12.1:uecm 12.2:sdm", ["success"]),  # TS 33.501 6.1.3.1
        ("ue_registration", "auth round eap_fail", ["failed eap"]),
        ("ue_registration", "auth round=none", ["failed eap_round"]),
        ("ue_registration", "auth confirm uecm old_amf sdm", ["success"]),
        ("ue_registration", "uecm sdm", ["success"]),  # the security context was used again
        ("ue_registration", "auth confirm uecm sdm 5:uecm 5.1:sdm", ["success", "success"]),
        ("ue_registration", "confirm policy", []),  # its beginning was not seen: nothing is invented
        # Each set of data that a registration needs must come; others, and another attempt elsewhere, are as they may.
        ("ue_registration", "auth confirm uecm am_data=404 smf_data", ["failed subscription_data"]),
        ("ue_registration", "auth confirm uecm am_data smf_data=403", ["failed subscription_data"]),
        ("ue_registration", "auth confirm uecm sdm=404 sdm", ["failed subscription_data"]),
        ("ue_registration", "auth confirm uecm am_data=503 am_data smf_data", ["success"]),
        ("ue_registration", "auth confirm uecm am_data sms_data=404", ["partial other_data"]),
        ("ue_registration", "auth confirm uecm sms_data", ["abandoned"]),
        # Of which sort it is, is said only where the AMF said it (TS 29.503 6.2.6.2.2, TS 29.518 6.1.6.3.8).
        ("ue_initial_registration", "uecm sdm", []),
        ("ue_initial_registration", "auth confirm initial sdm", ["success"]),
        ("ue_initial_registration", "auth confirm initial=403 sdm", ["failed register"]),
        ("ue_initial_registration", "begins auth confirm uecm sdm", ["success"]),
        ("ue_registration", "auth confirm initial sdm", []),
        ("ue_mobility_registration", "moves uecm sdm", ["success"]),
        ("ue_mobility_registration", "auth confirm not_initial sdm", ["success"]),
        ("ue_initial_registration", "moves auth confirm initial sdm", ["success"]),  # the UDM is told last
        ("ue_registration", "preparing prepared completed uecm sdm", ["success"]),
        ("authentication", "auth vector confirm", ["success"]),
        ("authentication", "auth=503 auth confirm", ["success"]),
        ("authentication", "auth round round eap", ["success"]),
        ("authentication", "auth round", ["abandoned"]),
        ("ue_deregistration", "release unsubscribe purge", ["success"]),
        ("ue_deregistration", "unsubscribe purge=404", ["success"]),
        ("ue_deregistration", "unsubscribe 3:auth", ["superseded"]),
        ("pdu_session_establishment", "create n1n2 setup", ["success"]),
        ("pdu_session_establishment", "create n1n2 setup_fail", ["failed set_up"]),
        ("pdu_session_establishment", "create n1n2 setup=none release", ["failed set_up"]),
        ("pdu_session_establishment", "create n1n2", ["abandoned"]),
        ("pdu_session_establishment", "create n1n2 status", ["failed given_up"]),  # the SMF let it go
        ("pdu_session_establishment", "create n1n2 setup command status", ["success"]),
        ("pdu_session_establishment", "create=307 n1n2 setup", ["failed create"]),
        ("pdu_session_establishment", "create=307 create n1n2 setup", ["success"]),
        ("pdu_session_modification", "decision", []),  # the UE and the RAN may keep what they have
        ("pdu_session_modification", "decision n1n2 modified", ["success"]),
        ("pdu_session_modification", "decision n1n2=504", ["failed transfer"]),
        ("pdu_session_modification", "decision n1n2", ["abandoned"]),
        ("pdu_session_modification", "0:decision 5:n1n2", []),
        ("pdu_session_modification", "decision6 n1n2", []),
        ("pdu_session_modification", "create n1n2 setup", []),
        ("pdu_session_release", "command status", ["success"]),
        ("pdu_session_release", "command release create", ["success"]),
        ("pdu_session_release", "release=404", ["success"]),
        ("service_request", "activate setup", ["success"]),
        ("service_request", "page activate setup", ["success"]),
        ("service_request", "page unreached", ["failed not_reached"]),
        ("n2_handover", "preparing completed", ["success"]),
        ("n2_handover", "preparing preparing6 completed completed6", ["success"]),
        ("n2_handover", "preparing preparing6 completed", ["abandoned"]),  # each session that is kept
        ("n2_handover", "preparing completed6", ["abandoned"]),
        ("n2_handover", "preparing preparing6=403 completed", ["partial prepare"]),
        ("n2_handover", "preparing preparing6 not_allocated6 completed", ["partial prepared"]),
        ("n2_handover", "preparing=403", ["failed prepare"]),
        ("n2_handover", "preparing cancelled", ["failed completed"]),
        ("n2_handover", "create_context arrived", ["success"]),
        ("n2_handover", "create_context preparing arrived", ["abandoned"]),
        ("n2_handover", "create_context preparing prepared arrived completed uecm sdm", ["success"]),
        ("xn_handover", "switched", ["success"]),
        ("xn_handover", "not_switched", ["failed switch"]),
        ("sms_over_nas", "sms", ["failed uplink"]),
        ("charging", "charge=503", ["failed create"]),
        ("slice_selection", "slice", ["success"]),
        ("policy_association", "policy", ["success"]),
        ("policy_association", "decision", ["success"]),
        ("policy_association", "sm_policy=308", ["superseded"]),  # as good as what it leads to (SBI.md 12.2)
        ("nf_lifecycle", "nf_register=307 nf_register", ["superseded", "success"]),
        ("udm_sdm_subscription", "subscribe=404", ["failed subscribe"]),  # CONTEXT_NOT_FOUND (SBI.md 11)
        ("udm_sdm_subscription", "notify=404", ["failed notify"]),
        ("udm_sdm_subscription", "unsubscribe=404", ["success"]),
    ],
)
def test_what_becomes_of_a_conversation(kind: str, conversation: str, wanted: list[str]) -> None:
    assert told(said(conversation), kind) == wanted


def test_the_row_says_what_when_and_where() -> None:
    stage = Stage()
    stage.give(said("create n1n2 setup=503"), 0)
    stage.tick(60_000)
    (one,) = stage.rows
    assert one["steps"] == ["create", "transfer", "set_up"]
    assert one["step_begin_us"] == [0, 10_000, 20_000]
    assert one["step_status"] == [200, 200, 503]
    assert (one["failed_step"], one["failed_status"], one["failed_producer_nf"]) == ("set_up", 503, "SMF")
    assert (one["supi"], one["pdu_session_id"], one["snssai"], one["requests"]) == ("imsi-1", 5, "1", 3)


def test_what_a_decision_changed_holds_the_decision() -> None:
    stage = Stage()
    stage.give(said("decision6 decision n1n2 modified"), 0)
    stage.tick(60_000)
    (one,) = (one for one in stage.rows if one["kind"] == "pdu_session_modification")
    assert one["steps"] == ["policy_decision", "transfer", "modified"]


def test_a_request_that_failed_without_a_cause_lends_it_no_word_of_its_own() -> None:
    (one,) = (one for one in failed("auth confirm initial=403"))
    assert (one["failed_step"], one["failed_cause"]) == ("register", None)
    (one,) = failed("create n1n2 setup_fail")
    assert (one["failed_step"], one["failed_cause"]) == ("set_up", "PDU_RES_SETUP_FAIL")


def failed(text: str) -> list[dict[str, Any]]:
    stage = Stage()
    stage.give(said(text), 0)
    stage.tick(60_000)
    return [one for one in stage.rows if one["outcome"] == "failed"]


def test_hops_and_ends_of_a_request_are_one_step() -> None:
    def sightings(words: str, number: int) -> list[dict[str, Any]]:
        hop = {"to_proxy": True, "outcome": "unknown", "transaction_id": "p", "exchange_key": "p"}
        client = {"vantage": "client", "transaction_id": "c"}
        return [row(words, number, **hop), row(words, number, **client), row(words, number)]

    rows = [one for number, name in enumerate(("create", "n1n2", "setup")) for one in sightings(name, number)]
    stage = Stage()
    stage.give(rows, 0)
    stage.tick(60_000)
    (one,) = stage.rows
    assert (one["outcome"], one["requests"], one["step_transactions"]) == ("success", 3, ["t0", "t1", "t2"])


def test_a_hop_without_key_is_known_by_what_it_encloses() -> None:
    inner = row("0.001:slice", 1, request_key=None)
    outer = row("0:slice", 0, request_key=None, to_proxy=True, response_us=T0 + 5_000)
    assert told([inner, outer], "slice_selection") == ["success"]


def test_at_the_edge_of_a_capture_nobody_is_said_to_have_given_up() -> None:
    captured = {"incarnation": "capture:1"}
    assert told([row("auth", 0, **captured)], "authentication") == ["incomplete"]
    later = row("30:slice", 1, **captured)
    assert told([row("auth", 0, **captured), later], "authentication") == ["abandoned"]


def test_a_correction_replaces_what_was_told_first() -> None:
    first, late = row("setup=none", 2, version=1), row("setup", 2, outcome="late")
    assert told([*said("create n1n2"), first, late], "pdu_session_establishment") == ["success"]


def test_an_answer_that_comes_when_all_is_told_begins_nothing() -> None:
    """Found by chaos: an earlier attempt came late, so the second one's id was told with two different beginnings."""
    stage = Stage()
    stage.give([row("2:create=none", 2, version=1)], 0)
    for second in range(1, 13):
        stage.tick(second * 1_000)
    stage.give([row("create=404", 0)], 12_500)
    for second in range(13, 200):
        stage.tick(second * 1_000)
    assert [(one["outcome"], one["requests"]) for one in stage.rows] == [("failed", 2)]
    stage.restart()
    stage.give([row("2:create=403", 2, outcome="late", version=2)], 200_500)
    for second in range(201, 400):
        stage.tick(second * 1_000)
    assert len(stage.rows) == 1
    assert not stage.fold._subscribers


def test_an_answer_that_comes_with_what_ends_its_procedure_begins_nothing() -> None:
    """Found by chaos: two earlier attempts came late, in one message with the answer, and the second one began anew."""
    stage = Stage()
    stage.give([row("20:create=none", 2, version=1)], 0)
    for second in range(1, 13):
        stage.tick(second * 1_000)
    late = row("20:create", 2, outcome="late", version=2)
    stage.give([row("0:create", 0), row("10:create", 1), late], 12_500)
    for second in range(13, 400):
        stage.tick(second * 1_000)
    assert [(one["outcome"], one["requests"]) for one in stage.rows] == [("superseded", 2), ("abandoned", 1)]
    assert len({one["procedure_id"] for one in stage.rows}) == 2


def test_what_was_told_without_an_answer_is_remembered_as_long_as_one_may_come() -> None:
    stage = Stage()
    stage.give([row("create=none", 0, version=1)], 0)
    for second in range(1, 200):
        stage.tick(second * 1_000)
    assert len(stage.fold._answerless) == 1
    stage.give([row("900:create=none", 1, version=1)], 900_000)
    for second in range(900, 1_100):
        stage.tick(second * 1_000)
    assert len(stage.fold._answerless) == 1


def test_what_is_remembered_of_answerless_procedures_is_bounded_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.procedures.MAX_ANSWERLESS", 3)
    stage = Stage()
    stage.give([row("create=none", number, supi=f"imsi-{number}", version=1) for number in range(7)], 0)
    for second in range(1, 200):
        stage.tick(second * 1_000)
    assert len(stage.rows) == 7
    assert (len(stage.fold._answerless), stage.fold.counts["answerless_evicted"]) == (3, 4)


CONVERSATIONS = [
    "auth vector confirm uecm sdm policy create n1n2 setup activate setup release unsubscribe purge",
    "auth resync auth confirm uecm=503 uecm sdm create n1n2 setup=none command status create",
    "preparing preparing6 completed completed6 3:command 3.1:status 3.2:auth=404 4:sms 5:charge 6:policy",
]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(CONVERSATIONS), st.randoms(use_true_random=False), st.data())
def test_any_order_any_batches_and_any_restart_give_the_same(text: str, chance: Any, data: st.DataObject) -> None:
    def run(rows: list[dict[str, Any]], cuts: set[int], restarts: bool) -> list[dict[str, Any]]:
        stage = Stage()
        for number, one in enumerate(rows):
            stage.give([one], number * 20)
            if restarts and number in cuts:
                stage.restart()
        for second in range(1, 90):
            stage.tick(second * 1_000)
            if restarts and second in cuts:
                stage.restart()
        return sorted(stage.rows, key=lambda one: str(one["procedure_id"]))

    rows = said(text)
    wanted = run(rows, set(), restarts=False)
    shuffled = list(rows)
    chance.shuffle(shuffled)
    cuts = data.draw(st.sets(st.integers(0, 89), max_size=5))
    assert run(shuffled, cuts, restarts=True) == wanted
    assert len({one["procedure_id"] for one in wanted}) == len(wanted)


def test_what_a_changed_definition_no_longer_knows_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    stage.give(said("auth create"), 0)
    stage.tick(SETTLE_MS + 1_000)
    state = stage.fold.dump()
    known = {name: kind for name, kind in kinds().items() if name != "pdu_session_establishment"}
    monkeypatch.setattr("streams.procedure_instance.kinds", lambda: known)
    stage.fold = Procedures(stage.fold.facts)
    stage.fold.load(state)
    stage.tick(60_000)
    stage.tick(160_000)
    assert sorted(one["kind"] for one in stage.rows) == ["authentication", "ue_registration"]


def test_who_waits_longer_for_answers_is_waited_for_longer() -> None:
    """The unanswered request is told at its deadline, 30 s behind the others; until then nothing is given up."""
    patient = {"deadline_ms": 30_000}
    stage = Stage()
    stage.give([row(name, place, **patient) for place, name in enumerate(("create", "n1n2"))], 0)
    for second in range(1, 31):
        stage.tick(second * 1_000)
    assert not stage.rows
    stage.give([row("setup=none", 2, **patient)], 30_500)
    for second in range(31, 120):
        stage.tick(second * 1_000)
    assert [(one["outcome"], one["failed_step"]) for one in stage.rows] == [("failed", "set_up")]


def test_a_request_waited_for_longer_than_all_others_is_why_nothing_followed() -> None:
    """It is told a minute after it began, when the guard time is long over: nobody gave up, it was not answered."""
    stage = Stage()
    stage.give(said("create n1n2"), 0)
    for second in range(1, 61):
        stage.tick(second * 1_000)
    stage.restart()
    stage.give([row("1:setup=none", 2, deadline_ms=60_000)], 61_000)
    stage.give([row("30:create", 3)], 62_000)
    for second in range(62, 180):
        stage.tick(second * 1_000)
    told_in_order = sorted(stage.rows, key=lambda one: one["begin_us"])
    assert [(one["outcome"], one["failed_step"]) for one in told_in_order] == [
        ("failed", "set_up"),
        ("abandoned", None),
    ]


SUCI = {"supi": None, "subscriber_reference": "suci-001-k1-concealed"}


def seen_by_the_amf(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the client's sightings: of the first request only the SUCI is known there (TS 33.501 6.1.2)."""
    changed = [one | {"vantage": "client", "transaction_id": f"c{one['transaction_id']}"} for one in rows]
    return [changed[0] | SUCI, *changed[1:]]


def test_who_is_known_at_one_end_alone_is_told_once() -> None:
    rows = said("auth confirm uecm sdm")
    for kind in ("ue_registration", "authentication"):
        assert told([*seen_by_the_amf(rows), *rows], kind) == ["success"]
        assert told([*rows, *seen_by_the_amf(rows)], kind) == ["success"]


def test_with_the_amfs_end_alone_what_follows_names_the_subscriber() -> None:
    rows = seen_by_the_amf(said("auth confirm uecm sdm"))
    stage = Stage()
    stage.give(rows, 0)
    stage.tick(120_000)
    assert stage.fold.counts["procedures_unnamed"] == 2
    kinds_told = {one["kind"]: (one["outcome"], one["begun_by"], one["supi"]) for one in stage.rows}
    assert kinds_told == {
        "ue_registration": ("success", "register", "imsi-1"),
        "authentication": ("success", "confirm", "imsi-1"),
    }


def test_a_failure_is_told_also_of_whom_nobody_knows() -> None:
    unknown = [row("auth=404", number, **SUCI | {"subscriber_reference": f"suci-{number}"}) for number in (1, 2)]
    assert told(unknown, "authentication") == ["failed authenticate", "failed authenticate"]


def test_requests_of_unknown_subscribers_are_never_put_together() -> None:
    places = [{"supi": None, "subscriber_reference": f"smf:80/nsmf-pdusession/v1/sm-contexts/{n}"} for n in (1, 2)]
    rows = [row("preparing", 1, **places[0]), row("completed", 2, **places[1])]
    assert told(rows, "n2_handover") == []


def test_a_busy_subscriber_waits_no_longer_than_the_bound() -> None:
    stage = Stage()
    for second in range(LONGEST_MS // 1_000 + 2):
        stage.give([row(f"{second}:policy", second)], second * 1_000)
    assert stage.rows
    assert LONGEST_MS > SETTLE_MS


def test_memory_is_bounded_and_who_goes_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_SUBSCRIBERS >= 100_000
    monkeypatch.setattr("streams.procedures.MAX_SUBSCRIBERS", 23)
    stage = Stage()
    for number in range(31):
        stage.give([row("auth", number, supi=f"imsi-{number}")], number)
    assert stage.fold.counts["subscribers_evicted"] == 8
    assert [one["outcome"] for one in stage.rows if one["kind"] == "authentication"] == ["incomplete"] * 8


def test_what_is_no_batch_is_malformed_and_lost_rows_stop() -> None:
    stage = Stage()
    with pytest.raises(Malformed):
        stage.fold.apply(0, BATCH, b"\x01garbage")
    stage.give(said("auth"), 0)
    stage.sent += 5
    with pytest.raises(Jump):
        stage.give(said("auth"), 0)
    stage.fold.pass_over()
    stage.give(said("auth"), 0)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a: {clause: x, key: subscriber, guard_s: 1, begins: {b: []}, steps: {}}", "no such step: b"),
        ("a: {clause: x, key: request, begins: {}, steps: {}, colour: red}", "colour"),
        ("a: {clause: x, key: planet, begins: {}, steps: {}}", "planet"),
        ("a: {clause: x, key: request, begins: {}, steps: {s: {operation: o, form: round}}}", "form"),
    ],
)
def test_a_definition_that_contradicts_itself_is_said(text: str, seen: str) -> None:
    with pytest.raises(ValueError, match=seen):
        read(text)


def test_every_operation_named_is_in_the_catalogue() -> None:
    catalogue = (Path(__file__).parent.parent / "schemas" / "sbi" / "operations.tsv").read_text()
    named = {one for kind in kinds().values() for step in kind.steps.values() for one in step.operations}
    assert len(kinds()) == 15
    assert not {one for one in named if f"\t{one}" not in catalogue}


# From the captures

BY_HAND = ("ue_initial_registration", "ue_registration", "ue_mobility_registration", "authentication",
           "pdu_session_establishment", "pdu_session_release", "ue_deregistration")  # fmt: skip


def of_capture(name: str) -> list[dict[str, Any]]:
    return lines(sbiscope("decode", "--procedures", "--plain-identifiers", tshark.CAPTURES / f"{name}.pcapng"))


@pytest.mark.parametrize("name", ["open5gs-suite-scp", "open5gs-registration-full"])
def test_all_that_the_captures_hold_is_found_and_nothing_else(name: str) -> None:
    """Each line, compared with the messages by eye: capture, kind, subscriber, ms since the first, outcome, step."""
    with GOLDEN.open() as file:
        listed = [entry for entry in csv.reader(file, delimiter="\t") if entry[0] == name]
    rows = [one for one in of_capture(name) if one["kind"] in BY_HAND]
    first_us = min(one["begin_us"] for one in rows)
    found = [
        [name, one["kind"], one["supi"], str((one["begin_us"] - first_us) // 1_000), one["outcome"], step or ""]
        for one, step in ((one, one["failed_step"]) for one in rows)
    ]
    assert sorted(found) == sorted(listed)


def test_the_list_agrees_with_a_plain_count_of_messages() -> None:
    """Each confirmation that went well is a registration's, each PUT without one another's, each Create a session's."""
    requests = {
        one["request_key"] or one["exchange_key"]: one
        for one in lines(sbiscope("decode", "--transactions", tshark.CAPTURES / "open5gs-suite-scp.pcapng"))
        if not one["to_proxy"]
    }
    count = collections.Counter((one["operation"], one["consumer_nf"], one["outcome"]) for one in requests.values())
    with GOLDEN.open() as file:
        listed = collections.Counter(
            (kind, outcome) for name, kind, _, _, outcome, _ in csv.reader(file, delimiter="\t") if "suite" in name
        )
    confirmed = count["Nausf_UEAuthentication_Authenticate(5G-AKA confirmation)", "AMF", "success"]
    assert listed["authentication", "success"] == confirmed
    registered = listed["ue_initial_registration", "success"] + listed["ue_registration", "success"]
    assert registered == confirmed + 1  # one used its security context again
    asked = collections.Counter((one["operation"], one["consumer_nf"], one["result"]) for one in requests.values())
    assert listed["ue_initial_registration", "success"] == asked[SHORT["initial"][0], "AMF", "INITIAL_REGISTRATION"]
    created = sum(number for (name, _, _), number in count.items() if name == SHORT["create"][0])
    assert sum(n for (kind, _), n in listed.items() if kind == "pdu_session_establishment") == created
    gone = count["Nudm_UECM_Deregistration", "SMF", "success"]
    assert sum(n for (kind, _), n in listed.items() if kind == "pdu_session_release") == gone
    assert listed["ue_deregistration", "success"] == count[SHORT["unsubscribe"][0], "AMF", "success"] - 1  # one stopped


def test_pieces_of_a_conversation_never_crash_the_fold() -> None:
    for length in range(1, 4):
        for words in itertools.islice(itertools.permutations(SHORT, length), 400):
            told(said(" ".join(words)))
