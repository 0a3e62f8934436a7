"""The schema registry, where one is configured: schemas get their ids there, and are found there by them.

Confluent's REST interface, which the compatible registries share: POST /subjects/<topic>-value/versions,
GET /schemas/ids/<id>.
"""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from schemas.config import Kafka
from schemas.framing import confluent_mark, schema_text
from schemas.refusal import Refusal
from schemas.topics import JSON_SUFFIX, declared

WAIT_S = 10.0
KIND = "application/vnd.schemaregistry.v1+json"
ADVICE = "check kafka.registry_url, or leave it out: schemas are then found in the topic sbi.schemas"


def marks(kafka: Kafka) -> dict[str, bytes]:
    """Return what stands before the bodies of each schema, by its name; nothing where no registry is configured.

    Registers what the registry does not know. Raises Refusal where it is away or refuses a schema.
    """
    found: dict[str, bytes] = {}
    if kafka.registry_url:
        for topic in declared().values():
            if topic.schema and not topic.name.endswith(JSON_SUFFIX):
                subject = quote(f"{kafka.topic_prefix}{topic.name}-value", safe="")
                said = _ask(kafka.registry_url, f"/subjects/{subject}/versions", {"schema": schema_text(topic.schema)})
                found[topic.schema] = confluent_mark(int(said["id"]))
    return found


def registered(kafka: Kafka) -> Callable[[int], Awaitable[str]] | None:
    """Return what gives the text of a schema by its id; it raises LookupError for an unknown one. None: no registry."""
    if not kafka.registry_url:
        return None

    async def text(number: int) -> str:
        return str((await asyncio.to_thread(_ask, kafka.registry_url, f"/schemas/ids/{number}"))["schema"])

    return text


def _ask(url: str, path: str, body: dict[str, str] | None = None) -> Any:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme not in {"http", "https"} or not host:
        raise Refusal("not a registry's address", host or "empty", "write http://host:8081")
    request = Request(urlunsplit((parts.scheme, host, parts.path.rstrip("/") + path, "", "")))  # noqa: S310
    request.add_header("Accept", KIND)
    if parts.username:
        name = f"{parts.username}:{parts.password or ''}".encode()
        request.add_header("Authorization", f"Basic {base64.b64encode(name).decode()}")
    if body is not None:
        request.add_header("Content-Type", KIND)
        request.data = json.dumps(body).encode()
    try:
        with urlopen(request, timeout=WAIT_S) as answer:  # noqa: S310 (the scheme was looked at)
            return json.loads(answer.read())
    except HTTPError as error:
        with error:  # it holds the connection
            said = error.read()[:200].decode(errors="replace")
        if error.code == 404 and body is None:
            raise LookupError(path) from error
        seen = f"{host}{path}: {error.code} {said}"
        raise Refusal("the schema registry refuses", seen, ADVICE) from error
    except (URLError, OSError, ValueError) as error:
        raise Refusal("cannot reach the schema registry", f"{host}: {error}", ADVICE) from error
