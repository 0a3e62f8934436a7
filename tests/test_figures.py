"""How much of each capture is understood, as the README's table: operations, NF types, subscribers, linked hops.

`python -m tests.test_figures` prints the table. Truth is found by slow scripts of the tests, never by the code's own.
"""

from pathlib import Path

import pytest

from tests.test_meaning import ATTACH, FREE5GC, FULL, SUITE, events, links
from tests.test_references import exchanges, told, truth

CAPTURES = {
    "Open5GS 2.7.7, its whole suite, SCP": SUITE,
    "Open5GS 2.7.7, one registration": FULL,
    "Open5GS, another's attach": ATTACH,
    "free5GC, another's registration": FREE5GC,
}
# Reached, in per cent: requests with an operation, with a consumer, with a producer, subscribers right, hops linked.
REACHED = {
    SUITE: (98.5, 100.0, 100.0, 98.0, 99.0),
    FULL: (99.0, 99.9, 100.0, 98.0, None),
    ATTACH: (90.0, 50.0, 100.0, 95.0, None),  # half of its requests come with a User-Agent that names no NF
    FREE5GC: (100.0, None, 100.0, 98.0, None),  # its User-Agent names no NF
}
README = Path(__file__).parent.parent / "README.md"
HEAD = ("capture", "requests", "operation %", "consumer NF %", "producer NF %", "subscriber right %", "wrong", "hops %")


def figures(path: Path) -> tuple[int, tuple[float | None, ...], int]:
    """Return how many requests a capture holds, the shares in per cent, and how many subscribers are told wrongly."""
    asked = [event for event in events(path) if event["half"] == "request"]
    read = [event for event in asked if event["path"] is not None]
    right, said = truth(list(exchanges(path).values())), told(path)
    wrong = sum(right.get(key) != supi for key, supi in said.items())
    hops = None
    if path == SUITE:
        linked, proved = links(by_key=True), links(by_key=False)
        hops = 100 * len(linked & proved) / len(proved)
    shares = (
        100 * sum(event["operation"] is not None for event in read) / len(read),
        *(100 * sum(event[name] is not None for event in read) / len(read) for name in ("consumer_nf", "producer_nf")),
        100 * (len(said) - wrong) / len(right),
        hops,
    )
    return len(read), shares, wrong


def line(name: str, path: Path) -> str:
    count, shares, wrong = figures(path)
    first, hops = shares[:-1], shares[-1]
    cells = [name, f"{count:,}", *(f"{share:.1f}" for share in first), str(wrong), f"{hops:.1f}" if hops else "–"]
    return f"| {' | '.join(cells)} |"


@pytest.mark.parametrize("name", CAPTURES)
def test_what_is_understood_of_a_capture_is_what_the_readme_says(name: str) -> None:
    path = CAPTURES[name]
    if not path.exists():
        pytest.skip(f"{path} is not there")
    _, shares, wrong = figures(path)
    reached = zip(shares, REACHED[path], strict=True)
    assert [share for share, floor in reached if share is not None and floor is not None and share < floor] == []
    assert wrong == 0
    assert line(name, path) in README.read_text().splitlines()


if __name__ == "__main__":
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for one, place in CAPTURES.items():
        if place.exists():
            print(line(one, place))
