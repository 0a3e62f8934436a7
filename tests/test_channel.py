"""collector/channel.py: what one side says the other hears, in whatever pieces it comes; nonsense ends the talk."""

import socket
from threading import Thread

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.channel import (
    HEAD,
    MOST_BYTES,
    NUMBERS,
    RECEIVE_BYTES,
    Channel,
    Closed,
    Figures,
    Loss,
    Message,
    Ready,
    Stop,
)
from collector.delivery import Delivery

TEXT = st.text(max_size=5)
COUNTS = st.dictionaries(TEXT, st.integers(0, 1 << 40), max_size=3)
MESSAGES = st.one_of(
    st.builds(Stop),
    st.builds(Loss, COUNTS),
    st.builds(Ready, TEXT, st.lists(TEXT, max_size=2).map(tuple)),
    st.builds(Figures, COUNTS, COUNTS, *[st.integers(0, 1 << 40)] * 4),
    st.builds(Delivery, TEXT, st.binary(max_size=5), st.binary(max_size=900), st.integers(0, 200)),
)


@given(st.lists(MESSAGES, max_size=6), st.lists(st.integers(0, 3_000), max_size=8))
def test_messages_come_as_they_were_said_in_whatever_pieces(said: list[Message], cuts: list[int]) -> None:
    bodies = [(msgspec.msgpack.encode(one), NUMBERS[type(one)]) for one in said]
    octets = b"".join(HEAD.pack(len(body), kind) + body for body, kind in bodies)
    ours, theirs = socket.socketpair()
    heard = Channel(ours)
    found: list[Message] = []
    with ours, theirs:
        for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(octets)], strict=True):
            theirs.sendall(octets[begin:end])
            while (one := heard.receive()) is not None:
                found.append(one)
    assert found == said


def test_a_message_larger_than_what_is_received_at_once() -> None:
    ours, theirs = socket.socketpair()
    said = Delivery("batch", b"k", bytes(range(256)) * 4_000, 7)
    heard: list[Message | None] = []
    with ours, theirs:
        speaking = Thread(target=lambda: [Channel(theirs).send(one) for one in (said, Stop())])
        speaking.start()
        listener = Channel(ours)
        heard += [listener.receive(60.0), listener.receive(60.0)]
        speaking.join()
        heard.append(listener.receive())
    assert heard == [said, Stop(), None]


@pytest.mark.parametrize("sizes", [[RECEIVE_BYTES - 40, 700_000, 3, 200_000, 131_000, 1, 131_100] * 3, [60_000] * 40])
def test_large_and_small_messages_one_after_another(sizes: list[int]) -> None:
    ours, theirs = socket.socketpair()
    said = [Delivery("batch", b"k", number.to_bytes(2, "big") * size, 7) for number, size in enumerate(sizes)]
    with ours, theirs:
        speaking = Thread(target=lambda: [Channel(theirs).send(one) for one in said])
        speaking.start()
        listener = Channel(ours)
        heard = [listener.receive(60.0) for _ in said]
        speaking.join()
    assert heard == said


@pytest.mark.parametrize(
    "octets",
    [
        HEAD.pack(MOST_BYTES + 1, 0),
        HEAD.pack(0, 200),
        HEAD.pack(1, NUMBERS[Loss]) + b"\xff",
        HEAD.pack(1, NUMBERS[Loss]) + b"\xc0",
        b"",
    ],
    ids=["too long", "no such kind", "no msgpack", "another shape", "the end"],
)
def test_what_is_no_message_ends_the_talk(octets: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            theirs.sendall(octets)
        with pytest.raises(Closed):
            Channel(ours).receive(1.0)


def test_nobody_can_be_told_who_has_hung_up() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours, pytest.raises(Closed):
        Channel(ours).send(Stop())
