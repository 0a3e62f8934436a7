-- What else is known of the process at a transaction's end.
ALTER TABLE ${database}.transactions ${on_cluster}
    ADD COLUMN IF NOT EXISTS executable LowCardinality(Nullable(String)) COMMENT 'path of its program, as it sees it' AFTER netns,
    ADD COLUMN IF NOT EXISTS container_name LowCardinality(Nullable(String)) COMMENT 'name of its container in the pod' AFTER executable,
    ADD COLUMN IF NOT EXISTS image LowCardinality(Nullable(String)) COMMENT 'image of its container' AFTER container_name,
    ADD COLUMN IF NOT EXISTS pod_uid LowCardinality(Nullable(String)) COMMENT 'uid of its pod' AFTER image,
    ADD COLUMN IF NOT EXISTS pod_labels Map(LowCardinality(String), String) COMMENT 'labels of its pod, those configured' AFTER pod_uid;

ALTER TABLE ${database}.transactions_arriving ${on_cluster}
    ADD COLUMN IF NOT EXISTS executable Nullable(String),
    ADD COLUMN IF NOT EXISTS container_name Nullable(String),
    ADD COLUMN IF NOT EXISTS image Nullable(String),
    ADD COLUMN IF NOT EXISTS pod_uid Nullable(String),
    ADD COLUMN IF NOT EXISTS pod_labels Map(String, String);

ALTER TABLE ${database}.transactions_arrival ${on_cluster} MODIFY QUERY
SELECT * FROM ${database}.transactions_arriving;
