-- Procedures that broke are a few in a hundred and spread over all: they stand apart, so that what looks for them does
-- not read the others.
CREATE TABLE IF NOT EXISTS ${database}.broken_procedures ${on_cluster}
(
    kind LowCardinality(String) COMMENT 'as in procedures',
    begin_us DateTime64(6, 'UTC') COMMENT 'first byte of its first request' CODEC(Delta(8), ZSTD(1)),
    procedure_id String COMMENT 'its procedure_id' CODEC(ZSTD(1)),
    outcome LowCardinality(String) COMMENT 'failed or abandoned',
    at_step LowCardinality(String) COMMENT 'the step that failed first; where it was abandoned, the last',
    failed_producer_nf LowCardinality(Nullable(String)) COMMENT 'NF type that was asked',
    failed_status Nullable(Int32) COMMENT 'its :status; null without answer' CODEC(ZSTD(1)),
    failed_cause LowCardinality(Nullable(String)) COMMENT 'its cause, or the verdict inside the body',
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'when this row was inserted; retention counts from it' CODEC(Delta(8), ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree
PARTITION BY toYYYYMM(begin_us)
ORDER BY (kind, begin_us, procedure_id)
COMMENT 'Procedures that failed or were abandoned, and where; a part of procedures; read it with FINAL';

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.broken_procedures_arrival ${on_cluster} TO ${database}.broken_procedures AS
SELECT
    kind, begin_us, procedure_id, outcome,
    ifNull(if(outcome = 'failed', failed_step, last_step), '') AS at_step,
    failed_producer_nf, failed_status, failed_cause
FROM ${database}.procedures
WHERE outcome IN ('failed', 'abandoned')
COMMENT 'Notes what broke as rows arrive; internal';

INSERT INTO ${database}.broken_procedures (kind, begin_us, procedure_id, outcome, at_step, failed_producer_nf, failed_status, failed_cause, stored_at)
SELECT kind, begin_us, procedure_id, outcome, ifNull(if(outcome = 'failed', failed_step, last_step), ''), failed_producer_nf, failed_status, failed_cause, stored_at
FROM ${database}.procedures
WHERE outcome IN ('failed', 'abandoned');
