"""What a resolver would tell of a cluster, a line a place, without Kafka.

`python -m tests.kubernetes.telling URL TOKEN_FILE CA_FILE` watches until its input ends; last comes what went wrong.
"""

import sys
import threading
from pathlib import Path

import msgspec

from schemas.cluster_api import Api
from streams.cluster import Cluster

if __name__ == "__main__":
    url, token_file, ca_file = sys.argv[1:]
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    cluster = Cluster(Api(url, Path(token_file), Path(ca_file)), frozenset({"app"}))
    cluster.start()
    for places in cluster.changes(ended.is_set):
        for place in places:
            print(msgspec.json.encode(place).decode(), flush=True)
    print(msgspec.json.encode({"counts": cluster.counts, "problems": cluster.problems()}).decode(), flush=True)
    cluster.close()
