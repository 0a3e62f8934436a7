"""The kernel's probes as the observer holds them: asked of the loader, which has ended by then."""

import os
from pathlib import Path

from collector.loading import Loading
from collector.tls_attachment import TlsAttachment
from collector.window import MAPS, SLOTS, Window
from schemas.refusal import Refusal

LOCKDOWN = Path("/sys/kernel/security/lockdown")


class Probes:
    """Loaded probes: the maps that a Window is made of, and the links that keep them attached until `close`.

    No descriptor here lets its holder load or attach anything.
    """

    def __init__(self, loading: Loading) -> None:
        """Take what is being loaded. Raises Refusal: no hook loads, or what `Loading.loaded` raises."""
        loaded = loading.loaded()
        if not loaded.hook:
            raise nothing_loads(loaded.refused)
        self.hook = loaded.hook
        self.is_attached = True  # until `detach`
        self.refused = loaded.refused
        self.ring_bytes = loading.ring_bytes
        self.maps = {name: loaded.descriptors[name] for name in MAPS}
        self._links = [descriptor for name, descriptor in loaded.descriptors.items() if name.startswith("held")]
        self._attachment = TlsAttachment(loaded.descriptors) if "tls_enter" in loaded.descriptors else None
        for descriptor in set(loaded.descriptors.values()) - {*self.maps.values(), *self._links}:
            os.close(descriptor)  # the attacher has its own

    @property
    def follows_tls(self) -> bool:
        """Whether TLS is followed: the kernel has the links for it, and the attacher lives."""
        return self._attachment is not None and self._attachment.is_alive

    @property
    def has_lost_tls(self) -> bool:
        """Whether TLS was followed and is no more, though the probes are attached."""
        return self._attachment is not None and self._attachment.has_died

    @property
    def attaching(self) -> list[int]:
        """The processes that follow TLS."""
        return self._attachment.processes if self._attachment is not None else []

    def await_tls(self) -> bool:
        """Wait until every process that ran when the probes were loaded has been looked at for TLS, and tell whether.

        Where the kernel lets nobody follow TLS, nobody looks.
        """
        return self._attachment is None or self._attachment.await_scan()

    def window(self) -> Window:
        """Map what was loaded."""
        return Window(self.maps, self.ring_bytes)

    @property
    def mapped_bytes(self) -> int:
        """Memory of the kernel that a Window shows as its process's own: the ring's pages stand in it twice."""
        return 2 * self.ring_bytes + SLOTS * 8

    def detach(self) -> None:
        """Nothing comes into the ring any more; what is in it can be read."""
        self.is_attached = False
        if self._attachment is not None:
            self._attachment.end()
        while self._links:
            os.close(self._links.pop())

    def close(self) -> None:
        """Detach, and let go of the maps."""
        self.detach()
        while self.maps:
            os.close(self.maps.popitem()[1])


def nothing_loads(refused: dict[str, str]) -> Refusal:
    """Return what to say when no hook loads."""
    seen = "; ".join(f"{hook}: {why}" for hook, why in refused.items())
    advice = "sbiscope doctor shows what this kernel has"
    if lockdown() == "confidentiality":
        advice = "the kernel is locked down against reading its memory: boot with lockdown=integrity or none"
    return Refusal("no kernel hook loads", seen, advice)


def lockdown() -> str:
    """Return the kernel's lockdown mode (kernel_lockdown(7)), "" if it has none."""
    try:
        text = LOCKDOWN.read_text()
    except OSError:
        return ""
    return text.partition("[")[2].partition("]")[0]
