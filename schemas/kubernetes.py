"""Objects of one kind as the Kubernetes API tells them: listed, then watched, by a plain HTTP client.

API concepts, "Efficient detection of changes": list, then watch from its resourceVersion; 410 Gone means list again.
"""

import os
import random
import select
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Generic, Protocol, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
LIST_LIMIT = 50  # objects a page: memory stays small whatever there is
WATCH_S = 300  # then the server ends the watch in order, and it is begun anew
SILENCE_S = WATCH_S + 30
WAITED_S = 0.001  # a line that took longer was not there yet
GATHER_S = 0.2  # then more are let gather: a waking costs more than a line
MOST_LINE_BYTES = 4_194_304  # one object; etcd takes no larger than 1.5 MB
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
GONE = 410
ERROR_TEXT_BYTES = 256


class Metadata(msgspec.Struct):
    """Of an object of the API: what is needed of it; everything else is passed over unread."""

    uid: str = ""
    name: str = ""
    namespace: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    resource_version: str = msgspec.field(default="", name="resourceVersion")


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


class Keeper(Protocol[Told]):
    """Who keeps the objects; called by the thread that watches."""

    def put(self, told: Told, /) -> None:
        """Take an object that is new or has changed."""

    def drop(self, told: Told, /) -> None:
        """Take note that an object is gone."""

    def replace(self, all_told: list[Told], /) -> None:
        """Take the whole list anew: what is not in it is gone."""


class WatchEvent(msgspec.Struct):
    """One line of a watch; `object` is read when its type is known."""

    type: str
    object: msgspec.Raw


class Status(msgspec.Struct):
    """What an ERROR carries."""

    code: int = 0
    message: str = ""


class Bookmark(msgspec.Struct):
    """An object of which only the position counts."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)


class Failed(Exception):  # noqa: N818 (what the request did)
    """The API did not give what was asked; `code` is its HTTP status, 0 where there is none."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Api:
    """Where the API is and how one shows who one is; `token_file` is read for each request, since it changes."""

    url: str
    token_file: Path | None = None
    ca_file: Path | None = None


def api_here(account: Path = ACCOUNT) -> Api | None:
    """Return the API of the cluster that this process is a pod of, None outside of one."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (account / "token").exists():
        return None
    name = f"[{host}]" if ":" in host else host
    return Api(f"https://{name}:{port}", account / "token", account / "ca.crt")


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
        self._event_decoder = msgspec.json.Decoder(WatchEvent)
        self._decoder: msgspec.json.Decoder[Told] = msgspec.json.Decoder(kind.struct)
        self._stopped = threading.Event()
        self._link: HTTPConnection | None = None
        self._thread = threading.Thread(target=self.run, name=kind.path.rpartition("/")[2], daemon=True)
        self.problem = ""  # the last one, "" while all is well
        self.has_tried = threading.Event()  # a whole list was read, or could not be

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """End; what is known stays."""
        self._stopped.set()
        link = self._link
        if link is not None and link.sock is not None:
            link.sock.close()

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
            except (OSError, HTTPException, msgspec.DecodeError) as error:
                self._note(Failed(0, f"{type(error).__name__}: {error}"))
            else:
                continue
            self._stopped.wait(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 (all nodes at once would be a stampede)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def read_list(self) -> str:
        """Read all objects, page by page; return the position from which to watch. Raises Failed."""
        found: list[Told] = []
        page = ""
        while True:
            asked = {"limit": str(LIST_LIMIT)} | ({"continue": page} if page else {})
            with self._ask(asked) as response:
                told = self._page_decoder.decode(response.read())
            found += map(self._decoder.decode, told.items)
            page = told.metadata.next_page
            if not page:
                self._keeper.replace(found)
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
        with self._ask(asked) as response:
            while True:
                asked_s = time.monotonic()
                line = response.readline(MOST_LINE_BYTES + 1)
                had_to_wait = time.monotonic() - asked_s > WAITED_S
                if not line:
                    return
                if len(line) > MOST_LINE_BYTES:
                    raise Failed(0, "a line without end")
                if line.strip():
                    yield self._take(self._event_decoder.decode(line)) or position
                if had_to_wait and is_quiet(response):
                    self._stopped.wait(GATHER_S)

    def _take(self, event: WatchEvent) -> str:
        """Act on an event; return the position behind it."""
        if event.type == "ERROR":
            status = msgspec.json.decode(event.object, type=Status)
            raise Failed(status.code, status.message)
        if event.type == "BOOKMARK":
            return msgspec.json.decode(event.object, type=Bookmark).metadata.resource_version
        told = self._decoder.decode(event.object)
        if event.type == "DELETED":
            self._keeper.drop(told)
        else:
            self._keeper.put(told)
        return told.metadata.resource_version

    def _ask(self, asked: dict[str, str]) -> "Answered":
        selected = {"fieldSelector": self._kind.selector} if self._kind.selector else {}
        query = urlencode(selected | asked, quote_via=quote)
        headers = {"Accept": "application/json", "User-Agent": "sbiscope"}
        if self._api.token_file is not None:
            headers["Authorization"] = f"Bearer {self._api.token_file.read_text().strip()}"
        link = self._link = self._connection()
        link.request("GET", f"{self._kind.path}?{query}", headers=headers)
        response = link.getresponse()
        if response.status != 200:
            text = response.read(ERROR_TEXT_BYTES).decode(errors="replace")
            link.close()
            raise Failed(response.status, f"{response.status} {response.reason}: {text}")
        return Answered(link, response)

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


def is_quiet(response: HTTPResponse) -> bool:
    """Tell whether nothing more of a response is there yet, as far as the kernel knows."""
    ready = select.poll()
    ready.register(response, select.POLLIN)
    return not ready.poll(0)


@dataclass(slots=True)
class Answered:
    """A response and the connection it comes on, which ends with it."""

    link: HTTPConnection
    response: HTTPResponse

    def __enter__(self) -> HTTPResponse:
        """Give the response."""
        return self.response

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self.link.close()
