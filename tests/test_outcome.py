"""streams/outcome.py: what became of a request, as a table."""

import pytest

from streams.outcome import BROKEN_OFF, WITHOUT_ANSWER, Asked, Ended, Outcome, is_business, of_answer, version_of

NOTHING = Asked()
ANSWERS = [
    # status, ended, result, asked, outcome
    (200, Ended.COMPLETE, None, NOTHING, Outcome.SUCCESS),
    (201, Ended.COMPLETE, None, NOTHING, Outcome.SUCCESS),
    (204, Ended.COMPLETE, None, NOTHING, Outcome.SUCCESS),
    (299, Ended.COMPLETE, None, NOTHING, Outcome.SUCCESS),  # an unknown 2xx counts as 200
    (200, Ended.COMPLETE, "AUTHENTICATION_FAILURE", NOTHING, Outcome.HIDDEN_FAILURE),
    (200, Ended.COMPLETE, "NO_NF_FOUND", NOTHING, Outcome.HIDDEN_FAILURE),
    (200, Ended.COMPLETE, "AUTHENTICATION_SUCCESS", NOTHING, Outcome.SUCCESS),
    (200, Ended.COMPLETE, "ACTIVATED", NOTHING, Outcome.SUCCESS),
    (200, Ended.COMPLETE, "PDU_RES_SETUP_REQ", NOTHING, Outcome.SUCCESS),
    (200, Ended.COMPLETE, "PATH_SWITCH_REQ_FAIL", NOTHING, Outcome.HIDDEN_FAILURE),
    (200, Ended.COMPLETE, "SMS_DELIVERY_FAILED", NOTHING, Outcome.HIDDEN_FAILURE),
    (200, Ended.COMPLETE, "EAP_FAILURE", NOTHING, Outcome.HIDDEN_FAILURE),
    (200, Ended.COMPLETE, "RATING_FAILED", NOTHING, Outcome.HIDDEN_FAILURE),
    (200, Ended.COMPLETE, "EAP_SUCCESS", NOTHING, Outcome.SUCCESS),  # TS 29.526, AuthStatus
    (200, Ended.COMPLETE, "PENDING", NOTHING, Outcome.SUCCESS),
    (200, Ended.COMPLETE, "AUTH_SUCCESS", NOTHING, Outcome.SUCCESS),  # TS 29.256, of a UAV
    (200, Ended.COMPLETE, "UE_CONTEXT_RESUME_RSP", NOTHING, Outcome.SUCCESS),  # TS 29.502, an SMF's usual answer
    (200, Ended.COMPLETE, "SOMETHING_NEW", NOTHING, Outcome.SUCCESS),
    (200, Ended.COMPLETE, "CANCELLED", NOTHING, Outcome.SUCCESS),  # as asked: the handover failed, not the exchange
    (200, Ended.GAP, None, NOTHING, Outcome.SUCCESS),  # its status stands
    (200, Ended.TIMEOUT, None, NOTHING, Outcome.SUCCESS),
    (200, Ended.RESET, None, NOTHING, Outcome.RESET),  # its body never came whole
    (200, Ended.CLOSED, None, NOTHING, Outcome.RESET),
    (503, Ended.RESET, None, NOTHING, Outcome.SERVER_ERROR),
    (307, Ended.COMPLETE, None, NOTHING, Outcome.REDIRECT),
    (308, Ended.COMPLETE, None, NOTHING, Outcome.REDIRECT),
    (304, Ended.COMPLETE, None, NOTHING, Outcome.BUSINESS),
    (412, Ended.COMPLETE, None, Asked(method="GET"), Outcome.BUSINESS),
    (412, Ended.COMPLETE, None, Asked(method="PUT"), Outcome.CLIENT_ERROR),
    (404, Ended.COMPLETE, None, NOTHING, Outcome.CLIENT_ERROR),
    (404, Ended.COMPLETE, None, Asked(method="DELETE"), Outcome.BUSINESS),
    (404, Ended.COMPLETE, None, Asked("DELETE", cause="SUBSCRIPTION_NOT_FOUND"), Outcome.BUSINESS),
    (404, Ended.COMPLETE, None, Asked("DELETE", cause="RESOURCE_URI_STRUCTURE_NOT_FOUND"), Outcome.CLIENT_ERROR),
    (404, Ended.COMPLETE, None, Asked("DELETE", cause="USER_NOT_FOUND"), Outcome.CLIENT_ERROR),
    (
        404,
        Ended.COMPLETE,
        None,
        Asked("POST", None, "Nsmf_PDUSession_ReleaseSMContext", "CONTEXT_NOT_FOUND"),
        Outcome.BUSINESS,
    ),
    (
        404,
        Ended.COMPLETE,
        None,
        Asked("POST", None, "Nsmf_PDUSession_ReleaseSMContext", "RESOURCE_URI_STRUCTURE_NOT_FOUND"),
        Outcome.CLIENT_ERROR,
    ),
    (404, Ended.COMPLETE, None, Asked("POST", operation="Nsmf_PDUSession_ReleaseSMContext"), Outcome.BUSINESS),
    (404, Ended.COMPLETE, None, Asked("GET", "nudm-sdm", cause="DATA_NOT_FOUND"), Outcome.BUSINESS),
    (404, Ended.COMPLETE, None, Asked("GET", "nudm-sdm", cause="USER_NOT_FOUND"), Outcome.CLIENT_ERROR),
    (404, Ended.COMPLETE, None, Asked("GET", "nudr-dr", cause="DATA_NOT_FOUND"), Outcome.CLIENT_ERROR),
    (401, Ended.COMPLETE, None, NOTHING, Outcome.CLIENT_ERROR),
    (429, Ended.COMPLETE, None, NOTHING, Outcome.CLIENT_ERROR),
    (500, Ended.COMPLETE, None, NOTHING, Outcome.SERVER_ERROR),
    (504, Ended.COMPLETE, None, NOTHING, Outcome.SERVER_ERROR),
    (-1, Ended.COMPLETE, None, NOTHING, Outcome.UNKNOWN),  # it came, and could not be read
    (-1, Ended.RESET, None, NOTHING, Outcome.RESET),
]


@pytest.mark.parametrize(("status", "ended", "result", "asked", "outcome"), ANSWERS)
def test_an_answer_has_an_outcome(
    status: int, ended: Ended, result: str | None, asked: Asked, outcome: Outcome
) -> None:
    assert of_answer(status, ended, result, asked) is outcome


def test_every_end_has_an_outcome() -> None:
    assert set(WITHOUT_ANSWER) == set(BROKEN_OFF) == set(Ended)
    assert [ended for ended in Ended if WITHOUT_ANSWER[ended] is Outcome.UNANSWERED] == [Ended.COMPLETE]
    assert Outcome.UNANSWERED not in BROKEN_OFF.values()


def test_only_statuses_of_the_table_are_normal() -> None:
    asked = Asked("GET", "nudm-sdm", "Nsmf_PDUSession_ReleaseSMContext", "DATA_NOT_FOUND")
    assert [status for status in range(100, 600) if is_business(status, asked)] == [304, 404, 412]


def test_what_is_known_outranks_what_is_not() -> None:
    ranks = [
        version_of(Outcome.UNKNOWN, answered=False),
        version_of(Outcome.UNANSWERED, answered=False),
        version_of(Outcome.LATE, answered=True),
    ]
    assert ranks == [0, 1, 2]
    assert version_of(Outcome.UNKNOWN, answered=True) == 2  # an answer that could not be read is an answer
