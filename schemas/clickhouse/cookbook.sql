-- Queries for analysts: each has a name, says what it tells, and is a test. `sbiscope query --cookbook NAME` runs one.
-- {start} and {stop} bound the period (all there is by default); other places are given with --param. Those that read a
-- view …_between of rollups (schemas/clickhouse/README.md) count whole five minutes, and percentiles to 1 %. A request through
-- a proxy is several exchanges: what counts requests leaves out hops to a proxy (what was rolled by an early release tells
-- these apart in some cuts only: null), what looks for faults shows them marked, since a proxy may have faults of its own.

-- traffic_by_nf_pair: which NF type asks which, how often and with what success
SELECT consumer_nf, producer_nf, sum(exchanges) AS requests,
    round(sum(succeeded) / nullIf(sum(succeeded) + sum(failed), 0), 4) AS success_ratio
FROM latency_summed_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE cut = 'pair' AND NOT ifNull(to_proxy, false)
GROUP BY consumer_nf, producer_nf ORDER BY requests DESC, consumer_nf, producer_nf;

-- success_by_operation: each operation's outcomes at producers; unknown is in no ratio
SELECT operation, sum(exchanges) AS requests, sumIf(exchanges, verdict = 'success') AS succeeded,
    sumIf(exchanges, verdict = 'failure') AS failed, sumIf(exchanges, verdict = 'unknown') AS unknown,
    round(succeeded / nullIf(succeeded + failed, 0), 4) AS success_ratio
FROM counts_summed_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE cut = 'fate' AND NOT to_proxy
GROUP BY operation ORDER BY failed DESC, requests DESC, operation;

-- slowest_producers: who answers slowest, by endpoint
SELECT producer_nf, server_address, server_port, sum(durations) AS answered,
    quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(duration_state) AS merged, round(merged[1]) AS median_us,
    round(merged[2]) AS p95_us, max(max_us) AS longest_us
FROM latency_summed_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE cut = 'endpoint' AND NOT to_proxy
GROUP BY producer_nf, server_address, server_port HAVING answered > 0 ORDER BY p95_us DESC, server_address, server_port;

-- failing_causes: why operations fail, hops to a proxy apart
SELECT operation, to_proxy, outcome, status, cause, result, error_origin, sum(exchanges) AS failures
FROM counts_summed_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE cut = 'fate' AND verdict = 'failure'
GROUP BY operation, to_proxy, outcome, status, cause, result, error_origin
ORDER BY failures DESC, operation, to_proxy, outcome, status, cause, result, error_origin;

