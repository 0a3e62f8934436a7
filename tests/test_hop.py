"""Keys of hops: equal where the request is the same, different where it is another; ids as in schemas.identity."""

from hashlib import blake2b
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.hop import Keys
from collector.meaning import Meaning
from collector.message import Endpoints, Vantage
from collector.pseudonym import Pseudonyms
from schemas import identity
from tests.meant import ENDS, Headers, plain, request, response, told

STAMP = (b"3gpp-sbi-sender-timestamp", b"Sun, 22 Nov 2026 20:58:15.866 GMT")
AMF = (b"user-agent", b"AMF")
SECOND_HOP = Endpoints("d" * 32, Vantage.WIRE, False, "10.0.0.9", 51_000, "10.0.0.3", 8080)
PATH = "/nudm-sdm/v2/imsi-001010000000001/sm-data?dnn=internet&single-nssai=%7B%22sst%22%3A1%7D"


def key(path: str, *more: tuple[bytes, bytes], body: bytes = b"", method: str = "GET", **how: Any) -> str | None:
    """Return the request_key of a request."""
    headers: Headers = [*more]
    found = told(how.get("meaning") or plain(), request(method, path, headers, body), how.get("ends", ENDS))
    return found["request_key"]


def test_the_next_hop_has_the_same_key_whatever_the_proxy_rewrites() -> None:
    first = key(
        PATH, (b":authority", b"scp:80"), STAMP, AMF, (b"3gpp-sbi-target-apiroot", b"http://udm1:80/prefix"),
        (b"3gpp-sbi-discovery-target-nf-type", b"UDM"),
    )  # fmt: skip
    second = key(
        "/prefix/nudm-sdm/v2/imsi-001010000000001/sm-data?single-nssai=%7b%22sst%22:1}&dnn=internet",
        AMF, STAMP, (b":authority", b"udm1:80"), ends=SECOND_HOP,
    )  # fmt: skip
    assert first == second is not None


@pytest.mark.parametrize(
    "other",
    [
        {"path": PATH.replace("0001/", "0002/")},
        {"path": PATH.replace("internet", "ims")},
        {"method": "DELETE"},
        {"body": b"{}"},
        {"more": (STAMP, (b"user-agent", b"SMF"))},
        {"more": ((STAMP[0], STAMP[1].replace(b"866", b"867")), AMF)},
        {"more": (STAMP, AMF, (b"3gpp-sbi-correlation-info", b"imsi-1"))},
    ],
)
def test_another_request_has_another_key(other: dict[str, Any]) -> None:
    path, more = other.get("path", PATH), other.get("more", (STAMP, AMF))
    assert key(PATH, STAMP, AMF) != key(path, *more, body=other.get("body", b""), method=other.get("method", "GET"))


def test_without_a_stamp_there_is_no_key() -> None:
    assert key(PATH, AMF) is None
    assert key(PATH, AMF, (b"3gpp-sbi-request-info", b"idempotency-key=7")) is not None


def test_one_notification_to_two_receivers_is_two_requests() -> None:
    notify = (b"3gpp-sbi-callback", b"Nnrf_NFManagement_NFStatusNotify")
    via_proxy = key(
        "/n", STAMP, notify, (b":authority", b"scp:80"), (b"3gpp-sbi-target-apiroot", b"http://udm1:80"), method="POST"
    )
    arrived = key("/n", STAMP, notify, (b":authority", b"udm1:80"), method="POST", ends=SECOND_HOP)
    other = key("/n", STAMP, notify, (b":authority", b"scp:80"), method="POST")
    assert via_proxy == arrived
    assert other != arrived


def test_keys_of_requests_are_keyed_as_pseudonyms_are() -> None:
    made = {key(PATH, STAMP, meaning=Meaning(Pseudonyms(secret))) for secret in (None, b"1" * 32, b"2" * 32)}
    again = key(PATH, STAMP, meaning=Meaning(Pseudonyms(b"1" * 32)))
    assert (len(made), again in made) == (3, True)


def test_an_answer_carries_the_keys_of_its_request() -> None:
    meaning, asked = plain(), request("GET", PATH, [STAMP, AMF])
    first, second = told(meaning, asked), told(meaning, response(asked, 200))
    assert (first["request_key"], first["exchange_key"]) == (second["request_key"], second["exchange_key"])
    assert first["event_id"] != second["event_id"]


@given(
    st.text(max_size=20), st.integers(0, 65_535), st.integers(0, 2**31), st.none() | st.text(), st.none() | st.text()
)
def test_ids_are_those_of_the_schema(
    address: str, port: int, stream_id: int, method: str | None, path: str | None
) -> None:
    client = f"{address}\0{port}".encode(errors="surrogatepass")
    assert Keys(b"").of(b"c1", client, stream_id, method, path, False).decode() == (
        identity.event_id("c1", stream_id, identity.REQUEST)
        + identity.event_id("c1", stream_id, identity.RESPONSE)
        + identity.exchange_key(address, port, stream_id, method, path)
    )


@given(
    st.text(max_size=400), st.text(max_size=400), st.binary(max_size=300), st.integers(0, 2**31), st.binary(max_size=64)
)
def test_keys_worked_out_together_are_those_worked_out_alone(
    method: str, path: str, body: bytes, stream_id: int, key: bytes
) -> None:
    keys, client = Keys(key), b"10.0.0.1\x0040000"
    alone = keys.of(b"c1", client, stream_id, method, path, False)
    keys.carried(method, path, None, "correlation", None, b"stamp", body, 7)
    carried = b"\0".join((method.encode(), path.encode(), b"", b"correlation", b"", b"stamp", b"7", body))
    request_key = blake2b(carried, digest_size=16, key=key).hexdigest()
    assert keys.of(b"c1", client, stream_id, method, path, True) == alone + request_key.encode()
