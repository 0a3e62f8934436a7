"""Which stages there are, and what each is made of: its fold or its table, its topics, its bounds."""

from collections.abc import Callable, Iterable, Mapping

from schemas.config import Config
from schemas.framing import single_object_mark
from schemas.refusal import Refusal
from schemas.topics import QUARANTINE, declared
from streams.alerts import ALERTS, ALERTS_JSON, Alerts
from streams.clickhouse import Account, connect
from streams.fold import Facts, Fold
from streams.kpi_windows import KPIS, KPIS_JSON, KpiWindows
from streams.pairing import Pairing
from streams.procedures import PROCEDURES, PROCEDURES_JSON, Procedures
from streams.reframe import Layout
from streams.runtime.folding import Folding, Plan
from streams.runtime.process import Job, Measured, Surroundings
from streams.runtime.sinking import Sinking, SinkPlan
from streams.sink import TARGETS, Store, Target
from streams.store import Table
from streams.webhook import Webhook

EVENTS, TRANSACTIONS, DELTAS = "sbi.events", "sbi.transactions", "sbi.kpi-deltas"
NAMES = ("pairing", "kpis", "procedures", "alerts", "sink")
ALARMED = ALERTS, ALERTS_JSON  # where a sink says that it stopped
WEBHOOK = Target("webhook", ALERTS, "", numbered=False)


def names(config: Config) -> tuple[str, ...]:
    """Return the names of the stages that this configuration asks for."""
    return (*NAMES, WEBHOOK.stage) if config.alerts.webhook_url else NAMES


def jobs(
    config: Config, wanted: tuple[str, ...], marks: Mapping[str, bytes], account: Callable[[], Account]
) -> list[Job]:
    """Return the jobs of the stages `wanted`; `account` is asked only where a sink is among them.

    `marks`: what stands before the bodies of a schema, by its name, where a registry gave it; else single-object marks.
    """
    made: list[Job] = []
    for name in wanted:
        if name == "pairing":
            made.append(_pairing(config, marks))
        elif name == "kpis":
            made.append(_kpis(config, marks))
        elif name == "procedures":
            made.append(_procedures(config, marks))
        elif name == "alerts":
            made.append(_folding(config, "alerts", KPIS, (ALERTS, ALERTS_JSON), Alerts, marks, ticks=False))
        elif name == "sink":
            writer = account()
            made += [_sink(config, target, table(writer, target.table), marks) for target in TARGETS.values()]
        elif name == WEBHOOK.stage:
            receiver = Webhook(config.alerts)
            made.append(_sink(config, WEBHOOK, receiver.store, marks, receiver.name))
        else:
            raise Refusal("no such stage", name, f"known: {', '.join((*NAMES, WEBHOOK.stage))}")
    return made


def _pairing(config: Config, marks: Mapping[str, bytes]) -> Job:
    return _folding(
        config, "pairing", EVENTS, (TRANSACTIONS, DELTAS), lambda facts: Pairing(facts, config.streams), marks
    )


def _kpis(config: Config, marks: Mapping[str, bytes]) -> Job:
    def fold(facts: Facts) -> Fold:
        return KpiWindows(facts, config.streams, config.kafka.topic_prefix)

    return _folding(config, "kpis", DELTAS, (KPIS, KPIS_JSON), fold, marks)


def _procedures(config: Config, marks: Mapping[str, bytes]) -> Job:
    def fold(facts: Facts) -> Fold:
        return Procedures(facts, config.streams)

    return _folding(config, "procedures", TRANSACTIONS, (PROCEDURES, PROCEDURES_JSON), fold, marks)


def _folding(
    config: Config,
    name: str,
    topic: str,
    outputs: tuple[str, ...],
    fold: Callable[[Facts], Fold],
    marks: Mapping[str, bytes],
    ticks: bool = True,
) -> Job:
    """Return a folding stage; `ticks`: not on a topic that others read, who would find them in it."""

    def stage(around: Surroundings) -> Measured:
        written = (*outputs, QUARANTINE)
        partitions = {one: around.partitions[one] for one in written}
        before = {one: _mark(one, marks) for one in written}
        plan = Plan(
            name, topic, fold, partitions, before, ticks=ticks, checkpoint_s=config.streams.checkpoint_ms / 1_000
        )
        return Folding(plan, around.reader, around.writers, around.fail)

    return Job(name, topic, outputs, stage, ticks)


def _sink(config: Config, target: Target, store: Store, marks: Mapping[str, bytes], server: str = "ClickHouse") -> Job:
    def stage(around: Surroundings) -> Measured:
        rows, seconds = config.streams.insert_rows, config.streams.insert_ms / 1_000
        quarantine = around.partitions[QUARANTINE], _mark(QUARANTINE, marks)
        alerts = {one: around.partitions[one] for one in ALARMED}
        plan = SinkPlan(target, store, rows, seconds, *quarantine, alerts, _mark(ALERTS, marks), server)
        return Sinking(plan, around.reader, around.writers, around.fail)

    return Job(target.stage, target.topic, ALARMED, stage)


def table(account: Account, name: str) -> Store:
    """Return what stores rows in a table; the server is met at the first row, and may be away then as at any time."""
    found: list[Table] = []

    def store(layout: Layout, pieces: Iterable[bytes]) -> None:
        if not found:
            try:
                found.append(Table(connect(account), name, compressed=not _is_near(account)))
            except Refusal as refusal:
                raise ConnectionError(str(refusal)) from refusal
        found[0].store(layout, pieces)

    return store


def _is_near(account: Account) -> bool:
    return any(host in account.url for host in ("//127.0.0.1", "//localhost", "chdb://"))


def _mark(topic: str, marks: Mapping[str, bytes]) -> bytes:
    schema = declared()[topic].schema
    return marks.get(schema) or single_object_mark(schema)


def inputs(wanted: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return (stage, topic that it reads) of all stages that `wanted` stand for, for whoever asks how far they are."""
    found: list[tuple[str, str]] = []
    for name in wanted:
        if name == "sink":
            found += [(target.stage, target.topic) for target in TARGETS.values()]
        else:
            found.append(
                (
                    name,
                    {
                        "pairing": EVENTS,
                        "kpis": DELTAS,
                        "procedures": TRANSACTIONS,
                        "alerts": KPIS,
                        WEBHOOK.stage: ALERTS,
                    }[name],
                )
            )
    return found
