"""collector/wanted.py: what the configured filters say, and what they cannot."""

import re
from pathlib import Path

import pytest

from collector.wanted import EVERYTHING, conditions, depth_of, filters
from schemas.config import Collector
from schemas.refusal import Refusal

MOUNTS = """\
24 1 0:22 / /proc rw,nosuid - proc proc rw
31 24 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate
32 24 0:28 /../../kubepods /host/cgroup rw - cgroup2 cgroup2 rw
33 24 0:29 / /old/pids rw - cgroup cgroup rw,pids
"""


def test_nothing_configured_lets_everything_through() -> None:
    assert filters(Collector()) == EVERYTHING
    assert conditions(EVERYTHING) == ("(1) && (1)", "(1) && (1)")


def test_words_become_what_the_loader_is_told() -> None:
    told = filters(Collector(networks="10.0.0.0/8, fd00::/8", programs="amf,smf", network_namespaces="4026531840"))
    assert told == {"networks": ["10.0.0.0/8", "fd00::/8"], "namespaces": [4_026_531_840], "programs": ["amf", "smf"]}


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"networks": "10.0.0.1/8"}, "collector.networks names no network: 10.0.0.1/8 has host bits set"),
        ({"networks": "amf"}, "collector.networks names no network"),
        ({"network_namespaces": "/nowhere"}, "collector.network_namespaces names none: /nowhere: No such file"),
        ({"control_groups": "/nowhere"}, "collector.control_groups names none: /nowhere: No such file"),
        ({"control_groups": "/etc"}, "collector.control_groups names no group of version 2: /etc"),
    ],
)
def test_what_names_nothing_is_refused(changed: dict[str, str], line: str) -> None:
    with pytest.raises(Refusal, match=re.escape(line)):
        filters(Collector(**changed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("place", "depth"),
    [
        ("/sys/fs/cgroup", 0),
        ("/sys/fs/cgroup/system.slice/amf.service", 2),
        ("/host/cgroup/pod1", 2),
        ("/old/pids/amf", None),
        ("/etc", None),
    ],
)
def test_how_deep_a_group_is(place: str, depth: int | None) -> None:
    assert depth_of(Path(place), MOUNTS) == depth


def test_a_program_cannot_write_c() -> None:
    """Names become numbers: no word of the configuration reaches the compiler."""
    ends, caller = conditions(filters(Collector(programs='a") || 1 /*')))
    assert re.fullmatch(r"[\w\s()&=,|]*", ends + caller)
