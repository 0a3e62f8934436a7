"""What is played: the exchanges of a capture, or a mix of a registration's and a session's operations."""

import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from collector.batch import Batch
from collector.jsonl import event_json
from collector.pcap_source import PcapSource
from deploy.capture import meaning_of, run_capture
from schemas.config import Config


@dataclass(frozen=True, slots=True)
class Exchange:
    """What one request asks and what is answered; bodies by their size. In a path, {n} becomes the number."""

    method: str
    path: str
    status: int
    request_bytes: int
    response_bytes: int
    consumer: str = "AMF"


SUPI = "imsi-99970{n}"
MIX = (
    (Exchange("POST", "/nausf-auth/v1/ue-authentications", 201, 240, 380), 10),
    (Exchange("GET", f"/nudm-sdm/v2/{SUPI}/am-data", 200, 0, 620), 16),
    (Exchange("GET", f"/nudm-sdm/v2/{SUPI}/smf-select-data", 200, 0, 410), 10),
    (Exchange("PUT", f"/nudm-uecm/v1/{SUPI}/registrations/amf-3gpp-access", 201, 510, 480), 8),
    (Exchange("POST", "/nsmf-pdusession/v1/sm-contexts", 201, 1_400, 300), 10),
    (Exchange("POST", "/npcf-am-policy-control/v1/policies", 201, 560, 640), 6),
    (Exchange("PATCH", "/nnrf-nfm/v1/nf-instances/6f1c0c2e-0d5b-41ec-9d17-1b2a4e3c5d6f", 204, 70, 0, "SMF"), 22),
    (Exchange("GET", "/nnrf-disc/v1/nf-instances?target-nf-type=SMF&requester-nf-type=AMF", 200, 0, 4_096), 18),
)


def mixed(count: int, seed: int = 1) -> list[Exchange]:
    """Return exchanges of the mix, the same for the same seed."""
    return random.Random(seed).choices([one for one, _ in MIX], [weight for _, weight in MIX], k=count)


def of_capture(path: Path) -> list[Exchange]:
    """Return the exchanges of a capture file that were seen whole, in the order of their answers."""
    config, halves = Config(), {}
    found: list[Exchange] = []

    def note(batch: Batch) -> None:
        for event in map(event_json, batch.events):
            key = event["connection_id"], event["stream_id"]
            if event["half"] == "request":
                halves[key] = event
            elif asked := halves.pop(key, None):
                found.extend(exchange_of(asked, event))

    describe = meaning_of(replace(config.collector, plain_identifiers=True))
    run_capture(PcapSource(path), config, describe, note)
    return found


def exchange_of(asked: dict[str, Any], answered: dict[str, Any]) -> list[Exchange]:
    """Return what two halves say, nothing where a part of it is unknown or Go's server would not send it."""
    status, path = answered["status"], asked["path"]
    if not asked["method"] or not path or not path.startswith("/") or not status or status < 200:
        return []
    without_body = status in {204, 304}
    size = 0 if without_body else answered["body_bytes"]
    return [Exchange(asked["method"], path, status, asked["body_bytes"], size, asked["consumer_nf"] or "AMF")]
