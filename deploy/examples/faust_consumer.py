"""A consumer with Faust: the records of a JSON topic, as JSON lines appended to a file, for as long as it runs.

BOOTSTRAP=127.0.0.1:19092 TOPIC=sbi.kpis.json OUT=rows.jsonl faust -q -A faust_consumer worker --without-web
"""

import json
import os
from pathlib import Path

import faust

app = faust.App(
    os.environ.get("GROUP", "example-faust"),
    broker=f"kafka://{os.environ.get('BOOTSTRAP', '127.0.0.1:19092')}",
    consumer_auto_offset_reset="earliest",
    topic_disable_leader=True,
    broker_max_poll_records=500,
)
topic = app.topic(os.environ.get("TOPIC", "sbi.kpis.json"), value_type=bytes, value_serializer="raw")


@app.agent(topic)  # type: ignore[untyped-decorator]
async def consume(values: faust.StreamT[bytes]) -> None:
    """Take each record."""
    with Path(os.environ.get("OUT", "rows.jsonl")).open("a", buffering=1) as out:
        async for value in values:
            if value:
                out.write(json.dumps(json.loads(value)) + "\n")
