"""`sbiscope decode FILE`: a capture to JSON lines of events, transactions, procedures or alerts, without any server."""

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("file", metavar="FILE", help="pcap or pcapng, plain or gzip")
    parser.add_argument(
        "--plain-identifiers",
        action="store_true",
        help="leave subscriber identifiers as they are: for laboratories, never for live networks",
    )
    told = parser.add_mutually_exclusive_group()
    told.add_argument("--transactions", action="store_true", help="pair requests with their answers")
    told.add_argument(
        "--procedures", action="store_true", help="registrations, sessions and the like, with their steps"
    )
    told.add_argument("--alerts", action="store_true", help="alerts that its KPIs raise and clear, by the rules")
    parser.add_argument("--site", help="site in every record (default: as configured)")
    parser.add_argument("--node", help="node in every record (default: as configured)")


def run(options: argparse.Namespace) -> int:
    """Decode the file to standard output."""
    from dataclasses import replace

    from deploy.capture import alerts_of_capture, collect_capture, pair_capture, procedures_of_capture
    from schemas.config import load

    config = load(options.config)
    config = replace(
        config,
        site=replace(config.site, name=options.site or config.site.name, node=options.node or config.site.node),
        collector=replace(config.collector, plain_identifiers=options.plain_identifiers),
    )
    if options.transactions:
        return pair_capture(config, options.file)
    if options.procedures:
        return procedures_of_capture(config, options.file)
    if options.alerts:
        return alerts_of_capture(config, options.file)
    return collect_capture(config, options.file, "-", speed=0.0)
