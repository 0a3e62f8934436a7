"""What crosses a process boundary: Avro schemas, topics, tables, configuration. A leaf that imports no sibling."""
