-- What NFs say of themselves to the NRF: few rows, looked at one by one. It repeats what the table repeats.
CREATE TABLE IF NOT EXISTS ${database}.nf_messages ${on_cluster}
(
    request_us DateTime64(6, 'UTC') COMMENT 'request_us of a row of transactions' CODEC(Delta(8), ZSTD(1)),
    transaction_id String COMMENT 'its transaction_id' CODEC(ZSTD(1)),
    version Int32 COMMENT 'its version: the highest counts' CODEC(ZSTD(1)),
    outcome LowCardinality(String) COMMENT 'what became of the request',
    method LowCardinality(Nullable(String)) COMMENT 'PUT: registered, PATCH: a heartbeat or change, DELETE: left',
    path Nullable(String) COMMENT 'path with the instance' CODEC(ZSTD(1)),
    result LowCardinality(Nullable(String)) COMMENT 'status it gave itself, REGISTERED, SUSPENDED …',
    consumer_nf LowCardinality(Nullable(String)) COMMENT 'NF type that spoke',
    consumer_nf_instance LowCardinality(Nullable(String)) COMMENT 'its instance id',
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'when this row was inserted; retention counts from it' CODEC(Delta(8), ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(version)
PARTITION BY toYYYYMM(request_us)
ORDER BY (request_us, transaction_id)
COMMENT 'Registrations, heartbeats and leavings of NFs at the NRF (Nnrf_NFManagement), each sighting; a part of transactions';

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.nf_messages_arrival ${on_cluster} TO ${database}.nf_messages AS
SELECT request_us, transaction_id, version, outcome, method, path, result, consumer_nf, consumer_nf_instance
FROM ${database}.transactions
WHERE service = 'nnrf-nfm' AND resource LIKE '/nf-instances/%' AND method IN ('PUT', 'PATCH', 'DELETE')
COMMENT 'Notes what NFs say of themselves as rows arrive; internal';

INSERT INTO ${database}.nf_messages (request_us, transaction_id, version, outcome, method, path, result, consumer_nf, consumer_nf_instance, stored_at)
SELECT request_us, transaction_id, version, outcome, method, path, result, consumer_nf, consumer_nf_instance, stored_at
FROM ${database}.transactions
WHERE service = 'nnrf-nfm' AND resource LIKE '/nf-instances/%' AND method IN ('PUT', 'PATCH', 'DELETE');

-- The latest of each agent without a sort of all that agents ever said.
CREATE OR REPLACE VIEW ${database}.agents_now ${on_cluster} AS
SELECT * EXCEPT (stored_at), arraySum(mapValues(loss)) AS lost
FROM ${database}.agents
WHERE (site, node, told_us) IN (SELECT site, node, max(told_us) FROM ${database}.agents GROUP BY site, node)
ORDER BY site, node, told_us DESC
LIMIT 1 BY site, node
COMMENT 'The latest of each agent; lost = all counters of loss together, not zero: see loss';
