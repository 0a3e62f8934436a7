"""Which operation of the 5G core's APIs a method and a path mean: a trie of path templates, literal before variable."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from collector.masking import masked
from schemas.sbi.operations import Operation, operations

CATALOGUE = "catalogue"
NEAREST_VERSION = "nearest_version"
CALLBACK_HEADER = "callback_header"
CALLBACK_LEARNED = "callback_learned"
VENDOR_SHAPE = "vendor_shape"
METHOD_NOT_IN_API = "method_not_in_api"
UNKNOWN_RESOURCE = "unknown_resource"

VERSION = re.compile(r"v(\d{1,4})", re.IGNORECASE)
CACHED = 8_192  # pairs of method and path, twice


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


NOTHING = Match(None, None, None, None, None, None, None)


class _Node:
    """A place in the trie of one API version."""

    __slots__ = ("literals", "methods", "template", "variable")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.variable: _Node | None = None
        self.template: str | None = None
        self.methods: dict[str, Operation] = {}

    def add(self, operation: Operation) -> None:
        node = self
        for segment in _segments(operation.path_template):
            if segment[0] == "{":
                node.variable = node.variable or _Node()
                node = node.variable
            else:
                node = node.literals.setdefault(segment, _Node())
        node.template = operation.path_template
        node.methods[operation.method] = operation

    def find(self, segments: list[str], at: int) -> "_Node | None":
        """Return the most literal template from the left that has just these segments from `at` on."""
        if at == len(segments):
            return self if self.methods else None
        literal = self.literals.get(segments[at])
        found = literal.find(segments, at + 1) if literal is not None else None
        if found is None and self.variable is not None:
            found = self.variable.find(segments, at + 1)
        return found


class Catalogue:
    """The operations by (service, version, path, method); answers are kept for paths that come again."""

    def __init__(self, known: Iterable[Operation] | None = None) -> None:
        """Build the tries of `known`, by default of the whole table."""
        self._apis: dict[str, dict[str, _Node]] = {}
        self._service_names: dict[str, str] = {}
        self._producers: dict[str, str] = {}
        for operation in operations() if known is None else known:
            self._producers[operation.service.lower()] = operation.producer_nf
            if operation.callback is None:
                self._service_names[operation.service.lower()] = operation.service
                versions = self._apis.setdefault(operation.service.lower(), {})
                versions.setdefault(operation.api_version, _Node()).add(operation)
        self._young: dict[tuple[str, str], Match] = {}
        self._old: dict[tuple[str, str], Match] = {}

    def producer_of(self, service: str) -> str | None:
        """Return the NF type that offers the service called so, None if there is none."""
        return self._producers.get(service.lower())

    def find(self, method: str, path: str) -> Match:
        """Return what a request means by its method and path (with or without query)."""
        key = (method, path)
        match = self._young.get(key)
        if match is None:
            match = self._old.get(key) or self._find(method, path)
            if len(self._young) >= CACHED:
                self._old, self._young = self._young, {}
            self._young[key] = match
        return match

    def _find(self, method: str, path: str) -> Match:
        segments = [segment for segment in path.partition("?")[0].split("/") if segment]
        for at in range(len(segments) - 1):
            service = segments[at].lower()
            if service in self._apis and VERSION.fullmatch(segments[at + 1]):
                return self._in_api(service, segments[at + 1].lower(), segments[at + 2 :], method)
        return self._without_version(segments, method)

    def _without_version(self, segments: list[str], method: str) -> Match:
        """TS 29.510: the OAuth2 and the bootstrapping API have neither service name nor version in the URI."""
        for service, tail in (("oauth2", segments[-2:]), ("bootstrapping", segments[-1:])):
            node = self._apis[service][""].find(tail, 0)
            if node is not None:
                return self._at(node, service, "", CATALOGUE, method)
        return Match(None, None, None, None, UNKNOWN_RESOURCE, masked(segments), None)

    def _in_api(self, service: str, version: str, segments: list[str], method: str) -> Match:
        versions = self._apis[service]
        if version in versions:
            node, source = versions[version].find(segments, 0), CATALOGUE
        else:
            node, source = versions[_nearest(version, versions)].find(segments, 0), NEAREST_VERSION
        if node is not None:
            return self._at(node, service, version, source, method)
        name, resource = self._service_names[service], masked(segments)
        return Match(name, version, None, None, UNKNOWN_RESOURCE, resource, self._producers[service])

    def _at(self, node: _Node, service: str, version: str, source: str, method: str) -> Match:
        name, producer = self._service_names[service], self._producers[service]
        operation = node.methods.get(method)
        if operation is None:
            return Match(name, version or None, None, None, METHOD_NOT_IN_API, node.template, producer)
        return Match(
            name,
            version or None,
            operation.service_operation,
            operation.operation_id,
            source,
            node.template,
            producer,
        )


def _segments(template: str) -> list[str]:
    return [segment for segment in template.split("/") if segment]


def _nearest(version: str, known: Iterable[str]) -> str:
    """Return the known major version nearest to `version`, the newer of two as near."""
    wanted = int(version[1:])
    return min(known, key=lambda one: (abs(int(one[1:]) - wanted), -int(one[1:])))
