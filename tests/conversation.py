"""True HTTP/2 traffic made by the h2 library: what both ends of a connection write, in turn, and what they mean."""

import h2.config
import h2.connection
import h2.events

Written = list[tuple[bool, bytes]]  # from the client?, octets of one send()


def conversation(exchanges: int, body_bytes: int = 40) -> Written:
    """Return the writes of a connection with `exchanges` POSTs, each answered 201 with a body before the next."""
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    written: Written = []
    client.initiate_connection()
    server.initiate_connection()
    _settle(client, server, written)
    for number in range(exchanges):
        stream = client.get_next_available_stream_id()
        client.send_headers(stream, _request(number))
        written.append((True, client.data_to_send()))
        server.receive_data(written[-1][1])
        client.send_data(stream, b"q" * body_bytes, end_stream=True)
        _settle(client, server, written)
        server.send_headers(stream, [(":status", "201"), ("location", f"/resource/{number}")])
        server.send_data(stream, b"a" * body_bytes, end_stream=True)
        _settle(client, server, written)
    return written


def told(exchanges: int) -> list[tuple[int, str]]:
    """Return what an observer must read in it: stream id and path or status, sorted."""
    streams = range(1, 2 * exchanges, 2)
    paths = [(stream, f"/nnrf-nfm/v1/nf-instances/{number}") for number, stream in enumerate(streams)]
    return sorted(paths + [(stream, "201") for stream in streams])


def _request(number: int) -> list[tuple[str, str]]:
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "nrf.example:7777"),
        (":path", f"/nnrf-nfm/v1/nf-instances/{number}"),
        ("user-agent", "AMF"),
    ]


def _settle(client: h2.connection.H2Connection, server: h2.connection.H2Connection, written: Written) -> None:
    """Let each end write and read until neither has more to say."""
    while True:
        asked, answered = client.data_to_send(), server.data_to_send()
        if not asked and not answered:
            return
        if asked:
            written.append((True, asked))
            server.receive_data(asked)
        if answered:
            written.append((False, answered))
            client.receive_data(answered)
