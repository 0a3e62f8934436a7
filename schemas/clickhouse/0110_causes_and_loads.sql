-- Causes by list, and who said how loaded it is, by five minutes: a day of 100 million rows is asked in a blink
-- (tests/bench/bench_cookbook.py).
CREATE TABLE IF NOT EXISTS ${database}.rollup_causes ${on_cluster}
(
    slot_us DateTime64(6, 'UTC') COMMENT 'begin of the five minutes' CODEC(Delta(8), ZSTD(1)),
    rolled_at DateTime64(3, 'UTC') COMMENT 'when it was rolled; only the latest counts' CODEC(Delta(8), ZSTD(1)),
    cause_list LowCardinality(Nullable(String)) COMMENT 'in which list of TS 29.500 the cause stands: service, common, proxy, none; null where no list of the service is known',
    producer_nf LowCardinality(Nullable(String)) COMMENT 'NF type of the end that answered',
    service LowCardinality(Nullable(String)) COMMENT 'API name',
    cause LowCardinality(String) COMMENT 'ProblemDetails cause',
    to_proxy Nullable(Bool) COMMENT 'addressed to a proxy',
    exchanges Int64 COMMENT 'answers that name it, each once' CODEC(ZSTD(1)),
    first_us DateTime64(6, 'UTC') COMMENT 'first of the requests' CODEC(ZSTD(1)),
    last_us DateTime64(6, 'UTC') COMMENT 'last of the requests' CODEC(ZSTD(1)),
    roll Int64 COMMENT 'which roll it is of: the milliseconds of its rolled_at' CODEC(Delta(8), ZSTD(1)),
    superseded Bool COMMENT 'true: a later roll counts, this row is about to go'
)
ENGINE = ${replicated}ReplacingMergeTree(rolled_at)
PARTITION BY toYYYYMM(slot_us)
ORDER BY (slot_us, cause_list, producer_nf, service, cause, to_proxy, roll)
SETTINGS allow_nullable_key = 1
COMMENT 'Causes by five minutes, every roll; read causes_between(start=…, stop=…)';

-- Only rows that name a cause are read, not each exchange: a sighting whose cause was not read does not hide what the
-- other end read. Five seconds more on both sides, as exchanges_between.
CREATE OR REPLACE VIEW ${database}.rolling_causes ${on_cluster} AS
SELECT
    fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Micro(request_us), 300000000) * 300000000, 'UTC') AS slot_us,
    {rolled_at:DateTime64(3, 'UTC')} AS rolled_at,
    cause_list, producer_nf, service, assumeNotNull(cause) AS named, toNullable(to_proxy) AS hop,
    count() AS exchanges,
    min(request_us) AS first_us,
    max(request_us) AS last_us,
    toUnixTimestamp64Milli({rolled_at:DateTime64(3, 'UTC')}) AS roll,
    false AS superseded
FROM
(
    SELECT
        *,
        transform(vantage, ['client', 'wire', 'server'], [1, 2, 3], 0) AS trust,
        max((trust, node)) OVER (PARTITION BY sipHash128(exchange_key) ORDER BY toUnixTimestamp64Micro(request_us)
            RANGE BETWEEN 5000000 PRECEDING AND 5000000 FOLLOWING) AS most_trusted
    FROM
    (
        SELECT request_us, transaction_id, exchange_key, vantage, node, cause_list, producer_nf, service, cause, to_proxy
        FROM ${database}.transactions
        WHERE request_us >= {start:DateTime64(6, 'UTC')} - toIntervalSecond(5) AND request_us < {stop:DateTime64(6, 'UTC')} + toIntervalSecond(5)
            AND cause IS NOT NULL
        ORDER BY request_us, transaction_id, version DESC
        LIMIT 1 BY request_us, transaction_id
    )
)
WHERE (trust, node) = most_trusted AND request_us >= {start:DateTime64(6, 'UTC')} AND request_us < {stop:DateTime64(6, 'UTC')}
GROUP BY slot_us, cause_list, producer_nf, service, named, hop
COMMENT 'What is inserted into rollup_causes; internal';

