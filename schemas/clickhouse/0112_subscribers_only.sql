-- In 0052 the condition met the alias, which is never null, so rows without a subscriber were noted too, as those of ''.
ALTER TABLE ${database}.subscriber_times_arrival ${on_cluster} MODIFY QUERY
SELECT assumeNotNull(who) AS supi, request_us
FROM (SELECT supi AS who, request_us FROM ${database}.transactions)
WHERE who IS NOT NULL;
