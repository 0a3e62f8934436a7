-- How consumers reach producers: the communication models of TS 23.501 Annex E, as far as the exchanges tell, and what
-- the proxies (SCP, SEPP) added. Indirect with a target named by the consumer is C; where the SCP chose the producer, D.
-- Direct is B where that consumer was seen to ask the NRF for producers in the period, else A: an answer of the NRF that
-- was given before the period, or configured addresses, look alike.
CREATE OR REPLACE VIEW ${database}.communication_between ${on_cluster} AS
SELECT
    consumer_nf,
    producer_nf,
    service,
    multiIf(
        NOT (to_proxy OR hops > 1), if(consumer_nf IN (
            SELECT consumer_nf
            FROM ${database}.requests_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
            WHERE service = 'nnrf-disc'
        ), 'B', 'A'),
        target_api_root IS NULL, 'D', 'C') AS model,
    count() AS requests,
    countIf(hops > 1) AS linked,
    countIf(hops > 2) AS through_several,
    countIf(verdict = 'success') / nullIf(countIf(verdict != 'unknown'), 0) AS success_ratio,
    quantileExactOrNull(0.5)(proxy_us) AS proxy_median_us,
    quantileExactOrNull(0.95)(proxy_us) AS proxy_p95_us,
    max(proxy_us) AS proxy_max_us,
    quantileExactOrNullIf(0.5)(producer_duration_us, hops > 1) AS producer_median_us,
    quantileExactOrNull(0.5)(duration_us) AS total_median_us
FROM ${database}.requests_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
GROUP BY consumer_nf, producer_nf, service, model
ORDER BY requests DESC, consumer_nf, producer_nf, service, model
COMMENT 'How NFs reach each other in a period: communication_between(start=…, stop=…). model (TS 23.501 Annex E: A direct, B direct after discovery, C through a proxy with the target named, D through a proxy that chose it), requests (logical, each once), linked (whose further hop was seen), through_several (two proxies and more), success_ratio, proxy_*_us (what the proxies took of linked requests), producer_median_us (what the producer took of these), total_median_us';

CREATE OR REPLACE VIEW ${database}.communication ${on_cluster} AS
SELECT * FROM ${database}.communication_between(start = toDateTime64('1900-01-01 00:00:00', 6, 'UTC'), stop = toDateTime64('2299-12-31 00:00:00', 6, 'UTC'))
COMMENT 'How NFs reach each other: communication model, proxy delay and producer time apart; for a short period use communication_between(start=…, stop=…)';
