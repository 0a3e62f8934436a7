"""Asks the engine as the user of a users.xml: `python -m tests.as_reader DATA USERS SQL ...`; answers as JSON."""

import json
import sys
from pathlib import Path

from deploy.stack.front.engine import Engine, EngineError

FRONT = Path(__file__).parent.parent / "deploy" / "stack" / "front"


def main() -> None:
    data, users, *asked = sys.argv[1:]
    config = Path(users).with_name("engine.xml")
    config.write_text((FRONT / "config.xml").read_text().replace("${users}", users))
    handle = Engine(data, str(config)).handle({})
    answers: list[str | int] = []
    for sql in asked:
        try:
            answers.append(bytes(handle.run(sql).bytes()).decode().strip())
        except EngineError as error:
            answers.append(error.code)
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
