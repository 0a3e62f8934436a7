-- Each exchange once. Its sightings carry one exchange_key; they are one exchange when they lie within five seconds
-- (nodes' clocks differ) and were made at other ends or on other nodes. The server end counts, else the wire, else the
-- client end; two sightings at one end of one node are two exchanges: the client's port was used again. (Hashed, 128 bits
-- sort in two thirds of the time that the text takes.)
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
    WHERE request_us >= {start:DateTime64(6, 'UTC')} AND request_us < {stop:DateTime64(6, 'UTC')}
    WINDOW sightings AS
    (
        PARTITION BY sipHash128(exchange_key) ORDER BY toUnixTimestamp64Micro(request_us)
        RANGE BETWEEN 5000000 PRECEDING AND 5000000 FOLLOWING
    )
)
WHERE (trust, node) = most_trusted
COMMENT 'Each exchange of a period once: exchanges_between(start=…, stop=…); reads that period only. Columns of transactions, and verdict (success: success, redirect, business; unknown; failure: the rest), vantages (where it was seen), client_duration_us (duration at the client end), network_us (what network and queues took)';

CREATE OR REPLACE VIEW ${database}.exchanges ${on_cluster} AS
SELECT * FROM ${database}.exchanges_between(start = toDateTime64('1900-01-01 00:00:00', 6, 'UTC'), stop = toDateTime64('2299-12-31 00:00:00', 6, 'UTC'))
COMMENT 'Each exchange once, latest version; for a short period of a long history use exchanges_between(start=…, stop=…)';
