"""Kafka with TLS, SASL/SCRAM and ACLs and ClickHouse with TLS and users, from capture to query, and each way to fail.

Every user has the rights that `sbiscope schema acl` names and no others.
"""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from collector.delivery import Delivery
from collector.message import Counters
from collector.publisher import Publisher
from deploy.acls import AGENT, LOADER, SCHEMA, USERS, WORKER
from deploy.demo import live_hindrance
from deploy.demo_peers import talk
from deploy.stack.passwords import READER, WRITER, passwords
from schemas.config import load
from schemas.kafka import client_settings
from schemas.topics import declared
from tests.answering import listening
from tests.certificates import Authority, Pair
from tests.front import Front, front
from tests.local_stack import until
from tests.secure_broker import ADMIN, MUTUAL, SecureBroker, secure_broker

pytestmark = pytest.mark.stack
ROOT = Path(__file__).parent.parent
FULL = Path(__file__).parent / "captures" / "open5gs-registration-full.pcapng"
LATER = FULL.with_name("open5gs-registration-midstream.pcapng")
SECRETS = {user: f"hush-{user}-{os.urandom(6).hex()}" for user in (ADMIN, *USERS.values())}
SECRET = "hush-"
REFUSED = re.compile("alert (bad certificate|certificate required)")  # RFC 8446 6.2; which of them depends on the Java
NO_PASSWORD = {"SASL_MECHANISM": "", "SASL_USERNAME": "", "SASL_PASSWORD": ""}
MAY_WRITE = {"sbi.events", "sbi.agents", "sbi.flows", "sbi.agents.json", "sbi.flows.json"}  # and sbi.schemas


class Site:
    """A broker and a front that belong to somebody else, and our commands, each as its own user."""

    def __init__(self, kafka: SecureBroker, clickhouse: Front, folder: Path) -> None:
        self.kafka, self.clickhouse, self.folder = kafka, clickhouse, folder
        self.heard: list[str] = []

    def environment(self, part: str, **changed: str) -> dict[str, str]:
        user = USERS.get(part, part)
        config = self.kafka.client(user, SECRETS[user])
        names = ("bootstrap", "security_protocol", "sasl_mechanism", "sasl_username", "sasl_password")
        kafka = {name: str(getattr(config, name)) for name in (*names, "ssl_ca_location", "partitions")}
        pair = self.clickhouse.pair
        assert pair is not None
        words = passwords(self.clickhouse.place)
        clickhouse = {"url": self.clickhouse.url, "user": WRITER, "password": words[WRITER]}
        clickhouse |= {"reader_user": READER, "reader_password": words[READER], "ca_location": str(pair.authority)}
        variables = {f"SBISCOPE_KAFKA_{name.upper()}": value for name, value in kafka.items()}
        variables |= {f"SBISCOPE_CLICKHOUSE_{name.upper()}": value for name, value in clickhouse.items()}
        return {**os.environ, **variables, **changed}

    def run(self, part: str, *words: str, **changed: str) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "deploy.cli", *words]
        environment = self.environment(part, **changed)
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180, check=False
        )
        self.heard += [done.stdout, done.stderr]
        return done.returncode, done.stdout, done.stderr

    @contextmanager
    def worker(self, *words: str, **changed: str) -> Iterator[subprocess.Popen[bytes]]:
        log = self.folder / "streams.log"
        with log.open("ab") as file:
            command = [sys.executable, "-m", "deploy.cli", "streams", *words]
            environment = self.environment(WORKER, **changed)
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=file)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            self.heard.append(log.read_text())

    def query(self, sql: str) -> str:
        code, out, said = self.run(AGENT, "query", "--format", "csv", sql)
        assert code == 0, said
        return out.splitlines()[1]

    def acl(self, topic: str) -> AclBindingFilter:
        who = f"User:{USERS[AGENT]}", None
        kind, write = ResourceType.TOPIC, AclOperation.WRITE
        return AclBindingFilter(kind, topic, ResourcePatternType.LITERAL, *who, write, AclPermissionType.ALLOW)

    def forbid(self, topic: str) -> None:
        for done in self.kafka.admin.delete_acls([self.acl(topic)]).values():
            assert len(done.result(30)) == 1

    def allow(self, topic: str) -> None:
        who = f"User:{USERS[AGENT]}", "*"
        kind, write = ResourceType.TOPIC, AclOperation.WRITE
        right = AclBinding(kind, topic, ResourcePatternType.LITERAL, *who, write, AclPermissionType.ALLOW)
        for done in self.kafka.admin.create_acls([right]).values():
            done.result(30)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ours"), "ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("theirs"), "theirs")


