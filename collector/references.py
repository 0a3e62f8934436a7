"""Which subscriber a message is about that names none: references learned from requests, Locations and bodies.

SBI.md 10: a resource created for a subscriber (authCtxId, smContextRef, policy, charging, subscription and binding
ids), a URI on which an NF wants to be called for him, and the other names he has (SUCI, 5G-GUTI, GPSI).
"""

import re
from dataclasses import dataclass

import msgspec

from collector.body import NO_BODY, BodyFacts
from collector.identifiers import NO_IDENTIFIERS, Identifiers, identifiers_of_path, merged
from collector.recent import Recent
from collector.uri import LONGEST, resource_of, split_uri

MOST = 100_000  # resources and callbacks, as many aliases; 600 octets each
KEPT_US = 48 * 3_600_000_000  # without use
PENDING = 50_000  # exchanges whose answer is awaited
PENDING_US = 120_000_000
GRACE_US = 30_000_000  # a released resource still answers late notifications
DEEPEST = 2  # segments below a resource or callback URI: /modify, /events-subscription, /update …
# Resources that stand for a subscriber (TS 29.502, 29.507, 29.509, 29.512, 29.514, 29.521, 29.525, 29.526, 32.291).
_OF_SUBSCRIBER = re.compile(
    r".*?/(?:nausf-auth/v\d+/(?:ue|prose)-authentications|nsmf-pdusession/v\d+/(?:sm-contexts|pdu-sessions)|"
    r"npcf-smpolicycontrol/v\d+/sm-policies|npcf-(?:am|ue)-policy-control/v\d+/policies|"
    r"nchf-convergedcharging/v\d+/chargingdata|nbsf-management/v\d+/(?:pcfBindings|pcf-ue-bindings)|"
    r"npcf-policyauthorization/v\d+/app-sessions|nnssaaf-(?:nssaa|aiw)/v\d+/(?:slice-)?authentications)/[^/]+"
)
_RELEASES = ("/release", "/delete")
PATH, BODY, HEADER, REFERENCE, ALIAS = "path", "body", "header", "reference", "alias"

Exchange = tuple[str, int]  # connection_id, stream_id
Place = tuple[str, str]  # authority of the producer, path of the resource


class Subject(msgspec.Struct, frozen=True):
    """Whom a message is about. `source`: where his SUPI was found. `reference`: what names him, if that is unknown."""

    identifiers: Identifiers = NO_IDENTIFIERS
    source: str | None = None
    reference: str | None = None


class Asked(msgspec.Struct, frozen=True):
    """What the answer to a request must be seen together with."""

    subject: Subject
    place: Place
    method: str
    callbacks: tuple[Place, ...]


@dataclass(slots=True)
class Bound:
    """What a place stands for; `until_us`: it was released and may come to stand for another."""

    identifiers: Identifiers
    callbacks: tuple[Place, ...] = ()
    shared: bool = False  # several subscribers at once: it tells none
    until_us: int | None = None


