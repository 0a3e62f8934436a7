"""The report as one Parquet table: the rows of streams/report/flat.py, integers and ratios as numbers."""

import io

import pyarrow as pa
from pyarrow import parquet

from streams.report.content import Report
from streams.report.flat import COLUMNS, KEYS, RATIOS, TEXTS, rows


def as_parquet(report: Report) -> bytes:
    """Return the file; its metadata say the period and what the figures can be trusted for."""
    from streams.report.sentences import completeness

    told = {
        "start_us": str(report.start_us),
        "stop_us": str(report.stop_us),
        "made_us": str(report.made_us),
        "completeness": " ".join(completeness(report)),
    }
    fields = [pa.field(name, _type(name), metadata={"comment": KEYS.get(name, "")}) for name in COLUMNS]
    table = pa.Table.from_pylist(list(rows(report)), schema=pa.schema(fields, metadata=told))
    out = io.BytesIO()
    parquet.write_table(table, out, compression="zstd")
    return out.getvalue()


def _type(name: str) -> pa.DataType:
    return pa.string() if name in TEXTS else pa.float64() if name in RATIOS else pa.int64()
