"""The local stack: a Kafka broker, the ClickHouse engine behind HTTP, the workers."""
