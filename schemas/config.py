"""The configuration: one TOML file, every key overridable by SBISCOPE_<SECTION>_<KEY>, unknown keys refused."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, cast

from schemas.refusal import Refusal

RANGE = "range"
_OF_SERVICE = re.compile(r"_SERVICE_(HOST|PORT)|_PORT(_\d+_(TCP|UDP|SCTP).*)?$")


def number(default: int, least: int, most: int) -> int:
    """Return a whole number's default as a field that takes `least` to `most`."""
    return field(default=default, metadata={RANGE: (least, most)})


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
    partitions: int = number(4, 1, 10_000)
    replication: int = number(1, 1, 100)
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
    # Of each table, from the insertion of its rows on; 0 = for ever.
    transactions_days: int = number(30, 0, 36_500)
    kpis_days: int = number(400, 0, 36_500)
    procedures_days: int = number(400, 0, 36_500)
    alerts_days: int = number(400, 0, 36_500)
    agents_days: int = number(30, 0, 36_500)
    flows_days: int = number(30, 0, 36_500)
    places_days: int = number(400, 0, 36_500)
    rollups_days: int = number(400, 0, 36_500)  # transactions_days, where that is longer


@dataclass(frozen=True, slots=True)
class Collector:
    """Bounds and habits of the agent; sizes in bytes unless the name says otherwise."""

    batch_events: int = number(200, 1, 100_000)
    batch_ms: int = number(100, 1, 60_000)
    body_bytes: int = number(16_384, 0, 16_777_216)
    max_connections: int = number(20_000, 1, 10_000_000)
    max_streams: int = number(1_000, 1, 1_000_000)
    max_header_bytes: int = number(65_536, 256, 16_777_216)
    queue_bytes: int = number(67_108_864, 1_048_576, 2_147_482_624)
    ring_bytes: int = number(33_554_432, 65_536, 1_073_741_824)
    consume_ms: int = number(20, 1, 1_000)
    plain_identifiers: bool = False
    capture_bodies: bool = False
    pseudonym_key_file: str = ""
    pseudonym_key_id: str = "k1"
    pseudonym_past_keys: str = ""  # key id=file, separated by commas: of no use to agents; `trace` tries them too
    plmns: str = ""
    ports: str = ""  # of a kernel source, separated by commas; none = found by content, on any port
    # Likewise lists: one word of each that is set must fit, else a connection is left alone but for its flow.
    networks: str = ""  # either end is in one of these, for example "10.0.0.0/8, fd00::/8"
    network_namespaces: str = ""  # by file or inode number
    control_groups: str = ""  # of version 2, by folder, with all below it: of the process
    programs: str = ""  # names of processes, of 15 octets at most
    hook: str = "auto"  # auto, sock, fexit, kprobe, syscall
    only_own_processes: bool = False  # leave out processes beyond this one's pid namespace: nodes that share a kernel
    flows: bool = True  # tell of every TCP connection of the node by its end, without payload
    # Of one CPU, all processes of the agent together; more for a while = back-off; 0 = no budget.
    cpu_percent: int = number(100, 0, 100_000)
    # Likewise of all CPUs, while the node has none to spare: what the agent takes then, the network functions lack.
    full_node_percent: int = number(5, 0, 100)  # 0 = cpu_percent alone; without cpu_percent of no effect
    memory_mb: int = number(512, 0, 1_048_576)  # of memory, the ring not counted
    metrics_address: str = "127.0.0.1"
    metrics_port: int = number(0, 0, 65_535)  # Prometheus metrics and /healthz; 0 = none
    pod_labels: str = "app,app.kubernetes.io/name,app.kubernetes.io/component"  # kept of a pod
    kubernetes: str = "auto"  # auto: where a service account is mounted; off


