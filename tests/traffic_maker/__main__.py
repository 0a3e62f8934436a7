"""python -m tests.traffic_maker [--capture FILE] [--connections N] [--rate N] [--count N]: play; say what it took."""

import argparse
import json
import statistics
from pathlib import Path

from tests.traffic_maker.exchanges import mixed, of_capture
from tests.traffic_maker.maker import serving


def main() -> None:
    """Play and print one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.traffic_maker")
    parser.add_argument("--capture", type=Path, help="play its exchanges instead of the mix")
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--rate", type=float, default=0, help="requests a second in all; 0 = as fast as answered")
    parser.add_argument("--count", type=int, default=10_000)
    options = parser.parse_args()
    exchanges = of_capture(options.capture) if options.capture else mixed(1_009)
    with serving(exchanges) as server:
        played = server.play(options.connections, options.count, options.rate)
    latencies = [one.latency_us for one in played]
    print(json.dumps({"played": len(played), "latency_us": round(statistics.mean(latencies)), "port": server.port}))


if __name__ == "__main__":
    main()
