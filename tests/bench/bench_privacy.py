"""What privacy and the reading of bodies cost a message, on the suite capture, medians of rounds in turn; JSON lines.

python -m tests.bench.bench_privacy
"""

import itertools
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from collector.body import read_body
from collector.body_redaction import BodyRedaction
from collector.pseudonym import Pseudonyms
from collector.redaction import Redaction
from tests.bench.line import show
from tests.messages import fields, messages
from tests.test_references import told

ROUNDS = 7
CAPTURE = Path(__file__).parent.parent / "captures" / "open5gs-suite-scp.pcapng"
KEY = bytes(range(32))


def cases() -> dict[str, tuple[int, Callable[[], object]]]:
    """Return name → (operations, what runs them)."""
    every = [message for _, message in messages(CAPTURE)]
    said = [fields(message) for message in every]
    bodies = [
        (one.get("content-type"), None, m.body, m.body_bytes) for one, m in zip(said, every, strict=True) if m.body
    ]
    paths = [one[":path"] for one in said if ":path" in one]
    names, cold = Pseudonyms(KEY), itertools.count()
    redaction, forgetful = Redaction(names), Redaction(names, 0)
    redact_body = BodyRedaction(redaction, names).redacted
    subscribers = [f"imsi-99970000000{number:04}" for number in range(1_000)]
    distinct = sorted(set(paths))
    decode = msgspec.json.Decoder().decode
    whole = [body for kind, _, body, _ in bodies if body[:1] == b"{" and body[-1:] == b"}"]
    return {
        "pseudonym of a subscriber met before": (1_000, lambda: [names.of(one) for one in subscribers]),
        "pseudonym of a new subscriber": (1_000, lambda: [names.of(f"imsi-{next(cold):015}") for _ in subscribers]),
        "redaction of the paths as they come": (len(paths), lambda: [redaction.text(one) for one in paths]),
        "redaction of a path not met before": (len(distinct), lambda: [forgetful.text(one) for one in distinct]),
        "facts of a body": (len(bodies), lambda: [read_body(*one) for one in bodies]),
        "baseline: msgspec decodes the body whole": (len(whole), lambda: [decode(one) for one in whole]),
        "redacted body": (len(bodies), lambda: [redact_body(*one) for one in bodies]),
        "facts, identifiers and subscriber of a message": (len(every), lambda: told(CAPTURE)),
    }


def main() -> None:
    """Measure in turn and print."""
    every = cases()
    spent: dict[str, list[float]] = {name: [] for name in every}
    for _ in range(ROUNDS):
        for name, (operations, run) in every.items():
            began = time.perf_counter()
            run()
            spent[name].append((time.perf_counter() - began) / operations * 1e6)
    for name, values in spent.items():
        show(name, statistics.median(values), "us")


if __name__ == "__main__":
    main()
