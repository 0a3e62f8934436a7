"""Which sightings are one exchange and which exchanges are hops of one request: keys made of what they share.

exchange_key: both ends of one exchange. request_key: all hops through SCPs and SEPPs. A proxy rewrites authority,
ports, streams and its own headers, never method, API path, body, User-Agent, Sender-Timestamp or Correlation-Info (TS
29.500 5.2.3.3.2, 6.10; seen on Open5GS).
"""

from hashlib import blake2b

ID_BYTES = 16


def exchange_key(client: bytes, stream_id: int, method: str | None, path: str | None) -> str:
    """Return the key that schemas.identity.exchange_key gives; `client` is its address, NUL, its port."""
    text = f"\0{stream_id}\0{method or ''}\0{path or ''}"
    return blake2b(client + text.encode(errors="surrogatepass"), digest_size=ID_BYTES).hexdigest()


def event_id(connection: bytes, stream_id: int, half: bytes) -> str:
    """Return the id that schemas.identity.event_id gives; `connection` is the connection's id."""
    return blake2b(b"%b\0%d\0%b" % (connection, stream_id, half), digest_size=ID_BYTES).hexdigest()


class RequestKeys:
    """Makes keys of logical requests; hashes are keyed: bodies hold identifiers that could be found by trying all."""

    def __init__(self, key: bytes) -> None:
        """`key`: at most 64 octets; empty where identifiers are plain."""
        self._fresh = blake2b(digest_size=ID_BYTES, key=key)

    def of(self, told: tuple[str | None, ...], stamp: bytes, body: bytes, body_bytes: int) -> str:
        """Return the key of a request, made of what all its hops carry unchanged.

        `told`: method, target, User-Agent, Correlation-Info, of a callback its receiver. `stamp`: Sender-Timestamp or
        idempotency key, without which two requests that are alike could not be told apart.
        """
        text = "\0".join([part or "" for part in told])
        hashed = self._fresh.copy()
        hashed.update(b"%b\0%b\0%d\0%b" % (text.encode(errors="surrogatepass"), stamp, body_bytes, body))
        return hashed.hexdigest()