@dataclass(frozen=True, slots=True)
class Streams:
    """Bounds and habits of the stages."""

    checkpoint_ms: int = number(1_000, 10, 3_600_000)
    default_deadline_ms: int = number(10_000, 1, 3_600_000)
    max_deadline_ms: int = number(60_000, 1, 3_600_000)
    max_open_exchanges: int = number(200_000, 1, 100_000_000)
    silent_collector_ms: int = number(60_000, 1_000, 86_400_000)
    correction_ms: int = number(600_000, 0, 86_400_000)
    insert_rows: int = number(20_000, 1, 10_000_000)
    insert_ms: int = number(1_000, 1, 3_600_000)
    metrics_address: str = "127.0.0.1"
    metrics_port: int = number(0, 0, 65_535)  # Prometheus metrics and /healthz of a worker; 0 = none


@dataclass(frozen=True, slots=True)
class Alerts:
    """Where alerts go beside Kafka: `webhook_url` of an Alertmanager, `https://name:password@host` too, or nowhere."""

    webhook_url: str = field(default="", repr=False)
    webhook_ca_location: str = ""


@dataclass(frozen=True, slots=True)
class Stack:
    """The local stack: where it keeps its data and which ports it listens on (loopback only)."""

    directory: str = ".sbiscope"
    kafka_port: int = number(19_092, 1, 65_535)
    kafka_controller_port: int = number(19_093, 1, 65_535)
    clickhouse_port: int = number(18_123, 1, 65_535)
    kafka_heap_mb: int = number(512, 64, 1_048_576)
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

    Raises Refusal for an unreadable file, an unknown section, key or variable, a value of the wrong type or out of
    range, or ports of the local stack that are the same.
    """
    env = dict(os.environ) if environment is None else environment
    path = path or env.get("SBISCOPE_CONFIG")
    document = _read(Path(path)) if path else {}
    sections = {f.name: f for f in fields(Config)}
    for name in document:
        if name not in sections:
            raise Refusal("unknown configuration section", f"[{name}] in {path}", f"known: {', '.join(sections)}")
    config = Config(
        **{
            name: _section(cast("type", section.type), name, document.get(name, {}), env)
            for name, section in sections.items()
        }
    )
    _apart(config.stack)
    return config


def _apart(stack: Stack) -> None:
    """Refuse two of the local stack's ports that are one: a part would be taken for another."""
    ports = {"kafka_port": stack.kafka_port, "kafka_controller_port": stack.kafka_controller_port}
    ports["clickhouse_port"] = stack.clickhouse_port
    if len(set(ports.values())) < len(ports):
        seen = ", ".join(f"stack.{name} = {port}" for name, port in ports.items())
        raise Refusal("two ports of the local stack are the same", seen, "give each its own")


def _read(path: Path) -> dict[str, Any]:
    import tomllib  # an agent configured by variables alone never needs it

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
    _no_stray(name, known, env)
    values: dict[str, Any] = {}
    for key, one in known.items():
        variable = f"SBISCOPE_{name}_{key}".upper()
        if variable in env:
            values[key] = _within(one, variable, _parsed(one, variable, env[variable]))
        elif key in table:
            values[key] = _within(one, f"{name}.{key}", _checked(one, f"{name}.{key}", table[key]))
    return kind(**values)


def _no_stray(name: str, known: Iterable[str], env: Mapping[str, str]) -> None:
    """Refuse a variable that looks like one of this section and is none, as a misspelt key is refused.

    Kubernetes names variables after its services; one may be called sbiscope-kafka.
    """
    variables = {f"SBISCOPE_{name}_{key}".upper() for key in known}
    section = f"SBISCOPE_{name}_".upper()
    for variable in env:
        if variable.startswith(section) and variable not in variables and not _OF_SERVICE.search(variable):
            from difflib import get_close_matches

            close = get_close_matches(variable, variables, 1) or sorted(variables)
            raise Refusal("unknown configuration variable", variable, f"known: {', '.join(close)}")


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


def _within(one: Field[Any], name: str, value: str | int | bool) -> str | int | bool:
    if RANGE in one.metadata:
        least, most = one.metadata[RANGE]
        if not least <= int(value) <= most:
            raise Refusal("a configuration value is out of range", f"{name} = {value}", f"write {least} to {most}")
    return value
