"""What a cluster of 10,000 pods costs the resolver and a node's agent: memory, and CPU of each change; JSON lines.

python -m tests.bench.bench_places
"""

import json
import time
import tracemalloc

import msgspec

from collector import pods as node_pods
from streams.cluster_objects import PodObject
from streams.places import pod_places
from streams.standing import Objects
from tests.bench.line import show
from tests.kube_api import pod

PODS = 10_000
CHANGES = 2_000
CHANGES_PER_S = 100
LABELS = frozenset({"app"})


def octets(number: int, version: int) -> bytes:
    """Return a pod as the API sends it."""
    uid = f"{number:08x}-8b1f-4a56-9a3e-5d1f0c7b6a21"
    shape = pod(f"nf-{number}", uid, f"{number:064x}", version)
    address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    shape["status"] |= {"podIPs": [{"ip": address}], "startTime": f"2026-11-27T10:00:{version % 60:02}Z"}
    return json.dumps(shape).encode()


def resolver() -> None:
    """Measure the state of the resolver."""
    decoder = msgspec.json.Decoder(PodObject)
    known: Objects[PodObject] = Objects(lambda told: pod_places(told, LABELS))
    tracemalloc.start()
    for number in range(PODS):
        known.put(decoder.decode(octets(number, 1)), 1)
    show("resolver, 10,000 pods", tracemalloc.get_traced_memory()[0] / 1e6, "MB")
    tracemalloc.stop()
    lines = [octets(number, 2) for number in range(CHANGES)]
    begun = time.process_time()
    changed = sum(len(known.put(decoder.decode(line), 2)) for line in lines)
    spent_us = (time.process_time() - begun) / CHANGES * 1e6
    assert changed == 2 * CHANGES
    show("resolver, one change", spent_us, "us CPU", percent_of_a_core_at_100_a_second=spent_us * CHANGES_PER_S / 1e4)


def agent() -> None:
    """Measure the table of an agent that is given more pods than any node has."""
    decoder, known = msgspec.json.Decoder(node_pods.PodObject), node_pods.Pods(LABELS)
    tracemalloc.start()
    for number in range(PODS):
        known.put(decoder.decode(octets(number, 1)))
    show("agent, 10,000 pods told", tracemalloc.get_traced_memory()[0] / 1e6, "MB", kept=len(known))
    tracemalloc.stop()
    lines = [octets(number, 2) for number in range(PODS - CHANGES, PODS)]
    begun = time.process_time()
    for line in lines:
        known.put(decoder.decode(line))
    spent_us = (time.process_time() - begun) / CHANGES * 1e6
    show("agent, one change", spent_us, "us CPU", percent_of_a_core_at_100_a_second=spent_us * CHANGES_PER_S / 1e4)


if __name__ == "__main__":
    resolver()
    agent()
