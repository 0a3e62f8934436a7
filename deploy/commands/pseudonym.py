"""`sbiscope pseudonym IDENTIFIER ...`: the pseudonym of a subscriber, for who holds the key."""

import argparse
import sys


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "identifiers",
        metavar="IDENTIFIER",
        nargs="+",
        help="imsi-999700000000001, 999700000000001, suci-…, msisdn-…, imeisv-…, 5g-guti-…; - reads them from lines",
    )


def run(options: argparse.Namespace) -> int:
    """Print one pseudonym a line, in the order given."""
    from collector.identifier_grammar import canonical, kind_of
    from collector.privilege import leave_no_core
    from collector.pseudonym_key import pseudonyms_of
    from schemas.config import load
    from schemas.refusal import Refusal

    leave_no_core()
    names = pseudonyms_of(load(options.config).collector, lambda text: print(text, file=sys.stderr))
    given = options.identifiers
    for identifier in (line.strip() for line in sys.stdin) if given == ["-"] else given:
        if kind_of(canonical(identifier)) is None:
            raise Refusal("this is no subscriber identifier", identifier, "write it with its prefix, as imsi-…")
        print(names.of(identifier))
    return 0
