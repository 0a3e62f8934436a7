-- A roll does not replace another by a merge: a merge comes when it likes, also before the ledger names the new roll, or after
-- that broke off. Rolls lie apart by `roll`; once the ledger names a later one, rows of the earlier ones are replaced by
-- the same `superseded`, which go a day later (streams/migrate.py, retain). Rows of before have roll 0.
-- A hop to a proxy stands apart in each cut that counts requests, and a key counts as sent again up to five minutes back, also
-- in the slot before.
ALTER TABLE ${database}.rollup_counts ${on_cluster}
    ADD COLUMN IF NOT EXISTS roll Int64 COMMENT 'which roll it is of: the milliseconds of its rolled_at' CODEC(Delta(8), ZSTD(1)),
    ADD COLUMN IF NOT EXISTS superseded Bool COMMENT 'true: a later roll counts, this row is about to go',
    MODIFY ORDER BY (cut, slot_us, site, service, operation, method, resource, operation_source, consumer_nf, producer_nf, to_proxy, snssai, dnn, plmn, connection_id, client_address, client_port, user_agent, server_address, server_port, outcome, status, cause, result, error_origin, up_to_ms, roll);

ALTER TABLE ${database}.rollup_latency ${on_cluster}
    ADD COLUMN IF NOT EXISTS roll Int64 COMMENT 'which roll it is of: the milliseconds of its rolled_at' CODEC(Delta(8), ZSTD(1)),
    ADD COLUMN IF NOT EXISTS superseded Bool COMMENT 'true: a later roll counts, this row is about to go',
    MODIFY ORDER BY (cut, slot_us, minute_us, operation, consumer_nf, producer_nf, server_address, server_port, to_proxy, snssai, dnn, roll);

ALTER TABLE ${database}.rollup_requests ${on_cluster}
    ADD COLUMN IF NOT EXISTS roll Int64 COMMENT 'which roll it is of: the milliseconds of its rolled_at' CODEC(Delta(8), ZSTD(1)),
    ADD COLUMN IF NOT EXISTS superseded Bool COMMENT 'true: a later roll counts, this row is about to go',
    MODIFY ORDER BY (slot_us, operation, consumer_nf, hops, roll);

ALTER TABLE ${database}.rollup_sightings ${on_cluster}
    ADD COLUMN IF NOT EXISTS roll Int64 COMMENT 'which roll it is of: the milliseconds of its rolled_at' CODEC(Delta(8), ZSTD(1)),
    ADD COLUMN IF NOT EXISTS superseded Bool COMMENT 'true: a later roll counts, this row is about to go',
    ADD COLUMN IF NOT EXISTS first_stored DateTime64(3, 'UTC') DEFAULT slot_us COMMENT 'when the earliest of the sightings was inserted: while it is kept, all are' CODEC(Delta(8), ZSTD(1)),
    MODIFY ORDER BY (slot_us, site, node, vantage, roll);

ALTER TABLE ${database}.rollup_distinct ${on_cluster}
    ADD COLUMN IF NOT EXISTS roll Int64 COMMENT 'which roll it is of: the milliseconds of its rolled_at' CODEC(Delta(8), ZSTD(1)),
    ADD COLUMN IF NOT EXISTS superseded Bool COMMENT 'true: a later roll counts, this row is about to go',
    MODIFY ORDER BY (slot_us, roll);

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
    false AS superseded
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

CREATE OR REPLACE VIEW ${database}.rolling_latency ${on_cluster} AS
SELECT
    transform(grouping(server_address, snssai, consumer_nf, minute_us), [5, 11, 13, 14], ['endpoint', 'slice', 'pair', 'minute'], '') AS cut,
    slot AS slot_us,
    {rolled_at:DateTime64(3, 'UTC')} AS rolled_at,
    minute_us, operation, consumer_nf, producer_nf, server_address, server_port, to_proxy, snssai, dnn,
    count() AS exchanges,
    countIf(verdict = 'success') AS succeeded,
    countIf(verdict = 'failure') AS failed,
    countIf(status = 201) AS created,
    count(duration_us) AS durations,
    max(duration_us) AS max_us,
    countIf(network_us IS NOT NULL) AS both_ends,
    quantilesDDState(0.01, 0.5, 0.95, 0.99)(duration_us) AS duration_state,
    quantilesDDState(0.01, 0.5, 0.95, 0.99)(if(network_us IS NULL, NULL, duration_us)) AS both_state,
    quantilesDDState(0.01, 0.5, 0.95, 0.99)(network_us) AS network_state,
    toUnixTimestamp64Milli({rolled_at:DateTime64(3, 'UTC')}) AS roll,
    false AS superseded
