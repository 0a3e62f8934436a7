"""What the compiler made of the probes: kept apart from any process, bound to other maps, loaded again."""

import os
from collections.abc import Iterator
from pathlib import Path
from struct import pack

import pytest

from collector import loader
from collector.bpf_calls import MapForm, map_form
from collector.loadable import Verified, made_anew
from collector.root_cache import RootCache
from collector.translation import Translation, bound, from_octets, maps_of, to_octets, translation_of
from tests.kernel import LIVE

FORMS = {7: MapForm("ring", 27, 0, 0, 4_096, 0), 9: MapForm("counters", 2, 4, 8, 32, 1_024)}


def load_map(descriptor: int) -> bytes:
    """r1 = the map (BPF_LD | BPF_IMM | BPF_DW, BPF_PSEUDO_MAP_FD): two instructions."""
    return pack("<BBhi", 0x18, 0x11, 0, descriptor) + bytes(8)


def load_number(number: int) -> bytes:
    """r1 = a 64-bit number: the same instruction, but no map; its second half may look like one."""
    return pack("<BBhi", 0x18, 0x01, 0, number) + pack("<BBhi", 0, 0, 0, 0x1118)


END = pack("<BBhi", 0x95, 0, 0, 0)
PROGRAMS = {
    "one": load_map(9) + load_number(9) + load_map(7) + END,
    "two": load_map(7) + load_map(7) + END,
    "three": load_number(7) + END,
}


def test_maps_are_named_by_place_and_then_by_another_processs_descriptors() -> None:
    kept = from_octets(to_octets(translation_of(PROGRAMS, FORMS.__getitem__)))

    assert maps_of(PROGRAMS) == [9, 7]
    assert kept.maps == (FORMS[9], FORMS[7])
    assert kept.programs["one"] == load_map(0) + load_number(9) + load_map(1) + END
    assert bound(kept, [30, 40]) == {
        "one": load_map(30) + load_number(9) + load_map(40) + END,
        "two": load_map(40) + load_map(40) + END,
        "three": load_number(7) + END,
    }


def test_a_map_that_is_not_there_is_refused() -> None:
    with pytest.raises(IndexError):
        bound(Translation((FORMS[7],), {"one": load_map(1) + END}), [30])


@pytest.mark.parametrize(
    "octets", [b"", b"nonsense", b"[]", b'{"maps": [], "programs": 1}', b'{"maps": [[1]], "programs": {}}']
)
def test_what_is_no_translation_is_refused(octets: bytes) -> None:
    with pytest.raises(ValueError):
        from_octets(octets)


class TestInTheKernel:
    pytestmark = LIVE

    @pytest.fixture
    def cache(self) -> Iterator[Path]:
        place = Path("/var/cache") / f"sbiscope-test-{os.getpid()}"
        yield place
        for file in place.iterdir():
            file.unlink()
        place.rmdir()

    def test_what_was_compiled_loads_again_without_the_compiler(self, cache: Path) -> None:
        flags = loader.flags(1 << 16, (), only_own=False)
        kept = RootCache(cache, "programs")
        first = loader.load("sock", flags, kept)
        (file,) = cache.iterdir()
        name = file.name.partition("-")[2]
        again = made_anew(from_octets(kept.get(name) or b""))

        assert {name: map_form(first[name]) for name in ("ring", "counters", "verdicts")} == {
            name: map_form(again.map(name)) for name in ("ring", "counters", "verdicts")
        }
        assert again.load("on_send", loader.RAW_TRACEPOINT) > 0
        for descriptor in first.values():
            os.close(descriptor)

    def test_it_is_named_by_all_that_it_depends_on(self) -> None:
        one = loader.flags(1 << 16, (), only_own=False)
        text = loader.source("sock")
        names = {
            loader.fingerprint(text, one),
            loader.fingerprint(text + "\n", one),
            loader.fingerprint(text, loader.flags(1 << 17, (), only_own=False)),
            loader.fingerprint(text, loader.flags(1 << 16, (7_777,), only_own=False)),
            loader.fingerprint(text, [*one, "-DSK_FAMILY=17"]),
        }

        assert len(names) == 5
        assert loader.fingerprint(text, one) in names

    def test_what_is_broken_is_compiled_anew(self, cache: Path) -> None:
        flags = loader.flags(1 << 16, (), only_own=False)
        kept = RootCache(cache, "programs")
        name = loader.fingerprint(loader.source("sock"), flags)
        kept.keep(name, to_octets(Translation((FORMS[7],), {"go_on": load_map(3) + END})))
        loaded = loader.load("sock", flags, kept)

        assert loaded.keys() > {"ring", "counters", "verdicts"}
        assert len(from_octets(kept.get(name) or b"").programs) > 3
        for descriptor in loaded.values():
            os.close(descriptor)


def test_whatever_ends_a_load_is_raised_for_who_asks_for_the_program() -> None:
    one = Verified("one", None, 0, 0)  # type: ignore[arg-type]
    one.start()
    with pytest.raises(TypeError):
        one.descriptor()
