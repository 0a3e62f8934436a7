"""Which header a value can belong to: the grammar of 3gpp-Sbi-* values (TS 29.500 5.2.3) and of NF types."""

import re
from dataclasses import dataclass

from collector.message import Half
from collector.network_function import NF_TYPES

OTHER = b""  # some header that 3GPP did not define
PRIORITY = b"3gpp-sbi-message-priority"
MAX_RSP_TIME = b"3gpp-sbi-max-rsp-time"
SENDER_TIMESTAMP = b"3gpp-sbi-sender-timestamp"
ORIGINATION_TIMESTAMP = b"3gpp-sbi-origination-timestamp"
TARGET_NF_TYPE = b"3gpp-sbi-discovery-target-nf-type"
REQUESTER_NF_TYPE = b"3gpp-sbi-discovery-requester-nf-type"
PRODUCER_ID = b"3gpp-sbi-producer-id"
TARGET_NF_ID = b"3gpp-sbi-target-nf-id"
TARGET_API_ROOT = b"3gpp-sbi-target-apiroot"

REQUEST = frozenset((Half.REQUEST,))
RESPONSE = frozenset((Half.RESPONSE,))
BOTH = REQUEST | RESPONSE

UUID = rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
TIMESTAMP = (
    rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3][0-9] (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{4}"
    rb" [0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{3} GMT"
)
IDENTITY = rb"(?:imsi|impi|suci|nai|gci|gli|impu|msisdn|extid|imei|imeisv|mac|eui)-[^;,\s]+"
URI = rb"https?://[^\s/\"]+(?:/[^\s\"]*)?"
NF_INSTANCE = rb"nfinst=" + UUID
BINDING = rb"bl=(?:nf-instance|nf-set|nfservice-instance|nfservice-set)(?:; ?[a-z-]+=[^;]+)*"
NF_TYPE = rb"(?:" + b"|".join(sorted((name.encode() for name in NF_TYPES), reverse=True)) + rb")"
NETWORK = rb"[0-9]{3}-[0-9]{2,3}(?:-[0-9A-Fa-f]{11})?"
PEER = rb"(?:src|dst)(?:inst|servinst|scp|sepp|fqdn)=[^;]+"
SERVICE = rb"n[a-z0-9]+-[a-z0-9-]+"


@dataclass(frozen=True, slots=True)
class Grammar:
    """A header, the halves it stands in, and its values. `common`: other headers have such values, too."""

    name: bytes
    halves: frozenset[Half]
    values: re.Pattern[bytes]
    common: bool = False


def _grammar(name: str, halves: frozenset[Half], values: bytes, common: bool = False) -> Grammar:
    return Grammar(name.encode(), halves, re.compile(rb"(?:" + values + rb")\Z"), common)


# A value that fits one row, seen in a half where no other row fits, names its header. Rows that name nothing stand here
# for what they keep from being named.
GRAMMARS = (
    _grammar("3gpp-sbi-sender-timestamp", BOTH, rb'"?' + TIMESTAMP + rb'"?'),
    _grammar("3gpp-sbi-origination-timestamp", REQUEST, rb'"?' + TIMESTAMP + rb'"?'),
    _grammar("3gpp-sbi-message-priority", BOTH, rb"[12]?[0-9]|3[01]", common=True),
    _grammar("3gpp-sbi-max-rsp-time", REQUEST, rb"[1-9][0-9]{0,4}", common=True),
    _grammar("3gpp-sbi-correlation-info", BOTH, IDENTITY + rb"(?:; ?" + IDENTITY + rb")+"),
    _grammar("3gpp-sbi-discovery-target-nf-type", REQUEST, NF_TYPE, common=True),
    _grammar("3gpp-sbi-discovery-requester-nf-type", REQUEST, NF_TYPE, common=True),
    _grammar("3gpp-sbi-discovery-target-nf-instance-id", REQUEST, UUID, common=True),
    _grammar("3gpp-sbi-discovery-requester-nf-instance-id", REQUEST, UUID, common=True),
    _grammar("3gpp-sbi-discovery-service-names", REQUEST, SERVICE, common=True),
    _grammar("3gpp-sbi-access-scope", REQUEST, SERVICE + rb"(?: [!-~ ]+)?", common=True),
    _grammar("3gpp-sbi-target-apiroot", BOTH, URI, common=True),
    _grammar("3gpp-sbi-scp-apiroot", REQUEST, URI, common=True),
    _grammar("3gpp-sbi-binding", BOTH, BINDING),
    _grammar("3gpp-sbi-routing-binding", REQUEST, BINDING),
    _grammar("3gpp-sbi-producer-id", RESPONSE, NF_INSTANCE + rb"(?:; ?nf(?:servinst|set|serviceset)=[^;]+)*"),
    _grammar("3gpp-sbi-target-nf-id", RESPONSE, NF_INSTANCE + rb"(?:; ?nfservinst=[^;]+)?"),
    _grammar("3gpp-sbi-alternate-chf-id", BOTH, NF_INSTANCE + rb"; ?(?:primary|secondary)"),
    _grammar("3gpp-sbi-target-nf-group-id", RESPONSE, rb'nfgid="?[^;"]+"?'),
    _grammar("3gpp-sbi-oci", BOTH, rb"Timestamp: ?\"[^\"]+\"; ?[^,]*Overload-Reduction-Metric: ?[0-9]{1,3}%.*"),
    _grammar("3gpp-sbi-lci", BOTH, rb"Timestamp: ?\"[^\"]+\"; ?[^,]*Load-Metric: ?[0-9]{1,3}%.*"),
    _grammar("3gpp-sbi-nrf-uri", BOTH, rb"nnrf-(?:disc|nfm|oauth2): ?\".*"),
    _grammar("3gpp-sbi-nrf-uri-callback", REQUEST, rb"nnrf-(?:disc|nfm): ?\".*"),
    _grammar("3gpp-sbi-max-forward-hops", REQUEST, rb"[0-9]{1,3}; ?nodetype=scp"),
    _grammar("3gpp-sbi-originating-network-id", REQUEST, NETWORK + rb"; ?src: ?(?:SCP|SEPP).*"),
    _grammar("3gpp-sbi-nf-peer-info", BOTH, PEER + rb"(?:; ?" + PEER + rb")*"),
    _grammar("3gpp-sbi-callback", REQUEST, rb"N[a-z0-9]+_[A-Za-z0-9]+_[A-Za-z0-9]+(?:; ?apiversion=[0-9]+)?"),
    _grammar("3gpp-sbi-response-info", RESPONSE, rb"(?:request-retransmitted|no-retry|context-transferred)=[a-z]+.*"),
    _grammar("3gpp-sbi-request-info", REQUEST, rb"(?:retrans|redirect)=(?:true|false)(?:; ?.*)?"),
    _grammar("3gpp-sbi-selection-info", REQUEST, rb"reselection=(?:true|false)(?:; ?.*)?"),
)


def candidates(half: Half, value: bytes) -> frozenset[bytes]:
    """Return the headers that can have `value` in that half, OTHER if a header not of 3GPP may; empty: no row fits."""
    if len(value) > 512:
        return frozenset()
    fitting = [one for one in GRAMMARS if half in one.halves and one.values.match(value)]
    names = {one.name for one in fitting}
    if any(one.common for one in fitting):
        names.add(OTHER)
    return frozenset(names)
