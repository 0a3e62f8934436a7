"""Identifiers and secrets planted in SBI traffic, and a scan for them byte by byte in whatever came of it.

For every place where data may come to rest: files, topics, tables, logs, reports. Take `capture()` as input, then
`found(octets)` must be empty; `found_in_text` also looks into base64 that the output itself holds.
"""

import base64
import re
from collections.abc import Iterable
from urllib.parse import quote

import h2.config
import h2.connection

from tests.conversation import Written
from tests.wire import ACK, SYN, ethernet, pcap, segment

# What must not be found. The digits alone are told, so that every spelling around them counts.
IDENTIFIERS = {
    "supi": "001019876543210",
    "bare supi": "001018765432109",
    "msin of a null-scheme suci": "0198765432",
    "concealed suci": "9f1c3a7755aa04e1b2c3d4e5f60718293a4b5c6d7e8f90a1",
    "supi nai": "petra.planted@campus.example.org",
    "gci": "planted-gci-0a1b2c3d",
    "gpsi": "4915198765432",
    "external id": "meter-planted-77@iot.example.org",
    "imei": "356938035643809",
    "imeisv": "3569380356438091",
    "mac": "de-ad-be-ef-70-07",
    "mac without a prefix": "de-ad-be-ef-70-08",
    "mac with colons": "de:ad:be:ef:70:09",
    "e.164": "4915198765434",
    "e.164 with marks": "+49 151 98765-435",
    "supi amid letters": "001019876543211",
    "supi before a dot": "001019876543212",
    "supi with a session": "00101987654321305",
    "guti": "00101020040cafe5ea1",
    "guti of a wrong length": "0010102004cafe5ea2",
    "impi": "001019876543210@ims.mnc001.mcc001.3gppnetwork.org",
    "impu": "sip:petra.planted@ims.example.org",
    "tel": "+4915198765433",
    "ue ipv4": "10.45.171.205",
    "ue ipv6": "2001:db8:cafe:beef::",
    "ue ipv4 in a sentence": "10.45.171.206",
    "ue ipv4 with a port": "10.45.171.207",
    "ue ipv6 in a path": "2001:db8:cafe:bee5::5",
    "ue ipv6 in a header": "2001:db8:cafe:bee6::",
}
SECRETS = {
    "k": "465b5ce8b199b49faa5f0a2ee238a6bd",
    "opc": "e8ed289deba952e4283b54e88e6183cb",
    "rand": "17fed2020b8f3609ca0a3b942be21f24",
    "autn": "269d9572c73e80002a3e1b73eee69c64",
    "xresstar": "58e048b7e65272b08fde22909a09bc61",
    "kausf": "8ec3b74460b7d790055b8cc4656eb5830194c88987cdcd36db5314465ce6c7d2",
    "kseaf": "f96fe831108b10b7551a3772e7e770e327686f6f9a089860a3f5a13310194fd3",
    "sqn": "000011223366",
    "bearer": "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.c2lnbmF0dXJlcGxhbnRlZA",
    "client secret": "correct-horse-battery-staple-planted",
    "nas": "7e005600020000217b5e0a1c",
    "sms": "VGhpcyBpcyBhIHBsYW50ZWQgc2hvcnQgbWVzc2FnZQ==",
    "cell": "0a5f31c07",
    "detail": "planted detail of a problem nobody should read",
}
PLANTED = {**IDENTIFIERS, **SECRETS}
LATE_NS = 600_000_000_000
SHORTEST = 8  # octets of a form looked for: shorter ones are found by chance

NAMES, HIDDEN = IDENTIFIERS, SECRETS
_SUPI = f"imsi-{NAMES['supi']}"
_NULL_SUCI = f"suci-0-001-01-0-0-0-{NAMES['msin of a null-scheme suci']}"
_SUCI = f"suci-0-001-01-0-1-1-{NAMES['concealed suci']}"
_CELL = f'{{"nrLocation":{{"tai":{{"tac":"0a5f31"}},"ncgi":{{"nrCellId":"{HIDDEN["cell"]}"}}}}}}'
_PREFIX = f"{NAMES['ue ipv6']}/64"
_JSON, _PROBLEM = "application/json", "application/problem+json"
_MULTIPART = 'multipart/related; boundary="----planted"'

