# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Which sightings are one exchange and which exchanges are hops of one request: keys made of what they share.

exchange_key: both ends of one exchange. request_key: all hops through SCPs and SEPPs. A proxy rewrites authority,
ports, streams and its own headers, never method, API path, body, User-Agent, Sender-Timestamp or Correlation-Info (TS
29.500 5.2.3.3.2, 6.10; seen on Open5GS).
"""

import cython

if cython.compiled:
    from cython.cimports.collector.blake2b import Hasher, hexes
else:
    from collector.blake2b import Hasher, hexes

LONGEST_BODY = cython.declare(cython.Py_ssize_t, 128)  # octets that are hashed as fast as the hash of more


@cython.cfunc
def _share(hasher: Hasher, client: bytes, stream_id: cython.uint, method: str | None, path: str | None) -> cython.void:
    hasher.octets(client)
    hasher.number(stream_id)
    hasher.text(method)
    hasher.text(path)


@cython.cfunc
def _name(hasher: Hasher, connection: bytes, stream_id: cython.uint, half: bytes) -> cython.void:
    hasher.octets(connection)
    hasher.number(stream_id)
    hasher.octets(half)


@cython.final
@cython.cclass
class Keys:
    """Makes the keys of exchanges; a logical request's is keyed: bodies hold what could be found by trying all."""

    def __init__(self, key: bytes) -> None:
        """`key`: at most 64 octets; empty where identifiers are plain."""
        self._asked = Hasher()
        self._answered = Hasher()
        self._exchange = Hasher()
        self._request = Hasher(key)

    def short(self, body: bytes) -> bytes:
        """Return what stands for a body in the key: itself, or its hash, which every sighting of it can share."""
        if len(body) <= LONGEST_BODY:
            return body
        self._request.octets(body)
        return self._request.hex()

    def carried(
        self,
        method: str | None,
        target: str | None,
        agent: str | None,
        correlation: str | None,
        receiver: str | None,
        stamp: bytes,
        body: bytes,
        body_bytes: cython.ulonglong,
    ) -> None:
        """Take what all hops of the request carry unchanged of which `of` is asked next.

        `agent`: its User-Agent. `correlation`: Correlation-Info. `receiver`: of a callback. `stamp`: Sender-Timestamp
        or idempotency key, without which two requests that are alike could not be told apart. `body` as `short` gives
        it, `body_bytes` on the wire.
        """
        hasher: Hasher = self._request
        hasher.text(method)
        hasher.text(target)
        hasher.text(agent)
        hasher.text(correlation)
        hasher.text(receiver)
        hasher.octets(stamp)
        hasher.number(body_bytes)
        hasher.octets(body)

    def of(
        self,
        connection: bytes,
        client: bytes,
        stream_id: cython.uint,
        method: str | None,
        path: str | None,
        is_carried: cython.bint,
    ) -> bytes:
        """Return event_id of request and response, exchange_key and, if `is_carried`, request_key: 32 digits each.

        As schemas.identity gives them. `connection`: its id. `client`: its address, NUL, its port.
        """
        _name(self._asked, connection, stream_id, b"request")
        _name(self._answered, connection, stream_id, b"response")
        _share(self._exchange, client, stream_id, method, path)
        return hexes(self._asked, self._answered, self._exchange, self._request if is_carried else None)
