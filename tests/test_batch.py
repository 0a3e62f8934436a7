"""When batches leave and what they promise: numbers, watermark, loss, the end; the same input, the same batches."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from collector.avro import BatchHeader
from collector.batch import Batch, Batcher, BatchRules

FIRST = BatchHeader("lab", "n1", 0, "capture:x", 1, 0, 1, False, {})
RULES = BatchRules(max_events=5, interval_ms=100, sparse_events=3, sparse_ms=500, silent_ms=1_000)


def batcher() -> Batcher:
    """Return a batcher that has begun at 0 ms."""
    made = Batcher(FIRST, RULES)
    assert made.add([], 0, {}, 0) == []
    return made


def events(*times_us: int) -> list[Any]:
    """Return stand-ins for events: all that a batcher looks at is how many there are."""
    return [(time,) for time in times_us]


def shape(batches: list[Batch]) -> list[tuple[int, int, int]]:
    """Return sequence, number of events and watermark of each."""
    return [(batch.header.sequence, len(batch.events), batch.header.watermark_us) for batch in batches]


def test_enough_events_leave_after_the_interval() -> None:
    made = batcher()
    assert made.add(events(1, 2, 3), 10, {}, 99) == []
    assert shape(made.add([], 20, {}, 100)) == [(1, 3, 20)]


def test_few_events_wait_longer() -> None:
    made = batcher()
    assert made.add(events(1), 10, {}, 100) == []
    assert made.add([], 20, {}, 499) == []
    assert shape(made.add([], 30, {}, 500)) == [(1, 1, 30)]


def test_silence_carries_the_watermark_on() -> None:
    made = batcher()
    assert made.add([], 900, {}, 999) == []
    assert shape(made.add([], 1_000, {}, 1_000)) == [(1, 0, 1_000)]
    assert made.add([], 1_500, {}, 1_999) == []
    assert shape(made.add([], 9_000, {}, 9_000)) == [(2, 0, 9_000)]


def test_a_full_batch_leaves_at_once_and_promises_nothing_of_what_stays_behind() -> None:
    made = batcher()
    assert shape(made.add(events(*range(12)), 50, {}, 10)) == [(1, 5, 0), (2, 5, 0)]
    assert shape(made.add([], 60, {}, 600)) == [(3, 2, 60)]
    assert shape(made.add(events(*range(10)), 70, {}, 610)) == [(4, 5, 60), (5, 5, 70)]


def test_the_watermark_never_falls() -> None:
    made = batcher()
    assert shape(made.add([], 1_000, {}, 1_000) + made.add([], 400, {}, 2_000)) == [(1, 0, 1_000), (2, 0, 1_000)]


def test_the_end_is_marked_once() -> None:
    made = batcher()
    made.add(events(1, 2), 10, {}, 10)
    batches = made.finish(events(*range(9)), 99, {})
    assert [batch.header.final for batch in batches] == [False, False, True]
    assert shape(batches) == [(1, 5, 0), (2, 5, 0), (3, 1, 99)]


def test_loss_travels_cumulated_sorted_without_zeros() -> None:
    made = batcher()
    loss = {"z": 1, "a": 2, "never": 0}
    (batch,) = made.add([], 1, loss, 1_000)
    loss["a"] = 5
    (later,) = made.add([], 1, loss, 2_000)
    assert (list(batch.header.loss.items()), later.header.loss) == ([("a", 2), ("z", 1)], {"a": 5, "z": 1})


STEPS = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 1_200)), max_size=30)


@given(STEPS)
def test_each_event_leaves_once_in_order_and_the_numbers_have_no_hole(steps: list[tuple[int, int]]) -> None:
    out, given_in, _ = play(steps)
    assert [event for batch in out for event in batch.events] == given_in
    assert [batch.header.sequence for batch in out] == list(range(1, len(out) + 1))
    assert all(len(batch.events) <= RULES.max_events for batch in out[:-1])
    assert out == play(steps)[0]


@given(STEPS)
def test_no_event_comes_after_a_watermark_that_covers_it(steps: list[tuple[int, int]]) -> None:
    out, _, _ = play(steps)
    promised = 0
    for batch in out:
        assert all(begun >= promised for (begun,) in batch.events)
        promised = batch.header.watermark_us


def play(steps: list[tuple[int, int]]) -> tuple[list[Batch], list[Any], int]:
    """Give events as a source would: each begun after the watermark of the step before."""
    made, out, given_in, now = Batcher(FIRST, RULES), [], [], 0
    for count, wait_ms in steps:
        fresh = events(*[now * 1_000] * count)
        given_in += fresh
        now += wait_ms
        out += made.add(fresh, now * 1_000, {}, now)
    return out + made.finish([], now * 1_000, {}), given_in, now
