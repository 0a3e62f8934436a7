"""`sbiscope config check`: read the configuration, refuse what is wrong, show what is in force."""

import argparse
from dataclasses import fields

from schemas.config import Config, load


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("action", choices=["check"], help="check: read it, refuse mistakes, print every key in force")


def run(options: argparse.Namespace) -> int:
    """Print the configuration in force as TOML, secrets replaced. Raises Refusal for what a command would refuse."""
    from collector import hooks
    from schemas.cluster_api import is_wanted
    from schemas.kafka import checked

    config = load(options.config)
    checked(config.kafka)
    hooks.hooks(config.collector.hook)
    hooks.ports(config.collector.ports)
    is_wanted(config.collector.kubernetes)
    print(rendered(config))
    return 0


def rendered(config: Config) -> str:
    """Return `config` as TOML; a secret that is set shows as "***"."""
    lines = []
    for section in fields(config):
        lines.append(f"[{section.name}]")
        table = getattr(config, section.name)
        for key in fields(table):
            value = getattr(table, key.name)
            lines.append(f"{key.name} = {_literal(value) if key.repr or not value else _literal('***')}")
        lines.append("")
    return "\n".join(lines).rstrip()


def _literal(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
