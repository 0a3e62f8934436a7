"""Joined in the middle of a real run: each message beside the same message of the whole run (shared/captures pair).

The second capture began 10 s after the first, when the connections were up; connections are matched by their ends.
"""

from collections import Counter
from functools import cache
from typing import Any

from collector.connections import Bounds, Connections
from collector.message import Half, HeaderState, Limits
from collector.pcap_source import PcapSource
from collector.selection import EVERYTHING
from tests.recorded import FULL, MIDSTREAM

Key = tuple[tuple[Any, ...], int, Half]


@cache
def told(path: Any) -> dict[Key, list[Any]]:
    """Return the messages of a capture by ends, stream and half; every field is read."""
    found: dict[Key, list[Any]] = {}
    source = PcapSource(path)
    shard = Connections(Limits(), Bounds(), EVERYTHING)
    source.run(shard, shard.advance)
    shard.finish(source.now_ns)
    for ends, message in shard.take():
        address = (ends.client_address, ends.client_port, ends.server_address, ends.server_port)
        found.setdefault((address, message.stream_id, message.half), []).append(message)
    return found


def pairs() -> list[tuple[Any, Any]]:
    """Return each message of the later capture with the same one of the whole run."""
    whole = told(FULL)
    return [(message, true) for key, messages in told(MIDSTREAM).items() for message in messages for true in whole[key]]


def test_each_message_is_in_the_whole_run_once() -> None:
    assert all(len(messages) == 1 for messages in told(MIDSTREAM).values())
    assert set(told(MIDSTREAM)) <= set(told(FULL))
    assert len(pairs()) > 2_200


def test_no_value_told_is_wrong() -> None:
    right: Counter[str] = Counter()
    for message, true in pairs():
        assert len(message.headers) in (0, len(true.headers))
        for (name, value), (true_name, true_value) in zip(message.headers, true.headers, strict=False):
            assert name in (None, true_name)
            assert value in (None, true_value)
            right["exact" if name and value is not None else "value" if value is not None else "unknown"] += 1
        if message.header_state is HeaderState.EXACT:
            assert message.headers == true.headers
        assert true.body.startswith(message.body)
        if message.ended.name == "COMPLETE":
            assert (message.body, message.ended) == (true.body, true.ended)
    assert right["exact"] > 2 * (right["value"] + right["unknown"])


def test_the_path_of_every_request_is_known() -> None:
    requests = [message for message, _ in pairs() if message.half is Half.REQUEST]
    assert len(requests) > 1_100
    assert [message.stream_id for message in requests if b":path" not in dict(message.headers)] == []
