"""`python -m tests.chaos --rounds N [--requests R] …`: chaos on a fresh stack; one JSON line at the end."""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.chaos.rounds import REQUESTS, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=40.0, help="requests a second of each collector")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="of each collector in a round, at most")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sbiscope-chaos-") as directory:
        place, words = Path(directory), (options.rounds, options.seed, options.rate)
        done = run(place, *words, lambda line: print(line, flush=True), options.requests)
    print(json.dumps({"rounds": options.rounds, "seed": options.seed, **asdict(done)}, sort_keys=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
