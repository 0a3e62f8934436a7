"""Which parts a stack has, how each is started, and when it serves."""

import http.client
import json
import os
import socket
import ssl
import sys
from pathlib import Path

from deploy.stack import jars, kafka, passwords
from deploy.stack.layout import Layout
from deploy.stack.process import Part
from schemas.config import Config, Stack
from schemas.refusal import Refusal

ROOT = Path(__file__).parent.parent.parent  # where our packages stand
HOST = "127.0.0.1"
CONTACT_S = 1.0


def environment(place: Layout) -> dict[str, str]:
    """Return the environment of every part: it finds our packages and this stack from any directory."""
    paths = filter(None, (str(ROOT), os.environ.get("PYTHONPATH", "")))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "SBISCOPE_STACK_DIRECTORY": str(place.root)}


def servers(config: Config, place: Layout) -> list[Part]:
    """Return the servers that the stack runs itself: none where one is configured."""
    found = []
    if not config.kafka.bootstrap:
        found.append(_kafka(config, place))
    if not config.clickhouse.url:
        found.append(_clickhouse(config, place))
    return found


def workers(config: Config, place: Layout, words: list[str]) -> list[Part]:
    """Return the workers, one process a stage; `words`: the options that lead to the configuration."""
    from streams.stages import names

    return [_worker(name, place, words) for name in names(config)]


def schema(words: list[str]) -> list[str]:
    """Return the command that brings topics and tables to what this release uses."""
    return [*_sbiscope("schema"), *words]


def _sbiscope(name: str) -> list[str]:
    return [sys.executable, "-m", "deploy.cli", name]


def _kafka(config: Config, place: Layout) -> Part:
    port = config.stack.kafka_port
    command = lambda: kafka.command(config.stack, place, jars.directory())  # noqa: E731
    return Part("kafka", port, command, lambda: listens(port), stop_s=40.0)


def _clickhouse(config: Config, place: Layout) -> Part:
    port = config.stack.clickhouse_port
    pair = front_pair(config.stack)
    command = [sys.executable, "-m", "deploy.stack.front", str(port), str(place.clickhouse), *pair]
    digests = lambda: json.dumps(passwords.digests(place)).encode()  # noqa: E731
    return Part("clickhouse", port, lambda: command, lambda: pings(port, has_tls=bool(pair)), digests)


def front_pair(stack: Stack) -> list[str]:
    """Return the front's certificate and key, absolute; none where it speaks no TLS. Raises Refusal for one alone."""
    pair = [one for one in (stack.clickhouse_certificate, stack.clickhouse_key) if one]
    if len(pair) == 1:
        advice = "set both stack.clickhouse_certificate and stack.clickhouse_key"
        raise Refusal("a certificate needs its key", pair[0], advice)
    return [os.path.abspath(one) for one in pair]  # noqa: PTH100


def _worker(name: str, place: Layout, words: list[str]) -> Part:
    figures = place.figures(name)
    command = [*_sbiscope("streams"), *words, "--stage", name, "--instance", f"local-{name}"]

    def fresh() -> list[str]:
        figures.unlink(missing_ok=True)  # they come again when this process runs
        return [*command, "--figures", str(figures)]

    return Part(name, 0, fresh, figures.exists)


def listens(port: int) -> bool:
    """Tell whether something takes connections there."""
    try:
        with socket.create_connection((HOST, port), CONTACT_S):
            return True
    except OSError:
        return False


def pings(port: int, has_tls: bool = False) -> bool:
    """Tell whether a ClickHouse server answers there; nothing is told it, so whose certificate it has is not asked."""
    if has_tls:
        unasked = ssl.create_default_context()
        unasked.check_hostname, unasked.verify_mode = False, ssl.CERT_NONE
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            HOST, port, timeout=CONTACT_S, context=unasked
        )
    else:
        connection = http.client.HTTPConnection(HOST, port, timeout=CONTACT_S)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().read() == b"Ok.\n"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def is_free(port: int) -> bool:
    """Tell whether one of ours could listen there."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True