@pytest.fixture(scope="module")
def site(authority: Authority, stranger: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with secure_broker(authority, stranger) as kafka, front(folder, pair=authority.signed("front")) as clickhouse:
        kafka.add_users(SECRETS)
        one = Site(kafka, clickhouse, folder)
        code, out, said = one.run(ADMIN, "schema", "acl", "--apply")
        assert (code, said) == (0, ""), said
        assert "User:sbiscope-agent ALLOW WRITE topic sbi.events\n" in out
        code, _, said = one.run(SCHEMA, "schema")
        assert code == 0, said
        yield one


def test_a_capture_goes_all_the_way_by_tls_and_passwords(site: Site) -> None:
    figures = site.folder / "figures.json"
    with site.worker("--figures", str(figures)) as worker:
        until(lambda: figures.exists() or worker.poll() is not None)
        code, _, said = site.run(LOADER, "collect", "--source", str(FULL), "--node", "n1")
        assert code == 0, said
        until(lambda: site.query("SELECT count() FROM transactions FINAL") == "1372")
        until(lambda: int(site.query("SELECT sum(requests) FROM kpis FINAL WHERE window_s = 3600")) > 0)
        assert SECRET not in Path(f"/proc/{worker.pid}/cmdline").read_text()
        assert worker.poll() is None
        check_live(site)
        check_trace(site)


def check_trace(site: Site) -> None:
    """Load another capture under a new pseudonym key, and find the subscriber of both by its plain name."""
    now = site.folder / "k2.key"
    now.touch(mode=0o600)
    now.write_bytes(b"7" * 64)
    past = f"k1={os.environ['XDG_CONFIG_HOME']}/sbiscope/pseudonym.key"
    keys = {"PSEUDONYM_KEY_FILE": str(now), "PSEUDONYM_KEY_ID": "k2", "PSEUDONYM_PAST_KEYS": past}
    changed = {f"SBISCOPE_COLLECTOR_{name}": value for name, value in keys.items()}
    code, _, said = site.run(LOADER, "collect", "--source", str(LATER), "--node", "n1", **changed)
    assert code == 0, said
    of_subscribers = "1068"  # of 1,116 exchanges
    until(lambda: site.query("SELECT count() FROM transactions FINAL WHERE supi LIKE '%-k2-%'") == of_subscribers)
    words = ("trace", "imsi-999700000000020", "--from", "2020-01-01", "--format", "json")
    code, out, said = site.run(AGENT, *words, **changed)
    assert code == 0, said
    assert [name.split("-")[2] for name in json.loads(out)["subscriber"].split(" and ")] == ["k2", "k1"]
    code, _, said = site.run(AGENT, "trace", "imsi-001010000000001", "--from", "2020-01-01", **changed)
    assert (code, "-k2-" in said, "-k1-" in said) == (1, True, True), said


def check_live(site: Site) -> None:
    """Watch this machine with the agent's own user, while Kafka forbids and allows: exchanges go on, counters tell."""
    if why := live_hindrance(load(None)):
        print(f"no live capture here: {why}")
        return
    with agent(site) as (running, told):
        first = {one.client_port for one in talk(23)}
        until(lambda: seen(site, first) == 2 * 23)
        site.forbid("sbi.events")
        refused = "Kafka does not take what is for sbi.events"
        until(lambda: bool(talk(1)) and any(refused in line for line in told))  # the broker knows it by now
        assert len(talk(29)) == 29  # all were answered
        time.sleep(1)  # all were refused
        site.allow("sbi.events")
        time.sleep(1)
        last = {one.client_port for one in talk(31)}
        until(lambda: seen(site, last) == 2 * 31)
        assert running.poll() is None
    (line,) = (line for line in told if "for sbi.events" in line)
    assert "Topic authorization failed" in line
    assert "give sbiscope-agent its rights: sbiscope schema acl says which" in line
    lost = told[-1]
    assert "kafka_failed_batches" in lost
    failed = int(lost.split(" kafka_failed_events")[0].split()[-1])
    assert failed >= 2 * 2 * 29  # a request and an answer at either end


@contextmanager
def agent(site: Site) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    command = [sys.executable, "-m", "deploy.cli", "collect", "--node", "live"]
    running = subprocess.Popen(command, cwd=ROOT, env=site.environment(AGENT), stderr=subprocess.PIPE, text=True)
    told: list[str] = []
    assert running.stderr is not None
    reading = threading.Thread(target=told.extend, args=(running.stderr,))
    reading.start()
    try:
        until(lambda: any("observing" in line for line in told) or running.poll() is not None)
        assert running.poll() is None, told
        yield running, told
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(60)
        reading.join()
        running.stderr.close()
        site.heard += told


def seen(site: Site, ports: set[int]) -> int:
    among = ", ".join(map(str, sorted(ports)))
    return int(site.query(f"SELECT count() FROM transactions FINAL WHERE node = 'live' AND client_port IN ({among})"))


@pytest.mark.parametrize("by", ["password", "certificate"])
def test_an_agent_may_write_its_own_topics_and_nothing_else(site: Site, authority: Authority, by: str) -> None:
    config = site.kafka.client(USERS[AGENT], SECRETS[USERS[AGENT]])
    if by == "certificate":
        config = site.kafka.certified(authority.signed(USERS[AGENT]))
    producer = Producer(client_settings(config, config.bootstrap))
    taken: dict[str, KafkaError | None] = {}
    for topic in declared():
        if topic == "sbi.schemas":
            continue  # a record of ours would stand there for good
        try:
            producer.produce(topic, b"", partition=0, on_delivery=lambda error, one: taken.update({one.topic(): error}))
        except KafkaException as error:
            taken[topic] = error.args[0]
    assert producer.flush(60) == 0
    assert {topic for topic, error in taken.items() if error is None} == MAY_WRITE
    wrong = {error.code() for error in taken.values() if error is not None}
    assert wrong == {KafkaError.TOPIC_AUTHORIZATION_FAILED}


def test_a_worker_may_show_a_certificate_too(site: Site, authority: Authority) -> None:
    config = site.kafka.certified(authority.signed(USERS[WORKER]))
    names = ("bootstrap", "security_protocol", "ssl_ca_location", "ssl_certificate_location", "ssl_key_location")
    shown = {name: str(getattr(config, name)) for name in names}
    shown |= {name.lower(): value for name, value in NO_PASSWORD.items()}
    figures = site.folder / "certified.json"
    changed = {f"SBISCOPE_KAFKA_{name.upper()}": value for name, value in shown.items()}
    with site.worker("--stage", "pairing", "--figures", str(figures), **changed) as worker:
        until(lambda: figures.exists() or worker.poll() is not None)
        assert worker.poll() is None


def test_each_refused_delivery_is_counted_and_the_next_ones_go_through(site: Site) -> None:
    config = site.kafka.client(USERS[AGENT], SECRETS[USERS[AGENT]])
    loss, told = Counters(), []
    settings = client_settings(config, config.bootstrap)
    publisher = Publisher(settings, "sbi.flows", lambda body: body, loss, 1 << 20, False, tell=told.append)
    for count, allowed in ((7, False), (11, True)):
        (site.allow if allowed else site.forbid)("sbi.flows")
        time.sleep(1)
        for _ in range(count):
            publisher.deliver(Delivery("sbi_event_batch", b"k", b"", 3))
        publisher.close(60)
    assert loss.by_reason == {"kafka_failed_batches": 7, "kafka_failed_events": 21}
    assert (publisher.delivered_batches, publisher.delivered_events) == (11, 33)
    assert len(told) == 1


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"SASL_PASSWORD": "hush-wrong"}, ("as sbiscope-loader", "invalid credentials", "check kafka.sasl_username")),
        ({"BOOTSTRAP": "EXPIRED"}, ("certificate has expired", "renew the server's certificate")),
        (
            {"BOOTSTRAP": "STRANGE"},
            ("unable to get local issuer", "name the authority's file as kafka.ssl_ca_location"),
        ),
        ({"SSL_CA_LOCATION": "/nowhere.pem"}, ("kafka.ssl_ca_location: /nowhere.pem", "a file of PEM certificates")),
        (
            {"BOOTSTRAP": MUTUAL, "SECURITY_PROTOCOL": "SSL", **NO_PASSWORD},
            (REFUSED, "name a certificate that the brokers trust as kafka.ssl_certificate"),
        ),
        ({"TOPIC_PREFIX": "other."}, ("other.sbi.events: Broker: Topic authorization failed", "sbiscope schema acl")),
    ],
)
def test_kafka_refuses_in_one_line(
    site: Site, changed: dict[str, str], words: "tuple[str | re.Pattern[str], ...]"
) -> None:
    given = {f"SBISCOPE_KAFKA_{name}": site.kafka.addresses.get(value, value) for name, value in changed.items()}
    code, _, said = site.run(LOADER, "collect", "--source", str(FULL), "--node", "n2", **given)
    check_line(code, said, words)
    code, _, said = site.run(LOADER, "streams", "--stage", "pairing", **given)
    check_line(code, said, words[1:])


