"""The capture source: reads a pcap or pcapng file, plain or gzip, at full speed or in its own time."""

import gzip
import time
import zlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from collector.capture_file import CaptureError, CaptureFile
from collector.connections import Connections
from collector.packets import Packets
from collector.tcp import Tracker
from schemas.refusal import Refusal

PIECE = 262_144  # stays in a processor cache while it is read
GZIP_MAGIC = b"\x1f\x8b"
MAGICS = frozenset(bytes.fromhex(magic) for magic in ("a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1", "0a0d0d0a"))


class PcapSource:
    """A capture file as a source, whose clock is packet time.

    `digest` is that of the capture itself: compressed or not, it is the same load.
    """

    def __init__(self, path: Path, speed: float = 0.0) -> None:
        """Look at the file; `speed` 0 = as fast as it goes, N = N times real time. Raises Refusal if it is none."""
        self._path = path
        self._speed = speed
        self._size = 0
        self.problem: Refusal | None = None
        self._broken = ""
        self.now_ns = 0
        self.packets = 0
        self.digest = self._digested()

    def run(
        self,
        connections: Connections,
        tick: Callable[[int], None],
        progress: Callable[[float], None] = lambda _: None,
    ) -> None:
        """Give every packet to `connections`, and `tick` the packet time as it goes on; `progress` is told 0 to 1.

        A file that ends in the middle or turns out broken is read up to there; `problem` then says so.
        """
        loss = connections.counters
        packets = Packets(Tracker(connections, self.digest, loss), loss)
        file = CaptureFile(packets, self._paced(tick), loss)
        done = 0
        try:
            for piece in self._pieces():
                file.feed(piece)
                done += len(piece)
                self.now_ns, self.packets = file.now_ns, packets.count
                progress(done / self._size)
            file.finish()
        except CaptureError as error:
            self.problem = self._refusal("the capture is broken", f"{error}, after packet {packets.count}")
        unreadable = loss.by_reason.get("unsupported_link_type", 0)
        if unreadable and not packets.count:
            self.problem = self._refusal("no packet can be read", f"{unreadable} of unsupported link types")
        self.now_ns, self.packets = file.now_ns, packets.count

    def _digested(self) -> str:
        digest = sha256()
        for piece in self._pieces():
            if not self._size and piece[:4] not in MAGICS:
                raise self._refusal("not a capture", "neither pcap nor pcapng")
            digest.update(piece)
            self._size += len(piece)
        if not self._size:
            raise self._refusal("not a capture", "empty" if self.problem is None else self._broken)
        return digest.hexdigest()[:32]

    def _pieces(self) -> Iterator[bytes]:
        """Yield the capture's bytes; where a gzip file breaks, it ends, as a cut capture does."""
        try:
            with self._path.open("rb") as plain:
                packed = plain.read(2) == GZIP_MAGIC
                plain.seek(0)
                file = gzip.GzipFile(fileobj=plain) if packed else plain
                while piece := file.read1(PIECE):  # what gzip yields before it breaks is not lost
                    yield piece
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            self._broken = f"gzip: {error}"
            self.problem = self._refusal("the capture is broken", self._broken)
        except OSError as error:
            raise self._refusal("cannot read the capture", error.strerror or str(error)) from error

    def _paced(self, tick: Callable[[int], None]) -> Callable[[int], None]:
        if not self._speed:
            return tick
        began_s, began_ns = time.monotonic(), 0

        def paced(now_ns: int) -> None:
            nonlocal began_ns
            began_ns = began_ns or now_ns
            due_s = began_s + (now_ns - began_ns) / 1e9 / self._speed
            time.sleep(max(0.0, due_s - time.monotonic()))
            tick(now_ns)

        return paced

    def _refusal(self, failed: str, seen: str) -> Refusal:
        advice = {
            "not a capture": "give a pcap or pcapng file",
            "cannot read the capture": "check its name and rights",
        }
        return Refusal(failed, f"{self._path}: {seen}", advice.get(failed, "what stood before was read"))
