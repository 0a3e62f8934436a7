# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Which operation of the 5G core's APIs a method and a path mean: literal segments before variable ones."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

import cython

from collector.masking import masked
from schemas.sbi.operations import Operation, operations

if cython.compiled:
    from cython.cimports.collector.path_templates import PathTemplates, Place
else:
    from collector.path_templates import PathTemplates, Place

CATALOGUE = "catalogue"
NEAREST_VERSION = "nearest_version"
CALLBACK_HEADER = "callback_header"
CALLBACK_LEARNED = "callback_learned"
VENDOR_SHAPE = "vendor_shape"
METHOD_NOT_IN_API = "method_not_in_api"
UNKNOWN_RESOURCE = "unknown_resource"

MOST_MATCHES = 32  # kept of a template
LONGEST_METHOD = 16  # of those
DEEPEST_UNVERSIONED = 2  # segments of the OAuth2 and the bootstrapping API


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


@cython.final
@cython.cclass
class Template:
    """A template of an API, its methods, and what they mean once asked: by method, and in versions unknown."""

    def __init__(self, service: str, path: str) -> None:
        self.service = service
        self.path = path
        self.methods: dict[str, Operation] = {}
        self.matches: dict[str, Match] = {}
        self.others: dict[tuple[str, str], Match] = {}


@cython.final
@cython.cclass
class Tables:
    """Operations put in order: templates by API and version, the names and producers of services."""

    def __init__(self, known: Iterable[Operation]) -> None:
        self.producers: dict[str, str] = {}  # by service
        self.unversioned: dict[tuple[str, ...], Template] = {}
        names: dict[str, str] = {}
        apis: dict[str, dict[int, dict[str, Template]]] = {}
        for operation in known:
            self.producers[operation.service] = operation.producer_nf
            if operation.callback is not None:
                continue
            fresh = Template(operation.service, operation.path_template)
            if operation.api_version:
                low = operation.service.lower()
                names[low] = operation.service
                templates = apis.setdefault(low, {}).setdefault(int(operation.api_version[1:]), {})
                template = templates.setdefault(operation.path_template, fresh)
            else:
                template = self.unversioned.setdefault(segments_of(operation.path_template), fresh)
            template.methods[operation.method] = operation
        self.names = list(names.values())
        self.templates = PathTemplates(apis)


@cache
def _of_3gpp() -> Tables:
    return Tables(operations())


@cython.final
@cython.cclass
class Catalogue:
    """The operations by service, version, path and method; under 1 µs for a path never met (make bench)."""

    def __init__(self, known: Iterable[Operation] | None = None) -> None:
        """Know `known`, by default all there are, whose tables are built once."""
        tables: Tables = _of_3gpp() if known is None else Tables(known)
        self._producers = tables.producers
        self._unversioned = tables.unversioned
        self._names = tables.names
        self._templates = tables.templates
        self._found: list[Template | None] = tables.templates.found

    def find(self, method: str | None, path: str) -> Match:
        """Return what a request means by its method and path; a query counts for nothing.

        Without a method its resource is told and no operation.
        """
        return self.known(method, path) or self.unknown(path)

    def known(self, method: str | None, path: str) -> Match | None:
        """Return what `find` does, None where no template of an API fits."""
        octets: bytes = path.encode("utf-8", "surrogatepass")
        place: Place = self._templates.walk(octets)
        if place.service < 0:
            return self._without_version(path, method)
        template: Template | None = self._found[place.state]
        if template is None:
            return None
        asked: str = "" if method is None else method
        if place.is_known:
            match = template.matches.get(asked)
            if match is None:
                match = self._match(template, _version(octets, place), CATALOGUE, method)
                if len(template.matches) < MOST_MATCHES and len(asked) <= LONGEST_METHOD:
                    template.matches[asked] = match
            return match
        version = _version(octets, place)
        match = template.others.get((asked, version))
        if match is None:
            match = self._match(template, version, NEAREST_VERSION, method)
            if len(template.others) < MOST_MATCHES and len(asked) <= LONGEST_METHOD:
                template.others[asked, version] = match
        return match

    def unknown(self, path: str) -> Match:
        """Return what is said of a path that fits no template: the API if it is of one, and its words."""
        octets: bytes = path.encode("utf-8", "surrogatepass")
        place: Place = self._templates.walk(octets)
        if place.service < 0:
            return Match(None, None, None, None, UNKNOWN_RESOURCE, masked(segments_of(path)), None)
        resource = masked(segments_of(octets[place.version_end : place.end].decode("utf-8", "surrogatepass")))
        name = self._names[place.service]
        return Match(name, _version(octets, place), None, None, UNKNOWN_RESOURCE, resource, self._producers[name])

    def tail_of(self, path: str) -> str:
        """Return a path without query from the API name on, which no proxy changes; whole where it holds none."""
        octets: bytes = path.encode("utf-8", "surrogatepass")
        place: Place = self._templates.walk(octets)
        return path if place.service < 0 else octets[place.api_at : place.end].decode("utf-8", "surrogatepass")

    def _without_version(self, path: str, method: str | None) -> Match | None:
        """TS 29.510: the OAuth2 and the bootstrapping API have neither service name nor version in the URI."""
        segments = segments_of(path)
        for length in range(1, DEEPEST_UNVERSIONED + 1):
            template: Template | None = self._unversioned.get(segments[-length:])
            if template is not None:
                return self._match(template, "", CATALOGUE, method)
        return None

    def _match(self, template: Template, version: str, source: str, method: str | None) -> Match:
        operation = template.methods.get(method or "")
        if operation is None and method is not None:
            source = METHOD_NOT_IN_API
        return Match(
            template.service,
            version or None,
            operation.service_operation if operation is not None else None,
            operation.operation_id if operation is not None else None,
            source,
            template.path,
            self._producers[template.service],
        )


@cython.cfunc
def _version(octets: bytes, place: Place) -> str:
    return octets[place.version_at : place.version_end].decode("ascii").lower()


def segments_of(path: str) -> tuple[str, ...]:
    """Return the segments of a path, not decoded, empty ones and the query left out."""
    return tuple([segment for segment in path.partition("?")[0].split("/") if segment])
