"""`sbiscope export`: one subscriber's exchanges of a capture as a redacted capture, for Wireshark."""

import argparse
import os
from pathlib import Path

from schemas.refusal import Refusal


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--subscriber", metavar="SUBSCRIBER", required=True, help="imsi-…, or its pseudonym")
    parser.add_argument("--capture", metavar="FILE", required=True, help="pcap or pcapng that holds the exchanges")
    parser.add_argument("--to", metavar="FILE.pcapng", required=True, help="write there")


def run(options: argparse.Namespace) -> int:
    """Write the capture, whole or not at all."""
    from dataclasses import replace

    from collector.pseudonym_key import pseudonyms_of
    from deploy.capture import say
    from deploy.export import export
    from deploy.subscriber import pseudonym_of
    from schemas.config import load

    config = load(options.config)
    config = replace(config, collector=replace(config.collector, plain_identifiers=False))
    name = pseudonym_of(config.collector, options.subscriber)
    found = export(config, Path(options.capture), name, pseudonyms_of(config.collector, say))
    if not found.exchanges:
        other = f"; {len(found.others)} are HTTP/1.1, which is not exported" if found.others else ""
        raise Refusal("nothing of this subscriber is in the capture", name + other, "is it the right pseudonym key?")
    octets = _written(Path(options.to), b"".join(found.file()))
    left = f", {len(found.others)} of HTTP/1.1 left out" if found.others else ""
    print(
        f"{len(found.exchanges)} exchanges on {len(found.messages)} connections{left}: {octets} octets in {options.to}"
    )
    return 0


def _written(target: Path, octets: bytes) -> int:
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        beside.write_bytes(octets)
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise Refusal("cannot write the capture", f"{target}: {error.strerror}", "name another file") from error
    return len(octets)
