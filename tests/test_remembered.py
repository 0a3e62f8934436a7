"""What the meaning layer remembers of hostile peers: names, values, kinds, bodies and paths, bounded in octets."""

import random
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from collector.body import read_body
from collector.callbacks import Callbacks
from collector.catalogue import Catalogue
from collector.inventory import MOST_BYTES as MOST_NF_BYTES
from collector.inventory import Inventory
from collector.met_bodies import MOST_BYTES
from collector.other_headers import MOST_HELD_BYTES, OtherHeaders
from collector.pseudonym import Pseudonyms
from collector.read import OVERHEAD
from collector.redaction import Redaction
from collector.request_target import MOST_HELD_BYTES as MOST_TARGET_BYTES
from collector.request_target import RequestTargets
from collector.sbi_headers import HeaderReader
from tests.meant import ENDS, plain, request, response

Field = tuple[bytes, bytes]
JSON = b"application/json"
SMILE = "😀".encode()
MB = 1_000_000
DRAWN = random.Random(7)
# What services and addresses a hostile NF may register.
SERVICES = b",".join([b'{"serviceName":"a"}'] * 64)
MANY = b",".join([b'"a"'] * 1_400)
LONG = b",".join(b'"%d:%s"' % (host, b"a" * 200) for host in range(16))
WIDE = b",".join(b'{"serviceName":"%d%s"}' % (service, b"a" * 100 + SMILE) for service in range(64))
PORTS = [b'{"serviceName":"a","ipEndPoints":[{"port":%d}]}' % (port + 10_000) for port in range(64)]


def unhurried() -> Redaction:
    """Return a redaction that remembers next to nothing itself."""
    return Redaction(Pseudonyms(None), cached=1)


