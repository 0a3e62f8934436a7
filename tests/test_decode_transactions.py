"""`sbiscope decode FILE --transactions`: every request of a capture once, in the fields of the schema."""

import collections
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.fields import fields_of
from tests import tshark
from tests.test_decode import lines, sbiscope

ROOT = Path(__file__).parent.parent
NAMES = [name for name, _ in fields_of("sbi_transaction_batch", "SbiTransaction")]
TOLD = {
    "open5gs-suite-scp": {
        "success": 4_587, "hidden_failure": 2, "client_error": 41, "business": 1, "server_error": 1, "late": 1,
        "reset": 2, "unanswered": 1,
    },
    "open5gs-registration-full": {"success": 1_372},
}  # fmt: skip


@pytest.mark.parametrize("name", TOLD)
def test_each_request_is_one_transaction(name: str) -> None:
    rows = lines(sbiscope("decode", "--transactions", tshark.CAPTURES / f"{name}.pcapng"))
    assert len({row["transaction_id"] for row in rows}) == len(rows) == sum(TOLD[name].values())
    assert all(list(row) == NAMES for row in rows)
    assert all(row["request_event_id"] for row in rows)
    assert collections.Counter(row["outcome"] for row in rows) == TOLD[name]


def test_it_needs_neither_kafka_nor_faust_nor_clickhouse() -> None:
    absent = ("confluent_kafka", "faust", "clickhouse_connect", "chdb", "aiohttp", "ddsketch")
    program = (
        f"import sys\nfor name in {absent!r}: sys.modules[name] = None\n"
        "from deploy.cli import main\n"
        f"sys.exit(main(['decode', '--transactions', {str(tshark.CAPTURES / 'open5gs-registration-full.pcapng')!r}]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout.count(b"\n")) == (0, 1_372), done.stderr
