"""The HTTP side: one request in, the engine's answer out."""

import asyncio
import json
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiohttp import web

from deploy.stack.front import access, asked, engine, errors, statement
from deploy.stack.front.asked import Asked
from deploy.stack.front.encoding import chosen
from deploy.stack.front.engine import Engine, EngineError, Handle, refused
from deploy.stack.front.sessions import Sessions

Answer = TypeVar("Answer")

AT_ONCE, WAITING = 16, 100  # statements that run, requests that wait for one to end
WHOLE = 1 << 28  # bytes of rows in a result that cannot be streamed
PIECE = 1 << 20
HELD, HELD_LONG = 1 << 20, 1 << 25  # bytes of a result before its status is sent
BINARY = "application/octet-stream"
TYPES = {"JSON": "application/json; charset=UTF-8", "CSV": "text/csv; charset=UTF-8"}
TYPES |= {"TSV": "text/tab-separated-values; charset=UTF-8", "TabSeparated": "text/tab-separated-values; charset=UTF-8"}


class Front:
    """ClickHouse's HTTP interface over one engine."""

    def __init__(
        self, opened: Engine, port: int, digests: Mapping[str, str], reader: str, scheme: str = "http"
    ) -> None:
        """`digests`: of the passwords, by user; `reader`: the one who may only read."""
        self._scheme = scheme
        self._engine, self._port, self._digests, self._reader = opened, port, digests, reader
        self._pool = ThreadPoolExecutor(AT_ONCE, "engine")
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._inside = 0
        self._sessions = Sessions()

    def application(self) -> web.Application:
        """Return the application to serve."""
        application = web.Application()
        application.router.add_get("/ping", self._ping)
        application.router.add_route("*", "/{any:.*}", self._request)
        application.on_cleanup.append(self._end)
        return application

    async def _end(self, _: web.Application) -> None:
        self._sessions.close()
        self._pool.shutdown(wait=True)
        self._engine.close()

    async def _ping(self, request: web.Request) -> web.Response:
        if header := access.foreign(request, self._port, self._scheme):
            return errors.response(errors.foreign(header), {})
        return web.Response(text="Ok.\n")

    async def _request(self, request: web.Request) -> web.StreamResponse:
        headers = {"X-ClickHouse-Query-Id": request.query.get("query_id") or str(uuid.uuid4())}
        headers |= {"X-ClickHouse-Timezone": "UTC", "X-ClickHouse-Server-Display-Name": "sbiscope"}
        try:
            if header := access.foreign(request, self._port, self._scheme):
                raise errors.foreign(header)
            reading = access.user(request, self._digests) == self._reader
            if request.method not in {"GET", "POST"} or request.path != "/":
                raise refused(36, "BAD_ARGUMENTS", f"There is nothing at {request.method} {request.path}")
            if request.method == "GET" and not request.query.get("query"):
                return web.Response(text="Ok.\n", headers=headers)
            async with self._turn():
                return await self._answer(request, await asked.read(request), reading, headers)
        except EngineError as error:
            answer = errors.response(error, headers)
            if not request.content.at_eof():
                answer.force_close()  # the rest of the body is not waited for
            return answer

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._inside >= AT_ONCE + WAITING:
            raise refused(202, "TOO_MANY_SIMULTANEOUS_QUERIES", f"{WAITING} requests are waiting already")
        self._inside += 1
        try:
            async with self._slots:
                yield
        finally:
            self._inside -= 1

    async def _do(self, work: Callable[..., Answer], *given: Any) -> Answer:
        """Do work of the engine in a thread, so that others are served meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *given)

    async def _answer(
        self, request: web.Request, one: Asked, reading: bool, headers: dict[str, str]
    ) -> web.StreamResponse:
        reads_only = reading or request.method == "GET" or one.settings.get("readonly", "0") != "0"
        canonical = await self._do(self._checked, one, reads_only)
        form = statement.output_format(canonical) or one.own.get("default_format") or "TabSeparated"
        streamed = one.insert is None and _can_stream(canonical, form, one)
        if not streamed and one.insert is None:
            one.settings.setdefault("max_result_bytes", str(WHOLE))
        async with self._handle(one, reading) as handle:
            if one.insert is not None:
                return await self._insert(handle, one.insert, one, headers)
            begun = time.monotonic_ns()
            if streamed:
                return await self._stream(request, handle, one, form, headers)
            result = await self._do(handle.run, one.sql, form, one.params)
            return await self._whole(request, result, form, headers, begun)

    def _checked(self, one: Asked, reads_only: bool) -> str:
        """Return the statement as the engine's parser writes it; raises EngineError where it may not pass."""
        sql = one.sql
        if one.insert is not None:
            sql = f"{one.insert.head}\nFORMAT {one.insert.form or one.own.get('default_format') or 'Values'}"
        handle = self._engine.handle({})
        try:
            kind, count = handle.classified(sql)
            canonical = handle.canonical(sql)
        finally:
            handle.close()
        if count > 1:
            raise refused(62, "SYNTAX_ERROR", "Multi-statements are not allowed")
        if word := statement.denied(canonical):
            raise refused(497, "ACCESS_DENIED", f"{word} is not allowed here")
        if reads_only and kind != engine.READ_ONLY:
            raise refused(164, "READONLY", "Cannot execute query in readonly mode")
        return canonical

    @asynccontextmanager
    async def _handle(self, one: Asked, reading: bool) -> AsyncIterator[Handle]:
        """Give a handle with the request's settings and tables: one of its own, or its session's."""
        name = one.own.get("session_id")
        if name and not reading:  # a reader can keep nothing in a session
            with self._sessions.session(name, lambda: self._engine.handle({}), one.own) as handle:
                before = await self._do(_lend, handle, one)
                try:
                    yield handle
                finally:
                    await self._do(handle.set, before)
            return
        handle = await self._do(self._engine.handle, {}, one.database)
        try:
            await self._do(_prepare, handle, one, reading)
            yield handle
        finally:
            await self._do(handle.close)

    async def _insert(
        self, handle: Handle, head: statement.Insert, one: Asked, headers: dict[str, str]
    ) -> web.StreamResponse:
        begun = time.monotonic_ns()
        form = head.form or one.own.get("default_format") or "Values"
        insertion = await self._do(handle.insert, head.head, form)
        try:
            async for block in one.data:
                await self._do(insertion.append, block)
            result = await self._do(insertion.done)
        except BaseException:
            await self._do(insertion.cancel)
            raise
        return web.Response(headers={**headers, **_summary(engine.counts(result), begun)})

    async def _whole(
        self, request: web.Request, result: Any, form: str, headers: dict[str, str], begun: int
    ) -> web.StreamResponse:
        view = memoryview(result.get_memview().view()) if result.size() else memoryview(b"")
        headers |= _summary(engine.counts(result), begun) | ({"X-ClickHouse-Format": form} if len(view) else {})
        response, packer = await _begin(request, form, headers)
        for start in range(0, len(view), PIECE):
            await response.write(packer.pack(bytes(view[start : start + PIECE])))
        await response.write(packer.end())
        return response

    async def _stream(
        self, request: web.Request, handle: Handle, one: Asked, form: str, headers: dict[str, str]
    ) -> web.StreamResponse:
        """Send block after block; what fails while some are held back is told by the status, later amid the rows."""
        begun = time.monotonic_ns()
        rows = await self._do(handle.stream, one.sql, form, one.params)
        names = b""

        async def block() -> bytes:
            nonlocal names
            one = await self._do(rows.block)
            if names and one.startswith(names):
                return one[len(names) :]
            names = one[: statement.names_length(form, one)]
            return one

        try:
            held = await _held(block, HELD_LONG if one.own.get("wait_end_of_query") == "1" else HELD)
            tag = secrets.token_hex(8)
            headers |= {"X-ClickHouse-Format": form, errors.TAG: tag, **_summary(rows.counted, begun)}
            response, packer = await _begin(request, form, headers)
            for part in held[:-1]:
                await response.write(packer.pack(part))
            part = held[-1]
            while part:
                await response.write(packer.pack(part))
                try:
                    part = await block()
                except EngineError as error:
                    await response.write(packer.pack(errors.amid(error, tag)) + packer.end())
                    if request.transport is not None:
                        request.transport.close()  # without the last chunk: no client takes it for whole
                    return response
            await response.write(packer.end())
            return response
        finally:
            await self._do(rows.cancel)


