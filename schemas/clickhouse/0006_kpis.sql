-- The KPIs that the stream published. The key holds only what fixes the window and what is counted in it, so that a
-- correction (higher version) replaces its row. kpi_id stands for the fields of the key, of which some may be null.
CREATE TABLE IF NOT EXISTS ${database}.kpis ${on_cluster}
(
    kpi_id String COMMENT '128-bit BLAKE2b, hex, of window_s and of the fields of the key, operation to node; also the message''s key' CODEC(ZSTD(1)),
    window_start_us DateTime64(6, 'UTC') COMMENT 'start of the window, a multiple of its length since the epoch' CODEC(Delta(8), ZSTD(1)),
    window_s Int32 COMMENT 'its length in seconds: 10, 60, 300, 900, 3600' CODEC(ZSTD(1)),
    version Int32 COMMENT 'rises with each correction of the window; the highest counts' CODEC(ZSTD(1)),
    operation LowCardinality(Nullable(String)) COMMENT '3GPP service operation; (other) where there were too many keys to be kept apart',
    consumer_nf LowCardinality(Nullable(String)) COMMENT 'NF type (TS 29.510) of the end that asked',
    producer_nf LowCardinality(Nullable(String)) COMMENT 'NF type (TS 29.510) of the end that answered',
    producer_nf_instance LowCardinality(Nullable(String)) COMMENT 'NF instance id of that end',
    snssai LowCardinality(Nullable(String)) COMMENT 'slice, sst or sst-sd',
    dnn LowCardinality(Nullable(String)) COMMENT 'data network name',
    plmn LowCardinality(Nullable(String)) COMMENT 'PLMN id mccmnc',
    to_proxy Bool COMMENT 'exchanges with a proxy (SCP, SEPP), which is no producer; the same requests count again, to_proxy false, where they left it',
    site LowCardinality(String) COMMENT 'configured site',
    node LowCardinality(String) COMMENT 'node whose sight counts',
    vantage LowCardinality(String) COMMENT 'which end counts: server, wire or client; what several saw is counted once',
    requests Int64 COMMENT 'requests begun in the window' CODEC(ZSTD(1)),
    answered Int64 COMMENT 'of them, with header fields of an answer' CODEC(ZSTD(1)),
    succeeded Int64 COMMENT 'by outcome: success, redirect or business' CODEC(ZSTD(1)),
    failed Int64 COMMENT 'neither succeeded nor unknown' CODEC(ZSTD(1)),
    unknown Int64 COMMENT 'by outcome: we may have missed what became of them' CODEC(ZSTD(1)),
    unanswered Int64 COMMENT 'by outcome' CODEC(ZSTD(1)),
    late Int64 COMMENT 'by outcome' CODEC(ZSTD(1)),
    resets Int64 COMMENT 'by outcome: reset' CODEC(ZSTD(1)),
    client_errors Int64 COMMENT 'by outcome' CODEC(ZSTD(1)),
    server_errors Int64 COMMENT 'by outcome' CODEC(ZSTD(1)),
    hidden_failures Int64 COMMENT 'by outcome' CODEC(ZSTD(1)),
    business Int64 COMMENT 'by outcome: an error status that is a normal answer' CODEC(ZSTD(1)),
    redirects Int64 COMMENT 'by outcome' CODEC(ZSTD(1)),
    retransmitted Int64 COMMENT 'requests marked as retransmission' CODEC(ZSTD(1)),
    in_flight Int64 COMMENT 'begun before the window''s end and not over at it' CODEC(ZSTD(1)),
    success_ratio Nullable(Float64) COMMENT 'succeeded / (succeeded + failed); null without any' CODEC(ZSTD(1)),
    header_bytes_sum Int64 COMMENT 'octets of header blocks of both halves' CODEC(ZSTD(1)),
    request_body_bytes_sum Int64 COMMENT 'octets of requests'' bodies' CODEC(ZSTD(1)),
    response_body_bytes_sum Int64 COMMENT 'octets of answers'' bodies' CODEC(ZSTD(1)),
    durations Int64 COMMENT 'how many durations are known' CODEC(ZSTD(1)),
    duration_us_sum Int64 COMMENT 'their sum' CODEC(ZSTD(1)),
    p50_us Nullable(Int64) COMMENT 'median duration, right to 1 %' CODEC(ZSTD(1)),
    p90_us Nullable(Int64) COMMENT '90th percentile, right to 1 %' CODEC(ZSTD(1)),
    p95_us Nullable(Int64) COMMENT '95th percentile, right to 1 %' CODEC(ZSTD(1)),
    p99_us Nullable(Int64) COMMENT '99th percentile, right to 1 %' CODEC(ZSTD(1)),
    max_us Nullable(Int64) COMMENT 'longest duration, exact' CODEC(ZSTD(1)),
    client_durations Int64 COMMENT 'durations known from the client end of what the server end counts' CODEC(ZSTD(1)),
    client_p50_us Nullable(Int64) COMMENT 'their median; the difference to p50_us is network and queues' CODEC(ZSTD(1)),
    client_p95_us Nullable(Int64) COMMENT 'their 95th percentile' CODEC(ZSTD(1)),
    client_p99_us Nullable(Int64) COMMENT 'their 99th percentile' CODEC(ZSTD(1)),
    completeness Float64 COMMENT 'share that we vouch for: requests with known outcome / requests, times the share of the window without counted loss' CODEC(ZSTD(1)),
    blind_us Int64 COMMENT 'time of the window in which the node''s collectors counted loss' CODEC(ZSTD(1)),
    failures Map(LowCardinality(String), Int64) COMMENT 'failed requests by outcome, status and cause: the ten most frequent, the rest as other' CODEC(ZSTD(1)),
    measurements Map(LowCardinality(String), Int64) COMMENT 'TS 28.552 counters by name (schemas/measurements.csv); success and failure count in the window of the answer' CODEC(ZSTD(1)),
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'when this row was inserted; retention counts from it, so that an old capture may be loaded' CODEC(Delta(8), ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(version)
PARTITION BY toYYYYMM(window_start_us)
ORDER BY (window_s, window_start_us, kpi_id)
COMMENT 'KPIs by window and key, as the stream published them, every version; read the view kpi_windows for each once';

-- What the sink inserts into; nothing is stored here (see 0002_transactions.sql for why).
CREATE TABLE IF NOT EXISTS ${database}.kpis_arriving ${on_cluster}
(
    kpi_id String,
    window_start_us DateTime64(6, 'UTC'),
    window_s Int32,
    version Int32,
    operation Nullable(String),
    consumer_nf Nullable(String),
    producer_nf Nullable(String),
    producer_nf_instance Nullable(String),
    snssai Nullable(String),
    dnn Nullable(String),
    plmn Nullable(String),
    to_proxy Bool,
    site String,
    node String,
    vantage String,
    requests Int64,
    answered Int64,
    succeeded Int64,
    failed Int64,
    unknown Int64,
    unanswered Int64,
    late Int64,
    resets Int64,
    client_errors Int64,
    server_errors Int64,
    hidden_failures Int64,
    business Int64,
    redirects Int64,
    retransmitted Int64,
    in_flight Int64,
    success_ratio Nullable(Float64),
    header_bytes_sum Int64,
    request_body_bytes_sum Int64,
    response_body_bytes_sum Int64,
    durations Int64,
    duration_us_sum Int64,
    p50_us Nullable(Int64),
    p90_us Nullable(Int64),
    p95_us Nullable(Int64),
    p99_us Nullable(Int64),
    max_us Nullable(Int64),
    client_durations Int64,
    client_p50_us Nullable(Int64),
    client_p95_us Nullable(Int64),
    client_p99_us Nullable(Int64),
    completeness Float64,
    blind_us Int64,
    failures Map(String, Int64),
    measurements Map(String, Int64)
)
ENGINE = Null
COMMENT 'Entrance of the table kpis, same columns in the types of Avro; internal';

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.kpis_arrival ${on_cluster} TO ${database}.kpis AS
SELECT * FROM ${database}.kpis_arriving
COMMENT 'Moves what arrives into the table kpis; internal';

CREATE OR REPLACE VIEW ${database}.kpi_windows ${on_cluster} AS
SELECT * EXCEPT (stored_at), window_start_us + toIntervalSecond(window_s) AS window_end_us
FROM ${database}.kpis FINAL
WHERE requests != 0 OR in_flight != 0 OR notEmpty(measurements)
COMMENT 'Each KPI once, latest version: choose one window_s (10, 60, 300, 900, 3600), or the same requests count several times; and to_proxy = false, or those that a proxy carried count twice';

CREATE OR REPLACE VIEW ${database}.success_by_operation ${on_cluster} AS
SELECT
    window_s,
    window_start_us,
    operation,
    sum(requests) AS asked,
    sum(succeeded) AS went_well,
    sum(failed) AS went_wrong,
    sum(unknown) AS not_known,
    went_well / nullIf(went_well + went_wrong, 0) AS success_ratio_of_known,
    max(max_us) AS longest_us,
    min(completeness) AS least_completeness
FROM ${database}.kpi_windows
WHERE NOT to_proxy
GROUP BY window_s, window_start_us, operation
COMMENT 'Each operation in each window: how often it was asked for and how it went, producers only';

CREATE OR REPLACE VIEW ${database}.measurements_3gpp ${on_cluster} AS
SELECT
    window_s,
    window_start_us,
    producer_nf,
    producer_nf_instance,
    snssai,
    site,
    measurement.1 AS name,
    sum(measurement.2) AS value
FROM ${database}.kpi_windows
ARRAY JOIN CAST(measurements, 'Array(Tuple(String, Int64))') AS measurement
GROUP BY window_s, window_start_us, producer_nf, producer_nf_instance, snssai, site, name
COMMENT 'TS 28.552 counters by producer and slice in each window; schemas/measurements.csv says which are exact and which a proxy';
