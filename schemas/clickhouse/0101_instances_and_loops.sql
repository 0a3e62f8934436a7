-- Who served and asked: which instance was seen as what, where and for which slices.
CREATE TABLE IF NOT EXISTS ${database}.rollup_instances ${on_cluster}
(
    slot_us DateTime64(6, 'UTC') COMMENT 'begin of the five minutes' CODEC(Delta(8), ZSTD(1)),
    rolled_at DateTime64(3, 'UTC') COMMENT 'when it was rolled; only the latest counts' CODEC(Delta(8), ZSTD(1)),
    producing Bool COMMENT 'true: it served; false: it asked',
    instance LowCardinality(String) COMMENT 'NF instance id',
    nf_type LowCardinality(Nullable(String)) COMMENT 'NF type (TS 29.510)',
    vantage LowCardinality(String) COMMENT 'where the node that saw it stands on the connection',
    service LowCardinality(Nullable(String)) COMMENT 'of what it served, with success',
    snssai LowCardinality(Nullable(String)) COMMENT 'slice of what it served',
    address LowCardinality(Nullable(String)) COMMENT 'address and port that it served at',
    last_us DateTime64(6, 'UTC') COMMENT 'last of the requests' CODEC(ZSTD(1)),
    roll Int64 COMMENT 'which roll it is of: the milliseconds of its rolled_at' CODEC(Delta(8), ZSTD(1)),
    superseded Bool COMMENT 'true: a later roll counts, this row is about to go'
)
ENGINE = ${replicated}ReplacingMergeTree(rolled_at)
PARTITION BY toYYYYMM(slot_us)
ORDER BY (slot_us, producing, instance, nf_type, vantage, service, snssai, address, roll)
SETTINGS allow_nullable_key = 1
COMMENT 'NF instances by five minutes, every roll; read instances_between(start=…, stop=…)';

CREATE OR REPLACE VIEW ${database}.rolling_instances ${on_cluster} AS
SELECT
    fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Micro(request_us), 300000000) * 300000000, 'UTC') AS slot_us,
    {rolled_at:DateTime64(3, 'UTC')} AS rolled_at,
    role.1 AS producing,
    assumeNotNull(role.2) AS instance,
    role.3 AS nf_type,
    vantage,
    if(role.1 AND outcome IN ('success', 'redirect', 'business'), service, NULL) AS service_served,
    if(role.1, snssai, NULL) AS slice,
    if(role.1, concat(server_address, ':', toString(server_port)), NULL) AS address,
    max(request_us) AS last_us,
    toUnixTimestamp64Milli({rolled_at:DateTime64(3, 'UTC')}) AS roll,
    false AS superseded
FROM
(
    SELECT
        *,
        arrayJoin(arrayFilter(one -> one.2 IS NOT NULL, [
            (true, if(to_proxy OR callback IS NOT NULL, NULL, producer_nf_instance), producer_nf),
            (false, consumer_nf_instance, consumer_nf)
        ])) AS role
    FROM ${database}.transactions FINAL
    WHERE request_us >= {start:DateTime64(6, 'UTC')} AND request_us < {stop:DateTime64(6, 'UTC')}
        AND (producer_nf_instance IS NOT NULL OR consumer_nf_instance IS NOT NULL)
)
GROUP BY slot_us, producing, instance, nf_type, vantage, service_served, slice, address
COMMENT 'What is inserted into rollup_instances; internal';

CREATE OR REPLACE VIEW ${database}.instances_between ${on_cluster} AS
SELECT * EXCEPT (roll, superseded)
FROM ${database}.rollup_instances
WHERE NOT superseded AND slot_us > {start:DateTime64(6, 'UTC')} - toIntervalSecond(300) AND slot_us < {stop:DateTime64(6, 'UTC')}
    AND (slot_us, rolled_at) IN (SELECT slot_us, max(rolled_at) FROM ${database}.rollup_slots GROUP BY slot_us)
COMMENT 'NF instances by five minutes, each slot that the period touches once: instances_between(start=…, stop=…)';

-- Requests that came to one server again before it had answered them. Only requests whose key a server saw in two
-- exchanges are looked at more closely.
CREATE TABLE IF NOT EXISTS ${database}.rollup_loops ${on_cluster}
(
    slot_us DateTime64(6, 'UTC') COMMENT 'begin of the five minutes' CODEC(Delta(8), ZSTD(1)),
    rolled_at DateTime64(3, 'UTC') COMMENT 'when it was rolled; only the latest counts' CODEC(Delta(8), ZSTD(1)),
    consumer_nf LowCardinality(Nullable(String)) COMMENT 'NF type of the end that asked',
    producer_nf LowCardinality(Nullable(String)) COMMENT 'NF type of the end that answered',
    operation LowCardinality(Nullable(String)) COMMENT '3GPP service operation',
    server_address LowCardinality(String) COMMENT 'IP address of the server',
    server_port Int32 COMMENT 'its TCP port',
    request_keys AggregateFunction(uniqExact, String) COMMENT 'which requests, to be merged' CODEC(ZSTD(1)),
    times_again Int64 COMMENT 'how often they came again' CODEC(ZSTD(1)),
    first_us DateTime64(6, 'UTC') COMMENT 'first of the requests' CODEC(ZSTD(1)),
    last_us DateTime64(6, 'UTC') COMMENT 'last of the requests' CODEC(ZSTD(1)),
    roll Int64 COMMENT 'which roll it is of: the milliseconds of its rolled_at' CODEC(Delta(8), ZSTD(1)),
    superseded Bool COMMENT 'true: a later roll counts, this row is about to go'
)
ENGINE = ${replicated}ReplacingMergeTree(rolled_at)
PARTITION BY toYYYYMM(slot_us)
ORDER BY (slot_us, consumer_nf, producer_nf, operation, server_address, server_port, roll)
SETTINGS allow_nullable_key = 1
COMMENT 'Requests on a circle by five minutes, every roll; read loops_between(start=…, stop=…)';

