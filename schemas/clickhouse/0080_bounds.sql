-- What lies at a period's bounds counts in one period. Sightings of an exchange may lie on both sides, so five seconds more
-- are read and left out again once each exchange stands once. Likewise the hops of a logical request: a proxy's lies within
-- that of its consumer, who waits a minute at most (streams.max_deadline_ms, unless it was set higher).
CREATE OR REPLACE VIEW ${database}.exchanges_between ${on_cluster} AS
SELECT
    * EXCEPT (trust, most_trusted),
    multiIf(outcome IN ('success', 'redirect', 'business'), 'success', outcome = 'unknown', 'unknown', 'failure') AS verdict,
    if(vantage = 'server', client_duration_us - duration_us, NULL) AS network_us
FROM
(
    SELECT
        *,
        transform(vantage, ['client', 'wire', 'server'], [1, 2, 3], 0) AS trust,
        max((trust, node)) OVER sightings AS most_trusted,
        arraySort(groupUniqArray(vantage) OVER sightings) AS vantages,
        maxIf(duration_us, vantage = 'client') OVER sightings AS client_duration_us
    FROM ${database}.transactions FINAL
    WHERE request_us >= {start:DateTime64(6, 'UTC')} - toIntervalSecond(5) AND request_us < {stop:DateTime64(6, 'UTC')} + toIntervalSecond(5)
    WINDOW sightings AS
    (
        PARTITION BY sipHash128(exchange_key) ORDER BY toUnixTimestamp64Micro(request_us)
        RANGE BETWEEN 5000000 PRECEDING AND 5000000 FOLLOWING
    )
)
WHERE (trust, node) = most_trusted AND request_us >= {start:DateTime64(6, 'UTC')} AND request_us < {stop:DateTime64(6, 'UTC')}
COMMENT 'Each exchange of a period once: exchanges_between(start=…, stop=…); reads that period and five seconds around it; an exchange is of the period that holds its request_us. Columns of transactions, and verdict (success: success, redirect, business; unknown; failure: the rest), vantages (where it was seen), client_duration_us (duration at the client end), network_us (what network and queues took)';

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
            FROM ${database}.exchanges_between(start = {start:DateTime64(6, 'UTC')} - toIntervalSecond(60), stop = {stop:DateTime64(6, 'UTC')} + toIntervalSecond(60))
            WHERE request_event_id IS NOT NULL
            WINDOW before AS (PARTITION BY logical ORDER BY request_us, transaction_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        )
    )
    WINDOW whole AS (PARTITION BY logical, turn)
)
WHERE outermost AND request_us >= {start:DateTime64(6, 'UTC')} AND request_us < {stop:DateTime64(6, 'UTC')}
COMMENT 'Each logical request of a period once, as its consumer saw it: requests_between(start=…, stop=…). Columns of exchanges_between, and hops (exchanges it took), producer_duration_us (duration at the last hop), proxy_us (what the proxies took), last_producer_instance';

CREATE OR REPLACE VIEW ${database}.subscriber_exchanges ${on_cluster} AS
SELECT
    * EXCEPT (trust, most_trusted),
    multiIf(outcome IN ('success', 'redirect', 'business'), 'success', outcome = 'unknown', 'unknown', 'failure') AS verdict
FROM
(
    SELECT
        *,
        transform(vantage, ['client', 'wire', 'server'], [1, 2, 3], 0) AS trust,
        max((trust, node)) OVER sightings AS most_trusted
    FROM ${database}.transactions FINAL
    WHERE supi = {supi:String}
        AND request_us >= {start:DateTime64(6, 'UTC')} - toIntervalSecond(5) AND request_us < {stop:DateTime64(6, 'UTC')} + toIntervalSecond(5)
        AND request_us IN
        (
            SELECT request_us
            FROM ${database}.subscriber_times
            WHERE supi = {supi:String} AND request_us >= {start:DateTime64(6, 'UTC')} - toIntervalSecond(5) AND request_us < {stop:DateTime64(6, 'UTC')} + toIntervalSecond(5)
        )
    WINDOW sightings AS
    (
        PARTITION BY sipHash128(exchange_key) ORDER BY toUnixTimestamp64Micro(request_us)
        RANGE BETWEEN 5000000 PRECEDING AND 5000000 FOLLOWING
    )
)
WHERE (trust, node) = most_trusted AND request_us >= {start:DateTime64(6, 'UTC')} AND request_us < {stop:DateTime64(6, 'UTC')}
COMMENT 'Each exchange of one subscriber once, as exchanges_between: subscriber_exchanges(supi=…, start=…, stop=…)';
