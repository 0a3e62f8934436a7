"""schemas/examples and schemas/README.md: each schema has a message, its JSON says what Avro says."""

import json
import re
from pathlib import Path

import pytest

from schemas.framing import frame, published, single_object_mark, unframe
from schemas.topics import JSON_SUFFIX, declared
from tests import examples

FOLDER = examples.FOLDER
README = (FOLDER.parent / "README.md").read_text()
BINARY = {"quarantined"}  # its octets are characters in JSON


@pytest.mark.parametrize("name", published())
def test_each_schema_has_an_example_whose_json_is_what_avro_says(name: str) -> None:
    message = (FOLDER / f"{name}.avro").read_bytes()
    text = (FOLDER / f"{name}.json").read_text()
    assert unframe(message)[0] == single_object_mark(name)
    assert text == examples.as_json(name, message)
    if name not in BINARY:
        assert json.loads(text) == examples.decoded(name, message)


def test_the_examples_are_what_todays_code_makes() -> None:
    made = {name: frame(name, body) for name, body in examples.examples()}
    assert made.keys() == set(published())
    stale = [name for name, message in made.items() if (FOLDER / f"{name}.avro").read_bytes() != message]
    assert not stale, "make them anew: XDG_CONFIG_HOME=… python -m tests.examples, with the key of tests/conftest.py"


def test_every_topic_of_a_noc_is_described_with_its_record_and_key() -> None:
    rows = re.findall(r"^\| `(sbi\.[a-z-]+)` \| (\w+) \| `([a-z_/]+)` \|", README, re.MULTILINE)
    assert len(rows) == 6
    for name, record, key in rows:
        for topic in (declared()[name], declared()[name + JSON_SUFFIX]):
            assert (topic.record, topic.cleanup) == (record, "delete")
            assert topic.key == {"kpi_id": "kpi key"}.get(key, key)
    assert {name for name in declared() if name.endswith(JSON_SUFFIX)} == {name + JSON_SUFFIX for name, _, _ in rows}
    assert not [one.name for one in declared().values() if "compact" in one.cleanup and one.name != "sbi.schemas"]


def test_every_file_named_in_the_readme_is_there() -> None:
    root = FOLDER.parent.parent
    named = re.findall(r"`((?:tests|deploy)/[\w/.]+)`", README)
    assert named
    assert not [name for name in named if not (root / name).exists() and not Path(name).is_absolute()]