Message = tuple[dict[str, str], bytes]


def exchanges() -> list[tuple[Message, Message]]:
    """Return requests and responses that hold everything planted, wherever the grammar lets it stand."""
    vector = ",".join(
        f'"{name}":"{HIDDEN[key]}"'
        for name, key in (("rand", "rand"), ("autn", "autn"), ("xresStar", "xresstar"), ("kausf", "kausf"))
    )
    return [
        _exchange(
            f"/nudm-sdm/v2/{_SUPI}/am-data?plmn-id=%7B%22mcc%22%3A%22001%22%7D",
            "",
            f'{{"gpsis":["msisdn-{NAMES["gpsi"]}"]}}',
        ),
        _exchange(f"/nudm-sdm/v2/imsi%2D{NAMES['supi']}/nssai", "", "{}"),
        _exchange(
            f"/nudr-dr/v2/subscription-data/{NAMES['bare supi']}/authentication-data/authentication-subscription",
            "",
            f'{{"encPermanentKey":"{HIDDEN["k"]}","encOpcKey":"{HIDDEN["opc"]}","sequenceNumber":{{"sqn":"{HIDDEN["sqn"]}"}}}}',
        ),
        _exchange(
            "/nausf-auth/v1/ue-authentications",
            f'{{"supiOrSuci":"{_SUCI}","servingNetworkName":"5G:mnc001.mcc001.3gppnetwork.org"}}',
            f'{{"authType":"5G_AKA","5gAuthData":{{{vector}}}}}',
            status="201",
            location=f"http://10.0.0.2:7777/nausf-auth/v1/ue-authentications/{_NULL_SUCI}",
        ),
        _exchange(
            f"/nausf-auth/v1/ue-authentications/{_NULL_SUCI}/5g-aka-confirmation",
            f'{{"resStar":"{HIDDEN["xresstar"]}"}}',
            f'{{"authResult":"AUTHENTICATION_SUCCESS","supi":"{_SUPI}","kseaf":"{HIDDEN["kseaf"]}"}}',
            method="PUT",
        ),
        _exchange(
            f"/nudm-ueau/v1/{_SUCI}/security-information/generate-auth-data",
            "{}",
            f'{{"authenticationVector":{{{vector}}},"supi":"{_SUPI}"}}',
        ),
        _exchange(
            f"/namf-comm/v1/ue-contexts/5g-guti-{NAMES['guti']}/transfer",
            '{"reason":"INIT_REG"}',
            f'{{"ueContext":{{"supi":"{_SUPI}","pei":"imeisv-{NAMES["imeisv"]}"}}}}',
        ),
        _exchange(f"/namf-comm/v1/ue-contexts/5g-guti-{NAMES['guti of a wrong length']}/release", "{}", ""),
        _exchange(
            f"/namf-callback/v1/smContextStatus/{NAMES['guti']}/10", '{"statusInfo":{"resourceStatus":"RELEASED"}}', ""
        ),
        _exchange(
            f"/n5g-eir-eic/v1/equipment-status?pei=imei-{NAMES['imei']}&supi={_SUPI}&gpsi=msisdn-{NAMES['gpsi']}",
            "",
            '{"status":"WHITELISTED"}',
        ),
        _exchange(f"/n5g-eir-eic/v1/equipment-status?pei=mac-{NAMES['mac']}", "", "{}"),
        _exchange(f"/nudm-sdm/v2/nai-{quote(NAMES['supi nai'])}/am-data", "", "{}"),
        _exchange(f"/nudm-sdm/v2/gci-{NAMES['gci']}/am-data", "", "{}"),
        _exchange(
            f"/nudm-ee/v1/extid-{quote(NAMES['external id'])}/ee-subscriptions",
            f'{{"callbackReference":"http://10.0.0.1:80/cb/{_SUPI}"}}',
            "",
            status="201",
            location=f"/nudm-ee/v1/extid-{NAMES['external id']}/ee-subscriptions/7",
        ),
        _exchange(
            f"/nhss-ims-sdm/v1/impi-{NAMES['impi']}/identities",
            "",
            f'{{"impu":"{NAMES["impu"]}","tel":"tel:{NAMES["tel"]}"}}',
        ),
        _exchange(f"/nhss-ims-sdm/v1/impu-{quote(NAMES['impu'])}/ims-data", "", "{}"),
        _exchange(f"/nhss-ims-sdm/v1/impu-tel:{NAMES['tel']}/ims-data", "", "{}"),
        _exchange(
            f"/nbsf-management/v1/pcfBindings?ipv4Addr={NAMES['ue ipv4']}&ipv6Prefix={quote(_PREFIX, safe='')}",
            "",
            f'{{"supi":"{_SUPI}","ipv4Addr":"{NAMES["ue ipv4"]}","ipv6Prefix":"{NAMES["ue ipv6"]}/64"}}',
        ),
        _exchange(
            "/oauth2/token",
            f"grant_type=client_credentials&client_secret={HIDDEN['client secret']}",
            f'{{"access_token":"{HIDDEN["bearer"]}"}}',
            content_type="application/x-www-form-urlencoded",
        ),
        _exchange(
            "/nsmf-pdusession/v1/sm-contexts",
            _sm_context(),
            "{}",
            status="201",
            location="http://10.0.0.2:7777/nsmf-pdusession/v1/sm-contexts/7",
            content_type=_MULTIPART,
        ),
        _exchange(
            "/nsmf-pdusession/v1/sm-contexts/7/modify",
            f'{{"ueLocation":{_CELL},"n2SmInfoType":"PDU_RES_SETUP_RSP"}}',
            "",
        ),
        _exchange(
            f"/nsmsf-sms/v2/ue-contexts/{_SUPI}/sendsms", f'{{"smsRecordId":"1","smsPayload":"{HIDDEN["sms"]}"}}', "{}"
        ),
        _exchange(
            f"/nudm-sdm/v2/{_SUPI}/sm-data",
            "",
            f'{{"title":"no [{_SUPI}]","status":404,"detail":"{HIDDEN["detail"]}",'
            f'"cause":"USER_NOT_FOUND","instance":"/{_SUPI}"}}',
            status="404",
            answer_type=_PROBLEM,
        ),
        _exchange(
            f"/unknown/{_SUPI}/api?x={NAMES['bare supi']}&q={quote(quote(_SUPI.replace('-', '%2D')))}",
            f'{{"deep":[[{{"msisdn":"{NAMES["gpsi"]}"}}]]}}',
            "",
        ),
        _exchange(
            f"/nudr-dr/v2/subscription-data/{_SUPI}/authentication-data/authentication-subscription",
            f'[{{"op":"replace","path":"/sequenceNumber/sqn","value":"{HIDDEN["sqn"]}"}}]',
            "",
            method="PATCH",
            content_type="application/json-patch+json",
        ),
        *_without_prefix(),
        *_encoded(),
        _everywhere(),
    ]


