"""The pods of this node, kept as the Kubernetes API tells them."""

from collector.message import Counters
from collector.pods import PodObject, Pods
from schemas.kubernetes import Api, Kind, ObjectWatch
from schemas.refusal import Refusal


def is_wanted(word: str) -> bool:
    """Tell whether collector.kubernetes lets the API be asked. Raises Refusal for a wrong word."""
    if word not in {"auto", "off"}:
        raise Refusal("collector.kubernetes is no such word", repr(word), "write auto or off")
    return word == "auto"


def watch_pods(api: Api, node: str, pods: Pods, counters: Counters) -> ObjectWatch[PodObject]:
    """Return what keeps `pods` as the API has those of `node`, once it is started."""
    return ObjectWatch(api, Kind("/api/v1/pods", PodObject, f"spec.nodeName={node}"), pods, counters.add)
