"""ClickHouse's HTTP interface over the engine in this process (chDB): small, on loopback, for one machine."""
