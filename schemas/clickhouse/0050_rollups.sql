-- Rollups: what the exchanges of each five minutes add up to, so that a day of 100 million rows answers within a second.
-- No incremental view fills them (a table that can see a repeat must not be summed as it is inserted): the sink's worker
-- reads a slot's exchanges, each once, through the rolling_ views, inserts them under one rolled_at, and then writes that
-- into rollup_slots. A slot to which rows came later is rolled again; only its latest roll counts, older ones merge away.
CREATE TABLE IF NOT EXISTS ${database}.rollup_slots ${on_cluster}
(
    slot_us DateTime64(6, 'UTC') COMMENT 'begin of the five minutes',
    rolled_at DateTime64(3, 'UTC') COMMENT 'when it was rolled; the latest counts'
)
ENGINE = ${replicated}ReplacingMergeTree(rolled_at)
ORDER BY slot_us
COMMENT 'Which five minutes are rolled up, and since when; internal';

CREATE TABLE IF NOT EXISTS ${database}.rollup_counts ${on_cluster}
(
    cut LowCardinality(String) COMMENT 'what the row is of: fate (operation, slice, outcome, cause), peer (who asked whom), connection, heat (duration); others of the key are null in it',
    slot_us DateTime64(6, 'UTC') COMMENT 'begin of the five minutes' CODEC(Delta(8), ZSTD(1)),
    rolled_at DateTime64(3, 'UTC') COMMENT 'when it was rolled; only the latest counts' CODEC(Delta(8), ZSTD(1)),
    site LowCardinality(Nullable(String)) COMMENT 'configured site',
    service LowCardinality(Nullable(String)) COMMENT 'API name',
    operation LowCardinality(Nullable(String)) COMMENT '3GPP service operation; null if not in the catalogue',
    method LowCardinality(Nullable(String)) COMMENT ':method of what is not in the catalogue, and of NF registrations',
    resource LowCardinality(Nullable(String)) COMMENT 'path template, or masked path where none matches',
    operation_source LowCardinality(Nullable(String)) COMMENT 'how the operation was found',
    consumer_nf LowCardinality(Nullable(String)) COMMENT 'NF type of the end that asked',
    producer_nf LowCardinality(Nullable(String)) COMMENT 'NF type of the end that answered',
    to_proxy Nullable(Bool) COMMENT 'addressed to a proxy',
    snssai LowCardinality(Nullable(String)) COMMENT 'slice',
    dnn LowCardinality(Nullable(String)) COMMENT 'data network name',
    plmn LowCardinality(Nullable(String)) COMMENT 'PLMN id',
    connection_id Nullable(String) COMMENT 'connection' CODEC(ZSTD(1)),
    client_address LowCardinality(Nullable(String)) COMMENT 'IP address of the end that asked',
    client_port Nullable(Int32) COMMENT 'its TCP port',
    user_agent LowCardinality(Nullable(String)) COMMENT 'user-agent of the request',
    server_address LowCardinality(Nullable(String)) COMMENT 'IP address of the end that answered',
    server_port Nullable(Int32) COMMENT 'its TCP port',
    outcome LowCardinality(Nullable(String)) COMMENT 'what became of the request',
    verdict LowCardinality(Nullable(String)) COMMENT 'success, failure, unknown',
    status Nullable(Int32) COMMENT ':status; of a peer only where it did not succeed',
    cause LowCardinality(Nullable(String)) COMMENT 'ProblemDetails cause',
    result LowCardinality(Nullable(String)) COMMENT 'verdict inside the body',
    error_origin LowCardinality(Nullable(String)) COMMENT 'who made the error',
    up_to_ms Nullable(Float64) COMMENT 'of heat: durations above half of it, up to it',
    exchanges Int64 COMMENT 'exchanges, each once' CODEC(ZSTD(1)),
    retransmitted Int64 COMMENT 'marked as retransmission' CODEC(ZSTD(1)),
    cut_off Int64 COMMENT 'whose stream or connection was ended before its time' CODEC(ZSTD(1)),
    with_retry_after Int64 COMMENT 'whose answer has retry-after' CODEC(ZSTD(1)),
    body_bytes Int64 COMMENT 'octets of bodies, both ways' CODEC(ZSTD(1)),
    max_us Nullable(Int64) COMMENT 'longest duration' CODEC(ZSTD(1)),
    deadline_ms Int32 COMMENT 'a deadline of one of them' CODEC(ZSTD(1)),
    first_us DateTime64(6, 'UTC') COMMENT 'first of the requests' CODEC(ZSTD(1)),
    last_us DateTime64(6, 'UTC') COMMENT 'last of the requests' CODEC(ZSTD(1)),
    example Nullable(String) COMMENT 'a path, of what is not in the catalogue' CODEC(ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(rolled_at)
PARTITION BY toYYYYMM(slot_us)
ORDER BY (cut, slot_us, site, service, operation, method, resource, operation_source, consumer_nf, producer_nf, to_proxy, snssai, dnn, plmn, connection_id, client_address, client_port, user_agent, server_address, server_port, outcome, status, cause, result, error_origin, up_to_ms)
SETTINGS allow_nullable_key = 1
COMMENT 'Exchanges counted by five minutes, cut in several ways, every roll; read counts_between(start=…, stop=…)';

CREATE TABLE IF NOT EXISTS ${database}.rollup_latency ${on_cluster}
(
    cut LowCardinality(String) COMMENT 'what the row is of: endpoint, slice, pair (of NF types), minute; others of the key are null in it',
    slot_us DateTime64(6, 'UTC') COMMENT 'begin of the five minutes' CODEC(Delta(8), ZSTD(1)),
    rolled_at DateTime64(3, 'UTC') COMMENT 'when it was rolled; only the latest counts' CODEC(Delta(8), ZSTD(1)),
    minute_us Nullable(DateTime64(6, 'UTC')) COMMENT 'the minute' CODEC(ZSTD(1)),
    operation LowCardinality(Nullable(String)) COMMENT '3GPP service operation',
    consumer_nf LowCardinality(Nullable(String)) COMMENT 'NF type of the end that asked',
    producer_nf LowCardinality(Nullable(String)) COMMENT 'NF type of the end that answered',
    server_address LowCardinality(Nullable(String)) COMMENT 'IP address of the end that answered',
    server_port Nullable(Int32) COMMENT 'its TCP port',
    to_proxy Nullable(Bool) COMMENT 'addressed to a proxy',
    snssai LowCardinality(Nullable(String)) COMMENT 'slice',
    dnn LowCardinality(Nullable(String)) COMMENT 'data network name',
    exchanges Int64 COMMENT 'exchanges, each once' CODEC(ZSTD(1)),
    succeeded Int64 COMMENT 'of them, by verdict' CODEC(ZSTD(1)),
    failed Int64 COMMENT 'of them, by verdict' CODEC(ZSTD(1)),
    created Int64 COMMENT 'answered with 201' CODEC(ZSTD(1)),
    durations Int64 COMMENT 'how many durations are known' CODEC(ZSTD(1)),
    max_us Nullable(Int64) COMMENT 'longest duration' CODEC(ZSTD(1)),
    both_ends Int64 COMMENT 'seen at both ends' CODEC(ZSTD(1)),
    duration_state AggregateFunction(quantilesDD(0.01, 0.5, 0.95, 0.99), Nullable(Int64)) COMMENT 'durations, to be merged: right to 1 %' CODEC(ZSTD(1)),
    both_state AggregateFunction(quantilesDD(0.01, 0.5, 0.95, 0.99), Nullable(Int64)) COMMENT 'durations at the server of what was seen at both ends' CODEC(ZSTD(1)),
    network_state AggregateFunction(quantilesDD(0.01, 0.5, 0.95, 0.99), Nullable(Int64)) COMMENT 'what network and queues took of it' CODEC(ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(rolled_at)
PARTITION BY toYYYYMM(slot_us)
ORDER BY (cut, slot_us, minute_us, operation, consumer_nf, producer_nf, server_address, server_port, to_proxy, snssai, dnn)
SETTINGS allow_nullable_key = 1
COMMENT 'Durations by five minutes, cut in several ways, every roll; read latency_between(start=…, stop=…)';

CREATE TABLE IF NOT EXISTS ${database}.rollup_requests ${on_cluster}
(
    slot_us DateTime64(6, 'UTC') COMMENT 'begin of the five minutes' CODEC(Delta(8), ZSTD(1)),
    rolled_at DateTime64(3, 'UTC') COMMENT 'when it was rolled; only the latest counts' CODEC(Delta(8), ZSTD(1)),
    operation LowCardinality(Nullable(String)) COMMENT '3GPP service operation',
    consumer_nf LowCardinality(Nullable(String)) COMMENT 'NF type of the end that asked',
    hops UInt64 COMMENT 'exchanges that each took' CODEC(ZSTD(1)),
    requests Int64 COMMENT 'logical requests' CODEC(ZSTD(1)),
    retransmitted Int64 COMMENT 'marked as retransmission' CODEC(ZSTD(1)),
    same_key_again Int64 COMMENT 'that bear the key of an earlier one of the five minutes' CODEC(ZSTD(1)),
    proxied Int64 COMMENT 'whose time in proxies is known' CODEC(ZSTD(1)),
    share_sum Float64 COMMENT 'sum of the shares of their wait that proxies took' CODEC(ZSTD(1)),
    proxy_state AggregateFunction(quantilesDD(0.01, 0.5, 0.95, 0.99), Nullable(Int64)) COMMENT 'what proxies took' CODEC(ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(rolled_at)
PARTITION BY toYYYYMM(slot_us)
ORDER BY (slot_us, operation, consumer_nf, hops)
SETTINGS allow_nullable_key = 1
COMMENT 'Logical requests counted by five minutes, every roll; read request_counts_between(start=…, stop=…)';

CREATE TABLE IF NOT EXISTS ${database}.rollup_sightings ${on_cluster}
(
    slot_us DateTime64(6, 'UTC') COMMENT 'begin of the five minutes' CODEC(Delta(8), ZSTD(1)),
    rolled_at DateTime64(3, 'UTC') COMMENT 'when it was rolled; only the latest counts' CODEC(Delta(8), ZSTD(1)),
    site LowCardinality(String) COMMENT 'configured site',
    node LowCardinality(String) COMMENT 'node that saw it',
    vantage LowCardinality(String) COMMENT 'where the node stands on the connection',
    sightings Int64 COMMENT 'sightings of exchanges' CODEC(ZSTD(1)),
    known Int64 COMMENT 'of them, with a known outcome' CODEC(ZSTD(1)),
    exact Int64 COMMENT 'of them, with all header fields of the request' CODEC(ZSTD(1)),
    lone_responses Int64 COMMENT 'responses without a request' CODEC(ZSTD(1)),
    with_bytes_missing Int64 COMMENT 'with a gap' CODEC(ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(rolled_at)
PARTITION BY toYYYYMM(slot_us)
ORDER BY (slot_us, site, node, vantage)
COMMENT 'Sightings counted by five minutes, every roll; read sightings_between(start=…, stop=…)';

CREATE TABLE IF NOT EXISTS ${database}.rollup_distinct ${on_cluster}
(
    slot_us DateTime64(6, 'UTC') COMMENT 'begin of the five minutes' CODEC(Delta(8), ZSTD(1)),
    rolled_at DateTime64(3, 'UTC') COMMENT 'when it was rolled; only the latest counts' CODEC(Delta(8), ZSTD(1)),
    exchanges Int64 COMMENT 'exchanges, each once' CODEC(ZSTD(1)),
    subscribers AggregateFunction(uniqCombined64(14), Nullable(String)) COMMENT 'different subscribers, to be merged: right to 1 %' CODEC(ZSTD(1)),
    operations AggregateFunction(uniqCombined64(14), Nullable(String)) COMMENT 'different operations' CODEC(ZSTD(1)),
    services AggregateFunction(uniqCombined64(14), Nullable(String)) COMMENT 'different services' CODEC(ZSTD(1)),
    instances AggregateFunction(uniqCombined64(14), Nullable(String)) COMMENT 'different producer instances' CODEC(ZSTD(1)),
    connections AggregateFunction(uniqCombined64(14), String) COMMENT 'different connections' CODEC(ZSTD(1)),
    resources AggregateFunction(uniqCombined64(14), Nullable(String)) COMMENT 'different path templates' CODEC(ZSTD(1)),
    dnns AggregateFunction(uniqCombined64(14), Nullable(String)) COMMENT 'different data networks' CODEC(ZSTD(1)),
    slices AggregateFunction(uniqCombined64(14), Nullable(String)) COMMENT 'different slices' CODEC(ZSTD(1)),
    plmns AggregateFunction(uniqCombined64(14), Nullable(String)) COMMENT 'different PLMNs' CODEC(ZSTD(1)),
    user_agents AggregateFunction(uniqCombined64(14), Nullable(String)) COMMENT 'different user agents' CODEC(ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(rolled_at)
PARTITION BY toYYYYMM(slot_us)
ORDER BY slot_us
COMMENT 'How many different ones, by five minutes, every roll; read distinct_between(start=…, stop=…)';