def _without_prefix() -> list[tuple[Message, Message]]:
    """Return exchanges that name a UE by what has no prefix: its look and its place alone tell it."""
    mac, colons, number = NAMES["mac without a prefix"], NAMES["mac with colons"], NAMES["e.164"]
    marked, said = NAMES["e.164 with marks"], NAMES["ue ipv4 in a sentence"]
    spelled = (
        f"ue{NAMES['supi amid letters']}x",
        f"imsi{NAMES['supi amid letters']}",
        f"{NAMES['supi before a dot']}.json",
        NAMES["supi with a session"],
        f"+{number}",
        mac,
        colons,
        NAMES["ue ipv6 in a path"],
    )
    made = [
        _exchange(f"/unknown/{text}/api?x={text}", f'{{"x":"{text}"}}', "", location=f"/x/{text}/y") for text in spelled
    ]
    made += [_exchange(f"/x?a=b&gpsi={quote(marked)}&macAddr48={quote(colons)}", "", f'{{"phone":"{marked}"}}')]
    asked = f'{{"flowDescription":"permit out 17 from {said} 49170 to any",'
    asked += f'"ueIpAddr":"{NAMES["ue ipv4 with a port"]}:5060","nfProfile":{{"ueIp":"{said}"}},"destMacAddr":"{mac}",'
    asked += f'"msisdn":{number},"{colons}":{{}}}}'
    answered = f'{{"title":"Unknown {NAMES["supi before a dot"]}.","cause":"UE {said} at {mac} of +{number}"}}'
    (request, body), answer = _exchange("/npcf-policyauthorization/v1/app-sessions", asked, answered, status="403")
    request |= {
        ":authority": f"{NAMES['supi before a dot']}.ims.example:80",
        "3gpp-sbi-discovery-ue-ipv4-address": f"{NAMES['ue ipv4 with a port']}:5060",
        "3gpp-sbi-discovery-ue-ipv6-prefix": quote(f"{NAMES['ue ipv6 in a header']}/64", safe=""),
        "3gpp-sbi-discovery-ue-mac-address": mac,
        "3gpp-sbi-discovery-gpsi": f"+{number}",
    }
    return [*made, ((request, body), answer)]


