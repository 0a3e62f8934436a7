# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Which sightings are one exchange and which exchanges are hops of one request: keys made of what they share.

exchange_key: both ends of one exchange. request_key: all hops through SCPs and SEPPs. A proxy rewrites authority,
ports, streams and its own headers, never method, API path, body, User-Agent, Sender-Timestamp or Correlation-Info (TS
29.500 5.2.3.3.2, 6.10; seen on Open5GS).
"""

from collections.abc import Sequence

import cython

if cython.compiled:
    from cython.cimports.collector.blake2b import Hasher
else:
    from collector.blake2b import Hasher

_HASHER = cython.declare(Hasher, Hasher())
LONGEST_BODY = cython.declare(cython.Py_ssize_t, 128)  # octets that are hashed as fast as the hash of more


@cython.ccall
def exchange_key(client: bytes, stream_id: cython.uint, method: str | None, path: str | None) -> str:
    """Return the key that schemas.identity.exchange_key gives; `client` is its address, NUL, its port."""
    _HASHER.octets(client)
    _HASHER.nul()
    _HASHER.number(stream_id)
    _HASHER.nul()
    if method is not None:
        _HASHER.text(method)
    _HASHER.nul()
    if path is not None:
        _HASHER.text(path)
    return _HASHER.hex()


@cython.ccall
def event_id(connection: bytes, stream_id: cython.uint, half: bytes) -> str:
    """Return the id that schemas.identity.event_id gives; `connection` is the connection's id."""
    _HASHER.octets(connection)
    _HASHER.nul()
    _HASHER.number(stream_id)
    _HASHER.nul()
    _HASHER.octets(half)
    return _HASHER.hex()


@cython.final
@cython.cclass
class RequestKeys:
    """Makes keys of logical requests; hashes are keyed: bodies hold identifiers that could be found by trying all."""

    def __init__(self, key: bytes) -> None:
        """`key`: at most 64 octets; empty where identifiers are plain."""
        self._hasher = Hasher(key)

    def short(self, body: bytes) -> bytes:
        """Return what stands for a body in the key: itself, or its hash, which every sighting of it can share."""
        if len(body) <= LONGEST_BODY:
            return body
        self._hasher.octets(body)
        return self._hasher.hex().encode()

    def of(self, told: Sequence[str | None], stamp: bytes, body: bytes, body_bytes: cython.ulonglong) -> str:
        """Return the key of a request, made of what all its hops carry unchanged.

        `told`: method, target, User-Agent, Correlation-Info, of a callback its receiver. `stamp`: Sender-Timestamp or
        idempotency key, without which two requests that are alike could not be told apart. `body` as `short` gives it.
        """
        hasher: Hasher = self._hasher
        for part in told:
            if part is not None:
                hasher.text(part)
            hasher.nul()
        hasher.octets(stamp)
        hasher.nul()
        hasher.number(body_bytes)
        hasher.nul()
        hasher.octets(body)
        return hasher.hex()
