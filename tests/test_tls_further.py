"""collector/tls_further.py: which processes are known to need libnghttp2, over a map of the kernel's."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from collector.bpf_calls import MapForm, create_map, number_in, put_program
from collector.record import COUNTER_SLOTS, HTTP2_FOLLOWED
from collector.tls_attacher import Attached
from collector.tls_further import FURTHER, SHOWN_HTTP2, Further

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who makes maps")
HASH, SHOWN_TLS = 1, 2
ABSENT = 1 << 30  # no process has this number


@contextmanager
def further() -> Iterator[tuple[Further, int, memoryview]]:
    table = create_map(MapForm("shown", HASH, 4, 4, 16, 0))
    counters = memoryview(bytearray(8 * COUNTER_SLOTS)).cast("Q")
    try:
        yield Further(table, counters), table, counters
    finally:
        os.close(table)


@pytest.mark.parametrize(
    ("shown", "stays"),
    [(0, True), (SHOWN_TLS, True), (SHOWN_TLS | SHOWN_HTTP2, True), (SHOWN_HTTP2, False)],
)
def test_a_process_that_has_shown_nothing_but_cleartext_needs_it_no_more(shown: int, stays: bool) -> None:
    file = Attached(0, is_further=True)
    with further() as (one, table, _):
        if shown:
            put_program(table, os.getpid(), shown)  # a number as any
        one.add(os.getpid(), file)
        assert number_in(table, os.getpid()) == shown
        one.drop_cleartext()
        assert (os.getpid() in one, one.is_needed(file)) == (stays, stays)


def test_the_last_process_of_a_probed_file_is_told_when_it_is_gone() -> None:
    probed, unprobed = Attached(0, is_further=True), Attached(1, is_further=True)
    probed.links.append(-1)
    with further() as (one, _, __):
        one.add(ABSENT, unprobed)
        assert not one.drop_dead()
        one.add(ABSENT, probed)
        one.add(os.getpid(), probed)
        assert not one.drop_dead()
        one.drop(os.getpid())
        one.add(ABSENT, probed)
        assert one.drop_dead()
        assert not one.is_needed(probed)


def test_the_kernel_side_is_told_whether_any_libnghttp2_is_probed() -> None:
    file, openssl = Attached(0, is_further=True), Attached(1)
    openssl.links.append(-1)
    with further() as (one, _, counters):
        one.begin()
        assert counters[HTTP2_FOLLOWED] == 1
        one.let_go([file, openssl])
        assert counters[HTTP2_FOLLOWED] == 0
        file.links.append(-1)
        one.let_go([file, openssl])
        assert counters[HTTP2_FOLLOWED] == 1


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("/usr/lib/x86_64-linux-gnu/libnghttp2.so.14.24.1", True),
        ("/opt/nf/lib/libnghttp2.so", True),
        ("/usr/lib/libnghttp2_asio.so.1", False),
        ("/usr/lib/libssl.so.3", False),
    ],
)
def test_its_file_is_known_by_name(path: str, is_one: bool) -> None:
    assert bool(FURTHER.search(path)) == is_one
