"""The pods of this node, kept as the Kubernetes API tells them."""

from collector.message import Counters
from collector.pods import PodObject, Pods
from schemas.cluster_api import Api
from schemas.kubernetes import Kind, ObjectWatch


def watch_pods(api: Api, node: str, pods: Pods, counters: Counters) -> ObjectWatch[PodObject]:
    """Return what keeps `pods` as the API has those of `node`, once it is started."""
    return ObjectWatch(api, Kind("/api/v1/pods", PodObject, f"spec.nodeName={node}"), pods, counters.add)
