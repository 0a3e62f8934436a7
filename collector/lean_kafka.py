"""librdkafka's module for Python without what its package imports beside it: asyncio, TLS, admin objects: 8 MB, 0.1 s.

A process that only publishes needs none of that. What stands in for the package knows a producer and what it tells.
"""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec

PACKAGE = "confluent_kafka"
ADMIN = f"{PACKAGE}.admin"
NAMES = ("KafkaError", "KafkaException", "Message", "Producer")
METADATA = ("BrokerMetadata", "ClusterMetadata", "PartitionMetadata", "TopicMetadata")  # what list_topics() returns


def import_little() -> bool:
    """Let `confluent_kafka` be NAMES alone in this process, for good; False where it is imported whole already.

    To be called by a process's own entry. Where the package is built otherwise than it was, it is imported whole.
    """
    if PACKAGE in sys.modules:
        return False
    try:
        _stand_in(PACKAGE, "cimpl", NAMES)
        _stand_in(ADMIN, "_metadata", METADATA)
    except (ImportError, AttributeError):
        for name in (PACKAGE, ADMIN):
            sys.modules.pop(name, None)
        return False
    return True


def _stand_in(name: str, part: str, wanted: tuple[str, ...]) -> None:
    """Put a package that holds `wanted` of one of its modules where the whole one would be imported to."""
    found = find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise ImportError(name)
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = list(found.submodule_search_locations)
    package = sys.modules[name] = module_from_spec(spec)
    module = import_module(f"{name}.{part}")
    for one in wanted:
        setattr(package, one, getattr(module, one))
