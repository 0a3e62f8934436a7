"""Which operation a request to a URI of the consumer's own choice is: by header, learned URI, or a vendor's shape.

TS 29.500 annex B; SBI.md 4. The direction is reversed: the sender offers the service, the receiver had asked for it.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache

import cython

from collector.body import Callback
from collector.catalogue import CALLBACK_HEADER, CALLBACK_LEARNED, VENDOR_SHAPE, Match
from collector.masking import masked
from collector.uri import LONGEST
from schemas.sbi.operations import Operation, operations

if cython.compiled:
    from cython.cimports.collector.recent import Recent
else:
    from collector.recent import Recent

MOST_URIS = 32_768
KEPT_US = 48 * 3_600_000_000  # without use
CACHED = 1_024
SUFFIX = re.compile(r"\{[^}]*\}(/[^{}]*)?")
POINTER_KEY = re.compile(r"\{(?:\$request\.body#.*/)?([^/}]+)\}")
API_VERSION = re.compile(r";\s*apiversion\s*=\s*\"?v?(\d{1,2})", re.IGNORECASE)

# Shapes seen on the wire (Open5GS 2.7.7, free5GC 3.0, OAI): path, `*` for one segment → 3gpp-Sbi-Callback or operation.
SHAPES = {
    "nnrf-nfm/v1/nf-status-notify": "Nnrf_NFManagement_NFStatusNotify",
    "nsmf-nfstatus-notify/v1/subscriptions": "Nnrf_NFManagement_NFStatusNotify",
    "namf-callback/v1/*/sm-context-status/*": "Nsmf_PDUSession_SMContextStatusNotify",
    "namf-callback/v1/smContextStatus/*/*": "Nsmf_PDUSession_SMContextStatusNotify",
    "namf-callback/v1/*/dereg-notify": "Nudm_UECM_DeregistrationNotification",
    "namf-callback/v1/*/sdmsubscription-notify": "Nudm_SDM_Notification",
    "nsmf-callback/v1/sdmsubscription-notify/*": "Nudm_SDM_Notification",
    "namf-callback/v1/*/am-policy-notify/update": "Npcf_AMPolicyControl_UpdateNotify",
    "namf-callback/v1/*/am-policy-notify/terminate": "Npcf_AMPolicyControl_UpdateNotify(terminate)",
    "namf-callback/v1/am-policy/*/update": "Npcf_AMPolicyControl_UpdateNotify",
    "namf-callback/v1/am-policy/*/terminate": "Npcf_AMPolicyControl_UpdateNotify(terminate)",
    "nsmf-callback/v1/sm-policy-notify/*/update": "Npcf_SMPolicyControl_UpdateNotify",
    "nsmf-callback/v1/sm-policy-notify/*/terminate": "Npcf_SMPolicyControl_UpdateNotify(terminate)",
    "npcf-callback/v1/amfstatus": "Namf_Communication_AMFStatusChangeNotify",
    "npcf-callback/v1/amfstatus/*": "Namf_Communication_AMFStatusChangeNotify",
}


@cython.final
@cython.cclass
class Callbacks:
    """Knows callback operations, and learns the URIs at which NFs ask to be called."""

    def __init__(self, known: Iterable[Operation] | None = None) -> None:
        """Know the callbacks among `known`, by default of the whole table."""
        self._by_value: dict[str, list[Operation]] = {}
        self._by_parent: dict[tuple[str, str, str, str], tuple[Operation, ...]] = {}
        self._by_key: dict[tuple[str, str], tuple[Operation, ...]] = {}
        for one in operations() if known is None else known:
            if one.callback is not None:
                self._add(one)
        self._shapes: dict[tuple[str, int], list[tuple[tuple[str, ...], list[Operation]]]] = {}
        for shape, name in SHAPES.items():
            parts = tuple(shape.split("/"))
            self._shapes.setdefault((parts[0], len(parts)), []).append((parts, self._named(name)))
        self._learned = Recent(MOST_URIS, KEPT_US)  # authority, path → operations, receiver
        self._headers: dict[str, list[Operation]] = {}
        self._matches: dict[tuple[str, str, str | None], tuple[Sequence[Operation], Match | None]] = {}

    @property
    def evicted(self) -> int:
        """Return how many learned URIs went for want of room."""
        return int(self._learned.evicted)

    def _add(self, one: Operation) -> None:
        assert one.callback is not None
        self._by_value.setdefault(one.callback.lower(), []).append(one)
        found = POINTER_KEY.match(one.path_template)
        if found is None:
            return
        service = one.service.lower()
        parent = (service, one.parent_method or "", one.parent_path or "", found[1])
        self._by_parent[parent] = (*self._by_parent.get(parent, ()), one)
        self._by_key[service, found[1]] = (*self._by_key.get((service, found[1]), ()), one)

    def _named(self, name: str) -> list[Operation]:
        every = [one for group in self._by_value.values() for one in group]
        return [one for one in every if name in (one.service_operation, one.callback)]

    def by_header(self, value: str, segments: Sequence[str], method: str | None) -> Match | None:
        """Return what 3gpp-Sbi-Callback says; None if the catalogue has no such value with that method."""
        found = self._headers.get(value)
        if found is None:
            found = self._by_value.get(value.partition(";")[0].strip().lower(), [])
            if len(self._headers) < CACHED:
                self._headers[value] = found
        fitting = _of_method(found, method)
        if not fitting:
            return None
        version = API_VERSION.search(value)
        return _match(fitting, CALLBACK_HEADER, segments, f"v{version[1]}" if version else None)

    def learn(
        self, parent: Match, method: str, callbacks: Sequence[Callback], receiver: str | None, now_us: cython.longlong
    ) -> None:
        """Take the URIs in the body of a request that is `parent`; `receiver`: NF type that asks to be called."""
        service = (parent.service or "").lower()
        for one in callbacks:
            found = self._by_parent.get((service, method, parent.resource or "", one.key)) or self._by_key.get(
                (service, one.key)
            )
            place = one.place
            if found and place is not None and place[0] and len(place[1]) > 1:
                self._learned.put(place, (found, receiver), now_us)

    def learned(
        self, authority: str, path: str, segments: Sequence[str], method: str | None, now_us: cython.longlong
    ) -> tuple[Match, str | None] | None:
        """Return what a request to a learned URI is, or to one below it with a suffix, and the receiver's NF type."""
        above, _, last = path.rpartition("/")
        for uri, suffix in ((path, ""), (above, f"/{last}")):
            known = self._learned.get((authority, uri), now_us)
            match = None if known is None else self._match_of(known[0], path, suffix, segments, method)
            if match is not None:
                return match, known[1]
        return None

    def _match_of(
        self, found: Sequence[Operation], path: str, suffix: str, segments: Sequence[str], method: str | None
    ) -> Match | None:
        """Return what a request to a path is that ends as `suffix` says, the same object while it comes again."""
        kept = self._matches.get((path, suffix, method))
        if kept is None or kept[0] is not found:
            fitting = [one for one in _of_method(found, method) if _suffix(one) == suffix]
            kept = (found, _match(fitting, CALLBACK_LEARNED, segments, None) if fitting else None)
            if len(self._matches) >= CACHED:
                self._matches.clear()
            if len(path) <= LONGEST and (method is None or len(method) <= LONGEST):
                self._matches[path, suffix, method] = kept
        return kept[1]

    def by_shape(self, segments: Sequence[str], method: str | None) -> Match | None:
        """Return what a path of a known core's own shape is with a method, None if it is of none."""
        for shape, found in self._shapes.get((segments[0] if segments else "", len(segments)), ()):
            if all(a == "*" or a == b for a, b in zip(shape, segments, strict=True)):
                fitting = _of_method(found, method)
                return _match(fitting, VENDOR_SHAPE, segments, None) if fitting else None
        return None


