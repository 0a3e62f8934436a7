"""A worker's little HTTP server: /metrics for Prometheus, /healthz for the kubelet; on loopback unless told."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from schemas.listening import listening
from schemas.refusal import Refusal
from streams.runtime.exposition import CONTENT_TYPE

LOOPBACK = "127.0.0.1"


async def serve(metrics: Callable[[], str], at: str) -> None:
    """Serve at host:port (`:port`: on loopback) for as long as the event loop lives.

    /healthz tells that the loop turns: what makes going on wrong ends the process anyway. Raises Refusal: the address
    is none, or taken.
    """
    host, _, port = at.rpartition(":")
    app = web.Application()
    app.router.add_get("/metrics", _answer(metrics, CONTENT_TYPE))
    app.router.add_get("/healthz", _answer(lambda: "well\n", "text/plain; charset=utf-8"))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.SockSite(runner, listening(host.strip("[]") or LOOPBACK, int(port))).start()
    except (OSError, ValueError) as error:
        raise Refusal("cannot serve metrics", f"{at}: {error}", "give another --metrics HOST:PORT") from error


def _answer(text: Callable[[], str], kind: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=text().encode(), headers={"Content-Type": kind})

    return answer
