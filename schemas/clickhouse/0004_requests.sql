-- Each logical request once, however many proxies (SCP, SEPP) carried it. Its hops carry one request_key, and each lies in
-- time within the hop before it; the same key later is another request. What an unanswered hop waited is its deadline.
CREATE OR REPLACE VIEW ${database}.requests_between ${on_cluster} AS
SELECT
    * EXCEPT (logical, until, outermost, turn, earlier),
    if(hops > 1, duration_us - producer_duration_us, NULL) AS proxy_us
FROM
(
    SELECT
        *,
        count() OVER whole AS hops,
        argMax(producer_nf_instance, request_us) OVER whole AS last_producer_instance,
        argMax(duration_us, request_us) OVER whole AS producer_duration_us
    FROM
    (
        SELECT
            *,
            sum(outermost) OVER (PARTITION BY logical ORDER BY request_us, transaction_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS turn
        FROM
        (
            SELECT
                *,
                sipHash128(coalesce(request_key, transaction_id)) AS logical,
                ifNull(response_end_us, request_us + toIntervalMillisecond(deadline_ms)) AS until,
                count() OVER before AS earlier,
                earlier = 0 OR request_us > max(until) OVER before AS outermost
            FROM ${database}.exchanges_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
            WHERE request_event_id IS NOT NULL
            WINDOW before AS (PARTITION BY logical ORDER BY request_us, transaction_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        )
    )
    WINDOW whole AS (PARTITION BY logical, turn)
)
WHERE outermost
COMMENT 'Each logical request of a period once, as its consumer saw it: requests_between(start=…, stop=…). Columns of exchanges_between, and hops (exchanges it took), producer_duration_us (duration at the last hop), proxy_us (what the proxies took), last_producer_instance';

CREATE OR REPLACE VIEW ${database}.requests ${on_cluster} AS
SELECT * FROM ${database}.requests_between(start = toDateTime64('1900-01-01 00:00:00', 6, 'UTC'), stop = toDateTime64('2299-12-31 00:00:00', 6, 'UTC'))
COMMENT 'Each logical request once, however many proxies carried it; for a short period use requests_between(start=…, stop=…)';

CREATE OR REPLACE VIEW ${database}.operations_summary ${on_cluster} AS
SELECT
    service,
    coalesce(operation, concat(ifNull(method, '?'), ' ', ifNull(resource, 'path not readable'))) AS operation_name,
    count() AS requests,
    countIf(verdict = 'success') AS succeeded,
    countIf(verdict = 'failure') AS failed,
    countIf(verdict = 'unknown') AS unknown,
    succeeded / nullIf(succeeded + failed, 0) AS success_ratio,
    quantileExact(0.5)(duration_us) AS median_us,
    quantileExact(0.95)(duration_us) AS p95_us,
    max(duration_us) AS max_us
FROM ${database}.exchanges
WHERE request_event_id IS NOT NULL
GROUP BY service, operation_name
ORDER BY requests DESC
COMMENT 'Each operation: how often it was asked for, how it went, how long it took';

CREATE OR REPLACE VIEW ${database}.traffic_by_nf_pair ${on_cluster} AS
SELECT
    consumer_nf,
    producer_nf,
    count() AS requests,
    countIf(verdict = 'success') / nullIf(countIf(verdict != 'unknown'), 0) AS success_ratio,
    quantileExact(0.95)(duration_us) AS p95_us,
    min(request_us) AS first_request,
    max(request_us) AS last_request
FROM ${database}.exchanges
WHERE request_event_id IS NOT NULL
GROUP BY consumer_nf, producer_nf
ORDER BY requests DESC
COMMENT 'Which NF type asks which, how often and with what success';
