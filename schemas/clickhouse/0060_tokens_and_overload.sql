-- What requests bore of access tokens, and what either end asked for by 3gpp-Sbi-Oci.
ALTER TABLE ${database}.transactions ${on_cluster}
    ADD COLUMN IF NOT EXISTS access_token Nullable(Bool) COMMENT 'whether the request bore an OAuth2 access token (TS 29.500 6.7.3); null where its header block was not read whole' AFTER pod_labels,
    ADD COLUMN IF NOT EXISTS overload_reduction_percent Nullable(Int32) COMMENT 'how much less the answering end asks for: the greatest Overload-Reduction-Metric of 3gpp-Sbi-Oci in the answer, 0..100' AFTER access_token,
    ADD COLUMN IF NOT EXISTS consumer_overload_reduction_percent Nullable(Int32) COMMENT 'how much less the asking end wants to be sent: the same of the request' AFTER overload_reduction_percent;

ALTER TABLE ${database}.transactions_arriving ${on_cluster}
    ADD COLUMN IF NOT EXISTS access_token Nullable(Bool),
    ADD COLUMN IF NOT EXISTS overload_reduction_percent Nullable(Int32),
    ADD COLUMN IF NOT EXISTS consumer_overload_reduction_percent Nullable(Int32);

ALTER TABLE ${database}.transactions_arrival ${on_cluster} MODIFY QUERY
SELECT * FROM ${database}.transactions_arriving;

ALTER TABLE ${database}.kpis ${on_cluster}
    ADD COLUMN IF NOT EXISTS with_token Int64 COMMENT 'requests that bore an OAuth2 access token' CODEC(ZSTD(1)) AFTER measurements,
    ADD COLUMN IF NOT EXISTS without_token Int64 COMMENT 'requests whose header block was read whole and bore none' CODEC(ZSTD(1)) AFTER with_token,
    ADD COLUMN IF NOT EXISTS token_expected Bool COMMENT 'true: of the requests for this operation at this NF type, whoever asked, 20 and a fifth or more bore an access token in the last hours' AFTER without_token,
    ADD COLUMN IF NOT EXISTS overload_reports Int64 COMMENT 'answers whose 3gpp-Sbi-Oci asks for a reduction above 0 %' CODEC(ZSTD(1)) AFTER token_expected,
    ADD COLUMN IF NOT EXISTS overload_percent_sum Int64 COMMENT 'sum of these reductions in percent' CODEC(ZSTD(1)) AFTER overload_reports,
    ADD COLUMN IF NOT EXISTS consumer_overload_reports Int64 COMMENT 'requests whose 3gpp-Sbi-Oci does: the end that asked is overloaded' CODEC(ZSTD(1)) AFTER overload_percent_sum,
    ADD COLUMN IF NOT EXISTS consumer_overload_percent_sum Int64 COMMENT 'sum of these reductions in percent' CODEC(ZSTD(1)) AFTER consumer_overload_reports;

ALTER TABLE ${database}.kpis_arriving ${on_cluster}
    ADD COLUMN IF NOT EXISTS with_token Int64,
    ADD COLUMN IF NOT EXISTS without_token Int64,
    ADD COLUMN IF NOT EXISTS token_expected Bool,
    ADD COLUMN IF NOT EXISTS overload_reports Int64,
    ADD COLUMN IF NOT EXISTS overload_percent_sum Int64,
    ADD COLUMN IF NOT EXISTS consumer_overload_reports Int64,
    ADD COLUMN IF NOT EXISTS consumer_overload_percent_sum Int64;

ALTER TABLE ${database}.kpis_arrival ${on_cluster} MODIFY QUERY
SELECT * FROM ${database}.kpis_arriving;

-- Views of the tables show columns that came later once they are made anew.
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
    max(duration_us) AS max_us,
    countIf(access_token = true) AS with_token,
    countIf(access_token = false) AS without_token,
    countIf(overload_reduction_percent > 0) AS overload_reports,
    sum(ifNull(overload_reduction_percent, 0)) AS overload_percent_sum,
    countIf(consumer_overload_reduction_percent > 0) AS consumer_overload_reports,
    sum(ifNull(consumer_overload_reduction_percent, 0)) AS consumer_overload_percent_sum
FROM ${database}.exchanges_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE request_event_id IS NOT NULL
GROUP BY window_start, operation, consumer_nf, producer_nf, producer_nf_instance, snssai, dnn, plmn, to_proxy, site, node
COMMENT 'KPIs of a period in windows of window_s seconds, recomputed from the transactions: kpis_between(start=…, stop=…, window_s=10)';

CREATE OR REPLACE VIEW ${database}.exchanges ${on_cluster} AS
SELECT * FROM ${database}.exchanges_between(start = toDateTime64('1900-01-01 00:00:00', 6, 'UTC'), stop = toDateTime64('2299-12-31 00:00:00', 6, 'UTC'))
COMMENT 'Each exchange once, latest version; for a short period of a long history use exchanges_between(start=…, stop=…)';

CREATE OR REPLACE VIEW ${database}.requests ${on_cluster} AS
SELECT * FROM ${database}.requests_between(start = toDateTime64('1900-01-01 00:00:00', 6, 'UTC'), stop = toDateTime64('2299-12-31 00:00:00', 6, 'UTC'))
COMMENT 'Each logical request once, however many proxies carried it; for a short period use requests_between(start=…, stop=…)';

CREATE OR REPLACE VIEW ${database}.kpi_windows ${on_cluster} AS
SELECT * EXCEPT (stored_at), window_start_us + toIntervalSecond(window_s) AS window_end_us
FROM ${database}.kpis FINAL
WHERE requests != 0 OR in_flight != 0 OR notEmpty(measurements)
COMMENT 'Each KPI once, latest version: choose one window_s (10, 60, 300, 900, 3600), or the same requests count several times; and to_proxy = false, or those that a proxy carried count twice';