def _of_method(found: Sequence[Operation], method: str | None) -> Sequence[Operation]:
    """Return those that have a method, all where it was not read: a path alone makes no callback (SBI.md 3.1)."""
    return found if method is None else [one for one in found if one.method == method]


def _match(found: Sequence[Operation], source: str, segments: Sequence[str], version: str | None) -> Match:
    """Return what all of `found` have in common."""
    last = f"/{segments[-1]}" if segments else ""
    suffixed = [one for one in found if _suffix(one) and _suffix(one) == last]
    fitting = suffixed or [one for one in found if not _suffix(one)] or list(found)
    first = fitting[0]
    names = {one.service_operation for one in fitting}
    templates = {one.path_template for one in fitting}
    versions = {one.api_version for one in fitting}
    ids = {one.operation_id for one in fitting}
    return Match(
        service=first.service,
        api_version=version or (first.api_version if len(versions) == 1 else None),
        operation=first.service_operation if len(names) == 1 else None,
        operation_id=first.operation_id if len(ids) == 1 else None,
        operation_source=source,
        resource=first.path_template if len(templates) == 1 else masked(segments),
        producer_nf=first.producer_nf,
        is_callback=True,
    )


def _suffix(one: Operation) -> str:
    return _suffix_of(one.path_template)


@cache  # the templates of a table
def _suffix_of(template: str) -> str:
    found = SUFFIX.fullmatch(template)
    return (found[1] or "") if found else ""
