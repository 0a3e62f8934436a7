"""How the agent fares, as one record: for the topic sbi.agents, for Prometheus, for whoever asks /healthz."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass

from collector.avro import encoder
from collector.delivery import Delivery

SCHEMA = "agent"
_ENCODER = encoder("Agent", SCHEMA)


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """Fields, and their order, are those of the schema."""

    site: str
    node: str
    incarnation: str
    started_us: int
    told_us: int
    version: str
    kernel: str
    hook: str
    confined: tuple[str, ...]
    observers: int
    backoff_step: int
    backoff: str
    connections: int
    pods: int
    events: int
    batches: int
    delivered_events: int
    delivered_batches: int
    watermark_us: int
    cpu_us: Mapping[str, int]
    rss_bytes: Mapping[str, int]
    loss: Mapping[str, int]
    traffic: Mapping[str, int]


def delivery_of(status: AgentStatus) -> Delivery:
    """Return the message that tells it."""
    key = f"{status.site}/{status.node}".encode()
    return Delivery(SCHEMA, key, _ENCODER.encoded(astuple(status)), 0)


HELP = {
    "connections": ("gauge", "Connections followed now."),
    "pods": ("gauge", "Pods of the node known now."),
    "backoff_step": ("gauge", "0 = everything is captured."),
    "observers": ("counter", "Observer processes started."),
    "events": ("counter", "Events made by the observer at work."),
    "batches": ("counter", "Batches made by the observer at work."),
    "delivered_events": ("counter", "Events that Kafka has acknowledged."),
    "delivered_batches": ("counter", "Messages that Kafka has acknowledged."),
}
BY_LABEL = {
    "cpu_us": ("process", "cpu_seconds", "counter", "CPU time of the agent's processes.", 1e-6),
    "rss_bytes": ("process", "resident_memory_bytes", "gauge", "Resident memory, pages of the ring not counted.", 1),
    "loss": ("reason", "lost", "counter", "What was lost, by reason.", 1),
    "traffic": ("name", "met", "counter", "What was met and is no loss.", 1),
}


def exposition(status: AgentStatus) -> str:
    """Return the status in Prometheus' text format 0.0.4; names begin with sbiscope_."""
    lines = ["# HELP sbiscope_agent What runs here.", "# TYPE sbiscope_agent gauge"]
    about = (("node", status.node), ("site", status.site), ("version", status.version), ("hook", status.hook))
    lines.append(f"sbiscope_agent{{{_labels(about)}}} 1")
    lines += _head("watermark_seconds", "gauge", "Everything before it is published.")
    lines.append(f"sbiscope_watermark_seconds {status.watermark_us / 1e6:.6f}")
    for name, (kind, text) in HELP.items():
        suffix = "_total" if kind == "counter" else ""
        lines += [*_head(name + suffix, kind, text), f"sbiscope_{name}{suffix} {getattr(status, name)}"]
    for field, (label, name, kind, text, unit) in BY_LABEL.items():
        suffix = "_total" if kind == "counter" else ""
        lines += _head(name + suffix, kind, text)
        for key, value in sorted(getattr(status, field).items()):
            shown = value if unit == 1 else round(value * unit, 6)
            lines.append(f"sbiscope_{name}{suffix}{{{_labels(((label, key),))}}} {shown}")
    return "\n".join(lines) + "\n"


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP sbiscope_{name} {text}", f"# TYPE sbiscope_{name} {kind}"]


def _labels(pairs: tuple[tuple[str, str], ...]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
