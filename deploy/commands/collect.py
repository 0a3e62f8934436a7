"""`sbiscope collect`: the agent. Takes SBI from the kernel or from a capture file and publishes it."""

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--source", default="kernel", metavar="kernel|FILE", help="the kernel (default) or a capture")
    parser.add_argument(
        "--to",
        default="kafka",
        metavar="kafka|FILE|-",
        help="Kafka (default), or JSON lines to a file or to - (stdout)",
    )
    parser.add_argument(
        "--speed",
        default="max",
        type=speed,
        metavar="max|realtime|N",
        help="of a capture: as fast as it goes (default), in its own time, or N times that",
    )
    parser.add_argument(
        "--hook",
        metavar="auto|sock|fexit|kprobe|syscall",
        help="of the kernel: how bytes are seen (default: the best that loads)",
    )
    parser.add_argument("--site", help="site in every record (default: as configured)")
    parser.add_argument("--node", help="node in every record (default: as configured)")
    parser.add_argument(
        "--plain-identifiers",
        action="store_true",
        help="leave subscriber identifiers as they are: for laboratories, never for live networks",
    )


def speed(text: str) -> float:
    """Return the speed that `text` names: 0 = as fast as it goes, 1 = real time."""
    words = {"max": 0.0, "realtime": 1.0}
    value = words[text] if text in words else float(text)
    if not 0 <= value < 1e9 or (value == 0 and text != "max"):
        raise ValueError(text)
    return value


def run(options: argparse.Namespace) -> int:
    """Collect until the capture ends, or until interrupted."""
    if options.source == "kernel":
        from collector.lean_imports import leave_out

        leave_out()
    from dataclasses import replace

    from schemas.config import load

    config = load(options.config)
    plain = options.plain_identifiers or config.collector.plain_identifiers
    config = replace(
        config,
        site=replace(config.site, name=options.site or config.site.name, node=options.node or config.site.node),
        collector=replace(config.collector, plain_identifiers=plain, hook=options.hook or config.collector.hook),
    )
    if options.source == "kernel":
        from deploy.live import collect_live

        return collect_live(config, options.to)
    from deploy.capture import collect_capture

    return collect_capture(config, options.source, options.to, options.speed)
