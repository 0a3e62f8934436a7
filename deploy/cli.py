"""The command `sbiscope`: finds the subcommand's module, runs it, turns refusals into one line."""

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence

from schemas.crash import STATUS, last_words
from schemas.refusal import Refusal

# name → what it does. Each stands in deploy/commands/<name>.py with `arguments(parser)` and `run(options) -> int`,
# imported only when asked for: a node needs the collector's dependencies alone.
COMMANDS = {
    "collect": "the agent: capture SBI messages from the kernel or a file and publish them",
    "decode": "capture file to JSON lines of events, transactions, procedures or alerts, without Kafka",
    "streams": "run the stream stages (Faust workers)",
    "resolve": "watch a Kubernetes cluster and tell what its addresses stand for",
    "up": "start the local stack: Kafka, ClickHouse, workers",
    "down": "stop the local stack",
    "status": "show each part of the stack, its port, lag and row counts",
    "query": "run one SQL query and print a table, JSON or CSV",
    "report": "KPIs of a period as a terminal table and a self-contained HTML page",
    "trace": "the signalling of one subscriber as a ladder: terminal, HTML, Mermaid, PlantUML, JSON",
    "tail": "transactions as they come, a line each",
    "export": "one subscriber's exchanges of a capture as a redacted capture, for Wireshark",
    "schema": "create topics, migrate ClickHouse, publish the Avro schemas",
    "doctor": "say what this kernel and this machine can do, and what is missing",
    "pseudonym": "map a subscriber identifier to its pseudonym, with the key",
    "config": "check the configuration and show what is in force",
}

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # a full disk may meet any command


def parser_for(name: str) -> argparse.ArgumentParser:
    """Return the argument parser of subcommand `name`, its module imported."""
    parser = argparse.ArgumentParser(prog=f"sbiscope {name}", description=COMMANDS[name])
    parser.add_argument(
        "--config", metavar="FILE", help="TOML configuration (default: $SBISCOPE_CONFIG, else built-in values)"
    )
    importlib.import_module(f"deploy.commands.{name}").arguments(parser)
    return parser


def usage() -> str:
    """Return the list of subcommands as help text."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(["usage: sbiscope COMMAND [OPTION ...]", "", *lines, "", "sbiscope COMMAND --help says more."])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; 0 = done, 1 = refused (one line on standard error), 2 = wrong usage, 130 = interrupted.

    Whatever else happens is 70, told without the error's text.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in {"-h", "--help", "help"}:
        print(usage())
        return 0 if words else 2
    name, rest = words[0], words[1:]
    if name not in COMMANDS:
        print(f"sbiscope: no command {name!r}; see sbiscope --help", file=sys.stderr)
        return 2
    try:
        return _run(name, rest)
    except Refusal as refusal:
        return _refuse(name, refusal)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader went away (| head): nothing is wrong
        _stop_writing()
        return 0
    except OSError as error:
        if error.errno not in FULL:
            return _die(error) if error.filename is None else _refuse(name, _unusable(error))
        _stop_writing()
        place = str(error.filename or "the output")
        return _refuse(name, Refusal("cannot write", f"{place}: {error.strerror}", "free space, or write elsewhere"))
    except Exception as error:  # noqa: BLE001 (a mistake of ours)
        return _die(error)


def _run(name: str, rest: Sequence[str]) -> int:
    options = parser_for(name).parse_args(rest)
    code = int(importlib.import_module(f"deploy.commands.{name}").run(options))
    sys.stdout.flush()  # what cannot be written is said here, not by the interpreter's end
    return code


def _unusable(error: OSError) -> Refusal:
    seen = f"{error.filename}: {error.strerror}"
    return Refusal("cannot use a file", seen, "let this user read it, or name another place (HOME, SBISCOPE_CACHE)")


def _refuse(name: str, refusal: Refusal) -> int:
    print(f"sbiscope {name}: {refusal}", file=sys.stderr)
    return 1


def _die(error: Exception) -> int:
    sys.stderr.write(last_words(error))
    return STATUS


def _stop_writing() -> None:
    """Let what is still buffered for standard output go nowhere, so that no later flush fails again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
