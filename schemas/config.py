"""The configuration: one TOML file, every key overridable by SBISCOPE_<SECTION>_<KEY>, unknown keys refused."""

import os
import tomllib
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, cast

from schemas.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Site:
    """Where this process runs, as it stands in every event."""

    name: str = "lab"
    node: str = field(default_factory=lambda: os.uname().nodename)


@dataclass(frozen=True, slots=True)
class Kafka:
    """The Kafka cluster; `bootstrap` empty means the local stack's broker."""

    bootstrap: str = ""
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = ""
    sasl_username: str = ""
    sasl_password: str = field(default="", repr=False)
    ssl_ca_location: str = ""
    ssl_certificate_location: str = ""  # our own, where the brokers ask for one (mutual TLS); PEM
    ssl_key_location: str = ""  # its key, without a password
    topic_prefix: str = ""
    partitions: int = 4
    replication: int = 1
    registry_url: str = ""


@dataclass(frozen=True, slots=True)
class ClickHouse:
    """The ClickHouse server; `url` empty means the local stack's engine."""

    url: str = ""
    database: str = "sbiscope"
    user: str = "sbiscope"
    password: str = field(default="", repr=False)
    reader_user: str = ""
    reader_password: str = field(default="", repr=False)
    ca_location: str = ""
    cluster: str = ""  # of system.clusters: tables are made on all of it, Replicated and Distributed
    transactions_days: int = 30
    kpis_days: int = 400
    procedures_days: int = 400
    alerts_days: int = 400
    agents_days: int = 30
    flows_days: int = 30
    places_days: int = 400


@dataclass(frozen=True, slots=True)
class Collector:
    """Bounds and habits of the agent; sizes in bytes unless the name says otherwise."""

    shards: int = 1
    batch_events: int = 200
    batch_ms: int = 100
    body_bytes: int = 16_384
    max_connections: int = 20_000
    max_streams: int = 1_000
    max_header_bytes: int = 65_536
    queue_bytes: int = 67_108_864
    ring_bytes: int = 33_554_432
    consume_ms: int = 20
    plain_identifiers: bool = False
    capture_bodies: bool = False
    pseudonym_key_file: str = ""
    pseudonym_key_id: str = "k1"
    pseudonym_past_keys: str = ""  # key id=file, separated by commas: of no use to agents; `trace` tries them too
    plmns: str = ""
    ports: str = ""  # of a kernel source, separated by commas; none = found by content, on any port
    hook: str = "auto"  # auto, sock, fexit, kprobe, syscall
    only_own_processes: bool = False  # leave out processes beyond this one's pid namespace: nodes that share a kernel
    flows: bool = True  # tell of every TCP connection of the node by its end, without payload
    cpu_percent: int = (
        100  # of one CPU, all processes of the agent together; more for a while = back-off; 0 = no budget
    )
    memory_mb: int = 512  # likewise, the ring not counted
    metrics_address: str = "127.0.0.1"
    metrics_port: int = 0  # Prometheus metrics and /healthz; 0 = none
    pod_labels: str = "app,app.kubernetes.io/name,app.kubernetes.io/component"  # kept of a pod
    kubernetes: str = "auto"  # auto: where a service account is mounted; off


@dataclass(frozen=True, slots=True)
class Streams:
    """Bounds and habits of the stages."""

    checkpoint_ms: int = 1_000
    default_deadline_ms: int = 10_000
    max_deadline_ms: int = 60_000
    max_open_exchanges: int = 200_000
    silent_collector_ms: int = 60_000
    correction_ms: int = 600_000
    insert_rows: int = 20_000
    insert_ms: int = 1_000
    metrics_address: str = "127.0.0.1"
    metrics_port: int = 0  # Prometheus metrics and /healthz of a worker; 0 = none


@dataclass(frozen=True, slots=True)
class Alerts:
    """Where alerts go beside Kafka: `webhook_url` of an Alertmanager, `https://name:password@host` too, or nowhere."""

    webhook_url: str = field(default="", repr=False)
    webhook_ca_location: str = ""


@dataclass(frozen=True, slots=True)
class Stack:
    """The local stack: where it keeps its data and which ports it listens on (loopback only)."""

    directory: str = ".sbiscope"
    kafka_port: int = 19_092
    kafka_controller_port: int = 19_093
    clickhouse_port: int = 18_123
    kafka_heap_mb: int = 512
    clickhouse_certificate: str = (
        ""  # a PEM file: then the local front speaks TLS; its authority: clickhouse.ca_location
    )
    clickhouse_key: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """Everything configurable, one section a part."""

    site: Site = field(default_factory=Site)
    kafka: Kafka = field(default_factory=Kafka)
    clickhouse: ClickHouse = field(default_factory=ClickHouse)
    collector: Collector = field(default_factory=Collector)
    streams: Streams = field(default_factory=Streams)
    alerts: Alerts = field(default_factory=Alerts)
    stack: Stack = field(default_factory=Stack)


def load(path: str | None = None, environment: dict[str, str] | None = None) -> Config:
    """Return the configuration of `path` (or $SBISCOPE_CONFIG, or defaults) with the environment's overrides.

    Raises Refusal for an unreadable file, an unknown section or key, or a value of the wrong type.
    """
    env = dict(os.environ) if environment is None else environment
    path = path or env.get("SBISCOPE_CONFIG")
    document = _read(Path(path)) if path else {}
    sections = {f.name: f for f in fields(Config)}
    for name in document:
        if name not in sections:
            raise Refusal("unknown configuration section", f"[{name}] in {path}", f"known: {', '.join(sections)}")
    return Config(
        **{
            name: _section(cast("type", section.type), name, document.get(name, {}), env)
            for name, section in sections.items()
        }
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise Refusal(
            "cannot read the configuration", f"{path}: {error.strerror}", "name an existing file with --config"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refusal("the configuration is not TOML", f"{path}: {error}", "mend that line") from error


def _section(kind: type, name: str, table: object, env: dict[str, str]) -> Any:
    if not isinstance(table, dict):
        raise Refusal("a configuration section must be a table", f"{name} = {table!r}", f"write [{name}]")
    known = {f.name: f for f in fields(kind)}
    for key in table:
        if key not in known:
            raise Refusal("unknown configuration key", f"{name}.{key}", f"known: {', '.join(known)}")
    values: dict[str, Any] = {}
    for key, one in known.items():
        variable = f"SBISCOPE_{name}_{key}".upper()
        if variable in env:
            values[key] = _parsed(one, variable, env[variable])
        elif key in table:
            values[key] = _checked(one, f"{name}.{key}", table[key])
    return kind(**values)


def _parsed(one: Field[Any], variable: str, text: str) -> str | int | bool:
    if one.type is bool:
        words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}
        if text.lower() in words:
            return words[text.lower()]
        raise Refusal("a configuration value has the wrong type", f"{variable}={text!r}", "write true or false")
    if one.type is int:
        try:
            return int(text)
        except ValueError as error:
            raise Refusal(
                "a configuration value has the wrong type", f"{variable}={text!r}", "write a whole number"
            ) from error
    return text


def _checked(one: Field[Any], name: str, value: object) -> str | int | bool:
    wanted = cast("type", one.type)
    if type(value) is not wanted:
        raise Refusal("a configuration value has the wrong type", f"{name} = {value!r}", f"write a {wanted.__name__}")
    return cast("str | int | bool", value)
