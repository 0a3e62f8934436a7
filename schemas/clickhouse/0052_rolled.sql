-- The rollups as they are read: of each slot that a period touches, its latest roll.
CREATE OR REPLACE VIEW ${database}.counts_between ${on_cluster} AS
SELECT *
FROM ${database}.rollup_counts
WHERE slot_us > {start:DateTime64(6, 'UTC')} - toIntervalSecond(300) AND slot_us < {stop:DateTime64(6, 'UTC')}
    AND (slot_us, rolled_at) IN (SELECT slot_us, max(rolled_at) FROM ${database}.rollup_slots GROUP BY slot_us)
COMMENT 'Exchanges counted by five minutes, each slot that the period touches once: counts_between(start=…, stop=…). Choose one cut (fate, peer, connection, heat), or the same exchanges count several times';

CREATE OR REPLACE VIEW ${database}.latency_between ${on_cluster} AS
SELECT *
FROM ${database}.rollup_latency
WHERE slot_us > {start:DateTime64(6, 'UTC')} - toIntervalSecond(300) AND slot_us < {stop:DateTime64(6, 'UTC')}
    AND (slot_us, rolled_at) IN (SELECT slot_us, max(rolled_at) FROM ${database}.rollup_slots GROUP BY slot_us)
COMMENT 'Durations by five minutes, each slot that the period touches once: latency_between(start=…, stop=…). Choose one cut (endpoint, slice, pair, minute) and merge the states with quantilesDDMerge(0.01, 0.5, 0.95, 0.99)';

CREATE OR REPLACE VIEW ${database}.request_counts_between ${on_cluster} AS
SELECT *
FROM ${database}.rollup_requests
WHERE slot_us > {start:DateTime64(6, 'UTC')} - toIntervalSecond(300) AND slot_us < {stop:DateTime64(6, 'UTC')}
    AND (slot_us, rolled_at) IN (SELECT slot_us, max(rolled_at) FROM ${database}.rollup_slots GROUP BY slot_us)
COMMENT 'Logical requests counted by five minutes, each slot that the period touches once: request_counts_between(start=…, stop=…)';

CREATE OR REPLACE VIEW ${database}.sightings_between ${on_cluster} AS
SELECT *
FROM ${database}.rollup_sightings
WHERE slot_us > {start:DateTime64(6, 'UTC')} - toIntervalSecond(300) AND slot_us < {stop:DateTime64(6, 'UTC')}
    AND (slot_us, rolled_at) IN (SELECT slot_us, max(rolled_at) FROM ${database}.rollup_slots GROUP BY slot_us)
COMMENT 'Sightings counted by five minutes, each slot that the period touches once: sightings_between(start=…, stop=…)';

CREATE OR REPLACE VIEW ${database}.distinct_between ${on_cluster} AS
SELECT *
FROM ${database}.rollup_distinct
WHERE slot_us > {start:DateTime64(6, 'UTC')} - toIntervalSecond(300) AND slot_us < {stop:DateTime64(6, 'UTC')}
    AND (slot_us, rolled_at) IN (SELECT slot_us, max(rolled_at) FROM ${database}.rollup_slots GROUP BY slot_us)
COMMENT 'How many different ones, by five minutes, each slot that the period touches once: distinct_between(start=…, stop=…); merge with uniqCombined64Merge(14)';

-- Which times a subscriber has rows at: the way to them in a table that is kept in the order of time. It repeats what
-- the table repeats, and names nothing but places to look at.
CREATE TABLE IF NOT EXISTS ${database}.subscriber_times ${on_cluster}
(
    supi String COMMENT 'subscriber: pseudonym, or plain in laboratory mode' CODEC(ZSTD(1)),
    request_us DateTime64(6, 'UTC') COMMENT 'request_us of a row of transactions' CODEC(Delta(8), ZSTD(1)),
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'when this row was inserted; retention counts from it' CODEC(Delta(8), ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree
PARTITION BY toYYYYMM(request_us)
ORDER BY (supi, request_us)
COMMENT 'When a subscriber was seen; read subscriber_exchanges(supi=…, start=…, stop=…)';

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.subscriber_times_arrival ${on_cluster} TO ${database}.subscriber_times AS
SELECT assumeNotNull(supi) AS supi, request_us
FROM ${database}.transactions
WHERE supi IS NOT NULL
COMMENT 'Notes the times of each subscriber as rows arrive; internal';

CREATE OR REPLACE VIEW ${database}.subscriber_exchanges ${on_cluster} AS
SELECT
    * EXCEPT (trust, most_trusted),
    multiIf(outcome IN ('success', 'redirect', 'business'), 'success', outcome = 'unknown', 'unknown', 'failure') AS verdict
FROM
(
    SELECT
        *,
        transform(vantage, ['client', 'wire', 'server'], [1, 2, 3], 0) AS trust,
        max((trust, node)) OVER sightings AS most_trusted
    FROM ${database}.transactions FINAL
    WHERE supi = {supi:String}
        AND request_us >= {start:DateTime64(6, 'UTC')} AND request_us < {stop:DateTime64(6, 'UTC')}
        AND request_us IN
        (
            SELECT request_us
            FROM ${database}.subscriber_times
            WHERE supi = {supi:String} AND request_us >= {start:DateTime64(6, 'UTC')} AND request_us < {stop:DateTime64(6, 'UTC')}
        )
    WINDOW sightings AS
    (
        PARTITION BY sipHash128(exchange_key) ORDER BY toUnixTimestamp64Micro(request_us)
        RANGE BETWEEN 5000000 PRECEDING AND 5000000 FOLLOWING
    )
)
WHERE (trust, node) = most_trusted
COMMENT 'Each exchange of one subscriber once, as exchanges_between: subscriber_exchanges(supi=…, start=…, stop=…)';

-- What was stored before there was subscriber_times.
INSERT INTO ${database}.subscriber_times (supi, request_us)
SELECT assumeNotNull(supi), request_us
FROM ${database}.transactions
WHERE supi IS NOT NULL;

ALTER TABLE ${database}.transactions ${on_cluster}
    ADD INDEX IF NOT EXISTS by_stored stored_at TYPE minmax GRANULARITY 1;
