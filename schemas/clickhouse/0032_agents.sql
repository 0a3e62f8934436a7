-- How each agent fares, every ten seconds.
CREATE TABLE IF NOT EXISTS ${database}.agents ${on_cluster}
(
    site LowCardinality(String) COMMENT 'configured site',
    node LowCardinality(String) COMMENT 'its node',
    incarnation LowCardinality(String) COMMENT 'incarnation of the observer at work',
    started_us DateTime64(6, 'UTC') COMMENT 'when the agent started' CODEC(Delta(8), ZSTD(1)),
    told_us DateTime64(6, 'UTC') COMMENT 'when this was so' CODEC(Delta(8), ZSTD(1)),
    version LowCardinality(String) COMMENT 'release of sbiscope',
    kernel LowCardinality(String) COMMENT 'release of the kernel',
    hook LowCardinality(String) COMMENT 'how bytes are seen: sock, fexit, kprobe, syscall',
    confined Array(LowCardinality(String)) COMMENT 'what confines the observer',
    observers Int32 COMMENT 'how many observers were started; each after the first replaced one that died',
    backoff_step Int32 COMMENT '0 = everything is captured; each step captures less, to keep the budget',
    backoff LowCardinality(String) COMMENT 'what that step leaves out, in words',
    connections Int64 COMMENT 'connections followed now' CODEC(ZSTD(1)),
    pods Int64 COMMENT 'pods of the node known now' CODEC(ZSTD(1)),
    events Int64 COMMENT 'events made by the observer at work' CODEC(ZSTD(1)),
    batches Int64 COMMENT 'batches made by it' CODEC(ZSTD(1)),
    delivered_events Int64 COMMENT 'events that Kafka has acknowledged' CODEC(ZSTD(1)),
    delivered_batches Int64 COMMENT 'messages that Kafka has acknowledged' CODEC(ZSTD(1)),
    watermark_us DateTime64(6, 'UTC') COMMENT 'watermark of the last batch' CODEC(Delta(8), ZSTD(1)),
    cpu_us Map(LowCardinality(String), Int64) COMMENT 'CPU time by process: supervisor, observer (of the one at work)' CODEC(ZSTD(1)),
    rss_bytes Map(LowCardinality(String), Int64) COMMENT 'resident memory by process, pages shared with the kernel not counted' CODEC(ZSTD(1)),
    loss Map(LowCardinality(String), Int64) COMMENT 'what was lost, by reason' CODEC(ZSTD(1)),
    traffic Map(LowCardinality(String), Int64) COMMENT 'what was met and is no loss, by name' CODEC(ZSTD(1)),
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'when this row was inserted; retention counts from it' CODEC(Delta(8), ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree
PARTITION BY toYYYYMM(told_us)
ORDER BY (site, node, told_us)
COMMENT 'Agents, a row every ten seconds; read the view agents_now for the latest of each';

-- What the sink inserts into; nothing is stored here (see 0002_transactions.sql for why).
CREATE TABLE IF NOT EXISTS ${database}.agents_arriving ${on_cluster}
(
    site String,
    node String,
    incarnation String,
    started_us DateTime64(6, 'UTC'),
    told_us DateTime64(6, 'UTC'),
    version String,
    kernel String,
    hook String,
    confined Array(String),
    observers Int32,
    backoff_step Int32,
    backoff String,
    connections Int64,
    pods Int64,
    events Int64,
    batches Int64,
    delivered_events Int64,
    delivered_batches Int64,
    watermark_us DateTime64(6, 'UTC'),
    cpu_us Map(String, Int64),
    rss_bytes Map(String, Int64),
    loss Map(String, Int64),
    traffic Map(String, Int64)
)
ENGINE = Null
COMMENT 'Entrance of the table agents, same columns in the types of Avro; internal';

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.agents_arrival ${on_cluster} TO ${database}.agents AS
SELECT * FROM ${database}.agents_arriving
COMMENT 'Moves what arrives into the table agents; internal';

CREATE OR REPLACE VIEW ${database}.agents_now ${on_cluster} AS
SELECT * EXCEPT (stored_at), arraySum(mapValues(loss)) AS lost
FROM ${database}.agents
ORDER BY site, node, told_us DESC
LIMIT 1 BY site, node
COMMENT 'The latest of each agent; lost = all counters of loss together, not zero: see loss';