def _encoded() -> list[tuple[Message, Message]]:
    """Return exchanges that name their subscriber as another program might encode him."""
    raw = _SUPI.encode()
    spelled = {
        "base64": base64.b64encode(raw).decode(),
        "base64url": base64.urlsafe_b64encode(raw).decode().rstrip("="),
        "hex": raw.hex(),
        "HEX": raw.hex().upper(),
        "url": "".join(f"%{octet:02X}" for octet in raw),
        "url twice": "".join(f"%25{octet:02x}" for octet in raw),
        "digits in base64": base64.b64encode(NAMES["supi"].encode()).decode(),
        "digits in hex": NAMES["supi"].encode().hex(),
        "behind others": base64.b64encode(b"xy" + raw).decode(),
        "nai": base64.b64encode(NAMES["supi nai"].encode()).decode(),
    }
    made = []
    for text in spelled.values():
        body = f'{{"dnn":"{text}","cause":"{text}","note":"{text}"}}'
        exchange = _exchange(f"/nudm-sdm/v2/{text}/am-data?q={text}", body, body, location=f"/nudm-sdm/v2/x/{text}")
        exchange[0][0].update({"user-agent": text, "via": f"2.0 {text}", "3gpp-sbi-target-apiroot": f"http://u/{text}"})
        exchange[1][0].update({"server": text, "3gpp-sbi-producer-id": f"nfinst={text}"})
        made.append(exchange)
    return made


def _everywhere() -> tuple[Message, Message]:
    """Return an exchange that names its subscriber where no grammar allows it."""
    (request, _), (response, _) = _exchange(f"/{_SUPI}/v1/{_SUPI}?{_SUPI}={_SUPI}#{_SUPI}", "x", "x", status="403")
    request |= {
        ":method": _SUPI.upper(),
        ":authority": f"{_SUPI}@{_SUPI}.example:7777",
        "user-agent": f"AMF-{_SUPI}",
        "via": f"2.0 {_SUPI}",
        "content-type": f"application/{_SUPI}; charset={_SUPI}",
        "3gpp-sbi-callback": f"Nudm_{_SUPI}; apiversion=1",
        "3gpp-sbi-target-apiroot": f"http://{_SUPI}.example/{_SUPI}",
        "3gpp-sbi-request-info": f"retrans=true; idempotency-key={_SUPI}",
        "3gpp-sbi-message-priority": NAMES["supi"],
        "3gpp-sbi-sender-timestamp": f"Sun, 22 Nov 2026 20:58:15.866 {_SUPI}",
        f"3gpp-sbi-{_SUPI}": _SUPI,
        f"3gpp-sbi-x-{NAMES['supi']}": HIDDEN["bearer"],
    }
    response |= {
        "server": f"UDM-{_SUPI}",
        "via": f"2.0 {_SUPI}, 2.0 SEPP-{_SUPI}",
        "retry-after": NAMES["supi"],
        "3gpp-sbi-producer-id": f"nfinst={_SUPI}",
    }
    asked = f'{{"dnn":"{_SUPI}","authResult":"{_SUPI}","nfType":"{_SUPI}","fqdn":"{_SUPI}","{_SUPI}":"{_SUPI}"}}'
    answered = f'{{"cause":"NO {_SUPI}","title":"{_SUPI}","invalidParams":[{{"param":"{_SUPI}"}}]}}'
    return (request, asked.encode()), (response, answered.encode())


