"""The engine in this process: handles to it, each with its own settings, and what goes wrong there."""

import importlib
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

# What a reader may use, as on a server (schemas/clickhouse/README.md); a request may ask for less, never for more.
READER_LIMITS = {"max_execution_time": 60, "max_result_rows": 10_000_000, "max_memory_usage": 4_000_000_000}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

READ_ONLY, MUTATING, MUTATING_GLOBAL, CONTROL = range(4)  # the engine's classes of statements


class EngineError(Exception):
    """What the engine (or the front in its place) refuses, with ClickHouse's number for it."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(message)


def _error(error: BaseException) -> EngineError:
    text = str(error).strip()
    found = re.search(r"Code: (\d+)", text)
    code = int(found[1]) if found else 1002
    return EngineError(code, text if text.startswith("Code: ") else f"Code: {code}. DB::Exception: {text}")


def refused(code: int, name: str, message: str) -> EngineError:
    """Return an error of the front, worded as the engine words its own."""
    return EngineError(code, f"Code: {code}. DB::Exception: {message}. ({name})")


class Engine:
    """One database directory."""

    def __init__(self, data: str, config: str) -> None:
        """Open it; raises EngineError when it cannot be opened (another process has it)."""
        self._connect: Callable[[str], Any] = importlib.import_module("chdb._chdb").connect
        self._address = f"{data}?config-file={config}"
        try:
            self._anchor = self._connect(self._address)  # while one handle is open the engine stays
        except RuntimeError as error:
            raise _error(error) from error
        self.version = self.handle({}).rows("SELECT version() FORMAT TSV").decode().strip()

    def handle(self, settings: Mapping[str, str], database: str = "") -> "Handle":
        """Return a new handle, made in a quarter of a millisecond; raises EngineError for a setting that is none."""
        handle = Handle(self._connect(self._address))
        try:
            handle.set(settings)
            if database:
                handle.use(database)
        except EngineError:
            handle.close()
            raise
        return handle

    def close(self) -> None:
        """Close the engine: all it took is on disk."""
        self._anchor.close()


class Handle:
    """One user of the engine at a time: its settings, its temporary tables, one statement after another."""

    def __init__(self, chdb: Any) -> None:
        self._chdb = chdb

    def set(self, settings: Mapping[str, str]) -> None:
        """Set settings for all statements that follow."""
        for name in settings:
            if not _NAME.fullmatch(name):
                raise refused(115, "UNKNOWN_SETTING", f"Unknown setting '{name}'")
        if settings:
            self.run("SET " + ", ".join(f"{name} = {_quoted(value)}" for name, value in settings.items()))

    def values(self, names: Mapping[str, str]) -> dict[str, str]:
        """Return what the settings of these names are."""
        wanted = ", ".join(f"toString(getSetting({_quoted(name)}))" for name in names)
        row = self.rows(f"SELECT {wanted} FORMAT TSVRaw").decode() if names else ""
        return dict(zip(names, row.rstrip("\n").split("\t"), strict=False))

    def use(self, database: str) -> None:
        """Choose the database of names without one."""
        self.run(f"USE `{database.replace(chr(92), chr(92) * 2).replace('`', chr(92) + '`')}`")

    def limit_to_reading(self, settings: Mapping[str, str]) -> None:
        """Bind this handle to a reader's limits for good."""
        limits = {name: _lower(settings.get(name, ""), most) for name, most in READER_LIMITS.items()}
        self.set(limits | {"readonly": "1"})

    def classified(self, sql: str) -> tuple[int, int]:
        """Return (class, number of statements) of a text, as the engine's parser sees it."""
        found = self._chdb.classify_query(sql)
        return int(found["query_class"]), int(found["statement_count"])

    def canonical(self, sql: str) -> str:
        """Return `sql` as the engine's parser writes it; raises EngineError where it is no SQL."""
        form = "SELECT formatQuery({q:String}) FORMAT TSVRaw SETTINGS max_query_size = 0"
        text = bytes(self.run(form, params={"q": _escaped(sql)}).bytes())
        return text.decode("utf-8", "replace").rstrip("\n")

    def run(self, sql: str, form: str = "TSV", params: Mapping[str, str] | None = None) -> Any:
        """Run a statement to its end and return the engine's result."""
        try:
            return self._chdb.query(sql, form, params=dict(params or {}))
        except RuntimeError as error:
            raise _error(error) from error

    def rows(self, sql: str) -> bytes:
        """Return the result of a statement of our own."""
        return bytes(self.run(sql).bytes())

    def stream(self, sql: str, form: str, params: Mapping[str, str]) -> "Stream":
        """Begin a SELECT whose rows come block by block."""
        try:
            return Stream(self._chdb, self._chdb.send_query(sql, form, params=dict(params)))
        except RuntimeError as error:
            raise _error(error) from error

    def insert(self, head: str, form: str) -> "Insertion":
        """Begin an INSERT whose data come block by block."""
        try:
            return Insertion(self._chdb, self._chdb.send_insert(head + "\n", form))
        except RuntimeError as error:
            raise _error(error) from error

    def close(self) -> None:
        """Give the handle back; its settings and temporary tables go with it."""
        self._chdb.close()


class Stream:
    """Rows on their way out, and how many there were so far."""

    def __init__(self, chdb: Any, stream: Any) -> None:
        self._chdb, self._stream = chdb, stream
        self.counted = Counter[str]()

    def block(self) -> bytes:
        """Return the next block, written as a whole of its own; nothing at the end. Raises EngineError."""
        try:
            result = self._chdb.streaming_fetch_result(self._stream)
        except RuntimeError as error:
            raise _error(error) from error
        self.counted.update(counts(result))
        return bytes(result.bytes())

    def cancel(self) -> None:
        """Stop it, whether it has ended or not."""
        self._chdb.streaming_cancel_query(self._stream)


class Insertion:
    """Rows on their way in."""

    def __init__(self, chdb: Any, insertion: Any) -> None:
        self._chdb, self._insertion = chdb, insertion

    def append(self, block: bytes) -> None:
        """Add bytes of the body. Raises EngineError where they cannot be rows."""
        try:
            self._chdb.insert_append(self._insertion, block)
        except RuntimeError as error:
            raise _error(error) from error

    def done(self) -> Any:
        """Return the engine's result when all rows are stored. Raises EngineError."""
        try:
            return self._chdb.insert_done(self._insertion)
        except RuntimeError as error:
            raise _error(error) from error

    def cancel(self) -> None:
        """Give up what is not stored yet."""
        self._chdb.insert_cancel(self._insertion)


def counts(result: Any) -> dict[str, int]:
    """Return what a result counted, by the names of ClickHouse's summary."""
    return {
        "read_rows": result.storage_rows_read(),
        "read_bytes": result.storage_bytes_read(),
        "written_rows": result.rows_written(),
        "written_bytes": result.bytes_written(),
        "result_rows": result.rows_read() or result.rows_written(),
        "result_bytes": result.bytes_read() or result.bytes_written(),
    }


def write_configuration(folder: Path, into: Path, users: str) -> None:
    """Write the engine's configuration below `into`; `users`: where its process will find the file of users."""
    (into / "users.xml").write_text((folder / "users.xml").read_text())
    (into / "config.xml").write_text((folder / "config.xml").read_text().replace("${users}", users))


def _lower(asked: str, most: int) -> str:
    return str(min(int(asked), most)) if asked.isdigit() and int(asked) > 0 else str(most)


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _escaped(value: str) -> str:
    """Return text as a query parameter's value has it."""
    return (
        value.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r").replace("\0", "\\0")
    )
