"""A day of a 5G core as rows of `transactions`, made inside ClickHouse: Oracle's public mix of reference points.

Oracle's SCP benchmarking guide names the shares: N11 50 %, N7 30 %, N10 10.9 %, N15 3 %, N8 2.5 %, N12 2.5 %, the rest
about 1 %. Of sixteen rows, one is the client's sight of the one before it, and one the hop to the SCP of the one before
it; one row in a thousand stands twice. Latencies are lognormal about their operation's median. A subscriber asks some
fifty times a day, so there are the more of them the more rows there are. No row is a copy of another: each is made anew
from its number. Filling goes on where it broke off.

One answer in a hundred says how loaded its NF is, one 503 in two asks to be sent less, and one request in ten thousand
comes to its server again before it has been answered.
"""

from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from streams.clickhouse import rows

START_US = 1_795_305_600_000_000  # a midnight, UTC
DAY_US = 86_400_000_000
CHUNK = 1_000_000
ROWS_A_SUBSCRIBER = 50


@dataclass(frozen=True, slots=True)
class Kind:
    """One operation; `share` in 1/1000 of the traffic, `median_us` of its latency."""

    operation: str
    method: str
    service: str
    resource: str
    consumer: str
    producer: str
    share: int
    median_us: int


SM, SMP, AMP = "nsmf-pdusession", "npcf-smpolicycontrol", "npcf-am-policy-control"
UECM, SDM = "nudm-uecm", "nudm-sdm"
RELEASE = "/sm-contexts/{smContextRef}/release"
SMF_REGISTRATION = "/{ueId}/registrations/smf-registrations/{pduSessionId}"
MIX = (
    Kind("Nsmf_PDUSession_CreateSMContext", "POST", SM, "/sm-contexts", "AMF", "SMF", 125, 9_000),
    Kind("Nsmf_PDUSession_UpdateSMContext", "POST", SM, "/sm-contexts/{smContextRef}/modify", "AMF", "SMF", 270, 4_000),
    Kind("Nsmf_PDUSession_ReleaseSMContext", "POST", SM, RELEASE, "AMF", "SMF", 105, 5_000),
    Kind("Npcf_SMPolicyControl_Create", "POST", SMP, "/sm-policies", "SMF", "PCF", 110, 6_000),
    Kind("Npcf_SMPolicyControl_Update", "POST", SMP, "/sm-policies/{smPolicyId}/update", "SMF", "PCF", 90, 3_000),
    Kind("Npcf_SMPolicyControl_Delete", "POST", SMP, "/sm-policies/{smPolicyId}/delete", "SMF", "PCF", 100, 2_500),
    Kind("Nudm_SDM_Get", "GET", SDM, "/{supi}/sm-data", "SMF", "UDM", 49, 2_000),
    Kind("Nudm_UECM_Registration", "PUT", UECM, SMF_REGISTRATION, "SMF", "UDM", 60, 2_500),
    Kind("Npcf_AMPolicyControl_Create", "POST", AMP, "/policies", "AMF", "PCF", 15, 4_000),
    Kind("Npcf_AMPolicyControl_Delete", "DELETE", AMP, "/policies/{polAssoId}", "AMF", "PCF", 15, 2_000),
    Kind("Nudm_UECM_Registration", "PUT", UECM, "/{ueId}/registrations/amf-3gpp-access", "AMF", "UDM", 10, 3_000),
    Kind("Nudm_SDM_Get", "GET", SDM, "/{supi}/am-data", "AMF", "UDM", 15, 2_000),
    Kind("Nausf_UEAuthentication_Authenticate", "POST", "nausf-auth", "/ue-authentications", "AMF", "AUSF", 25, 12_000),
    Kind("Nnrf_NFManagement_NFUpdate", "PATCH", "nnrf-nfm", "/nf-instances/{nfInstanceID}", "SMF", "NRF", 5, 800),
    Kind("Nnrf_NFDiscovery_Request", "GET", "nnrf-disc", "/nf-instances", "AMF", "NRF", 5, 900),
    Kind("", "GET", "nvendor-stats", "/nvendor-stats/v1/*", "NEF", "UDR", 1, 1_500),
)  # fmt: skip