FROM
(
    SELECT
        * EXCEPT (to_proxy),
        fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Micro(request_us), 300000000) * 300000000, 'UTC') AS slot,
        toNullable(to_proxy) AS to_proxy,
        toNullable(toDateTime64(toStartOfMinute(request_us), 6, 'UTC')) AS minute_us
    FROM ${database}.exchanges_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
    WHERE request_event_id IS NOT NULL
)
GROUP BY GROUPING SETS
(
    (slot, operation, consumer_nf, producer_nf, server_address, server_port, to_proxy),
    (slot, operation, to_proxy, snssai, dnn),
    (slot, consumer_nf, producer_nf, to_proxy),
    (slot, to_proxy, minute_us)
)
COMMENT 'What is inserted into rollup_latency; internal';

CREATE OR REPLACE VIEW ${database}.rolling_requests ${on_cluster} AS
SELECT
    fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Micro(request_us), 300000000) * 300000000, 'UTC') AS slot_us,
    {rolled_at:DateTime64(3, 'UTC')} AS rolled_at,
    operation, consumer_nf, hops,
    count() AS requests,
    countIf(retransmission) AS retransmitted,
    countIf(again) AS same_key_again,
    count(proxy_us) AS proxied,
    sum(ifNull(proxy_us / nullIf(duration_us, 0), 0)) AS share_sum,
    quantilesDDState(0.01, 0.5, 0.95, 0.99)(proxy_us) AS proxy_state,
    toUnixTimestamp64Milli({rolled_at:DateTime64(3, 'UTC')}) AS roll,
    false AS superseded
FROM
(
    SELECT *, request_key IS NOT NULL AND request_us <= max(request_us) OVER before + toIntervalSecond(300) AS again
    FROM ${database}.requests_between(start = {start:DateTime64(6, 'UTC')} - toIntervalSecond(300), stop = {stop:DateTime64(6, 'UTC')})
    WINDOW before AS (PARTITION BY sipHash128(coalesce(request_key, transaction_id)) ORDER BY request_us, transaction_id ROWS BETWEEN 1 PRECEDING AND 1 PRECEDING)
)
WHERE request_us >= {start:DateTime64(6, 'UTC')} AND request_us < {stop:DateTime64(6, 'UTC')}
GROUP BY slot_us, operation, consumer_nf, hops
COMMENT 'What is inserted into rollup_requests; internal';

CREATE OR REPLACE VIEW ${database}.rolling_sightings ${on_cluster} AS
SELECT
    fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Micro(request_us), 300000000) * 300000000, 'UTC') AS slot_us,
    {rolled_at:DateTime64(3, 'UTC')} AS rolled_at,
    site, node, vantage,
    count() AS sightings,
    countIf(outcome != 'unknown') AS known,
    countIf(request_header_state = 'exact') AS exact,
    countIf(request_event_id IS NULL) AS lone_responses,
    countIf(request_ended = 'gap' OR response_ended = 'gap') AS with_bytes_missing,
    toUnixTimestamp64Milli({rolled_at:DateTime64(3, 'UTC')}) AS roll,
    false AS superseded,
    min(stored_at) AS first_stored
FROM ${database}.transactions FINAL
WHERE request_us >= {start:DateTime64(6, 'UTC')} AND request_us < {stop:DateTime64(6, 'UTC')}
GROUP BY slot_us, site, node, vantage
COMMENT 'What is inserted into rollup_sightings; internal';

