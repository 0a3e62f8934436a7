"""schemas/kubernetes.py and collector/pods.py against a server that speaks the API's list and watch protocol."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector import pods
from collector.cgroup import Place
from collector.kubernetes import watch_pods
from collector.message import Counters
from collector.pods import MIRROR, PodObject, Pods
from collector.workload import Container
from schemas import kubernetes
from schemas.cluster_api import Api, api_here
from schemas.kubernetes import ObjectWatch
from tests.certificates import Authority
from tests.kube_api import PODS, KubeApi, Pod, kube_api, pod

ID, OTHER_ID = "3f4a1d8c" * 8, "9b2e77aa" * 8
UID, OTHER_UID = "0f9d2f6e-8b1f-4a56-9a3e-5d1f0c7b6a21", "11111111-8b1f-4a56-9a3e-5d1f0c7b6a21"


@pytest.fixture
def api() -> Iterator[KubeApi]:
    with kube_api() as running:
        running.pods = [pod("amf-0", UID, ID)]
        yield running


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes, "FIRST_PAUSE_S", 0.01)


@contextmanager
def watching(api: KubeApi, place: Path) -> Iterator[tuple[Pods, ObjectWatch[PodObject], Counters]]:
    (place / "token").write_text("secret-1\n")
    known, counters = Pods(frozenset({"app"})), Counters()
    watch = watch_pods(Api(api.url, place / "token"), "n1", known, counters)
    watch.start()
    try:
        yield known, watch, counters
    finally:
        watch.close()


def until(holds: Callable[[], object], wait_s: float = 5.0) -> None:
    end = time.monotonic() + wait_s
    while not holds():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.01)


def test_pods_are_listed_and_then_followed(api: KubeApi, tmp_path: Path) -> None:
    with watching(api, tmp_path) as (known, _, counters):
        until(lambda: known.of(Place(ID)))
        found = known.of(Place(ID, UID))
        assert found is not None
        assert (found.name, found.namespace, found.labels) == ("amf-0", "core", {"app": "amf-0"})
        assert found.containers == {ID: Container("nf", "registry.test/amf-0:2.7")}
        api.tell("ADDED", pod("smf-0", OTHER_UID, version=11))
        until(lambda: known.of(Place(None, OTHER_UID)))
        assert known.of(Place(OTHER_ID)) is None  # its container has not started
        api.tell("MODIFIED", pod("smf-0", OTHER_UID, OTHER_ID, version=12))
        until(lambda: known.of(Place(OTHER_ID)))
        assert len(known) == 2
        api.tell("DELETED", pod("smf-0", OTHER_UID, OTHER_ID, version=13))
        until(lambda: len(known) == 1)
        assert known.of(Place(OTHER_ID, OTHER_UID)) is not None  # its last connections are told of later
        assert counters.by_reason == {}


def test_it_asks_for_the_pods_of_its_node_with_its_token(api: KubeApi, tmp_path: Path) -> None:
    with watching(api, tmp_path):
        until(lambda: len(api.asked) == 2)
    assert {asked["fieldSelector"] for asked in api.asked} == {"spec.nodeName=n1"}
    assert api.asked[1]["resourceVersion"] == "10"
    assert set(api.tokens) == {"Bearer secret-1"}


def test_an_ended_watch_goes_on_where_it_stood_with_the_token_of_the_day(api: KubeApi, tmp_path: Path) -> None:
    with watching(api, tmp_path) as (known, _, counters):
        until(lambda: len(known) == 1)
        api.tell("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": "97"}})
        (tmp_path / "token").write_text("secret-2")
        api.end_watch()
        until(lambda: len(api.asked) == 3)
        assert api.asked[2]["resourceVersion"] == "97"
        assert api.tokens[2] == "Bearer secret-2"
        assert counters.by_reason == {}


@pytest.mark.parametrize(
    "told",
    [
        {"kind": "Pod", "metadata": {"resourceVersion": "97", "creationTimestamp": None}, "spec": {"containers": None}},
        {"metadata": {"resourceVersion": "97"}, "status": {"containerStatuses": "of no such kind"}},
    ],
    ids=["as an API server has it", "unlike an object of the kind"],
)
def test_a_bookmark_is_a_position_and_nothing_else(api: KubeApi, tmp_path: Path, told: dict[str, Any]) -> None:
    with watching(api, tmp_path) as (known, _, counters):
        until(lambda: len(known) == 1)
        api.tell("BOOKMARK", told)
        api.end_watch()
        until(lambda: len(api.asked) == 3)
        assert (api.asked[2]["resourceVersion"], len(known), counters.by_reason) == ("97", 1, {})


def test_what_a_later_list_lacks_is_gone(api: KubeApi, tmp_path: Path) -> None:
    with watching(api, tmp_path) as (known, _, _):
        until(lambda: len(known) == 1)
        api.pods = [pod(f"nf-{number}", f"u{number}", f"{number:064x}") for number in range(61)]
        api.tell("ERROR", {"kind": "Status", "status": "Failure", "code": 410, "message": "too old"})
        until(lambda: len(known) == 61)
        assert known.of(Place(ID, UID)) is not None  # of which the last connections are told later


def test_a_watch_that_is_closed_ends(api: KubeApi, tmp_path: Path) -> None:
    with watching(api, tmp_path) as (_, watch, counters):
        until(lambda: len(api.asked) == 2)
    watch._thread.join(5)
    assert (watch._thread.is_alive(), counters.by_reason) == (False, {})


def test_a_watch_that_is_closed_before_it_connects_ends(api: KubeApi, tmp_path: Path) -> None:
    token, counters = tmp_path / "token", Counters()
    os.mkfifo(token)  # so that the test holds it before each request
    watch = watch_pods(Api(api.url, token), "n1", Pods(frozenset()), counters)
    watch.start()
    token.write_text("of the list")
    until(lambda: len(api.asked) == 1)
    watch.close()
    token.write_text("of the watch")
    watch._thread.join(5)
    assert (watch._thread.is_alive(), len(api.asked), counters.by_reason) == (False, 1, {})


def test_a_position_too_old_is_listed_anew(api: KubeApi, tmp_path: Path) -> None:
    with watching(api, tmp_path) as (known, _, counters):
        until(lambda: len(known) == 1)
        api.pods = [pod("smf-0", OTHER_UID, OTHER_ID, version=200)]
        api.version = 200
        api.tell("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"})
        until(lambda: known.of(Place(OTHER_ID)))
        assert len(known) == 1
        assert counters.by_reason == {"kubernetes_lists_anew": 1}


def test_refusals_are_counted_and_tried_again(api: KubeApi, tmp_path: Path) -> None:
    api.refuse = [500, 403, 503]
    with watching(api, tmp_path) as (known, watch, counters):
        until(lambda: len(known) == 1)
        assert counters.by_reason == {"kubernetes_failures": 3}
        assert watch.problem == ""


def test_nonsense_ends_the_watch_and_not_the_thread(api: KubeApi, tmp_path: Path) -> None:
    with watching(api, tmp_path) as (known, _, counters):
        until(lambda: len(known) == 1)
        api.events[PODS].put({"type": "ADDED", "object": {"metadata": "what"}})
        until(lambda: counters.by_reason.get("kubernetes_failures") == 1)
        api.end_watch()
        api.tell("ADDED", pod("smf-0", OTHER_UID, OTHER_ID, version=11))
        until(lambda: known.of(Place(OTHER_ID)))


def test_a_long_list_is_read_in_pages(api: KubeApi, tmp_path: Path) -> None:
    api.pods = [pod(f"nf-{number}", f"{number:08}-8b1f-4a56-9a3e-5d1f0c7b6a21") for number in range(113)]
    with watching(api, tmp_path) as (known, _, _):
        until(lambda: len(known) == 113)
    assert [asked.get("continue") for asked in api.asked[:3]] == [None, "50", "100"]


def told(shape: Pod) -> PodObject:
    return msgspec.json.decode(msgspec.json.encode(shape), type=PodObject)


def test_a_pod_from_a_file_goes_by_the_uid_of_its_control_group() -> None:
    known, shape = Pods(frozenset()), pod("etcd", UID, ID)
    shape["metadata"]["annotations"] = {MIRROR: "c7d2e9f0" * 4}
    known.put(told(shape))
    assert known.of(Place(None, "c7d2e9f0" * 4)) is not None
    assert known.of(Place(None, UID)) is None


def test_a_restarted_container_has_another_id() -> None:
    known = Pods(frozenset())
    known.put(told(pod("amf-0", UID, ID)))
    known.put(told(pod("amf-0", UID, OTHER_ID)))
    assert known.of(Place(OTHER_ID)) is not None
    assert known.of(Place(ID)) is None
    assert known.of(Place(ID, UID)) is not None


def test_the_table_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pods, "MOST_PODS", 7)
    monkeypatch.setattr(pods, "GONE", 3)
    known = Pods(frozenset())
    for number in range(13):
        known.put(told(pod(f"nf-{number}", f"u{number}", f"{number:064x}")))
    assert (len(known), known.evicted, len(known._by_container)) == (7, 6, 7)
    known.keep_only(frozenset())
    assert (len(known), len(known._gone), len(known._by_container)) == (0, 3, 3)


def test_a_cluster_of_ipv6_alone_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the pod finds it: address and port in its environment, token and authority in its files."""
    made = Authority(tmp_path, "cluster").signed("api")
    (tmp_path / "token").write_text("secret-1\n")
    (tmp_path / "ca.crt").write_bytes(made.authority.read_bytes())
    with kube_api(made, "::1") as api:
        api.pods = [pod("amf-0", UID, ID)]
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "::1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", api.url.rpartition(":")[2])
        here = api_here(tmp_path)
        assert here is not None
        assert here.url == api.url
        known = Pods(frozenset())
        watch = watch_pods(here, "n1", known, Counters())
        watch.start()
        until(lambda: len(known) == 1)
        api.tell("ADDED", pod("smf-0", OTHER_UID, OTHER_ID, version=11))
        until(lambda: len(known) == 2)
        watch.close()


def test_outside_of_a_cluster_nothing_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert api_here(tmp_path) is None
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    assert api_here(tmp_path) is None
    (tmp_path / "token").touch()
    assert api_here(tmp_path) == Api("https://[fd00::1]:443", tmp_path / "token", tmp_path / "ca.crt")
