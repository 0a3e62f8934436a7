# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Which subscriber a message is about that names none: references learned from requests, Locations and bodies.

SBI.md 10: a resource created for a subscriber (authCtxId, smContextRef, policy, charging, subscription and binding
ids), a URI on which an NF wants to be called for him, and the other names he has (SUCI, 5G-GUTI, GPSI).
"""

from typing import Any

import cython

from collector.body import NO_BODY
from collector.identifiers import NO_IDENTIFIERS
from collector.subject import ALIAS, BODY, HEADER, PATH, REFERENCE
from collector.target_identifiers import LONGEST_PATH
from collector.uri import LONGEST

if cython.compiled:
    from cython.cimports.collector.body import BodyFacts
    from cython.cimports.collector.identifiers import Identifiers, both, identified
    from cython.cimports.collector.recent import Recent
    from cython.cimports.collector.resource import Resource
    from cython.cimports.collector.subject import NOBODY, Subject, contradicts, is_other, subject_of
    from cython.cimports.collector.target_identifiers import identifiers_of_path
    from cython.cimports.collector.uri import split_uri
else:
    from collector.body import BodyFacts
    from collector.identifiers import Identifiers, both, identified
    from collector.recent import Recent
    from collector.resource import Resource
    from collector.subject import NOBODY, Subject, contradicts, is_other, subject_of
    from collector.target_identifiers import identifiers_of_path
    from collector.uri import split_uri

MOST = 100_000  # resources and callbacks, as many aliases; 600 octets each
KEPT_US = 48 * 3_600_000_000  # without use
MOST_PATHS = cython.declare(cython.Py_ssize_t, 8_192)  # remembered, what they say
GRACE_US = 30_000_000  # a released resource still answers late notifications
NEVER = cython.declare(cython.longlong, 0x7FFFFFFFFFFFFFFF)
LONGEST_PLACE = cython.declare(cython.Py_ssize_t, LONGEST)
LONGEST_RESOURCE = cython.declare(cython.Py_ssize_t, LONGEST_PATH)
_RELEASES = ("/release", "/delete")

Place = tuple[str, str]  # authority of the producer, path of the resource

NO_RESOURCE = cython.declare(Resource, Resource(None, True))


@cython.no_gc  # makes no circles
@cython.freelist(256)
@cython.final
@cython.cclass
class Awaited:
    """What the answer to a request must be seen together with."""

    def __init__(self) -> None:
        self.subject = NOBODY
        self.authority = ""
        self.resource = NO_RESOURCE
        self.method: str | None = None
        self.callbacks: tuple[Place, ...] = ()


@cython.cfunc
def awaited_of(
    subject: Subject, authority: str, resource: Resource, method: str | None, callbacks: tuple[Place, ...]
) -> Awaited:
    """Return them together."""
    awaited: Awaited = Awaited.__new__(Awaited)  # a quarter of the time of a call of the class
    awaited.subject = subject
    awaited.authority = authority
    awaited.resource = resource
    awaited.method, awaited.callbacks = method, callbacks
    return awaited


@cython.final
@cython.cclass
class Bound:
    """What a place stands for; `until_us`: it was released and may come to stand for another.

    shared: several subscribers at once, so that it tells none.
    """

    def __init__(self) -> None:
        self.identifiers = NO_IDENTIFIERS
        self.callbacks: tuple[Place, ...] = ()
        self.shared = False
        self.until_us = NEVER


@cython.cfunc
def bound_to(whole: Identifiers, callbacks: tuple[Place, ...]) -> Bound:
    """Return what stands for what `whole` says that lasts: not for the NF that happened to ask."""
    bound: Bound = Bound.__new__(Bound)  # a quarter of the time of a call of the class
    supi, suci, gpsi, pei, guti = whole.supi, whole.suci, whole.gpsi, whole.pei, whole.guti
    bound.identifiers = identified(
        supi, suci, gpsi, pei, guti, whole.pdu_session_id, whole.snssai, whole.dnn, None, None, None
    )
    bound.callbacks, bound.shared, bound.until_us = callbacks, False, NEVER
    return bound


@cython.final
@cython.cclass
class References:
    """Learns and resolves, for one shard; pure, bounded, driven by event time. About 1 µs a message."""

    def __init__(self, most: int = MOST, kept_us: int = KEPT_US) -> None:
        self._places = Recent(most, kept_us)
        self._aliases = Recent(most, kept_us)
        self._resources: dict[str, Resource] = {}
        self._authorities: dict[str, str] = {}

    @property
    def evicted(self) -> int:
        """Return how many references went for want of room."""
        return self._places.evicted + self._aliases.evicted

    def request(
        self,
        now_us: cython.longlong,
        method: str | None,
        producer: str | None,
        path: str | None,
        headers: Identifiers = NO_IDENTIFIERS,
        body: BodyFacts = NO_BODY,
    ) -> Awaited:
        """Return whom a request is about, as its answer needs it, and learn from it.

        producer: host and port of Target-apiRoot, else :authority, else of the server's address.
        """
        resource = self._resource(producer, path)
        authority = self._authority(producer, resource)
        callbacks: tuple[Place, ...] = ()
        if body is NO_BODY:
            subject = self._subject(now_us, authority, resource, headers, NO_IDENTIFIERS)
        else:
            subject = self._subject(now_us, authority, resource, headers, body.identifiers)
            if body.callbacks:
                callbacks = self._called(body, subject, now_us)
        return awaited_of(subject, authority, resource, method, callbacks)

    def response(
        self,
        awaited: Awaited | None,
        now_us: cython.longlong,
        status: Any,  # None or a number
        producer: str | None,
        path: str | None,
        location: str | None = None,
        headers: Identifiers = NO_IDENTIFIERS,
        body: BodyFacts = NO_BODY,
    ) -> Subject:
        """Return whom a response is about, and learn from it. `awaited`, `producer`, `path`: of its request."""
        if awaited is None:
            resource = self._resource(producer, path)
            authority = self._authority(producer, resource)
            said = self._subject(now_us, authority, resource, NO_IDENTIFIERS, NO_IDENTIFIERS)
            awaited = awaited_of(said, authority, resource, "", ())
        subject = self._completed(now_us, awaited, headers, body)
        if status is not None:
            code: cython.int = status
            if 200 <= code < 400:
                self._learn(now_us, awaited, subject, code, location, body)
            if code < 300 or code == 404:
                self._forget(awaited, now_us)
        return subject

    def _resource(self, producer: str | None, path: str | None) -> Resource:
        """Return what is known of a path; paths that come again are remembered, all forgotten when they are many."""
        if path is None:
            return NO_RESOURCE
        if producer is not None and len(producer) > LONGEST_PLACE:
            return Resource(path, True)
        resource: Resource | None = self._resources.get(path)
        if resource is None:
            resource = Resource(path, len(path) > LONGEST_PLACE)
            if len(path) <= LONGEST_RESOURCE:
                if len(self._resources) >= MOST_PATHS:
                    self._resources.clear()
                self._resources[path] = resource
        return resource

    def _authority(self, producer: str | None, resource: Resource) -> str:
        """Return where the resource is, in lower case; what is too long to be remembered is nowhere."""
        if producer is None or resource.is_long:
            return ""
        low: str | None = self._authorities.get(producer)
        if low is None:
            low = producer.lower()
            if len(self._authorities) >= MOST_PATHS:
                self._authorities.clear()
            self._authorities[producer] = low
        return low

    def _subject(
        self,
        now_us: cython.longlong,
        authority: str,
        resource: Resource,
        headers: Identifiers,
        body: Identifiers,
    ) -> Subject:
        own: Identifiers = resource.own
        every: Identifiers = both(both(own, body), headers)
        if every is NO_IDENTIFIERS:
            return self._referred(now_us, authority, resource, every)
        if own.supi is not None:
            return subject_of(every, every, PATH, None)
        if body.supi is not None or headers.supi is not None:
            if resource.standing is not None:
                self._restate(now_us, authority, resource, every)
            return subject_of(every, every, HEADER if body.supi is None else BODY, None)
        supi = self._alias(every, now_us)
        if supi is not None:
            return subject_of(both(Identifiers(supi=supi), every), every, ALIAS, None)
        return self._referred(now_us, authority, resource, every)

    def _referred(self, now_us: cython.longlong, authority: str, resource: Resource, said: Identifiers) -> Subject:
        every = said
        bound = self._bound(authority, resource, said, now_us)
        if bound is not None:
            every = both(said, bound)
            if every.supi is not None:
                return subject_of(every, said, REFERENCE, None)
            supi = self._alias(every, now_us)
            if supi is not None:
                return subject_of(both(Identifiers(supi=supi), every), said, REFERENCE, None)
        return self._unresolved(authority, resource, every, said)

    def _unresolved(self, authority: str, resource: Resource, every: Identifiers, said: Identifiers) -> Subject:
        """Return what names him whose SUPI is not known: another name of his, else the resource that is his."""
        standing = None if resource.standing is None else authority + resource.standing
        if every is NO_IDENTIFIERS:
            return NOBODY if standing is None else subject_of(every, every, None, standing)
        return subject_of(every, said, None, every.suci or every.guti or every.gpsi or standing)

    def _completed(self, now_us: cython.longlong, awaited: Awaited, headers: Identifiers, body: BodyFacts) -> Subject:
        """Return the request's subject with what its answer adds; what it states counts before what was learned."""
        asked: Subject = awaited.subject
        known: Identifiers = asked.identifiers
        answered: Identifiers = body.identifiers
        if asked.source is not None:
            if answered is NO_IDENTIFIERS and headers is NO_IDENTIFIERS:
                return asked
            if (asked.source is ALIAS or asked.source is REFERENCE) and contradicts(both(answered, headers), asked):
                return self._corrected(now_us, awaited, headers, answered)
            if headers is NO_IDENTIFIERS:
                return asked
            return subject_of(both(known, headers), asked.said, asked.source, None)
        every: Identifiers = both(both(known, answered), headers)
        if every is NO_IDENTIFIERS:
            return asked
        if answered.supi is not None:
            return subject_of(every, asked.said, BODY, None)
        if headers.supi is not None:
            return subject_of(every, asked.said, HEADER, None)
        supi = self._alias(every, now_us)
        if supi is not None:
            return subject_of(both(Identifiers(supi=supi), every), asked.said, ALIAS, None)
        return subject_of(every, asked.said, None, asked.reference)

    def _corrected(
        self, now_us: cython.longlong, awaited: Awaited, headers: Identifiers, answered: Identifiers
    ) -> Subject:
        """Return whom request and answer name themselves, where that is not whom we had learned.

        A GPSI moves to another SUPI, a 5G-GUTI is given anew (TS 23.003 2.10), an id comes again whose 201 was lost.
        """
        asked: Subject = awaited.subject
        every = both(both(asked.said, answered), headers)
        if asked.source is REFERENCE:
            self._bind_anew(now_us, awaited, every)
        if every.supi is not None:
            return subject_of(every, asked.said, HEADER if answered.supi is None else BODY, None)
        return self._unresolved(awaited.authority, awaited.resource, every, asked.said)  # of another session, whosever

    def _restate(self, now_us: cython.longlong, authority: str, resource: Resource, every: Identifiers) -> None:
        """Let a place that a request names with another subscriber or session than bound stand for that one."""
        for path in resource.above:
            bound: Bound | None = self._places.get((authority, path), now_us)
            if bound is not None:
                other: cython.bint = bound.identifiers.supi is not None and bound.identifiers.supi != every.supi
                if other or is_other(every, bound.identifiers):
                    self._places.put((authority, path), bound_to(every, ()), now_us)
                return

    def _bind_anew(self, now_us: cython.longlong, awaited: Awaited, every: Identifiers) -> None:
        """Let the place that bound a request, its own or the nearest above, stand for whom `every` names."""
        for path in awaited.resource.above:
            place = (awaited.authority, path)
            if self._places.pop(place) is not None:
                if every.names_subscriber:
                    self._places.put(place, bound_to(every, ()), now_us)
                return

    def _alias(self, every: Identifiers, now_us: cython.longlong) -> str | None:
        for name in (every.suci, every.guti, every.gpsi):
            if name is not None:
                supi: str | None = self._aliases.get(name, now_us)
                if supi is not None:
                    return supi
        return None

    def _bound(
        self, authority: str, resource: Resource, said: Identifiers, now_us: cython.longlong
    ) -> Identifiers | None:
        """Return what a place or one it lies below stands for; not so if the message names another PDU session."""
        for path in resource.above:
            bound: Bound | None = self._places.get((authority, path), now_us)
            if bound is not None:
                if said.pdu_session_id is not None and is_other(said, bound.identifiers):
                    self._places.pop((authority, path))
                    return None
                return None if bound.shared or now_us > bound.until_us else bound.identifiers
        return None

    def _learn(
        self,
        now_us: cython.longlong,
        awaited: Awaited,
        subject: Subject,
        status: cython.int,
        location: str | None,
        body: BodyFacts,
    ) -> None:
        whole: Identifiers = subject.identifiers
        said: Identifiers = awaited.subject.identifiers
        if said is not whole and whole.supi is not None and said.supi != whole.supi:
            if said.supi is not None:  # not so: what bound him is another's, and so are the names that came with it
                said = awaited.subject.said
            for name in (said.suci, said.guti, said.gpsi):
                if name is not None:
                    self._aliases.put(name, whole.supi, now_us)
        if (status == 201 or status >= 300) and whole.names_subscriber:
            for place in _created(awaited, location, body):
                if identifiers_of_path(place[1]).supi is None and place[1].count("/") > 1:
                    self._places.put(place, bound_to(whole, awaited.callbacks), now_us)

    def _called(self, body: BodyFacts, subject: Subject, now_us: cython.longlong) -> tuple[Place, ...]:
        """Return where the sender of a request wants to be called, and learn for whom."""
        callbacks = tuple([place for one in body.callbacks if (place := one.place) is not None])
        if subject.identifiers.names_subscriber:
            for called in callbacks:
                self._learn_callback(called, subject.identifiers, now_us)
        return callbacks

    def _learn_callback(self, place: Place, whole: Identifiers, now_us: cython.longlong) -> None:
        if place[1].count("/") < 2 or identifiers_of_path(place[1]).supi is not None:
            return
        old: Bound | None = self._places.get(place, now_us)
        if old is not None and old.until_us == NEVER and not _same(old.identifiers, whole):
            old.shared = True
        else:
            self._places.put(place, bound_to(whole, ()), now_us)

    def _forget(self, awaited: Awaited, now_us: cython.longlong) -> None:
        """Let a deleted or released resource, and the callbacks told at its creation, go after a while."""
        path: str = awaited.resource.path
        if awaited.method == "POST":
            if not path.endswith(_RELEASES):
                return
            path = path[: path.rfind("/")]
        elif awaited.method != "DELETE":
            return
        bound: Bound | None = self._places.get((awaited.authority, path), now_us)
        if bound is not None:
            _release(bound, now_us)
            for called in bound.callbacks:
                _release(self._places.get(called, now_us), now_us)


@cython.cfunc
def _release(bound: Bound | None, now_us: cython.longlong) -> cython.void:
    if bound is not None and bound.until_us == NEVER:
        bound.until_us = now_us + GRACE_US


@cython.cfunc
def _created(awaited: Awaited, location: str | None, body: BodyFacts) -> list[Place]:
    """Return the places of what was created: by Location, else by an id in the body below the request's path."""
    authority, path = awaited.authority, awaited.resource.path
    if location:
        if len(location) > LONGEST_PLACE:
            return []
        place = split_uri(location)
        if place is None:  # free5GC 3.0 answers urn:uuid:… and uses it as the last segment
            return [(authority, f"{path}/{location}")]
        return [(place[0] or authority, place[1])]
    return [(authority, f"{path}/{one}") for _, one in body.references[:1]]


@cython.cfunc
@cython.exceptval(check=False)
def _same(one: Identifiers, other: Identifiers) -> cython.bint:
    if one.supi is not None and other.supi is not None:
        return one.supi == other.supi
    return one.suci is not None and one.suci == other.suci