CREATE OR REPLACE VIEW ${database}.rolling_distinct ${on_cluster} AS
SELECT
    fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Micro(request_us), 300000000) * 300000000, 'UTC') AS slot_us,
    {rolled_at:DateTime64(3, 'UTC')} AS rolled_at,
    count() AS exchanges,
    uniqCombined64State(14)(supi) AS subscribers,
    uniqCombined64State(14)(CAST(operation, 'Nullable(String)')) AS operations,
    uniqCombined64State(14)(CAST(service, 'Nullable(String)')) AS services,
    uniqCombined64State(14)(CAST(producer_nf_instance, 'Nullable(String)')) AS instances,
    uniqCombined64State(14)(connection_id) AS connections,
    uniqCombined64State(14)(CAST(resource, 'Nullable(String)')) AS resources,
    uniqCombined64State(14)(CAST(dnn, 'Nullable(String)')) AS dnns,
    uniqCombined64State(14)(CAST(snssai, 'Nullable(String)')) AS slices,
    uniqCombined64State(14)(CAST(plmn, 'Nullable(String)')) AS plmns,
    uniqCombined64State(14)(CAST(user_agent, 'Nullable(String)')) AS user_agents,
    toUnixTimestamp64Milli({rolled_at:DateTime64(3, 'UTC')}) AS roll,
    false AS superseded
FROM ${database}.exchanges_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
GROUP BY slot_us
COMMENT 'What is inserted into rollup_distinct; internal';

CREATE OR REPLACE VIEW ${database}.counts_between ${on_cluster} AS
SELECT * EXCEPT (roll, superseded)
FROM ${database}.rollup_counts
WHERE NOT superseded AND slot_us > {start:DateTime64(6, 'UTC')} - toIntervalSecond(300) AND slot_us < {stop:DateTime64(6, 'UTC')}
    AND (slot_us, rolled_at) IN (SELECT slot_us, max(rolled_at) FROM ${database}.rollup_slots GROUP BY slot_us)
COMMENT 'Exchanges counted by five minutes, each slot that the period touches once: counts_between(start=…, stop=…). Choose one cut (fate, peer, connection, heat), or the same exchanges count several times';

CREATE OR REPLACE VIEW ${database}.latency_between ${on_cluster} AS
SELECT * EXCEPT (roll, superseded)
FROM ${database}.rollup_latency
WHERE NOT superseded AND slot_us > {start:DateTime64(6, 'UTC')} - toIntervalSecond(300) AND slot_us < {stop:DateTime64(6, 'UTC')}
    AND (slot_us, rolled_at) IN (SELECT slot_us, max(rolled_at) FROM ${database}.rollup_slots GROUP BY slot_us)
COMMENT 'Durations by five minutes, each slot that the period touches once: latency_between(start=…, stop=…). Choose one cut (endpoint, slice, pair, minute) and merge the states with quantilesDDMerge(0.01, 0.5, 0.95, 0.99)';

CREATE OR REPLACE VIEW ${database}.request_counts_between ${on_cluster} AS
SELECT * EXCEPT (roll, superseded)
FROM ${database}.rollup_requests
WHERE NOT superseded AND slot_us > {start:DateTime64(6, 'UTC')} - toIntervalSecond(300) AND slot_us < {stop:DateTime64(6, 'UTC')}
    AND (slot_us, rolled_at) IN (SELECT slot_us, max(rolled_at) FROM ${database}.rollup_slots GROUP BY slot_us)
COMMENT 'Logical requests counted by five minutes, each slot that the period touches once: request_counts_between(start=…, stop=…)';

CREATE OR REPLACE VIEW ${database}.sightings_between ${on_cluster} AS
SELECT * EXCEPT (roll, superseded)
FROM ${database}.rollup_sightings
WHERE NOT superseded AND slot_us > {start:DateTime64(6, 'UTC')} - toIntervalSecond(300) AND slot_us < {stop:DateTime64(6, 'UTC')}
    AND (slot_us, rolled_at) IN (SELECT slot_us, max(rolled_at) FROM ${database}.rollup_slots GROUP BY slot_us)
COMMENT 'Sightings counted by five minutes, each slot that the period touches once: sightings_between(start=…, stop=…)';

CREATE OR REPLACE VIEW ${database}.distinct_between ${on_cluster} AS
SELECT * EXCEPT (roll, superseded)
FROM ${database}.rollup_distinct
WHERE NOT superseded AND slot_us > {start:DateTime64(6, 'UTC')} - toIntervalSecond(300) AND slot_us < {stop:DateTime64(6, 'UTC')}
    AND (slot_us, rolled_at) IN (SELECT slot_us, max(rolled_at) FROM ${database}.rollup_slots GROUP BY slot_us)
COMMENT 'How many different ones, by five minutes, each slot that the period touches once: distinct_between(start=…, stop=…); merge with uniqCombined64Merge(14)';