def held_bytes(act: Callable[[], object]) -> int:
    """Return what is held more after `act` than before, the interpreter's small change aside."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = act()
        return tracemalloc.get_traced_memory()[0] - before if kept is not None else 0
    finally:
        tracemalloc.stop()


def values_by_name() -> Iterator[Field]:
    """Yield random values under a few names."""
    for number in range(15_000):
        yield b"3gpp-sbi-a%d" % (number % 20), DRAWN.randbytes(60).hex().encode()


def values_that_grow() -> Iterator[Field]:
    """Yield values whose octets become sixteen as text."""
    for number in range(4_000):
        yield b"3gpp-sbi-discovery-x", "😀".encode() + b"\xff" * 245 + b"%07d" % number


def long_values() -> Iterator[Field]:
    """Yield values of 16 KB whose octets become four as text, under many names."""
    for number in range(300):
        yield b"3gpp-sbi-discovery-x%d" % number, b"\xff" * 16_000 + b"%d" % number


def long_names(start: bytes) -> Callable[[], Iterator[Field]]:
    """Return names of 30 KB."""
    return lambda: ((start + b"%05d" % number + b"x" * 30_000, b"y") for number in range(700))


@pytest.mark.parametrize(
    "fields",
    [
        values_by_name,
        values_that_grow,
        long_values,
        long_names(b"3gpp-sbi-"),
        long_names(b"x-"),
        lambda: ((b"server", one[1]) for one in values_that_grow()),
        lambda: ((b"location", one[1]) for one in values_that_grow()),
        lambda: ((b"content-type", one[1]) for one in values_that_grow()),
    ],
    ids=["values of a name", "values that grow", "long values", "names", "other names", "texts", "locations", "kinds"],
)
def test_made_up_header_fields_stay_within_a_few_megabytes(fields: Callable[[], Iterator[Field]]) -> None:
    reader = HeaderReader(unhurried())

    def act() -> object:
        kept = [one for one in fields() if not reader.read([one])]  # none: each is read and let go
        return (reader, kept)

    assert held_bytes(act) < 6 * MB


def test_all_further_fields_share_one_bound_and_a_full_one_begins_anew() -> None:
    others = OtherHeaders(unhurried())
    most = values = 0
    for name, value in values_by_name():
        others.of(name, value)
        most = max(most, others.held_bytes)
        values = max(values, sum(len(one.values) for one in others._named.values()))
    assert MOST_HELD_BYTES / 2 < most <= MOST_HELD_BYTES
    assert 2_000 < values < 10_000
    other, read, told, facts = others.of(b"3gpp-sbi-access-scope", b"a")
    assert (other.name, read, told, facts) == ("3gpp-sbi-access-scope", None, "a", {"access_scope": "a"})
    assert others._named[b"3gpp-sbi-access-scope"].values == {b"a": (None, "a", {"access_scope": "a"})}


@pytest.mark.parametrize("value", [b"a" * 1_000, "é".encode() * 8], ids=["long", "not ASCII"])
def test_a_value_that_is_not_held_is_read_once_while_it_comes_again(value: bytes) -> None:
    others = OtherHeaders(unhurried())
    facts = others.of(b"3gpp-sbi-etags", value)[3]
    assert others.of(b"3gpp-sbi-etags", bytes(bytearray(value)))[3] is facts
    assert others.of(b"3gpp-sbi-access-scope", value)[3] == {"access_scope": facts["etags"]}
    assert others.of(b"3gpp-sbi-etags", value)[3] == facts  # of another field, nothing is mixed up
    assert others._named[b"3gpp-sbi-etags"].values == {}


@pytest.mark.parametrize("secret", [b"eyJhbGciOi", b"eyJhbGciOi" * 100], ids=["short", "long"])
def test_no_secret_is_read_told_or_remembered(secret: bytes) -> None:
    others = OtherHeaders(unhurried())
    assert others.of(b"3gpp-sbi-client-credentials", secret)[1:] == (None, None, None)
    assert others._named[b"3gpp-sbi-client-credentials"].values == {}
    assert others._last_value == b""


def test_a_body_under_a_kind_of_absurd_length_is_not_remembered() -> None:
    meaning = plain()
    asked = request("GET", "/nudm-sdm/v2/imsi-001010000000001/am-data")
    meaning.event(ENDS, asked)

    def act() -> object:
        for number in range(100):
            kind = (b"content-type", JSON + b";x=" + b"y" * 30_000)
            meaning.event(ENDS, response(asked, 200, [kind], b'{"a":%d}' % number))
        return meaning

    assert held_bytes(act) < MB
    assert meaning._met_bodies.held_bytes == 0


def test_what_remembered_bodies_take_is_counted_with_their_kind_and_once() -> None:
    meaning, body, left = plain(), b'{"a":1}', 0  # by what was at hand: it is counted once it leaves its place
    asked = request("GET", "/nudm-sdm/v2/imsi-001010000000001/am-data")
    for number in range(10):
        kind = JSON + b";x=%d" % number
        meaning.event(ENDS, response(asked, 200, [(b"content-type", kind)], body))
        assert meaning._met_bodies.held_bytes == left
        left = OVERHEAD + len(kind)
    coded = [(b"content-type", JSON), (b"content-encoding", b"identity")]
    meaning.event(ENDS, response(asked, 200, coded, body))
    assert meaning._met_bodies.held_bytes == left
    meaning.event(ENDS, response(asked, 200, [(b"content-type", JSON)], body))
    assert meaning._met_bodies.held_bytes == OVERHEAD + len(JSON) + len(b"identity")
    for number in range(5_000):
        meaning.event(ENDS, response(asked, 200, coded, b'{"b":%d}' % number))
        assert meaning._met_bodies.held_bytes <= MOST_BYTES


def nf(number: int, more: bytes = b"", nf_type: bytes = b"AMF") -> bytes:
    """Return the profile of an NF."""
    told = b'"nfInstanceId":"00000000-0000-4000-8000-%012d","nfType":"%s"' % (number, nf_type)
    return b"{%s}" % b",".join(filter(None, (told, more)))


def listed(form: bytes, text: bytes) -> bytes:
    """Return thirty of a form, each with the same text."""
    return b",".join([form % text] * 30)


def uri(key: int, number: int, text: bytes) -> bytes:
    return b'"a%dUri":"http://10.0.0.1/%d/%d/%s"' % (key, number, key, text)


@pytest.mark.parametrize(
    "body",
    [
        lambda number: b'{"supi":"imsi-00101%010d","a":"%s"}' % (number, b"x" * 4_000),
        lambda number: b'{"notificationUri":"http://10.0.0.1/%s/%d"}' % (b"x" * 4_000, number),
        lambda number: b"{%s}" % b",".join(b'"a%dUri":"http://10.0.0.1/%d"' % (key, number) for key in range(16)),
        lambda number: b'{"cause":"%d","subscriptionId":"%s"}' % (number, b"y" * 1_000),
        lambda number: nf(
            number, b'"nfServices":[%s]' % listed(b'{"serviceName":"namf-comm","fqdn":"%s"}', b"a" * 200)
        ),
        lambda number: nf(number, b"", b"A" * 16_000),
        lambda number: nf(number, b"", b"A" * 16_000 + SMILE),
        lambda number: nf(number, b"", b"A" * 120 + SMILE),
        lambda number: nf(number, b'"nfStatus":"%s"' % (b"S" * 15_000 + SMILE)),
        lambda number: nf(number, b'"nfStatus":"%s"' % (b"S" * 120 + SMILE)),
        lambda number: nf(number, b'"nfServices":[{"serviceName":"a","nfServiceStatus":"%s"}]' % (b"S" * 15_000)),
        lambda number: nf(number, b'"nfServices":[%s]' % listed(b'{"serviceName":"%s"}', b"a" * 120 + SMILE)),
        lambda number: nf(number, b'"nfServices":[%s]' % listed(b'{"serviceName":"%s"}', b"a" * 400)),
        lambda number: nf(number, b'"fqdn":"%s","ipv4Addresses":["%s"]' % ((b"a" * 240 + SMILE,) * 2)),
        lambda number: nf(number, b'"sNssais":[%s]' % b",".join([b'{"sst":199}'] * 200)),
        lambda number: b"{%s}" % b",".join(uri(key, number, b"a" * 400 + SMILE) for key in range(16)),
        lambda number: b"{%s}" % b",".join(uri(key, number, b"a" * 480) for key in range(16)),
        lambda number: b"{%s}" % b",".join(b'"%s%dUri":"/%d"' % (b"k" * 900, key, number) for key in range(16)),
        lambda number: b"[%s]" % listed(b'{"op":"add","path":"/%d","value":"%%s"}' % number, b"v" * 120 + SMILE),
        lambda number: b"[%s]" % listed(b'{"op":"add","path":"/%d","value":"%%s"}' % number, b"v" * 400 + SMILE),
        lambda number: b'{"cause":"%d%s"}' % (number, SMILE * 100),
    ],
    ids=[
        *(
            "subscribers",
            "long URIs",
            "many URIs",
            "references",
            "services",
            "long type",
            "long wide type",
            "wide type",
        ),
        *("long state", "wide state", "long state of a service", "wide services", "long services", "wide hosts"),
        *("slices", "wide URIs", "URIs", "long keys", "wide patches", "long patches", "wide causes"),
    ],
)
def test_what_is_remembered_of_bodies_is_what_is_counted(body: Callable[[int], bytes]) -> None:
    meaning = plain()
    asked = request("POST", "/nudm-sdm/v2/imsi-001010000000001/am-data")
    meaning.event(ENDS, asked)
    bodies = meaning._met_bodies

    def act() -> object:
        for number in range(3_000):
            octets = body(number)
            assert len(octets) <= 16_384  # else it is not remembered anyway
            bodies.read("application/json", None, octets, len(octets))
        return meaning

    assert held_bytes(act) < 2.2 * MOST_BYTES


def test_a_body_that_says_too_much_is_read_each_time_and_leaves_room_for_others() -> None:
    bodies = plain()._met_bodies
    usual = nf(1)
    read = bodies.read("application/json", None, usual, len(usual))
    hosts = b",".join(b'"%d%s"' % (host, SMILE * 60) for host in range(16))
    heavy = nf(2, b'"ipv4Addresses":[%s],"nfServices":[%s]' % (hosts, b",".join(PORTS)))
    assert len(heavy) <= 16_384
    held = bodies.held_bytes
    first = bodies.read("application/json", None, heavy, len(heavy))
    assert bodies.read("application/json", None, heavy, len(heavy)) is not first
    assert bodies.held_bytes == held < MOST_BYTES // 16
    assert bodies.read("application/json", None, usual, len(usual)) is read


@pytest.mark.parametrize(
    ("profile", "learnt"),
    [
        (lambda number: nf(number, b'"ipv4Addresses":[%s],"nfServices":[%s]' % (MANY, SERVICES)), 800),
        (lambda number: nf(number, b'"ipv4Addresses":[%s],"nfServices":[%s]' % (MANY, b",".join(PORTS))), 200),
        (lambda number: nf(number, b'"ipv6Addresses":[%s],"nfServices":[%s]' % (LONG, b",".join(PORTS))), 200),
        (lambda number: nf(number, b'"nfServices":[%s]' % WIDE), 400),
        (lambda number: nf(number, b'"nfStatus":"%s"' % (b"S" * 15_000), b"A" * 100 + SMILE), 6_000),
        (lambda number: nf(number, b'"fqdn":"%s%d"' % (SMILE * 200, number)), 6_000),
    ],
    ids=["addresses", "addresses and ports", "long addresses and ports", "wide names", "long states", "wide FQDNs"],
)
def test_what_is_known_of_network_functions_stays_within_its_bound(
    profile: Callable[[int], bytes], learnt: int
) -> None:
    meaning = plain()
    inventory = meaning.inventory

    def act() -> object:
        for number in range(learnt):
            instance = "00000000-0000-4000-8000-%012d" % number  # noqa: UP031 (as the body has it)
            registration = profile(number)
            assert len(registration) <= 16_384
            put = request("PUT", f"/nnrf-nfm/v1/nf-instances/{instance}", [(b"content-type", JSON)], registration)
            meaning.event(ENDS, put)
            assert inventory.held_bytes <= MOST_NF_BYTES
        return meaning

    assert held_bytes(act) < MOST_NF_BYTES + 2.2 * MOST_BYTES + 8 * MB  # bodies; targets, redacted texts and such
    assert meaning.losses()["nf_profiles_evicted"] == inventory.evicted == learnt - len(inventory.known()) > 0


def test_what_a_profile_takes_is_given_back() -> None:
    inventory = Inventory(most_bytes=100_000)
    for number in range(3_000):
        text = nf(number % 50, b'"fqdn":"%d.example","nfServices":[%s]' % (number, b",".join(PORTS[: number % 7 + 1])))
        body = read_body("application/json", None, text, len(text))
        assert body.profiles
        inventory.learn(body.profiles, number)
        if number % 3 == 0:
            inventory.heartbeat(body.profiles[0].instance_id, f"STATE{number % 4}", number)
        assert 0 < inventory.held_bytes <= 100_000
        assert inventory.held_bytes == sum(known.weight for known in inventory.known())
    assert 5 < len(inventory.known()) < 50
    names = {known.profile.fqdn for known in inventory.known()}
    for name in (f"{number}.example" for number in range(3_000)):
        assert (inventory.at(f"{name}:10000") != (None, None)) == (name in names)


@pytest.mark.parametrize(
    ("path", "many", "most"),
    [
        (lambda number: b"/" + b"a/" * 500 + b"%d" % number, 3_000, 24 * MB),
        (lambda number: "/😀".encode() + b"\xff" * 1_000 + b"%d" % number, 500, MB),
        (lambda number: b"/nudm-sdm/v2/imsi-00101%010d/am-data" % number, 3_000, 24 * MB),
    ],
    ids=["deep", "no text", "as usual"],
)
def test_targets_and_their_methods_stay_within_their_bound(path: Callable[[int], bytes], many: int, most: int) -> None:
    targets = RequestTargets(Catalogue(), Callbacks(), unhurried())
    methods = ["GET", "PUT", "M" * 1_024, *(f"{'M' * 1_020}{number}" for number in range(6))]

    def act() -> object:
        for number in range(many):
            target = targets.of(path(number))
            for method in methods:
                targets.match(target, method)
            assert set(target.matches) <= {"GET", "PUT"}
        return targets

    assert held_bytes(act) < most
    assert targets.held_bytes <= MOST_TARGET_BYTES
    assert all(kept.is_kept for kept in targets._kept.values())
