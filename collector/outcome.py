"""Who made an error (TS 29.500 6.10.8): the server, a relay on the way, or an NF behind the server."""

from collector.inventory import PROXIES
from collector.network_function import type_of_agent

SERVER = "server"
VIA = "via"
REMOTE = "remote"
# Causes that only an SCP or SEPP gives (TS 29.500 5.2.7.4).
OF_RELAYS = frozenset(
    {
        "NF_DISCOVERY_FAILURE",
        "NF_DISCOVERY_ERROR",
        "MAX_SCP_HOPS_REACHED",
        "NRF_NOT_REACHABLE",
        "TARGET_PLMN_NOT_REACHABLE",
        "SCP_REDIRECTION",
        "SEPP_REDIRECTION",
    }
)


def error_origin(status: int | None, server: str | None, remote_error: bool, cause: str | None) -> str | None:
    """Return who made the error that a response tells, None if it tells none or not whose.

    remoteError (TS 29.502 6.1.6.2.4) names the NF behind; then a Server field that begins with an NF type names its
    maker (TS 29.500 5.2.2.2); then the cause, where only relays give it.
    """
    if status is None or status < 300:
        return None
    if remote_error:
        return REMOTE
    maker = type_of_agent(server) if server else None
    if maker is not None:
        return VIA if maker in PROXIES else SERVER
    return VIA if cause in OF_RELAYS else None
