"""Header blocks of other people's encoders: RFC 7541's examples, python hpack, libnghttp2, Go, Java; malformed blocks.

Whole, octet by octet, and joined late at any block: what is told exactly is what was encoded.
"""

import random
from collections.abc import Callable

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.hpack import Decoder
from collector.message import Half, HeaderState
from collector.selection import EVERYTHING
from tests.encoders import nghttp2
from tests.encoders.record import REQUESTS, load
from tests.observing import observe, summary

Fields = list[tuple[bytes, bytes]]
Encode = Callable[[Fields], bytes]
NGHTTP2 = pytest.mark.skipif(nghttp2.LIBRARY is None, reason="libnghttp2 is not installed")


def decode(decoder: Decoder, block: bytes) -> list | None:
    """Return the fields of a block, None if it is malformed."""
    fields: list = []
    return fields if decoder.decode(block, 0, len(block), fields) else None


# RFC 7541, appendix C.

FIRST_DATE, SECOND_DATE = "date: Mon, 21 Oct 2013 20:13:21 GMT", "date: Mon, 21 Oct 2013 20:13:22 GMT"
GET = ":method: GET|:scheme: http|:path: /|:authority: www.example.com"
CUSTOM = ":method: GET|:scheme: https|:path: /index.html|:authority: www.example.com|custom-key: custom-value"
MOVED = f"|cache-control: private|{FIRST_DATE}|location: https://www.example.com"
COOKIE = "|set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"
LAST = f":status: 200{MOVED}|content-encoding: gzip{COOKIE}".replace(FIRST_DATE, SECOND_DATE)
RESIZE_256 = "3fe101"
GZIPPED_PLAIN = (
    "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48"
    "514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31"
)
GZIPPED_HUFFMAN = (
    "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af"
    "27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007"
)
APPENDIX_C = [
    pytest.param([("400a637573746f6d2d6b65790d637573746f6d2d686561646572", "custom-key: custom-header")], id="C.2.1"),
    pytest.param([("040c2f73616d706c652f70617468", ":path: /sample/path")], id="C.2.2"),
    pytest.param([("100870617373776f726406736563726574", "password: secret")], id="C.2.3"),
    pytest.param([("82", ":method: GET")], id="C.2.4"),
    pytest.param(
        [
            ("828684410f7777772e6578616d706c652e636f6d", GET),
            ("828684be58086e6f2d6361636865", GET + "|cache-control: no-cache"),
            ("828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565", CUSTOM),
        ],
        id="C.3",
    ),
    pytest.param(
        [
            ("828684418cf1e3c2e5f23a6ba0ab90f4ff", GET),
            ("828684be5886a8eb10649cbf", GET + "|cache-control: no-cache"),
            ("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf", CUSTOM),
        ],
        id="C.4",
    ),
    pytest.param(
        [
            (
                RESIZE_256
                + "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a3231"
                + "20474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
                ":status: 302" + MOVED,
            ),
            ("4803333037c1c0bf", ":status: 307" + MOVED),
            (GZIPPED_PLAIN, LAST),
        ],
        id="C.5",
    ),
    pytest.param(
        [
            (
                RESIZE_256
                + "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad17"
                + "1863c78f0b97c8e9ae82ae43d3",
                ":status: 302" + MOVED,
            ),
            ("4883640effc1c0bf", ":status: 307" + MOVED),
            (GZIPPED_HUFFMAN, LAST),
        ],
        id="C.6",
    ),
]


@pytest.mark.parametrize("blocks", APPENDIX_C)
def test_the_examples_of_rfc_7541(blocks: list[tuple[str, str]]) -> None:
    decoder = Decoder(EVERYTHING, True)
    for octets, text in blocks:
        fields = [tuple(part.encode() for part in split(line)) for line in text.split("|")]
        assert decode(decoder, bytes.fromhex(octets)) == fields


def split(line: str) -> tuple[str, str]:
    """Split name and value."""
    at = line.index(": ", 1)
    return line[:at], line[at + 2 :]


# Other encoders.


