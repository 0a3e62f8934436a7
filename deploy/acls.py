"""Which rights each part needs on Kafka, drawn from the topics and the stages; printed, or given to users."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from deploy.resolving import TOPIC as PLACES
from deploy.sinks import BESIDE, EVENTS
from schemas.config import Config
from schemas.kafka_contact import topics_of
from schemas.refusal import Refusal
from schemas.refused_contact import Heard
from schemas.topics import JSON_SUFFIX, SCHEMAS, declared, state_topic
from streams.clickhouse import Account
from streams.runtime.process import Job
from streams.stages import TRANSACTIONS, inputs, jobs, names

AGENT, LOADER, OPERATOR, RESOLVER = "agent", "loader", "operator", "resolver"
SCHEMA, WORKER = "schema", "worker"
USERS = {part: f"sbiscope-{part}" for part in (AGENT, LOADER, OPERATOR, RESOLVER, SCHEMA, WORKER)}
READING_GROUPS = LOADING, STATES, TAILING = "sbiscope-load", "sbiscope-reader", "sbiscope-tail"  # nobody joins them
READ, WRITE = ("READ", "DESCRIBE"), ("WRITE", "DESCRIBE")
WAIT_S = 30.0
_KINDS = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP}


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """That a user may do something with one resource; `kind`: topic or group."""

    user: str
    kind: str
    name: str
    operation: str

    def __str__(self) -> str:
        """Say it as Kafka's own tool does."""
        return f"User:{self.user} ALLOW {self.operation} {self.kind} {self.name}"


def rights(config: Config, users: Mapping[str, str]) -> list[Right]:
    """Return the rights that the parts of `config` need.

    `users` by part: agent, loader (of captures), operator (status, tail), resolver, schema, worker, or a stage; a stage
    without one is the worker's. Raises Refusal for another part.
    """
    prefix = config.kafka.topic_prefix
    named = USERS | dict(users)
    known = {*USERS, *names(config)}
    if unknown := users.keys() - known:
        raise Refusal("no such part", ", ".join(sorted(unknown)), f"known: {', '.join(sorted(known))}")
    found = set()
    for role, kind, name, operations in _needs(config):
        user = named.get(role) or named[WORKER]
        whole = name if name in READING_GROUPS else prefix + name
        found |= {Right(user, kind, whole, operation) for operation in operations}
    return sorted(found)


def _needs(config: Config) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """Yield (role, kind, name, operations)."""
    for topic in (EVENTS, *BESIDE.values(), *(topic + JSON_SUFFIX for topic in BESIDE.values()), SCHEMAS):
        yield AGENT, "topic", topic, WRITE
    yield LOADER, "topic", EVENTS, (*WRITE, "READ")  # what is loaded already is read there
    yield LOADER, "group", LOADING, READ
    for topic in (PLACES, PLACES + JSON_SUFFIX):
        yield RESOLVER, "topic", topic, WRITE
    for stage, topic in inputs(names(config)):  # `status`
        yield OPERATOR, "topic", topic, ("DESCRIBE",)
        yield OPERATOR, "group", f"sbiscope-{stage}", ("DESCRIBE",)
    for topic in (TRANSACTIONS, SCHEMAS):  # `tail`
        yield OPERATOR, "topic", topic, READ
    for group in (TAILING, STATES):
        yield OPERATOR, "group", group, READ
    for topic in declared():
        yield SCHEMA, "topic", topic, ("CREATE", "DESCRIBE", "DESCRIBE_CONFIGS")
    yield SCHEMA, "topic", SCHEMAS, WRITE
    nowhere = Account("http://127.0.0.1", config.clickhouse.database)  # no server is asked for this
    for stage in names(config):
        for job in jobs(config, (stage,), {}, lambda: nowhere):
            yield from ((stage, *need) for need in _needs_of(job))


def _needs_of(job: Job) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for group in (f"sbiscope-{job.name}", STATES):
        yield "group", group, READ
    for topic in (job.topic, state_topic(job.name), SCHEMAS):
        yield "topic", topic, READ
    for topic in (*job.topics[1:], *([job.topic] if job.ticks else [])):
        yield "topic", topic, WRITE


def give(settings: Mapping[str, str | int], wanted: list[Right]) -> None:
    """Give rights to users; one that is given already stays. Raises Refusal."""
    heard = Heard()
    admin = AdminClient({**settings, "error_cb": heard})
    topics_of(admin, settings, heard)
    for done in admin.create_acls([_binding(one) for one in wanted], request_timeout=WAIT_S).values():
        try:
            done.result()
        except KafkaException as error:
            raise _denied(settings, error.args[0]) from error


def _denied(settings: Mapping[str, str | int], error: KafkaError) -> Refusal:
    user = settings.get("sasl.username") or "an unnamed user"
    if error.code() == KafkaError.CLUSTER_AUTHORIZATION_FAILED:  # its text shows the whole request
        return Refusal("cannot give rights", f"{user} has no ALTER on the cluster", "hand the lines to one who has")
    return Refusal("cannot give rights", f"{error.str()} as {user}", "does this cluster keep ACLs?")


def _binding(right: Right) -> AclBinding:
    kind, operation = _KINDS[right.kind], AclOperation[right.operation]
    who = f"User:{right.user}", "*"
    return AclBinding(kind, right.name, ResourcePatternType.LITERAL, *who, operation, AclPermissionType.ALLOW)
