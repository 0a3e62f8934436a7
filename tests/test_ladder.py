"""The ladder: each logical request once, procedures as brackets, in every form, whatever the captured strings hold."""

import json
import re
from pathlib import Path

import pytest

from streams.ladder.content import Ladder, ladder
from streams.ladder.page import lanes, page
from streams.ladder.terminal import terminal
from streams.ladder.text import as_json, mermaid, plantuml
from tests import tshark
from tests.browser import opened, texts, trap
from tests.test_cli import run
from tests.test_procedures import Stage, row, said

SUITE = tshark.CAPTURES / "open5gs-suite-scp.pcapng"
SUBSCRIBER = "imsi-999700000000070"
FORMS = (terminal, page, mermaid, plantuml, as_json)


def drawn(conversation: str) -> Ladder:
    stage = Stage()
    stage.give(said(conversation), 0)
    stage.tick(60_000)
    return ladder("imsi-1", said(conversation), stage.rows)


def trace(*words: str) -> str:
    done = run("trace", SUBSCRIBER, "--capture", str(SUITE), "--plain-identifiers", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_hops_and_ends_are_one_arrow_with_what_the_proxy_took() -> None:
    hop = row("create", 0, to_proxy=True, duration_us=3_100, transaction_id="p", exchange_key="p")
    (arrow,) = ladder(
        "imsi-1", [hop, row("create", 0, vantage="client", transaction_id="c"), row("create", 0)], []
    ).arrows
    assert (arrow.source, arrow.target, arrow.proxy, arrow.proxy_us) == ("AMF", "SMF", "SCP", 1_100)
    assert arrow.transactions == ("c", "p", "t0")


def test_brackets_hold_their_arrows_and_overlapping_ones_stand_beside_each_other() -> None:
    one = drawn("auth vector confirm initial sdm create n1n2 setup")
    assert [(two.kind, two.first, two.last) for two in one.brackets] == [
        ("ue_initial_registration", 0, 4),
        ("authentication", 0, 2),
        ("pdu_session_establishment", 5, 7),
    ]
    assert [lane for lane, _ in lanes(one.brackets)] == [0, 1, 0]


def test_one_request_has_a_bracket_where_it_says_more_than_its_arrow() -> None:
    assert [one.kind for one in drawn("switched policy").brackets] == ["xn_handover"]
    assert [one.failed_step for one in drawn("policy=503").brackets] == ["create"]


def test_a_failure_is_marked_with_its_answer() -> None:
    text = terminal(drawn("create=503 n1n2"))
    assert "✗ Nsmf_PDUSession_CreateSMContext /5 503 server_error" in text
    assert "└ pdu_session_establishment: failed at create" in text


def test_a_capture_is_drawn_without_any_stack() -> None:
    told = json.loads(trace("--format", "json"))
    assert told["lifelines"] == ["AMF", "SMF", "AUSF", "UDM", "UDR", "PCF", "BSF", "SCP"]
    assert len(told["arrows"]) == 99
    failed = [one for one in told["brackets"] if one["kind"] == "pdu_session_establishment" and one["failed_step"]]
    assert [one["failed_step"] for one in failed] == ["set_up"]
    assert trace().count("└ ue_initial_registration: success") == 4
    assert trace("--format", "mermaid").count("L0->>L2") == 8
    assert trace("--format", "plantuml").endswith("@enduml\n")


def test_who_is_not_there_is_said_in_one_line() -> None:
    done = run("trace", "imsi-001010000000001", "--capture", str(SUITE))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "nothing is known of this subscriber: imsi-001-k1-" in done.stderr  # by its pseudonym


def test_a_browser_reads_lifelines_and_arrows_back(tmp_path: Path) -> None:
    file = tmp_path / "ladder.html"
    trace("--format", "html", "--output", str(file))
    document = opened(file)
    assert texts(document, "name") == ["AMF", "SMF", "AUSF", "UDM", "UDR", "PCF", "BSF", "SCP"]
    assert len(texts(document, "told")) == 99
    assert len(re.findall(r'class="request bad"', document)) == 1
    assert "ue_initial_registration: success" in texts(document, "kind")


# What captured strings may try, in each string a ladder shows.
ZOO = (
    "<script>document.title='run'</script>",
    '"><img src=x onerror="document.title=\'run\'">',
    "</text></svg><script src={url}></script>",
    "<style>@import '{url}';*{background:url({url})}</style>",
    "<image href='{url}'/><link rel=stylesheet href='{url}'><iframe src='{url}'>",
    "\x1b]0;run\x07\x1b[2J\x1b[31m",
    "a\nend\nparticipant Evil\rL0->>L0: run",
    "%%{{init: {{}}}}%%",
    "@enduml\n!include {url}",
    "\u202eevil\u200b",
    "=cmd|' /C calc'!A0",
)


def test_hostile_strings_are_inert_in_every_form(tmp_path: Path) -> None:
    names = ("operation", "cause", "consumer_nf", "producer_nf", "result", "transaction_id", "request_key")
    with trap() as (url, asked):
        zoo = [text.replace("{url}", url) for text in ZOO]
        rows = [row("create=503", place, **dict.fromkeys(names, text)) for place, text in enumerate(zoo)]
        steps = {"step_transactions": zoo, "outcome": "failed", "duration_us": 1, "failed_step": zoo[0]}
        one = ladder(zoo[1], rows, [{"kind": text, **steps} for text in zoo])
        assert len(one.arrows) == len(ZOO) == len(one.brackets)
        for form in (terminal, mermaid, plantuml):
            text = form(one)
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e\u200b]", text)
        for form in (mermaid, plantuml):
            assert not re.search(
                r"[<>\"'%!@#;{}|`\\]", re.sub(r'->>|-x|->x|->|@(start|end)uml|participant "|" as|rgba', "", form(one))
            )
        assert mermaid(one).count("\n  participant") == len(one.lifelines)
        assert json.loads(as_json(one))["subscriber"] == zoo[1]
        file = tmp_path / "zoo.html"
        file.write_text(page(one))
        document = opened(file)
        assert not asked
    title = re.search(r"<title>(.*?)</title>", document, re.DOTALL)
    assert title and title[1] != "run"
    assert "<script" not in document and "<iframe" not in document
    assert len(texts(document, "told")) == len(ZOO)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_nothing_to_show_is_no_crash(form: object) -> None:
    assert callable(form)
    assert form(ladder("imsi-1", [], []))
