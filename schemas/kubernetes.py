"""Objects of one kind as the Kubernetes API tells them: listed, then watched, by a plain HTTP client.

API concepts, "Efficient detection of changes": list, then watch from its resourceVersion; 410 Gone means list again.
"""

import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from schemas.cluster_api import Api, Metadata
from schemas.gathered_lines import OnlyHead, Pace, gathered

LIST_LIMIT = 50  # objects a page: memory stays small whatever there is
WATCH_S = 300  # then the server ends the watch in order, and it is begun anew
SILENCE_S = WATCH_S + 30
GATHER_S = 0.5  # many changes are let gather so long: a waking costs more than a change
AT_ONCE = 8  # changes that may be acted on without: a pod that starts talks within less
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
GONE = 410
ERROR_TEXT_BYTES = 256
NO_CHANGES = frozenset({"ERROR", "BOOKMARK"})


class Position(msgspec.Struct):
    """Where a list stands, and what asks for its next page."""

    resource_version: str = msgspec.field(default="", name="resourceVersion")
    next_page: str = msgspec.field(default="", name="continue")


class Page(msgspec.Struct):
    """A page of a list; the items are read by who knows their kind."""

    metadata: Position = msgspec.field(default_factory=Position)
    items: list[msgspec.Raw] = msgspec.field(default_factory=list)


class HasMetadata(Protocol):
    """Any object of the API."""

    @property
    def metadata(self) -> Metadata:
        """Its name and what else all have."""


Told = TypeVar("Told", bound=HasMetadata)
Told_contra = TypeVar("Told_contra", bound=HasMetadata, contravariant=True)


class Keeper(Protocol[Told_contra]):
    """Who keeps the objects; called by the thread that watches."""

    def put(self, told: Told_contra, /) -> str:
        """Take an object that is new or has changed; return by what key it is kept."""

    def drop(self, told: Told_contra, /) -> None:
        """Take note that an object is gone."""

    def keep_only(self, keys: frozenset[str], /) -> None:
        """Take note that these were all there are: what has another key is gone."""


class Carried(msgspec.Struct):
    """What of the object counts in a line that carries none of the kind: an ERROR's words, a BOOKMARK's position."""

    metadata: Position = msgspec.field(default_factory=Position)
    code: int = 0
    message: str = ""


class Line(msgspec.Struct):
    """Such a line of a watch."""

    type: str
    object: Carried


class Failed(Exception):  # noqa: N818 (what the request did)
    """The API did not give what was asked; `code` is its HTTP status, 0 where there is none."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Kind(Generic[Told]):
    """What to watch: `path` of the kind below the API's address, the struct its objects are read into, a selector."""

    path: str
    struct: type[Told]
    selector: str = ""  # of fields, such as spec.nodeName=n1


