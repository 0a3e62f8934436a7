"""What an emulated machine has for its root: files of this one, those that the tests of the kernel need, as cpio."""

import os
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
BCC = Path("/usr/lib/python3/dist-packages/bcc")
LEFT_OUT = {
    "site-packages",
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "ensurepip",
    "lib2to3",
    "config-3.11-x86_64-linux-gnu",
}
PROJECT = ("collector", "bpf", "schemas", "deploy", "streams", "tests", "pyproject.toml")
HEAVY = {".venv", "captures", "golden", "kubernetes", "helm", "grafana", "images", "stack", "clickhouse"}
# Opened by name while the programs run: ldd does not tell of these.
OPENED = ("libbcc.so.0", "librt.so.1", "libgcc_s.so.1", "libc.so.6")
# Tests of TLS make their certificate by it: on kernels from 6.6 on.
PROGRAMS = ("/usr/bin/openssl", "/usr/lib/ssl/openssl.cnf")
HEAD = "070701" + "%08X" * 13  # cpio(5), the new portable format
WANTED_BY = """
import sys, pytest
import collector.observer_start, collector.tls_attacher_start, deploy.cli, deploy.live  # tests run the agent itself
pytest.main(["--collect-only", "-qq", "-p", "no:cacheprovider", *sys.argv[1:]])
print("\\n".join(str(getattr(module, "__file__", None) or "") for module in list(sys.modules.values())))
"""


def files(tests: Iterable[str]) -> list[Path]:
    """Return every file that a machine needs to run these files of tests."""
    programs = [Path(sys.executable).resolve(), *filter(Path.is_file, map(Path, PROGRAMS))]
    wanted = {*standard_library(), *packages(tests), *project(), *tree(BCC), *programs}
    code = [file for file in wanted if ".so" in file.name or file in programs]
    return sorted({*wanted, *libraries([*code, *opened()]), *opened()})


def standard_library() -> Iterator[Path]:
    """Give Python's own files."""
    return tree(Path(sysconfig.get_path("stdlib")))


def packages(tests: Iterable[str]) -> set[Path]:
    """Return all files of the installed packages that the tests and the agent import."""
    place = Path(sysconfig.get_path("purelib"))
    command = [sys.executable, "-c", WANTED_BY, *tests]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    imported = [Path(line) for line in said.splitlines() if line.startswith(str(place))]
    names = {file.relative_to(place).parts[0] for file in imported}
    beside = [file for name in names for file in (place.glob(f"{name.partition('.')[0]}-*.dist-info"))]
    beside += [file for file in place.glob("*.libs") if file.name.removesuffix(".libs").replace("-", "_") in names]
    beside += [*place.glob("pytest-*.dist-info"), *place.glob("pytest_*.dist-info")]
    return {one for file in (*(place / name for name in names), *beside) for one in tree(file)}


def project() -> Iterator[Path]:
    """Give this project's files, without what no test of the kernel reads."""
    for name in PROJECT:
        yield from (file for file in tree(ROOT / name) if not HEAVY & set(file.relative_to(ROOT).parts))


def tree(place: Path) -> Iterator[Path]:
    """Give the files below a place, or itself."""
    if place.is_file():
        yield place
    for above, folders, names in os.walk(place):
        folders[:] = [folder for folder in folders if folder not in LEFT_OUT or str(ROOT) in above]
        yield from (Path(above) / name for name in names)


def opened() -> list[Path]:
    """Return the libraries of OPENED where the linker finds them."""
    known = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    lines = [line.split() for line in known.splitlines() if "x86-64" in line]
    return [Path(words[-1]) for words in lines if words[0] in OPENED]


def libraries(code: Iterable[Path]) -> set[Path]:
    """Return the libraries that programs and libraries are linked with."""
    said = subprocess.run(["ldd", *map(str, code)], capture_output=True, text=True, check=False).stdout
    words = [word for line in said.splitlines() for word in line.split()]
    return {Path(word) for word in words if word.startswith("/") and not word.endswith(":") and Path(word).is_file()}


def write(archive: Path, members: Iterable[Path], init: bytes) -> None:
    """Write an archive of the files under their own names, symbolic links followed, and of /init."""
    made: set[Path] = set()
    with archive.open("wb") as out:

        def put(name: str, mode: int, data: bytes) -> None:
            label = name.encode() + b"\0"
            numbers = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(label), 0)
            head = (HEAD % numbers).encode() + label
            out.write(head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4))

        def folder(place: Path) -> None:
            if place not in made and place != Path("/"):
                folder(place.parent)
                made.add(place)
                put(str(place)[1:], stat.S_IFDIR | 0o755, b"")

        for place in ("/proc", "/sys", "/dev", "/tmp", "/var/cache", "/run", "/root"):
            folder(Path(place))
        for file in members:
            folder(file.parent)
            put(str(file)[1:], stat.S_IFREG | 0o755, file.read_bytes())
        put("init", stat.S_IFREG | 0o755, init)
        put("TRAILER!!!", 0, b"")
