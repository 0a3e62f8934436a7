-- So that a day of 100 million rows answers at once (tests/bench/bench_cookbook.py): whole hours of the rollups as one row.
-- They are what their slots' latest rolls add up to, and count while these are the latest (rollup_hours.made_of: a ledger
-- row may come late, with an earlier time than that of another slot); else the slots themselves are read.
CREATE TABLE IF NOT EXISTS ${database}.rollup_hours ${on_cluster}
(
    hour_us DateTime64(6, 'UTC') COMMENT 'begin of the hour',
    rolled_at DateTime64(3, 'UTC') COMMENT 'when it was rolled; the latest counts',
    made_of UInt64 COMMENT 'which rolls of its slots it was made of, as slots_by_hour has it: others make the hour void'
)
ENGINE = ${replicated}ReplacingMergeTree(rolled_at)
ORDER BY hour_us
COMMENT 'Which hours are rolled up from their five minutes; internal';

CREATE TABLE IF NOT EXISTS ${database}.rollup_counts_hours ${on_cluster}
(
    cut LowCardinality(String) COMMENT 'as in rollup_counts: fate, peer, connection, heat',
    slot_us DateTime64(6, 'UTC') COMMENT 'begin of the hour' CODEC(Delta(8), ZSTD(1)),
    rolled_at DateTime64(3, 'UTC') COMMENT 'when it was rolled; only the latest counts' CODEC(Delta(8), ZSTD(1)),
    site LowCardinality(Nullable(String)) COMMENT 'configured site',
    service LowCardinality(Nullable(String)) COMMENT 'API name',
    operation LowCardinality(Nullable(String)) COMMENT '3GPP service operation; null if not in the catalogue',
    method LowCardinality(Nullable(String)) COMMENT ':method of what is not in the catalogue, and of NF registrations',
    resource LowCardinality(Nullable(String)) COMMENT 'path template, or masked path where none matches',
    operation_source LowCardinality(Nullable(String)) COMMENT 'how the operation was found',
    consumer_nf LowCardinality(Nullable(String)) COMMENT 'NF type of the end that asked',
    producer_nf LowCardinality(Nullable(String)) COMMENT 'NF type of the end that answered',
    to_proxy Nullable(Bool) COMMENT 'addressed to a proxy',
    snssai LowCardinality(Nullable(String)) COMMENT 'slice',
    dnn LowCardinality(Nullable(String)) COMMENT 'data network name',
    plmn LowCardinality(Nullable(String)) COMMENT 'PLMN id',
    connection_id Nullable(String) COMMENT 'connection' CODEC(ZSTD(1)),
    client_address LowCardinality(Nullable(String)) COMMENT 'IP address of the end that asked',
    client_port Nullable(Int32) COMMENT 'its TCP port',
    user_agent LowCardinality(Nullable(String)) COMMENT 'user-agent of the request',
    server_address LowCardinality(Nullable(String)) COMMENT 'IP address of the end that answered',
    server_port Nullable(Int32) COMMENT 'its TCP port',
    outcome LowCardinality(Nullable(String)) COMMENT 'what became of the request',
    verdict LowCardinality(Nullable(String)) COMMENT 'success, failure, unknown',
    status Nullable(Int32) COMMENT ':status; of a peer only where it did not succeed',
    cause LowCardinality(Nullable(String)) COMMENT 'ProblemDetails cause',
    result LowCardinality(Nullable(String)) COMMENT 'verdict inside the body',
    error_origin LowCardinality(Nullable(String)) COMMENT 'who made the error',
    up_to_ms Nullable(Float64) COMMENT 'of heat: durations above half of it, up to it',
    exchanges Int64 COMMENT 'exchanges, each once' CODEC(ZSTD(1)),
    retransmitted Int64 COMMENT 'marked as retransmission' CODEC(ZSTD(1)),
    cut_off Int64 COMMENT 'whose stream or connection was ended before its time' CODEC(ZSTD(1)),
    with_retry_after Int64 COMMENT 'whose answer has retry-after' CODEC(ZSTD(1)),
    body_bytes Int64 COMMENT 'octets of bodies, both ways' CODEC(ZSTD(1)),
    max_us Nullable(Int64) COMMENT 'longest duration' CODEC(ZSTD(1)),
    deadline_ms Int32 COMMENT 'a deadline of one of them' CODEC(ZSTD(1)),
    first_us DateTime64(6, 'UTC') COMMENT 'first of the requests' CODEC(ZSTD(1)),
    last_us DateTime64(6, 'UTC') COMMENT 'last of the requests' CODEC(ZSTD(1)),
    example Nullable(String) COMMENT 'a path, of what is not in the catalogue' CODEC(ZSTD(1)),
    roll Int64 COMMENT 'which roll it is of: the milliseconds of its rolled_at' CODEC(Delta(8), ZSTD(1)),
    superseded Bool COMMENT 'true: a later roll counts, this row is about to go',
    kept_from DateTime64(3, 'UTC') DEFAULT rolled_at COMMENT 'when the earliest of the sightings counted was inserted: names of single connections and paths go with it' CODEC(Delta(8), ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(rolled_at)
PARTITION BY toYYYYMM(slot_us)
ORDER BY (cut, slot_us, site, service, operation, method, resource, operation_source, consumer_nf, producer_nf, to_proxy, snssai, dnn, plmn, connection_id, client_address, client_port, user_agent, server_address, server_port, outcome, status, cause, result, error_origin, up_to_ms, roll)
SETTINGS allow_nullable_key = 1
COMMENT 'Exchanges counted by the hour, every roll; read counts_summed_between(start=…, stop=…)';

CREATE TABLE IF NOT EXISTS ${database}.rollup_latency_hours ${on_cluster}
(
    cut LowCardinality(String) COMMENT 'as in rollup_latency: endpoint, slice, pair',
    slot_us DateTime64(6, 'UTC') COMMENT 'begin of the hour' CODEC(Delta(8), ZSTD(1)),
    rolled_at DateTime64(3, 'UTC') COMMENT 'when it was rolled; only the latest counts' CODEC(Delta(8), ZSTD(1)),
    operation LowCardinality(Nullable(String)) COMMENT '3GPP service operation',
    consumer_nf LowCardinality(Nullable(String)) COMMENT 'NF type of the end that asked',
    producer_nf LowCardinality(Nullable(String)) COMMENT 'NF type of the end that answered',
    server_address LowCardinality(Nullable(String)) COMMENT 'IP address of the end that answered',
    server_port Nullable(Int32) COMMENT 'its TCP port',
    to_proxy Nullable(Bool) COMMENT 'addressed to a proxy',
    snssai LowCardinality(Nullable(String)) COMMENT 'slice',
    dnn LowCardinality(Nullable(String)) COMMENT 'data network name',
    exchanges Int64 COMMENT 'exchanges, each once' CODEC(ZSTD(1)),
    succeeded Int64 COMMENT 'of them, by verdict' CODEC(ZSTD(1)),
    failed Int64 COMMENT 'of them, by verdict' CODEC(ZSTD(1)),
    created Int64 COMMENT 'answered with 201' CODEC(ZSTD(1)),
    durations Int64 COMMENT 'how many durations are known' CODEC(ZSTD(1)),
    max_us Nullable(Int64) COMMENT 'longest duration' CODEC(ZSTD(1)),
    both_ends Int64 COMMENT 'seen at both ends' CODEC(ZSTD(1)),
    duration_state AggregateFunction(quantilesDD(0.01, 0.5, 0.95, 0.99), Nullable(Int64)) COMMENT 'durations, to be merged: right to 1 %' CODEC(ZSTD(1)),
    both_state AggregateFunction(quantilesDD(0.01, 0.5, 0.95, 0.99), Nullable(Int64)) COMMENT 'durations at the server of what was seen at both ends' CODEC(ZSTD(1)),
    network_state AggregateFunction(quantilesDD(0.01, 0.5, 0.95, 0.99), Nullable(Int64)) COMMENT 'what network and queues took of it' CODEC(ZSTD(1)),
    roll Int64 COMMENT 'which roll it is of: the milliseconds of its rolled_at' CODEC(Delta(8), ZSTD(1)),
    superseded Bool COMMENT 'true: a later roll counts, this row is about to go'
)
ENGINE = ${replicated}ReplacingMergeTree(rolled_at)
PARTITION BY toYYYYMM(slot_us)
ORDER BY (cut, slot_us, operation, consumer_nf, producer_nf, server_address, server_port, to_proxy, snssai, dnn, roll)
SETTINGS allow_nullable_key = 1
COMMENT 'Durations by the hour, every roll; read latency_summed_between(start=…, stop=…)';

-- What is rolled again is not kept longer for that: single connections and paths go with the rows that they came from.
ALTER TABLE ${database}.rollup_counts ${on_cluster}
    ADD COLUMN IF NOT EXISTS kept_from DateTime64(3, 'UTC') DEFAULT rolled_at COMMENT 'when the earliest of the sightings counted was inserted: names of single connections and paths go with it' CODEC(Delta(8), ZSTD(1));

CREATE OR REPLACE VIEW ${database}.rolling_counts ${on_cluster} AS
SELECT
    transform(grouping(site, client_address, connection_id, up_to_ms), [7, 11, 9, 14], ['fate', 'peer', 'connection', 'heat'], '') AS cut,
    slot AS slot_us,
    {rolled_at:DateTime64(3, 'UTC')} AS rolled_at,
    site, service, operation, method_shown AS method, resource_shown AS resource, operation_source, consumer_nf, producer_nf,
    to_proxy, snssai, dnn, plmn, connection_id, client_address, client_port, user_agent, server_address, server_port, outcome,
    verdict, status_shown AS status, cause_shown AS cause, result, error_origin, up_to_ms,
    count() AS exchanges,
    countIf(retransmission) AS retransmitted,
    countIf(request_ended IN ('reset', 'goaway', 'closed') OR response_ended IN ('reset', 'goaway', 'closed')) AS cut_off,
    countIf(retry_after IS NOT NULL) AS with_retry_after,
    sum(ifNull(request_body_bytes, 0) + ifNull(response_body_bytes, 0)) AS body_bytes,
    max(duration_us) AS max_us,
    any(deadline_ms) AS deadline_ms,
    min(request_us) AS first_us,
    max(request_us) AS last_us,
    anyIf(path, operation IS NULL) AS example,
    toUnixTimestamp64Milli({rolled_at:DateTime64(3, 'UTC')}) AS roll,
    false AS superseded,
    min(stored_at) AS kept_from
FROM
(
    SELECT
        * EXCEPT (to_proxy, method, resource, status, cause),
        fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Micro(request_us), 300000000) * 300000000, 'UTC') AS slot,
        toNullable(to_proxy) AS to_proxy,
        if(operation IS NULL OR service IN ('nudm-uecm', 'nsmf-pdusession'), method, NULL) AS method_shown,
        if(operation IS NULL OR service IN ('nudm-uecm', 'nsmf-pdusession'), resource, NULL) AS resource_shown,
        if(verdict = 'success', NULL, status) AS status_shown,
        if(verdict = 'success', NULL, cause) AS cause_shown,
        pow(2, greatest(0, ceil(log2(greatest(duration_us, 1) / 1000)))) AS up_to_ms
    FROM ${database}.exchanges_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
    WHERE request_event_id IS NOT NULL
)
GROUP BY GROUPING SETS
(
    (slot, site, service, operation, method_shown, resource_shown, operation_source, consumer_nf, producer_nf, to_proxy, snssai, dnn, plmn, outcome, verdict, status_shown, cause_shown, result, error_origin),
    (slot, client_address, user_agent, service, consumer_nf, producer_nf, to_proxy, server_address, server_port, outcome, verdict, status_shown, cause_shown),
    (slot, connection_id, client_address, client_port, server_address, server_port),
    (slot, operation, to_proxy, up_to_ms)
)
COMMENT 'What is inserted into rollup_counts; internal';

