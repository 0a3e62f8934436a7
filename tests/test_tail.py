"""A transaction's line, and what `tail` refuses; that it follows a real topic stands in test_privacy_stack."""

from typing import Any

import pytest

from schemas.fields import fields_of
from streams.tail import line
from tests.test_decode import sbiscope

SUPI = "imsi-001-k1-jpzpjfwdymhd2htzqskwb2qyii"
ROW: dict[str, Any] = {name: None for name, _ in fields_of("sbi_transaction_batch", "SbiTransaction")} | {
    "request_us": 1_795_381_129_047_000,
    "client_address": "10.0.0.1",
    "client_port": 40_001,
    "server_address": "10.0.0.2",
    "server_port": 7777,
    "consumer_nf": "AMF",
    "producer_nf": "UDM",
    "service": "nudm-sdm",
    "operation": "Get",
    "supi": SUPI,
    "status": 404,
    "outcome": "client_error",
    "cause": "USER_NOT_FOUND",
    "duration_us": 1_500,
    "node": "n1",
    "vantage": "wire",
}


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        (
            {},
            f"20:58:49.047  AMF → UDM  nudm-sdm Get  {SUPI}  ✗ 404 client_error USER_NOT_FOUND  1.50 ms  n1 wire",
        ),
        (
            {"supi": None, "status": None, "outcome": "unanswered", "cause": None, "duration_us": None},
            "20:58:49.047  AMF → UDM  nudm-sdm Get  ✗ unanswered  n1 wire",
        ),
        (
            {"consumer_nf": None, "service": None, "operation": None, "method": "PUT", "resource": "/x/{id}"}
            | {"status": 201, "outcome": "success", "cause": None, "pdu_session_id": 5},
            f"20:58:49.047  10.0.0.1:40001 → UDM  PUT /x/{{id}}  {SUPI}  /5  201 success  1.50 ms  n1 wire",
        ),
        ({"request_us": None, "response_us": 2**62}, None),
    ],
)
def test_it_says_who_what_whom_and_how(changed: dict[str, Any], wanted: str | None) -> None:
    told = line(ROW | changed)
    assert wanted is None or told == wanted


@pytest.mark.parametrize("hostile", ["\x1b[2J\x1b]0;owned\x07", "a\nb\rc", "\u202egnp", "\x9b31m", "\x00", "\ud800"])
def test_captured_text_can_do_nothing_to_a_terminal(hostile: str) -> None:
    for name in ("consumer_nf", "operation", "service", "supi", "cause", "node"):
        told = line(ROW | {name: hostile})
        assert told.isprintable()
        told.encode()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--where", "status=many"], "--where is no expression: status is a number, 'many' is none"),
        (["--where", "nothing=1"], "--where names no field: nothing"),
        (["--subscriber", "nobody"], "this is no subscriber identifier: nobody"),
        ([], "cannot reach Kafka: 127.0.0.1:9"),
    ],
)
def test_it_is_refused_in_one_line(words: list[str], said: str) -> None:
    done = sbiscope("tail", *words, SBISCOPE_KAFKA_BOOTSTRAP="127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr.decode().startswith(f"sbiscope tail: {said}")
    assert done.stderr.count(b"\n") == 1


def test_it_lists_its_fields() -> None:
    done = sbiscope("tail", "--fields")
    assert b"duration_us  null|long\n" in done.stdout
