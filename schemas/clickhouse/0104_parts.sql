-- A part in some hundred files, one or more a column, costs more for its files than for its rows when it holds a block
-- of the sink: to make them, and to remove them after the merge. Parts up to the size of such a block are one file.
ALTER TABLE ${database}.transactions ${on_cluster}
    MODIFY SETTING min_bytes_for_wide_part = 134217728;
