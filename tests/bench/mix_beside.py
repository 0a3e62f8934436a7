"""What stands beside a day of transactions in tests/bench/mix.py: procedures, agents, alerts, made in ClickHouse.

13.5 % of the mix begin a procedure (registrations and PDU sessions; of 1,000 some 20 break); eighty agents tell each
ten seconds how they fare; one alert changes for each 50,000 rows, sixty at least. All are fewer in proportion where the
day has fewer rows.
"""

from clickhouse_connect.driver.client import Client

from tests.bench.mix import CHUNK, DAY_US, START_US

OF_A_DAY = 100_000_000  # rows of a day with as many agents' reports as one has
PROCEDURES = """
INSERT INTO procedures
SELECT
    hex(sipHash128(n, 'procedure')) AS procedure_id,
    if(n % 27 < 2, 'ue_initial_registration', 'pdu_session_establishment') AS kind,
    steps[1] AS begun_by,
    multiIf(fate < 970, 'success', fate < 980, 'partial', fate < 990, 'failed', fate < 997, 'abandoned', 'incomplete')
        AS outcome,
    concat('imsi-99970-k1-', substring(hex(sipHash128(intDiv(a, 1000) % {subscribers})), 1, 26)) AS supi,
    if(n % 27 < 2, NULL, 1 + a % 2) AS pdu_session_id,
    ['1', '1-000001', '2-000001', '3'][1 + least(3, a % 10)] AS snssai,
    if(n % 27 < 2, NULL, ['internet', 'ims', 'iot'][1 + a % 3]) AS dnn,
    ['99970', '99971', '00101'][1 + a % 3] AS plmn,
    ['north', 'south'][1 + a % 2] AS site,
    concat('s', toString(a % 40)) AS node,
    'AMF' AS consumer_nf,
    fromUnixTimestamp64Micro({start_us} + intDiv(n * {day_us}, {many}) + a % 700, 'UTC') AS begin_us,
    begin_us + toIntervalMicrosecond(duration_us) AS end_us,
    20000 + a % 300000 AS duration_us,
    length(steps) AS requests,
    0 AS requests_left_out,
    if(outcome = 'failed', steps[2 + a % 3], NULL) AS failed_step,
    if(outcome = 'failed', concat('N', steps[2 + a % 3]), NULL) AS failed_operation,
    if(outcome = 'failed', ['UDM', 'PCF', 'SMF', 'AUSF'][1 + a % 4], NULL) AS failed_producer_nf,
    if(outcome = 'failed', [403, 404, 500, 503][1 + b % 4], NULL) AS failed_status,
    if(outcome = 'failed', if(b % 4 < 2, 'client_error', 'server_error'), NULL) AS failed_outcome,
    if(outcome = 'failed', ['DNN_DENIED', 'USER_NOT_FOUND', 'NF_CONGESTION', 'CONTEXT_NOT_FOUND'][1 + b % 4], NULL)
        AS failed_cause,
    steps[if(outcome = 'abandoned', 2 + b % 3, 5)] AS last_step,
    if(n % 27 < 2, ['authenticate', 'confirm', 'register', 'subscriptions', 'policy'],
        ['create', 'subscription', 'register', 'policy', 'update']) AS steps,
    arrayMap(step -> concat('N', step), steps) AS step_operations,
    arrayMap(number -> number * 7000 + a % 5000, range(5)) AS step_begin_us,
    arrayMap(number -> 1000 + (a + number * 977) % 6000, range(5)) AS step_duration_us,
    arrayMap(number -> 200, range(5)) AS step_status,
    arrayMap(number -> 'success', range(5)) AS step_outcomes,
    arrayMap(number -> hex(sipHash128(n, number)), range(5)) AS step_transactions,
    now64(3)
FROM
(
    SELECT number + {first} AS n, cityHash64(n) AS a, cityHash64(n, 1) AS b, intDiv(b, 1000) % 1000 AS fate
    FROM numbers({rows})
)
"""
AGENTS = """
INSERT INTO agents (site, node, incarnation, started_us, told_us, version, kernel, hook, connections, events, batches,
    delivered_events, watermark_us, cpu_us, rss_bytes, loss)
SELECT
    ['north', 'south'][1 + number % 2],
    concat(if(number % 80 < 40, 'c', 's'), toString(number % 40)),
    'boot-1',
    fromUnixTimestamp64Micro({start_us}),
    fromUnixTimestamp64Micro({start_us} + intDiv(number, 80) * 10000000) AS at,
    '1.0.0', '6.1.0-28-amd64', 'sock', 200 + number % 50, number * 150, number, number * 150, at,
    map('supervisor', number * 70, 'observer', number * 2800), map('supervisor', 41000000, 'observer', 58000000),
    map('ring_full', intDiv(number, 90000))
FROM numbers({rows})
"""
ALERTS = """
INSERT INTO alerts (alarm_id, version, notification, event_us, event_type, perceived_severity, specific_problem,
    object_instance, additional_text, raised_us)
SELECT
    hex(sipHash128(intDiv(number, 2), 'alarm')), 1 + number % 2,
    ['notifyNewAlarm', 'notifyClearedAlarm'][1 + number % 2],
    fromUnixTimestamp64Micro({start_us} + intDiv(number * {day_us}, {rows})) AS at,
    ['qualityOfService', 'securityService', 'communications'][1 + intDiv(number, 2) % 3],
    ['major', 'cleared'][1 + number % 2], 'failure_ratio', concat('SubNetwork=north,Node=s', toString(number % 40)),
    '12.5 % of 400 requests failed, threshold 10 %', at
FROM numbers({rows})
"""


def fill(client: Client, total: int, subscribers: int) -> None:
    """Insert what belongs to a day of `total` rows and is not there; a chunk that broke off replaces its like."""
    many = total * 135 // 1_000
    said = {"start_us": START_US, "day_us": DAY_US, "many": many, "subscribers": subscribers}
    there = _count(client, "procedures")
    for first in range(there // CHUNK * CHUNK if there < many else many, many, CHUNK):
        client.command(PROCEDURES.format(first=first, rows=min(CHUNK, many - first), **said))
    if not _count(client, "agents"):
        client.command(AGENTS.format(rows=80 * max(8_640 * total // OF_A_DAY, 1), **said))
    if not _count(client, "alerts"):
        client.command(ALERTS.format(rows=max(total // 50_000, 60), **said))


def _count(client: Client, table: str) -> int:
    return int(client.query(f"SELECT count() FROM {table}").result_rows[0][0])
