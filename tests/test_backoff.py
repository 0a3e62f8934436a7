"""collector/backoff.py: steps up when the budget is exceeded for a while, down when there is room for long."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.backoff import CALM_S, HURRY, HURRY_S, MOST_CALM_S, PATIENCE_S, STEPS, BackOff, Budget

BUDGET = Budget(0.5, 100)


def seconds(backoff: BackOff, cpu: float, count: int, memory: int = 0, is_losing: bool = False) -> int:
    for _ in range(count):
        backoff.second(cpu, memory, is_losing)
    return backoff.step


def test_it_goes_up_one_step_at_a_time_and_down_slowly() -> None:
    backoff = BackOff(BUDGET)
    assert seconds(backoff, 0.6, PATIENCE_S - 1) == 0
    assert seconds(backoff, 0.4, 1) == 0  # not in a row
    assert seconds(backoff, 0.6, PATIENCE_S) == 1
    assert seconds(backoff, 0.6, PATIENCE_S) == 2
    assert seconds(backoff, 0.4, 10 * CALM_S) == 2  # within the budget, no room for more
    assert seconds(backoff, 0.2, CALM_S) == 1
    assert seconds(backoff, 0.2, CALM_S) == 0
    assert backoff.taken == 2


def test_memory_counts_like_cpu() -> None:
    assert seconds(BackOff(BUDGET), 0.0, PATIENCE_S, memory=101) == 1


def test_it_hurries_where_much_more_is_used() -> None:
    backoff = BackOff(BUDGET)
    assert seconds(backoff, 0.5 * HURRY + 0.1, HURRY_S - 1) == 0
    assert seconds(backoff, 0.6, 1) == 0  # more, not much more
    assert seconds(backoff, 0.5 * HURRY + 0.1, HURRY_S) == 1
    assert seconds(backoff, 0.5 * HURRY + 0.1, 2 * HURRY_S) == 3


def test_a_full_ring_is_a_reason_however_little_cpu_there_was() -> None:
    backoff = BackOff(BUDGET)
    assert seconds(backoff, 0.01, HURRY_S - 1, is_losing=True) == 0
    assert seconds(backoff, 0.01, 1) == 0
    assert seconds(backoff, 0.01, HURRY_S, is_losing=True) == 1
    assert seconds(backoff, 0.01, CALM_S - 1) == 1
    assert seconds(backoff, 0.01, 1, is_losing=True) == 1  # no calm
    assert seconds(backoff, 0.01, CALM_S - 1) == 1
    assert seconds(backoff, 0.01, 1) == 0


def test_on_a_full_node_less_is_enough_to_go_up() -> None:
    backoff = BackOff(Budget(0.5, 100, full_node_cpu=0.1))
    for _ in range(PATIENCE_S):
        backoff.second(0.15, 0)
    assert backoff.step == 0
    for _ in range(PATIENCE_S):
        backoff.second(0.15, 0, is_full=True)
    assert backoff.step == 1
    assert BackOff(Budget(0.1, 0, full_node_cpu=0.5)).budget.used(0.15, 0, is_full=True) == pytest.approx(1.5)
    assert BackOff(Budget(0, 0, full_node_cpu=0.5)).budget.used(64.0, 0, is_full=True) == 0


def test_what_made_room_on_a_full_node_is_no_reason_to_go_down() -> None:
    backoff = BackOff(Budget(1.0, 0, full_node_cpu=0.1))
    for _ in range(PATIENCE_S):
        backoff.second(0.15, 0, is_full=True)
    assert backoff.step == 1
    assert seconds(backoff, 0.09, 10 * CALM_S) == 1  # little of the whole budget, much of a full node's
    assert seconds(backoff, 0.05, CALM_S) == 0
    assert seconds(backoff, 0.5, 10 * CALM_S) == 0


def test_a_step_down_that_was_one_too_many_comes_later_each_time() -> None:
    backoff = BackOff(BUDGET)
    seconds(backoff, 0.6, PATIENCE_S)
    waited = []
    for _ in range(7):
        count = 0
        while backoff.step:
            seconds(backoff, 0.1, 1)
            count += 1
        waited.append(count)
        seconds(backoff, 0.6, PATIENCE_S)
    assert waited == [CALM_S << number if number < 5 else MOST_CALM_S for number in range(7)]
    seconds(backoff, 0.6, PATIENCE_S)
    assert seconds(backoff, 0.1, MOST_CALM_S) == 1
    assert seconds(backoff, 0.1, CALM_S) == 0  # the step before was right


@pytest.mark.parametrize("memory_bytes", [0, 100])
def test_without_a_budget_nothing_is_left_out(memory_bytes: int) -> None:
    assert seconds(BackOff(Budget(0, 0)), 64.0, 100, memory=1 << 40) == 0
    assert seconds(BackOff(Budget(0, memory_bytes)), 64.0, 100, is_losing=True) == 0


def test_each_step_captures_less_and_samples_by_a_power_of_two() -> None:
    assert STEPS[0].copied_bytes == STEPS[0].one_in == 0
    for before, after in pairwise(STEPS[1:]):
        assert (after.copied_bytes, -after.one_in) <= (before.copied_bytes, -before.one_in)
    assert all(step.one_in & (step.one_in - 1) == 0 for step in STEPS)
    assert [step.is_tls_off for step in STEPS] == [False] * (len(STEPS) - 1) + [True]


@given(st.lists(st.tuples(st.floats(0, 4), st.integers(0, 400)), max_size=400))
def test_any_load_stays_on_the_ladder(load: list[tuple[float, int]]) -> None:
    backoff = BackOff(BUDGET)
    for cpu, memory in load:
        before = backoff.step
        assert backoff.second(cpu, memory) is STEPS[backoff.step]
        assert abs(backoff.step - before) <= 1
