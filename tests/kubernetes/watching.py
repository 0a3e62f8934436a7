"""What an agent does to know its node's pods, alone in a process, so that it can be measured.

`python -m tests.kubernetes.watching NODE URL TOKEN_FILE CA_FILE` watches until its input ends.
"""

import sys
from pathlib import Path

from collector.kubernetes import watch_pods
from collector.message import Counters
from collector.pods import Pods
from schemas.cluster_api import Api

if __name__ == "__main__":
    node, url, token_file, ca_file = sys.argv[1:]
    print("ready", flush=True)
    sys.stdin.readline()
    pods = Pods(frozenset({"app"}))
    watch = watch_pods(Api(url, Path(token_file), Path(ca_file)), node, pods, Counters())
    watch.start()
    sys.stdin.read()
    print(len(pods))
    watch.close()
