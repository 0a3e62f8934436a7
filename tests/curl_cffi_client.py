"""curl_cffi, libcurl with BoringSSL and libnghttp2 inside one extension of Python's, as a client over TLS.

`python -m tests.curl_cffi_client PORT PATH COUNT CONNECTIONS [OTHER]` has COUNT exchanges on each connection in turn,
every other one a POST, and writes each down; beside each, where it is given, one with the server at port OTHER by
Python's own ssl.
"""

import json
import sys
from dataclasses import asdict

from curl_cffi import requests

from tests.said import Said
from tests.tls_peers import BlockingClient

ASKED = b"{}" + b" " * 1_407


def exchange(session: "requests.Session[requests.Response]", url: str, number: int) -> Said:
    """Have one exchange."""
    body = ASKED if number % 2 else b""
    method = "POST" if body else "GET"
    done = session.request(method, url, data=body or None, verify=False)
    path = "/" + url.split("/", 3)[3]
    return Said(int(done.local_port), method, path, done.status_code, len(body), len(done.content))


def main() -> None:
    port, path, count, connections, *other = sys.argv[1:]
    beside = BlockingClient(int(other[0])) if other else None
    sessions = [requests.Session(http_version="v2") for _ in range(int(connections))]
    for number in range(int(count)):
        for session in sessions:
            print(json.dumps(asdict(exchange(session, f"https://127.0.0.1:{port}/{path}", number))))
            if beside:
                beside.exchange()
    for session in sessions:
        session.close()
    if beside:
        beside.close()


if __name__ == "__main__":
    main()
