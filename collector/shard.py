"""Where a collector shard writes: its Kafka key and the partition that follows from it."""

from zlib import crc32


def shard_key(site: str, node: str, shard: int) -> bytes:
    """Return the Kafka key of all batches of one shard."""
    return f"{site}/{node}/{shard}".encode()


def shard_partition(key: bytes, partitions: int) -> int:
    """Return the partition of `key`: computed by us, the same for every client library (DESIGN 6)."""
    return crc32(key) % partitions