def _sm_context() -> str:
    document = (
        f'{{"supi":"{_SUPI}","pei":"imeisv-{NAMES["imeisv"]}","gpsi":"msisdn-{NAMES["gpsi"]}","pduSessionId":5,"dnn":"internet",'
        f'"sNssai":{{"sst":1,"sd":"0A0B0C"}},"ueLocation":{_CELL},"n1SmMsg":{{"contentId":"n1"}},'
        f'"smContextStatusUri":"http://10.0.0.1:80/namf-callback/v1/{_SUPI}/sm-context-status/5"}}'
    )
    return (
        f"------planted\r\nContent-Type: application/json\r\n\r\n{document}\r\n"
        f"------planted\r\nContent-Id: n1\r\nContent-Type: application/vnd.3gpp.5gnas\r\n\r\n{HIDDEN['nas']}\r\n"
        "------planted--\r\n"
    )


def _exchange(
    path: str,
    body: str,
    answer: str,
    method: str = "",
    status: str = "200",
    location: str = "",
    content_type: str = _JSON,
    answer_type: str = _JSON,
) -> tuple[Message, Message]:
    request = {
        ":method": method or ("POST" if body else "GET"),
        ":scheme": "http",
        ":authority": "scp.example:7777",
        ":path": path,
        "user-agent": "AMF",
        "authorization": f"Bearer {HIDDEN['bearer']}",
        "3gpp-sbi-access-token": f"Bearer {HIDDEN['bearer']}",
        "3gpp-sbi-client-credentials": HIDDEN["bearer"],
        "3gpp-sbi-correlation-info": f"{_SUPI};msisdn-{NAMES['gpsi']};imeisv-{NAMES['imeisv']}",
        "3gpp-sbi-discovery-supi": _SUPI,
        "3gpp-sbi-discovery-ue-ipv4-address": NAMES["ue ipv4"],
        "3gpp-sbi-discovery-external-group-identity": f"extid-{NAMES['external id']}",
    }
    response = {":status": status, "server": "UDM", "3gpp-sbi-correlation-info": _SUPI}
    if body:
        request["content-type"] = content_type
    if answer:
        response["content-type"] = answer_type
    if location:
        response["location"] = location
    return (request, body.encode()), (response, answer.encode())


def written() -> Written:
    """Return what both ends of one connection write."""
    return [piece for pieces in _written() for piece in pieces]


def _written() -> list[Written]:
    """Return what both ends write: to begin with, then for each exchange."""
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, validate_outbound_headers=False))
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, validate_inbound_headers=False))
    octets: Written = []
    client.initiate_connection()
    server.initiate_connection()
    _pass_on(client, server, octets)
    said = [octets]
    for (asked, body), (answered, answer) in exchanges():
        said.append(octets := [])
        stream = client.get_next_available_stream_id()
        client.send_headers(stream, list(asked.items()), end_stream=not body)
        if body:
            client.send_data(stream, body, end_stream=True)
        _pass_on(client, server, octets)
        server.send_headers(stream, list(answered.items()), end_stream=not answer)
        if answer:
            server.send_data(stream, answer, end_stream=True)
        _pass_on(client, server, octets)
    return said


