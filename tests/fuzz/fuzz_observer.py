"""Random conversations seen whole, in any chunks, with losses, joined late, under narrow bounds: nothing told is false.

python -m tests.fuzz.fuzz_observer --cases 1000000 [--first SEED]

A case is one observation of a conversation. The seed of a failure is printed: `check(seed)` repeats it.
"""

import argparse
import multiprocessing
import os
import random
import sys
import time
import traceback
from collections.abc import Callable

from collector.connection import Connection
from collector.message import Limits
from collector.selection import SBI
from tests.observing import check_partly, check_whole, cut, join, lose, observe, summary
from tests.traffic import Conversation, conversation

CASES_EACH = 10  # observations of one conversation
LONGEST = (1, 7, 60, 400, 5000)
SHARES = (0.003, 0.02, 0.1, 0.4)


def whole(made: Conversation, rnd: random.Random) -> None:
    """In any chunks the whole conversation is told exactly, and nothing is lost."""
    connection, messages = observe(cut(made, rnd, rnd.choice(LONGEST)))
    check_whole(made, messages)
    assert connection.counters.by_reason == {}


def selected(made: Conversation, rnd: random.Random) -> None:
    """Fields that nobody reads change nothing in those that are read."""
    _, messages = observe(cut(made, rnd, rnd.choice(LONGEST)), selection=SBI)
    _, everything = observe(cut(made, rnd, 5000))
    for message in everything:
        message.headers = [field for field in message.headers if SBI.wants(field[0])]
        if message.trailers is not None:
            message.trailers = [field for field in message.trailers if SBI.wants(field[0])]
    assert summary(messages) == summary(everything)


def lossy(made: Conversation, rnd: random.Random) -> None:
    """With losses, all that is told is true."""
    events = lose(cut(made, rnd, rnd.choice(LONGEST)), rnd, rnd.choice(SHARES))
    check_partly(made, observe(events)[1])


def late(made: Conversation, rnd: random.Random) -> None:
    """Joined at any octet, all that is told is true."""
    check_partly(made, observe(join(cut(made, rnd, rnd.choice(LONGEST)), rnd), from_start=False)[1])


def late_and_lossy(made: Conversation, rnd: random.Random) -> None:
    """Joined at any octet and with losses, all that is told is true."""
    events = lose(join(cut(made, rnd, rnd.choice(LONGEST)), rnd), rnd, rnd.choice(SHARES))
    check_partly(made, observe(events, from_start=False)[1])


def late_and_selected(made: Conversation, rnd: random.Random) -> None:
    """Selection changes nothing for an observer that joined late, as to what ends how."""
    events = join(cut(made, rnd, rnd.choice(LONGEST)), rnd)
    both = (observe(events, from_start=False)[1], observe(events, from_start=False, selection=SBI)[1])
    wide, narrow = (
        sorted((m.stream_id, m.half, m.ended, m.body, m.body_bytes, m.missing) for m in one) for one in both
    )
    assert wide == narrow


def bounded(made: Conversation, rnd: random.Random) -> None:
    """Under narrow bounds each half ends once, and nothing grows above its bound."""
    limits = Limits(
        max_streams=rnd.choice((1, 2, 5)),
        max_header_bytes=rnd.choice((40, 200, 4000)),
        max_table_bytes=rnd.choice((64, 300, 4096)),
        body_bytes=rnd.choice((0, 10, 1000)),
        max_open_bytes=rnd.choice((500, 3000)),
    )
    connection = Connection(limits, rnd.random() < 0.5)
    messages = []
    for time_ns, (from_client, data) in enumerate(cut(made, rnd, rnd.choice(LONGEST)), 1):
        assert isinstance(data, bytes)
        connection.feed(from_client, data, time_ns)
        messages += connection.take()
    connection.evict(1 << 40)
    messages += connection.take()
    keys = [(m.stream_id, m.half) for m in messages]
    assert len(keys) == len(set(keys))
    assert all(len(m.body) <= limits.body_bytes for m in messages)
    assert connection.oldest_open_ns is None


WAYS: tuple[Callable[[Conversation, random.Random], None], ...] = (
    whole, lossy, late, late_and_lossy, lossy, late, late_and_lossy, bounded, selected, late_and_selected,
)  # fmt: skip


def check(seed: int) -> None:
    """Run case `seed`."""
    made = conversation(seed // CASES_EACH, 1 + seed // CASES_EACH % 9)
    WAYS[seed % CASES_EACH](made, random.Random(seed))


def run(seeds: range) -> list[tuple[int, str]]:
    """Run the cases; return the seeds that failed, and why."""
    failed: list[tuple[int, str]] = []
    made, made_of = conversation(0), -1
    for seed in seeds:
        if seed // CASES_EACH != made_of:
            made_of = seed // CASES_EACH
            made = conversation(made_of, 1 + made_of % 9)
        try:
            WAYS[seed % CASES_EACH](made, random.Random(seed))
        except Exception:  # noqa: BLE001 (whatever it is, it is a finding)
            failed.append((seed, traceback.format_exc(limit=-2)))
    return failed


def main() -> int:
    """Run on all cores, a line every ten seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    last = options.first + options.cases
    parts = [range(first, min(first + 1000, last)) for first in range(options.first, last, 1000)]
    began = told = time.monotonic()
    failed = []
    with multiprocessing.Pool(os.cpu_count()) as pool:
        for number, found in enumerate(pool.imap_unordered(run, parts), 1):
            failed += found
            for seed, text in found[:3]:
                print(f"case {seed} failed\n{text}", flush=True)
            if time.monotonic() - told > 10:
                told = time.monotonic()
                print(
                    f"{min(number * 1000, options.cases)} cases in {told - began:.0f} s, {len(failed)} failed",
                    flush=True,
                )
    print(f"{options.cases} cases in {time.monotonic() - began:.0f} s, {len(failed)} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
