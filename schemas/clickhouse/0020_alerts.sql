-- Alerts as the stream raised and cleared them, a row a change. Id and version, which is made of the time of the change,
-- fix all of a row, so that a repeat replaces it.
CREATE TABLE IF NOT EXISTS ${database}.alerts ${on_cluster}
(
    alarm_id String COMMENT '128-bit BLAKE2b, hex, of rule and key of the KPI; also the message''s key: the newest message of a key is its state' CODEC(ZSTD(1)),
    version Int32 COMMENT 'rises with each change of the alert, by time: odd = raised, even = cleared; the highest counts' CODEC(ZSTD(1)),
    notification LowCardinality(String) COMMENT 'notifyNewAlarm or notifyClearedAlarm (TS 28.532)',
    event_us DateTime64(6, 'UTC') COMMENT 'eventTime: end of the window that decided' CODEC(Delta(8), ZSTD(1)),
    event_type LowCardinality(String) COMMENT 'X.733 event type: communications, qualityOfService, processingError, securityService',
    probable_cause LowCardinality(String) COMMENT 'X.733 probable cause',
    perceived_severity LowCardinality(String) COMMENT 'critical, major, minor, warning; cleared',
    raised_severity LowCardinality(String) COMMENT 'the severity that it was raised with, also where it is cleared',
    specific_problem LowCardinality(String) COMMENT 'the rule (schemas/alert_rules.yaml)',
    object_instance String COMMENT 'objectInstance: site, node, NF type and instance as a distinguished name (TS 32.300)' CODEC(ZSTD(1)),
    additional_text String COMMENT 'additionalText: what was measured and held against what, or why it was cleared without' CODEC(ZSTD(1)),
    window_start_us DateTime64(6, 'UTC') COMMENT 'start of the window that decided' CODEC(Delta(8), ZSTD(1)),
    window_s Int32 COMMENT 'its length in seconds' CODEC(ZSTD(1)),
    raised_us DateTime64(6, 'UTC') COMMENT 'end of the window that raised it' CODEC(Delta(8), ZSTD(1)),
    cleared_us Nullable(DateTime64(6, 'UTC')) COMMENT 'end of the window that cleared it' CODEC(ZSTD(1)),
    observed Float64 COMMENT 'the value in the window that decided' CODEC(ZSTD(1)),
    threshold Float64 COMMENT 'what it was held against' CODEC(ZSTD(1)),
    kpi_id String COMMENT 'the KPI that decided' CODEC(ZSTD(1)),
    operation LowCardinality(Nullable(String)) COMMENT 'as in Kpi',
    consumer_nf LowCardinality(Nullable(String)) COMMENT 'as in Kpi',
    producer_nf LowCardinality(Nullable(String)) COMMENT 'as in Kpi',
    producer_nf_instance LowCardinality(Nullable(String)) COMMENT 'as in Kpi',
    snssai LowCardinality(Nullable(String)) COMMENT 'as in Kpi',
    dnn LowCardinality(Nullable(String)) COMMENT 'as in Kpi',
    plmn LowCardinality(Nullable(String)) COMMENT 'as in Kpi',
    site LowCardinality(String) COMMENT 'as in Kpi',
    node LowCardinality(String) COMMENT 'as in Kpi',
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'when this row was inserted; retention counts from it, so that an old capture may be loaded' CODEC(Delta(8), ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree
PARTITION BY toYYYYMM(event_us)
ORDER BY (event_us, alarm_id, version)
COMMENT 'Each change of each alert, raised or cleared; read the views alert_changes, alerts_now, alert_spans';

-- What the sink inserts into; nothing is stored here (see 0002_transactions.sql for why).
CREATE TABLE IF NOT EXISTS ${database}.alerts_arriving ${on_cluster}
(
    alarm_id String,
    version Int32,
    notification String,
    event_us DateTime64(6, 'UTC'),
    event_type String,
    probable_cause String,
    perceived_severity String,
    raised_severity String,
    specific_problem String,
    object_instance String,
    additional_text String,
    window_start_us DateTime64(6, 'UTC'),
    window_s Int32,
    raised_us DateTime64(6, 'UTC'),
    cleared_us Nullable(DateTime64(6, 'UTC')),
    observed Float64,
    threshold Float64,
    kpi_id String,
    operation Nullable(String),
    consumer_nf Nullable(String),
    producer_nf Nullable(String),
    producer_nf_instance Nullable(String),
    snssai Nullable(String),
    dnn Nullable(String),
    plmn Nullable(String),
    site String,
    node String
)
ENGINE = Null
COMMENT 'Entrance of the table alerts, same columns in the types of Avro; internal';

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.alerts_arrival ${on_cluster} TO ${database}.alerts AS
SELECT * FROM ${database}.alerts_arriving
COMMENT 'Moves what arrives into the table alerts; internal';

CREATE OR REPLACE VIEW ${database}.alert_changes ${on_cluster} AS
SELECT * EXCEPT (stored_at)
FROM ${database}.alerts FINAL
COMMENT 'Each change of each alert once';

CREATE OR REPLACE VIEW ${database}.alerts_now ${on_cluster} AS
SELECT * EXCEPT (cleared_us)
FROM
(
    SELECT * FROM ${database}.alert_changes ORDER BY alarm_id, version DESC LIMIT 1 BY alarm_id
)
WHERE perceived_severity != 'cleared'
COMMENT 'Alerts that stand now, each once';

CREATE OR REPLACE VIEW ${database}.alert_spans ${on_cluster} AS
SELECT
    alarm_id,
    specific_problem,
    any(raised_severity) AS severity,
    raised_us AS from_us,
    max(cleared_us) AS until_us,
    argMin(additional_text, version) AS first_text,
    any(object_instance) AS of_object,
    any(operation) AS of_operation,
    any(consumer_nf) AS of_consumer_nf,
    any(producer_nf) AS of_producer_nf
FROM ${database}.alert_changes
GROUP BY alarm_id, specific_problem, raised_us
COMMENT 'Each time that an alert stood: from when until when (null = still), how severe and of what';
