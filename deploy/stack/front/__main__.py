"""The front's process: takes its port, gives up everything else, opens the engine, serves until SIGTERM.

python -m deploy.stack.front PORT DATA [CERTIFICATE KEY]

On standard input: {"user": SHA-256 of its password, …} and end. CERTIFICATE (with its chain) and KEY: PEM files; then
it speaks TLS and nothing else.
"""

import asyncio
import faulthandler
import importlib
import json
import os
import signal
import socket
import ssl
import sys
from pathlib import Path

from deploy.stack.front import engine, sandbox
from deploy.stack.passwords import READER

LONGEST_LINE = 1 << 20  # bytes of an address: parameters may stand in it


def main(words: list[str]) -> int:
    """Serve; 0 after SIGTERM, 1 with one line on standard error when it cannot begin."""
    port, data, pair = int(words[0]), Path(words[1]), words[2:]
    sandbox.die_with_parent()
    faulthandler.enable()  # a signal in the engine's library would leave no word in the log
    digests = {str(user): str(digest) for user, digest in json.load(sys.stdin).items()}
    try:
        tls = server_context(*pair) if pair else None
    except OSError as error:
        print(f"{' and '.join(pair)} are no certificate and its key: {error.strerror or error}", file=sys.stderr)
        return 1
    try:
        listener = socket.create_server(("127.0.0.1", port), backlog=128)
    except OSError as error:
        print(f"port {port} cannot be used: {error.strerror}", file=sys.stderr)
        return 1
    try:
        opened, walls = _open(data)
    except engine.EngineError as error:
        print(f"the engine cannot open {data}: {error}", file=sys.stderr)
        return 1
    spoken = "https" if tls else "http"
    print(
        f"serving ClickHouse {opened.version} on {spoken}://127.0.0.1:{port}; walls: {', '.join(walls)}",
        file=sys.stderr,
    )
    asyncio.run(_serve(opened, listener, port, digests, tls))
    return 0


def server_context(certificate: str, key: str) -> ssl.SSLContext:
    """Return what the front shows its clients. Raises OSError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key, password="")  # without one OpenSSL would ask at the terminal
    return context


def _open(data: Path) -> tuple[engine.Engine, list[str]]:
    """Open the engine from within the walls. What Python needs is imported before they stand."""
    for name in ("deploy.stack.front.server", "encodings.idna", "multiprocessing.connection"):
        importlib.import_module(name)
    asyncio.new_event_loop().close()  # its selector and signals import what they need
    rooted = sandbox.is_root()
    inside = "" if rooted else str(data)
    engine.write_configuration(Path(__file__).parent, data, f"{inside}/users.xml")
    for folder in ("data", "tmp"):
        (data / folder).mkdir(parents=True, exist_ok=True)
        sandbox.give_to_nobody(data / folder)
    os.environ["TMPDIR"] = str(data / "tmp")  # chDB opens an engine in memory while it is imported
    walls = sandbox.close_in(data)
    importlib.import_module("chdb")
    os.environ["TMPDIR"] = f"{inside}/tmp"  # noqa: S108 (the engine's own, below its data)
    walls += sandbox.drop_root(data)
    return engine.Engine(f"{inside}/data", f"{inside}/config.xml"), walls


async def _serve(
    opened: engine.Engine, listener: socket.socket, port: int, digests: dict[str, str], tls: ssl.SSLContext | None
) -> None:
    from aiohttp import web

    from deploy.stack.front.server import Front

    application = Front(opened, port, digests, READER, "https" if tls else "http").application()
    runner = web.AppRunner(
        application, auto_decompress=False, access_log=None, max_line_size=LONGEST_LINE, max_field_size=LONGEST_LINE
    )
    await runner.setup()
    await web.SockSite(runner, listener, shutdown_timeout=10, ssl_context=tls).start()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    await runner.cleanup()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