-- subscriber_day: everything about one subscriber in order, hops to a proxy marked; --param supi=…
SELECT request_us, consumer_nf, producer_nf, to_proxy, operation, outcome, status, cause, duration_us, pdu_session_id, dnn, snssai
FROM subscriber_exchanges(supi = {supi:String}, start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
ORDER BY request_us, transaction_id;

-- registrations_by_plmn_and_slice: AMF registrations at the UDM (a proxy of 28.554 registration success)
SELECT plmn, snssai, sum(exchanges) AS requests, sumIf(exchanges, verdict = 'success') AS succeeded,
    round(succeeded / nullIf(sumIf(exchanges, verdict != 'unknown'), 0), 4) AS success_ratio
FROM counts_summed_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE cut = 'fate' AND NOT to_proxy AND service = 'nudm-uecm' AND method = 'PUT' AND resource LIKE '%registrations/amf-%'
GROUP BY plmn, snssai ORDER BY requests DESC, plmn, snssai;

-- pdu_sessions_by_slice_and_dnn: SM.PduSessionCreationReq, Succ (28.552 5.3.1.3, 5.3.1.4)
SELECT snssai, dnn, sum(exchanges) AS requested, sum(created) AS sessions,
    round(sessions / nullIf(sum(succeeded) + sum(failed), 0), 4) AS success_ratio,
    round(quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(duration_state)[2]) AS p95_us
FROM latency_summed_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE cut = 'slice' AND NOT to_proxy AND operation = 'Nsmf_PDUSession_CreateSMContext'
GROUP BY snssai, dnn ORDER BY requested DESC, snssai, dnn;

-- network_and_server_time: what of the consumer's wait is network and queues, where both ends are seen, hops to a proxy apart
SELECT consumer_nf, producer_nf, to_proxy, sum(both_ends) AS seen_at_both_ends,
    quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(network_state) AS merged,
    round(quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(both_state)[1]) AS server_median_us,
    round(merged[1]) AS network_median_us, round(merged[2]) AS network_p95_us
FROM latency_summed_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE cut = 'pair' AND both_ends > 0
GROUP BY consumer_nf, producer_nf, to_proxy ORDER BY network_p95_us DESC, consumer_nf, producer_nf, to_proxy;

-- proxy_delay: what SCP and SEPP add to a request
SELECT operation, hops, sum(proxied) AS requests_proxied,
    quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(proxy_state) AS merged, round(merged[1]) AS median_us,
    round(merged[2]) AS p95_us, round(sum(share_sum) / requests_proxied, 3) AS share_of_the_wait
FROM request_counts_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE hops > 1 AND proxied > 0
GROUP BY operation, hops ORDER BY p95_us DESC, operation, hops;

-- retries: requests sent again, said so by the consumer or seen with the same key within five minutes
SELECT operation, consumer_nf, sum(retransmitted) AS marked_as_retransmission, sum(same_key_again) AS with_same_key
FROM request_counts_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
GROUP BY operation, consumer_nf HAVING marked_as_retransmission + with_same_key > 0
ORDER BY marked_as_retransmission + with_same_key DESC, operation, consumer_nf;

-- nf_inventory: NF instances by what they said to the NRF and served: where, what, for which slices, status (its own word, or that its heartbeat lapsed), when heard of last
SELECT instance, argMaxIf(nf_type, at, nf_type IS NOT NULL) AS nf_type, arraySort(groupUniqArrayIf(address, address != '')) AS addresses,
    arraySort(groupUniqArray(service_served)) AS services, arraySort(groupUniqArray(slice)) AS slices,
    coalesce(argMaxIf(said, at, said IN ('PUT', 'PATCH', 'DELETE')), '') AS last_word,
    maxIf(at, said = 'PATCH') AS last_heartbeat, max(at) AS last_seen,
    -- Times of its heartbeats and what lies between; a hop to a proxy is of the same second.
    arraySort(groupArrayIf(toUnixTimestamp64Milli(at) / 1000, said = 'PATCH')) AS beats_s, arrayFilter(wait -> wait > 1, arrayDifference(beats_s)) AS waits_s,
    arrayReduce('quantileExact(0.5)', waits_s) AS heartbeat_s,
    toUnixTimestamp64Milli(assumeNotNull((SELECT request_us FROM transactions WHERE request_us >= {start:DateTime64(6, 'UTC')} AND request_us < {stop:DateTime64(6, 'UTC')} ORDER BY request_us DESC LIMIT 1))) / 1000 - arrayMax(beats_s) AS silent_s,
    multiIf(last_word = '', 'not seen at the NRF', last_word = 'DELETE', 'deregistered',
        length(waits_s) > 1 AND silent_s > 2 * heartbeat_s, 'heartbeat lapsed', lower(coalesce(argMaxIf(nf_status, at, nf_status IS NOT NULL), 'registered'))) AS status
FROM
(
    SELECT at, instance, nf_type, service AS service_served, snssai AS slice,
        if(producing AND trust = max(if(producing, trust, 0)) OVER (PARTITION BY instance), ifNull(address, ''), '') AS address, NULL AS said, NULL AS nf_status
    FROM
    (
        SELECT producing, instance, nf_type, service, snssai, address, transform(vantage, ['client', 'wire', 'server'], [1, 2, 3], 0) AS trust, max(last_us) AS at
        FROM instances_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
        GROUP BY producing, instance, nf_type, service, snssai, address, trust
    )
    UNION ALL
    SELECT request_us, assumeNotNull(consumer_nf_instance), consumer_nf, NULL, NULL, '',
        if(outcome IN ('success', 'redirect', 'business'), method, NULL) AS told, if(told IN ('PUT', 'PATCH'), result, NULL)
    FROM nf_messages
    WHERE request_us >= {start:DateTime64(6, 'UTC')} AND request_us < {stop:DateTime64(6, 'UTC')} AND consumer_nf_instance IS NOT NULL
)
GROUP BY instance ORDER BY nf_type, instance;

-- heartbeats_missed: NF instances whose heartbeat at the NRF paused for more than twice its usual interval, or stopped without their leaving
SELECT path AS nf_instance, arraySort(groupArrayIf(toUnixTimestamp64Milli(request_us), method = 'PATCH')) AS beats_ms,
    arrayFilter(wait -> wait > 1000, arrayDifference(beats_ms)) AS waits_ms, -- what both ends or a proxy saw too is nearer
    arrayReduce('quantileExact(0.5)', waits_ms) / 1000 AS usual_interval_s,
    -- Since the last beat, while others were seen; of an instance that left, none.
    if(argMax(method, request_us) = 'DELETE' OR length(waits_ms) < 2, 0,
        toUnixTimestamp64Milli(assumeNotNull((SELECT request_us FROM transactions WHERE request_us >= {start:DateTime64(6, 'UTC')} AND request_us < {stop:DateTime64(6, 'UTC')} ORDER BY request_us DESC LIMIT 1))) - arrayMax(beats_ms)) AS silent_ms,
    arrayMax(arrayPushBack(waits_ms, silent_ms)) / 1000 AS longest_s,
    arrayCount(wait -> wait > 2000 * usual_interval_s, arrayPushBack(waits_ms, silent_ms)) AS pauses,
    fromUnixTimestamp64Milli(arrayMax(beats_ms), 'UTC') AS last_beat
FROM nf_messages
WHERE request_us >= {start:DateTime64(6, 'UTC')} AND request_us < {stop:DateTime64(6, 'UTC')} AND method IN ('PATCH', 'DELETE')
GROUP BY path HAVING notEmpty(beats_ms) AND pauses > 0 ORDER BY longest_s DESC, path;

-- cardinality: how much there is of everything, to 1 %
SELECT sum(exchanges) AS seen, uniqCombined64Merge(14)(subscribers) AS subscribers_seen,
    uniqCombined64Merge(14)(operations) AS operations_seen, uniqCombined64Merge(14)(services) AS services_seen,
    uniqCombined64Merge(14)(instances) AS producer_instances, uniqCombined64Merge(14)(connections) AS connections_seen,
    uniqCombined64Merge(14)(resources) AS resources_seen, uniqCombined64Merge(14)(dnns) AS dnns_seen,
    uniqCombined64Merge(14)(slices) AS slices_seen, uniqCombined64Merge(14)(plmns) AS plmns_seen,
    uniqCombined64Merge(14)(user_agents) AS user_agents_seen
FROM distinct_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')});

-- completeness: what each node's sightings can be trusted for
SELECT site, node, vantage, sum(sightings) AS seen, round(sum(known) / seen, 4) AS outcome_known,
    round(sum(exact) / seen, 4) AS request_headers_exact, sum(lone_responses) AS responses_alone,
    sum(with_bytes_missing) AS with_a_gap
FROM sightings_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
GROUP BY site, node, vantage ORDER BY site, node, vantage;

-- agent_cost: what each agent takes and what it lost
SELECT site, node, version, hook, connections, events, lost, round(arraySum(mapValues(cpu_us)) / nullIf(events, 0), 1) AS cpu_us_an_event,
    round(arraySum(mapValues(rss_bytes)) / 1048576) AS rss_mb, backoff_step, told_us
FROM agents_now
WHERE told_us >= {start:DateTime64(6, 'UTC')} AND told_us < {stop:DateTime64(6, 'UTC')}
ORDER BY site, node;

-- late_answers: answered, but after the consumer had given up, hops to a proxy apart
SELECT operation, producer_nf, to_proxy, sum(exchanges) AS late, max(max_us) AS longest_us, any(deadline_ms) AS waited_ms
FROM counts_summed_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE cut = 'fate' AND outcome = 'late'
GROUP BY operation, producer_nf, to_proxy ORDER BY late DESC, operation, producer_nf, to_proxy;

-- unanswered_by_producer: whose answers never came, proxies apart
SELECT producer_nf, to_proxy, server_address, server_port, sumIf(exchanges, outcome = 'unanswered') AS unanswered, sum(exchanges) AS requests,
    round(unanswered / nullIf(sumIf(exchanges, verdict != 'unknown'), 0), 4) AS share, maxIf(last_us, outcome = 'unanswered') AS last
FROM counts_summed_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE cut = 'peer'
GROUP BY producer_nf, to_proxy, server_address, server_port HAVING unanswered > 0
ORDER BY unanswered DESC, server_address, server_port, producer_nf, to_proxy;

-- overload: producers, and proxies asked for them, that say they are congested
SELECT producer_nf, to_proxy, server_address, sumIf(exchanges, status = 503) AS unavailable, sumIf(exchanges, status = 429) AS too_many,
    sum(with_retry_after) AS with_retry, min(first_us) AS first, max(last_us) AS last
FROM counts_summed_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE cut = 'peer' AND status IN (429, 503)
GROUP BY producer_nf, to_proxy, server_address ORDER BY unavailable + too_many DESC, server_address, producer_nf, to_proxy;

-- causes_by_list: which causes answers name, and in which list of TS 29.500 they stand: service, common, proxy, none (an NF's own word)
SELECT cause_list, producer_nf, service, cause, to_proxy, sum(exchanges) AS answers, min(first_us) AS first, max(last_us) AS last
FROM causes_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
GROUP BY cause_list, producer_nf, service, cause, to_proxy
ORDER BY cause_list = 'none' DESC, answers DESC, producer_nf, service, cause, to_proxy;

-- loaded_nfs: who said how loaded it is or asked to be sent less (3gpp-Sbi-Lci, 3gpp-Sbi-Oci), of what, and the latest word
SELECT nf, nf_instance, kind, scope, snssai, dnn, sum(times_said) AS reports, max(max_percent) AS highest_percent,
    argMax(last_percent, (last_us, last_percent)) AS latest_percent, max(last_us) AS latest
FROM loads_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
GROUP BY nf, nf_instance, kind, scope, snssai, dnn
ORDER BY kind DESC, highest_percent DESC, nf, nf_instance, scope, snssai, dnn;

-- access_refused: who was told 401 or 403, a finding when it is nobody's subscriber; hops to a proxy apart
SELECT client_address, user_agent, to_proxy, service, status, cause, sum(exchanges) AS refused, min(first_us) AS first, max(last_us) AS last
FROM counts_summed_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE cut = 'peer' AND status IN (401, 403)
GROUP BY client_address, user_agent, to_proxy, service, status, cause
ORDER BY refused DESC, client_address, user_agent, to_proxy, service, status, cause;

-- unusual_pairs: consumers that asked a service fewer than five times, among the traffic of all
SELECT consumer_nf, client_address, service, sum(exchanges) AS requests, min(first_us) AS first, max(last_us) AS last
FROM counts_summed_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE cut = 'peer'
GROUP BY consumer_nf, client_address, service HAVING requests < 5 ORDER BY requests, consumer_nf, client_address, service;

-- security_alerts: what the rules call a security matter, raised in the period
SELECT raised_us, specific_problem, perceived_severity, object_instance, additional_text
FROM alerts FINAL
WHERE event_type = 'securityService' AND notification = 'notifyNewAlarm'
    AND raised_us >= {start:DateTime64(6, 'UTC')} AND raised_us < {stop:DateTime64(6, 'UTC')}
ORDER BY raised_us, alarm_id;

-- procedures_that_break: where registrations, sessions and handovers end, most frequent first
SELECT kind, at_step, outcome, failed_producer_nf, failed_status, failed_cause, count() AS many
FROM broken_procedures FINAL
WHERE begin_us >= {start:DateTime64(6, 'UTC')} AND begin_us < {stop:DateTime64(6, 'UTC')}
GROUP BY kind, at_step, outcome, failed_producer_nf, failed_status, failed_cause
ORDER BY many DESC, kind, at_step, outcome, failed_producer_nf, failed_status, failed_cause;

-- not_in_catalogue: what is asked for that no specification of ours names
SELECT method, resource, operation_source, sum(exchanges) AS requests, any(example) AS a_path
FROM counts_summed_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE cut = 'fate' AND NOT to_proxy AND operation IS NULL AND resource IS NOT NULL
GROUP BY method, resource, operation_source ORDER BY requests DESC, method, resource, operation_source;

-- traffic_per_minute: requests, failures and latency minute by minute
SELECT minute_us AS minute, sum(exchanges) AS requests, sum(failed) AS failures,
    quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(duration_state) AS merged, round(merged[1]) AS median_us, round(merged[2]) AS p95_us
FROM latency_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE cut = 'minute' AND NOT ifNull(to_proxy, false)
GROUP BY minute ORDER BY minute;

-- latency_heat: answers of each operation by duration, in steps of powers of two milliseconds
SELECT operation, up_to_ms, sum(exchanges) AS answers
FROM counts_summed_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE cut = 'heat' AND NOT ifNull(to_proxy, false) AND up_to_ms IS NOT NULL
GROUP BY operation, up_to_ms ORDER BY operation, up_to_ms;

-- busiest_connections: connections by load, and how many of their streams ended badly
SELECT client_address, client_port, server_address, server_port, sum(exchanges) AS requests, sum(cut_off) AS ended_badly,
    dateDiff('second', min(first_us), max(last_us)) AS seconds
FROM counts_summed_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
WHERE cut = 'connection'
GROUP BY connection_id, client_address, client_port, server_address, server_port
ORDER BY requests DESC, client_address, client_port, server_address, server_port LIMIT 50;

-- loops: requests that came to one server again before it had answered them, as on a circle of proxies (TS 29.500 6.10.10)
SELECT consumer_nf, producer_nf, operation, server_address, server_port, uniqExactMerge(request_keys) AS requests,
    sum(times_again) AS times_again, min(first_us) AS first_request, max(last_us) AS last_request
FROM loops_between(start = {start:DateTime64(6, 'UTC')}, stop = {stop:DateTime64(6, 'UTC')})
GROUP BY consumer_nf, producer_nf, operation, server_address, server_port
ORDER BY times_again DESC, server_address, server_port, operation, consumer_nf, producer_nf;
