"""The configuration: file, environment and defaults make one result; mistakes are refused by name."""

from collections.abc import Iterator
from dataclasses import Field, fields
from pathlib import Path
from typing import cast

import pytest

from deploy.commands.config import rendered
from schemas.config import RANGE, Config, load
from schemas.refusal import Refusal


def test_without_a_file_the_defaults_hold() -> None:
    assert load(None, {}) == Config()


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('[kafka]\nbootstrap = "a:1"\npartitions = 8\n[collector]\nplain_identifiers = true\n')
    config = load(str(file), {"SBISCOPE_KAFKA_BOOTSTRAP": "b:2", "SBISCOPE_COLLECTOR_PLAIN_IDENTIFIERS": "no"})
    assert (config.kafka.bootstrap, config.kafka.partitions) == ("b:2", 8)
    assert not config.collector.plain_identifiers


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("[kafak]\n", "[kafak]"),
        ("[kafka]\nbootstap = 1\n", "kafka.bootstap"),
        ('[kafka]\npartitions = "8"\n', "kafka.partitions = '8'"),
        ("[kafka]\npartitions = true\n", "kafka.partitions = True"),
        ("[kafka]\npartitions = 0\n", "kafka.partitions = 0; write 1 to"),
        ("[collector]\nbatch_events = -1\n", "collector.batch_events = -1"),
        ("[stack]\nkafka_port = 65536\n", "stack.kafka_port = 65536"),
        ("kafka = 3\n", "kafka = 3"),
        ("[kafka\n", "line 1"),
    ],
)
def test_a_mistake_in_the_file_is_refused_in_one_line(tmp_path: Path, text: str, seen: str) -> None:
    file = tmp_path / "s.toml"
    file.write_text(text)
    with pytest.raises(Refusal) as caught:
        load(str(file), {})
    assert seen in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("variable", ["SBISCOPE_KAFKA_PARTITIONS", "SBISCOPE_COLLECTOR_PLAIN_IDENTIFIERS"])
def test_a_mistake_in_the_environment_is_refused(variable: str) -> None:
    with pytest.raises(Refusal, match=variable):
        load(None, {variable: "many"})


def numbers() -> Iterator[tuple[str, Field[int]]]:
    for section in fields(Config):
        for one in fields(cast("type", section.type)):
            if one.type is int:
                yield f"SBISCOPE_{section.name}_{one.name}".upper(), one


@pytest.mark.parametrize(("variable", "one"), [pytest.param(*found, id=found[0]) for found in numbers()])
def test_every_number_has_a_range_that_holds(variable: str, one: Field[int]) -> None:
    least, most = one.metadata[RANGE]
    assert least <= one.default <= most
    for inside in (least, most):
        load(None, {variable: str(inside)})
    for outside in (least - 1, most + 1):
        with pytest.raises(Refusal, match=f"out of range.*{variable} = {outside}.*write {least} to {most}"):
            load(None, {variable: str(outside)})


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(Refusal, match="cannot read"):
        load("/nonexistent.toml", {})


def test_secrets_never_show() -> None:
    config = load(None, {"SBISCOPE_KAFKA_SASL_PASSWORD": "geheim", "SBISCOPE_CLICKHOUSE_PASSWORD": "geheim"})
    assert "geheim" not in rendered(config)
    assert "geheim" not in repr(config)


def test_what_is_shown_can_be_read_back(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(rendered(Config()))
    assert load(str(file), {}) == Config()
