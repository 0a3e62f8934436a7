"""schemas/clickhouse/0005_kpis_between.sql: KPI windows from the rows equal a slow count by hand."""

from collections import defaultdict
from typing import Any

import pytest

from tests import engine, generate

KEY = (
    "operation",
    "consumer_nf",
    "producer_nf",
    "producer_nf_instance",
    "snssai",
    "dnn",
    "plmn",
    "to_proxy",
    "site",
    "node",
)
SQL = """SELECT toUnixTimestamp64Micro(window_start) AS window_us, *
    FROM kpis_between(start='2000-01-01 00:00:00', stop='2100-01-01 00:00:00', window_s={width:Int64})"""


@pytest.mark.stack
@pytest.mark.parametrize("width", [10, 60])
def test_each_window_equals_a_count_by_hand(width: int) -> None:
    _, client = engine.emptied()
    pool = list(generate.transactions(1_009, rate=23))
    generate.insert(client, [generate.encode_batch(pool), generate.encode_batch(pool[:50])])
    cells: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in pool:
        window = row["request_us"] // (width * 1_000_000) * width * 1_000_000
        cells[window, *(row[name] for name in KEY)].append(row)
    found = client.query(SQL, parameters={"width": width})
    got = [dict(zip(found.column_names, row, strict=True)) for row in found.result_rows]
    assert {(row["window_us"], *(row[name] for name in KEY)) for row in got} == set(cells)
    for row in got:
        many = cells[row["window_us"], *(row[name] for name in KEY)]
        durations = sorted(one["duration_us"] for one in many if one["duration_us"] is not None)
        assert row["requests"] == len(many) == row["succeeded"] + row["failed"] + row["unknown"]
        assert row["unanswered"] == sum(one["outcome"] == "unanswered" for one in many)
        assert (row["durations"], row["duration_us_sum"] or 0) == (len(durations), sum(durations))
        assert row["with_token"] == sum(one["access_token"] is True for one in many)
        assert row["without_token"] == sum(one["access_token"] is False for one in many)
        for end in ("", "consumer_"):
            asked = [one[f"{end}overload_reduction_percent"] or 0 for one in many]
            told = row[f"{end}overload_reports"], row[f"{end}overload_percent_sum"]
            assert told == (sum(map(bool, asked)), sum(asked))
        assert row["max_us"] == (durations[-1] if durations else None)
        assert row["p50_us"] == (durations[len(durations) // 2] if durations else None)
