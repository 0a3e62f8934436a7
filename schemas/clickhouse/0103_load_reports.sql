-- The view reads the rows that tell anything instead of looking for each exchange's sightings among all: a hundredth of
-- its time where few headers tell. A sighting whose header was not read does not hide what the other end read.
CREATE OR REPLACE VIEW ${database}.load_reports_between ${on_cluster} AS
SELECT
    request_us,
    said.1 AS kind,
    said.2 AS nf,
    said.3 AS nf_instance,
    toInt32OrNull(said.4) AS percent,
    nullIf(said.5[concat(said.1, '_scope')], '') AS scope,
    nullIf(said.5[concat(said.1, '_snssai')], '') AS snssai,
    nullIf(said.5[concat(said.1, '_dnn')], '') AS dnn,
    if(said.5[concat(said.1, '_us')] = '', NULL, fromUnixTimestamp64Micro(toInt64OrZero(said.5[concat(said.1, '_us')]), 'UTC')) AS reported_us,
    toInt32OrNull(said.5[concat(said.1, '_valid_s')]) AS valid_s,
    site,
    transaction_id
FROM
(
    SELECT
        request_us,
        site,
        transaction_id,
        arrayJoin(arrayFilter(one -> one.4 != '', [
            ('load', toString(ifNull(producer_nf, '')), toString(ifNull(producer_nf_instance, '')), response_header_facts['load_percent'], response_header_facts),
            ('overload', toString(ifNull(producer_nf, '')), toString(ifNull(producer_nf_instance, '')), response_header_facts['overload_reduction_percent'], response_header_facts),
            ('load', toString(ifNull(consumer_nf, '')), toString(ifNull(consumer_nf_instance, '')), request_header_facts['load_percent'], request_header_facts),
            ('overload', toString(ifNull(consumer_nf, '')), toString(ifNull(consumer_nf_instance, '')), request_header_facts['overload_reduction_percent'], request_header_facts)
        ])) AS said
    FROM
    (
        SELECT
            *,
            transform(vantage, ['client', 'wire', 'server'], [1, 2, 3], 0) AS trust,
            max((trust, node)) OVER
            (
                PARTITION BY sipHash128(exchange_key) ORDER BY toUnixTimestamp64Micro(request_us)
                RANGE BETWEEN 5000000 PRECEDING AND 5000000 FOLLOWING
            ) AS most_trusted
        FROM
        (
            SELECT
                request_us, transaction_id, exchange_key, vantage, node, site, consumer_nf, consumer_nf_instance,
                producer_nf, producer_nf_instance, request_header_facts, response_header_facts
            FROM ${database}.transactions
            WHERE request_us >= {start:DateTime64(6, 'UTC')} AND request_us < {stop:DateTime64(6, 'UTC')}
                AND (notEmpty(request_header_facts) OR notEmpty(response_header_facts))
            ORDER BY request_us, transaction_id, version DESC
            LIMIT 1 BY request_us, transaction_id
        )
    )
    WHERE (trust, node) = most_trusted
)
COMMENT 'Each 3gpp-Sbi-Lci and 3gpp-Sbi-Oci of a period: load_reports_between(start=…, stop=…). kind: load or overload; nf, nf_instance: who sent it, empty if not known; percent: its load, or how much less it asks for; of several entries the highest; scope, snssai, dnn: what it speaks of; reported_us: its timestamp; valid_s: how long an overload counts';
