"""Runs tests of the probes on Debian's stock kernel under QEMU, without a disk, a network or hardware acceleration.

python -m tests.other_kernel [TEST...]   (Debian's qemu-system-x86; its kernel is fetched by apt-get download)

Nothing is timed: everything takes ten times as long. Exit status 0: the tests went well there, with every hook that
the kernel takes. A machine that has not ended by LONGEST_S is switched off.
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
import threading
from pathlib import Path

from tests.other_kernel import init
from tests.other_kernel.initramfs import ROOT, files, write

# Without modules: all that is wanted is built in. Another one by its name, as bookworm-backports' 6.12 if apt has it.
KERNEL = os.environ.get("KERNEL") or "linux-image-cloud-amd64"
TESTS = ("tests/test_kernel_live.py",)
LONGEST_S = 5_400.0
MACHINE = ("-accel", "tcg,thread=multi", "-cpu", "max", "-M", "q35", "-smp", "1", "-m", "4096", "-display", "none",
           "-serial", "stdio", "-monitor", "none", "-no-reboot")  # fmt: skip


def kernel(place: Path) -> Path:
    """Fetch the package that KERNEL is, or stands for today, and return the kernel in it."""
    told = subprocess.run(["apt-cache", "depends", KERNEL], capture_output=True, text=True, check=True).stdout
    needed = [line.split()[1] for line in told.splitlines() if line.strip().startswith("Depends:")]
    name = next((one for one in needed if one.startswith("linux-image-")), KERNEL)
    subprocess.run(["apt-get", "-o", "APT::Sandbox::User=root", "download", "-qq", name], cwd=place, check=True)
    (package,) = place.glob(f"{name}_*.deb")
    subprocess.run(["dpkg-deb", "-x", package, place / "package"], check=True)
    (found,) = (place / "package" / "boot").glob("vmlinuz-*")
    return found


def first_process(tests: list[str]) -> bytes:
    """Return the script that the kernel starts."""
    python = Path(sys.executable).resolve()
    own = Path(init.__file__).read_text().partition('"""\n')
    words = {"PROJECT": str(ROOT), "PACKAGES": os.pathsep.join((str(ROOT), sysconfig.get_path("purelib")))}
    given = f"import os, sys\nos.environ.update({words!r})\nsys.argv[1:] = {tests!r}\n"
    return f"#!{python} -I\n{own[0]}{own[1]}{given}{own[2]}".encode()


def run(tests: list[str]) -> int:
    """Build, boot, print what the machine says; return the tests' exit status, 1 where there is none."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        image = kernel(place)
        archive = place / "root.cpio"
        write(archive, files([test.partition("::")[0] for test in tests]), first_process(tests))
        print(f"{image.name}, {archive.stat().st_size >> 20} MB of files", flush=True)
        boot = ["-kernel", str(image), "-initrd", str(archive), "-append", "console=ttyS0 panic=-1 quiet"]
        with subprocess.Popen(
            ["qemu-system-x86_64", *MACHINE, *boot], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        ) as machine:
            deadline = threading.Timer(LONGEST_S, machine.kill)
            deadline.start()
            try:
                return followed(machine)
            finally:
                deadline.cancel()
                machine.kill()


def followed(machine: "subprocess.Popen[str]") -> int:
    """Print what it says; return the exit status that it tells."""
    assert machine.stdout is not None
    status = 1
    for line in machine.stdout:
        print(line.rstrip(), flush=True)
        if line.startswith(init.SAID):
            status = int(line.removeprefix(init.SAID))
    return status


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:] or list(TESTS)))
