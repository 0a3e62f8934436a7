"""What a process of this node is part of, as it stands in every event of its connections."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Workload:
    """Fields as in the schemas; None = not known, or there is none."""

    executable: str | None = None
    container_id: str | None = None
    container_name: str | None = None
    image: str | None = None
    pod_uid: str | None = None
    pod: str | None = None
    namespace: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether nothing more is to come: of a pod it is known which, and which of its containers."""
        return self.pod_uid is None or (self.pod is not None and self.container_name is not None)


@dataclass(frozen=True, slots=True)
class Caller:
    """The process that used a socket, as the kernel knows it; `cgroup` is 1 where cgroup version 1 rules."""

    process_id: int
    process_name: str
    cgroup: int
    netns: int


@dataclass(frozen=True, slots=True)
class Container:
    """One container; `image` None where only its name is known."""

    name: str
    image: str | None


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of this node; `labels`: those that were asked for, `containers` by id."""

    uid: str
    name: str
    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    containers: Mapping[str, Container] = field(default_factory=dict)
