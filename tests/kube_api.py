"""A small real HTTP server that speaks the list and watch protocol of the Kubernetes API for some objects."""

import json
import queue
import ssl
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from schemas.listening import listening
from tests.certificates import Pair

Pod = dict[str, Any]
PODS = "/api/v1/pods"


def pod(name: str, uid: str, container: str = "", version: int = 1, **labels: str) -> Pod:
    """Return a pod in the shape that a real kubelet and API server (1.34) gave it, shortened where nobody reads."""
    state = {"running": {"startedAt": "2026-11-27T10:00:00Z"}} if container else {"waiting": {"reason": "Pulling"}}
    status = {
        "name": "nf", "image": f"registry.test/{name}:2.7", "imageID": "sha256:0", "ready": bool(container),
        "restartCount": 0, "started": bool(container), "state": state, "lastState": {},
    } | ({"containerID": f"containerd://{container}"} if container else {})  # fmt: skip
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": name, "namespace": "core", "uid": uid, "resourceVersion": str(version),
            "creationTimestamp": "2026-11-27T10:00:00Z", "labels": {"app": name, "pod-template-hash": "5d", **labels},
            "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:status": {"f:conditions": {}}}}],
        },
        "spec": {"nodeName": "n1", "containers": [{"name": "nf", "image": f"{name}:2.7", "env": [{"name": "A"}]}]},
        "status": {"phase": "Running", "podIP": "10.1.0.7", "containerStatuses": [status]},
    }  # fmt: skip


class KubeApi:
    """The server's side: what objects there are by path, what it is asked, what watchers are told."""

    def __init__(self) -> None:
        self.objects: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self.version = 10
        self.asked: list[dict[str, str]] = []
        self.tokens: list[str] = []
        self.refuse: list[int] = []  # statuses of the next answers
        self.events: defaultdict[str, queue.Queue[dict[str, Any] | None]] = defaultdict(queue.Queue)
        self.watches: Counter[str] = Counter()  # begun so far; the newest one is told the events
        self.url = ""

    @property
    def pods(self) -> list[Pod]:
        return self.objects[PODS]

    @pods.setter
    def pods(self, pods: list[Pod]) -> None:
        self.objects[PODS] = pods

    def tell(self, kind: str, told: dict[str, Any], path: str = PODS) -> None:
        """Let the watcher know."""
        self.events[path].put({"type": kind, "object": told})

    def end_watch(self, path: str = PODS) -> None:
        """End the watch in order, as after timeoutSeconds."""
        self.events[path].put(None)

    def page(self, path: str, asked: dict[str, str]) -> dict[str, Any]:
        """Return a page of the list; a second page is asked for by `continue`."""
        limit, first, found = int(asked["limit"]), int(asked.get("continue", 0)), self.objects[path]
        rest = {"continue": str(first + limit)} if first + limit < len(found) else {}
        metadata = {"resourceVersion": str(self.version), **rest}
        return {"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": found[first : first + limit]}


@contextmanager
def kube_api(pair: Pair | None = None, host: str = "127.0.0.1") -> Iterator[KubeApi]:
    """Run the server on loopback; with a certificate as a real one, over TLS."""
    api = KubeApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
            api.asked.append(asked)
            api.tokens.append(self.headers.get("Authorization", ""))
            if api.refuse:
                self.send_error(api.refuse.pop(0))
            elif asked.get("watch"):
                self.watch(parts.path)
            else:
                body = json.dumps(api.page(parts.path, asked)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def watch(self, path: str) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            api.watches[path] += 1
            mine, events = api.watches[path], api.events[path]
            with suppress(BrokenPipeError, ConnectionResetError):
                while (event := events.get()) is not None and mine == api.watches[path]:
                    line = json.dumps(event).encode() + b"\n"
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                if mine != api.watches[path]:
                    events.put(event)
                self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((host, 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listening(host, 0)
    server.daemon_threads = True
    named = f"[{host}]" if ":" in host else host
    if pair is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    api.url = f"http{'s' * (pair is not None)}://{named}:{server.socket.getsockname()[1]}"
    try:
        yield api
    finally:
        for path in [*api.watches]:
            api.end_watch(path)
        server.shutdown()
        server.server_close()
