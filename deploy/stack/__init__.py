"""The local stack: one Kafka broker, the ClickHouse engine behind HTTP, the workers, and what watches over them."""