def _pass_on(client: h2.connection.H2Connection, server: h2.connection.H2Connection, octets: Written) -> None:
    for _ in range(4):
        for side, sender, receiver in ((True, client, server), (False, server, client)):
            if data := sender.data_to_send():
                octets.append((side, data))
                receiver.receive_data(data)


def capture(begin: int = 1_795_381_129_000_000_000) -> bytes:
    """Return the planted traffic as a pcap file, its last exchange late: procedures before it are over."""
    ends = {True: ("10.0.0.1", 40_001), False: ("10.0.0.2", 7777)}
    sent = {True: 1, False: 1}
    packets = [segment(ends[True], ends[False], 0, flags=SYN), segment(ends[False], ends[True], 0, flags=SYN | ACK)]
    said = _written()
    for pieces in said:
        early = len(packets) if pieces is said[-1] else 0
        for side, data in pieces:
            for at in range(0, len(data), 1_400):
                piece = data[at : at + 1_400]
                packets.append(segment(ends[side], ends[not side], sent[side], piece))
                sent[side] += len(piece)
    late = [number * 1_000_000 + (number >= early) * LATE_NS for number in range(len(packets))]
    return pcap([(begin + after, ethernet(packet)) for after, packet in zip(late, packets, strict=True)])


def forms(value: str) -> dict[str, bytes]:
    """Return how a value may be spelled in output: as it is, URL-encoded, hex, base64 at any offset, BCD."""
    raw = value.encode()
    every = {
        "plain": raw,
        "upper": value.upper().encode(),
        "url": quote(value, safe="").encode(),
        "url all": "".join(f"%{octet:02X}" for octet in raw).encode(),
        "hex": raw.hex().encode(),
        "hex upper": raw.hex().upper().encode(),
        "utf-16": value.encode("utf-16-le"),
        "escaped": "".join(f"\\u{ord(letter):04x}" for letter in value).encode(),
    }
    for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
        for shift in range(3):  # only the letters that this value alone decides
            code = encode(bytes(shift) + raw)
            every[f"{name} at {shift}"] = code[4 if shift else 0 : len(code) - 4].lstrip(b"=")
    digits = value if value.isdigit() else ""
    if len(digits) > 11:
        padded = digits + "f" * (len(digits) % 2)
        swapped = "".join(padded[at + 1] + padded[at] for at in range(0, len(padded), 2))
        every |= {"bcd": bytes.fromhex(swapped), "bcd hex": swapped.encode()}
    if re.fullmatch("(?:[0-9a-f]{2})+", value):
        every |= {"octets": bytes.fromhex(value), "octets base64": base64.b64encode(bytes.fromhex(value))[:-4]}
    return {name: form for name, form in every.items() if len(form) >= (12 if "base64" in name else SHORTEST)}


def found(octets: bytes, planted: Iterable[str] = tuple(PLANTED.values())) -> list[tuple[str, str]]:
    """Return (value, form) of everything planted that `octets` hold."""
    low = octets.lower()
    hits = []
    for value in planted:
        for name, form in forms(value).items():
            if form in octets or (name in ("plain", "hex", "url all") and form.lower() in low):
                hits.append((value, name))
    return hits


_BASE64 = re.compile(rb"[A-Za-z0-9+/]{16,}={0,2}|[A-Za-z0-9_-]{16,}")


def found_in_text(octets: bytes, planted: Iterable[str] = tuple(PLANTED.values())) -> list[tuple[str, str]]:
    """Return what `found` does, in the output and in whatever base64 it holds."""
    inner = b"\n".join(
        base64.b64decode(
            match[0] + b"=" * (-len(match[0]) % 4), b"-_" if b"-" in match[0] or b"_" in match[0] else None
        )
        for match in _BASE64.finditer(octets)
        if len(match[0].rstrip(b"=")) % 4 != 1
    )
    return found(octets, planted) + found(inner, planted)
