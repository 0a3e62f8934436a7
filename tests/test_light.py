"""What each process of the agent imports: memory and a start within a second are lost by one import too many."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# What a process is made of, and what must not come with it (in MB of its memory: asyncio 3, OpenSSL 4, fastavro 5).
PROCESSES = {
    "supervisor": (
        "from collector import lean_kafka; lean_kafka.import_little(); import deploy.live, collector.publisher",
        {"asyncio", "ssl", "fastavro", "yaml", "http.client", "tomllib", "collector.loader", "collector.connections"},
    ),
    "observer": (
        "sys.modules['_hashlib'] = None; import collector.observer, collector.http1",
        {"confluent_kafka", "subprocess", "tempfile", "tomllib", "ssl", "collector.loader", "fastavro"},
    ),
    "attacher": ("import collector.tls_keeper, collector.tls_attacher", {"msgspec", "json", "subprocess", "hashlib"}),
    "keeper": ("import collector.tls_keeper", {"pathlib", "typing", "enum", "re", "dataclasses", "collector.record"}),
}


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_imports_what_it_needs(process: str) -> None:
    imports, without = PROCESSES[process]
    program = f"import sys; sys.path[:0] = {[str(ROOT), *sys.path]}; {imports}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not without & set(done.stdout.split())


def test_a_producer_is_all_that_the_light_client_knows_and_it_works() -> None:
    program = (
        "from collector.lean_kafka import import_little; assert import_little();"
        "from collector.publisher import Publisher; from collector.message import Counters;"
        "from tests.mock_broker import mock_broker"
    )
    refused = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "cannot import name 'Consumer'" in refused.stderr


def test_who_has_the_whole_client_keeps_it() -> None:
    program = (
        "import confluent_kafka; from collector.lean_kafka import import_little;"
        "print(import_little(), confluent_kafka.Consumer.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "Consumer"]
