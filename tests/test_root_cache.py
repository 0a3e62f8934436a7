"""What root keeps between starts: given back only where nobody else can have written it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collector.root_cache import RootCache

NOBODY = 65_534
NAME, OCTETS = "abc", b"instructions"
ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root keeps anything")


@pytest.fixture
def place() -> Path:
    """A directory below which everything is root's alone: pytest's own lie in the sticky /tmp."""
    return Path("/var/cache") / f"sbiscope-test-{os.getpid()}"


@pytest.fixture(autouse=True)
def _gone_afterwards(place: Path) -> Iterator[None]:
    yield
    subprocess.run(["rm", "-rf", str(place)], check=True)


def test_what_root_kept_is_given_back(place: Path) -> None:
    cache = RootCache(place, "programs")

    assert cache.get(NAME) is None
    assert cache.keep(NAME, OCTETS)
    assert cache.get(NAME) == OCTETS
    assert RootCache(place, "others").get(NAME) is None


def test_others_may_read_it_whatever_the_umask_of_a_service(place: Path) -> None:
    before = os.umask(0o077)
    try:
        assert RootCache(place, "programs").keep(NAME, OCTETS)
    finally:
        os.umask(before)
    assert (place.stat().st_mode & 0o777, file_of(place).stat().st_mode & 0o777) == (0o755, 0o644)


def file_of(place: Path) -> Path:
    return place / f"programs-{NAME}"


def replaced_by_a_link(place: Path) -> None:
    elsewhere = place / "elsewhere"
    elsewhere.write_bytes(OCTETS)
    file_of(place).unlink()
    file_of(place).symlink_to(elsewhere)


def with_a_second_name(place: Path) -> None:
    (place / "second").hardlink_to(file_of(place))


def replaced_by_a_pipe(place: Path) -> None:
    file_of(place).unlink()
    os.mkfifo(file_of(place))


def behind_a_link(place: Path) -> None:
    moved = place.with_name(f"{place.name}-moved")
    place.rename(moved)
    place.symlink_to(moved)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda place: os.chown(file_of(place), NOBODY, 0), id="the file is another's"),
        pytest.param(lambda place: file_of(place).chmod(0o664), id="its group may write it"),
        pytest.param(lambda place: file_of(place).chmod(0o646), id="all may write it"),
        pytest.param(lambda place: os.chown(place, NOBODY, 0), id="the directory is another's"),
        pytest.param(lambda place: place.chmod(0o777), id="all may put files into it"),
        pytest.param(lambda place: place.chmod(0o1777), id="all may, each its own"),
        pytest.param(replaced_by_a_link, id="a link to elsewhere"),
        pytest.param(with_a_second_name, id="a file with a second name"),
        pytest.param(replaced_by_a_pipe, id="no file"),
        pytest.param(behind_a_link, id="a directory behind a link"),
    ],
)
def test_what_others_can_have_written_is_not(place: Path, change: Callable[[Path], None]) -> None:
    RootCache(place, "programs").keep(NAME, OCTETS)
    change(place)
    try:
        assert RootCache(place, "programs").get(NAME) is None
    finally:
        subprocess.run(["rm", "-rf", str(place.with_name(f"{place.name}-moved"))], check=True)


def test_a_directory_above_that_is_anothers_spoils_it(place: Path) -> None:
    place.mkdir()
    os.chown(place, NOBODY, 0)
    inner = RootCache(place / "inner", "programs")

    assert not inner.keep(NAME, OCTETS)
    assert inner.get(NAME) is None


def test_nothing_is_left_of_what_a_full_disk_did_not_take(place: Path) -> None:
    place.mkdir(mode=0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "none", place], check=True)
    try:
        cache = RootCache(place, "programs")
        assert not cache.keep(NAME, bytes(200_000))
        assert list(place.iterdir()) == []
        assert cache.keep(NAME, OCTETS)
    finally:
        subprocess.run(["umount", place], check=True)


def test_who_is_not_root_keeps_nothing(place: Path) -> None:
    place.mkdir(mode=0o777)
    said = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(place)], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert said.stdout == "False\n"
    assert list(place.iterdir()) == []


AS_NOBODY = """
import os, sys
from pathlib import Path
from collector.root_cache import RootCache
os.setresuid(65534, 65534, 65534)
print(RootCache(Path(sys.argv[1]), "programs").keep("abc", b"evil"))
"""


def test_the_oldest_are_forgotten(place: Path) -> None:
    cache = RootCache(place, "programs")
    for number in range(12):
        assert cache.keep(str(number), OCTETS)
        os.utime(place / f"programs-{number}", (number, number))

    assert sorted(int(file.name.split("-")[1]) for file in place.iterdir()) == list(range(4, 12))
