-- What the addresses of a Kubernetes cluster stood for, and the ends of exchanges named by it. An agent names the end on
-- its own node; the other one is an address, which the resolver (`sbiscope resolve`) knows.
CREATE TABLE IF NOT EXISTS ${database}.places ${on_cluster}
(
    site LowCardinality(String) COMMENT 'configured site: one cluster',
    address String COMMENT 'IP address',
    since_us DateTime64(6, 'UTC') COMMENT 'since when this holds: of a pod, the start of its network or else its own; of a service or node, its creation; of a service whose pods were seen to change, that moment' CODEC(Delta(8), ZSTD(1)),
    until_us Nullable(DateTime64(6, 'UTC')) COMMENT 'when it was seen to end; null: it was not',
    told_us DateTime64(6, 'UTC') COMMENT 'when this was so; the latest counts' CODEC(Delta(8), ZSTD(1)),
    kind LowCardinality(String) COMMENT 'what has the address; pods in the network of their node have none of their own',
    uid String COMMENT 'its uid' CODEC(ZSTD(1)),
    name String COMMENT 'its name',
    namespace LowCardinality(Nullable(String)) COMMENT 'its namespace; a node has none',
    workload LowCardinality(Nullable(String)) COMMENT 'of a pod: kind and name of what owns it, Deployment/amf',
    node LowCardinality(Nullable(String)) COMMENT 'of a pod: its node',
    zone LowCardinality(Nullable(String)) COMMENT 'of a node: its zone',
    containers Map(LowCardinality(String), String) COMMENT 'of a pod: image by name of its containers',
    labels Map(LowCardinality(String), String) COMMENT 'its labels, those configured',
    pods_known Bool COMMENT 'of a service: whether the pods behind it were seen',
    pods Array(String) COMMENT 'of a service: names of the pods that were ready behind it, in order',
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'when this row was inserted; retention counts from it' CODEC(Delta(8), ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(told_us)
ORDER BY (site, address, since_us, uid)
COMMENT 'What the addresses of a cluster stood for, every telling; read the view places_standing, or FINAL';

-- What the sink inserts into; nothing is stored here (see 0002_transactions.sql for why).
CREATE TABLE IF NOT EXISTS ${database}.places_arriving ${on_cluster}
(
    site String,
    address String,
    since_us DateTime64(6, 'UTC'),
    until_us Nullable(DateTime64(6, 'UTC')),
    told_us DateTime64(6, 'UTC'),
    kind String,
    uid String,
    name String,
    namespace Nullable(String),
    workload Nullable(String),
    node Nullable(String),
    zone Nullable(String),
    containers Map(String, String),
    labels Map(String, String),
    pods_known Bool,
    pods Array(String)
)
ENGINE = Null
COMMENT 'Entrance of the table places, same columns in the types of Avro; internal';

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.places_arrival ${on_cluster} TO ${database}.places AS
SELECT * FROM ${database}.places_arriving
COMMENT 'Moves what arrives into the table places; internal';

CREATE OR REPLACE VIEW ${database}.places_standing ${on_cluster} AS
SELECT * EXCEPT (stored_at) FROM ${database}.places FINAL
WHERE until_us IS NULL
ORDER BY site, address, since_us DESC
LIMIT 1 BY site, address
COMMENT 'What each address stands for now, as far as was seen';

-- A place holds from since_us until it was seen to end, or another took its address (ASOF takes the latest before). The
-- end that an agent saw by itself is named by that agent. Behind the address of a service stands the only pod that was
-- ready then; of several nothing is said. An address of a node may be a pod's in the node's network, or many's behind it.
CREATE OR REPLACE VIEW ${database}.ends_between ${on_cluster} AS
WITH
    named AS (SELECT * FROM ${database}.places FINAL),
    zones AS
    (
        SELECT site, name, argMax(zone, told_us) AS zone FROM ${database}.places WHERE kind = 'node' GROUP BY site, name
    )
SELECT
    ends.* EXCEPT (client_held, server_held),
    client_zones.zone AS client_zone,
    server_zones.zone AS server_zone
FROM
(
    SELECT
        sighting.transaction_id AS transaction_id,
        sighting.site AS site,
        sighting.vantage AS vantage,
        sighting.request_us AS request_us,
        sighting.consumer_nf AS consumer_nf,
        sighting.producer_nf AS producer_nf,
        sighting.operation AS operation,
        sighting.verdict AS verdict,
        sighting.duration_us AS duration_us,
        sighting.client_address AS client_address,
        sighting.server_address AS server_address,
        (asker.until_us IS NULL OR sighting.request_us < asker.until_us) AND asker.name != '' AS client_held,
        multiIf((sighting.vantage = 'client' AND sighting.pod IS NOT NULL), 'pod', client_held, asker.kind, NULL) AS client_kind,
        multiIf((sighting.vantage = 'client' AND sighting.pod IS NOT NULL), sighting.namespace, client_held, asker.namespace, NULL) AS client_namespace,
        multiIf((sighting.vantage = 'client' AND sighting.pod IS NOT NULL), sighting.pod, client_held AND asker.kind = 'pod', asker.name, client_held AND length(asker.pods) = 1, asker.pods[1], NULL) AS client_pod,
        if(client_held AND asker.kind = 'service', asker.name, NULL) AS client_service,
        if(client_held AND client_pod = asker.name, asker.workload, NULL) AS client_workload,
        multiIf((sighting.vantage = 'client' AND sighting.pod IS NOT NULL), sighting.node, client_held AND asker.kind = 'node', asker.name, client_held, asker.node, NULL) AS client_node,
        (asked.until_us IS NULL OR sighting.request_us < asked.until_us) AND asked.name != '' AS server_held,
        multiIf((sighting.vantage = 'server' AND sighting.pod IS NOT NULL), 'pod', server_held, asked.kind, NULL) AS server_kind,
        multiIf((sighting.vantage = 'server' AND sighting.pod IS NOT NULL), sighting.namespace, server_held, asked.namespace, NULL) AS server_namespace,
        multiIf((sighting.vantage = 'server' AND sighting.pod IS NOT NULL), sighting.pod, server_held AND asked.kind = 'pod', asked.name, server_held AND length(asked.pods) = 1, asked.pods[1], NULL) AS server_pod,
        if(server_held AND asked.kind = 'service', asked.name, NULL) AS server_service,
        if(server_held AND server_pod = asked.name, asked.workload, NULL) AS server_workload,
        multiIf((sighting.vantage = 'server' AND sighting.pod IS NOT NULL), sighting.node, server_held AND asked.kind = 'node', asked.name, server_held, asked.node, NULL) AS server_node
    FROM ${database}.exchanges_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')}) AS sighting
    GLOBAL ASOF LEFT JOIN named AS asker
        ON sighting.site = asker.site AND sighting.client_address = asker.address AND sighting.request_us >= asker.since_us
    GLOBAL ASOF LEFT JOIN named AS asked
        ON sighting.site = asked.site AND sighting.server_address = asked.address AND sighting.request_us >= asked.since_us
) AS ends
GLOBAL LEFT JOIN zones AS client_zones ON ends.site = client_zones.site AND ends.client_node = client_zones.name
GLOBAL LEFT JOIN zones AS server_zones ON ends.site = server_zones.site AND ends.server_node = server_zones.name
COMMENT 'Both ends of each exchange of a period by name: ends_between(start=…, stop=…). client_… and server_…: kind (pod, service, node; null: nothing known of the address), namespace, pod, service, workload, node, zone';

CREATE OR REPLACE VIEW ${database}.ends ${on_cluster} AS
SELECT * FROM ${database}.ends_between(start = toDateTime64('1900-01-01 00:00:00', 6, 'UTC'), stop = toDateTime64('2299-12-31 00:00:00', 6, 'UTC'))
COMMENT 'Both ends of each exchange by name, as the cluster had them; for a short period use ends_between(start=…, stop=…)';