CREATE OR REPLACE VIEW ${database}.slots_by_hour ${on_cluster} AS
SELECT
    fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Micro(slot_us), 3600000000) * 3600000000, 'UTC') AS hour_us,
    groupBitXor(cityHash64(toUnixTimestamp64Micro(slot_us), toUnixTimestamp64Milli(at))) AS made_of,
    max(at) AS latest
FROM (SELECT slot_us, max(rolled_at) AS at FROM ${database}.rollup_slots GROUP BY slot_us)
GROUP BY hour_us
COMMENT 'Of each hour: made_of, which rolls of its slots count, and when the latest was; internal';

CREATE OR REPLACE VIEW ${database}.whole_hours_between ${on_cluster} AS
SELECT hour_us, rolled_at
FROM ${database}.rollup_hours
WHERE (hour_us, rolled_at) IN (SELECT hour_us, max(rolled_at) FROM ${database}.rollup_hours GROUP BY hour_us)
    AND (hour_us, made_of) IN (SELECT hour_us, made_of FROM ${database}.slots_by_hour)
    AND hour_us > {start:DateTime64(6, 'UTC')} - toIntervalSecond(300) AND hour_us + toIntervalSecond(3300) < {stop:DateTime64(6, 'UTC')}
COMMENT 'Hours of a period that are rolled and of which all slots are touched; internal';

