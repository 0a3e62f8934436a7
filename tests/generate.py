"""Makes transactions as the pairing stage writes them, seeded, for tests and benchmarks of what stands behind it."""

import hashlib
import io
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastavro
from clickhouse_connect.driver.client import Client

from streams.reframe import Layout
from streams.store import Table

SCHEMAS = Path(__file__).parent.parent / "schemas"
BATCH = fastavro.parse_schema(json.loads((SCHEMAS / "sbi_transaction_batch.avsc").read_text()))
START_US = 1_795_300_000_000_000

AUTH_DATA = "/{supi}/security-information/generate-auth-data"
SUBSCRIPTION = "/subscription-data/{supi}/authentication-data"


@dataclass(frozen=True, slots=True)
class Kind:
    """One operation of the mix and its share of the traffic."""

    operation: str
    method: str
    service: str
    resource: str
    consumer: str
    producer: str
    share: int


MIX = (
    Kind("Nnrf_NFManagement_NFUpdate", "PATCH", "nnrf-nfm", "/nf-instances/{nfInstanceID}", "AMF", "NRF", 20),
    Kind("Nnrf_NFDiscovery_Request", "GET", "nnrf-disc", "/nf-instances", "AMF", "NRF", 12),
    Kind("Nausf_UEAuthentication_Authenticate", "POST", "nausf-auth", "/ue-authentications", "AMF", "AUSF", 10),
    Kind("Nudm_UEAuthentication_Get", "POST", "nudm-ueau", AUTH_DATA, "AUSF", "UDM", 10),
    Kind("Nudm_SDM_Get", "GET", "nudm-sdm", "/{supi}/am-data", "AMF", "UDM", 12),
    Kind("Nudm_UECM_Registration", "PUT", "nudm-uecm", "/{supi}/registrations/amf-3gpp-access", "AMF", "UDM", 8),
    Kind("Nsmf_PDUSession_CreateSMContext", "POST", "nsmf-pdusession", "/sm-contexts", "AMF", "SMF", 10),
    Kind("Npcf_SMPolicyControl_Create", "POST", "npcf-smpolicycontrol", "/sm-policies", "SMF", "PCF", 8),
    Kind("Nudr_DataRepository_Query", "GET", "nudr-dr", SUBSCRIPTION, "UDM", "UDR", 10),
)


@dataclass(frozen=True, slots=True)
class Fate:
    """One outcome of the mix and its share of the traffic."""

    outcome: str
    version: int
    status: int | None
    cause: str | None
    share: int


FATES = (
    Fate("success", 2, 200, None, 930),
    Fate("client_error", 2, 403, "SERVING_NETWORK_NOT_AUTHORIZED", 20),
    Fate("business", 2, 404, "USER_NOT_FOUND", 20),
    Fate("server_error", 2, 503, "NF_CONGESTION", 15),
    Fate("unanswered", 1, None, None, 10),
    Fate("unknown", 0, None, None, 5),
)


def digest(*parts: object) -> str:
    """128-bit BLAKE2b of NUL-joined text, hex, as every id."""
    return hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=16).hexdigest()


def transactions(
    count: int, seed: int = 1, start_us: int = START_US, rate: int = 1_000, **fixed: object
) -> Iterator[dict[str, Any]]:
    """Yield `count` transactions, `rate` a second from `start_us` on; `fixed` replaces fields in each."""
    chance = random.Random(seed)
    shares, odds = [kind.share for kind in MIX], [fate.share for fate in FATES]
    for number in range(count):
        (kind,), (fate,) = chance.choices(MIX, shares), chance.choices(FATES, odds)
        request_us = start_us + number * 1_000_000 // rate
        row: dict[str, Any] = dict.fromkeys(NAMES) | {
            "pod_labels": {},
            "request_header_facts": {},
            "response_header_facts": {},
        }
        asked = _exchange(chance, kind, f"{seed}/{number}", number * 2 + 1)
        yield row | asked | _times(chance, fate, request_us) | fixed