def sbi_fields(rnd: random.Random, number: int) -> Fields:
    """Return the fields of an SBI-like request."""
    path = b"/nudm-sdm/v2/imsi-00101%010d/am-data" % rnd.randrange(10**6)
    if rnd.random() < 0.2:
        path = b"/nnrf-nfm/v1/nf-instances/54804518-4191-46b3-955c-ac631f953ed8"
    fields = [(b":method", rnd.choice((b"GET", b"PUT", b"PATCH"))), (b":scheme", b"http"), (b":authority", b"udm:80")]
    fields += [(b":path", path), (b"user-agent", b"AMF"), (b"3gpp-sbi-max-rsp-time", b"10000")]
    fields.append((b"3gpp-sbi-sender-timestamp", b"Sun, 22 Nov 2026 21:17:55.%03d GMT" % (number % 1000)))
    fields.append((b"3gpp-sbi-message-priority", b"%d" % rnd.randrange(32)))
    if rnd.random() < 0.3:
        fields.append((b"x-blob", rnd.randbytes(rnd.randrange(90)).replace(b"\0", b"\1")))
    return fields


def by_python(rnd: random.Random) -> Encode:
    """Return python hpack's encoder: with and without Huffman, resized now and then."""
    encoder = hpack.Encoder()

    def encode(fields: Fields) -> bytes:
        if rnd.random() < 0.03:
            encoder.header_table_size = rnd.choice((0, 64, 300, 1000, 4096))
        return bytes(encoder.encode(fields, huffman=rnd.random() < 0.8))

    return encode


def by_nghttp2(rnd: random.Random) -> Encode:
    """Return libnghttp2's encoder, resized now and then."""
    encoder = nghttp2.Encoder()

    def encode(fields: Fields) -> bytes:
        if rnd.random() < 0.03:
            encoder.resize(rnd.choice((0, 64, 300, 1000, 4096)))
        return encoder.encode(fields, rnd.random() < 0.05)

    return encode


ENCODERS = [pytest.param(by_python, id="python hpack"), pytest.param(by_nghttp2, id="libnghttp2", marks=NGHTTP2)]


@pytest.mark.parametrize("made_by", ENCODERS)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), first=st.integers(0, 60))
def test_another_encoders_blocks_whole_and_joined_late(
    made_by: Callable[[random.Random], Encode], seed: int, first: int
) -> None:
    rnd = random.Random(seed)
    encode = made_by(rnd)
    told = [sbi_fields(rnd, number) for number in range(80)]
    blocks = [encode(fields) for fields in told]
    whole, late = Decoder(EVERYTHING, True), Decoder(EVERYTHING, False)
    for number, (fields, block) in enumerate(zip(told, blocks, strict=True)):
        assert decode(whole, block) == fields
        if number >= first:
            read = decode(late, block)
            assert read is not None
            assert len(read) == len(fields)
            for (name, value), (true_name, true_value) in zip(read, fields, strict=True):
                assert name in (None, true_name)
                assert value in (None, true_value)
            assert (late.unknown is None) == all(name is not None for name, _ in read)


@pytest.mark.parametrize("made_by", ENCODERS)
def test_a_block_cut_anywhere_never_gives_a_field_that_was_not_sent(
    made_by: Callable[[random.Random], Encode],
) -> None:
    rnd = random.Random(11)
    encode = made_by(rnd)
    for number in range(23):
        fields = sbi_fields(rnd, number)
        block = encode(fields)
        for size in range(len(block)):
            read = decode(Decoder(EVERYTHING, False), block[:size])
            assert read is None or all(
                name in (None, fields[at][0]) and value in (None, fields[at][1])
                for at, (name, value) in enumerate(read)
            )


@pytest.mark.parametrize("made_by", ["hpack-go", "hpack-java"])
def test_recorded_traffic_whole_octet_by_octet_and_joined_late(made_by: str) -> None:
    written = load(made_by)
    _, messages = observe(written)
    assert len(messages) == 2 * REQUESTS
    assert {(m.header_state, m.ended.name) for m in messages} == {(HeaderState.EXACT, "COMPLETE")}
    truth = {(m.stream_id, m.half): m.headers for m in messages}
    check_by_hpack(written, {key: fields for key, fields in truth.items() if made_by == "hpack-go"})
    single = [(side, data[at : at + 1]) for side, data in written for at in range(len(data))]
    assert summary(observe(single)[1]) == summary(messages)
    known = asked = 0
    for first in range(4, len(written) - 4, 3):
        requests = 0
        for message in observe(written[first:], from_start=False)[1]:
            true = truth[message.stream_id, message.half]
            for (name, value), (true_name, true_value) in zip(message.headers, true, strict=bool(message.headers)):
                assert name in (None, true_name)
                assert value in (None, true_value)
            if message.half is Half.REQUEST and message.headers:
                requests += 1
                if requests >= 20:
                    asked += 1
                    known += dict(message.headers).get(b":path") is not None
    assert asked > 1_000
    assert known >= 0.99 * asked


