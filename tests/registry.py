"""Schema registries that speak Confluent's REST interface: a small one, and Apicurio's own from Maven Central."""

import json
import os
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.stack.jars import FETCH_S, cache
from tests.answering import answering
from tests.broker import free_ports

APICURIO = "apicurio-registry-app-2.5.11.Final"
GET = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"


class Small(BaseHTTPRequestHandler):
    """POST /subjects/<name>/versions and GET /schemas/ids/<id>, as Confluent's documentation has them."""

    texts: list[str]
    subjects: dict[str, str]

    def do_POST(self) -> None:
        text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["schema"]
        subject = self.path.split("/")[2]
        before = self.subjects.get(subject)
        if before is not None and json.loads(before)["name"] != json.loads(text)["name"]:
            self._answer(409, {"error_code": 409, "message": "Schema being registered is incompatible"})
            return
        self.subjects[subject] = text
        if text not in self.texts:
            self.texts.append(text)
        self._answer(200, {"id": self.texts.index(text) + 1})

    def do_GET(self) -> None:
        number = int(self.path.rpartition("/")[2])
        if 0 < number <= len(self.texts):
            self._answer(200, {"schema": self.texts[number - 1]})
        else:
            self._answer(404, {"error_code": 40403, "message": "Schema not found"})

    def _answer(self, status: int, body: dict[str, object]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def small() -> Iterator[str]:
    """Run the small one; give its address."""
    handler = type("Own", (Small,), {"texts": [], "subjects": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=[0.05])
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _fetched() -> Path:
    """Return where Apicurio is, fetched once a user (140 MB); skips where it is neither there nor asked for."""
    target = cache() / APICURIO
    if target.is_dir():
        return target
    if not os.environ.get("SBISCOPE_LONG"):
        pytest.skip("SBISCOPE_LONG is not set: Apicurio's registry, 140 MB; a small one of our own is asked instead")
    beside = target.with_suffix(f".{os.getpid()}")
    name, version = APICURIO.rsplit("-", 1)
    artifact = f"io.apicurio:{name}:{version}:tar.gz:all"
    beside.mkdir(parents=True)
    for goal in ([f"{GET}:get", "-Dtransitive=false"], [f"{GET}:copy", f"-DoutputDirectory={beside}"]):
        words = ["mvn", "-B", "-q", *goal, f"-Dartifact={artifact}"]
        done = subprocess.run(words, capture_output=True, timeout=FETCH_S, check=False, cwd=beside)
        if done.returncode:
            shutil.rmtree(beside)
            pytest.fail(f"Apicurio's registry cannot be had: {done.stdout.decode()[-200:]}")
    with tarfile.open(next(beside.glob("*.tar.gz"))) as archive:
        archive.extractall(beside, filter="data")
    beside.rename(target)
    return target


@contextmanager
def apicurio(directory: Path) -> Iterator[str]:
    """Run Apicurio's registry, its store in memory; give the address of its Confluent interface."""
    place, (port,) = _fetched(), free_ports(1)
    words = ["java", "-Xmx400m", "-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={port}"]
    words += ["-jar", str(place / f"{APICURIO}-runner.jar")]
    url = f"http://127.0.0.1:{port}/apis/ccompat/v7"
    with answering(words, directory / "apicurio.log", f"{url}/subjects", 120):
        yield url