def _exchange(chance: random.Random, kind: Kind, key: str, stream: int) -> dict[str, Any]:
    connection = chance.randrange(40)
    about_nf = kind.service.startswith("nnrf")
    supi = None if about_nf else f"imsi-99970-k1-{digest('ue', chance.randrange(5_000))[:26]}"
    about_session = kind.service == "nsmf-pdusession"
    resource = kind.resource.replace("{supi}", supi or "").replace("{nfInstanceID}", digest("nf", connection))
    return {
        "transaction_id": digest(key),
        "request_event_id": digest(key, "request"),
        "connection_id": digest(connection),
        "exchange_key": digest(key, "exchange"),
        "request_key": digest(key, "logical"),
        "site": "lab",
        "node": "n1",
        "shard": 0,
        "incarnation": "boot-1",
        "vantage": "server",
        "tls": False,
        "http_version": "h2",
        "client_address": f"10.0.0.{connection}",
        "client_port": 40_000 + connection,
        "server_address": f"10.0.1.{sum(kind.producer.encode()) % 250}",
        "server_port": 7777,
        "stream_id": stream,
        "deadline_ms": 10_000,
        "max_rsp_time_ms": 10_000,
        "request_header_state": "exact",
        "request_ended": "complete",
        "missing": [],
        "inferred": [],
        "request_header_bytes": 120,
        "request_body_bytes": chance.randrange(900),
        "method": kind.method,
        "path": f"/{kind.service}/v1{resource}",
        "authority": f"{kind.producer}.5gc.example",
        "service": kind.service,
        "operation": kind.operation,
        "operation_source": "catalogue",
        "api_version": "v1",
        "resource": kind.resource,
        "consumer_nf": kind.consumer,
        "consumer_nf_source": "user_agent",
        "producer_nf": kind.producer,
        "producer_nf_source": "service",
        "supi": supi,
        "supi_source": supi and "path",
        "snssai": "1-000001" if about_session else None,
        "dnn": "internet" if about_session else None,
        "plmn": "99970",
        "user_agent": kind.consumer,
        "to_proxy": False,
        "retransmission": chance.random() < 0.003,
        "access_token": (True, False, None)[stream // 2 % 3],
        "overload_reduction_percent": {1: 0, 2: 40}.get(stream // 2 % 11),
        "consumer_overload_reduction_percent": {3: 5}.get(stream // 2 % 13),
    }


def _times(chance: random.Random, fate: Fate, request_us: int) -> dict[str, Any]:
    ended = request_us + chance.randrange(80)
    asked = {
        "outcome": fate.outcome,
        "version": fate.version,
        "status": fate.status,
        "cause": fate.cause,
        "request_us": request_us,
        "request_end_us": ended,
    }
    if fate.status is None:
        return asked
    duration = int(chance.lognormvariate(8.2, 0.8))
    return asked | {
        "response_event_id": digest(request_us, chance.random()),
        "response_us": ended + duration,
        "response_end_us": ended + duration + 40,
        "duration_us": duration,
        "response_header_state": "exact",
        "response_ended": "complete",
        "response_header_bytes": 60,
        "response_body_bytes": chance.randrange(3_000),
    }


def encode_batch(rows: Sequence[dict[str, Any]], input_partition: int = 0, first_number: int = 1) -> bytes:
    """Return the body of one SbiTransactionBatch."""
    out = io.BytesIO()
    batch = {"input_partition": input_partition, "first_number": first_number, "transactions": rows}
    fastavro.schemaless_writer(out, BATCH, batch)
    return out.getvalue()


def insert(client: Client, bodies: Sequence[bytes]) -> None:
    """Insert batches as the sink does."""
    layout = Layout(json.loads((SCHEMAS / "sbi_transaction_batch.avsc").read_text()))
    Table(client, "transactions_arriving").store(layout, layout.pieces(map(layout.rows, bodies)))


def _names() -> list[str]:
    (array,) = [field["type"] for field in BATCH["fields"] if field["name"] == "transactions"]
    return [field["name"] for field in array["items"]["fields"]]


NAMES = _names()
