"""What one request asks for: statement, data, parameters, settings, wherever ClickHouse lets them stand."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from aiohttp import BodyPartReader, web

from deploy.stack.front import statement
from deploy.stack.front.encoding import UnknownEncodingError, Unpacker
from deploy.stack.front.engine import refused

HEAD = 1 << 20  # bytes in which a statement that comes in the body must end
FIELD = 1 << 24  # bytes of one field of a form

_NO_TEXT = refused(62, "SYNTAX_ERROR", "Syntax error: the statement is not UTF-8")

# What the front itself takes from the address; any other name is a setting of the engine.
OWN = frozenset(
    {
        "query",
        "database",
        "user",
        "password",
        "default_format",
        "query_id",
        "session_id",
        "session_timeout",
        "session_check",
        "close_session",
        "quota_key",
        "compress",
        "decompress",
        "wait_end_of_query",
        "buffer_size",
        "enable_http_compression",
        "client_protocol_version",
        "role",
        "stacktrace",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "http_zlib_compression_level",
        "add_http_cors_header",
    }
)


@dataclass(frozen=True, slots=True)
class External:
    """A table that comes with the request."""

    name: str
    structure: str
    form: str
    data: bytes


@dataclass(slots=True)
class Asked:
    """One request, its body read as far as the statement goes; `data` is what comes behind an INSERT's head."""

    sql: str
    insert: statement.Insert | None
    data: AsyncIterator[bytes]
    own: dict[str, str]
    settings: dict[str, str]
    params: dict[str, str]
    tables: list[External] = field(default_factory=list)

    @property
    def database(self) -> str:
        """Database of names without one; empty: the engine's default."""
        return self.own.get("database", "")


async def read(request: web.Request) -> Asked:
    """Read a request up to its statement's end. Raises EngineError where it cannot be understood."""
    given = dict(request.query)
    tables: list[External] = []
    if request.content_type == "multipart/form-data":
        fields, files = await _form(request)
        given |= fields
        tables = _tables(given, files)
        body: AsyncIterator[bytes] = _none()
    else:
        body = _body(request)
    own = {name: value for name, value in given.items() if name in OWN}
    params = {name[6:]: value for name, value in given.items() if name.startswith("param_")}
    settings = {name: value for name, value in given.items() if name not in OWN and not name.startswith("param_")}
    if own.get("compress", "0") not in {"0", ""} or own.get("decompress", "0") not in {"0", ""}:
        advice = (
            "ClickHouse's own block compression is not spoken here, use enable_http_compression and Content-Encoding"
        )
        raise refused(48, "NOT_IMPLEMENTED", advice)
    database = request.headers.get("X-ClickHouse-Database")
    if database and "database" not in own:
        own["database"] = database
    form = request.headers.get("X-ClickHouse-Format")
    if form and "default_format" not in own:
        own["default_format"] = form
    text, data = await _statement(own.get("query", "").encode("utf-8", "surrogateescape"), body)
    found = _insert(text)
    if found is None:
        rest = b"".join([part async for part in _bounded(data)])
        return Asked(_text(text + rest), None, _none(), own, settings, params, tables)
    insert, begins = found
    return Asked(insert.head, insert, _after(text[begins:], data), own, settings, params, tables)


async def _statement(query: bytes, body: AsyncIterator[bytes]) -> tuple[bytes, AsyncIterator[bytes]]:
    """Return the text in which the statement stands, the address's or else the body's, and the rest of the body."""
    found = _insert(query)
    if found is not None and found[0].form:
        return query, body
    text = bytearray(query + b"\n" if query.strip() else b"")
    async for part in body:
        text += part
        if len(text) >= HEAD:
            break
    return bytes(text), body


async def _bounded(data: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    size = 0
    async for part in data:
        size += len(part)
        if size > FIELD:
            raise refused(62, "SYNTAX_ERROR", f"The statement is longer than {FIELD} bytes")
        yield part


async def _after(first: bytes, data: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for part in data:
        yield part


async def _none() -> AsyncIterator[bytes]:
    nothing: tuple[bytes, ...] = ()
    for part in nothing:
        yield part


async def _body(request: web.Request) -> AsyncIterator[bytes]:
    """Yield the body, unpacked as its Content-Encoding says, in pieces."""
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding in {"", "identity"}:
        async for part in request.content.iter_any():
            yield part
        return
    try:
        unpacker = Unpacker(encoding)
    except UnknownEncodingError as error:
        raise refused(48, "NOT_IMPLEMENTED", f"Unknown Content-Encoding {error}") from error
    try:
        async for part in request.content.iter_any():
            for block in unpacker.unpack(part):
                yield block
    except ValueError as error:
        raise refused(354, "ZLIB_INFLATE_FAILED", f"The body is not {encoding}: {error}") from error
    if not unpacker.whole:
        raise refused(354, "ZLIB_INFLATE_FAILED", f"The body ends within its {encoding} frame")


async def _form(request: web.Request) -> tuple[dict[str, str], dict[str, bytes]]:
    """Return the fields and the files of a form; it is read here, before anything else has read the body."""
    fields: dict[str, str] = {}
    files: dict[str, bytes] = {}
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader) or not part.name:
                continue
            data = bytes(await part.read(decode=False))
            if len(data) > FIELD:
                raise refused(62, "SYNTAX_ERROR", f"A field of the form is longer than {FIELD} bytes")
            if part.filename is None:
                fields[part.name] = data.decode("utf-8", "surrogateescape")
            else:
                files[part.name] = data
    except (ValueError, AssertionError) as error:
        raise refused(36, "BAD_ARGUMENTS", f"The form cannot be read: {error}") from error
    return fields, files


def _tables(given: dict[str, str], files: Mapping[str, bytes]) -> list[External]:
    """Take the tables that come with a form out of its fields."""
    tables = []
    for name, data in files.items():
        structure = given.pop(f"{name}_structure", "")
        types = given.pop(f"{name}_types", "")
        form = given.pop(f"{name}_format", "TabSeparated")
        if not structure and types:
            structure = ", ".join(f"_{place} {one}" for place, one in enumerate(types.split(","), 1))
        if not structure:
            raise refused(36, "BAD_ARGUMENTS", f"Neither structure nor types of the external table {name} are given")
        tables.append(External(name, structure, form, data))
    return tables


def _insert(text: bytes) -> tuple[statement.Insert, int] | None:
    try:
        return statement.insert(text)
    except UnicodeDecodeError as error:
        raise _NO_TEXT from error


def _text(part: bytes) -> str:
    try:
        return part.decode()
    except UnicodeDecodeError as error:
        raise _NO_TEXT from error
