"""The short form of chaos: what is killed at random in two rounds loses, doubles and falsifies nothing."""

from pathlib import Path

import pytest

from tests.chaos.rounds import run

pytestmark = [pytest.mark.stack, pytest.mark.slow]


def test_chaos_loses_doubles_and_falsifies_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, rounds=2, seed=7, rate=29.0, say=print)
    assert done.squared.exchanges > 500
    assert done.squared.by_outcome.keys() >= {"success", "client_error", "server_error", "late", "unanswered"}
    assert done.squared.quarantined == 12
    assert all(many > 0 for many in done.squared.followed.values())
    assert sum(done.actions.values()) == 6
