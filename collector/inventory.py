"""Which NFs there are, as their registrations and discovery answers say (TS 29.510): a live, bounded inventory."""

from collections.abc import Iterable
from dataclasses import replace

import cython
import msgspec

from collector.nf_profile import NfProfile, authorities_of, profile_weight
from collector.text_weight import texts_weight

MOST_INSTANCES = 4_096
MOST_BYTES = 16_777_216  # of all instances, about: 4 KB each where there are so many
PLACE = 512  # octets of an entry of the index, with the set it holds, beside its text
PROXIES = frozenset({"SCP", "SEPP"})  # they pass requests on and answer none of others' services
DEREGISTERED = "DEREGISTERED"  # our word for a profile that its NF took back


class Known(msgspec.Struct, frozen=True):  # one is made for each heartbeat
    """An NF instance as last heard of; `heard_us` = when. told: what it said of itself then, if nothing since.

    weight: about how many octets it takes, with its places in the index.
    """

    profile: NfProfile
    heard_us: int
    told: NfProfile | None = None
    weight: int = 0


@cython.final
@cython.cclass
class Inventory:
    """NF instances by id and by where they listen; the one heard of longest ago leaves first."""

    def __init__(self, most: int = MOST_INSTANCES, most_bytes: int = MOST_BYTES) -> None:
        """Keep at most `most` instances that take about `most_bytes` together."""
        self._most = most
        self._most_bytes = most_bytes
        self._known: dict[str, Known] = {}
        self._authorities: dict[str, set[str]] = {}
        self._hosts: dict[str, set[str]] = {}
        self.version = 0  # rises when what is known of types and places changes
        self.evicted = 0
        self.held_bytes = 0

    def known(self) -> tuple[Known, ...]:
        """Return all instances, the one heard of longest ago first."""
        return tuple(self._known.values())

    def learn(self, profiles: Iterable[NfProfile], heard_us: cython.longlong) -> None:
        """Take profiles; what a shorter one leaves out stays as it was."""
        for profile in profiles:
            before = self._known.pop(profile.instance_id, None)
            if before is not None and before.told is profile:  # the same body again, at the other end or the next hop
                self._known[profile.instance_id] = Known(before.profile, heard_us, profile, before.weight)
                continue
            after = profile if before is None else _completed(profile, before.profile)
            if before is None:
                self._add_places(after)
            elif after is not before.profile and _places(before.profile) != _places(after):
                self._forget_places(before.profile)
                self._add_places(after)
            self._keep(Known(after, heard_us, profile, _weight(after, profile)), before)

    def heartbeat(self, instance_id: str, status: str | None, heard_us: cython.longlong) -> None:
        """Note that an NF says it lives; `status` None = as before."""
        known = self._known.pop(instance_id, None)
        if known is not None and (status is None or status == known.profile.status):
            self._known[instance_id] = Known(known.profile, heard_us, None, known.weight)
        elif known is not None:
            profile = replace(known.profile, status=status)
            self._keep(Known(profile, heard_us, None, _weight(profile, profile)), known)

    def type_of(self, instance_id: str) -> str | None:
        """Return the NF type of an instance, None if it was not heard of."""
        known = self._known.get(instance_id)
        return known.profile.nf_type if known is not None else None

    def at(self, authority: str, service: str | None = None) -> tuple[str | None, str | None]:
        """Return type and instance of the NF that listens at `host:port`, each None if it is not the only one.

        An authority that no profile names is looked up by its host alone.
        """
        instances = self._authorities.get(authority.lower()) or self._hosts.get(host_of(authority)) or set()
        offering = [one for one in instances if service is not None and self._offers(one, service)] or list(instances)
        types = {self._known[one].profile.nf_type for one in offering}
        return types.pop() if len(types) == 1 else None, offering[0] if len(offering) == 1 else None

    def type_at_host(self, host: str) -> str | None:
        """Return the type of all NFs with this address or name, None if they differ or there is none."""
        types = {self._known[one].profile.nf_type for one in self._hosts.get(host, ())}
        return types.pop() if len(types) == 1 else None

    def _offers(self, instance_id: str, service: str) -> bool:
        return any(one.name == service for one in self._known[instance_id].profile.services)

    def _add_places(self, profile: NfProfile) -> None:
        self.version += 1
        authorities, hosts, _ = _places(profile)
        for authority in authorities:
            self._authorities.setdefault(authority, set()).add(profile.instance_id)
        for host in hosts:
            self._hosts.setdefault(host, set()).add(profile.instance_id)

    def _forget_places(self, profile: NfProfile) -> None:
        self.version += 1
        authorities, hosts, _ = _places(profile)
        for index, keys in ((self._authorities, authorities), (self._hosts, hosts)):
            for key in keys:
                index[key].discard(profile.instance_id)
                if not index[key]:
                    del index[key]

    def _keep(self, known: Known, before: Known | None) -> None:
        """Take an instance in the place of what was known of it; those heard of longest ago leave for it."""
        self.held_bytes += known.weight - (0 if before is None else before.weight)
        self._known[known.profile.instance_id] = known
        while len(self._known) > self._most or self.held_bytes > self._most_bytes:
            oldest = self._known.pop(next(iter(self._known)))
            self._forget_places(oldest.profile)
            self.held_bytes -= oldest.weight
            self.evicted += 1


def _weight(profile: NfProfile, told: NfProfile) -> int:
    """Return about how many octets an instance takes: its profile, its places in the index, what it told last."""
    authorities = authorities_of(profile)
    hosts = (*profile.addresses, profile.fqdn)
    weight = profile_weight(profile) + (2 * len(authorities) + len(hosts)) * PLACE
    weight += 2 * texts_weight(authorities) + texts_weight(hosts)
    return weight if told is profile else weight + profile_weight(told)


def _completed(profile: NfProfile, before: NfProfile) -> NfProfile:
    """Return a profile with what it leaves out as it was; `before` itself if nothing is new."""
    said = (
        profile.nf_type or before.nf_type,
        profile.status or before.status,
        profile.fqdn or before.fqdn,
        profile.addresses or before.addresses,
        profile.services or before.services,
        profile.snssais or before.snssais,
        profile.heartbeat_s or before.heartbeat_s,
    )
    known = (
        before.nf_type,
        before.status,
        before.fqdn,
        before.addresses,
        before.services,
        before.snssais,
        before.heartbeat_s,
    )
    return before if said == known else NfProfile(profile.instance_id, *said)


def _places(profile: NfProfile) -> tuple[frozenset[str], frozenset[str], str | None]:
    authorities = frozenset(one.lower() for service in profile.services for one in service.authorities)
    hosts = {host_of(one) for one in authorities} | {one.lower() for one in profile.addresses}
    if profile.fqdn:
        hosts.add(profile.fqdn.lower())
    return authorities, frozenset(hosts), profile.nf_type


def host_of(authority: str) -> str:
    """Return the host of `host:port` or `[address]:port`, in lower case."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0].lower()
    return authority.partition(":")[0].lower() if authority.count(":") == 1 else authority.lower()
