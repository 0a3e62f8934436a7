# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""What stands in every event of one connection, and what a request says that stands in its answer's event, too."""

import cython

from collector.message import Endpoints, Vantage
from collector.network_function import NOBODY, End
from collector.request_target import NO_MATCH

if cython.compiled:
    from cython.cimports.collector.references import Awaited
    from cython.cimports.collector.request_target import Matched, RequestTarget
    from cython.cimports.collector.sbi_headers import Fields
else:
    from collector.references import Awaited
    from collector.request_target import Matched, RequestTarget
    from collector.sbi_headers import Fields

NO_FIELDS = cython.declare(Fields, Fields())


@cython.final
@cython.cclass
class Ends:
    """What all events of a connection have in common."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.endpoints = endpoints
        self.connection_id = endpoints.connection_id
        self.connection = endpoints.connection_id.encode()
        self.client = f"{endpoints.client_address}\0{endpoints.client_port}".encode()
        self.server = f"{endpoints.server_address}:{endpoints.server_port}"
        self.vantage = int(endpoints.vantage)
        self.client_process = endpoints.process_name if endpoints.vantage == Vantage.CLIENT else None
        self.server_process = endpoints.process_name if endpoints.vantage == Vantage.SERVER else None
        self.tls = endpoints.tls
        self.client_address = endpoints.client_address
        self.client_port = endpoints.client_port
        self.server_address = endpoints.server_address
        self.server_port = endpoints.server_port
        self.process_id = endpoints.process_id
        self.process_name = endpoints.process_name
        self.netns = endpoints.netns
        self.executable = endpoints.workload.executable
        self.container_id = endpoints.workload.container_id
        self.container_name = endpoints.workload.container_name
        self.image = endpoints.workload.image
        self.pod_uid = endpoints.workload.pod_uid
        self.pod = endpoints.workload.pod
        self.namespace = endpoints.workload.namespace
        self.labels = endpoints.workload.labels
        self.octets_before = b""  # in Avro, once asked for (collector.event)
        self.octets = b""
        self.octets_behind = b""
        self.agent: str | None = None  # by what the consumer was concluded last, and who it is
        self.requester: str | None = None
        self.sender: str | None = None
        self.version = -1
        self.consumer: End = NOBODY
        self.named: str | None = None  # the instance that a request named last, of whom, and who that is
        self.named_of: End = NOBODY
        self.named_version = -1
        self.named_consumer: End = NOBODY


@cython.no_gc  # makes no circles
@cython.freelist(256)
@cython.final
@cython.cclass
class Asked:
    """What a request says of its exchange; its answer says the same.

    awaited: what is known of whom it is about. teller: the number of who asked. exact: all its fields were read.
    """

    def __init__(self) -> None:
        self.fields = NO_FIELDS
        self.target: RequestTarget | None = None
        self.text: str | None = None
        self.plain_path: str | None = None
        self.matched: Matched = NO_MATCH
        self.consumer: End = NOBODY
        self.producer: End = NOBODY
        self.receiver: str | None = None
        self.place = ""
        self.keys = b""  # of the events of both halves (collector.hop)
        self.awaited: Awaited | None = None
        self.teller = 0
        self.exact = False


@cython.cfunc
def new_asked() -> Asked:
    """Return what `Asked()` is, in a third of its time."""
    if not cython.compiled:
        return Asked()
    asked: Asked = Asked.__new__(Asked)
    asked.fields = NO_FIELDS
    asked.matched = NO_MATCH
    asked.consumer = NOBODY
    asked.producer = NOBODY
    asked.place = ""
    asked.keys = b""
    return asked
