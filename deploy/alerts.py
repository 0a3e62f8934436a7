"""A capture's alerts as JSON lines: pairing, KPI windows and alert fold behind the collector, without Kafka."""

from collections.abc import Callable

from collector.avro import encode_batch
from collector.batch import Batch
from schemas.config import Streams
from schemas.fields import document
from schemas.json_text import silent
from streams.alerts import ALERTS_JSON, Alerts
from streams.fold import Facts, batch_body
from streams.kpi_cells import DELTAS
from streams.kpi_windows import KPIS, KpiWindows
from streams.pairing import TRANSACTIONS, Pairing

OVER_MS = 2_000  # a tick so long after the last batch lets all be told


class AlertLines:
    """Judges the KPIs of batches; writes each alert that is raised or cleared, by `write`."""

    def __init__(self, write: Callable[[bytes], object], rules: Streams) -> None:
        self._write = write
        self._pairing = Pairing(Facts(0, {TRANSACTIONS: 1, DELTAS: 1}), rules)
        self._windows = KpiWindows(Facts(0, {KPIS: 1}), rules)
        self._alerts = Alerts(Facts(0, {ALERTS_JSON: 1}))
        self._now_ms = 0

    def put(self, batch: Batch) -> None:
        """Write what a batch decides; its clock stands for append time."""
        self._now_ms = batch.header.clock_us // 1_000
        self._take(encode_batch(batch.header, batch.events))

    def finish(self) -> None:
        """Write what the end of the capture decides."""
        self._now_ms += OVER_MS
        self._take(b"")

    def _take(self, body: bytes) -> None:
        for rows in self._pairing.apply(self._now_ms, document("sbi_event_batch") if body else None, body):
            if rows.topic == DELTAS:
                message = batch_body(0, rows.first_number, rows.records)
                for kpis in self._windows.apply(self._now_ms, document("kpi_delta_batch"), message):
                    for kpi in kpis.records:
                        self._judge(kpi)

    def _judge(self, kpi: bytes) -> None:
        for alerts in self._alerts.apply(self._now_ms, document("kpi"), kpi):
            self._write(b"".join(silent(record) + b"\n" for record in alerts.records))
