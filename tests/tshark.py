"""tshark's view of a capture, one row a message: golden files are made with it, and it is asked again where installed.

`python -m tests.tshark` writes the golden files anew.
"""

import gzip
import json
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.debian import installed

ROOT = Path(__file__).parent
CAPTURES = ROOT / "captures"
GOLDEN = ROOT / "golden"
WHOLE = ("open5gs-registration-full", "open5gs-suite-scp")
PORTS = {
    "open5gs": (7777,),
    "thirdparty-open5gs": (7777,),
    "thirdparty-free5gc": (29502, 29503, 29504, 29507, 29509, 29518),
}

Row = dict[str, Any]


def ask(path: Path) -> list[Row]:
    """Return every request and response header block that tshark decodes, trailers left out."""
    (ports,) = [numbers for name, numbers in PORTS.items() if path.name.startswith(name)]
    decode_as = [word for port in ports for word in ("-d", f"tcp.port=={port},http2")]
    asked = ("-Y", "http2.headers", "-T", "pdml", "-J", "ip ipv6 tcp http2")
    command = [installed("tshark", "tshark"), "-r", str(path), *asked, *decode_as]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        rows = [row for packet in _packets(process.stdout) for row in _rows(packet)]
    assert process.returncode == 0
    return sorted(rows, key=json.dumps)


def _packets(stream: Any) -> Iterator[ET.Element]:
    for _, element in ET.iterparse(stream):
        if element.tag == "packet":
            yield element
            element.clear()


def _rows(packet: ET.Element) -> Iterator[Row]:
    field = {name: found.get("show") for found in packet.iter("field") if (name := found.get("name"))}
    address = "ip" if "ip.src" in field else "ipv6"
    source = f"{field[f'{address}.src']}/{field['tcp.srcport']}"
    target = f"{field[f'{address}.dst']}/{field['tcp.dstport']}"
    for stream in (found for found in packet.iter("field") if found.get("name") == "http2.stream"):
        headers = dict(_headers(stream))
        if ":method" in headers:
            yield request(
                source, target, _number(stream), headers[":method"], headers.get(":path"), headers.get(":authority")
            )
        elif ":status" in headers:
            yield response(target, source, _number(stream), int(headers[":status"]))


def _number(stream: ET.Element) -> int:
    return next(int(str(found.get("show"))) for found in stream.iter("field") if found.get("name") == "http2.streamid")


def _headers(stream: ET.Element) -> Iterator[tuple[str, str]]:
    for header in (found for found in stream.iter("field") if found.get("name") == "http2.header"):
        parts = {found.get("name"): str(found.get("show")) for found in header.iter("field")}
        if "http2.header.name" in parts:
            yield parts["http2.header.name"], parts.get("http2.header.value", "")


def request(client: str, server: str, stream: int, method: str | None, path: str | None, authority: str | None) -> Row:
    """Return the row of a request."""
    return {
        "client": client,
        "server": server,
        "stream": stream,
        "method": method,
        "path": path,
        "authority": authority,
    }


def response(client: str, server: str, stream: int, status: int | None) -> Row:
    """Return the row of a response."""
    return {"client": client, "server": server, "stream": stream, "status": status}


def golden(name: str) -> list[Row]:
    """Return the rows of the committed golden file."""
    with gzip.open(GOLDEN / f"{name}.jsonl.gz", "rt") as file:
        return [json.loads(line) for line in file]


def main() -> None:
    """Write the golden file of each whole capture of ours."""
    for name in WHOLE:
        rows = ask(CAPTURES / f"{name}.pcapng")
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (GOLDEN / f"{name}.jsonl.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
        print(name, sum("method" in row for row in rows), "requests", sum("status" in row for row in rows), "responses")


if __name__ == "__main__":
    main()
