-- The KPIs of DESIGN 8 from the rows themselves: slow, exact, and the measure for what the stream publishes. A request
-- counts in the window of its first byte; what both ends saw counts once.
CREATE OR REPLACE VIEW ${database}.kpis_between ${on_cluster} AS
SELECT
    fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Micro(request_us), {window_s:Int64} * 1000000) * {window_s:Int64} * 1000000, 'UTC') AS window_start,
    operation,
    consumer_nf,
    producer_nf,
    producer_nf_instance,
    snssai,
    dnn,
    plmn,
    to_proxy,
    site,
    node,
    count() AS requests,
    countIf(response_us IS NOT NULL) AS answered,
    countIf(verdict = 'success') AS succeeded,
    countIf(verdict = 'failure') AS failed,
    countIf(outcome = 'unknown') AS unknown,
    countIf(outcome = 'unanswered') AS unanswered,
    countIf(outcome = 'late') AS late,
    countIf(outcome = 'reset') AS resets,
    countIf(outcome = 'client_error') AS client_errors,
    countIf(outcome = 'server_error') AS server_errors,
    countIf(outcome = 'hidden_failure') AS hidden_failures,
    countIf(outcome = 'business') AS business,
    countIf(outcome = 'redirect') AS redirects,
    countIf(retransmission) AS retransmitted,
    sum(ifNull(request_body_bytes, 0)) AS request_body_bytes_sum,
    sum(ifNull(response_body_bytes, 0)) AS response_body_bytes_sum,
    count(duration_us) AS durations,
    sum(duration_us) AS duration_us_sum,
    quantileExactOrNull(0.5)(duration_us) AS p50_us,
    quantileExactOrNull(0.9)(duration_us) AS p90_us,
    quantileExactOrNull(0.95)(duration_us) AS p95_us,
    quantileExactOrNull(0.99)(duration_us) AS p99_us,
    max(duration_us) AS max_us
FROM ${database}.exchanges_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE request_event_id IS NOT NULL
GROUP BY window_start, operation, consumer_nf, producer_nf, producer_nf_instance, snssai, dnn, plmn, to_proxy, site, node
COMMENT 'KPIs of a period in windows of window_s seconds, recomputed from the transactions: kpis_between(start=…, stop=…, window_s=10)';