CREATE OR REPLACE VIEW ${database}.rolling_counts_hours ${on_cluster} AS
SELECT
    cut,
    fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Micro(slot_us), 3600000000) * 3600000000, 'UTC') AS hour_us,
    {rolled_at:DateTime64(3, 'UTC')} AS at,
    site, service, operation, method, resource, operation_source, consumer_nf, producer_nf, to_proxy, snssai, dnn, plmn, connection_id, client_address, client_port, user_agent, server_address, server_port, outcome, verdict, status, cause, result, error_origin, up_to_ms,
    sum(exchanges), sum(retransmitted), sum(cut_off), sum(with_retry_after), sum(body_bytes), max(max_us), any(deadline_ms),
    min(first_us), max(last_us), any(example),
    toUnixTimestamp64Milli({rolled_at:DateTime64(3, 'UTC')}),
    false,
    min(kept_from)
FROM ${database}.counts_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
GROUP BY hour_us, cut, site, service, operation, method, resource, operation_source, consumer_nf, producer_nf, to_proxy, snssai, dnn, plmn, connection_id, client_address, client_port, user_agent, server_address, server_port, outcome, verdict, status, cause, result, error_origin, up_to_ms
COMMENT 'What is inserted into rollup_counts_hours; internal';

CREATE OR REPLACE VIEW ${database}.rolling_latency_hours ${on_cluster} AS
SELECT
    cut,
    fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Micro(slot_us), 3600000000) * 3600000000, 'UTC') AS hour_us,
    {rolled_at:DateTime64(3, 'UTC')} AS at,
    operation, consumer_nf, producer_nf, server_address, server_port, to_proxy, snssai, dnn,
    sum(exchanges), sum(succeeded), sum(failed), sum(created), sum(durations), max(max_us), sum(both_ends),
    quantilesDDMergeState(0.01, 0.5, 0.95, 0.99)(duration_state),
    quantilesDDMergeState(0.01, 0.5, 0.95, 0.99)(both_state),
    quantilesDDMergeState(0.01, 0.5, 0.95, 0.99)(network_state),
    toUnixTimestamp64Milli({rolled_at:DateTime64(3, 'UTC')}),
    false
