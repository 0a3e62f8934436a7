-- Each TCP connection of a node by its end, SBI or not; the latest that was told of it counts.
CREATE TABLE IF NOT EXISTS ${database}.flows ${on_cluster}
(
    connection_id String COMMENT '128-bit BLAKE2b, hex, of boot id, socket and birth; as in transactions' CODEC(ZSTD(1)),
    site LowCardinality(String) COMMENT 'configured site',
    node LowCardinality(String) COMMENT 'node that saw it',
    incarnation LowCardinality(String) COMMENT 'collector incarnation',
    opened_us DateTime64(6, 'UTC') COMMENT 'when it was established; of one older than the agent, when it was first seen' CODEC(Delta(8), ZSTD(1)),
    told_us DateTime64(6, 'UTC') COMMENT 'when this was so; the latest counts' CODEC(Delta(8), ZSTD(1)),
    closed Bool COMMENT 'true: it has ended',
    duration_us Int64 COMMENT 'told_us minus opened_us' CODEC(ZSTD(1)),
    role LowCardinality(String) COMMENT 'which end this is; joined: older than the agent',
    carries LowCardinality(String) COMMENT 'what the agent found it to carry',
    local_address LowCardinality(String) COMMENT 'IP address of this end',
    local_port Int32 COMMENT 'TCP port of this end',
    remote_address LowCardinality(String) COMMENT 'IP address of the other end',
    remote_port Int32 COMMENT 'TCP port of the other end',
    sent_bytes Int64 COMMENT 'octets of data sent and acknowledged so far' CODEC(ZSTD(1)),
    received_bytes Int64 COMMENT 'octets of data received so far' CODEC(ZSTD(1)),
    process_id Nullable(Int32) COMMENT 'process of this end',
    process_name LowCardinality(Nullable(String)) COMMENT 'its name',
    executable LowCardinality(Nullable(String)) COMMENT 'path of its program, as it sees it',
    container_id LowCardinality(Nullable(String)) COMMENT 'its container',
    container_name LowCardinality(Nullable(String)) COMMENT 'name of its container in the pod',
    image LowCardinality(Nullable(String)) COMMENT 'image of its container',
    pod_uid LowCardinality(Nullable(String)) COMMENT 'uid of its pod',
    pod LowCardinality(Nullable(String)) COMMENT 'its pod',
    namespace LowCardinality(Nullable(String)) COMMENT 'its Kubernetes namespace',
    pod_labels Map(LowCardinality(String), String) COMMENT 'labels of its pod, those configured',
    netns Nullable(Int64) COMMENT 'its network namespace' CODEC(ZSTD(1)),
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'when this row was inserted; retention counts from it' CODEC(Delta(8), ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(told_us)
PARTITION BY toYYYYMMDD(opened_us)
ORDER BY (opened_us, connection_id)
COMMENT 'TCP connections as one end moved them, every version; read the view talkers, or FINAL';

-- What the sink inserts into; nothing is stored here (see 0002_transactions.sql for why).
CREATE TABLE IF NOT EXISTS ${database}.flows_arriving ${on_cluster}
(
    connection_id String,
    site String,
    node String,
    incarnation String,
    opened_us DateTime64(6, 'UTC'),
    told_us DateTime64(6, 'UTC'),
    closed Bool,
    duration_us Int64,
    role String,
    carries String,
    local_address String,
    local_port Int32,
    remote_address String,
    remote_port Int32,
    sent_bytes Int64,
    received_bytes Int64,
    process_id Nullable(Int32),
    process_name Nullable(String),
    executable Nullable(String),
    container_id Nullable(String),
    container_name Nullable(String),
    image Nullable(String),
    pod_uid Nullable(String),
    pod Nullable(String),
    namespace Nullable(String),
    pod_labels Map(String, String),
    netns Nullable(Int64)
)
ENGINE = Null
COMMENT 'Entrance of the table flows, same columns in the types of Avro; internal';

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.flows_arrival ${on_cluster} TO ${database}.flows AS
SELECT * FROM ${database}.flows_arriving
COMMENT 'Moves what arrives into the table flows; internal';

CREATE OR REPLACE VIEW ${database}.talkers ${on_cluster} AS
SELECT
    node,
    namespace,
    pod,
    process_name,
    role,
    carries,
    remote_address,
    if(role = 'client', remote_port, local_port) AS service_port,
    count() AS connections,
    countIf(NOT closed) AS still_open,
    sum(sent_bytes) AS sent,
    sum(received_bytes) AS received,
    max(told_us) AS last_us
FROM ${database}.flows FINAL
GROUP BY node, namespace, pod, process_name, role, carries, remote_address, service_port
COMMENT 'Who talks to whom: one row for each process, peer and port of the service; a connection within the node counts at each end';
