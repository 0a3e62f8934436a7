-- Procedures as the stream published them, when they are over. The key holds only what the first request fixed, so that
-- a repeat replaces its row.
CREATE TABLE IF NOT EXISTS ${database}.procedures ${on_cluster}
(
    procedure_id String COMMENT '128-bit BLAKE2b, hex, of kind, PDU session and first request; also the message''s key' CODEC(ZSTD(1)),
    kind LowCardinality(String) COMMENT 'name in schemas/procedures.yaml, e.g. ue_initial_registration',
    begun_by LowCardinality(String) COMMENT 'the step that began it',
    outcome LowCardinality(String) COMMENT 'success, partial (something beside failed), failed, abandoned (no next step in time), superseded (begun anew), incomplete (we may have missed the rest)',
    supi Nullable(String) COMMENT 'subscriber: pseudonym, or plain in laboratory mode' CODEC(ZSTD(1)),
    pdu_session_id Nullable(Int32) COMMENT 'PDU session id 0..255' CODEC(ZSTD(1)),
    snssai LowCardinality(Nullable(String)) COMMENT 'slice, sst or sst-sd',
    dnn LowCardinality(Nullable(String)) COMMENT 'data network name',
    plmn LowCardinality(Nullable(String)) COMMENT 'PLMN id mccmnc',
    site LowCardinality(String) COMMENT 'configured site of who saw the first request',
    node LowCardinality(String) COMMENT 'node that saw it',
    consumer_nf LowCardinality(Nullable(String)) COMMENT 'NF type (TS 29.510) that began it',
    begin_us DateTime64(6, 'UTC') COMMENT 'first byte of its first request' CODEC(Delta(8), ZSTD(1)),
    end_us DateTime64(6, 'UTC') COMMENT 'last answer that it needed; of the last request where it was not finished' CODEC(Delta(8), ZSTD(1)),
    duration_us Int64 COMMENT 'end_us minus begin_us' CODEC(ZSTD(1)),
    requests Int32 COMMENT 'logical requests that it took, each once however many hops and ends saw it' CODEC(ZSTD(1)),
    requests_left_out Int32 COMMENT 'requests beyond the bound of one procedure' CODEC(ZSTD(1)),
    failed_step LowCardinality(Nullable(String)) COMMENT 'the step that failed first and was not made good by another attempt',
    failed_operation LowCardinality(Nullable(String)) COMMENT 'its service operation',
    failed_producer_nf LowCardinality(Nullable(String)) COMMENT 'NF type that was asked',
    failed_status Nullable(Int32) COMMENT 'its :status; null without answer' CODEC(ZSTD(1)),
    failed_outcome LowCardinality(Nullable(String)) COMMENT 'what became of that request',
    failed_cause LowCardinality(Nullable(String)) COMMENT 'its cause, or the verdict inside the body',
    last_step LowCardinality(String) COMMENT 'the step that came last',
    steps Array(LowCardinality(String)) COMMENT 'name of each step, in the order they began; the arrays below go with it' CODEC(ZSTD(1)),
    step_operations Array(LowCardinality(String)) COMMENT 'service operation of each' CODEC(ZSTD(1)),
    step_begin_us Array(Int64) COMMENT 'microseconds from begin_us to the first byte of each request' CODEC(ZSTD(1)),
    step_duration_us Array(Nullable(Int64)) COMMENT 'duration of each; null where not known' CODEC(ZSTD(1)),
    step_status Array(Nullable(Int32)) COMMENT ':status of each; null without answer' CODEC(ZSTD(1)),
    step_outcomes Array(LowCardinality(String)) COMMENT 'outcome of each request' CODEC(ZSTD(1)),
    step_transactions Array(String) COMMENT 'transaction_id of each: of the sighting believed most' CODEC(ZSTD(1)),
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'when this row was inserted; retention counts from it, so that an old capture may be loaded' CODEC(Delta(8), ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree
PARTITION BY toYYYYMM(begin_us)
ORDER BY (kind, begin_us, procedure_id)
COMMENT 'Procedures of the core; read the view procedures_once for each once';

-- What the sink inserts into; nothing is stored here (see 0002_transactions.sql for why).
CREATE TABLE IF NOT EXISTS ${database}.procedures_arriving ${on_cluster}
(
    procedure_id String,
    kind String,
    begun_by String,
    outcome String,
    supi Nullable(String),
    pdu_session_id Nullable(Int32),
    snssai Nullable(String),
    dnn Nullable(String),
    plmn Nullable(String),
    site String,
    node String,
    consumer_nf Nullable(String),
    begin_us DateTime64(6, 'UTC'),
    end_us DateTime64(6, 'UTC'),
    duration_us Int64,
    requests Int32,
    requests_left_out Int32,
    failed_step Nullable(String),
    failed_operation Nullable(String),
    failed_producer_nf Nullable(String),
    failed_status Nullable(Int32),
    failed_outcome Nullable(String),
    failed_cause Nullable(String),
    last_step String,
    steps Array(String),
    step_operations Array(String),
    step_begin_us Array(Int64),
    step_duration_us Array(Nullable(Int64)),
    step_status Array(Nullable(Int32)),
    step_outcomes Array(String),
    step_transactions Array(String)
)
ENGINE = Null
COMMENT 'Entrance of the table procedures, same columns in the types of Avro; internal';

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.procedures_arrival ${on_cluster} TO ${database}.procedures AS
SELECT * FROM ${database}.procedures_arriving
COMMENT 'Moves what arrives into the table procedures; internal';

CREATE OR REPLACE VIEW ${database}.procedures_once ${on_cluster} AS
SELECT * EXCEPT (stored_at)
FROM ${database}.procedures FINAL
COMMENT 'Each procedure once';

CREATE OR REPLACE VIEW ${database}.procedure_summary ${on_cluster} AS
SELECT
    kind,
    count() AS begun,
    countIf(outcome IN ('success', 'partial')) AS went_well,
    countIf(outcome IN ('failed', 'abandoned')) AS went_wrong,
    countIf(outcome = 'superseded') AS begun_anew,
    countIf(outcome = 'incomplete') AS not_known,
    went_well / nullIf(went_well + went_wrong, 0) AS success_ratio_of_known,
    quantileExactIf(0.5)(duration_us, outcome = 'success') AS median_us,
    quantileExactIf(0.95)(duration_us, outcome = 'success') AS p95_us
FROM ${database}.procedures_once
GROUP BY kind
COMMENT 'Each kind of procedure: how often it was begun, how it went, how long it took';

CREATE OR REPLACE VIEW ${database}.where_procedures_break ${on_cluster} AS
SELECT
    kind,
    if(outcome = 'failed', failed_step, last_step) AS at_step,
    outcome AS how,
    failed_producer_nf AS producer_nf,
    failed_status AS status,
    failed_cause AS cause,
    count() AS many
FROM ${database}.procedures_once
WHERE outcome IN ('failed', 'abandoned')
GROUP BY kind, at_step, how, producer_nf, status, cause
COMMENT 'Where procedures break: the step, who was asked, with which answer';