CREATE OR REPLACE VIEW ${database}.rolling_loops ${on_cluster} AS
SELECT
    fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Micro(request_us), 300000000) * 300000000, 'UTC') AS slot_us,
    {rolled_at:DateTime64(3, 'UTC')} AS rolled_at,
    consumer_nf, producer_nf, operation, server_address, server_port,
    uniqExactState(assumeNotNull(request_key)) AS request_keys,
    count() AS times_again,
    min(request_us) AS first_us,
    max(request_us) AS last_us,
    toUnixTimestamp64Milli({rolled_at:DateTime64(3, 'UTC')}) AS roll,
    false AS superseded
FROM
(
    SELECT *, max(ifNull(response_end_us, request_us + toIntervalMillisecond(deadline_ms))) OVER before AS open_until
    FROM
    (
        SELECT
            *,
            transform(vantage, ['client', 'wire', 'server'], [1, 2, 3], 0) AS trust,
            max((trust, node)) OVER sightings AS most_trusted
        FROM ${database}.transactions FINAL
        WHERE request_us >= {start:DateTime64(6, 'UTC')} - toIntervalSecond(65) AND request_us < {stop:DateTime64(6, 'UTC')} + toIntervalSecond(5)
            AND request_key IN
            (
                SELECT request_key
                FROM ${database}.transactions
                WHERE request_us >= {start:DateTime64(6, 'UTC')} - toIntervalSecond(65) AND request_us < {stop:DateTime64(6, 'UTC')} + toIntervalSecond(5)
                    AND request_key IS NOT NULL AND request_event_id IS NOT NULL
                GROUP BY request_key, server_address, server_port
                HAVING min(cityHash64(exchange_key)) != max(cityHash64(exchange_key))
            )
        WINDOW sightings AS
        (
            PARTITION BY sipHash128(exchange_key) ORDER BY toUnixTimestamp64Micro(request_us)
            RANGE BETWEEN 5000000 PRECEDING AND 5000000 FOLLOWING
        )
    )
    WHERE (trust, node) = most_trusted AND request_event_id IS NOT NULL
    WINDOW before AS
    (
        PARTITION BY request_key, server_address, server_port
        ORDER BY request_us, transaction_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
)
WHERE request_us <= open_until AND request_us >= {start:DateTime64(6, 'UTC')} AND request_us < {stop:DateTime64(6, 'UTC')}
GROUP BY slot_us, consumer_nf, producer_nf, operation, server_address, server_port
COMMENT 'What is inserted into rollup_loops; internal';

CREATE OR REPLACE VIEW ${database}.loops_between ${on_cluster} AS
SELECT * EXCEPT (roll, superseded)
FROM ${database}.rollup_loops
WHERE NOT superseded AND slot_us > {start:DateTime64(6, 'UTC')} - toIntervalSecond(300) AND slot_us < {stop:DateTime64(6, 'UTC')}
    AND (slot_us, rolled_at) IN (SELECT slot_us, max(rolled_at) FROM ${database}.rollup_slots GROUP BY slot_us)
COMMENT 'Requests on a circle by five minutes, each slot that the period touches once: loops_between(start=…, stop=…); requests = uniqExactMerge(request_keys)';

-- How many of the tables a roll filled. It stands apart from rollup_slots, into which an earlier release still running
-- inserts two columns: what that rolls is not named here, and is rolled again.
CREATE TABLE IF NOT EXISTS ${database}.rollup_cuts ${on_cluster}
(
    slot_us DateTime64(6, 'UTC') COMMENT 'begin of the five minutes',
    rolled_at DateTime64(3, 'UTC') COMMENT 'which roll',
    tables UInt8 COMMENT 'how many rollup tables it filled'
)
ENGINE = ${replicated}ReplacingMergeTree(rolled_at)
ORDER BY slot_us
COMMENT 'How much the latest roll of five minutes filled; internal';

CREATE OR REPLACE VIEW ${database}.slots_lacking ${on_cluster} AS
SELECT slot_us, sum(sightings) AS seen
FROM ${database}.rollup_sightings
WHERE NOT superseded
    AND (slot_us, rolled_at) IN (SELECT slot_us, max(rolled_at) FROM ${database}.rollup_slots GROUP BY slot_us)
    AND NOT ((slot_us, rolled_at) IN (SELECT slot_us, rolled_at FROM ${database}.rollup_cuts WHERE tables >= {tables:UInt8}))
GROUP BY slot_us
COMMENT 'Five minutes whose latest roll filled fewer than so many tables, and sightings in them: slots_lacking(tables=…); internal';
