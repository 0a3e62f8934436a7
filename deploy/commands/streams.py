"""`sbiscope streams`: run stages as one worker process, until SIGTERM ends it in order."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.config import Streams


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `streams` takes."""
    parser.add_argument(
        "--stage",
        action="append",
        metavar="NAME",
        help="pairing, kpis, procedures, alerts, sink or webhook; may be given several times "
        "(default: all in this process, webhook where it has an address)",
    )
    parser.add_argument(
        "--instance",
        default="",
        metavar="NAME",
        help="this worker's name in its groups: it comes back to its partitions after a restart; no two may share one",
    )
    parser.add_argument(
        "--figures",
        type=Path,
        metavar="FILE",
        help="write counters and gauges there each second, as JSON; the first time when the worker runs",
    )
    parser.add_argument(
        "--metrics",
        metavar="HOST:PORT",
        default="",
        help="serve /metrics for Prometheus and /healthz there; :PORT = on loopback (default: as configured)",
    )


def run(options: argparse.Namespace) -> int:
    """Run until ended; 0 = in order, 3 = going on would have been wrong (a supervisor starts it again).

    A sink whose ClickHouse is away when it starts is refused, as a wrong address or password is; later it waits. A
    worker with sinks also keeps the rollups; several may, of a slot the latest roll counts.
    """
    import threading

    from collector.c_memory import keep_one_arena
    from deploy.accounts import writer
    from deploy.registry import marks, registered
    from deploy.sinks import client
    from schemas.config import load
    from streams import stages
    from streams.clickhouse import connect
    from streams.rollup import keep_rolling
    from streams.runtime.process import Place
    from streams.runtime.process import run as run_process

    keep_one_arena()
    config = load(options.config)
    settings = client(config)
    names = tuple(dict.fromkeys(options.stage or stages.names(config)))
    if "sink" in names:
        connect(writer(config), "default").close()
    jobs = stages.jobs(config, names, marks(config.kafka), lambda: writer(config))
    place = Place(
        config.kafka,
        str(settings["bootstrap.servers"]),
        settings,
        options.instance,
        options.figures,
        options.metrics or configured(config.streams),
        registered(config.kafka),
    )
    if "sink" not in names:
        return run_process(jobs, place)
    ended = threading.Event()
    threading.Thread(
        target=keep_rolling, args=(lambda: connect(writer(config)), ended), name="rollup", daemon=True
    ).start()
    try:
        return run_process(jobs, place)
    finally:
        ended.set()


def configured(streams: "Streams") -> str:
    """Return the configured host:port of the metrics, empty for none."""
    return f"{streams.metrics_address}:{streams.metrics_port}" if streams.metrics_port else ""
