"""Where alerts go beside Kafka: an Alertmanager, or whatever takes its API v2, by HTTP.

It stands where a table stands in a sink: a block returns when it was taken, what the other side would refuse for ever
is set aside, all else is tried again while the alerts wait in Kafka. So each is delivered at least once.
"""

import base64
import ssl
from collections.abc import Iterable
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

from schemas.config import Alerts
from schemas.refusal import Refusal
from streams.alertmanager import read, requests
from streams.reframe import Layout
from streams.sink import BadRows

PATH = "/api/v2/alerts"
WAIT_S = 10.0
REFUSED = frozenset({400, 413, 422})  # it is the alert that is wrong; 401 or 404 is for the operator to mend


class Webhook:
    """One receiver (streams.sink.Store)."""

    def __init__(self, alerts: Alerts) -> None:
        """Raise Refusal where `webhook_url` is no address of HTTP, or the authority file cannot be used."""
        parts = urlsplit(alerts.webhook_url)
        host = parts.netloc.rpartition("@")[2]
        if parts.scheme not in {"http", "https"} or not host:
            advice = "write http://host:9093"
            raise Refusal("alerts.webhook_url is not an address", host or "empty", advice)
        self.name = host
        self._url = urlunsplit((parts.scheme, host, parts.path.rstrip("/") + PATH, "", ""))
        self._headers = {"Content-Type": "application/json"}
        if parts.username:
            account = f"{parts.username}:{parts.password or ''}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(account).decode()}"
        self._opener = _opener(alerts.webhook_ca_location)
        self._container, self._taken = b"", 0

    def store(self, layout: Layout, pieces: Iterable[bytes]) -> None:  # noqa: ARG002 (a container says its schema)
        """Post the alerts of a container. Raises BadRows where they are refused for what they are, else OSError."""
        container = b"".join(pieces)
        try:
            alerts = read(container)
            bodies = list(requests(alerts))
        except Exception as error:
            raise BadRows(f"no alerts: {type(error).__name__}: {error}") from error
        if container != self._container:
            self._container, self._taken = container, 0
        for body in bodies[self._taken :]:  # one tried again goes on where it failed
            self._post(body)
            self._taken += 1
        self._container = b""

    def _post(self, body: bytes) -> None:
        request = Request(self._url, body, self._headers)  # noqa: S310 (the scheme was looked at)
        try:
            with self._opener.open(request, timeout=WAIT_S) as answer:
                answer.read()
        except HTTPError as error:
            with error:  # it holds the connection
                said = f"{error.code} {error.read()[:200].decode(errors='replace')}"
            if error.code in REFUSED:
                raise BadRows(f"{self.name} refuses: {said}") from error
            raise ConnectionError(f"{self.name}: {said}") from error
        except HTTPException as error:
            raise ConnectionError(f"{self.name}: {error!r}") from error


def _opener(ca_location: str) -> OpenerDirector:
    """Return what opens connections: no proxy that only the environment knows of, no redirect to elsewhere."""
    try:
        context = ssl.create_default_context(cafile=ca_location or None)
    except OSError as error:
        seen = f"{ca_location}: {error.strerror or error}"
        raise Refusal("cannot use alerts.webhook_ca_location", seen, "name a file of PEM certificates") from error
    return build_opener(ProxyHandler({}), HTTPSHandler(context=context))