COLUMNS = {
    "transaction_id": "hex(sipHash128(n, 'transaction'))",
    "version": "version",
    "outcome": "outcome",
    "request_event_id": "hex(sipHash128(n, 'request'))",
    "response_event_id": "if(answered, hex(sipHash128(n, 'response')), NULL)",
    "site": "['north', 'south'][1 + endpoint % 2]",
    "node": "concat(if(vantage = 'client', 'c', 's'), toString(endpoint % 40))",
    "shard": "0",
    "incarnation": "concat('boot-', toString(endpoint % 40))",
    "connection_id": "hex(sipHash128(client, endpoint, kind, intDiv(n, 5000000), vantage))",
    "vantage": "vantage",
    "tls": "endpoint % 3 = 0",
    "http_version": "'h2'",
    "client_address": "client_address",
    "client_port": "30000 + (client * 37 + endpoint) % 20000",
    "server_address": "if(proxied, '10.9.0.1', concat('10.1.', toString(kind % 8), '.', toString(endpoint)))",
    "server_port": "7777",
    "stream_id": "1 + 2 * intDiv(b % 5000000, 400)",
    "request_us": "fromUnixTimestamp64Micro(request_us, 'UTC')",
    "request_end_us": "fromUnixTimestamp64Micro(request_us + 30, 'UTC')",
    "response_us": "if(answered, fromUnixTimestamp64Micro(request_us + 30 + duration, 'UTC'), NULL)",
    "response_end_us": "if(answered, fromUnixTimestamp64Micro(request_us + 70 + duration, 'UTC'), NULL)",
    "duration_us": "if(answered, duration, NULL)",
    "deadline_ms": "10000",
    "request_header_state": "'exact'",
    "response_header_state": "if(answered, 'exact', NULL)",
    "request_ended": "'complete'",
    "response_ended": "if(answered, 'complete', NULL)",
    "request_header_bytes": "90 + a % 60",
    "request_body_bytes": "if(method IN ('GET', 'DELETE'), 0, 300 + a % 900)",
    "response_header_bytes": "if(answered, 60, NULL)",
    "response_body_bytes": "if(answered, 100 + intDiv(a, 1000) % 1500, NULL)",
    "method": "method",
    "path": "concat('/', service, '/v1', replaceOne(replaceOne(resource, '{smContextRef}', toString(a % 900000)),"
    " '{nfInstanceID}', concat('nf', toString(client))))",
    "authority": "concat(lower(producer), toString(endpoint), '.5gc.example')",
    "status": "status",
    "cause": "cause",
    "cause_list": "transform(cause, ['NF_CONGESTION', 'MANDATORY_IE_INCORRECT', 'TARGET_NF_NOT_REACHABLE',"
    " 'VENDOR_BUSY'], ['common', 'common', 'proxy', 'none'], if(cause IS NULL, NULL, 'service'))",
    "response_header_facts": "multiIf(answered AND about_load < 10,"
    " map('load_percent', toString(20 + intDiv(a, 1000) % 70), 'load_us', toString(request_us),"
    " 'load_snssai', '1-000001'),"
    " status = 503 AND about_load % 2 = 0, map('overload_reduction_percent', toString(10 + intDiv(a, 1000) % 50),"
    " 'overload_us', toString(request_us), 'overload_valid_s', '30'), map())",
    "service": "service",
    "operation": "nullIf(operation, '')",
    "operation_source": "if(operation = '', 'unknown_resource', 'catalogue')",
    "api_version": "'v1'",
    "resource": "resource",
    "consumer_nf": "consumer",
    "consumer_nf_source": "'user_agent'",
    "consumer_nf_instance": "concat(lower(consumer), '-', toString(client))",
    "producer_nf": "if(proxied, 'SCP', producer)",
    "producer_nf_source": "'service'",
    "producer_nf_instance": "if(proxied, NULL, concat(lower(producer), '-', toString(endpoint)))",
    "supi": "if(service LIKE 'nnrf%', NULL, concat('imsi-99970-k1-', substring(hex(sipHash128(subscriber)), 1, 26)))",
    "supi_source": "if(service LIKE 'nnrf%', NULL, 'path')",
    "pdu_session_id": "if(about_session, 1 + subscriber % 2, NULL)",
    "snssai": "if(about_session, ['1', '1-000001', '2-000001', '3'][1 + least(3, subscriber % 10)], NULL)",
    "dnn": "if(about_session, ['internet', 'ims', 'iot'][1 + least(2, intDiv(subscriber, 10) % 6)], NULL)",
    "plmn": "['99970', '99971', '00101'][1 + greatest(0, toInt64(subscriber % 20) - 17)]",
    "user_agent": "concat(consumer, '-', toString(client))",
    "priority": "if(a % 5 = 0, 20, NULL)",
    "max_rsp_time_ms": "10000",
    "to_proxy": "proxied",
    "exchange_key": "hex(sipHash128(e, 'exchange'))",
    "request_key": "hex(sipHash128(b, 'logical'))",
    "retransmission": "intDiv(c, 1000000000) % 1000 < 3",
    "process_id": "1000 + endpoint",
    "process_name": "concat('open5gs-', lower(producer), 'd')",
    "pod": "concat(lower(producer), '-', toString(endpoint))",
    "namespace": "'core'",
}

