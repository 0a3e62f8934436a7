-- The ledger of migrations: the runner reads it before it applies anything, so this one runs at every start.
CREATE DATABASE IF NOT EXISTS ${database} ${on_cluster};

CREATE TABLE IF NOT EXISTS ${database}.migrations ${on_cluster}
(
    number UInt16 COMMENT 'number of the migration; they are applied in this order, each once',
    name String COMMENT 'its file name without number and ending',
    digest String COMMENT '128-bit BLAKE2b, hex, of the file; a file changed after it was applied is refused',
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'when its last statement had returned',
    applied_by String COMMENT 'host and process that applied it'
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY number
COMMENT 'Which migrations were applied; internal';