CREATE OR REPLACE VIEW ${database}.causes_between ${on_cluster} AS
SELECT * EXCEPT (roll, superseded)
FROM ${database}.rollup_causes
WHERE NOT superseded AND slot_us > {start:DateTime64(6, 'UTC')} - toIntervalSecond(300) AND slot_us < {stop:DateTime64(6, 'UTC')}
    AND (slot_us, rolled_at) IN (SELECT slot_us, max(rolled_at) FROM ${database}.rollup_slots GROUP BY slot_us)
COMMENT 'Answers that name a cause by five minutes, each slot that the period touches once: causes_between(start=…, stop=…)';

CREATE TABLE IF NOT EXISTS ${database}.rollup_loads ${on_cluster}
(
    slot_us DateTime64(6, 'UTC') COMMENT 'begin of the five minutes' CODEC(Delta(8), ZSTD(1)),
    rolled_at DateTime64(3, 'UTC') COMMENT 'when it was rolled; only the latest counts' CODEC(Delta(8), ZSTD(1)),
    kind LowCardinality(String) COMMENT 'load or overload',
    nf LowCardinality(String) COMMENT 'NF type that sent it, empty if not known',
    nf_instance LowCardinality(String) COMMENT 'its instance, empty if not known',
    scope LowCardinality(Nullable(String)) COMMENT 'what it speaks of: an instance, a set, a service',
    snssai LowCardinality(Nullable(String)) COMMENT 'slice that it speaks of',
    dnn LowCardinality(Nullable(String)) COMMENT 'data network that it speaks of',
    times_said Int64 COMMENT 'how often it was said' CODEC(ZSTD(1)),
    max_percent Nullable(Int32) COMMENT 'highest load, or reduction asked for' CODEC(ZSTD(1)),
    last_percent Nullable(Int32) COMMENT 'what was said last' CODEC(ZSTD(1)),
    last_us DateTime64(6, 'UTC') COMMENT 'its latest timestamp; without one the time of the request' CODEC(ZSTD(1)),
    roll Int64 COMMENT 'which roll it is of: the milliseconds of its rolled_at' CODEC(Delta(8), ZSTD(1)),
    superseded Bool COMMENT 'true: a later roll counts, this row is about to go'
)
ENGINE = ${replicated}ReplacingMergeTree(rolled_at)
PARTITION BY toYYYYMM(slot_us)
ORDER BY (slot_us, kind, nf, nf_instance, scope, snssai, dnn, roll)
SETTINGS allow_nullable_key = 1
COMMENT 'Load and overload reports by five minutes, every roll; read loads_between(start=…, stop=…)';

CREATE OR REPLACE VIEW ${database}.rolling_loads ${on_cluster} AS
SELECT
    fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Micro(request_us), 300000000) * 300000000, 'UTC') AS slot_us,
    {rolled_at:DateTime64(3, 'UTC')} AS rolled_at,
    kind, nf, nf_instance, scope, snssai, dnn,
    count() AS times_said,
    max(percent) AS max_percent,
    argMax(percent, (ifNull(reported_us, request_us), percent)) AS last_percent,
    max(ifNull(reported_us, request_us)) AS last_us,
    toUnixTimestamp64Milli({rolled_at:DateTime64(3, 'UTC')}) AS roll,
    false AS superseded
FROM ${database}.load_reports_between(start = {start:DateTime64(6, 'UTC')} - toIntervalSecond(5), stop = {stop:DateTime64(6, 'UTC')} + toIntervalSecond(5))
WHERE request_us >= {start:DateTime64(6, 'UTC')} AND request_us < {stop:DateTime64(6, 'UTC')}
GROUP BY slot_us, kind, nf, nf_instance, scope, snssai, dnn
COMMENT 'What is inserted into rollup_loads; internal';

CREATE OR REPLACE VIEW ${database}.loads_between ${on_cluster} AS
SELECT * EXCEPT (roll, superseded)
FROM ${database}.rollup_loads
WHERE NOT superseded AND slot_us > {start:DateTime64(6, 'UTC')} - toIntervalSecond(300) AND slot_us < {stop:DateTime64(6, 'UTC')}
    AND (slot_us, rolled_at) IN (SELECT slot_us, max(rolled_at) FROM ${database}.rollup_slots GROUP BY slot_us)
COMMENT 'Load and overload reports by five minutes, each slot that the period touches once: loads_between(start=…, stop=…); each alone: load_reports_between';
