"""SBI traffic made to mislead inference: foreign headers with values like 3GPP's, redirections, refusals."""

import random

import hpack

from tests import traffic

Truth = dict[tuple[int, int], list[tuple[bytes, bytes]]]

BODY = b'{"supi":"imsi-001010000000001"}'
VALUES = {
    b"x-envoy-expected-rq-timeout-ms": (b"15000", b"10000"),
    b"x-envoy-attempt-count": (b"1", b"2", b"3"),
    b"x-b3-sampled": (b"0", b"1"),
    b"x-forwarded-port": (b"80", b"7777", b"8000"),
    b"x-nf": (b"UDM",),
    b"x-service": (b"nudm-sdm", b"nudm-ueau"),
    b"x-subscriber": (b"imsi-001010000000001", b"imsi-001010000000002"),
    b"x-code": (b"201", b"202"),
    b"x-request-id": (b"54804518-4191-46b3-955c-ac631f953ed8", b"54804518-4191-46b3-955c-ac631f953ed9"),
    b"origin": (b"http://smf:80",),
    b"x-hops": (b"1", b"2", b"3", b"4"),
    b"3gpp-sbi-message-priority": (b"0", b"17", b"24", b"31"),
    b"3gpp-sbi-max-rsp-time": (b"10000", b"5000", b"31"),
    b"3gpp-sbi-sender-timestamp": (b"Sun, 22 Nov 2026 21:17:55.648 GMT", b"Sun, 22 Nov 2026 21:17:55.649 GMT"),
    b"3gpp-sbi-scp-apiroot": (b"http://scp", b"http://smf:80"),
    b"3gpp-sbi-target-apiroot": (b"http://udm", b"http://smf:80"),
    b"3gpp-sbi-access-scope": (b"nudm-sdm", b"nudm-ueau"),
    b"3gpp-sbi-discovery-service-names": (b"nudm-sdm", b"nudm-ueau"),
    b"3gpp-sbi-discovery-target-nf-type": (b"UDM", b"SMF", b"NRF"),
    b"3gpp-sbi-discovery-requester-nf-type": (b"AMF",),
    b"user-agent": (b"AMF",),
}
ANSWERED = (
    b"x-hops",
    b"x-code",
    b"x-subscriber",
    b"3gpp-sbi-message-priority",
    b"3gpp-sbi-sender-timestamp",
    b"3gpp-sbi-target-apiroot",
)
SERVED = {  # what the servers take, auth-events as Open5GS has it
    b"/nsmf-pdusession/v1/sm-contexts": (b"POST",),
    b"/nudm-ueau/v1/imsi-1/auth-events": (b"POST", b"PUT"),
    b"/nnrf-nfm/v1/nf-instances/1": (b"GET", b"PUT", b"PATCH", b"DELETE"),
    b"/nudm-sdm/v2/imsi-1/sdm-subscriptions/1": (b"PATCH", b"DELETE"),
    b"/nausf-auth/v1/ue-authentications/1/5g-aka-confirmation": (b"PUT", b"DELETE"),
    b"/nudm-sdm/v2/imsi-1/am-data": (b"GET",),
    b"/x/v1/y": (b"GET", b"POST", b"PUT", b"PATCH", b"DELETE"),
}
METHODS = (b"GET", b"POST", b"PUT", b"PATCH", b"DELETE")


def misleading(seed: int, exchanges: int = 60) -> tuple[list[tuple[bool, bytes]], Truth]:
    """Return frames of both ends, and the fields of each half by stream and half."""
    rnd = random.Random(seed)
    ends = {True: hpack.Encoder(), False: hpack.Encoder()}
    frames: list[tuple[bool, bytes]] = [(True, traffic.PREFACE + traffic.settings()), (False, traffic.settings())]
    truth: Truth = {}
    for stream in range(1, 2 * exchanges, 2):
        path, method = rnd.choice(sorted(SERVED)), rnd.choice(METHODS)
        extra = [(name, rnd.choice(VALUES[name])) for name in rnd.sample(sorted(VALUES), 4)]
        asked = [(b":method", method), (b":scheme", b"http"), (b":authority", b"smf:80"), (b":path", path), *extra]
        sent = BODY if method in (b"PUT", b"POST", b"PATCH") else b""
        answered, body = _answer(rnd, path, method)
        for from_client, fields, said in ((True, asked, sent), (False, answered, body)):
            truth[stream, int(not from_client)] = fields
            block = bytes(ends[from_client].encode(fields))
            frames.append((from_client, traffic.frame(traffic.HEADERS, 4 | (not said), stream, block)))
            if said:
                frames.append((from_client, traffic.frame(traffic.DATA, 1, stream, said)))
    return frames, truth


def _answer(rnd: random.Random, path: bytes, method: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    extra = [(name, rnd.choice(VALUES[name])) for name in ANSWERED if rnd.random() < 0.4]
    if method not in SERVED[path]:
        return [(b":status", rnd.choice((b"403", b"405"))), *extra], b'{"cause":"INVALID_API"}'
    if rnd.random() < 0.2:
        redirected = (b"location", b"http://other" + path)
        return [(b":status", rnd.choice((b"307", b"308"))), redirected, *extra], rnd.choice((b"", b'{"cause":"X"}'))
    if method in (b"POST", b"PUT") and rnd.random() < 0.5:
        below = b"/1" if method == b"POST" or path.endswith(b"events") else b""
        return [(b":status", b"201"), (b"location", b"http://smf:80" + path + below), *extra], BODY
    if method == b"GET":
        return [(b":status", b"200"), *extra], BODY
    if method == b"POST" and rnd.random() < 0.5:
        return [(b":status", b"202"), *extra], b""
    return [(b":status", rnd.choice((b"200", b"204"))), *extra], b""
