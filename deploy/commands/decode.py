"""`sbiscope decode FILE`: a capture to JSON lines of events, or transactions; needs no Kafka, ClickHouse or Faust."""

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("file", metavar="FILE", help="pcap or pcapng, plain or gzip")
    parser.add_argument(
        "--plain-identifiers",
        action="store_true",
        help="leave subscriber identifiers as they are: for laboratories, never for live networks",
    )
    parser.add_argument("--transactions", action="store_true", help="pair requests with their answers")
    parser.add_argument("--site", help="site in every record (default: as configured)")
    parser.add_argument("--node", help="node in every record (default: as configured)")


def run(options: argparse.Namespace) -> int:
    """Decode the file to standard output."""
    from dataclasses import replace

    from deploy.capture import collect_capture, pair_capture
    from schemas.config import load

    config = load(options.config)
    config = replace(
        config,
        site=replace(config.site, name=options.site or config.site.name, node=options.node or config.site.node),
        collector=replace(config.collector, plain_identifiers=options.plain_identifiers),
    )
    if options.transactions:
        return pair_capture(config, options.file)
    return collect_capture(config, options.file, "-", speed=0.0)