def check_line(code: int, said: str, words: "tuple[str | re.Pattern[str], ...]") -> None:
    assert (code, said.count("\n")) == (1, 1), said
    assert all(one in said if isinstance(one, str) else one.search(said) for one in words), said


def test_a_stage_without_its_rights_says_which_part_lacks_them(site: Site) -> None:
    code, _, said = site.run(LOADER, "streams", "--stage", "pairing")
    assert code == 1
    assert said.count("\n") == 1
    assert "give sbiscope-loader its rights" in said, said


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"READER_PASSWORD": "hush-wrong"}, ("as reader: reader: Authentication failed", "check clickhouse.user")),
        ({"URL": "expired"}, ("certificate has expired", "renew the server's certificate")),
        ({"URL": "strange"}, ("unable to get local issuer", "name the authority's file as clickhouse.ca_location")),
        ({"CA_LOCATION": "/nowhere.pem"}, ("cannot use clickhouse.ca_location: /nowhere.pem", "PEM certificates")),
    ],
)
def test_clickhouse_refuses_in_one_line(
    site: Site, authority: Authority, stranger: Authority, changed: dict[str, str], words: tuple[str, ...]
) -> None:
    shown = {"expired": authority.signed("old", 0), "strange": stranger.signed("strange")}
    with listener(shown.get(changed.get("URL", ""), shown["strange"])) as url:
        given = {f"SBISCOPE_CLICKHOUSE_{name}": url if name == "URL" else value for name, value in changed.items()}
        code, _, said = site.run(AGENT, "query", "SELECT 1", **given)
    check_line(code, said, words)


@contextmanager
def listener(pair: Pair) -> Iterator[str]:
    """Show a certificate to whoever comes; none of those that come for this goes on."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)

    def show(link: socket.socket) -> None:
        with suppress(OSError):
            context.wrap_socket(link, server_side=True).close()

    with listening(show) as place:
        yield f"https://{place}"


def test_no_secret_was_ever_said(site: Site) -> None:
    said = "\n".join([*site.heard, site.clickhouse.log()])
    assert said
    for secret in (*SECRETS.values(), *passwords(site.clickhouse.place).values(), "hush-wrong"):
        assert secret not in said
    code, out, _ = site.run(WORKER, "config", "check")
    assert code == 0
    assert SECRET not in out
    assert 'sasl_password = "***"' in out
    assert not any(SECRETS[ADMIN] in one for one in command_lines())


def command_lines() -> list[str]:
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(place.read_text())
        except OSError:
            pass  # it ended
    return found
