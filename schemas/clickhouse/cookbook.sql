-- Queries for analysts: each has a name, says what it tells, and is a test. `sbiscope query --cookbook NAME` runs one.
-- {start} and {stop} bound the period (all there is by default); other places are given with --param.

-- traffic_by_nf_pair: which NF type asks which, how often and with what success
SELECT consumer_nf, producer_nf, count() AS requests,
    round(countIf(verdict = 'success') / nullIf(countIf(verdict != 'unknown'), 0), 4) AS success_ratio
FROM exchanges_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE request_event_id IS NOT NULL
GROUP BY consumer_nf, producer_nf ORDER BY requests DESC, consumer_nf, producer_nf;

-- success_by_operation: each operation's outcomes; unknown is in no ratio
SELECT operation, count() AS requests, countIf(verdict = 'success') AS succeeded, countIf(verdict = 'failure') AS failed,
    countIf(verdict = 'unknown') AS unknown, round(succeeded / nullIf(succeeded + failed, 0), 4) AS success_ratio
FROM exchanges_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE request_event_id IS NOT NULL
GROUP BY operation ORDER BY failed DESC, requests DESC, operation;

-- slowest_producers: who answers slowest, by endpoint
SELECT producer_nf, server_address, server_port, count(duration_us) AS answered,
    quantileExact(0.5)(duration_us) AS median_us, quantileExact(0.95)(duration_us) AS p95_us, max(duration_us) AS max_us
FROM exchanges_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
GROUP BY producer_nf, server_address, server_port HAVING answered > 0 ORDER BY p95_us DESC, server_address, server_port;

-- failing_causes: why operations fail
SELECT operation, outcome, status, cause, result, error_origin, count() AS failures
FROM exchanges_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE verdict = 'failure'
GROUP BY operation, outcome, status, cause, result, error_origin
ORDER BY failures DESC, operation, outcome, status, cause, result, error_origin;

-- subscriber_day: everything about one subscriber in order; --param supi=…
SELECT request_us, consumer_nf, producer_nf, operation, outcome, status, cause, duration_us, pdu_session_id, dnn, snssai
FROM requests_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE supi = {supi:String}
ORDER BY request_us, transaction_id;

-- registrations_by_plmn_and_slice: AMF registrations at the UDM (a proxy of 28.554 registration success)
SELECT plmn, snssai, count() AS requests, countIf(verdict = 'success') AS succeeded,
    round(succeeded / nullIf(countIf(verdict != 'unknown'), 0), 4) AS success_ratio
FROM requests_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE service = 'nudm-uecm' AND method = 'PUT' AND resource LIKE '%registrations/amf-%'
GROUP BY plmn, snssai ORDER BY requests DESC, plmn, snssai;

-- pdu_sessions_by_slice_and_dnn: SM.PduSessionCreationReq, Succ (28.552 5.3.1.3, 5.3.1.4)
SELECT snssai, dnn, count() AS requested, countIf(status = 201) AS created,
    round(created / nullIf(countIf(verdict != 'unknown'), 0), 4) AS success_ratio, quantileExact(0.95)(duration_us) AS p95_us
FROM requests_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE service = 'nsmf-pdusession' AND method = 'POST' AND resource = '/sm-contexts'
GROUP BY snssai, dnn ORDER BY requested DESC, snssai, dnn;

-- network_and_server_time: what of the consumer's wait is network and queues, where both ends are seen
SELECT consumer_nf, producer_nf, count() AS seen_at_both_ends, quantileExact(0.5)(duration_us) AS server_median_us,
    quantileExact(0.5)(network_us) AS network_median_us, quantileExact(0.95)(network_us) AS network_p95_us
FROM exchanges_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE network_us IS NOT NULL
GROUP BY consumer_nf, producer_nf ORDER BY network_p95_us DESC, consumer_nf, producer_nf;

-- proxy_delay: what SCP and SEPP add to a request
SELECT operation, hops, count() AS requests, quantileExact(0.5)(proxy_us) AS median_us,
    quantileExact(0.95)(proxy_us) AS p95_us, round(avg(proxy_us / nullIf(duration_us, 0)), 3) AS share_of_the_wait
FROM requests_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE hops > 1 AND proxy_us IS NOT NULL
GROUP BY operation, hops ORDER BY p95_us DESC, operation, hops;

-- retries: requests sent again, said so by the consumer or seen with the same key
SELECT operation, consumer_nf, countIf(retransmission) AS marked_as_retransmission, count() - uniqExact(request_key) AS same_key_again
FROM requests_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE request_key IS NOT NULL
GROUP BY operation, consumer_nf HAVING marked_as_retransmission + same_key_again > 0
ORDER BY marked_as_retransmission + same_key_again DESC, operation, consumer_nf;

-- heartbeats_missed: NF instances whose heartbeat at the NRF paused for more than twice its usual interval
SELECT path AS nf_instance, arrayPopFront(arrayDifference(arraySort(groupArray(toUnixTimestamp64Milli(request_us))))) AS waits_ms,
    arrayReduce('quantileExact(0.5)', waits_ms) / 1000 AS usual_interval_s, arrayMax(arrayPushBack(waits_ms, 0)) / 1000 AS longest_s,
    arrayCount(wait -> wait > 2000 * usual_interval_s, waits_ms) AS pauses