INSERT = """
INSERT INTO transactions ({names})
SELECT {expressions}
FROM
(
    SELECT
        *,
        multiIf(fate < 985, 'success', fate < 989, 'client_error', fate < 993, 'business', fate < 996, 'server_error',
            fate < 998, 'unanswered', fate < 999, 'late', 'unknown') AS outcome,
        outcome NOT IN ('unanswered', 'unknown') AS answered,
        multiIf(answered, 2, outcome = 'unanswered', 1, 0) AS version,
        multiIf(outcome IN ('success', 'late'), multiIf(method = 'POST', 201, method = 'GET', 200, 204),
            outcome = 'client_error', [400, 401, 403, 404][1 + a % 4], outcome = 'business', 404,
            outcome = 'server_error', [500, 503, 504][1 + a % 3], NULL) AS status,
        multiIf(outcome = 'client_error', ['MANDATORY_IE_INCORRECT', 'CONTEXT_NOT_FOUND', 'DNN_DENIED'][1 + c % 3],
            outcome = 'business', 'USER_NOT_FOUND', outcome = 'server_error',
            ['NF_CONGESTION', 'NF_CONGESTION', 'TARGET_NF_NOT_REACHABLE', 'VENDOR_BUSY'][1 + c % 4], NULL) AS cause,
        toInt64(ops_median * exp(0.6 * sqrt(-2 * log(u)) * cos(6.2831853 * v))) + (outcome = 'late') * 10000000
            + (vantage = 'client') * 350 + proxied * 600 AS duration,
        {start_us} + intDiv(b * {day_us}, {total}) + c % 700 - (vantage = 'client') * 150 - proxied * 250 + again * 100
            AS request_us
    FROM
    (
        SELECT
            number + {first} AS n,
            n % 16 AS place,
            place = 11 AND intDiv(n, 16) % 625 = 0 AS again,
            n - (place IN (13, 15) OR again) AS b,
            n - (place = 15) AS e,
            if(place = 15, 'client', 'server') AS vantage,
            place = 13 AS proxied,
            cityHash64(b) AS a,
            cityHash64(b, 1) AS c,
            a % 1000 AS r,
            multiIf({choice}) AS kind,
            {lookups},
            intDiv(c, 1000) % 1000 AS fate,
            cityHash64(b, 4) % 1000 AS about_load,
            toUInt8(intDiv(c, 1000000) % 20) AS endpoint,
            toUInt16(intDiv(c, 20000000) % 30) AS client,
            concat('10.0.', toString(client), '.', toString(1 + client % 9)) AS client_address,
            intDiv(a, 1000) % {subscribers} AS subscriber,
            service IN ('{SM}', '{SMP}') AS about_session,
            (cityHash64(b, 2) % 1000000 + 0.5) / 1000000 AS u,
            (cityHash64(b, 3) % 1000000) / 1000000 AS v
        FROM numbers({rows})
    )
)
"""


LOOKUPS = {
    "operation": "operation", "method": "method", "service": "service", "resource": "resource",
    "consumer": "consumer", "producer": "producer", "ops_median": "median_us",
}  # fmt: skip


LEDGER = """
CREATE TABLE IF NOT EXISTS filled (first UInt64, of UInt64)
ENGINE = ReplacingMergeTree ORDER BY (of, first)
"""
DONE = "SELECT first FROM filled WHERE of = {of:Int64}"
WHOLE = {"min_insert_block_size_rows": CHUNK, "min_insert_block_size_bytes": 0}  # a part each chunk: fewer merges


def fill(client: Client, total: int) -> int:
    """Insert what is missing of `total` rows, spread over a day from START_US on in the order of time; say how many.

    A chunk that broke off is made again: its rows replace their like. Merges wait until all is there: fewer are needed.
    """
    client.command(LEDGER)
    client.command("SYSTEM STOP MERGES transactions")
    done, made = {first for (first,) in rows(client, DONE, {"of": total})}, 0
    for first in range(0, total, CHUNK):
        if first in done:
            continue
        many = min(CHUNK, total - first)
        client.command(statement(first, many, total), settings=WHOLE)
        client.command(statement(first, many // 1_000, total))  # rows that stand twice
        client.command(f"INSERT INTO filled VALUES ({first}, {total})")
        made += many
    client.command("SYSTEM START MERGES transactions")
    return made


def subscribers(total: int) -> int:
    """Return how many subscribers a day of `total` rows has."""
    return max(1_000, total // ROWS_A_SUBSCRIBER)


def statement(first: int, many: int, total: int) -> str:
    """Return the statement that inserts `many` of `total` from number `first` on."""
    bounds = [sum(kind.share for kind in MIX[: place + 1]) for place in range(len(MIX))]
    choice = ", ".join(f"r < {bound}, {place}" for place, bound in enumerate(bounds[:-1], 1)) + f", {len(MIX)}"
    lookups = [f"{[getattr(kind, name) for kind in MIX]!r}[kind] AS {shown}" for shown, name in LOOKUPS.items()]
    return INSERT.format(
        names=", ".join(COLUMNS), expressions=", ".join(COLUMNS.values()), start_us=START_US, day_us=DAY_US,
        total=total, first=first, rows=many, choice=choice, lookups=", ".join(lookups), subscribers=subscribers(total),
        SM=SM, SMP=SMP,
    )  # fmt: skip
