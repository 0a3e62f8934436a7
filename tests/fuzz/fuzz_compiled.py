"""Coverage-guided fuzzing of the compiled observer under the address sanitizer: no input may crash it or raise.

python -m tests.fuzz.fuzz_compiled --inputs 10000000 [--seed N]

The observer is compiled anew with gcc's -fsanitize=address and -fsanitize-coverage=trace-pc in a temporary folder
(no clang, hence neither libFuzzer nor atheris, is needed), and mutated scripts (tests.fuzz.target) are played to it;
one that reaches new code joins the corpus. tests/fuzz/corpus holds a small one to begin with.
"""

import argparse
import ctypes
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CORPUS = HERE / "corpus"
SANITIZED = ["-O2", "-g1", "-fsanitize=address", "-fsanitize-coverage=trace-pc", "-fno-omit-frame-pointer"]
LONGEST = 400
KEPT = 200  # scripts written back by --keep
WORDS = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x01\x00\x00\x10\x00",
    b"\x00\x00\x04\x01\x05\x00\x00\x00\x01\x82\x86\x84\x88",
    b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x01",
    b"\x00\x00\x08\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
    b"\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08",
    b"\x00\x00\x05\x00\x01\x00\x00\x00\x01hello",
    b"\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00",
    b"\x3f\xe1\x1f",
    b"\x20",
    b"\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff",
    b"\xbe\xbf\xc0",
    b"\x40\x01a\x01b",
    b"\xff\xff\xff\xff\x0f",
)


def build(folder: Path) -> None:
    """Compile the observer with the sanitizer into `folder`, beside what it needs."""
    for name in ("collector", "schemas", "deploy", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.so", "__pycache__", "captures"))
    code = "import deploy.compile as c; c.FLAGS[:] = " + repr(SANITIZED) + "; c.main()"
    environment = {**os.environ, "LDFLAGS": "-fsanitize=address"}
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True, capture_output=True)
    command = ["gcc", "-O2", "-shared", "-fPIC", "-o", folder / "coverage.so", HERE / "coverage.c"]
    subprocess.run(command, check=True)


def mutate(rnd: random.Random, script: bytes, others: list[bytes]) -> bytes:
    """Return the script changed in a few places."""
    octets = bytearray(script)
    for _ in range(1 << rnd.randrange(4)):
        at = rnd.randrange(len(octets) + 1)
        way = rnd.randrange(7)
        if way == 0 and octets:
            octets[at % len(octets)] ^= 1 << rnd.randrange(8)
        elif way == 1 and octets:
            octets[at % len(octets)] = rnd.choice((0, 1, 4, 5, 9, 127, 128, 255, rnd.randrange(256)))
        elif way == 2:
            octets[at:at] = rnd.choice(WORDS)
        elif way == 3:
            del octets[at : at + 1 + rnd.randrange(16)]
        elif way == 4:
            octets[at:at] = octets[at : at + 1 + rnd.randrange(60)]
        elif way == 5:
            other = rnd.choice(others)
            begin = rnd.randrange(len(other) + 1)
            octets[at:] = other[begin:]
        else:
            octets[at:at] = rnd.randbytes(rnd.randrange(1, 6))
    return bytes(octets[:LONGEST])


def fuzz(inputs: int, seed: int, keep: Path | None) -> int:
    """Play mutated scripts in this process, which has the sanitizer; return how many were played."""
    from tests.fuzz.target import run

    coverage_take = ctypes.CDLL(os.environ["SBISCOPE_COVERAGE"]).coverage_take
    rnd = random.Random(seed)
    corpus = [path.read_bytes() for path in sorted(CORPUS.glob("*"))] or [b"\x00"]
    reached = []
    for script in corpus:
        run(script)
        reached.append((coverage_take(), script))
    began = told = time.monotonic()
    last = Path(tempfile.gettempdir()) / f"sbiscope-fuzz-{seed}"
    with last.open("w+b", buffering=0) as file:
        for number in range(inputs):
            script = mutate(rnd, corpus[int(len(corpus) * rnd.random() ** 0.7)], corpus)
            if number & 15 == 0 or len(script) > 1000:
                file.seek(0)
            file.write(len(script).to_bytes(4, "big") + script)  # what a crash leaves behind to look at
            run(script)
            fresh = coverage_take()
            if fresh:
                corpus.append(script)
                reached.append((fresh, script))
            if number & 0xFFF == 0 and time.monotonic() - told > 30:
                told = time.monotonic()
                print(f"{number} inputs in {told - began:.0f} s, corpus {len(corpus)}", flush=True)
    last.unlink()
    if keep is not None:
        keep.mkdir(exist_ok=True)
        for number, (_, script) in enumerate(sorted(reached, key=lambda one: -one[0])[:KEPT]):
            (keep / f"{number:03}").write_bytes(script)
    print(f"{inputs} inputs in {time.monotonic() - began:.0f} s without a crash, corpus {len(corpus)}", flush=True)
    return inputs


def main() -> int:
    """Build, then run the loop in a process with the sanitizer loaded first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="write the scripts that reached most here")
    options = parser.parse_args()
    if "SBISCOPE_COVERAGE" in os.environ:
        fuzz(options.inputs, options.seed, options.keep)
        return 0
    with tempfile.TemporaryDirectory(prefix="sbiscope-fuzz-") as name:
        build(Path(name))
        libasan = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
        environment = {
            **os.environ,
            "SBISCOPE_COVERAGE": f"{name}/coverage.so",
            "LD_PRELOAD": f"{libasan.stdout.strip()} {name}/coverage.so",
            "ASAN_OPTIONS": "detect_leaks=0",
            "PYTHONMALLOC": "malloc",
        }
        keep = ["--keep", str(options.keep.absolute())] if options.keep else []
        command = [
            sys.executable,
            "-m",
            "tests.fuzz.fuzz_compiled",
            "--inputs",
            str(options.inputs),
            "--seed",
            str(options.seed),
            *keep,
        ]
        return subprocess.run(command, cwd=name, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
