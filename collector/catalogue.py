"""Which operation of the 5G core's APIs a method and a path mean: a trie of templates, literal before variable."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from collector.masking import masked
from schemas.sbi.operations import Operation, operations

CATALOGUE = "catalogue"
NEAREST_VERSION = "nearest_version"
CALLBACK_HEADER = "callback_header"
CALLBACK_LEARNED = "callback_learned"
VENDOR_SHAPE = "vendor_shape"
METHOD_NOT_IN_API = "method_not_in_api"
UNKNOWN_RESOURCE = "unknown_resource"

MOST_MATCHES = 32  # kept of a template
DEEPEST_PREFIX = 8  # segments of a deployment's prefix


@dataclass(frozen=True, slots=True)
class Match:
    """What the path of a request means; fields as in the event.

    resource: the template, or the masked path where none matches. producer_nf: the NF type that offers the service.
    """

    service: str | None
    api_version: str | None
    operation: str | None
    operation_id: str | None
    operation_source: str | None
    resource: str | None
    producer_nf: str | None
    is_callback: bool = False
    said: tuple[str | None, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Put the fields in the event's order."""
        said = (
            self.service,
            self.operation,
            self.operation_id,
            self.operation_source,
            self.api_version,
            self.resource,
        )
        object.__setattr__(self, "said", said)


NOTHING = Match(None, None, None, None, None, None, None)


class _Node:
    """A place in the trie of one API version."""

    __slots__ = ("literals", "matches", "methods", "template", "variable")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.variable: _Node | None = None
        self.template: str | None = None
        self.methods: dict[str, Operation] = {}
        self.matches: dict[tuple[str | None, str], Match] = {}  # by method and version, once made

    def add(self, operation: Operation) -> None:
        node = self
        for segment in segments_of(operation.path_template):
            if segment[0] == "{":
                node.variable = node.variable or _Node()
                node = node.variable
            else:
                node = node.literals.setdefault(segment, _Node())
        node.template = operation.path_template
        node.methods[operation.method] = operation

    def find(self, segments: Sequence[str], at: int) -> "_Node | None":
        """Return the most literal template from the left that has just these segments from `at` on."""
        if at == len(segments):
            return self if self.methods else None
        literal = self.literals.get(segments[at])
        found = literal.find(segments, at + 1) if literal is not None else None
        if found is None and self.variable is not None:
            found = self.variable.find(segments, at + 1)
        return found


class Catalogue:
    """The operations by service, version, path and method."""

    def __init__(self, known: Iterable[Operation] | None = None) -> None:
        """Build the tries of `known`, by default of the whole table."""
        self._apis: dict[str, dict[str, _Node]] = {}
        self._unversioned: dict[str, dict[str, _Node]] = {}
        self._service_names: dict[str, str] = {}
        self._producers: dict[str, str] = {}
        for operation in operations() if known is None else known:
            self._producers[operation.service.lower()] = operation.producer_nf
            if operation.callback is None:
                self._service_names[operation.service.lower()] = operation.service
                apis = self._apis if operation.api_version else self._unversioned
                versions = apis.setdefault(operation.service.lower(), {})
                versions.setdefault(operation.api_version, _Node()).add(operation)

    def producer_of(self, service: str) -> str | None:
        """Return the NF type that offers the service called so, None if there is none."""
        return self._producers.get(service.lower())

    def find(self, method: str | None, segments: Sequence[str]) -> Match:
        """Return what a request means by its method and the segments of its path.

        Without a method its resource is told and no operation.
        """
        at = self._api_at(segments)
        if at is None:
            return self._without_version(segments, method)
        return self._in_api(segments[at].lower(), segments[at + 1].lower(), segments[at + 2 :], method)

    def tail_of(self, path: str) -> str:
        """Return a path without query from the API name on, which no proxy changes; whole where it holds none."""
        parts = path.split("/")
        at = self._api_at(parts)
        return path if at is None else "/".join(parts[at:])

    def _api_at(self, segments: Sequence[str]) -> int | None:
        """Return where the API name stands; a deployment's prefix may come before it (TS 29.501 4.4.1)."""
        for at in range(min(len(segments) - 1, DEEPEST_PREFIX)):
            if segments[at].lower() in self._apis and _is_version(segments[at + 1]):
                return at
        return None

    def _without_version(self, segments: Sequence[str], method: str | None) -> Match:
        """TS 29.510: the OAuth2 and the bootstrapping API have neither service name nor version in the URI."""
        for service, versions in self._unversioned.items():
            for length in (1, 2):
                node = versions[""].find(segments[-length:], 0)
                if node is not None:
                    return self._at(node, service, "", CATALOGUE, method)
        return Match(None, None, None, None, UNKNOWN_RESOURCE, masked(segments), None)

    def _in_api(self, service: str, version: str, segments: Sequence[str], method: str | None) -> Match:
        versions = self._apis[service]
        if version in versions:
            node, source = versions[version].find(segments, 0), CATALOGUE
        else:
            node, source = versions[_nearest(version, versions)].find(segments, 0), NEAREST_VERSION
        if node is not None:
            return self._at(node, service, version, source, method)
        name, resource = self._service_names[service], masked(segments)
        return Match(name, version, None, None, UNKNOWN_RESOURCE, resource, self._producers[service])

    def _at(self, node: _Node, service: str, version: str, source: str, method: str | None) -> Match:
        match = node.matches.get((method, version))
        if match is None:
            match = self._new_match(node, service, version, source, method)
            if len(node.matches) < MOST_MATCHES:
                node.matches[method, version] = match
        return match

    def _new_match(self, node: _Node, service: str, version: str, source: str, method: str | None) -> Match:
        operation = node.methods.get(method or "")
        if operation is None and method is not None:
            source = METHOD_NOT_IN_API
        return Match(
            self._service_names[service],
            version or None,
            operation.service_operation if operation is not None else None,
            operation.operation_id if operation is not None else None,
            source,
            node.template,
            self._producers[service],
        )


def _is_version(segment: str) -> bool:
    return 1 < len(segment) < 6 and segment[0] in "vV" and segment[1:].isdecimal()


def segments_of(path: str) -> tuple[str, ...]:
    """Return the segments of a path, not decoded, empty ones and the query left out."""
    return tuple([segment for segment in path.partition("?")[0].split("/") if segment])


def _nearest(version: str, known: Iterable[str]) -> str:
    """Return the known major version nearest to `version`, the newer of two as near."""
    wanted = int(version[1:])
    return min(known, key=lambda one: (abs(int(one[1:]) - wanted), -int(one[1:])))
