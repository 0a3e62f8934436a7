-- In which list a cause stands, and what the 3gpp-Sbi-* headers with a grammar say.
ALTER TABLE ${database}.transactions ${on_cluster}
    ADD COLUMN IF NOT EXISTS cause_list LowCardinality(Nullable(String)) COMMENT 'in which list of TS 29.500 the cause stands: service (that of its service), common, proxy (SCP, SEPP), none of them; null without a cause, or where no list of the service is known' AFTER consumer_overload_reduction_percent,
    ADD COLUMN IF NOT EXISTS request_header_facts Map(LowCardinality(String), String) COMMENT 'what the 3gpp-Sbi-* headers with a grammar say in the request, by name: originating_network, routing_level, forward_hops_left …; numbers in digits, times in microseconds' AFTER cause_list,
    ADD COLUMN IF NOT EXISTS response_header_facts Map(LowCardinality(String), String) COMMENT 'the same of the response: load_percent, load_scope, overload_us, binding_nf_set …' AFTER request_header_facts;

ALTER TABLE ${database}.transactions_arriving ${on_cluster}
    ADD COLUMN IF NOT EXISTS cause_list Nullable(String),
    ADD COLUMN IF NOT EXISTS request_header_facts Map(String, String),
    ADD COLUMN IF NOT EXISTS response_header_facts Map(String, String);

ALTER TABLE ${database}.transactions_arrival ${on_cluster} MODIFY QUERY
SELECT * FROM ${database}.transactions_arriving;

-- Views of the table show columns that came later once they are made anew.
CREATE OR REPLACE VIEW ${database}.exchanges ${on_cluster} AS
SELECT * FROM ${database}.exchanges_between(start = toDateTime64('1900-01-01 00:00:00', 6, 'UTC'), stop = toDateTime64('2299-12-31 00:00:00', 6, 'UTC'))
COMMENT 'Each exchange once, latest version; for a short period of a long history use exchanges_between(start=…, stop=…)';

CREATE OR REPLACE VIEW ${database}.requests ${on_cluster} AS
SELECT * FROM ${database}.requests_between(start = toDateTime64('1900-01-01 00:00:00', 6, 'UTC'), stop = toDateTime64('2299-12-31 00:00:00', 6, 'UTC'))
COMMENT 'Each logical request once, however many proxies carried it; for a short period use requests_between(start=…, stop=…)';

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
    FROM ${database}.exchanges_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
    WHERE notEmpty(request_header_facts) OR notEmpty(response_header_facts)
)
COMMENT 'Each 3gpp-Sbi-Lci and 3gpp-Sbi-Oci of a period: load_reports_between(start=…, stop=…). kind: load or overload; nf, nf_instance: who sent it, empty if not known; percent: its load, or how much less it asks for; of several entries the highest; scope, snssai, dnn: what it speaks of; reported_us: its timestamp; valid_s: how long an overload counts';
