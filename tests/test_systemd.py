"""deploy/systemd: systemd's own tools agree, what the units name exists, the layout is Debian's."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from collector.loading import LOAD_S
from schemas.config import load
from streams.stages import NAMES
from tests.under_unit import UNITS, allowed, is_possible, settings

SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
EXPOSURE = {"sbiscope-agent.service": 3.5, "sbiscope-worker@.service": 1.5, "sbiscope-schema.service": 1.5}


@pytest.fixture
def analyze(tmp_path: Path) -> Path:
    """Return a folder with the units as they would lie on a host, their program replaced by one that is here."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here (apt-get install systemd)")
    for unit in [*UNITS.glob("*.service"), *UNITS.glob("*.target")]:
        text = unit.read_text().replace("/usr/lib/sbiscope/bin/sbiscope", shutil.which("true") or "")
        (tmp_path / unit.name).write_text(text)
    for stage in NAMES:
        (tmp_path / f"sbiscope-worker@{stage}.service").symlink_to("sbiscope-worker@.service")
    return tmp_path


def told(folder: Path, *words: str) -> str:
    environment = {"SYSTEMD_UNIT_PATH": f"{folder}:", "PATH": "/usr/bin:/bin"}
    command = ["systemd-analyze", "--no-pager", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd_takes_every_unit(analyze: Path) -> None:
    instances = [f"sbiscope-worker@{stage}.service" for stage in NAMES]
    plain = [name for name in SERVICES if "@" not in name]
    said = told(analyze, "verify", "--man=no", *plain, *instances, "sbiscope-workers.target")
    assert not [line for line in said.splitlines() if "sbiscope" in line]


@pytest.mark.parametrize("name", SERVICES)
def test_each_unit_is_as_closed_as_stated(analyze: Path, name: str) -> None:
    said = told(analyze, "security", "--offline=yes", f"./{name}")
    found = re.search(r"Overall exposure level for \S+ ([0-9.]+)", said)
    assert found and float(found[1]) <= EXPOSURE[name], said


def test_the_target_and_the_environment_know_every_stage() -> None:
    target = " ".join(settings("sbiscope-workers.target", "Unit")["Wants"])
    assert set(re.findall(r"sbiscope-worker@(\w+)\.service", target)) == set(NAMES)
    environment = (UNITS / "environment").read_text()
    assert set(re.findall(r"^METRICS_(\w+)=127\.0\.0\.1:\d+$", environment, re.MULTILINE)) == set(NAMES)


def test_systemd_waits_as_long_for_the_agent_as_compiling_may_take() -> None:
    (start_s,) = settings("sbiscope-agent.service", "Service")["TimeoutStartSec"]
    assert int(start_s) > LOAD_S


def test_every_variable_of_the_environment_is_a_key_of_the_configuration() -> None:
    lines = re.findall(r"^#?(SBISCOPE_\w+)=(.*)$", (UNITS / "environment").read_text(), re.MULTILINE)
    config = load(None, {name: value for name, value in lines if value})
    assert (config.site.name, config.kafka.security_protocol) == ("site-1", "SASL_SSL")
    for name, _ in lines:
        section, _, key = name.removeprefix("SBISCOPE_").lower().partition("_")
        assert hasattr(getattr(config, section), key), name


@pytest.mark.skipif(not is_possible(), reason="no systemd-analyze, or no numbers of system calls here")
def test_no_unit_is_left_a_call_that_changes_the_machine() -> None:
    for name in SERVICES:
        assert not {"mount", "reboot", "init_module", "kexec_load", "ptrace", "swapon", "settimeofday"} & allowed(name)
    assert not {"bpf", "perf_event_open", "setuid", "chroot"} & allowed("sbiscope-worker@.service")


def test_it_is_laid_out_as_debian_does(tmp_path: Path) -> None:
    """All but the venv, which takes a wheel: the lines of the script that make it are left out."""
    script = (UNITS / "install.sh").read_text()
    lines = [line for line in script.splitlines() if "python3 -m venv" not in line and "pip install" not in line]
    short = UNITS / "install.sh"
    root = tmp_path / "root"
    programs = root / "usr/lib/sbiscope/bin"
    programs.mkdir(parents=True)
    (programs / "sbiscope").write_text(f"#!{programs}/python3\nimport sys\n")
    (programs / "python3").write_bytes(b"\x7fELF\0" + bytes(programs))
    done = subprocess.run(
        ["sh", "-c", "\n".join(lines).replace('"$0"', f'"{short}"'), "install.sh", "none.whl", "streams", str(root)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "systemctl daemon-reload" in done.stdout
    assert (programs / "sbiscope").read_text() == "#!/usr/lib/sbiscope/bin/python3\nimport sys\n"
    assert (programs / "python3").read_bytes() == b"\x7fELF\0" + bytes(programs)
    assert {path.name for path in (root / "usr/lib/systemd/system").iterdir()} == {*SERVICES, "sbiscope-workers.target"}
    for name in ("environment", "pseudonym.key"):
        assert (root / "etc/sbiscope" / name).stat().st_mode & 0o077 == 0
    assert (root / "usr/lib/sysusers.d/sbiscope.conf").read_text().splitlines()[-1].startswith("u sbiscope")
    assert len((root / "etc/sbiscope/pseudonym.key").read_bytes().strip()) >= 32
