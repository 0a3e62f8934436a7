"""A capture whose captured strings all are payloads: scripts, control sequences, formulas, quotes, diagram words."""

import json

from collector.capture_writing import connection, pcapng
from collector.http2_writing import beginning, conversation
from collector.message import Ended, Endpoints, Half, Vantage
from collector.redacted_message import Written
from tests.test_sbi_headers import HEADERS

SUPI = "imsi-001010000000001"
ENDS = Endpoints("c" * 32, Vantage.WIRE, False, "10.0.0.1", 40_000, "10.0.0.2", 80)
BEGIN_NS = 1_795_381_129_000_000_000
SECOND_NS = 1_000_000_000
# `{url}` is where a page must not go.
PAYLOADS = (
    "<script>document.title='run'</script>",
    '"><img src=x onerror="document.title=\'run\'">',
    "</text></svg><script src={url}></script>",
    "</style><svg onload=document.title='run'><style>@import '{url}';*{background:url({url})}</style>",
    "<link rel=stylesheet href='{url}'><iframe src='{url}'></iframe><base href='{url}'>",
    "[x](javascript:alert(1)) ![x]({url}) | x | y |",
    "\x1b]0;run\x07\x1b[2J\x1b[31m\x9b31m\x7f",
    "a\r\nend\nparticipant Evil\rL0->>L0: run",
    "%%{init: {}}%%",
    "@enduml\n!include {url}",
    "\u202eevil\u200b\u2066",
    "=cmd|' /C calc'!A0",
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+9)*cmd|' /C calc'!A0",
    "\t=1+1",
    "'; DROP TABLE transactions; --",
    "{{ 7 * 7 }}${7*7}<%= 7*7 %>",
)
MEMBERS = ("supi", "dnn", "nfInstanceId", "nfType", "gpsi", "pei", "cause", "error", "authResult", "servingNetworkName",
           "n1SmMsg", "smContextStatusUri", "notificationUri", "callbackReference", "subscriptionId")  # fmt: skip


def capture(url: str) -> bytes:
    """Return a pcapng of one connection: with each payload a registration refused, a session, and an unknown path."""
    said: list[Written] = []
    for text in (payload.replace("{url}", url) for payload in PAYLOADS):
        shapes = (
            ("PUT", f"/nudm-uecm/v1/{SUPI}/registrations/amf-3gpp-access?x={text}", "403"),
            ("POST", f"/nsmf-pdusession/v1/sm-contexts?x={text}", "504"),
            (text, f"/{text}/v1/{text}?{text}={text}", text),
        )
        for method, path, status in shapes:
            stream_id = 2 * (len(said) // 2) + 1
            at_ns = BEGIN_NS + len(said) * SECOND_NS
            members = dict.fromkeys(MEMBERS, text) | {"supi": SUPI, "pduSessionId": 5, text: text}
            asked = [(":method", method), (":scheme", "http"), (":authority", text), (":path", path), *_fields(text)]
            said.append(_half(Half.REQUEST, stream_id, asked, {**members, "nfProfile": members}, at_ns))
            problem = {**members, "error": {"cause": text}, "title": text, "detail": text, "invalidParams": [members]}
            answered = [(":status", status), *_fields(text)]
            said.append(_half(Half.RESPONSE, stream_id, answered, problem, at_ns + SECOND_NS // 2))
    opened = [(BEGIN_NS - 1, True, beginning(True)), (BEGIN_NS - 1, False, beginning(False))]
    return b"".join(pcapng(connection(ENDS, [*opened, *conversation(said)]), url))


def _fields(text: str) -> list[tuple[str, str]]:
    fields = [(name, text) for name in ("user-agent", "server", "via", "location", "retry-after", "authorization")]
    fields += [(f"3gpp-sbi-{name.lower()}", text) for name in HEADERS]
    loads = f'Timestamp: "{text}"; Load-Metric: 7%; NF-Instance: {text}; S-NSSAI: {text}; DNN: {text}'
    return [*fields, ("3gpp-sbi-lci", loads), ("3gpp-sbi-nf-peer-info", f"srcinst={text}; dstscp={text}")]


def _half(half: Half, stream_id: int, fields: list[tuple[str, str]], members: dict[str, object], at_ns: int) -> Written:
    body = json.dumps(members).encode()
    kind = ("content-type", "application/problem+json" if half == Half.RESPONSE else "application/json")
    return Written(half, stream_id, (*fields, kind), body, at_ns, at_ns + 1_000, Ended.COMPLETE)