def check_by_hpack(written: list[tuple[bool, bytes]], truth: dict) -> None:
    """Compare what was told of a connection with what python hpack reads in its HEADERS frames."""
    for from_client in (True, False) if truth else ():
        octets = b"".join(data for side, data in written if side == from_client)[24 if from_client else 0 :]
        decoder = hpack.Decoder()
        while octets:
            size, kind, stream = int.from_bytes(octets[:3], "big"), octets[3], int.from_bytes(octets[5:9], "big")
            if kind == 1:
                read = decoder.decode(octets[9 : 9 + size], raw=True)
                half = Half.REQUEST if from_client else Half.RESPONSE
                assert [tuple(field) for field in read] == truth[stream, half]
            octets = octets[9 + size :]


def test_python_h2_joined_late_knows_the_paths_by_the_twentieth_block() -> None:
    known = asked = 0
    for seed in range(101):
        rnd = random.Random(seed)
        encoder = hpack.Encoder()
        blocks = [bytes(encoder.encode(sbi_fields(rnd, number))) for number in range(150)]
        late = Decoder(EVERYTHING, False)
        first = rnd.randrange(1, 100)
        for block in blocks[first:]:
            fields = decode(late, block)
            assert fields is not None
            if block in blocks[first + 19 :]:
                asked += 1
                known += dict(fields).get(b":path") is not None
    assert known >= 0.99 * asked


# Malformed blocks (RFC 7541 section in each id).


@pytest.mark.parametrize(
    "block",
    [
        pytest.param("80", id="index 0 (6.1)"),
        pytest.param("be", id="index beyond the tables (2.3.3)"),
        pytest.param("7f00", id="name index beyond the tables"),
        pytest.param("ff", id="integer cut off (5.1)"),
        pytest.param("ffffffffff", id="integer without end"),
        pytest.param("ffffffffffffffffffff01", id="integer overflow"),
        pytest.param("ff8080808080808080808001", id="integer of many zeros"),
        pytest.param("40", id="name cut off (5.2)"),
        pytest.param("4001", id="name shorter than it says"),
        pytest.param("400161", id="value missing"),
        pytest.param("40016105", id="value shorter than it says"),
        pytest.param("40017f8000", id="string of great length"),
        pytest.param("0f80ffffff7f00", id="name index of great size"),
        pytest.param("4081ff0161", id="Huffman: eight bits of padding"),
        pytest.param("408100" + "0161", id="Huffman: padding with zeros"),
        pytest.param("40821fff0161", id="Huffman: padding longer than seven bits"),
        pytest.param("4084ffffffff0161", id="Huffman: EOS in the string"),
        pytest.param("823f11", id="size update behind a field (4.2)"),
        pytest.param("3fffffffffffffff", id="size update without end"),
    ],
)
def test_malformed_blocks_are_refused_as_python_hpack_does(block: str) -> None:
    octets = bytes.fromhex(block)
    decoder = Decoder(EVERYTHING, True)
    assert decode(decoder, octets) is None
    with pytest.raises(hpack.HPACKError):
        hpack.Decoder().decode(octets, raw=True)
    assert not decoder.synchronised


@pytest.mark.parametrize(
    ("block", "fields"),
    [
        pytest.param("20", [], id="size update to zero"),
        pytest.param("203fe11f", [], id="two size updates, the smallest and the last (4.2)"),
        pytest.param("3f0082", [(b":method", b"GET")], id="a size update before a field"),
        pytest.param("400161" + "00", [(b"a", b"")], id="empty value"),
        pytest.param("1f" + "2e" + "0161", [(b"www-authenticate", b"a")], id="never indexed, name by a longer integer"),
    ],
)
def test_odd_blocks_are_legal(block: str, fields: Fields) -> None:
    assert decode(Decoder(EVERYTHING, True), bytes.fromhex(block)) == fields


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=60))
def test_any_octets_are_taken_or_refused_as_python_hpack_does(block: bytes) -> None:
    try:
        theirs: Fields | None = [(bytes(name), bytes(value)) for name, value in hpack.Decoder().decode(block, raw=True)]
    except hpack.HPACKError:
        theirs = None
    ours = decode(Decoder(EVERYTHING, True), block)
    if ours != theirs:  # they refuse table sizes not offered, we integers above 2^28, which nothing legal has
        assert ours is None or theirs is None
        assert any(octet in block for octet in (b"\x3f", b"\xff", b"\x7f", b"\x1f", b"\x0f"))
