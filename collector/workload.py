"""What a process of this node is part of, as it stands in every event of its connections."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MOST_TEXT = 255  # characters of what others named: it stands in every event


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
    is_named_later: bool = False  # who knows the container's name has not answered yet; it stands in no event

    @property
    def is_whole(self) -> bool:
        """Whether nothing more is to come: of a pod it is known which, and which of its containers."""
        if self.pod_uid is None:
            return not self.is_named_later
        return self.pod is not None and self.container_name is not None


@dataclass(frozen=True, slots=True)
class Caller:
    """The process that used a socket, as the kernel knows it; `cgroup` is 1 where cgroup version 1 rules."""

    process_id: int
    process_name: str
    cgroup: int
    netns: int


@dataclass(frozen=True, slots=True)
class Container:
    """One container; `image` None where only its name is known. What is longer than MOST_TEXT is cut."""

    name: str
    image: str | None

    def __post_init__(self) -> None:
        """Cut, whoever made it."""
        for name, text in (("name", self.name), ("image", self.image)):
            if text is not None and len(text) > MOST_TEXT:
                object.__setattr__(self, name, text[:MOST_TEXT])


NOT_YET = Container("", None)  # of one whose name may be told when it is asked for again


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of this node; `labels`: those that were asked for, `containers` by id."""

    uid: str
    name: str
    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    containers: Mapping[str, Container] = field(default_factory=dict)