async def _held(block: Callable[[], Awaitable[bytes]], most: int) -> list[bytes]:
    """Return the first blocks: as many bytes as may be held back, or all and an empty one."""
    held, size = [await block()], 0
    while held[-1] and size + len(held[-1]) < most:
        size += len(held[-1])
        held.append(await block())
    return held


def _can_stream(canonical: str, form: str, one: Asked) -> bool:
    """Tell whether blocks written alone make the result: not in every format, and not with rows of another kind."""
    whole = one.own.get("wait_end_of_query") == "1" or one.settings.get("extremes", "0") != "0"
    whole = (
        whole or statement.has_totals(canonical) or any(name.startswith("output_format_json") for name in one.settings)
    )
    return statement.is_select(canonical) and statement.is_joinable(form) and not whole


def _prepare(handle: Handle, one: Asked, reading: bool) -> None:
    """Give a fresh handle the request's settings and tables, and last what lets nothing more be set."""
    settings = dict(one.settings)
    last = settings.pop("readonly", "0")
    handle.set(settings)
    for table in one.tables:
        _create(handle, table)
    if reading:
        handle.limit_to_reading(settings)
    elif last != "0":
        handle.set({"readonly": last})


def _lend(handle: Handle, one: Asked) -> dict[str, str]:
    """Give a session's handle the request's settings and tables; return what the settings were."""
    settings = {name: value for name, value in one.settings.items() if name != "readonly"}
    before = handle.values(settings)
    if one.database:
        handle.use(one.database)
    handle.set(settings)
    for table in one.tables:
        handle.run(f"DROP TEMPORARY TABLE IF EXISTS `{table.name}`")
        _create(handle, table)
    return before


def _create(handle: Handle, table: asked.External) -> None:
    if not table.name.isidentifier():
        raise refused(36, "BAD_ARGUMENTS", f"{table.name} is no name for an external table")
    handle.run(f"CREATE TEMPORARY TABLE `{table.name}` ({table.structure})")
    insertion = handle.insert(f"INSERT INTO `{table.name}`", table.form)
    insertion.append(table.data)
    insertion.done()


async def _begin(request: web.Request, form: str, headers: dict[str, str]) -> tuple[web.StreamResponse, Any]:
    """Begin an answer of rows, packed as the client takes it."""
    wanted = request.query.get("enable_http_compression", "0") not in {"0", ""}
    encoding, packer = chosen(request.headers.get("Accept-Encoding", "") if wanted else "")
    headers["Content-Type"] = next((kind for start, kind in TYPES.items() if form.startswith(start)), BINARY)
    if encoding:
        headers["Content-Encoding"] = encoding
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    return response, packer


def _summary(counted: Mapping[str, int], begun: int) -> dict[str, str]:
    """Return the header that tells what was counted so far; times in ns of the monotonic clock."""
    summary = {**counted, "total_rows_to_read": 0, "elapsed_ns": time.monotonic_ns() - begun}
    return {"X-ClickHouse-Summary": json.dumps({name: str(value) for name, value in summary.items()})}