class ObjectWatch(Generic[Told]):
    """Keeps what the API has, in a thread of its own; what goes wrong is counted and tried again."""

    def __init__(self, api: Api, kind: Kind[Told], keeper: Keeper[Told], count: Callable[[str], None]) -> None:
        """Nothing is asked before `start`; `count` is told the name of each thing that went wrong."""
        self._api = api
        self._kind = kind
        self._keeper = keeper
        self._count = count
        self._context = ssl.create_default_context(cafile=str(api.ca_file)) if api.ca_file else None
        self._page_decoder = msgspec.json.Decoder(Page)
        line = msgspec.defstruct("LineOfKind", [("type", str), ("object", kind.struct)], gc=False)
        self._line_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(line)
        self._decoder: msgspec.json.Decoder[Told] = msgspec.json.Decoder(kind.struct)
        self._stopped = threading.Event()
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self.run, name=kind.path.rpartition("/")[2], daemon=True)
        self.problem = ""  # the last one, "" while all is well
        self.has_tried = threading.Event()  # a whole list was read, or could not be

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """End; what is known stays."""
        self._stopped.set()
        if (held := self._socket) is not None:
            with suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)  # which wakes who reads it

    def run(self) -> None:
        """List and watch until `close`."""
        position, pause_s = "", FIRST_PAUSE_S
        while not self._stopped.is_set():
            try:
                position = position or self.read_list()
                for reached in self.follow(position):
                    position, self.problem, pause_s = reached, "", FIRST_PAUSE_S
            except Failed as failed:
                self._note(failed)
                if failed.code == GONE:
                    position = ""
                    continue
            except (OSError, HTTPException, msgspec.DecodeError, UnicodeDecodeError) as error:
                self._note(Failed(0, f"{type(error).__name__}: {error}"))
            else:
                continue
            self._stopped.wait(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 (all nodes at once would be a stampede)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def read_list(self) -> str:
        """Read all objects, page by page; return the position from which to watch. Raises Failed."""
        keys: set[str] = set()
        page = ""
        while True:
            asked = {"limit": str(LIST_LIMIT)} | ({"continue": page} if page else {})
            with self._ask(asked, HTTPResponse) as (_, response):
                told = self._page_decoder.decode(response.read())
            keys.update(self._keeper.put(self._decoder.decode(item)) for item in told.items)
            page = told.metadata.next_page
            if not page:
                self._keeper.keep_only(frozenset(keys))
                self.problem = ""
                self.has_tried.set()
                return told.metadata.resource_version

    def follow(self, position: str) -> Iterator[str]:
        """Watch from `position` until the server ends it; yield each new position. Raises Failed."""
        asked = {
            "watch": "1",
            "resourceVersion": position,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_S),
        }
        pace = Pace(GATHER_S, AT_ONCE)
        with self._ask(asked, OnlyHead) as (link, response):
            for lines in gathered(link, response, lambda: self._stopped.wait(pace.wait_s(time.monotonic()))):
                for line in filter(bytes.strip, lines):
                    yield self._take(line) or position

    def _take(self, line: bytes) -> str:
        """Act on a line; return the position behind it. Raises Failed where it carries an error."""
        try:
            change = self._line_decoder.decode(line)  # in one pass: most lines are changes
        except msgspec.ValidationError:
            return position_in(line)
        if change.type in NO_CHANGES:
            return position_in(line)
        told = change.object
        if change.type == "DELETED":
            self._keeper.drop(told)
        else:
            self._keeper.put(told)
        return str(told.metadata.resource_version)

    @contextmanager
    def _ask(self, asked: dict[str, str], kind: type[HTTPResponse]) -> Iterator[tuple[socket.socket, HTTPResponse]]:
        """Ask, and give the connection and the answer on it; the connection ends with it."""
        selected = {"fieldSelector": self._kind.selector} if self._kind.selector else {}
        query = urlencode(selected | asked, quote_via=quote)
        headers = {"Accept": "application/json", "User-Agent": "sbiscope"}
        if self._api.token_file is not None:
            headers["Authorization"] = f"Bearer {self._api.token_file.read_text().strip()}"
        with closing(self._connection()) as link:
            link.response_class = kind
            link.connect()
            held: socket.socket = link.sock
            self._socket = held
            if self._stopped.is_set():  # after it is told: `close` ends what it finds, this what it did not
                raise Failed(0, "the watch was closed")
            link.request("GET", f"{self._kind.path}?{query}", headers=headers)
            with held, link.getresponse() as response:
                if response.status != HTTPStatus.OK:
                    text = response.read(ERROR_TEXT_BYTES).decode(errors="replace")
                    raise Failed(response.status, f"{response.status} {response.reason}: {text}")
                yield held, response

    def _connection(self) -> HTTPConnection:
        place = urlsplit(self._api.url)
        host = place.hostname or ""
        if place.scheme == "https":
            return HTTPSConnection(host, place.port, timeout=SILENCE_S, context=self._context)
        return HTTPConnection(host, place.port, timeout=SILENCE_S)

    def _note(self, failed: Failed) -> None:
        if self._stopped.is_set():
            return
        self.problem = str(failed)
        self.has_tried.set()
        self._count("kubernetes_lists_anew" if failed.code == GONE else "kubernetes_failures")


def position_in(line: bytes) -> str:
    """Return the position that a line of a watch carries beside changes.

    Raises Failed for an ERROR, msgspec.ValidationError where the line was to be a change.
    """
    told = msgspec.json.decode(line, type=Line)
    if told.type == "ERROR":
        raise Failed(told.object.code, told.object.message)
    if told.type not in NO_CHANGES:
        raise msgspec.ValidationError(f"what is {told.type} is no object of the kind")
    return told.object.metadata.resource_version
