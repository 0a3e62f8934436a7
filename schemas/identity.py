"""Ids of connections, events, transactions, exchanges: hashed content, so that the same input gives the same id."""

from hashlib import blake2b

REQUEST = "request"
RESPONSE = "response"


def content_id(*parts: str) -> str:
    """Return the 128-bit BLAKE2b, 32 hex digits, of the NUL-joined UTF-8 of `parts` (DESIGN 6, Identity)."""
    return blake2b("\0".join(parts).encode(errors="surrogatepass"), digest_size=16).hexdigest()


def captured_connection_id(file_digest: str, client: str, server: str, first_packet: int, first_ns: int) -> str:
    """Return the id of a connection in a capture: the file's digest, its ends, its first packet (from 1) and time."""
    return content_id("capture", file_digest, client, server, str(first_packet), str(first_ns))


def live_connection_id(boot_id: str, socket_cookie: int, birth_ns: int) -> str:
    """Return the id of a connection seen by the kernel: never reused, unlike its ports or its descriptor."""
    return content_id("live", boot_id, str(socket_cookie), str(birth_ns))


def event_id(connection_id: str, stream_id: int, half: str) -> str:
    """Return the id of one message; `half` is REQUEST or RESPONSE."""
    return content_id(connection_id, str(stream_id), half)


def transaction_id(connection_id: str, stream_id: int) -> str:
    """Return the id of an exchange as one vantage saw it; an orphan response has that of its event_id instead."""
    return content_id(connection_id, str(stream_id))


def orphan_transaction_id(response_event_id: str) -> str:
    """Return the id of a transaction that is a response without its request."""
    return content_id(response_event_id)


def exchange_key(client_address: str, client_port: int, stream_id: int, method: str | None, path: str | None) -> str:
    """Return the key that both ends of one exchange share: not the server's address, which a ClusterIP rewrites."""
    return content_id(client_address, str(client_port), str(stream_id), method or "", path or "")