FROM ${database}.latency_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE cut != 'minute'
GROUP BY hour_us, cut, operation, consumer_nf, producer_nf, server_address, server_port, to_proxy, snssai, dnn
COMMENT 'What is inserted into rollup_latency_hours; internal';

CREATE OR REPLACE VIEW ${database}.counts_summed_between ${on_cluster} AS
SELECT * EXCEPT (slot_us, rolled_at, roll, superseded, kept_from)
FROM ${database}.rollup_counts_hours
WHERE NOT superseded AND (slot_us, rolled_at) IN (SELECT hour_us, rolled_at FROM ${database}.whole_hours_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')}))
UNION ALL
SELECT * EXCEPT (slot_us, rolled_at, roll, superseded, kept_from)
FROM ${database}.rollup_counts
WHERE NOT superseded AND (slot_us, rolled_at) IN
    (
        SELECT slot_us, max(rolled_at)
        FROM ${database}.rollup_slots
        WHERE slot_us > {start:DateTime64(6, 'UTC')} - toIntervalSecond(300) AND slot_us < {stop:DateTime64(6, 'UTC')}
            AND NOT (fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Micro(slot_us), 3600000000) * 3600000000, 'UTC') IN (SELECT hour_us FROM ${database}.whole_hours_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})))
        GROUP BY slot_us
    )
COMMENT 'Exchanges counted of a period, for sums over all of it: counts_summed_between(start=…, stop=…). Whole hours are one row each, the rest rows of five minutes, as counts_between has them; choose one cut (fate, peer, connection, heat)';

CREATE OR REPLACE VIEW ${database}.latency_summed_between ${on_cluster} AS
SELECT * EXCEPT (slot_us, rolled_at, roll, superseded)
FROM ${database}.rollup_latency_hours
WHERE NOT superseded AND (slot_us, rolled_at) IN (SELECT hour_us, rolled_at FROM ${database}.whole_hours_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')}))
UNION ALL
SELECT * EXCEPT (slot_us, rolled_at, roll, superseded, minute_us)
FROM ${database}.rollup_latency
WHERE NOT superseded AND (slot_us, rolled_at) IN
    (
        SELECT slot_us, max(rolled_at)
        FROM ${database}.rollup_slots
        WHERE slot_us > {start:DateTime64(6, 'UTC')} - toIntervalSecond(300) AND slot_us < {stop:DateTime64(6, 'UTC')}
            AND NOT (fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Micro(slot_us), 3600000000) * 3600000000, 'UTC') IN (SELECT hour_us FROM ${database}.whole_hours_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})))
        GROUP BY slot_us
    ) AND cut != 'minute'
COMMENT 'Durations of a period, for sums over all of it: latency_summed_between(start=…, stop=…). Whole hours are one row each, the rest rows of five minutes, as latency_between has them; choose one cut (endpoint, slice, pair)';
