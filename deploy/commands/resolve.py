"""`sbiscope resolve`: watch a Kubernetes cluster and tell what its addresses stand for, until SIGTERM ends it."""

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.cluster_api import Api


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `resolve` takes."""
    parser.add_argument("--api", default="", metavar="URL", help="the cluster's API (default: the pod's own)")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="what the API is to be asked with")
    parser.add_argument("--ca-file", type=Path, metavar="FILE", help="the authority of the API's certificate")
    parser.add_argument(
        "--also-site", action="append", default=[], metavar="SITE",
        help="a further site of this cluster's agents, beside site.name; may be given again",
    )  # fmt: skip
    parser.add_argument(
        "--metrics", metavar="HOST:PORT", default="", help="serve /metrics for Prometheus and /healthz there"
    )


def run(options: argparse.Namespace) -> int:
    """Run until ended; one for a cluster is enough, and a second does no harm.

    Raises Refusal where there is no cluster, or Kafka is away or does not take what is written.
    """
    import logging
    import signal
    import threading

    from collector.health import HealthServer
    from deploy.place_record import SCHEMA
    from deploy.registry import marks
    from deploy.resolving import PlaceWriter, exposition, resolve
    from deploy.sinks import client
    from schemas.config import load
    from schemas.framing import single_object_mark
    from streams.cluster import Cluster
    from streams.runtime.lines import log_to_stderr

    config = load(options.config)
    api, listening = _api(options), _listening(options.metrics)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    log_to_stderr(logging.INFO)
    mark = marks(config.kafka).get(SCHEMA) or single_object_mark(SCHEMA)
    sites = [config.site.name, *options.also_site]
    writer = PlaceWriter(client(config), config.kafka.topic_prefix, sites, mark, ended.is_set)
    cluster = Cluster(api, frozenset(config.collector.pod_labels.replace(",", " ").split()))
    with ExitStack() as ending:
        if listening:
            server = HealthServer(*listening, lambda: exposition(cluster, writer.written), cluster.ailment)
            server.start()
            ending.callback(server.close)
        ending.callback(cluster.close)
        cluster.start()
        resolve(cluster.changes(ended.is_set), writer, cluster.problems)
    return 0


def _api(options: argparse.Namespace) -> "Api":
    """Return the API to watch.

    Raises Refusal where none is named and this is no pod of a cluster, or the address or a file cannot be used.
    """
    import ssl
    from urllib.parse import urlsplit

    from schemas.cluster_api import Api, api_here
    from schemas.refusal import Refusal

    if options.api:
        parts = urlsplit(options.api)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Refusal("--api is not an address", options.api, "write https://host:6443")
        try:
            if options.token_file:
                options.token_file.read_bytes()
            if options.ca_file:
                ssl.create_default_context(cafile=str(options.ca_file))
        except OSError as error:  # of TLS too: no certificate is in it
            named = f"{options.token_file or ''} {options.ca_file or ''}".strip()
            raise Refusal(
                "cannot use the API's files", f"{named}: {error}", "check --token-file and --ca-file"
            ) from error
        return Api(options.api.rstrip("/"), options.token_file, options.ca_file)
    here = api_here()
    if here is None:
        raise Refusal("no cluster to watch", "this is no pod with a service account", "name the API with --api URL")
    return here


def _listening(text: str) -> tuple[str, int] | None:
    """Return host and port of the metrics, None for nowhere. Raises Refusal where it is no such thing."""
    from schemas.refusal import Refusal

    if not text:
        return None
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535:
        raise Refusal("--metrics is no HOST:PORT", text, "write 127.0.0.1:9102, or :9102 for loopback")
    return host.strip("[]") or "127.0.0.1", int(port)
