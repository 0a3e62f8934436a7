"""Makes transactions as the pairing stage writes them, for tests and benchmarks of what stands behind it: seeded, so repeatable."""

import hashlib
import io
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import fastavro

SCHEMAS = Path(__file__).parent.parent / "schemas"
BATCH = fastavro.parse_schema(json.loads((SCHEMAS / "sbi_transaction_batch.avsc").read_text()))
START_US = 1_795_300_000_000_000  # 2026-11-22 05:46:40 UTC

# operation, service, method, resource, consumer, producer, share of the traffic (N11, N7, N10 … of a registration)
MIX = (
    ("Nnrf_NFManagement_NFUpdate", "nnrf-nfm", "PATCH", "/nf-instances/{nfInstanceID}", "AMF", "NRF", 20),
    ("Nnrf_NFDiscovery_Request", "nnrf-disc", "GET", "/nf-instances", "AMF", "NRF", 12),
    ("Nausf_UEAuthentication_Authenticate", "nausf-auth", "POST", "/ue-authentications", "AMF", "AUSF", 10),
    ("Nudm_UEAuthentication_Get", "nudm-ueau", "POST", "/{supiOrSuci}/security-information/generate-auth-data", "AUSF", "UDM", 10),
    ("Nudm_SDM_Get", "nudm-sdm", "GET", "/{supi}/am-data", "AMF", "UDM", 12),
    ("Nudm_UECM_Registration", "nudm-uecm", "PUT", "/{ueId}/registrations/amf-3gpp-access", "AMF", "UDM", 8),
    ("Nsmf_PDUSession_CreateSMContext", "nsmf-pdusession", "POST", "/sm-contexts", "AMF", "SMF", 10),
    ("Npcf_SMPolicyControl_Create", "npcf-smpolicycontrol", "POST", "/sm-policies", "SMF", "PCF", 8),
    ("Nudr_DataRepository_Query", "nudr-dr", "GET", "/subscription-data/{ueId}/authentication-data", "UDM", "UDR", 10),
)
# outcome, version, status, cause, share
OUTCOMES = (
    ("success", 2, 200, None, 930), ("client_error", 2, 403, "SERVING_NETWORK_NOT_AUTHORIZED", 20),
    ("business", 2, 404, "USER_NOT_FOUND", 20), ("server_error", 2, 503, "NF_CONGESTION", 15), ("unanswered", 1, None, None, 10),
    ("unknown", 0, None, None, 5),
)


def digest(*parts: object) -> str:
    """128-bit BLAKE2b of NUL-joined text, hex, as every id."""
    return hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=16).hexdigest()


def transactions(count: int, seed: int = 1, start_us: int = START_US, rate: int = 1_000, **fixed: object) -> Iterator[dict[str, Any]]:
    """Yield `count` transactions, `rate` a second from `start_us` on; `fixed` replaces fields in each."""
    chance = random.Random(seed)
    mix, shares = list(MIX), [row[-1] for row in MIX]
    outcomes, odds = list(OUTCOMES), [row[-1] for row in OUTCOMES]
    for number in range(count):
        operation, service, method, resource, consumer, producer, _ = chance.choices(mix, shares)[0]
        outcome, version, status, cause, _ = chance.choices(outcomes, odds)[0]
        yield _row(chance, number, seed, start_us + number * 1_000_000 // rate, operation, service, method, resource, consumer, producer, outcome, version, status, cause) | fixed


def _row(chance: random.Random, number: int, seed: int, request_us: int, operation: str, service: str, method: str, resource: str,
         consumer: str, producer: str, outcome: str, version: int, status: int | None, cause: str | None) -> dict[str, Any]:
    connection, subscriber = chance.randrange(40), chance.randrange(5_000)
    duration = int(chance.lognormvariate(8.2, 0.8)) if status is not None else None
    ended = request_us + chance.randrange(80)
    answered = None if duration is None else ended + duration
    supi = None if service.startswith("nnrf") else f"imsi-99970-k1-{digest('ue', subscriber)[:26]}"
    stream, port = number * 2 + 1, 40_000 + connection
    row: dict[str, Any] = {name: None for name in NAMES}
    row |= {
        "transaction_id": digest(seed, connection, stream), "version": version, "outcome": outcome,
        "request_event_id": digest(seed, connection, stream, "request"),
        "response_event_id": None if status is None else digest(seed, connection, stream, "response"),
        "site": "lab", "node": "n1", "shard": 0, "incarnation": "boot-1", "connection_id": digest(seed, connection), "vantage": "server",
        "tls": False, "http_version": "h2", "client_address": f"10.0.0.{connection}", "client_port": port,
        "server_address": f"10.0.1.{sum(producer.encode()) % 250}", "server_port": 7777, "stream_id": stream,
        "request_us": request_us, "request_end_us": ended, "response_us": answered,
        "response_end_us": None if answered is None else answered + 40, "duration_us": duration, "deadline_ms": 10_000,
        "request_header_state": "exact", "response_header_state": None if status is None else "exact", "request_ended": "complete",
        "response_ended": None if status is None else "complete", "missing": [], "inferred": [], "request_header_bytes": 120,
        "request_body_bytes": chance.randrange(900), "response_header_bytes": None if status is None else 60,
        "response_body_bytes": None if status is None else chance.randrange(3_000), "method": method,
        "path": f"/{service}/v1" + resource.replace("{supi}", supi or "").replace("{nfInstanceID}", digest("nf", connection)),
        "authority": f"{producer.lower()}.5gc.example", "status": status, "cause": cause, "service": service, "operation": operation,
        "operation_source": "catalogue", "api_version": "v1", "resource": resource, "consumer_nf": consumer, "consumer_nf_source": "user_agent",
        "producer_nf": producer, "producer_nf_source": "service", "supi": supi, "supi_source": supi and "path",
        "snssai": "1-000001" if service == "nsmf-pdusession" else None, "dnn": "internet" if service == "nsmf-pdusession" else None,
        "plmn": "99970", "user_agent": consumer, "server": producer, "max_rsp_time_ms": 10_000,
        "exchange_key": digest(f"10.0.0.{connection}", port, stream, method, number), "request_key": digest("request", seed, number),
        "retransmission": chance.random() < 0.003,
    }
    return row


def encode_batch(rows: Sequence[dict[str, Any]], input_partition: int = 0, first_number: int = 1) -> bytes:
    """Return the body of one SbiTransactionBatch."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, BATCH, {"input_partition": input_partition, "first_number": first_number, "transactions": rows})
    return out.getvalue()


def _names() -> list[str]:
    (array,) = [field["type"] for field in BATCH["fields"] if field["name"] == "transactions"]
    return [field["name"] for field in array["items"]["fields"]]


NAMES = _names()