class References:
    """Learns and resolves, for one shard; pure, bounded, driven by event time. About 2 µs a message."""

    def __init__(self, most: int = MOST, kept_us: int = KEPT_US) -> None:
        self._places: Recent[Place, Bound] = Recent(most, kept_us)
        self._aliases: Recent[str, str] = Recent(most, kept_us)
        self._pending: Recent[Exchange, Asked] = Recent(PENDING, PENDING_US)

    @property
    def evicted(self) -> int:
        """Return how many references went for want of room."""
        return self._places.evicted + self._aliases.evicted + self._pending.evicted

    def request(
        self,
        exchange: Exchange,
        now_us: int,
        method: str | None,
        producer: str | None,
        path: str | None,
        headers: Identifiers = NO_IDENTIFIERS,
        body: BodyFacts = NO_BODY,
    ) -> Subject:
        """Return whom a request is about, and learn from it.

        producer: host and port of Target-apiRoot, else :authority, else of the server's address.
        """
        place = _place(producer, path)
        subject = self._subject(now_us, place, path, headers, body.identifiers)
        callbacks = tuple(filter(None, (split_uri(one.uri) for one in body.callbacks))) if body.callbacks else ()
        if subject.identifiers.names_subscriber:
            for called in callbacks:
                self._learn_callback(called, subject.identifiers, now_us)
        self._pending.put(exchange, Asked(subject, place, method or "", callbacks), now_us)
        return subject

    def response(
        self,
        exchange: Exchange,
        now_us: int,
        status: int | None,
        producer: str | None,
        path: str | None,
        location: str | None = None,
        headers: Identifiers = NO_IDENTIFIERS,
        body: BodyFacts = NO_BODY,
    ) -> Subject:
        """Return whom a response is about, and learn from it. `producer`, `path`: of its request."""
        asked = self._pending.pop(exchange)
        if asked is None:
            place = _place(producer, path)
            asked = Asked(self._subject(now_us, place, path, NO_IDENTIFIERS, NO_IDENTIFIERS), place, "", ())
        subject = self._completed(now_us, asked.subject, headers, body.identifiers)
        if status is not None and 200 <= status < 400:
            self._learn(now_us, asked, subject, status, location, body)
        if status is not None and (status < 300 or status == 404):
            self._forget(asked, now_us)
        return subject

    def _subject(self, now_us: int, place: Place, path: str | None, headers: Identifiers, body: Identifiers) -> Subject:
        own = identifiers_of_path(path) if path else NO_IDENTIFIERS
        every = merged(own, body, headers)
        for said, source in ((own, PATH), (body, BODY), (headers, HEADER)):
            if said.supi is not None:
                return Subject(every if every.supi == said.supi else merged(said, every), source)
        if (supi := self._alias(every, now_us)) is not None:
            return Subject(merged(Identifiers(supi=supi), every), ALIAS)
        return self._referred(now_us, place, every)

    def _referred(self, now_us: int, place: Place, every: Identifiers) -> Subject:
        bound = self._bound(place, now_us)
        if bound is None:
            return Subject(every, None, every.suci or every.guti or every.gpsi or _unresolved(place))
        every = merged(every, bound)
        if every.supi is not None:
            return Subject(every, REFERENCE)
        if (supi := self._alias(every, now_us)) is not None:
            return Subject(merged(Identifiers(supi=supi), every), REFERENCE)
        return Subject(every, None, every.suci or every.guti or every.gpsi or _unresolved(place))

    def _completed(self, now_us: int, asked: Subject, headers: Identifiers, body: Identifiers) -> Subject:
        """Return the request's subject with what its answer adds."""
        if asked.identifiers.supi is not None:
            return Subject(merged(asked.identifiers, headers), asked.source)
        every = merged(asked.identifiers, body, headers)
        for said, source in ((body, BODY), (headers, HEADER)):
            if said.supi is not None:
                return Subject(every, source)
        if (supi := self._alias(every, now_us)) is not None:
            return Subject(merged(Identifiers(supi=supi), every), ALIAS)
        return Subject(every, None, asked.reference)

    def _alias(self, every: Identifiers, now_us: int) -> str | None:
        for name in (every.suci, every.guti, every.gpsi):
            if name is not None and (supi := self._aliases.get(name, now_us)) is not None:
                return supi
        return None

    def _bound(self, place: Place, now_us: int) -> Identifiers | None:
        """Return what a place or one it lies below stands for."""
        authority, path = place
        for _ in range(DEEPEST + 1):
            if path.count("/") < 2:
                return None
            bound = self._places.get((authority, path), now_us)
            if bound is not None:
                over = bound.shared or (bound.until_us is not None and now_us > bound.until_us)
                return None if over else bound.identifiers
            path = path[: path.rfind("/")]
        return None

    def _learn(
        self, now_us: int, asked: Asked, subject: Subject, status: int, location: str | None, body: BodyFacts
    ) -> None:
        whole = subject.identifiers
        if whole.supi is not None and asked.subject.identifiers.supi is None:
            said = asked.subject.identifiers
            for name in (said.suci, said.guti, said.gpsi):
                if name is not None:
                    self._aliases.put(name, whole.supi, now_us)
        if not whole.names_subscriber or not (status == 201 or 300 <= status < 400):
            return
        for place in _created(asked.place, location, body):
            if identifiers_of_path(place[1]).supi is None and place[1].count("/") > 1:
                self._places.put(place, Bound(_lasting(whole), asked.callbacks), now_us)

    def _learn_callback(self, place: Place, whole: Identifiers, now_us: int) -> None:
        if place[1].count("/") < 2 or identifiers_of_path(place[1]).supi is not None:
            return
        old = self._places.get(place, now_us)
        if old is not None and old.until_us is None and not _same(old.identifiers, whole):
            old.shared = True
        else:
            self._places.put(place, Bound(_lasting(whole)), now_us)

    def _forget(self, asked: Asked, now_us: int) -> None:
        """Let a deleted or released resource, and the callbacks told at its creation, go after a while."""
        authority, path = asked.place
        if asked.method == "POST" and path.endswith(_RELEASES):
            path = path[: path.rfind("/")]
        elif asked.method != "DELETE":
            return
        bound = self._places.get((authority, path), now_us)
        for one in (bound, *(self._places.get(called, now_us) for called in (bound.callbacks if bound else ()))):
            if one is not None and one.until_us is None:
                one.until_us = now_us + GRACE_US


def _place(producer: str | None, path: str | None) -> Place:
    """Return authority and path of a request; what is too long to be remembered is none."""
    if path is None or len(path) > LONGEST or (producer is not None and len(producer) > LONGEST):
        return "", ""
    return (producer or "").lower(), resource_of(path)


def _created(asked: Place, location: str | None, body: BodyFacts) -> list[Place]:
    """Return the places of what was created: by Location, else by an id in the body below the request's path."""
    if location:
        if len(location) > LONGEST:
            return []
        place = split_uri(location)
        if place is None:  # free5GC 3.0 answers urn:uuid:… and uses it as the last segment
            return [(asked[0], f"{asked[1]}/{location}")]
        return [(place[0] or asked[0], place[1])]
    return [(asked[0], f"{asked[1]}/{one}") for _, one in body.references[:1]]


def _lasting(whole: Identifiers) -> Identifiers:
    """Return what stays true of a resource: not the NF that happened to ask."""
    return Identifiers(
        whole.supi, whole.suci, whole.gpsi, whole.pei, whole.guti, whole.pdu_session_id, whole.snssai, whole.dnn
    )


def _same(one: Identifiers, other: Identifiers) -> bool:
    if one.supi is not None and other.supi is not None:
        return one.supi == other.supi
    return one.suci is not None and one.suci == other.suci


def _unresolved(place: Place) -> str | None:
    """Return the resource that stands for a subscriber, as `authority/path`, None if the path is none."""
    found = _OF_SUBSCRIBER.match(place[1])
    return place[0] + found[0] if found else None