FROM requests_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE service = 'nnrf-nfm' AND method = 'PATCH'
GROUP BY path HAVING pauses > 0 ORDER BY longest_s DESC, path;

-- cardinality: how much there is of everything
SELECT count() AS exchanges, uniqExact(supi) AS subscribers, uniqExact(operation) AS operations, uniqExact(service) AS services,
    uniqExact(producer_nf_instance) AS producer_instances, uniqExact(connection_id) AS connections, uniqExact(resource) AS resources,
    uniqExact(dnn) AS dnns, uniqExact(snssai) AS slices, uniqExact(plmn) AS plmns, uniqExact(user_agent) AS user_agents
FROM exchanges_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')});

-- completeness: what each node's sightings can be trusted for
SELECT site, node, vantage, count() AS sightings, round(countIf(outcome != 'unknown') / count(), 4) AS outcome_known,
    round(countIf(request_header_state = 'exact') / count(), 4) AS request_headers_exact,
    countIf(request_event_id IS NULL) AS lone_responses, countIf(request_ended = 'gap' OR response_ended = 'gap') AS with_bytes_missing
FROM transactions FINAL
WHERE request_us >= {start:DateTime64(6, 'UTC')} AND request_us < {stop:DateTime64(6, 'UTC')}
GROUP BY site, node, vantage ORDER BY site, node, vantage;

-- late_answers: answered, but after the consumer had given up
SELECT operation, producer_nf, count() AS late, max(duration_us) AS longest_us, any(deadline_ms) AS deadline_ms
FROM exchanges_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE outcome = 'late'
GROUP BY operation, producer_nf ORDER BY late DESC, operation, producer_nf;

-- unanswered_by_producer: whose answers never came
SELECT producer_nf, server_address, server_port, countIf(outcome = 'unanswered') AS unanswered, count() AS requests,
    round(unanswered / nullIf(countIf(verdict != 'unknown'), 0), 4) AS share, maxIf(request_us, outcome = 'unanswered') AS last
FROM exchanges_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE request_event_id IS NOT NULL
GROUP BY producer_nf, server_address, server_port HAVING unanswered > 0 ORDER BY unanswered DESC, server_address, server_port;

-- overload: producers that say they are congested
SELECT producer_nf, server_address, countIf(status = 503) AS unavailable, countIf(status = 429) AS too_many,
    countIf(retry_after IS NOT NULL) AS with_retry_after, min(request_us) AS first, max(request_us) AS last
FROM exchanges_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE status IN (429, 503)
GROUP BY producer_nf, server_address ORDER BY unavailable + too_many DESC, server_address;

-- access_refused: who was told 401 or 403, a finding when it is nobody's subscriber
SELECT client_address, user_agent, service, status, cause, count() AS refused, min(request_us) AS first, max(request_us) AS last
FROM exchanges_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE status IN (401, 403)
GROUP BY client_address, user_agent, service, status, cause ORDER BY refused DESC, client_address, user_agent, service, status, cause;

-- unusual_pairs: consumers that asked a service fewer than five times, among the traffic of all
SELECT consumer_nf, client_address, service, count() AS requests, min(request_us) AS first, max(request_us) AS last
FROM exchanges_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE request_event_id IS NOT NULL
GROUP BY consumer_nf, client_address, service HAVING requests < 5 ORDER BY requests, consumer_nf, client_address, service;

-- not_in_catalogue: what is asked for that no specification of ours names
SELECT method, resource, operation_source, count() AS requests, any(path) AS example
FROM exchanges_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE operation IS NULL AND path IS NOT NULL
GROUP BY method, resource, operation_source ORDER BY requests DESC, method, resource, operation_source;

-- traffic_per_minute: requests, failures and latency minute by minute
SELECT toStartOfMinute(request_us) AS minute, count() AS requests, countIf(verdict = 'failure') AS failed,
    quantileExact(0.5)(duration_us) AS median_us, quantileExact(0.95)(duration_us) AS p95_us
FROM exchanges_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE request_event_id IS NOT NULL
GROUP BY minute ORDER BY minute;

-- latency_heat: answers of each operation by duration, in steps of powers of two milliseconds
SELECT operation, pow(2, greatest(0, ceil(log2(greatest(duration_us, 1) / 1000)))) AS up_to_ms, count() AS answers
FROM exchanges_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE duration_us IS NOT NULL
GROUP BY operation, up_to_ms ORDER BY operation, up_to_ms;

-- busiest_connections: connections by load, and how many of their streams ended badly
SELECT client_address, client_port, server_address, server_port, count() AS exchanges,
    countIf(request_ended IN ('reset', 'goaway', 'closed') OR response_ended IN ('reset', 'goaway', 'closed')) AS cut_off,
    dateDiff('second', min(request_us), max(request_us)) AS seconds
FROM exchanges_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
GROUP BY connection_id, client_address, client_port, server_address, server_port
ORDER BY exchanges DESC, client_address, client_port, server_address, server_port LIMIT 50;
